/* SPDX-License-Identifier: MIT */
/* Errors: boxes, copies, causes, and what there is when there is no memory. */
#include "future/error.h"
#include "ct.h"
#include "faults.h"

#include <errno.h>
#include <string.h>

CT_TEST(error, make_fills_every_field, 0)
{
	errno = 77;
	const creel_error *e = creel__error_make(CREEL_KIND_FAILED, -EIO, "name", "%d of %s", 3,
						 "four");
	ct_int(errno, 77);
	ct_int(e->kind, CREEL_KIND_FAILED);
	ct_int(e->code, -EIO);
	ct_int(e->err, EIO);
	ct_text(e->task, "name");
	ct_text(e->message, "3 of four");
	ct_int(e->signal, 0);
	ct_int(e->exit_status, 0);
	ct_int(e->pid, 0);
	ct_assert(creel_error_cause(e, 0) == NULL);
	creel__error_unref(e);
}

CT_TEST(error, only_a_negative_errno_becomes_err, 0)
{
	static const int codes[][2] = {{-EIO, EIO}, {5, 0}, {CREEL_EFAILED, 0}, {-5000, 0}};
	for (size_t i = 0; i < sizeof codes / sizeof codes[0]; i++) {
		const creel_error *e = creel__error_make(CREEL_KIND_FAILED, codes[i][0], NULL, "x");
		ct_int(e->err, codes[i][1]);
		ct_text(e->task, "");
		creel__error_unref(e);
	}
}

CT_TEST(error, long_texts_are_cut, 0)
{
	char text[5000];
	memset(text, 'x', sizeof text - 1);
	text[sizeof text - 1] = 0;
	const creel_error *e = creel__error_make(CREEL_KIND_FAILED, 1, text, "%s", text);
	ct_int(strlen(e->task), CREEL__NAME_MAX - 1);
	ct_int(strlen(e->message), CREEL__MESSAGE_MAX - 1);
	creel__error_unref(e);
}

CT_TEST(error, is_freed_with_its_last_reference, CT_NO_BLOCKS)
{
	long before = ct_live_blocks();
	const creel_error *e = creel__error_make(CREEL_KIND_FAILED, 1, NULL, "x");
	ct_int(ct_live_blocks(), before + 1);
	ct_assert(creel__error_ref(e) == e);
	creel__error_unref(e);
	ct_int(ct_live_blocks(), before + 1);
	ct_text(e->message, "x");
	creel__error_unref(e);
	ct_int(ct_live_blocks(), before);
	ct_assert(creel__error_ref(NULL) == NULL);
	creel__error_unref(NULL);
}

CT_TEST(error, recode_changes_code_and_err_alone, 0)
{
	const creel_error *e = creel__error_make(CREEL_KIND_FAILED, -EIO, "t", "m");
	ct_assert(creel__error_recode(e, -EPERM) == e);
	ct_int(e->code, -EPERM);
	ct_int(e->err, EPERM);
	ct_text(e->message, "m");
	creel__error_recode(e, 42);
	ct_int(e->code, 42);
	ct_int(e->err, 0);
	creel__error_unref(e);
}

CT_TEST(error, a_cause_lives_as_long_as_its_error, 0)
{
	long before = ct_live_blocks();
	const creel_error *cause = creel__error_make(CREEL_KIND_BROKEN, 1, NULL, "beneath");
	const creel_error *e = creel__error_make(CREEL_KIND_FAILED, 2, NULL, "above");
	creel__error_set_cause(e, cause);
	ct_assert(creel_error_cause(e, 0) == cause);
	ct_text(creel_error_cause(e, 0)->message, "beneath");
	ct_assert(creel_error_cause(e, 1) == NULL && creel_error_cause(e, SIZE_MAX) == NULL);
	ct_assert(creel_error_cause(cause, 0) == NULL && creel_error_cause(NULL, 0) == NULL);
	creel__error_unref(e);
	ct_int(ct_live_blocks(), before);
}

static void told(void *ctx, const creel_error *e)
{
	*(const creel_error **)ctx = e;
}

CT_TEST(error, tells_whom_it_was_told_to, 0)
{
	const creel_error *seen = NULL;
	const creel_error *e = creel__error_make(CREEL_KIND_FAILED, 2, NULL, "unread");
	creel__error_tell(e);
	ct_assert(seen == NULL);
	creel__error_set_unhandled(e, (struct creel__unhandled){told, &seen});
	creel__error_tell(e);
	ct_assert(seen == e);
	creel__error_unref(e);
}

CT_TEST(error, there_is_a_static_one_of_each_kind, 0)
{
	for (int kind = CREEL_KIND_FAILED; kind <= CREEL_KIND_CLOSED; kind++) {
		const creel_error *e = creel__error_static(kind);
		ct_int(e->kind, kind);
		ct_assert(e->code != 0 && e->task && *e->message);
	}
	ct_int(creel__error_static(0)->kind, CREEL_KIND_FAILED);
	ct_int(creel__error_static(-1)->kind, CREEL_KIND_FAILED);
	ct_int(creel__error_static(1000)->kind, CREEL_KIND_FAILED);
}

CT_TEST(error, static_ones_never_change, 0)
{
	long before = ct_live_blocks();
	const creel_error *seen = NULL;
	const creel_error *e = creel__error_static(CREEL_KIND_NO_MEMORY);
	creel__error_unref(creel__error_ref(e));
	creel__error_unref(e);
	creel__error_unref(e);
	creel__error_recode(e, 42);
	ct_int(e->code, -ENOMEM);
	creel__error_set_unhandled(e, (struct creel__unhandled){told, &seen});
	creel__error_tell(e);
	ct_assert(seen == NULL);
	/* It takes over the reference all the same. */
	creel__error_set_cause(e, creel__error_make(CREEL_KIND_FAILED, 1, NULL, "x"));
	ct_assert(creel_error_cause(e, 0) == NULL);
	ct_int(ct_live_blocks(), before);
}

CT_TEST(error, without_memory_the_reserve_is_used_once_and_then_a_static_one, 0)
{
	creel__error_fill_reserve();
	creel__error_fill_reserve();
	ct_fault_arm(CT_FAULT_MEMORY, 1, true);
	const creel_error *first = creel__error_make(CREEL_KIND_REJECTED, 7, "t", "in full");
	const creel_error *second = creel__error_make(CREEL_KIND_REJECTED, 7, "t", "in full");
	ct_fault_off();
	ct_text(first->message, "in full");
	ct_int(first->code, 7);
	ct_assert(second == creel__error_static(CREEL_KIND_REJECTED));
	creel__error_unref(first);
	creel__error_unref(second);
}

CT_TEST(error, a_reserve_that_was_dropped_is_gone, CT_NO_BLOCKS)
{
	long before = ct_live_blocks();
	creel__error_fill_reserve();
	ct_int(ct_live_blocks(), before + 1);
	creel__error_drop_reserve();
	creel__error_drop_reserve();
	ct_int(ct_live_blocks(), before);
}

static const creel_error *numbered(int code)
{
	return creel__error_make(CREEL_KIND_FAILED, code, NULL, "number %d", code);
}

CT_TEST(error, may_have_several_causes, 0)
{
	long before = ct_live_blocks();
	const creel_error *causes[] = {numbered(1), numbered(2), numbered(3)};
	const creel_error *e = numbered(9);
	creel__error_set_causes(e, causes, 3);
	for (size_t i = 0; i < 3; i++)
		ct_assert(creel_error_cause(e, i) == causes[i]);
	ct_assert(creel_error_cause(e, 3) == NULL && creel_error_cause(e, SIZE_MAX) == NULL);
	creel__error_unref(e);
	const creel_error *others[] = {numbered(1), numbered(2)};
	creel__error_set_causes(creel__error_static(CREEL_KIND_FAILED), others, 2);
	ct_int(ct_live_blocks(), before);
}

CT_TEST(error, without_memory_for_all_causes_the_first_one_stays, 0)
{
	long before = ct_live_blocks();
	const creel_error *causes[] = {numbered(1), numbered(2)};
	const creel_error *e = numbered(9);
	ct_fault_arm(CT_FAULT_MEMORY, 1, true);
	creel__error_set_causes(e, causes, 2);
	ct_fault_off();
	ct_assert(creel_error_cause(e, 0) == causes[0] && creel_error_cause(e, 1) == NULL);
	creel__error_unref(e);
	ct_int(ct_live_blocks(), before);
}

/* Each is the cause of the next: freeing them takes the stack of one. */
CT_TEST(error, chains_of_causes_are_freed_in_constant_stack, 0)
{
	const creel_error *e = NULL;
	for (int i = 0; i < 200000; i++) {
		const creel_error *causes[] = {e, numbered(2)};
		e = numbered(i);
		creel__error_set_causes(e, causes, 2);
	}
	creel__error_unref(e);
}
