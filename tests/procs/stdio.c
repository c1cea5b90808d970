/* SPDX-License-Identifier: MIT */
/* Promise 33: what tasks print appears once, when they end; what the host has not flushed
 * is not doubled. */
#include "procs.h"

#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

/* A host whose standard output and error are pipes, and what came out of them. */
struct printing {
	int out[2];
	void (*run)(struct printing *p);
	struct ct_count *gate, *ready;
	char text[65536];
	size_t n;
};

static void host_main(void *arg)
{
	struct printing *p = arg;
	HOST(dup2(p->out[1], 1) == 1 && dup2(p->out[1], 2) == 2);
	close(p->out[0]);
	close(p->out[1]);
	/* Fully buffered, and empty: what the runner had in it is none of this. */
	stdout = fdopen(1, "w");
	HOST(stdout != NULL);
	setvbuf(stdout, NULL, _IOFBF, 8192);
	p->run(p);
	exit(0);
}

static pid_t start(struct printing *p, void (*run)(struct printing *p))
{
	memset(p, 0, sizeof *p);
	ct_int(pipe(p->out), 0);
	p->run = run;
	p->gate = ct_count_new();
	p->ready = ct_count_new();
	fflush(stdout);
	fflush(stderr);
	pid_t host = pt_host_start(host_main, p);
	close(p->out[1]);
	return host;
}

/* Reads until part has come, or, with NULL, to the end. */
static void read_until(struct printing *p, const char *part)
{
	while (!part || !strstr(p->text, part)) {
		ssize_t n = read(p->out[0], p->text + p->n, sizeof p->text - 1 - p->n);
		ct_assert(n >= 0 || errno == EINTR);
		if (n == 0)
			break;
		p->n += n > 0 ? (size_t)n : 0;
		p->text[p->n] = 0;
	}
	if (part)
		ct_has(p->text, part);
}

static void finish(struct printing *p, pid_t host)
{
	read_until(p, NULL);
	close(p->out[0]);
	ct_int(pt_host_end(host), 0);
}

static unsigned times(const char *text, const char *part)
{
	unsigned n = 0;
	for (const char *at = text; (at = strstr(at, part)); at += strlen(part))
		n++;
	return n;
}

static int task_print(creel_task *task, const void *arg, size_t size)
{
	(void)task;
	(void)size;
	long n = *(const long *)arg;
	printf("<out %ld>", n);
	fprintf(stderr, "<err %ld>", n);
	return 0;
}

static void print_some(struct printing *p)
{
	(void)p;
	printf("<host before>");
	creel_executor *ex = creel_process_pool_new(
		&(creel_process_pool_options){.max_workers = 2});
	HOST(!creel_executor_error(ex));
	printf("<host between>");
	for (long i = 0; i < 20; i++) {
		creel_future *f = creel_submit(ex, task_print, &i, sizeof i);
		HOST(creel_future_result(f, CREEL_FOREVER, NULL, 0) == 0);
		creel_future_unref(f);
	}
	HOST(creel_executor_close(ex) == 0);
	printf("<host after>");
}

CASE(stdio, c33_everything_is_printed_once)
{
	static struct printing p;
	char text[32];
	finish(&p, start(&p, print_some));
	for (int i = 0; i < 20; i++) {
		snprintf(text, sizeof text, "<out %d>", i);
		ct_int(times(p.text, text), 1);
		snprintf(text, sizeof text, "<err %d>", i);
		ct_int(times(p.text, text), 1);
	}
	ct_int(times(p.text, "<host before>"), 1);
	ct_int(times(p.text, "<host between>"), 1);
	ct_int(times(p.text, "<host after>"), 1);
}

static void print_and_wait(struct printing *p)
{
	long n = 5;
	creel_executor *ex = creel_process_pool_new(
		&(creel_process_pool_options){.max_workers = 1});
	creel_future *f = creel_submit(ex, task_print, &n, sizeof n);
	HOST(creel_future_result(f, CREEL_FOREVER, NULL, 0) == 0);
	creel_future_unref(f);
	ct_open(p->ready);
	ct_pass(p->gate);
	HOST(creel_executor_close(ex) == 0);
}

CASE(stdio, c33_it_is_printed_when_the_task_ends)
{
	static struct printing p;
	pid_t host = start(&p, print_and_wait);
	ct_pass(p.ready);
	/* The worker lives, and so does the host. */
	read_until(&p, "<out 5>");
	ct_open(p.gate);
	finish(&p, host);
	ct_int(times(p.text, "<out 5>"), 1);
}

static int print_initializer(void *ctx, unsigned worker, void **ret_local)
{
	(void)ctx;
	*ret_local = NULL;
	printf("<init %u>", worker);
	return 0;
}

static void print_finalizer(void *ctx, void *local)
{
	(void)ctx;
	(void)local;
	printf("<fini>");
}

static void print_from_both_ends(struct printing *p)
{
	(void)p;
	creel_executor *ex = creel_process_pool_new(&(creel_process_pool_options){
		.max_workers = 1, .initializer = print_initializer, .finalizer = print_finalizer});
	creel_future *f = creel_submit(ex, task_nothing, NULL, 0);
	HOST(creel_future_result(f, CREEL_FOREVER, NULL, 0) == 0);
	creel_future_unref(f);
	HOST(creel_executor_close(ex) == 0);
}

CASE(stdio, c33_initializer_and_finalizer_print_once)
{
	static struct printing p;
	finish(&p, start(&p, print_from_both_ends));
	ct_int(times(p.text, "<init 0>"), 1);
	ct_int(times(p.text, "<fini>"), 1);
}

static int task_print_and_exit(creel_task *task, const void *arg, size_t size)
{
	(void)task;
	(void)arg;
	(void)size;
	printf("<last words>");
	exit(3);
}

/* exit() flushes what the task printed; what the host had buffered, in a file too,
 * is not the worker's. */
static void print_and_let_exit(struct printing *p)
{
	printf("<unflushed>");
	FILE *file = fdopen(dup(1), "w");
	HOST(file != NULL);
	fprintf(file, "<in a file>");
	creel_executor *ex = creel_process_pool_new(
		&(creel_process_pool_options){.max_workers = 1});
	printf("<more>");
	creel_future *f = creel_submit(ex, task_print_and_exit, NULL, 0);
	HOST(creel_future_result(f, CREEL_FOREVER, NULL, 0) == CREEL_EFAILED);
	HOST(creel_future_error(f)->exit_status == 3);
	creel_future_unref(f);
	HOST(creel_executor_close(ex) == 0);
	fclose(file);
	(void)p;
}

CASE(stdio, c33_a_task_that_calls_exit_prints_nothing_of_the_host_s)
{
	static struct printing p;
	finish(&p, start(&p, print_and_let_exit));
	ct_int(times(p.text, "<last words>"), 1);
	ct_int(times(p.text, "<unflushed>"), 1);
	ct_int(times(p.text, "<more>"), 1);
}

/* The same for streams that are the host's own. */
CASE(stdio, c33_a_task_that_calls_exit_prints_nothing_from_the_host_s_files)
{
	static struct printing p;
	finish(&p, start(&p, print_and_let_exit));
	ct_int(times(p.text, "<in a file>"), 1);
}

static void *read_for_ever(void *arg)
{
	(void)arg;
	(void)getchar();
	return NULL;
}

/* A thread that sits in a read of standard input holds its lock: nobody may wait for that. */
static void pool_beside_a_reader(struct printing *p)
{
	int input[2];
	pthread_t reader;
	HOST(pipe(input) == 0 && dup2(input[0], 0) == 0);
	HOST(pthread_create(&reader, NULL, read_for_ever, NULL) == 0);
	print_some(p);
	close(input[0]);
	close(input[1]);
	_exit(fflush(stdout));
}

CASE(stdio, c33_a_pool_beside_a_thread_that_reads_standard_input)
{
	static struct printing p;
	finish(&p, start(&p, pool_beside_a_reader));
	ct_int(times(p.text, "<host before>"), 1);
	ct_int(times(p.text, "<out 19>"), 1);
}
