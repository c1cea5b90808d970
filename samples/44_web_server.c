/* SPDX-License-Identifier: MIT */
/*
 * A small web server: one thread with a driven executor serves the sockets, a pool computes the
 * pages, and each page comes back as a callback on the server's thread. 50 clients, on a thread
 * with a driven executor of its own, keep their connections and ask for one page after the other. A
 * page that is wrong, or a connection that breaks, is an error.
 *
 *   44_web_server [--processes] [SECONDS]     0.3 s unless you say otherwise
 */
#include <creel/creel.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { CLIENTS = 50, MESSAGE = 256, WORK = 20000 };

/* Either side of a connection: one message at a time. */
struct peer {
	creel_executor *loop;
	int fd;
	char text[MESSAGE];
	size_t length;
	unsigned number; /* clients: what was asked for */
};

static creel_executor *pool, *server, *client;
static struct peer clients[CLIENTS];
static creel_deadline end;
static int listener;
static unsigned answers, errors, talking;
static unsigned served, accepted, gone; /* of the server's thread */
static bool serving, closing;           /* for others; no more connections are taken */

/* Calls done(f, arg) on the loop's thread when fd is readable. */
static void await(creel_executor *loop, int fd, creel_done_fn done, void *arg)
{
	creel_future *f = creel_ready(loop, fd, CREEL_READABLE);
	if (creel_future_on_done(f, NULL, done, arg, NULL, NULL))
		abort();
	creel_future_unref(f);
}

/* Adds what has come. 1: the message is whole; 0: not yet; -1: the other side has hung up. */
static int receive(struct peer *p)
{
	ssize_t n = read(p->fd, p->text + p->length, sizeof p->text - 1 - p->length);
	if (n <= 0)
		return -1;
	p->length += (size_t)n;
	p->text[p->length] = 0;
	return strstr(p->text, "\r\n\r\n") ? 1 : 0;
}

/* So short a message fits in the socket's buffer. */
static bool send_text(struct peer *p, const char *text)
{
	size_t length = strlen(text);
	p->length = 0;
	return send(p->fd, text, length, MSG_NOSIGNAL) == (ssize_t)length;
}

/* The page: a checksum that takes a while. */
static unsigned checksum(unsigned number)
{
	unsigned x = number + 1;
	for (int i = 0; i < WORK; i++)
		x = x * 1664525u + 1013904223u;
	return x;
}

/* On the pool. */
static int compute(creel_task *task, const void *arg, size_t size)
{
	(void)size;
	unsigned x = checksum(*(const unsigned *)arg);
	return creel_return(task, &x, sizeof x);
}

static void on_request(creel_future *f, void *arg);

/* On the server's thread again. */
static void on_page(creel_future *f, void *arg)
{
	struct peer *p = arg;
	unsigned x;
	char text[MESSAGE];
	int rc = creel_future_result(f, CREEL_NOW, &x, sizeof x);
	if (rc)
		snprintf(text, sizeof text, "HTTP/1.1 500 %s\r\n\r\n", creel_code_name(rc));
	else
		snprintf(text, sizeof text,
			 "HTTP/1.1 200 OK\r\nX-Page: %u\r\nContent-Length: 0\r\n\r\n", x);
	served += send_text(p, text);
	await(server, p->fd, on_request, p);
}

static void stop_if_done(void)
{
	if (closing && gone == accepted)
		creel_driven_stop(server);
}

static void on_request(creel_future *f, void *arg)
{
	struct peer *p = arg;
	unsigned number;
	(void)f;
	int whole = receive(p);
	if (whole < 0 || (whole && sscanf(p->text, "GET /%u ", &number) != 1)) {
		close(p->fd);
		free(p);
		gone++;
		stop_if_done();
		return;
	}
	if (!whole) {
		await(server, p->fd, on_request, p);
		return;
	}
	creel_future *page = creel_submit(pool, compute, &number, sizeof number);
	if (creel_future_on_done(page, server, on_page, p, NULL, NULL))
		abort();
	creel_future_unref(page);
}

static void on_connection(creel_future *f, void *arg)
{
	(void)f;
	(void)arg;
	if (closing)
		return;
	struct peer *p = calloc(1, sizeof *p);
	if (!p)
		abort();
	p->fd = accept(listener, NULL, NULL);
	accepted++;
	closing = !serving && accepted == CLIENTS;
	await(server, p->fd, on_request, p);
	if (!closing)
		await(server, listener, on_connection, NULL);
}

static void on_input_ends(creel_future *f, void *arg)
{
	char byte;
	(void)arg;
	(void)f;
	closing = read(STDIN_FILENO, &byte, 1) <= 0;
	if (closing)
		stop_if_done();
	else
		await(server, STDIN_FILENO, on_input_ends, NULL);
}

static void ask(struct peer *p);

static void hang_up(struct peer *p)
{
	close(p->fd);
	if (--talking == 0)
		creel_driven_stop(client);
}

static void on_answer(creel_future *f, void *arg)
{
	struct peer *p = arg;
	char wanted[32];
	(void)f;
	int whole = receive(p);
	if (whole == 0) {
		await(client, p->fd, on_answer, p);
		return;
	}
	snprintf(wanted, sizeof wanted, "X-Page: %u\r\n", checksum(p->number));
	bool right = whole > 0 && strstr(p->text, wanted);
	answers += right;
	errors += !right;
	p->number += CLIENTS;
	if (right && creel_now().ns < end.ns)
		ask(p);
	else
		hang_up(p);
}

static void ask(struct peer *p)
{
	char text[MESSAGE];
	snprintf(text, sizeof text, "GET /%u HTTP/1.1\r\nHost: localhost\r\n\r\n", p->number);
	errors += !send_text(p, text);
	await(client, p->fd, on_answer, p);
}

static bool listen_at(struct sockaddr_in *at)
{
	socklen_t size = sizeof *at;
	*at = (struct sockaddr_in){.sin_family = AF_INET,
				   .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	return bind(listener, (struct sockaddr *)at, size) == 0 && listen(listener, CLIENTS) == 0 &&
	       getsockname(listener, (struct sockaddr *)at, &size) == 0;
}

static bool connect_clients(const struct sockaddr_in *at)
{
	for (unsigned i = 0; i < CLIENTS; i++) {
		clients[i] = (struct peer){.fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0),
					   .number = i};
		if (connect(clients[i].fd, (const struct sockaddr *)at, sizeof *at) < 0)
			return false;
	}
	return true;
}

static void *run_clients(void *arg)
{
	(void)arg;
	talking = CLIENTS;
	for (int i = 0; i < CLIENTS; i++)
		ask(&clients[i]);
	creel_driven_run(client, CREEL_FOREVER);
	return NULL;
}

/* Until the input ends. */
static int serve(const struct sockaddr_in *at)
{
	printf("http://127.0.0.1:%d/1\n", ntohs(at->sin_port));
	fflush(stdout);
	await(server, STDIN_FILENO, on_input_ends, NULL);
	creel_driven_run(server, CREEL_FOREVER);
	printf("%u connections, %u pages\n", accepted, served);
	return 0;
}

static int serve_own_clients(const struct sockaddr_in *at, double seconds)
{
	pthread_t thread;
	client = creel_driven_new(NULL);
	if (!connect_clients(at)) {
		perror("clients");
		return 1;
	}
	end = creel_in_ns((int64_t)(seconds * 1e9));
	if (pthread_create(&thread, NULL, run_clients, NULL))
		return 1;
	creel_driven_run(server, CREEL_FOREVER);
	pthread_join(thread, NULL);
	creel_executor_close(client);
	printf("%d connections, %u pages in %.1f s: %.0f pages/s\n", CLIENTS, answers, seconds,
	       answers / seconds);
	printf("%u errors\n", errors + (served - answers));
	return errors || served != answers || !answers;
}

int main(int argc, char **argv)
{
	bool processes = argc > 1 && strcmp(argv[1], "--processes") == 0;
	const char *last = argc > 1 + processes ? argv[1 + processes] : "0.3";
	struct sockaddr_in at;
	serving = strcmp(last, "--serve") == 0;
	pool = processes ? creel_process_pool_new(NULL) : creel_thread_pool_new(NULL);
	server = creel_driven_new(NULL);
	if (!listen_at(&at)) {
		perror("web server");
		return 1;
	}
	await(server, listener, on_connection, NULL);
	int rc = serving ? serve(&at) : serve_own_clients(&at, atof(last));
	close(listener);
	creel_executor_close(server);
	creel_executor_close(pool);
	return rc;
}
