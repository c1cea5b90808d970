/* SPDX-License-Identifier: MIT */
/* A plugin with a creel of its own is unloaded: threads that have used it go on, and end. */
#include "ct.h"
#include "tasks.h"

#include <dlfcn.h>
#include <pthread.h>

enum { LOADS = CT_MEMCHECK ? 50 : 2000, THREADS = 4 };

typedef int (*use_fn)(void);

static void *load(void)
{
	void *plugin = dlopen(CT_PLUGIN, RTLD_NOW | RTLD_LOCAL);
	if (!plugin)
		ct_fail(__FILE__, __LINE__, "%s", dlerror());
	return plugin;
}

static use_fn function(void *plugin, const char *name)
{
	use_fn fn = (use_fn)(uintptr_t)dlsym(plugin, name);
	ct_assert(fn);
	return fn;
}

static void unload(void *plugin)
{
	ct_int(dlclose(plugin), 0);
	/* It is really gone. */
	ct_assert(!dlopen(CT_PLUGIN, RTLD_NOW | RTLD_LOCAL | RTLD_NOLOAD));
}

static struct ct_count used, gone;

/* Ends after the plugin is gone. */
static void *user(void *use)
{
	int rc = ((use_fn)(uintptr_t)use)();
	ct_count_add(&used, 1);
	ct_pass(&gone);
	return (void *)(intptr_t)rc;
}

static void start(pthread_t *thread, use_fn use)
{
	ct_int(pthread_create(thread, NULL, user, (void *)(uintptr_t)use), 0);
}

static void ends_well(pthread_t thread)
{
	void *rc;
	ct_int(pthread_join(thread, &rc), 0);
	ct_int((intptr_t)rc, 0);
}

CT_TEST(plugin, threads_that_have_used_it_end_after_it_is_unloaded, 0)
{
	pthread_t thread[THREADS];
	void *plugin = load();
	for (int i = 0; i < THREADS; i++)
		start(&thread[i], function(plugin, i % 2 ? "plugin_use" : "plugin_touch"));
	ct_count_await(&used, THREADS);
	unload(plugin);
	ct_open(&gone);
	for (int i = 0; i < THREADS; i++)
		ends_well(thread[i]);
}

static use_fn late_use;
static pthread_t late;

static void use_late(void)
{
	start(&late, late_use);
	ct_count_await(&used, 1);
}

/* The key is no more: the thread must not register with it. */
CT_TEST(plugin, a_thread_that_first_uses_it_while_it_is_unloaded_ends_well, 0)
{
	void *plugin = load();
	late_use = function(plugin, "plugin_touch");
	ct_int(late_use(), 0);
	((void (*)(void (*)(void)))(uintptr_t)function(plugin, "plugin_at_unload"))(use_late);
	unload(plugin);
	ct_int(ct_count_get(&used), 1);
	ct_open(&gone);
	ends_well(late);
}

CT_TEST(plugin, is_loaded_two_thousand_times_and_keeps_no_key, 0)
{
	int first = 0;
	for (int i = 0; i < LOADS; i++) {
		void *plugin = load();
		ct_int(function(plugin, "plugin_touch")(), 0);
		int key = function(plugin, "plugin_next_key")();
		first = i ? first : key;
		ct_int(key, first);
		unload(plugin);
	}
}
