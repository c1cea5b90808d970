/* SPDX-License-Identifier: MIT */
/* Places: see sync/places.h. */
#include "sync/places.h"
#include <errno.h>

struct waiter {
	struct creel__list node;
	_Atomic(uint32_t) granted; /* parked on; written under the lock */
};

void creel__places_init(struct creel__places *p, size_t most)
{
	*p = (struct creel__places){.most = most};
	creel__list_init(&p->waiters);
}

/* Less than none is taken for a moment where a task ends within a pair that it left open: it gave
 * its place twice, and takes one when that pair is closed. */
static size_t free_locked(const struct creel__places *p)
{
	if (p->taken > SIZE_MAX / 2)
		return p->most;
	return p->taken < p->most ? p->most - p->taken : 0;
}

/* Hands what is free to those who wait. */
static void grant_locked(struct creel__places *p)
{
	while (free_locked(p) && !creel__list_is_empty(&p->waiters)) {
		struct waiter *w = creel__of(creel__list_pop(&p->waiters), struct waiter, node);
		p->taken++;
		p->waiting--;
		/* Relaxed: read under the lock, or to look again under it. */
		creel__store(&w->granted, 1, relaxed);
		creel__unpark_one(&w->granted);
	}
}

size_t creel__places_try(struct creel__places *p, size_t n)
{
	creel__lock_acquire(&p->lock);
	if (n > free_locked(p))
		n = free_locked(p);
	p->taken += n;
	creel__lock_release(&p->lock);
	return n;
}

/* Until it is granted or the deadline has passed. */
static void park_locked(struct creel__places *p, struct waiter *w, creel_deadline deadline)
{
	int rc = 0;
	while (rc != -ETIMEDOUT && !creel__load(&w->granted, relaxed)) {
		creel__lock_release(&p->lock);
		rc = creel__park(&w->granted, 0, deadline);
		creel__lock_acquire(&p->lock);
	}
}

bool creel__places_wait(struct creel__places *p, creel_deadline deadline)
{
	struct waiter w = {.granted = 0};
	creel__lock_acquire(&p->lock);
	bool got = free_locked(p) > 0;
	if (got) {
		p->taken++;
	} else {
		creel__list_append(&p->waiters, &w.node);
		p->waiting++;
		park_locked(p, &w, deadline);
		got = creel__load(&w.granted, relaxed);
		if (!got) {
			creel__list_remove(&w.node);
			p->waiting--;
		}
	}
	creel__lock_release(&p->lock);
	return got;
}

void creel__places_exceed(struct creel__places *p)
{
	creel__lock_acquire(&p->lock);
	p->taken++;
	creel__lock_release(&p->lock);
}

void creel__places_give(struct creel__places *p, size_t n)
{
	creel__lock_acquire(&p->lock);
	p->taken -= n;
	grant_locked(p);
	creel__lock_release(&p->lock);
}

void creel__places_set(struct creel__places *p, size_t most)
{
	creel__lock_acquire(&p->lock);
	p->most = most;
	grant_locked(p);
	creel__lock_release(&p->lock);
}

struct creel__places_count creel__places_count(struct creel__places *p)
{
	creel__lock_acquire(&p->lock);
	struct creel__places_count count = {p->most, p->taken, p->waiting};
	creel__lock_release(&p->lock);
	return count;
}

bool creel__places_look(struct creel__places *p, struct creel__places_count *ret_count)
{
	if (!creel__lock_try(&p->lock))
		return false;
	*ret_count = (struct creel__places_count){p->most, p->taken, p->waiting};
	creel__lock_release(&p->lock);
	return true;
}
