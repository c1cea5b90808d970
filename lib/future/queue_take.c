/* SPDX-License-Identifier: MIT */
/* Completion queues: taking, the descriptor, waking. How they go together stands in
 * future/queue_state.h. */
#include "future/queue_state.h"
#include "base/alloc.h"
#include "base/clock.h"
#include "base/fd.h"
#include "future/waits.h"
#include "sync/fork.h"
#include "sync/local.h"
#include "sync/look.h"
#include <creel/future.h>
#include <errno.h>
#ifdef __linux__
#include <sys/eventfd.h>
#include <sys/syscall.h>
#include <unistd.h>
#endif

struct creel__entry *creel__queue_first_locked(creel_queue *q)
{
	struct creel__list *list = q->ordered ? &q->waiting : &q->ready;
	if (creel__list_is_empty(list))
		return NULL;
	struct creel__entry *e = creel__of(list->next, struct creel__entry, link);
	return e->ready ? e : NULL;
}

void creel__queue_unlink_locked(creel_queue *q, struct creel__entry *e)
{
	for (int i = 0; i < 2; i++)
		if (q->cursor[i] == &e->link)
			q->cursor[i] = e->link.next;
	creel__list_remove(&e->link);
}

static bool is_woken_locked(creel_queue *q)
{
	/* [QUEUE-2] seq_cst: what was done before the wake is visible; of the descriptor's maker
	 * and a wake one sees the other. Pairs with creel_queue_wake() */
	return creel__load(&q->wakes, seq_cst) != q->taken_wakes;
}

void creel__queue_take_wakes_locked(creel_queue *q)
{
	/* [QUEUE-2] seq_cst: as above */
	q->taken_wakes = creel__load(&q->wakes, seq_cst);
	q->stirred = true;
}

static bool may_take_locked(creel_queue *q)
{
	return is_woken_locked(q) || creel__queue_first_locked(q) || (q->closed && q->count == 0);
}

/* Adds a mark to the descriptor, or takes all away. Not write() and read(): those are cancellation
 * points, and locks are held. */
static bool mark(int fd, bool add)
{
	bool done = false;
#ifdef __linux__
	uint64_t one = 1;
	int saved = errno;
	done = syscall(add ? SYS_write : SYS_read, fd, &one, sizeof one) > 0;
	errno = saved;
#else
	(void)fd;
	(void)add;
#endif
	return done;
}

static void show_locked(creel_queue *q, bool readable)
{
	int fd = creel__load(&q->fd, relaxed);
	if (fd < 0)
		return;
	if (!readable && (q->shown || q->stirred)) {
		/* [QUEUE-3] acquire: their marks are there, to be taken away; pairs with the
		 * release in creel_queue_wake() */
		q->stirred = creel__load(&q->waking, acquire) != 0;
		mark(fd, false);
		q->shown = false;
		readable = is_woken_locked(q);
	}
	if (readable && !q->shown)
		q->shown = mark(fd, true);
}

/* After each change: tells the descriptor and one who waits. */
void creel__queue_update_locked(creel_queue *q)
{
	bool readable = may_take_locked(q);
	creel__store(&q->readable, readable, relaxed);
	show_locked(q, readable);
	if (readable && q->takeable.sleepers && !q->called) {
		q->called = true;
		creel__cond_wake(&q->takeable);
	}
	creel__queue_hail_locked(q);
}

void creel__queue_hail_locked(creel_queue *q)
{
	bool room = q->closed || !q->capacity || q->count < q->capacity;
	if (room && q->room.sleepers && !q->hailed) {
		q->hailed = true;
		creel__cond_wake(&q->room);
	}
}

/* What take can say without waiting; 1 if it must wait. */
static int try_take_locked(creel_queue *q, struct creel__entry **ret_entry)
{
	if (is_woken_locked(q)) {
		creel__queue_take_wakes_locked(q);
		return CREEL_WOKEN;
	}
	struct creel__entry *e = creel__queue_first_locked(q);
	if (!e)
		return q->closed && q->count == 0 ? CREEL_EMPTY : 1;
	creel__queue_unlink_locked(q, e);
	q->count--;
	q->ready_count--;
	*ret_entry = e;
	return 0;
}

/* Why a take that would have to wait may not. */
int creel__queue_may_wait(creel_deadline deadline)
{
	if (creel__deadline_passed(deadline))
		return -ETIMEDOUT;
	return creel__self()->callbacks ? -EDEADLK : 0;
}

struct sight {
	creel_queue *q;
	uint32_t wakes; /* that were taken */
};

static bool shows_something(void *arg)
{
	const struct sight *s = arg;
	return creel__load(&s->q->readable, relaxed) ||
	       creel__load(&s->q->wakes, relaxed) != s->wakes;
}

/* Gives up the lock while it looks. False: it has not looked. */
static bool look_locked(creel_queue *q)
{
	unsigned looks = creel__looks();
	struct sight sight = {q, q->taken_wakes};
	if (looks == 0)
		return false;
	creel__lock_release(&q->lock);
	(void)creel__look(looks, shows_something, &sight);
	creel__lock_acquire(&q->lock);
	return true;
}

/* Waits for the first one. */
static int await_one_locked(creel_queue *q, creel_deadline deadline,
			    struct creel__entry **ret_entry)
{
	for (bool looked = false;;) {
		uint32_t round = creel__cond_round(&q->takeable);
		int rc = try_take_locked(q, ret_entry);
		if (rc != 1)
			return rc;
		rc = creel__queue_may_wait(deadline);
		if (rc)
			return rc;
		if (!looked) {
			looked = true;
			if (look_locked(q))
				continue;
		}
		creel__waits_begin(CREEL__WAITS_QUEUE, q);
		rc = creel__cond_wait_since(&q->takeable, &q->lock, round, deadline);
		creel__waits_end();
		q->called = false;
		if (rc == -EAGAIN)
			return rc;
	}
}

static void hand_out(struct creel__entry *e, creel_future **ret_future, void **ret_tag)
{
	*ret_future = e->future;
	if (ret_tag)
		*ret_tag = e->tag;
	creel__free(e);
}

int creel_queue_take_many(creel_queue *q, creel_deadline deadline, size_t n,
			  creel_future **ret_futures, void **ret_tags, size_t *ret_taken)
{
	int rc = creel__queue_check(q);
	if (rc || !ret_futures || !ret_taken || n == 0)
		return rc ? rc : -EINVAL;
	struct creel__list taken;
	struct creel__entry *e = NULL;
	size_t count = 0;
	creel__list_init(&taken);
	creel__lock_acquire(&q->lock);
	rc = await_one_locked(q, deadline, &e);
	while (e) {
		creel__list_append(&taken, &e->link);
		e = NULL;
		if (++count < n && creel__queue_first_locked(q))
			(void)try_take_locked(q, &e);
	}
	creel__queue_update_locked(q);
	creel__lock_release(&q->lock);
	for (size_t i = 0; i < count; i++)
		hand_out(creel__of(creel__list_pop(&taken), struct creel__entry, link),
			 &ret_futures[i], ret_tags ? &ret_tags[i] : NULL);
	if (count)
		*ret_taken = count;
	return rc;
}

int creel_queue_take(creel_queue *q, creel_deadline deadline, creel_future **ret_future,
		     void **ret_tag)
{
	int rc = creel__queue_check(q);
	if (rc || !ret_future)
		return rc ? rc : -EINVAL;
	struct creel__entry *e = NULL;
	creel__lock_acquire(&q->lock);
	rc = await_one_locked(q, deadline, &e);
	creel__queue_update_locked(q);
	creel__lock_release(&q->lock);
	if (e)
		hand_out(e, ret_future, ret_tag);
	return rc;
}

int creel_queue_fd(creel_queue *q)
{
	int rc = creel__queue_check(q);
	if (rc)
		return rc;
#ifdef __linux__
	creel__lock_acquire(&q->lock);
	rc = creel__load(&q->fd, relaxed);
	if (rc < 0) {
		int saved = errno;
		rc = creel__fd_raise(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
		/* [QUEUE-2] seq_cst: pairs with creel_queue_wake() */
		creel__store(&q->fd, rc, seq_cst);
		rc = rc < 0 ? -errno : rc;
		errno = saved;
		creel__queue_update_locked(q);
	}
	creel__lock_release(&q->lock);
	return rc;
#else
	return -ENOTSUP;
#endif
}

int creel_queue_wake(creel_queue *q)
{
	int rc = creel__queue_check(q);
	if (rc)
		return rc;
	if (!CREEL__UNPARK_IN_HANDLERS)
		return -ENOTSUP;
	creel__add(&q->waking, 1, relaxed);
	/* [QUEUE-2] seq_cst: publishes what was done before; and the descriptor is looked for
	 * afterwards. Pairs with is_woken_locked() and the store in creel_queue_fd() */
	creel__add(&q->wakes, 1, seq_cst);
	/* [QUEUE-2] seq_cst: as above */
	int fd = creel__load(&q->fd, seq_cst);
	if (fd >= 0)
		mark(fd, true);
	creel__cond_wake(&q->takeable);
	/* [QUEUE-3] release: the mark is there; pairs with the acquire in show_locked() */
	creel__sub(&q->waking, 1, release);
	return 0;
}

void creel__queue_close_fd(creel_queue *q)
{
#ifdef __linux__
	int fd = creel__xchg(&q->fd, -1, relaxed);
	/* Not close(), where a thread can be cancelled. */
	if (fd >= 0)
		syscall(SYS_close, fd);
#else
	(void)q;
#endif
}
