/* SPDX-License-Identifier: MIT */
/* Workers whose birth is told late or never: the fork server is stopped, or cannot fork. */
#include "births.h"
#include "procs.h"

#include <stdatomic.h>

/* In the arena: forks of the server that are still to be refused, and those that were. */
struct refusals {
	_Atomic int left;
	struct ct_count *refused;
};

static struct refusals *refusals;
static pid_t host;

bool births_refuse_fork(void)
{
	struct refusals *r = refusals;
	if (!r || getpid() == host || atomic_load(&r->left) <= 0)
		return false;
	atomic_fetch_sub(&r->left, 1);
	ct_count_add(r->refused, 1);
	errno = EAGAIN;
	return true;
}

static creel_executor *pool_with(creel_process_pool_options o)
{
	host = getpid();
	refusals = ct_shared(sizeof *refusals);
	refusals->refused = ct_count_new();
	return pt_pool_in_time(&o);
}

/* The arena goes with the test. */
static void close_pool(creel_executor *ex)
{
	ct_close(ex);
	refusals = NULL;
}

/* Whether so many of the gated tasks start. If not, too many workers were given up. */
static bool start(creel_executor *ex, const struct pt_gated *g, uint32_t n)
{
	ct_until(ct_count_get(g->started) >= n || creel_executor_error(ex));
	return ct_count_get(g->started) >= n;
}

/* The server, stopped while a worker runs the first task. 0: none got so far. */
static pid_t stop_server(creel_executor *ex, struct pt_gated *g, creel_future **ret_first)
{
	*ret_first = pt_submit_gated(ex, g);
	if (!start(ex, g, 1))
		return 0;
	ct_int(kill(g->ids->server, SIGSTOP), 0);
	return g->ids->server;
}

static void open_gate(struct pt_gated *g, creel_future **f)
{
	ct_open(g->gate);
	for (unsigned i = 0; i < 2; i++)
		ct_int(ct_long_drop(f[i]), g->value);
}

/* From here on the server refuses one fork. */
static void refuse_one(pid_t server)
{
	atomic_store(&refusals->left, 1);
	ct_int(kill(server, SIGCONT), 0);
}

static creel_executor *pool_of_two(int64_t start_ns)
{
	return pool_with((creel_process_pool_options){.max_workers = 2, .start_ns = start_ns});
}

/* A worker that is not born in time did not start, and three of those break the pool. */
CASE(births, c01_nobody_waits_for_ever_for_a_server_that_is_stopped)
{
	creel_executor *ex = pool_of_two(500 * PT_MS);
	struct pt_gated g = pt_gated(1);
	creel_future *f[2], *third;
	pid_t server = stop_server(ex, &g, &f[0]);
	/* This one is sent to the first worker, behind the other. */
	f[1] = pt_submit_gated(ex, &g);
	third = ct_submit_count(ex, ct_count_new());
	ct_has(pt_failure(third, CREEL_KIND_BROKEN)->message, "did not start in time");
	creel_future_unref(third);
	open_gate(&g, f);
	/* Or close waits until it is killed. */
	ct_int(kill(server, SIGCONT), 0);
	ct_int(creel_executor_close(ex), 0);
	refusals = NULL;
}

/* The second task waits for a worker that is given up; then the server goes on. */
static bool give_one_up(creel_executor *ex, struct pt_gated *g, creel_future **f,
			void (*go_on)(pid_t server))
{
	pid_t server = stop_server(ex, g, &f[0]);
	/* On a slow machine others may have come too late before. */
	uint64_t died = pt_stats(ex).died;
	f[1] = pt_submit_gated(ex, g);
	ct_until(pt_stats(ex).died > died || creel_executor_error(ex));
	if (server)
		go_on(server);
	return start(ex, g, 2);
}

static bool one_is_given_up(int64_t start_ns, void (*go_on)(pid_t server), unsigned refused)
{
	creel_executor *ex = pool_of_two(start_ns);
	struct pt_gated g = pt_gated(1);
	creel_future *f[2], *third;
	struct ct_count *ran = ct_count_new();
	if (!give_one_up(ex, &g, f, go_on)) {
		ct_open(g.gate);
		for (unsigned i = 0; i < 2; i++) {
			(void)ct_outcome(f[i]);
			creel_future_unref(f[i]);
		}
		close_pool(ex);
		return false;
	}
	ct_int(ct_count_get(refusals->refused), refused);
	/* As many as there may be, and not one more. */
	third = ct_submit_count(ex, ran);
	ct_breathe();
	ct_int(ct_count_get(ran), 0);
	open_gate(&g, f);
	ct_int(ct_long_drop(third), 1);
	close_pool(ex);
	return true;
}

/* The first worker for it is given up, and born, or not, when nobody counts it any more. On a slow
 * machine three may be, and the pool breaks: then again, with twice the time. */
static void one_given_up(void (*go_on)(pid_t server), unsigned refused)
{
	int64_t start_ns = 500 * PT_MS;
	while (!one_is_given_up(start_ns, go_on, refused))
		start_ns *= 2;
}

static void just_go_on(pid_t server)
{
	ct_int(kill(server, SIGCONT), 0);
}

CASE(births, c18_a_worker_that_is_born_after_it_was_given_up)
{
	one_given_up(just_go_on, 0);
}

CASE(births, c18_a_worker_that_is_refused_after_it_was_given_up)
{
	one_given_up(refuse_one, 1);
}

/* It leaves before it is born, and is not counted as leaving for ever. */
CASE(births, c18_a_worker_that_is_refused_when_it_was_to_leave)
{
	creel_executor *ex = pool_with((creel_process_pool_options){.max_workers = 2});
	struct pt_gated g = pt_gated(1);
	creel_future *f[2];
	pid_t server = stop_server(ex, &g, &f[0]);
	f[1] = pt_submit_gated(ex, &g);
	ct_int(creel_executor_resize(ex, 1), 0);
	refuse_one(server);
	ct_count_await(refusals->refused, 1);
	ct_int(creel_executor_resize(ex, 2), 0);
	ct_count_await(g.started, 2);
	open_gate(&g, f);
	ct_int(creel_executor_resize(ex, 1), 0);
	ct_until(pt_stats(ex).workers == 1);
	close_pool(ex);
}

/* A time that cannot be said is never, and not long ago: UndefinedBehaviorSanitizer sees it. */
CASE(births, c04_huge_durations_do_not_overflow)
{
	int64_t huge = INT64_MAX - 1;
	creel_executor *ex = pool_with((creel_process_pool_options){.max_workers = 2,
								    .idle_ns = huge,
								    .limit_ns = huge,
								    .grace_ns = huge,
								    .start_ns = huge});
	pt_works(ex);
	ct_until(pt_stats(ex).idle > 0);
	pt_works(ex);
	close_pool(ex);
}
