/* SPDX-License-Identifier: MIT */
/*
 * The child of forker.c: it runs one function, on the thread that was forked.
 *
 * TASK    The parent's task is of no use here. The function gets one of an inline executor of the
 *         child's own; a continuation that of a future which has ended as the input did.
 * STOP    A thread hears each byte, and cancels that task: so the function is asked to stop, or
 *         woken from its sleep.
 * ORPHAN  Where nobody waits any more the same thread hears the end of the wire, and the process
 *         ends. On Linux the system kills it as well, if the thread has not come that far.
 * END     A callback of the task says what came of it and ends the process. So it does not matter
 *         whether the function returns or ends its thread. A process that the function forks is
 *         not asked.
 */
#include "forker_child.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#ifdef __linux__
#include <sys/prctl.h>
#endif
#include <sys/socket.h>
#include <unistd.h>

struct work {
	struct ct_forked task;
	pid_t pid;
};

static bool send_all(int fd, const void *data, size_t size)
{
	const char *p = data;
	while (size) {
		ssize_t n = send(fd, p, size, MSG_NOSIGNAL);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return false;
		p += n;
		size -= (size_t)n;
	}
	return true;
}

/* A callback of the task's future. */
static void report(creel_future *f, void *arg)
{
	const struct work *work = arg;
	int wire = work->task.wire;
	const void *data = NULL;
	size_t size = 0;
	(void)creel_future_view(f, CREEL_NOW, &data, &size);
	const creel_error *e = creel_future_error(f);
	const char *message = e ? e->message : "";
	struct ct_said said = {.failed = e != NULL, .size = size, .message = strlen(message)};
	if (e) {
		said.kind = e->kind;
		said.code = e->code;
		said.size = e->size;
		data = e->data;
	}
	bool sent = send_all(wire, &said, sizeof said) && send_all(wire, data, said.size) &&
		    send_all(wire, message, said.message);
	_exit(sent ? 0 : EXIT_FAILURE);
}

struct ears {
	int wire;
	creel_future *f;
};

static void *hear(void *arg)
{
	struct ears *ears = arg;
	char asked;
	for (;;) {
		ssize_t n = recv(ears->wire, &asked, 1, 0);
		if (n > 0)
			(void)creel_future_cancel(ears->f);
		else if (n == 0 || errno != EINTR)
			/* Nobody waits for what the task says. */
			_exit(EXIT_FAILURE);
	}
}

static int listen_for_stop(int wire, creel_future *f)
{
	pthread_t thread;
	struct ears *ears = malloc(sizeof *ears);
	if (!ears)
		return -ENOMEM;
	*ears = (struct ears){wire, f};
	int rc = pthread_create(&thread, NULL, hear, ears);
	if (rc)
		free(ears);
	else
		pthread_detach(thread);
	return -rc;
}

static int run(creel_task *task, const void *arg, size_t size)
{
	struct work *work = *(struct work *const *)arg;
	creel_future *f = creel_task_future(task);
	(void)size;
	int rc = creel_future_on_done(f, NULL, report, work, NULL, NULL);
	if (rc == 0)
		rc = listen_for_stop(work->task.wire, f);
	if (rc == 0)
		rc = work->task.fn(task, work->task.arg, work->task.size);
	if (getpid() != work->pid)
		_exit(rc);
	return rc;
}

/* An executor whose tasks end, before they are anybody's, as the input did. */
static int echo(void *self, creel_task *task)
{
	const struct ct_forked *of = self;
	const creel_error *e = of->input_error;
	creel_buffer b = {.data = (void *)(uintptr_t)of->input, .size = of->input_size};
	if (!e)
		return creel_task_settle(task, b);
	creel_failure failure = {.kind = e->kind,
				 .code = e->code,
				 .pid = e->pid,
				 .signal = e->signal,
				 .exit_status = e->exit_status,
				 .data = e->data,
				 .size = e->size,
				 .cause = creel_error_cause(e, 0)};
	return creel_task_settle_error(task, &failure, "%s", e->message);
}

static creel_future *continue_input(struct work *work, creel_executor *ex)
{
	const creel_executor_ops ops = {.size = sizeof ops, .submit = echo};
	creel_executor *echoes = creel_executor_new(&ops, &work->task);
	creel_future *input = creel_submit(echoes, run, NULL, 0);
	if (work->task.input_error)
		return creel_recover_with(
			input, ex, run, &work, sizeof work,
			&(creel_submit_options){.flags = CREEL_RECOVER_CANCELLED});
	return creel_then(input, ex, run, &work, sizeof work);
}

/* Dies with the thread that has forked it, which outlives it otherwise. */
static void follow(pid_t parent)
{
#ifdef __linux__
	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
#endif
	if (getppid() != parent)
		_exit(EXIT_FAILURE);
}

void ct_forked_run(const struct ct_forked *task)
{
	follow(task->parent);
	struct work own = {*task, getpid()}, *work = &own;
	creel_executor *ex = creel_inline_new();
	creel_future *f = task->continues ? continue_input(work, ex)
					  : creel_submit(ex, run, &work, sizeof work);
	/* It never began. */
	if (getpid() == own.pid)
		report(f, work);
	_exit(EXIT_FAILURE);
}
