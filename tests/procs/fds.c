/* SPDX-License-Identifier: MIT */
/*
 * Promises 25 and 32: the pool's own descriptors. They are never 0, 1 or 2, and whatever a task
 * does to the numbers that it finds harms no other task.
 */
#include "procs.h"

#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>

enum { TASKS = 40, NUMBERS = 64 };

static int task_print(creel_task *task, const void *arg, size_t size)
{
	(void)task;
	/* Whatever they are: nobody may take that for an order. */
	for (int fd = 0; fd < 3; fd++)
		if (write(fd, arg, size) < 0)
			errno = 0;
	return 0;
}

static void host_without_standard(void *arg)
{
	(void)arg;
	static const char *const texts[] = {"oops\n", "Quitting: cannot open the file\n",
					    "Sorry, cannot open\n", "Kaputt, and more\n"};
	for (int fd = 0; fd < 3; fd++)
		close(fd);
	creel_executor *ex = pt_pool(2);
	creel_queue *q = creel_queue_new(NULL);
	struct pt_gated gated = pt_gated(7);
	creel_future *innocent = pt_submit_gated(ex, &gated);
	ct_pass(gated.started);
	int fd = creel_queue_fd(q);
	for (int i = 0; i < 3; i++)
		if (fcntl(i, F_GETFD) >= 0)
			_exit(2);
	if (fd < 3)
		_exit(3);
	for (int i = 0; i < 4; i++) {
		creel_future *f = creel_submit(ex, task_print, texts[i], strlen(texts[i]) + 1);
		if (ct_outcome(f))
			_exit(4);
		creel_future_unref(f);
	}
	ct_open(gated.gate);
	if (ct_long_drop(innocent) != 7 || pt_stats(ex).died)
		_exit(5);
	creel_queue_unref(q);
	if (creel_executor_close(ex))
		_exit(6);
	_exit(0);
}

CASE(fds, c32_a_host_without_standard_descriptors_gives_none_of_the_pool_s_as_such)
{
	ct_int(pt_host(host_without_standard, NULL), 0);
}

/* All go through the manager: their callbacks are awaited one by one. */
static void ring_often(creel_executor *ex)
{
	struct ct_count *done = ct_count_new();
	for (uint32_t i = 0; i < TASKS; i++) {
		creel_future *f = creel_submit(ex, task_nothing, NULL, 0);
		ct_int(creel_future_on_done(f, NULL, done_count, done, NULL, NULL), 0);
		creel_future_unref(f);
		ct_count_await(done, i + 1);
	}
}

struct abuse {
	struct ct_count *started, *over;
	bool write;
};

static void *read_for_ever(void *arg)
{
	char bytes[8];
	int fd = *(const int *)arg;
	fcntl(fd, F_SETFL, 0);
	while (read(fd, bytes, sizeof bytes) > 0)
		;
	return NULL;
}

static void *write_for_ever(void *arg)
{
	uint64_t most = UINT64_MAX - 1; /* what fills an eventfd */
	int fd = *(const int *)arg;
	fcntl(fd, F_SETFL, 0);
	while (write(fd, &most, sizeof most) > 0)
		;
	return NULL;
}

/* Reads, or fills, whatever it finds, on threads that may block. */
static int task_abuse(creel_task *task, const void *arg, size_t size)
{
	(void)size;
	static int fds[NUMBERS];
	const struct abuse *abuse = arg;
	for (int fd = 3; fd < NUMBERS; fd++) {
		pthread_t thread;
		fds[fd] = fd;
		if (fcntl(fd, F_GETFD) < 0)
			continue;
		TASK(pthread_create(&thread, NULL, abuse->write ? write_for_ever : read_for_ever,
				    &fds[fd]) == 0);
	}
	ct_open(abuse->started);
	ct_pass(abuse->over);
	return 0;
}

static void beside_abuse(bool writes)
{
	creel_executor *ex = pt_pool(2);
	struct abuse abuse = {ct_count_new(), ct_count_new(), writes};
	creel_future *f = creel_submit(ex, task_abuse, &abuse, sizeof abuse);
	ct_pass(abuse.started);
	ring_often(ex);
	ct_open(abuse.over);
	ct_int(ct_outcome(f), 0);
	creel_future_unref(f);
	ct_int(pt_stats(ex).died, 0);
	ct_close(ex);
}

CASE(fds, c25_a_task_that_reads_every_descriptor_takes_no_news_of_others)
{
	beside_abuse(false);
}

CASE(fds, c25_a_task_that_fills_every_descriptor_is_no_hindrance)
{
	beside_abuse(true);
}

static int task_replace(creel_task *task, const void *arg, size_t size)
{
	(void)arg;
	(void)size;
	FILE *file = tmpfile();
	TASK(file != NULL);
	int own = fcntl(fileno(file), F_DUPFD_CLOEXEC, NUMBERS);
	TASK(own >= NUMBERS);
	for (int fd = 3; fd < NUMBERS; fd++)
		TASK(dup2(own, fd) == fd);
	return creel_return(task, &own, sizeof own);
}

static int task_size(creel_task *task, const void *arg, size_t size)
{
	(void)size;
	struct stat st;
	TASK(fstat(*(const int *)arg, &st) == 0);
	long bytes = (long)st.st_size;
	return creel_return(task, &bytes, sizeof bytes);
}

CASE(fds, c25_a_task_that_reuses_every_descriptor_gets_nothing_into_its_file)
{
	int own = -1;
	creel_executor *ex = pt_pool(1);
	pid_t before = pt_ids(ex).pid;
	creel_future *f = creel_submit(ex, task_replace, NULL, 0);
	ct_int(creel_future_result(f, CT_GUARD, &own, sizeof own), 0);
	creel_future_unref(f);
	ring_often(ex);
	ct_int(ct_long_drop(creel_submit(ex, task_size, &own, sizeof own)), 0);
	/* It is the same worker still, and rings in another way. */
	ct_int(pt_ids(ex).pid, before);
	ct_int(pt_stats(ex).died, 0);
	ct_close(ex);
}

static int close_all(void *ctx, unsigned worker, void **ret_local)
{
	(void)ctx;
	(void)worker;
	(void)ret_local;
	for (int fd = 3; fd < 1024; fd++)
		close(fd);
	return 0;
}

CASE(fds, c25_an_initializer_that_closes_every_descriptor)
{
	creel_executor *ex = pt_pool_with(
		(creel_process_pool_options){.max_workers = 2, .initializer = close_all});
	ring_often(ex);
	pt_works(ex);
	ct_int(pt_stats(ex).died, 0);
	ct_close(ex);
}

static void host_with_few(void *arg)
{
	(void)arg;
	struct rlimit few = {24, 24};
	for (int fd = 3; fd < 1024; fd++)
		close(fd);
	HOST(setrlimit(RLIMIT_NOFILE, &few) == 0);
	creel_executor *ex = pt_pool_with(
		(creel_process_pool_options){.max_workers = 2, .min_workers = 2});
	ring_often(ex);
	HOST(pt_stats(ex).died == 0);
	HOST(creel_executor_close(ex) == 0);
}

CASE_OFF(fds, c32_a_pool_needs_few_descriptors, CT_MEMCHECK)
{
	ct_int(pt_host(host_with_few, NULL), 0);
}

static bool is_open(int fd)
{
	return fcntl(fd, F_GETFD) >= 0;
}

struct dropped {
	creel_executor *ex;
	bool before[NUMBERS];
};

/* The second time the numbers are those of other files. */
static void drop_in_a_child(void *arg)
{
	const struct dropped *d = arg;
	creel_executor_unref(creel_executor_ref(d->ex));
	for (int fd = 3; fd < NUMBERS; fd++)
		HOST(is_open(fd) == d->before[fd]);
	int file = open("/dev/null", O_RDONLY | O_CLOEXEC);
	creel_executor_unref(d->ex);
	HOST(is_open(file));
	HOST(creel_executor_drain(d->ex, CREEL_FOREVER) == -EPERM);
	_exit(0);
}

CASE(fds, c23_a_child_that_drops_the_pool_has_none_of_its_descriptors)
{
	struct dropped d = {0};
	for (int fd = 3; fd < NUMBERS; fd++)
		d.before[fd] = is_open(fd);
	d.ex = pt_pool(3);
	struct pt_gated gated = pt_gated(7);
	creel_future *f = pt_submit_gated(d.ex, &gated);
	ct_count_await(gated.started, 1);
	ct_int(pt_host(drop_in_a_child, &d), 0);
	ct_count_add(gated.gate, 1);
	ct_int(ct_long_drop(f), 7);
	pt_works(d.ex);
	ct_close(d.ex);
}

static creel_executor *of_the_host;
static creel_queue *queue_of_the_host;

/* Whatever numbers those had, here they are files of the task. */
static int task_drop(creel_task *task, const void *arg, size_t size)
{
	(void)arg;
	(void)size;
	int last = 0;
	while (last < NUMBERS - 1)
		TASK((last = open("/dev/null", O_RDONLY | O_CLOEXEC)) >= 0);
	creel_executor_unref(of_the_host);
	creel_queue_unref(queue_of_the_host);
	for (int fd = 3; fd < NUMBERS; fd++)
		TASK(is_open(fd));
	long ok = 1;
	return creel_return(task, &ok, sizeof ok);
}

CASE(fds, c23_a_task_that_drops_what_it_inherited_closes_no_file_of_its_own)
{
	of_the_host = pt_pool(1);
	queue_of_the_host = creel_queue_new(NULL);
	ct_assert(creel_queue_fd(queue_of_the_host) < NUMBERS);
	creel_executor *ex = pt_pool(1);
	ct_int(ct_long_drop(creel_submit(ex, task_drop, NULL, 0)), 1);
	ct_close(ex);
	creel_queue_unref(queue_of_the_host);
	ct_close(of_the_host);
}
