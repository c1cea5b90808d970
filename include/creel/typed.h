/* SPDX-License-Identifier: MIT */
/*
 * The typed layer: one macro line makes submit, map and result calls of a plain C function,
 * checked by the compiler.
 *
 *	static long square(long n) { return n * n; }
 *	CREEL_TYPED(square, long, long);                // name, result, argument
 *
 *	creel_future *f = square_submit(ex, 12);
 *	long r;
 *	int rc = square_result(f, creel_in_ms(500), &r);
 *
 * CREEL_TYPED(name, R, A)       for  R name(A)
 * CREEL_TYPED_TASK(name, R, A)  for  int name(creel_task *task, const A *arg, R *ret_result), which
 *                               can fail and see that it was cancelled. *ret_result is a
 *                               result only when it returns 0.
 *
 * Both define, as static functions:
 *
 *	creel_future *name_submit(creel_executor *ex, A arg);
 *	int name_result(creel_future *f, creel_deadline deadline, R *ret_result);
 *	creel_mapping *name_map(creel_executor *ex, const A *items, size_t n,
 *				const creel_map_options *o);
 *	int name_map_next(creel_mapping *map, creel_deadline deadline, R *ret_result,
 *			  size_t *ret_index);
 *
 * name_map_next() returns what creel_map_next() does; with CREEL_KEEP_GOING a failed item returns
 * what creel_future_result() says of it, with its index, and the map goes on. R and A are values:
 * they are copied, may be structs, and for a process pool must hold no pointers into private
 * memory. Works in C11 and in C++.
 */
#ifndef CREEL_TYPED_H
#define CREEL_TYPED_H

#include <creel/creel.h>

#if defined(__GNUC__)
#define CREEL__UNUSED __attribute__((unused))
#else
#define CREEL__UNUSED
#endif

/* Older compilers only warn of these in C, and a wrong type would run. */
#if defined(__GNUC__) && !defined(__cplusplus)
#pragma GCC diagnostic error "-Wint-conversion"
#pragma GCC diagnostic error "-Wincompatible-pointer-types"
#endif

#define CREEL__TYPED_CALLS(name, R, A)                                                             \
	CREEL__UNUSED static creel_future *name##_submit(creel_executor *ex, A arg)                \
	{                                                                                          \
		return creel_submit(ex, name##_creel_fn, &arg, sizeof arg);                        \
	}                                                                                          \
	CREEL__UNUSED static int name##_result(creel_future *f, creel_deadline deadline,           \
					       R *ret_result)                                      \
	{                                                                                          \
		return creel_future_result(f, deadline, ret_result, sizeof *ret_result);           \
	}                                                                                          \
	CREEL__UNUSED static creel_mapping *name##_map(creel_executor *ex, const A *items,         \
						       size_t n, const creel_map_options *options) \
	{                                                                                          \
		return creel_map(ex, name##_creel_fn, items, sizeof *items, n, options);           \
	}                                                                                          \
	CREEL__UNUSED static int name##_map_next(creel_mapping *map, creel_deadline deadline,      \
						 R *ret_result, size_t *ret_index)                 \
	{                                                                                          \
		creel_future *f = NULL;                                                            \
		int rc = creel_map_next(map, deadline, &f, ret_index);                             \
		if (rc == 0)                                                                       \
			rc = name##_result(f, CREEL_NOW, ret_result);                              \
		creel_future_unref(f);                                                             \
		return rc;                                                                         \
	}                                                                                          \
	struct name##_creel_end

#define CREEL_TYPED(name, R, A)                                                                    \
	static int name##_creel_fn(creel_task *task, const void *arg, size_t size)                 \
	{                                                                                          \
		(void)size;                                                                        \
		R (*const fn)(A) = name;                                                           \
		R result = fn(*(const A *)arg);                                                    \
		return creel_return(task, &result, sizeof result);                                 \
	}                                                                                          \
	CREEL__TYPED_CALLS(name, R, A)

#define CREEL_TYPED_TASK(name, R, A)                                                               \
	static int name##_creel_fn(creel_task *task, const void *arg, size_t size)                 \
	{                                                                                          \
		(void)size;                                                                        \
		R result;                                                                          \
		int (*const fn)(creel_task *, const A *, R *) = name;                              \
		int code = fn(task, (const A *)arg, &result);                                      \
		return code ? code : creel_return(task, &result, sizeof result);                   \
	}                                                                                          \
	CREEL__TYPED_CALLS(name, R, A)

#endif
