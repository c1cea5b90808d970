/* SPDX-License-Identifier: MIT */
/* Names of return codes and of kinds. */
#include "ct.h"

#include <creel/base.h>
#include <creel/error.h>
#include <errno.h>
#include <limits.h>
#include <string.h>

CT_TEST(code, every_code_of_the_interface_has_its_name, 0)
{
	static const struct {
		int code;
		const char *name;
	} codes[] = {
		{0, "0"},
		{CREEL_EFAILED, "CREEL_EFAILED"},
		{CREEL_EMPTY, "CREEL_EMPTY"},
		{-EAGAIN, "EAGAIN"},
		{-EALREADY, "EALREADY"},
		{-EBUSY, "EBUSY"},
		{-ECANCELED, "ECANCELED"},
		{-EDEADLK, "EDEADLK"},
		{-EINVAL, "EINVAL"},
		{-EMFILE, "EMFILE"},
		{-EMSGSIZE, "EMSGSIZE"},
		{-ENOMEM, "ENOMEM"},
		{-ENOTSUP, "ENOTSUP"},
		{-EPERM, "EPERM"},
		{-ESHUTDOWN, "ESHUTDOWN"},
		{-ETIMEDOUT, "ETIMEDOUT"},
	};
	for (size_t i = 0; i < sizeof codes / sizeof codes[0]; i++)
		ct_text(creel_code_name(codes[i].code), codes[i].name);
}

CT_TEST(code, any_number_has_a_name, 0)
{
	static const int odd[] = {INT_MIN, -100000, -4101, -4095, -1000, 1, 7, EINVAL, INT_MAX};
	for (size_t i = 0; i < sizeof odd / sizeof odd[0]; i++) {
		const char *name = creel_code_name(odd[i]);
		ct_assert(name && *name);
		ct_assert(strcmp(name, "0") != 0 && strncmp(name, "CREEL", 5) != 0);
	}
}

CT_TEST(code, codes_of_creel_are_no_errno, 0)
{
	static const int codes[] = {CREEL_EFAILED, CREEL_EMPTY, CREEL_BUSY, CREEL_FULL,
				    CREEL_WOKEN};
	static const char *const names[] = {"CREEL_EFAILED", "CREEL_EMPTY", "CREEL_BUSY",
					    "CREEL_FULL", "CREEL_WOKEN"};
	for (size_t i = 0; i < sizeof codes / sizeof codes[0]; i++) {
		ct_assert(codes[i] < -4095);
		ct_text(creel_code_name(codes[i]), names[i]);
	}
}

CT_TEST(kind, every_kind_has_a_name_of_its_own, 0)
{
	for (int i = CREEL_KIND_NONE; i <= CREEL_KIND_CLOSED; i++) {
		ct_assert(strcmp(creel_kind_name(i), "unknown") != 0);
		for (int j = CREEL_KIND_NONE; j < i; j++)
			ct_assert(strcmp(creel_kind_name(i), creel_kind_name(j)) != 0);
	}
	ct_text(creel_kind_name(CREEL_KIND_FAILED), "failed");
	ct_text(creel_kind_name(CREEL_KIND_WORKER_DIED), "worker died");
}

CT_TEST(kind, what_is_no_kind_is_unknown, 0)
{
	ct_text(creel_kind_name(-1), "unknown");
	ct_text(creel_kind_name(CREEL_KIND_CLOSED + 1), "unknown");
	ct_text(creel_kind_name(INT_MAX), "unknown");
	ct_text(creel_kind_name(INT_MIN), "unknown");
}
