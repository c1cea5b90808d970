/* SPDX-License-Identifier: MIT */
/*
 * creel_report(): what all executors do, line by line.
 *
 * A line is made while the registry is locked, so that no executor goes, from a look at one
 * executor or one worker. It is written when no lock is held. So a report holds up nobody for
 * longer than a look, executors and workers may come and go meanwhile, and several reports may run
 * at once. It waits for none of the library's locks for more than a moment, for none of the user's
 * at all, and allocates nothing: it may be called while other threads are stopped.
 */
#include "base/clock.h"
#include "exec/look.h"
#include "exec/registry.h"
#include "sync/thread.h"
#include <creel/watch.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum {
	ROOM_MS = 1000, /* so long a write waits for room */
	LINE = 480,     /* below what a pipe that has room takes at once */
};

struct line {
	char text[LINE];
	size_t length;
};

static void add(struct line *line, const char *format, ...) CREEL_PRINTF(2, 3);

/* What does not fit is cut; the last byte is for the end of the line. */
static void add(struct line *line, const char *format, ...)
{
	size_t room = sizeof line->text - 1 - line->length;
	va_list args;
	va_start(args, format);
	int n = vsnprintf(line->text + line->length, room, format, args);
	va_end(args);
	if (n > 0)
		line->length += (size_t)n < room ? (size_t)n : room - 1;
}

/* In seconds. */
static void add_time(struct line *line, int64_t ns)
{
	ns = ns < 0 ? 0 : ns;
	add(line, "%lld.%03d s", (long long)(ns / 1000000000), (int)(ns / 1000000 % 1000));
}

/* The symbol; or the file and where in it, for addr2line. */
static void add_function(struct line *line, creel_fn fn)
{
	Dl_info where = {0};
	char *address = (char *)(uintptr_t)fn;
	if (!dladdr(address, &where)) {
		add(line, "%p", (void *)address);
		return;
	}
	const char *slash = strrchr(where.dli_fname, '/');
	if (where.dli_sname && where.dli_saddr == (void *)address)
		add(line, "%.80s", where.dli_sname);
	else
		add(line, "%.80s+0x%zx", slash ? slash + 1 : where.dli_fname,
		    (size_t)(address - (char *)where.dli_fbase));
}

static void add_task(struct line *line, const struct creel__seen *seen)
{
	if (seen->sequence)
		add(line, "task %llu", (unsigned long long)seen->sequence);
	else
		add(line, "a task");
	if (*seen->name)
		add(line, " \"%s\"", seen->name);
	if (seen->fn) {
		add(line, " (");
		add_function(line, seen->fn);
		add(line, ")");
	}
}

static void add_executor(struct line *line, const creel_executor *ex)
{
	add(line, "%s %llu", ex->class->name, (unsigned long long)ex->serial);
}

/* What is there only now and then. */
static void add_waiting(struct line *line, creel_executor *ex)
{
	struct creel__places_count places;
	if (creel__lock_try(&ex->undue_lock)) {
		size_t undue = ex->undue_count;
		creel__lock_release(&ex->undue_lock);
		if (undue)
			add(line, ", %zu not due", undue);
	}
	if (creel__places_look(&ex->places, &places) && places.waiting)
		add(line, ", %zu submissions wait for room", places.waiting);
	unsigned waiters = creel__load(&ex->waiters, relaxed);
	if (waiters)
		add(line, ", %u threads drain it, shut it down or close it", waiters);
}

static void add_overview(struct line *line, creel_executor *ex)
{
	struct creel__overview o = {0};
	add_executor(line, ex);
	const creel_error *error = creel_executor_error(ex);
	if (error)
		add(line, ", broken (%.120s)", error->message);
	if (!ex->class->overview)
		return;
	if (ex->class->overview(ex, &o) != CREEL__LOOKED) {
		add(line, ": it is changing");
		return;
	}
	if (o.name)
		add(line, " \"%s\"", o.name);
	if (o.closed)
		add(line, ", shut down");
	if (creel__load(&ex->paused, relaxed))
		add(line, ", paused");
	if (o.max_workers)
		add(line, ": %llu of %d workers, %llu idle;", (unsigned long long)o.stats.workers,
		    o.max_workers, (unsigned long long)o.stats.idle);
	else
		add(line, ":");
	add(line, " %llu tasks wait, %llu run, %llu ended", (unsigned long long)o.stats.pending,
	    (unsigned long long)o.stats.running, (unsigned long long)o.stats.done);
	add_waiting(line, ex);
	if (!o.oldest.since || !o.stats.pending)
		return;
	add(line, "; the oldest, ");
	add_task(line, &o.oldest);
	add(line, ", waits for ");
	add_time(line, creel__now() - o.oldest.since);
}

/* Which worker of ex runs the task, by the task's address; false: nobody can tell. */
static bool find_runner(const creel_executor *ex, const void *task, unsigned *ret_worker)
{
	struct creel__worker_look look;
	for (unsigned from = 0;; from = look.number + 1) {
		look = (struct creel__worker_look){0};
		if (ex->class->look((creel_executor *)(uintptr_t)ex, from, &look) != CREEL__LOOKED)
			return false;
		*ret_worker = look.number;
		if (look.seen.task == task && !look.state && !look.changing)
			return true;
	}
}

static void add_holder(struct line *line, const struct creel__worker_look *look)
{
	uint64_t s = look->state_word;
	unsigned worker, state = s & CREEL__STATE;
	if (*look->name)
		add(line, " \"%s\"", look->name);
	add(line, " of ");
	add_executor(line, look->executor);
	if (look->executor->class->look && find_runner(look->executor, look->what, &worker))
		add(line, ", which worker %u runs", worker);
	else if (state == CREEL__RUNNING)
		add(line, ", which runs");
	else
		add(line, state == CREEL__PENDING ? ", which has not started"
						  : ", which is about to end");
}

/* The future that it waits for, and who has that. */
static void add_future(struct line *line, const struct creel__worker_look *look)
{
	uint64_t s = look->state_word;
	bool running = (s & CREEL__STATE) != CREEL__PENDING;
	if (creel__is_final(s))
		add(line, "a future that is over: it is changing");
	else if (s & CREEL__PROMISE)
		add(line, "promise %p, which nobody has settled%s", look->what,
		    running ? ", and somebody has started" : "");
	else if (s & CREEL__OWNED)
		add(line, "future %p, which a clock or another part of creel ends", look->what);
	else if (!creel__registry_has_locked(look->executor))
		add(line, "a task that has ended: it is changing");
	else {
		add(line, "task %p", look->what);
		add_holder(line, look);
	}
}

static void add_waits(struct line *line, const struct creel__worker_look *look)
{
	static const char *const of_executor[] = {
		[CREEL__WAITS_DRAIN] = "the drain of ",
		[CREEL__WAITS_SHUTDOWN] = "the shutdown of ",
		[CREEL__WAITS_THREADS] = "the threads of ",
		[CREEL__WAITS_ROOM] = "room in ",
		[CREEL__WAITS_SLEEP] = NULL,
	};
	static const char *const of_others[] = {
		[CREEL__WAITS_QUEUE] = "queue",
		[CREEL__WAITS_ITEM] = "an item of channel",
		[CREEL__WAITS_PLACE] = "room in channel",
		[CREEL__WAITS_SLEEP] = NULL,
	};
	if (look->waits == CREEL__WAITS_NOT)
		return;
	if (look->waits == CREEL__WAITS_SLEEP) {
		add(line, ", and sleeps");
		return;
	}
	add(line, ", and waits for ");
	if (of_others[look->waits]) {
		add(line, "%s %p", of_others[look->waits], look->what);
	} else if (of_executor[look->waits]) {
		add(line, "%s", of_executor[look->waits]);
		if (creel__registry_has_locked(look->what))
			add_executor(line, look->what);
		else
			add(line, "an executor that is gone: it is changing");
	} else {
		add(line, look->waits == CREEL__WAITS_FIRST ? "one of several: " : "");
		add_future(line, look);
	}
}

static void add_worker(struct line *line, const struct creel__worker_look *look)
{
	add(line, "  worker %u", look->number);
	if (look->pid)
		add(line, " (pid %d)", look->pid);
	if (look->state)
		add(line, " %s", look->state);
	if (look->state && look->seen.task)
		add(line, ":");
	if (!look->state || look->seen.task) {
		add(line, look->state ? " " : " runs ");
		add_task(line, &look->seen);
		if (look->seen.since && !look->state) {
			add(line, " for ");
			add_time(line, creel__now() - look->seen.since);
		}
	}
	if (look->behind)
		add(line, ", %u behind it", look->behind);
	add_waits(line, look);
	if (look->changing)
		add(line, " (it is changing)");
}

/* Where the report stands. */
struct cursor {
	uint64_t serial; /* of the executor */
	unsigned worker; /* 0: the executor itself; n: its worker n - 1, or a later one */
	unsigned executors;
};

/* The line of the executor, or of its next worker; false if there is none any more. */
static bool add_next(struct line *line, creel_executor *ex, struct cursor *at)
{
	struct creel__worker_look look = {0};
	if (at->worker == 0) {
		add_overview(line, ex);
		at->executors++;
		at->worker = 1;
		return true;
	}
	if (!ex->class->look)
		return false;
	switch (ex->class->look(ex, at->worker - 1, &look)) {
	case CREEL__LOOKED:
		add_worker(line, &look);
		at->worker = look.number + 2;
		return true;
	case CREEL__LOOKED_IN_VAIN:
		add(line, "  its workers: they are changing");
		at->worker = UINT32_MAX;
		return true;
	default:
		return false;
	}
}

/* The next line. 0: there is none any more. -EBUSY: the registry is locked. */
static int next_line(struct line *line, struct cursor *at)
{
	if (!creel__registry_try())
		return -EBUSY;
	creel_executor *ex;
	line->length = 0;
	while ((ex = creel__registry_from_locked(at->serial))) {
		if (ex->serial != at->serial)
			at->worker = 0;
		at->serial = ex->serial;
		if (at->worker != UINT32_MAX && add_next(line, ex, at))
			break;
		at->serial++;
		at->worker = 0;
	}
	creel__registry_release();
	return line->length > 0;
}

static int write_line(int fd, struct line *line)
{
	size_t done = 0;
	line->text[line->length++] = '\n';
	while (done < line->length) {
		struct pollfd room = {.fd = fd, .events = POLLOUT};
		int n = poll(&room, 1, ROOM_MS);
		if (n == 0)
			return -EAGAIN;
		ssize_t written = n < 0 ? n : write(fd, line->text + done, line->length - done);
		if (written < 0 && errno != EINTR)
			return -errno;
		done += written > 0 ? (size_t)written : 0;
	}
	return 0;
}

/* A pipe that nobody reads raises SIGPIPE: it is taken back, unless one had been pending. */
static int write_quietly(int fd, struct line *line)
{
	sigset_t pipe, old, pending;
	sigemptyset(&pipe);
	sigaddset(&pipe, SIGPIPE);
	pthread_sigmask(SIG_BLOCK, &pipe, &old);
	sigpending(&pending);
	bool before = sigismember(&pending, SIGPIPE) == 1;
	int rc = write_line(fd, line), got;
	sigpending(&pending);
	if (rc == -EPIPE && !before && sigismember(&pending, SIGPIPE) == 1)
		sigwait(&pipe, &got);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	return rc;
}

/* poll() would wait for room that never comes. */
static int check(int fd)
{
	int flags = fcntl(fd, F_GETFL);
	if (flags < 0)
		return -errno;
	return (flags & O_ACCMODE) == O_RDONLY ? -EBADF : 0;
}

static int report(int fd)
{
	struct cursor at = {0};
	struct line line = {.length = 0};
	int rc;
	while ((rc = next_line(&line, &at)) > 0) {
		rc = write_quietly(fd, &line);
		if (rc)
			return rc;
	}
	line.length = 0;
	if (rc == -EBUSY)
		add(&line, "creel: the list of executors is locked: call again");
	else
		add(&line, "creel: %u executors", at.executors);
	int last = write_quietly(fd, &line);
	return rc ? rc : last;
}

int creel_report(int fd)
{
	int saved = errno, state = creel__thread_no_cancel();
	int rc = check(fd);
	if (rc == 0)
		rc = report(fd);
	creel__thread_cancel_again(state);
	errno = saved;
	return rc;
}
