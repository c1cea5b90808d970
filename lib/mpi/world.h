/* SPDX-License-Identifier: MIT */
/* The job, as one rank sees it. */
#ifndef CREEL__MPI_WORLD_H
#define CREEL__MPI_WORLD_H

#include "identity.h"
#include "port.h"
#include <creel/creel.h>
#include <creel/mpi.h>
#include <pthread.h>
#include <sys/types.h>

struct creel__mpi_item;

/* A doubly linked list of items, in order. */
struct creel__mpi_list {
	struct creel__mpi_item *first, *last;
};

struct creel__mpi_pool {
	uint64_t sent;  /* items that a rank has */
	unsigned flags; /* of the shutdown */
	bool swept;     /* the progress thread has done what these ask for */
};

enum creel__mpi_place {
	CREEL__MPI_QUEUED, /* here: never sent, or returned */
	CREEL__MPI_SENT,
	CREEL__MPI_ENDING,  /* a rank has ended it, and nothing changes that */
	CREEL__MPI_LEAVING, /* it ends without having started, unless it is cancelled first */
};

/* A task on rank 0, from its submission to its end. */
struct creel__mpi_item {
	struct creel__mpi_item *next, *before; /* in the queue, or among what a rank has */
	creel_task *task;
	struct creel__mpi_pool *pool;
	const void *arg;
	size_t size;
	void *stage; /* of a continuation: arg is this, and it is the item's */
	int64_t limit_ns;
	uint32_t fn;
	int rank; /* that has it */
	enum creel__mpi_place place;
	/* Somebody has seen that it started: from then on the task is found by its address. */
	bool known;
	struct creel__mpi_item *known_next;
	/* Asked to stop; to be killed, with the least grace that was asked for; to be killed with
	 * the grace of the rank's pool. */
	bool stop, kill, kill_by_pool;
	int64_t grace_ns;
	/* The rank has not been told all of that. */
	bool asked;
	struct creel__mpi_item *asked_next;
	void *incoming; /* a large result or failure, being received */
	uint64_t incoming_size;
	bool fails; /* it is a failure */
};

/* A serving rank, as rank 0 sees it. All but the first two belong to the progress thread. */
struct creel__mpi_peer {
	unsigned workers;
	unsigned items; /* that it has */
	struct creel__mpi_list list;
	bool out;         /* it has lost its pool */
	bool recalling;   /* it has been asked for tasks, and has not answered */
	uint32_t defined; /* so many functions it has been told of */
	int64_t last;     /* when an item ended there, or came while it had none */
	int64_t interval; /* between two ends, on the average */
};

/* A function that was submitted. */
struct creel__mpi_fn {
	creel_fn fn;
	unsigned long long unloads;
	struct creel__mpi_identity identity;
};

enum { CREEL__MPI_KNOWN = 4096 };

struct creel__mpi_world {
	int rank, size;
	pid_t pid;        /* that has begun creel_mpi_init(); 0: none has */
	bool initialized; /* creel_mpi_init() was called */
	bool ours;        /* it has initialized MPI */
	creel_mpi_options options;
	struct creel__port port;
	creel_future *failed; /* has the error of creel_mpi_init() */

	/* Of rank 0. The lock guards all that follows, but what says otherwise. */
	pthread_mutex_t lock;
	pthread_cond_t wake; /* of the progress thread */
	pthread_t progress;
	bool asleep, news, running, ending, sweeps;
	struct creel__mpi_list queue;
	struct creel__mpi_item *asked;
	struct creel__mpi_item *known[CREEL__MPI_KNOWN];
	uint64_t items; /* accepted and not ended */
	struct creel__mpi_peer *peers;
	int next_peer; /* the progress thread's: who is looked at first */
	int live_peers;
	char out[256]; /* why the last rank went out */

	pthread_mutex_t fns_lock;
	struct creel__mpi_fn *fns;
	uint32_t fns_count, fns_room;
};

/* MPI has one job a process, and so has this. */
extern struct creel__mpi_world creel__mpi_world;

int64_t creel__mpi_now(void);

/* Whether this is a worker process of a rank, or any other child of it. */
bool creel__mpi_is_child(const struct creel__mpi_world *w);

/* identity of a function that is submitted: its number in *ret, for the wire. 0, -ENOEXEC or
 * -ENOMEM. Any thread. */
int creel__mpi_number(struct creel__mpi_world *w, creel_fn fn, bool check, uint32_t *ret);

/* root.c. Starts the progress thread of rank 0: 0 or a code. Ends it, when all items have ended. */
int creel__mpi_root_start(struct creel__mpi_world *w);
void creel__mpi_root_stop(struct creel__mpi_world *w);

/* items.c, with the lock. The progress thread has something to do. */
void creel__mpi_wake_locked(struct creel__mpi_world *w);
/* Items that are found by their tasks. */
void creel__mpi_know_locked(struct creel__mpi_world *w, struct creel__mpi_item *item);
void creel__mpi_forget_locked(struct creel__mpi_world *w, struct creel__mpi_item *item);
struct creel__mpi_item *creel__mpi_known_locked(struct creel__mpi_world *w, creel_task *task);
/* Items whose ranks have to be told of what they are asked for. */
void creel__mpi_ask_locked(struct creel__mpi_world *w, struct creel__mpi_item *item);
void creel__mpi_unask_locked(struct creel__mpi_world *w, struct creel__mpi_item *item);

void creel__mpi_item_free(struct creel__mpi_item *item);

void creel__mpi_append(struct creel__mpi_list *list, struct creel__mpi_item *item);
void creel__mpi_remove(struct creel__mpi_list *list, struct creel__mpi_item *item);

/* serve.c. What a serving rank does, until it is told that the job is over. */
void creel__mpi_serve(struct creel__mpi_world *w, creel_executor *pool);

/* common.c. A record without a payload, or with a small one, that cannot be done without. */
void creel__mpi_say(int peer, const struct creel__mpi_record *record, const void *data);

/* comm.c. Ends the job, loudly: rank, and what happened. */
_Noreturn void creel__mpi_abort(struct creel__mpi_world *w, const char *format, ...)
	CREEL_PRINTF(2, 3);

#endif
