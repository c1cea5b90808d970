/* SPDX-License-Identifier: MIT */
/* Links, and futures that have an owner: what everything that is composed of futures is made of. */
#include "future/link.h"
#include "future/owned.h"
#include "future/result.h"
#include "base/list.h"
#include "ct.h"

#include <creel/executor.h>
#include <creel/future.h>
#include <creel/promise.h>
#include <errno.h>
#include <string.h>

/* What has been called, in order. */
static char seen[32];

static void see(char c)
{
	size_t n = strlen(seen);
	ct_assert(n + 1 < sizeof seen);
	seen[n] = c;
	seen[n + 1] = 0;
}

struct probe {
	struct creel__link link;
	char name;
	creel_future *next; /* settled when this one is called */
};

static void ended(struct creel__link *link, creel_future *f)
{
	struct probe *p = creel__of(link, struct probe, link);
	ct_assert(creel_future_state(f) != CREEL_FUTURE_PENDING);
	creel_future_unref(f);
	see(p->name);
	if (p->next)
		ct_int(creel_promise_set_result(p->next, NULL, 0), 0);
	see('.');
}

static struct probe probe_of(char name)
{
	return (struct probe){.link = {.ended = ended}, .name = name};
}

static void call_back(creel_future *f, void *arg)
{
	(void)f;
	see(*(const char *)arg);
}

CT_TEST(link, are_called_in_order_before_the_callbacks, 0)
{
	seen[0] = 0;
	creel_future *f = creel_promise_new();
	static char name = 'x';
	struct probe a = probe_of('a'), b = probe_of('b'), c = probe_of('c');
	ct_assert(creel__link_add(f, &a.link));
	ct_int(creel_future_on_done(f, NULL, call_back, &name, NULL, NULL), 0);
	ct_assert(creel__link_add(f, &b.link) && creel__link_add(f, &c.link));
	ct_assert(creel__link_remove(&b.link, NULL));
	ct_int(creel_promise_set_result(f, NULL, 0), 0);
	ct_assert(strcmp(seen, "a.c.x") == 0);
	ct_assert(!creel__link_remove(&a.link, NULL));
	ct_assert(!creel__link_add(f, &b.link));
	creel_future_unref(f);
}

/* One ends what the next hangs on: that one waits until the first has returned. */
CT_TEST(link, never_nest, 0)
{
	seen[0] = 0;
	creel_future *f = creel_promise_new(), *g = creel_promise_new();
	struct probe a = probe_of('a'), b = probe_of('b'), c = probe_of('c');
	a.next = g;
	ct_assert(creel__link_add(f, &a.link) && creel__link_add(f, &b.link));
	ct_assert(creel__link_add(g, &c.link));
	ct_int(creel_promise_set_result(f, NULL, 0), 0);
	ct_assert(strcmp(seen, "a.b.c.") == 0);
	creel_future_unref(f);
	creel_future_unref(g);
}

/* A link keeps no promise: it breaks when its holder goes. */
CT_TEST(link, hear_of_a_promise_that_is_dropped, 0)
{
	seen[0] = 0;
	creel_future *f = creel_promise_new();
	struct probe a = probe_of('a');
	ct_assert(creel__link_add(f, &a.link));
	creel_future_unref(f);
	ct_assert(strcmp(seen, "a.") == 0);
}

CT_TEST(link, give_the_input_to_who_removes_them, 0)
{
	creel_future *f = creel_promise_new(), *input = NULL;
	struct probe a = probe_of('a');
	ct_assert(creel__link_add(f, &a.link));
	ct_assert(creel__link_remove(&a.link, &input));
	ct_assert(input == f);
	creel_future_unref(f);
	ct_int(creel_promise_set_result(input, NULL, 0), 0);
	creel_future_unref(input);
}

/* An owner that keeps nothing. */
struct state {
	enum creel__withdrawn answer;
	int told;
	bool killed;
};

static enum creel__withdrawn withdraw(creel_future *f)
{
	struct state *const *s = creel__owned_state(f);
	return (*s)->answer;
}

static void cancelled(creel_future *f, const struct creel__cancelling *how)
{
	struct state *const *s = creel__owned_state(f);
	(*s)->told++;
	(*s)->killed = how->kill;
}

static const struct creel__owner owner = {
	.what = "the probe", .withdraw = withdraw, .cancelled = cancelled};

static creel_future *owned(struct state *s)
{
	creel_future *f = creel__owned_new(&owner, 2);
	ct_assert(f != NULL);
	memcpy(creel__owned_state(f), &s, sizeof s);
	return f;
}

CT_TEST(owned, are_no_promises, 0)
{
	struct state s = {.answer = CREEL__WITHDRAWN};
	creel_future *f = owned(&s);
	ct_int(creel_promise_set_result(f, NULL, 0), -EINVAL);
	ct_int(creel_promise_drop(f), -EINVAL);
	ct_int(creel_future_state(f), CREEL_FUTURE_PENDING);
	ct_int(creel_future_cancel(f), CREEL_CANCEL_NOW);
	ct_assert(!creel__owned_claim(f));
	ct_int(s.told, 1);
	ct_assert(!s.killed);
	ct_int(creel_future_state(f), CREEL_FUTURE_CANCELLED);
	ct_int(creel_future_error(f)->kind, CREEL_KIND_CANCELLED);
	creel_future_unref(f);
}

CT_TEST(owned, hear_that_they_are_killed, 0)
{
	struct state s = {.answer = CREEL__NOT_THERE};
	creel_future *f = owned(&s);
	ct_int(creel_future_kill(f, 0), CREEL_CANCEL_NOW);
	ct_assert(s.told == 1 && s.killed);
	/* Whoever has it in hand finds that out. */
	ct_assert(!creel__owned_claim(f));
	creel_future_unref(f);
	creel_future_unref(f);
}

CT_TEST(owned, may_be_asked_and_go_on, 0)
{
	struct state s = {.answer = CREEL__STARTED};
	creel_future *f = owned(&s);
	ct_int(creel_future_cancel(f), CREEL_CANCEL_REQUESTED);
	ct_int(creel_future_kill(f, 0), CREEL_CANCEL_REQUESTED);
	ct_assert(s.told == 2 && s.killed);
	ct_int(creel_future_state(f), CREEL_FUTURE_PENDING);
	ct_assert(creel__owned_claim(f));
	creel__owned_finish(f);
	ct_int(creel_future_cancel(f), CREEL_CANCEL_FINAL);
	ct_int(s.told, 2);
	creel_future_unref(f);
}

/* Ends as source did, and returns it. */
static creel_future *pass(creel_future *source)
{
	static struct state s;
	creel_future *f = owned(&s);
	ct_assert(creel__owned_claim(f));
	creel__owned_pass(f, source);
	return f;
}

static int frees;

static void free_data(void *data, size_t size, void *ctx)
{
	(void)data;
	(void)size;
	(void)ctx;
	frees++;
}

/* However often a result is passed on, it is there once. */
CT_TEST(owned, pass_a_result_on, 0)
{
	static char data[100] = "bobbin";
	frees = 0;
	creel_future *p = creel_promise_new();
	ct_int(creel_promise_set_move(
		       p, (creel_buffer){.data = data, .size = sizeof data, .free = free_data}),
	       0);
	creel_future *f = pass(creel_future_ref(p)), *g = pass(f);
	const void *seen_data;
	size_t size;
	ct_int(creel_future_view(g, CREEL_NOW, &seen_data, &size), 0);
	ct_assert(seen_data == data && size == sizeof data);
	/* p has another holder: what is taken is a copy. */
	creel_buffer b;
	ct_int(creel_future_take(g, CREEL_NOW, &b), 0);
	ct_assert(b.data != data && memcmp(b.data, data, sizeof data) == 0);
	b.free(b.data, b.size, b.ctx);
	creel_future_unref(g);
	ct_int(frees, 0);
	g = pass(p);
	ct_int(creel_future_take(g, CREEL_NOW, &b), 0);
	ct_assert(b.data == data);
	b.free(b.data, b.size, b.ctx);
	creel_future_unref(g);
	ct_int(frees, 1);
}

CT_TEST(owned, pass_an_error_on, 0)
{
	creel_future *f = pass(creel_future_failed(CREEL_KIND_EXITED, 3, "it broke"));
	ct_int(creel_future_state(f), CREEL_FUTURE_FINISHED);
	ct_int(creel_future_result(f, CREEL_NOW, NULL, 0), CREEL_EFAILED);
	ct_int(creel_future_error(f)->kind, CREEL_KIND_EXITED);
	creel_future_unref(f);
	creel_future *p = creel_promise_new();
	ct_int(creel_future_cancel(p), CREEL_CANCEL_NOW);
	f = pass(p);
	ct_int(creel_future_state(f), CREEL_FUTURE_CANCELLED);
	ct_int(creel_future_result(f, CREEL_NOW, NULL, 0), -ECANCELED);
	creel_future_unref(f);
}
