/* SPDX-License-Identifier: MIT */
/*
 * The job: its beginning, on all ranks, and its end.
 *
 * ORDER  A process pool forks, and MPI does not allow that once it has been initialized. So every
 *        rank makes its pool first, rank 0 too, since nobody knows the ranks by then; rank 0 drops
 *        its own. Workers that come later are forked by the pool's server, which has no MPI.
 * AGREED The ranks tell rank 0 what they are; it says for all of them how it goes on. So either all
 *        begin, or all return the same error.
 * END    An attribute of MPI_COMM_SELF: MPI_Finalize() deletes that first of all, while MPI still
 *        works, and the deletion ends the job.
 */
#include "world.h"
#include "comm.h"
#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static struct creel__mpi_world *const world = &creel__mpi_world;

enum { MESSAGE_MIN = 65536, MESSAGE_MAX = 1 << 30 };

/* What a rank is, and how its pool is; or what rank 0 says of all. */
struct hello {
	int32_t code; /* 0, or what happened */
	uint32_t version, flags;
	int32_t thread_level_lacks;
	struct creel__mpi_identity program;
	char host[64];
	char text[320];
	uint32_t workers;
};

/* The error of an earlier call stays: somebody may have it. */
static int fail(int code, const char *text)
{
	world->failed = creel_future_failed(CREEL_KIND_BROKEN, code, "%s", text);
	return code;
}

static int fail_value(int code, const char *field, long long value, const char *advice)
{
	char text[200];
	snprintf(text, sizeof text, "creel_mpi_init: %s of the options is %lld; %s", field, value,
		 advice);
	return fail(code, text);
}

const creel_error *creel_mpi_error(void)
{
	return world->failed ? creel_future_error(world->failed) : NULL;
}

static int cpus(void)
{
	cpu_set_t set;
	if (sched_getaffinity(0, sizeof set, &set) == 0 && CPU_COUNT(&set) > 0)
		return CPU_COUNT(&set);
	long n = sysconf(_SC_NPROCESSORS_ONLN);
	return n > 0 ? (int)n : 1;
}

static int check_options(const creel_mpi_options *o)
{
	const unsigned all = CREEL_MPI_THREADS | CREEL_MPI_SPIN | CREEL_MPI_NAMED;
	if (o->flags & ~all)
		return fail_value(-EINVAL, "flags", o->flags, "use CREEL_MPI_... or 0");
	if (o->workers < 0)
		return fail_value(-EINVAL, "workers", o->workers, "use 0 for the default");
	if (o->nap_ns < 0)
		return fail_value(-EINVAL, "nap_ns", o->nap_ns, "use 0 for the default");
	if (o->message_size && (o->message_size < MESSAGE_MIN || o->message_size > MESSAGE_MAX))
		return fail_value(-EINVAL, "message_size", (long long)o->message_size,
				  "use 65536 to 1073741824, or 0");
	for (size_t i = 0; i < sizeof o->reserved / sizeof o->reserved[0]; i++)
		if (o->reserved[i])
			return fail_value(-EINVAL, "reserved", (long long)o->reserved[i],
					  "leave it 0");
	int max = o->flags & CREEL_MPI_THREADS ? o->threads ? o->threads->max_workers : 0
		  : o->processes               ? o->processes->max_workers
					       : 0;
	if (max)
		return fail_value(-EINVAL, "max_workers of the pool", max,
				  "use 0, and workers of creel_mpi_options");
	return 0;
}

static void complete_options(creel_mpi_options *o)
{
	const uint64_t four = (uint64_t)4 << 30;
	if (!o->workers)
		o->workers = cpus();
	if (!o->nap_ns)
		o->nap_ns = CREEL_MS(1);
	if (!o->message_size)
		o->message_size = MESSAGE_MAX;
	if (!o->budget)
		o->budget = four < SIZE_MAX / 4 ? (size_t)four : SIZE_MAX / 4;
}

static creel_executor *make_pool(const creel_mpi_options *o)
{
	if (o->flags & CREEL_MPI_THREADS) {
		creel_thread_pool_options threads = {0};
		if (o->threads)
			threads = *o->threads;
		threads.max_workers = o->workers;
		return creel_thread_pool_new(&threads);
	}
	creel_process_pool_options processes = {0};
	if (o->processes)
		processes = *o->processes;
	processes.max_workers = o->workers;
	processes.flags |= CREEL_PROCESS_BREAK_ON_LOSS;
	return creel_process_pool_new(&processes);
}

/* A copy of the options of the pools is not kept: what they point to is the caller's, who is still
 * in creel_mpi_init() while it serves. */
static int initialize(int *argc, char ***argv)
{
	int was, level;
	MPI_Initialized(&was);
	world->ours = !was;
	if (was)
		MPI_Query_thread(&level);
	else if (MPI_Init_thread(argc, argv, MPI_THREAD_MULTIPLE, &level) != MPI_SUCCESS)
		return fail(-EIO, "creel_mpi_init: MPI_Init_thread() failed");
	world->initialized = true;
	MPI_Comm_dup(MPI_COMM_WORLD, &creel__mpi_comm);
	MPI_Comm_rank(creel__mpi_comm, &world->rank);
	MPI_Comm_size(creel__mpi_comm, &world->size);
	return level;
}

static void describe_self(struct hello *hello, creel_executor *pool, int level)
{
	const creel_error *e = creel_executor_error(pool);
	memset(hello, 0, sizeof *hello);
	hello->version = CREEL_VERSION_MAJOR << 16 | CREEL_VERSION_MINOR << 8 | CREEL_VERSION_PATCH;
	hello->flags = world->options.flags;
	hello->workers = (uint32_t)world->options.workers;
	creel__mpi_identify_program(&hello->program);
	gethostname(hello->host, sizeof hello->host - 1);
	if (e) {
		hello->code = e->code ? e->code : CREEL_EFAILED;
		snprintf(hello->text, sizeof hello->text, "%.*s", (int)(sizeof hello->text - 1),
			 e->message);
	} else if (level < MPI_THREAD_MULTIPLE) {
		hello->code = -ENOTSUP;
		snprintf(hello->text, sizeof hello->text,
			 "MPI has thread level %d and not MPI_THREAD_MULTIPLE (%d); %s", level,
			 MPI_THREAD_MULTIPLE,
			 world->ours ? "use an MPI that was built with it"
				     : "initialize it with that, or leave it to creel_mpi_init()");
	}
}

static bool same_program(const struct hello *a, const struct hello *b)
{
	return a->program.id_size == b->program.id_size &&
	       memcmp(a->program.id, b->program.id, sizeof a->program.id) == 0;
}

/* What is wrong with a rank; 0: nothing. The verdict has it in words. */
static int judge(const struct hello *all, int rank, struct hello *verdict)
{
	const struct hello *root = &all[0], *h = &all[rank];
	int code = 0;
	char what[400] = "";
	if (h->code) {
		code = h->code;
		snprintf(what, sizeof what, "%s", h->text);
	} else if (h->version != root->version) {
		code = -ENOEXEC;
		snprintf(what, sizeof what,
			 "it has another version of creel (0x%x, rank 0 has 0x%x)", h->version,
			 root->version);
	} else if (h->flags != root->flags) {
		code = -EINVAL;
		snprintf(what, sizeof what, "its flags are 0x%x, those of rank 0 are 0x%x",
			 h->flags, root->flags);
	} else if (!(h->flags & CREEL_MPI_NAMED) && !same_program(h, root)) {
		code = -ENOEXEC;
		snprintf(what, sizeof what,
			 "it runs another program than rank 0, or another build of it; copy the "
			 "program to all machines, or use CREEL_MPI_NAMED");
	}
	verdict->code = code;
	if (code)
		snprintf(verdict->text, sizeof verdict->text, "creel_mpi_init: rank %d on %s: %.*s",
			 rank, h->host, 200, what);
	return code;
}

/* On all ranks the same. */
static int agree(const struct hello *mine)
{
	struct hello verdict = {0}, *all = NULL;
	size_t n = (size_t)world->size;
	if (world->rank == 0) {
		all = calloc(n, sizeof *all);
		world->peers = calloc(n, sizeof *world->peers);
		if (!all || !world->peers)
			creel__mpi_abort(world, "no memory for %zu ranks", n);
	}
	MPI_Gather(mine, (int)sizeof *mine, MPI_BYTE, all, (int)sizeof *mine, MPI_BYTE, 0,
		   creel__mpi_comm);
	for (int i = 0; all && i < world->size && !verdict.code; i++)
		if (judge(all, i, &verdict) == 0)
			world->peers[i].workers = all[i].workers;
	free(all);
	MPI_Bcast(&verdict, (int)sizeof verdict, MPI_BYTE, 0, creel__mpi_comm);
	return verdict.code ? fail(verdict.code, verdict.text) : 0;
}

/* What all ranks do together at the end. */
static void leave_comm(void)
{
	creel__port_fini(&world->port);
	if (creel__mpi_comm != MPI_COMM_NULL)
		MPI_Comm_free(&creel__mpi_comm);
}

static void leave_world(void)
{
	leave_comm();
	if (world->ours)
		MPI_Finalize();
}

static int end_on_finalize(MPI_Comm comm, int key, void *value, void *extra)
{
	(void)comm;
	(void)value;
	(void)extra;
	if (world->running)
		creel__mpi_root_stop(world);
	leave_comm();
	MPI_Comm_free_keyval(&key);
	return MPI_SUCCESS;
}

static void end_with_mpi(void)
{
	int key;
	MPI_Comm_create_keyval(MPI_COMM_NULL_COPY_FN, end_on_finalize, &key, NULL);
	MPI_Comm_set_attr(MPI_COMM_SELF, key, NULL);
}

static int begin_root(creel_executor *pool)
{
	pthread_condattr_t attr;
	/* Its workers would be of no use. */
	(void)creel_executor_close(pool);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&world->wake, &attr);
	pthread_condattr_destroy(&attr);
	int rc = creel__mpi_root_start(world);
	if (rc)
		creel__mpi_abort(world, "no thread: %s", creel_code_name(rc));
	end_with_mpi();
	return 0;
}

static int begin(creel_executor *pool)
{
	if (creel__port_init(&world->port, world->size, world->options.message_size))
		creel__mpi_abort(world, "no memory for messages");
	if (world->rank == 0)
		return begin_root(pool);
	creel__mpi_serve(world, pool);
	(void)creel_executor_close(pool);
	leave_world();
	return 1;
}

static int check_time(const creel_mpi_options *o)
{
	int was = 0;
	if (world->pid)
		return fail(-EALREADY, "creel_mpi_init: it was called before");
	MPI_Initialized(&was);
	if (was && !(o->flags & CREEL_MPI_THREADS))
		return fail(-EALREADY, "creel_mpi_init: MPI has been initialized, and a process "
				       "pool has to be made before; call creel_mpi_init() first, "
				       "or use CREEL_MPI_THREADS");
	return 0;
}

int creel_mpi_init(int *argc, char ***argv, const creel_mpi_options *options)
{
	struct hello mine;
	creel_mpi_options o = {0};
	if (options)
		o = *options;
	int rc = check_time(&o);
	if (rc == 0)
		rc = check_options(&o);
	if (rc)
		return rc;
	complete_options(&o);
	world->options = o;
	/* Before the workers are forked, so that they know that they are not the rank. */
	world->pid = getpid();
	creel_executor *pool = make_pool(&o);
	rc = initialize(argc, argv);
	if (rc >= 0) {
		describe_self(&mine, pool, rc);
		rc = agree(&mine);
	}
	if (rc == 0)
		return begin(pool);
	(void)creel_executor_close(pool);
	if (creel__mpi_comm != MPI_COMM_NULL)
		leave_world();
	return rc;
}

int creel_mpi_end(void)
{
	if (creel__mpi_is_child(world))
		return -EPERM;
	if (creel__mpi_comm == MPI_COMM_NULL)
		return -EINVAL;
	if (world->rank != 0)
		return -EPERM;
	if (world->running && pthread_equal(world->progress, pthread_self()))
		return -EDEADLK;
	if (world->running)
		creel__mpi_root_stop(world);
	leave_world();
	return 0;
}

int creel_mpi_register(const char *name, creel_fn fn)
{
	return world->pid ? -EBUSY : creel__mpi_name(name, fn);
}
