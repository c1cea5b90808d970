/* SPDX-License-Identifier: MIT */
/*
 * What the checker itself must know of C11's memory model: the classic litmus tests. Each
 * scenario says what must never be seen; compiled with LITMUS_WEAK set to its number an order is
 * missing, and it must be seen.
 */
#include "model.h"
#include "sync/atomic.h"

#ifndef LITMUS_WEAK
#define LITMUS_WEAK 0
#endif

static _Atomic(uint32_t) x, y;
static uint32_t seen_x, seen_y;
static int data;

static void setup(void)
{
	creel__store(&x, 0, relaxed);
	creel__store(&y, 0, relaxed);
	seen_x = seen_y = 0;
	data = 0;
}

#if LITMUS_WEAK == 1
#define PUBLISH(p) creel__store(p, 1, relaxed)
#else
#define PUBLISH(p) creel__store(p, 1, release)
#endif

static void send(void *arg)
{
	(void)arg;
	data = 7;
	creel__store(&x, 1, relaxed);
	PUBLISH(&y);
}

/* Message passing: who sees the flag sees what came before it, plain and relaxed. */
static void message_passing(void)
{
	setup();
	int other = model_spawn(send, NULL);
	if (creel__load(&y, acquire) == 1)
		model_check(creel__load(&x, relaxed) == 1 && data == 7);
	model_join(other);
}

/* A read-modify-write sees the newest; a plain pair of store and load does not. */
#if LITMUS_WEAK == 2
#define ANNOUNCE(p) creel__store(p, 1, release)
#define LOOK(p) creel__load(p, acquire)
#else
#define ANNOUNCE(p) creel__store(p, 1, release)
#define LOOK(p) creel__add(p, 0, acq_rel)
#endif

static void announce_x(void *arg)
{
	(void)arg;
	ANNOUNCE(&x);
	seen_y = LOOK(&y);
}

/* Store buffering: of two who announce and then look, one at least sees the other. */
static void store_buffering(void)
{
	setup();
	int other = model_spawn(announce_x, NULL);
	ANNOUNCE(&y);
	seen_x = LOOK(&x);
	model_join(other);
	model_check(seen_x || seen_y);
}

#if LITMUS_WEAK == 3
#define LOOK_IN_ORDER(p) creel__load(p, acquire)
#else
#define LOOK_IN_ORDER(p) creel__load(p, seq_cst)
#endif

static void announce_x_in_order(void *arg)
{
	(void)arg;
	creel__store(&x, 1, seq_cst);
	seen_y = LOOK_IN_ORDER(&y);
}

/* The same, if all of them are in one order. */
static void store_buffering_in_order(void)
{
	setup();
	int other = model_spawn(announce_x_in_order, NULL);
	creel__store(&y, 1, seq_cst);
	seen_x = LOOK_IN_ORDER(&x);
	model_join(other);
	model_check(seen_x || seen_y);
}

static void count_up(void *arg)
{
	(void)arg;
	creel__store(&x, 1, relaxed);
	creel__store(&x, 2, relaxed);
}

/* Coherence: nobody sees a variable go back. */
static void coherence(void)
{
	setup();
	int other = model_spawn(count_up, NULL);
	uint32_t first = creel__load(&x, relaxed), second = creel__load(&x, relaxed);
	model_check(second >= first);
	model_join(other);
	model_check(creel__load(&x, relaxed) == 2);
}

const struct model_scenario model_scenarios[] = {
	{"message passing", message_passing, .preemptions = 3, .stale = 2},
	{"store buffering", store_buffering, .preemptions = 3, .stale = 2},
	{"store buffering in one order", store_buffering_in_order, .preemptions = 3, .stale = 2},
	{"coherence", coherence, .preemptions = 3, .stale = 2},
	{0},
};
