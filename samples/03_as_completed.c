/* SPDX-License-Identifier: MIT */
/*
 * Results as they become ready, whatever the order of submission: a completion queue. Each future
 * comes back with the tag that it went in with; a failed one says why. With --processes the workers
 * are processes: tags, which never leave this one, may be pointers all the same.
 */
#include <creel/creel.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

struct series {
	const char *name;
	long terms;
};

/* The function of a task: reads its argument, leaves a result, returns 0; or says why it cannot. */
static int leibniz_pi(creel_task *task, const void *arg, size_t size)
{
	const struct series *series = arg;
	(void)size;
	if (series->terms < 1)
		return creel_fail(task, -EDOM, "%ld terms make no sum", series->terms);

	double sum = 0;
	for (long i = series->terms - 1; i >= 0; i--)
		sum += (i % 2 ? -4.0 : 4.0) / (double)(2 * i + 1);
	return creel_return(task, &sum, sizeof sum);
}

static void print_outcome(creel_future *future, const struct series *series)
{
	double pi;
	int rc = creel_future_result(future, CREEL_NOW, &pi, sizeof pi);
	if (rc == 0)
		printf("%-6s %8ld terms: pi is about %.6f\n", series->name, series->terms, pi);
	else
		printf("%-6s failed: %s\n", series->name, creel_future_message(future, rc));
}

int main(int argc, char **argv)
{
	/* The longest first, so that the others overtake it where there is more than one CPU. */
	static struct series all[] = {
		{"long", 50000000}, {"middle", 100000}, {"short", 1000}, {"wrong", -1}};
	size_t n = sizeof all / sizeof all[0], taken = 0;

	bool processes = argc > 1 && strcmp(argv[1], "--processes") == 0;
	creel_executor *pool = processes ? creel_process_pool_new(NULL)
					 : creel_thread_pool_new(NULL);
	creel_queue *queue = creel_queue_new(NULL);

	int rc = 0;
	for (size_t i = 0; i < n && rc == 0; i++)
		rc = creel_queue_submit(queue, pool, leibniz_pi, &all[i], sizeof all[i], NULL,
					&all[i]);
	if (rc < 0)
		fprintf(stderr, "not submitted: %s\n", creel_code_name(rc));
	creel_queue_close(queue); /* nothing more to come: the last take will say CREEL_EMPTY */

	creel_future *future;
	void *tag;
	while (creel_queue_take(queue, CREEL_FOREVER, &future, &tag) == 0) {
		print_outcome(future, tag);
		creel_future_unref(future);
		taken++;
	}

	creel_queue_unref(queue);
	creel_executor_close(pool);
	return taken == n ? 0 : 1;
}
