/* SPDX-License-Identifier: MIT */
/*
 * A resource around a group of tasks, as "async with" has it: a temporary file that several tasks
 * write to. The group joins before the file is closed, whatever happens, also when one task fails
 * and the others are cancelled.
 */
#include <creel/creel.h>
#include <errno.h>
#include <stdio.h>

enum { BLOCK = 8 };

struct part {
	FILE *file;
	int number; /* which block of the file is its own; a negative one fails */
};

static int write_part(creel_task *task, const void *arg, size_t size)
{
	const struct part *part = arg;
	(void)size;
	if (part->number < 0)
		return creel_fail(task, -EDOM, "there is no block %d", part->number);
	flockfile(part->file);
	int rc = fseek(part->file, (long)part->number * BLOCK, SEEK_SET) < 0 ||
		 fprintf(part->file, "block %d\n", part->number) != BLOCK;
	funlockfile(part->file);
	return rc ? -EIO : 0;
}

/* Writes blocks first to first + 2. The file is open exactly as long as the tasks need it. */
static int write_all(creel_executor *pool, int first)
{
	FILE *file = tmpfile();
	if (!file)
		return -EIO;
	creel_executor *scope = creel_scope_new(pool, 0);
	for (int i = first; i < first + 3; i++)
		creel_spawn(scope, write_part, &(struct part){file, i}, sizeof(struct part), NULL);
	int rc = creel_scope_join(scope, CREEL_FOREVER);
	if (rc)
		printf("failed: %s\n", creel_scope_error(scope)->message);
	creel_executor_unref(scope);
	fseek(file, 0, SEEK_END);
	if (rc == 0)
		printf("written: %ld bytes\n", ftell(file));
	fclose(file);
	return rc;
}

int main(void)
{
	creel_executor *pool = creel_thread_pool_new(NULL);
	int good = write_all(pool, 0), bad = write_all(pool, -1);
	return creel_executor_close(pool) || good || !bad ? 1 : 0;
}
