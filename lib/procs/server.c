/* SPDX-License-Identifier: MIT */
/*
 * The parent's side of the fork server: taking a new one (procs/start.c) into service, asking it
 * for workers, letting go of one that is gone.
 */
#include "base/cgroup.h"
#include "base/clock.h"
#include "procs/pool.h"
#include <creel/future.h>
#include <errno.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

enum { FORKS = 8 }; /* attempts at one server, while libraries are unloaded */

/* Forks one that has what the table says: nothing was unloaded meanwhile. */
static int fork_settled(struct creel__procs *p, struct creel__child *c,
			struct creel__served *served, struct creel__code **ret_code,
			const char **ret_what)
{
	for (int i = 0; i < FORKS; i++) {
		*ret_what = "memory for the table of functions";
		struct creel__code *code = *ret_code = creel__code_new();
		if (!code)
			return -ENOMEM;
		*ret_what = creel__code_check(p, code);
		int rc = *ret_what ? -ENOEXEC
				   : creel__server_fork(c, creel_in_ns(p->options.start_ns), served,
							ret_what);
		if (rc == 0 && creel__code_settled(code))
			return 0;
		creel__code_free(code);
		if (rc)
			return rc;
		creel__server_undo(served);
	}
	*ret_what = "a moment in which no library is unloaded";
	return -EAGAIN;
}

static int start(struct creel__procs *p, struct creel__child *c, int rung, const char **ret_what)
{
	struct creel__served served;
	struct creel__code *code;
	int rc = fork_settled(p, c, &served, &code, ret_what);
	if (rc) {
		close(rung);
		return rc;
	}
	*ret_what = "a descriptor";
	creel__lock_acquire(&p->lock);
	/* What those of its workers' deaths are compared with: it has none yet. */
	p->oom_kills = creel__cgroup_oom_kills(NULL, served.pid);
	p->oom_due = 0;
	creel_future *stale = creel__code_renew_locked(p, code);
	rc = creel__ends_attach_locked(p, &served, rung);
	creel__procs_unlock(p);
	creel__stale_fail(p, stale);
	return rc;
}

int creel__server_start(struct creel__procs *p, const char **ret_what)
{
	struct creel__child c = {.space = p->space,
				 .executor = &p->base,
				 .keep = p->keep,
				 .keep_count = p->options.keep_fds_count,
				 .host_bell = {p->bell[0], p->bell[1]},
				 .options = p->options};
	int saved = errno, bell[2];
	snprintf(c.name, sizeof c.name, "%s", p->name);
	*ret_what = "a pipe for the bell";
	int rc = creel__bell_make(bell);
	if (rc == 0) {
		c.bell = bell[1];
		rc = start(p, &c, bell[0], ret_what);
		close(bell[1]);
	}
	errno = saved;
	return rc;
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
	int pidfd = w->pidfd;
	bool ours = pidfd >= 0 && creel__ends_check_locked(p) && creel__fd_is(pidfd, &w->mark);
	if (ours && w->life == CREEL__GHOST)
		epoll_ctl(p->epoll, EPOLL_CTL_DEL, pidfd, NULL);
	/* Forgotten first: a child that is forked in between must not close the number. */
	*w = (struct creel__proc){.pidfd = -1};
	if (ours)
		close(pidfd);
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
	bool holes = creel__space_reset(p->space, i);
	*w = (struct creel__proc){.life = CREEL__STARTING,
				  .holes = holes,
				  .incarnation = ++p->incarnation,
				  .pidfd = -1,
				  .depth = CREEL__FIRST_DEPTH,
				  .start_by = creel_in_ns(p->options.start_ns).ns};
	if (p->reach <= i)
		p->reach = i + 1;
	int rc = creel__frame_send(p->socket, &order, -1, MSG_DONTWAIT);
	if (rc < 0) {
		/* A server that is gone is replaced. One that does not read is asked again. */
		if (rc == -EAGAIN)
			p->spawn_after = creel_in_ns(CREEL__FORK_RETRY_NS).ns;
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
	size_t waiting = p->queued + p->behind;
	return waiting > p->owed || p->closed ? waiting : p->owed;
}

/* Something waits: those that are stopped and run nothing make room for others. */
static void end_halted_locked(struct creel__procs *p)
{
	p->halted = false;
	for (unsigned i = 0; i < p->reach; i++) {
		struct creel__proc *w = &p->procs[i];
		p->halted |= w->halted && !w->dying;
		if (w->halted && !w->dying && !w->used && w->life == CREEL__READY)
			creel__kill_worker_locked(p, w, 0);
	}
}

void creel__spawn_locked(struct creel__procs *p)
{
	if (p->broken || creel__load(&p->base.paused, relaxed) || p->socket < 0 ||
	    (p->alive >= p->max_workers && !p->halted))
		return;
	size_t wanted = wanted_locked(p);
	if (p->alive >= p->max_workers) {
		if (wanted)
			end_halted_locked(p);
		return;
	}
	if (wanted == 0 || (p->spawn_after && creel__now() < p->spawn_after))
		return;
	unsigned coming = coming_locked(p);
	while (coming < wanted && p->alive < p->max_workers && creel__ends_check_locked(p) &&
	       spawn_one_locked(p))
		coming++;
	p->owed = 0;
}
