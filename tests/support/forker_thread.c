/* SPDX-License-Identifier: MIT */
/* The thread of a forking executor: hears what children say, and begins, ends and settles tasks.
 * See forker.c. */
#include "forker_state.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static int64_t now(void)
{
	return creel_clock_now(NULL).ns;
}

static void free_body(void *data, size_t size, void *ctx)
{
	(void)size;
	(void)ctx;
	free(data);
}

/* Where the next bytes go; 0: it has said all. */
static size_t wanted(struct place *p, char **ret_to)
{
	if (p->got < sizeof p->said) {
		*ret_to = (char *)&p->said + p->got;
		return sizeof p->said - p->got;
	}
	size_t n = p->said.size + p->said.message;
	if (!p->body)
		p->body = aligned_alloc(ALIGNMENT, (n / ALIGNMENT + 1) * ALIGNMENT);
	if (!p->body)
		return 0;
	*ret_to = p->body + (p->got - sizeof p->said);
	return sizeof p->said + n - p->got;
}

/* Reads what there is. True: there is no more to come. */
static bool hear(struct place *p)
{
	char *to;
	size_t n;
	while ((n = wanted(p, &to))) {
		ssize_t got = recv(p->wire.fd, to, n, MSG_DONTWAIT);
		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0 && errno == EAGAIN)
			return false;
		if (got <= 0)
			return true;
		p->got += (size_t)got;
	}
	return true;
}

static void settle_death(creel_task *task, const struct place *p, int status)
{
	creel_failure failure = {.kind = CREEL_KIND_EXITED, .pid = p->pid};
	const char *how = "ended without a word";
	if (WIFEXITED(status))
		failure.exit_status = WEXITSTATUS(status);
	else
		failure.signal = WTERMSIG(status);
	if (p->end == KILLED) {
		failure.kind = CREEL_KIND_KILLED;
		how = "was killed on request";
	} else if (p->end == TIMED_OUT) {
		failure.kind = CREEL_KIND_TIMED_OUT;
		failure.code = -ETIMEDOUT;
		how = "ran longer than limit_ns";
	} else if (WIFSIGNALED(status)) {
		failure.kind = CREEL_KIND_WORKER_DIED;
		how = "died of a signal";
	}
	(void)creel_task_settle_error(task, &failure, "process %d %s", (int)p->pid, how);
}

static void settle(creel_task *task, const struct place *p)
{
	const struct ct_said *said = &p->said;
	if (said->failed) {
		creel_failure failure = {.kind = said->kind,
					 .code = said->code,
					 .data = said->size ? p->body : NULL,
					 .size = said->size};
		(void)creel_task_settle_error(task, &failure, "%.*s", (int)said->message,
					      p->body + said->size);
		free(p->body);
		return;
	}
	(void)creel_task_settle(task, (creel_buffer){.data = said->size ? p->body : NULL,
						     .size = said->size,
						     .free = free_body,
						     .ctx = NULL});
	if (!said->size)
		free(p->body);
}

/* The place is free from here on, and the task the caller's. */
static struct place leave_place(struct forker *self, struct place *p)
{
	pthread_mutex_lock(&self->lock);
	struct place was = *p;
	p->task = NULL;
	pthread_mutex_unlock(&self->lock);
	return was;
}

/* It has said all that it will, or is dead. */
static void finish(struct forker *self, struct place *p)
{
	int status = 0;
	char *end;
	bool whole = wanted(p, &end) == 0 && p->body;
	if (!whole)
		(void)kill(p->pid, SIGKILL);
	while (waitpid(p->pid, &status, 0) < 0 && errno == EINTR)
		;
	ct_wire_close(&p->wire);
	if (p->death >= 0)
		close(p->death);
	struct place was = leave_place(self, p);
	if (whole && status == 0) {
		settle(was.task, &was);
	} else {
		free(was.body);
		settle_death(was.task, &was, status);
	}
}

/* What the child is to know. */
static int describe(creel_task *task, struct ct_forked *ret)
{
	*ret = (struct ct_forked){.fn = creel_task_function(task)};
	ret->input_error = creel_task_input_error(task);
	ret->continues = ret->input_error ||
			 creel_task_input(task, &ret->input, &ret->input_size) == 0;
	return creel_task_argument(task, &ret->arg, &ret->size);
}

static int64_t limit_of(creel_task *task)
{
	creel_submit_options o;
	if (creel_task_options(task, &o) || o.limit_ns == 0)
		return INT64_MAX;
	return creel_in_ns(o.limit_ns).ns;
}

/* 0, or an errno. */
static int fork_one(struct forker *self, struct place *p, struct ct_forked *work)
{
	struct ct_wire_end there;
	if (!ct_wire_open(&p->wire, &there))
		return errno;
	work->wire = there.fd;
	work->parent = getpid();
	pid_t pid = ct_wire_fork(&there);
	if (pid == 0) {
		pthread_sigmask(SIG_SETMASK, &self->signals, NULL);
		ct_forked_run(work);
	}
	int saved = errno;
	ct_wire_close(&there);
	if (pid < 0) {
		ct_wire_close(&p->wire);
		return saved;
	}
	p->pid = pid;
	p->death = -1;
#ifdef SYS_pidfd_open
	p->death = (int)syscall(SYS_pidfd_open, pid, 0);
#endif
	return 0;
}

/* The task of the place starts, or ends. */
static void start(struct forker *self, struct place *p)
{
	struct ct_forked work;
	creel_task *task = p->task;
	if (creel_task_begin(task)) {
		(void)leave_place(self, p);
		return;
	}
	int rc = describe(task, &work) ? EINVAL : fork_one(self, p, &work);
	if (rc) {
		(void)leave_place(self, p);
		creel_failure failure = {.code = -rc};
		(void)creel_task_settle_error(task, &failure, "no process: %s", strerror(rc));
		return;
	}
	int64_t limit = limit_of(task);
	pthread_mutex_lock(&self->lock);
	p->begun = true;
	p->limit_at = limit;
	pthread_mutex_unlock(&self->lock);
}

/* The first task gets a place that is free, if there is one. */
static struct place *next_start(struct forker *self)
{
	pthread_mutex_lock(&self->lock);
	struct place *p = NULL;
	for (unsigned i = 0; self->queue.first && i < self->most + self->cancelling && !p; i++)
		if (!self->place[i].task)
			p = &self->place[i];
	if (p) {
		*p = (struct place){
			.task = self->queue.first, .kill_at = INT64_MAX, .limit_at = INT64_MAX};
		(void)ct_task_take(&self->queue, p->task);
	}
	pthread_mutex_unlock(&self->lock);
	return p;
}

/* Who is asked to stop is told, and who is due dies. Returns when the next one is due. */
static int64_t look_after(struct forker *self)
{
	int64_t next = INT64_MAX, at = now();
	pthread_mutex_lock(&self->lock);
	for (unsigned i = 0; i < PLACES; i++) {
		struct place *p = &self->place[i];
		if (!p->task)
			continue;
		if (p->asked)
			(void)send(p->wire.fd, "", 1, MSG_NOSIGNAL | MSG_DONTWAIT);
		p->asked = false;
		int64_t due = p->kill_at < p->limit_at ? p->kill_at : p->limit_at;
		if (due > at) {
			next = due < next ? due : next;
		} else if (p->end == LIVES) {
			p->end = due == p->kill_at ? KILLED : TIMED_OUT;
			(void)kill(p->pid, SIGKILL);
		}
	}
	pthread_mutex_unlock(&self->lock);
	return next;
}

/* Waits until a child says something, or dies, or is due; or somebody rings. */
static void await_something(struct forker *self, int64_t due)
{
	struct pollfd fds[1 + 2 * PLACES] = {{.fd = self->bell[0], .events = POLLIN}};
	char rung[64];
	int64_t left = due == INT64_MAX ? -1 : (due - now()) / 1000000 + 1;
	for (unsigned i = 0; i < PLACES; i++) {
		const struct place *p = &self->place[i];
		fds[1 + 2 * i] = (struct pollfd){.fd = p->task ? p->wire.fd : -1, .events = POLLIN};
		fds[2 + 2 * i] = (struct pollfd){.fd = p->task ? p->death : -1, .events = POLLIN};
	}
	if (left > INT_MAX)
		left = INT_MAX;
	if (poll(fds, 1 + 2 * PLACES, left < -1 ? 0 : (int)left) <= 0)
		return;
	while (recv(self->bell[0], rung, sizeof rung, MSG_DONTWAIT) > 0)
		;
	for (unsigned i = 0; i < PLACES; i++) {
		struct place *p = &self->place[i];
		bool over = fds[1 + 2 * i].revents && hear(p);
		if (over || (fds[2 + 2 * i].revents && (hear(p), true)))
			finish(self, p);
	}
}

/* False: nothing is left, and nothing will come. */
static bool goes_on(struct forker *self)
{
	pthread_mutex_lock(&self->lock);
	bool on = !self->quit;
	pthread_mutex_unlock(&self->lock);
	return on;
}

void *ct_forker_work(void *arg)
{
	struct forker *self = arg;
	struct place *p;
	while (goes_on(self)) {
		while ((p = next_start(self)))
			start(self, p);
		await_something(self, look_after(self));
	}
	ct_forker_drop(self);
	return NULL;
}
