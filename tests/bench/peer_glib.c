/* SPDX-License-Identifier: MIT */
/* GLib's GThreadPool, exclusive (its workers are started at once), with the hand-made future. */
#include "handmade.h"

#include <glib.h>

static GThreadPool *pool;

static void run(gpointer data, gpointer ctx)
{
	(void)ctx;
	handmade_run(data);
}

static void open_pool(unsigned workers, bool help)
{
	(void)help;
	pool = g_thread_pool_new(run, NULL, (gint)workers, TRUE, NULL);
	if (!pool)
		give_up("no pool");
}

static void *submit(enum work work)
{
	struct handmade *h = handmade_new(work);
	if (!g_thread_pool_push(pool, h, NULL))
		give_up("no push");
	return h;
}

static void close_pool(void)
{
	g_thread_pool_free(pool, FALSE, TRUE);
}

const struct peer peer_glib = {"glib", open_pool, submit, handmade_wait, close_pool};
