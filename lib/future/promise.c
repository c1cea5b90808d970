/* SPDX-License-Identifier: MIT */
/*
 * Promises: futures without an executor. Whoever settles one first claims it (SETTLING), so that of
 * several only one writes the result; everything that can fail is done before.
 */
#include "base/alloc.h"
#include "future/future.h"
#include "future/result.h"
#include "sync/fork.h"
#include <creel/future.h>
#include <creel/promise.h>
#include <errno.h>

creel_future *creel_promise_new(void)
{
	creel_future *f = creel__block_new(CREEL__REF | CREEL__PROMISE);
	if (!f)
		return creel__future_failed(creel__error_static(CREEL_KIND_NO_MEMORY));
	f->fn = NULL;
	f->executor = NULL;
	f->generation = creel__fork_generation();
	return f;
}

static int check(creel_future *p)
{
	if (!p)
		return -EINVAL;
	if (creel__fork_foreign(p->generation))
		return -EPERM;
	uint64_t s = creel__load(&p->state, relaxed);
	/* What creel_promise_new() gave for want of memory is a promise that has been settled. */
	if (!(s & CREEL__PROMISE))
		return !p->executor && !(s & CREEL__OWNED) && (s & CREEL__STATE) == CREEL__FAILED
			       ? -EALREADY
			       : -EINVAL;
	return 0;
}

/* Moves it to state from PENDING, or from PENDING and RUNNING. */
static int move(creel_future *p, unsigned to)
{
	int rc = check(p);
	if (rc)
		return rc;
	uint64_t s = creel__load(&p->state, relaxed);
	for (;;) {
		unsigned now = s & CREEL__STATE;
		if (now == CREEL__CANCELLED || now == CREEL__DROPPING || now == CREEL__PINNED)
			return -ECANCELED;
		if (now >= to)
			return -EALREADY;
		/* [PROM-1] acq_rel: who settles it sees what was done before it was started; pairs
		 * with itself: release of the start, acquire of the settling */
		if (creel__cas(&p->state, &s, (s & ~(uint64_t)CREEL__STATE) | to, acq_rel, relaxed))
			return 0;
	}
}

int creel_promise_start(creel_future *promise)
{
	return move(promise, CREEL__RUNNING);
}

bool creel_promise_cancelled(creel_future *promise)
{
	if (!promise || creel__fork_foreign(promise->generation))
		return false;
	uint64_t s = creel__load(&promise->state, relaxed);
	unsigned state = s & CREEL__STATE;
	return s & CREEL__ASKED || state == CREEL__PINNED || state == CREEL__DROPPING ||
	       state == CREEL__CANCELLED;
}

/* The settling call borrows the caller's reference: the callbacks may drop it. */
static void settle(creel_future *p, unsigned final)
{
	creel_future_ref(p);
	creel__future_settle(p, final, 1);
}

/* Settles it with the box, or frees that. No box: there was no memory. */
static int settle_with(creel_future *p, struct creel__box *box)
{
	int rc = box ? move(p, CREEL__SETTLING) : -ENOMEM;
	if (rc) {
		creel__free(box);
		return rc;
	}
	creel__result_set_box(p, box);
	settle(p, CREEL__FINISHED);
	return 0;
}

int creel_promise_set_result(creel_future *promise, const void *data, size_t size)
{
	if (!data && size)
		return -EINVAL;
	if (size <= CREEL__PAYLOAD) {
		int rc = move(promise, CREEL__SETTLING);
		if (rc)
			return rc;
		(void)creel__result_copy(promise, data, size);
		settle(promise, CREEL__FINISHED);
		return 0;
	}
	return settle_with(promise, creel__box_new(NULL, data, size));
}

int creel_promise_set_move(creel_future *promise, creel_buffer buffer)
{
	if (!buffer.data && buffer.size)
		return -EINVAL;
	struct creel__box *box = creel__malloc(sizeof *box);
	if (box)
		*box = (struct creel__box){.buffer = buffer};
	return settle_with(promise, box);
}

int creel_promise_fail(creel_future *promise, int kind, int code, const void *data, size_t size,
		       const char *format, ...)
{
	if (!creel__kind_is_known(kind) || !format || (!data && size) || size > CREEL__SIZE_MAX)
		return -EINVAL;
	int rc = move(promise, CREEL__SETTLING);
	if (rc)
		return rc;
	const struct creel__error_parts parts = {
		.kind = kind, .code = code ? code : CREEL_EFAILED, .data = data, .size = size};
	va_list args;
	va_start(args, format);
	creel__result_error(promise, creel__error_build(&parts, format, args));
	va_end(args);
	settle(promise, CREEL__FAILED);
	return 0;
}

/* Ends one that nobody else has settled. */
static void break_promise(creel_future *p)
{
	if (move(p, CREEL__SETTLING))
		return;
	creel__result_error(p, creel__error_make(CREEL_KIND_BROKEN, CREEL_EFAILED, NULL,
						 "the promise was dropped before it was settled"));
	settle(p, CREEL__FAILED);
}

int creel_promise_drop(creel_future *promise)
{
	int rc = promise ? check(promise) : 0;
	if (rc == -EINVAL)
		return rc;
	if (promise && rc != -EPERM)
		break_promise(promise);
	creel_future_unref(promise);
	return rc == -EPERM ? rc : 0;
}

creel_future *creel_future_of(const void *data, size_t size)
{
	creel_future *f = creel_promise_new();
	int rc = creel_promise_set_result(f, data, size);
	if (rc == 0 || rc == -EALREADY)
		return f;
	if (rc == -EINVAL)
		creel_promise_fail(f, CREEL_KIND_REJECTED, rc, NULL, 0,
				   "creel_future_of: data is NULL but its size is %zu", size);
	else
		creel_promise_fail(f, CREEL_KIND_NO_MEMORY, rc, NULL, 0,
				   "creel_future_of: no memory for %zu bytes", size);
	return f;
}

creel_future *creel_future_failed(int kind, int code, const char *format, ...)
{
	va_list args;
	va_start(args, format);
	const creel_error *e = creel__error_vmake(
		creel__kind_is_known(kind) ? kind : CREEL_KIND_FAILED, code ? code : CREEL_EFAILED,
		NULL, format ? format : "failed", args);
	va_end(args);
	return creel__future_failed(e);
}
