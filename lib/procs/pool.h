/* SPDX-License-Identifier: MIT */
/*
 * The process pool in the parent. Its files are the parts of this one object, and call each other.
 *
 *   submit --> queue --> slot (READY) ~~~> worker runs it ~~~> slot (DONE) --> manager --> future
 *      '------ directly, if a worker has room ----^                    |             |
 *                                                             bell (pipe)       callbacks
 *
 * THREADS  Any thread submits, cancels and kills: under the lock it writes slots itself. One
 *          manager thread collects outcomes, hears of births and deaths from the fork
 *          server, and acts on time limits. Callbacks without an executor run on the
 *          manager. A thread that waits for one task may be woken by the worker and fetch
 *          the outcome itself (procs/fetch.c).
 *
 * LOCKS    pool->lock (rank 10): everything below it in struct creel__procs, and the parent's side
 *          of all slots. Futures are never waited for under it: a canceller holds its future PINNED
 *          while it takes the lock.
 *
 * PAUSE    What no worker has begun is taken back into the queue, and creel__dispatch_locked(), the
 *          one place from which tasks are sent, sends nothing. A shutdown resumes.
 *
 * INVARIANT  A task is in exactly one place: the queue; one slot; or, between DONE and final, the
 *          hands of the manager or of its waiter. Only a task that is RUNNING when its worker dies
 *          fails; READY ones go back to the front of the queue, DONE ones are delivered. A slot is
 *          used again only after that, and, if its worker died, under a new incarnation.
 */
#ifndef CREEL__PROCS_POOL_H
#define CREEL__PROCS_POOL_H

#define CREEL__FORK_RETRY_NS INT64_C(20000000) /* before a worker is asked for again */

#include "base/fd.h"
#include "base/list.h"
#include "exec/bands.h"
#include "exec/executor.h"
#include "exec/look.h"
#include "exec/task.h"
#include "future/watch.h"
#include "procs/bell.h"
#include "procs/buddy.h"
#include "procs/child.h"
#include "procs/code.h"
#include "sync/lock.h"
#include "sync/thread.h"
#include "sync/unshare.h"

enum {
	CREEL__DEATHS_BEFORE_READY = 3, /* in a row break the pool */
	CREEL__SERVERS_LOST = 5,        /* in a row, without a result in between, likewise */
	CREEL__FIRST_DEPTH = 2,
	CREEL__ATTEMPTS = 8, /* so many workers may die before a task has started */
	CREEL__UNDEAD = -2,
};

/* A slot as the parent sees it. */
struct creel__place {
	creel_task *task; /* NULL: free */
	uint64_t seq;
	int64_t limit_ns, check_at; /* 0: no limit */
	int64_t started;            /* the first that the worker said, bounded; 0: not looked yet */
	uint64_t first;             /* its number when it was first sent to a worker */
	int kill_kind;              /* CREEL_KIND_...: fenced, why */
	bool began;                 /* seen to run, or said to: it is never taken back */
	bool collecting;            /* in the hands of the manager, or of its waiter */
	bool watched;               /* a waiter is parked on the slot */
};

enum creel__life {
	CREEL__NOBODY,
	CREEL__STARTING,
	CREEL__READY,
	CREEL__GHOST, /* given up, and not dead: its memory is nobody else's before it is */
};

/* A worker as the parent sees it. */
struct creel__proc {
	enum creel__life life;
	bool retiring; /* gets nothing more, and was told to leave */
	bool dying;    /* fenced, or told to die */
	bool late;     /* killed because it did not start in time */
	bool liar;     /* it wrote what cannot be: nothing of it is looked at before it is dead */
	bool gone;     /* it is dead, or given up: what it left is the manager's */
	bool undead;   /* given up */
	bool holes;    /* results of those before it were held, and are out of its reach */
	bool worn;     /* they are not held any more: another has the whole area again */
	bool told;     /* who watches the pool was told that it is ready; the manager's own */
	bool halted;   /* somebody stopped it (SIGSTOP): it gets nothing before it goes on */
	uint32_t incarnation;
	int32_t pid;
	int pidfd;                  /* or -1 */
	struct creel__fd_mark mark; /* what that is */
	unsigned used, tasks;
	unsigned fetching; /* of used: in the hands of their waiters */
	unsigned depth;    /* how many slots it is given */
	int64_t start_by, kill_at, idle_since;
	int64_t give_up_at; /* it was killed: when it has to be dead */
	uint64_t moved;     /* p->seq when it last brought an outcome, or began to have tasks */
	int kill_error;     /* why it cannot be killed */
	/* procs/alibi.c */
	int64_t doubt_at, doubt_ns, cpu; /* when it is looked at; 0: not doubted */
	unsigned stirs, doubt_stirs;     /* how often it was sent or woken; at the last look */
	uint64_t doubt_next;             /* the number of its next task then; 0: it had none */
	struct creel__place place[CREEL__DEPTH];
};

/* The waiting tasks of a band, and when the first of them became the first, if bands are used. */
struct creel__procs_list {
	creel_future *first, *last;
	int64_t stamp;
};

struct creel__procs {
	creel_executor base;
	creel_process_pool_options options;
	int *keep;
	char name[16];
	struct creel__space *space;
	struct creel__buddy arguments;
	_Atomic(struct creel__code *) code; /* procs/stale.c: of the server; set under the lock */
	int bell[2], epoll; /* bell: a pipe, by which the host's threads wake the manager */
	/* procs/ends.c: what these numbers are. */
	struct creel__fd_mark bell_mark, epoll_mark, socket_mark, rung_mark, server_mark;
	struct creel__unshared unshared; /* the socket */
	pthread_t manager;

	struct creel__lock lock;
	struct creel__cond changed;
	int socket, server_pidfd; /* -1: no server */
	pid_t server_pid;
	int rung; /* procs/bell.h: the server's workers ring here */
	int servers_lost, unready_deaths, fork_failures, crashes; /* each in a row */
	int64_t spawn_after;                                      /* backing off until then */
	int64_t answer_at, answer_ns;        /* procs/stop.c: to the stop key; 0: none is due */
	int max_workers, min_workers, alive; /* alive: STARTING and READY */
	bool closed, broken, released, ended;
	bool joining, joined; /* the manager, by a closer */
	bool lost;            /* the host has closed the pool's descriptors: procs/ends.c */
	bool mourned;         /* the manager knows that, and has none left */
	unsigned reach;       /* those from here on are nobody: not looked at */
	bool stopped;         /* by the stop key, and not yet continued: no limit passes */
	bool sleeping;        /* the manager, with the deadline below */
	int64_t wake_at;
	struct creel__procs_list list[CREEL__BANDS]; /* the queue, the lowest band first */
	bool banded;                                 /* a band other than 0 was used */
	creel_future
		*doomed; /* of a shutdown: for the manager to cancel, who alone changes it then */
	unsigned cancelling;  /* shutdowns that cancel what they took */
	creel_future *handed; /* SETTLING, with their outcome, and with callbacks for the manager */
	size_t queued, dead;  /* dead: of queued at most; cancelled and not yet dropped */
	unsigned behind;      /* tasks in slots that wait behind another one there */
	size_t withdrawn;     /* tasks that cancellers are at, and that need the pool */
	size_t reserved;      /* tasks that are not due, and that it stays for, closed or not */
	int leaving;          /* of alive: retiring */
	uint64_t seq, look_at; /* of the last task sent; when to look for overdue ones */
	bool halted;           /* some worker may be */
	bool undead;           /* a worker that was killed is not dead in time */
	unsigned round;        /* how many outcomes it collects at a time */
	uint32_t incarnation;
	unsigned limited;            /* tasks in slots that have a limit */
	unsigned watchers;           /* threads in creel__procs_await(): the pool must not go */
	unsigned owed;               /* replacements of workers that died in a task */
	uint64_t oom_kills, oom_due; /* of the cgroup, when last read; not yet told; until when */
	int64_t oom_until;
	uint64_t submitted, finished, cancelled, started, died, killed, recycled;
	unsigned wakes; /* how many workers are to be woken once the lock is free: */
	uint8_t wake[CREEL__PROCS_MAX]; /* these */
	struct creel__proc procs[CREEL__PROCS_MAX];
};

/* server.c: taking and losing the fork server. */
/* Starts one: of the manager, or before there is one. Takes the lock, not while it starts. */
int creel__server_start(struct creel__procs *p, const char **ret_what);
/* With the lock held: */
/* Asks for workers while there is more to do than workers to do it. */
void creel__spawn_locked(struct creel__procs *p);
/* The worker is no more, and its place is free. */
void creel__proc_clear_locked(struct creel__procs *p, struct creel__proc *w);
/* The manager wakes when the descriptor is readable. 0 or -errno. */
int creel__watch(struct creel__procs *p, int fd);

/* Gives up the lock, then wakes the workers that creel__wake_worker_locked() noted: one that
 * is woken under the lock takes the CPU from its holder, and the manager that it rings for has
 * to wait for the lock. */
void creel__procs_unlock(struct creel__procs *p);

/* ends.c: the descriptors. */
/* Makes those of the pool: 0 or -errno. */
int creel__ends_make(struct creel__procs *p);
/* With the lock held: */
/* Takes those of a server, and the end of its workers' bell; closes them if that fails (-errno). */
int creel__ends_attach_locked(struct creel__procs *p, const struct creel__served *served, int rung);
/* Closes those of the server, if there is one; then the pool's own as well. Nothing is closed that
 * may be the host's. */
void creel__ends_detach_locked(struct creel__procs *p);
void creel__ends_close_locked(struct creel__procs *p);
/* The first reference that a forked child drops: closes there what came with the fork. Without the
 * lock, which may be held for ever. */
void creel__ends_let_go(creel_executor *ex);
/* Before a descriptor is used: whether the pool is not lost. */
bool creel__ends_check_locked(struct creel__procs *p);
/* The pool is lost: whoever finds that sees to it that the manager learns of it. */
void creel__ends_lose_locked(struct creel__procs *p);
/* The manager of a lost pool forgets all numbers, those of its workers as well. */
void creel__ends_forget_locked(struct creel__procs *p);
/* Wakes the manager. */
void creel__kick(struct creel__procs *p);
/* Of the manager, who alone changes these numbers, and without the lock, since they are system
 * calls: */
/* Before it sleeps: whether its bell is there. If all goes while it sleeps, the server wakes it. */
bool creel__ends_has_bell(const struct creel__procs *p);
/* Empties a bell that has rung. */
enum creel__rang {
	CREEL__RANG,
	CREEL__RANG_OTHER, /* this descriptor is no bell */
	CREEL__RANG_LOST,  /* it was one: the pool is lost */
};
enum creel__rang creel__ends_hush(const struct creel__procs *p, int fd);

/* dispatch.c: tasks and slots. With the lock held. */
/* One in the queue is being cancelled. If more are dead than alive, all dead ones are dropped. */
void creel__queue_dead_locked(struct creel__procs *p);
/* Moves queued tasks, and ones that wait behind others, to workers with room; wakes those. */
void creel__dispatch_locked(struct creel__procs *p);
/* Whether a worker has run as many tasks, or grown as large, as it may. */
bool creel__is_worn_locked(struct creel__procs *p, const struct creel__proc *w);
/* Empties a place. */
void creel__place_clear_locked(struct creel__procs *p, struct creel__proc *w, unsigned i);
/* Where a task is. */
struct creel__proc *creel__find_locked(struct creel__procs *p, const creel_task *task,
				       unsigned *ret_i);
struct creel__slot *creel__slot_of(struct creel__procs *p, const struct creel__proc *w, unsigned i);
/* Once the lock is given up. */
void creel__wake_worker_locked(struct creel__procs *p, const struct creel__proc *w);

/* queue.c: what no worker has. With the lock held. */
void creel__queue_append_locked(struct creel__procs *p, creel_future *f);
void creel__queue_prepend_locked(struct creel__procs *p, creel_future *f);
/* Puts back what was in this list, which keeps its stamp. */
void creel__queue_append_to_locked(struct creel__procs *p, struct creel__procs_list *list,
				   creel_future *f);
/* The task that is to be sent next, or NULL. */
creel_future *creel__queue_pop_locked(struct creel__procs *p);
/* All of them, through next. */
creel_future *creel__queue_take_all_locked(struct creel__procs *p);

/* collect.c: outcomes. */
/* Collects and settles what is DONE; false if there was nothing. Takes the lock. */
bool creel__collect(struct creel__procs *p);
/* The same for a worker that is dead. */
void creel__collect_dead(struct creel__procs *p, struct creel__proc *w);
bool creel__anything_done(struct creel__procs *p);
/* The outcome in place i of w, which is in the caller's hands, into its future, which is SETTLING;
 * or the error to end it with. */
const creel_error *creel__outcome_take(struct creel__procs *p, struct creel__proc *w, unsigned i,
				       creel_future *f);
/* The number of the oldest task of w that is not DONE. With the lock held. */
uint64_t creel__first_undone_locked(struct creel__procs *p, const struct creel__proc *w);
/* What the initializer of a worker that is dead said with creel_fail(), or NULL. */
const creel_error *creel__initializer_said(struct creel__procs *p, struct creel__proc *w);

/* pool.c */
void creel__procs_stats_locked(struct creel__procs *p, creel_stats *ret_stats);

/* report.c */
enum creel__looked creel__procs_overview(creel_executor *ex, struct creel__overview *ret_overview);
enum creel__looked creel__procs_look(creel_executor *ex, unsigned from,
				     struct creel__worker_look *ret_look);

/* watch.c: for who watches the pool. On the manager, without the lock. */
/* Which workers have become ready. */
void creel__tell_ready(struct creel__procs *p);
/* The task in place i of w, which is in the caller's hands, has run. */
void creel__tell_ran(struct creel__procs *p, struct creel__proc *w, unsigned i, creel_future *f);

/* fetch.c: a waiter that fetches the outcome itself. */
void creel__procs_await(creel_executor *ex, creel_task *task, creel_deadline deadline);

/* death.c: kills and deaths. */
/* Fences a running task and kills its worker; false if it is not running (any more). */
bool creel__fence_locked(struct creel__procs *p, struct creel__proc *w, unsigned i, int kind,
			 int64_t grace_ns);
void creel__kill_worker_locked(struct creel__procs *p, struct creel__proc *w, int64_t grace_ns);
/* Sends a signal, by the server if it must be. */
void creel__signal_locked(struct creel__procs *p, struct creel__proc *w, int signal);
/* It wrote what cannot be. */
void creel__call_liar_locked(struct creel__procs *p, struct creel__proc *w);
/* Somebody stopped the worker, or it goes on. Takes the lock. */
void creel__worker_halted(struct creel__procs *p, struct creel__proc *w, bool halted);
/* The worker is dead, with that wait status, or -1 if nobody knows; or it is CREEL__UNDEAD, and is
 * given up. Takes the lock. */
void creel__worker_died(struct creel__procs *p, struct creel__proc *w, int status);
/* Ends everything that is queued, with that error (borrowed), and refuses what comes.
 * Takes the lock. */
void creel__procs_break(struct creel__procs *p, const creel_error *error);

/* take.c: tasks that a worker has not begun. */
/* Whether that in place i is one. */
bool creel__unbegun_locked(struct creel__procs *p, const struct creel__proc *w, unsigned i);
/* Whether its worker has written that it begins it, or that it did. */
bool creel__says_begun(struct creel__procs *p, const struct creel__proc *w, unsigned i);
/* If so the worker cannot begin it any more. It stays in its place: the caller empties that. */
bool creel__take_back_locked(struct creel__procs *p, struct creel__proc *w, unsigned i);
/* The same, and its place is empty: it is the caller's to send it again. */
bool creel__take_to_resend_locked(struct creel__procs *p, struct creel__proc *w, unsigned i);
/* Takes back all that there are, to the front of the queue, in their order. */
void creel__requeue_locked(struct creel__procs *p, struct creel__proc *w);

/* alibi.c: the worker may be in a task that it denies. */
void creel__doubt_locked(struct creel__procs *p, struct creel__proc *w);
/* Ends a liar. Returns when to look again; 0: never. */
int64_t creel__check_doubt_locked(struct creel__procs *p, struct creel__proc *w, int64_t now);
/* Whether it is the oldest that the worker has. */
bool creel__is_next(const struct creel__proc *w, unsigned i);

/* stop.c: says that the host goes on, now or, if it is about to be stopped, at p->answer_at. */
void creel__stop_answer_locked(struct creel__procs *p);

/* time.c: so long, until now, all were stopped: that is no time of the tasks'. */
void creel__time_exclude_locked(struct creel__procs *p, int64_t ns);

/* stale.c: functions, over changes of the server. */
/* Whether the workers have it. Without the lock; then, under it, before the task is queued. */
bool creel__function_vet(struct creel__procs *p, creel_fn fn);
bool creel__function_vet_again_locked(struct creel__procs *p, creel_fn fn);
/* What a server with that table could not do, or NULL. */
const char *creel__code_check(struct creel__procs *p, const struct creel__code *now);
/* A server with that table (which it takes over) comes into service. Returns the queued tasks that
 * it cannot run: they are to be failed, without the lock. */
creel_future *creel__code_renew_locked(struct creel__procs *p, struct creel__code *now);
void creel__stale_fail(struct creel__procs *p, creel_future *stale);

/* time.c: everything that depends on time. Returns when to look again. */
int64_t creel__check_time_locked(struct creel__procs *p);
/* More workers than the maximum: idle ones are told to leave, then busy ones. */
void creel__shed_locked(struct creel__procs *p);

/* manager.c */
void *creel__manager(void *procs);

/* pool.c */
const struct creel__executor_class *creel__process_pool_class(void);
void creel__procs_free(struct creel__procs *p);
/* The pool accepts nothing more, because it is shut down or broken. */
void creel__procs_refuse_locked(struct creel__procs *p, bool broken);
/* So many tasks have ended. Takes the lock. */
void creel__count_finished(struct creel__procs *p, unsigned n);

static inline unsigned creel__proc_index(const struct creel__procs *p, const struct creel__proc *w)
{
	return (unsigned)(w - p->procs);
}

#endif
