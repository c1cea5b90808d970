/* SPDX-License-Identifier: MIT */
/*
 * Shards and batches; see threads/queues.h.
 *
 * ORDER  A shard's list is sorted by the order of submission, and all that is in batches stands
 *        before it. So when all batches of a shard are put back at once, the latest first, the list
 *        is sorted again: no task needs a number of its own. Nothing is claimed into a batch while
 *        tasks that came back stand in front (`returned`). So a shard has either such tasks or
 *        batches that hold some of its tasks, never both.
 *
 * OVERTAKING  A task in a batch waits behind the task that its worker runs. Every 16 * workers
 *        tasks that a shard hands out, the batches are looked at, and if one has become old all
 *        are put back (threads/share.c). Then their tasks are handed out one by one, each to a
 *        worker that starts it. A task is thus overtaken by at most 64 * workers others:
 *        review_age() at one review, the period up to the next, and one batch.
 *        Visits that find the shard empty count as well: other shards have tasks meanwhile.
 *
 * WHY NO FENCE  A worker that is about to sleep says so under the pool's lock and then looks into
 * every queue once more; who adds work looks afterwards whether anybody sleeps. Either the
 * sleeper's look comes later and finds the work, or the other's look comes later and finds the
 * sleeper. For shards the order is that of in_lock; for batches that of out_lock, because batches
 * are filled under it and the sleeper looks into the shards before it looks into the batches.
 *
 * GLANCES  A worker that does not sleep next looks without the locks whether there is anything to
 * claim: an empty shard costs it no read-modify-write. It may miss what comes meanwhile. If it
 * finds nothing it looks again as above before it sleeps. If it was in flight and finds a task, at
 * a glance or then, it looks with the locks for what is left when it passes on.
 */
#include "threads/queues.h"
#include "base/clock.h"

/* in_lock is held. The other list may become empty at this moment: then the stamp is that of now
 * all the same. */
static void set_in_first_locked(struct creel__shard *shard, creel_future *f)
{
	creel__store(&shard->in_first, f, relaxed);
	if (shard->stamps && !creel__load(&shard->out_first, relaxed))
		creel__store(&shard->stamp, creel__now(), relaxed);
}

/* out_lock is held: its first task is another one. */
static inline void stamp_out_locked(struct creel__shard *shard)
{
	if (creel__load(&shard->stamp, relaxed))
		creel__store(&shard->stamp, creel__now(), relaxed);
}

static inline void append_locked(struct creel__shard *shard, creel_future *first,
				 creel_future *last, size_t n)
{
	if (shard->in_last)
		shard->in_last->next = first;
	else
		set_in_first_locked(shard, first);
	shard->in_last = last;
	shard->in_count += n;
	creel__bump(&shard->submitted, n);
}

enum creel__gate creel__shard_push_list(struct creel__shard *shard, creel_future *first,
					creel_future *last, size_t n)
{
	last->next = NULL;
	creel__lock_acquire(&shard->in_lock);
	enum creel__gate gate = shard->gate;
	if (gate == CREEL__GATE_OPEN)
		append_locked(shard, first, last, n);
	creel__lock_release(&shard->in_lock);
	return gate;
}

void creel__shard_push_past(struct creel__shard *shard, creel_task *task)
{
	creel_future *f = &task->future;
	f->next = NULL;
	creel__lock_acquire(&shard->in_lock);
	append_locked(shard, f, f, 1);
	creel__lock_release(&shard->in_lock);
}

enum creel__gate creel__shard_adopt(struct creel__shard *shard)
{
	creel__lock_acquire(&shard->in_lock);
	enum creel__gate gate = shard->gate;
	if (gate == CREEL__GATE_OPEN || gate == CREEL__GATE_NO_WORKERS) {
		creel__bump(&shard->submitted, 1);
		shard->lent_out++;
	}
	creel__lock_release(&shard->in_lock);
	return gate;
}

bool creel__shard_lend(struct creel__shard *shard, creel_task *task)
{
	creel_future *f = &task->future;
	creel__lock_acquire(&shard->in_lock);
	bool first = creel__load(&shard->in_first, relaxed) == f;
	if (first) {
		set_in_first_locked(shard, f->next);
		shard->in_last = f->next ? shard->in_last : NULL;
		shard->in_count--;
	}
	shard->lent_out++;
	creel__lock_release(&shard->in_lock);
	return first;
}

/* Takes the producers' list, which the caller puts at the end of the consumers'. out_lock is
 * held. */
static creel_future *take_in_locked(struct creel__shard *shard)
{
	creel__lock_acquire(&shard->in_lock);
	creel_future *first = creel__load(&shard->in_first, relaxed);
	shard->out_count += shard->in_count;
	creel__store(&shard->in_first, NULL, relaxed);
	shard->in_last = NULL;
	shard->in_count = 0;
	creel__lock_release(&shard->in_lock);
	return first;
}

/* The consumers' list is empty: take over the producers'. out_lock is held. */
static void swap_locked(struct creel__shard *shard)
{
	creel__store(&shard->out_first, take_in_locked(shard), relaxed);
}

/* Somebody else has claimed it, and the queue has only to drop its reference. While a canceller
 * has it, or its destructor is put off, the executor is told of the end: that is the workers'. */
static bool is_dead(creel_future *f)
{
	uint64_t s = creel__load(&f->state, relaxed);
	return s & CREEL__QUEUED && !(s & CREEL__LATE_ARG) && (s & CREEL__STATE) != CREEL__DROPPING;
}

creel_future *creel__shard_sweep(struct creel__shard *shard)
{
	creel_future *dead = NULL;
	creel__lock_acquire(&shard->out_lock);
	creel_future *first = creel__load(&shard->out_first, relaxed), **at = &first;
	size_t place = 0, returned = shard->returned;
	for (bool through = false; *at || !through;) {
		creel_future *f = *at;
		if (!f) {
			*at = take_in_locked(shard);
			through = true;
		} else if (is_dead(f)) {
			*at = f->next;
			f->next = dead;
			dead = f;
			shard->out_count--;
			shard->returned -= place++ < returned;
		} else {
			at = &f->next;
			place++;
		}
	}
	creel__store(&shard->out_first, first, relaxed);
	stamp_out_locked(shard);
	creel__lock_release(&shard->out_lock);
	return dead;
}

size_t creel__shard_length(struct creel__shard *shard)
{
	creel__lock_acquire(&shard->out_lock);
	creel__lock_acquire(&shard->in_lock);
	size_t n = shard->in_count + shard->out_count;
	creel__lock_release(&shard->in_lock);
	creel__lock_release(&shard->out_lock);
	return n;
}

static creel_task *pop_locked(struct creel__shard *shard)
{
	creel_future *f = creel__load(&shard->out_first, relaxed);
	if (!f)
		return NULL;
	creel__store(&shard->out_first, f->next, relaxed);
	shard->out_count--;
	if (shard->returned)
		shard->returned--;
	else
		shard->handed++;
	stamp_out_locked(shard);
	return (creel_task *)f;
}

uint64_t creel__review_period(unsigned sharers)
{
	return CREEL__OVERTAKING / 4 * (uint64_t)sharers;
}

/* With the period before the next review and a last batch it makes 64 * sharers. */
uint64_t creel__review_age(unsigned sharers)
{
	return CREEL__OVERTAKING * (uint64_t)sharers - creel__review_period(sharers) - CREEL__BATCH;
}

/* The batch is empty, and nobody but its owner, the caller, can fill it. */
static void fill_locked(struct creel__shard *shard, struct creel__batch *batch, size_t n,
			unsigned sharers)
{
	uint64_t ends = creel__load(&batch->ends, relaxed);
	uint32_t first = (uint32_t)ends, last = first;
	if (!creel__load(&shard->lent, relaxed))
		shard->review_at = shard->handed + creel__review_period(sharers);
	creel__store(&shard->lent, true, relaxed);
	creel__store(&batch->from, shard, relaxed);
	creel__store(&batch->number, shard->handed, relaxed);
	for (; n; n--, last++)
		creel__store(&batch->slots[last % CREEL__BATCH], pop_locked(shard), relaxed);
	/* [BATCH-1] release: a thief sees the slots; pairs with the acquire in
	 * creel__batch_take() */
	creel__store(&batch->ends, (uint64_t)last << 32 | first, release);
}

static enum creel__claimed claim_locked(struct creel__shard *shard, struct creel__batch *batch,
					unsigned sharers, creel_task **ret_task)
{
	if (!creel__load(&shard->out_first, relaxed))
		swap_locked(shard);
	if (creel__load(&shard->lent, relaxed) && shard->handed >= shard->review_at)
		return CREEL__CLAIMED_REVIEW;
	size_t share = shard->returned ? 0 : shard->out_count / (2 * (size_t)sharers);
	*ret_task = pop_locked(shard);
	if (!*ret_task) {
		/* Tasks of other shards overtake what was claimed here. */
		if (creel__load(&shard->lent, relaxed))
			shard->handed += CREEL__BATCH;
		return CREEL__CLAIMED_NONE;
	}
	if (share < 2)
		return CREEL__CLAIMED_TASK;
	fill_locked(shard, batch, (share > CREEL__BATCH ? CREEL__BATCH : share) - 1, sharers);
	return CREEL__CLAIMED_BATCH;
}

enum creel__claimed creel__shard_claim(struct creel__shard *shard, struct creel__batch *batch,
				       unsigned sharers, uint32_t epoch, creel_task **ret_task)
{
	enum creel__claimed claimed = CREEL__CLAIMED_NONE;
	*ret_task = NULL;
	creel__lock_acquire(&shard->out_lock);
	if ((int32_t)(shard->epoch - epoch) <= 0)
		claimed = claim_locked(shard, batch, sharers, ret_task);
	creel__lock_release(&shard->out_lock);
	return claimed;
}

bool creel__shard_is_empty(struct creel__shard *shard)
{
	creel__lock_acquire(&shard->out_lock);
	bool empty = !creel__load(&shard->out_first, relaxed);
	if (empty) {
		creel__lock_acquire(&shard->in_lock);
		empty = !creel__load(&shard->in_first, relaxed);
		creel__lock_release(&shard->in_lock);
	}
	creel__lock_release(&shard->out_lock);
	return empty;
}

void creel__shard_set_gate(struct creel__shard *shard, enum creel__gate gate)
{
	creel__lock_acquire(&shard->in_lock);
	shard->gate = gate;
	creel__lock_release(&shard->in_lock);
}

void creel__shard_copy_gate(struct creel__shard *shard, struct creel__shard *from)
{
	creel__lock_acquire(&from->in_lock);
	enum creel__gate gate = from->gate;
	creel__lock_release(&from->in_lock);
	creel__shard_set_gate(shard, gate);
}

void creel__shard_use_stamps(struct creel__shard *shard, int64_t now)
{
	creel__lock_acquire(&shard->out_lock);
	creel__lock_acquire(&shard->in_lock);
	shard->stamps = true;
	creel__store(&shard->stamp, now, relaxed);
	creel__lock_release(&shard->in_lock);
	creel__lock_release(&shard->out_lock);
}

bool creel__shard_try_vacate(struct creel__shard *shard)
{
	creel__lock_acquire(&shard->out_lock);
	creel__lock_acquire(&shard->in_lock);
	bool empty = !creel__load(&shard->out_first, relaxed) &&
		     !creel__load(&shard->in_first, relaxed);
	if (empty && shard->gate == CREEL__GATE_OPEN)
		shard->gate = CREEL__GATE_NO_WORKERS;
	creel__lock_release(&shard->in_lock);
	creel__lock_release(&shard->out_lock);
	return empty;
}

void creel__shard_take_all(struct creel__shard *shard, creel_future **ret_first,
			   creel_future **ret_second)
{
	creel__lock_acquire(&shard->out_lock);
	*ret_first = creel__load(&shard->out_first, relaxed);
	swap_locked(shard);
	*ret_second = creel__load(&shard->out_first, relaxed);
	creel__store(&shard->out_first, NULL, relaxed);
	shard->out_count = shard->returned = 0;
	creel__lock_release(&shard->out_lock);
}

creel_task *creel__batch_take(struct creel__batch *batch)
{
	/* [BATCH-1] acquire: sees the slots that were filled before; pairs with the release in
	 * fill_locked() */
	uint64_t ends = creel__load(&batch->ends, acquire);
	while ((uint32_t)ends != (uint32_t)(ends >> 32)) {
		uint32_t first = (uint32_t)ends;
		creel_task *task = creel__load(&batch->slots[first % CREEL__BATCH], relaxed);
		uint64_t next = (ends & ~(uint64_t)UINT32_MAX) | (uint32_t)(first + 1);
		/* [BATCH-1] acquire: as above, when it fails and is tried again. Success orders
		 * nothing by itself: if the slot had been refilled, ends would have changed. */
		if (creel__cas(&batch->ends, &ends, next, acquire, acquire))
			return task;
	}
	return NULL;
}

bool creel__batch_is_empty(struct creel__batch *batch)
{
	uint64_t ends = creel__load(&batch->ends, relaxed);
	return (uint32_t)ends == (uint32_t)(ends >> 32);
}

bool creel__batch_is_of_locked(struct creel__batch *batch, const struct creel__shard *shard,
			       uint64_t *ret_number)
{
	/* [BATCH-1] acquire: sees what was stored with these ends, or later */
	uint64_t ends = creel__load(&batch->ends, acquire);
	*ret_number = creel__load(&batch->number, relaxed);
	return (uint32_t)ends != (uint32_t)(ends >> 32) &&
	       creel__load(&batch->from, relaxed) == shard;
}

void creel__shard_take_back_locked(struct creel__shard *shard, struct creel__batch *batch)
{
	creel_task *tasks[CREEL__BATCH];
	uint32_t first, last, n;
	/* [BATCH-1] acquire: as in creel__batch_take() */
	uint64_t ends = creel__load(&batch->ends, acquire), none;
	do {
		first = (uint32_t)ends;
		last = (uint32_t)(ends >> 32);
		n = last - first;
		if (n == 0 || creel__load(&batch->from, relaxed) != shard)
			return;
		for (uint32_t i = 0; i < n; i++)
			tasks[i] = creel__load(&batch->slots[(first + i) % CREEL__BATCH], relaxed);
		none = (uint64_t)last << 32 | last;
		/* [BATCH-1] acquire: as in creel__batch_take() */
	} while (!creel__cas(&batch->ends, &ends, none, acquire, acquire));
	shard->out_count += n;
	shard->returned += n;
	while (n--) {
		tasks[n]->future.next = creel__load(&shard->out_first, relaxed);
		creel__store(&shard->out_first, &tasks[n]->future, relaxed);
	}
}
