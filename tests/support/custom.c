/* SPDX-License-Identifier: MIT */
/*
 * A custom executor: tasks in a list, one thread that runs them in order. The list is linked
 * through the words of the tasks, so nothing is allocated for one.
 *
 * LOCKS     self->lock guards the list and quit. It is not held while a task runs,
 *           as withdraw takes it.
 * LIFETIME  destroy may come on the own thread, out of creel_task_run(): so nobody joins. destroy
 *           and the thread hold a reference each, the second to go frees.
 */
#include "custom.h"
#include "task_list.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

struct custom {
	pthread_mutex_t lock;
	pthread_cond_t changed;
	struct ct_task_list queue;
	bool quit;
	_Atomic int refs;
};

static void drop(struct custom *self)
{
	if (atomic_fetch_sub(&self->refs, 1) > 1)
		return;
	pthread_cond_destroy(&self->changed);
	pthread_mutex_destroy(&self->lock);
	free(self);
}

static creel_task *next_task(struct custom *self)
{
	pthread_mutex_lock(&self->lock);
	while (!self->queue.first && !self->quit)
		pthread_cond_wait(&self->changed, &self->lock);
	creel_task *task = self->queue.first;
	if (task)
		ct_task_take(&self->queue, task);
	pthread_mutex_unlock(&self->lock);
	return task;
}

static void *work(void *arg)
{
	struct custom *self = arg;
	for (creel_task *task = next_task(self); task; task = next_task(self))
		creel_task_run(task);
	drop(self);
	return NULL;
}

static int submit(void *arg, creel_task *task)
{
	struct custom *self = arg;
	pthread_mutex_lock(&self->lock);
	ct_task_append(&self->queue, task);
	pthread_cond_signal(&self->changed);
	pthread_mutex_unlock(&self->lock);
	return 0;
}

static int withdraw(void *arg, creel_task *task)
{
	struct custom *self = arg;
	pthread_mutex_lock(&self->lock);
	bool queued = ct_task_take(&self->queue, task);
	pthread_mutex_unlock(&self->lock);
	return queued;
}

static void shut_down(void *arg, unsigned flags)
{
	(void)arg;
	(void)flags;
}

static void destroy(void *arg)
{
	struct custom *self = arg;
	pthread_mutex_lock(&self->lock);
	self->quit = true;
	pthread_cond_signal(&self->changed);
	pthread_mutex_unlock(&self->lock);
	drop(self);
}

creel_executor *ct_custom_new(bool bare)
{
	creel_executor_ops ops = {.size = sizeof ops,
				  .submit = submit,
				  .destroy = destroy,
				  .flags = CREEL_EXECUTOR_QUEUES};
	pthread_t thread;
	struct custom *self = calloc(1, sizeof *self);
	if (!self)
		return creel_executor_new(NULL, NULL);
	if (!bare) {
		ops.withdraw = withdraw;
		ops.shutdown = shut_down;
	}
	pthread_mutex_init(&self->lock, NULL);
	pthread_cond_init(&self->changed, NULL);
	atomic_store(&self->refs, 2);
	if (pthread_create(&thread, NULL, work, self)) {
		free(self);
		return creel_executor_new(NULL, NULL);
	}
	pthread_detach(thread);
	return creel_executor_new(&ops, self);
}
