/* SPDX-License-Identifier: MIT */
/*
 * Limited concurrency: twenty requests, of which at most three are under way at once. The pool has
 * a worker for each; the semaphore lies over it. The server counts.
 *
 * In Python: asyncio.Semaphore(3) and "async with" around each request.
 */
#include "http/http.h"
#include <creel/creel.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>

enum { REQUESTS = 20, LIMIT = 3 };

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static int now, most;

static void count(int step)
{
	pthread_mutex_lock(&lock);
	now += step;
	most = now > most ? now : most;
	pthread_mutex_unlock(&lock);
}

/* It takes a while. Until the answer is out the client is still there. */
static void answer(FILE *client, const char *path, void *ctx)
{
	(void)path;
	(void)ctx;
	count(1);
	poll(NULL, 0, 5);
	count(-1);
	fputs("HTTP/1.0 200 OK\r\n\r\nhello\n", client);
}

static int get(creel_task *task, const void *arg, size_t size)
{
	(void)size;
	FILE *page = http_get(*(const unsigned *)arg, "/");
	if (!page)
		return creel_fail(task, 1, "no answer");
	fclose(page);
	return 0;
}

int main(void)
{
	struct http_server *server = http_serve(answer, NULL);
	if (!server)
		return 1;
	unsigned port = http_port(server);
	creel_executor *pool = creel_thread_pool_new(
		&(creel_thread_pool_options){.max_workers = REQUESTS});
	creel_executor *few = creel_semaphore_new(pool, LIMIT);
	creel_future *pages[REQUESTS];
	int answered = 0;
	for (int i = 0; i < REQUESTS; i++)
		pages[i] = creel_submit(few, get, &port, sizeof port);
	for (int i = 0; i < REQUESTS; i++) {
		answered += creel_future_result(pages[i], CREEL_FOREVER, NULL, 0) == 0;
		creel_future_unref(pages[i]);
	}
	int rc = creel_executor_close(few) | creel_executor_close(pool);
	http_stop(server);
	printf("%d pages; the server had at most %d requests at once\n", answered, most);
	return rc || answered < REQUESTS || most > LIMIT ? 1 : 0;
}
