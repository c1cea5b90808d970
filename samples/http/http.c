/* SPDX-License-Identifier: MIT */
/* A very small HTTP server; see http.h. */
#include "http.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

struct http_server {
	http_answer_fn answer;
	void *ctx;
	int fd;
	unsigned port;
	pthread_t thread;
	pthread_mutex_t lock;
	pthread_cond_t none;
	unsigned clients; /* whose threads run */
};

struct client {
	struct http_server *server;
	int fd;
};

/* One stream to write, and one to read: a socket is no file in which both have one place. */
static void serve_client(const struct http_server *server, int fd)
{
	FILE *from = fdopen(fd, "r"), *to = fdopen(dup(fd), "w");
	char line[1024], path[1024] = "";
	while (from && to && fgets(line, sizeof line, from) && strcmp(line, "\r\n") != 0)
		if (strncmp(line, "GET ", 4) == 0)
			sscanf(line, "GET %1023s", path);
	if (to && *path)
		server->answer(to, path, server->ctx);
	if (to)
		fclose(to);
	if (from)
		fclose(from);
}

static void *serve_one(void *arg)
{
	struct client client = *(struct client *)arg;
	struct http_server *server = client.server;
	free(arg);
	serve_client(server, client.fd);
	pthread_mutex_lock(&server->lock);
	if (--server->clients == 0)
		pthread_cond_signal(&server->none);
	pthread_mutex_unlock(&server->lock);
	return NULL;
}

/* On a thread of its own, or here if there is none to be had. */
static void accept_client(struct http_server *server, int fd)
{
	struct client *client = malloc(sizeof *client);
	pthread_t thread;
	if (!client) {
		close(fd);
		return;
	}
	*client = (struct client){server, fd};
	pthread_mutex_lock(&server->lock);
	server->clients++;
	pthread_mutex_unlock(&server->lock);
	if (pthread_create(&thread, NULL, serve_one, client))
		serve_one(client);
	else
		pthread_detach(thread);
}

static void *serve(void *arg)
{
	struct http_server *server = arg;
	int fd;
	while ((fd = accept(server->fd, NULL, NULL)) >= 0)
		accept_client(server, fd);
	return NULL;
}

struct http_server *http_serve(http_answer_fn answer, void *ctx)
{
	struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t size = sizeof at;
	struct http_server *server = calloc(1, sizeof *server);
	if (!server)
		return NULL;
	server->answer = answer;
	server->ctx = ctx;
	pthread_mutex_init(&server->lock, NULL);
	pthread_cond_init(&server->none, NULL);
	server->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (server->fd >= 0 && bind(server->fd, (struct sockaddr *)&at, sizeof at) == 0 &&
	    listen(server->fd, 64) == 0 &&
	    getsockname(server->fd, (struct sockaddr *)&at, &size) == 0) {
		server->port = ntohs(at.sin_port);
		if (pthread_create(&server->thread, NULL, serve, server) == 0)
			return server;
	}
	perror("http_serve");
	if (server->fd >= 0)
		close(server->fd);
	free(server);
	return NULL;
}

unsigned http_port(const struct http_server *server)
{
	return server->port;
}

void http_stop(struct http_server *server)
{
	shutdown(server->fd, SHUT_RDWR); /* accept() returns */
	pthread_join(server->thread, NULL);
	close(server->fd);
	pthread_mutex_lock(&server->lock);
	while (server->clients)
		pthread_cond_wait(&server->none, &server->lock);
	pthread_mutex_unlock(&server->lock);
	free(server);
}

FILE *http_get(unsigned port, const char *path)
{
	struct sockaddr_in at = {.sin_family = AF_INET,
				 .sin_port = htons((unsigned short)port),
				 .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	char line[1024];
	int status = 0, fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd >= 0 && connect(fd, (struct sockaddr *)&at, sizeof at) == 0)
		dprintf(fd, "GET %s HTTP/1.0\r\nHost: localhost\r\n\r\n", path);
	FILE *from = fd >= 0 ? fdopen(fd, "r") : NULL;
	while (from && fgets(line, sizeof line, from) && strcmp(line, "\r\n") != 0)
		sscanf(line, "HTTP/%*s %d", &status);
	if (status == 200)
		return from;
	if (from)
		fclose(from);
	return NULL;
}
