/* SPDX-License-Identifier: MIT */
/* A custom executor, as the files see it that make one up: exec/custom.c says what holds. */
#ifndef CREEL__EXEC_CUSTOM_H
#define CREEL__EXEC_CUSTOM_H

#include "exec/executor.h"
#include "future/layers.h"
#include "sync/lock.h"

/* How an adaptor's tasks are called off. Each includes those before it. */
enum {
	CREEL__OFF_PENDING = 1, /* cancelled, unless they have started */
	CREEL__OFF_ASKED,       /* or asked to stop */
	CREEL__OFF_KILLED,      /* or killed */
};

struct custom {
	creel_executor base;
	struct creel__executor_class class; /* what this one can do */
	creel_executor_ops ops;
	void *self;
	struct creel__lock lock;
	struct creel__cond quiet; /* inflight became 0 */
	uint64_t inflight, done;
	unsigned uses; /* by the library's calls that outlast a task */
	unsigned shut; /* CREEL__CUSTOM_CLOSED and the flags that ops.shutdown was told */
	bool released; /* the last reference went */
	struct custom *doomed_next; /* plain: in the list of the thread that destroys it */
	/* Of an adaptor: its tasks, those that were called off least first; how all were. */
	struct creel__list tasks;
	unsigned called_off;
	unsigned joiners;       /* who park on base.keeps; under base.undue_lock */
	const creel_error *why; /* borrowed: why, as far as it is known; or NULL */
};

#define CREEL__CUSTOM_CLOSED (1u << 31)

/* custom_life.c. Whether the caller, who has made one of these true, lets it go. */
static inline bool creel__custom_is_dead_locked(const struct custom *c)
{
	return c->released && c->inflight == 0 && c->uses == 0;
}
void creel__custom_destroy(creel_executor *ex);

/* The caller has an accepted task HELD, and uses the executor beyond the end of that. Afterwards
 * the executor may be gone. Not in a forked child. */
void creel__custom_use(struct custom *c);
void creel__custom_unuse(struct custom *c);
/* The same for one that only knows that its memory is there. False: it is being let go. */
bool creel__custom_try_use(struct custom *c);

/* Calls off the tasks of an adaptor: those that it has, and those that come. why is their error,
 * and stays as long as the adaptor; or NULL. False: a function of the user's has forked, and this
 * is the child. */
bool creel__custom_call_off(struct custom *c, unsigned how, const creel_error *why);

/* custom_tasks.c: class->leaves(), and a task that was accepted. */
void creel__custom_leaves(creel_executor *ex, struct creel__layer *layer, bool ends);
void creel__custom_list(struct custom *c, struct creel__layer *layer);

/* Waits until no task is in flight, nor waits to be due, and closes the executor at that moment. 0,
 * -ETIMEDOUT, -EAGAIN. */
int creel__custom_join(struct custom *c, creel_deadline deadline);

/* custom_ops.c: class->withdraw(); and completes the class by what the operations and the executor
 * beneath can do. */
enum creel__withdrawn creel__custom_withdraw(creel_executor *ex, creel_task *task,
					     enum creel__purpose purpose);
void creel__custom_complete(struct custom *c);

#endif
