/* SPDX-License-Identifier: MIT */
/* What is wrong with options, in words: which field, its value, what to do. All with -EINVAL; call
 * is the constructor that was given them. */
#ifndef CREEL__FUTURE_OPTIONS_H
#define CREEL__FUTURE_OPTIONS_H

#include "future/error.h"

/* NULL if all n reserved words are zero, else a pointer to the first that is not. */
const uint64_t *creel__reserved(const uint64_t *words, size_t n);

/* The same, and for reserved32, as an error of this kind. */
const creel_error *creel__reserved_refuse(int kind, const char *call, uint32_t reserved32,
					  const uint64_t *words, size_t n);

/* Of executors. */
const creel_error *creel__option_refuse(const char *call, const char *field, long long value,
					const char *advice);
const creel_error *creel__size_refuse(const char *call, const char *field, size_t value,
				      const char *advice);

/* NULL unless min_workers exceeds a max_workers that was given. */
const creel_error *creel__workers_refuse(const char *call, int min_workers, int max_workers);

#endif
