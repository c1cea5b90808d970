/* SPDX-License-Identifier: MIT */
/* Promise 30, invariant 11: functions that the workers have not, or not any more. */
#include "procs.h"

#include <dlfcn.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

static void *open_late(const char *path, creel_fn *ret_fn)
{
	void *library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
	if (!library)
		ct_fail(__FILE__, __LINE__, "%s", dlerror());
	void *symbol = dlsym(library, "late_task");
	ct_assert(symbol != NULL);
	memcpy(ret_fn, &symbol, sizeof symbol);
	return library;
}

/* What the function returned, in the worker: its code, as that of a failure. */
static int code_of(creel_executor *ex, creel_fn fn)
{
	creel_future *f = creel_submit(ex, fn, NULL, 0);
	ct_int(ct_outcome(f), CREEL_EFAILED);
	const creel_error *e = creel_future_error(f);
	int code = e->code;
	ct_int(e->kind, code == -ENOEXEC ? CREEL_KIND_NOT_TRANSFERABLE : CREEL_KIND_FAILED);
	creel_future_unref(f);
	return code;
}

CASE(code, c30_i11_a_library_that_was_loaded_before_the_pool_works)
{
	creel_fn fn;
	void *library = open_late(PT_LATE1, &fn);
	creel_executor *ex = pt_pool(1);
	ct_int(code_of(ex, fn), 1111);
	ct_close(ex);
	dlclose(library);
}

CASE(code, c30_i11_a_library_that_was_loaded_later_is_refused_with_what_to_do)
{
	creel_fn fn;
	char text[64];
	creel_executor *ex = pt_pool(1);
	pt_works(ex);
	void *library = open_late(PT_LATE1, &fn);
	creel_future *f = NULL;
	ct_int(creel_try_submit(ex, fn, NULL, 0, NULL, &f), -ENOEXEC);
	ct_assert(f == NULL);
	f = creel_submit_with(ex, fn, NULL, 0, &(creel_submit_options){.name = "from late"});
	const creel_error *e = pt_failure(f, CREEL_KIND_NOT_TRANSFERABLE);
	ct_int(e->code, -ENOEXEC);
	ct_text(e->task, "from late");
	snprintf(text, sizeof text, "%p", (void *)(uintptr_t)fn);
	ct_has(e->message, text);
	ct_has(e->message, "dlopen");
	creel_future_unref(f);
	pt_works(ex);
	ct_int(pt_stats(ex).died, 0);
	ct_close(ex);
	/* A pool that is made now has it. */
	ex = pt_pool(1);
	ct_int(code_of(ex, fn), 1111);
	ct_close(ex);
	dlclose(library);
}

/* Contract 30 wants the name of the function in what is said. */
CASE(code, c30_a_refused_function_is_named)
{
	creel_fn fn;
	creel_executor *ex = pt_pool(1);
	void *library = open_late(PT_LATE1, &fn);
	creel_future *f = creel_submit(ex, fn, NULL, 0);
	const creel_error *e = pt_failure(f, CREEL_KIND_NOT_TRANSFERABLE);
	ct_has(e->message, "late_task");
	creel_future_unref(f);
	ct_close(ex);
	dlclose(library);
}

/* A pool has code of a library, which is closed; then one is opened, and something must be so. */
static void reopened(const char *path,
		     void (*check)(creel_executor *ex, creel_fn before, creel_fn after))
{
	creel_fn before, after;
	void *library = open_late(PT_LATE1, &before);
	creel_executor *ex = pt_pool(1);
	ct_int(code_of(ex, before), 1111);
	dlclose(library);
	library = open_late(path, &after);
	check(ex, before, after);
	/* What was there before and after an unload is still known. */
	pt_works(ex);
	ct_int(pt_stats(ex).died, 0);
	ct_close(ex);
	dlclose(library);
}

/* At the same address it is the same code; at another one the workers have nothing. */
static void same_or_nothing(creel_executor *ex, creel_fn before, creel_fn after)
{
	ct_int(code_of(ex, after), after == before ? 1111 : -ENOEXEC);
}

CASE(code, c30_i11_the_same_library_closed_and_opened_again)
{
	reopened(PT_LATE1, same_or_nothing);
}

static void other_or_nothing(creel_executor *ex, creel_fn before, creel_fn after)
{
	(void)before;
	for (unsigned i = 0; i < 3; i++) {
		int code = code_of(ex, after);
		ct_assert(code == -ENOEXEC || code == 2222);
	}
}

CASE(code, c30_i11_another_library_at_the_same_address_never_runs_the_old_code)
{
	reopened(PT_LATE2, other_or_nothing);
}

CASE(code, c30_i11_a_trampoline_in_anonymous_memory_is_refused)
{
	creel_fn fn;
	creel_executor *ex = pt_pool(1);
	void *page = mmap(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC,
			  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	ct_assert(page != MAP_FAILED);
	memset(page, 0xc3, 4096);
	memcpy(&fn, &page, sizeof page);
	ct_int(code_of(ex, fn), -ENOEXEC);
	munmap(page, 4096);
	ct_close(ex);
}

/* Even when it was there before the pool: it may have changed since. */
CASE(code, c30_i11_a_trampoline_from_before_the_pool_is_refused_too)
{
	creel_fn fn;
	static int data[16];
	void *page = mmap(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC,
			  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	ct_assert(page != MAP_FAILED);
	memcpy(&fn, &page, sizeof page);
	creel_executor *ex = pt_pool(1);
	ct_int(code_of(ex, fn), -ENOEXEC);
	void *not_code = data;
	memcpy(&fn, &not_code, sizeof not_code);
	ct_int(code_of(ex, fn), -ENOEXEC);
	fn = (creel_fn)(uintptr_t)1;
	ct_int(code_of(ex, fn), -ENOEXEC);
	munmap(page, 4096);
	ct_close(ex);
}

static int task_open(creel_task *task, const void *arg, size_t size)
{
	(void)size;
	long (*number)(void);
	void *library = dlopen(arg, RTLD_NOW | RTLD_LOCAL);
	TASK(library != NULL);
	void *symbol = dlsym(library, "late_number");
	TASK(symbol != NULL);
	memcpy(&number, &symbol, sizeof symbol);
	long value = number();
	dlclose(library);
	return creel_return(task, &value, sizeof value);
}

CASE(code, c30_i11_a_task_may_open_the_library_itself)
{
	creel_executor *ex = pt_pool(2);
	for (unsigned i = 0; i < 6; i++) {
		const char *path = i & 1 ? PT_LATE2 : PT_LATE1;
		creel_future *f = creel_submit(ex, task_open, path, strlen(path) + 1);
		ct_int(ct_long_drop(f), i & 1 ? 2222 : 1111);
	}
	ct_close(ex);
}

CASE(code, c30_functions_of_libc_and_of_the_library_are_transferable)
{
	creel_executor *ex = pt_pool(1);
	/* Not that it would do anything sensible as a task: it is only asked for. */
	creel_fn fn = (creel_fn)(uintptr_t)getppid;
	creel_future *f = creel_submit(ex, fn, NULL, 0);
	ct_int(ct_outcome(f), CREEL_EFAILED);
	ct_int(creel_future_error(f)->kind, CREEL_KIND_FAILED);
	creel_future_unref(f);
	ct_close(ex);
}
