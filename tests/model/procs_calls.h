/* SPDX-License-Identifier: MIT */
/*
 * Included in front of the sources of lib/procs: what they call of the system is the world's
 * (procs_world.c). The headers come first, so that only uses are replaced.
 */
#ifndef CREEL_TESTS_MODEL_PROCS_CALLS_H
#define CREEL_TESTS_MODEL_PROCS_CALLS_H

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/prctl.h>
/* A source has a static function of this name. */
#define shutdown model_libc_shutdown
#include <sys/socket.h>
#undef shutdown
#include <sys/syscall.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <unistd.h>

/* The world's descriptors: these, and one for each worker from the last one on. */
enum { MODEL_BELL = 1000, MODEL_EPOLL, MODEL_SOCKET, MODEL_OTHER, MODEL_SERVER, MODEL_WORKER };
enum { MODEL_PID = 4711 };

int model_waitid(int type, id_t id, siginfo_t *ret_info, int flags);
int model_eventfd(unsigned count, int flags);
int model_epoll_create1(int flags);
int model_epoll_ctl(int epoll, int what, int fd, struct epoll_event *event);
int model_epoll_wait(int epoll, struct epoll_event *ret_events, int most, int timeout);
int model_poll(struct pollfd *fds, nfds_t n, int timeout);
void *model_mmap(void *at, size_t size, int access, int flags, int fd, off_t offset);
int model_munmap(void *at, size_t size);
int model_madvise(void *at, size_t size, int advice);
int model_open(const char *path, int flags, ...);
int model_close(int fd);
ssize_t model_read(int fd, void *data, size_t size);
ssize_t model_write(int fd, const void *data, size_t size);
long model_syscall(long number, ...);
int model_pause(void);
_Noreturn void model_exit(int status);
_Noreturn void model_abort(void);

#define waitid model_waitid
#define eventfd model_eventfd
#define epoll_create1 model_epoll_create1
#define epoll_ctl model_epoll_ctl
#define epoll_wait model_epoll_wait
#define poll model_poll
#define mmap model_mmap
#define munmap model_munmap
#define munlock(...) 0
#define mprotect(at, size, access) ((void)(at), (void)(size), (void)(access), 0)
#define madvise model_madvise
#define open model_open
#define close model_close
#define read model_read
#define write model_write
#define syscall model_syscall
#define raise(...) model_pause() /* nobody but the model kills */
#define prctl(...) 0
#define _exit model_exit
#define abort model_abort

#endif
