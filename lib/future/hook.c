/* SPDX-License-Identifier: MIT */
/* The list of hooks on a future and the lock in its word; see future/hook.h. */
#include "future/hook.h"
#include "base/alloc.h"
#include "future/error.h"
#include "future/layers.h"
#include "future/stage.h"
#include "future/times.h"
#include "sync/park.h"

enum {
	HELD = 1,
	PARKED = 2,
	BITS = 3,
};

/* The word's half that has the lock bits, to park on. */
static _Atomic(uint32_t) *lock_half(creel_future *f)
{
#if UINTPTR_MAX > UINT32_MAX
	return creel__low_half((_Atomic(uint64_t) *)(uintptr_t)&f->hooks);
#else
	return (_Atomic(uint32_t) *)(uintptr_t)&f->hooks;
#endif
}

void creel__hooks_lock(creel_future *f)
{
	uintptr_t old = creel__load(&f->hooks, relaxed);
	for (;;) {
		if (!(old & HELD)) {
			/* [HOOK-1] acquire: sees the list as the last holder left it; pairs with
			 * the release in creel__hooks_unlock() */
			if (creel__cas(&f->hooks, &old, old | HELD, acquire, relaxed))
				return;
		} else if (old & PARKED ||
			   creel__cas(&f->hooks, &old, old | PARKED, relaxed, relaxed)) {
			creel__park_briefly(lock_half(f), (uint32_t)(old | PARKED), CREEL_FOREVER);
			old = creel__load(&f->hooks, relaxed);
		}
	}
}

void creel__hooks_unlock(creel_future *f)
{
	/* [HOOK-1] release: publishes the list; pairs with the acquire in creel__hooks_lock() */
	uintptr_t old = creel__and(&f->hooks, ~(uintptr_t)BITS, release);
	if (old & PARKED)
		creel__unpark_all(lock_half(f));
}

void creel__hooks_unlock_with(creel_future *f, struct creel__hook *last)
{
	/* [HOOK-1] release: as above. The future may go in this moment: then unparking uses its
	 * address only. */
	uintptr_t old = creel__xchg(&f->hooks, (uintptr_t)last, release);
	if (old & PARKED)
		creel__unpark_all(lock_half(f));
}

struct creel__hook *creel__hooks_last_locked(creel_future *f)
{
	return (struct creel__hook *)(creel__load(&f->hooks, relaxed) & ~(uintptr_t)BITS);
}

/* The lock bits stay as they are: a contender may be setting PARKED at the same time. */
static void set_last_locked(creel_future *f, struct creel__hook *last)
{
	uintptr_t old = creel__load(&f->hooks, relaxed);
	while (!creel__cas(&f->hooks, &old, (uintptr_t)last | (old & BITS), relaxed, relaxed))
		;
}

struct creel__hook *creel__hooks_first_locked(creel_future *f)
{
	struct creel__hook *last = creel__hooks_last_locked(f);
	return last ? last->next : NULL;
}

struct creel__hook *creel__hooks_next_locked(creel_future *f, struct creel__hook *hook)
{
	return hook == creel__hooks_last_locked(f) ? NULL : hook->next;
}

struct creel__hook *creel__hooks_before_locked(creel_future *f, struct creel__hook *hook)
{
	return hook == creel__hooks_first_locked(f) ? NULL : hook->prev;
}

/* Between last and the first hook: at the end of the list, which is circular, or at the front. */
static void insert_locked(struct creel__hook *last, struct creel__hook *hook)
{
	hook->next = last->next;
	hook->prev = last;
	last->next->prev = hook;
	last->next = hook;
}

void creel__hooks_append_locked(creel_future *f, struct creel__hook *hook)
{
	struct creel__hook *last = creel__hooks_last_locked(f);
	if (last)
		insert_locked(last, hook);
	else
		hook->next = hook->prev = hook;
	set_last_locked(f, hook);
}

/* Gives up the lock. */
static void prepend_and_unlock(creel_future *f, struct creel__hook *hook)
{
	struct creel__hook *last = creel__hooks_last_locked(f);
	if (last) {
		insert_locked(last, hook);
		creel__hooks_unlock(f);
	} else {
		hook->next = hook->prev = hook;
		creel__hooks_unlock_with(f, hook);
	}
}

void creel__hooks_unlink_locked(creel_future *f, struct creel__hook *hook)
{
	if (hook->next == hook) {
		set_last_locked(f, NULL);
	} else {
		hook->next->prev = hook->prev;
		hook->prev->next = hook->next;
		if (hook == creel__hooks_last_locked(f))
			set_last_locked(f, hook->prev);
	}
	hook->next = hook->prev = NULL;
}

static bool listen(creel_future *f, struct creel__hook *hook, uint64_t marks)
{
	if (creel__future_is_final(f))
		return false;
	creel__hooks_lock(f);
	/* [FUT-2] acquire: if it is final already, its result is visible; pairs with the release in
	 * settle(). If it is not, whoever settles it sees HOOKED and then waits for the lock. */
	uint64_t s = creel__load(&f->state, acquire);
	/* [FUT-2] acquire: as above. [FOLLOW-2] acquire: if it follows already, and was not HOOKED,
	 * whoever hangs on it finds itself HOOKED by it */
	while (!creel__is_final(s) && !creel__cas(&f->state, &s, s | marks, acquire, acquire))
		;
	bool listening = !creel__is_final(s);
	if (listening)
		prepend_and_unlock(f, hook);
	else
		creel__hooks_unlock(f);
	return listening;
}

bool creel__hooks_listen(creel_future *f, struct creel__hook *hook)
{
	return listen(f, hook, CREEL__HOOKED);
}

bool creel__hooks_link(creel_future *f, struct creel__hook *hook)
{
	return listen(f, hook, CREEL__HOOKED | CREEL__CALLING);
}

bool creel__hooks_leave(creel_future *f, struct creel__hook *hook)
{
	if (creel__load(&f->state, relaxed) & CREEL__STATIC)
		return false;
	creel__hooks_lock(f);
	bool in = hook->next != NULL;
	if (in)
		creel__hooks_unlink_locked(f, hook);
	creel__hooks_unlock(f);
	return in;
}

bool creel__future_expired(creel_future *f)
{
	const struct creel__options *options = creel__options_of(f);
	return options && options->cancelled && options->cancelled->kind != CREEL_KIND_CANCELLED;
}

bool creel__hooks_try_lock(creel_future *f)
{
	uintptr_t old = creel__load(&f->hooks, relaxed);
	/* [HOOK-1] acquire: as in creel__hooks_lock() */
	return !(old & HELD) && creel__cas(&f->hooks, &old, old | HELD, acquire, relaxed);
}

void creel__options_init(creel_future *f, size_t size)
{
	*creel__options_of(f) = (struct creel__options){.size = (uint32_t)size};
}

void creel__options_clear(creel_future *f, struct creel__options *options)
{
	struct creel__watched *watched = options->watched;
	if (watched) {
		creel__hooks_lock(f);
		options->watched = NULL;
		creel__hooks_unlock(f);
		creel__free(watched);
	}
	creel__error_unref(options->cancelled);
	creel__times_unref(options->times);
	creel__layers_unref(options->layers);
	creel__free(options->enlisted);
	options->cancelled = NULL;
	options->times = NULL;
	options->layers = NULL;
	options->enlisted = NULL;
}

void creel__future_free(creel_future *f)
{
	struct creel__options *options = creel__options_of(f);
	if (!options) {
		creel__block_free(f);
		return;
	}
	if (options->stage && !creel__stage_unref(options->stage))
		return;
	creel__options_clear(f, options);
	creel__block_free_wide(f, options->size);
}
