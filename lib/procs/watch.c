/* SPDX-License-Identifier: MIT */
/* What the host can tell those who watch a process pool: when a task started, and which workers
 * there are. */
#include "future/watch.h"
#include "procs/pool.h"

void creel__tell_ran(struct creel__procs *p, struct creel__proc *w, unsigned i, creel_future *f)
{
	if (creel__is_watched(f))
		creel__watch_ran(f, creel__load(&creel__slot_of(p, w, i)->started, relaxed),
				 creel__proc_index(p, w));
}

void creel__tell_ready(struct creel__procs *p)
{
	if (!creel__load(&p->base.watch, relaxed))
		return;
	for (unsigned i = 0; i < CREEL__PROCS_MAX; i++) {
		struct creel__proc *w = &p->procs[i];
		creel__lock_acquire(&p->lock);
		bool last = i >= p->reach, news = w->life == CREEL__READY && !w->told;
		w->told |= news;
		creel__procs_unlock(p);
		if (last)
			break;
		if (news)
			(void)creel__watch_worker(&p->base, i, false);
	}
}
