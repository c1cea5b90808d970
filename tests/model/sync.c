/* SPDX-License-Identifier: MIT */
/*
 * lib/sync as the model has it: what stands in for local.c, look.c, park.c and thread.c, and, but
 * for one harness each, for the lock (model_lock.h) and for fork.c (no_fork.c). All other sources
 * are the real ones but base/cpus.c, because the number of shards must not depend on the machine;
 * the clock that base/clock.c reads is the model's.
 */
#include "model_lock.h"
#include "base/cpus.h"
#include "engine.h"
#include "base/cgroup.h"
#include "sync/look.h"
#include "sync/park.h"
#include "sync/thread.h"
#include <errno.h>
#include <limits.h>
#include <time.h>

int model_clock_gettime(clockid_t id, struct timespec *ret_time);

#define NS_PER_S INT64_C(1000000000)

/* The clock stands still, except that it goes to a deadline that passes. */
int model_clock_gettime(clockid_t id, struct timespec *ret_time)
{
	(void)id;
	ret_time->tv_sec = (time_t)(model_clock / NS_PER_S);
	ret_time->tv_nsec = (long)(model_clock % NS_PER_S);
	return 0;
}

uint64_t creel__cgroup_memory(const char *root)
{
	(void)root;
	return UINT64_MAX;
}

uint64_t creel__cgroup_oom_kills(const char *root, pid_t pid)
{
	(void)root;
	(void)pid;
	return 0;
}

int creel__cpus(const char *root)
{
	(void)root;
	return model_scenario->cpus ? model_scenario->cpus : INT_MAX;
}

unsigned creel__looks(void)
{
	return (unsigned)model_scenario->looks;
}

void creel__looked(bool helped)
{
	(void)helped;
}

struct creel__local *creel__self(void)
{
	return &model_memory->locals[model_current];
}

int creel__local_at_exit(void (*fn)(struct creel__local *local))
{
	creel__self()->at_exit = fn;
	return 0;
}

bool creel__local_forget(void)
{
	return false;
}

void creel__model_point(const volatile void *p)
{
	model_point(p, NULL, __builtin_return_address(0));
}

static uint32_t value_of(const _Atomic(uint32_t) *word)
{
	return *(const volatile uint32_t *)(uintptr_t)word;
}

int creel__park_briefly(_Atomic(uint32_t) *word, uint32_t expected, creel_deadline deadline)
{
	const void *pc = __builtin_return_address(0);
	if (deadline.ns <= model_clock)
		return -ETIMEDOUT;
	model_point(word, NULL, pc);
	model_use(word, pc);
	if (value_of(word) != expected) {
		model_trace(word, pc, "does not sleep, for it is %x and not %x:", value_of(word),
			    expected);
		return 0;
	}
	model_trace(word, pc, "sleeps%s on", deadline.ns == INT64_MAX ? "" : ", until a deadline,");
	return model_park(word, deadline.ns) ? -ETIMEDOUT : 0;
}

/* Only the address counts: the memory may be gone. */
void creel__unpark_one(_Atomic(uint32_t) *word)
{
	model_point(word, "wakes one who sleeps on", __builtin_return_address(0));
	model_unblock(word, MODEL_PARKED, false);
}

void creel__unpark_all(_Atomic(uint32_t) *word)
{
	model_point(word, "wakes all who sleep on", __builtin_return_address(0));
	model_unblock(word, MODEL_PARKED, true);
}

#ifdef __linux__
/* Between processes, of which each is a thread here. */
int creel__park_shared_briefly(_Atomic(uint32_t) *word, uint32_t expected, creel_deadline deadline)
{
	return creel__park_briefly(word, expected, deadline);
}

void creel__unpark_shared(_Atomic(uint32_t) *word)
{
	creel__unpark_one(word);
}
#endif

static uint32_t *lock_word(struct creel__lock *lock)
{
	return (uint32_t *)(uintptr_t)lock;
}

void model_lock_acquire(struct creel__lock *lock)
{
	const void *pc = __builtin_return_address(0);
	uint32_t *word = lock_word(lock);
	model_point(lock, NULL, pc);
	model_use(lock, pc);
	while (*word) {
		if (*word == (uint32_t)model_current + 1)
			model_fail("deadlock", "thread %d takes a lock that it holds, at %s",
				   model_current, model_where(pc));
		model_trace(lock, pc, "waits for lock");
		model_block(lock);
		model_use(lock, pc);
	}
	*word = (uint32_t)model_current + 1;
	model_order_observe(lock);
	model_trace(lock, pc, "takes lock");
}

void model_lock_release(struct creel__lock *lock)
{
	const void *pc = __builtin_return_address(0);
	uint32_t *word = lock_word(lock);
	model_use(lock, pc);
	model_trace(lock, pc, "releases lock");
	if (*word != (uint32_t)model_current + 1)
		model_fail("bad release", "thread %d does not hold the lock, at %s", model_current,
			   model_where(pc));
	model_order_publish(lock);
	*word = 0;
	model_unblock(lock, MODEL_BLOCKED, true);
}

/* pthread_t stands for the thread's number plus one. */
static int number_of(pthread_t thread)
{
	int number = (int)(uintptr_t)thread - 1;
	if (number < 0 || number >= model_thread_count)
		model_fail("bad thread", "%d is no thread", number);
	return number;
}

int creel__thread_create(pthread_t *ret_thread, creel__thread_fn fn, void *arg, size_t stack_size)
{
	(void)stack_size;
	model_point(NULL, NULL, __builtin_return_address(0));
	if (model_thread_refused()) {
		model_trace(NULL, NULL, "gets no thread");
		return -EAGAIN;
	}
	int thread = model_thread_new(fn, arg);
	*ret_thread = (pthread_t)(uintptr_t)(thread + 1);
	return 0;
}

pthread_t creel__thread_self(void)
{
	return (pthread_t)(uintptr_t)(model_current + 1);
}

static void join(int number)
{
	struct model_thread *t = &model_threads[number];
	if (t->joined)
		model_fail("bad join", "thread %d was joined or detached before", number);
	if (number == model_current)
		model_fail("bad join", "thread %d joins itself", number);
	t->joined = true;
	if (t->state != MODEL_DONE)
		model_block(t);
	model_order_join(number);
	model_trace(NULL, NULL, "has joined thread %d", number);
}

void creel__thread_join(pthread_t thread)
{
	model_point(NULL, NULL, __builtin_return_address(0));
	join(number_of(thread));
}

bool creel__thread_try_join(pthread_t thread)
{
	int number = number_of(thread);
	model_point(NULL, NULL, __builtin_return_address(0));
	if (model_threads[number].state != MODEL_DONE)
		return false;
	join(number);
	return true;
}

void creel__thread_detach(pthread_t thread)
{
	int number = number_of(thread);
	if (model_threads[number].joined)
		model_fail("bad detach", "thread %d was joined or detached before", number);
	model_threads[number].joined = true;
}

void creel__thread_set_name(const char *name, unsigned number)
{
	(void)name;
	(void)number;
}

void creel__thread_guard(void (*run)(void *arg), void (*ended)(void *arg), void *arg)
{
	struct model_thread *t = &model_threads[model_current];
	jmp_buf here, *outer = t->exit;
	t->exit = &here;
	if (_setjmp(here) == 0) {
		run(arg);
		t->exit = outer;
		return;
	}
	/* The caller is the last function of its thread, so that returning to it
	 * ends the thread. */
	model_threads[model_current].exit = NULL;
	ended(arg);
}

void creel__thread_bequeath(struct creel__heritage *ret_heritage, bool keep_signals)
{
	(void)ret_heritage;
	(void)keep_signals;
}

void creel__thread_inherit(const struct creel__heritage *heritage)
{
	(void)heritage;
}

int creel__thread_no_cancel(void)
{
	return 0;
}

void creel__thread_cancel_again(int state)
{
	(void)state;
}

size_t creel__thread_min_stack(void)
{
	return 16384;
}

void model_exit_thread(void)
{
	struct model_thread *t = &model_threads[model_current];
	if (!t->exit)
		model_fail("harness", "no guard around the end of thread %d", model_current);
	_longjmp(*t->exit, 1);
}

struct start {
	void (*fn)(void *arg);
	void *arg;
};
static struct start starts[MODEL_THREADS];

static void *start(void *arg)
{
	struct start *s = arg;
	s->fn(s->arg);
	return NULL;
}

int model_spawn(void (*fn)(void *arg), void *arg)
{
	struct start *s = &starts[model_thread_count % MODEL_THREADS];
	*s = (struct start){fn, arg};
	model_point(NULL, NULL, __builtin_return_address(0));
	return model_thread_new(start, s);
}

void model_join(int thread)
{
	model_point(NULL, NULL, __builtin_return_address(0));
	join(thread);
}

void model_gate_open(struct model_gate *gate)
{
	model_point(gate, "opens gate", __builtin_return_address(0));
	model_order_publish(gate);
	gate->open = 1;
	model_unblock(gate, MODEL_BLOCKED, true);
}

void model_gate_wait(struct model_gate *gate)
{
	model_point(gate, "waits at gate", __builtin_return_address(0));
	while (!gate->open)
		model_block(gate);
	model_order_observe(gate);
}

int model_step(void)
{
	return model_steps;
}

int model_thread(void)
{
	return model_current;
}
