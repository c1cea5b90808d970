/* SPDX-License-Identifier: MIT */
/*
 * Promise 35, invariant 12: a worker that writes garbage wherever it can harms itself alone.
 *
 * A task finds the pages that its worker shares with the parent by what it knows of their layout: a
 * small result is written into its slot, and the slot lies in the control of its worker.
 */
#include "misdeeds.h"
#include "procs.h"
#include "future/error.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum deed {
	SLOT_ONES, /* its slot, all ones */
	SLOT_ZERO,
	SLOT_NOISE,
	CONTROL_NOISE, /* everything that the worker has */
	CONTROL_ONES,
	CONTROL_ZERO,
	STATE_SEQ, /* the state of a task that is not there */
	STATE_DONE_TWICE,
	STATE_READY_AGAIN,
	ALL_DONE, /* what waits behind it, too */
	OUT_KIND, /* then outcomes that cannot be, committed as usual */
	OUT_INLINE_SIZE,
	OUT_EXTENT_NUMBER,
	OUT_EXTENT_OFFSET,
	OUT_EXTENT_SIZE,
	OUT_EXTENT_WRAP,
	OUT_ERROR_NO_MESSAGE, /* errors whose parts do not fit into one another */
	OUT_ERROR_MESSAGE_ENDS_LATER,
	OUT_ERROR_MESSAGE_TOO_LONG,
	OUT_ERROR_INLINE_SIZE,
	OUT_ERROR_EXTENT_NUMBER,
	OUT_ERROR_EXTENT_SIZE,
	OUT_ERROR_ENDLESS,
	OUT_ERROR_ZERO_CODE,
	FLAGS_RETIRE,
	FLAGS_READY,
	FLAGS_INIT_CODE,
	FLAGS_OUTGROWN,
	FLAGS_SLEEPING,
	STARTED_NEVER,
	EXTENTS_FULL,
	DEEDS
};

struct order {
	enum deed deed;
	unsigned seed;
	struct ct_count *done;
};

static void noise(void *p, size_t size, unsigned seed)
{
	unsigned char *at = p;
	uint64_t x = seed * UINT64_C(2654435761) + 1;
	for (size_t i = 0; i < size; i++) {
		x ^= x << 13;
		x ^= x >> 7;
		x ^= x << 17;
		at[i] = (unsigned char)x;
	}
}

/* Writes the outcome and the last word of it itself, as a worker would, and ends. */
static void commit(const struct misdeed_place *p, uint32_t out, uint32_t extent, uint64_t size)
{
	p->slot->out = out;
	p->slot->extent = extent;
	p->slot->out_size = size;
	p->slot->code = 0;
	uint64_t state = atomic_load(&p->slot->state);
	atomic_store(&p->slot->state, CREEL__SLOT(state >> 8, CREEL__SLOT_DONE));
}

static void commit_error(const struct misdeed_place *p, uint32_t out, uint32_t extent,
			 uint32_t message, uint64_t size)
{
	p->slot->message = message;
	p->slot->offset = 0;
	commit(p, out, extent, size);
}

static void commit_extent(const struct misdeed_place *p, uint64_t offset, uint64_t extent_size,
			  uint64_t size)
{
	(void)extent_size;
	p->slot->offset = offset;
	commit(p, CREEL__OUT_EXTENT, 3, size);
}

static void set_flag(_Atomic(uint32_t) *flag, uint32_t value)
{
	atomic_store(flag, value);
}

static void do_flags(const struct misdeed_place *p, const struct order *o)
{
	switch (o->deed) {
	case FLAGS_RETIRE:
		set_flag(&p->control->retire, 1);
		break;
	case FLAGS_READY:
		set_flag(&p->control->ready, 77777);
		break;
	case FLAGS_INIT_CODE:
		atomic_store(&p->control->init_code, -5);
		break;
	case FLAGS_OUTGROWN:
		set_flag(&p->control->outgrown, 0xffffffff);
		break;
	case FLAGS_SLEEPING:
		set_flag(&p->control->sleeping, 0xffffffff);
		break;
	case STARTED_NEVER:
		atomic_store(&p->slot->started, o->seed & 1 ? INT64_MAX : INT64_MIN);
		break;
	default:
		for (unsigned i = 0; i < CREEL__EXTENTS; i++)
			set_flag(&p->control->released[i], 1);
		break;
	}
}

static void do_outcome(const struct misdeed_place *p, const struct order *o)
{
	switch (o->deed) {
	case OUT_KIND:
		commit(p, 77, 0, 10);
		break;
	case OUT_INLINE_SIZE:
		commit(p, CREEL__OUT_INLINE, 0, o->seed & 1 ? CREEL__OUT + 1 : UINT64_MAX);
		break;
	case OUT_EXTENT_NUMBER:
		commit(p, CREEL__OUT_EXTENT, o->seed & 1 ? CREEL__EXTENTS : 0xffffffff, 1000);
		break;
	case OUT_EXTENT_OFFSET:
		commit_extent(p, UINT64_MAX - 100, 1000, 1000);
		break;
	case OUT_EXTENT_SIZE:
		commit_extent(p, 4096, UINT64_MAX, UINT64_MAX);
		break;
	case OUT_EXTENT_WRAP:
		commit_extent(p, 1000000, 1000, UINT64_MAX - 1000000 + 2);
		break;
	case OUT_ERROR_NO_MESSAGE:
		commit_error(p, CREEL__OUT_ERROR, 0, 0, 100);
		break;
	case OUT_ERROR_MESSAGE_ENDS_LATER:
		commit_error(p, CREEL__OUT_ERROR, 0, o->seed & 1 ? 101 : UINT32_MAX, 100);
		break;
	case OUT_ERROR_MESSAGE_TOO_LONG:
		commit_error(p, CREEL__OUT_ERROR_EXTENT, 0, CREEL__MESSAGE_MAX + 1, 100000);
		break;
	case OUT_ERROR_INLINE_SIZE:
		commit_error(p, CREEL__OUT_ERROR, 0, 10, o->seed & 1 ? CREEL__OUT + 1 : UINT64_MAX);
		break;
	case OUT_ERROR_EXTENT_NUMBER:
		commit_error(p, CREEL__OUT_ERROR_EXTENT, o->seed & 1 ? CREEL__EXTENTS : UINT32_MAX,
			     10, 1000);
		break;
	case OUT_ERROR_EXTENT_SIZE:
		commit_error(p, CREEL__OUT_ERROR_EXTENT, 0, 10, UINT64_MAX - o->seed);
		break;
	case OUT_ERROR_ENDLESS:
		memset(p->slot->out_data, 'x', CREEL__OUT);
		commit_error(p, CREEL__OUT_ERROR, 0, CREEL__OUT, CREEL__OUT);
		break;
	default:
		memset(p->slot->out_data, '%', CREEL__OUT);
		commit_error(p, CREEL__OUT_ERROR, 0, CREEL__OUT, CREEL__OUT);
		break;
	}
}

static void do_memory(const struct misdeed_place *p, const struct order *o)
{
	uint64_t state = atomic_load(&p->slot->state);
	switch (o->deed) {
	case SLOT_ONES:
		memset((void *)p->slot, 0xff, sizeof *p->slot);
		break;
	case SLOT_ZERO:
		memset((void *)p->slot, 0, sizeof *p->slot);
		break;
	case SLOT_NOISE:
		noise((void *)p->slot, sizeof *p->slot, o->seed);
		break;
	case CONTROL_NOISE:
		noise((void *)p->control, sizeof *p->control, o->seed);
		break;
	case CONTROL_ONES:
		memset((void *)p->control, 0xff, sizeof *p->control);
		break;
	case CONTROL_ZERO:
		memset((void *)p->control, 0, sizeof *p->control);
		break;
	case STATE_SEQ:
		atomic_store(&p->slot->state, CREEL__SLOT((state >> 8) + 1, CREEL__SLOT_DONE));
		break;
	case STATE_DONE_TWICE:
		commit(p, CREEL__OUT_INLINE, 0, 4);
		break;
	case STATE_READY_AGAIN:
		atomic_store(&p->slot->state, CREEL__SLOT(state >> 8, CREEL__SLOT_READY));
		break;
	default:
		for (unsigned i = 0; i < CREEL__DEPTH; i++) {
			struct creel__slot *s = &p->control->slots[i];
			atomic_store(&s->state,
				     CREEL__SLOT(atomic_load(&s->state) >> 8, CREEL__SLOT_DONE));
		}
		break;
	}
}

static int task_misbehaves(creel_task *task, const void *arg, size_t size)
{
	(void)size;
	struct order o = *(const struct order *)arg;
	struct misdeed_place p;
	TASK(misdeed_find(task, &p));
	if (o.deed >= FLAGS_RETIRE)
		do_flags(&p, &o);
	else if (o.deed >= OUT_KIND)
		do_outcome(&p, &o);
	else
		do_memory(&p, &o);
	ct_open(o.done);
	if (o.deed < FLAGS_RETIRE && o.seed % 3 == 0)
		_exit(9);
	if (o.deed < FLAGS_RETIRE && o.seed % 3 == 1)
		raise(SIGKILL);
	return 0;
}

/* Whatever becomes of the wrongdoer and of what waited behind it, each future ends,
 * and others go on. */
static void misbehave(creel_executor *ex, enum deed deed, unsigned seed)
{
	enum { BEHIND = 2, OTHERS = 4 };
	creel_future *behind[BEHIND], *others[OTHERS];
	struct ct_count *ran[OTHERS];
	/* The witness is in another worker, and so is what it will be followed by. */
	struct pt_gated witness = pt_gated(42);
	creel_future *w = pt_submit_gated(ex, &witness);
	ct_count_await(witness.started, 1);
	struct order o = {deed, seed, ct_count_new()};
	creel_future *f = creel_submit_with(ex, task_misbehaves, &o, sizeof o,
					    &(creel_submit_options){.limit_ns = 2000 * PT_MS});
	for (unsigned i = 0; i < BEHIND; i++)
		behind[i] = creel_submit(ex, task_nothing, NULL, 0);
	(void)ct_outcome(f);
	for (unsigned i = 0; i < BEHIND; i++) {
		(void)ct_outcome(behind[i]);
		creel_future_unref(behind[i]);
	}
	ct_int(creel_future_state(w), CREEL_FUTURE_RUNNING);
	ct_open(witness.gate);
	ct_int(ct_long_drop(w), 42);
	for (unsigned i = 0; i < OTHERS; i++)
		others[i] = ct_submit_count(ex, ran[i] = ct_count_new());
	for (unsigned i = 0; i < OTHERS; i++)
		ct_int(ct_long_drop(others[i]), 1);
	ct_assert(creel_executor_error(ex) == NULL);
	creel_future_unref(f);
}

static void misbehave_all(unsigned first, unsigned last, unsigned rounds)
{
	creel_executor *ex = pt_pool(2);
	for (unsigned deed = first; deed <= last; deed++)
		for (unsigned seed = 0; seed < rounds; seed++)
			misbehave(ex, (enum deed)deed, seed);
	ct_close(ex);
}

CASE(hostile, c35_i12_garbage_in_its_own_slot)
{
	misbehave_all(SLOT_ONES, SLOT_NOISE, 6);
}

CASE(hostile, c35_i12_garbage_in_its_whole_control)
{
	misbehave_all(CONTROL_NOISE, CONTROL_ZERO, ct_scaled(6));
}

CASE(hostile, c35_i12_states_that_cannot_be)
{
	misbehave_all(STATE_SEQ, STATE_DONE_TWICE, 6);
	misbehave_all(ALL_DONE, ALL_DONE, 6);
}

/* It looks as if it had never started, and its worker is gone: it is not run again and again. */
CASE(hostile, c35_i12_a_task_that_claims_not_to_have_started_ends_all_the_same)
{
	creel_executor *ex = pt_pool(1);
	struct order o = {STATE_READY_AGAIN, 0, ct_count_new()};
	creel_future *f = creel_submit_with(ex, task_misbehaves, &o, sizeof o,
					    &(creel_submit_options){.limit_ns = 500 * PT_MS});
	if (creel_future_result(f, CT_GUARD, NULL, 0) == -ETIMEDOUT)
		ct_fail(__FILE__, __LINE__, "it ran %u times, and goes on", ct_count_get(o.done));
	creel_future_unref(f);
	pt_works(ex);
	ct_close(ex);
}

CASE(hostile, c35_i12_outcomes_that_cannot_be)
{
	misbehave_all(OUT_KIND, OUT_ERROR_ZERO_CODE, 6);
}

CASE(hostile, c35_i12_flags_that_are_not_true)
{
	misbehave_all(FLAGS_RETIRE, EXTENTS_FULL, 3);
}

/* What it cannot be: a result that the parent believes. They leave at once, or they would write the
 * right outcome over it. */
CASE(hostile, c35_nonsense_is_called_nonsense)
{
	creel_executor *ex = pt_pool(1);
	for (enum deed deed = OUT_KIND; deed < OUT_ERROR_ENDLESS; deed++) {
		struct order o = {deed, deed & 1 ? 3 : 0, ct_count_new()};
		struct pt_ids before = pt_ids(ex);
		creel_future *f = creel_submit_with(ex, task_misbehaves, &o, sizeof o,
						    &(creel_submit_options){.name = "liar"});
		const creel_error *e = pt_failure(f, CREEL_KIND_WORKER_DIED);
		ct_has(e->message, "nonsense");
		ct_text(e->task, "liar");
		ct_int(e->pid, before.pid);
		creel_future_unref(f);
		/* It was killed. */
		ct_assert(pt_ids(ex).pid != before.pid);
	}
	ct_close(ex);
}

struct ringing {
	struct ct_count *rung, *gate;
};

/* A worker clears the word that says whether the parent sleeps, again and again. */
static int task_clears_the_bell(creel_task *task, const void *arg, size_t size)
{
	(void)size;
	const struct ringing *r = arg;
	struct misdeed_place p;
	TASK(misdeed_find(task, &p));
	ct_open(r->rung);
	while (!ct_count_get(r->gate))
		atomic_store(&p.control->parent_sleeps, 0);
	return 0;
}

CASE(hostile, c35_i12_a_worker_that_clears_the_bell_holds_up_nobody_else)
{
	/* Without a timer the manager looks at nothing of its own accord. */
	creel_executor *ex = pt_pool_with(
		(creel_process_pool_options){.max_workers = 2, .idle_ns = CREEL_NEVER});
	bool all = true;
	struct ringing r = {ct_count_new(), ct_count_new()};
	creel_future *f = creel_submit(ex, task_clears_the_bell, &r, sizeof r);
	ct_pass(r.rung);
	for (unsigned i = 0; i < 300 && all; i++) {
		long n = i;
		creel_future *other = creel_submit(ex, task_double, &n, sizeof n);
		all = creel_future_result(other, CT_GUARD, NULL, 0) == 0;
		creel_future_unref(other);
	}
	ct_assert(all);
	ct_open(r.gate);
	/* It may have silenced its own end: that comes with the news of others. */
	ct_until((pt_works(ex), creel_future_state(f) == CREEL_FUTURE_FINISHED));
	ct_int(ct_outcome(f), 0);
	creel_future_unref(f);
	ct_close(ex);
}

/* Nobody asked for a worker to be replaced when it has grown: what says so is a stray write, and a
 * pool that believed it would have no worker left for the next task. */
CASE(hostile, c35_i12_a_worker_that_claims_a_growth_that_nobody_asked_about_stays_in_use)
{
	creel_executor *ex = pt_pool_with(
		(creel_process_pool_options){.max_workers = 1, .idle_ns = CREEL_NEVER});
	struct pt_ids before = pt_ids(ex);
	for (unsigned i = 0; i < 5; i++) {
		struct order o = {FLAGS_OUTGROWN, i, ct_count_new()};
		creel_future *f = creel_submit(ex, task_misbehaves, &o, sizeof o);
		ct_int(ct_outcome(f), 0);
		creel_future_unref(f);
		ct_int(pt_ids(ex).pid, before.pid);
	}
	ct_int(pt_stats(ex).recycled, 0);
	ct_close(ex);
}

struct mark {
	uintptr_t slot;
	uint32_t mark;
};

/* What the one who waits for this task sleeps on, once somebody does. */
static int task_mark(creel_task *task, const void *arg, size_t size)
{
	(void)arg;
	(void)size;
	struct misdeed_place p;
	struct mark m;
	TASK(misdeed_find(task, &p));
	ct_until((m.mark = atomic_load(&p.slot->watch)) != 0);
	m.slot = (uintptr_t)p.slot;
	return creel_return(task, &m, sizeof m);
}

/* Who comes to sleep late would sleep for the next task of the slot, if the marks of both were the
 * same. */
CASE(hostile, i01_each_task_of_a_slot_has_a_mark_of_its_own_to_be_waited_for)
{
	enum { N = 3 * CREEL__DEPTH };
	struct mark m[N];
	unsigned followed = 0;
	creel_executor *ex = pt_pool(1);
	for (unsigned i = 0; i < N; i++) {
		creel_future *f = creel_submit(ex, task_mark, NULL, 0);
		/* Again and again: it may not be alone yet, and then the word is not the slot's. */
		int rc = -ETIMEDOUT;
		for (int64_t start = ct_now(); rc == -ETIMEDOUT && !ct_guard_over(start);)
			rc = creel_future_result(f, creel_in_ms(20), &m[i], sizeof m[i]);
		ct_int(rc, 0);
		creel_future_unref(f);
		ct_assert(m[i].mark != 0);
		for (unsigned k = 0; k < i; k++) {
			ct_assert(m[k].slot != m[i].slot || m[k].mark != m[i].mark);
			followed += m[k].slot == m[i].slot;
		}
	}
	ct_assert(followed > 0);
	ct_close(ex);
}
