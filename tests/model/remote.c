/* SPDX-License-Identifier: MIT */
/*
 * Tasks of a custom executor that run elsewhere: beginning and settling them against state, cancel,
 * kill, a wait that does the executor's work, and the last reference. Each ends once, with what is
 * true; no operation is about a task that has ended; and nothing begins that was cancelled.
 */
#include "model.h"
#include "sync/lock.h"

#include <errno.h>

/* One task at a time; its lock guards all. */
static struct far {
	struct creel__lock lock;
	creel_task *queued, *placed;
	bool begun;  /* the one that is placed */
	bool killed; /* somebody asked for that */
	int stops, kills;
	int asking; /* operations about the task that have not returned */
} far;
static int destroyed, freed, dropped, awaits;
static int settled; /* what the settling call returned; 1: none has */
static creel_executor *ex;
static creel_future *f;

static void enter(void)
{
	creel__lock_acquire(&far.lock);
	far.asking++;
	creel__lock_release(&far.lock);
}

static void leave(void)
{
	creel__lock_acquire(&far.lock);
	far.asking--;
	creel__lock_release(&far.lock);
}

/* The task has ended: nobody is at it any more. */
static void over(int rc)
{
	creel__lock_acquire(&far.lock);
	model_check(far.asking == 0);
	settled = rc;
	creel__lock_release(&far.lock);
}

static int submit(void *self, creel_task *task)
{
	(void)self;
	creel__lock_acquire(&far.lock);
	far.queued = task;
	creel__lock_release(&far.lock);
	return 0;
}

static int withdraw(void *self, creel_task *task)
{
	(void)self;
	enter();
	creel__lock_acquire(&far.lock);
	int rc = far.placed == task && far.begun ? CREEL_WITHDRAW_STARTED : far.queued == task;
	if (rc == 1)
		far.queued = NULL;
	creel__lock_release(&far.lock);
	leave();
	return rc;
}

static int ask(void *self, creel_task *task)
{
	(void)self;
	enter();
	creel__lock_acquire(&far.lock);
	bool started = far.placed == task && far.begun;
	creel__lock_release(&far.lock);
	leave();
	return started;
}

static void stop(void *self, creel_task *task)
{
	(void)self;
	(void)task;
	enter();
	creel__lock_acquire(&far.lock);
	far.stops++;
	creel__lock_release(&far.lock);
	leave();
}

static int kill_task(void *self, creel_task *task, int64_t grace_ns)
{
	(void)self;
	(void)grace_ns;
	enter();
	creel__lock_acquire(&far.lock);
	bool there = far.placed == task;
	far.killed |= there;
	far.kills++;
	creel__lock_release(&far.lock);
	leave();
	return there ? 0 : CREEL_CANCEL_FINAL;
}

static void free_result(void *data, size_t size, void *ctx)
{
	(void)size;
	(void)ctx;
	model_check(*(int *)data == 7);
	freed++;
}

/* Whoever takes it from its place ends it. */
static void settle(void)
{
	static int seven;
	creel__lock_acquire(&far.lock);
	creel_task *task = far.placed;
	bool killed = far.killed;
	far.placed = NULL;
	creel__lock_release(&far.lock);
	if (!task)
		return;
	seven = 7;
	creel_buffer result = {&seven, sizeof seven, free_result, NULL};
	if (killed) {
		over(creel_task_settle_error(task, &(creel_failure){.kind = CREEL_KIND_KILLED},
					     "killed"));
		return;
	}
	int rc = creel_task_settle(task, result);
	over(rc);
	if (rc)
		free_result(&seven, sizeof seven, NULL);
}

/* Sends the task, which is queued, elsewhere. False: it is gone. */
static bool place(void)
{
	creel__lock_acquire(&far.lock);
	creel_task *task = far.placed = far.queued;
	far.queued = NULL;
	creel__lock_release(&far.lock);
	return task;
}

/* What a task of this executor comes to, on a thread of its own. */
static void serve(void *arg)
{
	(void)arg;
	if (!place())
		return;
	int rc = creel_task_begin(far.placed);
	model_check(rc == 0 || rc == -ECANCELED);
	creel__lock_acquire(&far.lock);
	far.begun = rc == 0;
	if (rc)
		far.placed = NULL;
	creel__lock_release(&far.lock);
	if (rc)
		over(rc);
	else
		settle();
}

/* It starts there, and is settled before this process has heard of that. */
static void serve_silently(void *arg)
{
	(void)arg;
	if (!place())
		return;
	creel__lock_acquire(&far.lock);
	far.begun = true;
	creel__lock_release(&far.lock);
	settle();
}

static void await(void *self, creel_task *task, creel_deadline deadline)
{
	(void)self;
	(void)task;
	(void)deadline;
	awaits++;
	/* The only one; and self is there until this returns. */
	creel__lock_acquire(&far.lock);
	bool begun = far.placed && far.begun;
	creel__lock_release(&far.lock);
	if (begun)
		settle();
	model_check(!destroyed);
}

static void destroy(void *self)
{
	(void)self;
	destroyed++;
}

static int nothing(creel_task *task, const void *arg, size_t size)
{
	(void)task;
	(void)arg;
	(void)size;
	return 0;
}

static void setup_with(bool may_await, const creel_submit_options *options)
{
	const creel_executor_ops ops = {.size = sizeof ops,
					.submit = submit,
					.withdraw = withdraw,
					.destroy = destroy,
					.flags = CREEL_EXECUTOR_REMOTE,
					.ask = ask,
					.stop = stop,
					.kill = kill_task,
					.await = may_await ? await : NULL};
	far = (struct far){0};
	destroyed = freed = dropped = awaits = 0;
	settled = 1;
	ex = creel_executor_new(&ops, &far);
	f = creel_submit_with(ex, nothing, NULL, 0, options);
}

static void setup(bool may_await)
{
	setup_with(may_await, NULL);
}

static void teardown(void)
{
	creel_future_unref(f);
	model_check(creel_executor_close(ex) == 0);
	model_check(destroyed == 1 && !far.asking);
	/* A result is freed once, by the library or by us. */
	model_check(freed == (far.begun && !far.killed));
}

/* What the future says, and what cancel or kill has said before. */
static void check_end(int said)
{
	int value = 0, rc = creel_future_result(f, CREEL_FOREVER, &value, sizeof value);
	model_check(far.stops <= 1 && far.kills <= 1);
	if (said == CREEL_CANCEL_NOW) {
		model_check(rc == -ECANCELED && !far.stops && !far.kills);
		return;
	}
	if (rc == CREEL_EFAILED)
		model_check(far.killed && creel_future_error(f)->kind == CREEL_KIND_KILLED);
	else
		model_check(rc == 0 && value == 7);
}

static void cancelled_while(void (*serves)(void *arg))
{
	setup(false);
	int server = model_spawn(serves, NULL);
	int said = creel_future_cancel(f);
	check_end(said);
	model_join(server);
	model_check(settled == 1 || (settled == -ECANCELED) == (said == CREEL_CANCEL_NOW));
	teardown();
}

static void settled_against_cancel(void)
{
	cancelled_while(serve);
}

static void settled_in_silence_against_cancel(void)
{
	cancelled_while(serve_silently);
}

static void settled_against_kill(void)
{
	setup(false);
	int server = model_spawn(serve, NULL);
	check_end(creel_future_kill(f, 0));
	model_join(server);
	teardown();
}

/* A look may be what finds it started. */
static void settled_in_silence_against_a_look(void)
{
	setup(false);
	int server = model_spawn(serve_silently, NULL);
	int state = creel_future_state(f);
	model_check(state >= CREEL_FUTURE_PENDING && state <= CREEL_FUTURE_FINISHED);
	check_end(CREEL_CANCEL_FINAL);
	model_join(server);
	teardown();
}

static void drop_argument(void *data, size_t size, void *ctx)
{
	(void)data;
	(void)size;
	(void)ctx;
	dropped++;
}

/* Its destructor is called as it ends, while somebody comes to wait for it: who then does none of
 * the executor's work. */
static void awaited_with_a_destructor(void)
{
	setup_with(true, &(creel_submit_options){.arg_free = drop_argument});
	int server = model_spawn(serve, NULL);
	check_end(CREEL_CANCEL_FINAL);
	model_join(server);
	model_check(dropped == 1 && !awaits);
	teardown();
}

static void cancel(void *arg)
{
	*(int *)arg = creel_future_cancel(f);
}

static void cancelled_and_killed(void)
{
	static int said;
	setup(false);
	int server = model_spawn(serve, NULL), canceller = model_spawn(cancel, &said);
	int killed = creel_future_kill(f, 0);
	model_join(canceller);
	model_check((said == CREEL_CANCEL_NOW) == (killed == CREEL_CANCEL_NOW));
	check_end(killed);
	model_join(server);
	teardown();
}

static void drop(void *arg)
{
	(void)arg;
	creel_executor_unref(ex);
}

/* The executor goes as soon as the task has ended, but not beneath who waits. */
static void awaited_against_the_last_reference(void)
{
	setup(true);
	int server = model_spawn(serve, NULL), dropper = model_spawn(drop, NULL);
	check_end(CREEL_CANCEL_FINAL);
	model_join(dropper);
	model_join(server);
	creel_future_unref(f);
	model_check(destroyed == 1 && freed == 1);
}

const struct model_scenario model_scenarios[] = {
	{"settled against cancel", settled_against_cancel, .preemptions = 3, .stale = 1},
	{"settled in silence against cancel", settled_in_silence_against_cancel, .preemptions = 3,
	 .stale = 1},
	{"settled in silence against a look", settled_in_silence_against_a_look, .preemptions = 3,
	 .stale = 1},
	{"settled against kill", settled_against_kill, .preemptions = 3, .stale = 1},
	{"cancelled and killed", cancelled_and_killed, .preemptions = 3},
	{"awaited against the last reference", awaited_against_the_last_reference,
	 .preemptions = 3},
	{"awaited with a destructor", awaited_with_a_destructor, .preemptions = 2},
	{0},
};
