/* SPDX-License-Identifier: MIT */
/*
 * Parking with a deadline; and where futexes are refused, as filters of system calls do. The
 * library's own calls are refused here, libc's are not.
 */
#include "sync/park.h"
#include "base/clock.h"
#include "ct.h"

#include <creel/creel.h>
#include <errno.h>
#include <pthread.h>
#include <stdarg.h>
#include <sys/syscall.h>
#include <unistd.h>

#define YEAR_NS CREEL_S(INT64_C(31536000))

static _Atomic int refused_with;        /* what all futexes get; 0: the kernel's answer */
static _Atomic int refused_time64_with; /* the same for those with 64-bit time of 32-bit systems */

/* The linker's names: no header declares them. */
#if CT_MEMCHECK
/* A memcheck build wraps it itself: the tests that need this are off there. */
#define __real_syscall syscall
#define __wrap_syscall not_wrapped
#endif
long __real_syscall(long number, ...);
long __wrap_syscall(long number, ...);

static int refusal(long number)
{
#ifdef SYS_futex_time64
	if (number == SYS_futex_time64)
		return refused_with ? refused_with : refused_time64_with;
#endif
#ifdef SYS_futex
	if (number == SYS_futex)
		return refused_with;
#endif
	return 0;
}

long __wrap_syscall(long number, ...)
{
	long a[6];
	va_list args;
	va_start(args, number);
	for (int i = 0; i < 6; i++)
		a[i] = va_arg(args, long);
	va_end(args);
	int code = refusal(number);
	if (!code)
		return __real_syscall(number, a[0], a[1], a[2], a[3], a[4], a[5]);
	errno = code;
	return -1;
}

/* Parks until the deadline; how often it had to. */
static unsigned park_until(creel_deadline deadline)
{
	_Atomic(uint32_t) word = 0;
	unsigned rounds = 1;
	int64_t start = ct_now();
	errno = ENOTTY;
	while (creel__park(&word, 0, deadline) == 0) {
		ct_assert(!ct_guard_over(start));
		rounds++;
	}
	ct_int(errno, ENOTTY);
	ct_assert(creel__now() >= deadline.ns);
	return rounds;
}

CT_TEST(park, c04_lasts_until_its_deadline, 0)
{
	/* Whatever part of a second a deadline falls into. */
	for (int i = 1; i <= 4; i++)
		park_until(creel_in_ms(13 * i));
}

static void expect_deadlines_without_futexes(int code)
{
	int64_t start = ct_now();
	refused_with = code;
	unsigned rounds = park_until(creel_in_ms(20));
	refused_with = 0;
	/* It rests between two looks. */
	ct_assert(rounds <= (uint64_t)((ct_now() - start) / CREEL_MS(1)) + 2);
}

CT_TEST(park, c04_lasts_until_its_deadline_where_futexes_are_refused, CT_MEMCHECK)
{
	expect_deadlines_without_futexes(EPERM);
	expect_deadlines_without_futexes(ENOSYS);
	expect_deadlines_without_futexes(EACCES);
}

CT_TEST(park, c04_needs_no_futex_with_64_bit_time, CT_MEMCHECK)
{
	refused_time64_with = ENOSYS;
	park_until(creel_in_ms(20));
	refused_time64_with = EPERM;
	park_until(creel_in_ms(20));
	refused_time64_with = 0;
}

struct sleeper {
	creel_deadline deadline;
	_Atomic(uint32_t) word, parked;
	unsigned rounds;
};

static void *sleep_until_woken(void *arg)
{
	struct sleeper *s = arg;
	atomic_store(&s->parked, 1);
	while (atomic_load(&s->word) == 0) {
		s->rounds++;
		ct_int(creel__park(&s->word, 0, s->deadline), 0);
	}
	return NULL;
}

/* Puts a thread to sleep and wakes it; how often it parked. */
static unsigned wake_sleeper(creel_deadline deadline)
{
	struct sleeper s = {.deadline = deadline};
	pthread_t thread;
	ct_int(pthread_create(&thread, NULL, sleep_until_woken, &s), 0);
	ct_until(atomic_load(&s.parked));
	ct_breathe();
	atomic_store(&s.word, 1);
	creel__unpark_one(&s.word);
	ct_int(pthread_join(thread, NULL), 0);
	return s.rounds;
}

/* More seconds than 32 bits hold must neither end at once nor be refused again and again. */
CT_TEST(park, c04_a_deadline_in_100_years_sleeps, 0)
{
	ct_assert(wake_sleeper(creel_in_ns(100 * YEAR_NS)) <= 1);
	ct_assert(wake_sleeper(CREEL_FOREVER) <= 1);
}

CT_TEST(park, sleepers_see_the_word_change_where_futexes_are_refused, CT_MEMCHECK)
{
	refused_with = EPERM;
	wake_sleeper(CREEL_FOREVER);
	wake_sleeper(creel_in_ms(CT_GUARD_MS));
	refused_with = 0;
}

static int task_nothing(creel_task *task, const void *arg, size_t size)
{
	(void)task;
	(void)arg;
	(void)size;
	return 0;
}

static int task_await(creel_task *task, const void *arg, size_t size)
{
	(void)task;
	(void)size;
	return creel_future_result(*(creel_future *const *)arg, CREEL_FOREVER, NULL, 0);
}

/* Later, but all of it. */
CT_TEST(park, c01_a_pool_works_where_futexes_are_refused, CT_MEMCHECK)
{
	refused_with = EPERM;
	creel_executor *ex = creel_thread_pool_new(&(creel_thread_pool_options){.max_workers = 2});
	creel_future *gate = creel_promise_new();
	creel_future *blocked = creel_submit(ex, task_await, &gate, sizeof gate);
	for (int i = 0; i < 50; i++) {
		creel_future *f = creel_submit(ex, task_nothing, NULL, 0);
		ct_int(creel_future_result(f, creel_in_ms(CT_GUARD_MS), NULL, 0), 0);
		creel_future_unref(f);
	}
	ct_int(creel_future_result(blocked, creel_in_ms(20), NULL, 0), -ETIMEDOUT);
	ct_int(creel_promise_set_result(gate, NULL, 0), 0);
	ct_int(creel_future_result(blocked, creel_in_ms(CT_GUARD_MS), NULL, 0), 0);
	ct_int(creel_executor_close(ex), 0);
	creel_future_unref(blocked);
	creel_future_unref(gate);
	refused_with = 0;
}
