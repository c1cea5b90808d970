/* SPDX-License-Identifier: MIT */
/*
 * Callbacks.
 *
 * A callback is a hook without notify. Whoever makes the future final tells the internal
 * listeners under the hooks' lock and then takes the callbacks one by one: it marks the first as
 * running under the lock, calls it with no lock held, unlinks it, marks the next. A marked
 * callback cannot be removed.
 *
 * CALLING  This bit of the state word is set while a callback is registered or has not returned,
 *          and from the time when a link is added until it was told. It changes under the hooks'
 *          lock alone. On a final future it means that one thread calls the callbacks: a callback
 *          that is added then goes to the end of the list, and that thread finds it there before it
 *          clears the bit. Whoever adds one to a final future without the bit sets it, and is that
 *          thread. So callbacks of one future never overtake
 *          each other and never run at the same time. (One
 *          that is called elsewhere counts as returned once it is sent there.)
 *
 * NAMES    Callbacks stand in the list in the order of their names, and are found by an index that
 *          lies through them, whose last node is the list's last hook. Names are never used twice,
 *          so an old one finds nothing.
 *
 * NESTING  See future/nest.h. A task that an executor runs within the submission of a callback (as
 *          the inline executor does) is a part of that callback.
 */
#include "future/callback.h"
#include "base/alloc.h"
#include "base/list.h"
#include "future/class.h"
#include "future/hook.h"
#include "future/index.h"
#include "future/link.h"
#include "future/nest.h"
#include "future/release.h"
#include "sync/fork.h"
#include "sync/local.h"
#include "sync/thread.h"
#include <creel/future.h>
#include <errno.h>

static struct creel__callback *callback_of(struct creel__hook *hook)
{
	return (struct creel__callback *)hook;
}

/* The newest one, which is the last hook; NULL if there is none. */
static struct creel__callback *newest_locked(creel_future *f)
{
	struct creel__hook *last = creel__hooks_last_locked(f);
	return last && creel__hook_is_callback(last) ? callback_of(last) : NULL;
}

bool creel__callback_free_argument(struct creel__callback *c)
{
	return creel__user_call(c->deferred.generation, c->free ? c->free(c->arg) : (void)0, 0);
}

bool creel__callback_call(struct creel__callback *c)
{
	creel__callbacks_enter();
	bool stayed = creel__user_call(c->deferred.generation, c->fn(c->future, c->arg), 0) &&
		      creel__callback_free_argument(c);
	creel__callbacks_leave();
	return stayed;
}

bool creel__callback_call_after_all(struct creel__callback *c)
{
	if (!c->never_inline)
		return creel__callback_call(c);
	creel__destructors_enter();
	bool stayed = creel__callback_free_argument(c);
	creel__destructors_leave();
	return stayed;
}

/* What is left of a callback that was called, or that will not be. */
static void dispose(struct creel__callback *c)
{
	if (c->dispose)
		c->dispose(c);
	else
		creel__free(c);
}

static void unlink_locked(creel_future *f, struct creel__callback *c)
{
	creel__index_remove(&c->index);
	creel__hooks_unlink_locked(f, &c->hook);
}

/* It stays in the list until it was called, so that creel_future_remove() tells the truth. */
static void unlink_called(creel_future *f, struct creel__callback *c)
{
	if (!c->listed)
		return;
	creel__hooks_lock(f);
	if (c->hook.next)
		unlink_locked(f, c);
	creel__hooks_unlock(f);
}

void creel__callback_finish(struct creel__callback *c)
{
	creel_future *f = c->future;
	unlink_called(f, c);
	dispose(c);
	creel_future_unref(f);
}

static struct creel__callback *mark_next_locked(creel_future *f, struct creel__hook *from)
{
	while (from && callback_of(from)->running)
		from = creel__hooks_next_locked(f, from);
	if (from)
		callback_of(from)->running = true;
	return from ? callback_of(from) : NULL;
}

/* The first hook that is a callback. */
static struct creel__hook *first_callback_locked(creel_future *f)
{
	struct creel__hook *first = creel__hooks_first_locked(f);
	while (first && !creel__hook_is_callback(first))
		first = creel__hooks_next_locked(f, first);
	return first;
}

/* The oldest callback that is not marked: those stand together at the end of the list. */
static struct creel__hook *first_waiting_locked(creel_future *f)
{
	struct creel__hook *found = NULL;
	struct creel__hook *hook = creel__hooks_last_locked(f);
	while (hook && creel__hook_is_callback(hook) && !callback_of(hook)->running) {
		found = hook;
		hook = creel__hooks_before_locked(f, hook);
	}
	return found;
}

/* Marks the one behind c or, without c, the oldest. If there is none, and c has returned, then the
 * next one that is added is called by whoever adds it. */
static struct creel__callback *mark_next(creel_future *f, struct creel__callback *c, bool returned)
{
	creel__hooks_lock(f);
	struct creel__callback *marked = mark_next_locked(
		f, c ? creel__hooks_next_locked(f, &c->hook) : first_waiting_locked(f));
	if (!marked && returned)
		creel__and(&f->state, ~(uint64_t)CREEL__CALLING, relaxed);
	creel__hooks_unlock(f);
	return marked;
}

/* Calls c on this thread; returns the next one, marked. */
static struct creel__callback *call_here(creel_future *f, struct creel__callback *c)
{
	if (!creel__callback_call(c))
		return NULL;
	struct creel__callback *next = c->listed ? mark_next(f, c, true) : NULL;
	creel__callback_finish(c);
	return next;
}

/* Sends c elsewhere. It may be gone before the next is looked for, so that is marked first; if
 * there is none yet, one may be added until c is sent. */
static struct creel__callback *call_there(creel_future *f, struct creel__callback *c)
{
	bool listed = c->listed;
	uint16_t generation = c->deferred.generation;
	struct creel__callback *next = listed ? mark_next(f, c, false) : NULL;
	bool sent = c->send(c);
	if (creel__fork_foreign(generation))
		return NULL;
	if (!sent && creel__callback_call_after_all(c))
		creel__callback_finish(c);
	return next || !listed ? next : mark_next(f, NULL, true);
}

/* Calls all callbacks of a future; c is the first, marked. Takes over a reference to f. */
static void run_all(creel_future *f, struct creel__callback *c)
{
	while (c) {
		c->future = creel_future_ref(f);
		c = c->send ? call_there(f, c) : call_here(f, c);
	}
	creel_future_unref(f);
}

/* A removed one: only its free is to be called. */
static void free_removed(struct creel__deferred *d)
{
	struct creel__callback *c = creel__of(d, struct creel__callback, deferred);
	creel__destructors_enter();
	if (creel__callback_free_argument(c))
		dispose(c);
	creel__destructors_leave();
}

static void run_from(struct creel__deferred *d)
{
	struct creel__callback *c = creel__of(d, struct creel__callback, deferred);
	run_all(c->future, c);
}

/* Calls the callbacks from c on, now or when the callback that this thread is in has returned.
 * Takes over a reference to f. */
static void start(creel_future *f, struct creel__callback *c)
{
	c->future = f;
	c->deferred.run = run_from;
	creel__callbacks_call(&c->deferred);
}

/* Tells the listeners, in the order in which they came: from the callbacks to the front. */
static void tell_locked(creel_future *f)
{
	struct creel__hook *hook = creel__hooks_last_locked(f);
	while (hook) {
		struct creel__hook *before = creel__hooks_before_locked(f, hook);
		if (hook->notify) {
			creel__hooks_unlink_locked(f, hook);
			hook->notify(hook, f);
		}
		hook = before;
	}
}

/* Where the only hook is a link, and there is no callback, that gets the teller's reference. Then
 * this gives up the lock, and the teller has nothing left to do with the future. */
static bool hand_over_locked(creel_future *f)
{
	struct creel__hook *hook = creel__hooks_last_locked(f);
	if (!hook || hook->next != hook || hook->notify != creel__link_told)
		return false;
	hook->next = hook->prev = NULL;
	creel__and(&f->state, ~(uint64_t)(CREEL__TELLING | CREEL__CALLING), relaxed);
	creel__link_tell(hook);
	creel__hooks_unlock_with(f, NULL);
	return true;
}

void creel__hooks_run(creel_future *f)
{
	creel__hooks_lock(f);
	if (hand_over_locked(f)) {
		creel__callbacks_flush();
		return;
	}
	tell_locked(f);
	struct creel__hook *first = first_callback_locked(f);
	struct creel__callback *c = mark_next_locked(f, first);
	/* All were removed at the last moment. If there is one that is running, whoever added it
	 * calls it. */
	bool removed = !first && creel__load(&f->state, relaxed) & CREEL__CALLING;
	if (removed)
		creel__and(&f->state, ~(uint64_t)CREEL__CALLING, relaxed);
	creel__hooks_unlock(f);
	/* Links come before callbacks. */
	creel__callbacks_flush();
	if (creel__future_foreign(f))
		return;
	if (!c && !removed) {
		creel__future_told(f);
		return;
	}
	creel__and(&f->state, ~(uint64_t)CREEL__TELLING, relaxed);
	if (!c) {
		creel_future_unref(f);
		return;
	}
	creel__worker_is_busy();
	start(f, c);
}

/* How often the names of any future have come round. */
static _Atomic(uint32_t) rounds;

/* A name that no callback of this future has had: each round of the counter in the block has
 * another upper half. The lock orders the reads of that, so names ascend. */
static uint64_t new_name_locked(creel_future *f)
{
	if (++f->hook_ids == 0)
		creel__add(&rounds, 1, relaxed);
	return (uint64_t)creel__load(&rounds, relaxed) << 32 | f->hook_ids;
}

/* Appends c. True if the caller is to call it. */
static bool append(creel_future *f, struct creel__callback *c, uint64_t *ret_id)
{
	bool here = !c->send && !creel__callbacks_nest(creel__self());
	creel__hooks_lock(f);
	/* [FUT-2] acquire: as in creel__hooks_listen() */
	uint64_t old = creel__or(&f->state, CREEL__HOOKED | CREEL__CALLING, acquire);
	bool mine = creel__is_final(old) && !(old & CREEL__CALLING);
	c->listed = true;
	c->running = mine;
	c->index.name = new_name_locked(f);
	if (ret_id)
		*ret_id = mine && here ? 0 : c->index.name;
	struct creel__callback *newest = newest_locked(f);
	creel__index_append(newest ? &newest->index : NULL, &c->index);
	creel__hooks_append_locked(f, &c->hook);
	creel__hooks_unlock(f);
	return mine;
}

void creel__callback_add(creel_future *f, struct creel__callback *c, uint64_t *ret_id)
{
	c->deferred.generation = creel__fork_generation();
	/* A constant has no hooks. */
	if (creel__load(&f->state, relaxed) & CREEL__STATIC) {
		if (ret_id)
			*ret_id = 0;
		start(creel_future_ref(f), c);
	} else if (append(f, c, ret_id)) {
		start(creel_future_ref(f), c);
	}
}

static bool has_links_locked(creel_future *f)
{
	struct creel__hook *hook = creel__hooks_first_locked(f);
	while (hook && hook->notify != creel__link_told)
		hook = creel__hooks_next_locked(f, hook);
	return hook;
}

/* Without callbacks and links a pending future is no longer CALLING. A final one is as long as a
 * thread is at it, which clears the bit itself. */
static void unlink_removed_locked(creel_future *f, struct creel__callback *c)
{
	unlink_locked(f, c);
	if (!creel__future_is_final(f) && !newest_locked(f) && !has_links_locked(f))
		creel__and(&f->state, ~(uint64_t)CREEL__CALLING, relaxed);
}

static struct creel__callback *find_locked(creel_future *f, uint64_t id)
{
	struct creel__callback *newest = newest_locked(f);
	struct creel__index *found = newest ? creel__index_find(&newest->index, id) : NULL;
	return found ? creel__of(found, struct creel__callback, index) : NULL;
}

int creel_future_remove(creel_future *f, uint64_t id)
{
	if (!f)
		return -EINVAL;
	if (creel__load(&f->state, relaxed) & CREEL__STATIC)
		return CREEL_CALLBACK_DONE;
	if (creel__future_foreign(f))
		return -EPERM;
	creel__hooks_lock(f);
	struct creel__callback *c = find_locked(f, id);
	bool running = c && c->running;
	if (c && !running)
		unlink_removed_locked(f, c);
	creel__hooks_unlock(f);
	if (!c || running)
		return c ? CREEL_CALLBACK_RUNNING : CREEL_CALLBACK_DONE;
	c->deferred.run = free_removed;
	if (!c->free)
		dispose(c);
	else if (creel__self()->destructors)
		creel__callbacks_defer(&c->deferred);
	else
		free_removed(&c->deferred);
	return CREEL_CALLBACK_REMOVED;
}
