/* SPDX-License-Identifier: MIT */
/* First the slow work runs on the loop's thread, and the timer is late. Then it runs on a pool, and
 * each answer is a callback on the loop's thread: no lock, no polling, no thread in between. */
#include "guest.h"
#include <netdb.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

enum { TICKS = 20, LIMIT = 400000 };

/* A name: getaddrinfo() has no form that does not block. */
static int resolve(creel_task *task, const void *arg, size_t size)
{
	char text[64] = "";
	struct addrinfo *list = NULL, hints = {.ai_family = AF_INET, .ai_socktype = SOCK_STREAM};
	(void)size;
	int rc = getaddrinfo(arg, "80", &hints, &list);
	if (rc)
		return creel_fail(task, -1, "%s: %s", (const char *)arg, gai_strerror(rc));
	getnameinfo(list->ai_addr, list->ai_addrlen, text, sizeof text, NULL, 0, NI_NUMERICHOST);
	freeaddrinfo(list);
	return creel_return(task, text, sizeof text);
}

/* A file: for epoll it is always ready, and read() blocks all the same. */
static int read_file(creel_task *task, const void *arg, size_t size)
{
	char buffer[4096];
	long bytes = 0;
	(void)size;
	FILE *file = fopen(arg, "rb");
	if (!file)
		return creel_fail(task, -1, "%s: cannot be opened", (const char *)arg);
	for (size_t n; (n = fread(buffer, 1, sizeof buffer, file));)
		bytes += (long)n;
	fclose(file);
	return creel_return(task, &bytes, sizeof bytes);
}

/* A computation. */
static long primes_below(long limit)
{
	long count = 0;
	for (long n = 2; n < limit; n++) {
		long d = 2;
		while (d * d <= n && n % d)
			d++;
		count += d * d > n;
	}
	return count;
}

static int count_primes(creel_task *task, const void *arg, size_t size)
{
	long count = primes_below(*(const long *)arg);
	(void)size;
	return creel_return(task, &count, sizeof count);
}

static void take(struct guest *g, creel_future *f, void *result, size_t size)
{
	int rc = creel_future_result(f, CREEL_NOW, result, size);
	if (rc)
		fprintf(stderr, "%s\n", creel_future_message(f, rc));
	g->failed |= rc != 0;
	g->left--;
}

static void on_address(creel_future *f, void *guest)
{
	struct guest *g = guest;
	take(g, f, g->address, sizeof g->address);
}

static void on_bytes(creel_future *f, void *guest)
{
	struct guest *g = guest;
	take(g, f, &g->bytes, sizeof g->bytes);
}

static void on_primes(creel_future *f, void *guest)
{
	struct guest *g = guest;
	take(g, f, &g->primes, sizeof g->primes);
}

/* To the pool; the answer to the loop. */
static void offload(struct guest *g, creel_fn fn, const void *arg, size_t size, creel_done_fn done)
{
	creel_future *f = creel_submit(g->pool, fn, arg, size);
	g->left++;
	if (creel_future_on_done(f, g->driven, done, g, NULL, NULL)) {
		g->left--;
		g->failed = true;
	}
	creel_future_unref(f);
}

static void offload_all(struct guest *g)
{
	static const char host[] = "localhost", path[] = "/proc/self/exe";
	long limit = LIMIT;
	offload(g, resolve, host, sizeof host, on_address);
	offload(g, read_file, path, sizeof path, on_bytes);
	offload(g, count_primes, &limit, sizeof limit, on_primes);
	g->offloaded = true;
}

void guest_open(struct guest *g, bool processes)
{
	memset(g, 0, sizeof *g);
	g->pool = processes ? creel_process_pool_new(NULL) : creel_thread_pool_new(NULL);
	g->driven = creel_driven_new(NULL);
	g->last = creel_now().ns;
}

bool guest_tick(struct guest *g)
{
	int64_t now = creel_now().ns;
	if (now - g->last > g->worst)
		g->worst = now - g->last;
	g->last = now;
	g->ticks++;
	if (!g->offloaded && g->ticks == TICKS)
		g->primes = primes_below(LIMIT);
	if (!g->offloaded && g->ticks == 2 * TICKS) {
		printf("on the loop's thread: the timer was late by up to %.1f ms\n",
		       (double)g->worst / 1e6);
		g->worst = 0;
		g->ticks = 0;
		offload_all(g);
	}
	return !g->offloaded || g->left || g->ticks < TICKS;
}

int guest_close(struct guest *g)
{
	printf("on a pool: the timer was late by up to %.1f ms\n", (double)g->worst / 1e6);
	printf("localhost is %s\n", g->address);
	printf("the program has %ld bytes\n", g->bytes);
	printf("there are %ld primes\n", g->primes);
	creel_executor_close(g->pool);
	creel_executor_close(g->driven);
	return g->failed || g->bytes == 0;
}
