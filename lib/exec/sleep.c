/* SPDX-License-Identifier: MIT */
/*
 * Tasks that sleep, until a deadline or until they are asked to stop.
 *
 * HERE     A sleeper parks on the state word of its own task, with WAITED set, so that whoever sets
 *          ASKED there wakes it. A shutdown that kills sets ASKED in all tasks that sleep: they
 *          stand in a list of their executor's, under undue_lock, and each looks at `kills` after
 *          it has put itself there.
 * MANUAL   By a manual clock the sleeper is woken by a timer on its stack, which sets AWAKE in the
 *          word. It does not return before the timer has been taken off, or has set that.
 * ROUSED   A caller of a loop waits in the same way for the loop's tasks, whose ends set AWAKE. So
 *          it hears both. Only the thread that runs a task sleeps on its word, and in one place.
 * WORKERS  In a worker process the task's word is not the host's: there it parks on `asked` of its
 *          slot, in which it says that it sleeps, and which the host changes (procs/layout.h).
 */
#include "exec/sleep.h"
#include "base/clock.h"
#include "exec/executor.h"
#include "future/times.h"
#include "future/waits.h"
#include "sync/block.h"
#include "sync/local.h"
#include "sync/park.h"
#include <creel/task.h>
#include <errno.h>

struct sleeper {
	struct creel__list node; /* in executor->sleepers */
	creel_future *f;
	struct creel__timer timer;
	bool dropped; /* its clock was; written before AWAKE */
};

static bool is_asked(creel_future *f, uint64_t s)
{
	return s & CREEL__ASKED || creel__load(&f->executor->kills, relaxed);
}

static bool end(struct creel__timer *timer, bool due)
{
	struct sleeper *sleeper = creel__of(timer, struct sleeper, timer);
	creel_future *f = sleeper->f;
	sleeper->dropped = !due;
	/* [SLEEP-1] release: we are through with the sleeper's stack; pairs with the acquires
	 * in sleep_here() and await_woken() */
	creel__or(&f->state, CREEL__AWAKE, release);
	creel__unpark_all(creel__low_half(&f->state));
	/* The sleeper calls creel__timer_cancel() in any case. */
	return false;
}

/* Parks until the task is asked to stop, woken, or the deadline has passed. */
static int sleep_here(creel_future *f, creel_deadline deadline)
{
	for (;;) {
		/* [SLEEP-1] acquire: pairs with the release in end() */
		uint64_t s = creel__or(&f->state, CREEL__WAITED, acquire) | CREEL__WAITED;
		if (is_asked(f, s))
			return -ECANCELED;
		if (s & CREEL__AWAKE || creel__deadline_passed(deadline))
			return 0;
		(void)creel__park(creel__low_half(&f->state), (uint32_t)s, deadline);
	}
}

/* The timer was taken off its clock to be ended: until end() has been called. */
static void await_woken(creel_future *f)
{
	/* [SLEEP-1] acquire: as above */
	uint64_t s = creel__load(&f->state, acquire);
	while (!(s & CREEL__AWAKE)) {
		(void)creel__park(creel__low_half(&f->state), (uint32_t)s, CREEL_FOREVER);
		/* [SLEEP-1] acquire: as above */
		s = creel__load(&f->state, acquire);
	}
}

static int sleep_by(struct sleeper *sleeper, creel_clock *clock, creel_deadline deadline)
{
	creel_future *f = sleeper->f;
	int rc = creel__timer_set(clock, &sleeper->timer, deadline);
	if (rc)
		return rc == CREEL__TIMER_DUE ? sleep_here(f, CREEL_NOW) : rc;
	rc = sleep_here(f, CREEL_FOREVER);
	if (!creel__timer_cancel(&sleeper->timer))
		await_woken(f);
	creel__sleep_over(f);
	return rc == 0 && sleeper->dropped ? CREEL_EFAILED : rc;
}

static void list(struct sleeper *sleeper)
{
	creel_executor *ex = sleeper->f->executor;
	creel__lock_acquire(&ex->undue_lock);
	creel__list_append(&ex->sleepers, &sleeper->node);
	creel__lock_release(&ex->undue_lock);
}

static void unlist(struct sleeper *sleeper)
{
	creel_executor *ex = sleeper->f->executor;
	creel__lock_acquire(&ex->undue_lock);
	creel__list_remove(&sleeper->node);
	creel__lock_release(&ex->undue_lock);
}

static int sleep_listed(creel_future *f, creel_deadline deadline)
{
	struct creel__times *times = creel__times_of(f);
	creel_clock *clock = times ? times->clock : NULL;
	bool manual = clock && creel__clock_flags(clock) & CREEL_CLOCK_MANUAL;
	struct sleeper sleeper = {.f = f, .timer.end = end};
	list(&sleeper);
	(void)creel__blocking_begin(CREEL__BLOCKS_THRIFTILY);
	creel__waits_begin(CREEL__WAITS_SLEEP, NULL);
	int rc = manual && !creel__is_forever(deadline) ? sleep_by(&sleeper, clock, deadline)
							: sleep_here(f, deadline);
	creel__waits_end();
	creel__blocking_end();
	unlist(&sleeper);
	return rc;
}

static bool is_own(const creel_future *f)
{
	const creel_task *i = creel__self()->task;
	while (i && &i->future != f)
		i = i->future.outer;
	return i;
}

bool creel__sleep_can_be_roused(const creel_future *f)
{
	return !creel__self()->asked && is_own(f);
}

void creel__sleep_rouse(creel_future *f)
{
	/* Relaxed: the sleeper looks at what it waits for by other means. */
	creel__or(&f->state, CREEL__AWAKE, relaxed);
	creel__unpark_all(creel__low_half(&f->state));
}

int creel__sleep_until_roused(creel_future *f, creel_deadline deadline)
{
	struct sleeper sleeper = {.f = f};
	list(&sleeper);
	int rc = sleep_here(f, deadline);
	unlist(&sleeper);
	return rc;
}

void creel__sleep_over(creel_future *f)
{
	creel__and(&f->state, ~(uint64_t)CREEL__AWAKE, relaxed);
}

#ifdef __linux__
static int sleep_in_worker(_Atomic(uint32_t) *asked, creel_deadline deadline)
{
	uint32_t none = 0, sleeps = CREEL__ASKED_SLEEPS;
	(void)creel__cas(asked, &none, CREEL__ASKED_SLEEPS, relaxed, relaxed);
	while (creel__load(asked, relaxed) == CREEL__ASKED_SLEEPS)
		if (creel__park_shared(asked, CREEL__ASKED_SLEEPS, deadline) == -ETIMEDOUT)
			break;
	(void)creel__cas(asked, &sleeps, 0, relaxed, relaxed);
	return creel__load(asked, relaxed) == CREEL__ASKED_STOP ? -ECANCELED : 0;
}
#endif

void creel__sleepers_kill(creel_executor *ex)
{
	creel__lock_acquire(&ex->undue_lock);
	for (struct creel__list *i = ex->sleepers.next; i != &ex->sleepers; i = i->next) {
		creel_future *f = creel__of(i, struct sleeper, node)->f;
		creel__or(&f->state, CREEL__ASKED, relaxed);
		creel__unpark_all(creel__low_half(&f->state));
	}
	creel__lock_release(&ex->undue_lock);
}

int creel_task_sleep(creel_task *task, creel_deadline deadline)
{
	struct creel__local *local = creel__self();
	if (!task)
		return -EINVAL;
	if (creel__future_foreign(&task->future))
		return -EPERM;
	if (!is_own(&task->future))
		return -EINVAL;
	if (local->callbacks)
		return -EDEADLK;
#ifdef __linux__
	if (local->asked)
		return sleep_in_worker(local->asked, deadline);
#endif
	return sleep_listed(&task->future, deadline);
}
