/* SPDX-License-Identifier: MIT */
/* The job of three ranks: what its tests have in common. */
#include "job.h"
#include <dirent.h>
#include <errno.h>
#include <signal.h>
#include <unistd.h>

creel_executor *job_ex;
pid_t job_rank_pid;
static char job_folder[64];

int job_same(creel_task *task, const void *arg, size_t size)
{
	return creel_return(task, arg, size);
}

int job_square(creel_task *task, const void *arg, size_t size)
{
	long n = *(const long *)arg;
	(void)size;
	n *= n;
	return creel_return(task, &n, sizeof n);
}

/* Says there where it is. */
void job_touch(const char *path)
{
	FILE *f = fopen(path, "w");
	if (!f)
		return;
	fprintf(f, "%ld\n", (long)job_rank_pid);
	fclose(f);
}

int job_gated(creel_task *task, const void *arg, size_t size)
{
	const struct job_gated *g = arg;
	(void)size;
	if (g->stubborn)
		signal(SIGTERM, SIG_IGN);
	job_touch(g->started);
	while (access(g->gate, F_OK) != 0) {
		if (g->heeds && creel_task_cancelled(task))
			return -ECANCELED;
		usleep(1000);
	}
	return creel_return(task, &g->value, sizeof g->value);
}

int job_fail(creel_task *task, const void *arg, size_t size)
{
	return creel_fail_with(task, -EIO, arg, size, "on purpose");
}

int job_where(creel_task *task, const void *arg, size_t size)
{
	(void)arg;
	(void)size;
	long ids[2] = {(long)getpid(), (long)getppid()};
	return creel_return(task, ids, sizeof ids);
}

struct job_gated job_gate(long value)
{
	struct job_gated g = {.value = value};
	snprintf(g.started, sizeof g.started, "%s/%ld.started", job_folder, value);
	snprintf(g.gate, sizeof g.gate, "%s/%ld.gate", job_folder, value);
	return g;
}

creel_future *job_submit_gated(const struct job_gated *g)
{
	return creel_submit(job_ex, job_gated, g, sizeof *g);
}

void job_await_file(const char *path)
{
	for (int i = 0; access(path, F_OK) != 0; i++) {
		CHECK(i < 60000);
		usleep(1000);
	}
}

pid_t job_await_rank(const char *path)
{
	long pid = 0;
	for (int i = 0; pid == 0; i++) {
		CHECK(i < 60000);
		usleep(1000);
		FILE *f = fopen(path, "r");
		if (f && fscanf(f, "%ld", &pid) != 1)
			pid = 0;
		if (f)
			fclose(f);
	}
	return (pid_t)pid;
}

long job_long_of(creel_future *f)
{
	long n = 0;
	CHECK_INT(creel_future_result(f, GUARD, &n, sizeof n), 0);
	creel_future_unref(f);
	return n;
}

void job_must_fail(creel_future *f, int kind, const char *part)
{
	CHECK_INT(creel_future_result(f, GUARD, NULL, 0),
		  kind == CREEL_KIND_CANCELLED ? -ECANCELED : CREEL_EFAILED);
	const creel_error *e = creel_future_error(f);
	CHECK_INT(e->kind, kind);
	CHECK_HAS(e->message, part);
	creel_future_unref(f);
}

void job_must_serve(void)
{
	long n = 12;
	CHECK_INT(job_long_of(creel_submit(job_ex, job_square, &n, sizeof n)), 144);
}

/* All, or the one of this name. How many. */
static unsigned run(const struct job_test *tests, const char *only)
{
	unsigned n = 0;
	for (const struct job_test *t = tests; t->name; t++) {
		if (only && strcmp(only, t->name) != 0)
			continue;
		int64_t start = creel_now().ns;
		t->run();
		fprintf(stderr, "ok: %s (%lld ms)\n", t->name,
			(long long)(creel_now().ns - start) / 1000000);
		n++;
	}
	return n;
}

static void remove_folder(void)
{
	DIR *dir = opendir(job_folder);
	CHECK(dir != NULL);
	for (struct dirent *e = readdir(dir); e; e = readdir(dir))
		(void)unlinkat(dirfd(dir), e->d_name, 0);
	closedir(dir);
	CHECK_INT(rmdir(job_folder), 0);
}

int main(int argc, char **argv)
{
	job_rank_pid = getpid();
	/* A budget of 8 MiB: large arguments wait for room. */
	creel_mpi_options options = {.workers = 1, .message_size = 65536, .budget = 8 << 20};
	int rc = creel_mpi_init(&argc, &argv, &options);
	if (rc < 0)
		fprintf(stderr, "%s\n", creel_mpi_error()->message);
	if (rc)
		return rc < 0;
	snprintf(job_folder, sizeof job_folder, "/tmp/creel-mpi-XXXXXX");
	CHECK(mkdtemp(job_folder));
	job_ex = creel_mpi_pool_new(NULL);
	CHECK(!creel_executor_error(job_ex));
	unsigned n = 0;
	n += run(job_values, argv[1]);
	n += run(job_typed, argv[1]);
	n += run(job_ends, argv[1]);
	CHECK_INT(creel_executor_close(job_ex), 0);
	CHECK_INT(creel_mpi_end(), 0);
	remove_folder();
	printf("%u passed, 0 failed, 0 skipped\n", n);
	return n == 0;
}
