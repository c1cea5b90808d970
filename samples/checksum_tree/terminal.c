/* SPDX-License-Identifier: MIT */
/* The progress bar, and messages on standard error. Used by one thread. */
#include "terminal.h"
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

enum { BAR_MAX = 120 };

static const double redraw_seconds = 0.1;

double now_seconds(void)
{
	struct timespec ts;
	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec + (double)ts.tv_nsec * 1e-9;
}

struct amount amount_of(double bytes)
{
	static const char *const units[] = {"bytes", "KiB", "MiB", "GiB", "TiB", "PiB"};
	struct amount amount;
	size_t unit = 0;
	while (bytes >= 1024 && unit + 1 < sizeof units / sizeof units[0]) {
		bytes /= 1024;
		unit++;
	}
	snprintf(amount.text, sizeof amount.text, "%.*f %s", unit > 0, bytes, units[unit]);
	return amount;
}

void progress_start(struct progress *p, const char *label)
{
	double now = now_seconds();
	*p = (struct progress){.on = isatty(STDERR_FILENO), .label = label, .start = now};
}

static int columns(void)
{
	struct winsize size;
	if (ioctl(STDERR_FILENO, TIOCGWINSZ, &size) != 0 || size.ws_col == 0)
		return 80;
	return size.ws_col;
}

/* Writes "[=====>     ] ", width columns wide, or nothing where that is too little to be of use. */
static void bar_of(char bar[BAR_MAX + 1], int width, double part)
{
	bar[0] = '\0';
	if (width > BAR_MAX)
		width = BAR_MAX;
	int inner = width - 3;
	if (inner < 10)
		return;
	int full = (int)(part * inner);
	memset(bar, ' ', (size_t)width);
	bar[0] = '[';
	memset(bar + 1, '=', (size_t)full);
	if (full < inner)
		bar[1 + full] = '>';
	bar[1 + inner] = ']';
	bar[width] = '\0';
}

void progress_draw(struct progress *p, uint64_t files, uint64_t total, uint64_t bytes, bool force)
{
	double now = now_seconds(), seconds = now > p->start ? now - p->start : 1e-9;
	if (!p->on || (!force && now - p->last < redraw_seconds))
		return;
	char count[64] = "", text[160], bar[BAR_MAX + 1] = "", line[4 * BAR_MAX];
	int width = columns() - 1; /* writing to the last one wraps on some terminals */
	if (total > 0)
		snprintf(count, sizeof count, "/%" PRIu64, total);
	snprintf(text, sizeof text, "%" PRIu64 "%s files, %s, %s/s", files, count,
		 amount_of((double)bytes).text, amount_of((double)bytes / seconds).text);
	if (total > 0) {
		double part = files < total ? (double)files / (double)total : 1;
		bar_of(bar, width - (int)strlen(p->label) - (int)strlen(text) - 6, part);
		snprintf(count, sizeof count, "%3d %% ", (int)(part * 100));
	}
	snprintf(line, sizeof line, "%s%s%s%s", p->label, bar, total > 0 ? count : "", text);
	fprintf(stderr, "\r\033[K%.*s", width > 0 ? width : 0, line);
	fflush(stderr);
	p->drawn = true;
	p->last = now;
}

void progress_erase(struct progress *p)
{
	if (p->drawn)
		fputs("\r\033[K", stderr);
	p->drawn = false;
}

void complain(struct progress *p, const char *path, const char *what, int err)
{
	progress_erase(p);
	fputs("checksum_tree: ", stderr);
	for (; *path; path++) {
		unsigned char c = (unsigned char)*path;
		if (c < ' ' || c == 0x7f)
			fprintf(stderr, "\\%03o", c);
		else
			putc(c, stderr);
	}
	fprintf(stderr, ": %s%s%s\n", what, err ? ": " : "", err ? strerror(err) : "");
}
