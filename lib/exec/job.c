/* SPDX-License-Identifier: MIT */
/*
 * Forking and joining. What a job is and who may touch it when stands in exec/job.h, the deque in
 * exec/deque.h.
 *
 * CHAIN  Each thread keeps the jobs that it has forked and not joined in a chain, the youngest
 *        first: creel__local.forked. It reaches through all tasks and jobs that the thread runs
 *        inside one another. Each of these joins what stands above the place where it began. The
 *        lowest bit of a link says that above it a job ended its thread.
 *
 * ORDER  A worker's deque holds what its chain holds, less what was stolen. Thieves take the
 *        oldest. So if a job that is being joined is not in the deque any more, the deque is empty;
 *        and if it is, whatever the deque holds above was forked later, by the same function.
 *
 * LEAP   While a thief runs the job, the joiner takes jobs from the thief's deque. That was empty
 *        when the thief stole (see ORDER), so what it holds belongs to the job. It does so only as
 *        long as the job has not ended: who finds, after a theft, that the job has ended has
 *        perhaps stolen something else, and gives it back to its forker. So a join runs nothing but
 *        what it waits for, and never waits for a stranger's lock.
 *
 * EXIT   Where a thief runs a job, and only there, a handler waits for the end of the thread. What
 *        that needs stands on the stack in front of it.
 */
#include "exec/job.h"
#include "base/cold.h"
#include "sync/block.h"
#include "sync/local.h"
#include "sync/park.h"
#include "sync/thread.h"
#include <creel/error.h>
#include <errno.h>
#include <limits.h>

enum {
	EXIT = 1, /* the bit in a link */
#ifdef CREEL_MODEL
	LOOKS = 1,
#else
	LOOKS = 200, /* before a joiner parks */
#endif
};

/* Has bottom grow to limit at most. False if the ring is full. */
static bool has_room(struct creel__deque *d, uint64_t bottom)
{
	/* [DEQ-1] acquire: the thieves have read what they took; pairs with the swap in
	 * creel__deque_steal() */
	d->limit = creel__load(&d->top, acquire) + CREEL__RING;
	return bottom < d->limit;
}

/* bottom is below limit. */
static inline void push(struct creel__deque *d, uint64_t bottom, struct creel__job *job)
{
	creel__store(&d->ring[bottom % CREEL__RING], job, relaxed);
	/* [DEQ-2] [DEQ-3] seq_cst: publishes the job to thieves; and comes before the look at need;
	 * pairs with the loads in exec/deque.c */
	creel__store(&d->bottom, bottom + 1, seq_cst);
}

/* The youngest job, or NULL. */
static inline struct creel__job *take(struct creel__deque *d)
{
	uint64_t bottom = creel__load(&d->bottom, relaxed) - 1;
	/* [DEQ-4] seq_cst: thieves see the step back, or this sees their theft; pairs with bottom
	 * and top in creel__deque_steal() */
	creel__store(&d->bottom, bottom, seq_cst);
	/* [DEQ-4] seq_cst: as above */
	uint64_t top = creel__load(&d->top, seq_cst);
	struct creel__job *job = NULL;
	if ((int64_t)(bottom - top) >= 0)
		job = creel__load(&d->ring[bottom % CREEL__RING], relaxed);
	if ((int64_t)(bottom - top) > 0)
		return job;
	/* [DEQ-4] seq_cst: the last one, against thieves */
	if (job && !creel__cas(&d->top, &top, top + 1, seq_cst, relaxed))
		job = NULL;
	creel__store(&d->bottom, bottom + 1, relaxed);
	return job;
}

void creel__jobs_drop(struct creel__deque *d, uint64_t bottom)
{
	while (d && creel__load(&d->bottom, relaxed) > bottom && take(d))
		;
}

static struct creel__job *job_at(uintptr_t link)
{
	return (struct creel__job *)(link & ~(uintptr_t)EXIT);
}

void creel__strand_init(struct creel__strand *s, creel_executor *ex, creel_future *root)
{
	struct creel__local *local = creel__self();
	struct creel__worker *worker = local->worker;
	bool own = worker && worker->executor == ex;
	s->task.future.next = NULL;
	s->task.future.outer = NULL;
	s->task.future.executor = ex;
	creel__store(&s->task.future.state, CREEL__RUNNING | CREEL__STATIC, relaxed);
	creel__store(&s->task.future.hooks, 0, relaxed);
	s->task.future.generation = creel__fork_generation();
	s->local = local;
	s->worker = own ? worker : NULL;
	s->deque = own ? worker->deque : NULL;
	s->root = root;
	s->outer = NULL;
	s->around = local->strand;
	s->within = local->task;
	s->stop = NULL;
	s->number = worker ? worker->index : UINT_MAX;
	s->data = worker ? worker->local : NULL;
}

creel_future *creel__strand_root(creel_task *task)
{
	if (!task)
		return NULL;
	struct creel__strand *s = creel__strand_of(task);
	return s ? s->root : &task->future;
}

bool creel__strand_was_asked(const struct creel__strand *s)
{
	const creel_future *root = s->root;
	for (const struct creel__strand *i = s; i; i = i->outer)
		if (i->stop && creel__load(i->stop, relaxed))
			return true;
	if (root && creel__load(&root->state, relaxed) & CREEL__ASKED)
		return true;
	const creel_executor *ex = s->task.future.executor;
	bool posted = !root && !s->stop && !s->outer;
	return creel__load(&ex->kills, relaxed) || (posted && creel__load(&ex->cancels, relaxed));
}

/* Calls the job's function, and joins what that left. False: it has forked the process, and this is
 * the child. */
static inline bool call(struct creel__strand *s, struct creel__job *job)
{
	struct creel__local *local = s->local;
	uintptr_t below = local->forked;
	creel_job_fn fn = job->fn;
	if (!creel__user_call(s->task.future.generation, fn((creel_job *)job, &s->task), 0))
		return false;
	if (local->forked != below && creel__jobs_join(local, below))
		local->forked |= EXIT;
	return true;
}

static CREEL__COLD int refuse_fork(creel_task *task, creel_job *job, creel_job_fn fn)
{
	if (!task || !job || !fn)
		return -EINVAL;
	return creel__future_foreign(&task->future) ? -EPERM : -EBUSY;
}

/* The deque is full, or not yet one that others look into. */
static CREEL__COLD bool make_room(struct creel__worker *worker, uint64_t bottom)
{
	struct creel__deque *deque = worker->deque;
	if (deque->limit == 0)
		worker->executor->class->use_deque(worker);
	return has_room(deque, bottom);
}

static inline void fork_job(struct creel__local *local, struct creel__deque *deque,
			    struct creel__worker *worker, struct creel__job *job)
{
	uintptr_t below = local->forked;
	job->below = below;
	if (job_at(below))
		job_at(below)->above = job;
	local->forked = (uintptr_t)job;
	creel__store(&job->thief, NULL, relaxed);
	uint64_t bottom = deque ? creel__load(&deque->bottom, relaxed) : 0;
	if (!deque || (bottom >= deque->limit && !make_room(worker, bottom))) {
		creel__store(&job->state, CREEL__JOB_KEPT, relaxed);
		return;
	}
	creel__store(&job->state, CREEL__JOB_FORKED, relaxed);
	push(deque, bottom, job);
	/* [DEQ-3] seq_cst: after the push; pairs with creel__pool_update_need_locked() */
	if (creel__load(worker->need, seq_cst))
		worker->executor->class->forked(worker->executor);
}

int creel_job_fork(creel_task *task, creel_job *opaque, creel_job_fn fn)
{
	struct creel__job *job = (struct creel__job *)opaque;
	if (!task || !job || !fn || creel__load(&job->state, relaxed) != CREEL__JOB_IDLE ||
	    creel__future_foreign(&task->future))
		return refuse_fork(task, opaque, fn);
	job->fn = fn;
	job->by = task;
	struct creel__strand *s = creel__strand_of(task);
	if (s) {
		fork_job(s->local, s->deque, s->worker, job);
		return 0;
	}
	struct creel__local *local = creel__self();
	struct creel__worker *worker = local->worker;
	bool own = worker && worker->executor == task->future.executor;
	fork_job(local, own ? worker->deque : NULL, worker, job);
	return 0;
}

/* Takes the job out of the chain. */
static inline void unlink_job(struct creel__local *local, struct creel__job *job)
{
	if (local->forked == (uintptr_t)job) {
		local->forked = job->below;
		return;
	}
	uintptr_t *link = job_at(local->forked) == job ? &local->forked : &job->above->below;
	*link = job->below | (*link & EXIT);
	if (job_at(job->below))
		job_at(job->below)->above = job->above;
}

/* It is the caller's own, and nobody else has it. */
static inline int run_in_join(struct creel__strand *s, struct creel__job *job)
{
	unlink_job(s->local, job);
	creel__store(&job->state, CREEL__JOB_IDLE, relaxed);
	return call(s, job) ? 0 : -EPERM;
}

/* What a thief has run, given back or ended: the caller's again. */
static int collect(struct creel__strand *s, struct creel__job *job, uint32_t state)
{
	if (state == CREEL__JOB_KEPT)
		return run_in_join(s, job);
	unlink_job(s->local, job);
	creel__store(&job->state, CREEL__JOB_IDLE, relaxed);
	if (state == CREEL__JOB_DONE)
		return 0;
	s->local->forked |= EXIT;
	return CREEL_EFAILED;
}

static inline bool is_back(uint32_t state)
{
	return state != CREEL__JOB_FORKED && state != CREEL__JOB_WAITED;
}

/* A thief lets go of a job: the last access. */
static void give_back(struct creel__job *job, uint32_t state)
{
	/* [JOB-1] release: what the job did; pairs with the acquires of its joiner. If the joiner
	 * does not wait it may be through before the next line: unparking uses the address only. */
	if (creel__xchg(&job->state, state, release) == CREEL__JOB_WAITED)
		creel__unpark_all(&job->state);
}

/* Runs a job of the thief's: see LEAP. False if there was none. */
static bool leap(struct creel__strand *s, struct creel__job *job)
{
	/* [JOB-2] acquire: pairs with the release in creel__job_run_stolen() */
	struct creel__deque *thief = creel__load(&job->thief, acquire);
	struct creel__job *other = thief && s->deque ? creel__deque_steal(thief) : NULL;
	if (!other)
		return false;
	/* [JOB-1] acquire: pairs with the release in give_back(). The theft saw the push: had the
	 * thief pushed after it ended this job, this would see the end. */
	if (is_back(creel__load(&job->state, acquire)))
		give_back(other, CREEL__JOB_KEPT);
	else
		creel__job_run_stolen(s->worker, other);
	return true;
}

/* Somebody else has the job: until it is back. Returns its state. */
static uint32_t await_job(struct creel__strand *s, struct creel__job *job)
{
	unsigned looks = 0;
	for (;;) {
		/* [JOB-1] acquire: what the job did; pairs with the release in give_back() */
		uint32_t state = creel__load(&job->state, acquire);
		if (is_back(state))
			return state;
		if (leap(s, job)) {
			looks = 0;
		} else if (looks < LOOKS) {
			looks++;
			creel__cpu_relax();
			/* [JOB-1] acquire: as above, when it fails */
		} else if (state == CREEL__JOB_WAITED ||
			   creel__cas(&job->state, &state, CREEL__JOB_WAITED, acquire, acquire)) {
			(void)creel__blocking_begin(CREEL__BLOCKS_ANYHOW);
			(void)creel__park(&job->state, CREEL__JOB_WAITED, CREEL_FOREVER);
			creel__blocking_end();
		}
	}
}

/* The join of a job that was not the deque's youngest: it has been taken already, or is further
 * down. In a forked child nobody else runs anything. */
static CREEL__COLD int join_slowly(struct creel__strand *s, struct creel__job *job,
				   struct creel__job *taken)
{
	if (creel__future_foreign(&s->task.future))
		return -EPERM;
	for (; taken; taken = take(s->deque)) {
		if (taken == job)
			return run_in_join(s, job);
		if (!call(s, taken))
			return -EPERM;
		creel__store(&taken->state, CREEL__JOB_DONE, relaxed);
	}
	return collect(s, job, await_job(s, job));
}

/* Whether that task may join that job. */
static bool is_joinable(const creel_task *task, struct creel__job *job)
{
	uint32_t state = creel__load(&job->state, relaxed);
	return state != CREEL__JOB_IDLE && state < CREEL__JOB_POSTING && job->by == task;
}

/* The whole of it, for all cases. */
static CREEL__COLD int join(creel_task *task, struct creel__job *job)
{
	struct creel__strand *s, own;
	if (!task || !job)
		return -EINVAL;
	if (creel__future_foreign(&task->future))
		return -EPERM;
	if (!is_joinable(task, job))
		return -EINVAL;
	if (!(s = creel__strand_of(task)))
		creel__strand_init(s = &own, task->future.executor, &task->future);
	/* [JOB-1] acquire: as in await_job() */
	uint32_t state = creel__load(&job->state, acquire);
	return is_back(state) ? collect(s, job, state) : join_slowly(s, job, take(s->deque));
}

/* Most often the job was forked last and nobody has stolen it. */
int creel_job_join(creel_task *task, creel_job *opaque)
{
	struct creel__job *job = (struct creel__job *)opaque;
	if (!task || !job || !creel__future_is_strand(&task->future) || job->by != task ||
	    creel__load(&job->state, relaxed) != CREEL__JOB_FORKED)
		return join(task, job);
	struct creel__strand *s = (struct creel__strand *)task;
	struct creel__job *taken = take(s->deque);
	return taken == job ? run_in_join(s, job) : join_slowly(s, job, taken);
}

bool creel__jobs_join(struct creel__local *local, uintptr_t below)
{
	struct creel__job *job;
	while ((job = job_at(local->forked)) != job_at(below))
		if (creel_job_join(job->by, (creel_job *)job) == -EPERM)
			break; /* a child */
	bool exited = (local->forked ^ below) & EXIT;
	local->forked = below;
	return exited;
}

/* What a thief, or whoever runs a posted job, keeps in front of the job's function. */
struct run {
	struct creel__strand strand;
	struct creel__job *job;
	uint64_t bottom; /* of the deque */
	bool posted;
};

static void run_job(void *arg)
{
	struct run *run = arg;
	struct creel__local *local = run->strand.local;
	uintptr_t below = local->forked;
	creel__strand_enter(&run->strand);
	bool stayed = call(&run->strand, run->job);
	creel__strand_leave(&run->strand);
	if (!stayed)
		return;
	bool exited = (local->forked ^ below) & EXIT;
	local->forked = below;
	if (!run->posted)
		give_back(run->job, exited ? CREEL__JOB_EXITED : CREEL__JOB_DONE);
}

/* The job ended its thread. The jobs that it had forked lay on the stack that is gone. */
static void exited(void *arg)
{
	struct run *run = arg;
	creel__strand_leave(&run->strand);
	creel__jobs_drop(run->strand.deque, run->bottom);
	if (!run->posted)
		give_back(run->job, CREEL__JOB_EXITED);
}

static void run_guarded(struct creel__worker *worker, struct creel__job *job, bool posted)
{
	struct run run = {.job = job, .posted = posted};
	creel_future *root = posted ? NULL : creel__strand_root(job->by);
	creel__strand_init(&run.strand, worker->executor, root);
	run.strand.outer = posted ? NULL : creel__strand_of(job->by);
	if (run.strand.deque)
		run.bottom = creel__load(&run.strand.deque->bottom, relaxed);
	creel__thread_guard(run_job, exited, &run);
}

void creel__job_run_stolen(struct creel__worker *worker, struct creel__job *job)
{
	/* [JOB-2] release: the deque is as it was when it was empty; pairs with the acquire in
	 * leap() */
	creel__store(&job->thief, worker->deque, release);
	run_guarded(worker, job, false);
}

void creel__job_run_posted(struct creel__worker *worker, struct creel__job *job)
{
	creel__bump(&worker->begun, 1);
	run_guarded(worker, job, true);
	/* [COUNT-1] release: as where a task is counted: exec/task.c */
	creel__store(&worker->ended, creel__load(&worker->ended, relaxed) + 1, release);
}

void creel__job_run_here(creel_executor *ex, struct creel__job *job)
{
	struct run run = {.job = job, .posted = true};
	creel__strand_init(&run.strand, ex, NULL);
	run.strand.deque = NULL;
	creel__thread_guard(run_job, exited, &run);
}
