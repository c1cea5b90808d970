/* SPDX-License-Identifier: MIT */
/* The process pool as an executor: submitting, cancelling, killing, shutting down. The invariants
 * stand in procs/pool.h. */
#include "procs/pool.h"
#include "base/alloc.h"
#include "base/clock.h"
#include "exec/bound.h"
#include "sync/local.h"
#include "sync/thread.h"
#include <creel/future.h>
#include <errno.h>

static struct creel__procs *procs_of(creel_executor *ex)
{
	return (struct creel__procs *)ex;
}

/* reserved: it is one task that the pool stays for, closed or not. */
static int queue_list(struct creel__procs *p, creel_future *first, size_t n, bool reserved)
{
	int rc = 0;
	creel__lock_acquire(&p->lock);
	bool idle = p->queued == 0;
	if (p->broken || (p->closed && (!reserved || creel__load(&p->base.cancels, relaxed)))) {
		rc = p->broken ? CREEL_EFAILED : -ESHUTDOWN;
	} else if (!creel__function_vet_again_locked(p, first->fn)) {
		rc = -ENOEXEC;
	} else {
		p->reserved -= reserved;
		p->submitted += n;
		for (creel_future *f = first, *next; n; n--, f = next) {
			next = f->next;
			creel__queue_append_locked(p, f);
		}
		/* With others in the queue, no worker has room: only new ones could help. */
		if (idle)
			creel__dispatch_locked(p);
		else
			creel__spawn_locked(p);
		if (p->sleeping && p->spawn_after && p->spawn_after < p->wake_at)
			creel__kick(p);
	}
	creel__procs_unlock(p);
	return rc;
}

static int submit_list(creel_executor *ex, creel_future *first, creel_future *last, size_t n)
{
	(void)last;
	return queue_list(procs_of(ex), first, n, false);
}

static int submit(creel_executor *ex, creel_task *task)
{
	return queue_list(procs_of(ex), &task->future, 1, false);
}

static int submit_reserved(creel_executor *ex, creel_task *task)
{
	return queue_list(procs_of(ex), &task->future, 1, true);
}

static int reserve(creel_executor *ex, int n)
{
	struct creel__procs *p = procs_of(ex);
	creel__lock_acquire(&p->lock);
	int rc = n > 0 && p->closed ? (p->broken ? CREEL_EFAILED : -ESHUTDOWN) : 0;
	if (rc == 0)
		p->reserved += (size_t)n;
	/* The manager may wait for that alone. */
	if (p->closed && p->reserved == 0) {
		creel__cond_broadcast_locked(&p->changed);
		creel__kick(p);
	}
	creel__procs_unlock(p);
	return rc;
}

static int vet(creel_executor *ex, creel_fn fn, const void *arg, size_t size)
{
	struct creel__procs *p = procs_of(ex);
	if (!creel__function_vet(p, fn))
		return -ENOEXEC;
	if (size == CREEL_BY_REF)
		return !arg || creel__space_has(p->space, arg) ? 0 : -EFAULT;
	return size > p->space->budget ? -ENOSPC : 0;
}

static bool shares(creel_executor *ex, const void *p, size_t size)
{
	return creel__space_covers(procs_of(ex)->space, p, size);
}

static void *shared_alloc(creel_executor *ex, size_t size)
{
	return creel__buddy_alloc(&procs_of(ex)->arguments, size);
}

static void shared_free(creel_executor *ex, void *data)
{
	creel__buddy_free(&procs_of(ex)->arguments, data);
}

/* Tells a worker that its task is asked to stop. The task may sleep. */
static void ask(struct creel__slot *slot)
{
	if (creel__xchg(&slot->asked, CREEL__ASKED_STOP, relaxed) == CREEL__ASKED_SLEEPS)
		creel__unpark_shared(&slot->asked);
}

static enum creel__withdrawn withdraw(creel_executor *ex, creel_task *task,
				      enum creel__purpose purpose)
{
	struct creel__procs *p = procs_of(ex);
	enum creel__withdrawn what = CREEL__NOT_THERE;
	unsigned i;
	creel__lock_acquire(&p->lock);
	struct creel__proc *w = creel__find_locked(p, task, &i);
	bool look = purpose == CREEL__LOOK;
	if (w) {
		if (!(look ? creel__unbegun_locked(p, w, i) : creel__take_back_locked(p, w, i))) {
			what = CREEL__STARTED;
			w->place[i].began = true;
			if (purpose == CREEL__CANCEL)
				ask(creel__slot_of(p, w, i));
		} else if (!look) {
			what = CREEL__WITHDRAWN;
			if (creel__is_next(w, i))
				creel__doubt_locked(p, w);
			creel__place_clear_locked(p, w, i);
			w->tasks--;
			p->cancelled++;
			p->withdrawn++;
			creel__dispatch_locked(p);
			creel__cond_broadcast_locked(&p->changed);
			/* An idle worker more: to retire, perhaps. */
			if (!w->used && p->sleeping)
				creel__kick(p);
		}
	} else if (!look) {
		/* It is in the queue, or on its way out of there: nobody sends it any more. */
		task->future.fn = NULL;
		p->withdrawn++;
		creel__queue_dead_locked(p);
	}
	creel__procs_unlock(p);
	return what;
}

/* A canceller is through with a task that it withdrew. */
static void ended(creel_executor *ex)
{
	struct creel__procs *p = procs_of(ex);
	/* A callback on the canceller's thread has forked: the lock may be held for ever. */
	if (creel__executor_foreign(ex))
		return;
	creel__lock_acquire(&p->lock);
	if (--p->withdrawn == 0)
		creel__cond_broadcast_locked(&p->changed);
	if (p->closed && p->withdrawn == 0)
		creel__kick(p);
	creel__procs_unlock(p);
}

/* Kills what runs in place i; what is dying already, sooner. False if it has ended there. */
static bool kill_locked(struct creel__procs *p, struct creel__proc *w, unsigned i, int64_t grace_ns)
{
	bool dying = w->place[i].kill_kind;
	if (dying && w->kill_at > creel_in_ns(grace_ns).ns)
		creel__kill_worker_locked(p, w, grace_ns);
	return creel__fence_locked(p, w, i, CREEL_KIND_KILLED, grace_ns) || dying;
}

static int kill_task(creel_executor *ex, creel_task *task, int64_t grace_ns)
{
	struct creel__procs *p = procs_of(ex);
	unsigned i;
	if (grace_ns == CREEL__GRACE_OF_POOL)
		grace_ns = p->options.grace_ns;
	creel__lock_acquire(&p->lock);
	struct creel__proc *w = creel__find_locked(p, task, &i);
	bool killed = w && kill_locked(p, w, i, grace_ns);
	creel__procs_unlock(p);
	return killed ? 0 : CREEL_CANCEL_FINAL;
}

void creel__count_finished(struct creel__procs *p, unsigned n)
{
	creel__lock_acquire(&p->lock);
	p->finished += n;
	creel__cond_broadcast_locked(&p->changed);
	creel__procs_unlock(p);
}

/* What cancellers are still at has not ended either. */
static uint64_t unfinished_locked(const struct creel__procs *p)
{
	return p->submitted - p->finished - p->cancelled + p->withdrawn;
}

static int drain(creel_executor *ex, creel_deadline deadline)
{
	struct creel__procs *p = procs_of(ex);
	int rc = 0;
	creel__lock_acquire(&p->lock);
	while (rc == 0 && unfinished_locked(p)) {
		if (creel__deadline_passed(deadline))
			rc = -ETIMEDOUT;
		else if (creel__cond_wait(&p->changed, &p->lock, deadline) == -EAGAIN)
			rc = -EAGAIN;
	}
	creel__procs_unlock(p);
	return rc;
}

/* Takes what waits, in slots as well. */
static creel_future *take_pending_locked(struct creel__procs *p)
{
	for (unsigned n = 0; n < p->reach; n++)
		creel__requeue_locked(p, &p->procs[n]);
	return creel__queue_take_all_locked(p);
}

/* Nothing is pending: what is in the places runs, or has run. */
static void kill_running_locked(struct creel__procs *p)
{
	for (unsigned n = 0; n < p->reach; n++)
		for (unsigned i = 0; i < CREEL__DEPTH; i++)
			if (p->procs[n].place[i].task)
				(void)kill_locked(p, &p->procs[n], i, p->options.grace_ns);
}

/* Cancels until the deadline, and leaves the rest to the manager, unless that has one already. */
static void cancel_list(struct creel__procs *p, creel_future *list, creel_deadline deadline)
{
	bool through = false;
	deadline = creel__cancel_by(deadline);
	while (!through) {
		uint64_t later = 0;
		uint64_t cancelled = creel__cancel_until(&p->base, &list, deadline, &later);
		if (creel__executor_foreign(&p->base))
			return;
		creel__lock_acquire(&p->lock);
		p->cancelled += cancelled + later;
		p->withdrawn += later;
		through = !list || !p->doomed;
		if (list && through)
			p->doomed = list;
		p->cancelling -= through;
		creel__cond_broadcast_locked(&p->changed);
		creel__procs_unlock(p);
		deadline = CREEL_FOREVER;
	}
}

void creel__procs_refuse_locked(struct creel__procs *p, bool broken)
{
	p->closed = true;
	p->broken |= broken;
	creel__bound_open_locked(&p->base);
}

static void close_pool(struct creel__procs *p, unsigned flags, creel_deadline deadline)
{
	creel_future *list = NULL;
	creel__lock_acquire(&p->lock);
	creel__procs_refuse_locked(p, false);
	if (flags & CREEL_SHUTDOWN_CANCEL) {
		creel__store(&p->base.cancels, true, relaxed);
		list = take_pending_locked(p);
	}
	p->cancelling += list != NULL;
	if (flags & CREEL_SHUTDOWN_KILL)
		kill_running_locked(p);
	if (creel__load(&p->base.paused, relaxed)) {
		creel__store(&p->base.paused, false, relaxed);
		creel__dispatch_locked(p);
	}
	creel__procs_unlock(p);
	if (list)
		cancel_list(p, list, deadline);
	if (creel__executor_foreign(&p->base))
		return;
	creel__lock_acquire(&p->lock);
	creel__kick(p);
	creel__procs_unlock(p);
}

static int shutdown(creel_executor *ex, unsigned flags, creel_deadline deadline, bool may_wait,
		    size_t *ret_left)
{
	struct creel__procs *p = procs_of(ex);
	int rc = 0;
	close_pool(p, flags, deadline);
	/* This is the child of a callback that forked. */
	if (creel__executor_foreign(ex))
		return -EPERM;
	creel__lock_acquire(&p->lock);
	while (rc == 0 && !p->ended) {
		if (creel__deadline_passed(deadline))
			rc = unfinished_locked(p) + p->reserved ? -ETIMEDOUT : 1;
		else if (!may_wait)
			rc = -EDEADLK;
		else if (creel__cond_wait(&p->changed, &p->lock, deadline) == -EAGAIN)
			rc = -EAGAIN;
	}
	*ret_left = (size_t)unfinished_locked(p) + p->reserved;
	creel__procs_unlock(p);
	return rc > 0 ? 0 : rc;
}

static int resize(creel_executor *ex, int max_workers)
{
	struct creel__procs *p = procs_of(ex);
	int rc = 0;
	creel__lock_acquire(&p->lock);
	if (p->closed) {
		rc = p->broken ? CREEL_EFAILED : -ESHUTDOWN;
	} else if ((unsigned)max_workers > p->space->workers) {
		rc = -ENOSPC;
	} else {
		p->max_workers = max_workers;
		creel__bound_resize_locked(ex, max_workers);
		p->min_workers = p->options.min_workers;
		if (p->min_workers > max_workers)
			p->min_workers = max_workers;
		creel__shed_locked(p);
		creel__dispatch_locked(p);
	}
	creel__kick(p);
	creel__procs_unlock(p);
	return rc;
}

static void set_paused_locked(struct creel__procs *p, bool paused)
{
	creel__store(&p->base.paused, paused, relaxed);
	for (unsigned n = 0; paused && n < p->reach; n++)
		creel__requeue_locked(p, &p->procs[n]);
	creel__dispatch_locked(p);
}

/* What was sent to a worker that has not begun it is taken back. */
static int set_paused(creel_executor *ex, bool paused)
{
	struct creel__procs *p = procs_of(ex);
	int rc = 0;
	creel__lock_acquire(&p->lock);
	if (p->closed)
		rc = p->broken ? CREEL_EFAILED : -ESHUTDOWN;
	else if (creel__load(&ex->paused, relaxed) != paused)
		set_paused_locked(p, paused);
	creel__procs_unlock(p);
	return rc;
}

static unsigned slots(creel_executor *ex)
{
	return procs_of(ex)->space->workers;
}

static unsigned width(creel_executor *ex)
{
	struct creel__procs *p = procs_of(ex);
	creel__lock_acquire(&p->lock);
	unsigned n = (unsigned)p->max_workers;
	creel__procs_unlock(p);
	return n;
}

void creel__procs_stats_locked(struct creel__procs *p, creel_stats *ret_stats)
{
	uint64_t running = 0, idle = 0, ready = 0;
	for (unsigned n = 0; n < p->reach; n++) {
		const struct creel__proc *w = &p->procs[n];
		ready += w->life == CREEL__READY;
		idle += w->life == CREEL__READY && w->used == 0;
		for (unsigned i = 0; i < CREEL__DEPTH; i++)
			running += w->place[i].task &&
				   creel__load(&creel__slot_of(p, w, i)->state, relaxed) !=
					   CREEL__SLOT(w->place[i].seq, CREEL__SLOT_READY);
	}
	*ret_stats = (creel_stats){
		.running = running,
		.pending = unfinished_locked(p) - running,
		.done = p->finished + p->cancelled,
		.cancelled = p->cancelled,
		.workers = ready,
		.idle = idle,
		.started = p->started,
		.died = p->died,
		.killed = p->killed,
		.recycled = p->recycled,
	};
}

static void stats(creel_executor *ex, creel_stats *ret_stats)
{
	struct creel__procs *p = procs_of(ex);
	creel__lock_acquire(&p->lock);
	creel__procs_stats_locked(p, ret_stats);
	creel__procs_unlock(p);
}

void creel__procs_free(struct creel__procs *p)
{
	creel__ends_close_locked(p);
	creel__code_free(creel__load(&p->code, relaxed));
	creel__buddy_fini(&p->arguments);
	if (p->space)
		creel__space_unref(p->space);
	creel__executor_fini(&p->base);
	creel__free(p->keep);
	creel__free(p);
}

static void release(creel_executor *ex)
{
	struct creel__procs *p = procs_of(ex);
	close_pool(p, 0, CREEL_NOW);
	creel__lock_acquire(&p->lock);
	p->released = true;
	bool dead = p->ended;
	creel__procs_unlock(p);
	if (!dead)
		return;
	int state = creel__thread_no_cancel();
	/* It may still run thread-specific destructors of the user's: only close waits for them. */
	if (!p->joined)
		creel__thread_detach(p->manager);
	creel__procs_free(p);
	creel__thread_cancel_again(state);
}

/* The manager, in thread-specific destructors. */
static bool is_thread(creel_executor *ex)
{
	struct creel__procs *p = procs_of(ex);
	/* Both: ids of threads that were joined are used again, and so are addresses. */
	return creel__self()->left == p && pthread_equal(p->manager, creel__thread_self());
}

/* One closer joins the manager, the others wait for that one. */
static void join(creel_executor *ex)
{
	struct creel__procs *p = procs_of(ex);
	creel__lock_acquire(&p->lock);
	while (p->joining && !p->joined)
		creel__cond_wait(&p->changed, &p->lock, CREEL_FOREVER);
	bool mine = !p->joining;
	p->joining = true;
	creel__procs_unlock(p);
	if (!mine)
		return;
	creel__thread_join(p->manager);
	creel__lock_acquire(&p->lock);
	p->joined = true;
	creel__cond_broadcast_locked(&p->changed);
	creel__procs_unlock(p);
}

static const struct creel__executor_class process_pool_class = {
	.name = "process pool",
	.submit = submit,
	.submit_list = submit_list,
	.reserve = reserve,
	.submit_reserved = submit_reserved,
	.withdraw = withdraw,
	.kill = kill_task,
	.await = creel__procs_await,
	.vet = vet,
	.shared_alloc = shared_alloc,
	.shared_free = shared_free,
	.shares = shares,
	.shutdown = shutdown,
	.drain = drain,
	.resize = resize,
	.pause = set_paused,
	.slots = slots,
	.width = width,
	.stats = stats,
	.overview = creel__procs_overview,
	.look = creel__procs_look,
	.ended = ended,
	.is_thread = is_thread,
	.release = release,
	.let_go = creel__ends_let_go,
	.join = join,
};

const struct creel__executor_class *creel__process_pool_class(void)
{
	return &process_pool_class;
}
