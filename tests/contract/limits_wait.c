/* SPDX-License-Identifier: MIT */
/* Promise 39: a task of a serial executor that waits for a later one is told, unless that one may
 * end without its turn. */
#include "contract.h"

struct waiting {
	creel_executor *serial;
	int said, said_first;
};

/* Waits for a task that starts when this one has ended, and for one that does not. */
static int task_waits_for_a_later_one(creel_task *task, const void *arg, size_t size)
{
	struct waiting *w = *(struct waiting *const *)arg;
	(void)task;
	(void)size;
	creel_future *later = creel_submit(w->serial, task_nothing, NULL, 0);
	creel_future *both[] = {later, creel_future_of(NULL, 0)};
	w->said = creel_future_result(later, CREEL_FOREVER, NULL, 0);
	w->said_first = creel_wait(both, 1, CREEL_FIRST_COMPLETED, CREEL_FOREVER, NULL);
	if (creel_wait(both, 2, CREEL_FIRST_COMPLETED, CREEL_FOREVER, NULL))
		w->said = 77;
	creel_future_unref(both[1]);
	creel_future_unref(later);
	return 0;
}

static void waits_for_a_later_one(creel_executor *over, creel_executor *serial)
{
	struct waiting waiting = {.serial = serial}, *w = &waiting;
	creel_future *f = creel_submit(over, task_waits_for_a_later_one, &w, sizeof w);
	ct_int(ct_outcome(f), 0);
	ct_int(waiting.said, -EDEADLK);
	ct_int(waiting.said_first, -EDEADLK);
	creel_future_unref(f);
}

CASE(c39_a_wait_for_a_later_task_of_a_serial_executor_is_refused, CT_INPROC)
{
	creel_executor *ex = ct_executor(), *serial = creel_serial_new(ex);
	creel_executor *one = creel_semaphore_new(ex, 1), *outer = creel_scope_new(serial, 0);
	creel_executor *tried = creel_retry_new(serial, &(creel_retry_options){.attempts = 2});
	waits_for_a_later_one(serial, serial);
	waits_for_a_later_one(one, one);
	waits_for_a_later_one(outer, serial);
	waits_for_a_later_one(tried, serial);
	ct_close(tried);
	ct_close(outer);
	ct_close(one);
	ct_close(serial);
	ct_close(ex);
}

/* The later task has not ended, and the wait for it is not refused. */
static void may_be_waited_for(creel_future *f)
{
	ct_int(creel_future_result(f, CREEL_NOW, NULL, 0), -ETIMEDOUT);
}

/* It has ended, and the task that holds it up has not. */
static void ended_as(creel_future *f, int state)
{
	ct_int(creel_future_state(f), state);
	creel_future_unref(f);
}

static void inputs_end(creel_executor *serial)
{
	creel_future *input[] = {creel_promise_new(), creel_promise_new()};
	creel_future *recover = creel_recover(input[0], serial, task_nothing, NULL, 0);
	creel_future *then = creel_then(input[1], serial, task_nothing, NULL, 0);
	may_be_waited_for(recover);
	may_be_waited_for(then);
	ct_int(creel_promise_set_result(input[0], NULL, 0), 0);
	ct_int(creel_promise_fail(input[1], CREEL_KIND_FAILED, -EIO, NULL, 0, "it failed"), 0);
	ended_as(recover, CREEL_FUTURE_FINISHED);
	ended_as(then, CREEL_FUTURE_FINISHED);
	creel_future_unref(input[0]);
	creel_future_unref(input[1]);
}

static void clocks_and_tokens_end(creel_executor *serial)
{
	creel_clock *clock = creel_clock_new(CREEL_CLOCK_MANUAL);
	creel_token *token = creel_token_new(NULL, NULL, CREEL_FOREVER);
	creel_future *expiring = creel_submit_with(
		serial, task_nothing, NULL, 0,
		&(creel_submit_options){.expiry_ns = 5, .clock = clock});
	creel_future *with_token = creel_submit_with(serial, task_nothing, NULL, 0,
						     &(creel_submit_options){.token = token});
	creel_future *timed = creel_submit(serial, task_nothing, NULL, 0);
	creel_deadline soon = {creel_clock_now(clock).ns + 5};
	creel_future *timeout = creel_timeout(timed, clock, soon, CREEL_CANCEL_REST);
	may_be_waited_for(expiring);
	may_be_waited_for(with_token);
	may_be_waited_for(timed);
	ct_int(creel_clock_advance(clock, 5), 0);
	ct_int(creel_token_cancel(token, -ECANCELED, "enough", 0), 0);
	ended_as(expiring, CREEL_FUTURE_FINISHED);
	ended_as(with_token, CREEL_FUTURE_CANCELLED);
	ended_as(timed, CREEL_FUTURE_CANCELLED);
	ended_as(timeout, CREEL_FUTURE_FINISHED);
	creel_token_unref(token);
	creel_clock_unref(clock);
}

static void scopes_end(creel_executor *serial)
{
	creel_executor *scope = creel_scope_new(serial, 0);
	creel_future *f = creel_submit(scope, task_nothing, NULL, 0);
	may_be_waited_for(f);
	ct_int(creel_scope_cancel(scope), 0);
	ended_as(f, CREEL_FUTURE_CANCELLED);
	creel_executor_unref(scope);
}

static int task_waits_for_what_may_end(creel_task *task, const void *arg, size_t size)
{
	creel_executor *serial = *(creel_executor *const *)arg;
	(void)task;
	(void)size;
	inputs_end(serial);
	clocks_and_tokens_end(serial);
	scopes_end(serial);
	return 0;
}

/* Not over a driven executor, which refuses the wait for whatever only its thread can run. */
CASE(c39_a_wait_for_a_later_task_that_may_end_without_its_turn_is_not_refused, CT_INPROC)
{
	creel_executor *ex = ct_executor(), *serial = creel_serial_new(ex);
	bool driven = creel_driven_fd(ex) >= 0;
	creel_future *f = driven ? creel_future_of(NULL, 0)
				 : creel_submit(serial, task_waits_for_what_may_end, &serial,
						sizeof serial);
	ct_int(ct_outcome(f), 0);
	creel_future_unref(f);
	ct_close(serial);
	ct_close(ex);
}
