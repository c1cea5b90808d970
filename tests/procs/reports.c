/* SPDX-License-Identifier: MIT */
/* Promise 48 beside crashes: a report waits for no death, and says of a worker that has died what
 * the pool knows of it. */
#include "procs.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>

enum { ROOM = 16 * 1024 };

/* A report, as text. -EIO, or what creel_report() says. */
static int report(char *ret_text)
{
	FILE *file = tmpfile();
	int rc = file ? creel_report(fileno(file)) : -EIO;
	ssize_t n = file ? pread(fileno(file), ret_text, ROOM - 1, 0) : 0;
	ret_text[n > 0 ? n : 0] = 0;
	if (file)
		fclose(file);
	return rc;
}

struct death {
	pid_t pid;
	int said;
	char worker[64]; /* its line, in part */
	char text[ROOM];
};

/* On the manager, which cannot have heard of the death. Another thread may have the pool's lock for
 * a moment: then a report says so. */
static void kill_and_report(creel_future *f, void *arg)
{
	struct death *death = arg;
	int fd = pt_pidfd(death->pid);
	(void)f;
	pt_kill(fd, SIGKILL);
	pt_await_gone(fd);
	int64_t start = ct_now();
	do
		death->said = report(death->text);
	while (!strstr(death->text, death->worker) && !ct_guard_over(start));
}

CASE(reports, c48_a_report_before_the_pool_has_heard_of_a_death)
{
	static struct death death;
	creel_executor *ex = pt_pool(2);
	struct pt_gated victim = pt_gated(1), other = pt_gated(2);
	const creel_submit_options named = {.name = "victim"};
	creel_future *f = creel_submit_with(ex, task_gated, &victim, sizeof victim, &named);
	creel_future *g = pt_submit_gated(ex, &other);
	ct_count_await(victim.started, 1);
	ct_count_await(other.started, 1);
	death = (struct death){.pid = victim.ids->pid, .said = -1};
	snprintf(death.worker, sizeof death.worker, " (pid %d) runs a task \"victim\"",
		 (int)death.pid);
	ct_int(creel_future_on_done(g, NULL, kill_and_report, &death, NULL, NULL), 0);
	ct_open(other.gate);
	(void)pt_failure(f, CREEL_KIND_WORKER_DIED);
	ct_int(death.said, 0);
	ct_has(death.text, death.worker);
	ct_int(ct_long_drop(g), 2);
	ct_int(report(death.text), 0);
	ct_assert(!strstr(death.text, death.worker));
	creel_future_unref(f);
	ct_close(ex);
}

static void *report_often(void *arg)
{
	struct ct_count *over = arg;
	intptr_t wrong = 0, n = 0;
	char text[ROOM];
	while (!ct_count_get(over) || n++ < 3)
		wrong += report(text) != 0 || !strstr(text, "creel: 1 executors\n");
	return (void *)wrong;
}

/* In every way that a worker ends, with others running and waiting beside it. */
CASE(reports, c48_reports_beside_crashes)
{
	static const enum pt_how hows[] = {PT_SEGV,   PT_ABORT,   PT_KILL,         PT_TERM,
					   PT_EXIT_0, PT__EXIT_7, PT_PTHREAD_EXIT, PT_KILL};
	enum { N = sizeof hows / sizeof hows[0] };
	creel_executor *ex = pt_pool(2);
	struct ct_count *over = ct_count_new(), *ran = ct_count_new();
	pthread_t reporter;
	void *wrong;
	ct_int(pthread_create(&reporter, NULL, report_often, over), 0);
	creel_future *dead[N], *fine[N];
	for (unsigned i = 0; i < N; i++) {
		dead[i] = pt_submit_crash(ex, hows[i], "crash", NULL, NULL);
		fine[i] = ct_submit_count(ex, ran);
	}
	for (unsigned i = 0; i < N; i++) {
		ct_int(ct_outcome(dead[i]), CREEL_EFAILED);
		ct_assert(ct_long_drop(fine[i]) > 0);
		creel_future_unref(dead[i]);
	}
	ct_open(over);
	ct_int(pthread_join(reporter, &wrong), 0);
	ct_assert(!wrong);
	ct_close(ex);
}
