/* SPDX-License-Identifier: MIT */
/* creel's timers; those of the kernel, a descriptor each; and those of libraries with loops. */
#include "timer_peers.h"
#include "measure.h"

#include <creel/creel.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/timerfd.h>
#include <unistd.h>

static void nothing(void)
{
}

static void *creel_set(double ns)
{
	return creel_after(NULL, creel_in_ns((int64_t)ns));
}

static void creel_cancel(void *timer)
{
	creel_future_cancel(timer);
	creel_future_unref(timer);
}

static void creel_await(double due)
{
	creel_future *f = creel_after(NULL, (creel_deadline){(int64_t)due});
	creel_future_result(f, CREEL_FOREVER, NULL, 0);
	creel_future_unref(f);
}

const struct peer timers_creel = {"creel", nothing, creel_set, creel_cancel, creel_await, nothing};

static creel_executor *pool;

static void submit_open(void)
{
	pool = creel_thread_pool_new(&(creel_thread_pool_options){.max_workers = 1});
}

static int empty_task(creel_task *task, const void *arg, size_t size)
{
	(void)task;
	(void)arg;
	(void)size;
	return 0;
}

static void *submit_set(double ns)
{
	return creel_submit_with(pool, empty_task, NULL, 0,
				 &(creel_submit_options){.delay_ns = (int64_t)ns});
}

static void submit_await(double due)
{
	creel_future *f = submit_set(due - now_ns());
	if (creel_future_result(f, CREEL_FOREVER, NULL, 0))
		give_up(creel_future_error(f)->message);
	creel_future_unref(f);
}

static void submit_close(void)
{
	if (creel_executor_close(pool))
		give_up("the pool does not close");
}

const struct peer timers_submit = {"creel-submit", submit_open,  submit_set,
				   creel_cancel,   submit_await, submit_close};

static int poller;

/* As many descriptors as the system lets one have. */
static void fd_open(void)
{
	struct rlimit limit;
	getrlimit(RLIMIT_NOFILE, &limit);
	limit.rlim_cur = limit.rlim_max;
	setrlimit(RLIMIT_NOFILE, &limit);
	poller = epoll_create1(EPOLL_CLOEXEC);
	if (poller < 0)
		give_up("no epoll");
}

static int fd_new(double ns, int flags)
{
	struct itimerspec at = {.it_value = {(time_t)(ns / 1e9), (long)((int64_t)ns % 1000000000)}};
	int fd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
	struct epoll_event event = {.events = EPOLLIN, .data.fd = fd};
	if (fd < 0 || timerfd_settime(fd, flags, &at, NULL) ||
	    epoll_ctl(poller, EPOLL_CTL_ADD, fd, &event))
		give_up("no timerfd: too many for RLIMIT_NOFILE?");
	return fd;
}

static void *fd_set_timer(double ns)
{
	return (void *)(intptr_t)fd_new(ns, 0);
}

static void fd_cancel(void *timer)
{
	close((int)(intptr_t)timer);
}

static void fd_await(double due)
{
	int fd = fd_new(due, TFD_TIMER_ABSTIME);
	struct epoll_event event;
	while (epoll_wait(poller, &event, 1, -1) != 1)
		;
	close(fd);
}

static void fd_close(void)
{
	close(poller);
}

const struct peer timers_fd = {"timerfd", fd_open, fd_set_timer, fd_cancel, fd_await, fd_close};

#ifdef BENCH_GLIB
#include <glib.h>

static GMainContext *context;

static void glib_open(void)
{
	context = g_main_context_new();
}

static gboolean glib_due(gpointer done)
{
	if (done)
		*(gboolean *)done = TRUE;
	return G_SOURCE_REMOVE;
}

static void *glib_set(double ns)
{
	GSource *timer = g_timeout_source_new((guint)(ns / 1e6));
	g_source_set_callback(timer, glib_due, NULL, NULL);
	g_source_attach(timer, context);
	return timer;
}

static void glib_cancel(void *timer)
{
	g_source_destroy(timer);
	g_source_unref(timer);
}

static void glib_await(double due)
{
	gboolean done = FALSE;
	GSource *timer = g_timeout_source_new(0);
	g_source_set_ready_time(timer, (gint64)(due / 1e3));
	g_source_set_callback(timer, glib_due, &done, NULL);
	g_source_attach(timer, context);
	while (!done)
		g_main_context_iteration(context, TRUE);
	glib_cancel(timer);
}

static void glib_close(void)
{
	g_main_context_unref(context);
}

const struct peer timers_glib = {"glib", glib_open, glib_set, glib_cancel, glib_await, glib_close};
#endif

#ifdef BENCH_LIBEV
#include <ev.h>

static struct ev_loop *ev;

static void ev_open(void)
{
	ev = ev_loop_new(EVFLAG_AUTO);
}

static void ev_due(struct ev_loop *loop, ev_timer *timer, int events)
{
	(void)timer;
	(void)events;
	ev_break(loop, EVBREAK_ALL);
}

static void *ev_set(double ns)
{
	ev_timer *timer = malloc(sizeof *timer);
	if (!timer)
		give_up("no memory");
	timer->active = timer->pending = timer->priority = 0;
	timer->data = NULL;
	timer->cb = ev_due;
	timer->at = ns / 1e9;
	timer->repeat = 0;
	ev_timer_start(ev, timer);
	return timer;
}

static void ev_cancel(void *timer)
{
	ev_timer_stop(ev, timer);
	free(timer);
}

static void ev_await(double due)
{
	ev_now_update(ev);
	void *timer = ev_set(due - now_ns());
	ev_run(ev, 0);
	ev_cancel(timer);
}

static void ev_close(void)
{
	ev_loop_destroy(ev);
}

const struct peer timers_libev = {"libev", ev_open, ev_set, ev_cancel, ev_await, ev_close};
#endif

#ifdef BENCH_LIBUV
#include <uv.h>

static uv_loop_t uv;

static void uv_open(void)
{
	if (uv_loop_init(&uv))
		give_up("no loop");
}

static void uv_due(uv_timer_t *timer)
{
	uv_stop(timer->loop);
}

static void *uv_set(double ns)
{
	uv_timer_t *timer = malloc(sizeof *timer);
	if (!timer || uv_timer_init(&uv, timer) ||
	    uv_timer_start(timer, uv_due, (uint64_t)(ns / 1e6) + 1, 0))
		give_up("no timer");
	return timer;
}

static void uv_closed(uv_handle_t *handle)
{
	free(handle);
}

/* It is freed when the loop has seen that it is closed. */
static void uv_cancel_timer(void *timer)
{
	uv_timer_stop(timer);
	uv_close(timer, uv_closed);
}

static void uv_await(double due)
{
	uv_update_time(&uv);
	void *timer = uv_set(due - now_ns());
	uv_run(&uv, UV_RUN_DEFAULT);
	uv_cancel_timer(timer);
}

static void uv_end(void)
{
	uv_run(&uv, UV_RUN_DEFAULT);
	uv_loop_close(&uv);
}

const struct peer timers_libuv = {"libuv", uv_open, uv_set, uv_cancel_timer, uv_await, uv_end};
#endif
