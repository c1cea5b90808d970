/* SPDX-License-Identifier: MIT */
/*
 * A custom executor that forks a process for each task, by the public headers alone: that they are
 * enough for tasks which run elsewhere. At most `most` processes at once; the tasks start in order.
 *
 * THREAD  One thread begins the tasks, forks, waits for what the children say or for their deaths,
 *         and settles. The others only leave it notes, and ring.
 * WIRE    A pair of sockets for each child. It says what came of the task (forker_child.h), and
 *         then ends: its status has to be 0, or what it said counts for nothing. A byte from here
 *         asks the task to stop. What becomes of a child that dies without a word is told by its
 *         status, and by what was done to it (end).
 * ENDS    Each wire has two ends, one in each process: whichever dies, the other one hears it. So
 *         all ends are listed, and every child, whoever forks it, closes those that are not its
 *         own.
 * MEMORY  Arguments, and what creel_shared_alloc() gives, are mappings that the children share.
 *
 * LOCKS   self->lock guards all. Nothing that begins or ends a task is called with it: that waits
 *         while one of the operations, which take it, runs.
 * PLACES  A task has a place from before it begins until before it is settled: so an operation
 *         finds it in the queue, in a place, or it has ended. Not a moment longer: the next task
 *         may have the same address.
 * LIFE    destroy may come on the own thread, out of creel_task_settle(): the second to go frees.
 *
 * Here are the operations. The thread is forker_thread.c, its children's side forker_child.c.
 */
#include "forker_state.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

void ct_forker_drop(struct forker *self)
{
	if (atomic_fetch_sub(&self->refs, 1) > 1)
		return;
	close(self->bell[0]);
	close(self->bell[1]);
	pthread_mutex_destroy(&self->lock);
	free(self);
}

static void ring(const struct forker *self)
{
	(void)send(self->bell[1], "", 1, MSG_NOSIGNAL | MSG_DONTWAIT);
}

static struct place *place_of_locked(struct forker *self, const creel_task *task)
{
	for (unsigned i = 0; i < PLACES; i++)
		if (self->place[i].task == task)
			return &self->place[i];
	return NULL;
}

/* ---- The operations; on any thread ---- */

static int submit(void *arg, creel_task *task)
{
	struct forker *self = arg;
	pthread_mutex_lock(&self->lock);
	ct_task_append(&self->queue, task);
	ring(self);
	pthread_mutex_unlock(&self->lock);
	return 0;
}

static int withdraw(void *arg, creel_task *task)
{
	struct forker *self = arg;
	pthread_mutex_lock(&self->lock);
	const struct place *p = place_of_locked(self, task);
	int rc = p && p->begun ? CREEL_WITHDRAW_STARTED : ct_task_take(&self->queue, task);
	pthread_mutex_unlock(&self->lock);
	return rc;
}

static int ask(void *arg, creel_task *task)
{
	struct forker *self = arg;
	pthread_mutex_lock(&self->lock);
	const struct place *p = place_of_locked(self, task);
	bool begun = p && p->begun;
	pthread_mutex_unlock(&self->lock);
	return begun;
}

static void stop(void *arg, creel_task *task)
{
	struct forker *self = arg;
	pthread_mutex_lock(&self->lock);
	struct place *p = place_of_locked(self, task);
	if (p)
		p->asked = true;
	ring(self);
	pthread_mutex_unlock(&self->lock);
}

static int kill_task(void *arg, creel_task *task, int64_t grace_ns)
{
	struct forker *self = arg;
	int64_t at = creel_in_ns(grace_ns < 0 ? GRACE_NS : grace_ns).ns;
	pthread_mutex_lock(&self->lock);
	struct place *p = place_of_locked(self, task);
	if (p && at < p->kill_at)
		p->kill_at = at;
	ring(self);
	pthread_mutex_unlock(&self->lock);
	return p ? 0 : CREEL_CANCEL_FINAL;
}

static void shut_down(void *arg, unsigned flags)
{
	struct forker *self = arg;
	pthread_mutex_lock(&self->lock);
	self->cancelling |= flags & CREEL_SHUTDOWN_CANCEL;
	for (unsigned i = 0; i < PLACES && flags & CREEL_SHUTDOWN_KILL; i++) {
		struct place *p = &self->place[i];
		int64_t at = creel_in_ns(GRACE_NS).ns;
		p->asked = p->task;
		p->kill_at = at < p->kill_at ? at : p->kill_at;
	}
	ring(self);
	pthread_mutex_unlock(&self->lock);
}

static void stats(void *arg, creel_stats *s)
{
	struct forker *self = arg;
	uint64_t begun = 0;
	pthread_mutex_lock(&self->lock);
	for (unsigned i = 0; i < PLACES; i++)
		begun += self->place[i].task && self->place[i].begun;
	pthread_mutex_unlock(&self->lock);
	s->running = begun < s->pending ? begun : s->pending;
	s->pending -= s->running;
}

static int resize(void *arg, int most)
{
	struct forker *self = arg;
	if (most > CT_FORKER_MOST)
		return -ENOSPC;
	pthread_mutex_lock(&self->lock);
	self->most = (unsigned)most;
	ring(self);
	pthread_mutex_unlock(&self->lock);
	return 0;
}

/* ---- Life ---- */

static void destroy(void *arg)
{
	struct forker *self = arg;
	pthread_mutex_lock(&self->lock);
	self->quit = true;
	ring(self);
	pthread_mutex_unlock(&self->lock);
	ct_forker_drop(self);
}

static bool begin_thread(struct forker *self)
{
	pthread_t thread;
	sigset_t all;
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &self->signals);
	int rc = pthread_create(&thread, NULL, ct_forker_work, self);
	pthread_sigmask(SIG_SETMASK, &self->signals, NULL);
	if (rc == 0)
		pthread_detach(thread);
	return rc == 0;
}

creel_executor *ct_forker_new(unsigned n)
{
	static const creel_executor_ops ops = {.size = sizeof ops,
					       .flags = CREEL_EXECUTOR_REMOTE |
							CREEL_EXECUTOR_QUEUES,
					       .submit = submit,
					       .withdraw = withdraw,
					       .shutdown = shut_down,
					       .destroy = destroy,
					       .stats = stats,
					       .resize = resize,
					       .vet = ct_forker_vet,
					       .alloc = ct_forker_alloc,
					       .free = ct_forker_free,
					       .ask = ask,
					       .stop = stop,
					       .kill = kill_task};
	static pthread_once_t once = PTHREAD_ONCE_INIT;
	(void)pthread_once(&once, ct_wires_prepare);
	struct forker *self = calloc(1, sizeof *self);
	if (!self || n < 1 || n > CT_FORKER_MOST)
		goto failed;
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, self->bell))
		goto failed;
	self->most = n;
	pthread_mutex_init(&self->lock, NULL);
	atomic_store(&self->refs, 2);
	if (begin_thread(self)) {
		creel_executor *ex = creel_executor_new(&ops, self);
		if (creel_executor_error(ex))
			destroy(self);
		return ex;
	}
	atomic_store(&self->refs, 1);
	ct_forker_drop(self);
	self = NULL;
failed:
	free(self);
	return creel_executor_new(NULL, NULL);
}
