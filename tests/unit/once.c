/* SPDX-License-Identifier: MIT */
/*
 * What the library makes once for a process and its children. A child that is forked while another
 * thread of its parent's makes it has not got that thread: it makes its own, and waits for nobody.
 */
#include "ct.h"
#include "future/block.h"
#include "shared.h"
#include "sync/fork.h"
#include "sync/local.h"
#include "sync/unshare.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

static struct ct_count *inside, *go_on;
static void (*make_it)(void);
static _Thread_local bool held;

/* A thread that is to be held stays here, in the midst of making it. */
static void stay(void)
{
	if (!held)
		return;
	held = false;
	ct_open(inside);
	ct_pass(go_on);
}

/* The linker's names: no header declares them. */
#define WRAP(name, ...)                                                                            \
	int __real_##name(__VA_ARGS__);                                                            \
	int __wrap_##name(__VA_ARGS__);                                                            \
	int __wrap_##name(__VA_ARGS__)

WRAP(madvise, void *address, size_t size, int what)
{
	stay();
	return __real_madvise(address, size, what);
}

/* ThreadSanitizer's run-time system calls these before it can do anything: there they are not
 * wrapped, and the tests are off. */
#if !CT_TSAN
WRAP(pthread_key_create, pthread_key_t *ret_key, void (*ends)(void *))
{
	stay();
	return __real_pthread_key_create(ret_key, ends);
}

/* Worse when it has been called: the child has handlers, and does not know it. */
WRAP(pthread_atfork, void (*before)(void), void (*in_parent)(void), void (*in_child)(void))
{
	int rc = __real_pthread_atfork(before, in_parent, in_child);
	stay();
	return rc;
}
#endif

static void *make_held(void *unused)
{
	held = true;
	make_it();
	return unused;
}

static void await(pid_t child)
{
	int status = -1;
	ct_assert(child > 0);
	ct_int(waitpid(child, &status, 0), child);
	ct_int(status, 0);
}

/* Forks a child while a thread makes it; use() is for the child, and then for its parent. */
static void fork_within(void (*make)(void), int (*use)(void))
{
	pthread_t thread;
	make_it = make;
	ct_shared_init();
	inside = ct_count_new();
	go_on = ct_count_new();
	ct_int(pthread_create(&thread, NULL, make_held, NULL), 0);
	ct_pass(inside);
	pid_t child = fork();
	if (child == 0) {
		alarm(CT_GUARD_MS / 2000);
		_exit(use());
	}
	await(child);
	ct_open(go_on);
	ct_int(pthread_join(thread, NULL), 0);
	ct_int(use(), 0);
	ct_shared_fini();
}

static void ask(void)
{
	(void)creel__fork_generation();
}

static int tells_children_apart(void)
{
	uint16_t own = creel__fork_generation();
	pid_t child = fork();
	if (child == 0)
		_exit(creel__fork_generation() == own);
	int status = -1;
	return waitpid(child, &status, 0) != child || status || creel__fork_generation() != own;
}

CT_TEST(once, a_child_waits_for_nobody_who_makes_the_generation, 0)
{
	fork_within(ask, tells_children_apart);
}

static int can_hook(void)
{
	creel__thread_hook();
	return creel__self()->at_exit == NULL;
}

CT_TEST(once, a_child_waits_for_nobody_who_makes_the_key, CT_TSAN)
{
	ask();
	fork_within(creel__thread_hook, can_hook);
}

static struct creel__unshared of_thread, of_user;

static void watch(void)
{
	if (creel__unshare(&of_thread, STDIN_FILENO) == 0)
		creel__unshare_end(&of_thread);
}

/* Its child has not the descriptor, and it has. */
static int can_unshare(void)
{
	int fd = open("/dev/null", O_RDONLY), status = -1;
	if (fd < 0 || creel__unshare(&of_user, fd))
		return 1;
	pid_t child = fork();
	if (child == 0)
		_exit(fcntl(fd, F_GETFD) != -1 || errno != EBADF);
	if (waitpid(child, &status, 0) != child || status)
		return 2;
	creel__unshare_end(&of_user);
	return close(fd) ? 3 : 0;
}

CT_TEST(once, a_child_waits_for_nobody_who_watches_forks, CT_TSAN)
{
	ask();
	fork_within(watch, can_unshare);
}
