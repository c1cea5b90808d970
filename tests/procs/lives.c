/* SPDX-License-Identifier: MIT */
/* Promises 13, 22 and 31, invariant 14: workers come on demand, retire when idle, follow resize;
 * idle pools do nothing. */
#include "procs.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* Keeps n workers busy at once. */
static void busy(creel_executor *ex, unsigned n, struct pt_gated *g, creel_future **f)
{
	for (unsigned i = 0; i < n; i++)
		f[i] = pt_submit_gated(ex, g);
	ct_count_await(g->started, n);
}

static void release(struct pt_gated *g, creel_future **f, unsigned n)
{
	ct_open(g->gate);
	for (unsigned i = 0; i < n; i++)
		ct_int(ct_long_drop(f[i]), g->value);
}

CASE(lives, c13_workers_start_on_demand_and_idle_ones_are_used_first)
{
	creel_executor *ex = pt_pool(4);
	ct_int(pt_stats(ex).started, 0);
	struct pt_ids first = pt_ids(ex);
	for (unsigned i = 0; i < 10; i++)
		ct_int(pt_ids(ex).pid, first.pid);
	ct_int(pt_stats(ex).started, 1);
	struct pt_gated g = pt_gated(1);
	creel_future *f[4];
	busy(ex, 4, &g, f);
	ct_int(pt_stats(ex).workers, 4);
	release(&g, f, 4);
	ct_close(ex);
}

CASE(lives, c31_idle_workers_retire_down_to_the_minimum)
{
	creel_executor *ex = pt_pool_with((creel_process_pool_options){
		.max_workers = 4, .min_workers = 1, .idle_ns = 20 * PT_MS});
	struct pt_gated g = pt_gated(1);
	creel_future *f[4];
	busy(ex, 4, &g, f);
	release(&g, f, 4);
	ct_until(pt_stats(ex).workers == 1);
	struct pt_ids last = pt_ids(ex);
	ct_int(pt_ids(ex).pid, last.pid);
	ct_int(pt_stats(ex).died, 0);
	ct_close(ex);
	ex = pt_pool_with((creel_process_pool_options){.max_workers = 2, .idle_ns = 20 * PT_MS});
	pt_works(ex);
	ct_until(pt_stats(ex).workers == 0);
	pt_works(ex);
	ct_close(ex);
}

CASE(lives, c31_resize_up_and_down)
{
	creel_executor *ex = pt_pool(1);
	struct pt_gated g = pt_gated(1), h = pt_gated(2);
	creel_future *f[4], *k[4];
	for (unsigned i = 0; i < 4; i++)
		f[i] = pt_submit_gated(ex, &g);
	ct_count_await(g.started, 1);
	ct_int(creel_executor_resize(ex, 4), 0);
	/* Those that wait get workers of their own. */
	ct_count_await(g.started, 4);
	ct_int(creel_executor_resize(ex, 2), 0);
	release(&g, f, 4);
	ct_until(pt_stats(ex).workers <= 2);
	for (unsigned i = 0; i < 4; i++)
		k[i] = pt_submit_gated(ex, &h);
	ct_count_await(h.started, 2);
	ct_int(pt_stats(ex).running, 2);
	release(&h, k, 4);
	ct_int(creel_executor_resize(ex, 0), -EINVAL);
	ct_int(creel_executor_resize(ex, -3), -EINVAL);
	pt_works(ex);
	ct_int(pt_stats(ex).died, 0);
	ct_close(ex);
}

CASE(lives, c31_a_smaller_maximum_does_not_lower_the_minimum_for_good)
{
	creel_executor *ex = pt_pool_with((creel_process_pool_options){
		.max_workers = 3, .min_workers = 2, .idle_ns = 20 * PT_MS});
	struct pt_gated g = pt_gated(1);
	creel_future *f[3];
	ct_int(creel_executor_resize(ex, 1), 0);
	ct_int(creel_executor_resize(ex, 3), 0);
	busy(ex, 3, &g, f);
	release(&g, f, 3);
	ct_until(pt_stats(ex).workers <= 2);
	/* Far longer than the idle time: those that stay do stay. */
	for (int ms = 0; ms < 200; ms++)
		ct_breathe();
	ct_int(pt_stats(ex).workers, 2);
	ct_close(ex);
}

/* How often a process was given the CPU of its own will. */
static long switches(pid_t pid)
{
	char path[64], text[4096];
	snprintf(path, sizeof path, "/proc/%d/status", (int)pid);
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? 0 : read(fd, text, sizeof text - 1);
	if (fd >= 0)
		close(fd);
	text[n > 0 ? n : 0] = 0;
	const char *at = strstr(text, "\nvoluntary_ctxt_switches:");
	return at ? strtol(at + strlen("\nvoluntary_ctxt_switches:"), NULL, 10) : -1;
}

static void rest(void)
{
	struct timespec t = {0, 300000000};
	nanosleep(&t, NULL);
}

/* Until nothing has happened for a while: then nothing may happen for another. */
CASE(lives, c22_i14_nobody_wakes_up_in_an_idle_pool)
{
	creel_executor *ex = pt_pool_with(
		(creel_process_pool_options){.max_workers = 1, .name = "idler"});
	struct pt_ids ids = pt_ids(ex);
	int manager = 0;
	ct_int(ct_threads_named("idler", &manager, 1), 1);
	long before[3], after[3] = {-1, -1, -1};
	int64_t start = ct_now();
	do {
		ct_assert(!ct_guard_over(start));
		memcpy(before, after, sizeof before);
		rest();
		after[0] = switches(ids.pid);
		after[1] = switches(ids.server);
		after[2] = ct_thread_status(manager, "voluntary_ctxt_switches");
		ct_assert(after[0] >= 0 && after[1] >= 0 && after[2] >= 0);
	} while (memcmp(before, after, sizeof before) != 0);
	pt_works(ex);
	ct_close(ex);
}

CASE(lives, c31_bursts_with_idle_moments_in_between)
{
	creel_executor *ex = pt_pool_with(
		(creel_process_pool_options){.max_workers = 3, .idle_ns = 1 * PT_MS});
	for (unsigned round = 0; round < 40; round++) {
		struct timespec moment = {0, (long)(round % 5) * 700000};
		pt_works(ex);
		nanosleep(&moment, NULL);
	}
	ct_int(pt_stats(ex).died, 0);
	ct_close(ex);
}
