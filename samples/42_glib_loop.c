/* SPDX-License-Identifier: MIT */
/*
 * A loop of GLib with a driven executor as a guest: g_unix_fd_add() watches its descriptor, and
 * slow work goes to a pool. loop/guest.c has the work. With --processes the workers are processes.
 */
#include "loop/guest.h"
#include <glib-unix.h>
#include <glib.h>
#include <string.h>

static GMainLoop *loop;

static gboolean on_driven(gint fd, GIOCondition condition, gpointer guest)
{
	struct guest *g = guest;
	(void)fd;
	(void)condition;
	creel_driven_run(g->driven, CREEL_NOW);
	return G_SOURCE_CONTINUE;
}

static gboolean on_timer(gpointer guest)
{
	if (guest_tick(guest))
		return G_SOURCE_CONTINUE;
	g_main_loop_quit(loop);
	return G_SOURCE_REMOVE;
}

int main(int argc, char **argv)
{
	struct guest guest;
	guest_open(&guest, argc > 1 && strcmp(argv[1], "--processes") == 0);
	loop = g_main_loop_new(NULL, FALSE);
	guint watch = g_unix_fd_add(creel_driven_fd(guest.driven), G_IO_IN, on_driven, &guest);
	g_timeout_add(1, on_timer, &guest);
	g_main_loop_run(loop);
	/* Out of the loop before the executor goes. */
	g_source_remove(watch);
	g_main_loop_unref(loop);
	return guest_close(&guest);
}
