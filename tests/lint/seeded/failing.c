/* SPDX-License-Identifier: MIT */
/* Bug: an assertion that does not hold, and a crash. */
#include <criterion/criterion.h>
#include <signal.h>

Test(failing, passes)
{
	cr_assert(1);
}

Test(failing, fails)
{
	cr_assert(0);
}

Test(failing, crashes)
{
	raise(SIGKILL);
}

Test(failing, is_skipped)
{
	cr_skip_test("does not apply");
}
