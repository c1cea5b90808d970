/* SPDX-License-Identifier: MIT */
/* The lock, the condition and parking. */
#include "sync/lock.h"
#include "base/clock.h"
#include "ct.h"

#include <errno.h>
#include <pthread.h>

enum { THREADS = 4 };

static struct {
	struct creel__lock lock;
	struct creel__cond cond;
	/* Guarded by the lock; plain on purpose. */
	unsigned long counter;
	unsigned inside, waiting, woken, turn;
	bool go;
} shared;

static void run_threads(void *(*fn)(void *))
{
	pthread_t threads[THREADS];
	static const unsigned numbers[THREADS] = {0, 1, 2, 3};
	for (unsigned i = 0; i < THREADS; i++)
		ct_int(pthread_create(&threads[i], NULL, fn, (void *)(uintptr_t)&numbers[i]), 0);
	for (unsigned i = 0; i < THREADS; i++)
		ct_int(pthread_join(threads[i], NULL), 0);
}

static void *count(void *arg)
{
	(void)arg;
	unsigned n = ct_scaled(20000);
	for (unsigned i = 0; i < n; i++) {
		creel__lock_acquire(&shared.lock);
		ct_assert(shared.inside++ == 0);
		shared.counter++;
		shared.inside--;
		creel__lock_release(&shared.lock);
	}
	return NULL;
}

CT_TEST(lock, one_holder_at_a_time, 0)
{
	run_threads(count);
	ct_int(shared.counter, (unsigned long)THREADS * ct_scaled(20000));
	ct_int(atomic_load(&shared.lock.word), 0);
}

/* Each waits for its turn: a lost wake-up stops them all. */
static void *take_turns(void *arg)
{
	unsigned number = *(const unsigned *)arg, rounds = ct_scaled(2000);
	for (unsigned i = 0; i < rounds; i++) {
		creel__lock_acquire(&shared.lock);
		while (shared.turn % THREADS != number)
			ct_int(creel__cond_wait(&shared.cond, &shared.lock,
						creel_in_ms(CT_GUARD_MS)),
			       0);
		shared.turn++;
		creel__cond_broadcast_locked(&shared.cond);
		creel__lock_release(&shared.lock);
	}
	return NULL;
}

CT_TEST(cond, no_broadcast_is_lost, 0)
{
	run_threads(take_turns);
	ct_int(shared.turn, THREADS * ct_scaled(2000));
	ct_int(shared.cond.sleepers, 0);
}

static void *wait_for_go(void *arg)
{
	(void)arg;
	creel__lock_acquire(&shared.lock);
	shared.waiting++;
	while (!shared.go)
		ct_int(creel__cond_wait(&shared.cond, &shared.lock, creel_in_ms(CT_GUARD_MS)), 0);
	shared.woken++;
	creel__lock_release(&shared.lock);
	return NULL;
}

/* The last to arrive finds the others waiting and lets them go. */
static void *wait_or_open(void *arg)
{
	creel__lock_acquire(&shared.lock);
	bool last = shared.waiting == THREADS - 1;
	if (last) {
		shared.go = true;
		creel__cond_broadcast_locked(&shared.cond);
	} else {
		shared.waiting++;
	}
	while (!shared.go)
		ct_int(creel__cond_wait(&shared.cond, &shared.lock, creel_in_ms(CT_GUARD_MS)), 0);
	shared.woken++;
	creel__lock_release(&shared.lock);
	return arg;
}

CT_TEST(cond, a_broadcast_wakes_all, 0)
{
	run_threads(wait_or_open);
	ct_int(shared.woken, THREADS);
	ct_int(shared.cond.sleepers, 0);
}

CT_TEST(cond, waiting_gives_up_the_lock, 0)
{
	pthread_t thread;
	ct_int(pthread_create(&thread, NULL, wait_for_go, NULL), 0);
	/* It counts as a sleeper from when it can no longer miss a broadcast. */
	bool asleep = false;
	while (!asleep) {
		creel__lock_acquire(&shared.lock);
		asleep = shared.cond.sleepers == 1;
		shared.go = asleep;
		if (asleep)
			creel__cond_broadcast_locked(&shared.cond);
		creel__lock_release(&shared.lock);
	}
	ct_int(pthread_join(thread, NULL), 0);
	ct_int(shared.woken, 1);
}

CT_TEST(cond, a_deadline_ends_the_wait_with_the_lock_held, 0)
{
	static const creel_deadline past[] = {CREEL_NOW_INIT, {0}, {INT64_MIN}, {1}};
	for (size_t i = 0; i < sizeof past / sizeof past[0]; i++) {
		creel__lock_acquire(&shared.lock);
		ct_int(creel__cond_wait(&shared.cond, &shared.lock, past[i]), -ETIMEDOUT);
		ct_int(shared.cond.sleepers, 0);
		ct_assert(atomic_load(&shared.lock.word) != 0);
		creel__lock_release(&shared.lock);
	}
	creel__lock_acquire(&shared.lock);
	int64_t start = creel__now();
	ct_int(creel__cond_wait(&shared.cond, &shared.lock, creel_in_ms(2)), -ETIMEDOUT);
	ct_assert(creel__now() - start >= 2000000);
	creel__lock_release(&shared.lock);
}

CT_TEST(cond, a_broadcast_to_nobody_does_nothing, 0)
{
	uint32_t before = atomic_load(&shared.cond.round);
	creel__lock_acquire(&shared.lock);
	creel__cond_broadcast_locked(&shared.cond);
	creel__lock_release(&shared.lock);
	ct_int(atomic_load(&shared.cond.round), before);
}

CT_TEST(park, does_not_sleep_on_another_value, 0)
{
	_Atomic(uint32_t) word = 5;
	errno = 77;
	ct_int(creel__park(&word, 4, CREEL_FOREVER), 0);
	ct_int(creel__park(&word, 4, creel_in_ms(CT_GUARD_MS)), 0);
	ct_int(errno, 77);
}

CT_TEST(park, a_deadline_that_has_passed_is_a_timeout, 0)
{
	_Atomic(uint32_t) word = 5;
	errno = 77;
	ct_int(creel__park(&word, 5, CREEL_NOW), -ETIMEDOUT);
	ct_int(creel__park(&word, 5, (creel_deadline){0}), -ETIMEDOUT);
	ct_int(creel__park(&word, 5, (creel_deadline){1}), -ETIMEDOUT);
	ct_int(creel__park(&word, 5, creel_in_ms(1)), -ETIMEDOUT);
	ct_int(errno, 77);
}

CT_TEST(park, waking_where_nobody_sleeps_does_nothing, 0)
{
	_Atomic(uint32_t) word = 5;
	errno = 77;
	creel__unpark_one(&word);
	creel__unpark_all(&word);
	ct_int(errno, 77);
	ct_int(atomic_load(&word), 5);
}

static _Atomic(uint32_t) ball;

static void *play(void *arg)
{
	uint32_t number = *(const unsigned *)arg, last = THREADS * ct_scaled(1000);
	for (;;) {
		uint32_t seen = atomic_load(&ball);
		if (seen >= last)
			return NULL;
		if (seen % THREADS != number) {
			ct_int(creel__park(&ball, seen, creel_in_ms(CT_GUARD_MS)), 0);
			continue;
		}
		atomic_store(&ball, seen + 1);
		creel__unpark_all(&ball);
	}
}

CT_TEST(park, no_wake_is_lost, 0)
{
	run_threads(play);
	ct_int(atomic_load(&ball), THREADS * ct_scaled(1000));
}

CT_TEST(park, the_low_half_is_the_low_half, 0)
{
	_Atomic(uint64_t) word = UINT64_C(0x1122334455667788);
	ct_int(atomic_load(creel__low_half(&word)), 0x55667788);
}
