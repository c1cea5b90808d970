/* SPDX-License-Identifier: MIT */
/* What is wrong with options, in words. */
#include "future/options.h"
#include <errno.h>

const uint64_t *creel__reserved(const uint64_t *words, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (words[i])
			return &words[i];
	return NULL;
}

#define NOT_ZERO "not 0; initialise the options with {0} or designated initializers"

const creel_error *creel__reserved_refuse(int kind, const char *call, uint32_t reserved32,
					  const uint64_t *words, size_t n)
{
	const uint64_t *word = creel__reserved(words, n);
	if (reserved32)
		return creel__error_make(kind, -EINVAL, NULL,
					 "%s: reserved32 of the options is %lu, " NOT_ZERO, call,
					 (unsigned long)reserved32);
	if (word)
		return creel__error_make(kind, -EINVAL, NULL,
					 "%s: reserved[%d] of the options is %llu, " NOT_ZERO, call,
					 (int)(word - words), (unsigned long long)*word);
	return NULL;
}

const creel_error *creel__option_refuse(const char *call, const char *field, long long value,
					const char *advice)
{
	return creel__error_make(CREEL_KIND_BROKEN, -EINVAL, NULL, "%s: %s is %lld; %s", call,
				 field, value, advice);
}

const creel_error *creel__size_refuse(const char *call, const char *field, size_t value,
				      const char *advice)
{
	return creel__error_make(CREEL_KIND_BROKEN, -EINVAL, NULL, "%s: %s is %zu; %s", call, field,
				 value, advice);
}

const creel_error *creel__workers_refuse(const char *call, int min_workers, int max_workers)
{
	if (!max_workers || min_workers <= max_workers)
		return NULL;
	return creel__error_make(CREEL_KIND_BROKEN, -EINVAL, NULL,
				 "%s: min_workers is %d and max_workers is %d; "
				 "raise max_workers, or lower min_workers to it",
				 call, min_workers, max_workers);
}
