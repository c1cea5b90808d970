/* SPDX-License-Identifier: MIT */
/*
 * Lets the process pool run under valgrind, whose versions before 3.21 refuse pidfd_open() and
 * pidfd_send_signal() with ENOSYS. Linked into the test programs of a memcheck build (tests/run
 * memcheck) and no others, with -Wl,--wrap=syscall: the library is what it always is.
 *
 * ALGORITHM  Valgrind translates all code that it runs, and so sees every system call; but a client
 *            request makes it call a function on the real processor (VALGRIND_NON_SIMD_CALL). A
 *            system call that is made there is the kernel's answer alone. The function must use
 *            neither libc nor thread-local data (the thread register is valgrind's own), and must
 *            not block, as valgrind runs nothing else meanwhile.
 *            A descriptor that was made there is one like others for the calls that follow.
 * LEAKS      Looked for when a test has returned (plain.c), and when a program ends, but not where
 *            a forked child ends: it has the memory of threads that it does not have. And in a
 *            worker, looking would read, and so allocate, all of the pool's shared memory.
 */
#include "memcheck.h"

#include <errno.h>
#include <stdarg.h>
#include <stdbool.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <valgrind/memcheck.h>

#ifndef SYS_pidfd_open
#define SYS_pidfd_open 434
#endif
#ifndef SYS_pidfd_send_signal
#define SYS_pidfd_send_signal 424
#endif

enum { ARGUMENTS = 6 };

struct call {
	long number;
	long argument[ARGUMENTS];
};

/* On the real processor. The thread's number is valgrind's first argument to such functions. */
static long call_kernel(unsigned long thread, const struct call *call)
{
	const long *argument = call->argument;
	(void)thread;
#if defined(__x86_64__)
	register long fourth __asm__("r10") = argument[3];
	long result = call->number;
	__asm__ volatile("syscall"
			 : "+a"(result)
			 : "D"(argument[0]), "S"(argument[1]), "d"(argument[2]), "r"(fourth)
			 : "rcx", "r11", "memory");
	return result;
#elif defined(__aarch64__)
	register long number __asm__("x8") = call->number;
	register long first __asm__("x0") = argument[0];
	register long second __asm__("x1") = argument[1];
	register long third __asm__("x2") = argument[2];
	register long fourth __asm__("x3") = argument[3];
	__asm__ volatile("svc 0"
			 : "+r"(first)
			 : "r"(number), "r"(second), "r"(third), "r"(fourth)
			 : "memory");
	return first;
#else
#error "memcheck of the process pool: no system calls known for this processor"
#endif
}

long __real_syscall(long number, ...);
long __wrap_syscall(long number, ...);

long __wrap_syscall(long number, ...)
{
	struct call call = {.number = number};
	va_list list;
	va_start(list, number);
	for (int i = 0; i < ARGUMENTS; i++)
		call.argument[i] = va_arg(list, long);
	va_end(list);
	const long *a = call.argument;
	bool refused = number == SYS_pidfd_open || number == SYS_pidfd_send_signal;
	if (!refused || !RUNNING_ON_VALGRIND)
		return __real_syscall(number, a[0], a[1], a[2], a[3], a[4], a[5]);
	long result = (long)VALGRIND_NON_SIMD_CALL1(call_kernel, &call);
	if (result >= 0)
		return result;
	errno = (int)-result;
	return -1;
}

static pid_t program;

__attribute__((constructor)) static void remember_program(void)
{
	program = getpid();
}

void ct_look_for_leaks(void)
{
	VALGRIND_DO_LEAK_CHECK;
}

__attribute__((destructor)) static void look_at_the_end(void)
{
	if (getpid() == program)
		ct_look_for_leaks();
}
