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
};

/* Notes what is loaded now. 0 or -ENOMEM. */
int creel__code_init(struct creel__code *code);
void creel__code_fini(struct creel__code *code);

/* Whether the address is executable, and the same code as it was then. Any thread. */
bool creel__code_has(const struct creel__code *code, const void *address);

#endif
