/* SPDX-License-Identifier: MIT */
/* The codes of <errno.h>, those included that a system has not. */
#ifndef CREEL__BASE_CODE_H
#define CREEL__BASE_CODE_H

#include <errno.h>

/* Some BSDs have no ETIME: there a task that expired has the code of a deadline that passed. */
#ifndef ETIME
#define ETIME ETIMEDOUT
#endif

#endif
