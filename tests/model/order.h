/* SPDX-License-Identifier: MIT */
/*
 * The functions that code compiled with -fsanitize=thread calls: prototypes of what order.c
 * defines. Names and types are the compilers'. None of the checker's own code is compiled in that
 * way.
 */
#ifndef CREEL_TESTS_MODEL_ORDER_H
#define CREEL_TESTS_MODEL_ORDER_H

#include <stddef.h>
#include <stdint.h>

#define MODEL_ACCESSES(n)                                                                          \
	void __tsan_read##n(void *p);                                                              \
	void __tsan_write##n(void *p);                                                             \
	void __tsan_unaligned_read##n(void *p);                                                    \
	void __tsan_unaligned_write##n(void *p);
MODEL_ACCESSES(1)
MODEL_ACCESSES(2)
MODEL_ACCESSES(4)
MODEL_ACCESSES(8)
MODEL_ACCESSES(16)

void *__tsan_memcpy(void *to, const void *from, size_t size);
void *__tsan_memmove(void *to, const void *from, size_t size);
void *__tsan_memset(void *to, int byte, size_t size);
void __tsan_read_range(void *p, size_t size);
void __tsan_write_range(void *p, size_t size);
void __tsan_init(void);
void __tsan_func_entry(void *pc);
void __tsan_func_exit(void);
void __tsan_atomic_thread_fence(int order);

#define MODEL_ATOMICS(bits, type)                                                                  \
	type __tsan_atomic##bits##_load(const volatile type *p, int order);                        \
	void __tsan_atomic##bits##_store(volatile type *p, type v, int order);                     \
	int __tsan_atomic##bits##_compare_exchange_strong(volatile type *p, type *expected,        \
							  type v, int order, int failure);         \
	type __tsan_atomic##bits##_compare_exchange_val(volatile type *p, type expected, type v,   \
							int order, int failure);                   \
	type __tsan_atomic##bits##_exchange(volatile type *p, type v, int order);                  \
	type __tsan_atomic##bits##_fetch_add(volatile type *p, type v, int order);                 \
	type __tsan_atomic##bits##_fetch_sub(volatile type *p, type v, int order);                 \
	type __tsan_atomic##bits##_fetch_and(volatile type *p, type v, int order);                 \
	type __tsan_atomic##bits##_fetch_or(volatile type *p, type v, int order);
MODEL_ATOMICS(8, uint8_t)
MODEL_ATOMICS(16, uint16_t)
MODEL_ATOMICS(32, uint32_t)
MODEL_ATOMICS(64, uint64_t)

#endif
