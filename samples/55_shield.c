/* SPDX-License-Identifier: MIT */
/*
 * Shielding work from a cancel: the request is cancelled, and the upload that it had begun to save
 * is saved all the same. An aggregate of one, without CREEL_CANCEL_REST, is the shield: cancelling
 * it leaves its input alone.
 *
 * With --processes the tasks run in worker processes.
 */
#include <creel/creel.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { PIECE = 64 * 1024, PIECES = 64 };

struct upload {
	char from[48], to[48]; /* a named pipe; a file */
};

/* Saves what comes, piece by piece, to the end; asked to stop it would stop. Returns how many bytes
 * it has saved. */
static int save(creel_task *task, const void *arg, size_t size)
{
	static char piece[PIECE];
	const struct upload *upload = arg;
	long saved = 0;
	ssize_t n = -1;
	int from = open(upload->from, O_RDONLY);
	FILE *to = fopen(upload->to, "w");
	(void)size;
	while (from >= 0 && to && !creel_task_cancelled(task) &&
	       (n = read(from, piece, sizeof piece)) > 0 && fwrite(piece, (size_t)n, 1, to) == 1)
		saved += n;
	if (from >= 0)
		close(from);
	if ((to && fclose(to)) || n != 0)
		return creel_task_cancelled(task) ? -ECANCELED : -EIO;
	return creel_return(task, &saved, sizeof saved);
}

static void send(int to)
{
	static const char piece[PIECE];
	long left = (long)PIECE * PIECES;
	ssize_t n = 1;
	while (left > 0 && n > 0) {
		n = write(to, piece, PIECE);
		left -= n;
	}
	close(to);
}

int main(int argc, char **argv)
{
	bool processes = argc > 1 && strcmp(argv[1], "--processes") == 0;
	creel_executor *pool = processes ? creel_process_pool_new(NULL)
					 : creel_thread_pool_new(NULL);
	char dir[] = "/tmp/creel-shield-XXXXXX";
	struct upload upload;
	struct stat file;
	long saved = 0;
	if (!mkdtemp(dir) || creel_executor_error(pool))
		return 1;
	snprintf(upload.from, sizeof upload.from, "%s/upload", dir);
	snprintf(upload.to, sizeof upload.to, "%s/saved", dir);
	if (mkfifo(upload.from, 0600))
		return perror(upload.from), 1;
	signal(SIGPIPE, SIG_IGN);
	creel_future *work = creel_submit(pool, save, &upload, sizeof upload);
	creel_future *request = creel_all(&work, 1, 0);

	/* Opens when the task has opened the other end: it is at work. */
	int to = open(upload.from, O_WRONLY);
	creel_future_cancel(request);
	printf("the request: %s\n", creel_future_state(request) == CREEL_FUTURE_CANCELLED
					    ? "cancelled"
					    : "not cancelled");
	send(to);
	if (creel_future_result(work, CREEL_FOREVER, &saved, sizeof saved) == 0 &&
	    stat(upload.to, &file) == 0 && file.st_size == saved)
		printf("the work: saved %ld bytes\n", saved);
	creel_future_unref(request);
	creel_future_unref(work);
	unlink(upload.from);
	unlink(upload.to);
	rmdir(dir);
	return creel_executor_close(pool) ? 1 : 0;
}
