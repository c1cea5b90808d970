/* SPDX-License-Identifier: MIT */
/* Sleeping for a bell and for files; see compose/poller.h. */
#include "compose/poller.h"
#include <errno.h>

#ifdef __linux__

#include "base/clock.h"
#include "base/fd.h"
#include "sync/thread.h"
#include <creel/driven.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/syscall.h>
#include <unistd.h>

#define BELL UINT64_MAX

#define LONGEST_NS CREEL_S(1000000) /* what any time_t can say */

static uint32_t to_epoll(unsigned events)
{
	return (events & CREEL_READABLE ? EPOLLIN : 0u) |
	       (events & CREEL_WRITABLE ? EPOLLOUT : 0u) | (events & CREEL_URGENT ? EPOLLPRI : 0u);
}

static unsigned from_epoll(uint32_t events)
{
	return (events & EPOLLIN ? CREEL_READABLE : 0u) |
	       (events & EPOLLOUT ? CREEL_WRITABLE : 0u) | (events & EPOLLPRI ? CREEL_URGENT : 0u) |
	       (events & EPOLLHUP ? CREEL_HUNG_UP : 0u) | (events & EPOLLERR ? CREEL_ERROR : 0u);
}

/* 0 or -errno, which is preserved. */
static int control(const struct creel__poller *p, int how, int fd, uint32_t events, uint64_t tag)
{
	int saved = errno;
	struct epoll_event event = {.events = events, .data.u64 = tag};
	int rc = epoll_ctl(p->set, how, fd, &event) < 0 ? -errno : 0;
	errno = saved;
	return rc;
}

int creel__poller_open(struct creel__poller *p)
{
	int saved = errno, rc = 0;
	p->set = creel__fd_raise(epoll_create1(EPOLL_CLOEXEC));
	p->bell = p->set < 0 ? -1 : creel__fd_raise(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
	if (p->bell < 0)
		rc = -errno;
	else
		rc = control(p, EPOLL_CTL_ADD, p->bell, EPOLLIN, BELL);
	errno = saved;
	if (rc)
		creel__poller_close(p);
	return rc;
}

void creel__poller_close(struct creel__poller *p)
{
	int saved = errno, state = creel__thread_no_cancel();
	if (p->bell >= 0)
		close(p->bell);
	if (p->set >= 0)
		close(p->set);
	p->set = p->bell = -1;
	creel__thread_cancel_again(state);
	errno = saved;
}

void creel__poller_ring(const struct creel__poller *p)
{
	int saved = errno;
	uint64_t one = 1;
	(void)!syscall(SYS_write, p->bell, &one, sizeof one);
	errno = saved;
}

void creel__poller_hush(const struct creel__poller *p)
{
	int saved = errno;
	uint64_t count;
	(void)!syscall(SYS_read, p->bell, &count, sizeof count);
	errno = saved;
}

int creel__poller_arm(const struct creel__poller *p, int fd, unsigned events, uint64_t tag,
		      bool added, bool *ret_fresh)
{
	uint32_t wanted = to_epoll(events) | EPOLLONESHOT;
	int rc = -ENOENT;
	if (added)
		rc = control(p, EPOLL_CTL_MOD, fd, wanted, tag);
	*ret_fresh = rc == -ENOENT || rc == -EPERM || rc == -EBADF;
	if (rc == -ENOENT)
		rc = control(p, EPOLL_CTL_ADD, fd, wanted, tag);
	/* What the number was before could not be taken out, and has come back by dup2(). */
	if (rc == -EEXIST)
		rc = control(p, EPOLL_CTL_MOD, fd, wanted, tag);
	return rc;
}

void creel__poller_disarm(const struct creel__poller *p, int fd)
{
	(void)control(p, EPOLL_CTL_DEL, fd, 0, 0);
}

/* epoll_wait() counts in milliseconds: with a deadline it does not sleep. */
static void sleep_until(const struct creel__poller *p, creel_deadline deadline)
{
	int64_t left = deadline.ns - creel__now();
	if (left <= 0)
		return;
	left = left < LONGEST_NS ? left : LONGEST_NS;
	struct pollfd one = {.fd = p->set, .events = POLLIN};
	struct timespec time = {.tv_sec = (time_t)(left / CREEL_S(1)),
				.tv_nsec = (long)(left % CREEL_S(1))};
	(void)!ppoll(&one, 1, &time, NULL);
}

int creel__poller_wait(const struct creel__poller *p, struct creel__polled *ret_polled, int n,
		       creel_deadline deadline)
{
	struct epoll_event events[CREEL__POLLED_MOST];
	int saved = errno, state = creel__thread_no_cancel(), count = 0;
	bool forever = creel__is_forever(deadline);
	if (!forever)
		sleep_until(p, deadline);
	int found = epoll_wait(p->set, events, n, forever ? -1 : 0);
	if (found < 0 && errno != EINTR)
		count = -errno;
	for (int i = 0; i < found; i++)
		if (events[i].data.u64 != BELL)
			ret_polled[count++] = (struct creel__polled){events[i].data.u64,
								     from_epoll(events[i].events)};
	creel__thread_cancel_again(state);
	errno = saved;
	return count;
}

#else

int creel__poller_open(struct creel__poller *p)
{
	p->set = p->bell = -1;
	return -ENOTSUP;
}

void creel__poller_close(struct creel__poller *p)
{
	(void)p;
}

void creel__poller_ring(const struct creel__poller *p)
{
	(void)p;
}

void creel__poller_hush(const struct creel__poller *p)
{
	(void)p;
}

int creel__poller_arm(const struct creel__poller *p, int fd, unsigned events, uint64_t tag,
		      bool added, bool *ret_fresh)
{
	(void)p;
	(void)fd;
	(void)events;
	(void)tag;
	*ret_fresh = !added;
	return -ENOTSUP;
}

void creel__poller_disarm(const struct creel__poller *p, int fd)
{
	(void)p;
	(void)fd;
}

int creel__poller_wait(const struct creel__poller *p, struct creel__polled *ret_polled, int n,
		       creel_deadline deadline)
{
	(void)p;
	(void)ret_polled;
	(void)n;
	(void)deadline;
	return -ENOTSUP;
}

#endif
