/* SPDX-License-Identifier: MIT */
/* The regular files under a directory, one path at a time, in byte order of the paths. */
#ifndef CHECKSUM_TREE_WALK_H
#define CHECKSUM_TREE_WALK_H

typedef struct walk walk;

/* Told of a directory (or an entry of one) that cannot be read; the walk goes on. err: an errno. */
typedef void (*walk_error_fn)(void *ctx, const char *path, int err);

/* NULL without memory. A root that is a symbolic link is followed, those beneath it are skipped. */
walk *walk_new(const char *root, walk_error_fn on_error, void *ctx);

/* 1 and the next path, valid until the next call; 0 at the end; -ENOMEM. */
int walk_next(walk *w, const char **ret_path);

/* NULL does nothing. */
void walk_free(walk *w);

/* open(2), for a path of any length. A descriptor, or -errno. */
int walk_open(const char *path, int flags);

#endif
