/* SPDX-License-Identifier: MIT */
/* Promise 32: what ties workers to their server, and all to the host, whatever they do. */
#include "procs.h"
#include "orphans.h"

#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>

enum { NOBODY = 65534 };

/* The kernel forgets the death signal of who changes credentials. */
static int drop_rights(void *ctx, unsigned worker, void **ret_local)
{
	(void)ctx;
	(void)worker;
	(void)ret_local;
	return setgid(NOBODY) || setuid(NOBODY) ? -errno : 0;
}

struct tied {
	bool in_task, close_all;
	struct pt_gated g;
};

static int task_untied(creel_task *task, const void *arg, size_t size)
{
	const struct tied *tied = arg;
	if (tied->in_task)
		TASK(drop_rights(NULL, 0, NULL) == 0);
	if (tied->close_all)
		for (int fd = 3; fd < 256; fd++)
			close(fd);
	return task_gated(task, &tied->g, size);
}

static void tied_host(void *arg)
{
	struct tied *tied = arg;
	creel_executor *ex = creel_process_pool_new(&(creel_process_pool_options){
		.max_workers = 1, .initializer = tied->in_task ? NULL : drop_rights});
	HOST(!creel_executor_error(ex));
	creel_future *f = creel_submit(ex, task_untied, tied, sizeof *tied);
	(void)creel_future_result(f, CREEL_FOREVER, NULL, 0);
}

/* The host and its server die together, and nobody is left who could send a signal. */
static void dies_with_the_server(bool in_task, bool close_all)
{
	struct tied tied = {in_task, close_all, pt_gated(1)};
	pid_t host = pt_host_start(tied_host, &tied);
	ct_count_await(tied.g.started, 1);
	int worker = pt_pidfd(tied.g.ids->pid), server = pt_pidfd(tied.g.ids->server);
	ct_int(kill(host, SIGSTOP), 0);
	pt_kill(server, SIGKILL);
	ct_int(kill(host, SIGKILL), 0);
	pt_await_gone(worker);
	pt_await_gone(server);
	pt_host_end(host);
}

CASE(ties, c32_a_worker_whose_initializer_dropped_privileges_dies_with_its_server)
{
	if (!pt_can_become(NOBODY))
		ct_skip("only root can become somebody else, and not everywhere");
	dies_with_the_server(false, false);
	/* It has armed its death signal again, and needs no descriptor. */
	dies_with_the_server(false, true);
}

CASE(ties, c32_a_worker_whose_task_dropped_privileges_dies_with_its_server)
{
	if (!pt_can_become(NOBODY))
		ct_skip("only root can become somebody else, and not everywhere");
	dies_with_the_server(true, false);
}

/* Leaves the group, and the worker. */
static int task_stray(creel_task *task, const void *arg, size_t size)
{
	pid_t pid = fork();
	(void)arg;
	(void)size;
	if (pid == 0) {
		setsid();
		/* A child of its own, which comes to the server when it ends. */
		if (fork() < 0)
			_exit(1);
		for (;;)
			pause();
	}
	return creel_return(task, &pid, sizeof pid);
}

static void strayed_host(void *proc)
{
	pid_t pid = 0;
	if (!proc) {
		/* The root of a chroot may be no mount. */
		if (unshare(CLONE_NEWNS) < 0 ||
		    mount("none", "/", "none", MS_REC | MS_PRIVATE, NULL) < 0 ||
		    umount2("/proc", MNT_DETACH) < 0)
			_exit(77);
	}
	creel_executor *ex = creel_process_pool_new(NULL);
	HOST(!creel_executor_error(ex));
	creel_future *f = creel_submit(ex, task_stray, NULL, 0);
	HOST(creel_future_result(f, CT_GUARD, &pid, sizeof pid) == 0);
	creel_future_unref(f);
	int stray = (int)syscall(SYS_pidfd_open, pid, 0);
	HOST(stray >= 0);
	HOST(creel_executor_close(ex) == 0);
	pt_await_gone(stray);
}

CASE(ties, c32_strays_end_with_the_pool)
{
	char proc = 1;
	ct_int(pt_host(strayed_host, &proc), 0);
}

CASE(ties, c32_strays_end_with_the_pool_without_proc)
{
	int status = pt_host(strayed_host, NULL);
	if (WIFEXITED(status) && WEXITSTATUS(status) == 77)
		ct_skip("no mounts of its own are to be had");
	ct_int(status, 0);
}
