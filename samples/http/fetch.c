/* SPDX-License-Identifier: MIT */
/* libcurl's multi interface, because only that can be woken from another thread. */
#include "fetch.h"
#include <curl/curl.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

static size_t keep(char *data, size_t one, size_t n, void *ctx)
{
	struct page *page = ctx;
	size_t have = strlen(page->text), room = sizeof page->text - 1 - have;
	if (n > room)
		return 0; /* which ends the transfer with an error */
	memcpy(page->text + have, data, one * n);
	page->text[have + n] = 0;
	return n;
}

/* Goes on until the transfer has ended, or the task is asked to stop. */
static int transfer(creel_task *task, CURLM *multi, CURL *easy)
{
	int running = 1, left;
	curl_multi_add_handle(multi, easy);
	while (running && !creel_task_cancelled(task)) {
		curl_multi_perform(multi, &running);
		if (running)
			curl_multi_poll(multi, NULL, 0, 10, NULL);
	}
	CURLMsg *done = curl_multi_info_read(multi, &left);
	int rc = !done ? -ECANCELED : done->data.result == CURLE_OK ? 0 : -EIO;
	if (rc == -EIO)
		creel_fail(task, rc, "%s", curl_easy_strerror(done->data.result));
	curl_multi_remove_handle(multi, easy);
	return rc;
}

int fetch(creel_task *task, const void *arg, size_t size)
{
	struct page page = {.text = ""};
	(void)size;
	snprintf(page.url, sizeof page.url, "%s", (const char *)arg);
	CURL *easy = curl_easy_init();
	CURLM *multi = curl_multi_init();
	curl_easy_setopt(easy, CURLOPT_URL, page.url);
	curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, keep);
	curl_easy_setopt(easy, CURLOPT_WRITEDATA, &page);
	int rc = transfer(task, multi, easy);
	curl_easy_getinfo(easy, CURLINFO_RESPONSE_CODE, &page.status);
	curl_multi_cleanup(multi);
	curl_easy_cleanup(easy);
	if (rc)
		return rc;
	if (page.status >= 400)
		return creel_fail(task, -EPROTO, "status %ld: %s", page.status, page.text);
	return creel_return(task, &page, sizeof page);
}

creel_future *fetch_page(creel_executor *pool, const char *url)
{
	return creel_submit(pool, fetch, url, strlen(url) + 1);
}
