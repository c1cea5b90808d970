/* SPDX-License-Identifier: MIT */
#include "misdeeds.h"

#include <fcntl.h>
#include <signal.h>
#include <stddef.h>
#include <string.h>
#include <unistd.h>

enum { NUMBERS = 64 }; /* of descriptors that are looked at */

bool misdeed_find(creel_task *task, struct misdeed_place *ret)
{
	unsigned char *out = creel_return_reserve(task, 64);
	if (!out)
		return false;
	ret->slot = (struct creel__slot *)(void *)(out - offsetof(struct creel__slot, out_data));
	for (unsigned i = 0; i < CREEL__DEPTH; i++) {
		uintptr_t at = (uintptr_t)(ret->slot - i) - offsetof(struct creel__control, slots);
		if (at % 4096 == 0) {
			ret->control = (struct creel__control *)at;
			return true;
		}
	}
	return false;
}

void misdeed_take_descriptors(int keep)
{
	int other = open("/dev/null", O_RDWR | O_CLOEXEC);
	for (int fd = 3; fd < NUMBERS && other >= 0; fd++)
		if (fd != keep && fd != other && fcntl(fd, F_GETFD) >= 0)
			dup2(other, fd);
	if (other >= 0)
		close(other);
}

static uint64_t next_random(uint64_t *x)
{
	*x ^= *x << 13;
	*x ^= *x >> 7;
	*x ^= *x << 17;
	return *x;
}

/* Of the task that is there, or of another, or nonsense. */
static void write_state(struct creel__slot *slot, uint64_t random)
{
	uint64_t seq = atomic_load(&slot->state) >> 8, state = random % (CREEL__SLOT_NONSENSE + 2);
	seq = random >> 8 & 3 ? seq : random >> 16;
	atomic_store(&slot->state, CREEL__SLOT(seq, state));
}

static void write_claims(struct creel__slot *slot, uint64_t random)
{
	slot->out = (uint32_t)next_random(&random) % 8;
	slot->extent = (uint32_t)next_random(&random) % (2 * CREEL__EXTENTS);
	slot->offset = next_random(&random) >> (random & 63);
	slot->out_size = next_random(&random) >> (random & 63);
	atomic_store(&slot->started, (int64_t)next_random(&random));
}

void misdeed_write_garbage(creel_task *task, uint64_t random)
{
	struct misdeed_place place;
	uint64_t x = random | 1, kinds = next_random(&x);
	if (!misdeed_find(task, &place))
		return;
	write_claims(place.slot, x);
	atomic_store(&place.slot->began, kinds & 2 ? 0 : next_random(&x));
	if (kinds & 1) {
		write_state(place.slot, next_random(&x));
		return;
	}
	for (unsigned i = 0; i < CREEL__DEPTH; i++)
		if (&place.control->slots[i] != place.slot)
			write_state(&place.control->slots[i], next_random(&x));
	uint64_t seq = atomic_load(&place.slot->state) >> 8;
	atomic_store(&place.slot->state,
		     CREEL__SLOT(seq, kinds & 4 ? CREEL__SLOT_READY : CREEL__SLOT_KILL));
	raise(SIGKILL);
}
