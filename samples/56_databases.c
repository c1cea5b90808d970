/* SPDX-License-Identifier: MIT */
/*
 * Queries at once: one database of SQLite for each loom, all read at the same time. Each worker has
 * its own connections. all() gives the results in the order of the queries.
 */
#include <creel/creel.h>
#include <errno.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { LOOMS = 4, ROWS = 100 };

struct query {
	char path[64];
	int loom;
};

static int fail(creel_task *task, sqlite3 *db)
{
	creel_fail(task, -EIO, "%s", sqlite3_errmsg(db));
	sqlite3_close(db);
	return -EIO;
}

/* Makes a database with one row for each piece of cloth. */
static int fill(creel_task *task, const void *arg, size_t size)
{
	const struct query *q = arg;
	sqlite3 *db;
	char sql[200];
	(void)size;
	snprintf(sql, sizeof sql,
		 "CREATE TABLE cloth(metres INT); WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL "
		 "SELECT i+1 FROM n WHERE i<%d) INSERT INTO cloth SELECT i*%d FROM n",
		 ROWS, q->loom + 1);
	if (sqlite3_open(q->path, &db) || sqlite3_exec(db, sql, NULL, NULL, NULL))
		return fail(task, db);
	sqlite3_close(db);
	return 0;
}

static int sum(creel_task *task, const void *arg, size_t size)
{
	const struct query *q = arg;
	sqlite3 *db;
	sqlite3_stmt *s;
	(void)size;
	if (sqlite3_open_v2(q->path, &db, SQLITE_OPEN_READONLY, NULL) ||
	    sqlite3_prepare_v2(db, "SELECT sum(metres) FROM cloth", -1, &s, NULL))
		return fail(task, db);
	int rc = sqlite3_step(s) == SQLITE_ROW ? 0 : -ENODATA;
	int metres = sqlite3_column_int(s, 0);
	sqlite3_finalize(s);
	sqlite3_close(db);
	return rc ? rc : creel_return(task, &metres, sizeof metres);
}

/* Runs fn for each query at once; gives the future of all. */
static creel_future *run_all(creel_executor *pool, creel_fn fn, const struct query *queries)
{
	creel_future *f[LOOMS];
	for (int i = 0; i < LOOMS; i++)
		f[i] = creel_submit(pool, fn, &queries[i], sizeof queries[i]);
	creel_future *all = creel_all(f, LOOMS, CREEL_CANCEL_REST);
	for (int i = 0; i < LOOMS; i++)
		creel_future_unref(f[i]);
	return all;
}

static int work(creel_executor *pool, const struct query *queries)
{
	creel_future *filled = run_all(pool, fill, queries);
	int rc = creel_future_result(filled, CREEL_FOREVER, NULL, 0);
	rc = rc == -EMSGSIZE ? 0 : rc;
	creel_future *sums = rc ? NULL : run_all(pool, sum, queries);
	const void *view;
	size_t size;
	if (rc == 0)
		rc = creel_future_view(sums, CREEL_FOREVER, &view, &size);
	for (int i = 0; rc == 0 && i < LOOMS; i++) {
		creel_future *const *results = view;
		int metres = 0;
		creel_future_result(results[i], CREEL_NOW, &metres, sizeof metres);
		printf("loom %d: %d metres\n", i, metres);
	}
	if (rc)
		fprintf(stderr, "%s\n", creel_future_error(sums ? sums : filled)->message);
	creel_future_unref(filled);
	creel_future_unref(sums);
	return rc;
}

int main(void)
{
	char folder[] = "/tmp/creel-looms-XXXXXX";
	struct query queries[LOOMS];
	if (!mkdtemp(folder))
		return 1;
	for (int i = 0; i < LOOMS; i++) {
		queries[i].loom = i;
		snprintf(queries[i].path, sizeof queries[i].path, "%s/%d.db", folder, i);
	}
	creel_executor *pool = creel_thread_pool_new(
		&(creel_thread_pool_options){.max_workers = LOOMS});
	int rc = work(pool, queries);
	for (int i = 0; i < LOOMS; i++)
		unlink(queries[i].path);
	rmdir(folder);
	return creel_executor_close(pool) || rc ? 1 : 0;
}
