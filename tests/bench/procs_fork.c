/* SPDX-License-Identifier: MIT */
/*
 * The pool that one writes by hand: workers are forked, each has a socketpair, requests and replies
 * are a header and the bytes, everything blocks. There is no thread: whoever waits for a future
 * sends what is queued and reads what comes.
 *
 * A worker gets up to DEPTH small requests ahead, so that it need not wait for the parent
 * between two of them; of large ones only one, or both sides could stand in write(). It answers
 * in order: when its end of the socket closes, the oldest of its requests was running and
 * failed, the others are sent again.
 */
#include "measure.h"
#include "procs.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <unistd.h>

enum { DEPTH = 16, SMALL = 256, WORKERS_MAX = 64 };

struct header {
	size_t size;
	int job;
};

struct request {
	struct request *next; /* in the queue */
	struct header header;
	bool done, failed;
	unsigned char *data; /* the argument, then the result */
};

static struct worker {
	pid_t pid;
	int fd;
	struct request *sent[DEPTH]; /* a ring: first, first + 1, ... */
	unsigned first, count;
} workers[WORKERS_MAX];

static unsigned worker_count;
static struct request *queue, **queue_end = &queue;

/* False when the other side is gone. */
static bool read_all(int fd, void *data, size_t size)
{
	unsigned char *at = data;
	while (size) {
		ssize_t n = read(fd, at, size);
		if (n > 0) {
			at += n;
			size -= (size_t)n;
		} else if (n == 0 || errno != EINTR) {
			return false;
		}
	}
	return true;
}

static bool write_all(int fd, const void *data, size_t size)
{
	const unsigned char *at = data;
	while (size) {
		ssize_t n = send(fd, at, size, MSG_NOSIGNAL);
		if (n > 0) {
			at += n;
			size -= (size_t)n;
		} else if (n == 0 || errno != EINTR) {
			return false;
		}
	}
	return true;
}

static void *room(size_t size)
{
	void *p = malloc(size);
	if (!p)
		give_up("no memory");
	return p;
}

static _Noreturn void work(int fd)
{
	unsigned char *data = NULL;
	size_t have = 0;
	struct header h;
	while (read_all(fd, &h, sizeof h)) {
		if (h.size > have) {
			free(data);
			data = room(h.size);
			have = h.size;
		}
		if (!read_all(fd, data, h.size))
			break;
		if (h.job == JOB_HANG)
			procs_hang((const char *)data);
		if (h.job != JOB_ECHO)
			h.size = 0;
		if (!write_all(fd, &h, sizeof h) || !write_all(fd, data, h.size))
			break;
	}
	_exit(0);
}

static void start_worker(struct worker *w)
{
	int ends[2];
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) < 0)
		give_up("no socket");
	w->pid = fork();
	if (w->pid < 0)
		give_up("no fork");
	if (w->pid == 0) {
		for (unsigned i = 0; i < worker_count; i++)
			if (&workers[i] != w)
				close(workers[i].fd);
		close(ends[0]);
		work(ends[1]);
	}
	close(ends[1]);
	w->fd = ends[0];
	w->first = w->count = 0;
}

static void end_worker(struct worker *w)
{
	close(w->fd);
	while (waitpid(w->pid, NULL, 0) < 0 && errno == EINTR)
		;
}

static void open_pool(unsigned n)
{
	if (n > WORKERS_MAX)
		give_up("too many workers");
	for (unsigned i = 0; i < n; i++) {
		start_worker(&workers[i]);
		worker_count = i + 1;
	}
}

static void close_pool(void)
{
	while (worker_count)
		end_worker(&workers[--worker_count]);
}

static struct request *oldest(const struct worker *w)
{
	return w->sent[w->first % DEPTH];
}

static bool has_room(const struct worker *w, const struct request *r)
{
	if (w->count == 0)
		return true;
	return w->count < DEPTH && r->header.size <= SMALL && oldest(w)->header.size <= SMALL;
}

/* The one that has least to do. */
static struct worker *choose(const struct request *r)
{
	struct worker *best = NULL;
	for (unsigned i = 0; i < worker_count; i++)
		if (has_room(&workers[i], r) && (!best || workers[i].count < best->count))
			best = &workers[i];
	return best;
}

static void send_queued(void)
{
	struct worker *w;
	while (queue && (w = choose(queue))) {
		struct request *r = queue;
		queue = r->next;
		if (!queue)
			queue_end = &queue;
		w->sent[(w->first + w->count++) % DEPTH] = r;
		/* If it is dead, its end of the socket will say so. */
		if (write_all(w->fd, &r->header, sizeof r->header))
			(void)write_all(w->fd, r->data, r->header.size);
	}
}

static void bury(struct worker *w)
{
	struct request *r = oldest(w);
	for (unsigned i = w->count; i > 1; i--) {
		struct request *again = w->sent[(w->first + i - 1) % DEPTH];
		again->next = queue;
		if (!queue)
			queue_end = &again->next;
		queue = again;
	}
	if (w->count)
		r->done = r->failed = true;
	end_worker(w);
	start_worker(w);
}

static void receive(struct worker *w)
{
	struct header h;
	struct request *r = oldest(w);
	if (!read_all(w->fd, &h, sizeof h)) {
		bury(w);
		return;
	}
	if (h.size > r->header.size) {
		free(r->data);
		r->data = room(h.size);
	}
	if (!read_all(w->fd, r->data, h.size)) {
		bury(w);
		return;
	}
	r->header.size = h.size;
	r->done = true;
	w->first++;
	w->count--;
}

static void turn(void)
{
	struct pollfd fds[WORKERS_MAX];
	send_queued();
	for (unsigned i = 0; i < worker_count; i++)
		fds[i] = (struct pollfd){.fd = workers[i].fd, .events = POLLIN};
	if (poll(fds, worker_count, -1) < 0 && errno != EINTR)
		give_up("poll");
	for (unsigned i = 0; i < worker_count; i++)
		if (fds[i].revents)
			receive(&workers[i]);
}

static void *submit(enum job job, const void *arg, size_t size)
{
	struct request *r = room(sizeof *r);
	*r = (struct request){.header = {size, job}, .data = size ? room(size) : NULL};
	if (size)
		memcpy(r->data, arg, size);
	*queue_end = r;
	queue_end = &r->next;
	send_queued();
	return r;
}

static bool wait_for(void *future, struct seen *ret_seen)
{
	struct request *r = future;
	while (!r->done)
		turn();
	size_t size = r->header.size;
	*ret_seen = (struct seen){.size = size};
	if (size && !r->failed) {
		ret_seen->first = r->data[0];
		ret_seen->last = r->data[size - 1];
	}
	bool failed = r->failed;
	free(r->data);
	free(r);
	return !failed;
}

const struct peer procs_fork = {"fork", open_pool, submit, wait_for, close_pool};
