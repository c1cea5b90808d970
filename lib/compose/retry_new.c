/* SPDX-License-Identifier: MIT */
/* Retries: the executor, and its options; see compose/retry.h. */
#include "base/alloc.h"
#include "base/clock.h"
#include "compose/retry.h"
#include "exec/custom.h"
#include "exec/executor.h"
#include "future/options.h"
#include "future/token.h"
#include "sync/fork.h"
#include <creel/future.h>
#include <errno.h>

static const char call[] = "creel_retry_new";

static const uint32_t by_default = CREEL_RETRY_ON(CREEL_KIND_FAILED) |
				   CREEL_RETRY_ON(CREEL_KIND_TIMED_OUT) |
				   CREEL_RETRY_ON(CREEL_KIND_WORKER_DIED) |
				   CREEL_RETRY_ON(CREEL_KIND_EXITED);

static const creel_error *refuse(int code, const char *format, ...) CREEL_PRINTF(2, 3);

static const creel_error *refuse(int code, const char *format, ...)
{
	va_list args;
	va_start(args, format);
	const creel_error *e = creel__error_vmake(CREEL_KIND_BROKEN, code, NULL, format, args);
	va_end(args);
	return e;
}

static const creel_error *check_beneath(creel_executor *ex)
{
	if (!ex)
		return refuse(-EINVAL, "%s: the executor is NULL", call);
	if (creel__executor_foreign(ex))
		return refuse(-EPERM,
			      "%s: this is a forked child and the executor is its parent's; make "
			      "one of its own after the fork",
			      call);
	return NULL;
}

static const creel_error *check_numbers(const creel_retry_options *o)
{
	if (o->attempts < 0)
		return creel__option_refuse(call, "attempts", o->attempts,
					    "give how often to try, at most");
	if (o->total_ns < 0)
		return creel__option_refuse(call, "total_ns", o->total_ns,
					    "use 0 for no limit, or a duration");
	if (!o->attempts && !o->total_ns)
		return refuse(-EINVAL,
			      "%s: attempts is 0 and total_ns is 0; one of them has to end it",
			      call);
	if (o->base_ns < 0)
		return creel__option_refuse(call, "base_ns", o->base_ns,
					    "use 0 for 100 ms, or a duration");
	if (o->max_ns < 0)
		return creel__option_refuse(call, "max_ns", o->max_ns,
					    "use 0 for 30 s, or a duration");
	if (o->max_ns && o->base_ns > o->max_ns)
		return refuse(-EINVAL, "%s: base_ns is %lld and max_ns is %lld; raise max_ns", call,
			      (long long)o->base_ns, (long long)o->max_ns);
	/* These are false for what is no number. */
	if (o->factor != 0 && !(o->factor >= 1 && o->factor <= 1e9))
		return refuse(-EINVAL, "%s: factor is %g; use 0 for 2, or a number from 1 on", call,
			      o->factor);
	if (!(o->jitter >= 0 && o->jitter <= 1))
		return refuse(-EINVAL,
			      "%s: jitter is %g; use 0 for full jitter, a number up to 1, or "
			      "CREEL_RETRY_EXACT for none",
			      call, o->jitter);
	return NULL;
}

static const creel_error *check_rest(const creel_retry_options *o)
{
	const uint32_t possible = by_default | CREEL_RETRY_ON(CREEL_KIND_NO_MEMORY);
	if (o->flags & ~(unsigned)CREEL_RETRY_EXACT)
		return refuse(-EINVAL, "%s: flags is 0x%x; use CREEL_RETRY_EXACT or 0", call,
			      o->flags);
	if (o->flags && o->jitter > 0)
		return refuse(-EINVAL,
			      "%s: jitter is %g and flags has CREEL_RETRY_EXACT; use one of them",
			      call, o->jitter);
	if (o->retry_on & ~possible)
		return refuse(-EINVAL,
			      "%s: retry_on is 0x%lx; only failed, timed out, worker died, exited "
			      "and no memory can be tried again (0x%lx)",
			      call, (unsigned long)o->retry_on, (unsigned long)possible);
	if (o->token && creel__token_foreign(o->token))
		return refuse(-EPERM,
			      "%s: the token is the parent's, and this is a forked child; make one "
			      "here",
			      call);
	int rc = creel__clock_check(o->clock);
	if (rc)
		return refuse(rc, "%s: the clock cannot be used (%s)", call, creel_code_name(rc));
	return creel__reserved_refuse(CREEL_KIND_BROKEN, call, o->reserved32, o->reserved,
				      sizeof o->reserved / sizeof o->reserved[0]);
}

static const creel_error *check(creel_executor *ex, const creel_retry_options *o)
{
	const creel_error *wrong = check_beneath(ex);
	if (!wrong && !o)
		wrong = refuse(-EINVAL, "%s: the options are NULL; attempts has no default", call);
	wrong = wrong ? wrong : check_numbers(o);
	return wrong ? wrong : check_rest(o);
}

static void set_backoff(struct creel__backoff *b, const creel_retry_options *o, uint64_t seed)
{
	b->base_ns = o->base_ns ? o->base_ns : CREEL_MS(100);
	b->max_ns = o->max_ns ? o->max_ns : CREEL_S(30);
	if (b->max_ns < b->base_ns && !o->max_ns)
		b->max_ns = b->base_ns;
	if (b->base_ns > b->max_ns)
		b->base_ns = b->max_ns;
	b->factor = o->factor != 0 ? o->factor : 2;
	b->jitter = o->flags & CREEL_RETRY_EXACT ? 0 : o->jitter > 0 ? o->jitter : 1;
	creel__store(&b->chance, seed, relaxed);
}

static int take(void *self, creel_task *task)
{
	(void)self;
	(void)task;
	return 0;
}

static void destroy(void *self)
{
	struct creel__retry *r = self;
	creel_token *token = r->token;
	creel__clock_unkeep(r->clock);
	creel__free(r);
	creel_token_unref(token);
}

static creel_executor *beneath(void *self)
{
	return ((struct creel__retry *)self)->beneath;
}

/* class->submit() */
static int submit(creel_executor *ex, creel_task *task)
{
	struct creel__retry *r = ((struct custom *)ex)->self;
	struct creel__series *s = creel__series_new(r, task);
	if (!s)
		return -ENOMEM;
	creel_future_ref(&task->future);
	int rc = r->take_in(ex, task);
	if (creel__executor_foreign(ex))
		return rc;
	if (rc == 0) {
		creel__series_start(s);
		return 0;
	}
	creel__series_drop(s, 2);
	if (!creel__executor_foreign(ex))
		creel_future_unref(&task->future);
	return rc;
}

/* Takes over r. Never NULL. */
static creel_executor *executor_of(struct creel__retry *r)
{
	static const creel_executor_ops ops = {.size = sizeof ops,
					       .submit = take,
					       .destroy = destroy,
					       .beneath = beneath,
					       .flags = CREEL_EXECUTOR_QUEUES};
	creel_executor *ex = creel_executor_new(&ops, r);
	struct custom *c = (struct custom *)ex;
	if (ex->traits & CREEL__COUNTS) {
		r->take_in = c->class.submit;
		c->class.submit = submit;
	} else {
		destroy(r);
	}
	return ex;
}

creel_executor *creel_retry_new(creel_executor *ex, const creel_retry_options *options)
{
	const creel_error *wrong = check(ex, options);
	if (wrong)
		return creel__executor_broken(wrong);
	struct creel__retry *r = creel__zalloc(sizeof *r);
	if (!r)
		return creel__executor_broken(creel__error_static(CREEL_KIND_NO_MEMORY));
	r->beneath = ex;
	r->clock = options->clock;
	creel__clock_keep(r->clock);
	r->token = creel_token_ref(options->token);
	r->attempts = options->attempts;
	r->total_ns = options->total_ns;
	r->retry_on = options->retry_on ? options->retry_on : by_default;
	uint64_t seed = options->seed ? options->seed
				      : (uint64_t)creel__now() ^ (uint64_t)(uintptr_t)r;
	set_backoff(&r->backoff, options, seed);
	return executor_of(r);
}
