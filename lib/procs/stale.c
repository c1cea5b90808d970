/* SPDX-License-Identifier: MIT */
/*
 * What was submitted for one fork server, and comes to another.
 *
 * INVARIANT  Every task in the queue, and in a slot, has a function that is in the table of the
 *            server that will run it, and means there what it meant at its submission.
 *
 *            A submitter looks at the table without the lock, notes which one it was, and looks
 *            again under the lock if that is not the current one any more. When the table changes,
 *            all tasks are in the queue: the workers of the last server are buried. Those that
 *            the new one does not have leave the queue under the same lock, and fail. Old
 *            tables stay as long as the pool, for those who are just looking; there is a new one
 *            only where a server is replaced *and* libraries came or went.
 */
#include "procs/pool.h"
#include "sync/local.h"
#include <errno.h>

static const void *address_of(creel_fn fn)
{
	return (const void *)(uintptr_t)fn;
}

bool creel__function_vet(struct creel__procs *p, creel_fn fn)
{
	/* [CODE-1] acquire: the table is complete; pairs with the release in
	 * creel__code_renew_locked() */
	struct creel__code *code = creel__load(&p->code, acquire);
	creel__self()->vetted = code;
	return creel__code_has(code, address_of(fn));
}

bool creel__function_vet_again_locked(struct creel__procs *p, creel_fn fn)
{
	const struct creel__code *now = creel__load(&p->code, relaxed);
	const struct creel__code *then = creel__self()->vetted;
	return then == now || creel__code_same(then, now, address_of(fn));
}

const char *creel__code_check(struct creel__procs *p, const struct creel__code *now)
{
	const struct creel__code *then = creel__load(&p->code, relaxed);
	const creel_process_pool_options *o = &p->options;
	if (!then)
		return NULL;
	if (o->initializer && !creel__code_same(then, now, (const void *)(uintptr_t)o->initializer))
		return "the initializer, whose library was unloaded";
	if (o->finalizer && !creel__code_same(then, now, (const void *)(uintptr_t)o->finalizer))
		return "the finalizer, whose library was unloaded";
	return NULL;
}

/* Puts the tasks of one of the queue's lists, which was taken out, back, and in front of `stale`
 * those that the new table does not have. Returns the front. */
static creel_future *sift_locked(struct creel__procs *p, struct creel__procs_list *list,
				 const struct creel__code *then, const struct creel__code *now,
				 creel_future *stale)
{
	struct creel__procs_list out = {NULL, NULL, 0};
	creel_future *rest = list->first;
	list->first = list->last = NULL;
	while (rest) {
		creel_future *f = rest;
		rest = f->next;
		p->queued--;
		if (!f->fn || creel__code_same(then, now, address_of(f->fn))) {
			creel__queue_append_to_locked(p, list, f);
			continue;
		}
		f->next = NULL;
		if (out.last)
			out.last->next = f;
		else
			out.first = f;
		out.last = f;
	}
	if (!out.first)
		return stale;
	out.last->next = stale;
	return out.first;
}

/* The tasks of the queue that the new table does not have. */
static creel_future *take_stale_locked(struct creel__procs *p, const struct creel__code *then,
				       const struct creel__code *now)
{
	creel_future *stale = NULL;
	for (unsigned i = 0; then->subs != now->subs && i < CREEL__BANDS; i++)
		stale = sift_locked(p, &p->list[i], then, now, stale);
	return stale;
}

creel_future *creel__code_renew_locked(struct creel__procs *p, struct creel__code *now)
{
	struct creel__code *then = creel__load(&p->code, relaxed);
	if (then && creel__code_equal(then, now)) {
		creel__code_free(now);
		return NULL;
	}
	creel_future *stale = then ? take_stale_locked(p, then, now) : NULL;
	now->older = then;
	/* [CODE-1] release: publishes the table; pairs with the acquire in creel__function_vet() */
	creel__store(&p->code, now, release);
	return stale;
}

static const creel_error *explain(struct creel__procs *p, creel_future *f)
{
	const struct creel__code *then = creel__load(&p->code, relaxed)->older;
	/* A canceller forgets the function, under the lock. */
	creel__lock_acquire(&p->lock);
	const void *address = address_of(f->fn);
	creel__procs_unlock(p);
	const creel_error *e = creel__error_make(
		CREEL_KIND_NOT_TRANSFERABLE, -ENOEXEC, creel__task_name(f),
		"the fork server was replaced after libraries had been unloaded, "
		"and the new workers do not have the function at %p of %.64s",
		address, creel__code_library(then, address));
	creel__error_set_unhandled(e, p->base.unhandled);
	return e;
}

void creel__stale_fail(struct creel__procs *p, creel_future *stale)
{
	unsigned failed = 0, cancelled = 0;
	while (stale) {
		creel_future *f = stale;
		stale = f->next;
		if (creel__task_fail((creel_task *)f, explain(p, f)) == CREEL__FAILED)
			failed++;
		else
			cancelled++;
	}
	if (failed + cancelled == 0)
		return;
	creel__lock_acquire(&p->lock);
	p->cancelled += cancelled;
	creel__procs_unlock(p);
	creel__count_finished(p, failed);
}
