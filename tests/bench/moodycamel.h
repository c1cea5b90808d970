/* SPDX-License-Identifier: MIT */
/* What peer_moodycamel.c needs of moodycamel::BlockingConcurrentQueue, without tokens. */
#ifndef CREEL_BENCH_MOODYCAMEL_H
#define CREEL_BENCH_MOODYCAMEL_H

#ifdef __cplusplus
extern "C" {
#else
#include <stdbool.h>
#endif

bool moodycamel_put(void *item);
/* Waits for one. */
void *moodycamel_get(void);

#ifdef __cplusplus
}
#endif

#endif
