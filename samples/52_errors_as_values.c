/* SPDX-License-Identifier: MIT */
/*
 * Several pages at once, with errors as values: creel_all_settled() waits for all of them and never
 * fails. Each page says for itself what came of it.
 *
 * In Python: asyncio.gather(*map(fetch, urls), return_exceptions=True); in JavaScript:
 * Promise.allSettled(urls.map(fetch))
 */
#include "http/fetch.h"
#include "http/pages.h"
#include <stdio.h>

int main(void)
{
	static const char *const paths[] = {"/after/20/twill", "/nothing", "/after/10/satin",
					    "/unknown"};
	enum { PAGES = sizeof paths / sizeof paths[0] };
	struct pages *server = pages_serve();
	if (!server)
		return 1;
	creel_executor *pool = creel_thread_pool_new(
		&(creel_thread_pool_options){.max_workers = PAGES});
	creel_future *pages[PAGES];
	char url[128];
	for (int i = 0; i < PAGES; i++)
		pages[i] = fetch_page(pool, pages_url(server, paths[i], url, sizeof url));
	creel_future *all = creel_all_settled(pages, PAGES, 0);

	int rc = creel_future_result(all, CREEL_FOREVER, NULL, 0);
	for (int i = 0; i < PAGES; i++) {
		struct page page;
		int code = creel_future_result(pages[i], CREEL_NOW, &page, sizeof page);
		printf("%-16s %s\n", paths[i],
		       code == 0 ? page.text : creel_future_message(pages[i], code));
		creel_future_unref(pages[i]);
	}
	creel_future_unref(all);
	rc |= creel_executor_close(pool);
	pages_stop(server);
	return rc ? 1 : 0;
}
