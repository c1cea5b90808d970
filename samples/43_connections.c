/* SPDX-License-Identifier: MIT */
/*
 * Five thousand connections and a timer on one thread. Each connection is an echo: a callback of
 * creel_ready() reads what is there, sends it back, and asks for the next time. The clients are the
 * other ends of socket pairs, and speak again when they have heard the echo. The driven executor is
 * the event loop; nothing else runs. Where fewer descriptors may be open, there are fewer.
 */
#include <creel/creel.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

enum { CONNECTIONS = 5000, ROUNDS = 4, SPARE = 64 /* descriptors for the rest */ };

static creel_executor *loop;
static unsigned open_ends, echoes, failures, ticks;

struct end {
	int fd;
	unsigned rounds; /* that a client still has; unused in servers */
	bool is_client;
};

static void on_readable(creel_future *f, void *arg);

static void finish(struct end *e)
{
	close(e->fd);
	if (--open_ends == 0)
		creel_driven_stop(loop);
}

static void await(struct end *e)
{
	creel_future *f = creel_ready(loop, e->fd, CREEL_READABLE);
	int rc = creel_future_on_done(f, NULL, on_readable, e, NULL, NULL);
	creel_future_unref(f);
	if (rc) {
		failures++;
		finish(e);
	}
}

static void say(struct end *e, char byte)
{
	failures += write(e->fd, &byte, 1) != 1;
}

static void on_readable(creel_future *f, void *arg)
{
	struct end *e = arg;
	char byte;
	if (creel_future_result(f, CREEL_NOW, NULL, 0) || read(e->fd, &byte, 1) != 1) {
		/* The client has hung up; or nothing works. */
		failures += e->is_client;
		finish(e);
		return;
	}
	if (e->is_client)
		echoes++;
	if (e->is_client && --e->rounds == 0) {
		finish(e);
		return;
	}
	say(e, byte);
	await(e);
}

static int on_tick(creel_task *task, const void *arg, size_t size)
{
	(void)task;
	(void)arg;
	(void)size;
	ticks++;
	return 0;
}

/* As many pairs as may be open. */
static unsigned allowed(void)
{
	struct rlimit limit;
	if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
		return 100;
	limit.rlim_cur = limit.rlim_max;
	setrlimit(RLIMIT_NOFILE, &limit);
	getrlimit(RLIMIT_NOFILE, &limit);
	if (limit.rlim_cur >= 2 * CONNECTIONS + SPARE)
		return CONNECTIONS;
	return limit.rlim_cur > 2 * SPARE ? (unsigned)(limit.rlim_cur - SPARE) / 2 : 1;
}

static bool connect_one(struct end *pair)
{
	int fds[2];
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds) < 0) {
		perror("socketpair");
		return false;
	}
	pair[0] = (struct end){.fd = fds[0]};
	pair[1] = (struct end){.fd = fds[1], .rounds = ROUNDS, .is_client = true};
	open_ends += 2;
	for (int i = 0; i < 2; i++)
		await(&pair[i]);
	say(&pair[1], 'x');
	return true;
}

int main(void)
{
	unsigned n = allowed();
	struct end *ends = calloc(2 * (size_t)n, sizeof *ends);
	loop = creel_driven_new(NULL);
	if (!ends || creel_executor_error(loop))
		return 1;
	creel_future *timer = creel_submit_with(loop, on_tick, NULL, 0,
						&(creel_submit_options){.period_ns = CREEL_MS(1)});
	for (unsigned i = 0; i < n; i++)
		if (!connect_one(&ends[2 * i]))
			return 1;
	creel_deadline begin = creel_now();
	int rc = creel_driven_run(loop, CREEL_FOREVER);
	double seconds = (double)(creel_now().ns - begin.ns) / 1e9;
	creel_future_cancel(timer);
	creel_future_unref(timer);
	creel_executor_close(loop);
	free(ends);
	printf("%u connections, %u echoes in %.3f s, %u ticks of the timer\n", n, echoes, seconds,
	       ticks);
	printf("%s\n",
	       rc || failures || echoes != n * ROUNDS || !ticks ? "failed" : "all answered");
	return rc || failures || echoes != n * ROUNDS || !ticks;
}
