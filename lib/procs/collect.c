/* SPDX-License-Identifier: MIT */
/*
 * Collecting outcomes: from a DONE slot into the future.
 *
 * What a worker wrote is read once into the parent's own variables, checked, and only then used.
 * What cannot be true ends that worker, and fails that task.
 */
#include "base/alloc.h"
#include "base/clock.h"
#include "future/error.h"
#include "future/result.h"
#include "procs/pool.h"
#include <creel/future.h>
#include <errno.h>
#include <string.h>

#define SLICE_NS INT64_C(5000000) /* of outcomes, before limits and news are looked at */

enum {
	ROUND = 64,         /* outcomes a round: each needs the lock twice */
	COPIED = 16 * 1024, /* up to this size a copy is cheaper than holding an extent */
	EXTENTS_SPARE = 32, /* when fewer are left, everything is copied */
};

/* What a worker wrote, once read: it may be writing it still. */
struct claim {
	int32_t code;
	uint32_t out, extent, message;
	uint64_t offset, size;
};

static struct claim read_claim(const struct creel__slot *slot)
{
	const volatile struct creel__slot *s = slot;
	return (struct claim){s->code, s->out, s->extent, s->message, s->offset, s->out_size};
}

struct outcome {
	struct creel__proc *w;
	unsigned i;
	creel_task *task;
	const creel_error *error;
};

static const creel_error *corrupt(struct creel__procs *p, struct creel__proc *w, creel_future *f)
{
	creel__lock_acquire(&p->lock);
	creel__kill_worker_locked(p, w, 0);
	creel__procs_unlock(p);
	const creel_error *e = creel__error_make(
		CREEL_KIND_WORKER_DIED, CREEL_EFAILED, creel__task_name(f),
		"worker %u (pid %d) wrote nonsense into its shared memory and was killed",
		creel__proc_index(p, w), (int)w->pid);
	creel__error_set_death(e, w->pid, 0, 0);
	return e;
}

static const creel_error *no_memory(creel_future *f)
{
	return creel__error_make(CREEL_KIND_NO_MEMORY, -ENOMEM, creel__task_name(f),
				 "the task ended, but there was no memory for its result");
}

/* The error at data, of which the worker says how it is laid out; NULL if that cannot be true. */
static const creel_error *read_error(const struct claim *claim, int kind, const char *name,
				     const unsigned char *data)
{
	if (claim->message == 0 || claim->message > CREEL__MESSAGE_MAX ||
	    claim->message > claim->size)
		return NULL;
	struct creel__error_parts parts = {
		.kind = kind, .code = claim->code ? claim->code : CREEL_EFAILED, .task = name};
	size_t at = creel__out_data(claim->message);
	if (claim->size > at) {
		parts.data = data + at;
		parts.size = (size_t)claim->size - at;
	}
	return creel__error_copy(&parts, (const char *)data, claim->message - 1);
}

/* From where the worker says that it is; NULL if that cannot be true. */
static const creel_error *find_error(struct creel__procs *p, struct creel__proc *w,
				     const struct creel__slot *slot, const struct claim *claim,
				     int kind, const char *name)
{
	if (claim->out != CREEL__OUT_ERROR_EXTENT)
		return claim->size > CREEL__OUT ? NULL
						: read_error(claim, kind, name, slot->out_data);
	creel_buffer buffer;
	if (!creel__space_hold(p->space, creel__proc_index(p, w), claim->extent, claim->offset,
			       claim->size, &buffer))
		return NULL;
	const creel_error *e = read_error(claim, kind, name, buffer.data);
	creel__space_release(buffer.data, buffer.size, buffer.ctx);
	return e;
}

static const creel_error *take_error(struct creel__procs *p, struct creel__proc *w,
				     const struct creel__slot *slot, const struct claim *claim,
				     creel_future *f)
{
	int kind = claim->out == CREEL__OUT_NO_MEMORY ? CREEL_KIND_NO_MEMORY : CREEL_KIND_FAILED;
	const creel_error *e = find_error(p, w, slot, claim, kind, creel__task_name(f));
	return e ? creel__task_stopped(f, e) : corrupt(p, w, f);
}

const creel_error *creel__initializer_said(struct creel__procs *p, struct creel__proc *w)
{
	const struct creel__slot *slot = creel__slot_of(p, w, 0);
	struct claim claim = read_claim(slot);
	if (claim.out != CREEL__OUT_ERROR && claim.out != CREEL__OUT_ERROR_EXTENT)
		return NULL;
	return find_error(p, w, slot, &claim, CREEL_KIND_FAILED, NULL);
}

static const creel_error *take_extent(struct creel__procs *p, struct creel__proc *w,
				      const struct claim *claim, creel_future *f)
{
	struct creel__space *s = p->space;
	unsigned worker = creel__proc_index(p, w);
	creel_buffer buffer;
	if (!creel__space_hold(s, worker, claim->extent, claim->offset, claim->size, &buffer))
		return corrupt(p, w, f);
	bool copy = buffer.size <= COPIED ||
		    creel__load(&s->holds[worker].all, relaxed) + EXTENTS_SPARE > CREEL__EXTENTS;
	int rc = copy ? creel__result_copy(f, buffer.data, buffer.size)
		      : creel__result_move(f, buffer);
	if (copy || rc)
		creel__space_release(buffer.data, buffer.size, buffer.ctx);
	return rc ? no_memory(f) : NULL;
}

const creel_error *creel__outcome_take(struct creel__procs *p, struct creel__proc *w, unsigned i,
				       creel_future *f)
{
	const struct creel__slot *slot = creel__slot_of(p, w, i);
	struct claim claim = read_claim(slot);
	switch (claim.out) {
	case CREEL__OUT_INLINE:
		if (claim.size > CREEL__OUT)
			return corrupt(p, w, f);
		return creel__result_copy(f, slot->out_data, claim.size) ? no_memory(f) : NULL;
	case CREEL__OUT_EXTENT:
		return take_extent(p, w, &claim, f);
	case CREEL__OUT_ERROR:
	case CREEL__OUT_ERROR_EXTENT:
	case CREEL__OUT_NO_MEMORY:
		return take_error(p, w, slot, &claim, f);
	default:
		return corrupt(p, w, f);
	}
}

/* What the parent's table allows the word to be: see procs/layout.h. */
static bool is_legal(struct creel__procs *p, const struct creel__proc *w, unsigned i,
		     uint64_t state)
{
	const struct creel__place *place = &w->place[i];
	return state == CREEL__SLOT(place->seq, CREEL__SLOT_RUNNING) ||
	       state == CREEL__SLOT(place->seq, CREEL__SLOT_DONE) ||
	       (state == CREEL__SLOT(place->seq, CREEL__SLOT_READY) &&
		(!place->began || creel__says_begun(p, w, i)));
}

static bool is_open(const struct creel__place *place)
{
	return place->task && !place->collecting && !place->kill_kind;
}

static bool is_done(struct creel__procs *p, const struct creel__proc *w, unsigned i)
{
	/* [SLOT-2] [BELL-1] seq_cst: acquires the outcome; also the look after having said
	 * that we sleep; pairs with the worker's step to DONE */
	return creel__load(&creel__slot_of(p, w, i)->state, seq_cst) ==
	       CREEL__SLOT(w->place[i].seq, CREEL__SLOT_DONE);
}

/* The number of the oldest that is not DONE, looked at after those that are: what is younger cannot
 * be DONE before. */
uint64_t creel__first_undone_locked(struct creel__procs *p, const struct creel__proc *w)
{
	uint64_t first = UINT64_MAX;
	for (unsigned i = 0; i < CREEL__DEPTH; i++) {
		const struct creel__place *place = &w->place[i];
		if (place->task && !place->collecting && place->seq < first &&
		    (place->kill_kind || !is_done(p, w, i)))
			first = place->seq;
	}
	return first;
}

/* At one that is not DONE. What is RUNNING has begun, if those before it are DONE. */
static bool look_locked(struct creel__procs *p, struct creel__proc *w, unsigned i)
{
	struct creel__place *place = &w->place[i];
	/* [SLOT-3] acquire: what is older is looked at afterwards; pairs with the worker's step to
	 * RUNNING */
	uint64_t state = creel__load(&creel__slot_of(p, w, i)->state, acquire);
	if (!is_legal(p, w, i, state))
		return false;
	if (place->began || state != CREEL__SLOT(place->seq, CREEL__SLOT_RUNNING))
		return true;
	place->began = w->used == 1 || creel__first_undone_locked(p, w) >= place->seq;
	return place->began;
}

static unsigned gather_from_locked(struct creel__procs *p, struct creel__proc *w,
				   struct outcome *round, unsigned n, unsigned most)
{
	unsigned done[CREEL__DEPTH], count = 0;
	bool honest = true;
	if (w->used == 0 || (w->liar && !w->gone))
		return n;
	for (unsigned i = 0; i < CREEL__DEPTH && n + count < most; i++) {
		struct creel__place *place = &w->place[i];
		if (!is_open(place))
			continue;
		if (is_done(p, w, i))
			done[count++] = i;
		else
			honest &= look_locked(p, w, i);
	}
	uint64_t until = count && count < w->used ? creel__first_undone_locked(p, w) : UINT64_MAX;
	for (unsigned k = 0; k < count; k++) {
		struct creel__place *place = &w->place[done[k]];
		honest &= place->seq < until;
		if (place->seq > until)
			continue;
		place->collecting = true;
		round[n++] = (struct outcome){w, done[k], place->task, NULL};
	}
	if (!honest && !w->dying)
		creel__call_liar_locked(p, w);
	/* Several at a time: short tasks. Let it have more of them. */
	if (count > 1 && w->depth < CREEL__DEPTH)
		w->depth *= 2;
	return n;
}

/* Workers that have become ready. */
static void greet_locked(struct creel__procs *p)
{
	for (unsigned n = 0; n < p->reach; n++) {
		struct creel__proc *w = &p->procs[n];
		if (w->life != CREEL__STARTING || w->pidfd < 0 || w->dying)
			continue;
		struct creel__control *c = creel__space_control(p->space, n);
		/* [BELL-1] seq_cst: the look after having said that we sleep */
		if (creel__load(&c->ready, seq_cst) != w->incarnation)
			continue;
		w->life = CREEL__READY;
		w->start_by = 0;
		p->started++;
		p->unready_deaths = p->fork_failures = 0;
		p->spawn_after = 0;
	}
}

/* From one worker, or from all. */
static unsigned gather(struct creel__procs *p, struct creel__proc *w, struct outcome *round,
		       unsigned most)
{
	unsigned n = 0;
	creel__lock_acquire(&p->lock);
	if (w)
		n = gather_from_locked(p, w, round, n, most);
	for (unsigned i = 0; !w && i < p->reach; i++)
		n = gather_from_locked(p, &p->procs[i], round, n, most);
	creel__procs_unlock(p);
	return n;
}

bool creel__anything_done(struct creel__procs *p)
{
	bool any = false;
	for (unsigned n = 0; !any && n < p->reach; n++) {
		const struct creel__proc *w = &p->procs[n];
		/* [BELL-1] seq_cst: the look after having said that we sleep */
		any = w->life == CREEL__STARTING && w->pidfd >= 0 && !w->dying &&
		      creel__load(&creel__space_control(p->space, n)->ready, seq_cst) ==
			      w->incarnation;
		for (unsigned i = 0; !any && w->used && !w->liar && i < CREEL__DEPTH; i++)
			any = is_open(&w->place[i]) && is_done(p, w, i);
	}
	return any;
}

static unsigned collect(struct creel__procs *p, struct creel__proc *w, unsigned most)
{
	struct outcome round[ROUND];
	unsigned n = gather(p, w, round, most);
	for (unsigned k = 0; k < n; k++) {
		creel_future *f = &round[k].task->future;
		creel__task_claim_remote(f);
		creel__tell_ran(p, round[k].w, round[k].i, f);
		round[k].error = creel__outcome_take(p, round[k].w, round[k].i, f);
	}
	creel__lock_acquire(&p->lock);
	for (unsigned k = 0; k < n; k++) {
		creel__store(&creel__slot_of(p, round[k].w, round[k].i)->state, CREEL__SLOT_EMPTY,
			     relaxed);
		creel__place_clear_locked(p, round[k].w, round[k].i);
		round[k].w->moved = p->seq;
	}
	if (n)
		p->servers_lost = p->crashes = 0;
	greet_locked(p);
	creel__dispatch_locked(p);
	creel__procs_unlock(p);
	creel__tell_ready(p);
	for (unsigned k = 0; k < n; k++)
		creel__task_end_remote(round[k].task, round[k].error);
	if (n)
		creel__count_finished(p, n);
	return n;
}

void creel__collect_dead(struct creel__procs *p, struct creel__proc *w)
{
	while (collect(p, w, ROUND))
		;
}

/* Callbacks of any length run within: the slower they are, the fewer outcomes a round. */
bool creel__collect(struct creel__procs *p)
{
	int64_t start = creel__now();
	if (p->round == 0)
		p->round = ROUND;
	for (;;) {
		int64_t before = creel__now();
		if (!collect(p, NULL, p->round))
			return false;
		int64_t now = creel__now();
		if (now - before > SLICE_NS && p->round > 1)
			p->round /= 2;
		else if (now - before < SLICE_NS / 4 && p->round < ROUND)
			p->round *= 2;
		if (now - start > SLICE_NS)
			return true;
	}
}
