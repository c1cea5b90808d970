/* SPDX-License-Identifier: MIT */
/*
 * Kills and deaths.
 *
 * A KILL of a running task is fenced first: RUNNING -> KILL in its slot, after which the worker
 * cannot finish anything; if that fails the task was faster and nobody is killed. A worker that has
 * said that it begins, and was stopped before RUNNING, is fenced by READY -> KILL. What waits in
 * the worker's other slots is taken back. Signals go through the pidfd, so never to somebody else.
 * The future ends only when the death is confirmed.
 *
 * A STOPPED worker, and one that goes on, are events: the fork server tells of them. What it has
 * not started is taken back, and it gets nothing until it goes on. The task that it runs stays its
 * own: its limit counts. If it runs nothing it is killed when its place is wanted, or when it has
 * to leave.
 */
#include "base/alloc.h"
#include "base/cgroup.h"
#include "base/clock.h"
#include "future/error.h"
#include "procs/pool.h"
#include "procs/work.h"
#include <creel/future.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#define OOM_TOLD_NS INT64_C(5000000000)
#define BACKOFF_LEAST INT64_C(10000000)
#define CRASHES_FREE 8 /* in a row without a result, before replacements are slowed down */
#define CRASHES_MOST 15
#define GIVE_UP_NS INT64_C(10000000000) /* for a worker to die of SIGKILL */

void creel__signal_locked(struct creel__procs *p, struct creel__proc *w, int signal)
{
	struct creel__frame order = {.type = CREEL__FRAME_KILL,
				     .worker = creel__proc_index(p, w),
				     .incarnation = w->incarnation,
				     .status = signal};
	if (!creel__ends_check_locked(p))
		return;
	int rc = w->pidfd >= 0 && creel__fd_is(w->pidfd, &w->mark)
			 ? creel__pidfd_kill(w->pidfd, signal)
			 : -EBADF;
	if (signal == SIGKILL && !w->give_up_at)
		w->give_up_at = creel_in_ns(GIVE_UP_NS).ns;
	if (rc == 0 || rc == -ESRCH)
		return;
	/* The host may not signal it any more (setuid): the server kept its credentials. */
	if (p->socket >= 0 && creel__frame_send(p->socket, &order, -1, MSG_DONTWAIT) == 0)
		return;
	w->kill_error = rc;
	w->give_up_at = creel__now();
}

void creel__kill_worker_locked(struct creel__procs *p, struct creel__proc *w, int64_t grace_ns)
{
	/* Dead already: worker_died() reads what is known of it, without the lock. */
	if (w->gone)
		return;
	w->dying = true;
	w->kill_at = grace_ns ? creel_in_ns(grace_ns).ns : 0;
	if (w->pidfd >= 0)
		creel__signal_locked(p, w, grace_ns ? SIGTERM : SIGKILL);
	else
		/* Its birth is not known, and never may be: somebody may have stopped the server.
		 * If it is born after all it is killed then. */
		w->give_up_at = creel__now();
	if (p->sleeping)
		creel__kick(p);
}

void creel__call_liar_locked(struct creel__procs *p, struct creel__proc *w)
{
	w->liar = true;
	creel__kill_worker_locked(p, w, 0);
}

void creel__worker_halted(struct creel__procs *p, struct creel__proc *w, bool halted)
{
	creel__lock_acquire(&p->lock);
	w->halted = halted;
	p->halted |= halted;
	if (halted && !w->dying)
		creel__requeue_locked(p, w);
	creel__dispatch_locked(p);
	creel__procs_unlock(p);
}

/* To KILL. One that has begun, and is not RUNNING yet, may become so in between: not more, so each
 * is tried once. False if the word says that there is nothing to kill, and may. */
static bool fence_locked(struct creel__procs *p, struct creel__proc *w, struct creel__place *place,
			 struct creel__slot *slot)
{
	uint64_t kill = CREEL__SLOT(place->seq, CREEL__SLOT_KILL);
	uint64_t ready = CREEL__SLOT(place->seq, CREEL__SLOT_READY);
	uint64_t state = CREEL__SLOT(place->seq, CREEL__SLOT_RUNNING);
	/* Relaxed: it decides between the worker's step and this; neither side's data is used. */
	if (place->began && creel__cas(&slot->state, &ready, kill, relaxed, relaxed))
		return true;
	if (creel__cas(&slot->state, &state, kill, relaxed, relaxed))
		return true;
	if (state == CREEL__SLOT(place->seq, CREEL__SLOT_DONE) ||
	    (state == CREEL__SLOT(place->seq, CREEL__SLOT_READY) && !place->began))
		return false;
	creel__call_liar_locked(p, w);
	return true;
}

bool creel__fence_locked(struct creel__procs *p, struct creel__proc *w, unsigned i, int kind,
			 int64_t grace_ns)
{
	struct creel__place *place = &w->place[i];
	if (w->gone || place->collecting || place->kill_kind || (w->dying && !w->liar) ||
	    !fence_locked(p, w, place, creel__slot_of(p, w, i)))
		return false;
	place->kill_kind = kind;
	place->began = true;
	p->killed++;
	creel__kill_worker_locked(p, w, w->liar ? 0 : grace_ns);
	creel__requeue_locked(p, w);
	creel__dispatch_locked(p);
	return true;
}

/* What is known of a death. */
struct death {
	struct creel__proc *w;
	int32_t pid;
	unsigned number;
	int status; /* wait status, -1 or CREEL__UNDEAD */
	int kill_error;
	bool out_of_memory, liar;
};

/* What became of the worker of a task that was to be killed. */
static const char *fate(const struct death *d)
{
	return d->status == CREEL__UNDEAD ? "cannot be killed and was given up" : "was killed";
}

static const creel_error *explain_kill(const struct death *d, creel_future *f, int kind,
				       int64_t limit)
{
	const char *name = creel__task_name(f);
	if (kind == CREEL_KIND_TIMED_OUT)
		return creel__error_make(kind, -ETIMEDOUT, name,
					 "the task ran longer than its limit of %.3f s; its worker "
					 "(pid %d) %s",
					 (double)limit / 1e9, (int)d->pid, fate(d));
	return creel__error_make(kind, CREEL_EFAILED, name,
				 "the task was killed on request (creel_future_kill(), "
				 "CREEL_SHUTDOWN_KILL or CREEL_KILL_REST); its worker (pid %d) %s",
				 (int)d->pid, fate(d));
}

static const creel_error *explain_death(const struct death *d, creel_future *f)
{
	const char *name = creel__task_name(f);
	if (d->status == CREEL__UNDEAD)
		return creel__error_make(
			CREEL_KIND_WORKER_DIED, CREEL_EFAILED, name,
			"worker %u (pid %d) cannot be killed (%s) and was given up "
			"while it ran the task",
			d->number, (int)d->pid,
			d->kill_error ? creel_code_name(d->kill_error) : "it does not end");
	if (d->status < 0)
		return creel__error_make(
			CREEL_KIND_WORKER_DIED, CREEL_EFAILED, name,
			"worker %u (pid %d) died with the fork server while it ran "
			"the task",
			d->number, (int)d->pid);
	if (!WIFSIGNALED(d->status))
		return creel__error_make(CREEL_KIND_EXITED, CREEL_EFAILED, name,
					 "the task ended its worker (pid %d) with exit status %d",
					 (int)d->pid, WEXITSTATUS(d->status));
	int signal = WTERMSIG(d->status);
	if (d->liar && signal == SIGKILL)
		return creel__error_make(CREEL_KIND_WORKER_DIED, CREEL_EFAILED, name,
					 "worker %u (pid %d) wrote nonsense into its shared memory "
					 "and was killed",
					 d->number, (int)d->pid);
	const char *why = d->out_of_memory    ? "; the kernel's OOM killer, for want of memory"
			  : signal == SIGKILL ? "; not by the pool"
			  : signal == SIGXCPU ? "; over its limit of CPU time"
					      : "";
	return creel__error_make(CREEL_KIND_WORKER_DIED, CREEL_EFAILED, name,
				 "worker %u (pid %d) was killed by signal %d (%s) while it ran the "
				 "task%s",
				 d->number, (int)d->pid, signal, strsignal(signal), why);
}

static const creel_error *explain(const struct death *d, creel_future *f,
				  const struct creel__place *place)
{
	const creel_error *e = place->kill_kind
				       ? explain_kill(d, f, place->kill_kind, place->limit_ns)
				       : explain_death(d, f);
	bool known = d->status >= 0;
	creel__error_set_death(e, d->pid, known && WIFSIGNALED(d->status) ? WTERMSIG(d->status) : 0,
			       known && WIFEXITED(d->status) ? WEXITSTATUS(d->status) : 0);
	return e;
}

/* Slows replacements down while workers die without bringing a result. */
static void back_off_locked(struct creel__procs *p)
{
	if (p->crashes < CRASHES_MOST)
		p->crashes++;
	if (p->crashes > CRASHES_FREE)
		p->spawn_after = creel_in_ns(BACKOFF_LEAST << (p->crashes - CRASHES_FREE)).ns;
}

/* What was running is copied to casualties; returns how many. They stay in their places until they
 * are claimed: a canceller must find them there, started. */
static unsigned find_casualties(struct creel__procs *p, struct creel__proc *w,
				struct creel__place *casualties)
{
	unsigned n = 0;
	creel__lock_acquire(&p->lock);
	creel__requeue_locked(p, w);
	unsigned where[CREEL__DEPTH];
	for (unsigned i = 0; i < CREEL__DEPTH; i++) {
		if (!w->place[i].task)
			continue;
		w->place[i].collecting = true;
		where[n] = i;
		casualties[n++] = w->place[i];
	}
	creel__procs_unlock(p);
	for (unsigned k = 0; k < n; k++) {
		creel__task_claim_remote(&casualties[k].task->future);
		creel__tell_ran(p, w, where[k], &casualties[k].task->future);
	}
	return n;
}

/* Frees the worker's place in the pool. */
static void bury_locked(struct creel__procs *p, struct creel__proc *w, unsigned n, bool dead)
{
	for (unsigned i = 0; i < CREEL__DEPTH; i++)
		if (w->place[i].task)
			creel__place_clear_locked(p, w, i);
	if (w->life == CREEL__STARTING && !w->retiring)
		p->unready_deaths++;
	if (n || !w->retiring)
		p->died++;
	if (n && !w->dying)
		back_off_locked(p);
	p->owed += n > 0;
	p->alive--;
	p->leaving -= w->retiring;
	if (dead) {
		creel__proc_clear_locked(p, w);
		return;
	}
	*w = (struct creel__proc){.life = CREEL__GHOST,
				  .dying = true,
				  .incarnation = w->incarnation,
				  .pid = w->pid,
				  .pidfd = w->pidfd,
				  .mark = w->mark};
	/* Its end wakes the manager: see haunt_locked(). */
	if (w->pidfd >= 0)
		(void)creel__watch(p, w->pidfd);
}

static const creel_error *explain_limit(const creel_process_pool_options *o, int limit, int code)
{
	static const char *const names[] = {[CREEL__LIMIT_MEMORY] = "memory_limit",
					    [CREEL__LIMIT_CPU] = "cpu_seconds",
					    [CREEL__LIMIT_FILES] = "open_files",
					    [CREEL__LIMIT_NICE] = "nice"};
	const long long values[] = {[CREEL__LIMIT_MEMORY] = (long long)o->memory_limit,
				    [CREEL__LIMIT_CPU] = o->cpu_seconds,
				    [CREEL__LIMIT_FILES] = o->open_files,
				    [CREEL__LIMIT_NICE] = o->nice};
	return creel__error_make(CREEL_KIND_BROKEN, code, NULL,
				 "a worker cannot set its %s to %lld: %s (%s); ask for what the "
				 "system grants this user",
				 names[limit], values[limit], strerror(-code),
				 creel_code_name(code));
}

/* A worker that never became ready: whether that breaks the pool, and why. */
static const creel_error *why_broken(struct creel__procs *p, struct creel__proc *w, int status,
				     int init_code)
{
	if (w->life != CREEL__STARTING || w->retiring)
		return NULL;
	unsigned number = creel__proc_index(p, w);
	int limit = status >= 0 && WIFEXITED(status)
			    ? WEXITSTATUS(status) - CREEL__EXIT_LIMIT_FAILED
			    : -1;
	if (init_code && limit >= 0 && limit < CREEL__LIMITS)
		return explain_limit(&p->options, limit, init_code);
	if (init_code && status >= 0 && WIFEXITED(status))
		return creel__initializer_error(number, init_code, creel__initializer_said(p, w));
	if (p->unready_deaths + 1 < CREEL__DEATHS_BEFORE_READY)
		return NULL;
	const char *how = w->late ? "did not start in time" : "died before it was ready";
	const creel_error *e = creel__error_make(
		CREEL_KIND_BROKEN, CREEL_EFAILED, NULL,
		"worker %u %s, like those before it: look at the initializer", number, how);
	if (status >= 0)
		creel__error_set_death(e, w->pid, WIFSIGNALED(status) ? WTERMSIG(status) : 0,
				       WIFEXITED(status) ? WEXITSTATUS(status) : 0);
	return e;
}

/* Each kill that the kernel has counted explains one death, if that is told soon after. */
static bool killed_for_memory(struct creel__procs *p, const struct creel__proc *w, int status)
{
	uint64_t count = creel__cgroup_oom_kills(NULL, p->server_pid);
	int64_t now = creel__now();
	if (now > p->oom_until)
		p->oom_due = 0;
	if (count > p->oom_kills) {
		p->oom_due += count - p->oom_kills;
		p->oom_kills = count;
		p->oom_until = now + OOM_TOLD_NS;
	}
	if (status < 0 || !WIFSIGNALED(status) || WTERMSIG(status) != SIGKILL || w->dying ||
	    !p->oom_due)
		return false;
	p->oom_due--;
	return true;
}

static const creel_error *broken_by(const creel_error *death)
{
	const creel_error *e = creel__error_make(
		CREEL_KIND_BROKEN, CREEL_EFAILED, NULL,
		"a worker died, and CREEL_PROCESS_BREAK_ON_DEATH was asked for: %s",
		death->message);
	creel__error_set_cause(e, creel__error_ref(death));
	return e;
}

/* Whether the worker died by itself while it ran nothing; why, or NULL. */
static const creel_error *explain_idle_death(const struct death *d, unsigned casualties)
{
	if (casualties || d->status < 0 || d->w->life != CREEL__READY || d->w->retiring ||
	    d->w->dying)
		return NULL;
	bool killed = WIFSIGNALED(d->status);
	const creel_error *e = creel__error_make(
		CREEL_KIND_WORKER_DIED, CREEL_EFAILED, NULL,
		"worker %u (pid %d) ended between two tasks, %s %d", d->number, (int)d->pid,
		killed ? "by signal" : "with exit status",
		killed ? WTERMSIG(d->status) : WEXITSTATUS(d->status));
	creel__error_set_death(e, d->pid, killed ? WTERMSIG(d->status) : 0,
			       killed ? 0 : WEXITSTATUS(d->status));
	return e;
}

/* CREEL_PROCESS_BREAK_ON_DEATH: the pool's error, if this death breaks it. */
static const creel_error *break_on_idle_death(const struct death *d, unsigned casualties)
{
	const creel_error *death = explain_idle_death(d, casualties);
	const creel_error *e = death ? broken_by(death) : NULL;
	creel__error_unref(death);
	return e;
}

void creel__worker_died(struct creel__procs *p, struct creel__proc *w, int status)
{
	struct creel__place casualties[CREEL__DEPTH];
	struct creel__control *c = creel__space_control(p->space, creel__proc_index(p, w));
	bool dead = status != CREEL__UNDEAD;
	creel__lock_acquire(&p->lock);
	if (w->life == CREEL__GHOST) {
		creel__proc_clear_locked(p, w);
		creel__procs_unlock(p);
		return;
	}
	w->gone = true;
	w->undead = !dead;
	while (w->fetching)
		creel__cond_wait(&p->changed, &p->lock, CREEL_FOREVER);
	creel__procs_unlock(p);
	/* Nothing changes in its slots any more: what it finished is delivered first. */
	creel__collect_dead(p, w);
	struct death d = {.w = w,
			  .pid = w->pid,
			  .number = creel__proc_index(p, w),
			  .status = status,
			  .kill_error = w->kill_error,
			  .liar = w->liar};
	bool told = w->told;
	const creel_error *broken = why_broken(p, w, status, creel__load(&c->init_code, relaxed));
	d.out_of_memory = killed_for_memory(p, w, status);
	unsigned n = find_casualties(p, w, casualties);
	const creel_error *errors[CREEL__DEPTH];
	for (unsigned k = 0; k < n; k++) {
		errors[k] = explain(&d, &casualties[k].task->future, &casualties[k]);
		if (!broken && !casualties[k].kill_kind &&
		    p->options.flags & CREEL_PROCESS_BREAK_ON_DEATH)
			broken = broken_by(errors[k]);
	}
	if (!broken && p->options.flags & CREEL_PROCESS_BREAK_ON_DEATH)
		broken = break_on_idle_death(&d, n);
	/* Broken first: whoever hears of the death finds the pool so. */
	if (broken)
		creel__executor_set_error(&p->base, creel__error_ref(broken));
	creel__lock_acquire(&p->lock);
	bury_locked(p, w, n, dead);
	if (broken)
		creel__procs_refuse_locked(p, true);
	creel__procs_unlock(p);
	/* Before a replacement is asked for, which would compete with those who
	 * wait for the CPU. */
	for (unsigned k = 0; k < n; k++)
		creel__task_end_remote(casualties[k].task, errors[k]);
	if (told)
		(void)creel__watch_worker(&p->base, d.number, true);
	creel__lock_acquire(&p->lock);
	p->finished += n;
	if (!broken)
		creel__dispatch_locked(p);
	creel__cond_broadcast_locked(&p->changed);
	creel__procs_unlock(p);
	if (broken)
		creel__procs_break(p, broken);
	creel__error_unref(broken);
}

void creel__procs_break(struct creel__procs *p, const creel_error *error)
{
	creel__executor_set_error(&p->base, creel__error_ref(error));
	creel__lock_acquire(&p->lock);
	creel__procs_refuse_locked(p, true);
	creel_future *list = creel__queue_take_all_locked(p);
	creel__procs_unlock(p);
	unsigned failed = 0, cancelled = 0;
	while (list) {
		creel_future *f = list;
		list = f->next;
		if (creel__task_fail((creel_task *)f, creel__error_ref(error)) == CREEL__FAILED)
			failed++;
		else
			cancelled++;
	}
	creel__lock_acquire(&p->lock);
	p->cancelled += cancelled;
	creel__procs_unlock(p);
	creel__count_finished(p, failed);
}
