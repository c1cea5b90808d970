/* SPDX-License-Identifier: MIT */
/* What has timers, behind the same few calls. */
#ifndef CREEL_BENCH_TIMER_PEERS_H
#define CREEL_BENCH_TIMER_PEERS_H

struct peer {
	const char *name;
	void (*open)(void);
	/* Sets a timer for so many nanoseconds from now. */
	void *(*set)(double ns);
	void (*cancel)(void *timer);
	/* Sets one for that time of CLOCK_MONOTONIC, and waits for it. */
	void (*await)(double due);
	void (*close)(void);
};

extern const struct peer timers_creel, timers_submit, timers_fd;
#ifdef BENCH_GLIB
extern const struct peer timers_glib;
#endif
#ifdef BENCH_LIBEV
extern const struct peer timers_libev;
#endif
#ifdef BENCH_LIBUV
extern const struct peer timers_libuv;
#endif

#endif
