/* SPDX-License-Identifier: MIT */
/*
 * One measurement of a process pool in one process: procs WORKLOAD PEER WORKERS [COUNT]. It prints
 * the name, the value and the unit of each figure, a line each; peers.py does the same for
 * Python's pools. Repetitions, pairing and tables are procs_table.py's.
 *
 *   rate   COUNT empty tasks with futures are submitted, then each is waited for
 *   trip   submit an empty one, wait for it, COUNT times
 *   load   COUNT tasks with 1 MiB of argument and 1 MiB of result, PROCS_WINDOW in flight
 *   round  the same, one at a time
 *   start  from nothing to the first result
 *   kill   COUNT times: one task hangs, one waits behind it, the worker gets SIGKILL: how
 *          long until the first has failed, and until the second, or one submitted after it
 *          failed too, has a result
 */
#include "measure.h"
#include "procs.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { LOAD = 1 << 20, WARM = 2000 };

static const struct peer *const peers[] = {&procs_creel, &procs_creel_in_place, &procs_fork};

_Noreturn void procs_hang(const char *fifo)
{
	pid_t pid = getpid();
	int fd = open(fifo, O_WRONLY | O_CLOEXEC);
	if (fd < 0 || write(fd, &pid, sizeof pid) != sizeof pid)
		_exit(1);
	for (;;)
		pause();
}

static double median(double *values, unsigned long n)
{
	sort(values, n);
	return values[n / 2];
}

static void finish(const struct run *r, void *future)
{
	struct seen seen;
	if (!r->peer->wait(future, &seen))
		give_up("a task failed");
}

/* All at once; every worker has its share. */
static void empty_tasks(const struct run *r, void **futures, unsigned long n)
{
	for (unsigned long i = 0; i < n; i++)
		futures[i] = r->peer->submit(JOB_EMPTY, NULL, 0);
	for (unsigned long i = 0; i < n; i++)
		finish(r, futures[i]);
}

static void open_warm(const struct run *r)
{
	void **futures = touched(WARM, sizeof *futures);
	r->peer->open(r->workers);
	empty_tasks(r, futures, r->count < WARM ? r->count : WARM);
	free(futures);
}

static void rate(const struct run *r)
{
	void **futures = touched(r->count, sizeof *futures);
	open_warm(r);
	double start = now_ns();
	empty_tasks(r, futures, r->count);
	printf("rate %.2f tasks/s\n", (double)r->count * 1e9 / (now_ns() - start));
	free(futures);
}

static void trip(const struct run *r)
{
	double *took = touched(r->count, sizeof *took);
	open_warm(r);
	for (unsigned long i = 0; i < r->count; i++) {
		double start = now_ns();
		finish(r, r->peer->submit(JOB_EMPTY, NULL, 0));
		took[i] = now_ns() - start;
	}
	printf("trip %.3f us\n", median(took, r->count) / 1e3);
	free(took);
}

static void *echo(const struct run *r, unsigned char *data, unsigned char stamp)
{
	data[0] = stamp;
	data[LOAD - 1] = (unsigned char)~stamp;
	return r->peer->submit(JOB_ECHO, data, LOAD);
}

static void check_echo(const struct run *r, void *future, unsigned char stamp)
{
	struct seen seen;
	if (!r->peer->wait(future, &seen))
		give_up("a task failed");
	if (seen.size != LOAD || seen.first != stamp || seen.last != (unsigned char)~stamp)
		give_up("a result is wrong");
}

static void echo_tasks(const struct run *r, unsigned char *data, unsigned long n, unsigned window)
{
	void *futures[PROCS_WINDOW];
	for (unsigned long i = 0; i < n + window; i++) {
		if (i >= window)
			check_echo(r, futures[i % window], (unsigned char)(i - window));
		if (i < n)
			futures[i % window] = echo(r, data, (unsigned char)i);
	}
}

static void load(const struct run *r)
{
	unsigned char *data = touched(LOAD, 1);
	unsigned window = r->count < PROCS_WINDOW ? (unsigned)r->count : PROCS_WINDOW;
	open_warm(r);
	echo_tasks(r, data, 2ul * window, window);
	double start = now_ns();
	echo_tasks(r, data, r->count, window);
	printf("load %.2f tasks/s\n", (double)r->count * 1e9 / (now_ns() - start));
	free(data);
}

static void round_trip(const struct run *r)
{
	unsigned char *data = touched(LOAD, 1);
	double *took = touched(r->count, sizeof *took);
	open_warm(r);
	echo_tasks(r, data, PROCS_WINDOW, 1);
	for (unsigned long i = 0; i < r->count; i++) {
		double start = now_ns();
		echo_tasks(r, data, 1, 1);
		took[i] = now_ns() - start;
	}
	printf("round %.2f us\n", median(took, r->count) / 1e3);
	free(took);
	free(data);
}

static void start(const struct run *r)
{
	double start = now_ns();
	r->peer->open(r->workers);
	finish(r, r->peer->submit(JOB_EMPTY, NULL, 0));
	printf("start %.3f ms\n", (now_ns() - start) / 1e6);
}

struct killing {
	char folder[64], fifo[80];
	int fd;
	double error, next; /* ms */
};

static void kill_one(const struct run *r, struct killing *k)
{
	struct seen seen;
	pid_t pid;
	void *lost = r->peer->submit(JOB_HANG, k->fifo, strlen(k->fifo) + 1);
	void *next = r->peer->submit(JOB_EMPTY, NULL, 0);
	if (read(k->fd, &pid, sizeof pid) != sizeof pid)
		give_up("the FIFO cannot be read");
	double killed = now_ns();
	kill(pid, SIGKILL);
	if (r->peer->wait(lost, &seen))
		give_up("a task survived its worker");
	k->error = (now_ns() - killed) / 1e6;
	if (!r->peer->wait(next, &seen) &&
	    !r->peer->wait(r->peer->submit(JOB_EMPTY, NULL, 0), &seen))
		k->next = INFINITY;
	else
		k->next = (now_ns() - killed) / 1e6;
}

static void kill_workers(const struct run *r)
{
	struct killing k = {.folder = "/tmp/creel-bench-XXXXXX"};
	double *error = touched(r->count, sizeof *error), *next = touched(r->count, sizeof *next);
	if (!mkdtemp(k.folder))
		give_up("no folder for the FIFO");
	snprintf(k.fifo, sizeof k.fifo, "%s/fifo", k.folder);
	/* Read and write: opening must not wait for the other side. */
	k.fd = mkfifo(k.fifo, 0600) < 0 ? -1 : open(k.fifo, O_RDWR | O_CLOEXEC);
	if (k.fd < 0)
		give_up(strerror(errno));
	r->peer->open(r->workers);
	finish(r, r->peer->submit(JOB_EMPTY, NULL, 0));
	for (unsigned long i = 0; i < r->count; i++) {
		kill_one(r, &k);
		error[i] = k.error;
		next[i] = k.next;
	}
	printf("kill-error %.3f ms\n", median(error, r->count));
	printf("kill-next %.3f ms\n", median(next, r->count));
	close(k.fd);
	unlink(k.fifo);
	rmdir(k.folder);
	free(error);
	free(next);
}

static const struct workload workloads[] = {
	{"rate", rate, 300000},     {"trip", trip, 10000}, {"load", load, 1000},
	{"round", round_trip, 500}, {"start", start, 1},   {"kill", kill_workers, 9},
};

static const struct peer *peer_named(const char *name)
{
	for (size_t i = 0; i < sizeof peers / sizeof peers[0]; i++)
		if (strcmp(peers[i]->name, name) == 0)
			return peers[i];
	give_up("no such peer");
}

int main(int argc, char **argv)
{
	struct run r;
	const struct workload *w = read_arguments(argc, argv, workloads,
						  sizeof workloads / sizeof workloads[0], &r);
	r.peer = peer_named(argv[2]);
	w->measure(&r);
	r.peer->close();
	return 0;
}
