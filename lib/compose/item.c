/* SPDX-License-Identifier: MIT */
/* What goes through a channel; see compose/item.h. */
#include "compose/item.h"
#include "base/alloc.h"
#include "base/list.h"
#include "sync/fork.h"
#include <errno.h>
#include <string.h>

static void in_parcel(struct creel__item *item, struct creel__parcel *parcel)
{
	item->parcel = parcel;
	item->length = CREEL__ITEM_PARCEL;
}

int creel__item_copy(struct creel__item *item, const void *data, size_t size)
{
	if (size <= CREEL__ITEM_INLINE) {
		if (size)
			memcpy(item->bytes, data, size);
		item->length = (uint8_t)size;
		return 0;
	}
	struct creel__box *box = creel__box_new(NULL, data, size);
	if (!box)
		return -ENOMEM;
	in_parcel(item, creel__of(box, struct creel__parcel, box));
	return 0;
}

int creel__item_move(struct creel__item *item, creel_buffer buffer)
{
	struct creel__parcel *parcel = creel__malloc(sizeof *parcel);
	if (!parcel)
		return -ENOMEM;
	parcel->box = (struct creel__box){.buffer = buffer};
	in_parcel(item, parcel);
	return 0;
}

int creel__item_pack(struct creel__item *item)
{
	struct creel__box *box = creel__box_new(NULL, item->bytes, item->length);
	if (!box)
		return -ENOMEM;
	in_parcel(item, creel__of(box, struct creel__parcel, box));
	return 0;
}

size_t creel__item_size(const struct creel__item *item)
{
	return item->length == CREEL__ITEM_PARCEL ? item->parcel->box.buffer.size : item->length;
}

static void drop_parcel(struct creel__deferred *d)
{
	struct creel__parcel *parcel = creel__of(d, struct creel__parcel, deferred);
	creel__box_free(&parcel->box, d->generation);
}

void creel__item_drop(struct creel__item *item)
{
	if (item->length != CREEL__ITEM_PARCEL)
		return;
	struct creel__parcel *parcel = item->parcel;
	if (!parcel->box.buffer.free) {
		creel__free(parcel);
		return;
	}
	parcel->deferred.run = drop_parcel;
	parcel->deferred.generation = creel__fork_generation();
	creel__callbacks_call(&parcel->deferred);
}

void creel__item_unmake(struct creel__item *item)
{
	if (item->length == CREEL__ITEM_PARCEL)
		creel__free(item->parcel);
}

void creel__buffer_drop(creel_buffer buffer)
{
	uint16_t generation = creel__fork_generation();
	struct creel__item item;
	if (!buffer.free)
		return;
	if (creel__callbacks_nest(creel__self()) && creel__item_move(&item, buffer) == 0) {
		creel__item_drop(&item);
		return;
	}
	creel__destructors_enter();
	(void)creel__user_call(generation, buffer.free(buffer.data, buffer.size, buffer.ctx), 0);
	creel__destructors_leave();
}

void creel__item_settle(struct creel__item *item, creel_future *f)
{
	if (item->length == CREEL__ITEM_PARCEL)
		creel__result_set_box(f, &item->parcel->box);
	else
		(void)creel__result_copy(f, item->bytes, item->length);
}

void creel__item_read(struct creel__item *item, void *ret)
{
	if (item->length != CREEL__ITEM_PARCEL) {
		if (item->length)
			memcpy(ret, item->bytes, item->length);
		return;
	}
	const creel_buffer *buffer = &item->parcel->box.buffer;
	if (buffer->size)
		memcpy(ret, buffer->data, buffer->size);
	creel__item_drop(item);
}

static void free_spare(void *data, size_t size, void *ctx)
{
	(void)size;
	(void)ctx;
	creel__free(data);
}

/* The data stands behind the parcel. */
static void free_parcel(void *data, size_t size, void *ctx)
{
	(void)data;
	(void)size;
	creel__free(ctx);
}

void creel__item_take(struct creel__item *item, void *spare, creel_buffer *ret_buffer)
{
	if (item->length == CREEL__ITEM_PARCEL) {
		struct creel__parcel *parcel = item->parcel;
		*ret_buffer = parcel->box.buffer;
		if (parcel->box.own) {
			ret_buffer->free = free_parcel;
			ret_buffer->ctx = parcel;
		} else {
			creel__free(parcel);
		}
	} else if (item->length) {
		memcpy(spare, item->bytes, item->length);
		*ret_buffer = (creel_buffer){
			.data = spare, .size = item->length, .free = free_spare};
		return;
	} else {
		*ret_buffer = (creel_buffer){0};
	}
	creel__free(spare);
}
