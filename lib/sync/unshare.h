/* SPDX-License-Identifier: MIT */
/* Descriptors that a forked child must not keep open. */
#ifndef CREEL__SYNC_UNSHARE_H
#define CREEL__SYNC_UNSHARE_H

#include "base/fd.h"

/* Zeroed before its first use. */
struct creel__unshared {
	int fd;
	struct creel__fd_mark mark;
	struct creel__unshared *next;
};

/* From now on fork() closes fd in the child, at once. Returns 0, or -ENOMEM: then it does not. */
int creel__unshare(struct creel__unshared *u, int fd);
/* No longer, if it did. */
void creel__unshare_end(struct creel__unshared *u);

#endif
