/* SPDX-License-Identifier: MIT */
/* What the fork server and the workers get, and the frames on the socket between
 * server and parent. */
#ifndef CREEL__PROCS_CHILD_H
#define CREEL__PROCS_CHILD_H

#include "procs/space.h"
#include <creel/pools.h>
#include <sys/types.h>

/* One message, whole: the socket keeps their bounds. */
struct creel__frame {
	char type;
	uint32_t worker, incarnation;
	int32_t pid, status; /* wait status, or errno */
	uint32_t step;       /* of FAILED while a server starts: enum creel__step */
};

enum {
	CREEL__FRAME_HELLO = 'H',  /* who forked the server: its pid, with a pidfd */
	CREEL__FRAME_READY = 'R',  /* server: it takes orders; the same */
	CREEL__FRAME_SPAWN = 'S',  /* parent: fork this worker */
	CREEL__FRAME_BORN = 'B',   /* server: its pid, with a pidfd */
	CREEL__FRAME_FAILED = 'F', /* server: fork failed, errno; or a step of its own start */
	CREEL__FRAME_DEAD = 'D',   /* server: its wait status; its process group is dead as well */
	CREEL__FRAME_HALTED = 'Z', /* server: somebody stopped this worker; status 0: it goes on */
	CREEL__FRAME_KEY = 'T',    /* server: the stop key stopped the host, and it the workers */
	CREEL__FRAME_CONTINUE = 'C',  /* parent: it runs, so they may */
	CREEL__FRAME_CONTINUED = 'G', /* server: they do; status: for how many ms they did not */
	CREEL__FRAME_NEWS = 'N',      /* server: a worker has rung, and its bell is gone */
	CREEL__FRAME_KILL = 'K',      /* parent: kill this worker, of which it has no pidfd */
	CREEL__FRAME_QUIT = 'Q',      /* parent: kill what is left and leave */
};

enum creel__step {
	CREEL__STEP_FORK,
	CREEL__STEP_PIDFD,
	CREEL__STEP_SIGNALFD,
	CREEL__STEP_EXIT,
	CREEL__STEPS
};

/* Everything that the children use; in the parent's memory at the fork, so theirs by copy. */
struct creel__child {
	struct creel__space *space;
	creel_executor *executor; /* only to be compared */
	int socket;               /* to the parent */
	int owner;                /* pidfd of the parent */
	pid_t host;               /* its number */
	int bell;                 /* procs/bell.h: the workers' end */
	int host_bell[2];         /* the manager's, both ends: procs/ends.c */
	const int *keep;          /* what else stays open */
	size_t keep_count;
	creel_process_pool_options options;
	char name[16];
};

/* The fork server: never returns. Runs in a freshly forked child. */
_Noreturn void creel__child_serve(const struct creel__child *c);

/* A fork server that takes orders. */
struct creel__served {
	int socket, pidfd;
	pid_t pid;
};

/* start.c: forks a server for c, of which it sets socket and owner. 0, or -errno and what could not
 * be had. Takes no lock and waits until the deadline at most. */
int creel__server_fork(struct creel__child *c, creel_deadline deadline,
		       struct creel__served *ret_served, const char **ret_what);

/* strays.c: ends all children of the calling process, which is self. */
void creel__strays_end(pid_t self);
/* The wait status of a zombie that its tracer keeps: the last word of its line in /proc. */
int creel__zombie_status(pid_t pid);

/* Takes one back that is not needed after all. */
void creel__server_undo(struct creel__served *served);

/* key.c: starts the process that the stop key stops with the host; 0 if there is no terminal. Runs
 * in the server, while that is in the host's process group. */
pid_t creel__key_watch(struct creel__space *space);

/* leave.c: flushes what the process has printed on stdout and stderr. */
void creel__child_flush(void);
/* Flushes, and ends the process without any handler of the host's. */
_Noreturn void creel__child_leave(int status);
/* From now on exit() and quick_exit() are creel__child_leave(), here and in what is forked from
 * here. 0 or -ENOMEM. */
int creel__child_catch_exit(void);

/* Sends a frame, with a descriptor unless fd is -1. 0 or -errno. Flags: MSG_DONTWAIT or 0. The
 * parent sends with MSG_DONTWAIT, since it holds a lock: a server that somebody has stopped reads
 * nothing, and then -EAGAIN says that the socket is full. */
int creel__frame_send(int socket, const struct creel__frame *frame, int fd, int flags);

/* Receives one, with *ret_fd -1 or a descriptor. 1, 0 at the end,
 * -errno (-EAGAIN if there is none). */
int creel__frame_receive(int socket, struct creel__frame *ret_frame, int *ret_fd, int flags);

/* A descriptor, or -1 and errno. */
int creel__pidfd_open(pid_t pid);
/* 0 or -errno, which stays as it was. */
int creel__pidfd_kill(int pidfd, int signal);

#endif
