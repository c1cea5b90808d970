/* SPDX-License-Identifier: MIT */
/* What the files of the checker know of one another. None of them is instrumented. */
#ifndef CREEL_TESTS_MODEL_ENGINE_H
#define CREEL_TESTS_MODEL_ENGINE_H

#include "model.h"
#include "sync/local.h"
#include <setjmp.h>
#include <stdint.h>

enum {
	MODEL_THREADS = 6,
	MODEL_STACK = 128 * 1024,
	MODEL_HEAP = 256 * 1024,
	MODEL_GRAIN = 16, /* objects begin at multiples of it */
	MODEL_OBJECTS = 1024,
	MODEL_STEPS = 20000, /* more points in a schedule are a livelock */
};

/* One piece of memory at a fixed address holds all that a schedule's course could depend on. */
struct model_memory {
	struct creel__local locals[MODEL_THREADS];
	unsigned char stacks[MODEL_THREADS][MODEL_STACK];
	unsigned char heap[MODEL_HEAP];
};
#define MODEL_MEMORY_AT UINT64_C(0x200000000000)
#define model_memory ((struct model_memory *)(uintptr_t)MODEL_MEMORY_AT)

/* explore.c: the choices that make up a schedule, and what becomes of it. */
extern const struct model_scenario *model_scenario;
extern bool model_tracing;
_Noreturn void model_end_schedule(void);

/* threads.c */
enum model_state {
	MODEL_RUNNABLE,
	MODEL_PARKED,  /* on a word: until a wake, a deadline, or for no reason */
	MODEL_BLOCKED, /* on a gate, or joining: until that happens */
	MODEL_DONE,
};

struct model_thread {
	jmp_buf begin, context; /* where its function is called; where it gave way */
	bool is_made, has_begun;
	const void *frame; /* of what it was in when it gave way: what lies below is dead */
	enum model_state state;
	const void *on; /* what it is parked or blocked on */
	int64_t deadline;
	bool timed_out;
	bool joined; /* or detached */
	void *(*fn)(void *arg);
	void *arg;
	jmp_buf *exit; /* where model_exit_thread() goes */
	/* A process of its own: at its death, void *arg of death. */
	void (*death)(void *arg);
	void *death_arg;
	int steps_left; /* 0: it lives on; n: killed before its n-th point from now */
};
extern struct model_thread model_threads[MODEL_THREADS];
extern int model_current, model_thread_count;
extern int64_t model_clock;

void model_threads_reset(void);
void model_threads_forget(void); /* after a failure: their stacks are abandoned */
void model_run_main(void);
void model_point(const volatile void *p, const char *what, const void *pc);
bool model_park(const void *word, int64_t deadline); /* whether the deadline passed */
void model_block(const void *on);
void model_unblock(const void *on, enum model_state state, bool all);
int model_thread_new(void *(*fn)(void *arg), void *arg);
bool model_thread_refused(void);
/* A process: detached, calls death(arg) when it dies; what it has allocated is gone then. Making it
 * is no point. */
int model_process_new(void *(*fn)(void *arg), void *arg, void (*death)(void *arg));
_Noreturn void model_process_die(void);
/* Kills it: at once, or after a few steps more. Nothing if it is dead. */
void model_process_kill(int thread);
bool model_choose_failure(int *budget);
extern int model_preemptions, model_steps;

/* heap.c */
struct model_object {
	unsigned char *start;
	size_t size;
	bool freed;
	const void *allocated_at, *freed_at;
	int allocated_by, freed_by;
	uint32_t used[MODEL_THREADS]; /* each thread's clock at its last use */
	/* The last write of a large part at once. */
	size_t whole_start, whole_size;
	int whole_writer;
	uint32_t whole_clock;
	const char *name;
};
void model_heap_reset(void);
void model_heap_drop(int thread); /* what it has allocated: it was a process, and is gone */
void model_heap_check(void);      /* at the end of a schedule: leaks, writes to what was freed */
extern struct model_object model_objects[MODEL_OBJECTS];
extern uint16_t model_object_at[MODEL_HEAP / MODEL_GRAIN]; /* 1 + index, or 0 */
extern size_t model_heap_used;

/* NULL if it is in none. */
static inline struct model_object *model_object_of(const volatile void *p)
{
	size_t offset = (uintptr_t)p - (uintptr_t)model_memory->heap;
	if (offset >= model_heap_used || !model_object_at[offset / MODEL_GRAIN])
		return NULL;
	return &model_objects[model_object_at[offset / MODEL_GRAIN] - 1];
}

/* order.c */
struct model_clock {
	uint32_t of[MODEL_THREADS];
};
extern struct model_clock model_clocks[MODEL_THREADS];
size_t model_order_place(const volatile void *p); /* in the tables; SIZE_MAX: not watched */
size_t model_order_places(void);
void model_order_reset(void);
void model_order_spawn(int child);
void model_order_join(int child);
void model_order_publish(const void *p); /* a release on p, made by the harness */
void model_order_observe(const void *p); /* an acquire */
void model_order_free(struct model_object *object, const void *pc);
struct model_object *model_use(const volatile void *p, const void *pc); /* p is alive: checked */

/* history.c */
void model_history_reset(void);
void model_history_before_store(const volatile void *p, uint64_t old);
void model_history_stored(const volatile void *p, uint64_t value, bool in_one_order,
			  const struct model_clock *released);
void model_history_seen(const volatile void *p); /* the newest, by a compare-and-swap */
void model_history_forget(const volatile void *p, size_t size);
/* The value that a load returns; if it is an old one, the clock that acquiring it brings,
 * else NULL. */
const struct model_clock *model_history_load(const volatile void *p, uint64_t newest,
					     bool in_one_order, uint64_t *ret_value);

/* trace.c */
void model_trace(const volatile void *p, const void *pc, const char *format, ...)
	CREEL_PRINTF(3, 4);
void model_trace_print(void);
const char *model_describe(const volatile void *p); /* "object 3 (block) + 24": static buffers */
const char *model_where(const void *pc);
extern const volatile void *model_watched; /* plain accesses to it are in the trace */

#endif
