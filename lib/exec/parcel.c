/* SPDX-License-Identifier: MIT */
/*
 * Parcels; see exec/parcel.h.
 *
 * ERRORS  An error is a record, its message, and at the next multiple of 16 its data; then come its
 *         causes, one after the other, each in the same way. Whoever opens a parcel believes
 *         nothing of that: tasks of other workers can write there.
 */
#include "exec/parcel.h"
#include "base/alloc.h"
#include "future/error.h"
#include "future/future.h"
#include "future/result.h"
#include "sync/fork.h"
#include <stdio.h>
#include <string.h>

enum {
	DEPTH = 4,
	CAUSES = 64 * 1024, /* bytes that they may take: one that would go beyond is left out */
};

struct record {
	int32_t kind, code, signal, exit_status;
	int64_t pid;
	uint64_t size;            /* of the data */
	uint32_t message, causes; /* bytes, with the final 0; how many records follow as causes */
	char task[CREEL__NAME_MAX];
};

static size_t round_up(size_t n)
{
	return (n + 15) & ~(size_t)15;
}

/* Puts an error without its causes to `at`, or (to is NULL) only says where it would end. */
static size_t put_one(unsigned char *to, size_t at, const creel_error *e, uint32_t causes)
{
	size_t n = strlen(e->message) + 1, data = round_up(at + sizeof(struct record) + n);
	if (to) {
		struct record r = {.kind = e->kind,
				   .code = e->code,
				   .signal = e->signal,
				   .exit_status = e->exit_status,
				   .pid = e->pid,
				   .size = e->size,
				   .message = (uint32_t)n,
				   .causes = causes};
		snprintf(r.task, sizeof r.task, "%s", e->task);
		memcpy(to + at, &r, sizeof r);
		memcpy(to + at + sizeof r, e->message, n);
		if (e->size)
			memcpy(to + data, e->data, e->size);
	}
	return round_up(data + e->size);
}

/* Those that are left out, as one. */
static size_t put_rest(unsigned char *to, size_t at, size_t n)
{
	char text[40];
	snprintf(text, sizeof text, "and %zu more", n);
	const creel_error e = {
		.kind = CREEL_KIND_FAILED, .code = CREEL_EFAILED, .task = "", .message = text};
	return put_one(to, at, &e, 0);
}

/* limit: where causes must end. */
static size_t put(unsigned char *to, size_t at, const creel_error *e, unsigned depth, size_t limit)
{
	size_t start = at, n = 0, left = 0;
	uint32_t records = 0;
	at = put_one(NULL, at, e, 0);
	for (const creel_error *cause; (cause = creel_error_cause(e, n)); n++) {
		if (depth == 0 || put_one(NULL, at, cause, 0) > limit) {
			left++;
			continue;
		}
		at = put(to, at, cause, depth - 1, limit);
		records++;
	}
	if (left)
		at = put_rest(to, at, left);
	if (to)
		(void)put_one(to, start, e, records + (left > 0));
	return at;
}

static size_t put_all(unsigned char *to, const creel_error *e)
{
	return put(to, 0, e, DEPTH, put_one(NULL, 0, e, 0) + CAUSES);
}

struct creel__parcel creel__parcel_of(creel_future *f)
{
	const creel_error *e = creel__future_peek_error(f);
	struct creel__parcel parcel = {.what = CREEL__PARCEL_RESULT};
	if (!e)
		creel__result_look(f, &parcel.data, &parcel.size);
	else
		parcel = (struct creel__parcel){.what = CREEL__PARCEL_ERROR,
						.size = put_all(NULL, e)};
	return parcel;
}

void creel__parcel_pack(struct creel__parcel *parcel, void *to, creel_future *f)
{
	if (parcel->what == CREEL__PARCEL_ERROR)
		(void)put_all(to, creel__future_peek_error(f));
	else if (parcel->size)
		memcpy(to, parcel->data, parcel->size);
	parcel->data = to;
}

/* The error at *at, which moves behind it and its causes. NULL: there is none. */
static const creel_error *get(const unsigned char *from, size_t size, size_t *at, unsigned depth)
{
	struct record r;
	if (*at > size || size - *at < sizeof r)
		return NULL;
	memcpy(&r, from + *at, sizeof r);
	size_t text = *at + sizeof r;
	if (r.message == 0 || r.message > size - text)
		return NULL;
	size_t data = round_up(text + r.message);
	if (data > size || r.size > size - data)
		return NULL;
	r.task[sizeof r.task - 1] = 0;
	const struct creel__error_parts parts = {
		.kind = creel__kind_is_known(r.kind) ? r.kind : CREEL_KIND_FAILED,
		.code = r.code,
		.task = r.task,
		.data = r.size ? from + data : NULL,
		.size = (size_t)r.size};
	const creel_error *e = creel__error_copy(&parts, (const char *)from + text, r.message - 1);
	creel__error_set_death(e, r.pid, r.signal, r.exit_status);
	*at = round_up(data + (size_t)r.size);
	/* No more than the rest has room for. */
	size_t most = *at < size ? (size - *at) / sizeof r : 0, n = 0;
	size_t wanted = r.causes < most ? r.causes : most;
	const creel_error **causes = wanted ? creel__malloc(wanted * sizeof *causes) : NULL;
	while (causes && depth && n < wanted && (causes[n] = get(from, size, at, depth - 1)))
		n++;
	creel__error_set_causes(e, causes, n);
	creel__free(causes);
	return e;
}

static const creel_error *error_of(const struct creel__parcel *p)
{
	size_t at = 0;
	const creel_error *e = get(p->data, p->size, &at, DEPTH + 1);
	return e ? e
		 : creel__error_make(CREEL_KIND_FAILED, CREEL_EFAILED, NULL,
				     "another task has overwritten why the input failed");
}

creel_future *creel__parcel_open(const struct creel__parcel *p)
{
	bool failed = p->what == CREEL__PARCEL_ERROR;
	creel_future *f = creel__block_new(CREEL__REF | (failed ? CREEL__FAILED : CREEL__FINISHED));
	if (!f)
		return NULL;
	f->fn = NULL;
	f->executor = NULL;
	f->generation = creel__fork_generation();
	if (failed) {
		creel__result_error(f, error_of(p));
		return f;
	}
	void *data = (void *)(uintptr_t)(p->size ? p->data : NULL);
	if (creel__result_move(f, (creel_buffer){.data = data, .size = p->size}) == 0)
		return f;
	creel__block_free(f);
	return NULL;
}

void creel__parcel_close(creel_future *f)
{
	creel__result_clear(f);
	creel__block_free(f);
}
