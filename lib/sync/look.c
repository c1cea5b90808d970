/* SPDX-License-Identifier: MIT */
/* How often a thread looks before it sleeps; see sync/look.h. */
#include "sync/look.h"
#include "base/cpus.h"
#include "sync/local.h"

unsigned creel__looks(void)
{
	struct creel__patience *p = &creel__self()->patience;
	if (p->looks)
		return p->looks;
	if (p->resting) {
		p->resting--;
		return 0;
	}
	if (creel__thread_cpus() > 1)
		p->looks = p->rest ? CREEL__LOOKS_LONG : CREEL__LOOKS_SHORT;
	else
		p->resting = CREEL__REST_MOST;
	return p->looks;
}

/* A rest after short looks is short: the thread has not looked for long yet. */
void creel__looked(bool helped)
{
	struct creel__patience *p = &creel__self()->patience;
	if (helped) {
		*p = (struct creel__patience){.looks = CREEL__LOOKS_SHORT};
		return;
	}
	bool was_long = p->looks == CREEL__LOOKS_LONG;
	p->looks = was_long || p->looks / 2 < CREEL__LOOKS_LEAST ? 0 : p->looks / 2;
	if (p->looks == 0) {
		if (!was_long)
			p->rest = CREEL__REST;
		else if (p->rest < CREEL__REST_MOST)
			p->rest *= 2;
		p->resting = p->rest;
	}
}
