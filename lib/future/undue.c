/* SPDX-License-Identifier: MIT */
/* The list of what an executor's class has not got yet; see future/undue.h. */
#include "future/undue.h"

bool creel__undue_add(creel_executor *ex, struct creel__undue *undue)
{
	creel__lock_acquire(&ex->undue_lock);
	bool open = !ex->undue_closed;
	if (open) {
		creel__list_append(undue->stays ? &ex->staying : &ex->undue, &undue->node);
		ex->undue_count++;
	}
	creel__lock_release(&ex->undue_lock);
	return open;
}

void creel__undue_take(creel_executor *ex, struct creel__undue *undue)
{
	creel__lock_acquire(&ex->undue_lock);
	ex->undue_count -= !creel__list_is_empty(&undue->node);
	creel__list_remove(&undue->node);
	creel__cond_broadcast_locked(&ex->undue_changed);
	if (!undue->stays)
		creel__executor_keep(ex);
	creel__lock_release(&ex->undue_lock);
}
