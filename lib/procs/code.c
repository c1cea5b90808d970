/* SPDX-License-Identifier: MIT */
/*
 * The table of executable segments. Each fork server has its own: it has what was loaded when it
 * was forked.
 *
 * An address that lies in one of them is the same code in the workers as long as nothing was
 * unloaded: the dynamic linker counts loads and unloads (dlpi_adds, dlpi_subs), and a load
 * cannot take the place of what is still there. After an unload the module that is at the
 * address now must be the one of the table: same path, same base, same build-id. What has no
 * build-id is refused then, but for the program itself, which stays.
 */
#include "procs/code.h"
#include "base/alloc.h"
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

struct creel__code *creel__code_new(void)
{
	struct creel__code *code = creel__zalloc(sizeof *code);
	while (code) {
		*code = (struct creel__code){0};
		dl_iterate_phdr(count, code);
		code->modules = creel__malloc(code->n * sizeof *code->modules + 1);
		if (!code->modules)
			break;
		struct filling f = {code, 0};
		if (dl_iterate_phdr(fill, &f) == 0 && f.n == code->n)
			return code;
		/* Something was loaded in between. */
		creel__free(code->modules);
	}
	creel__free(code);
	return NULL;
}

void creel__code_free(struct creel__code *code)
{
	while (code) {
		struct creel__code *older = code->older;
		creel__free(code->modules);
		creel__free(code);
		code = older;
	}
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

/* With unloads in between. The program has no path. */
static bool same_module(const struct creel__module *a, const struct creel__module *b)
{
	if (a->base != b->base || strcmp(a->path, b->path) != 0)
		return false;
	return !a->path[0] ||
	       (a->id_size && a->id_size == b->id_size && memcmp(a->id, b->id, a->id_size) == 0);
}

static bool is_there_now(const struct creel__module *m, uintptr_t address)
{
	struct creel__module now;
	struct search s = {address, &now};
	return dl_iterate_phdr(find_now, &s) && same_module(m, &now);
}

static const struct creel__module *find(const struct creel__code *code, uintptr_t address)
{
	for (size_t i = 0; i < code->n; i++)
		if (contains(&code->modules[i], address))
			return &code->modules[i];
	return NULL;
}

bool creel__code_settled(const struct creel__code *code)
{
	struct creel__code now = {0};
	dl_iterate_phdr(read_counts, &now);
	return now.subs == code->subs;
}

bool creel__code_has(const struct creel__code *code, const void *address)
{
	uintptr_t a = (uintptr_t)address;
	const struct creel__module *m = find(code, a);
	return m && (creel__code_settled(code) || is_there_now(m, a));
}

bool creel__code_equal(const struct creel__code *a, const struct creel__code *b)
{
	return a->adds == b->adds && a->subs == b->subs;
}

bool creel__code_same(const struct creel__code *then, const struct creel__code *now,
		      const void *address)
{
	if (then == now || then->subs == now->subs)
		return true;
	const struct creel__module *a = find(then, (uintptr_t)address);
	const struct creel__module *b = find(now, (uintptr_t)address);
	return a && b ? same_module(a, b) : a == b;
}

const char *creel__code_library(const struct creel__code *code, const void *address)
{
	const struct creel__module *m = find(code, (uintptr_t)address);
	const char *slash = m ? strrchr(m->path, '/') : NULL;
	return slash ? slash + 1 : m && m->path[0] ? m->path : "the program";
}
