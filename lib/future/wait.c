/* SPDX-License-Identifier: MIT */
/*
 * Waiting for several futures.
 *
 * For all of them: one after the other, which registers nothing. A worker first runs what it may,
 * and then gives up its slot once for all of them. For the first: a hook on each, all of which
 * point to one struct on the waiter's stack. The waiter takes its hooks back before it returns,
 * each under its future's lock, so that no teller still uses them (future/hook.h).
 */
#include "base/alloc.h"
#include "base/clock.h"
#include "future/future.h"
#include "future/hook.h"
#include "future/waits.h"
#include "sync/block.h"
#include "sync/local.h"
#include "sync/look.h"
#include "sync/park.h"
#include <creel/wait.h>
#include <errno.h>

enum { ON_STACK = 16 };

enum {
	LOOKS,  /* the waiter is awake */
	SLEEPS, /* it is parked, or about to be: whoever ends the wait unparks it */
	OVER,   /* the condition holds */
};

struct wait {
	_Atomic(uint32_t) over;     /* one of these; parked on */
	_Atomic(size_t) unfinished; /* hooks that were not told */
	int mode;
};

struct wait_hook {
	struct creel__hook hook;
	struct wait *wait;
};

static bool has_failed(creel_future *f)
{
	return creel__future_peek(f) > CREEL__FINISHED;
}

static void notify(struct creel__hook *hook, creel_future *f)
{
	struct wait *w = ((struct wait_hook *)hook)->wait;
	bool last = creel__sub(&w->unfinished, 1, relaxed) == 1;
	if (w->mode == CREEL_FIRST_ERROR && !last && !has_failed(f))
		return;
	/* Relaxed: what the future is about is read from the future, with its own acquire. The
	 * unpark is made under the hooks' lock, so the waiter cannot be gone. */
	if (creel__xchg(&w->over, OVER, relaxed) == SLEEPS)
		creel__unpark_all(&w->over);
}

static bool is_over(void *w)
{
	return creel__load(&((struct wait *)w)->over, relaxed) == OVER;
}

/* Looks for a moment before it sleeps. */
static int sleep_until_over(struct wait *w, creel_deadline deadline)
{
	uint32_t looks = LOOKS;
	if (creel__look(creel__looks(), is_over, w) ||
	    !creel__cas(&w->over, &looks, SLEEPS, relaxed, relaxed))
		return 0;
	int rc = 0;
	while (rc == 0 && !is_over(w))
		rc = creel__park(&w->over, SLEEPS, deadline);
	return rc;
}

static size_t count_final(creel_future *const *futures, size_t n)
{
	size_t done = 0;
	for (size_t i = 0; i < n; i++)
		done += creel__future_is_final(futures[i]);
	return done;
}

static bool holds(creel_future *const *futures, size_t n, int mode)
{
	size_t done = 0;
	for (size_t i = 0; i < n; i++) {
		if (!creel__future_is_final(futures[i]))
			continue;
		if (mode == CREEL_FIRST_COMPLETED || has_failed(futures[i]))
			return true;
		done++;
	}
	return done == n;
}

/* Runs what the calling worker may run itself. Returns how many are not final then. */
static size_t help_all(creel_future *const *futures, size_t n)
{
	size_t left = 0;
	for (size_t i = 0; i < n && !creel__future_foreign(futures[i]); i++)
		left += !creel__future_is_final(futures[i]) && !creel__future_help(futures[i]);
	return left;
}

static int await_all(creel_future *const *futures, size_t n, creel_deadline deadline)
{
	int rc = 0;
	for (size_t i = 0; i < n && rc == 0; i++)
		rc = creel__future_await(futures[i], deadline);
	return rc;
}

/* A worker that would give up its slot for each of them. */
static int await_all_blocked(creel_future *const *futures, size_t n, creel_deadline deadline)
{
	bool endless = creel__is_forever(deadline);
	if (endless && help_all(futures, n) < 2)
		return await_all(futures, n, deadline);
	int rc = creel__blocking_begin(endless ? 0 : CREEL__BLOCKS_ANYHOW);
	if (rc)
		return rc;
	rc = await_all(futures, n, deadline);
	creel__blocking_end();
	return rc;
}

static int wait_all(creel_future *const *futures, size_t n, creel_deadline deadline)
{
	const struct creel__local *local = creel__self();
	/* Before the first wait: none of the others could end this one. */
	for (size_t i = 0; i < n && (local->task || local->drive); i++)
		if (creel__future_needs_caller(futures[i]) && !creel__future_is_final(futures[i]))
			return -EDEADLK;
	bool sleeps = n > 1 && local->blocking && !local->callbacks &&
		      !creel__deadline_passed(deadline) && count_final(futures, n) + 1 < n;
	return sleeps ? await_all_blocked(futures, n, deadline) : await_all(futures, n, deadline);
}

/* Hooks on all that are not final. */
static void listen(struct wait *w, struct wait_hook *hooks, creel_future *const *futures, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		hooks[i].hook = (struct creel__hook){.notify = notify};
		hooks[i].wait = w;
		if (!creel__hooks_listen(futures[i], &hooks[i].hook))
			notify(&hooks[i].hook, futures[i]);
	}
}

/* Whether none can end before the calling thread returns; if the wait may last until all are final,
 * whether one cannot. */
static bool needs_caller(creel_future *const *futures, size_t n, int mode)
{
	size_t behind = 0;
	for (size_t i = 0; i < n; i++)
		behind += creel__future_needs_caller(futures[i]) &&
			  !creel__future_is_final(futures[i]);
	return mode == CREEL_FIRST_COMPLETED ? behind == n : behind;
}

static int may_wait_first(creel_future *const *futures, size_t n, int mode, creel_deadline deadline)
{
	const struct creel__local *local = creel__self();
	if ((local->task || local->drive) && needs_caller(futures, n, mode))
		return -EDEADLK;
	if (creel__deadline_passed(deadline))
		return -ETIMEDOUT;
	return local->callbacks ? -EDEADLK : 0;
}

static int wait_first(struct wait_hook *hooks, creel_future *const *futures, size_t n, int mode,
		      creel_deadline deadline)
{
	int refused = may_wait_first(futures, n, mode, deadline);
	if (refused)
		return refused;
	struct wait w = {.mode = mode};
	creel__store(&w.unfinished, n, relaxed);
	listen(&w, hooks, futures, n);
	creel__waits_begin(CREEL__WAITS_FIRST, futures[0]);
	int rc = sleep_until_over(&w, deadline);
	creel__waits_end();
	for (size_t i = 0; i < n; i++)
		creel__hooks_leave(futures[i], &hooks[i].hook);
	return is_over(&w) ? 0 : rc;
}

static int wait_first_alloc(creel_future *const *futures, size_t n, int mode,
			    creel_deadline deadline)
{
	if (holds(futures, n, mode))
		return 0;
	struct wait_hook few[ON_STACK], *hooks = few;
	if (n > ON_STACK) {
		hooks = n > CREEL__SIZE_MAX / sizeof *hooks ? NULL
							    : creel__malloc(n * sizeof *hooks);
		if (!hooks)
			return -ENOMEM;
	}
	int rc = wait_first(hooks, futures, n, mode, deadline);
	if (hooks != few)
		creel__free(hooks);
	return rc;
}

int creel_wait(creel_future *const *futures, size_t n, int mode, creel_deadline deadline,
	       size_t *ret_done)
{
	if ((!futures && n) || mode < CREEL_ALL_COMPLETED || mode > CREEL_FIRST_ERROR)
		return -EINVAL;
	for (size_t i = 0; i < n; i++)
		if (!futures[i])
			return -EINVAL;
	for (size_t i = 0; i < n; i++)
		if (creel__future_foreign(futures[i]))
			return -EPERM;
	int rc = 0;
	if (n)
		rc = mode == CREEL_ALL_COMPLETED ? wait_all(futures, n, deadline)
						 : wait_first_alloc(futures, n, mode, deadline);
	if (ret_done && (rc == 0 || rc == -ETIMEDOUT))
		*ret_done = count_final(futures, n);
	return rc;
}
