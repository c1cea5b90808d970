/* SPDX-License-Identifier: MIT */
/*
 * Kills random workers, and now and then the fork server, at random moments under load, and counts
 * what becomes of every task (invariant 1).
 *
 * usage: kill_storm [SECONDS]           default 60
 *        kill_storm --parents [N]       N hosts with a pool each are killed instead (invariant 9)
 *
 * CREEL_TEST_SCALE multiplies both. The tasks: short and long, with small and large
 * payloads, some of them cancelled, killed on request, or over a limit; and some that reuse the
 * descriptors of their worker, fork children that return, stop themselves, or write garbage into
 * their slot. Workers are also stopped from outside, and let go on. Each task counts in shared
 * memory how often it ran.
 *
 * Prints what was submitted, delivered, failed by kill, lost, doubled, and left behind. The exit
 * status is 0 if nothing was lost, doubled or left, and no result was wrong.
 */
#include "misdeeds.h"
#include "orphans.h"
#include "procs/pool.h"

#include <creel/creel.h>
#include <dirent.h>
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum {
	WORKERS = 4,
	RECENT = 256,
	SUBMITTERS = 2,
	WINDOW = 32,     /* in flight */
	TASKS = 1 << 26, /* the most */
	LARGE = 256 * 1024,
	GUARD_MS = 60000,
	/* Of one that denies that it began. Where it overwrote what ended before it as well, it
	 * seems to have waited behind that, which is no attempt. */
	AGAIN_MOST = 8 * CREEL__ATTEMPTS,
};

enum sort {
	SHORT,
	MEDIUM,
	LARGE_IN,
	LARGE_OUT,
	LIMITED,
	CANCELLED,
	KILLED,
	CLOSES,
	FORKS,
	STOPS, /* over its limit, or let go on by somebody */
	GARBAGE,
	SORTS
};

struct job {
	uint32_t id;
	uint32_t sort;
	uint32_t micros;
};

/* In memory that the workers share. */
struct table {
	_Atomic int server;       /* the latest */
	_Atomic int pids[RECENT]; /* of workers that are ready, by their numbers */
	_Atomic uint8_t ran[TASKS];
};

static struct table *table;

struct flight {
	creel_future *f;
	struct job job;
	int asked; /* what cancel or kill said */
};

/* One thread that submits, and what became of its tasks. */
struct storm {
	creel_executor *ex;
	int64_t end_ms;
	uint32_t first; /* its tasks: this, and every SUBMITTERS-th from there */
	struct flight flight[WINDOW];
	uint8_t *told; /* callbacks of each task */
	uint64_t random;
	uint32_t submitted;
	unsigned long delivered, by_kill, on_request, timed_out, cancelled, lost, doubled, wrong;
	unsigned long misdeeds, liars_failed, liars_again;
};

/* The thread that kills. */
struct killer {
	uint64_t random;
	unsigned long kills, server_kills, stops;
	_Atomic bool over;
};

static uint64_t next_random(uint64_t *x)
{
	*x ^= *x << 13;
	*x ^= *x >> 7;
	*x ^= *x << 17;
	return *x;
}

static void rest(long micros)
{
	struct timespec t = {micros / 1000000, micros % 1000000 * 1000};
	nanosleep(&t, NULL);
}

static int64_t now_ms(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static void fill(unsigned char *data, size_t size, uint32_t id)
{
	for (size_t i = 0; i < size; i += 4)
		memcpy(data + i, &id, 4);
}

static bool is_filled(const unsigned char *data, size_t size, uint32_t id)
{
	for (size_t i = 0; i < size; i += 4)
		if (memcmp(data + i, &id, 4) != 0)
			return false;
	return true;
}

/* False in the child, which then returns from the task, and must not go on as a worker. */
static bool fork_and_wait(void)
{
	pid_t pid = fork();
	while (pid > 0 && waitpid(pid, NULL, 0) < 0 && errno == EINTR)
		;
	return pid != 0;
}

static int task(creel_task *t, const void *arg, size_t size)
{
	struct job job;
	memcpy(&job, arg, sizeof job);
	atomic_fetch_add(&table->ran[job.id], 1);
	if (job.sort == LARGE_IN && !is_filled((const unsigned char *)arg + 16, size - 16, job.id))
		return -EBADE;
	if (job.micros)
		rest(job.micros);
	if (job.sort == CLOSES)
		misdeed_take_descriptors(-1);
	else if (job.sort == FORKS && !fork_and_wait())
		return 0;
	else if (job.sort == STOPS)
		raise(SIGSTOP);
	else if (job.sort == GARBAGE)
		misdeed_write_garbage(t,
				      job.id * UINT64_C(0x9e3779b97f4a7c15) + (uint64_t)getpid());
	if (job.sort == GARBAGE)
		return 0;
	if (job.sort == LARGE_OUT) {
		unsigned char *out = creel_return_reserve(t, LARGE);
		if (!out)
			return -ENOSPC;
		fill(out, LARGE, job.id);
		return 0;
	}
	return creel_return(t, &job.id, sizeof job.id);
}

/* In each worker: who its server is. */
static int initialize(void *ctx, unsigned worker, void **ret_local)
{
	(void)ctx;
	*ret_local = NULL;
	atomic_store(&table->pids[worker % RECENT], getpid());
	atomic_store(&table->server, getppid());
	return 0;
}

static void tell(creel_future *f, void *arg)
{
	uint8_t *told = arg;
	(void)f;
	__atomic_fetch_add(told, 1, __ATOMIC_RELAXED);
}

static void say_wrong(struct storm *s, const struct flight *x, const char *what)
{
	const creel_error *e = creel_future_error(x->f);
	s->wrong++;
	fprintf(stderr, "wrong: task %u of sort %u, which ran %u times: %s%s%s\n", x->job.id,
		x->job.sort, atomic_load(&table->ran[x->job.id]), what, e ? ": " : "",
		e ? e->message : "");
}

static void judge_result(struct storm *s, const struct flight *x)
{
	const void *data = NULL;
	size_t size = 0;
	size_t should = x->job.sort == LARGE_OUT ? LARGE : sizeof x->job.id;
	s->delivered++;
	creel_future_view(x->f, CREEL_NOW, &data, &size);
	if (size != should || !is_filled(data, size, x->job.id))
		say_wrong(s, x, "a wrong result");
	if (atomic_load(&table->ran[x->job.id]) != 1)
		say_wrong(s, x, "a result, but it did not run once");
}

static void judge_failure(struct storm *s, const struct flight *x)
{
	const creel_error *e = creel_future_error(x->f);
	switch (e->kind) {
	case CREEL_KIND_WORKER_DIED:
		s->by_kill++;
		if (e->pid <= 0 || (e->signal != SIGKILL && !strstr(e->message, "fork server")))
			say_wrong(s, x, "a death of another kind");
		break;
	case CREEL_KIND_KILLED:
		s->on_request++;
		if (x->job.sort != KILLED || x->asked != CREEL_CANCEL_REQUESTED)
			say_wrong(s, x, "nobody asked for that");
		break;
	case CREEL_KIND_TIMED_OUT:
		s->timed_out++;
		if (x->job.sort != LIMITED && x->job.sort != STOPS)
			say_wrong(s, x, "it has no limit");
		break;
	default:
		say_wrong(s, x, "it failed otherwise");
	}
}

/* One that writes garbage has an end, whatever that is, and not too many of them. */
static void judge_liar(struct storm *s, const struct flight *x, int rc, unsigned ran)
{
	s->liars_failed += rc == CREEL_EFAILED;
	s->delivered += rc != CREEL_EFAILED;
	s->liars_again += ran > 1;
	if ((rc && rc != CREEL_EFAILED && rc != -EMSGSIZE) || ran > AGAIN_MOST)
		say_wrong(s, x, "it ended otherwise");
}

static void judge(struct storm *s, struct flight *x)
{
	int rc = creel_future_result(x->f, creel_in_ms(GUARD_MS), NULL, 0);
	if (rc == -ETIMEDOUT) {
		s->lost++;
		fprintf(stderr, "lost: task %u of sort %u\n", x->job.id, x->job.sort);
		return;
	}
	unsigned ran = atomic_load(&table->ran[x->job.id]);
	s->misdeeds += x->job.sort >= CLOSES;
	s->doubled += ran > 1 && x->job.sort != GARBAGE;
	if (x->job.sort == GARBAGE) {
		judge_liar(s, x, rc, ran);
	} else if (rc == 0) {
		judge_result(s, x);
	} else if (rc == -ECANCELED) {
		s->cancelled++;
		if (ran || x->asked != CREEL_CANCEL_NOW)
			say_wrong(s, x, "cancelled, but it ran or nobody asked");
	} else {
		judge_failure(s, x);
	}
	creel_future_unref(x->f);
	x->f = NULL;
}

static void submit(struct storm *s, struct flight *x)
{
	static _Thread_local _Alignas(16) unsigned char data[LARGE];
	uint64_t r = next_random(&s->random);
	x->job = (struct job){s->first + s->submitted * SUBMITTERS, (uint32_t)(r % 64), 0};
	/* Mostly short ones. */
	x->job.sort = x->job.sort < 34 ? SHORT : x->job.sort < 44 ? MEDIUM : x->job.sort % SORTS;
	uint32_t d = (uint32_t)(r >> 32);
	static const uint32_t longest[SORTS] = {
		[MEDIUM] = 3000, [LIMITED] = 4000, [CANCELLED] = 500, [KILLED] = 3000};
	x->job.micros = longest[x->job.sort] ? d % longest[x->job.sort] : 0;
	memcpy(data, &x->job, sizeof x->job);
	size_t size = sizeof x->job;
	if (x->job.sort == LARGE_IN) {
		fill(data + 16, LARGE - 16, x->job.id);
		size = LARGE;
	}
	bool limited = x->job.sort == LIMITED || x->job.sort == STOPS;
	creel_submit_options o = {.limit_ns = limited ? 2000000 : 0};
	x->asked = 0;
	x->f = creel_submit_with(s->ex, task, data, size, &o);
	creel_future_on_done(x->f, NULL, tell, &s->told[x->job.id], NULL, NULL);
	s->submitted++;
	if (x->job.sort == CANCELLED && r & 1 << 20)
		x->asked = creel_future_cancel(x->f);
}

static void meddle(struct storm *s, struct flight *x)
{
	if (!x->f || x->asked)
		return;
	if (x->job.sort == KILLED)
		x->asked = creel_future_kill(x->f, next_random(&s->random) & 1 ? 0 : 1000000);
	else if (x->job.sort == CANCELLED)
		x->asked = creel_future_cancel(x->f);
}

static bool is_ready(pid_t pid)
{
	for (unsigned i = 0; i < RECENT; i++)
		if (atomic_load(&table->pids[i]) == pid)
			return true;
	return false;
}

/* A child of the server's, whichever; 0 if it has none. Not one that only starts: three of those in
 * a row break the pool, as they should. */
static pid_t random_child(pid_t server, uint64_t *random)
{
	char path[64];
	pid_t pids[WORKERS * 2];
	unsigned n = 0;
	snprintf(path, sizeof path, "/proc/%d/task/%d/children", (int)server, (int)server);
	FILE *file = fopen(path, "re");
	int pid;
	while (file && n < WORKERS * 2 && fscanf(file, "%d", &pid) == 1)
		if (is_ready(pid))
			pids[n++] = pid;
	if (file)
		fclose(file);
	return n ? pids[next_random(random) % n] : 0;
}

static bool kill_process(pid_t pid)
{
	int fd = pid > 0 ? (int)syscall(SYS_pidfd_open, pid, 0) : -1;
	bool killed = fd >= 0 && syscall(SYS_pidfd_send_signal, fd, SIGKILL, NULL, 0) == 0;
	if (fd >= 0)
		close(fd);
	return killed;
}

/* For a while. */
static bool stop_process(pid_t pid, long micros)
{
	int fd = pid > 0 ? (int)syscall(SYS_pidfd_open, pid, 0) : -1;
	bool stopped = fd >= 0 && syscall(SYS_pidfd_send_signal, fd, SIGSTOP, NULL, 0) == 0;
	if (stopped) {
		rest(micros);
		syscall(SYS_pidfd_send_signal, fd, SIGCONT, NULL, 0);
	}
	if (fd >= 0)
		close(fd);
	return stopped;
}

static void *kill_some(void *arg)
{
	struct killer *k = arg;
	while (!atomic_load(&k->over)) {
		uint64_t r = next_random(&k->random);
		rest((long)(r % 4000));
		pid_t server = atomic_load(&table->server);
		if (server && (r >> 20) % 300 == 1) {
			/* Once only: the next is known when it has a worker. */
			atomic_store(&table->server, 0);
			k->server_kills += kill_process(server);
		} else if (server && (r >> 32) % 4 == 0) {
			k->stops += stop_process(random_child(server, &k->random),
						 (long)(r >> 40) % 3000);
		} else if (server) {
			k->kills += kill_process(random_child(server, &k->random));
		}
	}
	return NULL;
}

static void *run_storm(void *arg)
{
	struct storm *s = arg;
	while (now_ms() < s->end_ms && s->submitted < TASKS / SUBMITTERS - 1 && !s->lost) {
		struct flight *x = &s->flight[next_random(&s->random) % WINDOW];
		meddle(s, &s->flight[next_random(&s->random) % WINDOW]);
		if (x->f && creel_future_state(x->f) < CREEL_FUTURE_FINISHED &&
		    next_random(&s->random) % 4)
			continue;
		if (x->f)
			judge(s, x);
		if (!x->f)
			submit(s, x);
	}
	for (unsigned i = 0; i < WINDOW; i++)
		if (s->flight[i].f)
			judge(s, &s->flight[i]);
	return NULL;
}

static void check_told(struct storm *s)
{
	for (uint32_t i = 0; i < s->submitted; i++) {
		uint32_t id = s->first + i * SUBMITTERS;
		if (s->told[id] == 1)
			continue;
		s->wrong++;
		fprintf(stderr, "wrong: the callback of task %u was called %u times\n", id,
			s->told[id]);
	}
}

static void *map_shared(size_t size)
{
	void *p = mmap(NULL, size, PROT_READ | PROT_WRITE,
		       MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (p == MAP_FAILED) {
		perror("mmap");
		exit(2);
	}
	return p;
}

static void start(pthread_t *thread, void *(*fn)(void *arg), void *arg)
{
	int rc = pthread_create(thread, NULL, fn, arg);
	if (rc) {
		fprintf(stderr, "no thread: %s\n", strerror(rc));
		exit(2);
	}
}

/* The threads: those that submit, and the one that kills while they do. */
static void run_all(struct storm *storms, struct killer *killer)
{
	pthread_t submitters[SUBMITTERS], killing;
	start(&killing, kill_some, killer);
	for (unsigned i = 0; i < SUBMITTERS; i++)
		start(&submitters[i], run_storm, &storms[i]);
	for (unsigned i = 0; i < SUBMITTERS; i++)
		pthread_join(submitters[i], NULL);
	atomic_store(&killer->over, true);
	pthread_join(killing, NULL);
}

static void add(struct storm *sum, const struct storm *s)
{
	sum->submitted += s->submitted;
	sum->delivered += s->delivered;
	sum->by_kill += s->by_kill;
	sum->on_request += s->on_request;
	sum->timed_out += s->timed_out;
	sum->cancelled += s->cancelled;
	sum->lost += s->lost;
	sum->doubled += s->doubled;
	sum->wrong += s->wrong;
	sum->misdeeds += s->misdeeds;
	sum->liars_failed += s->liars_failed;
	sum->liars_again += s->liars_again;
}

static void report(const struct storm *s, const struct killer *killer, unsigned orphans, bool same)
{
	printf("%lu workers and %lu fork servers killed, %lu workers stopped for a while\n"
	       "submitted %u, delivered %lu, failed by kill %lu, killed on request %lu, timed out "
	       "%lu, cancelled %lu\n"
	       "of these took descriptors, forked and returned, stopped or wrote garbage %lu; of "
	       "the "
	       "last failed %lu, and began more than once %lu\n"
	       "lost %lu, doubled %lu, wrong %lu, orphans %u, descriptors and mappings %s\n",
	       killer->kills, killer->server_kills, killer->stops, s->submitted, s->delivered,
	       s->by_kill, s->on_request, s->timed_out, s->cancelled, s->misdeeds, s->liars_failed,
	       s->liars_again, s->lost, s->doubled, s->wrong, orphans, same ? "as before" : "LEFT");
}

static int storm(double seconds)
{
	static struct storm storms[SUBMITTERS], sum;
	static struct killer killer;
	uint64_t random = (uint64_t)now_ms() * 2654435761u | 1;
	uint8_t *told = map_shared(TASKS);
	table = map_shared(sizeof *table);
	unsigned fds = orphans_count_fds(), maps = orphans_count_maps(), orphans = 0;
	creel_executor *ex = creel_process_pool_new(
		&(creel_process_pool_options){.max_workers = WORKERS, .initializer = initialize});
	if (creel_executor_error(ex)) {
		fprintf(stderr, "no pool: %s\n", creel_executor_error(ex)->message);
		creel_executor_unref(ex);
		return 2;
	}
	killer.random = random * 31 + 8;
	for (unsigned i = 0; i < SUBMITTERS; i++)
		storms[i] = (struct storm){.ex = ex,
					   .end_ms = now_ms() + (int64_t)(seconds * 1000),
					   .first = i,
					   .told = told,
					   .random = random + i * 977};
	run_all(storms, &killer);
	bool same = true, lost = false;
	for (unsigned i = 0; i < SUBMITTERS; i++)
		lost = lost || storms[i].lost;
	/* With something lost, it would wait for ever. */
	if (!lost) {
		creel_executor_close(ex);
		orphans = orphans_await(orphans_mark(table), GUARD_MS);
		for (unsigned i = 0; i < SUBMITTERS; i++)
			check_told(&storms[i]);
		same = orphans_count_fds() == fds && orphans_count_maps() == maps &&
		       waitpid(-1, NULL, WNOHANG) < 0 && errno == ECHILD;
	}
	for (unsigned i = 0; i < SUBMITTERS; i++)
		add(&sum, &storms[i]);
	report(&sum, &killer, orphans, same);
	bool complete = sum.submitted == sum.delivered + sum.by_kill + sum.on_request +
						 sum.timed_out + sum.cancelled + sum.liars_failed;
	return sum.doubled || sum.wrong || orphans || !same || !complete || !killer.kills;
}

/* A host under load, until somebody kills it. */
static _Noreturn void host_main(_Atomic int *started)
{
	creel_executor *ex = creel_process_pool_new(
		&(creel_process_pool_options){.max_workers = 3});
	creel_future *f[16] = {0};
	atomic_store(started, 1);
	for (uint32_t i = 0;; i++) {
		struct job job = {i % TASKS, i % 3 == 0 ? LARGE_OUT : SHORT, i % 7 * 300};
		creel_future **slot = &f[i % 16];
		if (*slot)
			creel_future_result(*slot, CREEL_FOREVER, NULL, 0);
		creel_future_unref(*slot);
		*slot = creel_submit(ex, task, &job, sizeof job);
	}
}

static int kill_parents(unsigned n)
{
	unsigned orphans = 0;
	int64_t slowest = 0;
	uint64_t random = (uint64_t)now_ms() * 2654435761u | 1;
	table = map_shared(sizeof *table);
	for (unsigned i = 0; i < n && !orphans; i++) {
		void *page = map_shared(4096);
		_Atomic int *started = page;
		uint64_t mark = orphans_mark(page);
		pid_t host = fork();
		if (host == 0)
			host_main(started);
		/* Half of them while the pool is being made. */
		if (i & 1)
			while (!atomic_load(started))
				rest(100);
		rest((long)(next_random(&random) % (i & 1 ? 20000 : 2000)));
		kill(host, SIGKILL);
		waitpid(host, NULL, 0);
		int64_t start = now_ms();
		orphans += orphans_await(mark, GUARD_MS);
		slowest = now_ms() - start > slowest ? now_ms() - start : slowest;
		munmap(page, 4096);
	}
	printf("%u hosts killed, orphans %u, the last process of one gone after at most %lld ms\n",
	       n, orphans, (long long)slowest);
	return orphans != 0;
}

static double scaled(double n)
{
	const char *text = getenv("CREEL_TEST_SCALE");
	double scale = text ? strtod(text, NULL) : 1;
	return n * (scale < 1 ? 1 : scale);
}

int main(int argc, char **argv)
{
	if (argc > 1 && strcmp(argv[1], "--parents") == 0)
		return kill_parents((unsigned)scaled(argc > 2 ? strtod(argv[2], NULL) : 100));
	double seconds = argc > 1 ? strtod(argv[1], NULL) : 60;
	if (argc > 2 || seconds <= 0) {
		fprintf(stderr, "usage: kill_storm [SECONDS | --parents [N]]\n");
		return 2;
	}
	return storm(scaled(seconds));
}
