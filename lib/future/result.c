/* SPDX-License-Identifier: MIT */
/*
 * Results: in the block when they are small, in a box when not.
 *
 * The payload holds the argument first and the result behind it, at the next multiple of 16: an
 * argument of up to 32 bytes, a pointer to a larger one, then what is left for the result, at least
 * enough for a pointer. The result is written while the task runs and read when the state is final;
 * the state word orders the two.
 *
 * PASSED ON  A future may end as another one did. It then refers to that one and has no copy. That
 * one has its result itself: a chain of futures that end as the one before refers to the first.
 *
 * CIRCLE  future/release.c: with such a result goes a reference, perhaps the last one; no deeper
 */
#include "future/result.h"
#include "base/alloc.h"
#include "future/follow.h"
#include "future/nest.h"
#include "future/release.h"
#include "sync/fork.h"
#include "sync/local.h"
#include <creel/future.h>
#include <errno.h>
#include <string.h>

_Static_assert(sizeof(struct creel__box) <= CREEL__BOX_HEAD, "the data starts behind the box");

static size_t result_offset(const creel_future *f)
{
	return f->arg_len > CREEL__ARG_INLINE ? 16 : (f->arg_len + 15u) & ~15u;
}

static void *result_place(creel_future *f)
{
	return f->payload + result_offset(f);
}

_Static_assert(CREEL__PAYLOAD - CREEL__ARG_INLINE >= 2 * sizeof(void *), "room for two words");

void **creel__result_words(creel_future *f)
{
	return result_place(f);
}

static struct creel__box *box_of(creel_future *f)
{
	return *(struct creel__box **)result_place(f);
}

const creel_error *creel__result_get_error(creel_future *f)
{
	if (f->result_len != CREEL__RESULT_ERROR)
		return NULL;
	if (creel__load(&f->state, relaxed) & CREEL__STATIC)
		return creel__error_static(CREEL_KIND_NO_MEMORY);
	return *(const creel_error **)result_place(f);
}

void creel__buffer_free(creel_buffer b, uint16_t generation)
{
	if (!b.free)
		return;
	creel__destructors_enter();
	(void)creel__user_call(generation, b.free(b.data, b.size, b.ctx), 0);
	creel__destructors_leave();
}

void creel__box_free(struct creel__box *box, uint16_t generation)
{
	creel__buffer_free(box->buffer, generation);
	creel__free(box);
}

static creel_future *source_of(creel_future *f)
{
	return f->result_len == CREEL__RESULT_OF ? *(creel_future **)result_place(f) : f;
}

creel_future *creel__result_other(creel_future *f)
{
	creel_future *source = source_of(f);
	return source != f ? source : NULL;
}

creel_future *creel__result_source(creel_future *f)
{
	return creel__future_is_final(f) ? source_of(f) : f;
}

void creel__result_clear(creel_future *f)
{
	struct creel__box *box = creel__result_box(f);
	struct creel__follow *follow = creel__result_follow(f);
	creel_future *source = source_of(f);
	if (f->result_len == CREEL__RESULT_ERROR)
		creel__error_unref(creel__result_get_error(f));
	f->result_len = 0;
	if (box)
		creel__box_free(box, f->generation);
	if (source != f)
		creel_future_unref(source);
	if (follow) {
		creel_future_unref(follow->source);
		creel__free(follow);
	}
}

struct creel__follow *creel__result_follow(creel_future *f)
{
	return f->result_len == CREEL__RESULT_FOLLOW ? *(struct creel__follow **)result_place(f)
						     : NULL;
}

void creel__result_set_follow(creel_future *f, struct creel__follow *follow)
{
	creel__result_clear(f);
	*(struct creel__follow **)result_place(f) = follow;
	f->result_len = CREEL__RESULT_FOLLOW;
}

void creel__result_refer(creel_future *f, creel_future *source)
{
	creel_future *first = creel_future_ref(source_of(source));
	creel__result_clear(f);
	*(creel_future **)result_place(f) = first;
	f->result_len = CREEL__RESULT_OF;
}

struct creel__box *creel__result_box(creel_future *f)
{
	return f->result_len == CREEL__RESULT_BOX ? box_of(f) : NULL;
}

bool creel__result_calls(creel_future *f)
{
	return f->result_len == CREEL__RESULT_BOX && box_of(f)->buffer.free;
}

void creel__result_set_box(creel_future *f, struct creel__box *box)
{
	creel__result_clear(f);
	*(struct creel__box **)result_place(f) = box;
	f->result_len = CREEL__RESULT_BOX;
}

void creel__result_error(creel_future *f, const creel_error *error)
{
	creel__result_clear(f);
	*(const creel_error **)result_place(f) = error;
	f->result_len = CREEL__RESULT_ERROR;
}

struct creel__box *creel__box_new(const creel_future *f, const void *data, size_t size)
{
	if (size > CREEL__SIZE_MAX)
		return NULL;
	const struct creel__result_space *space = creel__self()->results;
	if (space && space->of != f)
		space = NULL;
	struct creel__box *box = creel__malloc_aligned(64, CREEL__BOX_HEAD + (space ? 0 : size));
	if (!box)
		return NULL;
	box->own = !space;
	if (space) {
		box->buffer = (creel_buffer){.size = size, .free = space->free};
		box->buffer.data = space->alloc(size, &box->buffer.ctx);
		if (!box->buffer.data) {
			creel__free(box);
			return NULL;
		}
	} else {
		box->buffer = (creel_buffer){.data = (unsigned char *)box + CREEL__BOX_HEAD,
					     .size = size};
	}
	if (data)
		memcpy(box->buffer.data, data, size);
	return box;
}

void *creel__result_reserve(creel_future *f, size_t size)
{
	struct creel__box *box = creel__box_new(f, NULL, size);
	if (!box)
		return NULL;
	creel__result_set_box(f, box);
	return box->buffer.data;
}

int creel__result_copy(creel_future *f, const void *data, size_t size)
{
	if (!data && size)
		return -EINVAL;
	if (size > CREEL__PAYLOAD - result_offset(f)) {
		struct creel__box *box = creel__box_new(f, data, size);
		if (!box)
			return -ENOMEM;
		creel__result_set_box(f, box);
		return 0;
	}
	unsigned char value[CREEL__PAYLOAD];
	if (f->result_len > CREEL__PAYLOAD) {
		/* What is replaced may be what data points into. */
		if (size)
			memcpy(value, data, size);
		creel__result_clear(f);
		data = value;
	}
	if (size)
		memmove(result_place(f), data, size);
	f->result_len = (uint8_t)size;
	return 0;
}

creel_buffer *creel__result_buffer(creel_future *f)
{
	f = source_of(f);
	return f->result_len == CREEL__RESULT_BOX ? &box_of(f)->buffer : NULL;
}

int creel__result_move(creel_future *f, creel_buffer buffer)
{
	if (buffer.size > CREEL__SIZE_MAX || (!buffer.data && buffer.size))
		return -EINVAL;
	struct creel__box *box = creel__malloc(sizeof *box);
	if (!box)
		return -ENOMEM;
	*box = (struct creel__box){.buffer = buffer};
	creel__result_set_box(f, box);
	return 0;
}

void creel__result_look(creel_future *f, const void **ret_data, size_t *ret_size)
{
	f = source_of(f);
	if (f->result_len == CREEL__RESULT_BOX) {
		*ret_size = box_of(f)->buffer.size;
		*ret_data = *ret_size ? box_of(f)->buffer.data : NULL;
	} else {
		*ret_data = f->result_len ? result_place(f) : NULL;
		*ret_size = f->result_len;
	}
}

static void free_copy(void *data, size_t size, void *ctx)
{
	(void)size;
	(void)ctx;
	creel__free(data);
}

/* The data stays where it is: what is freed is the box around it. */
static void free_box(void *data, size_t size, void *ctx)
{
	(void)data;
	(void)size;
	creel__free(ctx);
}

static int take_copy(creel_future *f, creel_buffer *ret_buffer)
{
	const void *data;
	size_t size;
	creel__result_look(f, &data, &size);
	void *copy = size ? creel__malloc_data(size) : NULL;
	if (!copy && size)
		return -ENOMEM;
	if (copy)
		memcpy(copy, data, size);
	*ret_buffer = (creel_buffer){.data = copy, .size = size, .free = copy ? free_copy : NULL};
	return 0;
}

/* One that was passed on: others may use it as well. */
static int take_passed(creel_future *f, creel_buffer *ret_buffer)
{
	creel_future *source = source_of(f);
	/* [FUT-3] acquire: as in creel_future_take() */
	bool sole = creel__future_is_sole(creel__load(&source->state, acquire));
	int rc = sole ? creel__result_take(source, ret_buffer) : take_copy(source, ret_buffer);
	if (rc == 0)
		creel__result_clear(f);
	return rc;
}

int creel__result_take(creel_future *f, creel_buffer *ret_buffer)
{
	if (f->result_len == CREEL__RESULT_OF)
		return take_passed(f, ret_buffer);
	if (f->result_len == CREEL__RESULT_BOX) {
		struct creel__box *box = box_of(f);
		*ret_buffer = box->buffer;
		if (box->own) {
			ret_buffer->free = free_box;
			ret_buffer->ctx = box;
		} else {
			creel__free(box);
		}
	} else {
		int rc = take_copy(f, ret_buffer);
		if (rc)
			return rc;
	}
	f->result_len = 0;
	return 0;
}
