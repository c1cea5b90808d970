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
 */
#include "forker.h"
#include "forker_child.h"
#include "task_list.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
	ALIGNMENT = 64, /* of results, and of memory that is shared */
	GRACE_NS = 100 * 1000 * 1000,
	/* One more, to find out which tasks a shutdown has cancelled while processes run. */
	PLACES = CT_FORKER_MOST + 1,
};

enum end {
	LIVES,
	KILLED,    /* somebody asked for that */
	TIMED_OUT, /* its limit_ns */
};

struct wire_end {
	int fd;
	struct wire_end *next;
};

/* A place for a task and its process. */
struct place {
	creel_task *task; /* NULL: it is free */
	bool begun;       /* it is not cancelled any more */
	bool asked;       /* to stop, and the child has not been told */
	/* Of CLOCK_MONOTONIC, when it is to die, and why; INT64_MAX: never. */
	int64_t kill_at, limit_at;
	/* Of the thread alone: */
	enum end end; /* what was done to it */
	pid_t pid;
	struct wire_end wire;
	int death;  /* a descriptor of the process, or -1 where there is none */
	size_t got; /* bytes of what it said */
	struct ct_said said;
	char *body;
};

/* Before memory that is shared, in its mapping. */
struct area {
	struct area *next, *before;
	size_t size;
	_Alignas(ALIGNMENT) char data[];
};

struct forker {
	pthread_mutex_t lock;
	struct ct_task_list queue;
	struct place place[PLACES];
	unsigned most;
	struct area *areas;
	bool cancelling, quit;
	int bell[2];
	sigset_t signals; /* of who made it: for the children */
	_Atomic int refs;
};

/* ---- Ends of wires ---- */

static pthread_mutex_t ends_lock = PTHREAD_MUTEX_INITIALIZER;
static struct wire_end *ends;                    /* all that this process has open */
static _Thread_local const struct wire_end *own; /* the one of the child that is being forked */

static void before_fork(void)
{
	pthread_mutex_lock(&ends_lock);
}

static void after_fork(void)
{
	pthread_mutex_unlock(&ends_lock);
}

static void in_child(void)
{
	for (; ends; ends = ends->next)
		if (ends != own)
			close(ends->fd);
	pthread_mutex_unlock(&ends_lock);
}

static void prepare_forks(void)
{
	(void)pthread_atfork(before_fork, after_fork, in_child);
}

/* False: errno says why. */
static bool wire_open(struct wire_end *here, struct wire_end *there)
{
	int fd[2];
	pthread_mutex_lock(&ends_lock);
	bool open = socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fd) == 0;
	if (open) {
		*there = (struct wire_end){fd[1], ends};
		*here = (struct wire_end){fd[0], there};
		ends = here;
	}
	pthread_mutex_unlock(&ends_lock);
	return open;
}

static void wire_close(const struct wire_end *end)
{
	pthread_mutex_lock(&ends_lock);
	struct wire_end **at = &ends;
	while (*at != end)
		at = &(*at)->next;
	*at = end->next;
	close(end->fd);
	pthread_mutex_unlock(&ends_lock);
}

static void drop(struct forker *self)
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

static int64_t now(void)
{
	return creel_clock_now(NULL).ns;
}

static struct place *place_of_locked(struct forker *self, const creel_task *task)
{
	for (unsigned i = 0; i < PLACES; i++)
		if (self->place[i].task == task)
			return &self->place[i];
	return NULL;
}

/* ---- What children say ---- */

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

/* ---- Places; on the thread ---- */

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
	wire_close(&p->wire);
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
	struct wire_end there;
	if (!wire_open(&p->wire, &there))
		return errno;
	work->wire = there.fd;
	work->parent = getpid();
	own = &there;
	pid_t pid = fork();
	if (pid == 0) {
		own = NULL;
		pthread_sigmask(SIG_SETMASK, &self->signals, NULL);
		ct_forked_run(work);
	}
	int saved = errno;
	own = NULL;
	wire_close(&there);
	if (pid < 0) {
		wire_close(&p->wire);
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

static void *work(void *arg)
{
	struct forker *self = arg;
	struct place *p;
	while (goes_on(self)) {
		while ((p = next_start(self)))
			start(self, p);
		await_something(self, look_after(self));
	}
	drop(self);
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

/* ---- Memory that the children share ---- */

static void *area_new(void *arg, size_t size)
{
	struct forker *self = arg;
	size_t whole = sizeof(struct area) + size;
	struct area *a = mmap(NULL, whole, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1,
			      0);
	if (a == MAP_FAILED)
		return NULL;
	a->size = size;
	pthread_mutex_lock(&self->lock);
	a->next = self->areas;
	if (a->next)
		a->next->before = a;
	self->areas = a;
	pthread_mutex_unlock(&self->lock);
	return a->data;
}

static void area_free(void *arg, void *p)
{
	struct forker *self = arg;
	struct area *a = (struct area *)(void *)((char *)p - offsetof(struct area, data));
	pthread_mutex_lock(&self->lock);
	if (a->next)
		a->next->before = a->before;
	if (a->before)
		a->before->next = a->next;
	else
		self->areas = a->next;
	pthread_mutex_unlock(&self->lock);
	munmap(a, sizeof *a + a->size);
}

/* A task that writes where its pointer leads is to reach this process. */
static int vet(void *arg, creel_fn fn, const void *data, size_t size)
{
	struct forker *self = arg;
	const char *at = data;
	(void)fn;
	if (size != CREEL_BY_REF || !data)
		return 0;
	pthread_mutex_lock(&self->lock);
	const struct area *a = self->areas;
	while (a && !(at >= a->data && at < a->data + a->size))
		a = a->next;
	pthread_mutex_unlock(&self->lock);
	return a ? 0 : -EFAULT;
}

/* ---- Life ---- */

static void destroy(void *arg)
{
	struct forker *self = arg;
	pthread_mutex_lock(&self->lock);
	self->quit = true;
	ring(self);
	pthread_mutex_unlock(&self->lock);
	drop(self);
}

static bool begin_thread(struct forker *self)
{
	pthread_t thread;
	sigset_t all;
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &self->signals);
	int rc = pthread_create(&thread, NULL, work, self);
	pthread_sigmask(SIG_SETMASK, &self->signals, NULL);
	if (rc == 0)
		pthread_detach(thread);
	return rc == 0;
}

creel_executor *ct_forker_new(unsigned n)
{
	static const creel_executor_ops ops = {.size = sizeof ops,
					       .flags = CREEL_EXECUTOR_REMOTE,
					       .submit = submit,
					       .withdraw = withdraw,
					       .shutdown = shut_down,
					       .destroy = destroy,
					       .stats = stats,
					       .resize = resize,
					       .vet = vet,
					       .alloc = area_new,
					       .free = area_free,
					       .ask = ask,
					       .stop = stop,
					       .kill = kill_task};
	static pthread_once_t once = PTHREAD_ONCE_INIT;
	(void)pthread_once(&once, prepare_forks);
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
	drop(self);
	self = NULL;
failed:
	free(self);
	return creel_executor_new(NULL, NULL);
}
