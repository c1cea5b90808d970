/* SPDX-License-Identifier: MIT */
/* The result of a future, as it stands in the block. */
#ifndef CREEL__FUTURE_RESULT_H
#define CREEL__FUTURE_RESULT_H

#include "future/block.h"
#include "future/error.h"
#include <creel/future.h>

/* Where the data stands in a box that it is in one piece with: what creel_return_reserve() gives is
 * 64-byte aligned. */
enum { CREEL__BOX_HEAD = 64 };

/* A result that does not fit in the block. */
struct creel__box {
	creel_buffer buffer;
	bool own; /* the data stands behind the box, in one piece with it */
};

/* Where the large results of tasks go that this thread runs: shared memory, in worker processes. */
struct creel__result_space {
	const creel_future *of; /* the task that it is for; not those that it runs itself */
	creel_future *input;    /* of that task, which is a continuation; or NULL */
	/* 64-byte aligned, with a name for it; NULL if there is no room */
	void *(*alloc)(size_t size, void **ret_ctx);
	void (*free)(void *data, size_t size, void *ctx);
};

struct creel__follow;

/* A box for the result of f (or NULL) with a copy of size bytes at data, or with room for them if
 * data is NULL; NULL without memory. */
struct creel__box *creel__box_new(const creel_future *f, const void *data, size_t size);

/* Room for two pointers where the result will stand. */
void **creel__result_words(creel_future *f);

/* Writers of the result: whoever has the future RUNNING or SETTLING.
 * Each replaces what was there. */
int creel__result_copy(creel_future *f, const void *data, size_t size);
void *creel__result_reserve(creel_future *f, size_t size);
int creel__result_move(creel_future *f, creel_buffer buffer);
void creel__result_error(creel_future *f, const creel_error *error); /* takes over the reference */
void creel__result_set_box(creel_future *f, struct creel__box *box); /* takes over the box */
/* Of one that the caller runs or settles: the future that it refers to for its result, with a
 * reference; or NULL. */
creel_future *creel__result_other(creel_future *f);
/* The future that the result is of: f, if that is not final, or has one of its own. */
creel_future *creel__result_source(creel_future *f);
/* The result of source, which is FINISHED: not copied; f gets a reference to where it stands. */
void creel__result_refer(creel_future *f, creel_future *source);
/* What a task is to follow, future/follow.h, which is taken over; and that, or NULL. */
void creel__result_set_follow(creel_future *f, struct creel__follow *follow);
struct creel__follow *creel__result_follow(creel_future *f);
void creel__result_clear(creel_future *f);
bool creel__result_calls(creel_future *f); /* whether creel__result_clear() calls a function */
void creel__result_look(creel_future *f, const void **ret_data, size_t *ret_size);
/* Moves the result out, for whoever has the sole reference of a user; copies one that was passed on
 * and has other holders. 0, -ENOMEM. */
int creel__result_take(creel_future *f, creel_buffer *ret_buffer);
/* The buffer that the result is in; NULL if it is none. */
creel_buffer *creel__result_buffer(creel_future *f);
const creel_error *creel__result_get_error(creel_future *f); /* NULL if there is none */

/* The box in which the result stands, or NULL. */
struct creel__box *creel__result_box(creel_future *f);
/* Calls a buffer's free, for a future of that generation. */
void creel__buffer_free(creel_buffer buffer, uint16_t generation);
/* Frees one, of a future of that generation. May call a function of the user's. */
void creel__box_free(struct creel__box *box, uint16_t generation);

#endif
