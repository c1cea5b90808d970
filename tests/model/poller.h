/* SPDX-License-Identifier: MIT */
/* The poller of the model, as harnesses see it. */
#ifndef CREEL_TESTS_MODEL_POLLER_H
#define CREEL_TESTS_MODEL_POLLER_H

/* The one file becomes readable, and stays so. */
void model_poller_ready(void);

#endif
