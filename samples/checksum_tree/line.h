/* SPDX-License-Identifier: MIT */
/* A line of output. */
#ifndef CHECKSUM_TREE_LINE_H
#define CHECKSUM_TREE_LINE_H

#include <stdio.h>
#include "hash.h"

/* The line of sha256sum, which marks the names in which it had to escape something. 0 or -errno. */
int print_checksum(FILE *out, const struct digest *digest, const char *path);

#endif
