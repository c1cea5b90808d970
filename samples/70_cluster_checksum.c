/* SPDX-License-Identifier: MIT */
/*
 * checksum_tree over the ranks of an MPI job: what `sha256sum` prints for every regular file under
 * a directory that all machines see at the same place, such as one of NFS. Rank 0 walks the tree
 * and sends paths; each rank reads the files that it gets itself, so that data never pass rank 0.
 * The lines come in byte order of the paths, whoever was first.
 *
 *	mpirun -n 3 ./70_cluster_checksum /usr/include
 *	mpirun -n 5 --hostfile hosts --bind-to none ./70_cluster_checksum /shared/data
 *	srun -N 5 --ntasks-per-node=1 ./70_cluster_checksum /shared/data
 */
#include <creel/creel.h>
#include <creel/mpi.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "checksum_tree/hash.h"
#include "checksum_tree/line.h"
#include "checksum_tree/walk.h"

enum { PATH_SIZE = 8192, IN_FLIGHT = 1024 };

struct tree {
	walk *walk;
	unsigned failed;
	/* The paths that are in flight: the map gives its results in their order. */
	char *paths[IN_FLIGHT];
	size_t next;
};

static void complain(struct tree *tree, const char *path, const char *what)
{
	tree->failed++;
	fprintf(stderr, "cluster_checksum: %s: %s\n", path, what);
}

static void on_walk_error(void *ctx, const char *path, int err)
{
	complain(ctx, path, strerror(err));
}

/* The map's source: the item is the path itself, which another machine has to get. */
static int next_path(void *ctx, void *item, size_t *size)
{
	struct tree *tree = ctx;
	const char *path;
	int rc = walk_next(tree->walk, &path);
	if (rc <= 0)
		return rc;
	size_t length = strlen(path) + 1;
	char *copy = length > *size ? NULL : strdup(path);
	if (!copy)
		return length > *size ? -ENAMETOOLONG : -ENOMEM;
	memcpy(item, path, length);
	*size = length;
	tree->paths[tree->next++ % IN_FLIGHT] = copy;
	return 1;
}

/* On a serving rank. hash_file() takes a pointer to the path. */
static int hash_path(creel_task *task, const void *arg, size_t size)
{
	const char *path = arg;
	(void)size;
	return hash_file(task, &path, sizeof path);
}

static int print_result(struct tree *tree, creel_future *f, const char *path)
{
	struct digest digest;
	if (creel_future_result(f, CREEL_NOW, &digest, sizeof digest) == 0)
		return print_checksum(stdout, &digest, path);
	complain(tree, path, creel_future_error(f)->message);
	return 0;
}

static int checksum(creel_executor *ex, const char *root)
{
	struct tree tree = {.failed = 0};
	creel_map_options options = {
		.in_flight = IN_FLIGHT, .max_item = PATH_SIZE, .flags = CREEL_KEEP_GOING};
	tree.walk = walk_new(root, on_walk_error, &tree);
	if (!tree.walk)
		return -ENOMEM;
	creel_mapping *map = creel_map_from(ex, hash_path, next_path, &tree, &options);
	creel_future *f;
	size_t i;
	int rc;
	while ((rc = creel_map_next(map, CREEL_FOREVER, &f, &i)) == 0) {
		rc = print_result(&tree, f, tree.paths[i % IN_FLIGHT]);
		free(tree.paths[i % IN_FLIGHT]);
		tree.paths[i % IN_FLIGHT] = NULL;
		creel_future_unref(f);
		if (rc)
			break;
	}
	if (rc != CREEL_EMPTY)
		fprintf(stderr, "cluster_checksum: %s\n", creel_code_name(rc));
	creel_map_end(map);
	walk_free(tree.walk);
	for (i = 0; i < IN_FLIGHT; i++)
		free(tree.paths[i]);
	return rc != CREEL_EMPTY || tree.failed ? 1 : 0;
}

int main(int argc, char **argv)
{
	/* Each worker has a digest context of its own. */
	static struct hash_context context;
	creel_process_pool_options workers = {
		.initializer = hash_worker_init, .finalizer = hash_worker_fini, .ctx = &context};
	creel_mpi_options options = {.processes = &workers};
	int rc = creel_mpi_init(&argc, &argv, &options);
	if (rc < 0)
		fprintf(stderr, "cluster_checksum: %s\n", creel_mpi_error()->message);
	if (rc)
		return rc < 0;
	creel_executor *ex = creel_mpi_pool_new(NULL);
	if (creel_executor_error(ex)) {
		fprintf(stderr, "cluster_checksum: %s\n", creel_executor_error(ex)->message);
		rc = 1;
	} else {
		rc = checksum(ex, argc > 1 ? argv[1] : "/usr/include");
	}
	creel_executor_close(ex);
	creel_mpi_end();
	return rc || fflush(stdout) ? 1 : 0;
}
