/* SPDX-License-Identifier: MIT */
/*
 * What the samples 40 to 42 have in common: slow work, a timer's lag, and answers. Each of them
 * brings a loop of its own: plain epoll, libuv, GLib.
 */
#ifndef GUEST_H
#define GUEST_H

#include <creel/creel.h>

struct guest {
	creel_executor *pool;   /* runs what is slow */
	creel_executor *driven; /* a guest in the loop: answers come on its thread */
	unsigned ticks, left;
	int64_t last, worst;
	bool offloaded, failed;
	char address[64];
	long bytes, primes;
};

void guest_open(struct guest *g, bool processes);
/* The loop's timer, once a millisecond. False: there is nothing more to do. */
bool guest_tick(struct guest *g);
/* Prints what came. Returns the exit status. */
int guest_close(struct guest *g);

#endif
