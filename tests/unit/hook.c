/* SPDX-License-Identifier: MIT */
/* The list of hooks on a future, and the lock in its word. */
#include "future/hook.h"
#include "ct.h"

#include <creel/future.h>
#include <creel/promise.h>
#include <pthread.h>
#include <string.h>

enum { HOOKS = 4 };

struct probe {
	struct creel__hook hook;
	unsigned told;
	creel_future *by;
};

static void notify(struct creel__hook *hook, creel_future *f)
{
	struct probe *p = (struct probe *)hook;
	p->told++;
	p->by = f;
	/* It has been taken out before it is told. */
	ct_assert(hook->next == NULL && hook->prev == NULL);
}

static creel_future *new_promise(void)
{
	creel_future *f = creel_promise_new();
	ct_int(creel_future_state(f), CREEL_FUTURE_PENDING);
	return f;
}

/* That the hooks of f are told in this order, which is from the last to the first; numbers end
 * with -1. */
static void holds(creel_future *f, struct probe *probes, const int *numbers)
{
	creel__hooks_lock(f);
	struct creel__hook *i = creel__hooks_last_locked(f);
	for (; *numbers >= 0; numbers++, i = creel__hooks_before_locked(f, i))
		ct_assert(i == &probes[*numbers].hook);
	ct_assert(i == NULL);
	creel__hooks_unlock(f);
}

static void append_all(creel_future *f, struct probe *probes)
{
	for (int i = 0; i < HOOKS; i++) {
		probes[i] = (struct probe){.hook = {.notify = notify}};
		ct_assert(creel__hooks_listen(f, &probes[i].hook));
	}
}

CT_TEST(hook, keeps_the_order_of_listening, 0)
{
	struct probe probes[HOOKS];
	creel_future *f = new_promise();
	holds(f, probes, (int[]){-1});
	append_all(f, probes);
	holds(f, probes, (int[]){0, 1, 2, 3, -1});
	for (int i = 0; i < HOOKS; i++)
		ct_assert(creel__hooks_leave(f, &probes[i].hook));
	holds(f, probes, (int[]){-1});
	creel_promise_set_result(f, NULL, 0);
	creel_future_unref(f);
}

CT_TEST(hook, any_of_them_may_leave, 0)
{
	struct probe probes[HOOKS];
	creel_future *f = new_promise();
	append_all(f, probes);
	ct_assert(creel__hooks_leave(f, &probes[1].hook));
	holds(f, probes, (int[]){0, 2, 3, -1});
	ct_assert(creel__hooks_leave(f, &probes[3].hook));
	holds(f, probes, (int[]){0, 2, -1});
	ct_assert(creel__hooks_leave(f, &probes[0].hook));
	holds(f, probes, (int[]){2, -1});
	ct_assert(!creel__hooks_leave(f, &probes[0].hook));
	ct_assert(creel__hooks_listen(f, &probes[0].hook));
	holds(f, probes, (int[]){2, 0, -1});
	creel_promise_set_result(f, NULL, 0);
	ct_int(probes[0].told, 1);
	ct_int(probes[1].told, 0);
	ct_int(probes[2].told, 1);
	ct_int(probes[3].told, 0);
	creel_future_unref(f);
}

CT_TEST(hook, each_is_told_once_and_is_out_then, 0)
{
	struct probe probes[HOOKS];
	creel_future *f = new_promise();
	append_all(f, probes);
	creel_promise_set_result(f, "x", 1);
	for (int i = 0; i < HOOKS; i++) {
		ct_int(probes[i].told, 1);
		ct_assert(probes[i].by == f);
		ct_assert(!creel__hooks_leave(f, &probes[i].hook));
	}
	holds(f, probes, (int[]){-1});
	creel_future_unref(f);
}

CT_TEST(hook, nobody_listens_to_a_final_future, 0)
{
	struct probe late = {.hook = {.notify = notify}};
	creel_future *f = new_promise();
	creel_future_cancel(f);
	ct_assert(!creel__hooks_listen(f, &late.hook));
	ct_int(late.told, 0);
	holds(f, &late, (int[]){-1});
	creel_future_unref(f);
}

CT_TEST(hook, options_stand_behind_the_block, 0)
{
	struct probe probe = {.hook = {.notify = notify}};
	creel_future *f = new_promise();
	uint16_t generation = f->generation;
	ct_assert(creel__options_of(f) == NULL);
	creel_future_unref(f);
	f = creel__block_new_wide(CREEL__REF | CREEL__PROMISE, sizeof(struct creel__options) + 5);
	ct_assert(f != NULL);
	f->fn = NULL;
	f->executor = NULL;
	f->generation = generation;
	creel__options_init(f, sizeof(struct creel__options) + 5);
	struct creel__options *o = creel__options_of(f);
	memcpy(o->name, "name", 5);
	ct_assert(creel__hooks_listen(f, &probe.hook));
	ct_assert(creel__options_of(f) == o);
	creel_promise_set_result(f, NULL, 0);
	ct_int(probe.told, 1);
	ct_text(creel__options_of(f)->name, "name");
	creel_future_unref(f);
}

static creel_future *contended;
static unsigned long inside; /* guarded by the hooks' lock; plain on purpose */

static void *come_and_go(void *arg)
{
	struct probe probe = {.hook = {.notify = notify}};
	unsigned n = ct_scaled(5000);
	for (unsigned i = 0; i < n; i++) {
		ct_assert(creel__hooks_listen(contended, &probe.hook));
		creel__hooks_lock(contended);
		inside++;
		creel__hooks_unlock(contended);
		ct_assert(creel__hooks_leave(contended, &probe.hook));
	}
	return arg;
}

CT_TEST(hook, the_lock_holds_under_contention, 0)
{
	pthread_t threads[4];
	contended = new_promise();
	for (int i = 0; i < 4; i++)
		ct_int(pthread_create(&threads[i], NULL, come_and_go, NULL), 0);
	for (int i = 0; i < 4; i++)
		ct_int(pthread_join(threads[i], NULL), 0);
	ct_int(inside, 4ul * ct_scaled(5000));
	holds(contended, NULL, (int[]){-1});
	ct_int(atomic_load(&contended->hooks), 0);
	creel_promise_set_result(contended, NULL, 0);
	creel_future_unref(contended);
}

static void *listen_and_leave(void *arg)
{
	struct probe *p = arg;
	bool listening = creel__hooks_listen(contended, &p->hook);
	bool left = listening && creel__hooks_leave(contended, &p->hook);
	/* Told exactly if it listened and did not get out in time;
	 * and then the teller is through. */
	ct_int(p->told, listening && !left);
	return NULL;
}

CT_TEST(hook, who_leaves_was_told_or_never_will_be, 0)
{
	unsigned n = ct_scaled(300);
	for (unsigned i = 0; i < n; i++) {
		struct probe probe = {.hook = {.notify = notify}};
		pthread_t thread;
		contended = new_promise();
		ct_int(pthread_create(&thread, NULL, listen_and_leave, &probe), 0);
		creel_promise_set_result(contended, NULL, 0);
		ct_int(pthread_join(thread, NULL), 0);
		creel_future_unref(contended);
	}
}
