/* SPDX-License-Identifier: MIT */
/*
 * What workers inherit: from the thread that made the pool, not from the one whose submission
 * happened to start them.
 */
#include "regress.h"

#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/wait.h>

struct look {
	cpu_set_t cpus;
	int nice;
	sigset_t signals;
};

static void look(struct look *ret_look)
{
	ct_int(sched_getaffinity(0, sizeof ret_look->cpus, &ret_look->cpus), 0);
	ret_look->nice = getpriority(PRIO_PROCESS, 0);
	pthread_sigmask(SIG_SETMASK, NULL, &ret_look->signals);
}

static int task_looks(creel_task *task, const void *arg, size_t size)
{
	struct look l;
	(void)arg;
	(void)size;
	look(&l);
	return creel_return(task, &l, sizeof l);
}

static struct look result_of(creel_future *f)
{
	struct look l;
	ct_int(creel_future_result(f, CT_GUARD, &l, sizeof l), 0);
	creel_future_unref(f);
	return l;
}

static void bind_to_first_of(const cpu_set_t *all)
{
	cpu_set_t one;
	int cpu = 0;
	while (!CPU_ISSET(cpu, all))
		cpu++;
	CPU_ZERO(&one);
	CPU_SET(cpu, &one);
	ct_int(sched_setaffinity(0, sizeof one, &one), 0);
}

/* Submits the first task of a pool, on a thread that is bound to one CPU, nicer and with a mask of
 * its own. */
static void *submit_bound(void *ex)
{
	struct look mine;
	sigset_t usr1;
	look(&mine);
	bind_to_first_of(&mine.cpus);
	setpriority(PRIO_PROCESS, 0, mine.nice + 3);
	sigemptyset(&usr1);
	sigaddset(&usr1, SIGUSR1);
	pthread_sigmask(SIG_BLOCK, &usr1, NULL);
	return creel_submit(ex, task_looks, NULL, 0);
}

static struct look first_of(creel_executor *ex)
{
	pthread_t thread;
	void *f;
	on_thread(&thread, submit_bound, ex);
	pthread_join(thread, &f);
	return result_of(f);
}

static bool may_lower_nice(void)
{
	int nice = getpriority(PRIO_PROCESS, 0);
	bool may = setpriority(PRIO_PROCESS, 0, nice + 1) == 0 &&
		   setpriority(PRIO_PROCESS, 0, nice) == 0;
	return may;
}

CT_TEST(inherit, workers_have_the_affinity_of_the_thread_that_made_the_pool, 0)
{
	struct look mine;
	look(&mine);
	if (CPU_COUNT(&mine.cpus) < 2)
		ct_skip("one CPU");
	creel_executor *ex = pool_of(1);
	struct look l = first_of(ex);
	ct_assert(CPU_EQUAL(&l.cpus, &mine.cpus));
	close_now(ex);
}

CT_TEST(inherit, workers_have_the_nice_value_of_the_thread_that_made_the_pool, CT_MEMCHECK)
{
	if (!may_lower_nice())
		ct_skip("a nice value can only be raised");
	creel_executor *ex = pool_of(1);
	ct_int(first_of(ex).nice, getpriority(PRIO_PROCESS, 0));
	close_now(ex);
}

/* The other way round: who made it is bound, who submits is not. */
CT_TEST(inherit, a_pool_that_a_bound_thread_made_is_bound, 0)
{
	struct look mine, all;
	look(&all);
	if (CPU_COUNT(&all.cpus) < 2)
		ct_skip("one CPU");
	bind_to_first_of(&all.cpus);
	look(&mine);
	creel_executor *ex = pool_of(1);
	ct_int(sched_setaffinity(0, sizeof all.cpus, &all.cpus), 0);
	struct look l = result_of(creel_submit(ex, task_looks, NULL, 0));
	ct_assert(CPU_EQUAL(&l.cpus, &mine.cpus));
	close_now(ex);
}

/* Also the one that replaces a worker which a task ended. */
CT_TEST(inherit, workers_that_follow_have_the_affinity_too, 0)
{
	static struct gate gate;
	struct look mine;
	look(&mine);
	creel_executor *ex = pool_of(1);
	ct_open(&gate.open);
	(void)first_of(ex);
	ends_with(submit_to(ex, task_exits, &gate), CREEL_EFAILED);
	bind_to_first_of(&mine.cpus);
	struct look l = result_of(creel_submit(ex, task_looks, NULL, 0));
	ct_assert(CPU_EQUAL(&l.cpus, &mine.cpus));
	close_now(ex);
}

static creel_executor *keeping_pool(void)
{
	return creel_thread_pool_new(
		&(creel_thread_pool_options){.max_workers = 1, .flags = CREEL_KEEP_SIGNALS});
}

CT_TEST(inherit, keep_signals_leaves_the_makers_mask, 0)
{
	sigset_t usr2;
	sigemptyset(&usr2);
	sigaddset(&usr2, SIGUSR2);
	pthread_sigmask(SIG_BLOCK, &usr2, NULL);
	creel_executor *ex = keeping_pool();
	pthread_sigmask(SIG_UNBLOCK, &usr2, NULL);
	struct look l = first_of(ex);
	ct_assert(sigismember(&l.signals, SIGUSR2));
	ct_assert(!sigismember(&l.signals, SIGUSR1));
	ct_assert(!sigismember(&l.signals, SIGTERM));
	close_now(ex);
}

CT_TEST(inherit, without_it_workers_block_signals, 0)
{
	creel_executor *ex = pool_of(1);
	struct look l = first_of(ex);
	ct_assert(sigismember(&l.signals, SIGTERM) && sigismember(&l.signals, SIGUSR2));
	ct_assert(!sigismember(&l.signals, SIGSEGV));
	close_now(ex);
}

/* A program that system() starts can be ended by SIGTERM. */
static int task_runs_program(creel_task *task, const void *arg, size_t size)
{
	(void)arg;
	(void)size;
	int status = system("sh -c 'kill -TERM $$; exit 7'");
	return creel_return(task, &status, sizeof status);
}

CT_TEST(inherit, keep_signals_lets_programs_be_ended, 0)
{
	int status = -1;
	creel_executor *ex = keeping_pool();
	creel_future *f = creel_submit(ex, task_runs_program, NULL, 0);
	ct_int(creel_future_result(f, CT_GUARD, &status, sizeof status), 0);
	/* By the inner shell's signal: its number, or 128 and its number. */
	ct_assert(WIFSIGNALED(status) ? WTERMSIG(status) == SIGTERM
				      : WEXITSTATUS(status) == 128 + SIGTERM);
	creel_future_unref(f);
	close_now(ex);
}

/* As for threads: the fork server and its workers. */
CT_TEST(inherit, worker_processes_have_what_the_maker_of_the_pool_has, CT_MEMCHECK)
{
	struct look mine;
	look(&mine);
	creel_executor *ex = creel_process_pool_new(
		&(creel_process_pool_options){.max_workers = 1});
	struct look l = first_of(ex);
	ct_assert(CPU_EQUAL(&l.cpus, &mine.cpus));
	ct_int(l.nice, mine.nice);
	close_now(ex);
}
