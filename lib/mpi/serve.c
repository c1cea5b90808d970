/* SPDX-License-Identifier: MIT */
/*
 * A serving rank: takes tasks from rank 0, runs them in its pool, and sends back what becomes of
 * them. One thread does all that, the one that called creel_mpi_init().
 *
 *   TASK ---> wanting (a large argument: until the budget has room)
 *        \       | FETCH
 *         \      v
 *          \  arriving
 *           \    |
 *            v   v
 *            backlog ---> the pool ---> a completion queue ---> RESULT, FAILURE
 *               |
 *               +---> RETURNED, if rank 0 wants it back, or cancels it
 *
 * The pool has as many tasks as it has workers, and a few more if they are short, so that its own
 * workers never wait. What is in the backlog has certainly not started: that is what is returned.
 *
 * The thread sleeps on the completion queue, so a result leaves at once; it looks for messages in
 * between, the more seldom the longer nothing has happened.
 */
#include "failure.h"
#include "server.h"
#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>

#define AWAKE_NS CREEL_US(30)
#define POOL_NS CREEL_US(200)

enum { IN_POOL_MAX = 256 /* beyond its workers */ };

static unsigned room(void)
{
	int64_t more = creel__server.interval > 0 ? POOL_NS / creel__server.interval : 0;
	return creel__server.workers + (unsigned)(more > IN_POOL_MAX ? IN_POOL_MAX : more);
}

/* As a continuation of what its input has become here. */
static creel_future *submit_stage(struct creel__job *job, creel_fn fn,
				  creel_submit_options *options)
{
	struct creel__mpi_stage head;
	const char *p = job->arg;
	memcpy(&head, p, sizeof head);
	size_t front = creel__mpi_stage_size((size_t)head.input);
	const void *arg = job->size > front ? p + front : NULL;
	creel_future *input = head.failed ? creel__mpi_failure_future(p + sizeof head)
					  : creel_future_of(p + sizeof head, (size_t)head.input);
	creel_future *f;
	if (head.failed) {
		options->flags = CREEL_RECOVER_CANCELLED;
		f = creel_recover_with(input, creel__server.pool, fn, arg, job->size - front,
				       options);
	} else {
		f = creel_then_with(input, creel__server.pool, fn, arg, job->size - front, options);
	}
	job->input = input;
	return f;
}

static void submit(struct creel__job *job)
{
	const struct creel__server_fn *known = &creel__server.fns[job->fn];
	if (!known->fn) {
		char what[160], text[300];
		creel__mpi_describe(&known->identity, what, sizeof what);
		snprintf(text, sizeof text,
			 "rank %d does not have %s: load it, or register it, before "
			 "creel_mpi_init()",
			 creel__server.w->rank, what);
		creel__job_answer_failure(job, CREEL_KIND_NOT_TRANSFERABLE, -ENOEXEC, text);
		return;
	}
	creel_submit_options options = {.limit_ns = job->limit_ns};
	job->place = CREEL__IN_POOL;
	job->future = job->stage ? submit_stage(job, known->fn, &options)
				 : creel_submit_with(creel__server.pool, known->fn, job->arg,
						     job->size, &options);
	/* A pool that is broken, or an argument that it has no room for: that has failed. */
	creel__job_drop_argument(job);
	if (creel__server.in_pool++ == 0)
		creel__server.last = creel__mpi_now();
	int rc = creel_queue_add(creel__server.queue, job->future, job);
	if (rc)
		creel__mpi_abort(creel__server.w, "a task cannot be waited for: %s",
				 creel_code_name(rc));
}

static bool feed_pool(void)
{
	bool any = false;
	while (creel__server.backlog.first && creel__server.in_pool < room()) {
		struct creel__job *job = creel__server.backlog.first;
		creel__jobs_remove(&creel__server.backlog, job);
		submit(job);
		any = true;
	}
	return any;
}

static void argument_is_here(void *arg)
{
	struct creel__job *job = arg;
	if (job->dropped) {
		creel__job_answer_cancelled(job);
		return;
	}
	job->place = CREEL__BACKLOG;
	creel__jobs_append(&creel__server.backlog, job);
}

static void fetch(struct creel__job *job)
{
	job->arg = malloc(job->size);
	if (job->arg)
		creel__server.held += job->size;
	job->place = CREEL__ARRIVING;
	if (!job->arg || creel__port_receive(creel__server.port, 0, job->arg, job->size,
					     argument_is_here, job)) {
		char what[120];
		snprintf(what, sizeof what, "rank %d has no memory for an argument of %zu bytes",
			 creel__server.w->rank, job->size);
		creel__job_answer_failure(job, CREEL_KIND_NO_MEMORY, -ENOMEM, what);
		return;
	}
	creel__mpi_say(0, &(struct creel__mpi_record){.kind = CREEL__MPI_FETCH, .id = job->id},
		       NULL);
}

static bool fetch_wanted(void)
{
	bool any = false;
	while (creel__server.wanting.first) {
		struct creel__job *job = creel__server.wanting.first;
		if (creel__server.held &&
		    creel__server.held + job->size > creel__server.w->options.budget)
			break;
		creel__jobs_remove(&creel__server.wanting, job);
		fetch(job);
		any = true;
	}
	return any;
}

static void add_task(const struct creel__mpi_record *r, const void *data)
{
	struct creel__job *job = calloc(1, sizeof *job);
	if (!job)
		creel__mpi_abort(creel__server.w, "no memory for a task");
	*job = (struct creel__job){.id = r->id,
				   .fn = r->fn,
				   .limit_ns = r->number,
				   .stage = r->kind == CREEL__MPI_STAGE,
				   .size = (size_t)r->size,
				   .same = *creel__job_place_of(r->id)};
	*creel__job_place_of(r->id) = job;
	if (job->size > CREEL__MPI_INLINE) {
		job->place = CREEL__WANTING;
		creel__jobs_append(&creel__server.wanting, job);
		return;
	}
	if (job->size) {
		job->arg = malloc(job->size);
		if (!job->arg)
			creel__mpi_abort(creel__server.w, "no memory for a task");
		memcpy(job->arg, data, job->size);
	}
	job->place = CREEL__BACKLOG;
	creel__jobs_append(&creel__server.backlog, job);
}

static void define(const struct creel__mpi_record *r, const void *data)
{
	if (r->fn >= creel__server.fns_count) {
		struct creel__server_fn *fns = realloc(creel__server.fns,
						       (r->fn + 1) * sizeof *fns);
		if (!fns)
			creel__mpi_abort(creel__server.w, "no memory for a function");
		creel__server.fns = fns;
		creel__server.fns_count = r->fn + 1;
	}
	struct creel__server_fn *known = &creel__server.fns[r->fn];
	memcpy(&known->identity, data, sizeof known->identity);
	known->fn = creel__mpi_find(&known->identity);
}

/* Takes back one that has not started: from wherever it waits. False: it has, or is on its way. */
static bool take_back(struct creel__job *job)
{
	if (job->place != CREEL__WANTING && job->place != CREEL__BACKLOG)
		return false;
	creel__jobs_remove(job->place == CREEL__WANTING ? &creel__server.wanting
							: &creel__server.backlog,
			   job);
	return true;
}

static void cancel(struct creel__job *job)
{
	if (take_back(job))
		creel__job_answer_cancelled(job);
	else if (job->place == CREEL__ARRIVING)
		job->dropped = true;
	else if (job->place == CREEL__IN_POOL)
		(void)creel_future_cancel(job->future);
}

/* A thread pool does not kill, and processes is not looked at there. */
static int64_t grace_of_pool(void)
{
	const creel_mpi_options *o = &creel__server.w->options;
	bool processes = o->processes && !(o->flags & CREEL_MPI_THREADS);
	return processes ? o->processes->grace_ns : 0;
}

static void kill_job(struct creel__job *job, int64_t grace_ns)
{
	if (job->place == CREEL__IN_POOL)
		(void)creel_future_kill(job->future, grace_ns < 0 ? grace_of_pool() : grace_ns);
	else
		cancel(job);
}

/* The latest first: those that came earlier are about to start. */
static unsigned give_back(struct creel__jobs *list, unsigned most)
{
	unsigned n = 0;
	for (; n < most && list->last; n++) {
		struct creel__job *job = list->last;
		creel__jobs_remove(list, job);
		creel__mpi_say(
			0, &(struct creel__mpi_record){.kind = CREEL__MPI_RETURNED, .id = job->id},
			NULL);
		creel__job_forget(job);
	}
	return n;
}

static void recall(int64_t most)
{
	unsigned n = give_back(&creel__server.wanting, (unsigned)most);
	n += give_back(&creel__server.backlog, (unsigned)most - n);
	creel__mpi_say(0, &(struct creel__mpi_record){.kind = CREEL__MPI_RECALLED, .number = n},
		       NULL);
}

static void read_of_job(struct creel__job *job, const struct creel__mpi_record *r)
{
	/* It may have ended meanwhile. */
	if (!job)
		return;
	switch (r->kind) {
	case CREEL__MPI_CANCEL:
		cancel(job);
		return;
	case CREEL__MPI_KILL:
		kill_job(job, r->number);
		return;
	case CREEL__MPI_FETCH:
		creel__job_send(job);
		return;
	default:
		creel__job_forget(job);
	}
}

static void read_record(const struct creel__mpi_record *r, const void *data)
{
	switch (r->kind) {
	case CREEL__MPI_DEFINE:
		define(r, data);
		return;
	case CREEL__MPI_TASK:
	case CREEL__MPI_STAGE:
		add_task(r, data);
		return;
	case CREEL__MPI_CANCEL:
	case CREEL__MPI_KILL:
	case CREEL__MPI_FETCH:
	case CREEL__MPI_DROP:
		read_of_job(creel__job_find(r->id), r);
		return;
	case CREEL__MPI_RECALL:
		recall(r->number);
		return;
	case CREEL__MPI_BYE:
		creel__server.over = true;
		return;
	default:
		creel__mpi_abort(creel__server.w, "rank 0 sent a record of kind %u", r->kind);
	}
}

static bool receive(void)
{
	int rank;
	size_t size;
	const unsigned char *data;
	bool any = creel__port_progress(creel__server.port);
	while (creel__port_next(creel__server.port, &rank, &data, &size)) {
		struct creel__mpi_record r;
		const void *payload;
		while (creel__mpi_record_next(&data, &size, &r, &payload))
			read_record(&r, payload);
		any = true;
	}
	return any;
}

static creel_deadline nap_of(int64_t idle_ns)
{
	int64_t most = creel__server.w->options.nap_ns,
		ns = idle_ns / 8 < most ? idle_ns / 8 : most;
	if (creel__server.w->options.flags & CREEL_MPI_SPIN || idle_ns < AWAKE_NS)
		return CREEL_NOW;
	return creel_in_ns(ns);
}

static bool step(int64_t idle_ns)
{
	bool any = receive();
	any |= fetch_wanted();
	any |= feed_pool();
	/* Before the thread sleeps, what it has said has to be on its way. */
	(void)creel__port_flush(creel__server.port);
	any |= creel__server_take_ends(any ? CREEL_NOW : nap_of(idle_ns));
	any |= feed_pool();
	creel__server_look_at_pool();
	(void)creel__port_flush(creel__server.port);
	if (!any && idle_ns < AWAKE_NS && !(creel__server.w->options.flags & CREEL_MPI_SPIN))
		sched_yield();
	return any;
}

void creel__mpi_serve(struct creel__mpi_world *w, creel_executor *pool)
{
	int64_t last = creel__mpi_now();
	creel__server = (struct creel__server){.w = w,
					       .port = &w->port,
					       .pool = pool,
					       .queue = creel_queue_new(NULL),
					       .workers = (unsigned)w->options.workers};
	if (creel_queue_error(creel__server.queue))
		creel__mpi_abort(w, "no memory for a completion queue");
#ifdef PR_SET_TIMERSLACK
	prctl(PR_SET_TIMERSLACK, 1000, 0, 0, 0);
#endif
	while (!creel__server.over) {
		bool any = step(creel__mpi_now() - last);
		if (any)
			last = creel__mpi_now();
	}
	while (!creel__port_is_quiet(creel__server.port))
		(void)creel__port_progress(creel__server.port);
	creel_queue_unref(creel__server.queue);
	free(creel__server.fns);
}
