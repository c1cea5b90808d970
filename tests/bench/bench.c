/* SPDX-License-Identifier: MIT */
/*
 * One measurement in one process: bench WORKLOAD PEER WORKERS [COUNT]. What is printed: the name,
 * the value and the unit of each figure, a line each. Repetitions, pairing and tables are
 * tests/bench/run's. bench --peers lists the peers.
 *
 *   w1    one thread submits COUNT empty tasks with futures, then waits for each in turn; and all
 *         that once more
 *   w1w   the same with at most 256 in flight
 *   w3    submit one, wait for it, COUNT times; the waiter may run it itself, if the peer can
 *   w3n   submit one, wait for it, COUNT times; the waiter may not run it itself
 *   w3n1  the same, all on one CPU: what the pool does, without what the kernel's
 *         choice of CPU costs
 *   w4    64 tasks of 2 us every millisecond, COUNT times: from the first submission to the last
 *         end, and the CPU time that the process uses a second
 *   w6    COUNT tasks that sleep for a millisecond, all submitted, then each waited for; and as
 *         many such sleeps shared out among as many threads, without a pool
 *   w7    four threads submit COUNT / 4 empty tasks each, then each waits for its own; and all that
 *         once more; not libuv, where one thread has the loop
 *   w8    what COUNT pending tasks and their futures take of the resident set
 *   idle  CPU time that the process uses in COUNT milliseconds of idleness, and how often its
 *         workers wake up meanwhile
 */
#include "measure.h"
#include "peers.h"

#include <dirent.h>
#include <pthread.h>
#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

enum {
	WINDOW = 256,
	BURST = 64,
	BURST_NS = 1000000, /* from one to the next */
	PRODUCERS = 4,
};

static const struct peer *const peers[] = {
	&peer_creel,      &peer_queue,
#ifdef BENCH_GLIB
	&peer_glib,
#endif
#ifdef BENCH_LIBUV
	&peer_libuv,
#endif
#ifdef BENCH_MOODYCAMEL
	&peer_moodycamel,
#endif
};

static pthread_mutex_t gate_mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t gate_changed = PTHREAD_COND_INITIALIZER;
static unsigned gate_entered;
static int gate_is_open;

void gate_enter(void)
{
	pthread_mutex_lock(&gate_mutex);
	gate_entered++;
	pthread_cond_broadcast(&gate_changed);
	while (!gate_is_open)
		pthread_cond_wait(&gate_changed, &gate_mutex);
	pthread_mutex_unlock(&gate_mutex);
}

void gate_await(unsigned n)
{
	pthread_mutex_lock(&gate_mutex);
	while (gate_entered < n)
		pthread_cond_wait(&gate_changed, &gate_mutex);
	pthread_mutex_unlock(&gate_mutex);
}

void gate_open(void)
{
	pthread_mutex_lock(&gate_mutex);
	gate_is_open = 1;
	pthread_cond_broadcast(&gate_changed);
	pthread_mutex_unlock(&gate_mutex);
}

/* Has every worker start, run something, and wait before the gate; returns the futures. */
static void **hold_workers(const struct run *r)
{
	void **held = touched(r->workers, sizeof *held);
	for (unsigned i = 0; i < r->workers; i++)
		held[i] = r->peer->submit(WORK_GATE);
	gate_await(r->workers);
	return held;
}

static void release_workers(const struct run *r, void **held)
{
	gate_open();
	for (unsigned i = 0; i < r->workers; i++)
		r->peer->wait(held[i]);
	free(held);
}

static void start_workers(const struct run *r)
{
	release_workers(r, hold_workers(r));
}

static double submit_and_wait(const struct run *r, void **futures)
{
	double start = now_ns();
	for (unsigned long i = 0; i < r->count; i++)
		futures[i] = r->peer->submit(WORK_EMPTY);
	for (unsigned long i = 0; i < r->count; i++)
		r->peer->wait(futures[i]);
	return now_ns() - start;
}

/* The first time, and once more: a pool that recycles, or a compiler at run time, does better. */
static void w1(const struct run *r)
{
	void **futures = touched(r->count, sizeof *futures);
	start_workers(r);
	printf("w1 %.2f ns/task\n", submit_and_wait(r, futures) / (double)r->count);
	printf("w1-again %.2f ns/task\n", submit_and_wait(r, futures) / (double)r->count);
	free(futures);
}

static void w1w(const struct run *r)
{
	void *window[WINDOW];
	start_workers(r);
	double start = now_ns();
	for (unsigned long i = 0; i < r->count; i++) {
		if (i >= WINDOW)
			r->peer->wait(window[i % WINDOW]);
		window[i % WINDOW] = r->peer->submit(WORK_EMPTY);
	}
	for (unsigned long i = r->count < WINDOW ? 0 : r->count - WINDOW; i < r->count; i++)
		r->peer->wait(window[i % WINDOW]);
	printf("w1w %.2f ns/task\n", (now_ns() - start) / (double)r->count);
}

/* This thread, and those that it starts from now on. */
static void use_one_cpu(void)
{
	cpu_set_t all, one;
	if (sched_getaffinity(0, sizeof all, &all))
		give_up("no affinity");
	CPU_ZERO(&one);
	for (int i = 0; i < CPU_SETSIZE && !CPU_COUNT(&one); i++)
		if (CPU_ISSET(i, &all))
			CPU_SET(i, &one);
	if (sched_setaffinity(0, sizeof one, &one))
		give_up("no affinity");
}

static void trips(const struct run *r, const char *name)
{
	double *took = touched(r->count, sizeof *took);
	start_workers(r);
	for (unsigned long i = 0; i < r->count; i++) {
		double start = now_ns();
		r->peer->wait(r->peer->submit(WORK_EMPTY));
		took[i] = now_ns() - start;
	}
	sort(took, r->count);
	printf("%s-p50 %.2f us\n", name, took[r->count / 2] / 1e3);
	printf("%s-p99.9 %.2f us\n", name, took[r->count - 1 - r->count / 1000] / 1e3);
	free(took);
}

static void w3(const struct run *r)
{
	trips(r, "w3");
}

static void w3n(const struct run *r)
{
	trips(r, "w3n");
}

static void w3n1(const struct run *r)
{
	trips(r, "w3n1");
}

static double cpu_us(void)
{
	struct rusage u;
	getrusage(RUSAGE_SELF, &u);
	return (double)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) * 1e6 +
	       (double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec);
}

static void rest_until(double ns)
{
	struct timespec t = {(time_t)(ns / 1e9), (long)(ns - 1e9 * (double)(time_t)(ns / 1e9))};
	clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &t, NULL);
}

static void w4(const struct run *r)
{
	void *futures[BURST];
	double *took = touched(r->count, sizeof *took);
	start_workers(r);
	double begin = now_ns(), cpu = cpu_us();
	for (unsigned long i = 0; i < r->count; i++) {
		rest_until(begin + (double)i * BURST_NS);
		double start = now_ns();
		for (int k = 0; k < BURST; k++)
			futures[k] = r->peer->submit(WORK_BUSY);
		for (int k = 0; k < BURST; k++)
			r->peer->wait(futures[k]);
		took[i] = now_ns() - start;
	}
	double used = (cpu_us() - cpu) * 1e3 / (now_ns() - begin);
	sort(took, r->count);
	printf("w4-p50 %.2f us\n", took[r->count / 2] / 1e3);
	printf("w4-p99 %.2f us\n", took[r->count - 1 - r->count / 100] / 1e3);
	printf("w4-cpu %.4f s/s\n", used);
	free(took);
}

void work_busy(void)
{
	for (double end = now_ns() + 2000; now_ns() < end;)
		;
}

void work_sleep(void)
{
	nanosleep(&(struct timespec){0, 1000000}, NULL);
}

static void *sleep_often(void *n)
{
	for (unsigned long i = 0; i < *(unsigned long *)n; i++)
		work_sleep();
	return NULL;
}

static double raw_sleeps(const struct run *r)
{
	pthread_t *threads = touched(r->workers, sizeof *threads);
	unsigned long each = (r->count + r->workers - 1) / r->workers;
	double start = now_ns();
	for (unsigned i = 0; i < r->workers; i++)
		if (pthread_create(&threads[i], NULL, sleep_often, &each))
			give_up("no thread");
	for (unsigned i = 0; i < r->workers; i++)
		pthread_join(threads[i], NULL);
	free(threads);
	return now_ns() - start;
}

static void w6(const struct run *r)
{
	void **futures = touched(r->count, sizeof *futures);
	start_workers(r);
	double start = now_ns();
	for (unsigned long i = 0; i < r->count; i++)
		futures[i] = r->peer->submit(WORK_SLEEP);
	for (unsigned long i = 0; i < r->count; i++)
		r->peer->wait(futures[i]);
	double took = now_ns() - start;
	printf("w6 %.2f ms\n", took / 1e6);
	printf("w6-raw %.3f of-raw-threads\n", took / raw_sleeps(r));
	free(futures);
}

struct producer {
	pthread_t thread;
	const struct run *run;
	pthread_barrier_t *ready;
	void **futures;
	unsigned long n;
};

static void *produce(void *arg)
{
	struct producer *p = arg;
	pthread_barrier_wait(p->ready);
	for (unsigned long i = 0; i < p->n; i++)
		p->futures[i] = p->run->peer->submit(WORK_EMPTY);
	for (unsigned long i = 0; i < p->n; i++)
		p->run->peer->wait(p->futures[i]);
	return NULL;
}

static double produce_all(const struct run *r, struct producer *producers)
{
	pthread_barrier_t ready;
	pthread_barrier_init(&ready, NULL, PRODUCERS + 1);
	for (struct producer *p = producers; p < producers + PRODUCERS; p++) {
		p->run = r;
		p->ready = &ready;
		if (pthread_create(&p->thread, NULL, produce, p))
			give_up("no thread");
	}
	double start = now_ns();
	pthread_barrier_wait(&ready);
	for (struct producer *p = producers; p < producers + PRODUCERS; p++)
		pthread_join(p->thread, NULL);
	double took = now_ns() - start;
	pthread_barrier_destroy(&ready);
	return took;
}

static void w7(const struct run *r)
{
	struct producer producers[PRODUCERS];
	unsigned long n = r->count / PRODUCERS + 1;
	double tasks = (double)(n * PRODUCERS);
	start_workers(r);
	for (struct producer *p = producers; p < producers + PRODUCERS; p++)
		*p = (struct producer){.futures = touched(n, sizeof(void *)), .n = n};
	printf("w7 %.2f ns/task\n", produce_all(r, producers) / tasks);
	printf("w7-again %.2f ns/task\n", produce_all(r, producers) / tasks);
	for (struct producer *p = producers; p < producers + PRODUCERS; p++)
		free(p->futures);
}

static double resident_bytes(void)
{
	unsigned long all = 0, resident = 0;
	FILE *f = fopen("/proc/self/statm", "r");
	if (!f || fscanf(f, "%lu %lu", &all, &resident) != 2)
		give_up("cannot read /proc/self/statm");
	fclose(f);
	return (double)resident * (double)sysconf(_SC_PAGESIZE);
}

static void w8(const struct run *r)
{
	void **futures = touched(r->count, sizeof *futures);
	void **held = hold_workers(r);
	double before = resident_bytes();
	for (unsigned long i = 0; i < r->count; i++)
		futures[i] = r->peer->submit(WORK_EMPTY);
	double after = resident_bytes();
	release_workers(r, held);
	for (unsigned long i = 0; i < r->count; i++)
		r->peer->wait(futures[i]);
	printf("w8 %.2f bytes/task\n", (after - before) / (double)r->count);
	free(futures);
}

static void rest(unsigned long ms)
{
	struct timespec t = {(time_t)(ms / 1000), (long)(ms % 1000) * 1000000};
	nanosleep(&t, NULL);
}

/* How often threads of the process went to sleep of their own will, but for this one: once it has
 * slept, a thread that does so again has been awake. */
static unsigned long sleeps_of_others(void)
{
	unsigned long sum = 0;
	DIR *threads = opendir("/proc/self/task");
	for (struct dirent *d; threads && (d = readdir(threads));) {
		char path[64], line[128];
		long tid = strtol(d->d_name, NULL, 10);
		if (tid == 0 || tid == getpid())
			continue;
		snprintf(path, sizeof path, "/proc/self/task/%ld/status", tid);
		FILE *f = fopen(path, "r");
		unsigned long n;
		while (f && fgets(line, sizeof line, f))
			if (sscanf(line, "voluntary_ctxt_switches: %lu", &n) == 1)
				sum += n;
		if (f)
			fclose(f);
	}
	if (threads)
		closedir(threads);
	return sum;
}

/* The workers get a tenth of the time to fall asleep before the measurement begins. */
static void idle(const struct run *r)
{
	start_workers(r);
	rest(r->count / 10);
	unsigned long slept = sleeps_of_others();
	double before = cpu_us();
	rest(r->count);
	double used = cpu_us() - before;
	printf("idle %.2f us/s\n", used * 1000 / (double)r->count);
	printf("idle-wakes %.2f /s\n",
	       (double)(sleeps_of_others() - slept) * 1000 / (double)r->count);
}

static const struct workload workloads[] = {
	{"w1", w1, 1000000},   {"w1w", w1w, 1000000}, {"w3", w3, 100000}, {"w3n", w3n, 10000},
	{"w3n1", w3n1, 10000}, {"w4", w4, 1000},      {"w6", w6, 10000},  {"w7", w7, 1000000},
	{"w8", w8, 1000000},   {"idle", idle, 2000},
};

static const struct peer *peer_named(const char *name)
{
	for (size_t i = 0; i < sizeof peers / sizeof peers[0]; i++)
		if (strcmp(peers[i]->name, name) == 0)
			return peers[i];
	give_up("no such peer");
}

static int list_peers(void)
{
	for (size_t i = 0; i < sizeof peers / sizeof peers[0]; i++)
		puts(peers[i]->name);
	return 0;
}

int main(int argc, char **argv)
{
	if (argc == 2 && strcmp(argv[1], "--peers") == 0)
		return list_peers();
	struct run r;
	const struct workload *w = read_arguments(argc, argv, workloads,
						  sizeof workloads / sizeof workloads[0], &r);
	r.peer = peer_named(argv[2]);
	if (w->measure == w3n1)
		use_one_cpu();
	r.peer->open(r.workers, w->measure == w3);
	w->measure(&r);
	r.peer->close();
	return 0;
}
