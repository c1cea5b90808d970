/* SPDX-License-Identifier: MIT */
/* Invariants 1 and 9 of the fork server: it dies and the pool recovers;
 * the parent dies and all end. */
#include "births.h"
#include "procs.h"
#include "orphans.h"
#include "procs/child.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/wait.h>

CASE(server, i01_the_pool_recovers_from_the_death_of_its_server)
{
	enum { N = 40 };
	creel_future *f[N], *held[2];
	struct ct_count *ran[N];
	creel_executor *ex = pt_pool(2);
	for (unsigned round = 0; round < 4; round++) {
		struct pt_gated g[2] = {pt_gated(1), pt_gated(2)};
		for (unsigned i = 0; i < 2; i++)
			held[i] = pt_submit_gated(ex, &g[i]);
		for (unsigned i = 0; i < N; i++)
			f[i] = ct_submit_count(ex, ran[i] = ct_count_new());
		ct_count_await(g[0].started, 1);
		ct_count_await(g[1].started, 1);
		int server = pt_pidfd(g[0].ids->server), worker = pt_pidfd(g[1].ids->pid);
		pt_kill(server, SIGKILL);
		for (unsigned i = 0; i < 2; i++) {
			const creel_error *e = pt_failure(held[i], CREEL_KIND_WORKER_DIED);
			ct_int(e->pid, g[i].ids->pid);
			ct_has(e->message, "fork server");
			creel_future_unref(held[i]);
		}
		for (unsigned i = 0; i < N; i++)
			ct_int(ct_long_drop(f[i]), 1);
		pt_await_gone(server);
		pt_await_gone(worker);
	}
	ct_assert(creel_executor_error(ex) == NULL);
	ct_close(ex);
}

/* A task that stays is due after the shutdown, and after the server's death. */
CASE(server, i01_what_stays_gets_a_server_after_the_shutdown)
{
	struct ct_count *ran = ct_count_new();
	creel_clock *clock = creel_clock_new(0);
	creel_executor *ex = pt_pool(1);
	struct pt_gated g = pt_gated(1);
	creel_future *held = pt_submit_gated(ex, &g);
	creel_future *f = creel_submit_with(ex, task_count, &ran, sizeof ran,
					    &(creel_submit_options){.flags = CREEL_STAY,
								    .delay_ns = CREEL_MS(300),
								    .clock = clock});
	ct_count_await(g.started, 1);
	ct_int(creel_executor_shutdown(ex, 0, CREEL_NOW, NULL), -ETIMEDOUT);
	int server = pt_pidfd(g.ids->server);
	pt_kill(server, SIGKILL);
	(void)pt_failure(held, CREEL_KIND_WORKER_DIED);
	creel_future_unref(held);
	ct_int(creel_executor_close(ex), 0);
	ct_int(ct_long_drop(f), 1);
	ct_int(ct_count_get(ran), 1);
	close(server);
	creel_clock_unref(clock);
}

/* Nothing runs, and nobody submits: it is noticed all the same, and what comes later works. */
CASE(server, i01_a_server_that_dies_while_the_pool_is_idle)
{
	creel_executor *ex = pt_pool(1);
	struct pt_ids ids = pt_ids(ex);
	int server = pt_pidfd(ids.server), worker = pt_pidfd(ids.pid);
	pt_kill(server, SIGKILL);
	pt_await_gone(server);
	pt_await_gone(worker);
	pt_works(ex);
	ct_assert(pt_ids(ex).server != ids.server);
	ct_close(ex);
}

static _Atomic bool hold;
static _Atomic(pid_t) holder;

void pt_hold_next_fork(void)
{
	atomic_store(&hold, true);
}

void pt_hold_end(void)
{
	ct_assert(!atomic_load(&hold) && holder > 0);
	ct_int(kill(holder, SIGKILL), 0);
	ct_assert(WIFSIGNALED(pt_host_end(holder)));
}

pid_t __real_fork(void);
pid_t __wrap_fork(void);

pid_t __wrap_fork(void)
{
	if (atomic_exchange(&hold, false)) {
		holder = __real_fork();
		while (holder == 0)
			pause();
	}
	return births_refuse_fork() ? -1 : __real_fork();
}

/* As if another thread of the host forked while the pool is born: the child has all its
 * descriptors, the server's end of the socket as well, which is so not closed when the server
 * dies. */
CASE(server, i01_the_death_of_the_server_is_heard_while_a_child_of_the_host_holds_its_socket)
{
	pt_hold_next_fork();
	creel_executor *ex = pt_pool(1);
	struct pt_gated g = pt_gated(1);
	creel_future *f = pt_submit_gated(ex, &g);
	ct_count_await(g.started, 1);
	ct_int(kill(g.ids->server, SIGKILL), 0);
	/* Its children end with it, and are nobody's who could tell. */
	ct_int(creel_future_result(f, CT_GUARD, NULL, 0), CREEL_EFAILED);
	ct_has(pt_failure(f, CREEL_KIND_WORKER_DIED)->message, "fork server");
	creel_future_unref(f);
	pt_works(ex);
	ct_close(ex);
	pt_hold_end();
}

/* While it is set, whoever sends to a server that is gone rests before hearing so. */
static _Atomic bool slow_to_hear;

static struct {
	_Atomic char type;
	_Atomic unsigned times;
} refused;

void pt_refuse_orders(char type, unsigned times)
{
	atomic_store(&refused.type, type);
	atomic_store(&refused.times, times);
}

unsigned pt_refusals_left(void)
{
	return atomic_load(&refused.times);
}

static bool is_refused(char type)
{
	unsigned left = atomic_load(&refused.times);
	if (type != atomic_load(&refused.type))
		return false;
	while (left && !atomic_compare_exchange_weak(&refused.times, &left, left - 1))
		;
	return left;
}

int __real_creel__frame_send(int socket, const struct creel__frame *frame, int fd, int flags);
int __wrap_creel__frame_send(int socket, const struct creel__frame *frame, int fd, int flags);

/* Orders are sent with the pool's lock held: none waits for a server that reads nothing. */
int __wrap_creel__frame_send(int socket, const struct creel__frame *frame, int fd, int flags)
{
	if (frame->type == CREEL__FRAME_SPAWN || frame->type == CREEL__FRAME_KILL ||
	    frame->type == CREEL__FRAME_CONTINUE || frame->type == CREEL__FRAME_QUIT)
		ct_int(flags, MSG_DONTWAIT);
	if (is_refused(frame->type))
		return -EAGAIN;
	int rc = __real_creel__frame_send(socket, frame, fd, flags);
	if (rc < 0 && atomic_load(&slow_to_hear))
		ct_breathe();
	return rc;
}

/* Holds the manager up, which runs it. */
static void pass_gate(creel_future *f, void *gate)
{
	(void)f;
	ct_pass(gate);
}

/* Dead, and waited for by its server. */
static void kill_worker(pid_t pid)
{
	char path[64];
	int worker = pt_pidfd(pid);
	pt_kill(worker, SIGKILL);
	pt_await_gone(worker);
	snprintf(path, sizeof path, "/proc/%d", (int)pid);
	ct_until(access(path, F_OK) < 0);
}

/* The pool's only worker, or this one and another, is dead, and its server as well, when gate opens
 * and the manager may see it. */
static void kill_all_behind(creel_executor *ex, struct ct_count *gate, pid_t another)
{
	struct pt_gated g = pt_gated(1);
	creel_future *f = pt_submit_gated(ex, &g);
	ct_count_await(g.started, 1);
	/* While it runs: on one that has ended, the callback would run here. */
	ct_int(creel_future_on_done(f, NULL, pass_gate, gate, NULL, NULL), 0);
	ct_open(g.gate);
	ct_int(ct_long_drop(f), 1);
	int server = pt_pidfd(g.ids->server);
	kill_worker(g.ids->pid);
	if (another)
		kill_worker(another);
	pt_kill(server, SIGKILL);
	pt_await_gone(server);
}

CASE(server, i01_an_order_does_not_wait_for_a_server_that_reads_nothing)
{
	const struct creel__frame order = {.type = CREEL__FRAME_SPAWN};
	int ends[2], rc;
	ct_int(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends), 0);
	do
		rc = creel__frame_send(ends[0], &order, -1, MSG_DONTWAIT);
	while (rc == 0);
	ct_int(rc, -EAGAIN);
	close(ends[0]);
	close(ends[1]);
}

/* An order that it had not read hid them: what a task died of was not told. */
CASE(server, i01_the_last_words_of_a_server_are_heard)
{
	const struct creel__frame order = {.type = CREEL__FRAME_SPAWN};
	const struct creel__frame words = {.type = CREEL__FRAME_DEAD, .worker = 7, .status = 3};
	struct creel__frame heard = {0};
	int ends[2], fd = 0;
	ct_int(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends), 0);
	ct_int(creel__frame_send(ends[1], &words, -1, 0), 0);
	ct_int(creel__frame_send(ends[0], &order, -1, MSG_DONTWAIT), 0);
	close(ends[1]);
	ct_int(creel__frame_receive(ends[0], &heard, &fd, MSG_DONTWAIT), 1);
	ct_int(fd, -1);
	ct_int(heard.type, words.type);
	ct_int(heard.worker, 7);
	ct_int(heard.status, 3);
	ct_int(creel__frame_receive(ends[0], &heard, &fd, MSG_DONTWAIT), 0);
	close(ends[0]);
}

/* A slow server reads them later: nothing else may come that would ask for the worker again. */
CASE(server, i01_a_worker_is_ordered_again_if_the_socket_was_full)
{
	creel_executor *ex = pt_pool(1);
	pt_refuse_orders(CREEL__FRAME_SPAWN, 20);
	pt_works(ex);
	ct_int(pt_refusals_left(), 0);
	ct_close(ex);
}

/* Whoever submits orders workers, in vain, while the manager buries those there were. It
 * must bury nobody else, or the count of workers is wrong: one too many remains, or the pool
 * waits for one that is not. */
CASE(server, i01_the_server_dies_while_workers_are_ordered)
{
	enum { N = 40 };
	creel_future *f[N];
	for (unsigned round = 0; round < ct_scaled(8); round++) {
		struct ct_count *gate = ct_count_new();
		creel_executor *ex = pt_pool(2);
		kill_all_behind(ex, gate, 0);
		atomic_store(&slow_to_hear, true);
		for (unsigned i = 0; i < N; i++) {
			f[i] = creel_submit(ex, task_nothing, NULL, 0);
			if (i == N / 4)
				ct_open(gate);
			ct_breathe();
		}
		atomic_store(&slow_to_hear, false);
		for (unsigned i = 0; i < N; i++) {
			ct_int(ct_outcome(f[i]), 0);
			creel_future_unref(f[i]);
		}
		ct_assert(pt_stats(ex).workers <= 2);
		ct_close(ex);
	}
}

#define KEEPS_ERRNO(call)                                                                          \
	do {                                                                                       \
		errno = ERANGE;                                                                    \
		call;                                                                              \
		ct_int(errno, ERANGE);                                                             \
	} while (0)

/* What the kernel says of processes and sockets that are gone is the library's business. */
CASE(server, rule_errno_survives_calls_to_a_pool_whose_processes_are_gone)
{
	enum { N = 8 };
	creel_future *f[N];
	for (unsigned round = 0; round < ct_scaled(8); round++) {
		struct ct_count *gate = ct_count_new();
		creel_executor *ex = pt_pool(2);
		struct pt_gated g = pt_gated(1);
		creel_future *held = NULL;
		if (round & 1) {
			held = pt_submit_gated(ex, &g);
			ct_count_await(g.started, 1);
		}
		kill_all_behind(ex, gate, held ? g.ids->pid : 0);
		if (held)
			KEEPS_ERRNO((void)creel_future_kill(held, 0));
		for (unsigned i = 0; i < N; i++) {
			KEEPS_ERRNO(f[i] = creel_submit(ex, task_nothing, NULL, 0));
			if (i == N / 2)
				ct_open(gate);
		}
		for (unsigned i = 0; i < N; i++) {
			KEEPS_ERRNO(ct_int(creel_future_result(f[i], CT_GUARD, NULL, 0), 0));
			creel_future_unref(f[i]);
		}
		if (held)
			creel_future_unref(held);
		KEEPS_ERRNO(ct_close(ex));
	}
}

/* Each time before there was a result: that cannot go on for ever. */
CASE(server, i07_a_server_that_dies_each_time_breaks_the_pool)
{
	creel_executor *ex = pt_pool(1);
	for (unsigned i = 0; i < 50 && !creel_executor_error(ex); i++) {
		struct pt_gated g = pt_gated(1);
		creel_future *f = pt_submit_gated(ex, &g);
		ct_until(ct_count_get(g.started) || creel_future_state(f) == CREEL_FUTURE_FINISHED);
		if (ct_count_get(g.started)) {
			int server = pt_pidfd(g.ids->server);
			pt_kill(server, SIGKILL);
			pt_await_gone(server);
		}
		ct_int(ct_outcome(f), CREEL_EFAILED);
		creel_future_unref(f);
	}
	creel_future *f = creel_submit(ex, task_nothing, NULL, 0);
	pt_failure(f, CREEL_KIND_BROKEN);
	creel_future_unref(f);
	ct_has(creel_executor_error(ex)->message, "fork server");
	ct_close(ex);
}

CASE(server, i01_the_server_dies_while_the_pool_shuts_down)
{
	creel_executor *ex = pt_pool(1);
	struct ct_count *ran = ct_count_new();
	struct pt_gated g = pt_gated(1);
	creel_future *held = pt_submit_gated(ex, &g), *f = ct_submit_count(ex, ran);
	ct_count_await(g.started, 1);
	size_t left = 0;
	ct_int(creel_executor_shutdown(ex, 0, CREEL_NOW, &left), -ETIMEDOUT);
	ct_int(left, 2);
	int server = pt_pidfd(g.ids->server);
	pt_kill(server, SIGKILL);
	pt_failure(held, CREEL_KIND_WORKER_DIED);
	ct_int(ct_long_drop(f), 1);
	pt_await_gone(server);
	creel_future_unref(held);
	ct_close(ex);
}

struct doomed {
	struct pt_gated g;
	unsigned workers;
	struct pt_ids *ids;
	struct ct_count *ready;
	bool dies_by_exit;
};

static void doomed_host(void *arg)
{
	struct doomed *d = arg;
	creel_executor *ex = creel_process_pool_new(
		&(creel_process_pool_options){.max_workers = (int)d->workers});
	HOST(!creel_executor_error(ex));
	for (unsigned i = 0; i < d->workers; i++) {
		struct pt_gated g = d->g;
		g.ids = &d->ids[i];
		creel_future *f = pt_submit_gated(ex, &g);
		creel_future_unref(f);
	}
	ct_count_await(d->g.started, d->workers);
	ct_open(d->ready);
	if (d->dies_by_exit)
		exit(0);
	for (;;)
		pause();
}

static struct doomed doomed(unsigned workers)
{
	return (struct doomed){pt_gated(1), workers, ct_shared(workers * sizeof(struct pt_ids)),
			       ct_count_new(), false};
}

CASE(server, c32_i09_no_process_survives_the_parent_s_sigkill)
{
	enum { N = 3 };
	int fds[N + 1];
	struct doomed d = doomed(N);
	pid_t host = pt_host_start(doomed_host, &d);
	ct_pass(d.ready);
	for (unsigned i = 0; i < N; i++)
		fds[i] = pt_pidfd(d.ids[i].pid);
	fds[N] = pt_pidfd(d.ids[0].server);
	kill(host, SIGKILL);
	for (unsigned i = 0; i <= N; i++)
		pt_await_gone(fds[i]);
	int status = pt_host_end(host);
	ct_assert(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
	ct_int(orphans_await(pt_mark(), CT_GUARD_MS), 0);
}

/* The workers stopped, which is nobody's excuse. */
CASE(server, c32_i09_stopped_workers_do_not_survive_either)
{
	struct doomed d = doomed(2);
	pid_t host = pt_host_start(doomed_host, &d);
	ct_pass(d.ready);
	int a = pt_pidfd(d.ids[0].pid), b = pt_pidfd(d.ids[1].pid);
	pt_kill(a, SIGSTOP);
	pt_kill(b, SIGSTOP);
	kill(host, SIGKILL);
	pt_await_gone(a);
	pt_await_gone(b);
	pt_host_end(host);
}

CASE(server, c24_i13_a_host_that_exits_without_closing_leaves_nothing)
{
	struct doomed d = doomed(2);
	d.dies_by_exit = true;
	pid_t host = pt_host_start(doomed_host, &d);
	ct_int(pt_host_end(host), 0);
	ct_int(orphans_await(pt_mark(), CT_GUARD_MS), 0);
}

CASE(server, c25_no_zombies_stay_with_the_server)
{
	creel_executor *ex = pt_pool(2);
	struct pt_ids *ids = ct_shared(sizeof *ids);
	for (unsigned i = 0; i < 5; i++) {
		creel_future *f = pt_submit_crash(ex, PT_KILL, NULL, ids, NULL);
		const creel_error *e = pt_failure(f, CREEL_KIND_WORKER_DIED);
		char path[64];
		snprintf(path, sizeof path, "/proc/%d", (int)e->pid);
		/* It was waited for before anybody heard of its death. */
		ct_assert(access(path, F_OK) < 0 && errno == ENOENT);
		creel_future_unref(f);
	}
	ct_close(ex);
}
