/* SPDX-License-Identifier: MIT */
/* What a worker waits for; see future/waits.h. */
#include "future/waits.h"
#include "future/class.h"

static void say(enum creel__waits_for kind, const void *what)
{
	struct creel__worker *worker = creel__self()->worker;
	if (!worker)
		return;
	creel__lock_acquire(&worker->waits.lock);
	worker->waits.kind = kind;
	worker->waits.what = what;
	creel__lock_release(&worker->waits.lock);
}

void creel__waits_begin(enum creel__waits_for kind, const void *what)
{
	say(kind, what);
}

void creel__waits_end(void)
{
	say(CREEL__WAITS_NOT, NULL);
}
