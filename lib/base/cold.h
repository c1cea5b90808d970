/* SPDX-License-Identifier: MIT */
/* For what is rarely called, so that the usual path in front of it saves no registers for it. */
#ifndef CREEL__BASE_COLD_H
#define CREEL__BASE_COLD_H

#if defined(__GNUC__)
#define CREEL__COLD __attribute__((noinline, cold))
#else
#define CREEL__COLD
#endif

#endif
