/* SPDX-License-Identifier: MIT */
/* Completion queues: wakes from signal handlers, and how many takers one item wakes. */
#include "ct.h"

#include <creel/creel.h>
#include <errno.h>
#include <linux/futex.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { TAKERS = 64, ITEMS = 10 };

static creel_queue *q;
static _Atomic bool raise_next;
static _Atomic(void *) slept_on;
static _Atomic int sleeps, handled, taken;

long __wrap_syscall(long number, ...);
long __real_syscall(long number, ...);

/* Systems of 32 bits have two calls for it. */
static bool is_wait(long number, long op)
{
	bool futex = false;
#ifdef SYS_futex_time64
	futex = futex || number == SYS_futex_time64;
#endif
#ifdef SYS_futex
	futex = futex || number == SYS_futex;
#endif
	return futex && (op & FUTEX_CMD_MASK) == FUTEX_WAIT_BITSET;
}

/* The library's system calls. Those on the descriptor are made while the queue is locked: the
 * signal comes right there. Those that sleep are counted, on the word where the first did. */
long __wrap_syscall(long number, ...)
{
	long a[6];
	va_list args;
	va_start(args, number);
	for (int i = 0; i < 6; i++)
		a[i] = va_arg(args, long);
	va_end(args);
	if ((number == SYS_write || number == SYS_read) && atomic_exchange(&raise_next, false))
		raise(SIGUSR1);
	if (is_wait(number, a[1])) {
		void *none = NULL, *word = (void *)a[0];
		atomic_compare_exchange_strong(&slept_on, &none, word);
		if (atomic_load(&slept_on) == word)
			atomic_fetch_add(&sleeps, 1);
	}
	return __real_syscall(number, a[0], a[1], a[2], a[3], a[4], a[5]);
}

static void on_signal(int signal)
{
	(void)signal;
	errno = 77;
	if (creel_queue_wake(q) == 0 && errno == 77)
		atomic_fetch_add(&handled, 1);
}

static bool is_readable(void)
{
	struct pollfd p = {.fd = creel_queue_fd(q), .events = POLLIN};
	return poll(&p, 1, 0) > 0;
}

static void raise_in_next_call(void)
{
	atomic_store(&raise_next, true);
}

/* Whatever the handler interrupts, its wake is one CREEL_WOKEN, and the descriptor shows it. */
CT_TEST(queue_wake, c10_a_signal_handler_may_wake_while_the_queue_is_locked, !CT_WAKES)
{
	creel_future *final = creel_promise_new(), *f = NULL;
	struct sigaction action = {.sa_handler = on_signal}, old;
	ct_int(creel_promise_set_result(final, NULL, 0), 0);
	sigaction(SIGUSR1, &action, &old);
	q = creel_queue_new(NULL);
	ct_assert(creel_queue_fd(q) >= 0);
	raise_in_next_call();
	ct_int(creel_queue_add(q, final, NULL), 0); /* makes it readable */
	ct_int(atomic_load(&handled), 1);
	ct_assert(is_readable());
	ct_int(creel_queue_take(q, CREEL_NOW, &f, NULL), CREEL_WOKEN);
	ct_assert(is_readable());
	raise_in_next_call();
	ct_int(creel_queue_take(q, CREEL_NOW, &f, NULL), 0); /* drains it */
	creel_future_unref(f);
	ct_int(atomic_load(&handled), 2);
	ct_assert(is_readable());
	ct_int(creel_queue_take(q, CREEL_NOW, &f, NULL), CREEL_WOKEN);
	ct_assert(!is_readable());
	ct_int(creel_queue_take(q, CREEL_NOW, &f, NULL), -ETIMEDOUT);
	sigaction(SIGUSR1, &old, NULL);
	creel_queue_unref(q);
	creel_future_unref(final);
}

static void *take_one(void *arg)
{
	creel_future *f;
	int rc = creel_queue_take(q, CREEL_FOREVER, &f, NULL);
	if (rc == 0) {
		creel_future_unref(f);
		atomic_fetch_add(&taken, 1);
	}
	return rc == 0 || rc == CREEL_EMPTY ? NULL : arg;
}

CT_TEST(queue_wake, c10_an_item_wakes_one_of_many_takers, !CT_WAKES)
{
	pthread_t thread[TAKERS];
	creel_future *final = creel_promise_new();
	ct_int(creel_promise_set_result(final, NULL, 0), 0);
	q = creel_queue_new(NULL);
	for (int i = 0; i < TAKERS; i++) {
		ct_int(pthread_create(&thread[i], NULL, take_one, q), 0);
		/* The next one comes when this one sleeps, so that nobody waits for the lock. */
		ct_until(atomic_load(&sleeps) > i);
	}
	int before = atomic_load(&sleeps);
	for (int i = 1; i <= ITEMS; i++) {
		ct_int(creel_queue_add(q, final, NULL), 0);
		ct_until(atomic_load(&taken) == i);
	}
	ct_int(creel_queue_close(q), 0);
	for (int i = 0; i < TAKERS; i++) {
		void *failed;
		ct_int(pthread_join(thread[i], &failed), 0);
		ct_assert(failed == NULL);
	}
	/* All others of each item's would have gone back to sleep. */
	ct_assert(atomic_load(&sleeps) - before <= ITEMS);
	creel_queue_unref(q);
	creel_future_unref(final);
}
