/* SPDX-License-Identifier: MIT */
/* A very small HTTP server on 127.0.0.1, and requests to it: what samples talk to. */
#ifndef SAMPLES_HTTP_H
#define SAMPLES_HTTP_H

#include <stdio.h>

struct http_server;

/* Writes the headers and the body to the client. Writing fails when the client has gone. May be
 * called on several threads at once. */
typedef void (*http_answer_fn)(FILE *client, const char *path, void *ctx);

/* Serves each client on a thread of its own. NULL if it cannot. */
struct http_server *http_serve(http_answer_fn answer, void *ctx);
unsigned http_port(const struct http_server *server);
void http_stop(struct http_server *server); /* when all clients are served */

/* Requests a path, and reads up to the end of the headers. NULL if the answer is not 200. */
FILE *http_get(unsigned port, const char *path);

#endif
