/* SPDX-License-Identifier: MIT */
/* Loops: checking the arguments, and who runs it. See exec/loop.h. */
#include "base/clock.h"
#include "exec/loop.h"
#include "future/options.h"
#include "sync/local.h"
#include <errno.h>

static int check(creel_executor *ex, size_t begin, size_t end, creel_body_fn body,
		 const creel_loop_options *o)
{
	if (!ex || !body || end < begin)
		return -EINVAL;
	if (o->flags & ~(unsigned)CREEL_DETERMINISTIC || o->reserved32 ||
	    creel__reserved(o->reserved, sizeof o->reserved / sizeof o->reserved[0]))
		return -EINVAL;
	if (creel__executor_foreign(ex) || (o->token && creel__token_foreign(o->token)))
		return -EPERM;
	return creel__load(&ex->error, relaxed) ? CREEL_EFAILED : 0;
}

static int run_on_pool(struct creel__loop *l)
{
	struct creel__local *local = creel__self();
	bool own = local->worker && local->worker->executor == l->executor, initializes;
	int rc = l->executor->class->loop(l->executor, &l->width, &initializes);
	if (rc)
		return rc;
	if (initializes && !own)
		return local->callbacks ? -EDEADLK : creel__loop_run_pool(l, false);
	return creel__loop_run_pool(l, true);
}

int creel__loop_run(creel_executor *ex, size_t begin, size_t end, creel_body_fn body, void *context,
		    const creel_loop_options *options)
{
	static const creel_loop_options defaults;
	const creel_loop_options *o = options ? options : &defaults;
	int rc = check(ex, begin, end, body, o);
	if (rc || begin == end)
		return rc;
	if (o->token && creel__token_reason(o->token))
		return -ECANCELED;
	struct creel__loop_watch watch = {.reg.token = o->token};
	const struct creel__strand *outer = creel__strand_here();
	struct creel__loop l = {.executor = ex,
				.root = outer ? outer->root
					      : creel__strand_root(creel__self()->task),
				.outer = outer,
				.body = body,
				.context = context,
				.begin = begin,
				.n = end - begin,
				.grain = o->grain,
				.deadline = o->deadline,
				.width = 1,
				.watch = &watch,
				.generation = creel__fork_generation()};
	if (l.deadline.ns && creel__deadline_passed(l.deadline))
		return -ETIMEDOUT;
	return ex->class->loop ? run_on_pool(&l) : creel__loop_run_tasks(&l);
}

int creel_parallel_for(creel_executor *ex, size_t begin, size_t end, creel_body_fn body,
		       void *context, const creel_loop_options *options)
{
	return creel__loop_run(ex, begin, end, body, context, options);
}
