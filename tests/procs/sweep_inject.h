/* SPDX-License-Identifier: MIT */
/*
 * Included in front of the library's own sources, for kill_sweep: makes steps of their atomic
 * operations and, with SWEEP_CALLS, of their calls to libc. The headers come first, so that only
 * uses are replaced. A macro does not expand within itself: the call that it makes is the real one.
 */
#ifndef CREEL_TESTS_SWEEP_INJECT_H
#define CREEL_TESTS_SWEEP_INJECT_H

#include "sweep_steps.h"
#include "sync/atomic.h"

/* What has no name below; and twice is no harm. */
#undef CREEL__POINT
#define CREEL__POINT(p) SWEEP_STEP("at " #p)

#undef creel__load
#define creel__load(p, mo) (SWEEP_STEP("load " #p), atomic_load_explicit(p, memory_order_##mo))
#undef creel__store
#define creel__store(p, v, mo)                                                                     \
	(SWEEP_STEP("store " #p " = " #v), atomic_store_explicit(p, v, memory_order_##mo))
#undef creel__xchg
#define creel__xchg(p, v, mo)                                                                      \
	(SWEEP_STEP("swap " #p " = " #v), atomic_exchange_explicit(p, v, memory_order_##mo))
#undef creel__add
#define creel__add(p, v, mo)                                                                       \
	(SWEEP_STEP("add " #p " += " #v), atomic_fetch_add_explicit(p, v, memory_order_##mo))
#undef creel__sub
#define creel__sub(p, v, mo)                                                                       \
	(SWEEP_STEP("sub " #p " -= " #v), atomic_fetch_sub_explicit(p, v, memory_order_##mo))
#undef creel__or
#define creel__or(p, v, mo)                                                                        \
	(SWEEP_STEP("or " #p " |= " #v), atomic_fetch_or_explicit(p, v, memory_order_##mo))
#undef creel__and
#define creel__and(p, v, mo)                                                                       \
	(SWEEP_STEP("and " #p " &= " #v), atomic_fetch_and_explicit(p, v, memory_order_##mo))
#undef creel__cas
#define creel__cas(p, expected, desired, mo, mo_fail)                                              \
	(SWEEP_STEP("cas " #p " = " #desired),                                                     \
	 atomic_compare_exchange_strong_explicit(p, expected, desired, memory_order_##mo,          \
						 memory_order_##mo_fail))

#ifdef SWEEP_CALLS

#include <dirent.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
/* A source has a static function of this name. */
#define shutdown sweep_libc_shutdown
#include <sys/socket.h>
#undef shutdown
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define fork() (SWEEP_STEP("fork()"), sweep_fork())
#define _exit(...) (SWEEP_STEP("_exit(" #__VA_ARGS__ ")"), _exit(__VA_ARGS__))
#define abort() (SWEEP_STEP("abort()"), abort())
#define getpid() (SWEEP_STEP("getpid()"), getpid())
#define getppid() (SWEEP_STEP("getppid()"), getppid())
#define pause() (SWEEP_STEP("pause()"), pause())
#define close(...) (SWEEP_STEP("close(" #__VA_ARGS__ ")"), close(__VA_ARGS__))
#define clock_getcpuclockid(...)                                                                   \
	(SWEEP_STEP("clock_getcpuclockid(" #__VA_ARGS__ ")"), clock_getcpuclockid(__VA_ARGS__))
#define clock_gettime(...)                                                                         \
	(SWEEP_STEP("clock_gettime(" #__VA_ARGS__ ")"), clock_gettime(__VA_ARGS__))
#define closedir(...) (SWEEP_STEP("closedir(" #__VA_ARGS__ ")"), closedir(__VA_ARGS__))
#define epoll_create1(...)                                                                         \
	(SWEEP_STEP("epoll_create1(" #__VA_ARGS__ ")"), epoll_create1(__VA_ARGS__))
#define epoll_ctl(...) (SWEEP_STEP("epoll_ctl(" #__VA_ARGS__ ")"), epoll_ctl(__VA_ARGS__))
#define epoll_wait(...) (SWEEP_STEP("epoll_wait(" #__VA_ARGS__ ")"), epoll_wait(__VA_ARGS__))
#define eventfd(...) (SWEEP_STEP("eventfd(" #__VA_ARGS__ ")"), eventfd(__VA_ARGS__))
#define fcntl(...) (SWEEP_STEP("fcntl(" #__VA_ARGS__ ")"), fcntl(__VA_ARGS__))
#define fflush(...) (SWEEP_STEP("fflush(" #__VA_ARGS__ ")"), fflush(__VA_ARGS__))
#define fstat(...) (SWEEP_STEP("fstat(" #__VA_ARGS__ ")"), fstat(__VA_ARGS__))
#define getpriority(...) (SWEEP_STEP("getpriority(" #__VA_ARGS__ ")"), getpriority(__VA_ARGS__))
#define getrlimit(...) (SWEEP_STEP("getrlimit(" #__VA_ARGS__ ")"), getrlimit(__VA_ARGS__))
#define kill(...) (SWEEP_STEP("kill(" #__VA_ARGS__ ")"), kill(__VA_ARGS__))
#define madvise(...) (SWEEP_STEP("madvise(" #__VA_ARGS__ ")"), madvise(__VA_ARGS__))
#define mincore(...) (SWEEP_STEP("mincore(" #__VA_ARGS__ ")"), mincore(__VA_ARGS__))
#define mmap(...) (SWEEP_STEP("mmap(" #__VA_ARGS__ ")"), mmap(__VA_ARGS__))
#define mprotect(...) (SWEEP_STEP("mprotect(" #__VA_ARGS__ ")"), mprotect(__VA_ARGS__))
#define munlock(...) (SWEEP_STEP("munlock(" #__VA_ARGS__ ")"), munlock(__VA_ARGS__))
#define munmap(...) (SWEEP_STEP("munmap(" #__VA_ARGS__ ")"), munmap(__VA_ARGS__))
#define nanosleep(...) (SWEEP_STEP("nanosleep(" #__VA_ARGS__ ")"), nanosleep(__VA_ARGS__))
#define nice(...) (SWEEP_STEP("nice(" #__VA_ARGS__ ")"), nice(__VA_ARGS__))
#define open(...) (SWEEP_STEP("open(" #__VA_ARGS__ ")"), open(__VA_ARGS__))
#define opendir(...) (SWEEP_STEP("opendir(" #__VA_ARGS__ ")"), opendir(__VA_ARGS__))
#define pipe2(...) (SWEEP_STEP("pipe2(" #__VA_ARGS__ ")"), pipe2(__VA_ARGS__))
#define ppoll(...) (SWEEP_STEP("ppoll(" #__VA_ARGS__ ")"), ppoll(__VA_ARGS__))
#define poll(...) (SWEEP_STEP("poll(" #__VA_ARGS__ ")"), poll(__VA_ARGS__))
#define prctl(...) (SWEEP_STEP("prctl(" #__VA_ARGS__ ")"), prctl(__VA_ARGS__))
#define pthread_create(...)                                                                        \
	(SWEEP_STEP("pthread_create(" #__VA_ARGS__ ")"), pthread_create(__VA_ARGS__))
#define pthread_detach(...)                                                                        \
	(SWEEP_STEP("pthread_detach(" #__VA_ARGS__ ")"), pthread_detach(__VA_ARGS__))
#define pthread_join(...) (SWEEP_STEP("pthread_join(" #__VA_ARGS__ ")"), pthread_join(__VA_ARGS__))
#define pthread_setname_np(...)                                                                    \
	(SWEEP_STEP("pthread_setname_np(" #__VA_ARGS__ ")"), pthread_setname_np(__VA_ARGS__))
#define pthread_sigmask(...)                                                                       \
	(SWEEP_STEP("pthread_sigmask(" #__VA_ARGS__ ")"), pthread_sigmask(__VA_ARGS__))
#define pthread_tryjoin_np(...)                                                                    \
	(SWEEP_STEP("pthread_tryjoin_np(" #__VA_ARGS__ ")"), pthread_tryjoin_np(__VA_ARGS__))
#define ptrace(...) (SWEEP_STEP("ptrace(" #__VA_ARGS__ ")"), ptrace(__VA_ARGS__))
#define raise(...) (SWEEP_STEP("raise(" #__VA_ARGS__ ")"), raise(__VA_ARGS__))
#define read(...) (SWEEP_STEP("read(" #__VA_ARGS__ ")"), read(__VA_ARGS__))
#define readdir(...) (SWEEP_STEP("readdir(" #__VA_ARGS__ ")"), readdir(__VA_ARGS__))
#define recvmsg(...) (SWEEP_STEP("recvmsg(" #__VA_ARGS__ ")"), recvmsg(__VA_ARGS__))
#define sched_getaffinity(...)                                                                     \
	(SWEEP_STEP("sched_getaffinity(" #__VA_ARGS__ ")"), sched_getaffinity(__VA_ARGS__))
#define sched_setaffinity(...)                                                                     \
	(SWEEP_STEP("sched_setaffinity(" #__VA_ARGS__ ")"), sched_setaffinity(__VA_ARGS__))
#define sendmsg(...) (SWEEP_STEP("sendmsg(" #__VA_ARGS__ ")"), sendmsg(__VA_ARGS__))
#define setpgid(...) (SWEEP_STEP("setpgid(" #__VA_ARGS__ ")"), setpgid(__VA_ARGS__))
#define setpriority(...) (SWEEP_STEP("setpriority(" #__VA_ARGS__ ")"), setpriority(__VA_ARGS__))
#define setrlimit(...) (SWEEP_STEP("setrlimit(" #__VA_ARGS__ ")"), setrlimit(__VA_ARGS__))
#define signal(...) (SWEEP_STEP("signal(" #__VA_ARGS__ ")"), signal(__VA_ARGS__))
#define signalfd(...) (SWEEP_STEP("signalfd(" #__VA_ARGS__ ")"), signalfd(__VA_ARGS__))
#define sigaction(...) (SWEEP_STEP("sigaction(" #__VA_ARGS__ ")"), sigaction(__VA_ARGS__))
#define sigpending(...) (SWEEP_STEP("sigpending(" #__VA_ARGS__ ")"), sigpending(__VA_ARGS__))
#define sigprocmask(...) (SWEEP_STEP("sigprocmask(" #__VA_ARGS__ ")"), sigprocmask(__VA_ARGS__))
#define socketpair(...) (SWEEP_STEP("socketpair(" #__VA_ARGS__ ")"), socketpair(__VA_ARGS__))
#define syscall(...) (SWEEP_STEP("syscall(" #__VA_ARGS__ ")"), syscall(__VA_ARGS__))
#define timer_create(...) (SWEEP_STEP("timer_create(" #__VA_ARGS__ ")"), timer_create(__VA_ARGS__))
#define timer_settime(...)                                                                         \
	(SWEEP_STEP("timer_settime(" #__VA_ARGS__ ")"), timer_settime(__VA_ARGS__))
#define waitid(...) (SWEEP_STEP("waitid(" #__VA_ARGS__ ")"), waitid(__VA_ARGS__))
#define waitpid(...) (SWEEP_STEP("waitpid(" #__VA_ARGS__ ")"), waitpid(__VA_ARGS__))
#define write(...) (SWEEP_STEP("write(" #__VA_ARGS__ ")"), write(__VA_ARGS__))
#endif

#endif
