/* SPDX-License-Identifier: MIT */
/*
 * Several pages at once, each with a timeout of its own. One page never comes: its timeout says so,
 * the transfer is aborted, and the others are not disturbed. Another page does not exist.
 *
 * In Python: asyncio.gather(*(asyncio.wait_for(fetch(u), t) for u in urls), return_exceptions=True)
 */
#include "http/fetch.h"
#include "http/pages.h"
#include <stdio.h>

static const struct {
	const char *path;
	int timeout_ms;
} wanted[] = {
	{"/after/30/warp", 60000}, {"/after/20/weft", 60000},    {"/never", 200},
	{"/nothing", 60000},       {"/after/10/selvage", 60000},
};

enum { PAGES = sizeof wanted / sizeof wanted[0] };

/* The future of a page that fails when its time is over. */
static creel_future *with_timeout(creel_future *page, int ms)
{
	creel_future *timed = creel_timeout(page, NULL, creel_in_ms(ms), CREEL_CANCEL_REST);
	creel_future_unref(page);
	return timed;
}

int main(void)
{
	struct pages *server = pages_serve();
	if (!server)
		return 1;
	creel_executor *pool = creel_thread_pool_new(
		&(creel_thread_pool_options){.max_workers = PAGES});
	creel_future *pages[PAGES];
	for (int i = 0; i < PAGES; i++) {
		char url[128];
		pages[i] = fetch_page(pool, pages_url(server, wanted[i].path, url, sizeof url));
	}
	pages_await_asked(server, PAGES); /* a slow machine gives up none before it is under way */
	for (int i = 0; i < PAGES; i++)
		pages[i] = with_timeout(pages[i], wanted[i].timeout_ms);

	/* Waits for all, however they end. */
	creel_wait(pages, PAGES, CREEL_ALL_COMPLETED, CREEL_FOREVER, NULL);
	for (int i = 0; i < PAGES; i++) {
		struct page page;
		if (creel_future_result(pages[i], CREEL_FOREVER, &page, sizeof page) == 0)
			printf("%-18s %s\n", wanted[i].path, page.text);
		else
			printf("%-18s %s\n", wanted[i].path, creel_future_error(pages[i])->message);
		creel_future_unref(pages[i]);
	}
	pages_await_left(server, 1);
	puts("the server saw one client go");
	int rc = creel_executor_close(pool);
	pages_stop(server);
	return rc ? 1 : 0;
}
