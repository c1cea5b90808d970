/* SPDX-License-Identifier: MIT */
/*
 * Looking: a thread that is about to sleep until something has happened looks for a moment whether
 * it happens now. To sleep and to be woken costs several microseconds, and where a CPU halts
 * meanwhile ten times as many: more than many tasks take.
 *
 *     if (!creel__look(creel__looks(), has_happened, &what)) {
 *             ... say that somebody sleeps, and creel__park() ...
 *     }
 *
 * Whoever ends the wait makes a system call only if somebody said that it sleeps, so a look that
 * helps saves both sides theirs.
 *
 * ADAPTS  As adaptive mutexes do. A thread that looked in vain looks for half as long the next
 *         time. When that is too short to help, it rests: it sleeps at once for some waits. Then it
 *         looks once for as long as it takes to wake a thread on a CPU that halts. For if both
 *         sides sleep by then, a short look never finds the other one awake; after one long look
 *         both are awake, and short looks are enough. After each long look in vain it rests twice
 *         as long as before. The state is the thread's own (sync/local.h).
 * ONE CPU  Where the thread may use only one, what it waits for happens on that same CPU, and a
 *         look would delay it. So it asks the system for its CPUs whenever it begins to look, or to
 *         look again, and looks only if there are several.
 */
#ifndef CREEL__SYNC_LOOK_H
#define CREEL__SYNC_LOOK_H

#include "sync/atomic.h"
#include <stdbool.h>

enum {
	/* How often it looks, with a pause in between: 200 take 5 to 8 microseconds. */
	CREEL__LOOKS_SHORT = 200,
	CREEL__LOOKS_LEAST = 50,
	CREEL__LOOKS_LONG = 2000,
	/* How many waits a rest lasts. */
	CREEL__REST = 16,
	CREEL__REST_MOST = 1024,
};

/* How often the calling thread may look before its next sleep; 0: not at all. Called once for each
 * wait that may sleep. */
unsigned creel__looks(void);

/* It looked: whether that helped. */
void creel__looked(bool helped);

/* Whether has_happened() is true at one of so many looks. It orders the caller behind the event. No
 * lock is held. */
static inline bool creel__look(unsigned looks, bool (*has_happened)(void *what), void *what)
{
	if (looks == 0)
		return false;
	bool helped;
	while (!(helped = has_happened(what)) && --looks)
		creel__cpu_relax();
	creel__looked(helped);
	return helped;
}

#endif
