/* SPDX-License-Identifier: MIT */
/* What the stress tests share: what they say when something does not hold, and chance. */
#include "stress.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

uint64_t stress_seed = 1;
unsigned long stress_round;

void broken(const char *file, int line, const char *format, ...)
{
	va_list list;
	va_start(list, format);
	fprintf(stderr, "%s:%d: round %lu, seed %llu: ", file, line, stress_round,
		(unsigned long long)stress_seed);
	vfprintf(stderr, format, list);
	fputc('\n', stderr);
	va_end(list);
	abort();
}

/* xorshift64* (Vigna 2016). */
uint64_t random_next(uint64_t *state)
{
	uint64_t x = *state ? *state : 1;
	x ^= x >> 12;
	x ^= x << 25;
	x ^= x >> 27;
	*state = x;
	return x * UINT64_C(0x2545f4914f6cdd1d) >> 16;
}
