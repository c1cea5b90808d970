/* SPDX-License-Identifier: MIT */
/* What a worker shows of itself: a reader sees one task, or knows that it does not. */
#include "future/sight.h"
#include "model.h"
#include <string.h>

static struct creel__sight sight;
static int looked;

static struct creel__seen task(uint64_t n)
{
	struct creel__seen seen = {.task = (void *)(uintptr_t)n,
				   .sequence = n,
				   .fn = (creel_fn)(uintptr_t)n,
				   .since = (int64_t)n};
	memset(seen.name, (int)('a' + n), sizeof seen.name - 1);
	return seen;
}

static void show(void *arg)
{
	(void)arg;
	for (uint64_t n = 1; n <= 2; n++) {
		struct creel__seen seen = task(n);
		creel__sight_show(&sight, &seen);
	}
	creel__sight_show(&sight, NULL);
}

static void look(void)
{
	struct creel__seen seen;
	if (!creel__sight_look(&sight, &seen))
		return;
	looked++;
	uint64_t n = seen.sequence;
	struct creel__seen right = n ? task(n) : (struct creel__seen){0};
	model_check(n <= 2 && seen.task == right.task && seen.fn == right.fn &&
		    seen.since == right.since && strcmp(seen.name, right.name) == 0);
}

static void looks(void)
{
	memset(&sight, 0, sizeof sight);
	looked = 0;
	int writer = model_spawn(show, NULL);
	look();
	model_join(writer);
	look();
	/* Nobody disturbs the second one. */
	model_check(looked >= 1);
}

const struct model_scenario model_scenarios[] = {
	{"looks", looks, .preemptions = 2, .stale = 1},
	{0},
};
