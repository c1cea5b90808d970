/* SPDX-License-Identifier: MIT */
/*
 * State that each worker has for itself: a database handle. The pool's initializer opens one on
 * each worker before its first task, the finalizer closes it after the last, and tasks find theirs
 * with creel_task_local(): no handle is ever shared, so none needs a lock. With --processes each
 * worker process has its own; SQLite forbids to carry one over a fork, and nobody does.
 */
#include <creel/creel.h>
#include <creel/typed.h>
#include <inttypes.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { ROWS = 80000, RANGES = 8 };

struct handle {
	sqlite3 *db;
	sqlite3_stmt *sum;
};

static void close_handle(void *ctx, void *local)
{
	struct handle *handle = local;
	(void)ctx;
	sqlite3_finalize(handle->sum);
	sqlite3_close(handle->db);
	free(handle);
}

/* What it returns, if not 0, breaks the pool: its tasks fail with that code. */
static int open_handle(void *ctx, unsigned worker, void **ret_local)
{
	const char *path = ctx;
	(void)worker;
	struct handle *handle = calloc(1, sizeof *handle);
	if (!handle)
		return SQLITE_NOMEM;
	int rc = sqlite3_open_v2(path, &handle->db, SQLITE_OPEN_READONLY | SQLITE_OPEN_NOMUTEX,
				 NULL);
	if (rc == SQLITE_OK)
		rc = sqlite3_prepare_v2(handle->db,
					"SELECT sum(squared) FROM numbers WHERE n >= ? AND n < ?",
					-1, &handle->sum, NULL);
	if (rc != SQLITE_OK) {
		close_handle(ctx, handle);
		return rc;
	}
	*ret_local = handle;
	return 0;
}

struct range {
	int64_t begin, end;
};

static int sum_squares(creel_task *task, const struct range *range, int64_t *ret_sum)
{
	struct handle *handle = creel_task_local(task);
	sqlite3_bind_int64(handle->sum, 1, range->begin);
	sqlite3_bind_int64(handle->sum, 2, range->end);
	int rc = sqlite3_step(handle->sum);
	if (rc == SQLITE_ROW)
		*ret_sum = sqlite3_column_int64(handle->sum, 0);
	sqlite3_reset(handle->sum);
	if (rc != SQLITE_ROW)
		return creel_fail(task, rc, "SQLite: %s", sqlite3_errmsg(handle->db));
	return 0;
}
CREEL_TYPED_TASK(sum_squares, int64_t, struct range);

static int make_database(const char *path)
{
	sqlite3 *db;
	int rc = sqlite3_open(path, &db);
	if (rc == SQLITE_OK) {
		char *sql = sqlite3_mprintf(
			"CREATE TABLE numbers (n INTEGER PRIMARY KEY, squared INTEGER);"
			"WITH RECURSIVE count(n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM count"
			" WHERE n + 1 < %d) INSERT INTO numbers SELECT n, n * n FROM count",
			ROWS);
		rc = sqlite3_exec(db, sql, NULL, NULL, NULL);
		sqlite3_free(sql);
	}
	if (rc != SQLITE_OK)
		fprintf(stderr, "cannot make %s: %s\n", path, sqlite3_errmsg(db));
	sqlite3_close(db);
	return rc;
}

static int print_sums(creel_executor *pool)
{
	struct range ranges[RANGES];
	for (int64_t i = 0; i < RANGES; i++)
		ranges[i] = (struct range){i * (ROWS / RANGES), (i + 1) * (ROWS / RANGES)};

	creel_mapping *map = sum_squares_map(pool, ranges, RANGES, NULL);
	int64_t sum;
	size_t i;
	int rc;
	while ((rc = sum_squares_map_next(map, CREEL_FOREVER, &sum, &i)) == 0)
		printf("squares of %5" PRId64 " to %5" PRId64 ": %15" PRId64 "\n", ranges[i].begin,
		       ranges[i].end - 1, sum);
	creel_map_end(map);
	return rc == CREEL_EMPTY ? 0 : rc;
}

static creel_executor *new_pool(bool processes, char *path)
{
	if (processes)
		return creel_process_pool_new(
			&(creel_process_pool_options){.initializer = open_handle,
						      .finalizer = close_handle,
						      .name = "database",
						      .ctx = path});
	return creel_thread_pool_new(&(creel_thread_pool_options){.initializer = open_handle,
								  .finalizer = close_handle,
								  .name = "database",
								  .ctx = path});
}

int main(int argc, char **argv)
{
	bool processes = argc > 1 && strcmp(argv[1], "--processes") == 0;
	char path[] = "/tmp/creel_worker_local.XXXXXX";
	int fd = mkstemp(path);
	if (fd < 0) {
		perror(path);
		return 1;
	}
	close(fd);

	int rc = make_database(path);
	if (rc == 0) {
		creel_executor *pool = new_pool(processes, path);
		rc = print_sums(pool);
		const creel_error *error = creel_executor_error(pool);
		if (rc != 0)
			fprintf(stderr, "failed: %s\n",
				error ? error->message : creel_code_name(rc));
		creel_executor_close(pool);
	}
	unlink(path);
	return rc == 0 ? 0 : 1;
}
