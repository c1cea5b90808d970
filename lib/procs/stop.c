/* SPDX-License-Identifier: MIT */
/*
 * The host's answer to the stop key (procs/key.c): that it goes on, and its workers may.
 *
 * The manager may hear of the key before the key has stopped the host: the signal waits for a
 * thread that does not block it, and those may all wait for a CPU. Then the answer waits as well,
 * or the workers would go on while the host is stopped. There is no event for what a signal that is
 * not the manager's own does in the end: it stops the host, or a sigwait() of the host's takes it.
 * So the manager looks again after 1 ms, then after twice that, and so on, while it is pending. A
 * signal that every thread blocks, or that the host handles, stops nobody. The manager also tries
 * again if the server's socket is full: an answer that is lost leaves the workers stopped.
 */
#include "base/cgroup.h"
#include "base/clock.h"
#include "procs/pool.h"
#include <dirent.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#define PATIENCE_NS INT64_C(1000000)

static bool thread_blocks(const char *tid, int number)
{
	char path[64], text[4096];
	snprintf(path, sizeof path, "/proc/self/task/%.20s/status", tid);
	creel__read_text(text, sizeof text, path);
	const char *field = strstr(text, "\nSigBlk:");
	return !field || strtoull(field + strlen("\nSigBlk:"), NULL, 16) >> (number - 1) & 1;
}

static bool all_block(int number)
{
	DIR *threads = opendir("/proc/self/task");
	const struct dirent *entry;
	bool all = true;
	while (all && threads && (entry = readdir(threads)))
		all = entry->d_name[0] == '.' || thread_blocks(entry->d_name, number);
	if (threads)
		closedir(threads);
	return all;
}

/* Whether the key is about to stop the host. The manager blocks its signals, and so sees them. */
static bool is_coming(void)
{
	static const int stops[] = {SIGTSTP, SIGTTIN, SIGTTOU};
	sigset_t pending;
	struct sigaction action;
	bool coming = false;
	if (sigpending(&pending) < 0)
		return false;
	for (unsigned i = 0; i < sizeof stops / sizeof stops[0]; i++)
		coming |= sigismember(&pending, stops[i]) == 1 &&
			  sigaction(stops[i], NULL, &action) == 0 && action.sa_handler == SIG_DFL &&
			  !all_block(stops[i]);
	return coming;
}

/* 0, or -errno. */
static int answer_locked(struct creel__procs *p)
{
	struct creel__frame order = {.type = CREEL__FRAME_CONTINUE};
	if (p->socket < 0 || !creel__ends_check_locked(p))
		return -EPIPE;
	return creel__frame_send(p->socket, &order, -1, MSG_DONTWAIT);
}

void creel__stop_answer_locked(struct creel__procs *p)
{
	int rc = is_coming() ? -EAGAIN : answer_locked(p);
	if (rc == -EAGAIN) {
		p->answer_ns = p->answer_ns ? 2 * p->answer_ns : PATIENCE_NS;
		p->answer_at = creel_in_ns(p->answer_ns).ns;
		return;
	}
	p->answer_at = p->answer_ns = 0;
	p->stopped = rc == 0;
}
