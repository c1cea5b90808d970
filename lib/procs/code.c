/* SPDX-License-Identifier: MIT */
/*
 * The table of executable segments.
 *
 * An address that lies in one of them is the same code in the workers as long as nothing was
 * unloaded: the dynamic linker counts loads and unloads (dlpi_adds, dlpi_subs), and a load
 * cannot take the place of what is still there. After an unload the module that is at the
 * address now must be the one of the table: same path, same base, same build-id. What has no
 * build-id is refused then.
 */
#include "procs/code.h"
#include "base/alloc.h"
#include <errno.h>
#include <link.h>
#include <string.h>

enum {
	SEGMENTS = 4, /* executable ones a module; more are unheard of */
	PATH_MAX_KEPT = 256,
	ID_MAX = 32,
};

struct creel__module {
	uintptr_t base;
	struct {
		uintptr_t start, end;
	} segment[SEGMENTS];
	size_t segments;
	char path[PATH_MAX_KEPT];
	unsigned char id[ID_MAX];
	size_t id_size; /* 0: none */
};

static void note_id(struct creel__module *m, const unsigned char *note, size_t size)
{
	while (size >= sizeof(ElfW(Nhdr))) {
		const ElfW(Nhdr) *h = (const void *)note;
		size_t name = (h->n_namesz + 3u) & ~3u, desc = (h->n_descsz + 3u) & ~3u;
		size_t whole = sizeof *h + name + desc;
		if (whole > size)
			return;
		if (h->n_type == NT_GNU_BUILD_ID && h->n_namesz == 4 && h->n_descsz <= ID_MAX &&
		    memcmp(note + sizeof *h, "GNU", 4) == 0) {
			memcpy(m->id, note + sizeof *h + name, h->n_descsz);
			m->id_size = h->n_descsz;
		}
		note += whole;
		size -= whole;
	}
}

static void describe(struct creel__module *m, const struct dl_phdr_info *info)
{
	memset(m, 0, sizeof *m);
	m->base = info->dlpi_addr;
	const char *path = info->dlpi_name ? info->dlpi_name : "";
	size_t n = strlen(path);
	if (n >= PATH_MAX_KEPT) {
		path += n - (PATH_MAX_KEPT - 1);
		n = PATH_MAX_KEPT - 1;
	}
	memcpy(m->path, path, n);
	for (unsigned i = 0; i < info->dlpi_phnum; i++) {
		const ElfW(Phdr) *p = &info->dlpi_phdr[i];
		uintptr_t start = info->dlpi_addr + p->p_vaddr;
		if (p->p_type == PT_LOAD && p->p_flags & PF_X && m->segments < SEGMENTS) {
			m->segment[m->segments].start = start;
			m->segment[m->segments++].end = start + p->p_memsz;
		} else if (p->p_type == PT_NOTE) {
			note_id(m, (const unsigned char *)start, p->p_memsz);
		}
	}
}

static bool contains(const struct creel__module *m, uintptr_t address)
{
	for (size_t i = 0; i < m->segments; i++)
		if (address >= m->segment[i].start && address < m->segment[i].end)
			return true;
	return false;
}

static int count(struct dl_phdr_info *info, size_t size, void *ctx)
{
	struct creel__code *code = ctx;
	(void)size;
	code->n++;
	code->adds = info->dlpi_adds;
	code->subs = info->dlpi_subs;
	return 0;
}

struct filling {
	struct creel__code *code;
	size_t n;
};

static int fill(struct dl_phdr_info *info, size_t size, void *ctx)
{
	struct filling *f = ctx;
	(void)size;
	if (f->n == f->code->n || info->dlpi_adds != f->code->adds)
		return 1;
	describe(&f->code->modules[f->n++], info);
	return 0;
}

int creel__code_init(struct creel__code *code)
{
	for (;;) {
		*code = (struct creel__code){0};
		dl_iterate_phdr(count, code);
		code->modules = creel__malloc(code->n * sizeof *code->modules + 1);
		if (!code->modules)
			return -ENOMEM;
		struct filling f = {code, 0};
		if (dl_iterate_phdr(fill, &f) == 0 && f.n == code->n)
			return 0;
		/* Something was loaded in between. */
		creel__free(code->modules);
	}
}

void creel__code_fini(struct creel__code *code)
{
	creel__free(code->modules);
	code->modules = NULL;
}

/* How the linker counts now; looks at the first module only. */
static int read_counts(struct dl_phdr_info *info, size_t size, void *ctx)
{
	struct creel__code *now = ctx;
	(void)size;
	now->adds = info->dlpi_adds;
	now->subs = info->dlpi_subs;
	return 1;
}

struct search {
	uintptr_t address;
	struct creel__module *found;
};

static int find_now(struct dl_phdr_info *info, size_t size, void *ctx)
{
	struct search *s = ctx;
	(void)size;
	describe(s->found, info);
	return contains(s->found, s->address);
}

static bool same_module(const struct creel__module *m, uintptr_t address)
{
	struct creel__module now;
	struct search s = {address, &now};
	if (!dl_iterate_phdr(find_now, &s))
		return false;
	return now.base == m->base && now.id_size && now.id_size == m->id_size &&
	       memcmp(now.id, m->id, m->id_size) == 0 && strcmp(now.path, m->path) == 0;
}

bool creel__code_has(const struct creel__code *code, const void *address)
{
	uintptr_t a = (uintptr_t)address;
	size_t i = 0;
	while (i < code->n && !contains(&code->modules[i], a))
		i++;
	if (i == code->n)
		return false;
	struct creel__code now = {0};
	dl_iterate_phdr(read_counts, &now);
	return now.subs == code->subs || same_module(&code->modules[i], a);
}
