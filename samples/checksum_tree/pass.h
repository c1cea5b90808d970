/* SPDX-License-Identifier: MIT */
/* One pass over the tree: every file is hashed on a pool, the checksums come out in order. */
#ifndef CHECKSUM_TREE_PASS_H
#define CHECKSUM_TREE_PASS_H

#include <creel/creel.h>
#include <stdio.h>
#include "hash.h"
#include "terminal.h"
#include "walk.h"

/* What one worker did. */
struct share {
	uint64_t files, bytes;
};

struct file;

struct pass {
	/* In. The pool is one with hash_worker_init() and hashed as its ctx,
	 * which its workers share. */
	const char *root;
	creel_executor *pool;
	struct hash_context *hashed;
	FILE *out;      /* gets the checksums; NULL: nobody does, and nothing is complained of */
	uint64_t total; /* how many files there are; 0 if that is not known */
	creel_future *count; /* where total will come from (an uint64_t), or NULL */
	const char *label;   /* of the progress bar */

	/* Out. */
	uint64_t files, bytes; /* hashed */
	uint64_t failed;       /* files and directories that could not be read */
	double seconds;
	char why[256];        /* if it did not get to the end of the tree */
	struct share *shares; /* by number of the worker */
	size_t n_shares;

	/* Its own. */
	walk *walk;
	struct file *first, **last; /* submitted and not yet taken: in the order of the map */
	struct progress progress;
};

/* 0 if it got to the end of the tree, a negative code if not. Starts anew if called again. */
int pass_run(struct pass *p);

void pass_fini(struct pass *p);

#endif
