/* SPDX-License-Identifier: MIT */
/* The executors of the process; see exec/registry.h. */
#include "exec/registry.h"
#include "base/list.h"
#include "sync/lock.h"

static struct creel__list executors;
static struct creel__lock lock;
static _Atomic(uint32_t) generation;

static void reset(void)
{
	creel__list_init(&executors);
	creel__store(&lock.word, 0, relaxed);
}

#ifndef CREEL_MODEL
static uint64_t serials;

void creel__registry_add(creel_executor *ex)
{
	creel__fork_renew(&generation, reset);
	creel__lock_acquire(&lock);
	ex->serial = ++serials;
	creel__list_append(&executors, &ex->registered);
	creel__lock_release(&lock);
}

void creel__registry_remove(creel_executor *ex)
{
	if (creel__executor_foreign(ex))
		return;
	creel__fork_renew(&generation, reset);
	creel__lock_acquire(&lock);
	creel__list_remove(&ex->registered); /* or it was never in */
	creel__lock_release(&lock);
}
#endif

bool creel__registry_try(void)
{
	creel__fork_renew(&generation, reset);
	return creel__lock_try(&lock);
}

void creel__registry_release(void)
{
	creel__lock_release(&lock);
}

static creel_executor *executor_of(struct creel__list *node)
{
	return creel__of(node, creel_executor, registered);
}

creel_executor *creel__registry_from_locked(uint64_t serial)
{
	for (struct creel__list *i = executors.next; i != &executors; i = i->next)
		if (executor_of(i)->serial >= serial)
			return executor_of(i);
	return NULL;
}

bool creel__registry_has_locked(const creel_executor *ex)
{
	for (struct creel__list *i = executors.next; i != &executors; i = i->next)
		if (executor_of(i) == ex)
			return true;
	return false;
}
