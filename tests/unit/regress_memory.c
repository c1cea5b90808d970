/* SPDX-License-Identifier: MIT */
/* Regressions: no memory, and the future that there is then. It is constant: whatever writes to
 * it dies. */
#include "faults.h"
#include "regress.h"

enum { BLOCKS = 2048 };

static creel_future *kept[BLOCKS];

/* Uses up the blocks that are there; the next one is the static one. */
static creel_future *out_of_memory(void)
{
	creel_future *f = NULL;
	unsigned n = 0;
	ct_fault_arm(CT_FAULT_MEMORY, 1, true);
	for (f = creel_promise_new(); creel_future_state(f) == CREEL_FUTURE_PENDING;
	     f = creel_promise_new()) {
		ct_assert(n < BLOCKS);
		kept[n++] = f;
	}
	ct_assert(creel_promise_new() == f);
	ct_fault_off();
	while (n > 0)
		creel_future_unref(kept[--n]);
	return f;
}

/* Removing a callback took a lock in it. */
CT_TEST(regress_memory, the_static_future_has_no_callbacks_to_remove, 0)
{
	struct told told = {{0}, {0}};
	creel_executor *ex = creel_inline_new();
	creel_future *f = out_of_memory();
	uint64_t id = 7;
	ct_int(creel_future_remove(f, 1), CREEL_CALLBACK_DONE);
	ct_int(creel_future_on_done(f, NULL, note_call, &told, note_free, &id), 0);
	ct_int(id, 0);
	ct_int(creel_future_on_done(f, ex, note_call, &told, note_free, NULL), 0);
	ct_int(ct_count_get(&told.called), 2);
	ct_int(ct_count_get(&told.freed), 2);
	creel_future_unref(f);
	close_now(ex);
}

/* A queue that forgot it took that lock, too. */
CT_TEST(regress_memory, the_static_future_can_be_in_a_queue_that_is_reset_or_goes, 0)
{
	creel_queue *q = creel_queue_new(NULL);
	creel_future *f = out_of_memory(), *taken = NULL;
	ct_int(creel_queue_add(q, f, NULL), 0);
	ct_int(creel_queue_take(q, CREEL_NOW, &taken, NULL), 0);
	ct_assert(taken == f);
	ct_int(creel_queue_add(q, f, NULL), 0);
	ct_int(creel_queue_reset(q), 0);
	ct_int(creel_queue_add(q, f, NULL), 0);
	creel_queue_unref(q);
	creel_future_unref(f);
}

CT_TEST(regress_memory, the_static_future_is_as_any_that_failed, 0)
{
	creel_buffer buffer;
	size_t done = 0;
	creel_future *f = out_of_memory(), *pending = creel_promise_new();
	creel_future *both[] = {pending, f, f};
	ct_int(creel_wait(both, 3, CREEL_ALL_COMPLETED, CREEL_NOW, &done), -ETIMEDOUT);
	ct_int(done, 2);
	ct_int(creel_wait(both, 3, CREEL_FIRST_ERROR, CREEL_FOREVER, &done), 0);
	ct_int(creel_future_result(f, CREEL_FOREVER, NULL, 0), CREEL_EFAILED);
	ct_int(creel_future_take(f, CREEL_FOREVER, &buffer), CREEL_EFAILED);
	ct_int(creel_future_error(f)->kind, CREEL_KIND_NO_MEMORY);
	ct_int(creel_future_cancel(f), CREEL_CANCEL_FINAL);
	ct_int(creel_promise_set_result(f, NULL, 0), -EALREADY);
	for (int i = 0; i < 3; i++)
		creel_future_unref(f);
	creel_future_unref(pending);
}

static int no_items(void *ctx, void *item, size_t *size)
{
	(void)ctx;
	(void)item;
	(void)size;
	return 0;
}

/* Ending it went through a queue that had not been made. */
CT_TEST(regress_memory, a_map_that_could_not_be_made_can_be_ended, 0)
{
	long item = 1;
	creel_executor *ex = creel_inline_new();
	for (unsigned n = 1; n <= 6; n++) {
		creel_future *f = NULL;
		ct_fault_arm(CT_FAULT_MEMORY, n, true);
		creel_mapping *map = creel_map(ex, task_nothing, &item, sizeof item, 1, NULL);
		creel_mapping *from = creel_map_from(ex, task_nothing, no_items, NULL, NULL);
		ct_fault_off();
		int rc = creel_map_next(map, CREEL_FOREVER, &f, NULL);
		ct_assert(rc == 0 || rc == -ENOMEM);
		ct_int(f != NULL, rc == 0);
		creel_future_unref(f);
		rc = creel_map_next(from, CREEL_FOREVER, &f, NULL);
		ct_assert(rc == CREEL_EMPTY || rc == -ENOMEM);
		creel_map_end(map);
		creel_map_end(from);
	}
	close_now(ex);
}

/* malloc() sets errno when it fails, and nobody put it back. */
CT_TEST(regress_memory, errno_is_preserved_without_memory, 0)
{
	enum { MANY = 100, LARGE = 1000 };
	static char large[LARGE];
	creel_future *many[MANY], *f, *p = creel_promise_new(), *none = NULL;
	struct told told = {{0}, {0}};
	creel_executor *ex = creel_inline_new();
	creel_queue *q = creel_queue_new(NULL);
	for (int i = 0; i < MANY; i++)
		many[i] = creel_promise_new();
	ct_fault_arm(CT_FAULT_MEMORY, 1, true);
	errno = ELOOP;
	f = creel_submit(ex, task_nothing, large, LARGE);
	ct_int(errno, ELOOP);
	int codes[] = {
		creel_try_submit(ex, task_nothing, large, LARGE, NULL, &none),
		creel_spawn(ex, task_nothing, large, LARGE, NULL),
		creel_queue_add(q, p, NULL),
		creel_queue_submit(q, ex, task_nothing, large, LARGE, NULL, NULL),
		creel_future_on_done(p, NULL, note_call, &told, note_free, NULL),
		creel_future_on_done(p, ex, note_call, &told, note_free, NULL),
		creel_promise_set_result(p, large, LARGE),
		creel_promise_set_move(p, (creel_buffer){large, LARGE, NULL, NULL}),
		creel_wait(many, MANY, CREEL_FIRST_COMPLETED, CREEL_FOREVER, NULL),
	};
	ct_int(errno, ELOOP);
	creel_map_end(creel_map(ex, task_nothing, large, 1, LARGE, NULL));
	creel_queue_unref(creel_queue_new(NULL));
	creel_executor_unref(creel_thread_pool_new(NULL));
	creel_executor_unref(creel_inline_new());
	int saved = errno;
	ct_fault_off();
	ct_int(saved, ELOOP);
	for (size_t i = 0; i < sizeof codes / sizeof codes[0]; i++)
		ct_int(codes[i], -ENOMEM);
	ct_assert(none == NULL);
	ct_int(ct_count_get(&told.called) + ct_count_get(&told.freed), 0);
	for (int i = 0; i < MANY; i++)
		creel_future_unref(many[i]);
	creel_future_unref(f);
	creel_future_unref(p);
	creel_queue_unref(q);
	close_now(ex);
}
