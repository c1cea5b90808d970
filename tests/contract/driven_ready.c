/* SPDX-License-Identifier: MIT */
/* Promise 52: creel_ready() ends inside run when a descriptor is ready. */
#include "driven.h"

#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/socket.h>

#ifdef __linux__
#include <sys/epoll.h>
#endif

/* Two sockets. */
struct ends {
	int a, b;
};

static struct ends ends(void)
{
	int fds[2];
	ct_int(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, fds), 0);
	return (struct ends){fds[0], fds[1]};
}

static void close_ends(struct ends e)
{
	close(e.a);
	close(e.b);
}

static void say(int fd)
{
	ct_int(write(fd, "x", 1), 1);
}

static void hear(int fd)
{
	char c;
	ct_int(read(fd, &c, 1), 1);
}

/* The events that f ended with. Drops it. */
static unsigned events_of(creel_future *f)
{
	unsigned events = 0;
	ct_int(creel_future_result(f, CREEL_NOW, &events, sizeof events), 0);
	creel_future_unref(f);
	return events;
}

static bool pending(creel_future *f)
{
	return creel_future_state(f) == CREEL_FUTURE_PENDING;
}

static void failed(creel_future *f, int code, const char *says)
{
	ct_int(creel_future_result(f, CREEL_NOW, NULL, 0), CREEL_EFAILED);
	ct_int(creel_future_error(f)->code, code);
	ct_has(creel_future_error(f)->message, says);
	creel_future_unref(f);
}

CORE_CASE_WITH(c52_a_ready_descriptor_ends_its_future_inside_run, CT_SYSTEM)
{
	creel_executor *ex = driven();
	struct ends e = ends();
	creel_future *f = creel_ready(ex, e.a, CREEL_READABLE);
	ct_assert(!readable(ex));
	run_now(ex);
	ct_assert(pending(f));
	say(e.b);
	ct_assert(readable(ex));
	ct_assert(pending(f));
	run_now(ex);
	ct_int(events_of(f), CREEL_READABLE);
	/* Once. */
	ct_assert(!readable(ex));
	f = creel_ready(ex, e.a, CREEL_READABLE);
	ct_assert(readable(ex));
	ct_int(creel_driven_run_until(ex, f, CT_GUARD), 0);
	ct_int(events_of(f), CREEL_READABLE);
	f = creel_ready(ex, e.a, CREEL_WRITABLE);
	ct_int(creel_driven_run_until(ex, f, CT_GUARD), 0);
	ct_int(events_of(f), CREEL_WRITABLE);
	ct_close(ex);
	close_ends(e);
}

CORE_CASE_WITH(c52_a_runner_that_sleeps_hears_of_new_descriptors, CT_SYSTEM)
{
	creel_executor *ex = driven();
	struct ends e = ends();
	struct ct_thread *t = ct_thread_start(run_forever, ex);
	for (int i = 0; i < 20; i++) {
		creel_future *f = creel_ready(ex, e.a, CREEL_READABLE);
		say(e.b);
		ct_int(creel_future_result(f, CT_GUARD, NULL, 0), 0);
		ct_int(events_of(f), CREEL_READABLE);
		hear(e.a);
	}
	ct_close(ex);
	ct_int((intptr_t)ct_thread_join(t), -ESHUTDOWN);
	close_ends(e);
}

/* Any number may wait for one descriptor, for different events. */
CORE_CASE_WITH(c52_one_descriptor_may_have_several_futures, CT_SYSTEM)
{
	creel_executor *ex = driven();
	struct ends e = ends();
	creel_future *in = creel_ready(ex, e.a, CREEL_READABLE),
		     *out = creel_ready(ex, e.a, CREEL_WRITABLE),
		     *both = creel_ready(ex, e.a, CREEL_READABLE | CREEL_WRITABLE),
		     *again = creel_ready(ex, e.a, CREEL_READABLE);
	run_now(ex);
	ct_int(events_of(out), CREEL_WRITABLE);
	ct_int(events_of(both), CREEL_WRITABLE);
	ct_assert(pending(in) && pending(again));
	say(e.b);
	ct_int(creel_future_cancel(again), CREEL_CANCEL_NOW);
	creel_future_unref(again);
	run_now(ex);
	ct_int(events_of(in), CREEL_READABLE);
	ct_close(ex);
	close_ends(e);
}

CORE_CASE_WITH(c52_a_hang_up_ends_all, CT_SYSTEM)
{
	creel_executor *ex = driven();
	struct ends e = ends();
	creel_future *urgent = creel_ready(ex, e.a, CREEL_URGENT);
	run_now(ex);
	ct_assert(pending(urgent));
	close(e.b);
	run_now(ex);
	ct_int(events_of(urgent), CREEL_HUNG_UP);
	ct_close(ex);
	close(e.a);
}

CORE_CASE_WITH(c52_cancelling_removes_a_descriptor, CT_SYSTEM)
{
	creel_executor *ex = driven();
	struct ends e = ends();
	creel_future *f = creel_ready(ex, e.a, CREEL_READABLE);
	say(e.b);
	ct_assert(readable(ex));
	ct_int(creel_future_cancel(f), CREEL_CANCEL_NOW);
	ct_assert(!readable(ex));
	creel_future_unref(f);
	f = creel_ready(ex, e.a, CREEL_READABLE);
	run_now(ex);
	ct_int(creel_future_cancel(f), CREEL_CANCEL_FINAL);
	creel_future_unref(f);
	ct_close(ex);
	close_ends(e);
}

CORE_CASE_WITH(c52_a_regular_file_is_always_ready, CT_SYSTEM)
{
	creel_executor *ex = driven();
	int fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
	ct_int(events_of(creel_ready(ex, fd, CREEL_READABLE)), CREEL_READABLE);
	close(fd);
	ct_close(ex);
}

/* epoll does not tell of it: the next user of the number does. */
CORE_CASE_WITH(c52_a_descriptor_closed_while_it_is_waited_for, CT_SYSTEM)
{
	creel_executor *ex = driven();
	struct ends e = ends(), other = ends();
	creel_future *old = creel_ready(ex, e.a, CREEL_READABLE);
	close(e.a);
	run_now(ex);
	ct_assert(pending(old));
	ct_int(dup2(other.a, e.a), e.a);
	creel_future *f = creel_ready(ex, e.a, CREEL_READABLE);
	run_now(ex);
	failed(old, -EBADF, "not open");
	ct_assert(pending(f));
	say(other.b);
	run_now(ex);
	ct_int(events_of(f), CREEL_READABLE);
	close_ends(e);
	close_ends(other);
	ct_close(ex);
}

CORE_CASE_WITH(c52_what_waits_for_a_descriptor_fails_at_shutdown, CT_SYSTEM)
{
	creel_executor *ex = driven();
	struct ends e = ends();
	creel_future *f = creel_ready(ex, e.a, CREEL_READABLE);
	ct_int(creel_executor_shutdown(ex, 0, CT_GUARD, NULL), 0);
	failed(f, -ESHUTDOWN, "shut down");
	failed(creel_ready(ex, e.a, CREEL_READABLE), -ESHUTDOWN, "shut down");
	ct_close(ex);
	/* The same for the last reference. */
	ex = driven();
	f = creel_ready(ex, e.a, CREEL_READABLE);
	creel_executor_unref(ex);
	failed(f, -ESHUTDOWN, "shut down");
	close_ends(e);
}

/* Two are ready, and a run has ended one of them. */
static creel_future *left_by_a_run(creel_executor *ex, struct ends e, struct ends other)
{
	creel_future *first = creel_ready(ex, e.a, CREEL_READABLE),
		     *second = creel_ready(ex, other.a, CREEL_READABLE);
	ct_int(creel_driven_run_until(ex, first, CT_GUARD), 0);
	ct_int(events_of(first), CREEL_READABLE);
	ct_assert(pending(second));
	return second;
}

/* Like a task that is left, it ends on the thread that shuts down. */
CORE_CASE_WITH(c52_what_a_run_leaves_ends_at_shutdown, CT_SYSTEM)
{
	creel_executor *ex = driven();
	struct ends e = ends(), other = ends();
	say(e.b);
	say(other.b);
	creel_future *f = left_by_a_run(ex, e, other);
	ct_int(creel_executor_shutdown(ex, 0, CT_GUARD, NULL), 0);
	ct_int(events_of(f), CREEL_READABLE);
	ct_assert(!readable(ex));
	ct_close(ex);
	/* The same for the last reference. */
	ex = driven();
	f = left_by_a_run(ex, e, other);
	creel_executor_unref(ex);
	ct_int(events_of(f), CREEL_READABLE);
	close_ends(e);
	close_ends(other);
}

static creel_future *awaited;

static int task_wait(creel_task *task, const void *arg, size_t size)
{
	(void)task;
	(void)arg;
	(void)size;
	return creel_future_result(awaited, CREEL_FOREVER, NULL, 0) == -EDEADLK ? 0 : -EIO;
}

CORE_CASE_WITH(c52_a_task_that_waits_for_a_descriptor_of_its_executor_is_told, CT_SYSTEM)
{
	creel_executor *ex = driven();
	struct ends e = ends();
	awaited = creel_ready(ex, e.a, CREEL_READABLE);
	creel_future *f = creel_submit(ex, task_wait, NULL, 0);
	run_now(ex);
	ct_int(creel_future_result(f, CREEL_NOW, NULL, 0), 0);
	creel_future_unref(f);
	creel_future_cancel(awaited);
	creel_future_unref(awaited);
	ct_close(ex);
	close_ends(e);
}

enum { MANY = 150 };

/* A turn takes some of them, so that tasks come between, and the next turns take the rest. */
CORE_CASE_WITH(c52_many_descriptors_are_taken_in_turns, CT_SYSTEM)
{
	creel_executor *ex = driven();
	struct ends e[MANY];
	creel_future *f[MANY];
	int turns = 0;
	for (int i = 0; i < MANY; i++) {
		e[i] = ends();
		f[i] = creel_ready(ex, e[i].a, CREEL_READABLE);
		say(e[i].b);
	}
	for (; readable(ex); turns++)
		run_now(ex);
	ct_assert(turns >= 3 && turns <= 4);
	for (int i = 0; i < MANY; i++) {
		ct_int(events_of(f[i]), CREEL_READABLE);
		close_ends(e[i]);
	}
	ct_close(ex);
}

#ifdef __linux__
static struct {
	int set, rc;
	struct ends e;
} edge;

static int edges(void)
{
	struct epoll_event event;
	return epoll_wait(edge.set, &event, 1, 0);
}

static creel_executor *driven_by_edges(void)
{
	creel_executor *ex = driven();
	struct epoll_event event = {.events = EPOLLIN | EPOLLET};
	edge.set = epoll_create1(EPOLL_CLOEXEC);
	edge.e = ends();
	ct_int(epoll_ctl(edge.set, EPOLL_CTL_ADD, creel_driven_fd(ex), &event), 0);
	return ex;
}

static void end_edges(creel_executor *ex)
{
	close(edge.set);
	close_ends(edge.e);
	ct_close(ex);
}

static int task_is_told_and_refused(creel_task *task, const void *arg, size_t size)
{
	(void)arg;
	(void)size;
	say(edge.e.b);
	edge.rc = edges();
	return creel_driven_run(creel_task_executor(task), CREEL_NOW) == -EBUSY ? 0 : -EIO;
}

/* The loop has heard that the descriptor is ready, and the run has not looked, or was refused. */
CORE_CASE(c52_a_run_that_does_not_look_reports_descriptors_anew)
{
	creel_executor *ex = driven_by_edges();
	creel_future *f = creel_ready(ex, edge.e.a, CREEL_READABLE);
	ct_int(edges(), 0);
	ct_int(creel_driven_run_until(ex, f, CREEL_NOW), -ETIMEDOUT);
	ct_int(edges(), 0);
	ct_int(creel_driven_stop(ex), 0);
	say(edge.e.b);
	ct_int(edges(), 1);
	ct_int(creel_driven_run(ex, CREEL_NOW), 0);
	ct_int(edges(), 1);
	run_now(ex);
	ct_int(events_of(f), CREEL_READABLE);
	ct_int(edges(), 0);
	hear(edge.e.a);

	f = creel_ready(ex, edge.e.a, CREEL_READABLE);
	creel_future *told = creel_submit(ex, task_is_told_and_refused, NULL, 0);
	ct_int(edges(), 1);
	ct_int(creel_driven_run_until(ex, told, CT_GUARD), 0);
	ct_int(creel_future_result(told, CREEL_NOW, NULL, 0), 0);
	ct_int(edge.rc, 1);
	ct_int(edges(), 1);
	/* Nor does a drain. */
	creel_future *drained = creel_submit(ex, task_nothing, NULL, 0);
	ct_int(edges(), 1);
	ct_int(creel_executor_drain(ex, CT_GUARD), 0);
	ct_int(edges(), 1);
	run_now(ex);
	ct_int(events_of(f), CREEL_READABLE);
	creel_future_unref(told);
	creel_future_unref(drained);
	end_edges(ex);
}

CORE_CASE(c52_descriptors_for_the_next_turn_are_reported_anew)
{
	creel_executor *ex = driven_by_edges();
	creel_future *f[MANY];
	struct ends e[MANY];
	for (int i = 0; i < MANY; i++) {
		e[i] = ends();
		f[i] = creel_ready(ex, e[i].a, CREEL_READABLE);
		say(e[i].b);
	}
	while (edges())
		run_now(ex);
	for (int i = 0; i < MANY; i++) {
		ct_int(events_of(f[i]), CREEL_READABLE);
		close_ends(e[i]);
	}
	end_edges(ex);
}
#endif

struct chain {
	creel_executor *ex;
	int fd, left;
};

static void next(creel_future *f, void *arg)
{
	struct chain *c = arg;
	(void)f;
	if (c->left-- == 0) {
		ct_int(creel_driven_stop(c->ex), 0);
		return;
	}
	creel_future *g = creel_ready(c->ex, c->fd, CREEL_WRITABLE);
	ct_int(creel_future_on_done(g, NULL, next, c, NULL, NULL), 0);
	creel_future_unref(g);
}

static int task_note(creel_task *task, const void *arg, size_t size)
{
	(void)task;
	(void)size;
	const struct chain *c = *(struct chain *const *)arg;
	return creel_return(task, &c->left, sizeof c->left);
}

/* A callback may wait for the next: neither that nor tasks keep the other waiting. */
CORE_CASE_WITH(c52_a_callback_may_wait_for_its_descriptor_again, CT_SYSTEM)
{
	creel_executor *ex = driven();
	struct ends e = ends();
	struct chain c = {ex, e.a, 50}, *chain = &c;
	int left = 0;
	next(NULL, &c);
	creel_future *f = creel_submit(ex, task_note, &chain, sizeof chain);
	ct_int(creel_driven_run(ex, CT_GUARD), 0);
	ct_int(creel_future_result(f, CREEL_NOW, &left, sizeof left), 0);
	ct_int(left, 48);
	creel_future_unref(f);
	ct_close(ex);
	close_ends(e);
}

static struct {
	creel_executor *ex;
	int fd;
} race;

static void *cancel_some(void *arg)
{
	(void)arg;
	for (int i = 0; i < MANY; i++) {
		creel_future *f = creel_ready(race.ex, race.fd, CREEL_READABLE);
		creel_future_cancel(f);
		ct_assert(!pending(f));
		creel_future_unref(f);
	}
	return NULL;
}

/* Beside a runner that finds the descriptor ready at the same moment. */
CORE_CASE_WITH(c52_cancels_race_with_a_ready_descriptor, CT_SYSTEM)
{
	creel_executor *ex = driven();
	struct ends e = ends();
	race.ex = ex;
	race.fd = e.a;
	say(e.b);
	/* It may come late. */
	creel_executor_ref(ex);
	struct ct_thread *runner = ct_thread_start(run_forever, ex), *t[2];
	for (int i = 0; i < 2; i++)
		t[i] = ct_thread_start(cancel_some, NULL);
	for (int i = 0; i < 2; i++)
		ct_thread_join(t[i]);
	ct_close(ex);
	ct_int((intptr_t)ct_thread_join(runner), -ESHUTDOWN);
	creel_executor_unref(ex);
	close_ends(e);
}

/* Nothing to be had anywhere on the way. */
CORE_CASE_WITH(c52_a_descriptor_without_memory_or_descriptors, CT_SYSTEM)
{
	creel_executor *ex = driven();
	struct ends e = ends();
	unsigned refused = 1;
	for (unsigned n = 1; refused; n++) {
		ct_fault_arm(CT_FAULT_MEMORY, n, false);
		creel_future *f = creel_ready(ex, e.a, CREEL_READABLE);
		refused = ct_fault_failed();
		ct_fault_off();
		if (!pending(f))
			ct_int(creel_future_error(f)->code, -ENOMEM);
		creel_future_cancel(f);
		creel_future_unref(f);
	}
	ct_close(ex);
	close_ends(e);
	for (unsigned n = 1; n <= 2; n++) {
		ct_fault_arm(CT_FAULT_FD, n, false);
		ex = creel_driven_new(NULL);
		ct_fault_off();
		ct_int(creel_executor_error(ex)->code, -EMFILE);
		ct_has(creel_executor_error(ex)->message, "descriptor");
		ct_close(ex);
	}
}

CORE_CASE_WITH(bad_descriptors, CT_SYSTEM)
{
	creel_executor *ex = driven(), *other = creel_inline_new();
	struct ends e = ends();
	failed(creel_ready(ex, -7, CREEL_READABLE), -EINVAL, "-7 is negative");
	failed(creel_ready(ex, e.a, 0), -EINVAL, "0x0");
	failed(creel_ready(ex, e.a, 64 | CREEL_READABLE), -EINVAL, "0x41");
	failed(creel_ready(NULL, e.a, CREEL_READABLE), -EINVAL, "NULL");
	failed(creel_ready(other, e.a, CREEL_READABLE), -EINVAL, "creel_driven_new()");
	close_ends(e);
	failed(creel_ready(ex, e.a, CREEL_READABLE), -EBADF, "not open");
	ct_close(ex);
	ct_close(other);
}
