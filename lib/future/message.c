/* SPDX-License-Identifier: MIT */
/* Words for every outcome of reading a future. */
#include "base/alloc.h"
#include "future/block.h"
#include "future/result.h"
#include "sync/local.h"
#include <creel/future.h>
#include <errno.h>
#include <stdio.h>

enum { TEXT_SIZE = 128 };

/* The thread's own memory for a sentence that has numbers in it; NULL without memory. */
static char *text_of_thread(void)
{
	struct creel__local *local = creel__self();
	if (!local->text) {
		local->text = creel__malloc(TEXT_SIZE);
		creel__thread_hook();
	}
	return local->text;
}

static const char *message_of_sizes(creel_future *f)
{
	const void *data;
	size_t size = 0;
	char *text = f && creel__future_peek(f) == CREEL__FINISHED ? text_of_thread() : NULL;
	if (!text)
		return "the result has another size than the caller's variable";
	creel__result_look(f, &data, &size);
	snprintf(text, TEXT_SIZE, "the result has %zu bytes, and the caller's variable has %zu",
		 size, creel__self()->wanted);
	return text;
}

/* Sentences that depend on the code alone. */
static const struct {
	int code;
	const char *text;
} sentences[] = {
	{0, "no error"},
	{-ETIMEDOUT, "the deadline has passed, and the task has not ended; it goes on"},
	{-ECANCELED, "cancelled before it started"},
	{-EDEADLK, "this would wait for itself: a task waits for its own future, or a callback "
		   "blocks"},
	{-EPERM, "this is a forked child, and the future is its parent's"},
	{-EBUSY, "somebody else holds the future too, so its result cannot be moved out"},
	{-ENOMEM, "out of memory"},
	{-EINVAL, "an argument is NULL or out of range"},
	{CREEL_EFAILED, "the task failed"},
	{CREEL_EMPTY, "nothing is left"},
};

const char *creel_future_message(creel_future *f, int rc)
{
	const creel_error *e = rc == CREEL_EFAILED || rc == -ECANCELED ? creel_future_error(f)
								       : NULL;
	if (e)
		return e->message;
	if (rc == -EMSGSIZE)
		return message_of_sizes(f);
	for (size_t i = 0; i < sizeof sentences / sizeof sentences[0]; i++)
		if (sentences[i].code == rc)
			return sentences[i].text;
	return creel_code_name(rc);
}
