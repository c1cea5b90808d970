/* SPDX-License-Identifier: MIT */
/*
 * What happens before what: data races, and the use of memory that is gone.
 *
 * The library and the harnesses are compiled with -fsanitize=thread but linked without its run-time
 * system: the calls that the compiler put in front of each access to memory, and in place of each
 * atomic operation, arrive here. Plain accesses are no points of the schedule. They need not be, as
 * long as there is no data race, and that is what is checked.
 *
 * ALGORITHM  Vector clocks (Flanagan and Freund, "FastTrack", PLDI 2009, without its compression).
 *            A release operation stores the thread's clock with the atomic object, an acquire
 *            operation takes it over, according to the order that the source names; a relaxed store
 *            ends a release sequence, a read-modify-write continues it. Parking and waking order
 *            nothing: the library must not rely on it. An access races if an earlier one to the
 *            same address by another thread does not happen before it and one of the two is a
 *            write. Freeing counts as a write to the whole object, so that a use that could come
 *            after it is found in every schedule.
 * CLOCKS     They go on from one schedule to the next: what older schedules left in the tables
 *            happened before everything of this one, and nothing has to be wiped.
 * NOT SEEN   Accesses that begin at different addresses are not compared. memcpy() and the like are
 *            no accesses. Whether a load may return an old value: history.c.
 */
#include "engine.h"
#include "order.h"
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

/* The last accesses to the byte: a write, and each thread's read. */
struct cell {
	uint32_t wrote, writer;
	uint32_t read[MODEL_THREADS];
};

struct model_clock model_clocks[MODEL_THREADS];
static struct cell *cells;          /* one for each byte that is watched */
static struct model_clock *objects; /* one for each four bytes: what acquiring it brings */
static uint32_t base;               /* all that came before this schedule */
static size_t watched;

/* Where the program's own variables are: symbols of the linker. */
extern char __data_start[], _end[];

/* In large pages where there are some: what is looked at lies far apart. */
static void *map_table(size_t size)
{
	enum { LARGE = 2 << 20 };
	char *p = mmap(NULL, size + LARGE, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (p == MAP_FAILED)
		model_fail("harness", "no memory for the tables");
	p += -(uintptr_t)p % LARGE;
	(void)madvise(p, size, MADV_HUGEPAGE);
	return p;
}

static void map_tables(void)
{
	size_t data = (size_t)(_end - __data_start);
	watched = sizeof *model_memory + (data + 63) / 64 * 64;
	cells = map_table(watched * sizeof *cells);
	objects = map_table(watched / 4 * sizeof *objects);
}

void model_order_reset(void)
{
	if (!cells)
		map_tables();
	for (int i = 0; i < MODEL_THREADS; i++)
		for (int k = 0; k < MODEL_THREADS; k++)
			if (model_clocks[i].of[k] > base)
				base = model_clocks[i].of[k];
	if (base > UINT32_MAX / 2) {
		madvise(cells, watched * sizeof *cells, MADV_DONTNEED);
		madvise(objects, watched / 4 * sizeof *objects, MADV_DONTNEED);
		base = 0;
	}
	for (int i = 0; i < MODEL_THREADS; i++)
		for (int k = 0; k < MODEL_THREADS; k++)
			model_clocks[i].of[k] = base;
	model_clocks[0].of[0]++;
}

/* The place of an address in the tables; SIZE_MAX: not watched. */
size_t model_order_place(const volatile void *p)
{
	uintptr_t address = (uintptr_t)p, memory = (uintptr_t)model_memory,
		  data = (uintptr_t)__data_start;
	if (address - memory < sizeof *model_memory)
		return address - memory;
	if (address - data < (uintptr_t)_end - data)
		return address - data + sizeof *model_memory;
	return SIZE_MAX;
}

size_t model_order_places(void)
{
	return watched;
}

static void join(struct model_clock *into, const struct model_clock *from)
{
	for (int i = 0; i < MODEL_THREADS; i++)
		if (from->of[i] > into->of[i])
			into->of[i] = from->of[i];
}

/* What the thread does from here on is no longer covered by what it has published. */
static void tick(void)
{
	model_clocks[model_current].of[model_current]++;
}

void model_order_spawn(int child)
{
	join(&model_clocks[child], &model_clocks[model_current]);
	model_clocks[child].of[child]++;
	tick();
}

void model_order_join(int child)
{
	join(&model_clocks[model_current], &model_clocks[child]);
}

void model_order_publish(const void *p)
{
	join(&objects[model_order_place(p) / 4], &model_clocks[model_current]);
	tick();
}

void model_order_observe(const void *p)
{
	join(&model_clocks[model_current], &objects[model_order_place(p) / 4]);
}

/* An address that is in no object: nowhere, or on a stack, in a function that has returned. */
static void check_elsewhere(const volatile void *p, const void *pc)
{
	uintptr_t address = (uintptr_t)p;
	if (address - (uintptr_t)model_memory->heap < MODEL_HEAP || address < 4096)
		model_fail("bad address", "%p, at %s", (const void *)address, model_where(pc));
	size_t thread = (address - (uintptr_t)model_memory->stacks) / MODEL_STACK;
	if (thread < MODEL_THREADS && (int)thread != model_current &&
	    address < (uintptr_t)model_threads[thread].frame)
		model_fail("use after return", "of a function of thread %d's, at %s", (int)thread,
			   model_where(pc));
}

struct model_object *model_use(const volatile void *p, const void *pc)
{
	struct model_object *o = model_object_of(p);
	if (!o) {
		check_elsewhere(p, pc);
		return NULL;
	}
	if (o->freed) {
		model_trace(p, pc, "uses what was freed:");
		model_fail("use after free", "%s, at %s; thread %d freed it at %s",
			   model_describe(p), model_where(pc), o->freed_by,
			   model_where(o->freed_at));
	}
	o->used[model_current] = model_clocks[model_current].of[model_current];
	return o;
}

/* A use by another thread that is not ordered before the free could as well come after it. */
void model_order_free(struct model_object *o, const void *pc)
{
	const struct model_clock *mine = &model_clocks[model_current];
	for (int i = 0; i < model_thread_count; i++)
		if (o->used[i] > mine->of[i])
			model_fail("use after free",
				   "%s is freed at %s, and nothing orders thread %d's last use "
				   "before that",
				   model_describe(o->start), model_where(pc), i);
}

static void race(const volatile void *p, const void *pc, const char *what, const char *earlier,
		 int thread)
{
	model_watched = p;
	model_trace(p, pc, "%s, unordered:", what);
	model_fail("data race", "on %s: thread %d %s it at %s, thread %d %s it before, unordered",
		   model_describe(p), model_current, what, model_where(pc), thread, earlier);
}

/* A struct written as a whole, before. */
static void check_whole(const struct model_object *o, const volatile void *p, const void *pc,
			const char *what)
{
	if (!o || o->whole_clock <= model_clocks[model_current].of[o->whole_writer])
		return;
	size_t offset = (size_t)((const volatile unsigned char *)p - o->start);
	if (offset - o->whole_start < o->whole_size)
		race(p, pc, what, "wrote", o->whole_writer);
}

/* What reads and writes look at alike; NULL if no cell belongs to the place. */
static struct cell *plain_use(const volatile void *p, const void *pc, const char *what)
{
	check_whole(model_use(p, pc), p, pc, what);
	if (model_tracing && p == model_watched)
		model_trace(p, pc, "%s", what);
	size_t place = model_order_place(p);
	if (place == SIZE_MAX)
		return NULL;
	struct cell *c = &cells[place];
	if (c->wrote > model_clocks[model_current].of[c->writer])
		race(p, pc, what, "wrote", (int)c->writer);
	return c;
}

static void plain_read(const volatile void *p, const void *pc)
{
	struct cell *c = plain_use(p, pc, "reads");
	if (c)
		c->read[model_current] = model_clocks[model_current].of[model_current];
}

static void plain_write(const volatile void *p, size_t size, const void *pc)
{
	model_history_forget(p, size);
	struct cell *c = plain_use(p, pc, "writes");
	if (!c)
		return;
	const struct model_clock *mine = &model_clocks[model_current];
	for (int i = 0; i < model_thread_count; i++)
		if (c->read[i] > mine->of[i])
			race(p, pc, "writes", "read", i);
	c->writer = (uint32_t)model_current;
	c->wrote = mine->of[model_current];
}

static struct model_clock *object_at(const volatile void *p)
{
	static struct model_clock elsewhere;
	size_t place = model_order_place(p);
	return place == SIZE_MAX ? &elsewhere : &objects[place / 4];
}

static bool acquires(int order)
{
	return order != __ATOMIC_RELAXED && order != __ATOMIC_RELEASE;
}

static bool releases(int order)
{
	return order == __ATOMIC_RELEASE || order == __ATOMIC_ACQ_REL || order == __ATOMIC_SEQ_CST;
}

/* What a load returns: usually what is there. Takes over what that brings. */
static uint64_t load(const volatile void *p, uint64_t newest, int order)
{
	uint64_t value;
	const struct model_clock *released = model_history_load(p, newest,
								order == __ATOMIC_SEQ_CST, &value);
	if (acquires(order))
		join(&model_clocks[model_current], released ? released : object_at(p));
	return value;
}

static void stored(const volatile void *p, uint64_t value, int order)
{
	struct model_clock *object = object_at(p);
	if (releases(order)) {
		*object = model_clocks[model_current];
	} else {
		memset(object, 0, sizeof *object);
	}
	model_history_stored(p, value, order == __ATOMIC_SEQ_CST, object);
	if (releases(order))
		tick();
}

static void changed(const volatile void *p, uint64_t value, int order)
{
	struct model_clock *object = object_at(p);
	if (acquires(order))
		join(&model_clocks[model_current], object);
	if (releases(order))
		join(object, &model_clocks[model_current]);
	model_history_stored(p, value, order == __ATOMIC_SEQ_CST, object);
	if (releases(order))
		tick();
}

/* The entry points that compilers call. An access of n bytes is entered under its first. */

#define PC __builtin_return_address(0)
#define ACCESSES(n)                                                                                \
	void __tsan_read##n(void *p)                                                               \
	{                                                                                          \
		plain_read(p, PC);                                                                 \
	}                                                                                          \
	void __tsan_write##n(void *p)                                                              \
	{                                                                                          \
		plain_write(p, n, PC);                                                             \
	}                                                                                          \
	void __tsan_unaligned_read##n(void *p)                                                     \
	{                                                                                          \
		plain_read(p, PC);                                                                 \
	}                                                                                          \
	void __tsan_unaligned_write##n(void *p)                                                    \
	{                                                                                          \
		plain_write(p, n, PC);                                                             \
	}
ACCESSES(1)
ACCESSES(2)
ACCESSES(4)
ACCESSES(8)
ACCESSES(16)

/* Whole structs: every member could begin at any byte. */
static void read_range(const void *p, size_t size, const void *pc)
{
	for (size_t i = 0; i < size; i++)
		plain_read((const char *)p + i, pc);
}

/* A large one that is allocated, such as a pool when it is made, is entered with the object. */
static void write_range(void *p, size_t size, const void *pc)
{
	struct model_object *o = size > 64 ? model_object_of(p) : NULL;
	if (o) {
		plain_write(p, size, pc);
		o->whole_start = (size_t)((unsigned char *)p - o->start);
		o->whole_size = size;
		o->whole_writer = model_current;
		o->whole_clock = model_clocks[model_current].of[model_current];
	}
	for (size_t i = 0; !o && i < size; i++)
		plain_write((char *)p + i, 1, pc);
}

void __tsan_read_range(void *p, size_t size)
{
	read_range(p, size, PC);
}

void __tsan_write_range(void *p, size_t size)
{
	write_range(p, size, PC);
}

/* From clang 16 on these take the place of libc's. */
void *__tsan_memcpy(void *to, const void *from, size_t size)
{
	read_range(from, size, PC);
	write_range(to, size, PC);
	return memcpy(to, from, size);
}

void *__tsan_memmove(void *to, const void *from, size_t size)
{
	read_range(from, size, PC);
	write_range(to, size, PC);
	return memmove(to, from, size);
}

void *__tsan_memset(void *to, int byte, size_t size)
{
	write_range(to, size, PC);
	return memset(to, byte, size);
}

void __tsan_init(void)
{
}

void __tsan_func_entry(void *pc)
{
	(void)pc;
}

void __tsan_func_exit(void)
{
}

void __tsan_atomic_thread_fence(int order)
{
	(void)order;
	model_fail("harness", "a fence: the library orders by its operations");
}

#define VALUE(v) ((unsigned long long)(v))
#define ATOMIC_CHANGE(bits, type, name, op)                                                        \
	type __tsan_atomic##bits##_##name(volatile type *p, type v, int order)                     \
	{                                                                                          \
		model_use(p, PC);                                                                  \
		type old = *p;                                                                     \
		model_history_before_store(p, old);                                                \
		*p = op;                                                                           \
		model_trace(p, PC, #name " %llx: %llx becomes %llx:", VALUE(v), VALUE(old),        \
			    VALUE(*p));                                                            \
		changed(p, *p, order);                                                             \
		return old;                                                                        \
	}
#define ATOMICS(bits, type)                                                                        \
	type __tsan_atomic##bits##_load(const volatile type *p, int order)                         \
	{                                                                                          \
		model_use(p, PC);                                                                  \
		type newest = *p;                                                                  \
		type v = (type)load(p, newest, order);                                             \
		model_trace(p, PC, "loads %llx%s from", VALUE(v),                                  \
			    v == newest ? "" : ", an old value,");                                 \
		return v;                                                                          \
	}                                                                                          \
	void __tsan_atomic##bits##_store(volatile type *p, type v, int order)                      \
	{                                                                                          \
		model_use(p, PC);                                                                  \
		model_trace(p, PC, "stores %llx (was %llx) in", VALUE(v), VALUE(*p));              \
		model_history_before_store(p, *p);                                                 \
		*p = v;                                                                            \
		stored(p, v, order);                                                               \
	}                                                                                          \
	static type swap##bits(volatile type *p, type expected, type v, int order, int failure,    \
			       const void *pc)                                                     \
	{                                                                                          \
		model_use(p, pc);                                                                  \
		type old = *p;                                                                     \
		model_trace(p, pc, "cas %llx -> %llx %s (it is %llx):", VALUE(expected), VALUE(v), \
			    old == expected ? "succeeds" : "fails", VALUE(old));                   \
		model_history_before_store(p, old);                                                \
		if (old == expected) {                                                             \
			*p = v;                                                                    \
			changed(p, v, order);                                                      \
			return old;                                                                \
		}                                                                                  \
		model_history_seen(p);                                                             \
		if (acquires(failure))                                                             \
			join(&model_clocks[model_current], object_at(p));                          \
		return old;                                                                        \
	}                                                                                          \
	int __tsan_atomic##bits##_compare_exchange_strong(volatile type *p, type *expected,        \
							  type v, int order, int failure)          \
	{                                                                                          \
		type old = swap##bits(p, *expected, v, order, failure, PC);                        \
		bool swapped = old == *expected;                                                   \
		*expected = old;                                                                   \
		return swapped;                                                                    \
	}                                                                                          \
	type __tsan_atomic##bits##_compare_exchange_val(volatile type *p, type expected, type v,   \
							int order, int failure)                    \
	{                                                                                          \
		return swap##bits(p, expected, v, order, failure, PC);                             \
	}                                                                                          \
	ATOMIC_CHANGE(bits, type, exchange, v)                                                     \
	ATOMIC_CHANGE(bits, type, fetch_add, (type)(old + v))                                      \
	ATOMIC_CHANGE(bits, type, fetch_sub, (type)(old - v))                                      \
	ATOMIC_CHANGE(bits, type, fetch_and, (type)(old & v))                                      \
	ATOMIC_CHANGE(bits, type, fetch_or, (type)(old | v))
ATOMICS(8, uint8_t)
ATOMICS(16, uint16_t)
ATOMICS(32, uint32_t)
ATOMICS(64, uint64_t)
