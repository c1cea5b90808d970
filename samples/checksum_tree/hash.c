/* SPDX-License-Identifier: MIT */
/*
 * Reads and hashes one file a task. Each worker has a digest context and a buffer of its own, made
 * by the pool's initializer: nothing is allocated or looked up a file, and nothing is shared but
 * one counter.
 */
#include "hash.h"
#include "walk.h"
#include <errno.h>
#include <fcntl.h>
#include <openssl/evp.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

enum { BUFFER_SIZE = 128 * 1024 };

struct hasher {
	EVP_MD *sha256;
	EVP_MD_CTX *digest;
	struct hash_context *context;
	unsigned char buffer[BUFFER_SIZE];
};

void hash_worker_fini(void *ctx, void *local)
{
	struct hasher *hasher = local;
	(void)ctx;
	EVP_MD_CTX_free(hasher->digest);
	EVP_MD_free(hasher->sha256);
	free(hasher);
}

int hash_worker_init(void *ctx, unsigned worker, void **ret_local)
{
	(void)worker;
	struct hasher *hasher = malloc(sizeof *hasher);
	if (!hasher)
		return -ENOMEM;
	hasher->context = ctx;
	hasher->sha256 = EVP_MD_fetch(NULL, "SHA256", NULL);
	hasher->digest = EVP_MD_CTX_new();
	if (!hasher->sha256 || !hasher->digest) {
		hash_worker_fini(ctx, hasher);
		return -ENOTSUP;
	}
	*ret_local = hasher;
	return 0;
}

/* Hashes what fd has from here to its end. 0, -errno, or CREEL_EFAILED if the digest fails. */
static int hash_all(struct hasher *hasher, int fd, struct digest *ret_digest)
{
	ret_digest->bytes = 0;
	if (!EVP_DigestInit_ex(hasher->digest, hasher->sha256, NULL))
		return CREEL_EFAILED;
	for (;;) {
		ssize_t n = read(fd, hasher->buffer, BUFFER_SIZE);
		if (n == 0)
			break;
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (!EVP_DigestUpdate(hasher->digest, hasher->buffer, (size_t)n))
			return CREEL_EFAILED;
		ret_digest->bytes += (uint64_t)n;
		/* Relaxed: only a progress bar reads it on the way. */
		atomic_fetch_add_explicit(&hasher->context->bytes, (uint64_t)n,
					  memory_order_relaxed);
	}
	return EVP_DigestFinal_ex(hasher->digest, ret_digest->sha256, NULL) ? 0 : CREEL_EFAILED;
}

int hash_file(creel_task *task, const void *arg, size_t size)
{
	const char *path = *(const char *const *)arg;
	(void)size;
	/* O_NONBLOCK: should it have become a fifo since the walk saw it, this does not hang. */
	int fd = walk_open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY);
	if (fd < 0)
		return creel_fail(task, fd, "cannot be opened");

	struct digest digest = {.worker = creel_task_worker(task)};
	struct stat st;
	int rc = 0;
	if (fstat(fd, &st) == 0 && !S_ISREG(st.st_mode))
		rc = creel_fail(task, CREEL_EFAILED, "is no longer a regular file");
	else if ((rc = hash_all(creel_task_local(task), fd, &digest)) != 0)
		rc = creel_fail(task, rc, "cannot be %s", rc == CREEL_EFAILED ? "hashed" : "read");
	close(fd);
	return rc ? rc : creel_return(task, &digest, sizeof digest);
}
