/* SPDX-License-Identifier: MIT */
/*
 * Submitting: handing a function with its argument to an executor.
 *
 * ARGUMENTS  size bytes at arg are copied (small ones into the task itself); CREEL_BY_REF as size
 *            passes the pointer (to a process pool: NULL, or one into its shared memory). size 0
 *            with arg NULL is no argument. creel_submit_options.arg_free hands over what arg is or
 *            holds: it runs exactly once, before completion is visible; within another destructor
 *            it is put off until that has returned, and the completion is not.
 * ATOMIC     Accepted means exactly one completion, rejected means that it never runs.
 * ORDER      What the caller did before submitting happens before the task's function starts.
 *
 * All of these may be called from any thread, tasks and callbacks included; none blocks. The
 * caller's reference to the executor must last until the call has returned, whatever the task does.
 */
#ifndef CREEL_SUBMIT_H
#define CREEL_SUBMIT_H

#include <creel/base.h>

CREEL_BEGIN

typedef struct creel_submit_options {
	/* The task's name in errors. Copied, and cut to 39 bytes. Default "". */
	const char *name;
	/* Destructor of the argument: called once with the pointer and the size that the function
	 * got (a copy's address when it was copied) and arg_ctx, in this process, after the
	 * function ended or when it is certain that it never runs. Must not block, nor end its
	 * thread. */
	void (*arg_free)(void *arg, size_t size, void *arg_ctx);
	void *arg_ctx;
	/* None defined yet: 0. */
	unsigned flags;
	/* The longest that the task may run, in nanoseconds from its start; then its worker is
	 * killed and the future fails as timed out. Process pools only: elsewhere the submission is
	 * rejected with -ENOTSUP. 0: what the pool's options say. */
	int64_t limit_ns;
	/* Must be zero. */
	uint64_t reserved[7];
} creel_submit_options;

/* Never NULL: a submission that is rejected gives a future that has already failed; its error
 * says why (rejected, shut down, broken, no memory). The caller owns one reference. */
CREEL_API CREEL_MUST_USE creel_future *creel_submit(creel_executor *ex, creel_fn fn,
						    const void *arg, size_t size);

/* The same with options; NULL means none. When it is rejected, arg_free has run. */
CREEL_API CREEL_MUST_USE creel_future *creel_submit_with(creel_executor *ex, creel_fn fn,
							 const void *arg, size_t size,
							 const creel_submit_options *options);

/* The same, with the verdict as a return code. Returns 0 and the future in *ret_future, or a
 * negative code, and then nothing has happened: the caller keeps the argument (arg_free has not
 * run), *ret_future is untouched. -EINVAL (ex, fn or ret_future is NULL; arg is and size is not 0;
 * size is larger than any object; unknown flags, a negative limit_ns, a reserved field that is not
 * zero: the error of creel_submit_with() says which), -ENOMEM, -ESHUTDOWN, -EAGAIN (no worker can
 * be had), -EPERM (a forked child), -ENOTSUP (limit_ns, and ex is no process pool), CREEL_EFAILED
 * (the executor is broken); of a process pool also -ENOEXEC (the workers do not have the function),
 * -EFAULT (CREEL_BY_REF outside shared memory), -ENOSPC (over the shared budget); of a custom
 * executor what its submit returned. */
CREEL_API int creel_try_submit(creel_executor *ex, creel_fn fn, const void *arg, size_t size,
			       const creel_submit_options *options, creel_future **ret_future);

/* Submits without a future. Returns as creel_try_submit(), but arg_free has run if it was rejected.
 * If the task fails, the pool's on_unhandled hook is told. */
CREEL_API int creel_spawn(creel_executor *ex, creel_fn fn, const void *arg, size_t size,
			  const creel_submit_options *options);

CREEL_END

#endif
