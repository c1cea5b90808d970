/* SPDX-License-Identifier: MIT */
/* Promise 35: a worker that is doubted (procs/alibi.c) and honest is not taken for a liar, however
 * late it is woken and whatever it is at. Looks come one after another here, not after their time.
 */
#include "misdeeds.h"
#include "procs.h"
#include "procs/pool.h"

#include <stdio.h>
#include <string.h>

static bool is_asleep(const struct creel__procs *p)
{
	char path[64], state = 0;
	snprintf(path, sizeof path, "/proc/%d/stat", (int)p->procs[0].pid);
	FILE *file = fopen(path, "re");
	bool asleep = file && fscanf(file, "%*d (%*[^)]) %c", &state) == 1 && state == 'S';
	if (file)
		fclose(file);
	return asleep;
}

static bool is_idle(const struct creel__procs *p)
{
	return is_asleep(p) && atomic_load(&creel__space_control(p->space, 0)->sleeping);
}

static void look_locked(struct creel__procs *p)
{
	struct creel__proc *w = &p->procs[0];
	(void)creel__check_doubt_locked(p, w, w->doubt_at);
}

/* The first look. */
static void doubt(struct creel__procs *p)
{
	creel__lock_acquire(&p->lock);
	creel__doubt_locked(p, &p->procs[0]);
	look_locked(p);
	creel__procs_unlock(p);
}

/* Whoever wakes it has let go of its word, and not yet of the lock. */
CASE(doubts, c35_one_that_is_about_to_be_woken_is_no_liar)
{
	creel_executor *ex = pt_pool_with(
		(creel_process_pool_options){.max_workers = 1, .idle_ns = CREEL_NEVER});
	struct creel__procs *p = (struct creel__procs *)ex;
	pt_works(ex);
	for (unsigned i = 0; i < 5; i++) {
		ct_until(is_idle(p));
		doubt(p);
		ct_until(is_idle(p));
		creel__lock_acquire(&p->lock);
		creel__wake_worker_locked(p, &p->procs[0]);
		look_locked(p);
		bool liar = p->procs[0].liar;
		creel__procs_unlock(p);
		ct_assert(!liar);
		pt_works(ex);
	}
	ct_int(pt_stats(ex).died, 0);
	ct_close(ex);
}

struct end {
	struct ct_count *entered, *gate, *left;
};

static void finalize(void *ctx, void *local)
{
	const struct end *end = ctx;
	(void)local;
	ct_open(end->entered);
	ct_pass(end->gate);
	ct_open(end->left);
}

/* It does not say that it sleeps again. */
CASE(doubts, c31_c35_one_that_is_in_its_finalizer_is_no_liar)
{
	struct end *end = ct_shared(sizeof *end);
	*end = (struct end){ct_count_new(), ct_count_new(), ct_count_new()};
	creel_executor *ex = pt_pool_with(
		(creel_process_pool_options){.max_workers = 1, .finalizer = finalize, .ctx = end});
	struct creel__procs *p = (struct creel__procs *)ex;
	pt_works(ex);
	(void)creel_executor_shutdown(ex, 0, CREEL_NOW, NULL);
	ct_pass(end->entered);
	doubt(p);
	ct_until(is_asleep(p));
	creel__lock_acquire(&p->lock);
	for (unsigned i = 0; i < 4; i++)
		look_locked(p);
	bool liar = p->procs[0].liar;
	creel__procs_unlock(p);
	ct_assert(!liar);
	ct_open(end->gate);
	ct_close(ex);
	ct_int(ct_count_get(end->left), 1);
}

struct stopped {
	struct ct_count *told, *termed;
};

static struct ct_count *termed;

static void on_term(int signal)
{
	(void)signal;
	ct_count_add(termed, 1);
}

/* As the words of a worker look that was stopped just before it began: it has said that it begins,
 * and no more. Until it is asked to end. */
static int task_stopped(creel_task *task, const void *arg, size_t size)
{
	struct stopped stopped;
	struct misdeed_place place;
	memcpy(&stopped, arg, size);
	TASK(misdeed_find(task, &place));
	termed = stopped.termed;
	TASK(signal(SIGTERM, on_term) != SIG_ERR);
	uint64_t seq = atomic_load(&place.slot->state) >> 8;
	atomic_store(&place.slot->state, CREEL__SLOT(seq, CREEL__SLOT_READY));
	ct_count_add(stopped.told, 1);
	ct_count_await(termed, 1);
	return 0;
}

/* Its limit counts, and the kill has its grace. On a slow machine the limit may come before the
 * words: then again, with more time. */
CASE(doubts, c27_c35_one_that_is_stopped_as_it_begins_is_no_liar)
{
	creel_executor *ex = pt_pool_with(
		(creel_process_pool_options){.max_workers = 1, .grace_ns = 300000 * PT_MS});
	struct stopped stopped = {ct_count_new(), ct_count_new()};
	creel_submit_options o = {.limit_ns = 25 * PT_MS};
	do {
		o.limit_ns *= 2;
		creel_future *f = creel_submit_with(ex, task_stopped, &stopped, sizeof stopped, &o);
		creel_future *behind = creel_submit(ex, task_nothing, NULL, 0);
		(void)pt_failure(f, CREEL_KIND_TIMED_OUT);
		ct_int(ct_outcome(behind), 0);
		creel_future_unref(behind);
		creel_future_unref(f);
	} while (ct_count_get(stopped.told) == 0);
	ct_int(ct_count_get(stopped.termed), 1);
	ct_close(ex);
}
