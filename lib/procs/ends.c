/* SPDX-License-Identifier: MIT */
/*
 * The parent's descriptors, and what happens if the host takes them away: closefrom(3), a close()
 * too many, a number that is used for something else.
 *
 * LOSS   Pipes and sockets have inodes of their own, other descriptors at least one of their sort.
 *        So the pool looks, before it uses a descriptor, whether the number is still the one that
 *        it made. One that is not means that none can be trusted: the pool is lost, and from then
 *        on it uses and closes no descriptor at all.
 * NEWS   Nobody could wake a manager whose descriptors are gone, but the server can. It has both
 *        ends of the manager's bell open, so the pipe lives and stays in the epoll set, whatever
 *        the host closes. The server sees that the host's end of the socket is closed, ends all
 *        workers, says in shared memory that it leaves, rings, and leaves. So the manager looks at
 *        all descriptors then: those of the bell may not be closed yet, and nobody rings again.
 *        The server stays until the manager has heard it, since the bell may go with it.
 *        Whoever finds another descriptor missing orders the server to do the same.
 * DEATHS Then the manager has no pidfds. The server says in shared memory that all are gone, which
 *        no worker has (struct creel__parting). The manager waits for that, but not for ever.
 * FORK   The server takes the end of its socket for the end of the host's use of it, which execve()
 *        is as well. So a child that the host forks does not keep the socket (sync/unshare.h).
 */
#include "base/fd.h"
#include "procs/pool.h"
#include <errno.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

int creel__ends_make(struct creel__procs *p)
{
	int rc = creel__bell_make(p->bell);
	if (rc)
		return rc;
	p->bell_mark = creel__fd_mark(p->bell[0]);
	p->epoll = creel__fd_raise(epoll_create1(EPOLL_CLOEXEC));
	if (p->epoll < 0)
		return -errno;
	p->epoll_mark = creel__fd_mark(p->epoll);
	struct epoll_event event = {.events = EPOLLIN, .data.fd = p->bell[0]};
	return epoll_ctl(p->epoll, EPOLL_CTL_ADD, p->bell[0], &event) < 0 ? -errno : 0;
}

int creel__watch(struct creel__procs *p, int fd)
{
	struct epoll_event event = {.events = EPOLLIN, .data.fd = fd};
	return epoll_ctl(p->epoll, EPOLL_CTL_ADD, fd, &event) < 0 ? -errno : 0;
}

/* The server's news, and its end: the socket may stay open without it, in a child that somebody
 * made without fork(). */
int creel__ends_attach_locked(struct creel__procs *p, const struct creel__served *served, int rung)
{
	p->socket = served->socket;
	p->socket_mark = creel__fd_mark(p->socket);
	p->rung = rung;
	p->rung_mark = creel__fd_mark(rung);
	p->server_pidfd = served->pidfd;
	p->server_mark = creel__fd_mark(served->pidfd);
	p->server_pid = served->pid;
	int rc = creel__unshare(&p->unshared, p->socket);
	if (rc == 0)
		rc = creel__watch(p, p->socket);
	if (rc == 0)
		rc = creel__watch(p, p->rung);
	if (rc == 0)
		rc = creel__watch(p, p->server_pidfd);
	if (rc)
		creel__ends_detach_locked(p);
	return rc;
}

static bool is_ours(int fd, const struct creel__fd_mark *mark)
{
	return fd < 0 || creel__fd_is(fd, mark);
}

static bool are_ours(const struct creel__procs *p)
{
	return is_ours(p->bell[0], &p->bell_mark) && is_ours(p->bell[1], &p->bell_mark) &&
	       is_ours(p->socket, &p->socket_mark) && is_ours(p->rung, &p->rung_mark) &&
	       is_ours(p->server_pidfd, &p->server_mark) && is_ours(p->epoll, &p->epoll_mark);
}

void creel__ends_lose_locked(struct creel__procs *p)
{
	struct creel__frame quit = {.type = CREEL__FRAME_QUIT};
	p->lost = true;
	/* As far as they are ours: either wakes the manager. */
	if (p->socket >= 0 && is_ours(p->socket, &p->socket_mark))
		(void)creel__frame_send(p->socket, &quit, -1, MSG_DONTWAIT);
	if (is_ours(p->bell[1], &p->bell_mark))
		creel__bell_kick(p->bell[1]);
	creel__cond_broadcast_locked(&p->changed);
}

bool creel__ends_check_locked(struct creel__procs *p)
{
	if (!p->lost && !are_ours(p))
		creel__ends_lose_locked(p);
	return !p->lost;
}

bool creel__ends_has_bell(const struct creel__procs *p)
{
	return is_ours(p->bell[0], &p->bell_mark);
}

void creel__kick(struct creel__procs *p)
{
	if (p->ended)
		return;
	if (p->lost)
		/* The manager has nothing else to sleep on. */
		creel__cond_broadcast_locked(&p->changed);
	else if (is_ours(p->bell[1], &p->bell_mark))
		creel__bell_kick(p->bell[1]);
	else
		creel__ends_lose_locked(p);
}

/* Without the lock: only the manager changes the descriptors and their marks. */
enum creel__rang creel__ends_hush(const struct creel__procs *p, int fd)
{
	bool rung = fd == p->rung;
	if (!rung && fd != p->bell[0])
		return CREEL__RANG_OTHER;
	if (!is_ours(fd, rung ? &p->rung_mark : &p->bell_mark))
		return CREEL__RANG_LOST;
	creel__bell_hush(fd);
	return CREEL__RANG;
}

/* Closing is not enough: somebody else may have it as well. */
static void unwatch(struct creel__procs *p, int *fd, bool ours)
{
	int old = *fd;
	/* Forgotten first: a child that is forked in between must not close the number. */
	*fd = -1;
	if (old >= 0 && ours) {
		epoll_ctl(p->epoll, EPOLL_CTL_DEL, old, NULL);
		close(old);
	}
}

void creel__ends_detach_locked(struct creel__procs *p)
{
	bool ours = creel__ends_check_locked(p);
	if (p->server_pidfd >= 0)
		creel__space_heard_server(p->space, p->server_pid);
	creel__unshare_end(&p->unshared);
	unwatch(p, &p->socket, ours);
	unwatch(p, &p->rung, ours);
	unwatch(p, &p->server_pidfd, ours);
	p->stopped = false;
	p->answer_at = p->answer_ns = 0;
}

static void drop(int *fd, bool ours)
{
	int old = *fd;
	*fd = -1;
	if (old >= 0 && ours)
		close(old);
}

static void let_go(int fd, const struct creel__fd_mark *mark)
{
	if (fd >= 0 && creel__fd_is(fd, mark))
		close(fd);
}

void creel__ends_let_go(creel_executor *ex)
{
	const struct creel__procs *p = (struct creel__procs *)ex;
	let_go(p->bell[1], &p->bell_mark);
	let_go(p->bell[0], &p->bell_mark);
	let_go(p->epoll, &p->epoll_mark);
	let_go(p->socket, &p->socket_mark);
	let_go(p->rung, &p->rung_mark);
	let_go(p->server_pidfd, &p->server_mark);
	for (unsigned i = 0; i < CREEL__PROCS_MAX; i++)
		let_go(p->procs[i].pidfd, &p->procs[i].mark);
}

void creel__ends_forget_locked(struct creel__procs *p)
{
	for (unsigned i = 0; i < p->reach; i++)
		p->procs[i].pidfd = -1;
	creel__ends_close_locked(p);
}

void creel__ends_close_locked(struct creel__procs *p)
{
	bool ours = creel__ends_check_locked(p);
	creel__ends_detach_locked(p);
	drop(&p->epoll, ours);
	drop(&p->bell[0], ours);
	drop(&p->bell[1], ours);
}
