/* SPDX-License-Identifier: MIT */
/* Loops on a thread pool: the caller, its invitation, and the helpers that accept it. USERS in
 * exec/loop.h says how they part. */
#include "exec/executor.h"
#include "exec/loop.h"
#include "sync/block.h"
#include "sync/local.h"
#include "sync/park.h"
#include "sync/thread.h"
#include <errno.h>

#define WAITED (UINT32_C(1) << 31) /* in users: the caller is parked */

enum {
	FEW = 8, /* with fewer pieces for each thread all are called at once */
#ifdef CREEL_MODEL
	LOOKS = 1,
#else
	LOOKS = 200, /* before the caller parks */
#endif
};

/* Counts a user out. The last access, but for the caller's. */
static void leave(struct creel__loop *l)
{
	/* [LOOP-1] acq_rel: what this one did; pairs with the acquires in await_users() */
	if (creel__sub(&l->users, 1, acq_rel) == (WAITED | 1))
		creel__unpark_all(&l->users);
}

static struct creel__job *invitation(struct creel__loop *l)
{
	return (struct creel__job *)&l->invitation;
}

/* Takes the invitation back, if it is still there. */
static void take_back(struct creel__loop *l)
{
	if (l->executor->class->unpost(l->executor, invitation(l)))
		leave(l);
}

static bool is_exhausted(struct creel__loop *l)
{
	return creel__load(&l->next, relaxed) >= l->n || creel__load(&l->stop, relaxed);
}

static void accept(creel_job *job, creel_task *task);

/* Whoever calls it holds the invitation, which is not posted. One that cannot be posted is made up
 * for by those who work. Returns its code. */
static int invite(struct creel__loop *l)
{
	if (l->invited + 1 >= l->width || is_exhausted(l))
		return 0;
	l->invited++;
	creel__add(&l->users, 1, relaxed);
	int rc = creel_job_post(l->executor, &l->invitation, accept);
	if (rc)
		leave(l);
	else if (creel__load(&l->over, relaxed))
		take_back(l);
	return rc;
}

static void invite_first(struct creel__loop *l)
{
	(void)invite(l);
}

/* Nothing is left: nobody else is to come. */
static void close_down(struct creel__loop *l)
{
	creel__store(&l->over, true, relaxed);
	take_back(l);
}

/* The token was cancelled. */
static void cancel(struct creel__loop *l)
{
	creel__loop_stop(l, -ECANCELED);
	close_down(l);
}

struct part {
	struct creel__loop *loop;
	struct creel__strand strand;
	void (*alone)(struct creel__loop *l);
	bool stayed;
};

static void work(void *arg)
{
	struct part *part = arg;
	part->stayed = creel__loop_work(part->loop, &part->strand, part->alone);
}

/* A body has ended the thread. */
static void helper_ended(void *arg)
{
	struct part *part = arg;
	creel__strand_leave(&part->strand);
	creel__loop_stop(part->loop, CREEL_EFAILED);
	close_down(part->loop);
	leave(part->loop);
}

static void part_init(struct part *part, struct creel__loop *l)
{
	part->loop = l;
	part->alone = NULL;
	creel__loop_strand_init(l, &part->strand, l->executor);
}

/* The function of the invitation: a worker has come. */
static void accept(creel_job *job, creel_task *task)
{
	struct part part;
	struct creel__loop *l = (struct creel__loop *)(void *)job;
	(void)task;
	(void)invite(l);
	part_init(&part, l);
	creel__thread_guard(work, helper_ended, &part);
	close_down(l);
	leave(l);
}

/* False: the deadline has passed. */
static bool park(struct creel__loop *l, uint32_t users, creel_deadline deadline)
{
	(void)creel__blocking_begin(CREEL__BLOCKS_ANYHOW);
	int rc = creel__park(&l->users, users, deadline);
	creel__blocking_end();
	return rc != -ETIMEDOUT;
}

static void await_users(struct creel__loop *l)
{
	unsigned looks = 0;
	for (;;) {
		/* [LOOP-1] acquire: what the helpers did; pairs with the release in leave() */
		uint32_t users = creel__load(&l->users, acquire);
		if ((users & ~WAITED) == 0)
			return;
		if (looks++ < LOOKS) {
			creel__cpu_relax();
			continue;
		}
		/* [LOOP-1] acquire: as above, when it fails */
		if (users & WAITED ||
		    creel__cas(&l->users, &users, users | WAITED, acquire, acquire))
			(void)park(l, users | WAITED, CREEL_FOREVER);
	}
}

static void caller_ended(void *arg)
{
	struct part *part = arg;
	creel__strand_leave(&part->strand);
	creel__loop_unwatch(part->loop->watch);
	creel__loop_stop(part->loop, CREEL_EFAILED);
	close_down(part->loop);
	await_users(part->loop);
}

/* A worker of the pool has its number, and its state. */
static void take_part(struct creel__loop *l, struct part *part)
{
	size_t units = l->grain ? l->n / l->grain : l->n;
	part_init(part, l);
	if (!part->strand.worker) {
		part->strand.number = creel_executor_slots(l->executor);
		part->strand.data = NULL;
	}
	if (creel__self()->callbacks)
		l->width = 1;
	else if (units / FEW < l->width)
		(void)invite(l);
	else
		part->alone = invite_first;
	creel__thread_guard(work, caller_ended, part);
}

/* The caller only waits: at the deadline it ends the loop. */
static int wait_for_helpers(struct creel__loop *l)
{
	l->width++;
	int rc = invite(l);
	if (rc)
		return rc;
	uint32_t users = 0;
	/* [LOOP-1] acquire: as in await_users() */
	while (l->deadline.ns && (users = creel__load(&l->users, acquire) & ~WAITED)) {
		creel__or(&l->users, WAITED, relaxed);
		if (!park(l, users | WAITED, l->deadline))
			break;
	}
	if (users && l->deadline.ns && !is_exhausted(l)) {
		creel__loop_stop(l, -ETIMEDOUT);
		close_down(l);
	}
	return 0;
}

int creel__loop_run_pool(struct creel__loop *l, bool takes_part)
{
	struct part part = {.stayed = true};
	int rc = creel__loop_watch(l, l->watch, cancel);
	if (rc)
		return rc;
	if (takes_part)
		take_part(l, &part);
	else
		rc = wait_for_helpers(l);
	if (!part.stayed)
		return -EPERM;
	if (takes_part && creel__load(&l->users, relaxed))
		close_down(l);
	await_users(l);
	creel__loop_unwatch(l->watch);
	return rc ? rc : creel__load(&l->stop, relaxed);
}
