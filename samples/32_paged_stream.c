/* SPDX-License-Identifier: MIT */
/*
 * A paged stream, read lazily. A server gives its items in pages of 10, each with the cursor of the
 * next page. A map with one item in flight fetches a page when the one before was taken, and not
 * sooner: so the source knows the cursor, and pages that nobody wants are never requested.
 */
#include "http/http.h"
#include <creel/creel.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

enum { PAGE = 10, ITEMS = 1000 };

/* A page: "next <cursor>" and its items, one a line; cursor -1 on the last one. */
static void send_page(FILE *client, const char *path, void *ctx)
{
	int cursor = 0;
	(void)ctx;
	sscanf(path, "/items?from=%d", &cursor);
	printf("server: items from %d\n", cursor);
	fprintf(client, "HTTP/1.0 200 OK\r\n\r\nnext %d\n",
		cursor + PAGE < ITEMS ? cursor + PAGE : -1);
	for (int i = cursor; i < cursor + PAGE && i < ITEMS; i++)
		fprintf(client, "%d\n", i * i);
}

struct request {
	unsigned port;
	int cursor;
};

struct page {
	int next, count, items[PAGE];
};

static int fetch(creel_task *task, const void *arg, size_t size)
{
	const struct request *r = arg;
	struct page page = {0};
	char path[50];
	(void)size;
	snprintf(path, sizeof path, "/items?from=%d", r->cursor);
	FILE *from = http_get(r->port, path);
	if (!from || fscanf(from, "next %d", &page.next) != 1)
		return creel_fail(task, 1, "no page from %d", r->cursor);
	while (page.count < PAGE && fscanf(from, "%d", &page.items[page.count]) == 1)
		page.count++;
	fclose(from);
	return creel_return(task, &page, sizeof page);
}

/* The source of the map: the request for the next page, if there is one. */
static int next_page(void *ctx, void *item, size_t *size)
{
	const struct request *r = ctx;
	memcpy(item, r, sizeof *r);
	*size = sizeof *r;
	return r->cursor >= 0;
}

int main(void)
{
	signal(SIGPIPE, SIG_IGN);
	setvbuf(stdout, NULL, _IOLBF, 0);
	struct http_server *server = http_serve(send_page, NULL);
	if (!server)
		return 1;
	creel_executor *pool = creel_thread_pool_new(NULL);
	struct request r = {http_port(server), 0};
	creel_mapping *pages = creel_map_from(pool, fetch, next_page, &r,
					      &(creel_map_options){.in_flight = 1});

	creel_future *f;
	struct page page;
	int rc, wanted = 25;
	while (wanted > 0 && (rc = creel_map_next(pages, CREEL_FOREVER, &f, NULL)) == 0) {
		creel_future_result(f, CREEL_NOW, &page, sizeof page);
		creel_future_unref(f);
		for (int i = 0; i < page.count && wanted > 0; i++, wanted--)
			if (wanted % 5 == 1)
				printf("item %d\n", page.items[i]);
		r.cursor = page.next;
	}
	if (rc)
		fprintf(stderr, "%s\n",
			creel_map_error(pages) ? creel_map_error(pages)->message
					       : creel_code_name(rc));
	creel_map_end(pages);
	creel_executor_close(pool);
	http_stop(server);
	return rc != 0;
}
