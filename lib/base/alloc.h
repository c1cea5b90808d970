/* SPDX-License-Identifier: MIT */
/*
 * Allocation. Everything that the library allocates goes through here, so that the model checker
 * can see use after free, and leaks, in the real sources.
 */
#ifndef CREEL__BASE_ALLOC_H
#define CREEL__BASE_ALLOC_H

#include <errno.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

/* No object may be larger: pointer differences within it would overflow. */
#define CREEL__SIZE_MAX ((size_t)PTRDIFF_MAX - 4096)

#ifdef CREEL_MODEL
void *creel__model_malloc(size_t size);
void creel__model_free(void *p);
#define creel__malloc(size) creel__model_malloc(size)
#define creel__free(p) creel__model_free(p)
static inline void *creel__malloc_aligned(size_t alignment, size_t size)
{
	(void)alignment;
	return creel__model_malloc(size);
}
#else
#define creel__free(p) free(p)
static inline void *creel__malloc(size_t size)
{
	volatile int saved = errno; /* clang takes it that malloc() leaves errno alone */
	void *p = malloc(size);
	errno = saved;
	return p;
}
static inline void *creel__malloc_aligned(size_t alignment, size_t size)
{
	volatile int saved = errno;
	void *p = aligned_alloc(alignment, (size + alignment - 1) / alignment * alignment);
	errno = saved;
	return p;
}
#endif

/* For what users get to see: arguments, items, results. Aligned for any type: malloc() gives less
 * on some systems, and some allocators give less for small sizes. */
static inline void *creel__malloc_data(size_t size)
{
	return creel__malloc_aligned(16, size);
}

/* Zeroed memory for one object. Not by memset(), which the model checker does not see. */
static inline void *creel__zalloc(size_t size)
{
	unsigned char *p = creel__malloc(size);
	for (size_t i = 0; p && i < size; i++)
		p[i] = 0;
	return p;
}

#endif
