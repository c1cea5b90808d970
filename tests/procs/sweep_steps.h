/* SPDX-License-Identifier: MIT */
/*
 * Steps: the points at which kill_sweep ends a process.
 *
 * A step is an atomic operation of the library, or a call to libc of lib/procs, lib/sync and
 * lib/base that asks something of the kernel; sweep_inject.h makes them steps, in sources that
 * know nothing of it. Each place in the source is a site, with a name. Every process counts the
 * steps it passes from its birth; the one that is armed dies by SIGKILL just before its n-th
 * step, or before it passes a site for the n-th time; or it stops there, kills another, and goes
 * on when that one is dead.
 *
 * ROLES  By descent: the host; its child, which lives for an instant; that one's child, the fork
 *        server; and its children, the workers. An instance is one process of a role, by order of
 *        birth.
 */
#ifndef CREEL_TESTS_SWEEP_STEPS_H
#define CREEL_TESTS_SWEEP_STEPS_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

enum sweep_role { SWEEP_HOST, SWEEP_BETWEEN, SWEEP_SERVER, SWEEP_WORKER, SWEEP_OTHER, SWEEP_ROLES };

enum { SWEEP_SITES = 2048, SWEEP_INSTANCES = 32 };

#define SWEEP_NOBODY UINT32_MAX /* as a task */

struct sweep_site {
	const char *base; /* the source that was compiled */
	const char *file; /* the one that it stands in */
	const char *function, *what;
	int line;
};

/* Who dies, and when. */
struct sweep_order {
	enum sweep_role role; /* whose steps count */
	/* Who dies: the same process; or the youngest of another role, just before that step. */
	enum sweep_role victim;
	unsigned instance; /* for a step by number */
	uint64_t step;     /* from 1; 0: by site */
	unsigned site;
	uint64_t nth; /* from 1; 0 with step 0: nobody dies */
};

/* A process, as it describes itself. */
struct sweep_process {
	_Atomic(int32_t) pid;
	_Atomic(uint32_t) task;   /* the last one that it started; SWEEP_NOBODY: none */
	_Atomic(uint32_t) begins; /* it has said that it begins another */
};

/* Of one round. */
struct sweep_counts {
	_Atomic(uint32_t) spent;     /* somebody died: 1; is just about to: 2 */
	_Atomic(uint32_t) site;      /* before this */
	struct sweep_process victim; /* it */
	_Atomic(uint32_t) born[SWEEP_ROLES];
	_Atomic(uint32_t) sent[SWEEP_ROLES]; /* messages on the socket, at least */
	_Atomic(uint64_t) steps[SWEEP_ROLES][SWEEP_INSTANCES];
	struct sweep_process process[SWEEP_ROLES][SWEEP_INSTANCES];
};

/* In memory that all processes share. */
struct sweep_shared {
	struct sweep_order order;
	bool shake;  /* now and then, give up the CPU at a step */
	bool census; /* nobody dies: at which steps could somebody? */
	struct sweep_counts now;
	/* Since somebody last cleared them. */
	_Atomic(uint64_t) passed[SWEEP_ROLES][SWEEP_SITES];
	_Atomic(uint32_t) last[SWEEP_SITES]; /* deaths */
	/* Of a census: it was passed while there was a victim. */
	_Atomic(bool) due[SWEEP_SITES];
};

extern struct sweep_shared *sweep;

/* Memory that this process and all below it share, zeroed. Ends the program if there is none. */
void *sweep_map(size_t size);
/* Once, at the start. */
void sweep_init(void);
/* A new round: all counts of it are zero, and order is in force. */
void sweep_arm(const struct sweep_order *order);
unsigned sweep_sites(void);
/* "procs/work.c:289 ring: write(me.c->bell, ...)", until the next call. */
const char *sweep_name(unsigned site);

/* Called before every step. */
void sweep_step(struct sweep_site *const *site);
/* fork(), of which the child has the next role. */
pid_t sweep_fork(void);
/* The calling process starts that task. */
void sweep_in_task(uint32_t id);

/* A site stands in a section of its own: so all are known, and numbered alike in all processes. */
#define SWEEP_STEP(text)                                                                           \
	__extension__({                                                                            \
		static struct sweep_site sweep_here = {__BASE_FILE__, __FILE__, __func__, text,    \
						       __LINE__};                                  \
		static struct sweep_site *const sweep_entry                                        \
			__attribute__((section("sweep_places"), used)) = &sweep_here;              \
		sweep_step(&sweep_entry);                                                          \
	})

#endif
