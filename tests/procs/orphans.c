/* SPDX-License-Identifier: MIT */
/* Reads /proc/<pid>/maps of every process there is. */
#include "orphans.h"

#include <dirent.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static FILE *open_maps(pid_t pid)
{
	char path[64];
	snprintf(path, sizeof path, "/proc/%d/maps", (int)pid);
	return fopen(path, "re");
}

/* Inode and device, since files have inodes, too, of a line that describes shared memory, and where
 * it lies. 0 for all other lines. */
static uint64_t mark_of(const char *line, unsigned long *ret_start, unsigned long *ret_end)
{
	unsigned long start, end, inode = 0;
	unsigned major, minor;
	char flags[8];
	if (sscanf(line, "%lx-%lx %7s %*s %x:%x %lu", &start, &end, flags, &major, &minor,
		   &inode) != 6 ||
	    flags[3] != 's')
		return 0;
	*ret_start = start;
	*ret_end = end;
	return (uint64_t)major << 52 ^ (uint64_t)minor << 40 ^ inode;
}

uint64_t orphans_mark(const void *p)
{
	char line[512];
	unsigned long start, end;
	uint64_t mark = 0;
	FILE *maps = open_maps(getpid());
	while (maps && !mark && fgets(line, sizeof line, maps)) {
		uint64_t found = mark_of(line, &start, &end);
		if (found && (unsigned long)p >= start && (unsigned long)p < end)
			mark = found;
	}
	if (maps)
		fclose(maps);
	return mark;
}

static bool has_mark(pid_t pid, uint64_t mark)
{
	char line[512];
	unsigned long start, end;
	bool has = false;
	FILE *maps = open_maps(pid);
	while (maps && !has && fgets(line, sizeof line, maps))
		has = mark_of(line, &start, &end) == mark;
	if (maps)
		fclose(maps);
	return has;
}

unsigned orphans_count(uint64_t mark, pid_t *ret_pids, unsigned max)
{
	unsigned n = 0;
	DIR *dir = opendir("/proc");
	for (struct dirent *e; dir && (e = readdir(dir));) {
		pid_t pid = (pid_t)strtol(e->d_name, NULL, 10);
		if (pid <= 0 || pid == getpid() || !has_mark(pid, mark))
			continue;
		if (n < max)
			ret_pids[n] = pid;
		n++;
	}
	if (dir)
		closedir(dir);
	return n;
}

static long now_ms(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (long)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

unsigned orphans_await(uint64_t mark, int ms)
{
	long end = now_ms() + ms;
	unsigned n;
	while ((n = orphans_count(mark, NULL, 0)) && now_ms() < end) {
		struct timespec moment = {0, 2000000};
		nanosleep(&moment, NULL);
	}
	return n;
}

unsigned orphans_count_fds(void)
{
	unsigned n = 0;
	DIR *dir = opendir("/proc/self/fd");
	while (dir && readdir(dir))
		n++;
	if (dir)
		closedir(dir);
	return n;
}

unsigned orphans_count_maps(void)
{
	char line[512];
	unsigned n = 0;
	FILE *maps = fopen("/proc/self/maps", "re");
	while (maps && fgets(line, sizeof line, maps)) {
		const char *flags = strchr(line, ' ');
		n += flags && strlen(flags) > 4 && flags[4] == 's';
	}
	if (maps)
		fclose(maps);
	return n;
}
