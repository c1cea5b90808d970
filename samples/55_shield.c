/* SPDX-License-Identifier: MIT */
/*
 * Shielding work from a cancel: the request is cancelled, and the file that it had begun to save is
 * saved all the same. An aggregate of one, without CREEL_CANCEL_REST, is the shield: cancelling it
 * leaves its input alone.
 *
 * With --processes the tasks run in worker processes.
 */
#include <creel/creel.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { PIECE = 64 * 1024, PIECES = 64 };

/* Saves, piece by piece; asked to stop it would stop. Returns how many bytes it has written. */
static int save(creel_task *task, const void *path, size_t size)
{
	static char piece[PIECE];
	const long all = (long)PIECE * PIECES;
	long written = 0;
	FILE *file = fopen(path, "w");
	(void)size;
	if (!file)
		return -errno;
	while (written < all && !creel_task_cancelled(task) &&
	       fwrite(piece, sizeof piece, 1, file) == 1)
		written += PIECE;
	if (fclose(file))
		return -errno;
	if (written < all)
		return creel_task_cancelled(task) ? -ECANCELED : -EIO;
	return creel_return(task, &written, sizeof written);
}

int main(int argc, char **argv)
{
	bool processes = argc > 1 && strcmp(argv[1], "--processes") == 0;
	creel_executor *pool = processes ? creel_process_pool_new(NULL)
					 : creel_thread_pool_new(NULL);
	char path[] = "/tmp/creel-shield-XXXXXX";
	int fd = mkstemp(path);
	if (fd < 0)
		return perror(path), 1;
	creel_future *work = creel_submit(pool, save, path, sizeof path);
	creel_future *request = creel_all(&work, 1, 0);

	creel_future_cancel(request);
	printf("the request: %s\n", creel_future_state(request) == CREEL_FUTURE_CANCELLED
					    ? "cancelled"
					    : "not cancelled");
	long written = 0;
	struct stat file;
	if (creel_future_result(work, CREEL_FOREVER, &written, sizeof written) == 0 &&
	    fstat(fd, &file) == 0 && file.st_size == written)
		printf("the work: saved %ld bytes\n", written);
	creel_future_unref(request);
	creel_future_unref(work);
	unlink(path);
	close(fd);
	return creel_executor_close(pool) ? 1 : 0;
}
