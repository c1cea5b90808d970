/* SPDX-License-Identifier: MIT */
/*
 * Functions in terms that another process understands.
 *
 * The linker of the system gives each program and library a build-id, which is another one whenever
 * its contents are. What has none is told apart by a hash of its code (FNV-1a; Fowler, Noll, Vo),
 * which takes a millisecond a megabyte, once a function.
 */
#include "identity.h"
#include <errno.h>
#include <link.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct name {
	struct name *next;
	creel_fn fn;
	char name[CREEL__MPI_NAME_MAX];
};

/* Given before creel_mpi_init(), by the thread that calls that: a process has one MPI. */
static struct name *names;

int creel__mpi_name(const char *name, creel_fn fn)
{
	if (!name || !*name || strlen(name) >= CREEL__MPI_NAME_MAX || !fn)
		return -EINVAL;
	for (const struct name *n = names; n; n = n->next)
		if (n->fn == fn || strcmp(n->name, name) == 0)
			return n->fn == fn && strcmp(n->name, name) == 0 ? 0 : -EEXIST;
	struct name *n = calloc(1, sizeof *n);
	if (!n)
		return -ENOMEM;
	n->fn = fn;
	memcpy(n->name, name, strlen(name));
	n->next = names;
	names = n;
	return 0;
}

static void note_id(struct creel__mpi_identity *id, const unsigned char *note, size_t size)
{
	while (size >= sizeof(ElfW(Nhdr))) {
		const ElfW(Nhdr) *h = (const void *)note;
		size_t name = (h->n_namesz + 3u) & ~3u, desc = (h->n_descsz + 3u) & ~3u;
		size_t whole = sizeof *h + name + desc;
		if (whole > size)
			return;
		if (h->n_type == NT_GNU_BUILD_ID && h->n_namesz == 4 &&
		    h->n_descsz <= CREEL__MPI_ID_MAX && memcmp(note + sizeof *h, "GNU", 4) == 0) {
			memcpy(id->id, note + sizeof *h + name, h->n_descsz);
			id->id_size = h->n_descsz;
		}
		note += whole;
		size -= whole;
	}
}

static void hash_code(struct creel__mpi_identity *id, const struct dl_phdr_info *info)
{
	uint64_t hash = 0xcbf29ce484222325;
	for (unsigned i = 0; i < info->dlpi_phnum; i++) {
		const ElfW(Phdr) *p = &info->dlpi_phdr[i];
		const unsigned char *code = (const unsigned char *)(info->dlpi_addr + p->p_vaddr);
		if (p->p_type == PT_LOAD && p->p_flags & PF_X && p->p_flags & PF_R)
			for (size_t j = 0; j < p->p_filesz; j++)
				hash = (hash ^ code[j]) * 0x100000001b3;
	}
	memcpy(id->id, &hash, sizeof hash);
	id->id_size = sizeof hash;
}

static void identify_module(struct creel__mpi_identity *id, const struct dl_phdr_info *info)
{
	memset(id, 0, sizeof *id);
	for (unsigned i = 0; i < info->dlpi_phnum; i++) {
		const ElfW(Phdr) *p = &info->dlpi_phdr[i];
		if (p->p_type == PT_NOTE)
			note_id(id, (const unsigned char *)(info->dlpi_addr + p->p_vaddr),
				p->p_memsz);
	}
	if (!id->id_size)
		hash_code(id, info);
	const char *slash = info->dlpi_name ? strrchr(info->dlpi_name, '/') : NULL;
	const char *file = slash ? slash + 1 : info->dlpi_name;
	snprintf(id->name, sizeof id->name, "%s", file && *file ? file : "the program");
}

static bool contains(const struct dl_phdr_info *info, uintptr_t address)
{
	for (unsigned i = 0; i < info->dlpi_phnum; i++) {
		const ElfW(Phdr) *p = &info->dlpi_phdr[i];
		uintptr_t start = info->dlpi_addr + p->p_vaddr;
		if (p->p_type == PT_LOAD && p->p_flags & PF_X && address >= start &&
		    address - start < p->p_memsz)
			return true;
	}
	return false;
}

static int look_at_first(struct dl_phdr_info *info, size_t size, void *ctx)
{
	(void)size;
	identify_module(ctx, info);
	return 1;
}

void creel__mpi_identify_program(struct creel__mpi_identity *ret)
{
	memset(ret, 0, sizeof *ret);
	dl_iterate_phdr(look_at_first, ret);
}

struct search {
	uintptr_t address; /* sought, or found */
	struct creel__mpi_identity *ret;
	const struct creel__mpi_identity *identity;
};

static int look_for_address(struct dl_phdr_info *info, size_t size, void *ctx)
{
	struct search *s = ctx;
	(void)size;
	if (!contains(info, s->address))
		return 0;
	identify_module(s->ret, info);
	s->ret->offset = s->address - info->dlpi_addr;
	return 1;
}

bool creel__mpi_identify(creel_fn fn, struct creel__mpi_identity *ret)
{
	for (const struct name *n = names; n; n = n->next) {
		if (n->fn != fn)
			continue;
		*ret = (struct creel__mpi_identity){.named = 1};
		memcpy(ret->name, n->name, sizeof ret->name);
		return true;
	}
	struct search s = {(uintptr_t)fn, ret, NULL};
	return dl_iterate_phdr(look_for_address, &s) != 0;
}

static int look_for_module(struct dl_phdr_info *info, size_t size, void *ctx)
{
	struct search *s = ctx;
	struct creel__mpi_identity here;
	(void)size;
	identify_module(&here, info);
	if (here.id_size != s->identity->id_size ||
	    memcmp(here.id, s->identity->id, here.id_size) != 0)
		return 0;
	uintptr_t address = (uintptr_t)(info->dlpi_addr + s->identity->offset);
	if (contains(info, address))
		s->address = address;
	return 1;
}

creel_fn creel__mpi_find(const struct creel__mpi_identity *identity)
{
	if (identity->named) {
		for (const struct name *n = names; n; n = n->next)
			if (strcmp(n->name, identity->name) == 0)
				return n->fn;
		return NULL;
	}
	struct search s = {0, NULL, identity};
	dl_iterate_phdr(look_for_module, &s);
	return (creel_fn)s.address;
}

static int read_unloads(struct dl_phdr_info *info, size_t size, void *ctx)
{
	(void)size;
	*(unsigned long long *)ctx = info->dlpi_subs;
	return 1;
}

unsigned long long creel__mpi_unloads(void)
{
	unsigned long long subs = 0;
	dl_iterate_phdr(read_unloads, &subs);
	return subs;
}

void creel__mpi_describe(const struct creel__mpi_identity *identity, char *text, size_t size)
{
	if (identity->named) {
		snprintf(text, size, "the function registered as '%s'", identity->name);
		return;
	}
	char hex[2 * 8 + 1] = "";
	for (unsigned i = 0; i < 8 && i < identity->id_size; i++)
		snprintf(hex + 2 * i, 3, "%02x", identity->id[i]);
	snprintf(text, size, "the function at 0x%llx of %s (build-id %s...)",
		 (unsigned long long)identity->offset, identity->name, hex);
}
