/* SPDX-License-Identifier: MIT */
/*
 * The progress thread of rank 0: it sends tasks, receives what becomes of them, and ends them.
 *
 * PROGRESS  MPI tells nobody of a message: somebody has to look. The thread looks at once after
 *           something has happened, and the longer ago that is, the longer it sleeps in between, up
 *           to nap_ns. While no rank has a task, nothing can come, and it sleeps until a submission
 *           wakes it.
 * LOCKS     world->lock guards the queue and what the operations of the executor change. No call of
 *           MPI, and none that ends a task, is made with it.
 * NEWS      Whoever wants something sets world->news, with the lock. The thread clears it before it
 *           looks, and does not sleep while it is set.
 */
#include "root.h"
#include <sched.h>
#include <signal.h>
#include <sys/prctl.h>
#include <time.h>

#define AWAKE_NS CREEL_US(30)

static struct creel__mpi_world *const world = &creel__mpi_world;

static struct timespec after(int64_t ns)
{
	int64_t at = creel__mpi_now() + ns;
	return (struct timespec){(time_t)(at / 1000000000), (long)(at % 1000000000)};
}

/* With the lock. */
static void sleep_locked(int64_t ns)
{
	world->asleep = true;
	/* Without a task nothing can come. */
	if (world->items == 0 && creel__port_is_quiet(&world->port)) {
		pthread_cond_wait(&world->wake, &world->lock);
	} else {
		struct timespec until = after(ns);
		pthread_cond_timedwait(&world->wake, &world->lock, &until);
	}
	world->asleep = false;
}

/* Until a message may have come, or somebody wants something. */
static void nap(int64_t idle_ns)
{
	int64_t ns = idle_ns / 8 < world->options.nap_ns ? idle_ns / 8 : world->options.nap_ns;
	if (world->options.flags & CREEL_MPI_SPIN)
		return;
	if (idle_ns < AWAKE_NS) {
		sched_yield();
		return;
	}
	pthread_mutex_lock(&world->lock);
	if (!world->news)
		sleep_locked(ns);
	pthread_mutex_unlock(&world->lock);
}

/* What is new from here on is seen by the next step. */
static bool is_over(void)
{
	pthread_mutex_lock(&world->lock);
	world->news = false;
	bool over = world->ending && world->items == 0;
	pthread_mutex_unlock(&world->lock);
	return over;
}

static void say_goodbye(void)
{
	for (int rank = 1; rank < world->size; rank++)
		creel__mpi_say(rank, &(struct creel__mpi_record){.kind = CREEL__MPI_BYE}, NULL);
	(void)creel__port_flush(&world->port);
	while (!creel__port_is_quiet(&world->port))
		(void)creel__port_progress(&world->port);
}

static bool step(void)
{
	bool any = creel__mpi_receive();
	any |= creel__mpi_tell_asked();
	creel__mpi_sweep();
	any |= creel__mpi_dispatch();
	creel__mpi_fail_queue();
	if (!any && world->size > 2)
		creel__mpi_balance();
	any |= creel__port_flush(&world->port);
	return any;
}

static void *progress(void *arg)
{
	int64_t last = creel__mpi_now();
	(void)arg;
#ifdef PR_SET_TIMERSLACK
	prctl(PR_SET_TIMERSLACK, 1000, 0, 0, 0);
#endif
	while (!is_over()) {
		bool any = step();
		int64_t now = creel__mpi_now();
		if (any)
			last = now;
		else
			nap(now - last);
	}
	say_goodbye();
	return NULL;
}

int creel__mpi_root_start(struct creel__mpi_world *w)
{
	sigset_t all, before;
	w->live_peers = w->size - 1;
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	int rc = pthread_create(&w->progress, NULL, progress, NULL);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	w->running = rc == 0;
	return -rc;
}

void creel__mpi_root_stop(struct creel__mpi_world *w)
{
	pthread_mutex_lock(&w->lock);
	w->ending = true;
	creel__mpi_wake_locked(w);
	pthread_mutex_unlock(&w->lock);
	pthread_join(w->progress, NULL);
	pthread_mutex_lock(&w->lock);
	w->running = false;
	pthread_mutex_unlock(&w->lock);
}
