/* SPDX-License-Identifier: MIT */
/*
 * The same page from three mirrors: the first that succeeds wins, and the other transfers are
 * aborted. A mirror that fails does not matter, however fast it is.
 *
 * In JavaScript: Promise.any(mirrors.map(fetch)), which would leave the others running.
 */
#include "http/fetch.h"
#include "http/pages.h"
#include <stdio.h>

int main(void)
{
	static const char *const paths[] = {"/nothing", "/after/20/herringbone", "/never"};
	enum { MIRRORS = sizeof paths / sizeof paths[0] };
	struct pages *server = pages_serve();
	if (!server)
		return 1;
	creel_executor *pool = creel_thread_pool_new(
		&(creel_thread_pool_options){.max_workers = MIRRORS});
	creel_future *mirrors[MIRRORS];
	for (int i = 0; i < MIRRORS; i++) {
		char url[128];
		mirrors[i] = fetch_page(pool, pages_url(server, paths[i], url, sizeof url));
	}
	pages_await_asked(server, MIRRORS); /* a slow machine aborts none before it is under way */
	creel_future *first = creel_any(mirrors, MIRRORS, CREEL_CANCEL_REST);
	for (int i = 0; i < MIRRORS; i++)
		creel_future_unref(mirrors[i]);

	struct page page;
	int rc = creel_future_result(first, CREEL_FOREVER, &page, sizeof page);
	if (rc == 0)
		printf("mirror %d: %s\n", (int)creel_race_index(first), page.text);
	creel_future_unref(first);
	pages_await_left(server, 1);
	puts("the slow mirror saw its client go");
	rc |= creel_executor_close(pool);
	pages_stop(server);
	return rc ? 1 : 0;
}
