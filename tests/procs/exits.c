/* SPDX-License-Identifier: MIT */
/*
 * Promise 25: a task that calls exit(), or its like, ends its worker and touches nothing of the
 * host's: no exit handler, no stream, no file offset, no thread-specific data.
 */
#include "procs.h"

#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>

static struct ct_count *handlers, *own_handlers;

static void host_handler(void)
{
	ct_count_add(handlers, 1);
}

static void host_key_destructor(void *value)
{
	(void)value;
	ct_count_add(handlers, 1);
}

enum way { BY_EXIT, BY_QUICK_EXIT, BY_PTHREAD_EXIT, BY_EXIT_ON_A_THREAD, BY_CHILD, WAYS };

static void *exit_here(void *arg)
{
	(void)arg;
	exit(6);
}

static int task_leave(creel_task *task, const void *arg, size_t size)
{
	(void)size;
	pthread_t thread;
	int status = 0;
	pid_t pid;
	switch (*(const int *)arg) {
	case BY_EXIT:
		exit(6);
	case BY_QUICK_EXIT:
		quick_exit(6);
	case BY_PTHREAD_EXIT:
		pthread_exit(NULL);
	case BY_EXIT_ON_A_THREAD:
		TASK(pthread_create(&thread, NULL, exit_here, NULL) == 0);
		pthread_join(thread, NULL);
		break;
	default:
		pid = fork();
		if (pid == 0)
			exit(6);
		TASK(waitpid(pid, &status, 0) == pid && WIFEXITED(status));
		exit(WEXITSTATUS(status));
	}
	return 0;
}

/* As a host would: everything is set up before the pool is made. */
static void leave_in_all_ways(void *arg)
{
	(void)arg;
	pthread_key_t key;
	HOST(atexit(host_handler) == 0 && at_quick_exit(host_handler) == 0);
	HOST(pthread_key_create(&key, host_key_destructor) == 0);
	HOST(pthread_setspecific(key, &key) == 0);
	creel_executor *ex = pt_pool(1);
	for (int way = 0; way < WAYS; way++) {
		creel_future *f = creel_submit(ex, task_leave, &way, sizeof way);
		const creel_error *e = pt_failure(f, CREEL_KIND_EXITED);
		HOST(e->exit_status == (way == BY_PTHREAD_EXIT ? 0 : 6));
		creel_future_unref(f);
		HOST(ct_count_get(handlers) == 0);
	}
	HOST(creel_executor_close(ex) == 0);
	HOST(ct_count_get(handlers) == 0);
	_exit(0);
}

CASE(exits, c25_no_handler_of_the_host_runs_however_a_task_leaves)
{
	handlers = ct_count_new();
	ct_int(pt_host(leave_in_all_ways, NULL), 0);
}

static void own_handler(void)
{
	ct_count_add(own_handlers, 1);
}

static int task_with_handler(creel_task *task, const void *arg, size_t size)
{
	(void)arg;
	(void)size;
	TASK(atexit(own_handler) == 0);
	exit(2);
}

CASE(exits, c25_handlers_of_the_task_itself_run)
{
	own_handlers = ct_count_new();
	creel_executor *ex = pt_pool(1);
	creel_future *f = creel_submit(ex, task_with_handler, NULL, 0);
	ct_int(pt_failure(f, CREEL_KIND_EXITED)->exit_status, 2);
	creel_future_unref(f);
	ct_int(ct_count_get(own_handlers), 1);
	ct_close(ex);
}

static int task_way(creel_task *task, const void *arg, size_t size)
{
	return task_leave(task, arg, size);
}

static FILE *temporary(void)
{
	FILE *file = tmpfile();
	HOST(file != NULL);
	return file;
}

enum { LINES = 2000 };

/* The host reads numbers, line by line, and a task ends in the middle. */
static void read_lines(void *arg)
{
	int way = *(const int *)arg;
	char line[32];
	FILE *file = temporary();
	for (int i = 0; i < LINES; i++)
		fprintf(file, "%d\n", i);
	HOST(fflush(file) == 0);
	HOST(lseek(fileno(file), 0, SEEK_SET) == 0);
	HOST(dup2(fileno(file), 0) == 0);
	stdin = fdopen(0, "r");
	HOST(stdin && fgets(line, sizeof line, stdin));
	creel_executor *ex = pt_pool(1);
	creel_future *f = creel_submit(ex, task_way, &way, sizeof way);
	HOST(ct_outcome(f) == CREEL_EFAILED);
	creel_future_unref(f);
	for (int i = 1; i < LINES; i++)
		HOST(fgets(line, sizeof line, stdin) && atoi(line) == i);
	HOST(creel_executor_close(ex) == 0);
	_exit(0);
}

CASE(exits, c25_the_host_s_standard_input_is_not_rewound)
{
	for (int way = 0; way < WAYS; way++)
		ct_int(pt_host(read_lines, &way), 0);
}

/* The number of the host's log. */
static int task_takes_the_number(creel_task *task, const void *arg, size_t size)
{
	(void)size;
	const int *fds = arg;
	TASK(dup2(fds[0], fds[1]) == fds[1]);
	exit(0);
}

static void log_lines(void *arg)
{
	(void)arg;
	struct stat st;
	FILE *log = temporary(), *other = temporary();
	fprintf(log, "a line of the host\n"); /* stays in the buffer */
	int fds[] = {fileno(other), fileno(log)};
	creel_executor *ex = pt_pool_with((creel_process_pool_options){
		.max_workers = 1, .keep_fds = fds, .keep_fds_count = 1});
	creel_future *f = creel_submit(ex, task_takes_the_number, fds, sizeof fds);
	HOST(pt_failure(f, CREEL_KIND_EXITED)->exit_status == 0);
	creel_future_unref(f);
	HOST(creel_executor_close(ex) == 0);
	HOST(fstat(fileno(other), &st) == 0 && st.st_size == 0);
	HOST(fstat(fileno(log), &st) == 0 && st.st_size == 0);
	_exit(0);
}

CASE(exits, c25_the_host_s_buffers_are_not_written)
{
	ct_int(pt_host(log_lines, NULL), 0);
}
