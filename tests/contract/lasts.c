/* SPDX-License-Identifier: MIT */
/* Promise 5, of more than futures: what a call calls may drop the last reference to its object. */
#include "contract.h"

#define HOUR_NS (INT64_C(3600) * 1000000000)

/* Perhaps on another thread, and after the future is final. */
struct dropping {
	creel_executor *ex;
	struct ct_count *dropped;
};

static void drop_executor(creel_future *f, void *arg)
{
	struct dropping *d = arg;
	(void)f;
	creel_executor_unref(d->ex);
	ct_count_add(d->dropped, 1);
}

/* A task whose end drops ex. */
static creel_future *submit_dropping(struct dropping *d, creel_executor *ex, int64_t delay_ns)
{
	const creel_submit_options o = {.delay_ns = delay_ns};
	*d = (struct dropping){ex, ct_count_new()};
	creel_future *f = creel_submit_with(ex, task_nothing, NULL, 0, &o);
	ct_int(creel_future_on_done(f, NULL, drop_executor, d, NULL, NULL), 0);
	return f;
}

static void await_dropped(struct dropping *d, creel_future *f)
{
	ct_count_await(d->dropped, 1);
	ct_assert(creel_future_error(f) != NULL);
	creel_future_unref(f);
}

CASE(c05_what_was_not_due_may_drop_what_is_shut_down, 0)
{
	static const unsigned flags[] = {0, CREEL_SHUTDOWN_CANCEL, CREEL_SHUTDOWN_KILL};
	for (unsigned i = 0; i < 3; i++) {
		struct dropping d;
		creel_executor *ex = ct_executor();
		creel_future *f = submit_dropping(&d, ex, HOUR_NS);
		ct_int(creel_executor_shutdown(ex, flags[i], CT_GUARD, NULL), 0);
		await_dropped(&d, f);
	}
}

CASE(c05_what_was_queued_may_drop_what_is_shut_down, CT_ASYNC)
{
	struct ct_hold hold;
	struct dropping d;
	creel_executor *ex = ct_executor();
	ct_hold(&hold, ex);
	creel_future *f = submit_dropping(&d, ex, 0);
	(void)creel_executor_shutdown(ex, CREEL_SHUTDOWN_CANCEL, CREEL_NOW, NULL);
	ct_release(&hold);
	await_dropped(&d, f);
}

static void call_off(creel_executor *scope, int how)
{
	if (how == 0) {
		ct_int(creel_scope_cancel(scope), 0);
	} else if (how == 1) {
		(void)creel_executor_shutdown(scope, CREEL_SHUTDOWN_CANCEL, CREEL_NOW, NULL);
	} else {
		creel_token *token = creel_token_ref(creel_scope_token(scope));
		ct_int(creel_token_cancel(token, 0, NULL, 0), 0);
		creel_token_unref(token);
	}
}

CASE(c05_what_is_called_off_may_drop_its_scope, CT_ASYNC)
{
	for (int how = 0; how < 6; how++) {
		struct ct_hold hold;
		struct dropping d;
		creel_executor *ex = ct_executor(), *scope = creel_scope_new(ex, 0);
		ct_hold(&hold, ex);
		creel_future *f = submit_dropping(&d, scope, how < 3 ? 0 : HOUR_NS);
		call_off(scope, how % 3);
		await_dropped(&d, f);
		ct_release(&hold);
		ct_close(ex);
	}
}

/* Drops the tokens when it is called for the at-th time. */
struct dropper {
	creel_token *token, *child;
	int at, called;
};

static void drop_tokens(creel_token *token, void *arg)
{
	struct dropper *d = arg;
	(void)token;
	if (d->called++ != d->at)
		return;
	creel_token_unref(d->child);
	creel_token_unref(d->token);
}

static void drop_shown(creel_future *f, void *arg)
{
	(void)f;
	drop_tokens(NULL, arg);
}

CORE_CASE(c05_what_a_token_calls_may_drop_it)
{
	for (int at = 0; at < 4; at++) {
		struct dropper d = {.token = creel_token_new(NULL, NULL, CREEL_FOREVER), .at = at};
		/* It keeps its parent. */
		if (at == 3)
			d.child = creel_token_new(d.token, NULL, CREEL_FOREVER);
		creel_future *f = creel_token_future(d.token);
		ct_int(creel_future_on_done(f, NULL, drop_shown, &d, NULL, NULL), 0);
		creel_future_unref(f);
		if (d.child)
			ct_int(creel_token_on_cancel(d.child, drop_tokens, &d, NULL, NULL), 0);
		for (int i = 0; i < 2; i++)
			ct_int(creel_token_on_cancel(d.token, drop_tokens, &d, NULL, NULL), 0);
		ct_int(creel_token_cancel(d.token, 0, NULL, 0), 0);
		ct_int(d.called, d.child ? 4 : 3);
	}
}
