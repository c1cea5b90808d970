/* SPDX-License-Identifier: MIT */
/*
 * An async generator: a task yields the lines of a file one by one, and the reader takes as many as
 * it wants. When the reader breaks off, the generator's next put says so, and it closes its file.
 */
#include <creel/creel.h>
#include <stdio.h>
#include <string.h>

struct generator {
	FILE *file;
	creel_channel *lines;
};

/* Yields a line when the reader takes it: the channel holds none itself. */
static int read_lines(creel_task *task, const void *arg, size_t size)
{
	const struct generator *g = arg;
	char line[200];
	int n = 0;
	(void)task;
	(void)size;
	while (fgets(line, sizeof line, g->file)) {
		if (creel_channel_put_by(g->lines, line, strlen(line) + 1, CREEL_FOREVER))
			break;
		n++;
	}
	fclose(g->file);
	printf("the generator yielded %d lines and has closed its file\n", n);
	creel_channel_close(g->lines, NULL);
	return 0;
}

/* A file of 100,000 lines that is gone when it is closed. */
static FILE *make_file(void)
{
	FILE *file = tmpfile();
	for (long i = 1; file && i <= 100000; i++)
		fprintf(file, "the square of %ld is %ld\n", i, i * i);
	if (file)
		rewind(file);
	return file;
}

int main(void)
{
	struct generator g = {make_file(), creel_channel_new(NULL)};
	if (!g.file) {
		perror("tmpfile");
		return 1;
	}
	creel_executor *pool = creel_thread_pool_new(NULL);
	creel_future *generator = creel_submit(pool, read_lines, &g, sizeof g);

	creel_buffer line;
	while (creel_channel_take_by(g.lines, CREEL_FOREVER, &line) == 0) {
		bool found = strstr(line.data, "7 is 49");
		fputs(line.data, stdout);
		line.free(line.data, line.size, line.ctx);
		if (found)
			break;
	}
	puts("that is enough");
	creel_channel_cancel(g.lines);

	int rc = creel_future_result(generator, CREEL_FOREVER, NULL, 0);
	creel_future_unref(generator);
	creel_channel_unref(g.lines);
	creel_executor_close(pool);
	return rc != 0;
}
