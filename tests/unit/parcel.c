/* SPDX-License-Identifier: MIT */
/* Parcels: what arrives of an outcome, and of nonsense. */
#include "exec/parcel.h"
#include "future/error.h"
#include "future/future.h"
#include "ct.h"

#include <creel/future.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Its data is for free(). */
static struct creel__parcel pack(creel_future *f)
{
	struct creel__parcel p = creel__parcel_of(f);
	void *to = malloc(p.size);
	ct_assert(to);
	memset(to, 0xa5, p.size);
	creel__parcel_pack(&p, to, f);
	return p;
}

static void done(const struct creel__parcel *p)
{
	free((void *)(uintptr_t)p->data);
}

CT_TEST(parcel, a_result_stays_in_the_parcel, 0)
{
	size_t n;
	const void *data;
	creel_future *f = creel_future_of("some bytes", 10);
	struct creel__parcel p = pack(f);
	creel_future *g = creel__parcel_open(&p);
	ct_int(creel_future_view(g, CREEL_NOW, &data, &n), 0);
	ct_int(n, 10);
	ct_assert(data == p.data && memcmp(data, "some bytes", 10) == 0);
	creel__parcel_close(g);
	creel_future_unref(f);
	done(&p);
}

/* An error with causes to this depth, each beneath one. */
static const creel_error *chain(unsigned depth)
{
	const creel_error *e = NULL;
	for (unsigned i = 0; i < depth; i++) {
		const creel_error *next = creel__error_make(CREEL_KIND_FAILED, -EIO, "name",
							    "number %u", i);
		creel__error_set_cause(next, e);
		e = next;
	}
	return e;
}

/* The parcel of a future that failed so, opened. */
static creel_future *opened(const creel_error *e, struct creel__parcel *ret_parcel)
{
	creel_future *f = creel__future_failed(e);
	*ret_parcel = pack(f);
	creel_future_unref(f);
	return creel__parcel_open(ret_parcel);
}

CT_TEST(parcel, causes_arrive_to_a_depth_of_four, 0)
{
	struct creel__parcel p;
	creel_future *g = opened(chain(9), &p);
	const creel_error *e = creel_future_error(g);
	for (int i = 8; i >= 4; i--) {
		char text[20];
		snprintf(text, sizeof text, "number %d", i);
		ct_text(e->message, text);
		ct_text(e->task, "name");
		ct_int(e->err, EIO);
		e = creel_error_cause(e, 0);
	}
	ct_text(e->message, "and 1 more");
	ct_assert(!creel_error_cause(e, 0));
	creel__parcel_close(g);
	done(&p);
}

CT_TEST(parcel, all_causes_arrive_as_far_as_there_is_room, 0)
{
	enum { N = 40 };
	static char text[4000];
	const creel_error *causes[N];
	struct creel__parcel p;
	memset(text, 'x', sizeof text - 1);
	for (int i = 0; i < N; i++)
		causes[i] = creel__error_make(CREEL_KIND_EXITED, i + 1, NULL, "%s", text);
	const creel_error *e = creel__error_make(CREEL_KIND_FAILED, -EIO, NULL, "all");
	creel__error_set_death(e, 77, 9, 3);
	creel__error_set_causes(e, causes, N);
	creel_future *g = opened(e, &p);
	e = creel_future_error(g);
	ct_int(e->pid, 77);
	ct_int(e->signal, 9);
	ct_int(e->exit_status, 3);
	size_t n = 0;
	const creel_error *last = NULL;
	for (const creel_error *c; (c = creel_error_cause(e, n)); n++)
		last = c;
	ct_assert(n > 10 && n < N);
	ct_int(creel_error_cause(e, n - 2)->code, n - 1);
	snprintf(text, sizeof text, "and %zu more", N - (n - 1));
	ct_text(last->message, text);
	ct_assert(p.size < 80000);
	creel__parcel_close(g);
	done(&p);
}

/* The error itself arrives, whatever its size, and so do small causes of it. */
CT_TEST(parcel, a_cause_that_is_too_large_is_left_out, 0)
{
	static char big[100 * 1000];
	const struct creel__error_parts parts = {.kind = CREEL_KIND_FAILED,
						 .code = -EIO,
						 .task = "",
						 .data = big,
						 .size = sizeof big};
	const creel_error *causes[] = {
		creel__error_make(CREEL_KIND_FAILED, -EIO, NULL, "small"),
		creel__error_compose(&parts, "big"),
		creel__error_make(CREEL_KIND_FAILED, -EIO, NULL, "small too"),
	};
	struct creel__parcel p;
	const creel_error *e = creel__error_compose(&parts, "all");
	creel__error_set_causes(e, causes, 3);
	creel_future *g = opened(e, &p);
	e = creel_future_error(g);
	ct_int(e->size, sizeof big);
	ct_text(creel_error_cause(e, 0)->message, "small");
	ct_text(creel_error_cause(e, 1)->message, "small too");
	ct_text(creel_error_cause(e, 2)->message, "and 1 more");
	ct_assert(!creel_error_cause(e, 3));
	ct_assert(p.size < sizeof big + 10000);
	creel__parcel_close(g);
	done(&p);
}

/* Whatever another task has written there: an error, and nothing outside is read. */
CT_TEST(parcel, nonsense_is_an_error, 0)
{
	struct creel__parcel p;
	creel__parcel_close(opened(chain(3), &p));
	size_t size = p.size;
	unsigned char *sound = malloc(size), *data = (unsigned char *)(uintptr_t)p.data;
	ct_assert(sound);
	memcpy(sound, data, size);
	for (size_t i = 0; i < size; i++)
		for (int bit = 0; bit < 8; bit += 7) {
			memcpy(data, sound, size);
			data[i] ^= (unsigned char)(1 << bit);
			creel_future *g = creel__parcel_open(&p);
			ct_assert(creel_future_error(g)->message[0] || data[i] == 0);
			creel__parcel_close(g);
		}
	for (size_t i = 0; i < size; i++) {
		p.size = i;
		creel__parcel_close(creel__parcel_open(&p));
	}
	free(sound);
	done(&p);
}
