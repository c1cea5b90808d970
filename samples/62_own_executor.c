/* SPDX-License-Identifier: MIT */
/*
 * An executor of one's own: one thread, and a stack of tasks. The newest task runs first, as a
 * server under load likes it: whoever asked last is still waiting for the answer.
 */
#include <creel/creel.h>
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

/* The lock guards all. It is never held while a task runs: withdraw takes it. */
struct stack {
	pthread_mutex_t lock;
	pthread_cond_t changed;
	creel_task *top;
	bool over;
};

/* The link to the task below lies in the task. */
static creel_task **below(creel_task *task)
{
	return (creel_task **)&creel_task_words(task)[0];
}

static int stack_submit(void *self, creel_task *task)
{
	struct stack *s = self;
	pthread_mutex_lock(&s->lock);
	*below(task) = s->top;
	s->top = task;
	pthread_cond_signal(&s->changed);
	pthread_mutex_unlock(&s->lock);
	return 0;
}

/* Somebody cancels it. Is it still here? */
static int stack_withdraw(void *self, creel_task *task)
{
	struct stack *s = self;
	pthread_mutex_lock(&s->lock);
	creel_task **at = &s->top;
	while (*at && *at != task)
		at = below(*at);
	bool found = *at;
	if (found)
		*at = *below(task);
	pthread_mutex_unlock(&s->lock);
	return found;
}

/* All tasks have ended, and nobody refers to the executor. The last task may have ended on the
 * thread itself: so it is not joined, and frees what it uses. */
static void stack_destroy(void *self)
{
	struct stack *s = self;
	pthread_mutex_lock(&s->lock);
	s->over = true;
	pthread_cond_signal(&s->changed);
	pthread_mutex_unlock(&s->lock);
}

static void *stack_work(void *self)
{
	struct stack *s = self;
	pthread_mutex_lock(&s->lock);
	while (!s->over) {
		creel_task *task = s->top;
		if (!task) {
			pthread_cond_wait(&s->changed, &s->lock);
			continue;
		}
		s->top = *below(task);
		pthread_mutex_unlock(&s->lock);
		creel_task_run(task);
		pthread_mutex_lock(&s->lock);
	}
	pthread_mutex_unlock(&s->lock);
	free(s);
	return NULL;
}

static creel_executor *stack_new(void)
{
	static const creel_executor_ops ops = {
		.size = sizeof ops,
		.submit = stack_submit,
		.withdraw = stack_withdraw,
		.destroy = stack_destroy,
		.flags = CREEL_EXECUTOR_QUEUES,
	};
	pthread_t thread;
	struct stack *s = calloc(1, sizeof *s);
	if (!s)
		return creel_executor_new(NULL, NULL); /* a broken one */
	pthread_mutex_init(&s->lock, NULL);
	pthread_cond_init(&s->changed, NULL);
	if (pthread_create(&thread, NULL, stack_work, s)) {
		free(s);
		return creel_executor_new(NULL, NULL);
	}
	pthread_detach(thread);
	creel_executor *ex = creel_executor_new(&ops, s);
	if (creel_executor_error(ex))
		stack_destroy(s);
	return ex;
}

/* ---- A program that uses it ---- */

static int say(creel_task *task, const void *arg, size_t size)
{
	(void)task;
	(void)size;
	printf("request %d\n", *(const int *)arg);
	return 0;
}

struct gate {
	creel_future *reached, *open; /* promises */
};

/* Keeps the thread busy until the gate opens. */
static int wait_for(creel_task *task, const void *arg, size_t size)
{
	const struct gate *gate = arg;
	(void)task;
	(void)size;
	creel_promise_set_result(gate->reached, NULL, 0);
	return creel_future_result(gate->open, CREEL_FOREVER, NULL, 0);
}

int main(void)
{
	enum { N = 5 };
	creel_executor *newest_first = stack_new();
	struct gate gate = {creel_promise_new(), creel_promise_new()};
	creel_future *requests[N];
	creel_spawn(newest_first, wait_for, &gate, sizeof gate, NULL);
	creel_future_result(gate.reached, CREEL_FOREVER, NULL, 0);
	for (int i = 0; i < N; i++)
		requests[i] = creel_submit(newest_first, say, &i, sizeof i);
	/* It leaves the stack at once. */
	creel_future_cancel(requests[3]);
	creel_promise_set_result(gate.open, NULL, 0);
	creel_wait(requests, N, CREEL_ALL_COMPLETED, CREEL_FOREVER, NULL);
	printf("request 3 was %s\n", creel_future_message(requests[3], -ECANCELED));
	for (int i = 0; i < N; i++)
		creel_future_unref(requests[i]);
	int rc = creel_executor_close(newest_first);
	creel_promise_drop(gate.reached);
	creel_promise_drop(gate.open);
	return rc;
}
