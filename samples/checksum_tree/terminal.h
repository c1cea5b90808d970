/* SPDX-License-Identifier: MIT */
/* What people see on standard error: a progress bar, and messages that do not run into it. */
#ifndef CHECKSUM_TREE_TERMINAL_H
#define CHECKSUM_TREE_TERMINAL_H

#include <stdbool.h>
#include <stdint.h>

struct progress {
	bool on;           /* standard error is a terminal */
	bool drawn;        /* there is something to erase */
	const char *label; /* what is going on: "" or "name: " */
	double start, last;
};

/* Seconds of the monotonic clock. */
double now_seconds(void);

/* Starts a bar; on a terminal only. */
void progress_start(struct progress *p, const char *label);

/* Redraws it, if it is time to or `force`. total 0: not known yet. */
void progress_draw(struct progress *p, uint64_t files, uint64_t total, uint64_t bytes, bool force);

/* Takes the bar off the screen: before anything else is written to a terminal. */
void progress_erase(struct progress *p);

/* "4.2 MiB", in a buffer of the caller's. */
struct amount {
	char text[32];
};
struct amount amount_of(double bytes);

/* One line on standard error: the path, made fit for a terminal, what became of it, and why (an
 * errno, or 0). */
void complain(struct progress *p, const char *path, const char *what, int err);

#endif
