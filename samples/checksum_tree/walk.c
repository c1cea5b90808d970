/* SPDX-License-Identifier: MIT */
/*
 * Walks a directory tree without recursion: a stack of levels, each the sorted names of one
 * directory. A directory is read when the walk reaches it and closed before the next is opened,
 * so that depth costs memory but no descriptors.
 *
 * ORDER  The names of directories end in '/', on the stack already. Comparing names then is
 *        comparing whole paths: "a.b" comes before "a/x", although "a" comes before "a.b".
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE /* O_PATH */
#endif
#include "walk.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* What one system call is given of a path at most; below PATH_MAX everywhere that matters. */
enum { PIECE = 4000 };

struct level {
	char **names;
	size_t n, capacity, next;
	size_t prefix; /* how much of the path is this directory's, its '/' included */
};

struct walk {
	char *path;
	size_t path_capacity;
	struct level *levels;
	size_t depth, depth_capacity;
	walk_error_fn on_error;
	void *ctx;
};

int walk_open(const char *path, int flags)
{
	char piece[PIECE + 1];
	int at = AT_FDCWD;
	while (strlen(path) > PIECE) {
		size_t length = PIECE;
		while (length > 0 && path[length] != '/')
			length--;
		memcpy(piece, path, length);
		piece[length] = '\0';
		int next = openat(at, piece, O_PATH | O_DIRECTORY | O_CLOEXEC);
		int err = errno;
		if (at != AT_FDCWD)
			close(at);
		if (next < 0)
			return -err;
		at = next;
		path += length + strspn(path + length, "/");
	}
	int fd = openat(at, at != AT_FDCWD && !*path ? "." : path, flags | O_CLOEXEC);
	int err = errno;
	if (at != AT_FDCWD)
		close(at);
	return fd < 0 ? -err : fd;
}

/* The array with room for one more element of size bytes than the n it has; NULL without memory. */
static void *grown(void *array, size_t n, size_t *capacity, size_t size)
{
	if (n < *capacity)
		return array;
	size_t larger = *capacity ? 2 * *capacity : 16;
	void *grown = larger > SIZE_MAX / size ? NULL : realloc(array, larger * size);
	if (grown)
		*capacity = larger;
	return grown;
}

/* Makes the path its first `prefix` bytes and name. */
static bool set_path(walk *w, size_t prefix, const char *name)
{
	size_t length = strlen(name);
	while (w->path_capacity < prefix + length + 1) {
		char *path = grown(w->path, w->path_capacity, &w->path_capacity, 1);
		if (!path)
			return false;
		w->path = path;
	}
	memcpy(w->path + prefix, name, length + 1);
	return true;
}

static int compare_names(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

/* What an entry of the directory is: DT_REG, DT_DIR, or something that the walk passes over. */
static int entry_type(walk *w, int dir, const struct dirent *entry)
{
	struct stat st;
	if (entry->d_type != DT_UNKNOWN) /* some file systems do not say */
		return entry->d_type;
	if (fstatat(dir, entry->d_name, &st, AT_SYMLINK_NOFOLLOW) != 0) {
		w->on_error(w->ctx, entry->d_name, errno);
		return DT_UNKNOWN;
	}
	return S_ISREG(st.st_mode) ? DT_REG : S_ISDIR(st.st_mode) ? DT_DIR : DT_UNKNOWN;
}

/* Adds an entry to the level if it is a regular file or a directory. */
static int add_entry(walk *w, struct level *level, int dir, const struct dirent *entry)
{
	const char *name = entry->d_name;
	if (strcmp(name, ".") == 0 || strcmp(name, "..") == 0)
		return 0;
	int type = entry_type(w, dir, entry);
	if (type != DT_REG && type != DT_DIR)
		return 0;

	char **names = grown(level->names, level->n, &level->capacity, sizeof *names);
	if (!names)
		return -ENOMEM;
	level->names = names;
	size_t length = strlen(name);
	char *copy = malloc(length + 2);
	if (!copy)
		return -ENOMEM;
	memcpy(copy, name, length + 1);
	if (type == DT_DIR)
		memcpy(copy + length, "/", 2);
	names[level->n++] = copy;
	return 0;
}

/* Opens the directory that the path names; NULL if it cannot be read, which has been reported. */
static DIR *open_directory(walk *w, size_t length)
{
	/* Without the '/' at its end, which would follow a symbolic link. */
	size_t last = length > 1 ? length - 1 : length;
	char slash = w->path[last];
	w->path[last] = '\0';
	int fd = walk_open(w->path, O_RDONLY | O_DIRECTORY | (w->depth > 1 ? O_NOFOLLOW : 0));
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	if (!dir) {
		w->on_error(w->ctx, w->path, fd < 0 ? -fd : errno);
		if (fd >= 0)
			close(fd);
	}
	w->path[last] = slash;
	return dir;
}

/* Reads the directory that the path names, which ends in '/', into a new level. */
static int push(walk *w)
{
	struct level *levels = grown(w->levels, w->depth, &w->depth_capacity, sizeof *levels);
	if (!levels)
		return -ENOMEM;
	w->levels = levels;
	struct level *level = &levels[w->depth++];
	*level = (struct level){.prefix = strlen(w->path)};

	DIR *dir = open_directory(w, level->prefix);
	if (!dir)
		return 0;
	struct dirent *entry;
	int rc = 0;
	while (errno = 0, rc == 0 && (entry = readdir(dir)))
		rc = add_entry(w, level, dirfd(dir), entry);
	if (rc == 0 && errno != 0)
		w->on_error(w->ctx, w->path, errno);
	closedir(dir);
	if (level->n > 0)
		qsort(level->names, level->n, sizeof *level->names, compare_names);
	return rc;
}

static void pop(walk *w)
{
	struct level *level = &w->levels[--w->depth];
	while (level->n > 0)
		free(level->names[--level->n]);
	free(level->names);
}

walk *walk_new(const char *root, walk_error_fn on_error, void *ctx)
{
	walk *w = calloc(1, sizeof *w);
	if (!w)
		return NULL;
	*w = (walk){.on_error = on_error, .ctx = ctx};
	size_t length = strlen(root);
	bool slash = length > 0 && root[length - 1] == '/';
	if (!set_path(w, 0, root) || !set_path(w, length, slash ? "" : "/") || push(w) != 0) {
		walk_free(w);
		return NULL;
	}
	return w;
}

int walk_next(walk *w, const char **ret_path)
{
	while (w->depth > 0) {
		struct level *level = &w->levels[w->depth - 1];
		if (level->next == level->n) {
			pop(w);
			continue;
		}
		const char *name = level->names[level->next++];
		if (!set_path(w, level->prefix, name))
			return -ENOMEM;
		if (name[strlen(name) - 1] != '/') {
			*ret_path = w->path;
			return 1;
		}
		int rc = push(w);
		if (rc < 0)
			return rc;
	}
	return 0;
}

void walk_free(walk *w)
{
	if (!w)
		return;
	while (w->depth > 0)
		pop(w);
	free(w->levels);
	free(w->path);
	free(w);
}
