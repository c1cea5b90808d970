/* SPDX-License-Identifier: MIT */
/*
 * Descriptors that a forked child must not keep open: close-on-exec is not enough where the other
 * end has to learn of the last close in this process.
 *
 * FORK   A handler of pthread_atfork() closes them in the child. vfork() and posix_spawn() run
 *        none, and need none: their children execute at once. A child of a bare clone() keeps them.
 *        A child that is forked while another thread registers the handlers may have them twice.
 * LOCKS  unshared.lock (rank 72, a leaf): the list. A fork takes it as well, so that the child
 *        finds the list whole.
 */
#include "sync/unshare.h"
#include "sync/fork.h"
#include "sync/local.h"
#include "sync/lock.h"
#include <errno.h>
#include <pthread.h>
#include <unistd.h>

static struct {
	struct creel__lock lock;
	struct creel__unshared *first;
	_Atomic(uint32_t) generation; /* of the handlers */
	int error;                    /* 0 once there are handlers */
} unshared = {.error = ENOMEM};

static void before_fork(void)
{
	if (creel__self()->forking++ == 0)
		creel__lock_acquire(&unshared.lock);
}

static void in_parent(void)
{
	if (--creel__self()->forking == 0)
		creel__lock_release(&unshared.lock);
}

static void in_child(void)
{
	for (const struct creel__unshared *u = unshared.first; u; u = u->next)
		if (creel__fd_is(u->fd, &u->mark))
			close(u->fd);
	unshared.first = NULL;
	unshared.lock = (struct creel__lock){0};
	creel__self()->forking = 0;
}

static void watch_forks(void)
{
	if (unshared.error)
		unshared.error = pthread_atfork(before_fork, in_parent, in_child);
}

int creel__unshare(struct creel__unshared *u, int fd)
{
	creel__fork_renew(&unshared.generation, watch_forks);
	u->fd = fd;
	u->mark = creel__fd_mark(fd);
	creel__lock_acquire(&unshared.lock);
	u->next = unshared.first;
	unshared.first = u;
	creel__lock_release(&unshared.lock);
	return -unshared.error;
}

void creel__unshare_end(struct creel__unshared *u)
{
	creel__lock_acquire(&unshared.lock);
	struct creel__unshared **at = &unshared.first;
	while (*at && *at != u)
		at = &(*at)->next;
	if (*at)
		*at = u->next;
	creel__lock_release(&unshared.lock);
}
