/* SPDX-License-Identifier: MIT */
/*
 * A driven executor from inside.
 *
 *   submit ----> queue --turn--> runner's thread
 *   creel_ready() ----> spot of the descriptor --poller--> fired --turn--> runner's thread
 *
 * LOCK     lock (rank 40) guards everything below it, and the words of queued tasks: the task
 *          before, and the number, which is 0 when the task is in hand. System calls that do not
 *          sleep are made under it: those on the poller. No function of the user's is called with
 *          it.
 * RUNNER   The thread inside run, or one that drains. There is one at most. It takes work out of
 *          the lists under the lock, one piece at a time, and runs it without. So whatever is not
 *          in hand can be withdrawn in constant time, and a runner whose thread ends leaves the
 *          rest to the next.
 * TURN     Queued tasks are numbered. What has a number up to fence runs in the turn that is on.
 * BELL     Rings exactly while something can run and nobody is awake to see it. Whoever changes
 *          that, under the lock, calls creel__driven_show_locked(). An awake runner is not told:
 *          it looks before it sleeps or leaves, under the lock. So no wake-up is lost, and a
 *          submission costs a system call only if it is the first after the runner slept or left.
 *          A runner that leaves work behind rings again: a loop that watches edge-triggered has
 *          seen the last ring already. So does one that may leave ready descriptors behind
 *          (unseen): it has not looked, its last look was full, or somebody else was sent away
 *          meanwhile.
 * READY    A watch is the payload of its future (future/owned.h), and stands in the list of its
 *          descriptor's spot, in fired, in gone, or is in hand. A descriptor is armed for one event
 *          at a time. Each arming has a number, which the event brings back: events of older ones
 *          are nobody's, since what is still waited for has been armed again.
 * LIFE     held counts accepted tasks that have not ended and watches whose future is not through.
 *          The runner is one as well. The executor goes when it is 0 and the last reference has
 *          gone; a task that follows another future holds its memory. If the last reference goes
 *          while a runner is inside, the runner runs what is left.
 */
#ifndef CREEL__COMPOSE_DRIVEN_H
#define CREEL__COMPOSE_DRIVEN_H

#include "compose/poller.h"
#include "future/class.h"
#include "future/owned.h"

enum { CREEL__SPOTS = 64 };

/* A descriptor that somebody waits for, or has waited for. */
struct creel__spot {
	struct creel__list watches;
	uint32_t arming;
	bool added; /* to the poller, as far as we know */
};

/* In hand: its node is a list of its own. */
struct creel__watch {
	struct creel__list node;
	struct creel__driven *driven;
	int fd;
	unsigned events;
	unsigned got; /* what it has fired with; 0: it stands in its spot, or */
	int code;     /* why it fails */
};

struct creel__driven {
	creel_executor base;
	struct creel__owner owner; /* of its watches: one of its own, so that they can be told */
	struct creel__poller poller;
	struct creel__lock lock;
	struct creel__cond changed;  /* inflight became 0, the runner left, or there is none and a
				      * task came */
	creel_future *first, *last;  /* the queue */
	uintptr_t submitted, fence;  /* the numbers of the last one, and of the last of this turn */
	struct creel__local *runner; /* of the thread inside, or NULL */
	bool asleep;                 /* that it is */
	bool rings;                  /* the bell does */
	bool unseen; /* descriptors may have become ready that the runner has not seen */
	bool stop;
	bool closed, released;
	bool running;      /* a task */
	bool *until;       /* plain: what the runner waits for has come */
	uint64_t inflight; /* accepted tasks that have not ended */
	uint64_t held;     /* these, watches, and who uses the executor for a moment */
	uint64_t done;
	struct creel__list fired;   /* watches that are to end inside run; none once it is closed */
	struct creel__list gone;    /* and those that end where the executor is shut down */
	size_t waiting;             /* watches in spots */
	struct creel__spot **spots; /* by descriptor, in pieces of CREEL__SPOTS */
	size_t pieces;
};

static inline bool creel__driven_has_work_locked(const struct creel__driven *d)
{
	return d->first || !creel__list_is_empty(&d->fired);
}

/* The number of a queued task. */
static inline uintptr_t *creel__driven_number(creel_future *f)
{
	return (uintptr_t *)(void *)&creel_task_words((creel_task *)f)[1];
}

/* driven_state.c */
/* 0, or what every call says to this executor. */
int creel__driven_check(creel_executor *ex);
void creel__driven_show_locked(struct creel__driven *d);
/* Takes the first task out of the queue. */
creel_task *creel__driven_pop_locked(struct creel__driven *d);
/* Nobody can drive it any more: fails what is queued. */
void creel__driven_abandon(struct creel__driven *d);
creel_task *creel__driven_pop(struct creel__driven *d);
void creel__driven_append_locked(struct creel__driven *d, creel_future *f);
void creel__driven_unlink_locked(struct creel__driven *d, creel_future *f);
bool creel__driven_is_thread(creel_executor *ex);
/* One that was held is no more: a task, which was done or not, or another. The executor may go. */
void creel__driven_leave(struct creel__driven *d, bool task, bool done);
void creel__driven_drop(struct creel__driven *d);
void creel__driven_destroy(creel_executor *ex);

/* driven_run.c. Runs what is queued until no task is left or the deadline, if nobody is inside;
 * otherwise waits for that. 0, -ETIMEDOUT, -EAGAIN, or -EPERM in a child. */
int creel__driven_drain(struct creel__driven *d, creel_deadline deadline);

/* ready.c */
/* Asks the poller once what is ready; sleeps for it if so told. 0 or -errno. Gives up the lock
 * meanwhile. */
int creel__ready_collect_locked(struct creel__driven *d, bool sleeps, creel_deadline deadline);
/* Ends one that was taken out of its list. False: a callback has forked, and this is the child. */
bool creel__ready_end(struct creel__driven *d, struct creel__watch *w);
/* Fails all, now and from now on. Likewise. */
bool creel__ready_close(struct creel__driven *d);
enum creel__withdrawn creel__ready_withdraw(creel_future *f);
void creel__ready_cancelled(creel_future *f, const struct creel__cancelling *how);

#endif
