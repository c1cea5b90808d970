/* SPDX-License-Identifier: MIT */
/* Promise 5: callbacks come in order, once, on the right thread, with no lock held. */
#include "contract.h"

#include <pthread.h>
#include <sched.h>
#include <string.h>

struct noted {
	struct ct_log *log;
	long value;
	struct ct_count *freed;
};

static void note(creel_future *f, void *arg)
{
	struct noted *n = arg;
	ct_log_add(n->log, creel_future_state(f) >= CREEL_FUTURE_FINISHED ? n->value : -1);
}

static void note_free(void *arg)
{
	struct noted *n = arg;
	ct_count_add(n->freed, 1);
	ct_log_add(n->log, n->value + 1000);
}

CASE(c05_callbacks_run_once_each_in_the_order_of_registration, CT_ASYNC)
{
	enum { N = 100 };
	struct ct_count *started = ct_count_new(), *gate = ct_count_new();
	struct ct_count *freed = ct_count_new();
	struct ct_log *log = ct_log_new(2 * N);
	struct noted notes[N];
	creel_executor *ex = ct_executor();
	creel_future *f = ct_submit_gated(ex, started, gate, 0);
	for (int i = 0; i < N; i++) {
		uint64_t id = 0;
		notes[i] = (struct noted){log, i, freed};
		ct_int(creel_future_on_done(f, NULL, note, &notes[i], note_free, &id), 0);
		ct_assert(id != 0);
	}
	ct_open(gate);
	ct_count_await(freed, N);
	ct_close(ex);
	ct_int(log->n, 2 * N);
	for (int i = 0; i < N; i++) {
		ct_int(log->entry[2 * i], i);
		ct_int(log->entry[2 * i + 1], i + 1000);
	}
	creel_future_unref(f);
}

static void note_thread(creel_future *f, void *arg)
{
	(void)f;
	*(pthread_t *)arg = pthread_self();
}

CASE(c05_a_callback_added_to_a_final_future_runs_at_once_on_the_caller, 0)
{
	struct ct_count *done = ct_count_new();
	struct ct_count *ran = ct_count_new();
	pthread_t where;
	uint64_t id = 77;
	memset(&where, 0, sizeof where);
	creel_executor *ex = ct_executor();
	creel_future *f = ct_submit_count(ex, ran);
	ct_int(ct_outcome(f), 0);
	ct_int(creel_future_on_done(f, NULL, done_count, done, free_count, &id), 0);
	ct_int(ct_count_get(done), 2);
	ct_int(id, 0);
	ct_int(creel_future_on_done(f, NULL, note_thread, &where, NULL, NULL), 0);
	ct_assert(pthread_equal(where, pthread_self()));
	creel_future_unref(f);
	ct_close(ex);
}

static int note_own_thread(creel_task *task, const void *arg, size_t size)
{
	(void)size;
	const struct ct_gated *gated = arg;
	pthread_t self = pthread_self();
	ct_count_add(gated->started, 1);
	ct_pass(gated->gate);
	return creel_return(task, &self, sizeof self);
}

CASE(c05_a_callback_runs_on_the_worker_that_completes_the_future, CT_ASYNC | CT_INPROC)
{
	struct ct_gated gated = {ct_count_new(), ct_count_new(), 0};
	struct ct_count *done = ct_count_new();
	pthread_t where, worker;
	memset(&where, 0, sizeof where);
	creel_executor *ex = ct_executor();
	creel_future *f = creel_submit(ex, note_own_thread, &gated, sizeof gated);
	ct_int(creel_future_on_done(f, NULL, note_thread, &where, NULL, NULL), 0);
	ct_int(creel_future_on_done(f, NULL, done_count, done, NULL, NULL), 0);
	ct_open(gated.gate);
	ct_count_await(done, 1);
	ct_int(creel_future_result(f, CT_GUARD, &worker, sizeof worker), 0);
	ct_assert(pthread_equal(where, worker));
	ct_assert(!pthread_equal(where, pthread_self()));
	creel_future_unref(f);
	ct_close(ex);
}

CASE(c05_a_callback_of_a_cancelled_future_runs_on_the_canceller, CT_ASYNC)
{
	struct ct_hold hold;
	struct ct_count *ran = ct_count_new();
	pthread_t where;
	memset(&where, 0, sizeof where);
	creel_executor *ex = ct_executor();
	ct_hold(&hold, ex);
	creel_future *f = ct_submit_count(ex, ran);
	ct_int(creel_future_on_done(f, NULL, note_thread, &where, NULL, NULL), 0);
	ct_int(creel_future_cancel(f), CREEL_CANCEL_NOW);
	ct_assert(pthread_equal(where, pthread_self()));
	ct_release(&hold);
	creel_future_unref(f);
	ct_close(ex);
}

static void pass_gate(creel_future *f, void *arg)
{
	(void)f;
	struct ct_gated *gated = arg;
	ct_count_add(gated->started, 1);
	ct_pass(gated->gate);
}

CASE(c05_waiters_are_woken_before_callbacks_run, CT_ASYNC)
{
	struct ct_count *started = ct_count_new(), *gate = ct_count_new();
	struct ct_gated held = {ct_count_new(), ct_count_new(), 0};
	creel_executor *ex = ct_executor();
	creel_future *f = ct_submit_gated(ex, started, gate, 12);
	ct_int(creel_future_on_done(f, NULL, pass_gate, &held, NULL, NULL), 0);
	ct_open(gate);
	/* The callback holds the completing thread until the result was read here. */
	ct_int(ct_long(f), 12);
	ct_open(held.gate);
	creel_future_unref(f);
	ct_close(ex);
	ct_int(ct_count_get(held.started), 1);
}

/* Everything that a lock of the future would hold up. */
static void *use_from_outside(void *arg)
{
	creel_future *f = arg;
	struct ct_count *later = ct_count_new();
	uint64_t id = 0;
	creel_future_state(f);
	creel_future_error(f);
	creel_future_cancel(f);
	creel_future_result(f, CREEL_NOW, NULL, 0);
	creel_future_on_done(f, NULL, done_count, later, NULL, &id);
	creel_future_remove(f, id);
	creel_future_unref(creel_future_ref(f));
	return NULL;
}

static void use_from_another_thread(creel_future *f, void *arg)
{
	ct_thread_join(ct_thread_start(use_from_outside, f));
	ct_count_add(arg, 1);
}

CASE(c05_no_lock_is_held_while_a_callback_runs, CT_ASYNC)
{
	struct ct_count *started = ct_count_new(), *gate = ct_count_new();
	struct ct_count *done = ct_count_new();
	creel_executor *ex = ct_executor();
	creel_future *f = ct_submit_gated(ex, started, gate, 0);
	ct_int(creel_future_on_done(f, NULL, use_from_another_thread, done, NULL, NULL), 0);
	ct_open(gate);
	ct_count_await(done, 1);
	creel_future_unref(f);
	ct_close(ex);
}

static void drop(creel_future *f, void *arg)
{
	creel_future_unref(f);
	ct_count_add(arg, 1);
}

CASE(c05_a_callback_may_drop_the_last_reference, 0)
{
	struct ct_count *done = ct_count_new(), *freed = ct_count_new();
	struct ct_count *ran = ct_count_new();
	creel_executor *ex = ct_executor();
	for (uint32_t i = 1; i <= 100; i++) {
		creel_future *f = ct_submit_count(ex, ran);
		ct_int(creel_future_on_done(f, NULL, done_count, freed, free_count, NULL), 0);
		ct_int(creel_future_on_done(f, NULL, drop, done, free_count, NULL), 0);
	}
	ct_close(ex);
	ct_count_await(done, 200);
	ct_count_await(freed, 200);
	ct_int(ct_count_get(done), 200);
	ct_int(ct_count_get(freed), 200);
}

static void add_another(creel_future *f, void *arg)
{
	struct ct_count *done = arg;
	if (ct_count_add(done, 1) < 10)
		ct_int(creel_future_on_done(f, NULL, add_another, done, NULL, NULL), 0);
}

CASE(c05_a_callback_may_add_callbacks, 0)
{
	struct ct_count *done = ct_count_new(), *ran = ct_count_new();
	creel_executor *ex = ct_executor();
	creel_future *f = ct_submit_count(ex, ran);
	ct_int(creel_future_on_done(f, NULL, add_another, done, NULL, NULL), 0);
	ct_count_await(done, 10);
	ct_close(ex);
	ct_int(ct_count_get(done), 10);
	creel_future_unref(f);
}

struct resubmit {
	creel_executor *ex;
	struct ct_count *ran;
	struct ct_count *done;
};

static void submit_again(creel_future *f, void *arg)
{
	(void)f;
	struct resubmit *r = arg;
	creel_future *next = ct_submit_count(r->ex, r->ran);
	ct_assert(creel_future_error(next) == NULL);
	creel_future_unref(next);
	ct_count_add(r->done, 1);
}

CASE(c05_a_callback_may_submit, 0)
{
	struct resubmit r = {ct_executor(), ct_count_new(), ct_count_new()};
	for (int i = 0; i < 50; i++) {
		creel_future *f = ct_submit_count(r.ex, r.ran);
		ct_int(creel_future_on_done(f, NULL, submit_again, &r, NULL, NULL), 0);
		creel_future_unref(f);
	}
	ct_count_await(r.done, 50);
	ct_count_await(r.ran, 100);
	ct_close(r.ex);
	ct_int(ct_count_get(r.ran), 100);
}

struct closing {
	creel_executor *ex;
	struct ct_count *said;
	int close_rc, shutdown_rc, drain_rc;
};

static void shut_down_and_close(creel_future *f, void *arg)
{
	(void)f;
	struct closing *c = arg;
	c->drain_rc = creel_executor_drain(c->ex, CREEL_FOREVER);
	c->shutdown_rc = creel_executor_shutdown(c->ex, 0, CREEL_FOREVER, NULL);
	c->close_rc = creel_executor_close(c->ex);
	ct_count_add(c->said, 1);
}

CASE(c05_a_callback_may_shut_the_executor_down_but_not_wait_for_it, CT_ASYNC)
{
	struct ct_count *started = ct_count_new(), *gate = ct_count_new();
	struct ct_count *ran = ct_count_new();
	struct closing c = {ct_executor(), ct_count_new(), 1, 1, 1};
	creel_executor *ex = creel_executor_ref(c.ex);
	creel_future *f = ct_submit_gated(ex, started, gate, 0);
	creel_future *behind = ct_submit_count(ex, ran);
	ct_int(creel_future_on_done(f, NULL, shut_down_and_close, &c, NULL, NULL), 0);
	ct_open(gate);
	ct_count_await(c.said, 1);
	ct_int(c.drain_rc, -EDEADLK);
	ct_int(c.shutdown_rc, -EDEADLK);
	ct_int(c.close_rc, -EDEADLK);
	/* The shutdown itself has happened; what was accepted still runs. */
	creel_future *late = ct_submit_count(ex, ran);
	ct_int(creel_future_error(late)->kind, CREEL_KIND_SHUT_DOWN);
	creel_future_unref(late);
	ct_assert(ct_long_drop(behind) > 0);
	ct_close(ex);
	creel_future_unref(f);
	ct_int(ct_count_get(ran), 1);
}

/* What it says depends on where it is called, not on what happens to be left:
 * here nothing ever was. */
static void closed_in_a_callback(creel_executor *ex)
{
	struct closing c = {creel_executor_ref(ex), ct_count_new(), 1, 1, 1};
	creel_future *f = creel_promise_new();
	ct_int(creel_future_on_done(f, NULL, shut_down_and_close, &c, NULL, NULL), 0);
	ct_int(creel_promise_set_result(f, NULL, 0), 0);
	ct_int(ct_count_get(c.said), 1);
	ct_int(c.drain_rc, -EDEADLK);
	/* Of shutdown it does: a process pool has a fork server to wait for,
	 * the others have nothing. */
	ct_assert(c.shutdown_rc == 0 || c.shutdown_rc == -EDEADLK);
	ct_int(c.close_rc, -EDEADLK);
	creel_future_unref(f);
	creel_future *late = creel_submit(ex, task_nothing, NULL, 0);
	ct_int(ct_outcome(late), CREEL_EFAILED);
	creel_future_unref(late);
	ct_close(ex);
}

CASE(c17_close_in_a_callback_says_that_it_did_not_wait_whatever_is_left, 0)
{
	closed_in_a_callback(ct_executor());
}

CORE_CASE(c17_close_of_a_broken_executor_in_a_callback_says_the_same)
{
	closed_in_a_callback(
		creel_thread_pool_new(&(creel_thread_pool_options){.max_workers = -1}));
	closed_in_a_callback(creel_executor_new(NULL, NULL));
}

/* Right where the inline executor has just run the task, or the worker of a pool. */
CASE(c17_close_in_the_callback_of_the_last_task_says_the_same, CT_INPROC)
{
	struct ct_count *ran = ct_count_new();
	struct closing c = {ct_executor(), ct_count_new(), 1, 1, 1};
	creel_future *f = ct_submit_count(c.ex, ran);
	ct_int(creel_future_on_done(f, NULL, shut_down_and_close, &c, NULL, NULL), 0);
	ct_count_await(c.said, 1);
	ct_int(c.drain_rc, -EDEADLK);
	ct_int(c.close_rc, -EDEADLK);
	ct_int(ct_long_drop(f), 1);
}

struct blocking {
	creel_executor *ex;
	creel_future *never;
	creel_queue *q;
	creel_mapping *map;
	struct ct_count *said;
	int result, view, take, wait, queue, map_next, poll;
};

static void try_to_block(creel_future *f, void *arg)
{
	(void)f;
	struct blocking *b = arg;
	creel_buffer buffer;
	creel_future *taken = NULL;
	b->result = creel_future_result(b->never, CREEL_FOREVER, NULL, 0);
	b->view = creel_future_view(b->never, CT_GUARD, NULL, NULL);
	b->take = creel_future_take(b->never, CREEL_FOREVER, &buffer);
	b->wait = creel_wait(&b->never, 1, CREEL_ALL_COMPLETED, CREEL_FOREVER, NULL);
	b->queue = creel_queue_take(b->q, CREEL_FOREVER, &taken, NULL);
	if (b->map)
		b->map_next = creel_map_next(b->map, CREEL_FOREVER, &taken, NULL);
	b->poll = creel_future_result(b->never, CREEL_NOW, NULL, 0);
	ct_count_add(b->said, 1);
}

static void check_blocked(const struct blocking *b)
{
	ct_int(b->result, -EDEADLK);
	ct_int(b->view, -EDEADLK);
	ct_int(b->take, -EDEADLK);
	ct_int(b->wait, -EDEADLK);
	ct_int(b->queue, -EDEADLK);
	ct_int(b->poll, -ETIMEDOUT);
}

CASE(c05_blocking_in_a_callback_is_refused_at_once, CT_ASYNC | CT_ALONE)
{
	struct ct_count *started = ct_count_new(), *gate = ct_count_new();
	struct ct_hold hold;
	long item = 1;
	creel_executor *ex = ct_executor(), *other = ct_executor();
	ct_hold(&hold, other);
	struct blocking b = {.ex = ex, .never = creel_promise_new(), .q = creel_queue_new(NULL)};
	b.said = ct_count_new();
	b.map = creel_map(other, task_double, &item, sizeof item, 1, NULL);
	creel_future *f = ct_submit_gated(ex, started, gate, 0);
	ct_int(creel_future_on_done(f, NULL, try_to_block, &b, NULL, NULL), 0);
	ct_open(gate);
	ct_count_await(b.said, 1);
	check_blocked(&b);
	ct_int(b.map_next, -EDEADLK);
	ct_close(ex);
	creel_map_end(b.map);
	ct_release(&hold);
	ct_close(other);
	creel_future_unref(f);
	creel_future_unref(b.never);
	creel_queue_unref(b.q);
}

CORE_CASE(c05_blocking_in_a_callback_of_a_promise_is_refused_too)
{
	struct blocking b = {.never = creel_promise_new(), .q = creel_queue_new(NULL)};
	b.said = ct_count_new();
	creel_future *before = creel_promise_new(), *after = creel_promise_new();
	ct_int(creel_future_on_done(before, NULL, try_to_block, &b, NULL, NULL), 0);
	ct_int(creel_promise_set_result(before, NULL, 0), 0);
	check_blocked(&b);
	b.result = b.view = b.take = b.wait = b.queue = b.poll = 0;
	ct_int(creel_promise_set_result(after, NULL, 0), 0);
	ct_int(creel_future_on_done(after, NULL, try_to_block, &b, NULL, NULL), 0);
	check_blocked(&b);
	ct_int(ct_count_get(b.said), 2);
	/* Outside of the callback it is allowed again. */
	ct_int(creel_future_result(b.never, creel_in_ms(1), NULL, 0), -ETIMEDOUT);
	creel_future_unref(before);
	creel_future_unref(after);
	creel_future_unref(b.never);
	creel_queue_unref(b.q);
}

struct removal {
	creel_future *f;
	uint64_t id;
	int found;
};

static void remove_itself(creel_future *f, void *arg)
{
	struct removal *r = arg;
	r->found = creel_future_remove(f, r->id);
}

CORE_CASE(c05_removing_says_whether_it_was_removed_runs_or_ran)
{
	struct ct_count *never = ct_count_new(), *freed = ct_count_new(), *done = ct_count_new();
	uint64_t first, second, third;
	struct removal r = {creel_promise_new(), 0, 0};
	ct_int(creel_future_on_done(r.f, NULL, done_count, done, NULL, &first), 0);
	ct_int(creel_future_on_done(r.f, NULL, done_count, never, NULL, &second), 0);
	ct_int(creel_future_on_done(r.f, NULL, remove_itself, &r, NULL, &r.id), 0);
	ct_int(creel_future_on_done(r.f, NULL, done_count, freed, free_count, &third), 0);
	ct_int(creel_future_remove(r.f, second), CREEL_CALLBACK_REMOVED);
	ct_int(creel_future_remove(r.f, second), CREEL_CALLBACK_DONE);
	ct_int(creel_future_remove(r.f, third), CREEL_CALLBACK_REMOVED);
	/* Its free has run, itself not. */
	ct_int(ct_count_get(freed), 1);
	ct_int(creel_promise_set_result(r.f, NULL, 0), 0);
	ct_int(ct_count_get(done), 1);
	ct_int(ct_count_get(never), 0);
	ct_int(ct_count_get(freed), 1);
	ct_int(r.found, CREEL_CALLBACK_RUNNING);
	ct_int(creel_future_remove(r.f, first), CREEL_CALLBACK_DONE);
	ct_int(creel_future_remove(r.f, r.id), CREEL_CALLBACK_DONE);
	creel_future_unref(r.f);
}

static void leave_alone(creel_future *f, void *arg)
{
	(void)f;
	(void)arg;
}

CORE_CASE(c05_what_a_callback_holds_is_freed_with_a_promise_that_nobody_settles)
{
	struct ct_count *freed = ct_count_new();
	creel_future *f = creel_promise_new();
	for (int i = 0; i < 5; i++)
		ct_int(creel_future_on_done(f, NULL, leave_alone, freed, free_count, NULL), 0);
	creel_future_unref(f);
	ct_int(ct_count_get(freed), 5);
}

static void note_task(creel_future *f, void *arg)
{
	struct ct_log *log = arg;
	ct_log_add(log, creel_task_current() != NULL);
	ct_log_add(log, creel_future_state(f));
}

CASE(c05_a_callback_runs_on_the_executor_named_with_it, CT_INPROC)
{
	struct ct_log *log = ct_log_new(8);
	struct ct_count *freed = ct_count_new();
	creel_executor *ex = ct_executor();
	creel_future *before = creel_promise_new(), *after = creel_promise_new();
	ct_int(creel_promise_set_result(after, NULL, 0), 0);
	ct_int(creel_future_on_done(before, ex, note_task, log, NULL, NULL), 0);
	ct_int(creel_promise_set_result(before, NULL, 0), 0);
	ct_int(creel_executor_drain(ex, CT_GUARD), 0);
	ct_int(creel_future_on_done(after, ex, note_task, log, NULL, NULL), 0);
	/* The callback holds a reference of the executor, and the shutdown waits for it. */
	ct_close(ex);
	ct_int(log->n, 4);
	for (int i = 0; i < 4; i += 2) {
		ct_int(log->entry[i], 1);
		ct_int(log->entry[i + 1], CREEL_FUTURE_FINISHED);
	}
	creel_future_unref(before);
	creel_future_unref(after);
	ct_int(ct_count_get(freed), 0);
}

CASE(c05_a_callback_that_its_executor_refuses_runs_on_the_completing_thread, CT_INPROC)
{
	struct ct_log *log = ct_log_new(4);
	creel_executor *ex = ct_executor();
	creel_future *f = creel_promise_new();
	ct_int(creel_future_on_done(f, ex, note_task, log, NULL, NULL), 0);
	ct_int(creel_executor_shutdown(ex, 0, CT_GUARD, NULL), 0);
	ct_int(creel_promise_set_result(f, NULL, 0), 0);
	/* Those of a driven executor run on its thread or not at all. */
	bool confined = creel_driven_fd(ex) >= 0;
	ct_int(log->n, confined ? 0 : 2);
	ct_int(log->entry[0], 0);
	creel_future_unref(f);
	ct_close(ex);
}

struct link {
	creel_future *next;
	struct ct_count *inside, *reached;
};

static void settle_next(creel_future *f, void *arg)
{
	(void)f;
	struct link *l = arg;
	/* Nested, the next link's callback would run before this one is over. */
	ct_int(ct_count_add(l->inside, 1), 1);
	if (l->next)
		ct_int(creel_promise_set_result(l->next, NULL, 0), 0);
	atomic_fetch_sub(&l->inside->n, 1);
	ct_count_add(l->reached, 1);
}

enum { LINKS = 20000 };

static void *run_chain(void *arg)
{
	struct link *links = arg;
	ct_int(creel_promise_set_result(links[0].next, NULL, 0), 0);
	return NULL;
}

CORE_CASE(c05_a_callback_that_completes_another_future_does_not_nest)
{
	struct link *links = ct_shared((LINKS + 1) * sizeof *links);
	struct ct_count *inside = ct_count_new(), *reached = ct_count_new();
	pthread_attr_t small;
	pthread_t thread;
	for (int i = 0; i <= LINKS; i++) {
		links[i] = (struct link){i < LINKS ? creel_promise_new() : NULL, inside, reached};
		if (i > 0)
			ct_int(creel_future_on_done(links[i - 1].next, NULL, settle_next, &links[i],
						    NULL, NULL),
			       0);
	}
	pthread_attr_init(&small);
	pthread_attr_setstacksize(&small, 256 << 10);
	ct_int(pthread_create(&thread, &small, run_chain, links), 0);
	pthread_join(thread, NULL);
	pthread_attr_destroy(&small);
	ct_int(ct_count_get(reached), LINKS);
	for (int i = 0; i < LINKS; i++) {
		ct_int(creel_future_state(links[i].next), CREEL_FUTURE_FINISHED);
		creel_future_unref(links[i].next);
	}
}

/* A thread that waits with a lock that the callback takes. */
struct patient {
	pthread_mutex_t lock;
	creel_future *_Atomic f;
	_Atomic bool over;
	_Atomic unsigned told, by_itself;
};

static void *wait_under_lock(void *arg)
{
	struct patient *p = arg;
	while (!p->over) {
		creel_future *f = p->f;
		if (!f) {
			sched_yield();
			continue;
		}
		pthread_mutex_lock(&p->lock);
		creel_future_result(f, CREEL_FOREVER, NULL, 0);
		pthread_mutex_unlock(&p->lock);
		p->f = NULL;
	}
	return NULL;
}

static void done_take_lock(creel_future *f, void *arg)
{
	struct patient *p = arg;
	(void)f;
	if (pthread_mutex_lock(&p->lock) == 0)
		pthread_mutex_unlock(&p->lock);
	else
		p->by_itself++;
	p->told++;
}

/* It would wait for itself. A race, which is repeated: the callback is aimed at the moment in which
 * the task ends, sooner after one that came too late and later after one that did not. */
CASE(c05_a_callback_never_runs_on_a_thread_that_waits, CT_ASYNC)
{
	struct patient *p = ct_shared(sizeof *p);
	pthread_mutexattr_t checked;
	pthread_mutexattr_init(&checked);
	pthread_mutexattr_settype(&checked, PTHREAD_MUTEX_ERRORCHECK);
	pthread_mutex_init(&p->lock, &checked);
	pthread_mutexattr_destroy(&checked);
	creel_executor *ex = ct_executor();
	struct ct_thread *waiter = ct_thread_start(wait_under_lock, p);
	unsigned i = 0, delay = 1000;
	for (int64_t begin = ct_now(); ct_again(i, CT_MEMCHECK ? 50 : ct_many(5000), begin); i++) {
		creel_future *f = creel_submit(ex, task_nothing, NULL, 0);
		p->f = f;
		for (volatile unsigned k = delay; k > 0; k--)
			;
		uint64_t id = 0;
		ct_int(creel_future_on_done(f, NULL, done_take_lock, p, NULL, &id), 0);
		delay = id ? delay + 40 : delay - delay / 50;
		/* The next one waits with the lock, too: the callback has to be through by then. */
		for (int64_t start = ct_now(); p->f || p->told <= i; sched_yield())
			ct_assert(!ct_guard_over(start));
		ct_int(p->by_itself, 0);
		creel_future_unref(f);
	}
	ct_int(p->told, i);
	p->over = true;
	ct_thread_join(waiter);
	ct_close(ex);
	pthread_mutex_destroy(&p->lock);
}

CORE_CASE(bad_removing_a_callback_of_no_future_is_refused)
{
	ct_int(creel_future_remove(NULL, 0), -EINVAL);
	ct_int(creel_future_remove(NULL, 1), -EINVAL);
}
