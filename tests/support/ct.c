/* SPDX-License-Identifier: MIT */
/* Failing, skipping and guards: what ct.h declares for both runners. */
#include "ct.h"

#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

static pid_t test_process;

__attribute__((constructor)) static void remember_process(void)
{
	test_process = getpid();
}

/* Whether failing may unwind to the runner: it owns the main thread of the test's process alone. */
static bool on_main_thread(void)
{
	return (pid_t)syscall(SYS_gettid) == getpid() && getpid() == test_process;
}

#ifdef CREEL_PLAIN_RUNNER
void ct_own(void)
{
	remember_process();
}
#endif

void ct_fail(const char *file, int line, const char *format, ...)
{
	char text[1024];
	va_list list;
	va_start(list, format);
	vsnprintf(text, sizeof text, format, list);
	va_end(list);
	/* A thread that is being cancelled would end in what follows, and nobody would know. */
	int state;
	pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &state);
	if (!on_main_thread()) {
		fprintf(stderr, "%s:%d: (not the test's main thread) %s\n", file, line, text);
		abort();
	}
#ifndef CREEL_PLAIN_RUNNER
	cr_assert_fail("%s:%d: %s", file, line, text);
#else
	fprintf(stderr, "%s:%d: %s\n", file, line, text);
	ct_end(1);
#endif
	_exit(1); /* never: a compiler does not know of the first */
}

void ct_skip(const char *why)
{
#ifndef CREEL_PLAIN_RUNNER
	cr_skip_test("%s", why);
#else
	fprintf(stderr, "skipped: %s\n", why);
	ct_end(77);
#endif
	_exit(77);
}

void ct_check_int(const char *file, int line, const char *what, long long is, long long should)
{
	if (is != should)
		ct_fail(file, line, "%s is %lld, not %lld", what, is, should);
}

void ct_check_text(const char *file, int line, const char *what, const char *is, const char *should)
{
	if (!is || strcmp(is, should) != 0)
		ct_fail(file, line, "%s is \"%s\", not \"%s\"", what, is ? is : "(null)", should);
}

void ct_check_has(const char *file, int line, const char *what, const char *text, const char *part)
{
	if (!text || !strstr(text, part))
		ct_fail(file, line, "%s is \"%s\": no \"%s\" in it", what, text ? text : "(null)",
			part);
}

unsigned ct_scaled(unsigned n)
{
	const char *text = getenv("CREEL_TEST_SCALE");
	unsigned long scale = text ? strtoul(text, NULL, 10) : 1;
	if (CT_MEMCHECK)
		n = (n + 9) / 10;
	return n * (unsigned)(scale < 1 ? 1 : scale > 1000 ? 1000 : scale);
}

void ct_breathe(void)
{
	struct timespec moment = {0, 1000000};
	nanosleep(&moment, NULL);
}

int64_t ct_now(void)
{
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

bool ct_guard_over(int64_t start)
{
	return ct_now() - start > (int64_t)CT_GUARD_MS * 1000000;
}

bool ct_again(unsigned i, unsigned n, int64_t start)
{
	return i < n || (i < ct_scaled(n) && ct_now() - start < (int64_t)CT_GUARD_MS * 1000000 / 3);
}
