/* SPDX-License-Identifier: MIT */
/*
 * The fork generation: a number that a forked child sees change.
 *
 * ALGORITHM  The number lives in a page that the kernel wipes in the child (MADV_WIPEONFORK, Linux
 *            4.14). A zero means "just forked": the first to see it counts up from the copy that
 *            was inherited in ordinary memory. Where there is no such page, a pthread_atfork()
 *            handler zeroes the word.
 * MAKING     Whoever needs the word first makes one, and the first that is shown stays: nobody
 *            waits for a thread that makes it, which a child does not have (fork.h, ONCE).
 * INVARIANT  The inherited copy never goes back, and the word never shows a number that the copy
 *            has not reached. So a child counts up from a number that is at least its parent's,
 *            however many threads meet a fresh zero at once, and whenever one of them forks.
 */
#include "sync/fork.h"
#include "sync/atomic.h"
#include "sync/local.h"
#include <errno.h>
#include <pthread.h>
#include <sys/mman.h>
#include <unistd.h>

static _Atomic(uint32_t) unset; /* stays 0 */
_Atomic(_Atomic(uint32_t) *) creel__fork_word = &unset;
_Atomic(uint32_t) creel__fork_inherited;
static _Atomic(uint32_t) fallback;

static void zero_fallback(void)
{
	creel__store(&fallback, 0, relaxed);
}

/* NULL: the kernel has no such page. */
static _Atomic(uint32_t) *make_page(void)
{
#ifdef MADV_WIPEONFORK
	/* Some emulators accept every advice and ignore it: believe only one that refuses -1. */
	void *page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (page != MAP_FAILED) {
		if (madvise(page, 4096, MADV_WIPEONFORK) == 0 && madvise(page, 4096, -1) != 0)
			return page;
		munmap(page, 4096);
	}
#endif
	return NULL;
}

static void make_word(void)
{
	int saved = errno;
	_Atomic(uint32_t) *page = make_page(), *shown = &unset;
	if (!page)
		pthread_atfork(NULL, NULL, zero_fallback);
	/* [FORK-1] release: the page is mapped; pairs with the acquires in creel__fork_look() and
	 * creel__fork_first_look() */
	bool first = creel__cas(&creel__fork_word, &shown, page ? page : &fallback, release,
				relaxed);
	if (!first && page)
		munmap(page, 4096);
	errno = saved;
}

/* Wraps from 65535 to 1: 0 means that nobody looked since the fork. */
static uint32_t next_generation(uint32_t generation)
{
	return generation % UINT16_MAX + 1;
}

/* Several threads may come here at once, and each may count; one of them shows its number. */
static uint32_t count_up(_Atomic(uint32_t) *w)
{
	uint32_t old = creel__load(&creel__fork_inherited, relaxed);
	uint32_t next = next_generation(old);
	/* Not a store: whoever read an old copy must not put it back. */
	while (!creel__cas(&creel__fork_inherited, &old, next, relaxed, relaxed))
		next = next_generation(old);
	uint32_t shown = 0;
	/* [FORK-2] acq_rel: the step above is not later, so that a child that another thread forks
	 * in between finds it done; pairs with itself */
	return creel__cas(w, &shown, next, acq_rel, relaxed) ? next : shown;
}

uint16_t creel__fork_first_look(void)
{
	if (creel__load(&creel__fork_word, relaxed) == &unset)
		make_word();
	/* [FORK-1] acquire: as in creel__fork_look() */
	_Atomic(uint32_t) *word = creel__load(&creel__fork_word, acquire);
	uint32_t generation = creel__load(word, relaxed);
	return (uint16_t)(generation ? generation : count_up(word));
}

/* The generation from which on there are descriptors; 0: nobody has closed any. Set while the
 * process has one thread. */
static uint16_t fds_since;

void creel__fork_closed_all(void)
{
	fds_since = creel__fork_generation();
}

/* Of two generations of one line of descent the later one is the closer ahead. */
bool creel__fork_has_fds(uint16_t generation)
{
	return !fds_since || (uint16_t)(generation - fds_since) <= UINT16_MAX / 2;
}

void creel__fork_leave(int status)
{
	if (creel__self()->own)
		_exit(status);
}
