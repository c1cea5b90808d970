/* SPDX-License-Identifier: MIT */
/* What a worker shows of itself; see future/sight.h. */
#include "future/sight.h"
#include <string.h>

enum {
#ifdef CREEL_MODEL
	LOOKS = 2,
#else
	LOOKS = 100,
#endif
};

static void pack(const struct creel__seen *seen, uint64_t *words)
{
	words[0] = (uintptr_t)seen->task;
	words[1] = seen->sequence;
	words[2] = (uintptr_t)seen->fn;
	words[3] = (uint64_t)seen->since;
	memcpy(&words[4], seen->name, CREEL__SEEN_NAME);
}

static void unpack(const uint64_t *words, struct creel__seen *ret_seen)
{
	ret_seen->task = (const void *)(uintptr_t)words[0];
	ret_seen->sequence = words[1];
	ret_seen->fn = (creel_fn)(uintptr_t)words[2];
	ret_seen->since = (int64_t)words[3];
	memcpy(ret_seen->name, &words[4], CREEL__SEEN_NAME);
	ret_seen->name[CREEL__SEEN_NAME - 1] = 0;
}

void creel__sight_show(struct creel__sight *sight, const struct creel__seen *seen)
{
	static const struct creel__seen nothing;
	uint64_t words[CREEL__SIGHT_WORDS];
	pack(seen ? seen : &nothing, words);
	uint32_t version = creel__load(&sight->version, relaxed);
	creel__store(&sight->version, version + 1, relaxed);
	for (int i = 0; i < CREEL__SIGHT_WORDS; i++)
		/* [SIGHT-1] release: whoever finds the word finds the odd version, too; pairs with
		 * the acquire in creel__sight_look() */
		creel__store(&sight->words[i], words[i], release);
	/* [SIGHT-2] release: whoever finds this version finds all words; pairs with the acquire in
	 * creel__sight_look() */
	creel__store(&sight->version, version + 2, release);
}

bool creel__sight_look(struct creel__sight *sight, struct creel__seen *ret_seen)
{
	for (int i = 0; i < LOOKS; i++) {
		uint64_t words[CREEL__SIGHT_WORDS];
		/* [SIGHT-2] acquire: as above */
		uint32_t version = creel__load(&sight->version, acquire);
		for (int k = 0; k < CREEL__SIGHT_WORDS; k++)
			/* [SIGHT-1] acquire: as above */
			words[k] = creel__load(&sight->words[k], acquire);
		if (version % 2 == 0 && creel__load(&sight->version, relaxed) == version) {
			unpack(words, ret_seen);
			return true;
		}
		creel__cpu_relax();
	}
	return false;
}
