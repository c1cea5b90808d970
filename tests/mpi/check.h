/* SPDX-License-Identifier: MIT */
/*
 * Checks of programs that mpirun starts. Criterion and the plain runner fork for each test, which
 * MPI does not allow: here the tests of a program run one after the other on rank 0, and the first
 * that fails ends the job, for which the others would wait.
 */
#ifndef CREEL_TESTS_MPI_CHECK_H
#define CREEL_TESTS_MPI_CHECK_H

#include <creel/creel.h>
#include <creel/mpi.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* How long a test waits for what should come at once. */
#define GUARD creel_in_ms(60000)

#define CHECK(condition)                                                                           \
	((condition) ? (void)0 : check_failed(__FILE__, __LINE__, #condition, 0, 0, NULL, NULL))
#define CHECK_INT(is, should)                                                                      \
	check_int(__FILE__, __LINE__, #is, (long long)(is), (long long)(should))
#define CHECK_HAS(text, part) check_has(__FILE__, __LINE__, #text, text, part)

_Noreturn static inline void check_failed(const char *file, int line, const char *what,
					  long long is, long long should, const char *text,
					  const char *part)
{
	if (text)
		fprintf(stderr, "check failed: %s:%d: %s is \"%s\", without \"%s\"\n", file, line,
			what, text, part);
	else
		fprintf(stderr, "check failed: %s:%d: not so: %s (%lld, not %lld)\n", file, line,
			what, is, should);
	fflush(NULL);
	/* mpirun ends the others. */
	abort();
}

static inline void check_int(const char *file, int line, const char *what, long long is,
			     long long should)
{
	if (is != should)
		check_failed(file, line, what, is, should, NULL, NULL);
}

static inline void check_has(const char *file, int line, const char *what, const char *text,
			     const char *part)
{
	if (!strstr(text, part))
		check_failed(file, line, what, 0, 0, text, part);
}

#endif
