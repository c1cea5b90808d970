/* SPDX-License-Identifier: MIT */
/*
 * An adaptor: a list of tasks, linked through their words, of which so many at once are with the
 * executor beneath.
 *
 * LOCKS    self->lock guards all. It is not held while a task is forwarded, as withdraw takes it.
 * NESTING  One thread at a time forwards (busy), the others leave it to that one: so a task that
 *          ends within creel_task_forward() does not nest.
 */
#include "adaptor.h"
#include "task_list.h"

#include <pthread.h>
#include <stdlib.h>

struct adaptor {
	creel_executor *beneath;
	pthread_mutex_t lock;
	struct ct_task_list queue;
	unsigned free;
	bool busy;
};

/* Forwards what may be. mine: a task that is just being submitted, and its code. */
static int pump(struct adaptor *self, creel_task *mine)
{
	int mine_rc = 0;
	pthread_mutex_lock(&self->lock);
	bool busy = self->busy;
	self->busy = true;
	while (!busy && self->free && self->queue.first) {
		creel_task *task = self->queue.first;
		ct_task_take(&self->queue, task);
		self->free--;
		pthread_mutex_unlock(&self->lock);
		int rc = creel_task_forward(task, self->beneath);
		if (rc && task == mine && rc != -ECANCELED)
			mine_rc = rc;
		else if (rc && rc != -ECANCELED)
			creel_task_reject(task, CREEL_KIND_REJECTED, rc, "not taken beneath");
		pthread_mutex_lock(&self->lock);
		self->free += rc != 0;
	}
	if (!busy)
		self->busy = false;
	pthread_mutex_unlock(&self->lock);
	return mine_rc;
}

static int submit(void *arg, creel_task *task)
{
	struct adaptor *self = arg;
	pthread_mutex_lock(&self->lock);
	ct_task_append(&self->queue, task);
	pthread_mutex_unlock(&self->lock);
	return pump(self, task);
}

static int withdraw(void *arg, creel_task *task)
{
	struct adaptor *self = arg;
	pthread_mutex_lock(&self->lock);
	bool queued = ct_task_take(&self->queue, task);
	pthread_mutex_unlock(&self->lock);
	return queued;
}

static void ended(void *arg)
{
	struct adaptor *self = arg;
	pthread_mutex_lock(&self->lock);
	self->free++;
	pthread_mutex_unlock(&self->lock);
	(void)pump(self, NULL);
}

static creel_executor *beneath(void *arg)
{
	struct adaptor *self = arg;
	return self->beneath;
}

static void destroy(void *arg)
{
	struct adaptor *self = arg;
	creel_executor_unref(self->beneath);
	pthread_mutex_destroy(&self->lock);
	free(self);
}

creel_executor *ct_adaptor_new(creel_executor *under, unsigned n)
{
	static const creel_executor_ops ops = {.size = sizeof ops,
					       .submit = submit,
					       .withdraw = withdraw,
					       .destroy = destroy,
					       .beneath = beneath,
					       .ended = ended,
					       .flags = CREEL_EXECUTOR_QUEUES};
	struct adaptor *self = calloc(1, sizeof *self);
	if (!self)
		return creel_executor_new(NULL, NULL);
	self->beneath = under;
	self->free = n;
	pthread_mutex_init(&self->lock, NULL);
	creel_executor *ex = creel_executor_new(&ops, self);
	if (creel_executor_error(ex))
		destroy(self);
	return ex;
}
