/* SPDX-License-Identifier: MIT */
/* Executors that limit: gates (compose/gate.h) in front of another executor. */
#include "compose/gate.h"
#include "exec/custom.h"
#include "exec/executor.h"
#include "future/future.h"
#include "future/options.h"
#include "sync/fork.h"
#include <creel/executor.h>
#include <creel/limit.h>
#include <errno.h>

static int submit(void *self, creel_task *task)
{
	creel__gate_enter(self, task);
	return 0;
}

static int withdraw(void *self, creel_task *task)
{
	return creel__gate_withdraw(self, &task->future);
}

static void shut_down(void *self, unsigned flags)
{
	creel__gate_close(self, flags & CREEL_SHUTDOWN_CANCEL);
}

static void destroy(void *self)
{
	creel__gate_drop(self);
}

static creel_executor *beneath(void *self)
{
	return ((struct creel__gate *)self)->beneath;
}

static void ended(void *self)
{
	creel__gate_back(self);
}

static const creel_executor_ops ops = {
	.size = sizeof ops,
	.submit = submit,
	.withdraw = withdraw,
	.shutdown = shut_down,
	.destroy = destroy,
	.beneath = beneath,
	.ended = ended,
	.flags = CREEL_EXECUTOR_QUEUES,
};

/* NULL: it is something else. */
static struct creel__gate *gate_of(creel_executor *ex)
{
	const struct custom *c = (const struct custom *)ex;
	return ex->traits & CREEL__COUNTS && c->ops.submit == submit ? c->self : NULL;
}

static creel_executor *no_memory(void)
{
	return creel__executor_broken(creel__error_static(CREEL_KIND_NO_MEMORY));
}

/* Takes over the gate, which may be NULL. */
static creel_executor *over(struct creel__gate *gate)
{
	if (!gate)
		return no_memory();
	bool serial = gate->counts && gate->room == 1;
	creel_executor *ex = creel_executor_new(&ops, gate);
	if (!gate_of(ex))
		creel__gate_drop(gate);
	else if (serial)
		creel__executor_add_traits(ex, CREEL__SERIAL);
	return ex;
}

/* What is wrong with the executor beneath, or NULL. */
static const creel_error *check_beneath(const char *call, creel_executor *ex)
{
	if (!ex)
		return creel__error_make(CREEL_KIND_BROKEN, -EINVAL, NULL,
					 "%s: the executor is NULL", call);
	if (creel__executor_foreign(ex))
		return creel__error_make(CREEL_KIND_BROKEN, -EPERM, NULL,
					 "%s: this is a forked child and the executor is its "
					 "parent's; make one of its own after the fork",
					 call);
	return NULL;
}

creel_executor *creel_serial_new(creel_executor *ex)
{
	const creel_error *wrong = check_beneath("creel_serial_new", ex);
	return wrong ? creel__executor_broken(wrong) : over(creel__gate_new(ex, 1));
}

creel_executor *creel_semaphore_new(creel_executor *ex, int64_t n)
{
	static const char call[] = "creel_semaphore_new";
	const creel_error *wrong = check_beneath(call, ex);
	if (!wrong && n < 1)
		wrong = creel__option_refuse(call, "n", n, "let at least 1 through");
	return wrong ? creel__executor_broken(wrong) : over(creel__gate_new(ex, (uint64_t)n));
}

static const char call_rate[] = "creel_rate_limit_new";

static const creel_error *check_clock(creel_clock *clock)
{
	int rc = creel__clock_check(clock);
	return rc ? creel__error_make(CREEL_KIND_BROKEN, rc, NULL,
				      "%s: the clock cannot be used (%s)", call_rate,
				      creel_code_name(rc))
		  : NULL;
}

static const creel_error *check_rate(const creel_rate_options *o)
{
	if (!o)
		return creel__error_make(CREEL_KIND_BROKEN, -EINVAL, NULL,
					 "%s: the options are NULL; n and per_ns have no defaults",
					 call_rate);
	if (o->n < 1 || o->n > CREEL_LIMIT_MAX)
		return creel__option_refuse(call_rate, "n", o->n, "use 1 to 1048576");
	if (o->per_ns < 1)
		return creel__option_refuse(call_rate, "per_ns", o->per_ns,
					    "give the length of the window, such as CREEL_S(1)");
	if (o->burst < 0 || o->burst > CREEL_LIMIT_MAX)
		return creel__option_refuse(call_rate, "burst", o->burst,
					    "use 0 for a sliding window, or 1 to 1048576");
	if (!creel__pace_fits((uint32_t)o->n, (uint32_t)o->burst, o->per_ns))
		return creel__option_refuse(call_rate, "per_ns", o->per_ns,
					    "it is too long for times of 64 bits");
	return creel__reserved_refuse(CREEL_KIND_BROKEN, call_rate, 0, o->reserved,
				      sizeof o->reserved / sizeof o->reserved[0]);
}

creel_executor *creel_rate_limit_new(creel_executor *ex, const creel_rate_options *options)
{
	const creel_error *wrong = check_beneath(call_rate, ex);
	wrong = wrong ? wrong : check_rate(options);
	wrong = wrong ? wrong : check_clock(options->clock);
	if (wrong)
		return creel__executor_broken(wrong);
	struct creel__gate *gate = creel__gate_new(ex, 0);
	if (gate && !creel__gate_set_pace(gate, options)) {
		creel__gate_drop(gate);
		gate = NULL;
	}
	return over(gate);
}

/* The gate of an executor that counts, or that has a pace. 0, or why there is none. */
static int find_gate(creel_executor *ex, bool counts, struct creel__gate **ret_gate)
{
	if (!ex)
		return -EINVAL;
	if (creel__executor_foreign(ex))
		return -EPERM;
	struct creel__gate *gate = gate_of(ex);
	if (!gate || gate->counts != counts)
		return creel_executor_error(ex) ? CREEL_EFAILED : -EINVAL;
	*ret_gate = gate;
	return creel_executor_error(ex) ? CREEL_EFAILED : 0;
}

static const creel_error *explain(creel_executor *ex, const char *call, const char *what, int code)
{
	const creel_error *broken = code == CREEL_EFAILED ? creel_executor_error(ex) : NULL;
	if (broken)
		return creel__error_ref(broken);
	switch (code) {
	case -ENOMEM:
		return creel__error_static(CREEL_KIND_NO_MEMORY);
	case -ESHUTDOWN:
		return creel__error_make(CREEL_KIND_SHUT_DOWN, code, NULL,
					 "%s: the %s has been shut down", call, what);
	case -EPERM:
		return creel__error_make(CREEL_KIND_REJECTED, code, NULL,
					 "%s: this is a forked child and the %s is its parent's; "
					 "make one of its own after the fork",
					 call, what);
	default:
		return creel__error_make(CREEL_KIND_REJECTED, code, NULL,
					 ex ? "%s: the executor is no %s" : "%s: the %s is NULL",
					 call, what);
	}
}

static creel_future *acquire(creel_executor *ex, bool counts, const char *call, const char *what)
{
	struct creel__gate *gate;
	creel_future *permit;
	int rc = find_gate(ex, counts, &gate);
	if (rc == 0)
		rc = creel__gate_permit(gate, &permit);
	return rc ? creel__future_failed(explain(ex, call, what, rc)) : permit;
}

creel_future *creel_semaphore_acquire(creel_executor *sem)
{
	return acquire(sem, true, "creel_semaphore_acquire", "semaphore");
}

creel_future *creel_rate_acquire(creel_executor *rate)
{
	return acquire(rate, false, "creel_rate_acquire", "rate limit");
}
