/* SPDX-License-Identifier: MIT */
/*
 * Clocks: when timers end, and who ends them.
 *
 * ENDING     Whoever ends timers takes the earliest off the heap under the lock, releases the lock,
 *            calls its end(), and takes the lock again: so callbacks run with no lock held. For a
 *            real clock that is its thread, for a manual one whoever advances it or drops its last
 *            reference. There is one such thread at a time, so timers end in order.
 * THE THREAD RUNNING is set from its start, under the lock, until it finds, under the lock, that
 *            there is no timer and that there was none for a second. So a timer that is set finds
 *            the thread, or starts it. `wake_at` is when the thread will wake up by itself while it
 *            sleeps, else INT64_MIN: whoever sets a timer for an earlier time wakes it. Cancelling
 *            wakes it only if no timer is left, and it would sleep for more than that second.
 * LIFETIME   `users` counts the references of users, `holds` what else uses the memory: each timer
 *            (time/timer.h), the thread, and whoever drops the last reference. Whoever finds both 0
 *            under the lock frees the clock.
 * FORK       The standard clock is static. A child that finds its parent's makes it anew: the
 *            timers on it and their memory stay the parent's. Other clocks of the parent's are
 *            foreign (sync/fork.h).
 * LOCK       Rank 15, guards everything but `now`, which is written under it. Memory is allocated
 *            and freed without it; a thread is started under it.
 */
#include "base/alloc.h"
#include "base/clock.h"
#include "sync/fork.h"
#include "sync/local.h"
#include "sync/lock.h"
#include "sync/thread.h"
#include "time/heap.h"
#include <errno.h>

static const int64_t linger_ns = CREEL_S(1);
static const int64_t manual_start = CREEL_S(1);

struct creel_clock {
	struct creel__lock lock;
	struct creel__cond changed; /* its thread waits for it */
	struct creel__heap timers;
	uint64_t orders; /* counts the timers that were set */
	uint32_t users;
	size_t holds;
	int64_t wake_at;
	int64_t empty_since;  /* while there is a thread: when the last timer went */
	_Atomic(int64_t) now; /* of a manual clock */
	unsigned flags;
	bool running, advancing;
	int broken; /* the code; plain: set at birth */
	_Atomic(uint32_t) generation;
};

static creel_clock standard;
static creel_clock no_memory = {.broken = -ENOMEM};

static void reset_standard(void)
{
	creel__store(&standard.lock.word, 0, relaxed);
	creel__store(&standard.changed.round, 0, relaxed);
	standard.changed.sleepers = 0;
	standard.timers = (struct creel__heap){0};
	standard.users = 1;
	standard.holds = 0;
	standard.wake_at = INT64_MIN;
	standard.running = false;
}

static creel_clock *own_standard(void)
{
	creel__fork_renew(&standard.generation, reset_standard);
	return &standard;
}

static bool is_foreign(creel_clock *clock)
{
	return creel__fork_foreign((uint16_t)creel__load(&clock->generation, relaxed));
}

static bool is_manual(const creel_clock *clock)
{
	return clock->flags & CREEL_CLOCK_MANUAL;
}

int creel__clock_check(creel_clock *clock)
{
	if (!clock)
		return 0;
	return is_foreign(clock) ? -EPERM : clock->broken;
}

unsigned creel__clock_flags(const creel_clock *clock)
{
	return clock->flags;
}

creel_clock *creel_clock_new(unsigned flags)
{
	creel_clock *clock = creel__zalloc(sizeof *clock);
	if (!clock)
		return &no_memory;
	clock->flags = flags;
	clock->broken = flags & ~(unsigned)CREEL_CLOCK_MANUAL ? -EINVAL : 0;
	clock->users = 1;
	clock->wake_at = INT64_MIN;
	creel__store(&clock->now, manual_start, relaxed);
	creel__store(&clock->generation, creel__fork_generation(), relaxed);
	return clock;
}

static void destroy(creel_clock *clock)
{
	creel__heap_fini(&clock->timers);
	creel__free(clock);
}

/* Releases the lock, and frees the clock if that was its last use. */
static void leave(creel_clock *clock)
{
	bool unused = clock->users == 0 && clock->holds == 0;
	creel__lock_release(&clock->lock);
	if (unused)
		destroy(clock);
}

creel_clock *creel_clock_ref(creel_clock *clock)
{
	if (!clock || clock == &no_memory || is_foreign(clock))
		return clock;
	creel__lock_acquire(&clock->lock);
	clock->users++;
	creel__lock_release(&clock->lock);
	return clock;
}

creel_deadline creel_clock_now(creel_clock *clock)
{
	if (!clock || !is_manual(clock))
		return creel_now();
	return (creel_deadline){creel__load(&clock->now, relaxed)};
}

#undef creel_clock_in

creel_deadline creel_clock_in(creel_clock *clock, int64_t ns)
{
	if (ns <= 0)
		return CREEL_NOW;
	return (creel_deadline){creel__later(creel_clock_now(clock).ns, ns)};
}

/* The earliest timer, if its time is not after `until`. */
static struct creel__timer *due_locked(const creel_clock *clock, int64_t until)
{
	const struct creel__heap_entry *first = creel__heap_first(&clock->timers);
	return first && first->due <= until ? first->timer : NULL;
}

static void wake_locked(creel_clock *clock)
{
	clock->wake_at = INT64_MIN;
	creel__cond_broadcast_locked(&clock->changed);
}

/* Takes the timer off and has it ended; releases the lock meanwhile. False: a callback has forked,
 * and this is the child, which must not touch the lock. */
static bool end_locked(creel_clock *clock, struct creel__timer *timer, bool due)
{
	creel__heap_remove(&clock->timers, timer);
	void *surplus = creel__heap_surplus(&clock->timers);
	creel__lock_release(&clock->lock);
	creel__free(surplus);
	bool ended = timer->end(timer, due);
	if (is_foreign(clock))
		return false;
	creel__lock_acquire(&clock->lock);
	clock->holds -= ended;
	return true;
}

/* Until when its thread sleeps; INT64_MIN: it does not, for there is nothing to stay for. */
static int64_t next_wake_locked(const creel_clock *clock, int64_t now)
{
	const struct creel__heap_entry *first = creel__heap_first(&clock->timers);
	if (first)
		return first->due;
	int64_t end = clock->empty_since + linger_ns;
	return clock->users && now < end ? end : INT64_MIN;
}

/* The thread's life. Ends with the lock held. */
static void serve_locked(creel_clock *clock)
{
	for (;;) {
		int64_t now = creel__now();
		struct creel__timer *timer = due_locked(clock, now);
		if (timer) {
			if (!end_locked(clock, timer, true))
				return;
			if (clock->timers.count == 0)
				clock->empty_since = creel__now();
			continue;
		}
		clock->wake_at = next_wake_locked(clock, now);
		if (clock->wake_at == INT64_MIN)
			return;
		creel__cond_wait(&clock->changed, &clock->lock, (creel_deadline){clock->wake_at});
		clock->wake_at = INT64_MIN;
	}
}

static void run(void *arg)
{
	creel_clock *clock = arg;
	creel__lock_acquire(&clock->lock);
	serve_locked(clock);
	struct creel__heap empty = clock->timers;
	clock->timers = (struct creel__heap){0};
	clock->running = false;
	clock->holds--;
	leave(clock);
	creel__heap_fini(&empty);
}

static int start_locked(creel_clock *clock);

/* A callback has ended the thread, which it must not: another one goes on. */
static void ended(void *arg)
{
	creel_clock *clock = arg;
	if (is_foreign(clock))
		creel__fork_leave(0);
	creel__lock_acquire(&clock->lock);
	clock->holds -= 2; /* of the thread, and of the timer whose callback it was */
	clock->running = false;
	if (clock->timers.count)
		(void)start_locked(clock);
	leave(clock);
}

static void *thread_main(void *arg)
{
	(void)creel__thread_no_cancel();
	creel__self()->own = true;
	creel__thread_set_name("creel-clock", 0);
	creel__thread_guard(run, ended, arg);
	return NULL;
}

static int start_locked(creel_clock *clock)
{
	pthread_t thread;
	clock->holds++;
	clock->running = true;
	clock->wake_at = INT64_MIN;
	clock->empty_since = creel__now();
	int rc = creel__thread_create(&thread, thread_main, clock, 0);
	if (rc) {
		clock->holds--;
		clock->running = false;
		return rc;
	}
	creel__thread_detach(thread);
	return 0;
}

/* Memory for the next timer. Releases the lock meanwhile: look at everything again. */
static int make_room_locked(creel_clock *clock, size_t size)
{
	creel__lock_release(&clock->lock);
	void *segment = size == SIZE_MAX ? NULL : creel__malloc_aligned(64, size);
	creel__lock_acquire(&clock->lock);
	if (!segment)
		return -ENOMEM;
	if (creel__heap_wants(&clock->timers) == size) {
		creel__heap_extend(&clock->timers, segment);
		return 0;
	}
	creel__lock_release(&clock->lock);
	creel__free(segment);
	creel__lock_acquire(&clock->lock);
	return 0;
}

/* Whether a timer would end at once: its time has come, and no earlier one has yet to end. */
static bool ends_now_locked(creel_clock *clock, creel_deadline due)
{
	bool passed = is_manual(clock) ? due.ns <= creel__load(&clock->now, relaxed)
				       : creel__deadline_passed(due);
	return passed && !due_locked(clock, due.ns);
}

static void insert_locked(creel_clock *clock, struct creel__timer *timer, int64_t due)
{
	timer->clock = clock;
	timer->order = clock->orders++;
	clock->holds++;
	creel__heap_insert(&clock->timers, due, timer);
	if (due < clock->wake_at)
		wake_locked(clock);
}

static int set_locked(creel_clock *clock, struct creel__timer *timer, creel_deadline due)
{
	for (;;) {
		if (ends_now_locked(clock, due))
			return CREEL__TIMER_DUE;
		if (is_manual(clock) && clock->users == 0)
			return CREEL_EFAILED;
		int rc = 0;
		if (!clock->running && !is_manual(clock))
			rc = start_locked(clock);
		if (rc)
			return rc;
		size_t size = creel__heap_wants(&clock->timers);
		if (size == 0)
			break;
		rc = make_room_locked(clock, size);
		if (rc)
			return rc;
	}
	insert_locked(clock, timer, due.ns);
	return 0;
}

int creel__timer_set(creel_clock *clock, struct creel__timer *timer, creel_deadline due)
{
	int rc = creel__clock_check(clock);
	if (rc)
		return rc;
	if (!clock)
		clock = own_standard();
	creel__lock_acquire(&clock->lock);
	rc = set_locked(clock, timer, due);
	creel__lock_release(&clock->lock);
	return rc;
}

bool creel__timer_cancel(struct creel__timer *timer)
{
	creel_clock *clock = timer->clock;
	void *surplus = NULL;
	creel__lock_acquire(&clock->lock);
	bool there = timer->place != 0;
	if (there) {
		creel__heap_remove(&clock->timers, timer);
		surplus = creel__heap_surplus(&clock->timers);
	}
	clock->holds--;
	if (clock->running && clock->timers.count == 0) {
		clock->empty_since = creel__now();
		if (clock->wake_at > clock->empty_since + linger_ns || clock->users == 0)
			wake_locked(clock);
	}
	leave(clock);
	creel__free(surplus);
	return there;
}

/* Nobody can advance it any more. False: as end_locked(). */
static bool fail_all_locked(creel_clock *clock)
{
	struct creel__timer *timer;
	while ((timer = due_locked(clock, INT64_MAX)))
		if (!end_locked(clock, timer, false))
			return false;
	return true;
}

void creel__clock_keep(creel_clock *clock)
{
	if (!clock)
		return;
	creel__lock_acquire(&clock->lock);
	clock->holds++;
	creel__lock_release(&clock->lock);
}

void creel__clock_unkeep(creel_clock *clock)
{
	if (!clock)
		return;
	creel__lock_acquire(&clock->lock);
	clock->holds--;
	leave(clock);
}

void creel_clock_unref(creel_clock *clock)
{
	if (!clock || clock == &no_memory || is_foreign(clock))
		return;
	creel__lock_acquire(&clock->lock);
	if (--clock->users == 0) {
		clock->holds++;
		if (is_manual(clock) && !fail_all_locked(clock))
			return;
		clock->holds--;
		wake_locked(clock);
	}
	leave(clock);
}

/* As creel_clock_advance(), but that the lock is held; -EPERM: it is not, as in end_locked(). */
static int advance_locked(creel_clock *clock, int64_t ns)
{
	int64_t now = creel__load(&clock->now, relaxed);
	if (clock->advancing)
		return -EBUSY;
	if (ns > INT64_MAX - 1 - now)
		return -EOVERFLOW;
	clock->advancing = true;
	const struct creel__heap_entry *first;
	while ((first = creel__heap_first(&clock->timers)) && first->due <= now + ns) {
		creel__store(&clock->now, first->due, relaxed);
		if (!end_locked(clock, first->timer, true))
			return -EPERM;
	}
	creel__store(&clock->now, now + ns, relaxed);
	clock->advancing = false;
	return 0;
}

struct advance {
	creel_clock *clock;
	int64_t ns;
	int rc;
};

static void run_advance(void *arg)
{
	struct advance *a = arg;
	a->rc = advance_locked(a->clock, a->ns);
}

/* A task that was due has run here, and ended the thread: others may go on advancing the clock. */
static void advance_ended(void *arg)
{
	creel_clock *clock = ((struct advance *)arg)->clock;
	if (is_foreign(clock))
		return;
	creel__lock_acquire(&clock->lock);
	clock->holds--; /* of its timer */
	clock->advancing = false;
	creel__lock_release(&clock->lock);
	creel_clock_unref(clock);
}

int creel_clock_advance(creel_clock *clock, int64_t ns)
{
	int rc = clock ? creel__clock_check(clock) : -EINVAL;
	if (rc)
		return rc;
	if (!is_manual(clock) || ns < 0)
		return -EINVAL;
	if (creel__self()->callbacks)
		return -EDEADLK;
	struct advance a = {clock, ns, 0};
	creel__lock_acquire(&clock->lock);
	/* A callback may drop the last reference of the user's. */
	clock->users++;
	creel__thread_guard(run_advance, advance_ended, &a);
	if (a.rc == -EPERM)
		return a.rc;
	creel__lock_release(&clock->lock);
	creel_clock_unref(clock);
	return a.rc;
}
