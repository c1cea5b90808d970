/* SPDX-License-Identifier: MIT */
/*
 * The fork server, and how a worker is born. Together with procs/work.c this is all the code
 * that runs after the fork.
 *
 * FORK  The server is single-threaded, a child of nobody's whom the host waits for (it is forked
 *       twice), and small: it forks workers quickly. It was forked beside the host's threads: of
 *       what they might have held locked only malloc and stdio are sound, and only those are used.
 *
 *       host ... fork server (socket, SIGCHLD, the host's pidfd) --- worker, in a group of its own
 *                                                                '-- worker
 *
 * ENDS  The host dies: its pidfd is readable, the server kills all groups. The server dies:
 *       the workers get SIGKILL (PR_SET_PDEATHSIG; its only thread cannot end before it). A
 *       worker dies: its group is killed before it is reaped, so that the group's number
 *       cannot be somebody else's.
 *
 * TRACERS  A worker can be traced. If the server is the tracer, because a task asked to be traced
 *          by its parent, it sees stops that are no deaths: it detaches, and the worker goes on. If
 *          somebody else is, only that one can reap the worker, and may never do so: then the
 *          worker's pidfd tells of the death.
 *
 * STOPS    A worker that somebody stops, or lets go on, is told of to the parent.
 *
 * CORD     The kernel forgets a death signal when a process changes its credentials. So the server
 *          has a socketpair for each worker, and nobody else has it: when the first end closes,
 *          the kernel sends SIGKILL to the worker, which is the other end's owner (F_SETOWN,
 *          F_SETSIG). The worker has no descriptor that it could close, and the right to send the
 *          signal is the server's. Both ends do this, because either may close first.
 */
#include "procs/child.h"
#include "base/clock.h"
#include "base/fd.h"
#include "procs/area.h"
#include "procs/bell.h"
#include "procs/work.h"
#include "sync/fork.h"
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdio_ext.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

enum { KEPT_MAX = 64 };

struct kid {
	pid_t pid;   /* 0: none */
	int pidfd;   /* or -1 */
	int cord[2]; /* likewise */
	uint32_t incarnation;
};

struct server {
	const struct creel__child *c;
	int signals;
	pid_t pid;
	bool quit;
	pid_t key;          /* procs/key.c; 0: no terminal */
	int64_t stopped_at; /* by the stop key; 0: not stopped */
	struct kid kids[CREEL__PROCS_MAX];
};

static void default_signals(void)
{
	for (int i = 1; i <= SIGRTMAX; i++)
		signal(i, SIG_DFL);
}

static void unblock_signals(void)
{
	sigset_t none;
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
}

/* What the host had written and not flushed is the host's to flush; what it had read ahead is its
 * own, and must not be given back on the file offset that all share. */
static void purge_stdio(void)
{
	__fpurge(stdin);
	__fpurge(stdout);
	__fpurge(stderr);
}

/* Closes everything but 0, 1, 2, what the pool needs, and what its user named. */
static void close_others(const struct creel__child *c)
{
	int keep[KEPT_MAX + 5] = {c->socket, c->owner, c->bell, c->host_bell[0], c->host_bell[1]};
	size_t n = 5;
	for (size_t i = 0; i < c->keep_count && i < KEPT_MAX; i++)
		keep[n++] = c->keep[i];
	creel__fd_close_others(keep, n);
}

/* The other workers' memory is none of its business, and arguments are for reading: but
 * shared_alloc is in the same place, and for writing. Results stay mapped, to be inputs, and are
 * left out of core files, which would have all of them, and grow them to their full size. */
static void drop_mappings(struct creel__space *s, unsigned worker)
{
	unsigned after = worker + 1, rest = s->workers - after;
	munmap(s->controls, worker * s->control_size);
	munmap(s->controls + after * s->control_size, rest * s->control_size);
	creel__area_close(s->results, worker * s->budget);
	creel__area_close(s->results + after * s->budget, rest * s->budget);
}

/* Otherwise a program that a worker starts in the background would be the terminal's to stop. */
static void ignore_terminal(void)
{
	signal(SIGTTIN, SIG_IGN);
	signal(SIGTTOU, SIG_IGN);
}

static void close_cord(int cord[2])
{
	for (unsigned i = 0; i < 2; i++) {
		if (cord[i] >= 0)
			close(cord[i]);
		cord[i] = -1;
	}
}

/* Without one the death signal has to do. */
static void tie_cord(int cord[2], pid_t worker)
{
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, cord) < 0) {
		cord[0] = cord[1] = -1;
		return;
	}
	for (unsigned i = 0; i < 2; i++) {
		cord[i] = creel__fd_raise(cord[i]);
		fcntl(cord[i], F_SETOWN, worker);
		fcntl(cord[i], F_SETSIG, SIGKILL);
		fcntl(cord[i], F_SETFL, O_ASYNC);
	}
}

static _Noreturn void be_worker(struct server *server, const struct creel__frame *order)
{
	const struct creel__child *c = server->c;
	const int others[] = {c->socket, c->owner, c->host_bell[0], c->host_bell[1],
			      server->signals};
	for (unsigned i = 0; i < sizeof others / sizeof others[0]; i++)
		close(others[i]);
	for (unsigned i = 0; i < CREEL__PROCS_MAX; i++) {
		if (server->kids[i].pidfd >= 0)
			close(server->kids[i].pidfd);
		close_cord(server->kids[i].cord);
	}
	ignore_terminal();
	unblock_signals();
	prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
	if (getppid() != server->pid)
		_exit(0);
	setpgid(0, 0);
	prctl(PR_SET_CHILD_SUBREAPER, 0, 0, 0, 0);
	prctl(PR_SET_NAME, c->name, 0, 0, 0);
	creel__limits_offer_to_oom(c->host);
	drop_mappings(c->space, order->worker);
	creel__bell_note(c->bell, server->pid);
	creel__limits_set(&c->options, creel__space_control(c->space, order->worker));
	creel__work(c, order->worker, order->incarnation);
}

static void tell(struct server *s, char type, unsigned worker, pid_t pid, int status, int fd)
{
	struct creel__frame f = {.type = type,
				 .worker = worker,
				 .incarnation = s->kids[worker].incarnation,
				 .pid = pid,
				 .status = status};
	/* The socket blocks here: the parent always reads. If it is gone, the pidfd will say so. */
	(void)creel__frame_send(s->c->socket, &f, fd, 0);
}

static void spawn(struct server *s, const struct creel__frame *order)
{
	struct kid *kid = &s->kids[order->worker];
	kid->incarnation = order->incarnation;
	pid_t pid = fork();
	if (pid == 0)
		be_worker(s, order);
	if (pid < 0) {
		tell(s, CREEL__FRAME_FAILED, order->worker, 0, errno, -1);
		return;
	}
	setpgid(pid, pid);
	if (s->stopped_at)
		kill(-pid, SIGSTOP);
	kid->pid = pid;
	tie_cord(kid->cord, pid);
	kid->pidfd = creel__pidfd_open(pid);
	tell(s, CREEL__FRAME_BORN, order->worker, pid, 0, kid->pidfd);
}

static struct kid *find_kid(struct server *s, pid_t pid)
{
	for (unsigned i = 0; i < CREEL__PROCS_MAX; i++)
		if (s->kids[i].pid == pid)
			return &s->kids[i];
	return NULL;
}

static void tell_death(struct server *s, struct kid *kid, int status)
{
	pid_t pid = kid->pid;
	kid->pid = 0;
	if (kid->pidfd >= 0)
		close(kid->pidfd);
	kid->pidfd = -1;
	close_cord(kid->cord);
	tell(s, CREEL__FRAME_DEAD, (unsigned)(kid - s->kids), pid, status, -1);
}

/* It asked to be traced by its parent, and has stopped for us. It goes on without a tracer, and
 * gets the signal that it stopped for; but not the trap that only a tracer causes, of an exec. */
static void untrace(pid_t pid, int signal)
{
	if (ptrace(PTRACE_DETACH, pid, NULL, (void *)(intptr_t)(signal == SIGTRAP ? 0 : signal)))
		kill(pid, SIGKILL);
}

static void signal_groups(struct server *s, int number)
{
	for (unsigned i = 0; i < CREEL__PROCS_MAX; i++)
		if (s->kids[i].pid)
			kill(-s->kids[i].pid, number);
}

static bool is_death(const siginfo_t *info)
{
	return info->si_code == CLD_EXITED || info->si_code == CLD_KILLED ||
	       info->si_code == CLD_DUMPED;
}

static void stop_all(struct server *s)
{
	s->stopped_at = creel__now();
	signal_groups(s, SIGSTOP);
	tell(s, CREEL__FRAME_KEY, 0, 0, 0, -1);
}

/* Only the last change is known, and that is what counts. Stops by the key are not told: whoever
 * they meet goes on with the host. */
static void note_stop(struct server *s, pid_t pid)
{
	siginfo_t info = {0};
	struct kid *kid = find_kid(s, pid);
	if (waitid(P_PID, (id_t)pid, &info, WSTOPPED | WCONTINUED | WNOHANG) < 0 || !info.si_pid)
		return;
	bool stopped = info.si_code == CLD_STOPPED;
	if (info.si_code == CLD_TRAPPED)
		untrace(pid, info.si_status & 0x7f);
	else if (pid == s->key && stopped)
		stop_all(s);
	else if (kid && !(stopped && s->stopped_at))
		tell(s, CREEL__FRAME_HALTED, (unsigned)(kid - s->kids), pid, stopped, -1);
}

static void note_death(struct server *s, pid_t pid)
{
	struct kid *kid = find_kid(s, pid);
	if (pid == s->key)
		s->key = 0;
	if (kid)
		kill(-pid, SIGKILL);
	int status = 0;
	waitpid(pid, &status, 0);
	if (kid)
		tell_death(s, kid, status);
}

/* Strays come here too, the server being a subreaper: children of workers that left their group. */
static void reap(struct server *s)
{
	for (;;) {
		siginfo_t info = {0};
		int kinds = WEXITED | WSTOPPED | WCONTINUED;
		if (waitid(P_ALL, 0, &info, kinds | WNOHANG | WNOWAIT) < 0 || info.si_pid == 0)
			return;
		if (is_death(&info))
			note_death(s, info.si_pid);
		else
			note_stop(s, info.si_pid);
	}
}

/* Its pidfd says that it is dead, and it could not be reaped: a tracer has it. The tracer may be in
 * its group. The zombie is reaped as a stray when the tracer lets go of it. */
static void bury(struct server *s, struct kid *kid)
{
	int status = 0;
	kill(-kid->pid, SIGKILL);
	if (waitpid(kid->pid, &status, WNOHANG) != kid->pid)
		status = creel__zombie_status(kid->pid);
	tell_death(s, kid, status);
}

enum {
	HEARD_NS = 1000000000, /* a host that became another program says nothing any more */
};

/* Our end may be the last of the bell, and without it the ring is lost. */
static void await_heard(const struct server *s)
{
	_Atomic(uint32_t) *heard = &s->c->space->parting->heard;
	struct pollfd host = {.fd = s->c->owner, .events = POLLIN};
	creel_deadline until = creel_in_ns(HEARD_NS);
	uint32_t now;
	/* Relaxed: only says that we may go. */
	while (poll(&host, 1, 0) == 0 && (now = creel__load(heard, relaxed)) != (uint32_t)s->pid)
		if (creel__park_shared(heard, now, until) == -ETIMEDOUT)
			break;
}

/* The host may have closed all that it could hear of this by, but not our end of its bell. */
static _Noreturn void leave(struct server *s)
{
	struct creel__parting *parting = s->c->space->parting;
	for (unsigned i = 0; i < CREEL__PROCS_MAX; i++) {
		if (s->kids[i].pid) {
			kill(-s->kids[i].pid, SIGKILL);
			kill(s->kids[i].pid, SIGKILL);
		}
	}
	/* [PART-2] release: that the host closed its end of the socket; pairs with the acquire in
	 * creel__space_server_leaves() */
	creel__store(&parting->leaving, (uint32_t)s->pid, release);
	creel__bell_kick(s->c->host_bell[1]);
	creel__strays_end(s->pid);
	/* [PART-1] release: no worker writes any more; pairs with the acquire in
	 * creel__space_await_server() */
	creel__store(&parting->left, (uint32_t)s->pid, release);
	creel__unpark_shared(&parting->left);
	await_heard(s);
	_exit(0);
}

/* Not reaped yet, so the number is its own. */
static void kill_kid(const struct kid *kid, const struct creel__frame *order)
{
	if (kid->pid && kid->incarnation == order->incarnation)
		kill(kid->pid, order->status);
}

static void continue_all(struct server *s)
{
	if (!s->stopped_at)
		return;
	int64_t ms = (creel__now() - s->stopped_at) / 1000000;
	s->stopped_at = 0;
	if (s->key)
		kill(s->key, SIGCONT);
	signal_groups(s, SIGCONT);
	tell(s, CREEL__FRAME_CONTINUED, 0, 0, ms > INT32_MAX ? INT32_MAX : (int)ms, -1);
}

static void obey(struct server *s)
{
	struct creel__frame order;
	int fd;
	int rc = creel__frame_receive(s->c->socket, &order, &fd, MSG_DONTWAIT);
	if (fd >= 0)
		close(fd);
	/* What is not an order, whoever wrote it, is not obeyed. */
	if (rc == -EAGAIN || rc == -EBADMSG)
		return;
	if (rc > 0 && order.worker >= s->c->space->workers)
		return;
	if (rc <= 0 || order.type == CREEL__FRAME_QUIT)
		s->quit = true;
	else if (order.type == CREEL__FRAME_CONTINUE)
		continue_all(s);
	else if (order.type == CREEL__FRAME_SPAWN)
		spawn(s, &order);
	else if (order.type == CREEL__FRAME_KILL)
		kill_kid(&s->kids[order.worker], &order);
}

static void hear_signals(struct server *s)
{
	struct signalfd_siginfo info;
	bool rung = false, any = false;
	while (read(s->signals, &info, sizeof info) > 0) {
		rung |= info.ssi_signo == CREEL__BELL_SIGNAL;
		any = true;
	}
	if (rung)
		tell(s, CREEL__FRAME_NEWS, 0, 0, 0, -1);
	if (any)
		reap(s);
}

/* 0 or -errno. */
static int set_up(struct server *s)
{
	sigset_t all, child;
	default_signals();
	int rc = creel__child_catch_exit();
	sigfillset(&all);
	sigprocmask(SIG_SETMASK, &all, NULL);
	close_others(s->c);
	creel__fork_closed_all();
	purge_stdio();
	s->key = creel__key_watch(s->c->space);
	setpgid(0, 0);
	prctl(PR_SET_PDEATHSIG, 0, 0, 0, 0);
	prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
	prctl(PR_SET_NAME, "creel-server", 0, 0, 0);
	sigemptyset(&child);
	sigaddset(&child, SIGCHLD);
	sigaddset(&child, CREEL__BELL_SIGNAL);
	s->signals = creel__fd_raise(signalfd(-1, &child, SFD_CLOEXEC | SFD_NONBLOCK));
	if (s->signals < 0)
		rc = -errno;
	s->pid = getpid();
	return rc;
}

/* One look at everything; false once the parent is gone. */
static bool serve(struct server *s)
{
	enum { FIRST = 3 };
	struct pollfd fds[FIRST + CREEL__PROCS_MAX] = {{.fd = s->c->owner, .events = POLLIN},
						       {.fd = s->signals, .events = POLLIN},
						       {.fd = s->c->socket, .events = POLLIN}};
	struct kid *kids[FIRST + CREEL__PROCS_MAX];
	unsigned count = FIRST;
	/* Only those there are: poll() takes no more entries than RLIMIT_NOFILE has descriptors. */
	for (unsigned i = 0; i < CREEL__PROCS_MAX; i++) {
		if (s->kids[i].pidfd < 0)
			continue;
		kids[count] = &s->kids[i];
		fds[count++] = (struct pollfd){.fd = s->kids[i].pidfd, .events = POLLIN};
	}
	int n = poll(fds, count, -1);
	if ((n < 0 && errno != EINTR) || (n > 0 && fds[0].revents))
		return false;
	/* Whatever poll() said: a signal that came since must not be read and forgotten. */
	hear_signals(s);
	for (unsigned i = FIRST; n > 0 && i < count; i++)
		if (fds[i].revents && kids[i]->pidfd == fds[i].fd && kids[i]->pid)
			bury(s, kids[i]);
	if (n > 0 && fds[2].revents)
		obey(s);
	return true;
}

void creel__child_serve(const struct creel__child *c)
{
	static struct server server;
	struct server *s = &server;
	memset(s, 0, sizeof *s);
	s->c = c;
	for (unsigned i = 0; i < CREEL__PROCS_MAX; i++)
		s->kids[i].pidfd = s->kids[i].cord[0] = s->kids[i].cord[1] = -1;
	int rc = set_up(s);
	struct creel__frame word = {.type = CREEL__FRAME_READY, .pid = s->pid};
	if (rc) {
		word.type = CREEL__FRAME_FAILED;
		word.step = s->signals < 0 ? CREEL__STEP_SIGNALFD : CREEL__STEP_EXIT;
		word.status = -rc;
	}
	int self = creel__pidfd_open(s->pid);
	if (creel__frame_send(c->socket, &word, self, 0) < 0 || rc)
		_exit(1);
	if (self >= 0)
		close(self);
	while (!s->quit && serve(s))
		;
	leave(s);
}
