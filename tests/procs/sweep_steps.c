/* SPDX-License-Identifier: MIT */
/*
 * Counting steps, and dying. Runs in front of every step of every process, also between fork and
 * whatever comes next: it touches its own data and the shared page, and leaves errno alone.
 */
#include "sweep_steps.h"

#include <errno.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

/* The bounds of the section, from the linker. */
extern struct sweep_site *const __start_sweep_places[], *const __stop_sweep_places[];

struct sweep_shared *sweep;

struct self {
	enum sweep_role role;
	unsigned instance;
	_Atomic(uint64_t) steps, at_site;
	bool sends;
	struct sweep_process *process;
};

/* Of this process. Only the host has several threads. */
static struct self own;

void *sweep_map(size_t size)
{
	void *p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (p == MAP_FAILED) {
		perror("kill_sweep: mmap");
		exit(2);
	}
	return p;
}

void sweep_init(void)
{
	sweep = sweep_map(sizeof *sweep);
	if (sweep_sites() > SWEEP_SITES) {
		fprintf(stderr, "kill_sweep: %u sites, make SWEEP_SITES larger\n", sweep_sites());
		exit(2);
	}
}

static void be(struct self *me, enum sweep_role role)
{
	me->role = role;
	me->instance = atomic_fetch_add(&sweep->now.born[role], 1) % SWEEP_INSTANCES;
	me->sends = false;
	atomic_store(&me->steps, 0);
	atomic_store(&me->at_site, 0);
	me->process = &sweep->now.process[role][me->instance];
	atomic_store(&me->process->pid, getpid());
	atomic_store(&me->process->task, SWEEP_NOBODY);
}

void sweep_arm(const struct sweep_order *order)
{
	memset(&sweep->now, 0, sizeof sweep->now);
	sweep->order = *order;
	be(&own, SWEEP_HOST);
}

unsigned sweep_sites(void)
{
	return (unsigned)(__stop_sweep_places - __start_sweep_places);
}

/* Without what leads to the library's folder. */
static const char *short_path(const char *path)
{
	const char *lib = strstr(path, "lib/"), *tests = strstr(path, "tests/");
	return lib ? lib + strlen("lib/") : tests ? tests : path;
}

const char *sweep_name(unsigned site)
{
	static char text[512];
	const struct sweep_site *s = __start_sweep_places[site];
	const char *base = short_path(s->base), *file = short_path(s->file);
	bool header = strcmp(base, file) != 0;
	snprintf(text, sizeof text, "%s:%d %s%s%s: %s", file, s->line, s->function,
		 header ? " in " : "", header ? base : "", s->what);
	return text;
}

static void record(unsigned site, struct sweep_process *who)
{
	struct sweep_process *victim = &sweep->now.victim;
	atomic_store(&victim->pid, atomic_load(&who->pid));
	atomic_store(&victim->task, atomic_load(&who->task));
	atomic_store(&victim->begins, atomic_load(&who->begins));
	atomic_store(&sweep->now.site, site);
	atomic_fetch_add(&sweep->last[site], 1);
	atomic_store(&sweep->now.spent, 1);
}

static _Noreturn void die(const struct self *me, unsigned site)
{
	record(site, me->process);
	for (;;)
		syscall(SYS_kill, getpid(), SIGKILL);
}

/* The youngest that lives, with its pidfd; NULL if there is none. */
static struct sweep_process *find_victim(enum sweep_role role, int *ret_fd)
{
	unsigned n = atomic_load(&sweep->now.born[role]);
	for (unsigned i = n < SWEEP_INSTANCES ? n : SWEEP_INSTANCES; i--;) {
		struct sweep_process *who = &sweep->now.process[role][i];
		*ret_fd = (int)syscall(SYS_pidfd_open, atomic_load(&who->pid), 0);
		struct pollfd gone = {.fd = *ret_fd, .events = POLLIN};
		if (*ret_fd >= 0 && poll(&gone, 1, 0) == 0)
			return who;
		if (*ret_fd >= 0)
			close(*ret_fd);
	}
	return NULL;
}

/* Returns when it is dead. */
static void kill_other(unsigned site, enum sweep_role role)
{
	int fd;
	struct sweep_process *who = find_victim(role, &fd);
	if (!who) {
		atomic_store(&sweep->now.spent, 0);
		return;
	}
	/* If it has just died by itself, whoever comes next may look for another. */
	bool killed = syscall(SYS_pidfd_send_signal, fd, SIGKILL, NULL, 0) == 0;
	struct pollfd gone = {.fd = fd, .events = POLLIN};
	while (killed && poll(&gone, 1, -1) < 0)
		;
	close(fd);
	if (killed)
		record(site, who);
	else
		atomic_store(&sweep->now.spent, 0);
}

/* In a census: whether somebody could die here. */
static void note_due(const struct self *me, unsigned site)
{
	int fd, saved = errno;
	if (sweep->order.role != me->role || atomic_load(&sweep->due[site]))
		return;
	bool own_life = sweep->order.victim == me->role;
	if (own_life || find_victim(sweep->order.victim, &fd))
		atomic_store(&sweep->due[site], true);
	if (!own_life && atomic_load(&sweep->due[site]))
		close(fd);
	errno = saved;
}

static bool is_due(struct self *me, unsigned site, uint64_t step)
{
	const struct sweep_order *o = &sweep->order;
	if (o->role != me->role)
		return false;
	if (o->step)
		return o->instance == me->instance && o->step == step;
	/* Any time: until there is somebody to kill. */
	if (o->victim != me->role)
		return o->nth && o->site == site;
	return o->nth && o->site == site && atomic_fetch_add(&me->at_site, 1) + 1 == o->nth;
}

/* A pseudo-random number of the step: a perturbation that costs little. */
static bool is_shaken(const struct self *me, uint64_t step)
{
	uint64_t x = (step + (uint64_t)me->role * 77 + sweep->order.step) *
		     UINT64_C(0x9e3779b97f4a7c15);
	return (x >> 58) == 0;
}

/* One death a round. */
static void act(const struct self *me, unsigned site)
{
	uint32_t no = 0;
	int saved = errno;
	if (!atomic_compare_exchange_strong(&sweep->now.spent, &no, 2))
		return;
	if (sweep->order.victim == me->role)
		die(me, site);
	kill_other(site, sweep->order.victim);
	errno = saved;
}

/* What a step means to those who judge: a message; that a worker takes a task on (work.c:
 * serve_slot). */
static void take_note(struct self *me, const char *what)
{
	if (strstr(what, "sendmsg"))
		me->sends = true;
	else if (strstr(what, "->began = ") || strstr(what, "->state = running"))
		atomic_store(&me->process->begins, 1);
}

void sweep_step(struct sweep_site *const *entry)
{
	if (!sweep)
		return;
	struct self *me = &own;
	unsigned site = (unsigned)(entry - __start_sweep_places);
	uint64_t step = atomic_fetch_add(&me->steps, 1) + 1;
	atomic_fetch_add_explicit(&sweep->passed[me->role][site], 1, memory_order_relaxed);
	atomic_store_explicit(&sweep->now.steps[me->role][me->instance], step,
			      memory_order_relaxed);
	/* It is sent when the next step comes. */
	if (me->sends)
		atomic_fetch_add(&sweep->now.sent[me->role], 1);
	me->sends = false;
	if (sweep->census)
		note_due(me, site);
	if (is_due(me, site, step))
		act(me, site);
	if (me->role != SWEEP_HOST)
		take_note(me, (*entry)->what);
	if (sweep->shake && is_shaken(me, step))
		sched_yield();
}

pid_t sweep_fork(void)
{
	enum sweep_role parent = own.role;
	pid_t pid = fork();
	if (pid || !sweep)
		return pid;
	be(&own, parent < SWEEP_OTHER ? parent + 1 : SWEEP_OTHER);
	SWEEP_STEP("born");
	return 0;
}

void sweep_in_task(uint32_t id)
{
	atomic_store(&own.process->task, id);
	atomic_store(&own.process->begins, 0);
}
