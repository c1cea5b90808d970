/* SPDX-License-Identifier: MIT */
/*
 * A worker's life: take the oldest READY slot, run it, write the outcome, commit it, look again.
 *
 * RESULTS  Small ones are written into the slot; larger ones into the worker's result area, in an
 *          extent that stays taken until the parent lets go of it (procs/area.c). The parent reads
 *          both in place.
 * FORK     The process has one thread, unless a task makes more;
 *          those must not use creel_return...().
 *          Slots and results are one process's. A child of a task gets no result memory. One that
 *          returns from a function of the user's ends there (sync/fork.h); one that gets here by
 *          another way (a signal handler that forks) ends before it starts or commits a task.
 */
#include "procs/work.h"
#include "base/alloc.h"
#include "base/clock.h"
#include "exec/task.h"
#include "future/result.h"
#include "procs/area.h"
#include "procs/bell.h"
#include "sync/fork.h"
#include "sync/local.h"
#include "sync/park.h"
#include "sync/thread.h"
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

/* The process is one worker: its state is the process's. */
static struct {
	const struct creel__child *c;
	struct creel__control *control;
	struct creel__slot *slot; /* of the task that runs */
	bool inline_taken;
	struct creel__worker worker;
	pid_t parent; /* the fork server */
	uint16_t generation;
} me;

/* The name of what lies in the slot; extents are named by their address in this table, so that
 * what a task does to the data cannot change which one is meant. */
static char names[CREEL__EXTENTS];

static void *alloc_extent(size_t size, void **ret_name)
{
	uint32_t extent = 0;
	void *data = creel__area_alloc(size, &extent);
	*ret_name = data ? &names[extent] : NULL;
	return data;
}

static uint32_t extent_of(const void *name)
{
	return (uint32_t)((const char *)name - names);
}

static bool is_worker(void)
{
	return me.generation == creel__fork_generation();
}

static void *alloc_result(size_t size, void **ret_name)
{
	*ret_name = NULL;
	if (!is_worker())
		return NULL;
	if (size <= CREEL__OUT && !me.inline_taken) {
		me.inline_taken = true;
		return me.slot->out_data;
	}
	return alloc_extent(size, ret_name);
}

static void free_result(void *data, size_t size, void *name)
{
	(void)data;
	(void)size;
	if (!is_worker())
		return;
	if (name)
		creel__area_free(extent_of(name));
	else
		me.inline_taken = false;
}

static struct creel__result_space space = {.alloc = alloc_result, .free = free_result};

/* Room for an error: in the slot, or in an extent; NULL if there is none. */
static unsigned char *place_error(struct creel__slot *slot, size_t size)
{
	void *name;
	slot->out = CREEL__OUT_ERROR;
	slot->out_size = size;
	if (size <= CREEL__OUT)
		return slot->out_data;
	unsigned char *place = alloc_extent(size, &name);
	if (!place)
		return NULL;
	slot->out = CREEL__OUT_ERROR_EXTENT;
	slot->extent = extent_of(name);
	slot->offset = creel__area_give(slot->extent);
	return place;
}

/* Without room for all of it, the data stays behind; then the message is cut, and says so. */
static void write_error(struct creel__slot *slot, int code, const char *message, const void *data,
			size_t size)
{
	size_t n = strlen(message) + 1, at = creel__out_data(n);
	unsigned char *to = size ? place_error(slot, at + size) : NULL;
	if (to)
		memcpy(to + at, data, size);
	else
		to = place_error(slot, n);
	bool cut = !to;
	if (cut) {
		n = CREEL__OUT;
		to = place_error(slot, n);
	}
	memcpy(to, message, n);
	if (cut)
		memcpy(to + n - 4, "...", 4);
	slot->code = code;
	slot->message = (uint32_t)n;
}

static void write_no_memory(struct creel__slot *slot, int code, const char *message)
{
	write_error(slot, code, message, NULL, 0);
	slot->out = CREEL__OUT_NO_MEMORY;
}

/* The result is where the task left it: in the block, in the slot, in an extent, or in memory that
 * the task handed over, which is copied. */
static void write_result(struct creel__slot *slot, creel_future *f)
{
	const void *data;
	size_t size;
	creel_buffer *buffer = creel__result_buffer(f);
	creel__result_look(f, &data, &size);
	bool ours = buffer && buffer->free == free_result;
	slot->code = 0;
	slot->out_size = size;
	slot->out = CREEL__OUT_INLINE;
	if (size <= CREEL__OUT) {
		/* It may be there already. */
		if (size)
			memmove(slot->out_data, data, size);
		return;
	}
	void *name = ours ? buffer->ctx : NULL;
	void *copy = ours ? NULL : alloc_extent(size, &name);
	if (!ours && !copy) {
		write_no_memory(slot, -ENOSPC,
				"the result does not fit in the pool's shared_budget");
		return;
	}
	if (copy)
		memcpy(copy, data, size);
	else
		/* It stays when the block is dropped. */
		buffer->free = NULL;
	slot->out = CREEL__OUT_EXTENT;
	slot->extent = extent_of(name);
	slot->offset = creel__area_give(slot->extent);
}

static void drop_block(creel_future *f)
{
	creel__result_clear(f);
	creel__block_free(f);
}

static void close_input(void)
{
	if (space.input)
		creel__parcel_close(space.input);
	space.input = NULL;
	creel__area_unlend();
}

/* 0 or a code. */
static int open_input(const struct creel__slot *slot)
{
	/* Where it is the parent has said, here, where no other worker writes. */
	const struct creel__parcel parcel = slot->input;
	if (parcel.what == CREEL__NO_PARCEL)
		return 0;
	int rc = creel__area_lend(parcel.data, parcel.size);
	if (rc == 0 && !(space.input = creel__parcel_open(&parcel)))
		rc = -ENOMEM;
	if (rc)
		close_input();
	return rc;
}

static void refuse(struct creel__slot *slot, int code)
{
	if (code == -EFAULT)
		write_error(slot, code,
			    "an earlier task of this worker has overwritten where the input is",
			    NULL, 0);
	else
		write_no_memory(slot, code, "the worker has no memory to run the task");
}

static void run(struct creel__slot *slot)
{
	struct creel__local *local = creel__self();
	creel_future *f = creel__block_new(CREEL__REF | CREEL__RUNNING);
	int rc = f ? open_input(slot) : -ENOMEM;
	if (rc) {
		if (f)
			creel__block_free(f);
		refuse(slot, rc);
		return;
	}
	f->fn = slot->fn;
	f->executor = me.c->executor;
	f->generation = me.generation;
	f->arg_len = (uint8_t)slot->arg_len;
	if (f->arg_len <= CREEL__ARG_INLINE)
		memcpy(f->payload, slot->in, f->arg_len);
	else
		memcpy(f->payload, &slot->arg, sizeof slot->arg);
	me.slot = slot;
	me.inline_taken = false;
	space.of = f;
	local->asked = &slot->asked;
	creel__error_fill_reserve();
	creel__limits_before_task(&me.c->options);
	int code = 0;
	(void)creel__task_call((creel_task *)f, &code);
	const creel_error *said = creel__result_get_error(f);
	if (said) {
		write_error(slot, code ? code : said->code, said->message, said->data, said->size);
	} else if (code) {
		char text[80];
		creel__failure_text(text, sizeof text, code,
				    creel__load(&slot->asked, relaxed) == CREEL__ASKED_STOP);
		write_error(slot, code, text, NULL, 0);
	} else {
		write_result(slot, f);
	}
	drop_block(f);
	close_input();
	creel__child_flush();
	if (creel__limits_outgrown(&me.c->options))
		creel__store(&me.control->outgrown, 1, relaxed);
}

/* While it looks, tasks may come into slots that it has looked at, and younger ones into others. So
 * it looks once more at those in front of the first that it found: what is older was there then. */
static struct creel__slot *oldest_ready(uint64_t *ret_state)
{
	struct creel__slot *oldest = NULL;
	unsigned in_front = 0;
	for (unsigned i = 0; i < CREEL__DEPTH + in_front; i++) {
		struct creel__slot *slot = &me.control->slots[i % CREEL__DEPTH];
		/* [SLOT-1] [BELL-1] seq_cst: acquires the task; and a look after having said that
		 * we sleep; pairs with the parent's store of READY */
		uint64_t state = creel__load(&slot->state, seq_cst);
		if ((state & 0xff) == CREEL__SLOT_READY && (!oldest || state < *ret_state)) {
			if (!oldest)
				in_front = i;
			oldest = slot;
			*ret_state = state;
		}
	}
	return oldest;
}

static void ring(void)
{
	_Atomic(uint32_t) *sleeps = &me.control->parent_sleeps;
	/* [BELL-1] seq_cst: the look for a sleeper, after the change of state; pairs with the
	 * parent's store before it looks */
	if (creel__load(sleeps, seq_cst) && creel__xchg(sleeps, 0, seq_cst))
		creel__bell_ring(me.c->bell);
}

/* The parent has fenced this worker, and SIGKILL is on its way: at the end of a grace that nobody
 * needs any more. Or the task has forged that: then the parent finds a liar. */
static _Noreturn void die_fenced(void)
{
	creel__bell_ring(me.c->bell);
	(void)raise(SIGKILL);
	abort();
}

/* Not the parent's word: the task has overwritten it, and nobody knows but us. It must not look as
 * if it had never started, or it would be started again. If the parent believed what it found
 * there, the word is about another task by now, which is not to blame. */
static _Noreturn void confess(struct creel__slot *slot, uint64_t seq, uint64_t found)
{
	/* Relaxed: the parent reads it after our death. */
	if (found >> 8 == seq)
		(void)creel__cas(&slot->state, &found, CREEL__SLOT(seq, CREEL__SLOT_NONSENSE),
				 relaxed, relaxed);
	abort();
}

static void serve_slot(struct creel__slot *slot, uint64_t state)
{
	uint64_t running = CREEL__SLOT(state >> 8, CREEL__SLOT_RUNNING);
	creel__fork_returned(me.generation, 0);
	creel__store(&slot->began, state >> 8, relaxed);
	if (slot->stamped)
		creel__store(&slot->started, creel__now(), relaxed);
	/* [SLOT-1] [SLOT-3] acq_rel: as in oldest_ready(); and releases when it started; pairs with
	 * the look of who checks its limit. It fails if the parent took the task back. */
	if (!creel__cas(&slot->state, &state, running, acq_rel, relaxed)) {
		/* What waits behind it is not ours any more. */
		if (state == CREEL__SLOT(running >> 8, CREEL__SLOT_KILL))
			die_fenced();
		return;
	}
	run(slot);
	creel__fork_returned(me.generation, 0);
	/* [SLOT-2] [BELL-1] seq_cst: releases the outcome; pairs with the parent's load of DONE */
	if (!creel__cas(&slot->state, &running, CREEL__SLOT(running >> 8, CREEL__SLOT_DONE),
			seq_cst, relaxed)) {
		if (running != CREEL__SLOT(state >> 8, CREEL__SLOT_KILL))
			confess(slot, state >> 8, running);
		die_fenced();
	}
	uint32_t mark = CREEL__WATCH(running >> 8);
	/* [BELL-1] seq_cst: the look for a waiter, after the change of state; pairs with the
	 * waiter's store before it looks. It needs no manager, who needs no bell. */
	bool awaited = creel__load(&slot->watch, seq_cst) == mark;
	/* [BELL-1] seq_cst: it has not gone meanwhile, and left the outcome to the manager */
	if (awaited && creel__cas(&slot->watch, &mark, 0, seq_cst, relaxed))
		creel__unpark_shared(&slot->watch);
	else
		ring();
}

static void sleep_until_woken(void)
{
	uint64_t state = 0;
	/* [BELL-1] seq_cst: said before the last look; pairs with the parent's look for a sleeper
	 * after it stored READY, or retire */
	creel__store(&me.control->sleeping, 1, seq_cst);
	/* [BELL-1] seq_cst: the last look, at the slots and here */
	if (!oldest_ready(&state) && !creel__load(&me.control->retire, seq_cst))
		creel__park_shared(&me.control->sleeping, 1, CREEL_FOREVER);
	/* A signal handler may have forked. */
	creel__fork_returned(me.generation, 0);
	creel__store(&me.control->sleeping, 0, relaxed);
}

static _Noreturn void retire(void)
{
	const creel_process_pool_options *o = &me.c->options;
	if (o->finalizer)
		(void)creel__user_call(me.generation, o->finalizer(o->ctx, me.worker.local), 0);
	creel__child_leave(0);
}

/* What creel_fail() said stands in the first slot, as a task's would. */
static _Noreturn void fail_to_start(int code)
{
	struct creel__slot *slot = &me.control->slots[0];
	const creel_error *said = me.worker.said;
	slot->out = CREEL__OUT_INLINE;
	if (said)
		write_error(slot, said->code, said->message, said->data, said->size);
	creel__store(&me.control->init_code, code ? code : said->code, relaxed);
	_exit(CREEL__EXIT_INIT_FAILED);
}

static void initialize(uint32_t incarnation)
{
	const creel_process_pool_options *o = &me.c->options;
	int code = 0;
	if (o->initializer) {
		creel__error_fill_reserve();
		me.worker.initializing = true;
		(void)creel__user_call(
			me.generation,
			code = o->initializer(o->ctx, me.worker.index, &me.worker.local), code);
		me.worker.initializing = false;
	}
	creel__child_flush();
	if (code || me.worker.said)
		fail_to_start(code);
	/* It may have changed its credentials: the kernel then forgets the death signal. */
	(void)prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
	if (getppid() != me.parent)
		_exit(0);
	creel__limits_ready(o);
	/* [BELL-1] seq_cst: a change of state, before the look for a sleeping parent */
	creel__store(&me.control->ready, incarnation, seq_cst);
	ring();
}

static void serve(void *incarnation)
{
	initialize(*(const uint32_t *)incarnation);
	creel__self()->results = &space;
	for (;;) {
		uint64_t state = 0;
		struct creel__slot *slot = oldest_ready(&state);
		if (slot)
			serve_slot(slot, state);
		else if (creel__load(&me.control->retire, relaxed))
			retire();
		else
			sleep_until_woken();
	}
}

/* A task called pthread_exit(): before the destructors of the host's thread-specific data run. */
static void ended(void *incarnation)
{
	(void)incarnation;
	creel__child_leave(0);
}

void creel__work(const struct creel__child *c, unsigned worker, uint32_t incarnation)
{
	struct creel__local *local = creel__self();
	/* The host may be a worker itself, or in a callback. */
	memset(&me, 0, sizeof me);
	local->own = true;
	local->results = NULL;
	local->asked = NULL;
	local->draining = false;
	local->deferred = NULL;
	local->destructors = local->hushed = 0;
	local->dying = NULL;
	me.c = c;
	me.control = creel__space_control(c->space, worker);
	creel__area_enter(c->space, worker);
	me.worker.executor = c->executor;
	me.worker.index = worker;
	me.generation = creel__fork_generation();
	me.parent = getppid();
	local->worker = &me.worker;
	local->task = NULL;
	local->callbacks = 0;
	creel__thread_guard(serve, ended, &incarnation);
	_exit(0);
}
