/* SPDX-License-Identifier: MIT */
/*
 * The trace of a failing schedule: who did what, where in the sources, on which object. Lines are
 * kept as text and printed at the end, when addr2line (binutils) has turned the code's addresses
 * into functions and lines.
 */
#include "engine.h"
#include <dlfcn.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
	LINES = 65536, /* the last so many are kept */
	TEXT = 160,
	PLACES = 1024,
	PLACE = 240,
};

struct line {
	int thread;
	const void *pc;
	char text[TEXT];
};

struct place {
	const void *pc;
	char text[PLACE];
};

static struct line lines[LINES];
static size_t line_count;
static struct place places[PLACES];
static size_t place_count;
const volatile void *model_watched;

const char *model_describe(const volatile void *p)
{
	static char text[4][96];
	static unsigned next;
	char *s = text[next++ % 4];
	const struct model_object *o = model_object_of(p);
	if (!o)
		snprintf(s, sizeof text[0], "%p", (const void *)(uintptr_t)p);
	else
		snprintf(s, sizeof text[0], "object %d%s%s (%zu bytes) +%zu",
			 (int)(o - model_objects), o->name ? " " : "", o->name ? o->name : "",
			 o->size, (size_t)((const volatile unsigned char *)p - o->start));
	return s;
}

void model_trace(const volatile void *p, const void *pc, const char *format, ...)
{
	if (!model_tracing)
		return;
	struct line *line = &lines[line_count++ % LINES];
	line->thread = model_current;
	line->pc = pc;
	va_list args;
	va_start(args, format);
	int n = vsnprintf(line->text, TEXT, format, args);
	va_end(args);
	if (p && n >= 0 && n < TEXT)
		snprintf(line->text + n, TEXT - (size_t)n, " %s", model_describe(p));
}

/* The path without folders. */
static const char *last_part(const char *path)
{
	const char *slash = strrchr(path, '/');
	return slash ? slash + 1 : path;
}

/* Appends "function file:line" of one answer of addr2line -f. */
static void append(char *text, const char *function, char *where)
{
	where[strcspn(where, " \n")] = 0;
	size_t used = strlen(text);
	snprintf(text + used, PLACE - used, "%s%.*s %s", used ? " < " : "",
		 (int)strcspn(function, "\n"), function, last_part(where));
}

/* An address of the program, as its file has it: the byte before, within the call. */
static unsigned long offset_of(const void *pc)
{
	Dl_info info;
	uintptr_t base = dladdr(pc, &info) ? (uintptr_t)info.dli_fbase : 0;
	return (unsigned long)((uintptr_t)pc - base - 1);
}

static void ask(struct place *place)
{
	char program[512], command[640], function[256], where[512];
	ssize_t n = readlink("/proc/self/exe", program, sizeof program - 1);
	program[n > 0 ? n : 0] = 0;
	snprintf(command, sizeof command, "addr2line -f -i -e '%s' %#lx 2>/dev/null", program,
		 offset_of(place->pc));
	FILE *answer = popen(command, "r");
	if (!answer)
		return;
	while (fgets(function, sizeof function, answer) && fgets(where, sizeof where, answer))
		append(place->text, function, where);
	pclose(answer);
}

const char *model_where(const void *pc)
{
	if (!pc)
		return "";
	for (size_t i = 0; i < place_count; i++)
		if (places[i].pc == pc)
			return places[i].text;
	if (place_count == PLACES)
		return "?";
	struct place *place = &places[place_count++];
	place->pc = pc;
	ask(place);
	return place->text;
}

void model_trace_print(void)
{
	size_t first = line_count > LINES ? line_count - LINES : 0;
	if (first)
		printf("  (%zu lines before these)\n", first);
	for (size_t i = first; i < line_count; i++) {
		const struct line *line = &lines[i % LINES];
		printf("  %*sT%d %s%s%s%s\n", 4 * line->thread, "", line->thread, line->text,
		       line->pc ? "   [" : "", model_where(line->pc), line->pc ? "]" : "");
	}
	line_count = 0;
}
