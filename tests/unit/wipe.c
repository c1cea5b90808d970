/* SPDX-License-Identifier: MIT */
/*
 * Systems that accept every advice for memory and follow none, as emulators do: a page that the
 * kernel does not wipe in a child must not be believed in. (See __wrap_madvise.)
 */
#include "ct.h"
#include "sync/fork.h"

#include <errno.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

enum advice {
	FOLLOWED,
	IGNORED,
	REFUSED,
};

static _Atomic(int) advice;
static _Atomic(int) asked;

int __wrap_madvise(void *address, size_t size, int what);
int __real_madvise(void *address, size_t size, int what);

int __wrap_madvise(void *address, size_t size, int what)
{
	asked++;
	if (advice == FOLLOWED)
		return __real_madvise(address, size, what);
	errno = EINVAL;
	return advice == IGNORED ? 0 : -1;
}

static int status_of(pid_t child)
{
	int status = -1;
	ct_assert(child > 0);
	ct_int(waitpid(child, &status, 0), child);
	ct_assert(WIFEXITED(status));
	return WEXITSTATUS(status);
}

/* Children and grandchildren see that they are. */
static void tells_children_apart(int how)
{
	advice = how;
	uint16_t own = creel__fork_generation();
	ct_int(creel__fork_generation(), own);
	pid_t child = fork();
	if (child == 0) {
		uint16_t its = creel__fork_generation();
		if (its == own)
			_exit(1);
		pid_t grandchild = fork();
		if (grandchild == 0)
			_exit(creel__fork_generation() == its || creel__fork_generation() == own);
		int status;
		_exit(waitpid(grandchild, &status, 0) != grandchild || status ? 2 : 0);
	}
	ct_int(status_of(child), 0);
	ct_int(creel__fork_generation(), own);
}

CT_TEST(wipe, a_child_is_told_apart_where_advice_is_followed, 0)
{
	tells_children_apart(FOLLOWED);
}

CT_TEST(wipe, a_child_is_told_apart_where_advice_is_accepted_and_ignored, 0)
{
	tells_children_apart(IGNORED);
	ct_assert(!CT_LINUX || asked);
}

CT_TEST(wipe, a_child_is_told_apart_where_advice_is_refused, 0)
{
	tells_children_apart(REFUSED);
	ct_assert(!CT_LINUX || asked);
}
