/* SPDX-License-Identifier: MIT */
/* What all executors share: references, errors, and the calls that every class
 * answers in its way. */
#include "exec/executor.h"
#include "base/alloc.h"
#include "base/clock.h"
#include "base/cpus.h"
#include "exec/due.h"
#include "exec/job.h"
#include "exec/registry.h"
#include "exec/sleep.h"
#include "exec/task.h"
#include "future/future.h"
#include "future/layers.h"
#include "future/waits.h"
#include "future/watch.h"
#include "sync/block.h"
#include "sync/fork.h"
#include "sync/live.h"
#include "sync/local.h"
#include "sync/thread.h"
#include <creel/shared.h>
#include <errno.h>
#include <string.h>

void creel__executor_init(creel_executor *ex, const struct creel__executor_class *class)
{
	*ex = (creel_executor){.class = class, .generation = creel__fork_generation()};
	creel__store(&ex->refs, 1, relaxed);
	creel__places_init(&ex->places, CREEL__PLACES_ANY);
	creel__store(&ex->keeps, 1, relaxed);
	creel__store(&ex->holds, 1, relaxed);
	creel__list_init(&ex->undue);
	creel__list_init(&ex->staying);
	creel__list_init(&ex->sleepers);
	creel__live_add(CREEL__LIVE_EXECUTORS, 1);
	creel__list_init(&ex->registered);
}

void creel__executor_made(creel_executor *ex)
{
	creel__registry_add(ex);
}

void creel__executor_fini(creel_executor *ex)
{
	creel__registry_remove(ex);
	creel__error_unref(creel__load(&ex->error, relaxed));
	creel__watch_free(ex);
	creel__live_add(CREEL__LIVE_EXECUTORS, -1);
}

/* Whether ex has forwarded the task, or tries it again by this one. */
static bool is_through(const creel_task *task, const creel_executor *ex)
{
	creel_future *f = ex->beneath ? creel__strand_root((creel_task *)(uintptr_t)task) : NULL;
	while (f && !creel__task_is_of(f, ex))
		f = creel__whole_of(f);
	return f;
}

bool creel__executor_is_own(const creel_executor *ex)
{
	return creel__self()->callbacks || creel__executor_runs_here(ex);
}

bool creel__executor_runs_here(const creel_executor *ex)
{
	struct creel__local *local = creel__self();
	if (local->worker && local->worker->executor == ex)
		return true;
	for (const creel_task *i = local->task; i; i = i->future.outer)
		if (i->future.executor == ex || is_through(i, ex))
			return true;
	return ex->class->is_thread && !creel__executor_foreign(ex) &&
	       ex->class->is_thread((creel_executor *)(uintptr_t)ex);
}

void creel__executor_set_error(creel_executor *ex, const creel_error *error)
{
	const creel_error *none = NULL;
	/* Unless it has been published here. */
	if (creel__load(&ex->error, relaxed) != error)
		creel__error_set_unhandled(error, ex->unhandled);
	/* [EX-1] release: publishes the error; pairs with the acquire in creel__executor_error() */
	if (!creel__cas(&ex->error, &none, error, release, relaxed))
		creel__error_unref(error);
}

const creel_error *creel_executor_error(creel_executor *ex)
{
	return creel__executor_error(ex);
}

creel_executor *creel_executor_ref(creel_executor *ex)
{
	if (ex && !ex->is_static)
		creel__add(&ex->refs, 1, relaxed);
	return ex;
}

/* The first reference that a forked child drops, whoever has others. */
static void let_go(creel_executor *ex)
{
	if (ex->class->let_go && creel__fork_has_fds(ex->generation) &&
	    !creel__xchg(&ex->let_go, true, relaxed))
		ex->class->let_go(ex);
}

/* Nobody refers to it. Tasks that stay until they are due may keep it. */
static void drop(creel_executor *ex)
{
	size_t left;
	if (creel__undue_count(ex))
		(void)ex->class->shutdown(ex, 0, CREEL_NOW, false, &left);
	if (!creel__executor_foreign(ex))
		creel__executor_unkeep(ex);
}

void creel_executor_unref(creel_executor *ex)
{
	if (!ex || ex->is_static)
		return;
	if (creel__executor_foreign(ex)) {
		let_go(ex);
		return;
	}
	/* [EX-2] acq_rel: whoever drops the last one comes after everybody's use;
	 * pairs with itself */
	if (creel__sub(&ex->refs, 1, acq_rel) == 1 && creel__undue_close(ex, false))
		drop(ex);
}

/* Checks that go before every call on an executor. */
static int check(const creel_executor *ex)
{
	if (!ex)
		return -EINVAL;
	return creel__executor_foreign(ex) ? -EPERM : 0;
}

/* The caller waits for the end of something of ex's, for reports to see: a worker what it waits
 * for, and of ex how many wait. */
static void wait_here(creel_executor *ex, enum creel__waits_for kind)
{
	creel__add(&ex->waiters, 1, relaxed);
	creel__waits_begin(kind, ex);
}

void creel__executor_wait_ends(creel_executor *ex)
{
	creel__waits_end();
	if (!creel__executor_foreign(ex))
		creel__sub(&ex->waiters, 1, relaxed);
}

static int shut_down(creel_executor *ex, unsigned flags, creel_deadline deadline, size_t *ret_left)
{
	if (!creel__undue_close(ex, flags & CREEL_SHUTDOWN_CANCEL))
		return -EPERM;
	bool may_wait = !creel__executor_is_own(ex) && !creel__executor_needs_caller(ex);
	if (may_wait)
		wait_here(ex, CREEL__WAITS_SHUTDOWN);
	int rc = ex->class->shutdown(ex, flags, deadline, may_wait, ret_left);
	if (may_wait)
		creel__executor_wait_ends(ex);
	return rc;
}

int creel_executor_shutdown(creel_executor *ex, unsigned flags, creel_deadline deadline,
			    size_t *ret_left)
{
	int rc = check(ex);
	if (rc == 0 && flags & ~(unsigned)(CREEL_SHUTDOWN_CANCEL | CREEL_SHUTDOWN_KILL))
		rc = -EINVAL;
	if (rc)
		return rc;
	if (flags & CREEL_SHUTDOWN_KILL) {
		flags |= CREEL_SHUTDOWN_CANCEL;
		creel__store(&ex->kills, true, relaxed);
		if (!ex->is_static)
			creel__sleepers_kill(ex);
	}
	size_t left = 0;
	/* What ends meanwhile calls functions of the user's, and these may drop the caller's. */
	creel_executor_ref(ex);
	rc = shut_down(ex, flags, deadline, &left);
	if (!creel__executor_foreign(ex))
		creel_executor_unref(ex);
	if (ret_left)
		*ret_left = left;
	return rc;
}

int creel_executor_close(creel_executor *ex)
{
	if (!ex)
		return 0;
	bool own = creel__executor_is_own(ex);
	int rc = creel_executor_shutdown(ex, 0, CREEL_FOREVER, NULL);
	/* Also if there was nothing to wait for just now: the code tells who called,
	 * not who was faster. */
	if (rc == 0 && own)
		rc = -EDEADLK;
	if (rc == 0 && ex->class->join) {
		(void)creel__blocking_begin(CREEL__BLOCKS_ANYHOW);
		wait_here(ex, CREEL__WAITS_THREADS);
		ex->class->join(ex);
		creel__executor_wait_ends(ex);
		creel__blocking_end();
	}
	creel_executor_unref(ex);
	return rc;
}

int creel_executor_drain(creel_executor *ex, creel_deadline deadline)
{
	int rc = check(ex);
	if (rc)
		return rc;
	if (creel__executor_is_own(ex))
		return -EDEADLK;
	bool may_wait = !creel__executor_needs_caller(ex);
	wait_here(ex, CREEL__WAITS_DRAIN);
	rc = ex->class->drain(ex, may_wait ? deadline : CREEL_NOW);
	creel__executor_wait_ends(ex);
	return rc == -ETIMEDOUT && !may_wait && !creel__deadline_passed(deadline) ? -EDEADLK : rc;
}

int creel_executor_resize(creel_executor *ex, int max_workers)
{
	int rc = check(ex);
	if (rc == 0 && max_workers < 1)
		rc = -EINVAL;
	if (rc)
		return rc;
	return ex->class->resize ? ex->class->resize(ex, max_workers) : -ENOTSUP;
}

static int set_paused(creel_executor *ex, bool paused)
{
	int rc = check(ex);
	if (rc)
		return rc;
	if (ex->class->pause)
		return ex->class->pause(ex, paused);
	return creel__load(&ex->error, relaxed) ? CREEL_EFAILED : -ENOTSUP;
}

int creel_executor_pause(creel_executor *ex)
{
	return set_paused(ex, true);
}

int creel_executor_resume(creel_executor *ex)
{
	return set_paused(ex, false);
}

unsigned creel_executor_slots(creel_executor *ex)
{
	return check(ex) == 0 && ex->class->slots ? ex->class->slots(ex) : 0;
}

unsigned creel__executor_width(creel_executor *ex)
{
	return check(ex) == 0 && ex->class->width ? ex->class->width(ex) : 0;
}

/* It reads files: a thread that is to be cancelled is not before it is through. */
int creel__executor_cpus(creel_executor *ex)
{
	int n = creel__load(&ex->cpus, relaxed);
	if (n)
		return n;
	int state = creel__thread_no_cancel();
	n = creel__cpus(NULL);
	creel__thread_cancel_again(state);
	creel__store(&ex->cpus, n, relaxed);
	return n;
}

void *creel_shared_alloc(creel_executor *ex, size_t size)
{
	if (check(ex) || creel_executor_error(ex) || size == 0 || size > CREEL__SIZE_MAX)
		return NULL;
	return ex->class->shared_alloc ? ex->class->shared_alloc(ex, size)
				       : creel__malloc_aligned(64, size);
}

void creel_shared_free(creel_executor *ex, void *p)
{
	if (!p || check(ex))
		return;
	if (ex->class->shared_free)
		ex->class->shared_free(ex, p);
	else
		creel__free(p);
}

int creel_executor_stats(creel_executor *ex, creel_stats *ret_stats, size_t size)
{
	int rc = check(ex);
	if (rc == 0 && (!ret_stats || size == 0))
		rc = -EINVAL;
	if (rc)
		return rc;
	creel_stats stats = {0};
	ex->class->stats(ex, &stats);
	stats.waiting = creel__places_count(&ex->places).waiting;
	stats.delayed = creel__undue_count(ex);
	stats.live_futures = creel__live_get(CREEL__LIVE_FUTURES);
	stats.live_queues = creel__live_get(CREEL__LIVE_QUEUES);
	stats.live_executors = creel__live_get(CREEL__LIVE_EXECUTORS);
	/* A caller that is newer than the library finds zeros behind what this one knows. */
	memset(ret_stats, 0, size);
	memcpy(ret_stats, &stats, size < sizeof stats ? size : sizeof stats);
	return 0;
}
