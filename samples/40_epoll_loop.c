/* SPDX-License-Identifier: MIT */
/*
 * A loop of plain epoll with a driven executor as a guest: its descriptor stands in the loop's set,
 * and slow work goes to a pool. loop/guest.c has the work. With --processes the workers are
 * processes.
 */
#include "loop/guest.h"
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/timerfd.h>
#include <unistd.h>

static int watch(int set, int fd)
{
	struct epoll_event event = {.events = EPOLLIN, .data.fd = fd};
	return fd < 0 ? -1 : epoll_ctl(set, EPOLL_CTL_ADD, fd, &event);
}

/* True until the timer says that it is over. */
static bool turn(struct guest *g, int set, int timer)
{
	struct epoll_event events[2];
	bool goes_on = true;
	int n = epoll_wait(set, events, 2, -1);
	for (int i = 0; i < n; i++) {
		uint64_t ticks;
		if (events[i].data.fd != timer)
			creel_driven_run(g->driven, CREEL_NOW);
		else if (read(timer, &ticks, sizeof ticks) > 0)
			goes_on = guest_tick(g);
	}
	return goes_on;
}

int main(int argc, char **argv)
{
	struct guest guest;
	guest_open(&guest, argc > 1 && strcmp(argv[1], "--processes") == 0);
	int set = epoll_create1(EPOLL_CLOEXEC);
	int timer = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC);
	struct itimerspec often = {.it_interval.tv_nsec = 1000000, .it_value.tv_nsec = 1000000};
	if (watch(set, timer) < 0 || watch(set, creel_driven_fd(guest.driven)) < 0 ||
	    timerfd_settime(timer, 0, &often, NULL) < 0) {
		perror("epoll");
		return 1;
	}
	while (turn(&guest, set, timer))
		;
	close(set);
	close(timer);
	return guest_close(&guest);
}
