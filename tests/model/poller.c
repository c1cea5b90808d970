/* SPDX-License-Identifier: MIT */
/* In the place of compose/poller.c: an epoll set with a bell and one file, made of a word. */
#include "compose/poller.h"
#include "base/clock.h"
#include "poller.h"
#include "sync/park.h"
#include <creel/driven.h>
#include <errno.h>

enum { BELL = 1, ARMED = 2, READY = 4 };

static _Atomic(uint32_t) word;
static _Atomic(uint64_t) armed_with;

int creel__poller_open(struct creel__poller *p)
{
	p->set = p->bell = 3;
	creel__store(&word, 0, relaxed);
	return 0;
}

void creel__poller_close(struct creel__poller *p)
{
	p->set = p->bell = -1;
}

static void set(uint32_t bits)
{
	creel__or(&word, bits, relaxed);
	creel__unpark_all(&word);
}

static void clear(uint32_t bits)
{
	uint32_t old = creel__load(&word, relaxed);
	while (!creel__cas(&word, &old, old & ~bits, relaxed, relaxed))
		;
}

void creel__poller_ring(const struct creel__poller *p)
{
	if (p->set >= 0)
		set(BELL);
}

void creel__poller_hush(const struct creel__poller *p)
{
	if (p->set >= 0)
		clear(BELL);
}

int creel__poller_arm(const struct creel__poller *p, int fd, unsigned events, uint64_t tag,
		      bool added, bool *ret_fresh)
{
	(void)p;
	(void)fd;
	(void)events;
	*ret_fresh = !added;
	creel__store(&armed_with, tag, relaxed);
	set(ARMED);
	return 0;
}

void creel__poller_disarm(const struct creel__poller *p, int fd)
{
	(void)p;
	(void)fd;
	clear(ARMED);
}

void model_poller_ready(void)
{
	set(READY);
}

int creel__poller_wait(const struct creel__poller *p, struct creel__polled *ret_polled, int n,
		       creel_deadline deadline)
{
	(void)p;
	(void)n;
	for (;;) {
		/* The kernel knows the newest. */
		uint32_t w = creel__or(&word, 0, relaxed);
		if ((w & (ARMED | READY)) == (ARMED | READY)) {
			ret_polled[0] = (struct creel__polled){creel__load(&armed_with, relaxed),
							       CREEL_READABLE};
			clear(ARMED);
			return 1;
		}
		if (w & BELL || creel__deadline_passed(deadline))
			return 0;
		if (creel__park_briefly(&word, w, deadline) == -ETIMEDOUT)
			return 0;
	}
}
