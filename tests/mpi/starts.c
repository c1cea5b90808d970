/* SPDX-License-Identifier: MIT */
/*
 * How jobs begin and end, well or not: starts WHAT. tests/mpi/run.py has the list, and what each is
 * to say. Built twice, so that there are two programs.
 */
#include "check.h"
#include <errno.h>
#include <mpi.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <unistd.h>

#ifdef OTHER
/* Another program has other code. */
int other_code(int n);
int other_code(int n)
{
	return 7 * n;
}
#endif

/* As mpirun says it, before MPI is there. */
static int rank_to_be(void)
{
	const char *rank = getenv("OMPI_COMM_WORLD_RANK");
	rank = rank ? rank : getenv("PMI_RANK");
	return rank ? (int)strtol(rank, NULL, 10) : 0;
}

static int task_square(creel_task *task, const void *arg, size_t size)
{
	long n = *(const long *)arg;
	(void)size;
	n *= n;
	return creel_return(task, &n, sizeof n);
}

static int task_unnamed(creel_task *task, const void *arg, size_t size)
{
	(void)task;
	(void)arg;
	(void)size;
	return 0;
}

static int task_hang(creel_task *task, const void *arg, size_t size)
{
	(void)task;
	(void)arg;
	(void)size;
	while (pause() == -1)
		;
	return 0;
}

static int task_until_asked(creel_task *task, const void *arg, size_t size)
{
	(void)arg;
	(void)size;
	while (!creel_task_cancelled(task))
		usleep(1000);
	return -ECANCELED;
}

/* What a task gets that wants an executor of its own. */
static int task_pool(creel_task *task, const void *arg, size_t size)
{
	(void)arg;
	(void)size;
	creel_executor *ex = creel_mpi_pool_new(NULL);
	long code = creel_executor_error(ex) ? creel_executor_error(ex)->code : 0;
	creel_executor_unref(ex);
	if (creel_mpi_end() != -EPERM || creel_mpi_register("late", task_unnamed) != -EBUSY ||
	    creel_mpi_init(NULL, NULL, NULL) != -EALREADY)
		return -EBADMSG;
	return creel_return(task, &code, sizeof code);
}

static int task_kill_rank(creel_task *task, const void *arg, size_t size)
{
	(void)task;
	(void)arg;
	(void)size;
	return kill(getpid(), SIGKILL);
}

static void must_square(creel_executor *ex)
{
	long n = 12, square = 0;
	creel_future *f = creel_submit(ex, task_square, &n, sizeof n);
	CHECK_INT(creel_future_result(f, GUARD, &square, sizeof square), 0);
	CHECK_INT(square, 144);
	creel_future_unref(f);
}

/* A worker is not rank 0, nor is another rank. */
static void must_have_no_pool_there(creel_executor *ex)
{
	long code = 0;
	creel_future *f = creel_submit(ex, task_pool, NULL, 0);
	CHECK_INT(creel_future_result(f, GUARD, &code, sizeof code), 0);
	CHECK_INT(code, -EPERM);
	creel_future_unref(f);
}

static void must_be_broken(creel_executor *ex, int code, const char *part)
{
	const creel_error *e = creel_executor_error(ex);
	CHECK(e != NULL);
	CHECK_INT(e->code, code);
	CHECK_HAS(e->message, part);
	long n = 1;
	creel_future *f = creel_submit(ex, task_square, &n, sizeof n);
	CHECK_INT(creel_future_result(f, GUARD, NULL, 0), CREEL_EFAILED);
	CHECK_HAS(creel_future_error(f)->message, part);
	creel_future_unref(f);
	CHECK_INT(creel_executor_close(ex), 0);
}

/* Returns on rank 0 alone. */
static void begin(const creel_mpi_options *options)
{
	int rc = creel_mpi_init(NULL, NULL, options);
	if (rc < 0) {
		fprintf(stderr, "%s: %s\n", creel_code_name(rc), creel_mpi_error()->message);
		exit(3);
	}
	if (rc)
		exit(0);
}

static void squares_and_end(void)
{
	creel_executor *ex = creel_mpi_pool_new(NULL);
	for (int i = 0; i < 10; i++)
		must_square(ex);
	CHECK_INT(creel_executor_close(ex), 0);
	CHECK_INT(creel_mpi_end(), 0);
	CHECK_INT(creel_mpi_end(), -EINVAL);
	must_be_broken(creel_mpi_pool_new(NULL), -ESHUTDOWN, "the job is over");
}

static void before(void)
{
	must_be_broken(creel_mpi_pool_new(NULL), -ENXIO, "call creel_mpi_init() first");
	CHECK_INT(creel_mpi_end(), -EINVAL);
	CHECK(creel_mpi_error() == NULL);
	CHECK_INT(creel_mpi_register("", task_square), -EINVAL);
	CHECK_INT(creel_mpi_register(NULL, task_square), -EINVAL);
	CHECK_INT(creel_mpi_register("a", NULL), -EINVAL);
	CHECK_INT(creel_mpi_register("a", task_square), 0);
	CHECK_INT(creel_mpi_register("a", task_square), 0);
	CHECK_INT(creel_mpi_register("a", task_unnamed), -EEXIST);
	CHECK_INT(creel_mpi_register("b", task_square), -EEXIST);
}

static void must_not_begin(creel_mpi_options options, const char *part)
{
	CHECK_INT(creel_mpi_init(NULL, NULL, &options), -EINVAL);
	CHECK_HAS(creel_mpi_error()->message, part);
}

static void bad_options(void)
{
	creel_process_pool_options processes = {.max_workers = 2};
	creel_thread_pool_options threads = {.max_workers = 3};
	must_not_begin((creel_mpi_options){.flags = 64}, "flags of the options is 64");
	const creel_error *first = creel_mpi_error();
	must_not_begin((creel_mpi_options){.workers = -1}, "workers of the options is -1");
	must_not_begin((creel_mpi_options){.nap_ns = -5}, "nap_ns of the options is -5");
	must_not_begin((creel_mpi_options){.message_size = 100},
		       "message_size of the options is 100");
	must_not_begin((creel_mpi_options){.reserved = {[3] = 9}}, "reserved of the options is 9");
	must_not_begin((creel_mpi_options){.processes = &processes}, "max_workers of the pool");
	must_not_begin((creel_mpi_options){.flags = CREEL_MPI_THREADS, .threads = &threads},
		       "max_workers of the pool of the options is 3");
	/* It is there until the process ends. */
	CHECK(first != creel_mpi_error());
	CHECK_HAS(first->message, "flags of the options is 64");
}

static void alone(void)
{
	begin(NULL);
	must_be_broken(creel_mpi_pool_new(NULL), -ENXIO, "no rank serves; start the program with");
	CHECK_INT(creel_mpi_end(), 0);
}

static void plain(void)
{
	begin(&(creel_mpi_options){.workers = 1});
	creel_executor *ex = creel_mpi_pool_new(NULL);
	must_have_no_pool_there(ex);
	CHECK_INT(creel_executor_close(ex), 0);
	squares_and_end();
}

/* MPI_Finalize() ends the job, too. */
static void finalized(void)
{
	begin(&(creel_mpi_options){.workers = 1});
	creel_executor *ex = creel_mpi_pool_new(NULL);
	must_square(ex);
	CHECK_INT(creel_executor_close(ex), 0);
	MPI_Finalize();
	CHECK_INT(creel_mpi_end(), -EINVAL);
	must_be_broken(creel_mpi_pool_new(NULL), -ESHUTDOWN, "the job is over");
}

/* Of the time of a submission. */
static creel_executor *late_ex;
static creel_future *late_input, *late_output;
static atomic_bool late_returned;

static void *submits_late(void *arg)
{
	late_output = creel_then(late_input, late_ex, task_hang, NULL, 0);
	atomic_store(&late_returned, true);
	return arg;
}

/* A shutdown comes while a submission has begun, and goes on: its large input is being copied.
 * Whether it did. */
static bool submits_during_a_shutdown(void)
{
	creel_stats stats = {0};
	pthread_t thread;
	late_ex = creel_mpi_pool_new(NULL);
	atomic_store(&late_returned, false);
	CHECK_INT(pthread_create(&thread, NULL, submits_late, NULL), 0);
	while (stats.pending + stats.running == 0)
		creel_executor_stats(late_ex, &stats, sizeof stats);
	(void)creel_executor_shutdown(late_ex, CREEL_SHUTDOWN_KILL, CREEL_NOW, NULL);
	bool during = !atomic_load(&late_returned);
	CHECK_INT(creel_executor_shutdown(late_ex, CREEL_SHUTDOWN_KILL, GUARD, NULL), 0);
	pthread_join(thread, NULL);
	CHECK(creel_future_result(late_output, GUARD, NULL, 0) < 0);
	creel_future_unref(late_output);
	creel_executor_unref(late_ex);
	return during;
}

static void late_submission(void)
{
	enum { SIZE = 64 << 20 };
	begin(&(creel_mpi_options){.workers = 1});
	void *p = calloc(1, SIZE);
	late_input = creel_future_of(p, SIZE);
	free(p);
	creel_deadline guard = GUARD;
	while (!submits_during_a_shutdown())
		CHECK(creel_now().ns < guard.ns);
	creel_future_unref(late_input);
	CHECK_INT(creel_mpi_end(), 0);
}

static void named(void)
{
	CHECK_INT(creel_mpi_register("square", task_square), 0);
	if (rank_to_be() == 0)
		CHECK_INT(creel_mpi_register("of rank 0", task_pool), 0);
	begin(&(creel_mpi_options){.workers = 1, .flags = CREEL_MPI_NAMED});
	creel_executor *ex = creel_mpi_pool_new(NULL);
	must_square(ex);
	creel_future *f = NULL;
	CHECK_INT(creel_try_submit(ex, task_unnamed, NULL, 0, NULL, &f), -ENOEXEC);
	f = creel_submit(ex, task_pool, NULL, 0);
	CHECK_INT(creel_future_result(f, GUARD, NULL, 0), CREEL_EFAILED);
	CHECK_INT(creel_future_error(f)->kind, CREEL_KIND_NOT_TRANSFERABLE);
	CHECK_HAS(creel_future_error(f)->message, "does not have the function registered as 'of");
	creel_future_unref(f);
	CHECK_INT(creel_executor_close(ex), 0);
	squares_and_end();
}

static void other_flags(void)
{
	begin(&(creel_mpi_options){.workers = 1, .flags = rank_to_be() == 1 ? CREEL_MPI_SPIN : 0});
}

static void bad_pool(void)
{
	begin(&(creel_mpi_options){.processes = &(creel_process_pool_options){.idle_ns = -3}});
}

/* MPI was there first. */
static void initialized(int level, unsigned flags)
{
	int got;
	MPI_Init_thread(NULL, NULL, level, &got);
	int rc = creel_mpi_init(NULL, NULL, &(creel_mpi_options){.workers = 1, .flags = flags});
	if (rc < 0)
		fprintf(stderr, "%s: %s\n", creel_code_name(rc), creel_mpi_error()->message);
	if (rc == 0) {
		creel_executor *ex = creel_mpi_pool_new(NULL);
		must_square(ex);
		CHECK_INT(creel_executor_close(ex), 0);
	}
	/* Which ends the job. */
	MPI_Finalize();
	if (rc == 0) {
		CHECK_INT(creel_mpi_end(), -EINVAL);
		must_be_broken(creel_mpi_pool_new(NULL), -ESHUTDOWN, "the job is over");
	}
	exit(rc < 0 ? 3 : 0);
}

static void threads(void)
{
	/* Options of processes are not looked at. */
	begin(&(creel_mpi_options){
		.workers = 2, .flags = CREEL_MPI_THREADS, .processes = (void *)8});
	creel_executor *ex = creel_mpi_pool_new(NULL);
	long n = 3;
	must_have_no_pool_there(ex);
	creel_future *f = creel_submit_with(ex, task_square, &n, sizeof n,
					    &(creel_submit_options){.limit_ns = CREEL_S(1)});
	CHECK_INT(creel_future_result(f, GUARD, NULL, 0), CREEL_EFAILED);
	CHECK_INT(creel_future_error(f)->code, -ENOTSUP);
	CHECK_HAS(creel_future_error(f)->message, "CREEL_MPI_THREADS");
	creel_future_unref(f);
	/* A thread is not killed, but asked. */
	f = creel_submit(ex, task_until_asked, NULL, 0);
	while (creel_future_state(f) != CREEL_FUTURE_RUNNING)
		usleep(1000);
	CHECK_INT(creel_executor_shutdown(ex, CREEL_SHUTDOWN_KILL, GUARD, NULL), 0);
	CHECK_INT(creel_future_result(f, GUARD, NULL, 0), -ECANCELED);
	creel_future_unref(f);
	creel_executor_unref(ex);
	squares_and_end();
}

/* mpirun ends the job, and says so. */
static void dead_rank(void)
{
	begin(&(creel_mpi_options){.workers = 1, .flags = CREEL_MPI_THREADS});
	creel_executor *ex = creel_mpi_pool_new(NULL);
	creel_future *f = creel_submit(ex, task_kill_rank, NULL, 0);
	(void)creel_future_result(f, GUARD, NULL, 0);
	CHECK(!"the job goes on without a rank");
}

static void late(void)
{
	if (rank_to_be() != 0)
		usleep(300000);
	plain();
}

/* More than an int counts, and than a message of MPI has. Of memory that is zero all over but at
 * its ends, most is never there. */
enum { MARK = 0x5a };
static const size_t huge = ((size_t)2 << 30) + (200 << 20) + 5;

static unsigned char *map_huge(void)
{
	unsigned char *p = mmap(NULL, huge, PROT_READ | PROT_WRITE,
				MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (p == MAP_FAILED)
		return NULL;
	p[0] = p[huge - 1] = MARK;
	return p;
}

static void unmap_huge(void *data, size_t size, void *ctx)
{
	(void)ctx;
	munmap(data, size);
}

static int task_huge(creel_task *task, const void *arg, size_t size)
{
	(void)arg;
	(void)size;
	unsigned char *p = map_huge();
	return p ? creel_return_move(task, (creel_buffer){p, huge, unmap_huge, NULL}) : -ENOMEM;
}

static int task_measure(creel_task *task, const void *arg, size_t size)
{
	const unsigned char *p = arg;
	bool whole = size == huge && p[0] == MARK && p[huge - 1] == MARK && p[huge / 2] == 0;
	return whole ? creel_return(task, &size, sizeof size) : -EBADMSG;
}

static void huge_payloads(void)
{
	begin(&(creel_mpi_options){.workers = 1, .flags = CREEL_MPI_THREADS});
	creel_executor *ex = creel_mpi_pool_new(NULL);
	const unsigned char *data = NULL;
	size_t size = 0;
	creel_future *f = creel_submit(ex, task_huge, NULL, 0);
	CHECK_INT(creel_future_view(f, GUARD, (const void **)&data, &size), 0);
	CHECK_INT(size, huge);
	CHECK(data[0] == MARK && data[huge - 1] == MARK && data[huge / 2] == 0);
	creel_future_unref(f);
	unsigned char *p = map_huge();
	CHECK(p != NULL);
	f = creel_submit(ex, task_measure, p, huge);
	CHECK_INT(creel_future_result(f, GUARD, &size, sizeof size), 0);
	CHECK_INT(size, huge);
	creel_future_unref(f);
	unmap_huge(p, huge, NULL);
	CHECK_INT(creel_executor_close(ex), 0);
	squares_and_end();
}

static void spinning(void)
{
	begin(&(creel_mpi_options){.workers = 1, .flags = CREEL_MPI_SPIN});
	squares_and_end();
}

int main(int argc, char **argv)
{
	const char *what = argc > 1 ? argv[1] : "";
	static const struct {
		const char *name;
		void (*run)(void);
	} all[] = {
		{"before", before},       {"bad-options", bad_options},
		{"alone", alone},         {"plain", plain},
		{"named", named},         {"other-flags", other_flags},
		{"threads", threads},     {"bad-pool", bad_pool},
		{"late", late},           {"dead-rank", dead_rank},
		{"spinning", spinning},   {"huge", huge_payloads},
		{"finalized", finalized}, {"late-submission", late_submission},
	};
	for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) {
		if (strcmp(what, all[i].name) == 0) {
			all[i].run();
			return 0;
		}
	}
	if (strcmp(what, "too-late") == 0)
		initialized(MPI_THREAD_MULTIPLE, 0);
	if (strcmp(what, "in-time") == 0)
		initialized(MPI_THREAD_MULTIPLE, CREEL_MPI_THREADS);
	if (strcmp(what, "level") == 0)
		initialized(MPI_THREAD_SINGLE, CREEL_MPI_THREADS);
	fprintf(stderr, "unknown: %s\n", what);
	return 2;
}
