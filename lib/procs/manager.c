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
#include "core/error.h"
#include "core/future.h"
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
#define LOOK_NS INT64_C(1000000000)   /* at busy workers, at most so often */
#define FORK_RETRY_NS INT64_C(20000000)

#ifndef P_PIDFD
#define P_PIDFD 3
#endif

static void earliest(int64_t *wake_at, int64_t at)
{
	if (at && at < *wake_at)
		*wake_at = at;
}

/* A limit has passed since the task was sent: since it started? Returns when to look again;
 * 0: never. */
static int64_t check_limit_locked(struct creel__procs *p, struct creel__proc *w, unsigned i,
				  int64_t now)
{
	struct creel__place *place = &w->place[i];
	struct creel__slot *slot = creel__slot_of(p, w, i);
	if (place->check_at > now)
		return place->check_at;
	/* [SLOT-3] acquire: sees when it started; pairs with the worker's step to RUNNING */
	if (creel__load(&slot->state, acquire) == CREEL__SLOT(place->seq, CREEL__SLOT_RUNNING)) {
		/* The worker's own word for it, where that can be true. */
		int64_t started = creel__load(&slot->started, relaxed);
		if (started > now || started < place->check_at - place->limit_ns)
			started = place->check_at - place->limit_ns;
		if (now - started >= place->limit_ns) {
			creel__fence_locked(p, w, i, CREEL_KIND_TIMED_OUT, p->options.grace_ns);
			return 0;
		}
		place->check_at = started + place->limit_ns;
	} else {
		place->check_at = now + place->limit_ns;
	}
	return place->check_at;
}

static void check_limits_locked(struct creel__procs *p, struct creel__proc *w, int64_t now,
				int64_t *wake_at)
{
	for (unsigned i = 0; i < CREEL__DEPTH && !w->dying; i++)
		if (w->place[i].task && w->place[i].check_at)
			earliest(wake_at, check_limit_locked(p, w, i, now));
}

static void retire_locked(struct creel__procs *p, struct creel__proc *w, int64_t now)
{
	w->retiring = true;
	p->leaving++;
	w->kill_at = w->used ? 0 : now + LEAVE_NS;
	/* [BELL-1] seq_cst: a change of state, before the look for a sleeper */
	creel__store(&creel__space_control(p->space, creel__proc_index(p, w))->retire, 1, seq_cst);
	creel__wake_worker_locked(p, w);
}

/* A ready worker with nothing to do: whether it has served its time. */
static bool is_over_locked(struct creel__procs *p, struct creel__proc *w, int64_t now)
{
	if (p->closed && p->queued == 0)
		return true;
	if (!w->idle_since)
		w->idle_since = now;
	return p->options.idle_ns != CREEL_NEVER && p->alive - p->leaving > p->min_workers &&
	       now - w->idle_since >= p->options.idle_ns;
}

static void check_ready_locked(struct creel__procs *p, struct creel__proc *w, int64_t now,
			       int64_t *wake_at)
{
	/* What it has been given it may finish; then it has a while to leave. */
	if (w->retiring && !w->dying && !w->used && !w->kill_at)
		w->kill_at = now + LEAVE_NS;
	if (w->retiring || w->dying)
		return;
	if (w->holes)
		w->worn = !creel__load(&p->space->holds[creel__proc_index(p, w)].orphans, relaxed);
	if (w->used)
		w->idle_since = 0;
	if (creel__is_worn_locked(p, w)) {
		/* It gets nothing more, and may finish what it has. */
		if (w->used)
			return;
		p->recycled++;
		retire_locked(p, w, now);
	} else if (p->alive - p->leaving > p->max_workers ||
		   (!w->used && is_over_locked(p, w, now))) {
		retire_locked(p, w, now);
	} else if (p->options.idle_ns != CREEL_NEVER && p->alive - p->leaving > p->min_workers) {
		int64_t idle = p->options.idle_ns;
		/* A busy one may idle from now on, by its waiter's hand. With this look ahead the
		 * waiter need not tell, unless the idle time is short. */
		if (w->used)
			earliest(wake_at, now + (idle > LOOK_NS ? idle : LOOK_NS));
		else
			earliest(wake_at, w->idle_since + idle);
	}
}

/* Everything that depends on time. Returns when to look again. */
static int64_t check_time_locked(struct creel__procs *p)
{
	int64_t now = creel__now(), wake_at = INT64_MAX;
	for (unsigned i = 0; i < p->reach; i++) {
		struct creel__proc *w = &p->procs[i];
		if (w->life == CREEL__NOBODY)
			continue;
		if (p->limited)
			check_limits_locked(p, w, now, &wake_at);
		if (w->life == CREEL__READY)
			check_ready_locked(p, w, now, &wake_at);
		else if (w->start_by && w->start_by <= now && !w->dying) {
			w->late = true;
			creel__kill_worker_locked(p, w, 0);
		}
		if (w->kill_at && w->kill_at <= now && w->pidfd >= 0) {
			creel__pidfd_kill(w->pidfd, SIGKILL);
			w->kill_at = 0;
		}
		if (w->pidfd >= 0)
			earliest(&wake_at, w->kill_at);
		if (!w->dying)
			earliest(&wake_at, w->start_by);
	}
	if (p->spawn_after && p->spawn_after <= now) {
		p->spawn_after = 0;
		creel__spawn_locked(p);
	}
	earliest(&wake_at, p->spawn_after);
	return wake_at;
}

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
	if (w->dying)
		creel__pidfd_kill(fd, SIGKILL);
	creel__procs_unlock(p);
}

/* There was no descriptor to be had for its pidfd: only the server can kill it. Later another. */
static void without_pidfd(struct creel__procs *p, struct creel__proc *w,
			  const struct creel__frame *f)
{
	struct creel__frame order = {
		.type = CREEL__FRAME_KILL, .worker = f->worker, .incarnation = f->incarnation};
	creel__lock_acquire(&p->lock);
	p->leaving += !w->retiring;
	w->pid = f->pid;
	w->retiring = w->dying = true;
	p->fork_failures++;
	p->spawn_after = creel_in_ns(FORK_RETRY_NS * p->fork_failures).ns;
	(void)creel__frame_send(p->socket, &order, -1);
	creel__procs_unlock(p);
}

static void fork_failed(struct creel__procs *p, struct creel__proc *w, int error)
{
	bool hopeless;
	creel__lock_acquire(&p->lock);
	creel__proc_clear_locked(p, w);
	p->alive--;
	p->fork_failures++;
	p->spawn_after = creel_in_ns(FORK_RETRY_NS * p->fork_failures).ns;
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
	bool wanted = !p->closed || p->queued;
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

/* Without its server the pool has no news of its workers: all end, and all starts anew. */
static void server_lost(struct creel__procs *p)
{
	struct pollfd gone = {.fd = p->server_pidfd, .events = POLLIN};
	creel__pidfd_kill(p->server_pidfd, SIGKILL);
	while (poll(&gone, 1, -1) < 0 && errno == EINTR)
		;
	siginfo_t info;
	waitid(P_PIDFD, (id_t)p->server_pidfd, &info, WEXITED);
	/* From here on nobody orders a worker: whoever has a place below had it before. */
	creel__lock_acquire(&p->lock);
	creel__server_drop_locked(p);
	creel__procs_unlock(p);
	for (unsigned i = 0; i < p->reach; i++) {
		struct creel__proc *w = &p->procs[i];
		if (w->life == CREEL__NOBODY)
			continue;
		if (w->pidfd >= 0) {
			struct pollfd dead = {.fd = w->pidfd, .events = POLLIN};
			creel__pidfd_kill(w->pidfd, SIGKILL);
			while (poll(&dead, 1, -1) < 0 && errno == EINTR)
				;
			/* If the host is its reaper now. */
			waitid(P_PIDFD, (id_t)w->pidfd, &info, WEXITED);
		}
		/* It says nothing about the initializer. */
		creel__lock_acquire(&p->lock);
		w->life = CREEL__READY;
		creel__procs_unlock(p);
		creel__worker_died(p, w, -1);
	}
	renew_server(p);
}

static bool server_is_dead(struct creel__procs *p)
{
	struct pollfd gone = {.fd = p->server_pidfd, .events = POLLIN};
	return poll(&gone, 1, 0) > 0;
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
		if (mine && f.type == CREEL__FRAME_BORN && fd >= 0) {
			born(p, w, &f, fd);
			fd = -1;
		} else if (mine && f.type == CREEL__FRAME_BORN) {
			without_pidfd(p, w, &f);
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

static void sleep_until(struct creel__procs *p, int64_t wake_at, bool *ret_news)
{
	struct epoll_event events[4];
	int n = epoll_wait(p->epoll, events, 4, timeout_of(wake_at));
	*ret_news = false;
	for (int i = 0; i < n; i++) {
		uint64_t count;
		if (events[i].data.fd == p->rung)
			creel__bell_hush(p->rung);
		else if (events[i].data.fd != p->bell)
			*ret_news = true;
		else if (read(p->bell, &count, sizeof count) < 0)
			errno = 0;
	}
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

/* One round; false when the pool has come to its end. */
static bool turn(struct creel__procs *p)
{
	bool news;
	while (creel__collect(p))
		;
	end_handed(p);
	creel__lock_acquire(&p->lock);
	bool stuck = p->broken && p->queued && p->alive == 0;
	creel__procs_unlock(p);
	/* What the last workers of a broken pool left behind. */
	if (stuck)
		creel__procs_break(p, creel_executor_error(&p->base));
	creel__lock_acquire(&p->lock);
	/* A limit that is set meanwhile may be for a worker that has been looked at. */
	p->wake_at = INT64_MAX;
	int64_t wake_at = check_time_locked(p);
	earliest(&wake_at, p->wake_at);
	bool over = p->closed && p->queued == 0 && p->alive == 0 && p->withdrawn == 0 &&
		    p->watchers == 0 && !p->handed;
	p->sleeping = true;
	p->wake_at = wake_at;
	say_sleeping_locked(p, 1);
	if (creel__anything_done(p))
		wake_at = 0;
	creel__procs_unlock(p);
	if (over)
		return false;
	sleep_until(p, wake_at, &news);
	creel__lock_acquire(&p->lock);
	say_sleeping_locked(p, 0);
	p->sleeping = false;
	creel__procs_unlock(p);
	/* Asked first: what it had said before it died is heard first. */
	bool lost = news && server_is_dead(p);
	if (news && (!hear(p) || lost))
		server_lost(p);
	return true;
}

/* All workers are gone: the server goes as well, by itself or not. */
static void dismiss_server(struct creel__procs *p)
{
	if (p->server_pidfd < 0)
		return;
	struct creel__frame quit = {.type = CREEL__FRAME_QUIT};
	struct pollfd gone = {.fd = p->server_pidfd, .events = POLLIN};
	(void)creel__frame_send(p->socket, &quit, -1);
	if (poll(&gone, 1, (int)(LEAVE_NS / 1000000)) <= 0) {
		creel__pidfd_kill(p->server_pidfd, SIGKILL);
		poll(&gone, 1, -1);
	}
	/* Only if the host is its reaper; otherwise that is somebody else's. */
	siginfo_t info;
	waitid(P_PIDFD, (id_t)p->server_pidfd, &info, WEXITED);
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
	creel__server_drop_locked(p);
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
