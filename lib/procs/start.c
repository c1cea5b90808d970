/* SPDX-License-Identifier: MIT */
/*
 * Starting a fork server, up to its first words.
 *
 * FORK   Twice, so that the server is no child that the host's wait() could meet; the process
 *        in between lives for an instant. It is forked by a thread that exists for this alone: the
 *        stack of the forking thread is the stack of every task.
 * WORDS  The process in between sends HELLO, the server sends READY, each with the server's
 *        pidfd, in any order; whoever cannot go on sends FAILED, with the step and errno. HELLO
 *        may be missing: somebody may have killed the process in between. It is there because a
 *        server that dies before it is READY is noticed by its pidfd alone while a child of the
 *        host has the server's end of the socket open.
 * LOCKS  None is held here, and nothing waits without end: a step takes until the deadline at most.
 *        What the host has buffered in stdio is not flushed, which could block: the server
 *        forgets its copy.
 */
#include "base/clock.h"
#include "base/fd.h"
#include "procs/pool.h"
#include <creel/future.h>
#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#define LEAST_STACK ((size_t)8 << 20)
#define REAP_NS INT64_C(1000000000) /* for a killed process to be gone */

#ifndef P_PIDFD
#define P_PIDFD 3
#endif

/* One start. pid and between_pidfd are the process in between. */
struct start {
	const struct creel__child *child;
	creel_deadline deadline;
	int socket; /* our end */
	pid_t pid;
	int between_pidfd; /* or -1 */
	int fork_error;
	bool ready;
	const char *what; /* could not be had */
	struct creel__served *served;
};

static const char *const steps[] = {[CREEL__STEP_FORK] = "fork() of a fork server",
				    [CREEL__STEP_PIDFD] = "pidfd_open() of a fork server",
				    [CREEL__STEP_SIGNALFD] = "signalfd() of a fork server",
				    [CREEL__STEP_EXIT] = "on_exit() of a fork server"};

static _Noreturn void between(const struct creel__child *c)
{
	pid_t pid = fork();
	if (pid == 0)
		creel__child_serve(c);
	struct creel__frame word = {
		.type = CREEL__FRAME_HELLO, .pid = pid, .step = CREEL__STEP_PIDFD};
	/* Room for one more, should the host have used up its descriptors. */
	close(c->bell);
	int pidfd = pid < 0 ? -1 : creel__pidfd_open(pid);
	if (pid < 0)
		word.step = CREEL__STEP_FORK;
	if (pidfd < 0) {
		word.type = CREEL__FRAME_FAILED;
		word.status = errno;
	}
	if (pidfd < 0 && pid > 0)
		kill(pid, SIGKILL);
	(void)creel__frame_send(c->socket, &word, pidfd, 0);
	_exit(0);
}

static void *fork_between(void *arg)
{
	struct start *s = arg;
	/* On this stack, which the children keep: those of other threads are free to be reused. */
	struct creel__child c = *s->child;
	s->pid = fork();
	if (s->pid == 0)
		between(&c);
	s->fork_error = errno;
	return NULL;
}

/* The main thread's, or what most systems give it where that has no bound or is small. */
static size_t stack_size(void)
{
	struct rlimit limit;
	if (getrlimit(RLIMIT_STACK, &limit) < 0 || limit.rlim_cur < LEAST_STACK ||
	    limit.rlim_cur > (rlim_t)1 << 30)
		return LEAST_STACK;
	return (size_t)limit.rlim_cur;
}

static int fork_server(struct start *s)
{
	pthread_t thread;
	int rc = creel__thread_create(&thread, fork_between, s, stack_size());
	if (rc) {
		s->what = "a thread for the fork server";
		return rc;
	}
	creel__thread_join(thread);
	if (s->pid < 0) {
		s->what = steps[CREEL__STEP_FORK];
		return -s->fork_error;
	}
	s->between_pidfd = creel__pidfd_open(s->pid);
	return 0;
}

/* Takes one frame. 0, or why there will be no server. */
static int take_word(struct start *s)
{
	struct creel__frame word;
	int fd, rc = creel__frame_receive(s->socket, &word, &fd, MSG_DONTWAIT);
	bool good = rc == 1 && (word.type == CREEL__FRAME_HELLO || word.type == CREEL__FRAME_READY);
	if (good && s->served->pidfd < 0) {
		s->served->pidfd = fd;
		s->served->pid = word.pid;
	} else if (fd >= 0) {
		close(fd);
	}
	if (good && s->served->pidfd < 0) {
		s->what = "a descriptor for the fork server";
		return -EMFILE;
	}
	if (rc == 1 && word.type == CREEL__FRAME_FAILED && word.step < CREEL__STEPS) {
		s->what = steps[word.step];
		return -word.status;
	}
	s->ready |= good && word.type == CREEL__FRAME_READY;
	return rc == 1 || rc == -EAGAIN ? 0 : rc ? rc : -ECHILD;
}

/* Milliseconds that are left. */
static int time_left(creel_deadline deadline)
{
	int64_t ns = creel__is_forever(deadline) ? INT64_MAX : deadline.ns - creel__now();
	if (ns <= 0)
		return 0;
	return ns > INT64_C(1000000000000) ? 1000000 : (int)((ns + 999999) / 1000000);
}

/* Until the server has said that it is ready. The socket comes first: what somebody said before
 * he died counts. */
static int await_words(struct start *s)
{
	while (!s->ready) {
		struct pollfd fds[] = {{.fd = s->socket, .events = POLLIN},
				       {.fd = s->served->pidfd, .events = POLLIN}};
		int rc = 0, n = poll(fds, 2, time_left(s->deadline));
		if (n < 0 && errno != EINTR)
			rc = -errno;
		else if (n == 0 && creel__deadline_passed(s->deadline))
			rc = -ETIMEDOUT;
		else if (n > 0 && fds[0].revents)
			rc = take_word(s);
		else if (n > 0)
			rc = -ECHILD;
		if (rc)
			return rc;
	}
	return 0;
}

static bool await_end(int pidfd, creel_deadline deadline)
{
	struct pollfd gone = {.fd = pidfd, .events = POLLIN};
	int n;
	do
		n = poll(&gone, 1, time_left(deadline));
	while (n < 0 && errno == EINTR);
	return n > 0;
}

/* The process in between ends by itself. A handler of the host's may be faster to wait for it. */
static void reap_between(struct start *s)
{
	int pidfd = s->between_pidfd;
	bool ended = pidfd < 0 || await_end(pidfd, s->deadline);
	if (!ended) {
		creel__pidfd_kill(pidfd, SIGKILL);
		ended = await_end(pidfd, creel_in_ns(REAP_NS));
	}
	while (ended && waitpid(s->pid, NULL, 0) < 0 && errno == EINTR)
		;
	if (pidfd >= 0)
		close(pidfd);
}

void creel__server_undo(struct creel__served *served)
{
	if (served->pidfd >= 0) {
		siginfo_t info;
		creel__pidfd_kill(served->pidfd, SIGKILL);
		/* If the host is its reaper. */
		if (await_end(served->pidfd, creel_in_ns(REAP_NS)))
			waitid(P_PIDFD, (id_t)served->pidfd, &info, WEXITED);
		close(served->pidfd);
	}
	if (served->socket >= 0)
		close(served->socket);
	served->socket = served->pidfd = -1;
}

/* A frame with a descriptor, there and back: what the server will need. */
static int probe_socket(const int ends[2], int fd)
{
	struct creel__frame frame = {.type = CREEL__FRAME_HELLO};
	int back = -1, rc = creel__frame_send(ends[0], &frame, fd, MSG_DONTWAIT);
	if (rc == 0)
		rc = creel__frame_receive(ends[1], &frame, &back, MSG_DONTWAIT);
	if (rc == 1)
		rc = back >= 0 ? 0 : -EMFILE;
	if (back >= 0)
		close(back);
	return rc;
}

static int probe_signalfd(void)
{
	sigset_t none;
	sigemptyset(&none);
	int fd = signalfd(-1, &none, SFD_CLOEXEC | SFD_NONBLOCK);
	if (fd < 0)
		return -errno;
	close(fd);
	return 0;
}

/* Calls that a filter or an old kernel refuses are named here, where that can be told. */
static const char *probe(const int ends[2], int self, int *ret_rc)
{
	if (self < 0) {
		*ret_rc = -errno;
		return "pidfd_open()";
	}
	*ret_rc = creel__pidfd_kill(self, 0);
	if (*ret_rc)
		return "pidfd_send_signal()";
	*ret_rc = probe_socket(ends, self);
	if (*ret_rc)
		return "sendmsg() or recvmsg() with a descriptor";
	*ret_rc = probe_signalfd();
	return "signalfd()";
}

static int start(struct start *s, struct creel__child *c)
{
	int ends[2], rc;
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) < 0) {
		s->what = "a socket for the fork server";
		return -errno;
	}
	s->socket = s->served->socket = ends[0] = creel__fd_raise(ends[0]);
	c->socket = ends[1] = creel__fd_raise(ends[1]);
	c->host = getpid();
	c->owner = creel__pidfd_open(c->host);
	s->what = probe(ends, c->owner, &rc);
	if (rc == 0)
		rc = fork_server(s);
	if (c->owner >= 0)
		close(c->owner);
	close(ends[1]);
	if (rc == 0) {
		s->what = "a fork server";
		rc = await_words(s);
		reap_between(s);
	}
	return rc;
}

int creel__server_fork(struct creel__child *c, creel_deadline deadline,
		       struct creel__served *ret_served, const char **ret_what)
{
	*ret_served = (struct creel__served){.socket = -1, .pidfd = -1};
	struct start s = {
		.child = c, .deadline = deadline, .between_pidfd = -1, .served = ret_served};
	int rc = start(&s, c);
	if (rc)
		creel__server_undo(ret_served);
	*ret_what = s.what;
	return rc;
}
