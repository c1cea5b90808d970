/* SPDX-License-Identifier: MIT */
/*
 * An event loop of plain epoll that also hears of completions. It watches a timer, which brings new
 * requests, the descriptor of a completion queue, and a signalfd. A turn handles a bounded number
 * of completions, so that a flood of them keeps neither the timer nor Ctrl-C waiting.
 *
 * Ctrl-C and SIGTERM end it in good order: no new requests, pending tasks are cancelled, and the
 * loop goes on until the queue is empty. Nothing in the loop blocks. With --processes the workers
 * are processes.
 */
#include <creel/creel.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <sys/timerfd.h>
#include <unistd.h>

enum { REQUESTS = 1000, PER_TICK = 100, BOUND = 32 /* completions a turn */ };

enum source { TIMER, COMPLETIONS, SIGNALS };

struct loop {
	creel_executor *pool;
	creel_queue *queue;
	int epoll, timer, signals;
	unsigned sent, answered, lost;
	unsigned long steps;
	bool done;
};

/* How many steps n takes to 1, halved if it is even and else tripled and one more. */
static int collatz(creel_task *task, const void *arg, size_t size)
{
	unsigned long n = *(const unsigned *)arg, steps = 0;
	(void)size;
	for (; n > 1; steps++)
		n = n % 2 ? 3 * n + 1 : n / 2;
	return creel_return(task, &steps, sizeof steps);
}

/* No more requests: the queue says CREEL_EMPTY when the last one has been answered. */
static void stop_requests(struct loop *l)
{
	epoll_ctl(l->epoll, EPOLL_CTL_DEL, l->timer, NULL);
	creel_queue_close(l->queue);
}

/* A tick of the timer brings the next requests. */
static void on_tick(struct loop *l)
{
	uint64_t ticks;
	if (read(l->timer, &ticks, sizeof ticks) < 0)
		return;
	for (int i = 0; i < PER_TICK && l->sent < REQUESTS; i++) {
		unsigned n = ++l->sent;
		int rc = creel_queue_submit(l->queue, l->pool, collatz, &n, sizeof n, NULL, NULL);
		if (rc != 0) {
			fprintf(stderr, "%u: %s\n", n, creel_code_name(rc));
			l->lost++;
		}
	}
	if (l->sent == REQUESTS)
		stop_requests(l);
}

static void on_answer(struct loop *l, creel_future *f)
{
	unsigned long steps;
	int rc = creel_future_result(f, CREEL_NOW, &steps, sizeof steps);
	if (rc == 0) {
		l->answered++;
		l->steps += steps;
	} else {
		fprintf(stderr, "no answer: %s\n", creel_future_message(f, rc));
		l->lost++;
	}
}

/* Takes BOUND completions at most. If more are ready, the descriptor stays readable. */
static void on_completions(struct loop *l)
{
	for (int n = 0; n < BOUND; n++) {
		creel_future *f;
		int rc = creel_queue_take(l->queue, CREEL_NOW, &f, NULL);
		if (rc == CREEL_EMPTY)
			l->done = true;
		if (rc != 0)
			break;
		on_answer(l, f);
		creel_future_unref(f);
	}
}

/* Ctrl-C or SIGTERM: cancels what has not started, and does not wait for the rest. */
static void on_signal(struct loop *l)
{
	struct signalfd_siginfo info;
	if (read(l->signals, &info, sizeof info) < 0)
		return;
	fprintf(stderr, "stopping\n");
	stop_requests(l);
	creel_executor_shutdown(l->pool, CREEL_SHUTDOWN_CANCEL, CREEL_NOW, NULL);
}

static int watch(struct loop *l, int fd, enum source source)
{
	struct epoll_event event = {.events = EPOLLIN, .data.u32 = source};
	return fd < 0 ? -1 : epoll_ctl(l->epoll, EPOLL_CTL_ADD, fd, &event);
}

/* The signals must be blocked before the pool is made, in the thread that makes it. */
static int open_all(struct loop *l, bool processes)
{
	sigset_t signals;
	sigemptyset(&signals);
	sigaddset(&signals, SIGINT);
	sigaddset(&signals, SIGTERM);
	sigprocmask(SIG_BLOCK, &signals, NULL);

	l->pool = processes ? creel_process_pool_new(NULL) : creel_thread_pool_new(NULL);
	l->queue = creel_queue_new(NULL);
	l->epoll = epoll_create1(EPOLL_CLOEXEC);
	l->signals = signalfd(-1, &signals, SFD_CLOEXEC);
	l->timer = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC);
	struct itimerspec often = {.it_interval.tv_nsec = 1000000, .it_value.tv_nsec = 1000000};
	return timerfd_settime(l->timer, 0, &often, NULL) < 0 || watch(l, l->timer, TIMER) < 0 ||
			       watch(l, creel_queue_fd(l->queue), COMPLETIONS) < 0 ||
			       watch(l, l->signals, SIGNALS) < 0
		       ? -1
		       : 0;
}

/* Drops the queue after its descriptor has left the loop, which goes with the epoll descriptor. */
static void close_all(struct loop *l)
{
	close(l->epoll);
	close(l->timer);
	close(l->signals);
	creel_queue_unref(l->queue);
	creel_executor_close(l->pool); /* all tasks have ended: it waits for the workers to leave */
}

static void turn(struct loop *l)
{
	struct epoll_event events[3];
	int n = epoll_wait(l->epoll, events, 3, -1);
	for (int i = 0; i < n; i++) {
		if (events[i].data.u32 == TIMER)
			on_tick(l);
		else if (events[i].data.u32 == COMPLETIONS)
			on_completions(l);
		else
			on_signal(l);
	}
}

int main(int argc, char **argv)
{
	struct loop loop = {0};
	if (open_all(&loop, argc > 1 && strcmp(argv[1], "--processes") == 0) < 0) {
		perror("event loop");
		return 1;
	}
	while (!loop.done)
		turn(&loop);
	close_all(&loop);

	printf("%u answers, %lu steps\n", loop.answered, loop.steps);
	return loop.answered + loop.lost == loop.sent ? 0 : 1;
}
