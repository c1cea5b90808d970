/* SPDX-License-Identifier: MIT */
/*
 * SCENARIOS  0: one worker, whose life is nearly the same each time. 1: two workers, which
 *            are replaced after a few tasks. 2: two workers, and a shutdown that cancels.
 *            All sorts of tasks in each.
 * THE DEAD   A worker that dies may take one task with it, the one that it was in. A fork
 *            server takes its workers along, and so one task of each. What is submitted after
 *            the death is known to be over must run. A pool whose first server never said
 *            hello is broken, and says so.
 * THE END    Of all processes shows at a pipe which each of them keeps open: an event, and the
 *            search of all processes only confirms it.
 */
#include "sweep_round.h"
#include "orphans.h"
#include "procs/pool.h"
#include "sweep_tasks.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum {
	AFTERWARDS = 10, /* tasks that a pool must run as if nothing had happened */
	GUARD_S = 60,    /* nothing here takes so long: it hangs */
	SHORT_LIMIT_NS = 2000000,
};

struct job {
	creel_future *f;
	enum sort sort;
	int asked; /* what cancel or kill said */
	bool limited;
	bool quiet; /* without a callback */
	bool late;  /* submitted when the death was over: nothing may happen to it */
	bool may_be_cancelled;
};

/* There is one at a time. */
static struct round {
	unsigned scenario;
	const struct sweep_order *order;
	creel_executor *ex;
	int workers;
	void *shared;
	struct job jobs[JOBS];
	unsigned n;
	unsigned died;
	pid_t host; /* of a round in a host of its own */
} now;

struct sweep_sums *sweep_sums;
static void *mark; /* of this process and those below it */

static const char *const role_names[] = {"host", "between", "server", "worker", "?"};

static int64_t now_us(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

static void wrong(const char *what, const creel_error *e)
{
	const struct sweep_order *o = now.order;
	sweep_sums->wrong++;
	fprintf(stderr, "wrong: scenario %u, the %s dies, %s ", now.scenario, role_names[o->victim],
		role_names[o->role]);
	if (o->step)
		fprintf(stderr, "%u, step %llu", o->instance, (unsigned long long)o->step);
	else
		fprintf(stderr, "at site %u, time %llu", o->site, (unsigned long long)o->nth);
	fprintf(stderr, ": %s%s%s\n", what, e ? ": " : "", e ? e->message : "");
	if (atomic_load(&sweep->now.spent) == 1)
		fprintf(stderr, "  pid %d died before %s\n",
			(int)atomic_load(&sweep->now.victim.pid),
			sweep_name(atomic_load(&sweep->now.site)));
}

static void wrong_job(const struct job *job, const char *what)
{
	char text[160];
	unsigned id = (unsigned)(job - now.jobs);
	snprintf(text, sizeof text, "task %u of sort %u, ran %u times, told %u times: %s", id,
		 job->sort, atomic_load(&ledger->ran[id]), atomic_load(&ledger->told[id]), what);
	wrong(text, creel_future_error(job->f));
}

static void on_alarm(int number)
{
	(void)number;
	wrong("it hangs", NULL);
	for (unsigned i = 0; i < now.n; i++)
		if (creel_future_state(now.jobs[i].f) < CREEL_FUTURE_FINISHED)
			wrong_job(&now.jobs[i], "not final");
	if (now.host > 0)
		kill(now.host, SIGKILL);
	_exit(1);
}

static void tell(creel_future *f, void *arg)
{
	unsigned id = (unsigned)((struct job *)arg - now.jobs);
	atomic_fetch_add(&ledger->told[id], 1);
	/* Those that it should have met must not wait for it. */
	if (now.jobs[id].sort == MEETS && creel_future_error(f))
		atomic_fetch_add(&ledger->met, JOBS);
	changed();
}

static void listen(struct job *job)
{
	if (creel_future_on_done(job->f, NULL, tell, job, NULL, NULL))
		wrong_job(job, "no callback");
}

/* Submits one that tells nobody, and returns its number. */
static unsigned submit_quiet(enum sort sort, int64_t limit_ns)
{
	static _Alignas(16) unsigned char data[LARGE_SIZE];
	unsigned id = now.n++;
	struct job *job = &now.jobs[id];
	struct order o = {id, sort};
	size_t size = sort == LARGE_IN ? LARGE_SIZE : sort == SHARED ? CREEL_BY_REF : sizeof o;
	unsigned char *arg = sort == SHARED ? now.shared : data;
	*job = (struct job){.sort = sort, .limited = limit_ns == SHORT_LIMIT_NS, .quiet = true};
	job->may_be_cancelled = now.scenario == 2;
	if (sort == LARGE_IN)
		fill(data + sizeof o, LARGE_SIZE - sizeof o, id);
	memcpy(arg, &o, sizeof o);
	if (sort == GARBAGE)
		atomic_store(&ledger->liar, id);
	job->f = creel_submit_with(now.ex, sweep_task, arg, size,
				   &(creel_submit_options){.name = "task", .limit_ns = limit_ns});
	return id;
}

static unsigned submit(enum sort sort, int64_t limit_ns)
{
	unsigned id = submit_quiet(sort, limit_ns);
	now.jobs[id].quiet = false;
	listen(&now.jobs[id]);
	return id;
}

static void await_start(unsigned id)
{
	await(&ledger->ran[id], 1, &ledger->told[id]);
}

/* Judging. */

static void judge_result(const struct job *job, unsigned id)
{
	static const size_t sizes[] = {
		[COPIED] = COPIED_SIZE, [MOVED] = MOVED_SIZE, [HANDED] = HANDED_SIZE};
	const void *data = NULL;
	size_t size = 0;
	creel_future_view(job->f, CREEL_NOW, &data, &size);
	size_t should = job->sort < sizeof sizes / sizeof sizes[0] ? sizes[job->sort] : 0;
	bool same = should ? size == should && is_filled(data, size, id)
			   : size == sizeof id && memcmp(data, &id, size) == 0;
	if (job->sort == SHARED)
		same = same && is_filled((unsigned char *)now.shared + sizeof(struct order),
					 SHARED_SIZE - sizeof(struct order), id);
	if (!same)
		wrong_job(job, "a wrong result");
	if (atomic_load(&ledger->ran[id]) != 1)
		wrong_job(job, "a result, but it did not run once");
	if (job->sort == FAILS || job->sort == HANGS || job->sort == STOPS || job->sort == EXITS)
		wrong_job(job, "a result of what cannot have one");
	sweep_sums->delivered++;
}

/* Whether the worker that died was in that task. One that was killed by another may just have
 * changed over. */
static bool was_in(unsigned id, bool ran)
{
	bool started = atomic_load(&sweep->now.victim.task) == id;
	bool begins = atomic_load(&sweep->now.victim.begins);
	if (now.order->role != now.order->victim)
		return started || begins;
	return ran ? started : begins;
}

/* It was running when its worker died: whether that can be. */
static void judge_death(const struct job *job, unsigned id, const creel_error *e)
{
	bool ran = atomic_load(&ledger->ran[id]);
	sweep_sums->died++;
	sweep_sums->unstarted += !ran;
	now.died++;
	if (atomic_load(&sweep->now.spent) != 1 || job->late)
		wrong_job(job, "nobody died that it could have been with");
	if (now.order->victim == SWEEP_SERVER) {
		if (now.died > (unsigned)now.workers)
			wrong_job(job, "more failed than there were workers");
		if (e->pid <= 0 || !strstr(e->message, "fork server"))
			wrong_job(job, "it does not say that the fork server died");
		if (ran && e->pid != atomic_load(&ledger->runner[id]))
			wrong_job(job, "it names another process");
		return;
	}
	if (now.order->victim != SWEEP_WORKER)
		wrong_job(job, "no worker was killed");
	if (now.died > 1)
		wrong_job(job, "more than one failed");
	if (e->pid != atomic_load(&sweep->now.victim.pid) || e->signal != SIGKILL ||
	    !strstr(e->message, "signal 9"))
		wrong_job(job, "it does not say which process died of what");
	if (!was_in(id, ran))
		wrong_job(job, "that worker was not in it");
}

/* A worker died that had said that it begins a task, and had not: which may be asked to be killed
 * before anybody hears of that. */
static bool died_at_the_start(unsigned id)
{
	return atomic_load(&sweep->now.spent) == 1 &&
	       (now.order->victim == SWEEP_SERVER || was_in(id, false));
}

/* What a task that writes garbage may come to: its own end, whatever that is, but an end. */
static void judge_garbage(const struct job *job, int rc, unsigned ran)
{
	if (ran > CREEL__ATTEMPTS || (rc && rc != -EMSGSIZE && rc != CREEL_EFAILED &&
				      (rc != -ECANCELED || !job->may_be_cancelled)))
		wrong_job(job, "it ended otherwise");
	sweep_sums->otherwise++;
}

static void judge_failure(const struct job *job, unsigned id)
{
	const creel_error *e = creel_future_error(job->f);
	bool ran = atomic_load(&ledger->ran[id]), right = false;
	switch (e->kind) {
	case CREEL_KIND_FAILED:
		right = (job->sort == FAILS && e->code == FAILS_CODE &&
			 strstr(e->message, "fails as it should")) ||
			(job->sort == GATED && e->code == ASKED_CODE &&
			 job->asked == CREEL_CANCEL_REQUESTED);
		break;
	case CREEL_KIND_EXITED:
		right = job->sort == EXITS && e->exit_status == EXIT_STATUS;
		break;
	case CREEL_KIND_KILLED:
		right = job->sort == HANGS && job->asked == CREEL_CANCEL_REQUESTED;
		break;
	case CREEL_KIND_TIMED_OUT:
		right = (job->sort == HANGS || job->sort == STOPS) && job->limited;
		break;
	case CREEL_KIND_WORKER_DIED:
		judge_death(job, id, e);
		return;
	default:
		break;
	}
	/* One may be over its limit before it has come as far as to count. */
	if (!right || (!ran && e->kind != CREEL_KIND_TIMED_OUT && !died_at_the_start(id)))
		wrong_job(job, "it failed otherwise");
	sweep_sums->otherwise++;
}

static void judge(const struct job *job)
{
	unsigned id = (unsigned)(job - now.jobs);
	int rc = creel_future_result(job->f, CREEL_FOREVER, NULL, 0);
	unsigned ran = atomic_load(&ledger->ran[id]);
	sweep_sums->tasks++;
	if (job->sort == GARBAGE) {
		judge_garbage(job, rc, ran);
		return;
	}
	if (ran > 1)
		wrong_job(job, "it ran twice");
	if (rc == 0 || rc == -EMSGSIZE) {
		judge_result(job, id);
	} else if (rc == -ECANCELED) {
		if (ran || (job->asked != CREEL_CANCEL_NOW && !job->may_be_cancelled))
			wrong_job(job, "cancelled, but it ran or nobody asked");
		sweep_sums->otherwise++;
	} else {
		judge_failure(job, id);
	}
}

/* Scenarios. */

static void await_process(pid_t pid)
{
	int fd = (int)syscall(SYS_pidfd_open, pid, 0);
	struct pollfd gone = {.fd = fd, .events = POLLIN};
	while (fd >= 0 && poll(&gone, 1, -1) < 0)
		;
	if (fd >= 0)
		close(fd);
}

/* If somebody has died, until that is over: the workers of a dead server are gone as well. */
static bool await_death(void)
{
	uint32_t spent;
	while ((spent = atomic_load(&sweep->now.spent)) == 2)
		sched_yield();
	if (!spent || now.order->victim == SWEEP_HOST)
		return false;
	pid_t victim = atomic_load(&sweep->now.victim.pid);
	await_process(victim);
	for (unsigned i = 0; i < SWEEP_INSTANCES; i++)
		if (atomic_load(&ledger->worker[i]) && atomic_load(&ledger->server[i]) == victim)
			await_process(atomic_load(&ledger->worker[i]));
	return true;
}

static void all_results(void)
{
	for (enum sort sort = SMALL; sort <= SHARED; sort++)
		submit(sort, sort == LARGE_IN ? INT64_C(100000000000) : 0);
}

/* One at a time, and waited for at once: who waits may fetch the outcome himself. */
static void one_by_one(void)
{
	static const enum sort sorts[] = {SMALL, COPIED, MOVED, HANDED, FAILS, LARGE_IN, EXITS};
	for (unsigned i = 0; i < sizeof sorts / sizeof sorts[0]; i++) {
		unsigned id = submit_quiet(sorts[i], 0);
		creel_future_result(now.jobs[id].f, CREEL_FOREVER, NULL, 0);
	}
	/* A wait that ends before the task does; and a callback that comes while somebody waits. */
	unsigned late = submit_quiet(HANGS, SHORT_LIMIT_NS);
	creel_future_result(now.jobs[late].f, creel_in_ns(SHORT_LIMIT_NS / 4), NULL, 0);
	now.jobs[late].quiet = false;
	listen(&now.jobs[late]);
	creel_future_result(now.jobs[late].f, CREEL_FOREVER, NULL, 0);
}

/* One that runs is asked to end; those that wait behind it, or in the queue, are cancelled. */
static void cancellations(void)
{
	unsigned first = submit(GATED, 0);
	await_start(first);
	unsigned from = now.n;
	for (int i = 0; i < 4; i++)
		submit(SMALL, 0);
	for (unsigned i = from; i < now.n; i++)
		now.jobs[i].asked = creel_future_cancel(now.jobs[i].f);
	now.jobs[first].asked = creel_future_cancel(now.jobs[first].f);
	raise_to(&ledger->gate, 1);
}

static void deaths_of_its_own(void)
{
	unsigned killed = submit(HANGS, 0);
	submit(SMALL, 0);
	await_start(killed);
	submit(MOVED, 0);
	now.jobs[killed].asked = creel_future_kill(now.jobs[killed].f,
						   now.scenario ? INT64_C(1000000000) : 0);
	submit(HANGS, SHORT_LIMIT_NS);
	submit(SMALL, 0);
	submit(EXITS, 0);
	submit(COPIED, 0);
}

/* Somebody stops a worker that has nothing to do; what is submitted then runs elsewhere. */
static void stop_idle(pid_t pid)
{
	int fd = pid > 0 ? (int)syscall(SYS_pidfd_open, pid, 0) : -1;
	if (fd >= 0) {
		syscall(SYS_pidfd_send_signal, fd, SIGSTOP, NULL, 0);
		close(fd);
	}
}

static void await_jobs(unsigned from)
{
	for (unsigned i = from; i < now.n; i++)
		creel_future_result(now.jobs[i].f, CREEL_FOREVER, NULL, 0);
}

static void misdeeds(void)
{
	static const enum sort sorts[] = {CLOSES, SMALL, FORKS, STOPS, COPIED};
	unsigned from = now.n;
	for (unsigned i = 0; i < sizeof sorts / sizeof sorts[0]; i++)
		submit(sorts[i], sorts[i] == STOPS ? SHORT_LIMIT_NS : 0);
	await_jobs(from);
	/* Alone: it may overwrite what ended before it in its worker and is not collected. Earlier
	 * ones may still be on their way, and it may be sent behind one of them. */
	await_jobs(0);
	unsigned liar = submit(GARBAGE, 0);
	creel_future_result(now.jobs[liar].f, CREEL_FOREVER, NULL, 0);
	/* Of a worker that has no other task. */
	unsigned last = submit_quiet(SMALL, 0);
	if (creel_future_result(now.jobs[last].f, CREEL_FOREVER, NULL, 0) != CREEL_EFAILED)
		stop_idle(atomic_load(&ledger->runner[last]));
	submit(SMALL, 0);
	submit(SMALL, 0);
}

/* Those that meet are as many as there may be workers. */
static void await_all_workers(unsigned from, int64_t start)
{
	for (int i = 0; i < now.workers; i++)
		if (creel_future_result(now.jobs[from + (unsigned)i].f, CREEL_FOREVER, NULL, 0) ==
		    CREEL_EFAILED)
			return;
	int64_t took = now_us() - start;
	sweep_sums->whole++;
	sweep_sums->whole_sum += took;
	if (took > sweep_sums->whole_most)
		sweep_sums->whole_most = took;
}

/* As if nothing had happened: as many at a time as there may be workers, and some more. */
static void afterwards(void)
{
	bool late = await_death();
	int64_t start = now_us();
	unsigned from = now.n;
	atomic_store(&ledger->meeting, (uint32_t)now.workers);
	for (int i = 0; i < now.workers; i++)
		submit(MEETS, 0);
	for (int i = 0; i < AFTERWARDS; i++)
		submit(SMALL, 0);
	for (unsigned i = from; i < now.n; i++)
		now.jobs[i].late = late;
	if (late)
		await_all_workers(from, start);
}

static void everything(void)
{
	one_by_one();
	all_results();
	cancellations();
	deaths_of_its_own();
	misdeeds();
	await_jobs(0);
	afterwards();
}

static void a_shutdown_that_cancels(void)
{
	unsigned first = submit(GATED, 0), second = submit(GATED, 0);
	await_start(first);
	await_start(second);
	all_results();
	int rc = creel_executor_shutdown(now.ex, CREEL_SHUTDOWN_CANCEL, CREEL_NOW, NULL);
	if (rc && rc != -ETIMEDOUT)
		wrong("the shutdown failed", NULL);
	raise_to(&ledger->gate, 1);
}

/* A pool that never had a server. Whether it may be so, and whether it behaves. */
static void judge_broken(void)
{
	const creel_error *e = creel_executor_error(now.ex);
	sweep_sums->broken++;
	if (atomic_load(&sweep->now.spent) != 1 || atomic_load(&sweep->now.sent[SWEEP_SERVER]))
		wrong("the pool is broken", e);
	if (e->kind != CREEL_KIND_BROKEN || e->code != -ECHILD ||
	    !strstr(e->message, "a fork server"))
		wrong("the pool does not say why it is broken", e);
	unsigned id = submit(SMALL, 0);
	int rc = creel_future_result(now.jobs[id].f, CREEL_FOREVER, NULL, 0);
	e = creel_future_error(now.jobs[id].f);
	if (rc != CREEL_EFAILED || !e || e->kind != CREEL_KIND_BROKEN ||
	    atomic_load(&ledger->ran[id]))
		wrong("a broken pool took a task", e);
}

static void live(void)
{
	now.shared = creel_shared_alloc(now.ex, SHARED_SIZE);
	if (!now.shared) {
		wrong("no shared memory", creel_executor_error(now.ex));
		return;
	}
	if (now.scenario == 2)
		a_shutdown_that_cancels();
	else
		everything();
	for (unsigned i = 0; i < now.n; i++)
		judge(&now.jobs[i]);
	creel_shared_free(now.ex, now.shared);
}

static void clear(unsigned scenario, const struct sweep_order *order)
{
	memset(ledger, 0, sizeof *ledger);
	atomic_store(&ledger->liar, JOBS);
	now = (struct round){
		.scenario = scenario, .order = order, .workers = scenario == 0 ? 1 : 2};
	sweep_arm(order);
}

/* From birth to close; end is what all processes keep open. */
static void play(int end)
{
	creel_process_pool_options o = {
		.max_workers = now.workers,
		.tasks_per_worker = now.scenario == 1 ? 5 : 0,
		.shared_budget = 8 << 20,
		.keep_fds = &end,
		.keep_fds_count = 1,
		.name = "sweep",
		.initializer = sweep_initialize,
		.finalizer = sweep_finalize,
	};
	atomic_store(&ledger->end, end);
	now.ex = creel_process_pool_new(&o);
	if (creel_executor_error(now.ex))
		judge_broken();
	else
		live();
	/* Some results outlive their pool. */
	if (creel_executor_close(now.ex))
		wrong("it cannot be closed", NULL);
	for (unsigned i = 0; i < now.n; i++) {
		if (atomic_load(&ledger->told[i]) != !now.jobs[i].quiet)
			wrong_job(&now.jobs[i], "its callback was not called once");
		creel_future_unref(now.jobs[i].f);
		now.jobs[i].f = NULL;
	}
	now.n = 0;
}

/* What is left. */

/* Until nobody has the other end open. */
static void await_end(int fd)
{
	char c;
	while (read(fd, &c, 1) < 0 && errno == EINTR)
		;
	if (orphans_count(orphans_mark(mark), NULL, 0))
		wrong("processes are left behind", NULL);
}

static void make_pipe(int ends[2])
{
	if (pipe2(ends, O_CLOEXEC)) {
		perror("kill_sweep: pipe2");
		exit(2);
	}
}

void sweep_round_init(void)
{
	ledger = sweep_map(sizeof *ledger);
	sweep_sums = sweep_map(sizeof *sweep_sums);
}

void sweep_round_begin(void)
{
	struct sigaction action = {.sa_handler = on_alarm};
	sigaction(SIGALRM, &action, NULL);
	mark = sweep_map(1);
}

void sweep_round_here(unsigned scenario, const struct sweep_order *order)
{
	int ends[2];
	unsigned fds = orphans_count_fds(), maps = orphans_count_maps();
	clear(scenario, order);
	alarm(GUARD_S);
	make_pipe(ends);
	play(ends[1]);
	close(ends[1]);
	await_end(ends[0]);
	close(ends[0]);
	alarm(0);
	if (orphans_count_fds() != fds)
		wrong("descriptors are left", NULL);
	if (orphans_count_maps() != maps)
		wrong("mappings are left", NULL);
	if (waitpid(-1, NULL, WNOHANG) >= 0 || errno != ECHILD)
		wrong("a child is left", NULL);
}

/* What a dead host leaves to judge: that nothing ran twice. */
static void judge_host(int status)
{
	bool dead = WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL;
	if (dead ? atomic_load(&sweep->now.spent) != 1 : !WIFEXITED(status) || WEXITSTATUS(status))
		wrong("the host ended otherwise", NULL);
	for (unsigned i = 0; i < JOBS; i++)
		if (atomic_load(&ledger->ran[i]) > 1 && i != atomic_load(&ledger->liar))
			wrong("a task ran twice", NULL);
}

void sweep_round_host(unsigned scenario, const struct sweep_order *order, int64_t *longest)
{
	int ends[2], status = 0;
	clear(scenario, order);
	alarm(GUARD_S);
	make_pipe(ends);
	now.host = fork();
	if (now.host < 0) {
		perror("kill_sweep: fork");
		exit(2);
	}
	if (now.host == 0) {
		unsigned long before = sweep_sums->wrong;
		play(ends[1]);
		_exit(sweep_sums->wrong != before);
	}
	close(ends[1]);
	while (waitpid(now.host, &status, 0) < 0 && errno == EINTR)
		;
	int64_t start = now_us();
	await_end(ends[0]);
	if (now_us() - start > *longest)
		*longest = now_us() - start;
	close(ends[0]);
	alarm(0);
	now.host = 0;
	judge_host(status);
}
