/* SPDX-License-Identifier: MIT */
/*
 * Calls to a server that allows three requests in any 50 ms. All nine are submitted at once; the
 * adaptor lets them go in time. It prints when each call began. No worker sleeps meanwhile.
 *
 * In Python: aiolimiter.AsyncLimiter(3, 0.05), which is a bucket; this window is exact.
 */
#include "http/http.h"
#include <creel/creel.h>
#include <stdio.h>

enum { CALLS = 9, LIMIT = 3, WINDOW_MS = 50 };

static void answer(FILE *client, const char *path, void *ctx)
{
	(void)ctx;
	fprintf(client, "HTTP/1.0 200 OK\r\n\r\n%s\n", path + 1);
}

struct call {
	unsigned port;
	int number;
};

/* A task: struct call -> the time when it began. */
static int call(creel_task *task, const void *arg, size_t size)
{
	const struct call *c = arg;
	creel_deadline began = creel_now();
	char path[32];
	int said = -1;
	(void)size;
	snprintf(path, sizeof path, "/%d", c->number);
	FILE *f = http_get(c->port, path);
	if (f) {
		(void)!fscanf(f, "%d", &said);
		fclose(f);
	}
	if (said != c->number)
		return creel_fail(task, 1, "call %d had no answer", c->number);
	return creel_return(task, &began, sizeof began);
}

int main(void)
{
	struct http_server *server = http_serve(answer, NULL);
	if (!server)
		return 1;
	creel_executor *pool = creel_thread_pool_new(
		&(creel_thread_pool_options){.max_workers = LIMIT});
	creel_executor *paced = creel_rate_limit_new(
		pool, &(creel_rate_options){.n = LIMIT, .per_ns = CREEL_MS(WINDOW_MS)});
	creel_future *calls[CALLS];
	int rc = 0, early = 0;
	creel_deadline start = creel_now();
	for (int i = 0; i < CALLS; i++)
		calls[i] = creel_submit(paced, call, &(struct call){http_port(server), i},
					sizeof(struct call));
	for (int i = 0; i < CALLS; i++) {
		creel_deadline began = CREEL_NOW;
		rc |= creel_future_result(calls[i], CREEL_FOREVER, &began, sizeof began);
		double ms = (double)(began.ns - start.ns) / 1e6;
		printf("call %d began at %.1f ms\n", i, ms);
		early += ms < i / LIMIT * WINDOW_MS;
		creel_future_unref(calls[i]);
	}
	printf("%d were too early\n", early);
	rc |= creel_executor_close(paced) | creel_executor_close(pool);
	http_stop(server);
	return rc || early ? 1 : 0;
}
