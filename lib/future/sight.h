/* SPDX-License-Identifier: MIT */
/*
 * What a worker shows of itself: the task that it runs. Its own thread writes, anybody reads, and
 * neither waits for the other.
 *
 * ALGORITHM  A sequence lock without fences: Hans Boehm, "Can Seqlocks Get Along With Programming
 *            Language Memory Models?" (MSPC 2012). The version is odd while the words are written.
 *            The words are stored with release and loaded with acquire: a reader that finds a word
 *            of some writing finds the version that this writing began with, or a later one, when
 *            it looks again; so it knows that it has a mixture.
 */
#ifndef CREEL__FUTURE_SIGHT_H
#define CREEL__FUTURE_SIGHT_H

#include "sync/atomic.h"
#include <creel/base.h>

enum {
#ifdef CREEL_MODEL /* each word is a place to be interrupted at */
	CREEL__SEEN_NAME = 8,
#else
	CREEL__SEEN_NAME = 24,
#endif
	CREEL__SIGHT_WORDS = 4 + CREEL__SEEN_NAME / 8,
};

/* A task, as others see it. */
struct creel__seen {
	const void *task;  /* compared, never followed; NULL: none runs */
	uint64_t sequence; /* of the task in its executor */
	creel_fn fn;
	int64_t since;
	char name[CREEL__SEEN_NAME]; /* cut, with a final 0 */
};

struct creel__sight {
	_Atomic(uint32_t) version;
	_Atomic(uint64_t) words[CREEL__SIGHT_WORDS];
};

/* Of its own thread. NULL: nothing. */
void creel__sight_show(struct creel__sight *sight, const struct creel__seen *seen);

/* False: it changes all the time. */
bool creel__sight_look(struct creel__sight *sight, struct creel__seen *ret_seen);

#endif
