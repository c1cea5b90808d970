/* SPDX-License-Identifier: MIT */
/* Links that are removed while their input ends and its last holder goes. */
#include "model.h"
#include "future/link.h"
#include <creel/promise.h>
#include <errno.h>

static creel_future *promise;
static int data, calls;

static void ended(struct creel__link *link, creel_future *f)
{
	(void)link;
	int value = 0;
	model_check(data == 7 && creel_future_result(f, CREEL_NOW, &value, sizeof value) == 0 &&
		    value == 7);
	creel_future_unref(f);
	calls++;
}

static void settle(void *arg)
{
	(void)arg;
	data = 7;
	int rc = creel_promise_set_result(promise, &data, sizeof data);
	model_check(rc == 0 || rc == -ECANCELED);
	creel_future_unref(promise);
}

static void add(struct creel__link *link)
{
	data = calls = 0;
	promise = creel_promise_new();
	*link = (struct creel__link){.ended = ended};
	model_check(creel__link_add(promise, link));
}

static void removed(void)
{
	struct creel__link link;
	add(&link);
	int other = model_spawn(settle, NULL);
	bool mine = creel__link_remove(&link, NULL);
	model_join(other);
	model_check(calls == !mine);
}

/* The remover goes on with the input, perhaps as its last holder. */
static void removed_with_its_input(void)
{
	struct creel__link link;
	creel_future *input = NULL;
	add(&link);
	int other = model_spawn(settle, NULL);
	bool mine = creel__link_remove(&link, &input);
	if (mine) {
		model_check(input == promise);
		(void)creel_future_cancel(input);
		creel_future_unref(input);
	}
	model_join(other);
	model_check(calls == !mine);
}

static void broken(struct creel__link *link, creel_future *f)
{
	(void)link;
	model_check(creel_future_result(f, CREEL_NOW, NULL, 0) == CREEL_EFAILED);
	creel_future_unref(f);
	calls++;
}

static void drop(void *arg)
{
	(void)arg;
	creel_future_unref(promise);
}

/* It breaks: the link alone does not keep it. */
static void removed_from_what_is_dropped(void)
{
	struct creel__link link;
	creel_future *input = NULL;
	add(&link);
	link.ended = broken;
	int other = model_spawn(drop, NULL);
	bool mine = creel__link_remove(&link, &input);
	if (mine)
		creel_future_unref(input);
	model_join(other);
	model_check(calls == !mine);
}

const struct model_scenario model_scenarios[] = {
	{"removed", removed, .preemptions = 3, .spurious = 1, .stale = 1},
	{"removed with its input", removed_with_its_input, .preemptions = 3, .spurious = 1,
	 .stale = 1},
	{"removed from what is dropped", removed_from_what_is_dropped, .preemptions = 3,
	 .spurious = 1, .stale = 1},
	{0},
};
