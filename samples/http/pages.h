/* SPDX-License-Identifier: MIT */
/*
 * A server with pages for the samples, on this machine alone:
 *
 *   /after/MS/TEXT   answers TEXT after MS milliseconds
 *   /never           does not answer; it waits until the client goes away
 */
#ifndef SAMPLES_PAGES_H
#define SAMPLES_PAGES_H

struct pages;

struct pages *pages_serve(void); /* NULL if it cannot */

/* The URL of a path, in a buffer of the caller's. */
const char *pages_url(const struct pages *pages, const char *path, char *url, int size);

/* Waits until n requests have come. */
void pages_await_asked(struct pages *pages, int n);

/* Waits until n clients have gone away before their answer. */
void pages_await_left(struct pages *pages, int n);

void pages_stop(struct pages *pages); /* when all clients are served */

#endif
