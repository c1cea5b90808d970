/* SPDX-License-Identifier: MIT */
/* Callbacks of futures: those that are called where the future ends, and what those need that are
 * called elsewhere. */
#ifndef CREEL__FUTURE_CALLBACK_H
#define CREEL__FUTURE_CALLBACK_H

#include "future/hook.h"
#include "future/index.h"
#include "future/nest.h"
#include <creel/future.h>

struct creel__callback {
	struct creel__hook hook;
	creel_done_fn fn;
	void *arg;
	void (*free)(void *arg); /* or NULL */
	/* NULL: it is called where the future ends. Otherwise sends it elsewhere, and from then on
	 * it is whoever has it there who calls and finishes it. False: it was not sent. */
	bool (*send)(struct creel__callback *c);
	bool never_inline; /* what was not sent, or not called there, is not called at all */
	/* Frees it, called or not. NULL: creel__free(). */
	void (*dispose)(struct creel__callback *c);
	creel_future *future;            /* once running: a reference */
	struct creel__deferred deferred; /* its generation is the callback's */
	struct creel__index index;       /* while it is listed; guarded by the hooks' lock */
	bool listed;                     /* plain: set before it is in the list */
	bool running;                    /* guarded by the hooks' lock */
};

/* Adds a callback, all zero but for what the caller set; takes it over. *ret_id as in
 * creel_future_on_done(). */
void creel__callback_add(creel_future *f, struct creel__callback *c, uint64_t *ret_id);

/* Tells the hooks of a future that has just become final. Takes over a reference. */
void creel__hooks_run(creel_future *f);

/* For those that were sent elsewhere. */

/* Calls it on this thread, where it must not block, and then its argument's destructor, which is a
 * part of the callback. False: this is a child. */
bool creel__callback_call(struct creel__callback *c);

/* Of one that is not called where it was sent: the same; or, if it is never called here, the
 * argument's destructor alone. */
bool creel__callback_call_after_all(struct creel__callback *c);

/* The argument's destructor alone. False: this is a child. */
bool creel__callback_free_argument(struct creel__callback *c);

/* The end of one that was called. Takes over its reference to the future. */
void creel__callback_finish(struct creel__callback *c);

#endif
