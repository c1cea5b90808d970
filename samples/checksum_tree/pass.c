/* SPDX-License-Identifier: MIT */
/*
 * One pass over the tree. The map pulls paths out of the walk only as fast as checksums are taken
 * out of the map, so that a tree of any size takes little memory; it hands them out in the order
 * in which the walk found them, however long each took.
 *
 *	walk -> next_file() -> [ map: at most IN_FLIGHT, hashed by the workers ] -> take() -> out
 */
#include "pass.h"
#include "line.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Enough for the others to have work while one hashes something large. */
enum { IN_FLIGHT = 1024 };

/* One file from its submission until its result is taken. Tasks borrow the path: so it is in memory
 * that the workers see, whatever they are. */
struct file {
	struct file *next;
	char path[];
};

static void on_walk_error(void *ctx, const char *path, int err)
{
	struct pass *p = ctx;
	p->failed++;
	if (p->out)
		complain(&p->progress, path, "cannot be read", err);
}

/* The map's source (a creel_source_fn): the item is a pointer to the path. */
static int next_file(void *ctx, void *item, size_t *size)
{
	struct pass *p = ctx;
	const char *path;
	int rc = walk_next(p->walk, &path);
	if (rc <= 0)
		return rc;
	size_t length = strlen(path);
	struct file *file = creel_shared_alloc(p->pool, sizeof *file + length + 1);
	if (!file)
		return -ENOMEM;
	file->next = NULL;
	memcpy(file->path, path, length + 1);
	*p->last = file;
	p->last = &file->next;

	const char *argument = file->path;
	memcpy(item, &argument, sizeof argument);
	*size = sizeof argument;
	return 1;
}

static void drop_first_file(struct pass *p)
{
	struct file *file = p->first;
	p->first = file->next;
	if (!p->first)
		p->last = &p->first;
	creel_shared_free(p->pool, file);
}

static int add_to_share(struct pass *p, const struct digest *digest)
{
	if (digest->worker >= p->n_shares) {
		size_t n = digest->worker + (size_t)1;
		struct share *shares = reallocarray(p->shares, n, sizeof *shares);
		if (!shares)
			return -ENOMEM;
		memset(shares + p->n_shares, 0, (n - p->n_shares) * sizeof *shares);
		p->shares = shares;
		p->n_shares = n;
	}
	p->shares[digest->worker].files++;
	p->shares[digest->worker].bytes += digest->bytes;
	return 0;
}

/* The future is final: counts and prints what came of the file. */
static int settle(struct pass *p, creel_future *future, const char *path)
{
	struct digest digest;
	if (creel_future_result(future, CREEL_NOW, &digest, sizeof digest) != 0) {
		const creel_error *error = creel_future_error(future);
		/* No worker, no memory: not the file's fault. A worker that died of it is. */
		if (error->kind != CREEL_KIND_FAILED && error->kind != CREEL_KIND_WORKER_DIED) {
			snprintf(p->why, sizeof p->why, "%s", error->message);
			return CREEL_EFAILED;
		}
		p->failed++;
		if (p->out)
			complain(&p->progress, path, error->message, error->err);
		return 0;
	}
	p->files++;
	p->bytes += digest.bytes;
	int rc = add_to_share(p, &digest);
	if (rc == 0 && p->out) {
		if (p->progress.drawn && isatty(fileno(p->out)))
			progress_erase(&p->progress);
		rc = print_checksum(p->out, &digest, path);
	}
	return rc;
}

static void draw(struct pass *p, uint64_t files, uint64_t bytes_before, bool force)
{
	if (p->total == 0 && p->count)
		creel_future_result(p->count, CREEL_NOW, &p->total, sizeof p->total);
	uint64_t bytes = atomic_load_explicit(&p->hashed->bytes, memory_order_relaxed);
	progress_draw(&p->progress, files, p->total, bytes - bytes_before, force);
}

/* Takes results until there are none: 0, or the code of what ended it early. */
static int take_all(struct pass *p, creel_mapping *map)
{
	uint64_t bytes_before = atomic_load(&p->hashed->bytes), taken = 0;
	draw(p, 0, bytes_before, true);
	for (;;) {
		creel_future *future;
		creel_deadline redraw = p->progress.on ? creel_in_ms(100) : CREEL_FOREVER;
		int rc = creel_map_next(map, redraw, &future, NULL);
		if (rc == CREEL_EMPTY)
			break;
		if (rc == 0) {
			rc = settle(p, future, p->first->path);
			creel_future_unref(future);
			drop_first_file(p);
			taken++;
		}
		if (rc != 0 && rc != -ETIMEDOUT)
			return rc;
		draw(p, taken, bytes_before, false);
	}
	draw(p, taken, bytes_before, true);
	return p->out && fflush(p->out) != 0 ? -errno : 0;
}

static void explain(struct pass *p, int rc)
{
	const creel_error *broken = creel_executor_error(p->pool);
	if (p->out && ferror(p->out))
		snprintf(p->why, sizeof p->why, "standard output: %s", strerror(-rc));
	else if (broken)
		snprintf(p->why, sizeof p->why, "%s", broken->message);
	else if (!*p->why)
		snprintf(p->why, sizeof p->why, "ended early: %s",
			 rc <= CREEL_EFAILED ? creel_code_name(rc) : strerror(-rc));
}

int pass_run(struct pass *p)
{
	const creel_map_options options = {
		.in_flight = IN_FLIGHT, .max_item = sizeof(char *), .flags = CREEL_KEEP_GOING};
	pass_fini(p);
	p->files = p->bytes = p->failed = 0;
	p->last = &p->first;
	progress_start(&p->progress, p->label);
	p->walk = walk_new(p->root, on_walk_error, p);
	if (!p->walk) {
		explain(p, -ENOMEM);
		return -ENOMEM;
	}
	creel_mapping *map = creel_map_from(p->pool, hash_file, next_file, p, &options);
	int rc = take_all(p, map);
	progress_erase(&p->progress);
	creel_map_end(map);
	/* If it ended early: what still runs borrows paths. */
	creel_executor_drain(p->pool, CREEL_FOREVER);
	while (p->first)
		drop_first_file(p);
	walk_free(p->walk);
	p->walk = NULL;
	p->seconds = now_seconds() - p->progress.start;
	if (rc != 0)
		explain(p, rc);
	return rc;
}

void pass_fini(struct pass *p)
{
	free(p->shares);
	p->shares = NULL;
	p->n_shares = 0;
}
