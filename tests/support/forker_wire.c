/* SPDX-License-Identifier: MIT */
/* All ends of wires that this process has open, so that a child closes those that are not its own.
 * See ENDS in forker.c. */
#include "forker_wire.h"

#include <pthread.h>
#include <sys/socket.h>
#include <unistd.h>

static pthread_mutex_t ends_lock = PTHREAD_MUTEX_INITIALIZER;
static struct ct_wire_end *ends;                    /* all that this process has open */
static _Thread_local const struct ct_wire_end *own; /* the one of the child that is being forked */

static void before_fork(void)
{
	pthread_mutex_lock(&ends_lock);
}

static void after_fork(void)
{
	pthread_mutex_unlock(&ends_lock);
}

static void in_child(void)
{
	for (; ends; ends = ends->next)
		if (ends != own)
			close(ends->fd);
	pthread_mutex_unlock(&ends_lock);
}

void ct_wires_prepare(void)
{
	(void)pthread_atfork(before_fork, after_fork, in_child);
}

bool ct_wire_open(struct ct_wire_end *here, struct ct_wire_end *there)
{
	int fd[2];
	pthread_mutex_lock(&ends_lock);
	bool open = socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fd) == 0;
	if (open) {
		*there = (struct ct_wire_end){fd[1], ends};
		*here = (struct ct_wire_end){fd[0], there};
		ends = here;
	}
	pthread_mutex_unlock(&ends_lock);
	return open;
}

void ct_wire_close(const struct ct_wire_end *end)
{
	pthread_mutex_lock(&ends_lock);
	struct ct_wire_end **at = &ends;
	while (*at != end)
		at = &(*at)->next;
	*at = end->next;
	close(end->fd);
	pthread_mutex_unlock(&ends_lock);
}

pid_t ct_wire_fork(const struct ct_wire_end *there)
{
	own = there;
	pid_t pid = fork();
	own = NULL;
	return pid;
}
