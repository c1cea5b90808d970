/* SPDX-License-Identifier: MIT */
/* Promise 51, continued: callbacks that fork, and everything at the same moment. */
#include "contract.h"

#include <stdlib.h>
#include <sys/wait.h>

static pid_t child = -1;

static void fork_once(creel_future *f, void *arg)
{
	(void)f;
	(void)arg;
	child = fork();
	if (child == 0)
		alarm(CT_GUARD_MS / 1000);
}

/* What ends the first get calls a callback that forks. The child comes back with -EPERM and has
 * touched nothing; in the parent the others end as ever. */
CORE_CASE(c51_a_callback_that_forks)
{
	for (int how = 0; how < 3; how++) {
		creel_channel *ch = creel_channel_new(NULL);
		creel_future *gets[2] = {creel_channel_get(ch), creel_channel_get(ch)};
		long item = 3;
		ct_int(creel_future_on_done(gets[0], NULL, fork_once, NULL, NULL, NULL), 0);
		int rc = how == 0   ? creel_channel_try_put(ch, &item, sizeof item)
			 : how == 1 ? creel_channel_close(ch, NULL)
				    : creel_channel_cancel(ch);
		if (child == 0)
			_exit(rc == -EPERM ? 0 : 1);
		ct_int(rc, 0);
		int status = -1;
		ct_int(waitpid(child, &status, 0), child);
		ct_int(status, 0);
		if (how == 0)
			ct_int(creel_channel_close(ch, NULL), 0);
		ct_int(ct_outcome(gets[1]), CREEL_EFAILED);
		creel_future_unref(gets[0]);
		creel_future_unref(gets[1]);
		creel_channel_unref(ch);
	}
}

enum { PRODUCERS = 2, CONSUMERS = 2, EACH = 40 };

struct storm {
	creel_channel *ch;
	struct ct_count *go;
	struct ct_count freed[PRODUCERS * EACH];
	struct ct_count got[PRODUCERS * EACH];
	_Atomic unsigned next;
	unsigned seed;
};

struct storm_item {
	struct storm *storm;
	int number;
};

static void free_item(void *data, size_t size, void *ctx)
{
	struct storm_item *item = data;
	(void)size;
	(void)ctx;
	ct_count_add(&item->storm->freed[item->number], 1);
	free(item);
}

static void read_item(struct storm *s, const struct storm_item *item)
{
	ct_assert(item->storm == s);
	ct_int(ct_count_add(&s->got[item->number], 1), 1);
}

static unsigned turn(unsigned *seed, unsigned n)
{
	*seed = *seed * 1103515245 + 12345;
	return *seed / 65536 % n;
}

static void *put_storm(void *arg)
{
	struct storm *s = arg;
	unsigned me = atomic_fetch_add(&s->next, 1), seed = s->seed + me;
	ct_pass(s->go);
	for (int i = 0; i < EACH; i++) {
		struct storm_item *item = malloc(sizeof *item);
		*item = (struct storm_item){s, (int)me * EACH + i};
		creel_buffer b = {item, sizeof *item, free_item, NULL};
		if (turn(&seed, 3) == 0) {
			if (creel_channel_put_move_by(s->ch, b, creel_in_ns(turn(&seed, 50000))))
				free_item(item, 0, NULL);
			continue;
		}
		creel_future *put = creel_channel_put_move(s->ch, b);
		if (turn(&seed, 2))
			creel_future_cancel(put);
		creel_future_unref(put);
	}
	return NULL;
}

static void *get_storm(void *arg)
{
	struct storm *s = arg;
	unsigned seed = s->seed + 77 + atomic_fetch_add(&s->next, 1);
	ct_pass(s->go);
	for (int i = 0; i < EACH; i++) {
		if (turn(&seed, 3) == 0) {
			creel_buffer b;
			if (creel_channel_take_by(s->ch, creel_in_ns(turn(&seed, 50000)), &b))
				continue;
			read_item(s, b.data);
			b.free(b.data, b.size, b.ctx);
			continue;
		}
		creel_future *get = creel_channel_get(s->ch);
		const void *data;
		if (turn(&seed, 2))
			creel_future_cancel(get);
		if (creel_future_view(get, creel_in_ns(turn(&seed, 50000)), &data, NULL) == 0)
			read_item(s, data);
		creel_future_unref(get);
	}
	return NULL;
}

/* Puts and gets of every sort, with deadlines, cancelled, dropped, while the channel is closed,
 * cancelled or dropped: each item is freed once, and read at most once. */
CORE_CASE(c51_everything_at_the_same_moment)
{
	int64_t begun = ct_now();
	for (unsigned round = 0; ct_again(round, 12, begun); round++) {
		struct storm *s = ct_shared(sizeof *s);
		struct ct_thread *t[PRODUCERS + CONSUMERS];
		s->ch = creel_channel_new(&(creel_channel_options){.capacity = round % 3});
		s->go = ct_count_new();
		s->seed = round * 1000;
		for (int i = 0; i < PRODUCERS; i++)
			t[i] = ct_thread_start(put_storm, s);
		ct_until(atomic_load(&s->next) == PRODUCERS);
		for (int i = 0; i < CONSUMERS; i++)
			t[PRODUCERS + i] = ct_thread_start(get_storm, s);
		ct_open(s->go);
		if (round % 4 == 1)
			creel_channel_close(s->ch, NULL);
		if (round % 4 == 2)
			creel_channel_cancel(s->ch);
		for (int i = 0; i < PRODUCERS + CONSUMERS; i++)
			ct_thread_join(t[i]);
		creel_channel_unref(s->ch);
		for (int i = 0; i < PRODUCERS * EACH; i++)
			ct_int(ct_count_get(&s->freed[i]), 1);
	}
}
