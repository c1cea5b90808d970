/* SPDX-License-Identifier: MIT */
/* A server with pages for the samples; see pages.h. */
#include "pages.h"
#include "http.h"

#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

struct pages {
	struct http_server *server;
	pthread_mutex_t lock;
	pthread_cond_t changed;
	int asked; /* requests that have come */
	int left;  /* clients that went away */
};

static long now_ms(void)
{
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return (long)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* Waits so long for the client to go away; without end if ms is negative. 1 if it has. */
static int client_goes(FILE *client, long ms)
{
	struct pollfd p = {.fd = fileno(client), .events = POLLIN};
	long until = now_ms() + ms, left = ms;
	char byte;
	while (ms < 0 || (left = until - now_ms()) > 0)
		if (poll(&p, 1, (int)left) > 0 && recv(p.fd, &byte, 1, 0) <= 0)
			return 1;
	return 0;
}

static void answer(FILE *client, int status, const char *text)
{
	fprintf(client, "HTTP/1.0 %d %s\r\nContent-Length: %zu\r\n\r\n%s", status,
		status == 200 ? "OK" : "Not Found", strlen(text), text);
}

static void count(struct pages *pages, int *counter)
{
	pthread_mutex_lock(&pages->lock);
	++*counter;
	pthread_cond_broadcast(&pages->changed);
	pthread_mutex_unlock(&pages->lock);
}

static void await(struct pages *pages, const int *counter, int n)
{
	pthread_mutex_lock(&pages->lock);
	while (*counter < n)
		pthread_cond_wait(&pages->changed, &pages->lock);
	pthread_mutex_unlock(&pages->lock);
}

static void answer_page(FILE *client, const char *path, void *ctx)
{
	struct pages *pages = ctx;
	long ms = strcmp(path, "/never") == 0 ? -1 : 0;
	int start = 0;
	int known = ms < 0 || sscanf(path, "/after/%ld/%n", &ms, &start) == 1;
	count(pages, &pages->asked);
	if (!known)
		answer(client, 404, "there is no such page");
	else if (client_goes(client, ms))
		count(pages, &pages->left);
	else
		answer(client, 200, path + start);
}

struct pages *pages_serve(void)
{
	struct pages *pages = calloc(1, sizeof *pages);
	if (!pages)
		return NULL;
	pthread_mutex_init(&pages->lock, NULL);
	pthread_cond_init(&pages->changed, NULL);
	pages->server = http_serve(answer_page, pages);
	if (pages->server)
		return pages;
	free(pages);
	return NULL;
}

const char *pages_url(const struct pages *pages, const char *path, char *url, int size)
{
	snprintf(url, (size_t)size, "http://127.0.0.1:%u%s", http_port(pages->server), path);
	return url;
}

void pages_await_asked(struct pages *pages, int n)
{
	await(pages, &pages->asked, n);
}

void pages_await_left(struct pages *pages, int n)
{
	await(pages, &pages->left, n);
}

void pages_stop(struct pages *pages)
{
	http_stop(pages->server);
	free(pages);
}
