/* SPDX-License-Identifier: MIT */
/* Bug: an assertion that does not hold, and a crash. */
#include "ct.h"

#include <signal.h>

CT_TEST(failing, passes, 0)
{
	ct_assert(1);
}

CT_TEST(failing, fails, 0)
{
	ct_assert(0);
}

CT_TEST(failing, crashes, 0)
{
	raise(SIGKILL);
}

CT_TEST(failing, is_skipped, 0)
{
	ct_skip("does not apply");
}
