/* SPDX-License-Identifier: MIT */
/* Getting a page with libcurl, as a task. */
#ifndef SAMPLES_FETCH_H
#define SAMPLES_FETCH_H

#include <creel/creel.h>

struct page {
	char url[128];
	char text[128];
	long status;
};

/* A task: the argument is a URL, the result a struct page. A cancel aborts the transfer. A status
 * of 400 or more is an error. */
int fetch(creel_task *task, const void *arg, size_t size);

creel_future *fetch_page(creel_executor *pool, const char *url);

#endif
