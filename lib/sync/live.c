/* SPDX-License-Identifier: MIT */
/* The counts of live objects. */
#include "sync/live.h"

_Atomic(uint64_t) creel__live_count[CREEL__LIVES];
