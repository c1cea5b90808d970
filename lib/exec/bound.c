/* SPDX-License-Identifier: MIT */
/*
 * Bounded executors: see exec/bound.h.
 *
 * WHO EXCEEDS  the bound: those whom the executor's tasks may wait for. Its own workers, and
 *              whoever else runs one of its tasks. Callbacks, destructors, and threads of the
 *              library that are no workers (clocks, managers): these may hold up anybody. Nobody
 *              else: workers of other pools wait, and so do submissions of an executor that a gate
 *              hands a task to, where callbacks are only put off.
 */
#include "exec/bound.h"
#include "base/clock.h"
#include "exec/executor.h"
#include "future/waits.h"
#include "sync/block.h"
#include "sync/local.h"
#include <creel/pools.h>
#include <errno.h>

static bool exceeds(const creel_executor *ex)
{
	struct creel__local *local = creel__self();
	return local->callbacks > local->hushed || (local->own && !local->worker) ||
	       creel__executor_runs_here(ex);
}

const creel_error *creel__bound_refuse(const char *call, const struct creel__bound *bound)
{
	if (bound->capacity < 0)
		return creel__error_make(CREEL_KIND_BROKEN, -EINVAL, NULL,
					 "%s: capacity is %d; use 0 for no bound, or a count", call,
					 bound->capacity);
	if (bound->capacity && bound->rendezvous)
		return creel__error_make(CREEL_KIND_BROKEN, -EINVAL, NULL,
					 "%s: capacity is %d beside CREEL_RENDEZVOUS, which stands "
					 "for a capacity of none; use one of them",
					 call, bound->capacity);
	if (!creel__overflow_is_known(bound->overflow))
		return creel__error_make(CREEL_KIND_BROKEN, -EINVAL, NULL,
					 "%s: overflow is %d; use 0, CREEL_OVERFLOW_BLOCK, "
					 "CREEL_OVERFLOW_FAIL or CREEL_OVERFLOW_CALLER",
					 call, bound->overflow);
	if (bound->overflow == CREEL_OVERFLOW_CALLER && bound->no_caller)
		return creel__error_make(CREEL_KIND_BROKEN, -ENOTSUP, NULL,
					 "%s: overflow is CREEL_OVERFLOW_CALLER, but %s", call,
					 bound->no_caller);
	return NULL;
}

void creel__bound_apply(creel_executor *ex, const struct creel__bound *bound, int max_workers)
{
	if (!bound->capacity && !bound->rendezvous)
		return;
	creel__executor_add_traits(ex, CREEL__BOUNDED | (bound->no_caller ? 0 : CREEL__ADOPTS));
	ex->capacity = (size_t)bound->capacity;
	ex->overflow = bound->overflow ? bound->overflow : CREEL_OVERFLOW_BLOCK;
	creel__bound_resize_locked(ex, max_workers);
}

void creel__bound_resize_locked(creel_executor *ex, int max_workers)
{
	if (ex->traits & CREEL__BOUNDED)
		creel__places_set(&ex->places, (size_t)max_workers + ex->capacity);
}

void creel__bound_open_locked(creel_executor *ex)
{
	if (ex->traits & CREEL__BOUNDED)
		creel__places_set(&ex->places, CREEL__PLACES_ANY);
}

int creel__admit(creel_executor *ex, int overflow, creel_deadline by)
{
	if (!(ex->traits & CREEL__BOUNDED) || creel__places_try(&ex->places, 1))
		return 0;
	if (!overflow)
		overflow = ex->overflow;
	bool exceed = exceeds(ex);
	if (exceed || overflow == CREEL_OVERFLOW_CALLER) {
		creel__places_exceed(&ex->places);
		return exceed ? 0 : CREEL__RUN_HERE;
	}
	if (overflow == CREEL_OVERFLOW_FAIL || creel__deadline_passed(by))
		return CREEL_BUSY;
	(void)creel__blocking_begin(CREEL__BLOCKS_THRIFTILY);
	creel__waits_begin(CREEL__WAITS_ROOM, ex);
	bool admitted = creel__places_wait(&ex->places, by);
	creel__waits_end();
	creel__blocking_end();
	return admitted ? 0 : CREEL_BUSY;
}

void creel__admit_any(creel_executor *ex)
{
	if (ex->traits & CREEL__BOUNDED)
		creel__places_exceed(&ex->places);
}

void creel__not_admitted(creel_executor *ex)
{
	/* A hook may have forked, and this be the child. */
	if (ex->traits & CREEL__BOUNDED && !creel__executor_foreign(ex))
		creel__places_give(&ex->places, 1);
}
