/* SPDX-License-Identifier: MIT */
/*
 * What a driven executor sleeps in: an epoll set, with a bell in it that other threads ring.
 * Elsewhere than on Linux there is none.
 *
 * The set's descriptor is readable while the bell rings or a file in the set is ready. Each ring is
 * an event for loops that watch it edge-triggered, even if the bell rings already. Files are
 * reported once for each time that they are armed.
 */
#ifndef CREEL__COMPOSE_POLLER_H
#define CREEL__COMPOSE_POLLER_H

#include <creel/base.h>

enum {
#ifdef CREEL_MODEL
	CREEL__POLLED_MOST = 2,
#else
	CREEL__POLLED_MOST = 64, /* that one wait reports */
#endif
};

struct creel__poller {
	int set, bell;
};

struct creel__polled {
	uint64_t tag;
	unsigned events; /* CREEL_READABLE, ... */
};

/* 0, -ENOTSUP, or what the system says. */
int creel__poller_open(struct creel__poller *p);
void creel__poller_close(struct creel__poller *p);

/* No cancellation points, and they preserve errno: callers hold locks. */
void creel__poller_ring(const struct creel__poller *p);
void creel__poller_hush(const struct creel__poller *p);

/* added: what fd was is in the set already, perhaps. If it is not, or no longer, *ret_fresh. 0, or
 * -errno: -EPERM for what is always ready. */
int creel__poller_arm(const struct creel__poller *p, int fd, unsigned events, uint64_t tag,
		      bool added, bool *ret_fresh);
void creel__poller_disarm(const struct creel__poller *p, int fd);

/* Sleeps until something is there or the deadline. How many it has stored, of at most n, no more
 * than CREEL__POLLED_MOST; perhaps none. Or -errno. The bell is not among them, but takes a
 * place. */
int creel__poller_wait(const struct creel__poller *p, struct creel__polled *ret_polled, int n,
		       creel_deadline deadline);

#endif
