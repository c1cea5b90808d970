/* SPDX-License-Identifier: MIT */
/*
 * A token aborts what is under way, as AbortController does: here two transfers that would never
 * end. The token belongs to the caller. It has a reason, which comes out as the error.
 */
#include "http/fetch.h"
#include "http/pages.h"
#include <errno.h>
#include <stdio.h>
#include <string.h>

int main(void)
{
	enum { N = 2 };
	struct pages *server = pages_serve();
	if (!server)
		return 1;
	creel_executor *pool = creel_thread_pool_new(
		&(creel_thread_pool_options){.max_workers = N});
	creel_token *token = creel_token_new(NULL, NULL, CREEL_FOREVER);
	creel_future *pages[N];
	char url[128];
	pages_url(server, "/never", url, sizeof url);
	for (int i = 0; i < N; i++)
		pages[i] = creel_submit_with(pool, fetch, url, strlen(url) + 1,
					     &(creel_submit_options){.token = token});

	pages_await_asked(server, N); /* both are under way */
	creel_token_cancel(token, -ECANCELED, "the user closed the window", 0);
	for (int i = 0; i < N; i++) {
		int rc = creel_future_result(pages[i], CREEL_FOREVER, NULL, 0);
		printf("page %d: %s: %s\n", i, creel_code_name(rc),
		       creel_future_error(pages[i])->message);
		creel_future_unref(pages[i]);
	}
	pages_await_left(server, N);
	puts("the server saw both clients go");
	creel_token_unref(token);
	int rc = creel_executor_close(pool);
	pages_stop(server);
	return rc ? 1 : 0;
}
