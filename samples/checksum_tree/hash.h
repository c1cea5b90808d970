/* SPDX-License-Identifier: MIT */
/* The task: the SHA-256 of one file, and what each worker needs for it. */
#ifndef CHECKSUM_TREE_HASH_H
#define CHECKSUM_TREE_HASH_H

#include <creel/creel.h>
#include <stdatomic.h>

enum { SHA256_SIZE = 32 };

/* The result of a task. */
struct digest {
	unsigned char sha256[SHA256_SIZE];
	unsigned worker;
	uint64_t bytes;
};

/* The ctx of the pool: what all its workers together have read so far. If they are processes, it
 * must lie in memory that they share. */
struct hash_context {
	atomic_uint_least64_t bytes;
};

/* The pool's initializer and finalizer. */
int hash_worker_init(void *ctx, unsigned worker, void **ret_local);
void hash_worker_fini(void *ctx, void *local);

/* The function of a task (a creel_fn). Its argument is a pointer to the path,
 * its result a digest. */
int hash_file(creel_task *task, const void *arg, size_t size);

#endif
