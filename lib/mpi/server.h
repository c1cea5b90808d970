/* SPDX-License-Identifier: MIT */
/* A serving rank, as its files see it: mpi/serve.c says how it works. One thread has all of it. */
#ifndef CREEL__MPI_SERVER_H
#define CREEL__MPI_SERVER_H

#include "world.h"

enum { CREEL__JOBS_TABLE = 1024 /* lists of jobs, by their ids */ };

enum creel__job_place {
	CREEL__WANTING,
	CREEL__ARRIVING,
	CREEL__BACKLOG,
	CREEL__IN_POOL,
	CREEL__LEAVING
};

/* A task of rank 0's. */
struct creel__job {
	struct creel__job *next, *before; /* wanting, or in the backlog */
	struct creel__job *same;          /* in its list of the table */
	uint64_t id;
	enum creel__job_place place;
	bool dropped; /* cancelled while it arrived */
	bool stage;   /* a continuation: its input stands before its argument */
	uint32_t fn;
	int64_t limit_ns;
	void *arg;
	size_t size;
	creel_future *future; /* in the pool, or until the result is sent */
	creel_future *input;  /* of a continuation, in the pool */
	void *packed;         /* a large failure, until it is sent */
};

struct creel__jobs {
	struct creel__job *first, *last;
};

struct creel__server {
	struct creel__mpi_world *w;
	struct creel__port *port;
	creel_executor *pool;
	creel_queue *queue;
	unsigned workers;
	struct creel__jobs wanting, backlog;
	struct creel__job *table[CREEL__JOBS_TABLE];
	uint64_t held; /* bytes of large arguments */
	unsigned in_pool;
	int64_t interval, last; /* between two ends, on the average; of the last one */
	struct creel__server_fn {
		creel_fn fn;
		struct creel__mpi_identity identity;
	} * fns;
	uint32_t fns_count;
	bool out, over;
};

/* A process serves once. */
extern struct creel__server creel__server;

/* answer.c: jobs, and what becomes of them. */
void creel__jobs_append(struct creel__jobs *list, struct creel__job *job);
void creel__jobs_remove(struct creel__jobs *list, struct creel__job *job);
struct creel__job **creel__job_place_of(uint64_t id);
struct creel__job *creel__job_find(uint64_t id);
void creel__job_drop_argument(struct creel__job *job);
void creel__job_forget(struct creel__job *job);

/* Each ends a job that neither the pool nor a list has. */
void creel__job_answer_failure(struct creel__job *job, int kind, int code, const char *what);
void creel__job_answer_cancelled(struct creel__job *job);
/* Rank 0 has asked for a large result or failure. */
void creel__job_send(struct creel__job *job);

/* Answers what the pool has ended; sleeps until the deadline if there is nothing. */
bool creel__server_take_ends(creel_deadline deadline);
/* A pool that broke takes nothing any more, and MPI does not allow another one. */
void creel__server_look_at_pool(void);

#endif
