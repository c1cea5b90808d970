/* SPDX-License-Identifier: MIT */
/* Looking for leaks under memcheck: see memcheck.c. Elsewhere it does nothing. */
#ifndef CREEL_TESTS_MEMCHECK_H
#define CREEL_TESTS_MEMCHECK_H

#ifdef CREEL_MEMCHECK
/* Where nothing should be allocated any more that nobody points to. */
void ct_look_for_leaks(void);
#else
static inline void ct_look_for_leaks(void)
{
}
#endif

#endif
