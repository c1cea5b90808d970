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

/* creel_task_settle_error() puts what a continuation was told of beneath an error of its own, and
 * beneath no other. */
static int depth_of(const creel_error *e, creel_future *known)
{
	bool own = e->kind == CREEL_KIND_FAILED || e->kind == CREEL_KIND_CANCELLED;
	return known && own && creel_error_cause(e, 0) == creel_future_error(known) &&
			       !creel_error_cause(e, 1)
		       ? 0
		       : DEPTH;
}

size_t creel__mpi_failure_size(const creel_error *e, creel_future *known)
{
	return size_of(e, depth_of(e, known));
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

void creel__mpi_failure_pack(const creel_error *e, creel_future *known, void *p)
{
	int depth = depth_of(e, known);
	memset(p, 0, size_of(e, depth));
	pack(e, p, depth);
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

static creel_failure failure_of(const struct opened *o, creel_future *cause)
{
	return (creel_failure){.kind = o->head.kind,
			       .code = o->head.code,
			       .pid = o->head.pid,
			       .signal = o->head.signal,
			       .exit_status = o->head.exit_status,
			       .data = o->head.data ? o->data : NULL,
			       .size = (size_t)o->head.data,
			       .cause = cause ? creel_future_error(cause) : NULL};
}

/* The first one: a failure has one cause. */
static creel_future *cause_of(const struct opened *o)
{
	return o->head.causes ? creel__mpi_failure_future(o->rest) : NULL;
}

/* Of an executor whose tasks fail as their argument says. */
static int settle_as_packed(void *self, creel_task *task)
{
	(void)self;
	const void *arg, *p;
	size_t size;
	(void)creel_task_argument(task, &arg, &size);
	memcpy(&p, arg, sizeof p);
	struct opened o = open_packed(p);
	creel_future *cause = cause_of(&o);
	creel_failure failure = failure_of(&o, cause);
	(void)creel_task_begin(task);
	(void)creel_task_settle_error(task, &failure, "%s", o.message);
	creel_future_unref(cause);
	return 0;
}

static int run_nowhere(creel_task *task, const void *arg, size_t size)
{
	(void)task;
	(void)arg;
	(void)size;
	return 0;
}

creel_future *creel__mpi_failure_future(const void *p)
{
	const creel_executor_ops ops = {.size = sizeof ops, .submit = settle_as_packed};
	creel_executor *ex = creel_executor_new(&ops, NULL);
	creel_future *f = creel_submit(ex, run_nowhere, &p, sizeof p);
	(void)creel_executor_close(ex);
	return f;
}

/* Whether a task that ends so has started for certain. */
static bool has_run(int kind)
{
	return kind == CREEL_KIND_FAILED || kind == CREEL_KIND_WORKER_DIED ||
	       kind == CREEL_KIND_EXITED || kind == CREEL_KIND_KILLED ||
	       kind == CREEL_KIND_TIMED_OUT;
}

int creel__mpi_failure_settle(creel_task *task, const void *p, size_t size, int rank)
{
	(void)size;
	struct opened o = open_packed(p);
	creel_future *cause = cause_of(&o);
	creel_failure failure = failure_of(&o, cause);
	if (has_run(o.head.kind))
		(void)creel_task_begin(task);
	const char *format = where_format(o.head.kind);
	int rc = strchr(format, 'd') ? creel_task_settle_error(task, &failure, "%s (on rank %d)",
							       o.message, rank)
				     : creel_task_settle_error(task, &failure, "%s", o.message);
	creel_future_unref(cause);
	return rc;
}
