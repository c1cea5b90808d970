/* SPDX-License-Identifier: MIT */
/*
 * What every test includes: registration, assertions and guards. It maps to Criterion, or, with
 * CREEL_PLAIN_RUNNER, to the runner of plain.c for systems without Criterion. Either way a test
 * runs in a process of its own. Not so under MPI, which does not allow a fork: see
 * tests/mpi/contract.c, a runner with the same registration.
 *
 * ASSERTIONS  End the test. Only for the main thread of the test's process: elsewhere (a task, a
 *             helper thread, a forked child) a failed one reports and aborts that process.
 * GUARDS      Waiting in a test ends after CT_GUARD_MS, loudly. Far above what any machine needs,
 *             below the time limit of the test: it says where a hang is, and asserts no speed.
 */
#ifndef CREEL_TESTS_CT_H
#define CREEL_TESTS_CT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifndef CT_GUARD_MS
#define CT_GUARD_MS 60000
#endif
#define CT_TEST_SECONDS (CT_GUARD_MS / 1000.0 * 1.5)

/* 1 under AddressSanitizer, else 0. */
#if defined(__SANITIZE_ADDRESS__)
#define CT_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define CT_ASAN 1
#endif
#endif
#ifndef CT_ASAN
#define CT_ASAN 0
#endif

/* 1 on Linux, else 0. Elsewhere, and in the build for an unknown system, a queue has no descriptor,
 * threads have no names, and affinity masks and control groups are not looked at. */
#ifdef __linux__
#define CT_LINUX 1
#else
#define CT_LINUX 0
#endif

/* 1 under ThreadSanitizer, else 0. */
#if defined(__SANITIZE_THREAD__)
#define CT_TSAN 1
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define CT_TSAN 1
#endif
#endif
#ifndef CT_TSAN
#define CT_TSAN 0
#endif

/* 1 where creel_queue_wake() works, else 0: there it says -ENOTSUP. */
#if defined(__linux__) && !defined(CREEL_PORTABLE_PARKING)
#define CT_WAKES 1
#else
#define CT_WAKES 0
#endif

#ifdef CREEL_PLAIN_RUNNER
struct ct_test {
	const char *suite;
	const char *name;
	void (*run)(void);
	int off;
	const char *off_text; /* the expression */
	struct ct_test *next;
};

/* The runner's: takes a test; and ends the one that runs, 1 as failed, 77 as skipped. */
void ct_register(struct ct_test *test);
_Noreturn void ct_end(int status);

/* For the runner: from here on this is the test's process. */
void ct_own(void);

/* A test; off (a constant expression): it does not apply and is reported as skipped. */
#define CT_TEST(suite_, name_, off_)                                                               \
	static void ct_run_##suite_##_##name_(void);                                               \
	__attribute__((constructor)) static void ct_add_##suite_##_##name_(void)                   \
	{                                                                                          \
		static struct ct_test test = {#suite_, #name_, ct_run_##suite_##_##name_,          \
					      (off_),  #off_,  NULL};                              \
		ct_register(&test);                                                                \
	}                                                                                          \
	static void ct_run_##suite_##_##name_(void)
#else
#include <criterion/criterion.h>
#define CT_TEST(suite_, name_, off_)                                                               \
	Test(suite_, name_, .disabled = (off_), .timeout = CT_TEST_SECONDS)
#endif

/* Whether valgrind is under the tests, which makes believe of limits and answers some
 * calls itself. */
#ifdef CREEL_MEMCHECK
#define CT_MEMCHECK 1
#else
#define CT_MEMCHECK 0
#endif

#define CT_PRINTF(string, first) __attribute__((__format__(__printf__, string, first)))

/* Ends the test as failed, with the place and what happened. */
_Noreturn void ct_fail(const char *file, int line, const char *format, ...) CT_PRINTF(3, 4);

/* Ends the test as one that cannot be run here. */
_Noreturn void ct_skip(const char *why);

void ct_check_int(const char *file, int line, const char *what, long long is, long long should);
void ct_check_text(const char *file, int line, const char *what, const char *is,
		   const char *should);
void ct_check_has(const char *file, int line, const char *what, const char *text, const char *part);

#define ct_assert(condition)                                                                       \
	((condition) ? (void)0 : ct_fail(__FILE__, __LINE__, "not so: %s", #condition))
#define ct_int(is, should)                                                                         \
	ct_check_int(__FILE__, __LINE__, #is, (long long)(is), (long long)(should))
#define ct_text(is, should) ct_check_text(__FILE__, __LINE__, #is, is, should)
/* That part occurs in text. */
#define ct_has(text, part) ct_check_has(__FILE__, __LINE__, #text, text, part)

/* How often a test that gets better by repeating repeats: n times CREEL_TEST_SCALE (default 1),
 * and a tenth of that under memcheck. */
unsigned ct_scaled(unsigned n);

/* A moment of rest between two looks at something that gives no event (/proc). */
void ct_breathe(void);

/* Nanoseconds of CLOCK_MONOTONIC, and whether a guard that began at start has run out. */
int64_t ct_now(void);
bool ct_guard_over(int64_t start);

/* Whether round i of a loop that began at start is to be: the first n are, and of those that
 * ct_scaled() adds as many as a third of the guard has time for. */
bool ct_again(unsigned i, unsigned n, int64_t start);

/* Looks at condition until it holds; where nothing can be waited for. */
#define ct_until(condition)                                                                        \
	do {                                                                                       \
		int64_t ct_start = ct_now();                                                       \
		while (!(condition)) {                                                             \
			if (ct_guard_over(ct_start))                                               \
				ct_fail(__FILE__, __LINE__, "never so: %s", #condition);           \
			ct_breathe();                                                              \
		}                                                                                  \
	} while (0)

#endif
