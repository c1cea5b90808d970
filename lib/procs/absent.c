/* SPDX-License-Identifier: MIT */
/* Where there is no Linux: a process pool that says so. */
#include "exec/executor.h"
#include <creel/pools.h>
#include <errno.h>

creel_executor *creel_process_pool_new(const creel_process_pool_options *options)
{
	(void)options;
	return creel__executor_broken(
		creel__error_make(CREEL_KIND_BROKEN, -ENOTSUP, NULL,
				  "creel_process_pool_new: process pools need Linux 5.4; use "
				  "creel_thread_pool_new()"));
}
