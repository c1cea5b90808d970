/* SPDX-License-Identifier: MIT */
/* Lines: futures one behind the other, linked through the two words that each has where its result
 * will stand (creel_task_words()). Whoever has the line sees to it that one call is made at a
 * time. */
#ifndef CREEL__COMPOSE_LINE_H
#define CREEL__COMPOSE_LINE_H

#include "future/block.h"

struct creel__line {
	creel_future *first, *last;
};

void creel__line_append(struct creel__line *line, creel_future *f);

/* It is in there. */
void creel__line_remove(struct creel__line *line, creel_future *f);

#endif
