/* SPDX-License-Identifier: MIT */
/*
 * What is composed of futures: compose WORKLOAD PEER WORKERS [COUNT], one measurement a process.
 * WORKERS is not used, and the only peer is creel: the others are compose_peers.py, Compose.java.
 *
 *   link  a chain of COUNT continuations over an open promise, on the inline executor; the promise
 *         is settled, the last one is read, and all are dropped
 *   all   one future for COUNT open promises, which are then settled
 *   serial, semaphore, rate, retry
 *         what each adaptor adds to an empty task: COUNT tasks are submitted to it, on the inline
 *         executor, and waited for; the time of as many without it is taken off
 *
 * Nanoseconds for each of the COUNT. Of link and all the last of several rounds counts, as for the
 * peers.
 */
#include "measure.h"

#include <creel/creel.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { ROUNDS = 5, SPELLS = 500 };

static int plus_one(creel_task *task, const void *arg, size_t size)
{
	const void *input;
	(void)arg;
	(void)size;
	int rc = creel_task_input(task, &input, NULL);
	if (rc)
		return rc;
	long n;
	memcpy(&n, input, sizeof n);
	n++;
	return creel_return(task, &n, sizeof n);
}

static double link(unsigned long n)
{
	long value = 0;
	double start = now_ns();
	creel_executor *ex = creel_inline_new();
	creel_future *root = creel_promise_new(), *last = creel_future_ref(root);
	for (unsigned long i = 0; i < n; i++) {
		creel_future *next = creel_then(last, ex, plus_one, NULL, 0);
		creel_future_unref(last);
		last = next;
	}
	creel_promise_set_result(root, &value, sizeof value);
	if (creel_future_result(last, CREEL_FOREVER, &value, sizeof value) ||
	    (unsigned long)value != n)
		give_up("the chain has another result");
	creel_future_unref(last);
	creel_future_unref(root);
	creel_executor_unref(ex);
	return now_ns() - start;
}

static double all(unsigned long n)
{
	creel_future **f = touched(n, sizeof *f);
	for (unsigned long i = 0; i < n; i++)
		f[i] = creel_promise_new();
	double start = now_ns();
	creel_future *aggregate = creel_all(f, n, 0);
	for (unsigned long i = 0; i < n; i++)
		creel_promise_set_result(f[i], NULL, 0);
	if (creel_future_view(aggregate, CREEL_FOREVER, NULL, NULL))
		give_up("the aggregate has failed");
	double end = now_ns();
	creel_future_unref(aggregate);
	for (unsigned long i = 0; i < n; i++)
		creel_future_unref(f[i]);
	free(f);
	return end - start;
}

static void show(const struct run *r, const char *name, double (*round)(unsigned long n))
{
	double time = 0;
	for (int i = 0; i < ROUNDS; i++)
		time = round(r->count);
	printf("%s %.2f ns\n", name, time / (double)r->count);
}

static void measure_link(const struct run *r)
{
	show(r, "link", link);
}

static void measure_all(const struct run *r)
{
	show(r, "all", all);
}

static int nothing(creel_task *task, const void *arg, size_t size)
{
	(void)task;
	(void)arg;
	(void)size;
	return 0;
}

static double tasks(creel_executor *ex, unsigned long n)
{
	double start = now_ns();
	for (unsigned long i = 0; i < n; i++) {
		creel_future *f = creel_submit(ex, nothing, NULL, 0);
		if (creel_future_result(f, CREEL_FOREVER, NULL, 0))
			give_up("a task has failed");
		creel_future_unref(f);
	}
	return now_ns() - start;
}

/* Turn about, in spells so short that many are disturbed by nothing: the lower quarter is of those.
 */
static void show_added(const struct run *r, const char *name, creel_executor *beneath,
		       creel_executor *adaptor)
{
	double alone[SPELLS], added[SPELLS];
	unsigned long n = r->count / SPELLS + 1;
	for (int i = 0; i < SPELLS; i++) {
		alone[i] = tasks(beneath, n);
		added[i] = tasks(adaptor, n);
	}
	sort(alone, SPELLS);
	sort(added, SPELLS);
	printf("%s %.2f ns\n", name, (added[SPELLS / 4] - alone[SPELLS / 4]) / (double)n);
	creel_executor_close(adaptor);
	creel_executor_close(beneath);
}

static void measure_serial(const struct run *r)
{
	creel_executor *beneath = creel_inline_new();
	show_added(r, "serial", beneath, creel_serial_new(beneath));
}

static void measure_semaphore(const struct run *r)
{
	creel_executor *beneath = creel_inline_new();
	show_added(r, "semaphore", beneath, creel_semaphore_new(beneath, 4));
}

/* A limit that is never reached. */
static void measure_rate(const struct run *r)
{
	const creel_rate_options options = {.n = 1024, .per_ns = 1};
	creel_executor *beneath = creel_inline_new();
	show_added(r, "rate", beneath, creel_rate_limit_new(beneath, &options));
}

static void measure_retry(const struct run *r)
{
	const creel_retry_options options = {.attempts = 3};
	creel_executor *beneath = creel_inline_new();
	show_added(r, "retry", beneath, creel_retry_new(beneath, &options));
}

static const struct workload workloads[] = {
	{"link", measure_link, 100000},     {"all", measure_all, 100000},
	{"serial", measure_serial, 100000}, {"semaphore", measure_semaphore, 100000},
	{"rate", measure_rate, 100000},     {"retry", measure_retry, 100000}};

int main(int argc, char **argv)
{
	struct run r;
	const struct workload *w = read_arguments(argc, argv, workloads,
						  sizeof workloads / sizeof workloads[0], &r);
	if (strcmp(argv[2], "creel") != 0)
		give_up("no such peer");
	w->measure(&r);
	return 0;
}
