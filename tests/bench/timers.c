/* SPDX-License-Identifier: MIT */
/*
 * Timers: timers WORKLOAD PEER WORKERS [COUNT], one measurement a process. WORKERS is not used.
 *
 *   set     COUNT timers are set, at random times of the next hour; then all are cancelled, in
 *           another random order
 *   churn   with COUNT timers pending, one is set and one cancelled, COUNT times
 *   late    how much later than asked for a thread goes on that waits for a timer, COUNT times
 *
 * Times are in nanoseconds from now. All peers keep one object a timer, which they allocate when it
 * is set and free when it is cancelled. creel's are futures, thread-safe, and end on the clock's
 * thread; creel-submit is a task of a pool, with a delay. The others belong to a loop and its
 * thread.
 */
#include "measure.h"
#include "timer_peers.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct peer *const peers[] = {
	&timers_creel, &timers_submit, &timers_fd,
#ifdef BENCH_GLIB
	&timers_glib,
#endif
#ifdef BENCH_LIBEV
	&timers_libev,
#endif
#ifdef BENCH_LIBUV
	&timers_libuv,
#endif
};

static uint64_t next_random(void)
{
	static uint64_t x = 88172645463325252u;
	x ^= x << 13;
	x ^= x >> 7;
	x ^= x << 17;
	return x;
}

static double some_time(void)
{
	return 60e9 + (double)(next_random() % 3600) * 1e9 + (double)(next_random() % 1000000000);
}

static void shuffle(void **timers, unsigned long n)
{
	for (unsigned long i = n; i > 1; i--) {
		unsigned long j = next_random() % i;
		void *t = timers[i - 1];
		timers[i - 1] = timers[j];
		timers[j] = t;
	}
}

static double *some_times(unsigned long n)
{
	double *times = touched(n, sizeof *times);
	for (unsigned long i = 0; i < n; i++)
		times[i] = some_time();
	return times;
}

static void set(const struct run *r)
{
	void **timers = touched(r->count, sizeof *timers);
	double *times = some_times(r->count), start = now_ns();
	for (unsigned long i = 0; i < r->count; i++)
		timers[i] = r->peer->set(times[i]);
	printf("set %.2f ns\n", (now_ns() - start) / (double)r->count);
	shuffle(timers, r->count);
	start = now_ns();
	for (unsigned long i = 0; i < r->count; i++)
		r->peer->cancel(timers[i]);
	printf("cancel %.2f ns\n", (now_ns() - start) / (double)r->count);
	free(timers);
	free(times);
}

static void churn(const struct run *r)
{
	void **timers = touched(r->count, sizeof *timers);
	double *times = some_times(2 * r->count);
	for (unsigned long i = 0; i < r->count; i++)
		timers[i] = r->peer->set(times[i]);
	shuffle(timers, r->count);
	double start = now_ns();
	for (unsigned long i = 0; i < r->count; i++) {
		r->peer->cancel(timers[i]);
		timers[i] = r->peer->set(times[r->count + i]);
	}
	printf("churn %.2f ns\n", (now_ns() - start) / (double)r->count);
	for (unsigned long i = 0; i < r->count; i++)
		r->peer->cancel(timers[i]);
	free(timers);
	free(times);
}

static void late(const struct run *r)
{
	double *late_by = touched(r->count, sizeof *late_by);
	for (unsigned long i = 0; i < r->count; i++) {
		double due = now_ns() + 1e6;
		r->peer->await(due);
		late_by[i] = now_ns() - due;
	}
	sort(late_by, r->count);
	printf("late-p50 %.2f us\n", late_by[r->count / 2] / 1e3);
	printf("late-p99 %.2f us\n", late_by[r->count - 1 - r->count / 100] / 1e3);
	free(late_by);
}

static const struct workload workloads[] = {
	{"set", set, 1000000}, {"churn", churn, 1000000}, {"late", late, 500}};

static int list_peers(void)
{
	for (size_t i = 0; i < sizeof peers / sizeof peers[0]; i++)
		puts(peers[i]->name);
	return 0;
}

int main(int argc, char **argv)
{
	if (argc == 2 && strcmp(argv[1], "--peers") == 0)
		return list_peers();
	struct run r;
	const struct workload *w = read_arguments(argc, argv, workloads,
						  sizeof workloads / sizeof workloads[0], &r);
	size_t i = 0, n = sizeof peers / sizeof peers[0];
	while (i < n && strcmp(peers[i]->name, argv[2]) != 0)
		i++;
	if (i == n)
		give_up("no such peer");
	r.peer = peers[i];
	r.peer->open();
	w->measure(&r);
	r.peer->close();
	return 0;
}
