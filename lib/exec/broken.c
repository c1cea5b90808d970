/* SPDX-License-Identifier: MIT */
/* Broken executors: what a constructor returns when it cannot return what was asked for. */
#include "base/alloc.h"
#include "exec/executor.h"
#include "future/error.h"
#include <stdarg.h>

static int submit(creel_executor *ex, creel_task *task)
{
	(void)ex;
	(void)task;
	return CREEL_EFAILED;
}

static int shutdown(creel_executor *ex, unsigned flags, creel_deadline deadline, bool may_wait,
		    size_t *ret_left)
{
	(void)ex;
	(void)flags;
	(void)deadline;
	(void)may_wait;
	*ret_left = 0;
	return 0;
}

static int drain(creel_executor *ex, creel_deadline deadline)
{
	(void)ex;
	(void)deadline;
	return 0;
}

static int resize(creel_executor *ex, int max_workers)
{
	(void)ex;
	(void)max_workers;
	return CREEL_EFAILED;
}

static void stats(creel_executor *ex, creel_stats *ret_stats)
{
	(void)ex;
	(void)ret_stats;
}

static void release(creel_executor *ex)
{
	creel__executor_fini(ex);
	creel__free(ex);
}

static const struct creel__executor_class class = {
	.name = "broken",
	.submit = submit,
	.shutdown = shutdown,
	.drain = drain,
	.resize = resize,
	.stats = stats,
	.release = release,
};

/* The error of the one that stands in when there is not even memory to be broken. */
static creel_executor no_memory = {.class = &class, .refs = 1, .is_static = true};

creel_executor *creel__executor_broken(const creel_error *error)
{
	creel_executor *ex = creel__malloc(sizeof *ex);
	if (!ex) {
		creel__error_unref(error);
		creel__executor_set_error(&no_memory, creel__error_static(CREEL_KIND_NO_MEMORY));
		return &no_memory;
	}
	creel__executor_init(ex, &class);
	creel__executor_set_error(ex, error);
	creel__executor_made(ex);
	return ex;
}

bool creel__executor_is_stillborn(const creel_executor *ex)
{
	return ex->class == &class;
}

creel_executor *creel_executor_failed(int kind, int code, const char *format, ...)
{
	va_list args;
	va_start(args, format);
	const creel_error *e = creel__error_vmake(
		creel__kind_is_known(kind) ? kind : CREEL_KIND_BROKEN, code ? code : CREEL_EFAILED,
		NULL, format ? format : "the executor could not be made", args);
	va_end(args);
	return creel__executor_broken(e);
}
