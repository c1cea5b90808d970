/* SPDX-License-Identifier: MIT */
/* Errors on their way: packed on a serving rank, made anew on rank 0. */
#include "failure.h"
#include <stdint.h>
#include <string.h>

enum { DEPTH = 4, CAUSES = 8 };

/* Then the message with its 0, the data, and the causes, each at a multiple of 8. */
struct packed {
	int32_t kind, code, signal, exit_status;
	int64_t pid;
	uint64_t message, data;
	uint64_t causes;
};

static size_t padded(size_t n)
{
	return (n + 7) & ~(size_t)7;
}

static size_t size_of(const creel_error *e, int depth)
{
	size_t size = sizeof(struct packed) + padded(strlen(e->message) + 1) + padded(e->size);
	for (size_t i = 0; depth && i < CAUSES && creel_error_cause(e, i); i++)
		size += size_of(creel_error_cause(e, i), depth - 1);
	return size;
}

size_t creel__mpi_failure_size(const creel_error *e)
{
	return size_of(e, DEPTH);
}

static unsigned char *pack(const creel_error *e, unsigned char *p, int depth)
{
	struct packed head = {.kind = e->kind,
			      .code = e->code,
			      .signal = e->signal,
			      .exit_status = e->exit_status,
			      .pid = e->pid,
			      .message = strlen(e->message) + 1,
			      .data = e->size};
	unsigned char *start = p;
	p += sizeof head;
	memcpy(p, e->message, head.message);
	p += padded(head.message);
	if (head.data)
		memcpy(p, e->data, head.data);
	p += padded(head.data);
	for (size_t i = 0; depth && i < CAUSES && creel_error_cause(e, i); i++, head.causes++)
		p = pack(creel_error_cause(e, i), p, depth - 1);
	memcpy(start, &head, sizeof head);
	return p;
}

void creel__mpi_failure_pack(const creel_error *e, void *p)
{
	memset(p, 0, creel__mpi_failure_size(e));
	pack(e, p, DEPTH);
}

struct opened {
	struct packed head;
	const char *message;
	const void *data;
	const unsigned char *rest;
};

static struct opened open_packed(const unsigned char *p)
{
	struct opened o;
	memcpy(&o.head, p, sizeof o.head);
	o.message = (const char *)p + sizeof o.head;
	o.data = p + sizeof o.head + padded(o.head.message);
	o.rest = p + sizeof o.head + padded(o.head.message) + padded(o.head.data);
	return o;
}

creel_future *creel__mpi_failure_future(const void *p)
{
	struct opened o = open_packed(p);
	return creel_future_failed(o.head.kind, o.head.code, "%s", o.message);
}

/* What happened to a process says where: pids of different machines may be the same. */
static const char *where_format(int kind)
{
	switch (kind) {
	case CREEL_KIND_WORKER_DIED:
	case CREEL_KIND_EXITED:
	case CREEL_KIND_KILLED:
	case CREEL_KIND_TIMED_OUT:
	case CREEL_KIND_BROKEN:
		return "%s (on rank %d)";
	default:
		return "%s";
	}
}

int creel__mpi_failure_settle(creel_task *task, const void *p, size_t size, int rank)
{
	(void)size;
	struct opened o = open_packed(p);
	creel_future *cause = NULL;
	if (o.head.causes)
		cause = creel__mpi_failure_future(o.rest);
	creel_failure failure = {.kind = o.head.kind,
				 .code = o.head.code,
				 .pid = o.head.pid,
				 .signal = o.head.signal,
				 .exit_status = o.head.exit_status,
				 .data = o.head.data ? o.data : NULL,
				 .size = (size_t)o.head.data,
				 .cause = cause ? creel_future_error(cause) : NULL};
	const char *format = where_format(o.head.kind);
	int rc = strchr(format, 'd') ? creel_task_settle_error(task, &failure, "%s (on rank %d)",
							       o.message, rank)
				     : creel_task_settle_error(task, &failure, "%s", o.message);
	creel_future_unref(cause);
	return rc;
}
