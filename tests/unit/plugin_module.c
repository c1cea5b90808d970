/* SPDX-License-Identifier: MIT */
/* The plugin of plugin.c: a shared object with a creel of its own, which can be unloaded. */
#include <creel/creel.h>
#include <pthread.h>
#include <stddef.h>

#define SHOWN __attribute__((visibility("default")))

SHOWN int plugin_use(void);
SHOWN int plugin_touch(void);
SHOWN int plugin_next_key(void);
SHOWN void plugin_at_unload(void (*fn)(void));

static int task_fail(creel_task *task, const void *arg, size_t size)
{
	(void)arg;
	(void)size;
	return creel_fail(task, -5, "on purpose");
}

/* A pool, closed again. What a thread keeps of it: blocks, a sentence, memory for an error. */
int plugin_use(void)
{
	long value = 5;
	creel_executor *ex = creel_thread_pool_new(&(creel_thread_pool_options){.max_workers = 1});
	creel_future *f = creel_submit(ex, task_fail, NULL, 0);
	int rc = creel_future_result(f, CREEL_FOREVER, NULL, 0);
	creel_future_unref(f);
	f = creel_future_of(&value, sizeof value);
	(void)creel_future_message(f, creel_future_result(f, CREEL_NOW, &value, 1));
	creel_future_unref(f);
	return rc == CREEL_EFAILED ? creel_executor_close(ex) : -1;
}

/* One block. */
int plugin_touch(void)
{
	creel_future *f = creel_promise_new();
	int rc = creel_promise_set_result(f, NULL, 0);
	creel_future_unref(f);
	return rc;
}

/* The number of the next key of the process, or -1 if there is none. */
int plugin_next_key(void)
{
	pthread_key_t key;
	if (pthread_key_create(&key, NULL))
		return -1;
	pthread_key_delete(key);
	return (int)key;
}

static void (*at_unload)(void);

void plugin_at_unload(void (*fn)(void))
{
	at_unload = fn;
}

/* After creel's own, which has no priority. */
__attribute__((destructor(101))) static void unloaded(void)
{
	if (at_unload)
		at_unload();
}
