/* SPDX-License-Identifier: MIT */
/* Forks of the host, noticed without a system call. */
#ifndef CREEL__SYNC_FORK_H
#define CREEL__SYNC_FORK_H

#include "base/cold.h"
#include "sync/atomic.h"
#include <stdbool.h>
#include <stdint.h>

/* Where the generation stands: 0 before anybody looked in this process. */
extern _Atomic(_Atomic(uint32_t) *) creel__fork_word;
/* The copy that a child inherits. Not static, because the model forks by hand. */
extern _Atomic(uint32_t) creel__fork_inherited;
CREEL__COLD uint16_t creel__fork_first_look(void);

/* Differs between a process and its children, for as long as 65,535 of them descend from one
 * another; never 0. Every submission and every task asks several times: hence inline. */
static inline uint16_t creel__fork_look(void)
{
	/* [FORK-1] acquire: pairs with the release in make_word() */
	_Atomic(uint32_t) *word = creel__load(&creel__fork_word, acquire);
	uint32_t generation = creel__load(word, relaxed);
	return generation ? (uint16_t)generation : creel__fork_first_look();
}

#ifdef CREEL_MODEL
uint16_t creel__fork_generation(void); /* the model has its own, unless it looks at this one */
#else
static inline uint16_t creel__fork_generation(void)
{
	return creel__fork_look();
}
#endif

/*
 * The fork rule, the same for every object (executor, future, queue, map):
 *
 * An object remembers the generation of the process that made it. In every other process it is
 * foreign: calls return -EPERM, before they touch anything that a thread of the parent may have
 * held or half changed at the fork. Dropping a reference closes the object's descriptors there and
 * does nothing else. Generation 0 is for constants that stand in where memory is missing.
 */
static inline bool creel__fork_foreign(uint16_t generation)
{
	return generation && generation != creel__fork_generation();
}

/* Whether this process, a child, still has the descriptors of what came from that generation. Those
 * of a process pool have closed what they inherited, and the numbers may be other files by now. */
bool creel__fork_has_fds(uint16_t generation);
void creel__fork_closed_all(void); /* says that, for itself and its children */

/* Ends a forked child with that exit status, if the calling thread is one of the library's own. */
void creel__fork_leave(int status);

/*
 * Something of the user's has returned that may have forked, and this may be the child. There a
 * thread of the library's own has nothing to go on with: its queue, its slots and its callbacks are
 * the parent's. So the child ends here, with that exit status. On a thread of the user's the child
 * goes on, to return to the user's code: then false.
 */
static inline bool creel__fork_returned(uint16_t generation, int status)
{
	if (!creel__fork_foreign(generation))
		return true;
	creel__fork_leave(status);
	return false;
}

/*
 * Sees to it that static state is this process's own. The thread that finds a parent's, or none,
 * resets it; others that come meanwhile look again: it is not long. The word is the generation that
 * the state is of, and changes here alone.
 *
 * ONCE  What is made once, for this process and its children, is made so too: reset() leaves alone
 *       what a parent has made. Not by pthread_once(): a child that is forked while another thread
 *       makes it waits for that thread for ever, with musl. Here it makes it anew, so it may be
 *       made twice: at worst what the parent had not finished is lost to the child.
 */
static inline void creel__fork_renew(_Atomic(uint32_t) *generation, void (*reset)(void))
{
	uint32_t own = creel__fork_generation(), busy = own | UINT32_C(1) << 16;
	/* [RENEW-1] acquire: the reset is over; pairs with the release below */
	uint32_t seen = creel__load(generation, acquire);
	while (seen != own) {
		if (seen == busy) {
			creel__cpu_relax();
			/* [RENEW-1] acquire: as above */
			seen = creel__load(generation, acquire);
			/* [RENEW-1] acquire: as above, when it fails */
		} else if (creel__cas(generation, &seen, busy, acquire, acquire)) {
			reset();
			/* [RENEW-1] release: publishes the reset; pairs with the acquires above */
			creel__store(generation, own, release);
			seen = own;
		}
	}
}

/*
 * Calls a function of the user's for an object of that generation (read before and after); `call`
 * is the expression that does it. lib/ calls every function of the user's through this; a lint
 * looks.
 *
 * Returns true if it was called and this is still the object's process. Returns false in a child,
 * whether it was forked before (then nothing is called) or by that function: the caller leaves all
 * that is the parent's alone, locks too, and returns.
 */
#define creel__user_call(generation, call, status)                                                 \
	(!creel__fork_foreign(generation) &&                                                       \
	 ((void)(call), creel__fork_returned((generation), (status))))

#endif
