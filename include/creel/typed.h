/* SPDX-License-Identifier: MIT */
/*
 * The typed layer. One macro line gives a plain C function typed calls that the compiler checks.
 *
 *	static long square(long n) { return n * n; }
 *	CREEL_TYPED(square, long, long);                // name, result, argument
 *
 *	creel_future *f = square_submit(ex, 12);
 *	long r;
 *	int rc = square_result(f, creel_in_ms(500), &r);
 *
 * CREEL_TYPED(name, R, A)       wraps  R name(A)
 * CREEL_TYPED_TASK(name, R, A)  wraps  int name(creel_task *task, A const *arg, R *ret_result)
 *
 * The function of CREEL_TYPED_TASK can fail, and can see that it was cancelled. It returns 0 and
 * sets *ret_result, or returns another code and *ret_result is ignored.
 *
 * Both macros define these static functions:
 *
 *	creel_future *name_submit(creel_executor *ex, A arg);
 *	creel_future *name_submit_with(creel_executor *ex, A arg,
 *				       const creel_submit_options *options);
 *	int name_queue_submit(creel_queue *q, creel_executor *ex, A arg,
 *			      const creel_submit_options *options, void *tag);
 *	int name_result(creel_future *f, creel_deadline deadline, R *ret_result);
 *	creel_mapping *name_map(creel_executor *ex, A const *items, size_t n,
 *				const creel_map_options *options);
 *	int name_map_next(creel_mapping *map, creel_deadline deadline, R *ret_result,
 *			  size_t *ret_index);
 *
 *	creel_future *name_then(creel_future *f, creel_executor *ex);
 *	creel_future *name_then_with(creel_future *f, creel_executor *ex,
 *				     const creel_submit_options *options);
 *	int name_all_results(creel_future *all, creel_deadline deadline, R *results, size_t n);
 *	int name_settled_results(creel_future *all, creel_deadline deadline, R *results,
 *				 int *codes, size_t n);
 *
 * name_then() runs name when f has succeeded, with the result of f as its argument (creel_then() of
 * creel/then.h). If that has not the size of A, it fails with -EMSGSIZE and names both sizes.
 *
 * name_all_results() waits for a future of creel_all() or creel_all_settled() over n futures of
 * name, and copies their results to results[n]. It returns 0, what creel_future_result() returns of
 * all or of the first input that has no result, or -EMSGSIZE if the inputs are not n.
 * name_settled_results() goes on to the end: codes[i] gets what creel_future_result() returns of
 * the i-th input, and results[i] is unchanged unless that is 0.
 *
 * name_map_next() returns what creel_map_next() returns. With CREEL_KEEP_GOING, an item that failed
 * returns what creel_future_result() says of it; *ret_index is its index, and the map goes on.
 * creel_map_error() has the item's error until the next call.
 *
 * TYPES   R and A are copied by value. They may be numbers, structs, enums and pointers; a typedef
 *         is needed where the name of a parameter would stand inside the type (a pointer to a
 *         function). They must not be arrays: put the array into a struct. For a process pool they
 *         must not point into private memory.
 * VOID    R may be void: name_result() and name_map_next() have no ret_result, and neither has the
 *         function of CREEL_TYPED_TASK; there are no calls for arrays of results. A may be void:
 *         the calls have no arg, the function of CREEL_TYPED_TASK has none either, there is no map,
 *         and name_then() does not look at the result of f.
 * ERRORS  A wrong type is an error in C++, and in C since gcc 14 and clang 16. Older C compilers
 *         warn: compile with -Werror=int-conversion -Werror=incompatible-pointer-types.
 *
 * Works in C (C99 or later) and in C++ (C++11 or later).
 */
#ifndef CREEL_TYPED_H
#define CREEL_TYPED_H

#include <creel/creel.h>

#if defined(__GNUC__)
#define CREEL__UNUSED __attribute__((unused))
#else
#define CREEL__UNUSED
#endif

#ifdef __cplusplus
#define CREEL__CAST(type, value) static_cast<type>(value)
#else
#define CREEL__CAST(type, value) ((type)(value))
#endif

/* 1 if T is the word void, else 0. "void *" is not: the parenthesis does not follow the word. */
#define CREEL__IS_VOID(T) CREEL__SECOND(CREEL__VOID_##T(), 0, ~)
#define CREEL__VOID_void() ~, 1
#define CREEL__SECOND(...) CREEL__SECOND_(__VA_ARGS__)
#define CREEL__SECOND_(first, second, ...) second

#define CREEL__JOIN(a, b) CREEL__JOIN_(a, b)
#define CREEL__JOIN_(a, b) a##b

/* MACRO_0 or MACRO_1, by whether T is void. */
#define CREEL__BY_VOID(macro, T) CREEL__JOIN(macro##_, CREEL__IS_VOID(T))

/* The argument: as a parameter, as what is submitted, and in the call of the function. */
#define CREEL__PARAMETER(A) CREEL__BY_VOID(CREEL__PARAMETER, A)(A)
#define CREEL__PARAMETER_0(A) , A arg
#define CREEL__PARAMETER_1(A)
#define CREEL__SUBMITTED(A) CREEL__BY_VOID(CREEL__SUBMITTED, A)
#define CREEL__SUBMITTED_0 &arg, sizeof arg
#define CREEL__SUBMITTED_1 NULL, 0
#define CREEL__RECEIVED(A) CREEL__BY_VOID(CREEL__RECEIVED, A)(A)
#define CREEL__RECEIVED_0(A) *CREEL__CAST(A const *, arg)
#define CREEL__RECEIVED_1(A)
#define CREEL__RECEIVED_BY_TASK(A) CREEL__BY_VOID(CREEL__RECEIVED_BY_TASK, A)(A)
#define CREEL__RECEIVED_BY_TASK_0(A) , CREEL__CAST(A const *, arg)
#define CREEL__RECEIVED_BY_TASK_1(A)
#define CREEL__TASK_PARAMETER(A) CREEL__BY_VOID(CREEL__TASK_PARAMETER, A)(A)
#define CREEL__TASK_PARAMETER_0(A) , A const *
#define CREEL__TASK_PARAMETER_1(A)

/* The result: as a parameter, in the call of the function, and on its way back. */
#define CREEL__RESULT(R) CREEL__BY_VOID(CREEL__RESULT, R)(R)
#define CREEL__RESULT_0(R) , R *ret_result
#define CREEL__RESULT_1(R)
#define CREEL__RESULT_OF_TASK(R) CREEL__BY_VOID(CREEL__RESULT_OF_TASK, R)(R)
#define CREEL__RESULT_OF_TASK_0(R) , R *
#define CREEL__RESULT_OF_TASK_1(R)
#define CREEL__WANTED(R) CREEL__BY_VOID(CREEL__WANTED, R)
#define CREEL__WANTED_0 ret_result, sizeof *ret_result
#define CREEL__WANTED_1 NULL, 0
#define CREEL__PASS_ON(R) CREEL__BY_VOID(CREEL__PASS_ON, R)
#define CREEL__PASS_ON_0 , ret_result
#define CREEL__PASS_ON_1

#define CREEL__CALL(R, call) CREEL__BY_VOID(CREEL__CALL, R)(R, call)
#define CREEL__CALL_0(R, call)                                                                     \
	R result = call;                                                                           \
	return creel_return(task, &result, sizeof result);
#define CREEL__CALL_1(R, call)                                                                     \
	(void)task;                                                                                \
	call;                                                                                      \
	return 0;
#define CREEL__CALL_TASK(R, A) CREEL__BY_VOID(CREEL__CALL_TASK, R)(R, A)
#define CREEL__CALL_TASK_0(R, A)                                                                   \
	R result;                                                                                  \
	int code = fn(task CREEL__RECEIVED_BY_TASK(A), &result);                                   \
	return code ? code : creel_return(task, &result, sizeof result);
#define CREEL__CALL_TASK_1(R, A) return fn(task CREEL__RECEIVED_BY_TASK(A));

/* No compiler takes a function that returns an array, and each names this one. */
#define CREEL__NO_ARRAY(name, R, A)                                                                \
	typedef R name##_result_must_not_be_an_array(void);                                        \
	typedef A name##_argument_must_not_be_an_array(void);

#define CREEL__MAP_CALLS(name, R, A) CREEL__BY_VOID(CREEL__MAP_CALLS, A)(name, R, A)
#define CREEL__MAP_CALLS_1(name, R, A)
#define CREEL__MAP_CALLS_0(name, R, A)                                                             \
	CREEL__UNUSED CREEL_MUST_USE static creel_mapping *name##_map(                             \
		creel_executor *ex, A const *items, size_t n, const creel_map_options *options)    \
	{                                                                                          \
		return creel_map(ex, name##_creel_fn, items, sizeof *items, n, options);           \
	}                                                                                          \
	CREEL__UNUSED CREEL_MUST_USE static int name##_map_next(                                   \
		creel_mapping *map, creel_deadline deadline CREEL__RESULT(R), size_t *ret_index)   \
	{                                                                                          \
		creel_future *f = NULL;                                                            \
		int rc = creel_map_next(map, deadline, &f, ret_index);                             \
		if (rc == 0)                                                                       \
			rc = name##_result(f, CREEL_NOW CREEL__PASS_ON(R));                        \
		creel_future_unref(f);                                                             \
		return rc;                                                                         \
	}

/* The result of the future that a continuation is of, as the argument. */
#define CREEL__INPUT(name, A) CREEL__BY_VOID(CREEL__INPUT, A)(name, A)
#define CREEL__INPUT_1(name, A) return name##_creel_fn(task, NULL, 0);
#define CREEL__INPUT_0(name, A)                                                                    \
	const void *input = NULL;                                                                  \
	size_t size = 0;                                                                           \
	int rc = creel_task_input(task, &input, &size);                                            \
	if (rc == 0 && size != sizeof(A))                                                          \
		rc = creel_fail(                                                                   \
			task, -EMSGSIZE, "the input has %lu bytes, and " #name " takes %lu",       \
			CREEL__CAST(unsigned long, size), CREEL__CAST(unsigned long, sizeof(A)));  \
	return rc ? rc : name##_creel_fn(task, input, size);

#define CREEL__ARRAY_CALLS(name, R) CREEL__BY_VOID(CREEL__ARRAY_CALLS, R)(name, R)
#define CREEL__ARRAY_CALLS_1(name, R)
#define CREEL__ARRAY_CALLS_0(name, R)                                                              \
	CREEL__UNUSED CREEL_MUST_USE static int name##_settled_results(                            \
		creel_future *all, creel_deadline deadline, R *results, int *codes, size_t n)      \
	{                                                                                          \
		const void *data = NULL;                                                           \
		size_t size = 0;                                                                   \
		int rc = creel_future_view(all, deadline, &data, &size);                           \
		creel_future *const *inputs = CREEL__CAST(creel_future *const *, data);            \
		if (rc == 0 && size != n * sizeof *inputs)                                         \
			rc = -EMSGSIZE;                                                            \
		for (size_t i = 0; rc == 0 && i < n; i++)                                          \
			codes[i] = name##_result(inputs[i], CREEL_NOW, &results[i]);               \
		return rc;                                                                         \
	}                                                                                          \
	CREEL__UNUSED CREEL_MUST_USE static int name##_all_results(                                \
		creel_future *all, creel_deadline deadline, R *results, size_t n)                  \
	{                                                                                          \
		const void *data = NULL;                                                           \
		size_t size = 0;                                                                   \
		int rc = creel_future_view(all, deadline, &data, &size);                           \
		creel_future *const *inputs = CREEL__CAST(creel_future *const *, data);            \
		if (rc == 0 && size != n * sizeof *inputs)                                         \
			rc = -EMSGSIZE;                                                            \
		for (size_t i = 0; rc == 0 && i < n; i++)                                          \
			rc = name##_result(inputs[i], CREEL_NOW, &results[i]);                     \
		return rc;                                                                         \
	}

#define CREEL__TYPED_CALLS(name, R, A)                                                             \
	static int name##_creel_then_fn(creel_task *task, const void *none, size_t zero)           \
	{                                                                                          \
		(void)none;                                                                        \
		(void)zero;                                                                        \
		CREEL__INPUT(name, A)                                                              \
	}                                                                                          \
	CREEL__UNUSED CREEL_MUST_USE static creel_future *name##_then(creel_future *f,             \
								      creel_executor *ex)          \
	{                                                                                          \
		return creel_then(f, ex, name##_creel_then_fn, NULL, 0);                           \
	}                                                                                          \
	CREEL__UNUSED CREEL_MUST_USE static creel_future *name##_then_with(                        \
		creel_future *f, creel_executor *ex, const creel_submit_options *options)          \
	{                                                                                          \
		return creel_then_with(f, ex, name##_creel_then_fn, NULL, 0, options);             \
	}                                                                                          \
	CREEL__UNUSED CREEL_MUST_USE static creel_future *name##_submit(                           \
		creel_executor *ex CREEL__PARAMETER(A))                                            \
	{                                                                                          \
		return creel_submit(ex, name##_creel_fn, CREEL__SUBMITTED(A));                     \
	}                                                                                          \
	CREEL__UNUSED CREEL_MUST_USE static creel_future *name##_submit_with(                      \
		creel_executor *ex CREEL__PARAMETER(A), const creel_submit_options *options)       \
	{                                                                                          \
		return creel_submit_with(ex, name##_creel_fn, CREEL__SUBMITTED(A), options);       \
	}                                                                                          \
	CREEL__UNUSED CREEL_MUST_USE static int name##_queue_submit(                               \
		creel_queue *q, creel_executor *ex CREEL__PARAMETER(A),                            \
		const creel_submit_options *options, void *tag)                                    \
	{                                                                                          \
		return creel_queue_submit(q, ex, name##_creel_fn, CREEL__SUBMITTED(A), options,    \
					  tag);                                                    \
	}                                                                                          \
	CREEL__UNUSED CREEL_MUST_USE static int name##_result(                                     \
		creel_future *f, creel_deadline deadline CREEL__RESULT(R))                         \
	{                                                                                          \
		return creel_future_result(f, deadline, CREEL__WANTED(R));                         \
	}                                                                                          \
	CREEL__ARRAY_CALLS(name, R)                                                                \
	CREEL__MAP_CALLS(name, R, A)                                                               \
	struct name##_creel_end

#define CREEL_TYPED(name, R, A)                                                                    \
	CREEL__NO_ARRAY(name, R, A)                                                                \
	static int name##_creel_fn(creel_task *task, const void *arg, size_t size)                 \
	{                                                                                          \
		R (*const fn)(A) = name;                                                           \
		(void)arg;                                                                         \
		(void)size;                                                                        \
		CREEL__CALL(R, fn(CREEL__RECEIVED(A)))                                             \
	}                                                                                          \
	CREEL__TYPED_CALLS(name, R, A)

#define CREEL_TYPED_TASK(name, R, A)                                                               \
	CREEL__NO_ARRAY(name, R, A)                                                                \
	static int name##_creel_fn(creel_task *task, const void *arg, size_t size)                 \
	{                                                                                          \
		int (*const fn)(creel_task * CREEL__TASK_PARAMETER(A)                              \
						     CREEL__RESULT_OF_TASK(R)) = name;             \
		(void)arg;                                                                         \
		(void)size;                                                                        \
		CREEL__CALL_TASK(R, A)                                                             \
	}                                                                                          \
	CREEL__TYPED_CALLS(name, R, A)

#endif
