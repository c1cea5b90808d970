/* SPDX-License-Identifier: MIT */
/*
 * The executors of the process, in the order of their making, for reports. The list and its lock
 * are process-wide state; a forked child starts with an empty list of its own.
 *
 * LOCK  rank 5. Whoever holds it may look at each executor of the list: none is freed meanwhile. An
 *       executor is added and removed without any other lock.
 */
#ifndef CREEL__EXEC_REGISTRY_H
#define CREEL__EXEC_REGISTRY_H

#include "future/class.h"

#ifdef CREEL_MODEL /* not a place more to be interrupted at */
#define creel__registry_add(ex) ((void)(ex))
#define creel__registry_remove(ex) ((void)(ex))
#else
/* Its class's own part is complete. */
void creel__registry_add(creel_executor *ex);
void creel__registry_remove(creel_executor *ex);
#endif

/* Takes the lock, unless somebody holds it for long: then false. */
bool creel__registry_try(void);
void creel__registry_release(void);

/* With the lock held: the first executor with that serial number or a later one, or NULL; whether
 * it is in the list. */
creel_executor *creel__registry_from_locked(uint64_t serial);
bool creel__registry_has_locked(const creel_executor *ex);

#endif
