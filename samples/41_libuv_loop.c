/* SPDX-License-Identifier: MIT */
/*
 * A loop of libuv with a driven executor as a guest: uv_poll_t watches its descriptor, and slow
 * work goes to a pool. loop/guest.c has the work. With --processes the workers are processes.
 */
#include "loop/guest.h"
#include <string.h>
#include <uv.h>

static void on_driven(uv_poll_t *poll, int status, int events)
{
	struct guest *g = poll->data;
	(void)status;
	(void)events;
	creel_driven_run(g->driven, CREEL_NOW);
}

static void on_timer(uv_timer_t *timer)
{
	if (!guest_tick(timer->data))
		uv_stop(timer->loop);
}

int main(int argc, char **argv)
{
	struct guest guest;
	uv_loop_t *loop = uv_default_loop();
	uv_poll_t poll;
	uv_timer_t timer;
	guest_open(&guest, argc > 1 && strcmp(argv[1], "--processes") == 0);
	uv_poll_init(loop, &poll, creel_driven_fd(guest.driven));
	uv_timer_init(loop, &timer);
	poll.data = timer.data = &guest;
	uv_poll_start(&poll, UV_READABLE, on_driven);
	uv_timer_start(&timer, on_timer, 1, 1);
	uv_run(loop, UV_RUN_DEFAULT);

	/* Out of the loop before the executor goes. */
	uv_close((uv_handle_t *)&poll, NULL);
	uv_close((uv_handle_t *)&timer, NULL);
	uv_run(loop, UV_RUN_DEFAULT);
	uv_loop_close(loop);
	return guest_close(&guest);
}
