/* SPDX-License-Identifier: MIT */
/* Which functions the workers have: those of the programs and libraries that were
 * loaded at the fork. */
#ifndef CREEL__PROCS_CODE_H
#define CREEL__PROCS_CODE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct creel__module;

struct creel__code {
	struct creel__module *modules;
	size_t n;
	unsigned long long adds, subs; /* of the dynamic linker, when the table was made */
	struct creel__code *older;     /* for whoever still looks at it */
};

/* Notes what is loaded now. NULL without memory. */
struct creel__code *creel__code_new(void);
/* With the older ones. */
void creel__code_free(struct creel__code *code);

/* Whether nothing has been unloaded since. */
bool creel__code_settled(const struct creel__code *code);

/* Whether the address is executable, and the same code as it was then. Any thread. */
bool creel__code_has(const struct creel__code *code, const void *address);

/* Whether both tables say the same. */
bool creel__code_equal(const struct creel__code *a, const struct creel__code *b);

/* Whether an address is the same code in both: what the first does not know, the second must not
 * know either. */
bool creel__code_same(const struct creel__code *then, const struct creel__code *now,
		      const void *address);

/* The name of the library that it is in. */
const char *creel__code_library(const struct creel__code *code, const void *address);

#endif
