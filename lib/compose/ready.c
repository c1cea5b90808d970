/* SPDX-License-Identifier: MIT */
/* Futures that end when a descriptor is ready; see compose/driven.h. */
#include "base/alloc.h"
#include "base/clock.h"
#include "compose/driven.h"
#include "future/error.h"
#include "future/future.h"
#include "future/result.h"
#include "sync/block.h"
#include <creel/driven.h>
#include <creel/future.h>
#include <errno.h>
#include <string.h>

static creel_future *future_of(struct creel__watch *w)
{
	return creel__of((unsigned char(*)[CREEL__PAYLOAD])w, creel_future, payload);
}

static struct creel__watch *watch_of(creel_future *f)
{
	return creel__owned_state(f);
}

static uint64_t tag_of(int fd, const struct creel__spot *spot)
{
	return (uint64_t)spot->arming << 32 | (uint32_t)fd;
}

/* False without memory. */
static bool grow_locked(struct creel__driven *d, size_t pieces)
{
	size_t n = d->pieces ? d->pieces : 4;
	while (n < pieces)
		n *= 2;
	struct creel__spot **spots = creel__zalloc(n * sizeof(struct creel__spot *));
	if (!spots)
		return false;
	for (size_t i = 0; i < d->pieces; i++)
		spots[i] = d->spots[i];
	creel__free(d->spots);
	d->spots = spots;
	d->pieces = n;
	return true;
}

/* NULL without memory. */
static struct creel__spot *spot_locked(struct creel__driven *d, int fd)
{
	size_t piece = (size_t)fd / CREEL__SPOTS;
	if (piece >= d->pieces && !grow_locked(d, piece + 1))
		return NULL;
	if (!d->spots[piece]) {
		struct creel__spot *spots = creel__zalloc(CREEL__SPOTS * sizeof *spots);
		if (!spots)
			return NULL;
		for (int i = 0; i < CREEL__SPOTS; i++)
			creel__list_init(&spots[i].watches);
		d->spots[piece] = spots;
	}
	return &d->spots[piece][fd % CREEL__SPOTS];
}

static void fire_locked(struct creel__driven *d, struct creel__watch *w, struct creel__list *to,
			int code)
{
	creel__list_remove(&w->node);
	creel__list_append(to, &w->node);
	d->waiting--;
	w->code = code;
}

/* Those whose descriptor has been closed: its number is another file's now, or nobody's. */
static void fire_stale_locked(struct creel__driven *d, struct creel__spot *spot)
{
	while (!creel__list_is_empty(&spot->watches))
		fire_locked(d, creel__of(spot->watches.next, struct creel__watch, node), &d->fired,
			    -EBADF);
	creel__driven_show_locked(d);
}

/* What those in a spot wait for. */
static unsigned wanted_locked(const struct creel__spot *spot)
{
	unsigned events = 0;
	for (struct creel__list *i = spot->watches.next; i != &spot->watches; i = i->next)
		events |= creel__of(i, struct creel__watch, node)->events;
	return events;
}

/* Arms a spot for one event of those that are wanted, and of more. 0 or -errno. */
static int arm_locked(struct creel__driven *d, int fd, struct creel__spot *spot, unsigned more)
{
	bool fresh;
	spot->arming++;
	int rc = creel__poller_arm(&d->poller, fd, wanted_locked(spot) | more, tag_of(fd, spot),
				   spot->added, &fresh);
	if (fresh && !creel__list_is_empty(&spot->watches)) {
		fire_stale_locked(d, spot);
		if (rc == 0 && more)
			return arm_locked(d, fd, spot, more);
	}
	spot->added = rc == 0;
	return rc;
}

/* After some have left a spot. */
static void rearm_locked(struct creel__driven *d, int fd, struct creel__spot *spot)
{
	if (!creel__list_is_empty(&spot->watches))
		(void)arm_locked(d, fd, spot, 0);
}

static void disarm_locked(struct creel__driven *d, int fd, struct creel__spot *spot)
{
	spot->arming++;
	spot->added = false;
	creel__poller_disarm(&d->poller, fd);
}

static int add_locked(struct creel__driven *d, struct creel__watch *w)
{
	if (d->closed)
		return -ESHUTDOWN;
	struct creel__spot *spot = spot_locked(d, w->fd);
	if (!spot)
		return -ENOMEM;
	int rc = arm_locked(d, w->fd, spot, w->events);
	if (rc)
		return rc;
	creel__list_append(&spot->watches, &w->node);
	d->waiting++;
	d->held++;
	return 0;
}

enum creel__withdrawn creel__ready_withdraw(creel_future *f)
{
	struct creel__watch *w = watch_of(f);
	struct creel__driven *d = w->driven;
	creel__lock_acquire(&d->lock);
	bool listed = !creel__list_is_empty(&w->node), waits = listed && !w->got && !w->code;
	creel__list_remove(&w->node);
	if (waits) {
		struct creel__spot *spot = spot_locked(d, w->fd);
		d->waiting--;
		if (creel__list_is_empty(&spot->watches))
			disarm_locked(d, w->fd, spot);
	}
	creel__driven_show_locked(d);
	creel__lock_release(&d->lock);
	return listed ? CREEL__WITHDRAWN : CREEL__NOT_THERE;
}

void creel__ready_cancelled(creel_future *f, const struct creel__cancelling *how)
{
	(void)how;
	creel__driven_drop(watch_of(f)->driven);
}

static void fire_ready_locked(struct creel__driven *d, const struct creel__polled *polled)
{
	const unsigned always = CREEL_HUNG_UP | CREEL_ERROR;
	int fd = (int)(uint32_t)polled->tag;
	struct creel__spot *spot = spot_locked(d, fd);
	if (!spot || spot->arming != polled->tag >> 32)
		return;
	struct creel__list *next, *i = spot->watches.next;
	for (; i != &spot->watches; i = next) {
		struct creel__watch *w = creel__of(i, struct creel__watch, node);
		next = i->next;
		w->got = polled->events & (w->events | always);
		if (w->got)
			fire_locked(d, w, &d->fired, 0);
	}
	rearm_locked(d, fd, spot);
}

int creel__ready_collect_locked(struct creel__driven *d, bool sleeps, creel_deadline deadline)
{
	struct creel__polled polled[CREEL__POLLED_MOST];
	d->asleep = sleeps;
	d->unseen = false;
	creel__driven_show_locked(d);
	creel__lock_release(&d->lock);
	if (sleeps)
		(void)creel__blocking_begin(CREEL__BLOCKS_ANYHOW);
	int n = creel__poller_wait(&d->poller, polled, CREEL__POLLED_MOST,
				   sleeps ? deadline : CREEL_NOW);
	if (sleeps)
		creel__blocking_end();
	creel__lock_acquire(&d->lock);
	d->asleep = false;
	for (int i = 0; i < n; i++)
		fire_ready_locked(d, &polled[i]);
	/* The bell may have taken a place. */
	d->unseen |= n >= CREEL__POLLED_MOST - 1;
	return n < 0 ? n : 0;
}

static bool bad_events(unsigned events)
{
	const unsigned known = CREEL_READABLE | CREEL_WRITABLE | CREEL_URGENT;
	return !events || events & ~known;
}

static const creel_error *refusal(int code, int fd, unsigned events)
{
	static const char call[] = "creel_ready";
	int kind = code == -ESHUTDOWN ? CREEL_KIND_SHUT_DOWN : CREEL_KIND_REJECTED;
	switch (code) {
	case -ESHUTDOWN:
		return creel__error_make(kind, code, NULL,
					 "%s: the executor was shut down before descriptor %d was "
					 "ready",
					 call, fd);
	case -EPERM:
		return creel__error_make(kind, code, NULL,
					 "%s: the executor is the parent's, and this is a forked "
					 "child; make one here",
					 call);
	case -EINVAL:
		if (fd < 0)
			return creel__error_make(kind, code, NULL,
						 "%s: descriptor %d is negative; did open() fail?",
						 call, fd);
		if (!bad_events(events))
			return creel__error_make(kind, code, NULL,
						 "%s: the executor is NULL or no driven one; make "
						 "one with creel_driven_new()",
						 call);
		return creel__error_make(
			kind, code, NULL,
			"%s: events is 0x%x; use CREEL_READABLE, CREEL_WRITABLE or "
			"CREEL_URGENT, or several of them",
			call, events);
	case -EBADF:
		return creel__error_make(kind, code, NULL,
					 "%s: descriptor %d is not open; cancel the future before "
					 "you close it",
					 call, fd);
	default:
		return creel__error_make(kind, code, NULL,
					 "%s: descriptor %d cannot be watched (%s)", call, fd,
					 creel_code_name(code));
	}
}

bool creel__ready_end(struct creel__driven *d, struct creel__watch *w)
{
	creel_future *f = future_of(w);
	int code = w->code, fd = w->fd;
	unsigned got = w->got;
	if (!creel__owned_claim(f)) {
		creel_future_unref(f);
		return !creel__executor_foreign(&d->base);
	}
	if (code) {
		const creel_error *e = refusal(code, fd, 0);
		creel__error_set_unhandled(e, d->base.unhandled);
		creel__owned_fail(f, e);
	} else {
		(void)creel__result_copy(f, &got, sizeof got);
		creel__owned_finish(f);
	}
	if (creel__executor_foreign(&d->base))
		return false;
	creel__driven_drop(d);
	return true;
}

static struct creel__watch *pop_gone(struct creel__driven *d)
{
	creel__lock_acquire(&d->lock);
	struct creel__list *node = creel__list_pop(&d->gone);
	creel__lock_release(&d->lock);
	return node ? creel__of(node, struct creel__watch, node) : NULL;
}

static void fire_all_locked(struct creel__driven *d)
{
	for (size_t i = 0; i < d->pieces * CREEL__SPOTS && d->waiting; i++) {
		struct creel__spot *piece = d->spots[i / CREEL__SPOTS];
		struct creel__spot *spot = piece ? &piece[i % CREEL__SPOTS] : NULL;
		if (!spot || creel__list_is_empty(&spot->watches))
			continue;
		while (!creel__list_is_empty(&spot->watches))
			fire_locked(d, creel__of(spot->watches.next, struct creel__watch, node),
				    &d->gone, -ESHUTDOWN);
		disarm_locked(d, (int)i, spot);
	}
}

bool creel__ready_close(struct creel__driven *d)
{
	struct creel__watch *w;
	creel__lock_acquire(&d->lock);
	d->held++;
	/* Perhaps no run ends what has fired: one that finds no task left returns first. */
	creel__list_splice(&d->gone, &d->fired);
	fire_all_locked(d);
	creel__driven_show_locked(d);
	creel__lock_release(&d->lock);
	while ((w = pop_gone(d)))
		if (!creel__ready_end(d, w))
			return false;
	creel__driven_drop(d);
	return true;
}

static creel_future *refuse(int code, int fd, unsigned events, const creel_error *broken)
{
	if (code != CREEL_EFAILED)
		return creel__future_failed(refusal(code, fd, events));
	const creel_error *e = creel__error_make(CREEL_KIND_BROKEN, broken->code, NULL,
						 "creel_ready: the executor is broken: %s",
						 broken->message);
	creel__error_set_cause(e, creel__error_ref(broken));
	return creel__future_failed(e);
}

static int check(creel_executor *driven, int fd, unsigned events)
{
	int rc = creel__driven_check(driven);
	return rc == 0 && (fd < 0 || bad_events(events)) ? -EINVAL : rc;
}

creel_future *creel_ready(creel_executor *driven, int fd, unsigned events)
{
	int rc = check(driven, fd, events);
	if (rc)
		return refuse(rc, fd, events, creel_executor_error(driven));
	struct creel__driven *d = (struct creel__driven *)driven;
	creel_future *f = creel__owned_new(&d->owner, 2);
	if (!f)
		return creel__future_failed(creel__error_static(CREEL_KIND_NO_MEMORY));
	struct creel__watch *w = watch_of(f);
	*w = (struct creel__watch){.driven = d, .fd = fd, .events = events};
	creel__list_init(&w->node);
	creel__lock_acquire(&d->lock);
	rc = add_locked(d, w);
	creel__lock_release(&d->lock);
	if (rc == 0)
		return f;
	(void)creel__owned_claim(f);
	if (rc == -EPERM) {
		(void)creel__result_copy(f, &events, sizeof events);
		creel__owned_finish(f);
		return f;
	}
	creel__owned_fail(f, refusal(rc, fd, events));
	return f;
}
