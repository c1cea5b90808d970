/* SPDX-License-Identifier: MIT */
/* How a fork server starts: what it may not wait for, what it hands on, what is said if it
 * cannot. */
#include "procs.h"
#include "refuse.h"

#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/syscall.h>
#include <sys/wait.h>

static void end_server(creel_executor *ex)
{
	int server = pt_pidfd(pt_ids(ex).server);
	pt_kill(server, SIGKILL);
	pt_await_gone(server);
}

static void fill_stdout(void)
{
	int ends[2];
	char text[4096] = {0};
	HOST(pipe(ends) == 0 && fcntl(ends[1], F_SETFL, O_NONBLOCK) == 0);
	while (write(ends[1], text, sizeof text) > 0)
		;
	while (write(ends[1], text, 1) > 0)
		;
	HOST(errno == EAGAIN && fcntl(ends[1], F_SETFL, 0) == 0 && dup2(ends[1], 1) == 1);
}

/* Nobody reads the pipe, and something waits in the buffer to be written to it. */
static void full_host(void *arg)
{
	(void)arg;
	fill_stdout();
	creel_executor *ex = pt_pool(1);
	for (unsigned i = 0; i < 2; i++) {
		HOST(printf("not flushed\n") > 0);
		end_server(ex);
		pt_works(ex);
	}
	_exit(creel_executor_close(ex) ? 1 : 0);
}

CASE(starts, c15_a_server_is_replaced_while_stdout_is_a_full_pipe)
{
	ct_int(pt_host(full_host, NULL), 0);
}

/* More than the stack of the thread that made the pool. */
static int task_deep(creel_task *task, const void *arg, size_t size)
{
	volatile char deep[400000];
	(void)arg;
	(void)size;
	for (size_t i = 0; i < sizeof deep; i += 1024)
		deep[i] = 1;
	char c = deep[1024];
	return creel_return(task, &c, 1);
}

static void run_deep(creel_executor *ex)
{
	char c = 0;
	creel_future *f = creel_submit(ex, task_deep, NULL, 0);
	ct_int(creel_future_result(f, CT_GUARD, &c, 1), 0);
	ct_int(c, 1);
	creel_future_unref(f);
}

static void *make_pool(void *ret)
{
	*(creel_executor **)ret = pt_pool(1);
	return NULL;
}

CASE(starts, c20_tasks_have_the_same_stack_whichever_thread_made_the_pool)
{
	pthread_attr_t small;
	pthread_t thread;
	creel_executor *ex = NULL;
	pthread_attr_init(&small);
	ct_int(pthread_attr_setstacksize(&small, 256 * 1024), 0);
	ct_int(pthread_create(&thread, &small, make_pool, &ex), 0);
	pthread_join(thread, NULL);
	pthread_attr_destroy(&small);
	run_deep(ex);
	end_server(ex);
	run_deep(ex);
	ct_close(ex);
}

CASE(starts, c25_the_loss_of_the_server_breaks_the_pool_if_asked_for)
{
	creel_executor *ex = pt_pool_with((creel_process_pool_options){
		.max_workers = 1, .flags = CREEL_PROCESS_BREAK_ON_LOSS});
	struct pt_gated g = pt_gated(1);
	creel_future *held = pt_submit_gated(ex, &g);
	creel_future *queued = creel_submit(ex, task_nothing, NULL, 0);
	ct_count_await(g.started, 1);
	ct_int(kill(g.ids->server, SIGKILL), 0);
	pt_failure(held, CREEL_KIND_WORKER_DIED);
	ct_has(pt_failure(queued, CREEL_KIND_BROKEN)->message, "CREEL_PROCESS_BREAK_ON_LOSS");
	creel_future *late = creel_submit(ex, task_nothing, NULL, 0);
	pt_failure(late, CREEL_KIND_BROKEN);
	creel_future_unref(held);
	creel_future_unref(queued);
	creel_future_unref(late);
	ct_close(ex);
}

/* What the kernel refuses is named. */
struct refusal {
	long number;
	const char *name;
};

static void refusing_host(void *arg)
{
	const struct refusal *r = arg;
	HOST(refuse_call(r->number, EPERM));
	creel_executor *ex = creel_process_pool_new(NULL);
	const creel_error *e = creel_executor_error(ex);
	HOST(e && e->code == -EPERM);
	if (!strstr(e->message, r->name))
		fprintf(stderr, "%s is not in \"%s\"\n", r->name, e->message);
	HOST(strstr(e->message, r->name));
	HOST(creel_executor_close(ex) == 0);
}

CASE_OFF(starts, bad_a_call_that_is_refused_is_named, CT_MEMCHECK)
{
	static const struct refusal refusals[] = {
		{SYS_signalfd4, "signalfd()"}, {SYS_sendmsg, "sendmsg()"},
		{SYS_recvmsg, "recvmsg()"},    {434, "pidfd_open()"},
		{424, "pidfd_send_signal()"},
	};
	for (size_t i = 0; i < sizeof refusals / sizeof refusals[0]; i++) {
		struct refusal r = refusals[i];
		ct_int(pt_host(refusing_host, &r), 0);
	}
}

/* As if the server had no descriptor left for it. */
static _Atomic(pid_t) no_signalfd;

int __real_signalfd(int fd, const sigset_t *mask, int flags);
int __wrap_signalfd(int fd, const sigset_t *mask, int flags);

int __wrap_signalfd(int fd, const sigset_t *mask, int flags)
{
	pid_t except = atomic_load(&no_signalfd);
	if (!except || except == getpid())
		return __real_signalfd(fd, mask, flags);
	errno = ENFILE;
	return -1;
}

/* A child of the host has the socket open, so that it says nothing of the end. */
CASE(starts, bad_a_server_without_signalfd_says_so_and_nobody_waits_for_it)
{
	pt_hold_next_fork();
	atomic_store(&no_signalfd, getpid());
	creel_executor *ex = creel_process_pool_new(NULL);
	atomic_store(&no_signalfd, 0);
	const creel_error *e = creel_executor_error(ex);
	ct_assert(e != NULL);
	ct_int(e->code, -ENFILE);
	ct_has(e->message, "signalfd()");
	ct_int(creel_executor_close(ex), 0);
	pt_hold_end();
}

/* One that is stopped before its first word is given up; nothing of it stays. */
static void stop_self(void)
{
	raise(SIGSTOP);
}

static _Atomic bool stop_children;

static void stop_child(void)
{
	if (atomic_load(&stop_children))
		stop_self();
}

static void stopping_host(void *arg)
{
	(void)arg;
	HOST(pthread_atfork(NULL, NULL, stop_child) == 0);
	atomic_store(&stop_children, true);
	creel_executor *ex = creel_process_pool_new(
		&(creel_process_pool_options){.max_workers = 1, .start_ns = 100 * PT_MS});
	const creel_error *e = creel_executor_error(ex);
	HOST(e && e->code == -ETIMEDOUT && strstr(e->message, "fork server"));
	HOST(creel_executor_close(ex) == 0);
	HOST(waitpid(-1, NULL, WNOHANG) < 0 && errno == ECHILD);
}

CASE(starts, bad_a_server_that_never_speaks_is_given_up)
{
	ct_int(pt_host(stopping_host, NULL), 0);
}
