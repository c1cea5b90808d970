/* SPDX-License-Identifier: MIT */
/*
 * The manager: the one thread of a process pool in the parent.
 *
 * It sleeps in epoll on the bell (workers with outcomes, threads with requests) and on the socket
 * of the fork server (births, deaths, its own end), until the nearest of all deadlines. Before it
 * sleeps it says so and looks once more [BELL-1].
 *
 * THE END  Closed and nothing left to do: the workers retire, the server quits, and the manager
 *          leaves; if nobody refers to the pool any more it frees it.
 */
#include "base/clock.h"
#include "future/error.h"
#include "procs/pool.h"
#include "sync/local.h"
#include "sync/thread.h"
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#define LEAVE_NS INT64_C(10000000000) /* for a finalizer, before the worker is killed */
#define LOST_NS INT64_C(2000000000)   /* for what SIGKILL was sent to, when the server is lost */

#ifndef P_PIDFD
#define P_PIDFD 3
#endif

static int timeout_of(int64_t wake_at)
{
	if (wake_at == INT64_MAX)
		return -1;
	int64_t ns = wake_at - creel__now();
	if (ns <= 0)
		return 0;
	return ns > INT64_C(1000000000000) ? 1000000 : (int)((ns + 999999) / 1000000);
}

static void born(struct creel__procs *p, struct creel__proc *w, const struct creel__frame *f,
		 int fd)
{
	creel__lock_acquire(&p->lock);
	w->pid = f->pid;
	w->pidfd = fd;
	w->mark = creel__fd_mark(fd);
	if (w->dying)
		creel__signal_locked(p, w, SIGKILL);
	creel__procs_unlock(p);
}

/* There was no descriptor to be had for its pidfd: only the server can kill it. Later another. */
static void without_pidfd(struct creel__procs *p, struct creel__proc *w,
			  const struct creel__frame *f)
{
	creel__lock_acquire(&p->lock);
	if (w->life != CREEL__GHOST) {
		p->leaving += !w->retiring;
		w->retiring = w->dying = true;
		p->fork_failures++;
		p->spawn_after = creel_in_ns(CREEL__FORK_RETRY_NS * p->fork_failures).ns;
	}
	w->pid = f->pid;
	creel__signal_locked(p, w, SIGKILL);
	creel__procs_unlock(p);
}

static void fork_failed(struct creel__procs *p, struct creel__proc *w, int error)
{
	bool hopeless;
	creel__lock_acquire(&p->lock);
	/* A ghost is not counted any more. */
	p->alive -= w->life != CREEL__GHOST;
	p->leaving -= w->retiring;
	creel__proc_clear_locked(p, w);
	p->fork_failures++;
	p->spawn_after = creel_in_ns(CREEL__FORK_RETRY_NS * p->fork_failures).ns;
	hopeless = p->alive == 0 && p->fork_failures >= CREEL__DEATHS_BEFORE_READY;
	creel__procs_unlock(p);
	if (!hopeless)
		return;
	const creel_error *e = creel__error_make(
		CREEL_KIND_BROKEN, -error, NULL,
		"the system refuses to fork a worker (errno %d); raise the limit on processes",
		error);
	creel__procs_break(p, e);
	creel__error_unref(e);
}

/* All workers are buried. Nothing is held while the new server starts: whoever submits meanwhile
 * finds none, and need not wait for it. */
static void renew_server(struct creel__procs *p)
{
	bool may = !(p->options.flags & CREEL_PROCESS_BREAK_ON_LOSS);
	const char *code = "",
		   *what = may ? "it dies each time" : "CREEL_PROCESS_BREAK_ON_LOSS was asked for";
	creel__lock_acquire(&p->lock);
	/* What is lost is mourned first. */
	bool wanted = (!p->closed || p->queued || p->reserved) && creel__ends_check_locked(p);
	bool anew = wanted && may && ++p->servers_lost < CREEL__SERVERS_LOST;
	creel__procs_unlock(p);
	int rc = anew ? creel__server_start(p, &what) : 0;
	if (rc)
		code = creel_code_name(rc);
	if (rc == 0 && (anew || !wanted)) {
		creel__lock_acquire(&p->lock);
		creel__spawn_locked(p);
		creel__procs_unlock(p);
		return;
	}
	const creel_error *e = creel__error_make(
		CREEL_KIND_BROKEN, rc ? rc : CREEL_EFAILED, NULL,
		"the pool's fork server was lost, and was not replaced (%s%s%s)", what,
		rc ? ": " : "", code);
	creel__procs_break(p, e);
	creel__error_unref(e);
}

/* Whether a process has ended by then. */
static bool await_gone(int pidfd, int64_t until)
{
	struct pollfd gone = {.fd = pidfd, .events = POLLIN};
	int rc;
	do
		rc = poll(&gone, 1, timeout_of(until));
	while (rc < 0 && errno == EINTR);
	siginfo_t info;
	/* If the host is its reaper now. */
	if (rc > 0)
		waitid(P_PIDFD, (id_t)pidfd, &info, WEXITED | WNOHANG);
	return rc > 0;
}

/* What cannot be ended in time is given up: it holds nobody up. */
static void bury_all(struct creel__procs *p, int64_t until)
{
	for (unsigned i = 0; i < p->reach; i++) {
		struct creel__proc *w = &p->procs[i];
		if (w->life == CREEL__NOBODY || (w->life == CREEL__GHOST && w->pidfd >= 0))
			continue;
		bool dead = w->pidfd < 0 || await_gone(w->pidfd, until);
		/* It says nothing about the initializer. */
		creel__lock_acquire(&p->lock);
		if (w->life != CREEL__GHOST)
			w->life = CREEL__READY;
		creel__procs_unlock(p);
		creel__worker_died(p, w, dead ? -1 : CREEL__UNDEAD);
	}
}

/* Without its server the pool has no news of its workers: all end, and all starts anew. */
static void server_lost(struct creel__procs *p)
{
	int64_t until = creel_in_ns(LOST_NS).ns;
	creel__pidfd_kill(p->server_pidfd, SIGKILL);
	(void)await_gone(p->server_pidfd, until);
	/* From here on nobody orders a worker: whoever has a place below had it before. */
	creel__lock_acquire(&p->lock);
	creel__ends_detach_locked(p);
	for (unsigned i = 0; i < p->reach; i++)
		if (p->procs[i].pidfd >= 0)
			creel__signal_locked(p, &p->procs[i], SIGKILL);
	creel__procs_unlock(p);
	bury_all(p, until);
	renew_server(p);
}

/* The host has closed what the pool had: its end, which is told before the tasks end. */
static void mourn(struct creel__procs *p)
{
	const creel_error *e = creel__error_make(
		CREEL_KIND_BROKEN, -EBADF, NULL,
		"the host closed the pool's descriptors, or used their numbers; call "
		"creel_executor_close() before closefrom() and the like");
	creel_deadline until = creel_in_ns(LOST_NS);
	creel__executor_set_error(&p->base, creel__error_ref(e));
	creel__lock_acquire(&p->lock);
	bool served = p->server_pidfd >= 0;
	creel__procs_refuse_locked(p, true);
	creel__ends_forget_locked(p);
	p->mourned = true;
	creel__procs_unlock(p);
	if (served)
		creel__space_await_server(p->space, p->server_pid, until);
	bury_all(p, until.ns);
	creel__procs_break(p, e);
	creel__error_unref(e);
}

static bool server_is_dead(struct creel__procs *p)
{
	struct pollfd gone = {.fd = p->server_pidfd, .events = POLLIN};
	return poll(&gone, 1, 0) > 0;
}

/* What the server says of the stop key arrives when the host goes on, before any limit is looked
 * at: time in which all were stopped is no time of the tasks'. */
static void heard_key(struct creel__procs *p)
{
	creel__lock_acquire(&p->lock);
	p->stopped = true;
	creel__stop_answer_locked(p);
	creel__procs_unlock(p);
}

static void heard_continued(struct creel__procs *p, int ms)
{
	creel__lock_acquire(&p->lock);
	p->stopped = false;
	creel__time_exclude_locked(p, ms * INT64_C(1000000));
	creel__procs_unlock(p);
}

/* News from the server; false once it is gone. */
static bool hear(struct creel__procs *p)
{
	struct creel__frame f;
	int fd, rc;
	while ((rc = creel__frame_receive(p->socket, &f, &fd, MSG_DONTWAIT)) == 1 ||
	       rc == -EBADMSG) {
		if (rc < 0)
			f = (struct creel__frame){0};
		struct creel__proc *w = f.worker < p->space->workers ? &p->procs[f.worker] : NULL;
		/* Whoever asked for it may still be writing that down. */
		creel__lock_acquire(&p->lock);
		bool mine = w && w->life != CREEL__NOBODY && w->incarnation == f.incarnation;
		creel__procs_unlock(p);
		if (f.type == CREEL__FRAME_KEY) {
			heard_key(p);
		} else if (f.type == CREEL__FRAME_CONTINUED && f.status >= 0) {
			heard_continued(p, f.status);
		} else if (mine && f.type == CREEL__FRAME_BORN && fd >= 0) {
			born(p, w, &f, fd);
			fd = -1;
		} else if (mine && f.type == CREEL__FRAME_BORN) {
			without_pidfd(p, w, &f);
		} else if (mine && f.type == CREEL__FRAME_HALTED) {
			creel__worker_halted(p, w, f.status != 0);
		} else if (mine && f.type == CREEL__FRAME_DEAD) {
			creel__worker_died(p, w, f.status);
		} else if (mine && f.type == CREEL__FRAME_FAILED) {
			fork_failed(p, w, f.status);
		}
		if (fd >= 0)
			close(fd);
	}
	return rc == -EAGAIN;
}

/* To each worker in its own page: what one of them does to its word holds up nobody else. */
static void say_sleeping_locked(struct creel__procs *p, uint32_t sleeps)
{
	for (unsigned i = 0; i < p->reach; i++)
		if (p->procs[i].life != CREEL__NOBODY)
			/* [BELL-1] seq_cst: said before the last look; pairs with the worker's look
			 * for a sleeper after its step to DONE */
			creel__store(&creel__space_control(p->space, i)->parent_sleeps, sleeps,
				     seq_cst);
}

/* Sleeps, says that it is over, and whether there is news of the server's. */
static bool sleep_until(struct creel__procs *p, int64_t wake_at)
{
	struct epoll_event events[4];
	int n = epoll_wait(p->epoll, events, 4, timeout_of(wake_at));
	bool interrupted = n < 0 && errno == EINTR, news = interrupted;
	bool lost = n < 0 && !interrupted;
	creel__lock_acquire(&p->lock);
	say_sleeping_locked(p, 0);
	p->sleeping = false;
	creel__procs_unlock(p);
	for (int i = 0; i < n && !lost; i++) {
		enum creel__rang rang = creel__ends_hush(p, events[i].data.fd);
		news |= rang == CREEL__RANG_OTHER;
		lost = rang == CREEL__RANG_LOST;
	}
	/* A host that closes one descriptor after the other may not have come to the bell. */
	news |= p->server_pidfd >= 0 && creel__space_server_leaves(p->space, p->server_pid);
	if (!lost && !news)
		return false;
	creel__lock_acquire(&p->lock);
	if (lost && !p->lost)
		creel__ends_lose_locked(p);
	/* Interrupted: the host was stopped, perhaps by the key, and there is news of that. */
	news = news && creel__ends_check_locked(p);
	creel__procs_unlock(p);
	return news;
}

/* The manager of a lost pool, until everybody has let go of it. */
static void sleep_mourning(struct creel__procs *p, int64_t wake_at)
{
	creel__lock_acquire(&p->lock);
	if (p->queued == 0 && (p->withdrawn || p->watchers || p->cancelling || p->reserved) &&
	    !p->handed && !p->doomed)
		creel__cond_wait(&p->changed, &p->lock, (creel_deadline){wake_at});
	p->sleeping = false;
	creel__procs_unlock(p);
}

/* What waiters have fetched, and must not end themselves. */
static void end_handed(struct creel__procs *p)
{
	creel__lock_acquire(&p->lock);
	creel_future *list = p->handed;
	p->handed = NULL;
	creel__procs_unlock(p);
	unsigned n = 0;
	for (; list; n++) {
		creel_future *f = list;
		list = f->next;
		creel__task_end_hooked((creel_task *)f);
	}
	if (n)
		creel__count_finished(p, n);
}

/* Workers that were killed and do not die. */
static void give_up(struct creel__procs *p)
{
	int64_t now = 0;
	for (unsigned i = 0; i < p->reach; i++) {
		struct creel__proc *w = &p->procs[i];
		creel__lock_acquire(&p->lock);
		bool due = w->give_up_at && w->life != CREEL__GHOST &&
			   w->give_up_at <= (now = now ? now : creel__now());
		creel__procs_unlock(p);
		if (due)
			creel__worker_died(p, w, CREEL__UNDEAD);
	}
}

/* A slice of what a shutdown had no time for. */
static void cancel_doomed(struct creel__procs *p)
{
	creel__lock_acquire(&p->lock);
	creel_future *list = p->doomed;
	creel__procs_unlock(p);
	if (!list)
		return;
	uint64_t later; /* none: the manager is in no destructor here */
	uint64_t cancelled = creel__cancel_until(&p->base, &list, creel__cancel_by(CREEL_NOW),
						 &later);
	creel__lock_acquire(&p->lock);
	p->doomed = list;
	p->cancelled += cancelled;
	creel__cond_broadcast_locked(&p->changed);
	creel__procs_unlock(p);
}

/* One round; false when the pool has come to its end. */
static bool turn(struct creel__procs *p)
{
	(void)creel__collect(p);
	end_handed(p);
	cancel_doomed(p);
	creel__lock_acquire(&p->lock);
	bool stuck = p->broken && p->queued && p->alive == 0;
	creel__procs_unlock(p);
	/* What the last workers of a broken pool left behind. */
	if (stuck)
		creel__procs_break(p, creel_executor_error(&p->base));
	bool bell = creel__ends_has_bell(p);
	creel__lock_acquire(&p->lock);
	/* A limit that is set meanwhile may be for a worker that has been looked at. */
	p->wake_at = INT64_MAX;
	int64_t wake_at = creel__check_time_locked(p);
	if (p->wake_at < wake_at)
		wake_at = p->wake_at;
	bool over = p->closed && p->queued == 0 && p->alive == 0 && p->withdrawn == 0 &&
		    p->watchers == 0 && !p->handed && !p->doomed && p->cancelling == 0 &&
		    p->reserved == 0;
	p->sleeping = true;
	p->wake_at = wake_at;
	say_sleeping_locked(p, 1);
	if (creel__anything_done(p) || p->doomed)
		wake_at = 0;
	if (!bell && !p->lost)
		creel__ends_lose_locked(p);
	bool lost = p->lost, news = false;
	creel__procs_unlock(p);
	if (over)
		return false;
	if (p->mourned)
		sleep_mourning(p, wake_at);
	else if (lost)
		mourn(p);
	else
		news = sleep_until(p, wake_at);
	/* Asked first: what it had said before it died is heard first. */
	bool dead = news && server_is_dead(p);
	if (news && (!hear(p) || dead))
		server_lost(p);
	if (p->undead) {
		p->undead = false;
		give_up(p);
	}
	return true;
}

/* Those that were given up keep their pidfds until they are dead, or for as long as the pool. */
static void forget_ghosts_locked(struct creel__procs *p)
{
	for (unsigned i = p->reach; i-- > 0;)
		if (p->procs[i].life == CREEL__GHOST)
			creel__proc_clear_locked(p, &p->procs[i]);
}

/* All workers are gone: the server goes as well, by itself or not. */
static void dismiss_server(struct creel__procs *p)
{
	creel__lock_acquire(&p->lock);
	bool served = p->server_pidfd >= 0 && creel__ends_check_locked(p);
	creel__procs_unlock(p);
	if (!served)
		return;
	struct creel__frame quit = {.type = CREEL__FRAME_QUIT};
	creel__space_heard_server(p->space, p->server_pid);
	(void)creel__frame_send(p->socket, &quit, -1, MSG_DONTWAIT);
	if (await_gone(p->server_pidfd, creel_in_ns(LEAVE_NS).ns))
		return;
	/* One that cannot be killed either sees that its socket is closed, when it sees again. */
	creel__pidfd_kill(p->server_pidfd, SIGKILL);
	(void)await_gone(p->server_pidfd, creel_in_ns(LOST_NS).ns);
}

void *creel__manager(void *procs)
{
	struct creel__procs *p = procs;
	(void)creel__thread_no_cancel();
	creel__self()->own = true;
	creel__thread_set_name(p->name, 0);
	creel__error_fill_reserve();
	while (turn(p))
		;
	dismiss_server(p);
	creel__error_drop_reserve();
	creel__self()->left = p;
	creel__lock_acquire(&p->lock);
	forget_ghosts_locked(p);
	creel__ends_close_locked(p);
	p->ended = true;
	bool last = p->released;
	creel__cond_broadcast_locked(&p->changed);
	creel__procs_unlock(p);
	if (last) {
		creel__thread_detach(creel__thread_self());
		creel__procs_free(p);
	}
	return NULL;
}
