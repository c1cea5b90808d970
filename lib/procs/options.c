/* SPDX-License-Identifier: MIT */
/* Making a process pool: its options checked, its parts made in order,
 * all undone if one cannot be had. */
#include "base/alloc.h"
#include "base/cgroup.h"
#include "base/cpus.h"
#include "exec/bound.h"
#include "future/error.h"
#include "future/options.h"
#include "procs/pool.h"
#include "sync/thread.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define DEFAULT_IDLE_NS INT64_C(60000000000)
#define DEFAULT_START_NS INT64_C(60000000000)

enum {
	LEAST_PLACES = 16, /* room to grow by resize */
	KEEP_MOST = 64,
};

static const char call[] = "creel_process_pool_new";

static const creel_error *refuse(const char *field, long long value, const char *advice)
{
	return creel__option_refuse(call, field, value, advice);
}

static const creel_error *check_keep(const int *fds, size_t n)
{
	if (n > KEEP_MOST)
		return creel__size_refuse(call, "keep_fds_count", n,
					  "at most 64 descriptors can be kept");
	if (n && !fds)
		return creel__size_refuse(call, "keep_fds is NULL and keep_fds_count", n,
					  "name the descriptors in keep_fds, or use 0");
	for (size_t i = 0; i < n; i++)
		if (fcntl(fds[i], F_GETFD) < 0)
			return creel__error_make(CREEL_KIND_BROKEN, -EBADF, NULL,
						 "%s: keep_fds[%zu] is %d, which is not an open "
						 "descriptor; open it before the pool is made",
						 call, i, fds[i]);
	return NULL;
}

static const creel_error *check_counts(const creel_process_pool_options *o)
{
	if (o->max_workers < 0 || o->max_workers > CREEL__PROCS_MAX)
		return refuse("max_workers", o->max_workers, "use 0 for the default, or 1 to 256");
	if (o->min_workers < 0 || o->min_workers > CREEL__PROCS_MAX)
		return refuse("min_workers", o->min_workers, "use 0 for none, or 1 to 256");
	const creel_error *error = creel__workers_refuse(call, o->min_workers, o->max_workers);
	if (error)
		return error;
	if (o->tasks_per_worker < 0)
		return refuse("tasks_per_worker", o->tasks_per_worker, "use 0 for no limit");
	if (o->cpu_seconds < 0)
		return refuse("cpu_seconds", o->cpu_seconds, "use 0 for no limit");
	if (o->open_files < 0)
		return refuse("open_files", o->open_files, "use 0 for no limit");
	return check_keep(o->keep_fds, o->keep_fds_count);
}

static int workers_of(const creel_process_pool_options *o)
{
	int n = o->max_workers ? o->max_workers : creel__cpus(NULL);
	n = n < o->min_workers ? o->min_workers : n;
	return n > CREEL__PROCS_MAX ? CREEL__PROCS_MAX : n;
}

/* Room to grow by resize. */
static unsigned count_places(int max_workers)
{
	int places = 2 * max_workers < LEAST_PLACES ? LEAST_PLACES : 2 * max_workers;
	return places > CREEL__PROCS_MAX ? CREEL__PROCS_MAX : (unsigned)places;
}

static size_t most_budget(const creel_process_pool_options *o)
{
	return CREEL__SIZE_MAX / (count_places(workers_of(o)) + CREEL__SPACE_BESIDES);
}

static const creel_error *check_budget(const creel_process_pool_options *o)
{
	if (o->shared_budget <= most_budget(o))
		return NULL;
	return creel__size_refuse(call, "shared_budget", o->shared_budget,
				  "no machine has that much; use 0 for the default, or "
				  "bytes: was a negative number passed?");
}

static struct creel__bound bound_of(const creel_process_pool_options *o)
{
	return (struct creel__bound){
		.capacity = o->capacity,
		.overflow = o->overflow,
		.rendezvous = o->flags & CREEL_RENDEZVOUS,
		.no_caller = "the tasks of a process pool do not run in the host",
	};
}

static const creel_error *check(const creel_process_pool_options *o)
{
	if (o->flags & ~(unsigned)(CREEL_PROCESS_BREAK_ON_DEATH | CREEL_PROCESS_BREAK_ON_LOSS |
				   CREEL_RENDEZVOUS | CREEL_TRACE))
		return refuse("flags", o->flags,
			      "use CREEL_PROCESS_BREAK_ON_DEATH, CREEL_PROCESS_BREAK_ON_LOSS, "
			      "CREEL_RENDEZVOUS, CREEL_TRACE or 0");
	if (o->idle_ns < 0)
		return refuse("idle_ns", o->idle_ns,
			      "use 0 for the default, CREEL_NEVER to keep workers");
	if (o->limit_ns < 0)
		return refuse("limit_ns", o->limit_ns, "use 0 for no limit");
	if (o->grace_ns < 0)
		return refuse("grace_ns", o->grace_ns, "use 0 for SIGKILL at once");
	if (o->ageing_ns < 0)
		return refuse("ageing_ns", o->ageing_ns,
			      "use 0 for the default, CREEL_NEVER for bands that do not age");
	if (o->start_ns < 0)
		return refuse("start_ns", o->start_ns, "use 0 for the default");
	const struct creel__bound bound = bound_of(o);
	const creel_error *error = creel__reserved_refuse(
		CREEL_KIND_BROKEN, call, o->reserved32, o->reserved,
		sizeof o->reserved / sizeof o->reserved[0]);
	if (!error)
		error = creel__bound_refuse(call, &bound);
	if (!error)
		error = check_counts(o);
	return error ? error : check_budget(o);
}

/* A quarter of the memory that the host may use. */
static size_t default_budget(const creel_process_pool_options *o)
{
	long pages = sysconf(_SC_PHYS_PAGES), page = sysconf(_SC_PAGESIZE);
	uint64_t memory = pages > 0 && page > 0 ? (uint64_t)pages * (uint64_t)page
						: UINT64_C(1) << 30;
	uint64_t allowed = creel__cgroup_memory(NULL);
	uint64_t quarter = (memory < allowed ? memory : allowed) / 4;
	return quarter < most_budget(o) ? (size_t)quarter : most_budget(o);
}

static void apply(struct creel__procs *p, const creel_process_pool_options *o)
{
	p->options = *o;
	p->options.idle_ns = o->idle_ns ? o->idle_ns : DEFAULT_IDLE_NS;
	p->options.start_ns = o->start_ns ? o->start_ns : DEFAULT_START_NS;
	p->options.ageing_ns = creel__ageing(o->ageing_ns);
	p->base.bands = p->base.queues = true;
	p->min_workers = o->min_workers;
	p->max_workers = workers_of(o);
	snprintf(p->name, sizeof p->name, "%s", o->name ? o->name : "creel");
	p->base.unhandled = (struct creel__unhandled){o->on_unhandled, o->ctx};
	p->base.task_flags = CREEL__REMOTE;
	const struct creel__bound bound = bound_of(o);
	creel__bound_apply(&p->base, &bound, p->max_workers);
	p->bell[0] = p->bell[1] = p->epoll = p->socket = p->server_pidfd = p->rung = -1;
	for (unsigned i = 0; i < CREEL__PROCS_MAX; i++)
		p->procs[i].pidfd = -1;
}

static int make_memory(struct creel__procs *p)
{
	if (p->options.flags & CREEL_TRACE && creel__watch_trace(&p->base))
		return -ENOMEM;
	size_t asked = p->options.shared_budget;
	p->space = creel__space_new(count_places(p->max_workers),
				    asked ? asked : default_budget(&p->options), !asked);
	if (!p->space)
		return -ENOMEM;
	int rc = creel__buddy_init(&p->arguments, p->space->arguments, p->space->arguments_size,
				   p->space->budget);
	if (rc == 0 && p->options.keep_fds_count) {
		size_t bytes = p->options.keep_fds_count * sizeof *p->keep;
		p->keep = creel__malloc(bytes);
		if (!p->keep)
			return -ENOMEM;
		memcpy(p->keep, p->options.keep_fds, bytes);
	}
	return rc;
}

static creel_executor *give_up(struct creel__procs *p, const char *what, int code)
{
	creel__procs_free(p);
	return creel__executor_broken(creel__error_make(CREEL_KIND_BROKEN, code, NULL,
							"%s: %s cannot be had: %s (%s)", call, what,
							strerror(-code), creel_code_name(code)));
}

static creel_executor *start(struct creel__procs *p)
{
	int rc = make_memory(p);
	if (rc)
		return give_up(p, "shared memory", rc);
	rc = creel__ends_make(p);
	if (rc)
		return give_up(p, "a descriptor", rc);
	const char *what;
	rc = creel__server_start(p, &what);
	if (rc)
		return give_up(p, what, rc);
	creel__executor_made(&p->base);
	rc = creel__thread_create(&p->manager, creel__manager, p, 0);
	if (rc)
		return give_up(p, "a thread", rc);
	return &p->base;
}

static creel_executor *make(const creel_process_pool_options *o)
{
	const creel_error *error = check(o);
	if (error)
		return creel__executor_broken(error);
	struct creel__procs *p = creel__zalloc(sizeof *p);
	if (!p)
		return creel__executor_broken(creel__error_static(CREEL_KIND_NO_MEMORY));
	creel__executor_init(&p->base, creel__process_pool_class());
	apply(p, o);
	return start(p);
}

/* Workers inherit that they cannot be cancelled, those of the manager's servers as well. */
creel_executor *creel_process_pool_new(const creel_process_pool_options *options)
{
	static const creel_process_pool_options defaults;
	int saved = errno, state = creel__thread_no_cancel();
	creel_executor *ex = make(options ? options : &defaults);
	creel__thread_cancel_again(state);
	errno = saved;
	return ex;
}
