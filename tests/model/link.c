/* SPDX-License-Identifier: MIT */
/* Links that are removed while their input ends and its last holder goes. */
#include "model.h"
#include "future/link.h"
#include "future/owned.h"
#include "future/result.h"
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

/* With another one on the same input. */
static void removed_beside_another(void)
{
	struct creel__link link, second = {.ended = ended};
	add(&link);
	model_check(creel__link_add(promise, &second));
	int other = model_spawn(settle, NULL);
	bool mine = creel__link_remove(&link, NULL);
	model_join(other);
	model_check(calls == 1 + !mine);
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

static void finish(void *arg)
{
	(void)arg;
	data = 7;
	model_check(creel__owned_claim(promise));
	model_check(creel__result_copy(promise, &data, sizeof data) == 0);
	creel__owned_finish(promise);
}

/* The last user goes while the links are told: they get the result all the same. */
static void dropped_as_it_ends(void)
{
	static const struct creel__owner owner = {.what = "the test"};
	struct creel__link link = {.ended = ended};
	data = calls = 0;
	promise = creel__owned_new(&owner, 2);
	model_check(creel__link_add(promise, &link));
	int other = model_spawn(finish, NULL);
	creel_future_unref(promise);
	model_join(other);
	model_check(calls == 1);
}

static void never(creel_future *f, void *arg)
{
	(void)f;
	(void)arg;
	model_check(false);
}

/* The same with a callback that was taken back. */
static void dropped_without_its_callback(void)
{
	static const struct creel__owner owner = {.what = "the test"};
	struct creel__link link = {.ended = ended};
	uint64_t id;
	data = calls = 0;
	promise = creel__owned_new(&owner, 2);
	model_check(creel__link_add(promise, &link));
	model_check(creel_future_on_done(promise, NULL, never, NULL, NULL, &id) == 0);
	model_check(creel_future_remove(promise, id) == CREEL_CALLBACK_REMOVED);
	int other = model_spawn(finish, NULL);
	creel_future_unref(promise);
	model_join(other);
	model_check(calls == 1);
}

const struct model_scenario model_scenarios[] = {
	{"removed", removed, .preemptions = 3, .spurious = 1, .stale = 1},
	{"removed beside another", removed_beside_another, .preemptions = 2, .spurious = 1,
	 .stale = 1},
	{"removed with its input", removed_with_its_input, .preemptions = 3, .spurious = 1,
	 .stale = 1},
	{"removed from what is dropped", removed_from_what_is_dropped, .preemptions = 3,
	 .spurious = 1, .stale = 1},
	{"dropped as it ends", dropped_as_it_ends, .preemptions = 3, .stale = 1},
	{"dropped without its callback", dropped_without_its_callback, .preemptions = 3,
	 .stale = 1},
	{0},
};
