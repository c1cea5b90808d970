/* SPDX-License-Identifier: MIT */
/* A custom executor that forwards its tasks: see adaptor.c. */
#ifndef CREEL_TESTS_ADAPTOR_H
#define CREEL_TESTS_ADAPTOR_H

#include <creel/creel.h>

/* At most n tasks at once are with the executor beneath, the others wait here, in order. Takes over
 * the reference to beneath. */
creel_executor *ct_adaptor_new(creel_executor *beneath, unsigned n);

#endif
