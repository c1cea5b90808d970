/* SPDX-License-Identifier: MIT */
/* Memory that a forking executor shares with its children: see MEMORY in forker.c. */
#include "forker_state.h"

#include <errno.h>
#include <stddef.h>
#include <sys/mman.h>

/* Before the memory, in its mapping. */
struct area {
	struct area *next, *before;
	size_t size;
	_Alignas(ALIGNMENT) char data[];
};

void *ct_forker_alloc(void *arg, size_t size)
{
	struct forker *self = arg;
	size_t whole = sizeof(struct area) + size;
	struct area *a = mmap(NULL, whole, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1,
			      0);
	if (a == MAP_FAILED)
		return NULL;
	a->size = size;
	pthread_mutex_lock(&self->lock);
	a->next = self->areas;
	if (a->next)
		a->next->before = a;
	self->areas = a;
	pthread_mutex_unlock(&self->lock);
	return a->data;
}

void ct_forker_free(void *arg, void *p)
{
	struct forker *self = arg;
	struct area *a = (struct area *)(void *)((char *)p - offsetof(struct area, data));
	pthread_mutex_lock(&self->lock);
	if (a->next)
		a->next->before = a->before;
	if (a->before)
		a->before->next = a->next;
	else
		self->areas = a->next;
	pthread_mutex_unlock(&self->lock);
	munmap(a, sizeof *a + a->size);
}

int ct_forker_vet(void *arg, creel_fn fn, const void *data, size_t size)
{
	struct forker *self = arg;
	const char *at = data;
	(void)fn;
	if (size != CREEL_BY_REF || !data)
		return 0;
	pthread_mutex_lock(&self->lock);
	const struct area *a = self->areas;
	while (a && !(at >= a->data && at < a->data + a->size))
		a = a->next;
	pthread_mutex_unlock(&self->lock);
	return a ? 0 : -EFAULT;
}
