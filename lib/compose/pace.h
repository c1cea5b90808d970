/* SPDX-License-Identifier: MIT */
/*
 * How fast something may go: the arithmetic of rate limits. No clock and no lock: the caller has
 * both.
 *
 * WINDOW   At most n in any half-open window of per_ns. The times of the last n stand in a ring;
 *          the next one may go per_ns after the oldest of them. 8n bytes.
 * BUCKET   The generic cell rate algorithm (ITU-T I.371, virtual scheduling): `full` is when the
 *          bucket will be full again. At most burst + n/per_ns x time in any time. The interval
 *          per_ns / n is exact: whole nanoseconds and n-ths of one.
 * EXACT    What is counted is when something has gone, and nobody knows that to the nanosecond: it
 *          lies between creel__pace_take() and creel__pace_gone(). So the caller says both.
 *          Meanwhile a window counts it as going now, and a bucket keeps its place empty. So the
 *          promise holds for whatever moments lie in between, however long a thread is held up.
 */
#ifndef CREEL__COMPOSE_PACE_H
#define CREEL__COMPOSE_PACE_H

#include <stdbool.h>
#include <stdint.h>

enum {
	CREEL__PACE_MOST = 1 << 20, /* n and burst */
};

/* A point in time or a duration: ns + part/n nanoseconds. */
struct creel__exactly {
	int64_t ns;
	uint32_t part;
};

struct creel__pace {
	uint32_t n, burst; /* burst of 0: a window */
	int64_t per_ns;
	int64_t *ring;  /* window: when each of the last n had gone; GOING; or long ago */
	uint32_t next;  /* its place in the ring */
	uint32_t going; /* bucket: taken and not gone */
	struct creel__exactly full;
};

/* False if burst intervals are longer than time. */
bool creel__pace_fits(uint32_t n, uint32_t burst, int64_t per_ns);

/* False without memory. */
bool creel__pace_init(struct creel__pace *pace, uint32_t n, uint32_t burst, int64_t per_ns);
void creel__pace_fini(struct creel__pace *pace);

/* When the next one may go: a time of now or before is at once. INT64_MAX: not before one is gone
 * that was taken. */
int64_t creel__pace_when(const struct creel__pace *pace, int64_t now);

/* One goes now, which may. Returns what is to be passed to _gone(). */
uint32_t creel__pace_take(struct creel__pace *pace, int64_t now);

/* It has gone, now at the latest. */
void creel__pace_gone(struct creel__pace *pace, uint32_t taken, int64_t now);

/* It has not gone, and never will: its place is free. */
void creel__pace_stayed(struct creel__pace *pace, uint32_t taken, int64_t now);

#endif
