/* SPDX-License-Identifier: MIT */
/* The threads of a round: submitters, who cancel, resize and listen as well,
 * and the queue's taker. */
#include "stress.h"

#include <errno.h>
#include <string.h>

enum { LARGE = 1000 };

/* An argument on its way, aligned for whoever reads it as one. */
union wire {
	struct argument argument;
	unsigned char bytes[LARGE];
};

static enum kind random_kind(uint64_t *random)
{
	unsigned n = random_next(random) % 1000;
	if (n == 0 && one_in(random, 2))
		return KIND_EXITS;
	if (n < 50)
		return KIND_FAILS;
	if (n < 120)
		return KIND_NESTS;
	if (n < 200)
		return KIND_LARGE;
	if (n < 350)
		return KIND_SPAWNED;
	return n < 500 ? KIND_QUEUED : KIND_PLAIN;
}

/* Takes another submitter's future and leaves one of ours. */
static void exchange(struct round *round, creel_future *f, uint64_t *random)
{
	creel_future *theirs = atomic_exchange(&round->slot[random_next(random) % SLOTS],
					       creel_future_ref(f));
	if (theirs && one_in(random, 2))
		must(creel_future_cancel(theirs) >= CREEL_CANCEL_NOW);
	else if (theirs)
		(void)creel_future_result(theirs, CREEL_NOW, NULL, 0);
	creel_future_unref(theirs);
}

/* Registers a callback and sometimes takes it back. */
static void listen(struct record *r, uint64_t *random)
{
	bool as_task = one_in(random, 4);
	must(creel_future_on_done(r->future, as_task ? r->round->pool : NULL,
				  as_task ? work_called_as_task : work_called, r,
				  work_callback_freed, &r->callback_id) == 0);
	r->callbacks++;
	if (r->callback_id && one_in(random, 3)) {
		int rc = creel_future_remove(r->future, r->callback_id);
		must(rc >= CREEL_CALLBACK_REMOVED && rc <= CREEL_CALLBACK_DONE);
		r->removed += rc == CREEL_CALLBACK_REMOVED;
	}
}

static void submit_one(struct record *r, uint64_t *random)
{
	union wire wire = {.argument = {r, work_value(r)}};
	size_t size = r->kind == KIND_LARGE ? sizeof wire : sizeof wire.argument;
	creel_submit_options options = {.name = "stress", .arg_free = work_freed, .arg_ctx = r};
	r->handed_over = r->kind == KIND_SPAWNED || one_in(random, 2);
	const creel_submit_options *o = r->handed_over ? &options : NULL;
	creel_executor *pool = r->round->pool;
	int rc = 0;
	if (r->kind == KIND_SPAWNED) {
		rc = creel_spawn(pool, work, &wire, size, o);
	} else if (r->kind == KIND_QUEUED) {
		rc = creel_queue_submit(r->round->queue, pool, work, &wire, size, o, r);
	} else if (one_in(random, 2)) {
		rc = creel_try_submit(pool, work, &wire, size, o, &r->future);
	} else {
		r->future = creel_submit_with(pool, work, &wire, size, o);
		return;
	}
	if (rc) {
		must(rc == -ESHUTDOWN || (rc == CREEL_FULL && r->kind == KIND_QUEUED));
		r->kept = r->kind != KIND_SPAWNED;
		r->outcome = OUTCOME_REJECTED;
	}
}

/* The first n futures that are held, for creel_wait(). */
static void wait_for_some(struct record *records, unsigned from, unsigned to, uint64_t *random)
{
	creel_future *some[64];
	size_t n = 0, done = 0;
	for (; from < to && n < sizeof some / sizeof some[0]; from++)
		if (records[from].future)
			some[n++] = records[from].future;
	int mode = (int)(random_next(random) % 3);
	must(creel_wait(some, n, mode, creel_in_ms(GUARD_MS), &done) == 0);
	must(n == 0 || (done > 0 && done <= n));
}

static int map_item(creel_task *task, const void *arg, size_t size)
{
	return creel_return(task, arg, size);
}

/* A map in between, sometimes ended early. */
static void map_some(struct round *round, uint64_t *random)
{
	atomic_fetch_add(&round->maps, 1);
	unsigned items[40], n = sizeof items / sizeof items[0], value;
	for (unsigned i = 0; i < n; i++)
		items[i] = i * i;
	creel_map_options o = {.flags = CREEL_KEEP_GOING |
					(one_in(random, 2) ? CREEL_AS_COMPLETED : 0)};
	creel_mapping *map = creel_map(round->pool, map_item, items, sizeof items[0], n, &o);
	for (unsigned i = 0; i < n && !one_in(random, 60); i++) {
		creel_future *f;
		size_t index;
		must(creel_map_next(map, creel_in_ms(GUARD_MS), &f, &index) == 0);
		int rc = creel_future_result(f, CREEL_NOW, &value, sizeof value);
		must(rc ? rc == -ECANCELED || rc == CREEL_EFAILED : value == index * index);
		creel_future_unref(f);
	}
	creel_map_end(map);
}

/* Now and then, something else than submitting. records[from..to) are held. */
static void meddle(struct submitter *s, unsigned from, unsigned to, uint64_t *random)
{
	struct round *round = s->round;
	struct record *records = round->records[s->number];
	struct record *any = &records[from + random_next(random) % (to - from)];
	if (any->future && one_in(random, 20))
		must(creel_future_cancel(any->future) >= CREEL_CANCEL_NOW);
	if (any->future && one_in(random, 20))
		exchange(round, any->future, random);
	if (one_in(random, 200))
		wait_for_some(records, from, to, random);
	if (one_in(random, 100)) {
		int rc = creel_executor_resize(round->pool, 1 + (int)(random_next(random) % 4));
		must(rc == 0 || rc == -ESHUTDOWN);
	}
	if (one_in(random, 500)) {
		creel_stats stats;
		must(creel_executor_stats(round->pool, &stats, sizeof stats) == 0);
		must(stats.idle <= stats.workers && stats.cancelled <= stats.done);
	}
	if (round->shutdown_at == 0 && one_in(random, 5000))
		map_some(round, random);
}

static void settle(struct record *r, uint64_t *random)
{
	creel_future *f = r->future;
	r->future = NULL;
	if (f)
		work_settle(r, f, random);
}

void *submitter_main(void *submitter)
{
	struct submitter *s = submitter;
	struct round *round = s->round;
	struct record *records = round->records[s->number];
	uint64_t random = round->seed * SUBMITTERS + s->number + 1;
	unsigned oldest = 0;
	for (unsigned i = 0; i < round->tasks; i++) {
		if (i - oldest == WINDOW)
			settle(&records[oldest++], &random);
		struct record *r = &records[i];
		r->round = round;
		r->kind = (uint8_t)random_kind(&random);
		submit_one(r, &random);
		if (r->future && one_in(&random, 5))
			listen(r, &random);
		meddle(s, oldest, i + 1, &random);
		if (round->shutdown_at && s->number == 0 && i == round->shutdown_at) {
			int rc = creel_executor_shutdown(round->pool, round->shutdown_flags,
							 CREEL_NOW, NULL);
			must(rc == 0 || rc == -ETIMEDOUT);
		}
	}
	while (oldest < round->tasks)
		settle(&records[oldest++], &random);
	return NULL;
}

void *taker_main(void *arg)
{
	struct round *round = arg;
	uint64_t random = round->seed + 1;
	for (;;) {
		creel_future *f;
		void *tag;
		int rc = creel_queue_take(round->queue, creel_in_ms(GUARD_MS), &f, &tag);
		if (rc == CREEL_EMPTY)
			return NULL;
		must(rc == 0);
		must(creel_future_state(f) >= CREEL_FUTURE_FINISHED);
		work_settle(tag, f, &random);
	}
}
