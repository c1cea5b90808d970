/* SPDX-License-Identifier: MIT */
/*
 * Reducing: a loop over parts of the range, each into a copy of the identity, and then the copies
 * in order. The parts do not depend on who runs them: so the result is always the same.
 *
 * TRUST  The workers of a process pool can write all that they share. The caller reads the values
 *        there, and nothing else: what it does with them it takes from its own plan.
 */
#include "base/alloc.h"
#include "exec/loop.h"
#include "sync/local.h"
#include <creel/shared.h>
#include <errno.h>
#include <string.h>

enum {
	PARTS = 256,       /* with a grain of 0 */
	PARTS_MOST = 4096, /* with a finer one the grain is multiplied */
};

struct plan {
	creel_reduce_fn body;
	creel_combine_fn combine;
	void *context;
	size_t begin, end, step, parts;
	size_t size, stride; /* of a value, and from one to the next */
	uint16_t generation;
};

/* In shared memory, for a process pool. Behind the plan the identity, and then the parts. */
struct reduction {
	struct plan plan;
	alignas(64) unsigned char values[];
};

/* The body of the loop over the parts. What its calls do to the plan is not taken for a fork. */
static int reduce_parts(creel_task *task, size_t begin, size_t end, void *context)
{
	struct reduction *r = context;
	const struct plan plan = r->plan;
	for (size_t i = begin; i < end; i++) {
		size_t from = plan.begin + i * plan.step, left = plan.end - from;
		size_t to = from + (left < plan.step ? left : plan.step);
		void *into = r->values + (i + 1) * plan.stride;
		int code = 0;
		memcpy(into, r->values, plan.size);
		if (!creel__user_call(plan.generation,
				      code = plan.body(task, from, to, into, plan.context), code))
			return -EPERM;
		if (code)
			return code;
	}
	return 0;
}

static size_t step_for(size_t n, size_t grain)
{
	size_t parts = grain ? PARTS_MOST : PARTS;
	size_t step = n / parts + (n % parts != 0);
	if (!grain)
		return step ? step : 1;
	size_t times = step / grain + (step % grain != 0);
	return (times ? times : 1) * grain;
}

/* False: combine has forked, and this is the child. */
static bool combine_parts(const struct plan *plan, unsigned char *values)
{
	uint16_t here = creel__fork_generation();
	for (size_t i = 1; i <= plan->parts; i++)
		if (!creel__user_call(
			    here, plan->combine(values, values + i * plan->stride, plan->context),
			    0))
			return false;
	return true;
}

static int run(creel_executor *ex, const struct plan *plan, struct reduction *r,
	       const creel_loop_options *options)
{
	creel_loop_options o = options ? *options : (creel_loop_options){0};
	o.grain = 0;
	/* The workers of a process pool must have the function itself. */
	int rc = ex->class->vet ? ex->class->vet(ex, (creel_fn)(uintptr_t)plan->body, plan->context,
						 CREEL_BY_REF)
				: 0;
	if (rc == 0)
		rc = creel__loop_run(ex, 0, plan->parts, reduce_parts, r, &o);
	if (rc == 0 && !combine_parts(plan, r->values))
		rc = -EPERM;
	return rc;
}

static size_t round_up(size_t size)
{
	return (size + 15) / 16 * 16;
}

static int check(const creel_executor *ex, size_t begin, size_t end, const void *identity,
		 size_t size, creel_reduce_fn body, creel_combine_fn combine, const void *ret)
{
	if (!ex || end < begin || !identity || !body || !combine || !ret)
		return -EINVAL;
	if (size == 0 || size > CREEL__SIZE_MAX)
		return -EINVAL;
	if (creel__executor_foreign(ex))
		return -EPERM;
	return creel__load(&ex->error, relaxed) ? CREEL_EFAILED : 0;
}

int creel_reduce(creel_executor *ex, size_t begin, size_t end, const void *identity, size_t size,
		 creel_reduce_fn body, creel_combine_fn combine, void *context, void *ret,
		 const creel_loop_options *options)
{
	int rc = check(ex, begin, end, identity, size, body, combine, ret);
	if (rc)
		return rc;
	size_t n = end - begin, step = step_for(n, options ? options->grain : 0);
	size_t parts = n / step + (n % step != 0), stride = round_up(size);
	struct reduction *r;
	if (stride > (CREEL__SIZE_MAX - sizeof *r) / (parts + 1))
		return -ENOMEM;
	if (!(r = creel_shared_alloc(ex, sizeof *r + (parts + 1) * stride)))
		return ex->class->shared_alloc ? -ENOSPC : -ENOMEM;
	const struct plan plan = {.body = body,
				  .combine = combine,
				  .context = context,
				  .begin = begin,
				  .end = end,
				  .step = step,
				  .parts = parts,
				  .size = size,
				  .stride = stride,
				  .generation = ex->class->shared_alloc ? 0
									: creel__fork_generation()};
	r->plan = plan;
	memcpy(r->values, identity, size);
	rc = run(ex, &plan, r, options);
	if (rc == 0)
		memcpy(ret, r->values, size);
	if (!creel__executor_foreign(ex))
		creel_shared_free(ex, r);
	return rc;
}
