/* SPDX-License-Identifier: MIT */
/* What becomes of the tasks that a serving rank has, and how rank 0 hears of it. */
#include "failure.h"
#include "server.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { TAKES = 64 };

struct creel__server creel__server;

void creel__jobs_append(struct creel__jobs *list, struct creel__job *job)
{
	job->next = NULL;
	job->before = list->last;
	if (list->last)
		list->last->next = job;
	else
		list->first = job;
	list->last = job;
}

void creel__jobs_remove(struct creel__jobs *list, struct creel__job *job)
{
	if (job->before)
		job->before->next = job->next;
	else
		list->first = job->next;
	if (job->next)
		job->next->before = job->before;
	else
		list->last = job->before;
}

struct creel__job **creel__job_place_of(uint64_t id)
{
	return &creel__server.table[(id >> 5) % CREEL__JOBS_TABLE];
}

struct creel__job *creel__job_find(uint64_t id)
{
	struct creel__job *job = *creel__job_place_of(id);
	while (job && job->id != id)
		job = job->same;
	return job;
}

void creel__job_drop_argument(struct creel__job *job)
{
	if (job->size > CREEL__MPI_INLINE && job->arg)
		creel__server.held -= job->size;
	free(job->arg);
	job->arg = NULL;
}

void creel__job_forget(struct creel__job *job)
{
	struct creel__job **place = creel__job_place_of(job->id);
	while (*place != job)
		place = &(*place)->same;
	*place = job->same;
	creel__job_drop_argument(job);
	creel_future_unref(job->future);
	creel_future_unref(job->input);
	free(job->packed);
	free(job);
}

static void large_is_sent(void *arg)
{
	creel__job_forget(arg);
}

/* The result or failure is wanted now. */
void creel__job_send(struct creel__job *job)
{
	const void *data = job->packed;
	size_t size = job->size;
	if (!data)
		(void)creel_future_view(job->future, CREEL_NOW, &data, &size);
	if (creel__port_send(creel__server.port, 0, data, size, large_is_sent, job))
		creel__mpi_abort(creel__server.w, "no memory to send a result of %zu bytes", size);
}

/* Sends it, or says that it is there. */
static void answer(struct creel__job *job, enum creel__mpi_kind kind, const void *data, size_t size)
{
	creel__mpi_say(0, &(struct creel__mpi_record){.kind = kind, .id = job->id, .size = size},
		       data);
	job->place = CREEL__LEAVING;
	if (size <= CREEL__MPI_INLINE)
		creel__job_forget(job);
}

static void answer_error(struct creel__job *job, const creel_error *e)
{
	creel__job_drop_argument(job);
	job->size = creel__mpi_failure_size(e, job->input);
	job->packed = malloc(job->size);
	if (!job->packed)
		creel__mpi_abort(creel__server.w, "no memory for the error of a task: %s",
				 e->message);
	creel__mpi_failure_pack(e, job->input, job->packed);
	answer(job, CREEL__MPI_FAILURE, job->packed, job->size);
}

/* Of a job that the pool has not. */
void creel__job_answer_failure(struct creel__job *job, int kind, int code, const char *what)
{
	creel_future *f = creel_future_failed(kind, code, "%s", what);
	answer_error(job, creel_future_error(f));
	creel_future_unref(f);
}

void creel__job_answer_cancelled(struct creel__job *job)
{
	char what[80];
	snprintf(what, sizeof what, "the task was cancelled on rank %d, before it started",
		 creel__server.w->rank);
	creel__job_answer_failure(job, CREEL_KIND_CANCELLED, -ECANCELED, what);
}

static void take_end(creel_future *f, struct creel__job *job)
{
	const void *data;
	size_t size;
	creel__server.in_pool--;
	if (creel_future_view(f, CREEL_NOW, &data, &size) == 0)
		answer(job, CREEL__MPI_RESULT, data, size);
	else
		answer_error(job, creel_future_error(f));
	creel_future_unref(f);
}

static void note_ends(unsigned n)
{
	int64_t now = creel__mpi_now(), interval = (now - creel__server.last) / n;
	creel__server.interval = creel__server.interval
					 ? (3 * creel__server.interval + interval) / 4
					 : interval;
	if (creel__server.interval < 1)
		creel__server.interval = 1;
	creel__server.last = now;
}

/* A pool that broke takes nothing any more, and MPI does not allow another one. */
void creel__server_look_at_pool(void)
{
	const creel_error *e = creel__server.out ? NULL : creel_executor_error(creel__server.pool);
	if (!e)
		return;
	char what[200];
	creel__server.out = true;
	snprintf(what, sizeof what, "%s", e->message);
	creel__mpi_say(
		0, &(struct creel__mpi_record){.kind = CREEL__MPI_OUT, .size = strlen(what) + 1},
		what);
}

/* What has ended; sleeps for as long if there is nothing. */
bool creel__server_take_ends(creel_deadline deadline)
{
	creel_future *futures[TAKES];
	void *jobs[TAKES];
	size_t n = 0;
	if (creel_queue_take_many(creel__server.queue, deadline, TAKES, futures, jobs, &n))
		return false;
	note_ends((unsigned)n);
	for (size_t i = 0; i < n; i++)
		take_end(futures[i], jobs[i]);
	return true;
}
