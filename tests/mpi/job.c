/* SPDX-License-Identifier: MIT */
/*
 * A job of three ranks: what the executor does with tasks, whatever they do. One worker a rank, so
 * that tasks wait on the ranks; messages are small, so that large payloads take many.
 */
#include "check.h"
#include <dirent.h>
#include <errno.h>
#include <signal.h>
#include <stdint.h>
#include <unistd.h>

static creel_executor *ex;
static char folder[64];
static pid_t rank_pid; /* of a worker: of the rank that it works for */

/* Tasks. */

static int task_same(creel_task *task, const void *arg, size_t size)
{
	return creel_return(task, arg, size);
}

static int task_square(creel_task *task, const void *arg, size_t size)
{
	long n = *(const long *)arg;
	(void)size;
	n *= n;
	return creel_return(task, &n, sizeof n);
}

/* Says that it has started, and waits until it may go on. */
struct gated {
	char started[96], gate[96];
	long value;
	bool heeds;    /* that it was asked to stop */
	bool stubborn; /* it ignores SIGTERM */
};

/* Says there where it is. */
static void touch(const char *path)
{
	FILE *f = fopen(path, "w");
	if (!f)
		return;
	fprintf(f, "%ld\n", (long)rank_pid);
	fclose(f);
}

static int task_gated(creel_task *task, const void *arg, size_t size)
{
	const struct gated *g = arg;
	(void)size;
	if (g->stubborn)
		signal(SIGTERM, SIG_IGN);
	touch(g->started);
	while (access(g->gate, F_OK) != 0) {
		if (g->heeds && creel_task_cancelled(task))
			return -ECANCELED;
		usleep(1000);
	}
	return creel_return(task, &g->value, sizeof g->value);
}

static int task_crash(creel_task *task, const void *arg, size_t size)
{
	(void)task;
	(void)arg;
	(void)size;
	signal(SIGSEGV, SIG_DFL);
	raise(SIGSEGV);
	return 0;
}

static int task_exit(creel_task *task, const void *arg, size_t size)
{
	(void)task;
	(void)arg;
	(void)size;
	exit(7);
}

static int task_fail(creel_task *task, const void *arg, size_t size)
{
	return creel_fail_with(task, -EIO, arg, size, "on purpose");
}

static int task_where(creel_task *task, const void *arg, size_t size)
{
	(void)arg;
	(void)size;
	long ids[2] = {(long)getpid(), (long)getppid()};
	return creel_return(task, ids, sizeof ids);
}

/* Helpers. */

static struct gated gated(long value)
{
	struct gated g = {.value = value};
	snprintf(g.started, sizeof g.started, "%s/%ld.started", folder, value);
	snprintf(g.gate, sizeof g.gate, "%s/%ld.gate", folder, value);
	return g;
}

static creel_future *submit_gated(const struct gated *g)
{
	return creel_submit(ex, task_gated, g, sizeof *g);
}

static void await_file(const char *path)
{
	for (int i = 0; access(path, F_OK) != 0; i++) {
		CHECK(i < 60000);
		usleep(1000);
	}
}

/* Of the rank on which the task has started that this file tells of. */
static pid_t await_rank(const char *path)
{
	long pid = 0;
	for (int i = 0; pid == 0; i++) {
		CHECK(i < 60000);
		usleep(1000);
		FILE *f = fopen(path, "r");
		if (f && fscanf(f, "%ld", &pid) != 1)
			pid = 0;
		if (f)
			fclose(f);
	}
	return (pid_t)pid;
}

static long long_of(creel_future *f)
{
	long n = 0;
	CHECK_INT(creel_future_result(f, GUARD, &n, sizeof n), 0);
	creel_future_unref(f);
	return n;
}

static void must_fail(creel_future *f, int kind, const char *part)
{
	CHECK_INT(creel_future_result(f, GUARD, NULL, 0),
		  kind == CREEL_KIND_CANCELLED ? -ECANCELED : CREEL_EFAILED);
	const creel_error *e = creel_future_error(f);
	CHECK_INT(e->kind, kind);
	CHECK_HAS(e->message, part);
	creel_future_unref(f);
}

/* The pool goes on: as a sign of it. */
static void must_serve(void)
{
	long n = 12;
	CHECK_INT(long_of(creel_submit(ex, task_square, &n, sizeof n)), 144);
}

/* Tests. */

static void values(void)
{
	for (long n = 0; n < 100; n++)
		CHECK_INT(long_of(creel_submit(ex, task_square, &n, sizeof n)), n * n);
}

static void both_ranks_work(void)
{
	struct gated a = gated(1), b = gated(2);
	creel_future *fa = submit_gated(&a), *fb = submit_gated(&b);
	/* Each has one worker. */
	await_file(a.started);
	await_file(b.started);
	CHECK_INT(creel_future_state(fa), CREEL_FUTURE_RUNNING);
	touch(a.gate);
	touch(b.gate);
	CHECK_INT(long_of(fa), 1);
	CHECK_INT(long_of(fb), 2);
}

static void sizes(void)
{
	static const size_t all[] = {0,     1,     31,    32,     33,      4096,         32767,
				     32768, 32769, 65536, 100003, 1 << 20, (5 << 20) + 3};
	for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) {
		size_t size = all[i], got = 1;
		unsigned char *p = malloc(size + 1);
		const void *data = NULL;
		for (size_t j = 0; j < size; j++)
			p[j] = (unsigned char)(j * 7 + i);
		creel_future *f = creel_submit(ex, task_same, p, size);
		CHECK_INT(creel_future_view(f, GUARD, &data, &got), 0);
		CHECK_INT(got, size);
		CHECK(size == 0 || memcmp(data, p, size) == 0);
		CHECK_INT((uintptr_t)data % 64, 0);
		creel_future_unref(f);
		free(p);
	}
}

static void many_large_ones(void)
{
	enum { N = 24, SIZE = 300000 };
	creel_future *f[N];
	unsigned char *p = malloc(SIZE);
	for (int i = 0; i < N; i++) {
		memset(p, i, SIZE);
		f[i] = creel_submit(ex, task_same, p, SIZE);
	}
	for (int i = 0; i < N; i++) {
		const unsigned char *data = NULL;
		size_t size = 0;
		CHECK_INT(creel_future_view(f[i], GUARD, (const void **)&data, &size), 0);
		CHECK_INT(size, SIZE);
		CHECK(data[0] == i && memcmp(data, data + 1, SIZE - 1) == 0);
		creel_future_unref(f[i]);
	}
	free(p);
}

/* Each comes back once, with its own value. */
static void all_are_accounted_for(void)
{
	enum { N = 100000, MANY = 1000 };
	long *in = malloc(MANY * sizeof *in);
	creel_future **f = malloc(N * sizeof *f);
	for (long i = 0; i < N; i += MANY) {
		size_t accepted;
		for (long j = 0; j < MANY; j++)
			in[j] = i + j;
		CHECK_INT(creel_submit_many(ex, task_same, in, sizeof *in, MANY, NULL, f + i,
					    &accepted),
			  0);
	}
	for (long i = 0; i < N; i++)
		CHECK_INT(long_of(f[i]), i);
	free(f);
	free(in);
	creel_stats stats;
	CHECK_INT(creel_executor_drain(ex, GUARD), 0);
	CHECK_INT(creel_executor_stats(ex, &stats, sizeof stats), 0);
	CHECK_INT(stats.pending, 0);
	CHECK_INT(stats.running, 0);
	CHECK_INT(stats.workers, 2);
}

static void failures(void)
{
	creel_future *f = creel_submit(ex, task_fail, "data", 4);
	CHECK_INT(creel_future_result(f, GUARD, NULL, 0), CREEL_EFAILED);
	const creel_error *e = creel_future_error(f);
	CHECK_INT(e->kind, CREEL_KIND_FAILED);
	CHECK_INT(e->code, -EIO);
	CHECK_HAS(e->message, "on purpose");
	CHECK_INT(e->size, 4);
	CHECK(memcmp(e->data, "data", 4) == 0);
	creel_future_unref(f);
	/* A failure that is a large message. */
	char *p = calloc(1, 200000);
	f = creel_submit(ex, task_fail, p, 200000);
	CHECK_INT(creel_future_result(f, GUARD, NULL, 0), CREEL_EFAILED);
	CHECK_INT(creel_future_error(f)->size, 200000);
	creel_future_unref(f);
	free(p);
}

static void a_crash_costs_one_task(void)
{
	creel_future *f = creel_submit(ex, task_crash, NULL, 0);
	CHECK_INT(creel_future_result(f, GUARD, NULL, 0), CREEL_EFAILED);
	CHECK_INT(creel_future_error(f)->signal, SIGSEGV);
	must_fail(f, CREEL_KIND_WORKER_DIED, "(on rank ");
	must_serve();
}

static void an_exit_costs_one_task(void)
{
	creel_future *f = creel_submit(ex, task_exit, NULL, 0);
	CHECK_INT(creel_future_result(f, GUARD, NULL, 0), CREEL_EFAILED);
	CHECK_INT(creel_future_error(f)->exit_status, 7);
	must_fail(f, CREEL_KIND_EXITED, "(on rank ");
	must_serve();
}

static void a_hang_has_a_limit(void)
{
	struct gated g = gated(10);
	creel_submit_options options = {.limit_ns = CREEL_MS(50)};
	must_fail(creel_submit_with(ex, task_gated, &g, sizeof g, &options), CREEL_KIND_TIMED_OUT,
		  "(on rank ");
	must_serve();
}

static void a_running_task_is_killed(void)
{
	struct gated g = gated(11);
	creel_future *f = submit_gated(&g);
	await_file(g.started);
	CHECK_INT(creel_future_kill(f, 0), CREEL_CANCEL_REQUESTED);
	must_fail(f, CREEL_KIND_KILLED, "(on rank ");
	must_serve();
}

static void a_running_task_is_asked_to_stop(void)
{
	struct gated g = gated(12);
	g.heeds = true;
	creel_future *f = submit_gated(&g);
	await_file(g.started);
	CHECK_INT(creel_future_cancel(f), CREEL_CANCEL_REQUESTED);
	must_fail(f, CREEL_KIND_CANCELLED, "");
}

/* Both ranks are busy: two more are sent ahead, and the others wait on rank 0. */
static void what_has_not_started_is_cancelled(void)
{
	enum { N = 8 };
	struct gated a = gated(13), b = gated(14);
	creel_future *fa = submit_gated(&a), *fb = submit_gated(&b), *f[N];
	await_file(a.started);
	await_file(b.started);
	for (long i = 0; i < N; i++)
		f[i] = creel_submit(ex, task_square, &i, sizeof i);
	for (int i = 0; i < N; i++)
		CHECK(creel_future_cancel(f[i]) != CREEL_CANCEL_FINAL);
	for (int i = 0; i < N; i++)
		must_fail(f[i], CREEL_KIND_CANCELLED, "");
	touch(a.gate);
	touch(b.gate);
	CHECK_INT(long_of(fa) + long_of(fb), 27);
}

/* One rank is stuck in its task. What was sent ahead to it has to be run by the other one. */
static void a_rank_that_idles_gets_what_waits_elsewhere(void)
{
	enum { N = 6 };
	struct gated a = gated(15), b = gated(16);
	creel_future *fa = submit_gated(&a), *fb = submit_gated(&b), *f[N];
	await_file(a.started);
	await_file(b.started);
	for (long i = 0; i < N; i++)
		f[i] = creel_submit(ex, task_square, &i, sizeof i);
	touch(a.gate);
	for (long i = 0; i < N; i++)
		CHECK_INT(long_of(f[i]), i * i);
	CHECK_INT(creel_future_state(fb), CREEL_FUTURE_RUNNING);
	touch(b.gate);
	CHECK_INT(long_of(fa) + long_of(fb), 31);
}

/* A rank without work gets what the other one has not begun. That one is stopped, and hears of both
 * at once: it is to return a task, and the task is to end. */
static void a_task_on_its_way_back_ends(bool kills, long first)
{
	struct gated a = gated(first), b = gated(first + 1), c = gated(first + 2),
		     d = gated(first + 3);
	creel_future *fa = submit_gated(&a), *fb = submit_gated(&b), *ahead[2];
	await_file(a.started);
	pid_t busy = await_rank(b.started);
	ahead[0] = submit_gated(&c);
	ahead[1] = submit_gated(&d);
	for (int i = 0; i < 2; i++)
		while (creel_future_state(ahead[i]) != CREEL_FUTURE_RUNNING)
			usleep(1000);
	/* Both have come there. */
	usleep(20000);
	CHECK_INT(kill(busy, SIGSTOP), 0);
	touch(c.gate);
	touch(d.gate);
	touch(a.gate);
	CHECK_INT(long_of(fa), first);
	while (creel_future_state(ahead[0]) == CREEL_FUTURE_RUNNING &&
	       creel_future_state(ahead[1]) == CREEL_FUTURE_RUNNING)
		usleep(1000);
	creel_future *left = creel_future_state(ahead[0]) == CREEL_FUTURE_RUNNING ? ahead[0]
										  : ahead[1];
	/* By then rank 0 should have asked for it; if it has not, nothing is tested. */
	usleep(50000);
	CHECK_INT(kills ? creel_future_kill(left, 0) : creel_future_cancel(left),
		  CREEL_CANCEL_REQUESTED);
	CHECK_INT(kill(busy, SIGCONT), 0);
	must_fail(left, CREEL_KIND_CANCELLED, "before it started");
	creel_future_unref(left == ahead[0] ? ahead[1] : ahead[0]);
	touch(b.gate);
	CHECK_INT(long_of(fb), first + 1);
}

static void a_task_on_its_way_back_is_cancelled(void)
{
	a_task_on_its_way_back_ends(false, 20);
}

static void a_task_on_its_way_back_is_killed(void)
{
	a_task_on_its_way_back_ends(true, 24);
}

/* The input and the argument: long each. */
static int task_add(creel_task *task, const void *arg, size_t size)
{
	const void *input = NULL;
	size_t input_size = 0;
	long sum = size == sizeof(long) ? *(const long *)arg : 0;
	int rc = creel_task_input(task, &input, &input_size);
	if (rc)
		return rc;
	sum += *(const long *)input;
	return creel_return(task, &sum, sizeof sum);
}

static int task_code(creel_task *task, const void *arg, size_t size)
{
	const creel_error *e = creel_task_input_error(task);
	long code = e ? e->code : 0;
	(void)arg;
	(void)size;
	if (e && !strstr(e->message, "on purpose"))
		return -EBADMSG;
	return creel_return(task, &code, sizeof code);
}

static int task_length(creel_task *task, const void *arg, size_t size)
{
	const void *input = NULL;
	size_t n = 0;
	(void)arg;
	(void)size;
	int rc = creel_task_input(task, &input, &n);
	long length = (long)n;
	return rc ? rc : creel_return(task, &length, sizeof length);
}

static void continuations(void)
{
	long n = 5, more = 100;
	creel_future *a = creel_submit(ex, task_square, &n, sizeof n);
	creel_future *b = creel_then(a, ex, task_add, &more, sizeof more);
	creel_future *c = creel_then(b, ex, task_add, NULL, 0);
	creel_future_unref(a);
	creel_future_unref(b);
	CHECK_INT(long_of(c), 125);
	a = creel_submit(ex, task_fail, NULL, 0);
	b = creel_recover(a, ex, task_code, NULL, 0);
	creel_future_unref(a);
	CHECK_INT(long_of(b), -EIO);
	/* A large input. */
	char *p = calloc(1, 300000);
	a = creel_future_of(p, 300000);
	b = creel_then(a, ex, task_length, NULL, 0);
	creel_future_unref(a);
	free(p);
	CHECK_INT(long_of(b), 300000);
}

static void compositions(void)
{
	long n[4] = {1, 2, 3, 4}, sum = 0;
	creel_future *f[4], *all;
	for (int i = 0; i < 4; i++)
		f[i] = creel_submit(ex, task_square, &n[i], sizeof n[i]);
	all = creel_all(f, 4, 0);
	CHECK_INT(creel_future_result(all, GUARD, NULL, 0), 0);
	creel_future_unref(all);
	for (int i = 0; i < 4; i++)
		CHECK_INT(long_of(f[i]), n[i] * n[i]);
	creel_mapping *map = creel_map(ex, task_square, n, sizeof n[0], 4, NULL);
	creel_future *next;
	while (creel_map_next(map, GUARD, &next, NULL) == 0)
		sum += long_of(next);
	creel_map_end(map);
	CHECK_INT(sum, 30);
	creel_executor *scope = creel_scope_new(ex, 0);
	CHECK_INT(creel_spawn(scope, task_square, &n[0], sizeof n[0], NULL), 0);
	CHECK_INT(creel_scope_join(scope, GUARD), 0);
	creel_scope_leave(&scope);
	creel_executor *sem = creel_semaphore_new(ex, 1);
	CHECK_INT(long_of(creel_submit(sem, task_square, &n[3], sizeof n[3])), 16);
	CHECK_INT(creel_executor_close(sem), 0);
	creel_executor *retry = creel_retry_new(
		ex, &(creel_retry_options){.attempts = 2, .base_ns = CREEL_MS(1)});
	must_fail(creel_submit(retry, task_fail, "data", 4), CREEL_KIND_FAILED, "");
	CHECK_INT(creel_executor_close(retry), 0);
}

static void what_is_refused(void)
{
	static long value = 1;
	creel_future *f = NULL;
	/* Not the pool's memory: there is none. */
	CHECK_INT(creel_try_submit(ex, task_same, &value, CREEL_BY_REF, NULL, &f), -EFAULT);
	must_fail(creel_submit(ex, task_same, &value, CREEL_BY_REF), CREEL_KIND_NOT_TRANSFERABLE,
		  "is not in the pool's shared memory");
	/* No function at all. */
	creel_fn nowhere = (creel_fn)(uintptr_t)&value;
	CHECK_INT(creel_try_submit(ex, nowhere, NULL, 0, NULL, &f), -ENOEXEC);
	must_fail(creel_submit(ex, nowhere, NULL, 0), CREEL_KIND_NOT_TRANSFERABLE,
		  "the workers do not have");
	/* More than a rank takes. */
	char *p = malloc(9 << 20);
	must_fail(creel_submit(ex, task_same, p, 9 << 20), CREEL_KIND_REJECTED,
		  "larger than the budget");
	free(p);
	creel_executor *other = creel_mpi_pool_new(&value);
	CHECK_INT(creel_executor_error(other)->code, -EINVAL);
	CHECK_HAS(creel_executor_error(other)->message, "options is ");
	creel_executor_unref(other);
	CHECK_INT(creel_mpi_init(NULL, NULL, NULL), -EALREADY);
	CHECK_HAS(creel_mpi_error()->message, "called before");
	CHECK_INT(creel_mpi_register("late", task_same), -EBUSY);
	must_serve();
}

static void a_shutdown_cancels(void)
{
	enum { N = 10 };
	struct gated a = gated(17), b = gated(18);
	creel_executor *first = ex;
	creel_future *f[N];
	ex = creel_mpi_pool_new(NULL);
	creel_future *fa = submit_gated(&a), *fb = submit_gated(&b);
	await_file(a.started);
	await_file(b.started);
	for (long i = 0; i < N; i++)
		f[i] = creel_submit(ex, task_square, &i, sizeof i);
	size_t left = 0;
	CHECK_INT(creel_executor_shutdown(ex, CREEL_SHUTDOWN_CANCEL, CREEL_NOW, &left), -ETIMEDOUT);
	for (int i = 0; i < N; i++)
		must_fail(f[i], CREEL_KIND_CANCELLED, "");
	touch(a.gate);
	touch(b.gate);
	CHECK_INT(long_of(fa) + long_of(fb), 35);
	CHECK_INT(creel_executor_close(ex), 0);
	ex = first;
	must_serve();
}

static void a_shutdown_kills(void)
{
	struct gated a = gated(19);
	creel_executor *first = ex;
	ex = creel_mpi_pool_new(NULL);
	creel_future *f = submit_gated(&a);
	await_file(a.started);
	CHECK_INT(creel_executor_shutdown(ex, CREEL_SHUTDOWN_KILL, GUARD, NULL), 0);
	must_fail(f, CREEL_KIND_KILLED, "");
	creel_executor_unref(ex);
	ex = first;
	must_serve();
}

/* It had a long grace, which does not hold up the shutdown. */
static void a_shutdown_kills_what_is_killed(void)
{
	struct gated a = gated(28);
	creel_executor *first = ex;
	ex = creel_mpi_pool_new(NULL);
	a.stubborn = true;
	creel_future *f = submit_gated(&a);
	await_file(a.started);
	CHECK_INT(creel_future_kill(f, CREEL_S(3600)), CREEL_CANCEL_REQUESTED);
	CHECK_INT(creel_executor_shutdown(ex, CREEL_SHUTDOWN_KILL, GUARD, NULL), 0);
	must_fail(f, CREEL_KIND_KILLED, "");
	creel_executor_unref(ex);
	ex = first;
	must_serve();
}

/* The shorter grace counts, whichever comes first. */
static void a_kill_keeps_the_shorter_grace(void)
{
	struct gated a = gated(29);
	a.stubborn = true;
	creel_future *f = submit_gated(&a);
	await_file(a.started);
	CHECK_INT(creel_future_kill(f, 0), CREEL_CANCEL_REQUESTED);
	(void)creel_future_kill(f, CREEL_S(3600));
	(void)creel_future_cancel(f);
	must_fail(f, CREEL_KIND_KILLED, "");
	must_serve();
}

/* It is not forked anew: MPI does not allow that. The rank is left out. */
static void a_lost_server_takes_the_rank_out(void)
{
	long ids[2];
	creel_future *f = creel_submit(ex, task_where, NULL, 0);
	CHECK_INT(creel_future_result(f, GUARD, ids, sizeof ids), 0);
	creel_future_unref(f);
	CHECK_INT(kill((pid_t)ids[1], SIGKILL), 0);
	creel_stats stats = {.workers = 2};
	for (int i = 0; stats.workers == 2; i++) {
		CHECK(i < 60000);
		f = creel_submit(ex, task_where, NULL, 0);
		/* A task that had begun may say that its worker went with the server. */
		if (creel_future_result(f, GUARD, NULL, 0) == CREEL_EFAILED)
			CHECK(creel_future_error(f)->kind == CREEL_KIND_BROKEN ||
			      creel_future_error(f)->kind == CREEL_KIND_WORKER_DIED);
		creel_future_unref(f);
		creel_executor_stats(ex, &stats, sizeof stats);
		usleep(1000);
	}
	for (int i = 0; i < 20; i++)
		must_serve();
}

static void without_a_rank_all_fails(void)
{
	long ids[2];
	creel_future *f = creel_submit(ex, task_where, NULL, 0);
	CHECK_INT(creel_future_result(f, GUARD, ids, sizeof ids), 0);
	creel_future_unref(f);
	CHECK_INT(kill((pid_t)ids[1], SIGKILL), 0);
	creel_stats stats = {.workers = 1};
	for (int i = 0; stats.workers; i++) {
		CHECK(i < 60000);
		f = creel_submit(ex, task_where, NULL, 0);
		(void)creel_future_result(f, GUARD, NULL, 0);
		creel_future_unref(f);
		creel_executor_stats(ex, &stats, sizeof stats);
		usleep(1000);
	}
	must_fail(creel_submit(ex, task_where, NULL, 0), CREEL_KIND_BROKEN, "no rank serves");
	creel_executor *other = creel_mpi_pool_new(NULL);
	CHECK_INT(creel_executor_error(other)->code, -ENXIO);
	creel_executor_unref(other);
}

static const struct test {
	const char *name;
	void (*run)(void);
} tests[] = {
#define TEST(name)                                                                                 \
	{                                                                                          \
#name, name                                                                        \
	}
	TEST(values),
	TEST(both_ranks_work),
	TEST(sizes),
	TEST(many_large_ones),
	TEST(all_are_accounted_for),
	TEST(failures),
	TEST(a_crash_costs_one_task),
	TEST(an_exit_costs_one_task),
	TEST(a_hang_has_a_limit),
	TEST(a_running_task_is_killed),
	TEST(a_running_task_is_asked_to_stop),
	TEST(what_has_not_started_is_cancelled),
	TEST(a_rank_that_idles_gets_what_waits_elsewhere),
	TEST(a_task_on_its_way_back_is_cancelled),
	TEST(a_task_on_its_way_back_is_killed),
	TEST(continuations),
	TEST(compositions),
	TEST(what_is_refused),
	TEST(a_shutdown_cancels),
	TEST(a_shutdown_kills),
	TEST(a_shutdown_kills_what_is_killed),
	TEST(a_kill_keeps_the_shorter_grace),
	TEST(a_lost_server_takes_the_rank_out),
	TEST(without_a_rank_all_fails),
};

static void remove_folder(void)
{
	DIR *dir = opendir(folder);
	CHECK(dir != NULL);
	for (struct dirent *e = readdir(dir); e; e = readdir(dir))
		(void)unlinkat(dirfd(dir), e->d_name, 0);
	closedir(dir);
	CHECK_INT(rmdir(folder), 0);
}

int main(int argc, char **argv)
{
	rank_pid = getpid();
	/* A budget of 8 MiB: large arguments wait for room. */
	creel_mpi_options options = {.workers = 1, .message_size = 65536, .budget = 8 << 20};
	int rc = creel_mpi_init(&argc, &argv, &options);
	if (rc < 0)
		fprintf(stderr, "%s\n", creel_mpi_error()->message);
	if (rc)
		return rc < 0;
	snprintf(folder, sizeof folder, "/tmp/creel-mpi-XXXXXX");
	CHECK(mkdtemp(folder));
	ex = creel_mpi_pool_new(NULL);
	CHECK(!creel_executor_error(ex));
	unsigned n = 0;
	for (size_t i = 0; i < sizeof tests / sizeof tests[0]; i++) {
		if (argc > 1 && strcmp(argv[1], tests[i].name) != 0)
			continue;
		int64_t start = creel_now().ns;
		tests[i].run();
		fprintf(stderr, "ok: %s (%lld ms)\n", tests[i].name,
			(long long)(creel_now().ns - start) / 1000000);
		n++;
	}
	CHECK_INT(creel_executor_close(ex), 0);
	CHECK_INT(creel_mpi_end(), 0);
	remove_folder();
	printf("%u passed, 0 failed, 0 skipped\n", n);
	return n == 0;
}
