/* SPDX-License-Identifier: MIT */
/*
 * The parent's side of the fork server: forking it, asking it for workers,
 * noticing that it is gone.
 *
 * FORK  Twice, so that the server is nobody's child whom the host's wait() could meet; the first
 *       child lives for an instant. stdout and stderr are flushed before, but only where that
 *       cannot block: a thread that holds a stream locks it for as long as it reads or writes.
 */
#include "base/clock.h"
#include "procs/pool.h"
#include <creel/future.h>
#include <errno.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

void creel__kick(struct creel__procs *p)
{
	uint64_t one = 1;
	int saved = errno;
	/* Not write(), where a thread of the host's can be cancelled: we hold the lock. */
	if (syscall(SYS_write, p->bell, &one, sizeof one) < 0)
		errno = saved;
}

static void flush_if_free(FILE *stream)
{
	if (ftrylockfile(stream) == 0) {
		fflush(stream);
		funlockfile(stream);
	}
}

static _Noreturn void between(const struct creel__child *c)
{
	pid_t pid = fork();
	if (pid == 0)
		creel__child_serve(c);
	struct creel__frame refused = {.type = CREEL__FRAME_FAILED, .status = errno};
	if (pid < 0)
		(void)creel__frame_send(c->socket, &refused, -1);
	_exit(pid < 0);
}

/* 0 and the server's pidfd, or -errno. */
static int greet(int socket, int *ret_pidfd)
{
	struct creel__frame hello;
	int rc = creel__frame_receive(socket, &hello, ret_pidfd, 0);
	if (rc == 1 && hello.type == CREEL__FRAME_HELLO && *ret_pidfd >= 0)
		return 0;
	if (*ret_pidfd >= 0)
		close(*ret_pidfd);
	*ret_pidfd = -1;
	if (rc == 1 && hello.type == CREEL__FRAME_FAILED)
		return -hello.status;
	return rc < 0 ? rc : -ECHILD;
}

static int watch(struct creel__procs *p, int fd)
{
	struct epoll_event event = {.events = EPOLLIN, .data.fd = fd};
	return epoll_ctl(p->epoll, EPOLL_CTL_ADD, fd, &event) < 0 ? -errno : 0;
}

static int fork_server(struct creel__procs *p, int theirs, int owner)
{
	struct creel__child c = {.space = p->space,
				 .executor = &p->base,
				 .socket = theirs,
				 .owner = owner,
				 .bell = p->bell,
				 .keep = p->keep,
				 .keep_count = p->options.keep_fds_count,
				 .options = p->options};
	snprintf(c.name, sizeof c.name, "%s", p->name);
	flush_if_free(stdout);
	flush_if_free(stderr);
	pid_t pid = fork();
	if (pid == 0)
		between(&c);
	if (pid < 0)
		return -errno;
	/* The host's own handler may be faster: then there is nothing to wait for. */
	while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
		;
	return 0;
}

int creel__server_start_locked(struct creel__procs *p)
{
	int saved = errno, ends[2], pidfd = -1;
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) < 0) {
		int rc = -errno;
		errno = saved;
		return rc;
	}
	int owner = creel__pidfd_open(getpid());
	int rc = owner < 0 ? -errno : fork_server(p, ends[1], owner);
	if (owner >= 0)
		close(owner);
	close(ends[1]);
	/* While it starts: the count that those of the workers' deaths are compared with. */
	if (rc == 0 && p->incarnation == 0)
		p->oom_kills = creel__count_oom_kills();
	if (rc == 0)
		rc = greet(ends[0], &pidfd);
	if (rc == 0)
		rc = watch(p, ends[0]);
	/* The socket may stay open without it: in a child that the host forked meanwhile. */
	if (rc == 0)
		rc = watch(p, pidfd);
	if (rc) {
		close(ends[0]);
		if (pidfd >= 0)
			close(pidfd);
	} else {
		p->socket = ends[0];
		p->server_pidfd = pidfd;
	}
	errno = saved;
	return rc;
}

void creel__server_drop_locked(struct creel__procs *p)
{
	/* Closing is not enough: a forked child of the host may have it as well. */
	if (p->socket >= 0) {
		epoll_ctl(p->epoll, EPOLL_CTL_DEL, p->socket, NULL);
		close(p->socket);
	}
	if (p->server_pidfd >= 0) {
		epoll_ctl(p->epoll, EPOLL_CTL_DEL, p->server_pidfd, NULL);
		close(p->server_pidfd);
	}
	p->socket = p->server_pidfd = -1;
}

static struct creel__proc *nobody_locked(struct creel__procs *p)
{
	for (unsigned i = 0; i < p->space->workers; i++)
		if (p->procs[i].life == CREEL__NOBODY)
			return &p->procs[i];
	return NULL;
}

void creel__proc_clear_locked(struct creel__procs *p, struct creel__proc *w)
{
	*w = (struct creel__proc){.pidfd = -1};
	while (p->reach && p->procs[p->reach - 1].life == CREEL__NOBODY)
		p->reach--;
}

/* Workers that are on their way, or have nothing to do. */
static unsigned coming_locked(const struct creel__procs *p)
{
	unsigned n = 0;
	for (unsigned i = 0; i < p->reach; i++) {
		const struct creel__proc *w = &p->procs[i];
		n += w->life == CREEL__STARTING;
	}
	return n;
}

static bool spawn_one_locked(struct creel__procs *p)
{
	struct creel__proc *w = nobody_locked(p);
	if (!w)
		return false;
	unsigned i = creel__proc_index(p, w);
	struct creel__frame order = {
		.type = CREEL__FRAME_SPAWN, .worker = i, .incarnation = p->incarnation + 1};
	creel__space_reset(p->space, i);
	*w = (struct creel__proc){.life = CREEL__STARTING,
				  .incarnation = ++p->incarnation,
				  .pidfd = -1,
				  .depth = CREEL__FIRST_DEPTH,
				  .start_by = creel_in_ns(p->options.start_ns).ns};
	if (p->reach <= i)
		p->reach = i + 1;
	if (creel__frame_send(p->socket, &order, -1) < 0) {
		creel__proc_clear_locked(p, w);
		return false;
	}
	p->alive++;
	if (p->sleeping && w->start_by < p->wake_at)
		creel__kick(p);
	return true;
}

/* Tasks that wait behind others count as well: another worker could run them now. */
static size_t wanted_locked(const struct creel__procs *p)
{
	size_t waiting = p->queued;
	for (unsigned i = 0; i < p->reach; i++)
		waiting += p->procs[i].used > 1 ? p->procs[i].used - 1 : 0;
	return waiting > p->owed || p->closed ? waiting : p->owed;
}

void creel__spawn_locked(struct creel__procs *p)
{
	if (p->broken || p->socket < 0 || p->alive >= p->max_workers)
		return;
	size_t wanted = wanted_locked(p);
	if (wanted == 0 || (p->spawn_after && creel__now() < p->spawn_after))
		return;
	unsigned coming = coming_locked(p);
	while (coming < wanted && p->alive < p->max_workers && spawn_one_locked(p))
		coming++;
	p->owed = 0;
}
