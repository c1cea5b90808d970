/* SPDX-License-Identifier: MIT */
/* The tasks and callbacks of the stress test, and what their futures must say. */
#include "stress.h"

#include <errno.h>
#include <pthread.h>
#include <string.h>

enum {
	LARGE = 1000, /* bytes of a large argument and of its result */
	CHILDREN_MAX = 3,
};

uint64_t work_value(const struct record *r)
{
	return (uint64_t)(uintptr_t)r * UINT64_C(0x9e3779b97f4a7c15) + r->kind;
}

static int child(creel_task *task, const void *arg, size_t size)
{
	struct round *round;
	must(size == sizeof round);
	memcpy(&round, arg, sizeof round);
	atomic_fetch_add(&round->children_ran, 1);
	return creel_return(task, &size, sizeof size);
}

/* Waiting runs those that have not started right here: one worker is enough. */
static void nest(struct round *round, unsigned n)
{
	creel_future *children[CHILDREN_MAX];
	for (unsigned i = 0; i < n; i++)
		children[i] = creel_submit(round->pool, child, &round, sizeof round);
	atomic_fetch_add(&round->children, n);
	for (unsigned i = 0; i < n; i++) {
		size_t size = 0;
		int rc = creel_future_result(children[i], CREEL_FOREVER, &size, sizeof size);
		if (rc == 0)
			must(size == sizeof round);
		else if (rc == -ECANCELED)
			atomic_fetch_add(&round->children_cancelled, 1);
		else if (creel_future_error(children[i])->kind == CREEL_KIND_SHUT_DOWN)
			atomic_fetch_add(&round->children_rejected, 1);
		else
			broken(__FILE__, __LINE__, "a child failed: %s",
			       creel_future_error(children[i])->message);
		creel_future_unref(children[i]);
	}
}

static int return_large(creel_task *task, const struct argument *a, size_t size)
{
	unsigned char *to = creel_return_reserve(task, size);
	must(size == LARGE && to && (uintptr_t)to % 64 == 0);
	memcpy(to, a, size);
	return 0;
}

int work(creel_task *task, const void *arg, size_t size)
{
	const struct argument *a = arg;
	struct record *r = a->record;
	must((uintptr_t)arg % 16 == 0 && a->value == work_value(r));
	atomic_fetch_add(&r->ran, 1);
	switch (r->kind) {
	case KIND_FAILS:
		return creel_fail(task, -EIO, "on purpose");
	case KIND_NESTS:
		nest(r->round, 1 + (unsigned)(a->value >> 32) % CHILDREN_MAX);
		break;
	case KIND_LARGE:
		return return_large(task, a, size);
	case KIND_EXITS:
		atomic_fetch_add(&r->round->exits, 1);
		pthread_exit(NULL);
	default:
		break;
	}
	return creel_return(task, &a->value, sizeof a->value);
}

/* The argument is whole until it is freed. */
void work_freed(void *arg, size_t size, void *ctx)
{
	const struct argument *a = arg;
	must(a->record == ctx && a->value == work_value(ctx) && size >= sizeof *a);
	atomic_fetch_add(&((struct record *)ctx)->freed, 1);
}

void work_called(creel_future *f, void *arg)
{
	struct record *r = arg;
	must(creel_future_state(f) >= CREEL_FUTURE_FINISHED);
	atomic_fetch_add(&r->called, 1);
}

void work_called_as_task(creel_future *f, void *arg)
{
	work_called(f, arg);
	atomic_fetch_add(&((struct record *)arg)->round->callback_tasks, 1);
}

void work_callback_freed(void *arg)
{
	atomic_fetch_add(&((struct record *)arg)->callback_freed, 1);
}

static void check_value(const struct record *r, const void *data, size_t size)
{
	if (r->kind == KIND_LARGE) {
		struct argument a;
		must(size == LARGE);
		memcpy(&a, data, sizeof a);
		must(a.record == r && a.value == work_value(r));
	} else {
		uint64_t value;
		must(size == sizeof value);
		memcpy(&value, data, sizeof value);
		must(value == work_value(r));
	}
}

static uint8_t failure(const struct record *r, const creel_error *e)
{
	must(e != NULL);
	if (e->kind == CREEL_KIND_SHUT_DOWN)
		return OUTCOME_REJECTED;
	if (r->kind == KIND_FAILS)
		must(e->kind == CREEL_KIND_FAILED && e->code == -EIO);
	else if (r->kind == KIND_EXITS)
		must(e->kind == CREEL_KIND_EXITED);
	else
		broken(__FILE__, __LINE__, "a task of kind %d failed: %s", r->kind, e->message);
	return OUTCOME_FAILED;
}

void work_settle(struct record *r, creel_future *f, uint64_t *random)
{
	const void *data = NULL;
	size_t size = 0;
	int rc = creel_future_view(f, creel_in_ms(GUARD_MS), &data, &size);
	if (rc == -ETIMEDOUT)
		broken(__FILE__, __LINE__, "a task of kind %d was never run; state %d", r->kind,
		       creel_future_state(f));
	if (rc == 0) {
		must(r->kind != KIND_FAILS && r->kind != KIND_EXITS);
		check_value(r, data, size);
		r->outcome = OUTCOME_OK;
		creel_buffer buffer;
		/* Busy while others hold it: then they go on as if nothing had been asked. */
		if (one_in(random, 4) && creel_future_take(f, CREEL_NOW, &buffer) == 0) {
			check_value(r, buffer.data, buffer.size);
			if (buffer.free)
				buffer.free(buffer.data, buffer.size, buffer.ctx);
		}
	} else if (rc == -ECANCELED) {
		r->outcome = OUTCOME_CANCELLED;
	} else {
		must(rc == CREEL_EFAILED);
		r->outcome = failure(r, creel_future_error(f));
	}
	creel_future_unref(f);
}
