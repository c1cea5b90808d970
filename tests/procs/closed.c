/* SPDX-License-Identifier: MIT */
/* Promise 32: what becomes of a pool when its host closes the pool's descriptors, uses their
 * numbers for something else, or becomes another program. */
#include "procs.h"

#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>

enum { NUMBERS = 64 };

static void close_all(void)
{
	for (int fd = 3; fd < NUMBERS; fd++)
		close(fd);
}

static void expect_broken(creel_executor *ex, creel_future *f)
{
	HOST(creel_future_result(f, CT_GUARD, NULL, 0) != -ETIMEDOUT);
	HOST(creel_future_error(f) != NULL);
	creel_future_unref(f);
	const creel_error *e = creel_executor_error(ex);
	HOST(e && e->kind == CREEL_KIND_BROKEN && e->code == -EBADF);
	HOST(strstr(e->message, "closed the pool's descriptors"));
	f = creel_submit(ex, task_nothing, NULL, 0);
	HOST(creel_future_error(f) && creel_future_error(f)->kind == CREEL_KIND_BROKEN);
	creel_future_unref(f);
}

/* All of the user's: eventfds that hold 5, and ends of pipes and sockets with a byte in them. */
static void fill(void)
{
	int ends[2];
	for (int last = 0; last < NUMBERS;) {
		HOST(pipe2(ends, O_NONBLOCK) == 0 && write(ends[1], "x", 1) == 1);
		HOST(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, ends) == 0);
		HOST(write(ends[0], "x", 1) == 1 && write(ends[1], "x", 1) == 1);
		last = eventfd(5, EFD_NONBLOCK);
		HOST(last >= 0);
	}
}

/* Nothing was closed, taken or added. */
static void expect_untouched(void)
{
	for (int fd = 3; fd < NUMBERS; fd++) {
		struct stat st;
		uint64_t value;
		int bytes = -1;
		HOST(fcntl(fd, F_GETFD) >= 0 && fstat(fd, &st) == 0);
		if (S_ISSOCK(st.st_mode) || S_ISFIFO(st.st_mode))
			HOST(ioctl(fd, FIONREAD, &bytes) == 0 && bytes == 1);
		else
			HOST(read(fd, &value, sizeof value) == sizeof value && value == 5);
	}
}

struct closing {
	bool busy, reuse;
};

static void closing_host(void *arg)
{
	const struct closing *how = arg;
	creel_executor *ex = pt_pool(2);
	struct pt_gated g = pt_gated(1);
	creel_future *held = NULL, *queued[20];
	pt_works(ex);
	for (unsigned i = 0; how->busy && i < 20; i++) {
		if (!held) {
			held = pt_submit_gated(ex, &g);
			ct_count_await(g.started, 1);
		}
		queued[i] = pt_submit_gated(ex, &g);
	}
	close_all();
	if (how->reuse)
		fill();
	if (how->busy) {
		expect_broken(ex, held);
		for (unsigned i = 0; i < 20; i++)
			expect_broken(ex, queued[i]);
	} else {
		expect_broken(ex, pt_submit_gated(ex, &g));
	}
	HOST(creel_executor_resize(ex, 1) == CREEL_EFAILED);
	HOST(creel_executor_close(ex) == 0);
	if (how->reuse)
		expect_untouched();
	_exit(0);
}

CASE_OFF(closed, c32_a_host_that_closes_all_descriptors_breaks_the_pool, CT_MEMCHECK)
{
	for (unsigned i = 0; i < 4; i++) {
		struct closing how = {i & 1, i & 2};
		ct_int(pt_host(closing_host, &how), 0);
	}
}

static void close_in_callback(creel_future *f, void *arg)
{
	(void)f;
	close_all();
	fill();
	atomic_store((_Atomic bool *)arg, true);
}

/* The manager is not asleep, and goes on with numbers that are the user's. */
static void closing_callback_host(void *arg)
{
	_Atomic bool closed = false;
	(void)arg;
	creel_executor *ex = pt_pool(1);
	pt_works(ex);
	struct pt_gated g = pt_gated(1);
	creel_future *f = pt_submit_gated(ex, &g), *next = pt_submit_gated(ex, &g);
	HOST(creel_future_on_done(f, NULL, close_in_callback, &closed, NULL, NULL) == 0);
	ct_open(g.gate);
	HOST(creel_future_result(next, CT_GUARD, NULL, 0) != -ETIMEDOUT);
	HOST(creel_future_result(f, CT_GUARD, NULL, 0) != -ETIMEDOUT);
	creel_future_unref(f);
	creel_future_unref(next);
	HOST(creel_executor_close(ex) == 0);
	HOST(atomic_load(&closed));
	expect_untouched();
	_exit(0);
}

CASE_OFF(closed, c32_a_callback_that_closes_all_descriptors_breaks_the_pool, CT_MEMCHECK)
{
	ct_int(pt_host(closing_callback_host, NULL), 0);
}

/* Of a pool that has ended, nothing is left to be closed by its last holder. */
static void late_host(void *arg)
{
	(void)arg;
	creel_executor *ex = pt_pool(1);
	pt_works(ex);
	HOST(creel_executor_shutdown(ex, 0, CREEL_FOREVER, NULL) == 0);
	close_all();
	fill();
	HOST(creel_executor_close(ex) == 0);
	expect_untouched();
	_exit(0);
}

CASE_OFF(closed, c32_a_pool_that_was_shut_down_has_no_descriptors, CT_MEMCHECK)
{
	ct_int(pt_host(late_host, NULL), 0);
}

/* One number of the pool's, which becomes a file of the user's. */
static void one_host(void *arg)
{
	int fd = *(const int *)arg, null = open("/dev/null", O_RDWR);
	bool before = fcntl(fd, F_GETFD) >= 0;
	creel_executor *ex = pt_pool(1);
	pt_works(ex);
	struct pt_gated g = pt_gated(1);
	creel_future *f = pt_submit_gated(ex, &g);
	if (before || fcntl(fd, F_GETFD) < 0)
		_exit(creel_future_kill(f, 0) < 0);
	ct_count_await(g.started, 1);
	HOST(dup2(null, fd) == fd);
	(void)creel_future_kill(f, 0);
	HOST(creel_future_result(f, CT_GUARD, NULL, 0) != -ETIMEDOUT);
	creel_future_unref(f);
	f = creel_submit(ex, task_nothing, NULL, 0);
	HOST(creel_future_result(f, CT_GUARD, NULL, 0) != -ETIMEDOUT);
	creel_future_unref(f);
	HOST(creel_executor_close(ex) == 0);
	HOST(fcntl(fd, F_GETFD) == 0);
	_exit(0);
}

CASE_OFF(closed, c32_any_one_number_that_the_host_takes_away_hangs_nobody, CT_MEMCHECK)
{
	for (int fd = 3; fd < 32; fd++)
		ct_int(pt_host(one_host, &fd), 0);
}

/* The host has forked a child that lives on, then becomes another program. */
struct exec {
	struct pt_ids *ids;
	pid_t *helper;
	struct ct_count *ready, *go, *end;
	int input[2];
};

static void becoming_host(void *arg)
{
	struct exec *e = arg;
	creel_executor *ex = pt_pool(1);
	struct pt_gated g = pt_gated(1);
	(void)pt_submit_gated(ex, &g);
	ct_count_await(g.started, 1);
	*e->ids = *g.ids;
	pid_t helper = fork();
	if (helper == 0) {
		close(e->input[1]);
		ct_pass(e->end);
		_exit(0);
	}
	*e->helper = helper;
	ct_open(e->ready);
	ct_pass(e->go);
	HOST(dup2(e->input[0], 0) == 0);
	close(e->input[1]);
	execl("/bin/cat", "cat", (char *)NULL);
	_exit(1);
}

CASE_OFF(closed, c32_a_host_that_becomes_another_program_leaves_no_server, CT_MEMCHECK)
{
	struct exec e = {ct_shared(sizeof(struct pt_ids)),
			 ct_shared(sizeof(pid_t)),
			 ct_count_new(),
			 ct_count_new(),
			 ct_count_new(),
			 {-1, -1}};
	ct_int(pipe2(e.input, 0), 0);
	pid_t host = pt_host_start(becoming_host, &e);
	close(e.input[0]);
	ct_pass(e.ready);
	int server = pt_pidfd(e.ids->server), worker = pt_pidfd(e.ids->pid);
	int helper = pt_pidfd(*e.helper);
	ct_open(e.go);
	pt_await_gone(server);
	pt_await_gone(worker);
	ct_open(e.end);
	pt_await_gone(helper);
	close(e.input[1]);
	ct_int(pt_host_end(host), 0);
}
