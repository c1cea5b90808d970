/* SPDX-License-Identifier: MIT */
/* What maps need of completion queues beyond the public calls. */
#ifndef CREEL__CORE_QUEUE_H
#define CREEL__CORE_QUEUE_H

#include <creel/queue.h>

/* Cancels every future in the queue that is not final; kills those that run, if asked to, with the
 * grace of their pool. Only while nobody takes. */
void creel__queue_cancel(creel_queue *q, bool kill);

#endif
