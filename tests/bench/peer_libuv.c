/* SPDX-License-Identifier: MIT */
/* libuv's pool: whoever submits has the loop, and waits by running it. So one thread does both. */
#include "handmade.h"

#include <stdio.h>
#include <uv.h>

struct request {
	uv_work_t work; /* first */
	handmade_fn *run;
	void *result;
	bool done;
};

static uv_loop_t loop;

static void run(uv_work_t *work)
{
	struct request *r = (struct request *)work;
	r->result = r->run(NULL);
}

static void ran(uv_work_t *work, int status)
{
	(void)status;
	((struct request *)work)->done = true;
}

/* libuv reads the number of its threads when it starts them, at the first submission. */
static void open_pool(unsigned workers, bool help)
{
	(void)help;
	char number[16];
	snprintf(number, sizeof number, "%u", workers);
	if (setenv("UV_THREADPOOL_SIZE", number, 1) || uv_loop_init(&loop))
		give_up("no loop");
}

static void *submit(enum work work)
{
	struct request *r = malloc(sizeof *r);
	if (!r)
		give_up("no memory");
	r->run = handmade_work(work);
	r->done = false;
	if (uv_queue_work(&loop, &r->work, run, ran))
		give_up("no work");
	return r;
}

static void wait_for(void *future)
{
	struct request *r = future;
	while (!r->done)
		uv_run(&loop, UV_RUN_ONCE);
	free(r);
}

static void close_pool(void)
{
	if (uv_loop_close(&loop))
		give_up("the loop does not close");
}

const struct peer peer_libuv = {"libuv", open_pool, submit, wait_for, close_pool};
