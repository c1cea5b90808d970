/* SPDX-License-Identifier: MIT */
/* See sweep_tasks.h. The awaited words are one futex: few wait, and nothing is lost. */
#include "sweep_tasks.h"
#include "misdeeds.h"

#include <errno.h>
#include <limits.h>
#include <linux/futex.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

struct ledger *ledger;

void changed(void)
{
	atomic_fetch_add(&ledger->word, 1);
	syscall(SYS_futex, &ledger->word, FUTEX_WAKE, INT_MAX, NULL, NULL, 0);
}

void await(_Atomic(uint32_t) *count, uint32_t n, const _Atomic(uint32_t) *or_told)
{
	for (;;) {
		uint32_t seen = atomic_load(&ledger->word);
		if (atomic_load(count) >= n || (or_told && atomic_load(or_told)))
			return;
		syscall(SYS_futex, &ledger->word, FUTEX_WAIT, seen, NULL, NULL, 0);
	}
}

void raise_to(_Atomic(uint32_t) *count, uint32_t n)
{
	atomic_store(count, n);
	changed();
}

void fill(unsigned char *data, size_t size, uint32_t id)
{
	for (size_t i = 0; i < size; i++)
		data[i] = (unsigned char)(id + i * 7 + 1);
}

bool is_filled(const unsigned char *data, size_t size, uint32_t id)
{
	for (size_t i = 0; i < size; i++)
		if (data[i] != (unsigned char)(id + i * 7 + 1))
			return false;
	return true;
}

static void free_handed(void *data, size_t size, void *ctx)
{
	(void)size;
	(void)ctx;
	free(data);
}

static int return_filled(creel_task *t, size_t size, uint32_t id)
{
	unsigned char *out = creel_return_reserve(t, size);
	if (!out)
		return -ENOSPC;
	SWEEP_STEP("the task has reserved its result");
	fill(out, size, id);
	return 0;
}

static int hand_over(creel_task *t, uint32_t id)
{
	unsigned char *data = malloc(HANDED_SIZE);
	if (!data)
		return -ENOMEM;
	fill(data, HANDED_SIZE, id);
	return creel_return_move(
		t, (creel_buffer){.data = data, .size = HANDED_SIZE, .free = free_handed});
}

/* The child returns, too, and must not go on as a worker. */
static int fork_and_return(creel_task *t, const struct order *o)
{
	pid_t pid = sweep_fork();
	if (pid == 0)
		return 0;
	while (pid > 0 && waitpid(pid, NULL, 0) < 0 && errno == EINTR)
		;
	return creel_return(t, &o->id, sizeof o->id);
}

static int perform(creel_task *t, const struct order *o, unsigned char *rest)
{
	switch ((enum sort)o->sort) {
	case COPIED:
		return return_filled(t, COPIED_SIZE, o->id);
	case MOVED:
		return return_filled(t, MOVED_SIZE, o->id);
	case HANDED:
		return hand_over(t, o->id);
	case FAILS:
		return creel_fail(t, FAILS_CODE, "task %u fails as it should", o->id);
	case LARGE_IN:
		if (!is_filled(rest, LARGE_SIZE - sizeof *o, o->id))
			return -EBADE;
		break;
	case SHARED:
		fill(rest, SHARED_SIZE - sizeof *o, o->id);
		break;
	case GATED:
		await(&ledger->gate, 1, NULL);
		if (creel_task_cancelled(t))
			return creel_fail(t, ASKED_CODE, "task %u was asked to end", o->id);
		break;
	case HANGS:
		for (;;)
			pause();
	case EXITS:
		_exit(EXIT_STATUS);
	case CLOSES:
		misdeed_take_descriptors(atomic_load(&ledger->end));
		break;
	case FORKS:
		return fork_and_return(t, o);
	case STOPS:
		for (;;)
			raise(SIGSTOP);
	case GARBAGE:
		misdeed_write_garbage(t, o->id * UINT64_C(0x9e3779b97f4a7c15) + (uint64_t)getpid());
		return 0;
	case MEETS:
		atomic_fetch_add(&ledger->met, 1);
		changed();
		await(&ledger->met, atomic_load(&ledger->meeting), NULL);
		break;
	case SMALL:
		break;
	}
	return creel_return(t, &o->id, sizeof o->id);
}

int sweep_task(creel_task *t, const void *arg, size_t size)
{
	struct order o;
	(void)size;
	memcpy(&o, arg, sizeof o);
	atomic_store(&ledger->runner[o.id], getpid());
	atomic_fetch_add(&ledger->ran[o.id], 1);
	sweep_in_task(o.id);
	changed();
	SWEEP_STEP("the task begins");
	int rc = perform(t, &o, (unsigned char *)(uintptr_t)arg + sizeof o);
	SWEEP_STEP("the task returns");
	return rc;
}

int sweep_initialize(void *ctx, unsigned worker, void **ret_local)
{
	(void)ctx;
	SWEEP_STEP("the initializer begins");
	*ret_local = malloc(16);
	atomic_store(&ledger->server[worker % SWEEP_INSTANCES], getppid());
	atomic_store(&ledger->worker[worker % SWEEP_INSTANCES], getpid());
	SWEEP_STEP("the initializer returns");
	return 0;
}

void sweep_finalize(void *ctx, void *local)
{
	(void)ctx;
	SWEEP_STEP("the finalizer");
	free(local);
}
