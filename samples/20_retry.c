/* SPDX-License-Identifier: MIT */
/*
 * Retries: a page of a server that is busy at first, and one of a server that stays so. The server
 * is real, and fails as real ones do: with 503.
 */
#include "http/http.h"

#include <creel/creel.h>
#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

/* Answers the third request for /soon, and none for /never. */
static void answer(FILE *client, const char *path, void *ctx)
{
	atomic_int *requests = ctx;
	if (strcmp(path, "/soon") == 0 && atomic_fetch_add(requests, 1) == 2)
		fputs("HTTP/1.0 200 OK\r\n\r\nhello\n", client);
	else
		fputs("HTTP/1.0 503 Service Unavailable\r\nRetry-After: 1\r\n\r\n", client);
}

struct request {
	unsigned port;
	char path[32];
};

/* A task: struct request -> the page. */
static int get(creel_task *task, const void *arg, size_t size)
{
	const struct request *request = arg;
	char page[64] = "";
	(void)size;
	FILE *f = http_get(request->port, request->path);
	if (!f)
		return creel_fail(task, -EAGAIN, "%s: the server is busy", request->path);
	if (!fgets(page, sizeof page, f))
		page[0] = 0;
	fclose(f);
	return creel_return(task, page, sizeof page);
}

static void fetch(creel_executor *retry, unsigned port, const char *path)
{
	struct request request = {.port = port};
	char page[64];
	snprintf(request.path, sizeof request.path, "%s", path);
	creel_future *f = creel_submit(retry, get, &request, sizeof request);
	int rc = creel_future_result(f, CREEL_FOREVER, page, sizeof page);
	if (rc) {
		const creel_error *e = creel_future_error(f), *cause;
		printf("%s\n", e->message);
		for (size_t i = 0; (cause = creel_error_cause(e, i)); i++)
			printf("  attempt %zu: %s\n", i + 1, cause->message);
	} else {
		printf("%s: %s", path, page);
	}
	creel_future_unref(f);
}

int main(void)
{
	atomic_int requests = 0;
	struct http_server *server = http_serve(answer, &requests);
	creel_executor *pool = creel_thread_pool_new(NULL);
	/* At most four attempts, up to 2, 4 and 8 ms apart. */
	creel_executor *retry = creel_retry_new(
		pool, &(creel_retry_options){.attempts = 4, .base_ns = CREEL_MS(2)});
	if (!server) {
		fputs("there is no server\n", stderr);
		return 1;
	}
	fetch(retry, http_port(server), "/soon");
	fetch(retry, http_port(server), "/never");
	creel_executor_close(retry);
	creel_executor_close(pool);
	http_stop(server);
	return 0;
}
