/* SPDX-License-Identifier: MIT */
/*
 * Server-sent events as a channel. A task reads the stream of a server and puts each event into a
 * channel of 4; the program reads events from there, each within a deadline. If it is slow, the
 * channel fills, the task stops reading, and the server has to wait. When it has had enough it
 * cancels the channel; the task then closes its connection.
 */
#include "http/http.h"
#include <creel/creel.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Events without end: until the client has gone. */
static void send_events(FILE *client, const char *path, void *ctx)
{
	(void)path;
	(void)ctx;
	fputs("HTTP/1.0 200 OK\r\nContent-Type: text/event-stream\r\n\r\n", client);
	for (int i = 1; !ferror(client); i++) {
		fprintf(client, ": a comment\nevent: price\ndata: %d.%02d\n\n", 100 + i % 7,
			i * 37 % 100);
		fflush(client);
	}
	puts("server: the client has gone");
}

struct listener {
	unsigned port;
	creel_channel *events;
};

/* A field "data: ..." is an event of its own here; an event's other fields do not matter. */
static int listen_to_events(creel_task *task, const void *arg, size_t size)
{
	const struct listener *l = arg;
	(void)size;
	FILE *stream = http_get(l->port, "/prices");
	if (!stream) {
		creel_channel_close(l->events, NULL);
		return creel_fail(task, 1, "no answer from port %u", l->port);
	}
	char line[200];
	while (fgets(line, sizeof line, stream)) {
		if (strncmp(line, "data: ", 6) != 0)
			continue;
		double price = strtod(line + 6, NULL);
		if (creel_channel_put_by(l->events, &price, sizeof price, CREEL_FOREVER))
			break;
	}
	puts("client: nobody reads any more, the connection is closed");
	fclose(stream);
	creel_channel_close(l->events, NULL);
	return 0;
}

int main(void)
{
	signal(SIGPIPE, SIG_IGN); /* the server's write fails instead */
	struct http_server *server = http_serve(send_events, NULL);
	if (!server)
		return 1;
	struct listener l = {http_port(server),
			     creel_channel_new(&(creel_channel_options){.capacity = 4})};
	creel_executor *pool = creel_thread_pool_new(NULL);
	creel_future *listener = creel_submit(pool, listen_to_events, &l, sizeof l);

	double price;
	int rc = 0;
	for (int i = 0; i < 5 && rc == 0; i++) {
		rc = creel_channel_get_by(l.events, creel_in_ms(60000), &price, sizeof price);
		if (rc == 0)
			printf("price %.2f\n", price);
		else
			fprintf(stderr, "%s\n", creel_code_name(rc));
	}
	creel_channel_cancel(l.events);
	creel_future_result(listener, CREEL_FOREVER, NULL, 0);
	http_stop(server);

	creel_future_unref(listener);
	creel_channel_unref(l.events);
	creel_executor_close(pool);
	return rc != 0;
}
