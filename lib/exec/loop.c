/* SPDX-License-Identifier: MIT */
/* Loops: taking pieces of the range, and running them. See exec/loop.h. */
#include "exec/loop.h"
#include "base/clock.h"
#include "sync/local.h"
#include <errno.h>

enum {
	LEAST_NS = 10000, /* a piece should last longer than this */
	MOST_NS = 40000,  /* and not longer than this */
	ALONE_NS = 5000,  /* how long the caller runs alone */
};

void creel__loop_stop(struct creel__loop *l, int code)
{
	int none = 0;
	creel__cas(&l->stop, &none, code, relaxed, relaxed);
}

/* In units of the grain: how many to take of those that are left. */
static size_t share(const struct creel__loop *l, size_t left, size_t want)
{
	size_t most = left / (2 * (size_t)l->width), least = want / 4;
	if (most < least)
		most = least;
	if (most == 0)
		most = 1;
	return want < most ? want : most;
}

/* The next piece; false if there is none. */
static bool take_piece(struct creel__loop *l, size_t want, size_t *ret_begin, size_t *ret_end)
{
	size_t at = creel__load(&l->next, relaxed), end;
	size_t grain = l->grain ? l->grain : 1;
	do {
		if (at >= l->n)
			return false;
		size_t left = l->n - at, units = share(l, left / grain + (left % grain != 0), want);
		end = units > left / grain ? l->n : at + units * grain;
	} while (!creel__cas(&l->next, &at, end, relaxed, relaxed));
	*ret_begin = at;
	*ret_end = end;
	return true;
}

/* One call of the body. False: it has forked, and this is the child. */
static bool call(struct creel__loop *l, struct creel__strand *s, size_t begin, size_t end)
{
	struct creel__local *local = s->local;
	uintptr_t forked = local->forked;
	int code = 0;
	if (!creel__user_call(
		    l->generation,
		    code = l->body(&s->task, l->begin + begin, l->begin + end, l->context), code))
		return false;
	if (local->forked != forked && creel__jobs_join(local, forked) && code == 0)
		code = CREEL_EFAILED;
	if (code)
		creel__loop_stop(l, code);
	return true;
}

static bool is_stopped(struct creel__loop *l)
{
	return creel__load(&l->stop, relaxed);
}

static bool run_piece(struct creel__loop *l, struct creel__strand *s, size_t begin, size_t end)
{
	while (begin < end && !is_stopped(l)) {
		size_t until = l->grain && l->grain < end - begin ? begin + l->grain : end;
		if (!call(l, s, begin, until))
			return false;
		begin = until;
	}
	return true;
}

/* Whoever asked the task that called to stop means its loop, and the loops within. */
static void look_for_cancel(struct creel__loop *l)
{
	if ((l->root && creel__load(&l->root->state, relaxed) & CREEL__ASKED) ||
	    (l->outer && creel__strand_was_asked(l->outer)))
		creel__loop_stop(l, -ECANCELED);
}

void creel__loop_strand_init(struct creel__loop *l, struct creel__strand *s, creel_executor *ex)
{
	creel__strand_init(s, ex, l->root);
	s->outer = l->outer;
	s->stop = &l->stop;
}

static size_t adapt(size_t want, int64_t ns)
{
	if (ns > MOST_NS)
		return want > 1 ? want / 2 : 1;
	if (ns > LEAST_NS || want > SIZE_MAX / 4)
		return want;
	return ns > LEAST_NS / 4 ? want * 2 : want * 4;
}

static bool take_pieces(struct creel__loop *l, struct creel__strand *s,
			void (*alone)(struct creel__loop *l))
{
	size_t want = 1, begin, end;
	int64_t start = creel__now(), last = start;
	look_for_cancel(l);
	while (!is_stopped(l) && take_piece(l, want, &begin, &end)) {
		if (!run_piece(l, s, begin, end))
			return false;
		int64_t now = creel__now();
		want = adapt(want, now - last);
		look_for_cancel(l);
		if (l->deadline.ns && now >= l->deadline.ns &&
		    creel__load(&l->next, relaxed) < l->n)
			creel__loop_stop(l, -ETIMEDOUT);
		if (alone && now - start > ALONE_NS) {
			alone(l);
			alone = NULL;
			now = creel__now();
		}
		last = now;
	}
	return true;
}

bool creel__loop_work(struct creel__loop *l, struct creel__strand *s,
		      void (*alone)(struct creel__loop *l))
{
	creel__strand_enter(s);
	bool stayed = take_pieces(l, s, alone);
	creel__strand_leave(s);
	return stayed;
}
