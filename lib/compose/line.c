/* SPDX-License-Identifier: MIT */
/* Lines; see compose/line.h. */
#include "compose/line.h"
#include "future/result.h"

static creel_future **next_of(creel_future *f)
{
	return (creel_future **)creel__result_words(f);
}

static creel_future **before_of(creel_future *f)
{
	return (creel_future **)creel__result_words(f) + 1;
}

void creel__line_append(struct creel__line *line, creel_future *f)
{
	*next_of(f) = NULL;
	*before_of(f) = line->last;
	if (line->last)
		*next_of(line->last) = f;
	else
		line->first = f;
	line->last = f;
}

void creel__line_remove(struct creel__line *line, creel_future *f)
{
	creel_future *next = *next_of(f), *before = *before_of(f);
	if (before)
		*next_of(before) = next;
	else
		line->first = next;
	if (next)
		*before_of(next) = before;
	else
		line->last = before;
}
