/* SPDX-License-Identifier: MIT */
/* Promise 51, continued: producers and consumers on every executor, threads that wait, cancelling
 * at any moment, other processes. */
#include "contract.h"

#include <stdlib.h>
#include <string.h>

static creel_channel *channel(size_t capacity)
{
	creel_channel *ch = creel_channel_new(&(creel_channel_options){.capacity = capacity});
	ct_assert(creel_channel_error(ch) == NULL);
	return ch;
}

/* Items are numbered: producer * PER + i. */
enum { PER = 1000 };

struct producer {
	creel_channel *ch;
	struct ct_count *left; /* of the producers; the last one closes */
	long number, items;
	creel_deadline deadline;
};

static int task_produce(creel_task *task, const void *arg, size_t size)
{
	(void)task;
	(void)size;
	const struct producer *p = arg;
	for (long i = 0; i < p->items; i++) {
		long item = p->number * PER + i;
		ct_int(creel_channel_put_by(p->ch, &item, sizeof item, p->deadline), 0);
	}
	if (ct_count_add(p->left, (uint32_t)-1) == 0)
		ct_int(creel_channel_close(p->ch, NULL), 0);
	return 0;
}

/* What came, of each producer: the next number that is due. */
static void came(long *next, long item)
{
	ct_int(item % PER, next[item / PER]);
	next[item / PER]++;
}

/* Each executor's tasks produce, this thread consumes: with futures and with deadlines. */
CASE(c51_tasks_produce_and_the_host_consumes, CT_INPROC)
{
	enum { PRODUCERS = 3, ITEMS = 40 };
	creel_executor *ex = ct_executor();
	/* What runs within its submission may not wait for this thread. */
	creel_channel *ch = channel(ct_is(CT_SYNC) ? PRODUCERS * ITEMS : 2);
	struct ct_count *left = ct_count_new();
	creel_future *f[PRODUCERS];
	long next[PRODUCERS] = {0}, item;
	ct_count_add(left, PRODUCERS);
	for (long i = 0; i < PRODUCERS; i++) {
		struct producer p = {ch, left, i, ITEMS, CREEL_FOREVER};
		f[i] = creel_submit(ex, task_produce, &p, sizeof p);
	}
	for (int n = 0; n < PRODUCERS * ITEMS; n++) {
		if (n % 2) {
			item = ct_long_drop(creel_channel_get(ch));
		} else {
			ct_int(creel_channel_get_by(ch, CT_GUARD, &item, sizeof item), 0);
		}
		came(next, item);
	}
	ct_int(creel_channel_get_by(ch, CT_GUARD, &item, sizeof item), CREEL_EMPTY);
	for (int i = 0; i < PRODUCERS; i++) {
		ct_int(next[i], ITEMS);
		ct_int(ct_outcome(f[i]), 0);
		creel_future_unref(f[i]);
	}
	creel_channel_unref(ch);
	ct_close(ex);
}

struct consumer {
	creel_channel *ch;
	struct ct_log *log;
};

static int task_consume(creel_task *task, const void *arg, size_t size)
{
	(void)task;
	(void)size;
	const struct consumer *c = arg;
	long item;
	int rc;
	while ((rc = creel_channel_get_by(c->ch, CREEL_FOREVER, &item, sizeof item)) == 0)
		ct_log_add(c->log, item);
	ct_int(rc, CREEL_EMPTY);
	return 0;
}

/* The host produces, and the executor's tasks consume. */
CASE(c51_the_host_produces_and_tasks_consume, CT_INPROC | CT_ASYNC)
{
	enum { CONSUMERS = 3, ITEMS = 60 };
	creel_executor *ex = ct_executor();
	creel_channel *ch = channel(1);
	struct ct_log *log = ct_log_new(ITEMS);
	creel_future *f[CONSUMERS], *puts[ITEMS];
	bool seen[ITEMS] = {false};
	for (int i = 0; i < CONSUMERS; i++) {
		struct consumer c = {ch, log};
		f[i] = creel_submit(ex, task_consume, &c, sizeof c);
	}
	for (long i = 0; i < ITEMS; i++)
		puts[i] = creel_channel_put(ch, &i, sizeof i);
	/* Puts that wait count as put before. */
	ct_int(creel_channel_close(ch, NULL), 0);
	for (int i = 0; i < CONSUMERS; i++) {
		ct_int(ct_outcome(f[i]), 0);
		creel_future_unref(f[i]);
	}
	ct_int(atomic_load(&log->n), ITEMS);
	for (int i = 0; i < ITEMS; i++) {
		ct_assert(!seen[log->entry[i]]);
		seen[log->entry[i]] = true;
		ct_int(creel_future_result(puts[i], CREEL_NOW, NULL, 0), 0);
		creel_future_unref(puts[i]);
	}
	creel_channel_unref(ch);
	ct_close(ex);
}

/* On a pool a task that waits in a channel gives up its place: one worker has both sides. */
CASE(c51_both_sides_run_on_one_pool, CT_POOL)
{
	enum { ITEMS = 50 };
	creel_executor *ex = ct_executor();
	for (size_t capacity = 0; capacity < 2; capacity++)
		for (int order = 0; order < 2; order++) {
			creel_channel *ch = channel(capacity);
			struct ct_count *left = ct_count_new();
			struct ct_log *log = ct_log_new(ITEMS);
			ct_count_add(left, 1);
			struct producer p = {ch, left, 0, ITEMS, CREEL_FOREVER};
			struct consumer c = {ch, log};
			creel_future *f[2];
			f[order] = creel_submit(ex, order ? task_consume : task_produce,
						order ? (void *)&c : (void *)&p,
						order ? sizeof c : sizeof p);
			f[1 - order] = creel_submit(ex, order ? task_produce : task_consume,
						    order ? (void *)&p : (void *)&c,
						    order ? sizeof p : sizeof c);
			for (int i = 0; i < 2; i++) {
				ct_int(ct_outcome(f[i]), 0);
				creel_future_unref(f[i]);
			}
			ct_int(atomic_load(&log->n), ITEMS);
			for (long i = 0; i < ITEMS; i++)
				ct_int(log->entry[i], i);
			creel_channel_unref(ch);
		}
	ct_close(ex);
}

struct waiting {
	creel_channel *ch;
	size_t size;
	bool puts;
};

static void *wait_there(void *arg)
{
	struct waiting *w = arg;
	long value = 5;
	return (void *)(intptr_t)(w->puts ? creel_channel_put_by(w->ch, &value, w->size, CT_GUARD)
					  : creel_channel_get_by(w->ch, CT_GUARD, &value, w->size));
}

static struct ct_thread *start(struct waiting *w)
{
	struct ct_thread *t = ct_thread_start(wait_there, w);
	ct_await_asleep(ct_thread_id(t));
	return t;
}

static int rc_of(struct ct_thread *t)
{
	return (int)(intptr_t)ct_thread_join(t);
}

/* A thread that waits in a channel hears of everything that can happen to it. */
CORE_CASE(c51_threads_that_wait_are_told)
{
	long value = 3;
	creel_future *wrong = creel_future_failed(CREEL_KIND_FAILED, 7, "broke");
	for (int how = 0; how < 6; how++) {
		creel_channel *ch = channel(0);
		struct waiting get = {ch, sizeof(long), false}, put = {ch, sizeof(long), true};
		bool is_put = how == 1 || how == 5;
		struct ct_thread *t = start(is_put ? &put : &get);
		switch (how) {
		case 0:
			ct_int(creel_channel_try_put(ch, &value, sizeof value), 0);
			ct_int(rc_of(t), 0);
			break;
		case 1:
			ct_int(creel_channel_try_get(ch, &value, sizeof value), 0);
			ct_int(value, 5);
			ct_int(rc_of(t), 0);
			break;
		case 2:
			/* It is no item for this one, and stays for another. */
			ct_int(creel_channel_try_put(ch, &value, 2), CREEL_FULL);
			ct_int(rc_of(t), -EMSGSIZE);
			break;
		case 3:
			ct_int(creel_channel_close(ch, NULL), 0);
			ct_int(rc_of(t), CREEL_EMPTY);
			break;
		case 4:
			ct_int(creel_channel_close(ch, creel_future_error(wrong)), 0);
			ct_int(rc_of(t), CREEL_EFAILED);
			break;
		case 5:
			ct_int(creel_channel_cancel(ch), 0);
			ct_int(rc_of(t), -EPIPE);
			break;
		}
		creel_channel_unref(ch);
	}
	creel_future_unref(wrong);
}

struct canceller {
	creel_future **futures;
	unsigned n;
	struct ct_count *go;
};

static void *cancel_all(void *arg)
{
	struct canceller *c = arg;
	ct_pass(c->go);
	for (unsigned i = 0; i < c->n; i++)
		creel_future_cancel(c->futures[i]);
	return NULL;
}

/* Gets and puts are cancelled while they meet: what was put is in exactly one get or still there,
 * and what was not is nowhere. */
CORE_CASE(c51_cancelling_while_they_meet_loses_and_doubles_nothing)
{
	enum { N = 16 };
	int64_t begun = ct_now();
	for (unsigned round = 0; ct_again(round, 60, begun); round++) {
		creel_channel *ch = channel(round % 3);
		creel_future *f[2 * N];
		creel_future **gets = f, **puts = f + N;
		struct canceller c = {f, 2 * N, ct_count_new()};
		int seen[N] = {0}, put[N] = {0};
		bool gets_first = round % 2;
		for (int i = 0; gets_first && i < N; i++)
			gets[i] = creel_channel_get(ch);
		struct ct_thread *t;
		for (long i = 0; !gets_first && i < N; i++)
			puts[i] = creel_channel_put(ch, &i, sizeof i);
		c.futures = gets_first ? gets : puts;
		c.n = N;
		t = ct_thread_start(cancel_all, &c);
		ct_open(c.go);
		for (long i = 0; gets_first && i < N; i++)
			puts[i] = creel_channel_put(ch, &i, sizeof i);
		for (int i = 0; !gets_first && i < N; i++)
			gets[i] = creel_channel_get(ch);
		ct_thread_join(t);
		/* What still waits takes what is still there. */
		ct_int(creel_channel_close(ch, NULL), 0);
		for (int i = 0; i < N; i++) {
			long item;
			int rc = ct_outcome(gets[i]);
			ct_assert(rc == 0 || rc == -ECANCELED || rc == CREEL_EFAILED);
			if (rc == 0) {
				ct_int(creel_future_result(gets[i], CREEL_NOW, &item, sizeof item),
				       0);
				seen[item]++;
			}
			creel_future_unref(gets[i]);
		}
		long item;
		while (creel_channel_try_get(ch, &item, sizeof item) == 0)
			seen[item]++;
		for (int i = 0; i < N; i++) {
			put[i] = ct_outcome(puts[i]) == 0;
			ct_int(seen[i], put[i]);
			creel_future_unref(puts[i]);
		}
		creel_channel_unref(ch);
	}
}

/* A task of another process has the channel's address and nothing more. */
static int task_uses_channel(creel_task *task, const void *arg, size_t size)
{
	(void)size;
	creel_channel *ch = *(creel_channel *const *)arg;
	long value = 1;
	int rc = creel_channel_try_put(ch, &value, sizeof value);
	creel_future *get = creel_channel_get(ch);
	long code = rc ? creel_future_error(get)->code : 0;
	creel_future_unref(get);
	return code == rc ? creel_return(task, &code, sizeof code) : -1;
}

CASE(c51_channels_are_for_the_host, CT_REFS)
{
	creel_channel *ch = channel(1);
	creel_executor *ex = ct_executor();
	creel_future *f = creel_submit(ex, task_uses_channel, &ch, sizeof ch);
	ct_int(ct_long_drop(f), ct_is(CT_INPROC) ? 0 : -EPERM);
	ct_close(ex);
	creel_channel_unref(ch);
}
