/* SPDX-License-Identifier: MIT */
/*
 * An executor over the public operations, as a user would write one: one thread, one locked list.
 */
#ifndef CREEL_TESTS_CUSTOM_H
#define CREEL_TESTS_CUSTOM_H

#include <creel/executor.h>

/* bare: only the operations that must be there (no withdraw, no shutdown). */
creel_executor *ct_custom_new(bool bare);

#endif
