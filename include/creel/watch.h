/* SPDX-License-Identifier: MIT */
/*
 * Watching executors: hooks that hear of each task.
 *
 * COST  An executor that nobody watches pays nothing. One with hooks makes a note of each task on
 *       the heap, and reads the clock for each event.
 */
#ifndef CREEL_WATCH_H
#define CREEL_WATCH_H

#include <creel/base.h>

CREEL_BEGIN

/* What a hook is told. It, and what it points to, is valid until the hook returns. */
typedef struct creel_event {
	creel_executor *executor; /* borrowed */
	/* The task; 0, NULL and "" if the event is a worker's own. Tasks that are watched are
	 * numbered 1, 2, 3, ... in each executor, as they are submitted. */
	uint64_t sequence;
	creel_fn fn;
	const char *name;  /* of its options, or "" */
	creel_deadline at; /* when it happened, on the clock of creel_now() */
	unsigned worker;   /* as of creel_task_worker(); UINT_MAX: none */
	int state;         /* ended: CREEL_FUTURE_FINISHED or CREEL_FUTURE_CANCELLED */
	int code;          /* ended: 0, or the code of the error */
	uint32_t reserved32;
	uint64_t reserved[8];
} creel_event;

typedef void (*creel_hook_fn)(void *ctx, const creel_event *event);

/*
 * The hooks of an executor. Set size to sizeof(creel_hooks). A hook that is NULL is not called.
 *
 * submitted  The task is about to be handed to the executor, on the submitter.
 * started    Its function is about to be called, on the worker. A task of a process pool starts
 *            elsewhere: the host learns of it with the outcome, so the call comes right before
 *            ended, and `at` is the worker's own time.
 * ended      Its function has returned, or will certainly never be called (then there was no
 *            started). The future becomes final after the call. A refused submission ends with the
 *            code of the refusal.
 * worker_started, worker_left  A worker begins, before its initializer, and leaves, after its
 *            finalizer. In a process pool: it is ready, and it is dead; on the pool's manager.
 *
 * Each task that was submitted ends once, and starts at most once before that. Calls for different
 * tasks come on different threads at the same time.
 *
 * RULES  A hook is called with no lock held. It is a callback: it must return soon, must not end
 *        its thread, and gets -EDEADLK from calls that would wait. It may use every other call,
 *        also on the same executor. Tasks that a hook submits are not watched, so hooks do not feed
 *        themselves.
 * FORKS  A hook may fork. In the child no hook of the parent's is called.
 */
typedef struct creel_hooks {
	size_t size;
	void *ctx; /* the first argument of the hooks */
	creel_hook_fn submitted, started, ended;
	creel_hook_fn worker_started, worker_left;
} creel_hooks;

/*
 * Gives the executor its hooks, for as long as it lives. The struct is copied; ctx must stay valid
 * until the executor has ended. Tasks and workers that were there before are not watched: call it
 * right after the executor was made. An executor has its hooks once and keeps them, so that each
 * event finds them. To stop listening, have the hooks look at a flag of yours. Thread-safe; does
 * not block. On failure nothing has changed.
 *
 * -EINVAL    ex or hooks is NULL, or hooks->size is not what this version knows.
 * -EALREADY  The executor has hooks.
 * -ENOMEM    There is no memory.
 * -EPERM     This is a forked child.
 */
CREEL_API int creel_executor_watch(creel_executor *ex, const creel_hooks *hooks);

CREEL_END

#endif
