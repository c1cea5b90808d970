/* SPDX-License-Identifier: MIT */
/*
 * Model threads: coroutines of one real thread, and the points where one gives way to another.
 *
 * ALGORITHM  A thread runs alone until it comes to a point: before each atomic operation, before
 *            and after it makes a thread, where it parks. There the explorer chooses who goes
 *            on. Going on itself is free; giving way although it could go on is a preemption, of
 *            which a schedule has at most a fixed number (Musuvathi and Qadeer, "Iterative
 *            Context Bounding", PLDI 2007). At the end of a thread, or where it parks, all
 *            others are tried for free.
 * PARKED     A parked thread may be chosen although nobody woke it: because its deadline passed, or
 *            for no reason, within the scenario's budgets. If nobody can run but such sleepers,
 *            those with a deadline wake up; if there are none it is a deadlock, whatever is left of
 *            the budget: a spurious wake-up must not be what saves a lost one.
 * CONTEXTS   A coroutine is made once and used in every schedule: it runs one function after
 *            another. Only the first entry needs ucontext; switches are _setjmp() and _longjmp(),
 *            which make no system call.
 */
#include "engine.h"
#include <string.h>
#include <ucontext.h>

struct model_thread model_threads[MODEL_THREADS];
int model_current, model_thread_count, model_preemptions, model_steps;
int64_t model_clock;

static int spurious_left, early_left, thread_failures_left;

void model_threads_reset(void)
{
	model_thread_count = 0;
	model_current = 0;
	model_preemptions = 0;
	model_steps = 0;
	model_clock = 1000;
	spurious_left = model_scenario->spurious;
	early_left = model_scenario->early_timeouts;
	thread_failures_left = model_scenario->thread_failures;
}

void model_threads_forget(void)
{
	for (int i = 0; i < MODEL_THREADS; i++)
		model_threads[i].is_made = false;
}

static void give_way(void);

/* The last of a thread. */
static void finish(struct model_thread *t)
{
	struct creel__local *local = &model_memory->locals[model_current];
	if (local->at_exit)
		local->at_exit(local);
	t->state = MODEL_DONE;
	t->frame = model_memory->stacks[model_current] + MODEL_STACK;
	model_trace(NULL, NULL, "ends");
	model_unblock(t, MODEL_BLOCKED, true);
	give_way();
}

/* Every schedule enters here anew, whatever the thread was in at the end of the last. */
static void coroutine(void)
{
	(void)_setjmp(model_threads[model_current].begin);
	struct model_thread *t = &model_threads[model_current];
	t->fn(t->arg);
	finish(t);
}

_Noreturn static void enter(int thread)
{
	struct model_thread *t = &model_threads[thread];
	model_current = thread;
	bool begins = !t->has_begun;
	t->has_begun = true;
	if (t->is_made)
		_longjmp(begins ? t->begin : t->context, 1);
	t->is_made = true;
	ucontext_t context;
	getcontext(&context);
	context.uc_stack.ss_sp = model_memory->stacks[thread];
	context.uc_stack.ss_size = MODEL_STACK;
	context.uc_link = NULL;
	makecontext(&context, coroutine, 0);
	setcontext(&context);
	__builtin_unreachable();
}

static void switch_to(int thread)
{
	model_threads[model_current].frame = __builtin_frame_address(0);
	if (thread != model_current && _setjmp(model_threads[model_current].context) == 0)
		enter(thread);
}

static bool is_sleeper(const struct model_thread *t)
{
	return t->state == MODEL_PARKED;
}

/* Those who could go on instead of the caller, in order of number, behind what is in list. */
static int candidates(int *list, int n, bool caller_can)
{
	bool anybody = caller_can;
	for (int i = 0; i < model_thread_count; i++)
		anybody |= model_threads[i].state == MODEL_RUNNABLE;
	bool timed = false;
	for (int i = 0; i < model_thread_count; i++)
		timed |= is_sleeper(&model_threads[i]) && model_threads[i].deadline != INT64_MAX;
	for (int i = 0; i < model_thread_count; i++) {
		const struct model_thread *t = &model_threads[i];
		bool can = false;
		if (t->state == MODEL_RUNNABLE)
			can = !caller_can || i != model_current;
		else if (is_sleeper(t) && t->deadline != INT64_MAX)
			can = !anybody || early_left > 0;
		else if (is_sleeper(t))
			can = (anybody || timed) && spurious_left > 0;
		if (can)
			list[n++] = i;
	}
	return n;
}

/* A parked thread was chosen though nobody woke it. */
static void wake_unasked(struct model_thread *t)
{
	if (t->deadline == INT64_MAX) {
		spurious_left--;
		model_trace(NULL, NULL, "thread %d wakes up for no reason",
			    (int)(t - model_threads));
	} else {
		bool anybody = false;
		for (int i = 0; i < model_thread_count; i++)
			anybody |= model_threads[i].state == MODEL_RUNNABLE;
		early_left -= anybody;
		if (t->deadline > model_clock)
			model_clock = t->deadline;
		t->timed_out = true;
		model_trace(NULL, NULL, "the deadline of thread %d passes",
			    (int)(t - model_threads));
	}
	t->state = MODEL_RUNNABLE;
}

static void go_on(const int *list, int n)
{
	int chosen = list[model_choose((unsigned)n)];
	struct model_thread *t = &model_threads[chosen];
	if (is_sleeper(t))
		wake_unasked(t);
	switch_to(chosen);
}

static void report_deadlock(void)
{
	for (int i = 0; i < model_thread_count; i++) {
		const struct model_thread *t = &model_threads[i];
		if (t->state == MODEL_PARKED)
			model_trace(t->on, NULL, "thread %d sleeps for ever on", i);
		else if (t->state == MODEL_BLOCKED)
			model_trace(NULL, NULL, "thread %d waits for ever", i);
	}
	model_fail("deadlock", "nobody can go on: a wake-up was lost, or they wait in a circle");
}

/* The caller cannot go on. */
static void give_way(void)
{
	int list[MODEL_THREADS], n = candidates(list, 0, false);
	if (n) {
		go_on(list, n);
		return;
	}
	for (int i = 0; i < model_thread_count; i++)
		if (model_threads[i].state != MODEL_DONE)
			report_deadlock();
	model_end_schedule();
}

_Noreturn void model_process_die(void)
{
	struct model_thread *t = &model_threads[model_current];
	t->steps_left = 0;
	model_trace(NULL, NULL, "dies");
	model_heap_drop(model_current);
	t->death(t->death_arg);
	t->state = MODEL_DONE;
	t->frame = model_memory->stacks[model_current] + MODEL_STACK;
	give_way();
	__builtin_unreachable();
}

/* What a thread that was killed still gets to do. */
static void count_down(struct model_thread *t)
{
	if (t->steps_left && --t->steps_left == 0)
		model_process_die();
}

/* The caller is about to do something that others can see. */
void model_point(const volatile void *p, const char *what, const void *pc)
{
	if (++model_steps > MODEL_STEPS)
		model_fail("livelock", "more than %d points in one schedule", MODEL_STEPS);
	if (model_preemptions < model_scenario->preemptions) {
		int list[MODEL_THREADS + 1], self = model_current;
		list[0] = self;
		int n = candidates(list, 1, true);
		if (n > 1) {
			int chosen = list[model_choose((unsigned)n)];
			if (chosen != self) {
				model_preemptions++;
				model_trace(p, pc, "is interrupted before");
				if (is_sleeper(&model_threads[chosen]))
					wake_unasked(&model_threads[chosen]);
				switch_to(chosen);
			}
		}
	}
	count_down(&model_threads[model_current]);
	if (what)
		model_trace(p, pc, "%s", what);
}

bool model_park(const void *word, int64_t deadline)
{
	struct model_thread *t = &model_threads[model_current];
	if (t->steps_left)
		model_process_die();
	t->state = MODEL_PARKED;
	t->on = word;
	t->deadline = deadline;
	t->timed_out = false;
	give_way();
	if (t->steps_left)
		model_process_die();
	return t->timed_out;
}

void model_block(const void *on)
{
	struct model_thread *t = &model_threads[model_current];
	if (t->steps_left)
		model_process_die();
	t->state = MODEL_BLOCKED;
	t->on = on;
	give_way();
	if (t->steps_left)
		model_process_die();
}

/* Makes those runnable that are in that state because of it: all, or one, any one. */
void model_unblock(const void *on, enum model_state state, bool all)
{
	int list[MODEL_THREADS], n = 0;
	for (int i = 0; i < model_thread_count; i++)
		if (model_threads[i].state == state && model_threads[i].on == on)
			list[n++] = i;
	int first = 0;
	if (!all && n) {
		first = (int)model_choose((unsigned)n);
		n = first + 1;
	}
	for (int i = first; i < n; i++) {
		model_threads[list[i]].state = MODEL_RUNNABLE;
		model_trace(NULL, NULL, "wakes thread %d", list[i]);
	}
}

static int add_thread(void *(*fn)(void *arg), void *arg)
{
	if (model_thread_count == MODEL_THREADS)
		model_fail("harness", "more than %d threads", MODEL_THREADS);
	int thread = model_thread_count++;
	struct model_thread *t = &model_threads[thread];
	t->state = MODEL_RUNNABLE;
	t->fn = fn;
	t->arg = arg;
	t->has_begun = false;
	t->frame = model_memory->stacks[thread] + MODEL_STACK;
	t->joined = false;
	t->exit = NULL;
	t->death = NULL;
	t->steps_left = 0;
	memset(&model_memory->locals[thread], 0, sizeof model_memory->locals[thread]);
	return thread;
}

int model_refused_threads(void)
{
	return model_scenario->thread_failures - thread_failures_left;
}

bool model_thread_refused(void)
{
	return model_choose_failure(&thread_failures_left);
}

int model_thread_new(void *(*fn)(void *arg), void *arg)
{
	int thread = add_thread(fn, arg);
	model_order_spawn(thread);
	model_trace(NULL, NULL, "starts thread %d", thread);
	/* The new thread may run, and end, before its creator does anything more. */
	model_point(NULL, NULL, NULL);
	return thread;
}

int model_process_new(void *(*fn)(void *arg), void *arg, void (*death)(void *arg))
{
	int thread = add_thread(fn, arg);
	struct model_thread *t = &model_threads[thread];
	t->joined = true;
	t->death = death;
	t->death_arg = arg;
	model_order_spawn(thread);
	model_trace(NULL, NULL, "starts process %d", thread);
	return thread;
}

/* A signal takes effect when it likes. */
void model_process_kill(int thread)
{
	static const int steps[] = {1, 3};
	struct model_thread *t = &model_threads[thread];
	if (t->state == MODEL_DONE || t->steps_left)
		return;
	t->steps_left = steps[model_choose(2)];
	model_trace(NULL, NULL, "kills process %d", thread);
	t->state = MODEL_RUNNABLE;
	t->timed_out = false;
}

bool model_choose_failure(int *budget)
{
	if (*budget == 0 || model_choose(2) == 0)
		return false;
	--*budget;
	return true;
}

static void *scenario_main(void *arg)
{
	(void)arg;
	model_scenario->run();
	/* Whoever ends last ends the schedule: see give_way(). */
	return NULL;
}

void model_run_main(void)
{
	int thread = add_thread(scenario_main, NULL);
	model_threads[thread].joined = true;
	enter(thread);
}
