/* SPDX-License-Identifier: MIT */
/* A custom executor that forks a process for each task: see forker.c. */
#ifndef CREEL_TESTS_FORKER_H
#define CREEL_TESTS_FORKER_H

#include <creel/creel.h>

enum { CT_FORKER_MOST = 16 };

/* At most n processes at once, from 1 to CT_FORKER_MOST. */
creel_executor *ct_forker_new(unsigned n);

#endif
