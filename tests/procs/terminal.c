/* SPDX-License-Identifier: MIT */
/*
 * Promises 27 and 32 on a terminal: a task that touches it gets an error, and the stop key stops
 * the workers with the host.
 *
 *   test --- shell (leads the session of a pty) --- host, in the foreground group --- pool
 */
#include "procs.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <termios.h>

enum { TIMED_OUT = 80 }; /* exit status of a host */

static struct terminal {
	int master;
	pid_t shell;
	struct ct_count *started, *stopped, *go, *gate, *held, *hold;
	_Atomic pid_t worker;
	_Atomic int status; /* of the host */
	_Atomic unsigned beats;
	int64_t limit_ns;
	void (*run)(struct terminal *t);
} * terminal;

static void host_of_shell(struct terminal *t)
{
	signal(SIGTTOU, SIG_IGN);
	setpgid(0, 0);
	tcsetpgrp(0, getpid());
	signal(SIGTTOU, SIG_DFL);
	t->run(t);
	_exit(0);
}

/* Waits for its job as a shell does, and continues it when it is told to. */
static void shell(struct terminal *t, int slave)
{
	setsid();
	if (ioctl(slave, TIOCSCTTY, 0) < 0)
		_exit(90);
	for (int fd = 0; fd < 3; fd++)
		dup2(slave, fd);
	signal(SIGTTOU, SIG_IGN);
	pid_t host = fork();
	if (host == 0)
		host_of_shell(t);
	int status = 0;
	while (waitpid(host, &status, WUNTRACED) == host && WIFSTOPPED(status)) {
		ct_open(t->stopped);
		ct_pass(t->go);
		tcsetpgrp(0, host);
		kill(-host, SIGCONT);
	}
	_exit(WIFEXITED(status) ? WEXITSTATUS(status) : 91);
}

static struct terminal *start(void (*run)(struct terminal *t), int64_t limit_ns)
{
	struct terminal *t = terminal = ct_shared(sizeof *t);
	t->run = run;
	t->limit_ns = limit_ns;
	t->started = ct_count_new();
	t->stopped = ct_count_new();
	t->go = ct_count_new();
	t->gate = ct_count_new();
	t->held = ct_count_new();
	t->hold = ct_count_new();
	t->master = posix_openpt(O_RDWR | O_NOCTTY);
	if (t->master < 0)
		ct_skip("there are no pseudoterminals here");
	ct_assert(grantpt(t->master) == 0 && unlockpt(t->master) == 0);
	int slave = open(ptsname(t->master), O_RDWR | O_NOCTTY);
	ct_assert(slave >= 0);
	pid_t pid = fork();
	if (pid == 0)
		shell(t, slave);
	t->shell = pid;
	close(slave);
	return t;
}

/* The exit status of the host. */
static int end_of(struct terminal *t)
{
	int status = -1;
	pt_await_gone(pt_pidfd(t->shell));
	ct_int(waitpid(t->shell, &status, 0), t->shell);
	ct_assert(WIFEXITED(status));
	close(t->master);
	return WEXITSTATUS(status);
}

static void finish(struct terminal *t)
{
	ct_int(end_of(t), 0);
}

static int task_read(creel_task *task, const void *arg, size_t size)
{
	(void)arg;
	(void)size;
	char bytes[16];
	ssize_t n = read(0, bytes, sizeof bytes);
	long code = n < 0 ? errno : 0;
	/* Writing is allowed, also where background jobs would be stopped for it. */
	TASK(write(1, "x", 1) == 1);
	return creel_return(task, &code, sizeof code);
}

static void read_it(struct terminal *t)
{
	struct termios mode;
	(void)t;
	HOST(tcgetattr(0, &mode) == 0);
	mode.c_lflag |= TOSTOP;
	HOST(tcsetattr(0, TCSANOW, &mode) == 0);
	creel_executor *ex = pt_pool(1);
	HOST(ct_long_drop(creel_submit(ex, task_read, NULL, 0)) == EIO);
	HOST(creel_executor_close(ex) == 0);
}

CASE(terminal, c32_a_task_that_reads_from_the_terminal_gets_an_error)
{
	finish(start(read_it, 0));
}

static int task_beat(creel_task *task, const void *arg, size_t size)
{
	(void)task;
	(void)arg;
	(void)size;
	struct terminal *t = terminal;
	atomic_store(&t->worker, getpid());
	ct_open(t->started);
	while (!ct_count_get(t->gate)) {
		atomic_fetch_add(&t->beats, 1);
		ct_breathe();
	}
	return 0;
}

static void beat(struct terminal *t)
{
	creel_executor *ex = pt_pool(1);
	creel_submit_options o = {.limit_ns = t->limit_ns};
	creel_future *f = creel_submit_with(ex, task_beat, NULL, 0, &o);
	int outcome = ct_outcome(f);
	creel_future_unref(f);
	pt_works(ex);
	HOST(creel_executor_close(ex) == 0);
	if (!outcome)
		return;
	/* It may have been over before anybody was stopped. */
	ct_open(t->started);
	ct_open(t->stopped);
	_exit(t->limit_ns ? TIMED_OUT : 1);
}

static char state_of(pid_t pid)
{
	char path[64], state = '?';
	snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
	FILE *file = fopen(path, "re");
	if (file && fscanf(file, "%*d (%*[^)]) %c", &state) != 1)
		state = '?';
	if (file)
		fclose(file);
	return state;
}

static void press_stop(struct terminal *t)
{
	ct_pass(t->started);
	ct_int(write(t->master, "\x1a", 1), 1);
	ct_pass(t->stopped);
	ct_until(state_of(atomic_load(&t->worker)) == 'T');
}

static void go_on(struct terminal *t)
{
	unsigned before = atomic_load(&t->beats);
	ct_open(t->go);
	ct_until(atomic_load(&t->beats) > before);
	ct_open(t->gate);
	finish(t);
}

/* valgrind catches the signal of the key, and nobody stops. */
CASE_OFF(terminal, c32_the_stop_key_stops_the_workers_with_the_host, CT_MEMCHECK)
{
	struct terminal *t = start(beat, 0);
	press_stop(t);
	go_on(t);
}

/* A host that goes on says so once. If that is lost its workers stay stopped. */
CASE_OFF(terminal, c32_the_workers_go_on_although_the_socket_of_the_server_was_full, CT_MEMCHECK)
{
	pt_refuse_orders('C', 2);
	struct terminal *t = start(beat, 0);
	press_stop(t);
	go_on(t);
	pt_refuse_orders(0, 0);
}

static void beat_beside_vfork(struct terminal *t)
{
	creel_executor *ex = pt_pool(1);
	creel_future *f = creel_submit(ex, task_beat, NULL, 0);
	pid_t child = vfork();
	if (child == 0) {
		setpgid(0, 0);
		ct_open(t->held);
		ct_pass(t->hold);
		_exit(0);
	}
	HOST(waitpid(child, NULL, 0) == child);
	HOST(ct_outcome(f) == 0);
	creel_future_unref(f);
	HOST(creel_executor_close(ex) == 0);
}

/* It heard of the key before the key had stopped it, as on a busy machine, and had its workers go
 * on. */
CASE_OFF(terminal, c32_a_host_that_the_key_stops_late_stops_with_its_workers, CT_MEMCHECK)
{
	struct terminal *t = start(beat_beside_vfork, 0);
	ct_pass(t->started);
	ct_pass(t->held);
	ct_int(write(t->master, "\x1a", 1), 1);
	for (int i = 0; i < 50; i++)
		ct_breathe();
	ct_open(t->hold);
	ct_pass(t->stopped);
	ct_until(state_of(atomic_load(&t->worker)) == 'T');
	go_on(t);
}

static void beat_without_key(struct terminal *t)
{
	sigset_t key, before;
	sigemptyset(&key);
	sigaddset(&key, SIGTSTP);
	sigprocmask(SIG_BLOCK, &key, &before);
	int number = 0;
	creel_executor *ex = pt_pool(1);
	creel_future *f = creel_submit(ex, task_beat, NULL, 0);
	HOST(sigwait(&key, &number) == 0 && number == SIGTSTP);
	ct_open(t->stopped);
	HOST(ct_outcome(f) == 0);
	creel_future_unref(f);
	HOST(creel_executor_close(ex) == 0);
}

/* All its threads block the key's signal, and one waits for it. */
CASE(terminal, c32_a_host_that_waits_for_the_key_gets_it_and_goes_on)
{
	struct terminal *t = start(beat_without_key, 0);
	ct_pass(t->started);
	ct_int(write(t->master, "\x1a", 1), 1);
	ct_pass(t->stopped);
	unsigned before = atomic_load(&t->beats);
	ct_until(atomic_load(&t->beats) > before + 3);
	ct_open(t->gate);
	finish(t);
}

/* Stopped for longer than the limit. */
static int stop_for(int64_t limit_ns)
{
	struct terminal *t = start(beat, limit_ns);
	ct_pass(t->started);
	ct_int(write(t->master, "\x1a", 1), 1);
	ct_pass(t->stopped);
	int64_t from = ct_now();
	ct_until(ct_now() - from > limit_ns + limit_ns / 4);
	ct_open(t->gate);
	ct_open(t->go);
	return end_of(t);
}

/* On a slow machine it may need as long for the rest: then again, with twice the time. */
CASE_OFF(terminal, c27_time_that_the_host_was_stopped_by_the_key_is_not_the_task_s, CT_MEMCHECK)
{
	int status = TIMED_OUT;
	for (int64_t ms = 300; status == TIMED_OUT && ms <= 9600; ms *= 2)
		status = stop_for(ms * PT_MS);
	ct_int(status, 0);
}

static void stop_itself(struct terminal *t)
{
	creel_executor *ex = pt_pool(1);
	struct pt_crash crash = {.how = PT_STOP};
	creel_submit_options o = {.limit_ns = t->limit_ns};
	creel_future *f = creel_submit_with(ex, task_crash, &crash, sizeof crash, &o);
	HOST(pt_failure(f, CREEL_KIND_TIMED_OUT)->kind == CREEL_KIND_TIMED_OUT);
	creel_future_unref(f);
	HOST(creel_executor_close(ex) == 0);
}

CASE(terminal, c27_a_task_that_stops_itself_is_killed_on_time)
{
	finish(start(stop_itself, 100 * PT_MS));
}

static void ignore_key(struct terminal *t)
{
	signal(SIGTSTP, SIG_IGN);
	beat(t);
}

/* A host that goes on has its workers go on. */
CASE(terminal, c32_a_host_that_ignores_the_stop_key_keeps_its_workers)
{
	struct terminal *t = start(ignore_key, 0);
	ct_pass(t->started);
	for (int i = 0; i < 3; i++) {
		ct_int(write(t->master, "\x1a", 1), 1);
		unsigned before = atomic_load(&t->beats);
		ct_until(atomic_load(&t->beats) > before + 3);
	}
	ct_until(state_of(atomic_load(&t->worker)) != 'T');
	ct_open(t->gate);
	finish(t);
}
