/* SPDX-License-Identifier: MIT */
/*
 * Hooks: who wants to hear of a future's end. And what stands behind its block: its options.
 *
 * The word creel_future.hooks is a circular doubly linked list, named by its last node, and a lock
 * in its two lowest bits (as in WebKit's WTF::Lock: held, and somebody parked). Rank 20; under it
 * only the locks of those who listen (a queue, 30; a wait, 30).
 *
 * ORDER       The listeners (newest first), the callbacks (oldest first). So the last hook says
 *             whether there is a callback.
 * COMPLETION  Whoever makes a future final with HOOKED set takes the lock, tells the internal
 *             listeners (notify) under it, and then calls the callbacks in order with no lock held.
 *             A link (future/link.h) is a listener that is called between the two, without a lock.
 *             A listener is added with the lock held and HOOKED set before that happens, or sees
 *             the future final. So a listener that finds its node unlinked while it holds the lock
 *             knows that it was told, and that the teller is through with it.
 */
#ifndef CREEL__FUTURE_HOOK_H
#define CREEL__FUTURE_HOOK_H

#include "future/block.h"

struct creel__hook {
	struct creel__hook *next, *prev; /* NULL, NULL: not in a list */
	/* Called once, under the hooks' lock. NULL: a callback. */
	void (*notify)(struct creel__hook *hook, creel_future *f);
};

struct creel__enlisted;
struct creel__layers;
struct creel__owner;
struct creel__stage;
struct creel__watched;

/* What creel_submit_options asks for, and who watches: in one piece with the block, behind it. */
struct creel__options {
	void (*arg_free)(void *arg, size_t size, void *arg_ctx);
	void *arg_ctx;
	int64_t limit_ns;
	struct creel__watched *watched;   /* future/watch.h; or NULL */
	struct creel__times *times;       /* future/times.h: a reference; or NULL */
	struct creel__stage *stage;       /* future/stage.h; or NULL */
	struct creel__layers *layers;     /* future/layers.h: a reference; or NULL */
	struct creel__enlisted *enlisted; /* future/token.h; or NULL */
	const struct creel__owner *owner; /* of a task that is OWNED: future/owned.h */
	/* What the task is an attempt of, which does not end while it runs; or NULL. */
	creel_future *whole;
	int band;
	bool followed; /* it has returned a future: future/follow.h */
	bool cancels;  /* it has started, and is about to be CANCELLED */
	uint32_t size; /* of this, with the name, and with the stage behind it; set at birth */
	const creel_error *cancelled; /* once it is: its error, which has the name; or NULL */
	char name[];                  /* what it is called in errors */
};

/* NULL if it has none. */
static inline struct creel__options *creel__options_of(creel_future *f)
{
	bool has = creel__load(&f->state, relaxed) & CREEL__OPTIONS;
	return has ? (struct creel__options *)(void *)(f + 1) : NULL;
}

/* Of a new block with so many bytes behind it: they ask for nothing. */
void creel__options_init(creel_future *f, size_t size);

/* Lets go of all but their memory. Nobody else looks at them, but for a report, which may look at
 * who watches. */
void creel__options_clear(creel_future *f, struct creel__options *options);

/* Frees a future that nobody else has, with its options but not its argument. */
void creel__future_free(creel_future *f);

/* Whether a future that is CANCELLED has expired, in truth: it has an error that says so. */
bool creel__future_expired(creel_future *f);

/* The name of its task, or NULL. */
static inline const char *creel__task_name(creel_future *f)
{
	const struct creel__options *options = creel__options_of(f);
	return options ? options->name : NULL;
}

/* What a task is an attempt of, or NULL. The caller runs it. */
static inline creel_future *creel__whole_of(creel_future *f)
{
	const struct creel__options *options = creel__options_of(f);
	return options ? options->whole : NULL;
}

void creel__hooks_lock(creel_future *f);
bool creel__hooks_try_lock(creel_future *f); /* false if somebody holds it */
void creel__hooks_unlock(creel_future *f);
/* In the same step names another last hook, or none. */
void creel__hooks_unlock_with(creel_future *f, struct creel__hook *last);

/* With the lock held: the first or last hook or NULL; the next or previous one or NULL. */
struct creel__hook *creel__hooks_first_locked(creel_future *f);
struct creel__hook *creel__hooks_last_locked(creel_future *f);
struct creel__hook *creel__hooks_next_locked(creel_future *f, struct creel__hook *hook);
struct creel__hook *creel__hooks_before_locked(creel_future *f, struct creel__hook *hook);
void creel__hooks_append_locked(creel_future *f, struct creel__hook *hook);
void creel__hooks_unlink_locked(creel_future *f, struct creel__hook *hook);

static inline bool creel__hook_is_callback(const struct creel__hook *hook)
{
	return !hook->notify;
}

/* Appends unless the future is final: false then. Takes the lock. */
bool creel__hooks_listen(creel_future *f, struct creel__hook *hook);

/* The same for one that is told with the result, though the last user may go meanwhile: whoever
 * tells it counts as a user (CALLING), as long as a callback or such a hook is registered. */
bool creel__hooks_link(creel_future *f, struct creel__hook *hook);

/* Unlinks; false if it was not in the list (any more). Takes the lock. */
bool creel__hooks_leave(creel_future *f, struct creel__hook *hook);

#endif
