/* SPDX-License-Identifier: MIT */
/*
 * Aggregates: all, all_settled, any, race.
 *
 * One mechanism for the four. A group has a link on each input and counts those that may still be
 * told. An input that has ended decides how the aggregate ends, by the rule: at its success, at its
 * failure, at both or never. If none does, the last one decides: all have ended.
 *
 * WHO ENDS IT  The first to set TAKEN: an input, or a canceller (withdraw()). An input then notes
 *         the winner and sets DECIDED; who makes the group sets LINKED when each input has its
 *         link. The later of the two concludes. So nobody takes off links that are not there yet.
 *         A canceller knows the future only after it was made.
 * INPUTS  A link holds no reference, so a promise with no other holder breaks. It gets one when its
 *         input ends, and puts it into its own place of `ended`. Whoever concludes, or the
 *         canceller, removes the links that were not told, and asks those inputs if a flag says so.
 * READ    What failed before a success ends it counts as read. Of `ended` whoever concludes then
 *         looks only at what is marked as failed: others may be writing the rest.
 * GROUP   lives as long as links may be told (one reference each) and the end is not over (one).
 *         Until it is over the payload leads to the group: from a canceller, who has the future
 *         PINNED. If the one who concludes finds that claiming fails, the canceller has the rest to
 *         do; else no canceller ever comes.
 * STACK   Links are told one after the other (future/nest.h), and an aggregate that is cancelled
 *         asks its inputs in that way.
 */
#include <creel/combine.h>
#include "base/alloc.h"
#include "base/list.h"
#include "future/error.h"
#include "future/future.h"
#include "future/link.h"
#include "future/owned.h"
#include "future/result.h"
#include "sync/fork.h"
#include <creel/future.h>
#include <errno.h>

struct rule {
	const char *name;
	bool at_success, at_failure; /* an input that ends so decides */
	bool array;                  /* the value is the array of inputs, perhaps an empty one */
};

static const struct rule all = {.name = "creel_all", .at_failure = true, .array = true};
static const struct rule all_settled = {.name = "creel_all_settled", .array = true};
static const struct rule any = {.name = "creel_any", .at_success = true};
static const struct rule race = {.name = "creel_race", .at_success = true, .at_failure = true};

enum {
	TAKEN = 1,
	DECIDED = 2,
	LINKED = 4,
};

#define NONE SIZE_MAX /* as a winner */

struct group;

struct input {
	struct creel__link link;
	struct group *group;
	_Atomic(bool) failed; /* it has its place in `ended` */
};

struct group {
	const struct rule *rule;
	creel_future *f; /* the owner's reference */
	unsigned flags;
	_Atomic(uint32_t) phase;
	_Atomic(size_t) refs;
	size_t n, winner;             /* winner: NONE if all have ended */
	creel_future **ended;         /* references; [i]: whoever told or removed link i */
	struct creel__box *box;       /* for the array; or NULL */
	struct creel__deferred ask;   /* by a canceller, */
	struct creel__cancelling how; /* in that way */
	struct input inputs[];
};

/* In the payload of the aggregate. The result stands in front. */
struct note {
	void *result[2];
	struct group *group;
	size_t winner;
};

_Static_assert(sizeof(struct note) <= CREEL__PAYLOAD, "a note fits in the block");

static struct note *note_of(creel_future *f)
{
	return creel__owned_state(f);
}

/* Drops k references. */
static void drop(struct group *g, size_t k)
{
	/* [GROUP-1] acq_rel: whoever frees it sees all of `ended`; pairs with itself, and with the
	 * steps in is_last() */
	if (creel__sub(&g->refs, k, acq_rel) != k)
		return;
	for (size_t i = 0; g->ended && i < g->n; i++)
		creel_future_unref(g->ended[i]);
	creel__free(g->ended);
	creel__free(g->box);
	creel__free(g);
}

/* Who holds the array drops the inputs. */
static void free_array(void *data, size_t size, void *ctx)
{
	creel_future **inputs = data;
	(void)ctx;
	for (size_t i = 0; i < size / sizeof *inputs; i++)
		creel_future_unref(inputs[i]);
	creel__free(inputs);
}

static void finish_with_array(struct group *g)
{
	struct creel__box *box = g->box;
	*box = (struct creel__box){
		.buffer = {.data = g->ended, .size = g->n * sizeof *g->ended, .free = free_array}};
	g->box = NULL;
	g->ended = NULL;
	creel__result_set_box(g->f, box);
	creel__owned_finish(g->f);
}

/* The error of an input that has failed counts as read. */
static void read_error(creel_future *input)
{
	if (!(creel__load(&input->state, relaxed) & CREEL__STATIC))
		creel__or(&input->state, CREEL__READ, relaxed);
}

/* The same, and returns it: a reference. */
static const creel_error *error_of(creel_future *input)
{
	read_error(input);
	return creel__error_ref(creel__future_peek_error(input));
}

/* Those that came before a success. */
static void read_failures(struct group *g)
{
	for (size_t i = 0; i < g->n; i++)
		/* [GROUP-3] acquire: pairs with the release in arrived() */
		if (creel__load(&g->inputs[i].failed, acquire))
			read_error(g->ended[i]);
}

/* Who is told of the inputs' errors is told of the new one, if nobody reads that. */
static void set_unhandled(const creel_error *e, const struct group *g)
{
	struct creel__unhandled unhandled = {NULL, NULL};
	for (size_t i = 0; i < g->n && !unhandled.fn; i++)
		unhandled = creel__error_unhandled(creel__future_peek_error(g->ended[i]));
	creel__error_set_unhandled(e, unhandled);
}

/* None has succeeded. The causes go to the array's place, if there is memory for one. */
static const creel_error *errors_of(struct group *g)
{
	const creel_error *e = creel__future_peek_error(g->ended[0]);
	e = creel__error_make(CREEL_KIND_FAILED, CREEL_EFAILED, NULL,
			      "creel_any: none of the %zu inputs succeeded; the first one: %s",
			      g->n, e->message);
	set_unhandled(e, g);
	const creel_error **causes = creel__malloc(g->n * sizeof *causes);
	const creel_error *first = error_of(g->ended[0]);
	if (!causes) {
		creel__error_set_cause(e, first);
		return e;
	}
	causes[0] = first;
	for (size_t i = 1; i < g->n; i++)
		causes[i] = error_of(g->ended[i]);
	creel__error_set_causes(e, causes, g->n);
	creel__free(causes);
	return e;
}

static bool all_cancelled(struct group *g)
{
	for (size_t i = 0; i < g->n; i++)
		if (creel__future_peek_error(g->ended[i])->kind != CREEL_KIND_CANCELLED)
			return false;
	return true;
}

/* The aggregate is the caller's to end, as the winner did, or since all have ended. */
static void finish(struct group *g)
{
	if (g->winner != NONE && !g->rule->at_failure)
		read_failures(g);
	if (g->winner != NONE)
		creel__owned_pass(g->f, creel_future_ref(g->ended[g->winner]));
	else if (g->rule->array)
		finish_with_array(g);
	else if (all_cancelled(g))
		creel__owned_pass(g->f, creel_future_ref(g->ended[0]));
	else
		creel__owned_fail(g->f, errors_of(g));
}

/* Leaves the inputs that have not ended, and asks them, if the flags say so. False: something has
 * forked, and this is the child. */
static bool leave(struct group *g, const struct creel__cancelling *how)
{
	bool kills = g->flags & CREEL_KILL_REST || how->kill;
	int64_t grace_ns = how->kill ? how->grace_ns : CREEL__GRACE_OF_POOL;
	uint16_t here = g->ask.generation;
	size_t left = 0;
	for (size_t i = 0; i < g->n; i++) {
		creel_future **input = g->flags ? &g->ended[i] : NULL;
		if (!creel__link_remove(&g->inputs[i].link, input))
			continue;
		left++;
		if (input)
			(void)(kills ? creel__future_kill(*input, grace_ns)
				     : creel_future_cancel(*input));
		if (creel__fork_foreign(here))
			return false;
	}
	/* [GROUP-1] acq_rel: as in drop(); the end's reference is still there */
	creel__sub(&g->refs, left, acq_rel);
	return true;
}

static void conclude(struct group *g)
{
	static const struct creel__cancelling plainly;
	creel_future *f = g->f;
	if (!creel__owned_claim(f)) {
		creel_future_unref(f);
		return;
	}
	note_of(f)->winner = g->winner;
	if (g->winner != NONE && !leave(g, &plainly))
		return;
	finish(g);
	drop(g, 1);
}

static bool take(struct group *g)
{
	/* Relaxed: what is decided is published by DECIDED. */
	return !(creel__or(&g->phase, TAKEN, relaxed) & TAKEN);
}

static void decide(struct group *g, size_t winner)
{
	if (!take(g))
		return;
	g->winner = winner;
	/* [GROUP-2] acq_rel: publishes the winner, or sees the links; pairs with that in
	 * link_all() */
	if (creel__or(&g->phase, DECIDED, acq_rel) & LINKED)
		conclude(g);
}

/* Whether the caller has the last reference but that of the end. If not, it is dropped. */
static bool is_last(struct group *g)
{
	/* [GROUP-1] acquire: sees what the others have put into `ended` */
	size_t refs = creel__load(&g->refs, acquire);
	while (refs > 2)
		/* [GROUP-1] acq_rel: as in drop(); acquire, for when it fails and we are the
		 * last */
		if (creel__cas(&g->refs, &refs, refs - 1, acq_rel, acquire))
			return false;
	return true;
}

/* Takes over a reference to the input, which has ended, and one to the group. */
static void arrived(struct group *g, size_t i, creel_future *f)
{
	bool success = creel__future_peek(f) == CREEL__FINISHED;
	bool decides = success ? g->rule->at_success : g->rule->at_failure;
	g->ended[i] = f;
	/* [GROUP-3] release: publishes `ended`; pairs with the acquire in read_failures() */
	creel__store(&g->inputs[i].failed, !success, release);
	if (!decides && !is_last(g))
		return;
	decide(g, decides ? i : NONE);
	drop(g, 1);
}

static void ended(struct creel__link *link, creel_future *f)
{
	struct input *input = creel__of(link, struct input, link);
	arrived(input->group, (size_t)(input - input->group->inputs), f);
}

/* By whoever has the aggregate PINNED: so the end is not over, and the group is there. */
static enum creel__withdrawn withdraw(creel_future *f)
{
	return take(note_of(f)->group) ? CREEL__WITHDRAWN : CREEL__NOT_THERE;
}

static void ask(struct creel__deferred *d)
{
	struct group *g = creel__of(d, struct group, ask);
	if (leave(g, &g->how))
		drop(g, 1);
}

static void cancelled(creel_future *f, const struct creel__cancelling *how)
{
	struct group *g = note_of(f)->group;
	g->how = *how;
	creel__callbacks_call(&g->ask);
}

static const struct creel__owner owner = {
	.what = "the aggregate", .withdraw = withdraw, .cancelled = cancelled};
static const struct creel__owner array_owner = {
	.what = "the aggregate", .host_only = true, .withdraw = withdraw, .cancelled = cancelled};

static struct group *group_new(const struct rule *rule, size_t n)
{
	struct group *g = creel__malloc(sizeof *g + n * sizeof g->inputs[0]);
	creel_future **ended_at = creel__malloc(n * sizeof *ended_at);
	struct creel__box *box = rule->array ? creel__malloc(sizeof *box) : NULL;
	if (!g || !ended_at || (rule->array && !box)) {
		creel__free(g);
		creel__free(ended_at);
		creel__free(box);
		return NULL;
	}
	*g = (struct group){.rule = rule, .n = n, .winner = NONE, .ended = ended_at, .box = box};
	creel__store(&g->phase, 0, relaxed);
	creel__store(&g->refs, n + 1, relaxed);
	for (size_t i = 0; i < n; i++)
		ended_at[i] = NULL;
	return g;
}

/* The group may be gone when this returns. */
static void link_all(struct group *g, creel_future *const *inputs)
{
	for (size_t i = 0, n = g->n; i < n; i++) {
		g->inputs[i].group = g;
		creel__store(&g->inputs[i].failed, false, relaxed);
		g->inputs[i].link.ended = ended;
		if (!creel__link_add(inputs[i], &g->inputs[i].link))
			arrived(g, i, creel_future_ref(inputs[i]));
	}
	/* [GROUP-2] acq_rel: publishes the links, or sees the winner; pairs with that in
	 * decide() */
	if (creel__or(&g->phase, LINKED, acq_rel) & DECIDED)
		conclude(g);
}

static const creel_error *reject(int code, const char *name, const char *what, size_t value)
{
	return creel__error_make(CREEL_KIND_REJECTED, code, NULL, "%s: %s%zu", name, what, value);
}

/* NULL: it can be made. */
static const creel_error *check(const struct rule *rule, creel_future *const *inputs, size_t n,
				unsigned flags)
{
	if (flags & ~(unsigned)(CREEL_CANCEL_REST | CREEL_KILL_REST))
		return creel__error_make(CREEL_KIND_REJECTED, -EINVAL, NULL,
					 "%s: flags is 0x%x; use CREEL_CANCEL_REST, "
					 "CREEL_KILL_REST or 0",
					 rule->name, flags);
	if (n == 0 && !rule->array)
		return reject(-EINVAL, rule->name, "no input can end it: n is ", n);
	if (n && !inputs)
		return reject(-EINVAL, rule->name, "inputs is NULL, and n is ", n);
	if (n > CREEL__SIZE_MAX / sizeof(struct input) - 1)
		return reject(-EINVAL, rule->name, "no array is so large: n is ", n);
	for (size_t i = 0; i < n; i++) {
		if (!inputs[i])
			return reject(-EINVAL, rule->name, "NULL is the input with the index ", i);
		if (creel__future_foreign(inputs[i]))
			return reject(-EPERM, rule->name,
				      "this is a forked child, and the parent's is the input with "
				      "the index ",
				      i);
	}
	return NULL;
}

static creel_future *combine(const struct rule *rule, creel_future *const *inputs, size_t n,
			     unsigned flags)
{
	const creel_error *wrong = check(rule, inputs, n, flags);
	if (wrong)
		return creel__future_failed(wrong);
	if (n == 0)
		return creel_future_of(NULL, 0);
	struct group *g = group_new(rule, n);
	creel_future *f = g ? creel__owned_new(rule->array ? &array_owner : &owner, 2) : NULL;
	if (!f) {
		if (g)
			drop(g, n + 1);
		return creel__future_failed(creel__error_static(CREEL_KIND_NO_MEMORY));
	}
	*note_of(f) = (struct note){.group = g, .winner = NONE};
	g->f = f;
	g->flags = flags;
	g->ask = (struct creel__deferred){.run = ask, .generation = f->generation};
	link_all(g, inputs);
	return f;
}

creel_future *creel_all(creel_future *const *inputs, size_t n, unsigned flags)
{
	return combine(&all, inputs, n, flags);
}

creel_future *creel_all_settled(creel_future *const *inputs, size_t n, unsigned flags)
{
	return combine(&all_settled, inputs, n, flags);
}

creel_future *creel_any(creel_future *const *inputs, size_t n, unsigned flags)
{
	return combine(&any, inputs, n, flags);
}

creel_future *creel_race(creel_future *const *inputs, size_t n, unsigned flags)
{
	return combine(&race, inputs, n, flags);
}

int64_t creel_race_index(creel_future *f)
{
	if (!f)
		return -EINVAL;
	if (creel__future_foreign(f))
		return -EPERM;
	/* The executor is NULL of what has an owner from birth to the end. */
	if (!(creel__load(&f->state, relaxed) & CREEL__OWNED) || f->executor ||
	    (f->owner != &owner && f->owner != &array_owner))
		return -EINVAL;
	if (!creel__future_is_final(f))
		return -EAGAIN;
	return note_of(f)->winner == NONE ? -ENOENT : (int64_t)note_of(f)->winner;
}
