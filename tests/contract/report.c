/* SPDX-License-Identifier: MIT */
/* Promise 48: a report waits for nobody, and says what workers do and what they wait for; and the
 * histograms of traced pools. */
#include "contract.h"

#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

enum { ROOM = 64 * 1024 };

/* A report, as text. */
static const char *text_of_report(void)
{
	static char text[ROOM];
	FILE *file = tmpfile();
	ct_assert(file != NULL);
	ct_int(creel_report(fileno(file)), 0);
	ssize_t n = pread(fileno(file), text, sizeof text - 1, 0);
	ct_assert(n > 0);
	text[n] = 0;
	fclose(file);
	return text;
}

/* Reports until one has that: what it is about may not have come to rest. */
static const char *await_report(const char *part)
{
	creel_deadline guard = creel_in_ms(CT_GUARD_MS);
	for (;;) {
		const char *text = text_of_report();
		if (strstr(text, part))
			return text;
		if (creel_now().ns > guard.ns)
			ct_has(text, part);
		usleep(1000);
	}
}

static creel_executor *traced(int workers)
{
	if (ct_is(CT_POOL))
		return ct_pool((creel_thread_pool_options){
			.max_workers = workers, .flags = CREEL_TRACE, .name = "traced"});
	return creel_process_pool_new(&(creel_process_pool_options){
		.max_workers = workers, .flags = CREEL_TRACE, .name = "traced"});
}

static creel_future *submit_gated(creel_executor *ex, struct ct_count *started,
				  struct ct_count *gate, const char *name)
{
	creel_submit_options options = {.name = name};
	struct ct_gated arg = {started, gate, 1};
	return creel_submit_with(ex, task_gated, &arg, sizeof arg, &options);
}

static void ends_well(creel_future *f)
{
	ct_int(creel_future_result(f, CREEL_FOREVER, NULL, 0), 0);
	creel_future_unref(f);
}

CASE(c48_reports_tell_what_workers_run, CT_COUNTS)
{
	creel_executor *ex = traced(1);
	struct ct_count *started = ct_count_new(), *gate = ct_count_new();
	creel_future *f = submit_gated(ex, started, gate, "a name of more than 24 bytes");
	ct_count_await(started, 1);
	creel_future *g = submit_gated(ex, started, gate, "next");
	const char *text = await_report("1 tasks wait");
	ct_has(text, "pool ");
	ct_has(text, "\"traced\": 1 of 1 workers, 0 idle; 1 tasks wait, 1 run, 0 ended");
	ct_has(text, "runs task 1 \"a name of more than 24 \" (");
	ct_has(text, "creel: 1 executors\n");
	if (ct_is(CT_POOL))
		ct_has(text, "; the oldest, task 2 \"next\" (");
	else
		ct_has(text, " (pid ");
	ct_open(gate);
	ends_well(f);
	ends_well(g);
	/* The worker counts the end when that has been told. */
	(void)await_report("0 tasks wait, 0 run, 2 ended");
	ct_int(creel_executor_close(ex), 0);
	ct_has(text_of_report(), "creel: 0 executors\n");
}

/* Every executor has its line, traced or not. */
CASE(c48_reports_have_every_executor, 0)
{
	creel_executor *ex = ct_executor();
	creel_future *f = creel_submit(ex, task_same, &(long){1}, sizeof(long));
	ct_int(creel_future_result(f, CREEL_FOREVER, NULL, 0), 0);
	creel_future_unref(f);
	ct_int(creel_executor_drain(ex, CREEL_FOREVER), 0);
	ct_has(text_of_report(), "0 tasks wait, 0 run, 1 ended");
	creel_histogram histogram;
	ct_int(creel_executor_histogram(ex, CREEL_HISTOGRAM_WAITING, &histogram, sizeof histogram),
	       -ENOTSUP);
	ct_int(creel_executor_shutdown(ex, 0, CREEL_FOREVER, NULL), 0);
	ct_has(text_of_report(), ", shut down");
	ct_int(creel_executor_close(ex), 0);
}

static int task_await(creel_task *task, const void *arg, size_t size)
{
	(void)task;
	(void)size;
	return creel_future_result(*(creel_future *const *)arg, CREEL_FOREVER, NULL, 0);
}

static int task_await_first(creel_task *task, const void *arg, size_t size)
{
	(void)task;
	(void)size;
	return creel_wait((creel_future *const *)arg, 1, CREEL_FIRST_COMPLETED, CREEL_FOREVER,
			  NULL);
}

static int task_drain(creel_task *task, const void *arg, size_t size)
{
	(void)task;
	(void)size;
	return creel_executor_drain(*(creel_executor *const *)arg, CREEL_FOREVER);
}

CASE(c48_reports_say_who_has_what_is_waited_for, CT_POOL)
{
	creel_executor *ex = traced(1), *other = traced(1);
	struct ct_count *started = ct_count_new(), *gate = ct_count_new();
	creel_future *promise = creel_promise_new();
	creel_future *f = creel_submit(ex, task_await, &promise, sizeof promise);
	await_report(", which nobody has settled");
	ct_int(creel_promise_start(promise), 0);
	ct_has(text_of_report(), ", and somebody has started");
	ct_int(creel_promise_set_result(promise, NULL, 0), 0);
	ends_well(f);
	f = submit_gated(other, started, gate, "held");
	ct_count_await(started, 1);
	creel_future *behind = submit_gated(other, started, gate, "behind");
	creel_future *g = creel_submit(ex, task_await_first, &f, sizeof f);
	const char *text = await_report("waits for one of several: task ");
	ct_has(text, " \"held\" of thread pool ");
	ct_has(text, ", which worker 0 runs\n");
	creel_future *h = creel_submit(ex, task_drain, &other, sizeof other);
	ct_open(gate);
	ends_well(g);
	ends_well(h);
	ends_well(f);
	ends_well(behind);
	creel_promise_drop(promise);
	ct_int(creel_executor_close(ex), 0);
	ct_int(creel_executor_close(other), 0);
}

struct within {
	creel_executor *ex;
	struct ct_count *started, *gate;
};

/* Runs another task where it waits for that, and then is the one that runs, again. */
static int task_within(creel_task *task, const void *arg, size_t size)
{
	const struct within *w = arg;
	creel_future *f = creel_submit(w->ex, task_same, &(long){1}, sizeof(long));
	(void)task;
	(void)size;
	long value;
	int rc = creel_future_result(f, CREEL_FOREVER, &value, sizeof value);
	creel_future_unref(f);
	ct_count_add(w->started, 1);
	ct_pass(w->gate);
	return rc;
}

CASE(c48_reports_tell_of_the_outer_task, CT_POOL)
{
	creel_executor *ex = traced(1);
	struct within w = {ex, ct_count_new(), ct_count_new()};
	creel_future *f = creel_submit(ex, task_within, &w, sizeof w);
	ct_count_await(w.started, 1);
	ct_has(text_of_report(), "runs task 1 (");
	ct_open(w.gate);
	ends_well(f);
	ct_int(creel_executor_close(ex), 0);
}

static void *report_often(void *arg)
{
	struct ct_count *over = arg;
	long wrong = 0, n = 0;
	FILE *file = tmpfile();
	while (!ct_count_get(over) || n++ < 3)
		wrong += creel_report(fileno(file)) != 0;
	fclose(file);
	return (void *)wrong;
}

/* Beside executors that come, grow, shrink, run and go. */
CASE(c48_reports_beside_everything, 0)
{
	struct ct_count *over = ct_count_new();
	struct ct_thread *reporter = ct_thread_start(report_often, over);
	for (int i = 0; i < (int)ct_scaled(3); i++) {
		creel_executor *ex = i % 2 && ct_is(CT_COUNTS) ? traced(2) : ct_executor();
		const creel_submit_options options = {.name = "beside"};
		creel_future *f[16];
		for (int k = 0; k < 16; k++) {
			f[k] = creel_submit_with(ex, task_same, &(long){1}, sizeof(long), &options);
			if (k % 4 == 3)
				(void)creel_future_cancel(f[k]);
		}
		(void)creel_executor_resize(ex, 1);
		for (int k = 0; k < 16; k++)
			creel_future_unref(f[k]);
		ct_int(creel_executor_close(ex), 0);
	}
	ct_open(over);
	ct_assert(ct_thread_join(reporter) == NULL);
}

struct held {
	pthread_mutex_t lock;
	struct ct_count *inside, *gate;
	_Atomic int said;
};

static void hold_lock(creel_future *f, void *arg)
{
	struct held *h = arg;
	(void)f;
	pthread_mutex_lock(&h->lock);
	FILE *file = tmpfile();
	h->said = file ? creel_report(fileno(file)) : -EIO;
	fclose(file);
	ct_open(h->inside);
	ct_pass(h->gate);
	pthread_mutex_unlock(&h->lock);
}

/* A callback that holds a lock of the user's, and reports itself. */
CASE(c48_reports_wait_for_no_callback, CT_ASYNC)
{
	creel_executor *ex = ct_executor();
	struct held h = {.inside = ct_count_new(), .gate = ct_count_new(), .said = 1};
	pthread_mutex_init(&h.lock, NULL);
	struct ct_count *started = ct_count_new(), *gate = ct_count_new();
	creel_future *f = ct_submit_gated(ex, started, gate, 1);
	ct_int(creel_future_on_done(f, NULL, hold_lock, &h, NULL, NULL), 0);
	ct_open(gate);
	ct_pass(h.inside);
	ct_int(h.said, 0);
	ct_has(text_of_report(),
	       ct_is(CT_LAYERS) ? "creel: 3 executors\n" : "creel: 1 executors\n");
	ct_open(h.gate);
	creel_future_unref(f);
	ct_int(creel_executor_close(ex), 0);
	pthread_mutex_destroy(&h.lock);
}

#if !CT_TSAN
/* A child starts with no executors, even if it is forked while others report and make some. */
CASE(c48_reports_of_a_child, CT_FORK)
{
	creel_executor *ex = ct_executor();
	pid_t child = fork();
	if (child == 0) {
		alarm(CT_GUARD_MS / 1000);
		FILE *file = tmpfile();
		CHILD(file && creel_report(fileno(file)) == 0);
		creel_executor *own = creel_inline_new();
		CHILD(creel_report(fileno(file)) == 0);
		creel_executor_close(own);
		char text[512] = "";
		CHILD(pread(fileno(file), text, sizeof text - 1, 0) > 0);
		CHILD(strncmp(text, "creel: 0 executors\n", 19) == 0);
		CHILD(strstr(text, "creel: 1 executors\n"));
		_exit(0);
	}
	int status = -1;
	ct_int(waitpid(child, &status, 0), child);
	ct_int(status, 0);
	ct_int(creel_executor_close(ex), 0);
}
#endif

CORE_CASE(c48_reports_to_bad_descriptors_end)
{
	int ends[2];
	ct_int(creel_report(-1), -EBADF);
	ct_int(pipe(ends), 0);
	ct_int(creel_report(ends[0]), -EBADF);
	/* Nobody reads: full after a while. */
	int rc = 0;
	for (int i = 0; i < 1 << 20 && rc == 0; i++)
		rc = creel_report(ends[1]);
	ct_int(rc, -EAGAIN);
	/* Nobody will ever read, and the signal does not end the process. */
	close(ends[0]);
	ct_int(creel_report(ends[1]), -EPIPE);
	sigset_t pending;
	sigpending(&pending);
	ct_int(sigismember(&pending, SIGPIPE), 0);
	close(ends[1]);
}

CASE(rule_histograms_count_each_task, CT_COUNTS)
{
	creel_executor *ex = traced(2);
	enum { N = 50 };
	creel_future *f[N];
	int64_t before = creel_now().ns;
	for (int i = 0; i < N; i++)
		f[i] = creel_submit(ex, task_same, &(long){i}, sizeof(long));
	for (int i = 0; i < N; i++)
		ends_well(f[i]);
	int64_t took = creel_now().ns - before;
	for (int which = CREEL_HISTOGRAM_WAITING; which <= CREEL_HISTOGRAM_RUNNING; which++) {
		creel_histogram h;
		ct_int(creel_executor_histogram(ex, which, &h, sizeof h), 0);
		ct_int(h.count, N);
		ct_assert(h.sum_ns <= (uint64_t)took * N);
		ct_assert(creel_histogram_quantile(&h, 0) <= creel_histogram_quantile(&h, 500));
		ct_assert(creel_histogram_quantile(&h, 1000) <= took);
	}
	creel_histogram h;
	ct_int(creel_executor_histogram(NULL, 0, &h, sizeof h), -EINVAL);
	ct_int(creel_executor_histogram(ex, 0, NULL, sizeof h), -EINVAL);
	ct_int(creel_executor_histogram(ex, 0, &h, 0), -EINVAL);
	ct_int(creel_executor_histogram(ex, -1, &h, sizeof h), -EINVAL);
	ct_int(creel_executor_histogram(ex, 2, &h, sizeof h), -EINVAL);
	ct_int(creel_executor_close(ex), 0);
}

static int task_third_time(creel_task *task, const void *arg, size_t size)
{
	(void)task;
	(void)size;
	return ct_count_add(*(struct ct_count *const *)arg, 1) == 3 ? -EDOM : 0;
}

CASE(rule_histograms_count_each_run_of_a_periodic_task, CT_COUNTS)
{
	creel_clock *clock = creel_clock_new(0);
	creel_executor *ex = traced(1);
	struct ct_count *ran = ct_count_new();
	int64_t before = creel_now().ns;
	creel_future *f = creel_submit_with(
		ex, task_third_time, &ran, sizeof ran,
		&(creel_submit_options){.period_ns = CREEL_MS(1), .clock = clock});
	ct_int(creel_future_result(f, CREEL_FOREVER, NULL, 0), CREEL_EFAILED);
	int64_t took = creel_now().ns - before;
	creel_future_unref(f);
	for (int which = CREEL_HISTOGRAM_WAITING; which <= CREEL_HISTOGRAM_RUNNING; which++) {
		creel_histogram h;
		ct_int(creel_executor_histogram(ex, which, &h, sizeof h), 0);
		ct_int(h.count, 3);
		/* The time between the runs is in neither. */
		ct_assert(h.sum_ns <= (uint64_t)(took - 2 * CREEL_MS(1)));
	}
	ct_int(creel_executor_close(ex), 0);
	creel_clock_unref(clock);
}

static int task_sleeps(creel_task *task, const void *arg, size_t size)
{
	(void)arg;
	(void)size;
	return creel_task_sleep(task, CREEL_FOREVER) == -ECANCELED ? 0 : -EDOM;
}

static int task_submits(creel_task *task, const void *arg, size_t size)
{
	(void)task;
	(void)size;
	creel_future *f = creel_submit(*(creel_executor *const *)arg, task_nothing, NULL, 0);
	int rc = creel_future_result(f, CREEL_FOREVER, NULL, 0);
	creel_future_unref(f);
	return rc;
}

static void *close_it(void *ex)
{
	ct_int(creel_executor_close(ex), 0);
	return NULL;
}

CASE(c48_reports_tell_of_sleep_of_room_and_of_who_closes, CT_POOL)
{
	creel_clock *clock = creel_clock_new(0);
	creel_executor *ex = traced(2);
	creel_executor *full = ct_pool((creel_thread_pool_options){
		.max_workers = 1, .flags = CREEL_RENDEZVOUS, .name = "full"});
	struct ct_count *started = ct_count_new(), *gate = ct_count_new();
	creel_future *sleeper = creel_submit(ex, task_sleeps, NULL, 0);
	(void)await_report(", and sleeps\n");
	ct_int(creel_future_cancel(sleeper), CREEL_CANCEL_REQUESTED);
	ends_well(sleeper);
	creel_future *held = submit_gated(full, started, gate, "held");
	ct_count_await(started, 1);
	creel_future *waits = creel_submit(ex, task_submits, &full, sizeof full);
	const char *text = await_report(", and waits for room in thread pool ");
	ct_has(text, ", 1 submissions wait for room");
	creel_future *later = creel_submit_with(
		ex, task_nothing, NULL, 0,
		&(creel_submit_options){.delay_ns = CREEL_S(3600), .clock = clock});
	ct_has(text_of_report(), ", 1 not due");
	ct_int(creel_future_cancel(later), CREEL_CANCEL_NOW);
	creel_future_unref(later);
	struct ct_thread *closer = ct_thread_start(close_it, ex);
	(void)await_report(", shut down: 1 of 2 workers");
	(void)await_report(", 1 threads drain it, shut it down or close it");
	ct_open(gate);
	ends_well(held);
	ends_well(waits);
	ct_thread_join(closer);
	ct_int(creel_executor_close(full), 0);
	creel_clock_unref(clock);
}

static int task_puts_and_gets(creel_task *task, const void *arg, size_t size)
{
	(void)task;
	(void)size;
	creel_channel *ch = *(creel_channel *const *)arg;
	long item = 1;
	int rc = creel_channel_put_by(ch, &item, sizeof item, CREEL_FOREVER);
	return rc ? rc : creel_channel_get_by(ch, CREEL_FOREVER, &item, sizeof item);
}

CASE(c48_reports_tell_of_channels, CT_POOL)
{
	creel_executor *ex = traced(1);
	creel_channel *ch = creel_channel_new(NULL);
	long item;
	creel_future *f = creel_submit(ex, task_puts_and_gets, &ch, sizeof ch);
	(void)await_report(", and waits for room in channel ");
	ct_int(creel_channel_try_get(ch, &item, sizeof item), 0);
	(void)await_report(", and waits for an item of channel ");
	ct_int(creel_channel_try_put(ch, &item, sizeof item), 0);
	ends_well(f);
	ct_int(creel_executor_close(ex), 0);
	creel_channel_unref(ch);
}

CORE_CASE(rule_histograms_have_bounds)
{
	creel_histogram h = {0};
	ct_int(creel_histogram_quantile(&h, 500), -1);
	ct_int(creel_histogram_quantile(NULL, 500), -1);
	for (unsigned i = 0; i < CREEL_HISTOGRAM_BUCKETS; i++)
		ct_assert(creel_histogram_bound(i) < creel_histogram_bound(i + 1));
	ct_int(creel_histogram_bound(0), 0);
	ct_int(creel_histogram_bound(7), 7);
	ct_int(creel_histogram_bound(16), 16);
	ct_int(creel_histogram_bound(17), 18);
	h.bucket[3] = 9;
	h.bucket[17] = 1;
	h.count = 10;
	ct_int(creel_histogram_quantile(&h, 0), 3);
	ct_int(creel_histogram_quantile(&h, 900), 3);
	ct_int(creel_histogram_quantile(&h, 1000), 18);
	ct_int(creel_histogram_quantile(&h, 1001), -1);
}
