/* SPDX-License-Identifier: MIT */
/* What maps need of completion queues beyond the public calls. */
#ifndef CREEL__CORE_QUEUE_H
#define CREEL__CORE_QUEUE_H

#include <creel/queue.h>

/* Cancels every future in the queue that is not final. Only while nobody takes. */
void creel__queue_cancel(creel_queue *q);

#endif
