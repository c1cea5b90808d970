/* SPDX-License-Identifier: MIT */
/* The completion queue: adding, completing, taking, closing, waking and resetting at once. */
#include "model.h"
#include <errno.h>
#include <poll.h>

static creel_queue *queue;
static creel_future *both[2];
static int data[2];
static char tags[2];
static int numbers[2] = {0, 1};

static void setup(unsigned flags, size_t capacity)
{
	queue = creel_queue_new(&(creel_queue_options){.flags = flags, .capacity = capacity});
	for (int i = 0; i < 2; i++) {
		both[i] = creel_promise_new();
		data[i] = 0;
	}
}

static void teardown(void)
{
	creel_queue_unref(queue);
	creel_future_unref(both[0]);
	creel_future_unref(both[1]);
}

static void add(int i)
{
	model_check(creel_queue_add(queue, both[i], &tags[i]) == 0);
}

static void settle(void *arg)
{
	int i = *(const int *)arg;
	data[i] = 7;
	model_check(creel_promise_set_result(both[i], &data[i], sizeof data[i]) == 0);
}

/* Takes one that is final; returns which. */
static int take(void)
{
	creel_future *f = NULL;
	void *tag = NULL;
	model_check(creel_queue_take(queue, CREEL_FOREVER, &f, &tag) == 0);
	int i = tag == &tags[1];
	model_check(tag == &tags[i] && f == both[i] && data[i] == 7);
	model_check(creel_future_state(f) == CREEL_FUTURE_FINISHED);
	creel_future_unref(f);
	return i;
}

static void add_against_completion(void)
{
	setup(0, 0);
	int other = model_spawn(settle, &numbers[0]);
	add(0);
	model_check(take() == 0);
	model_join(other);
	teardown();
}

static void two_completions(unsigned flags)
{
	setup(flags, 0);
	add(0);
	add(1);
	int a = model_spawn(settle, &numbers[0]), b = model_spawn(settle, &numbers[1]);
	int first = take();
	model_check(!(flags & CREEL_ORDERED) || first == 0);
	model_check(take() == !first);
	model_join(a);
	model_join(b);
	teardown();
}

static void as_completed(void)
{
	two_completions(0);
}

static void ordered(void)
{
	two_completions(CREEL_ORDERED);
}

static void take_it(void *arg)
{
	*(int *)arg = take();
}

/* Each goes to one of two takers. */
static void two_takers(void)
{
	setup(0, 0);
	settle(&numbers[1]);
	add(0);
	add(1);
	int theirs = -1, other = model_spawn(take_it, &theirs);
	int settler = model_spawn(settle, &numbers[0]);
	int mine = take();
	model_join(other);
	model_join(settler);
	model_check(mine + theirs == 1);
	teardown();
}

/* Reset, and then the last reference, while an entry is being told. */
/* One item calls one of those who sleep, and that one the next. */
static void two_sleep_for_two(void)
{
	setup(0, 0);
	add(0);
	add(1);
	int which[2] = {-1, -1};
	int a = model_spawn(take_it, &which[0]), b = model_spawn(take_it, &which[1]);
	settle(&numbers[0]);
	settle(&numbers[1]);
	model_join(a);
	model_join(b);
	model_check(which[0] + which[1] == 1);
	teardown();
}

static void add_by(void *arg)
{
	creel_future *f = creel_future_of(NULL, 0);
	*(int *)arg = creel_queue_add_by(queue, f, NULL, CREEL_FOREVER);
	creel_future_unref(f);
}

static void take_a_ready_one(void)
{
	creel_future *f = NULL;
	model_check(creel_queue_take(queue, CREEL_FOREVER, &f, NULL) == 0);
	creel_future_unref(f);
}

/* One place, two who wait for it: each gets in as soon as the place is free again. */
static void two_wait_for_room(void)
{
	setup(0, 1);
	int said[2] = {1, 1}, mine = 1;
	add_by(&mine);
	int a = model_spawn(add_by, &said[0]), b = model_spawn(add_by, &said[1]);
	for (int i = 0; i < 3; i++)
		take_a_ready_one();
	model_join(a);
	model_join(b);
	model_check(mine == 0 && said[0] == 0 && said[1] == 0);
	teardown();
}

/* A close ends the wait for room. */
static void close_against_room(void)
{
	setup(0, 1);
	int said = 1, mine = 1;
	add_by(&mine);
	int a = model_spawn(add_by, &said);
	model_check(creel_queue_close(queue) == 0);
	model_join(a);
	model_check(said == -ESHUTDOWN);
	teardown();
}

static void reset_against_completion(void)
{
	setup(0, 0);
	add(0);
	int other = model_spawn(settle, &numbers[0]);
	model_check(creel_queue_reset(queue) == 0);
	creel_future *f = NULL;
	model_check(creel_queue_take(queue, CREEL_NOW, &f, NULL) == -ETIMEDOUT);
	creel_queue_unref(queue);
	model_join(other);
	creel_future_unref(both[0]);
	creel_future_unref(both[1]);
}

static void drop_against_completion(void)
{
	setup(0, 0);
	add(0);
	add(1);
	int other = model_spawn(settle, &numbers[0]);
	creel_queue_unref(queue);
	model_join(other);
	creel_future_unref(both[0]);
	creel_future_unref(both[1]);
}

static void close_it(void *arg)
{
	(void)arg;
	model_check(creel_queue_close(queue) == 0);
}

/* Whoever takes to the end hears of it, however late it closes. */
static void close_against_take(void)
{
	setup(0, 0);
	add(0);
	int settler = model_spawn(settle, &numbers[0]), closer = model_spawn(close_it, NULL);
	model_check(take() == 0);
	creel_future *f = NULL;
	model_check(creel_queue_take(queue, CREEL_FOREVER, &f, NULL) == CREEL_EMPTY);
	model_check(creel_queue_add(queue, both[1], NULL) == -ESHUTDOWN);
	model_join(settler);
	model_join(closer);
	teardown();
}

static void close_while_adding(void)
{
	setup(0, 0);
	settle(&numbers[0]);
	int closer = model_spawn(close_it, NULL);
	int added = creel_queue_add(queue, both[0], &tags[0]);
	model_check(added == 0 || added == -ESHUTDOWN);
	if (added == 0)
		model_check(take() == 0);
	creel_future *f = NULL;
	model_check(creel_queue_take(queue, CREEL_FOREVER, &f, NULL) == CREEL_EMPTY);
	model_join(closer);
	teardown();
}

static void wake(void *arg)
{
	(void)arg;
	model_check(creel_queue_wake(queue) == 0);
}

/* A wake is one CREEL_WOKEN, and takes nothing away. */
static void wake_against_take(void)
{
	setup(0, 0);
	add(0);
	int settler = model_spawn(settle, &numbers[0]), waker = model_spawn(wake, NULL);
	int taken = 0, woken = 0;
	while (taken + woken < 2) {
		creel_future *f = NULL;
		int rc = creel_queue_take(queue, CREEL_FOREVER, &f, NULL);
		model_check(rc == 0 || rc == CREEL_WOKEN);
		taken += rc == 0;
		woken += rc == CREEL_WOKEN;
		creel_future_unref(f);
	}
	model_check(taken == 1 && woken == 1);
	model_join(settler);
	model_join(waker);
	teardown();
}

static void gives_up(void)
{
	setup(0, 0);
	add(0);
	int other = model_spawn(settle, &numbers[0]);
	creel_future *f = NULL;
	int rc = creel_queue_take(queue, creel_in_ms(1), &f, NULL);
	model_check(rc == 0 ? f == both[0] && data[0] == 7 : rc == -ETIMEDOUT && !f);
	creel_future_unref(f);
	model_join(other);
	teardown();
}

static bool readable(int fd)
{
	struct pollfd p = {.fd = fd, .events = POLLIN};
	return poll(&p, 1, 0) > 0;
}

/* Once it polls readable, nobody but a taker changes that; at the end it is not. */
static void descriptor(void)
{
	setup(0, 0);
	add(0);
	int other = model_spawn(settle, &numbers[0]);
	int fd = creel_queue_fd(queue);
	model_check(fd >= 0);
	creel_future *f = NULL;
	bool told = readable(fd);
	int rc = creel_queue_take(queue, CREEL_NOW, &f, NULL);
	model_check(!told || rc == 0);
	model_join(other);
	model_check(readable(fd) == (rc != 0));
	if (rc)
		model_check(creel_queue_take(queue, CREEL_NOW, &f, NULL) == 0);
	model_check(!readable(fd));
	creel_future_unref(f);
	teardown();
}

/* A handler that interrupts anything is a thread that takes no lock. After each wake there is one
 * CREEL_WOKEN, and then the descriptor shows nothing any more, at the latest after a look. */
static void wake_against_descriptor(void)
{
	setup(0, 0);
	settle(&numbers[0]);
	add(0);
	int fd = creel_queue_fd(queue), waker = model_spawn(wake, NULL);
	model_check(fd >= 0);
	int taken = 0, woken = 0;
	while (taken + woken < 2) {
		creel_future *f = NULL;
		int rc = creel_queue_take(queue, CREEL_FOREVER, &f, NULL);
		model_check(rc == 0 || rc == CREEL_WOKEN);
		taken += rc == 0;
		woken += rc == CREEL_WOKEN;
		creel_future_unref(f);
	}
	model_check(taken == 1 && woken == 1);
	model_join(waker);
	creel_future *f = NULL;
	if (readable(fd))
		model_check(creel_queue_take(queue, CREEL_NOW, &f, NULL) == -ETIMEDOUT);
	model_check(!readable(fd));
	teardown();
}

/* The drain of a take that finds nothing does not eat a wake's mark. */
static void wake_against_drain(void)
{
	setup(0, 0);
	settle(&numbers[0]);
	add(0);
	int fd = creel_queue_fd(queue), waker = model_spawn(wake, NULL);
	creel_future *f = NULL;
	int rc = creel_queue_take(queue, CREEL_NOW, &f, NULL);
	model_check(rc == 0 || rc == CREEL_WOKEN);
	creel_future_unref(f);
	model_join(waker);
	model_check(readable(fd));
	model_check(creel_queue_take(queue, CREEL_NOW, &f, NULL) == (rc ? 0 : CREEL_WOKEN));
	if (rc)
		creel_future_unref(f);
	teardown();
}

const struct model_scenario model_scenarios[] = {
	{"add against completion", add_against_completion, .preemptions = 3, .spurious = 1,
	 .stale = 1},
	{"as completed", as_completed, .preemptions = 2, .spurious = 1, .stale = 1},
	{"ordered", ordered, .preemptions = 2, .spurious = 1, .stale = 1},
	{"two takers", two_takers, .preemptions = 2, .spurious = 1, .stale = 1},
	{"two sleep for two", two_sleep_for_two, .preemptions = 2, .spurious = 1, .stale = 1},
	{"two wait for room", two_wait_for_room, .preemptions = 1, .spurious = 1, .stale = 1},
	{"close against room", close_against_room, .preemptions = 2, .spurious = 1, .stale = 1},
	{"reset against completion", reset_against_completion, .preemptions = 3, .spurious = 1,
	 .stale = 1},
	{"drop against completion", drop_against_completion, .preemptions = 3, .spurious = 1,
	 .stale = 1},
	{"close against take", close_against_take, .preemptions = 2, .spurious = 1, .stale = 1},
	{"close while adding", close_while_adding, .preemptions = 3, .spurious = 1, .stale = 1},
	{"as completed, with looks", as_completed, .preemptions = 2, .looks = 1},
	{"two takers look", two_takers, .preemptions = 2, .looks = 1},
	{"close against a look", close_against_take, .preemptions = 2, .looks = 1},
	{"wake against a look", wake_against_take, .preemptions = 2, .looks = 1},
	{"wake against take", wake_against_take, .preemptions = 2, .spurious = 1, .stale = 1},
	{"wake against descriptor", wake_against_descriptor, .preemptions = 3, .spurious = 1,
	 .stale = 1},
	{"wake against drain", wake_against_drain, .preemptions = 3, .spurious = 1, .stale = 1},
	{"gives up", gives_up, .preemptions = 3, .spurious = 1, .stale = 1, .early_timeouts = 1},
	{"descriptor", descriptor, .preemptions = 2, .spurious = 1, .stale = 1},
	{0},
};
