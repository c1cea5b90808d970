/* SPDX-License-Identifier: MIT */
/*
 * Whether a worker that says it has not started its next task is to be believed.
 *
 * A task can write into its slot that it never began. So a worker is doubted when a limit passes
 * and it has not started, or when a task that it was to start next was cancelled. It is woken, and
 * is cleared when it starts its task, or says that it sleeps again. A worker that waits for the CPU
 * is runnable and has used none. Only one that sleeps elsewhere, or has used the CPU, is a liar:
 * none is suspected because the machine is slow. It is looked at after 50 ms, then after twice
 * that, and so on: one that never gets the CPU costs few looks.
 *
 * THE SAME   It is judged by what it had to do at the look before and still has, nothing else: the
 * same next task, or nothing if nobody has sent it anything or woken it meanwhile. What has just
 * come may be on its way, since whoever sends it wakes the worker after he has let go of the lock;
 * and the CPU that was used may have been for others. Then it is woken once more, and has all its
 * time anew.
 *
 * Without this a task that denies that it runs would escape every limit, and one that was cancelled
 * would keep its worker for ever. The models leave it out: it wakes workers, and would mend there
 * what a lost wake-up breaks.
 */
#include "base/cgroup.h"
#include "base/clock.h"
#include "procs/pool.h"
#include "sync/park.h"
#include <stdio.h>
#include <string.h>
#include <time.h>

#define SPENT_NS INT64_C(20000000)
#define PATIENCE_NS INT64_C(50000000) /* before the first look; then twice that, and so on */

/* 0 if nobody knows. */
static int64_t cpu_used(pid_t pid)
{
	clockid_t clock;
	struct timespec t;
	if (clock_getcpuclockid(pid, &clock) || clock_gettime(clock, &t))
		return 0;
	return t.tv_sec * INT64_C(1000000000) + t.tv_nsec;
}

/* Its main thread: which serves the slots. */
static bool is_asleep(pid_t pid)
{
	char path[64], text[256];
	snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
	creel__read_text(text, sizeof text, path);
	const char *name_end = strrchr(text, ')');
	return name_end && strncmp(name_end, ") S", 3) == 0;
}

static const struct creel__place *next_of(const struct creel__proc *w)
{
	const struct creel__place *next = NULL;
	for (unsigned i = 0; w->used && i < CREEL__DEPTH; i++)
		if (w->place[i].task && (!next || w->place[i].seq < next->seq))
			next = &w->place[i];
	return next;
}

bool creel__is_next(const struct creel__proc *w, unsigned i)
{
	return next_of(w) == &w->place[i];
}

void creel__doubt_locked(struct creel__procs *p, struct creel__proc *w)
{
	/* In a model it would mend wake-ups that are lost. */
#ifndef CREEL_MODEL
	if (w->doubt_at || w->life != CREEL__READY)
		return;
	w->doubt_ns = PATIENCE_NS;
	w->doubt_at = creel_in_ns(PATIENCE_NS).ns;
	w->cpu = 0;
	if (p->sleeping && w->doubt_at < p->wake_at)
		creel__kick(p);
#else
	(void)p;
	(void)w;
#endif
}

static bool is_cleared_locked(struct creel__procs *p, const struct creel__proc *w)
{
	const struct creel__place *next = next_of(w);
	const struct creel__control *c = creel__space_control(p->space, creel__proc_index(p, w));
	/* One that leaves is in its finalizer, and has a time of its own for that. */
	if (!next)
		return w->retiring || creel__load(&c->sleeping, relaxed) != 0;
	return next->began || next->collecting ||
	       creel__load(&creel__slot_of(p, w, (unsigned)(next - w->place))->state, relaxed) !=
		       CREEL__SLOT(next->seq, CREEL__SLOT_READY);
}

/* An honest one says that it sleeps again, or starts what it has. */
static void challenge_locked(struct creel__procs *p, struct creel__proc *w)
{
	struct creel__control *c = creel__space_control(p->space, creel__proc_index(p, w));
	const struct creel__place *next = next_of(w);
	w->cpu = cpu_used(w->pid) + 1;
	w->doubt_stirs = w->stirs;
	w->doubt_next = next ? next->seq : 0;
	/* [BELL-1] seq_cst: as all stores there */
	creel__store(&c->sleeping, 0, seq_cst);
	creel__unpark_shared(&c->sleeping);
}

/* Whether it has had the time since the last look for what it has to do. */
static bool is_still_at_it(const struct creel__proc *w)
{
	const struct creel__place *next = next_of(w);
	return next ? next->seq == w->doubt_next : w->stirs == w->doubt_stirs;
}

int64_t creel__check_doubt_locked(struct creel__procs *p, struct creel__proc *w, int64_t now)
{
	if (w->doubt_at > now)
		return w->doubt_at;
	w->doubt_at += w->doubt_ns *= 2;
	if (!w->cpu) {
		challenge_locked(p, w);
	} else if (is_cleared_locked(p, w)) {
		w->doubt_at = 0;
	} else if (!is_still_at_it(w)) {
		challenge_locked(p, w);
	} else if (!w->halted && (cpu_used(w->pid) + 1 - w->cpu > SPENT_NS || is_asleep(w->pid))) {
		w->doubt_at = 0;
		creel__call_liar_locked(p, w);
	}
	return w->doubt_at;
}
