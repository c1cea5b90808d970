/* SPDX-License-Identifier: MIT */
/*
 * The world of a process pool: its sources run as they are, over processes that are threads of the
 * model.
 *
 * PROCESSES  A worker is a thread that runs the real creel__work(), on the parent's heap and
 *            variables, and shares with it what the real one shares. It dies where it calls
 *            _exit(), or where it is killed, at any point or a few steps later; what it has
 *            allocated is gone then, and the parent hears of it afterwards. One worker at a time:
 *            the state of procs/work.c is one process's.
 * SERVER     Answers at once: it is in the sender's call. News wait in a list, as in the socket.
 * NOT HERE   procs/bell.c, child.c, code.c, frame.c, leave.c and start.c, which talk to the
 *            system; the server's own death; workers side by side, large results, SIGTERM and a
 *            grace (kill_sweep has those).
 */
#include "procs_world.h"
#include "engine.h"
#include "base/cgroup.h"
#include "base/fd.h"
#include "procs/bell.h"
#include "procs/code.h"
#include "procs/work.h"
#include "procs_calls.h"
#include "sync/unshare.h"
#include <string.h>

#undef close

enum { NEWS = 16, WORKERS = 4, SPACE = 256 * 1024 };

struct process {
	struct creel__child child;
	struct creel__frame order;
	int thread, status; /* a wait status */
	bool lives, told;   /* told: the parent hears of its birth */
	bool open;          /* its pidfd, in the parent */
};

static struct {
	bool may_kill, quitting, rung;
	struct creel__frame news[NEWS];
	int fds[NEWS], first, last;
	struct process processes[WORKERS];
	int born, killed;
	size_t mapped;
	struct creel__child child; /* what the server has in its memory */
} world;

static unsigned char space[SPACE] __attribute__((aligned(4096)));

void world_reset(bool may_kill)
{
	memset(&world, 0, sizeof world);
	memset(space, 0, sizeof space);
	world.may_kill = may_kill;
}

int world_born(void)
{
	return world.born;
}

int world_killed(void)
{
	return world.killed;
}

/* Who waits in epoll_wait() sleeps on the world. */
static void wake_parent(void)
{
	model_order_publish(&world);
	model_unblock(&world, MODEL_PARKED, true);
}

static void tell(const struct creel__frame *order, char type, int status, int fd)
{
	if (world.last == NEWS)
		model_fail("harness", "more than %d messages", NEWS);
	struct creel__frame *f = &world.news[world.last];
	*f = *order;
	f->type = type;
	f->status = status;
	f->pid = MODEL_PID;
	world.fds[world.last++] = fd;
	wake_parent();
}

/* By the server: at once, or when the worker has begun to live. */
static void tell_birth(struct process *w)
{
	if (w->told)
		return;
	w->told = w->open = true;
	tell(&w->order, CREEL__FRAME_BORN, 0, MODEL_WORKER + (int)(w - world.processes));
}

static void died(void *process)
{
	struct process *w = process;
	tell_birth(w);
	w->lives = false;
	world.killed += WIFSIGNALED(w->status);
	tell(&w->order, CREEL__FRAME_DEAD, w->status, -1);
}

static void *live(void *process)
{
	struct process *w = process;
	model_point(&world, NULL, NULL);
	tell_birth(w);
	creel__work(&w->child, w->order.worker, w->order.incarnation);
}

static void spawn(const struct creel__frame *order)
{
	if (world.born == WORKERS)
		model_fail("harness", "more than %d workers", WORKERS);
	for (int i = 0; i < world.born; i++)
		if (world.processes[i].lives)
			model_fail("assertion", "a second worker is ordered");
	struct process *w = &world.processes[world.born++];
	*w = (struct process){
		.child = world.child, .order = *order, .status = SIGKILL, .lives = true};
	w->thread = model_process_new(live, w, died);
	if (!world.may_kill || model_choose(2) == 0)
		tell_birth(w);
	model_point(&world, NULL, NULL);
}

/* Workers ring the same bell as the parent does. */
int creel__bell_make(int ret_ends[2])
{
	ret_ends[0] = ret_ends[1] = MODEL_BELL;
	return 0;
}

void creel__bell_hush(int fd)
{
	model_check(fd == MODEL_BELL);
	model_point(&world, "reads the bell", __builtin_return_address(0));
	model_order_observe(&world);
	world.rung = false;
}

static void ring(const void *pc)
{
	model_point(&world, "rings", pc);
	world.rung = true;
	wake_parent();
}

void creel__bell_kick(int fd)
{
	model_check(fd == MODEL_BELL);
	ring(__builtin_return_address(0));
}

void creel__bell_ring(int fd)
{
	model_check(fd == MODEL_BELL);
	ring(__builtin_return_address(0));
}

void creel__child_flush(void)
{
}

void creel__child_leave(int status)
{
	model_exit(status);
}

/* The server's end. */

int creel__server_fork(struct creel__child *c, creel_deadline deadline,
		       struct creel__served *ret_served, const char **ret_what)
{
	(void)deadline;
	(void)ret_what;
	world.child = *c;
	*ret_served = (struct creel__served){MODEL_SOCKET, MODEL_SERVER, MODEL_PID};
	return 0;
}

int creel__frame_send(int socket, const struct creel__frame *frame, int fd, int flags)
{
	(void)fd;
	(void)flags;
	model_check(socket == MODEL_SOCKET);
	model_point(&world, "orders of the server", __builtin_return_address(0));
	model_order_publish(&world);
	if (frame->type == CREEL__FRAME_SPAWN)
		spawn(frame);
	else if (frame->type == CREEL__FRAME_QUIT)
		world.quitting = true;
	else
		model_fail("harness", "an order of sort %c", frame->type);
	return 0;
}

int creel__frame_receive(int socket, struct creel__frame *ret_frame, int *ret_fd, int flags)
{
	model_check(socket == MODEL_SOCKET);
	(void)flags;
	*ret_fd = -1;
	model_point(&world, "hears of the server", __builtin_return_address(0));
	model_order_observe(&world);
	if (world.first == world.last)
		return -EAGAIN;
	*ret_fd = world.fds[world.first];
	*ret_frame = world.news[world.first++];
	return 1;
}

int creel__pidfd_open(pid_t pid)
{
	(void)pid;
	return MODEL_OTHER;
}

static struct process *worker_of(int pidfd)
{
	struct process *w = &world.processes[pidfd - MODEL_WORKER];
	model_check(w->open);
	return w;
}

void world_end(void)
{
	for (int i = 0; i < world.born; i++)
		model_check(!world.processes[i].lives && !world.processes[i].open);
}

static void kill_worker(struct process *w, int signal)
{
	w->status = signal;
	model_process_kill(w->thread);
}

int creel__pidfd_kill(int pidfd, int signal)
{
	model_point(&world, "kills", __builtin_return_address(0));
	model_check(world.may_kill && pidfd >= MODEL_WORKER);
	kill_worker(worker_of(pidfd), signal);
	return 0;
}

void world_kill_worker(void)
{
	model_point(&world, "kills from outside", __builtin_return_address(0));
	for (int i = 0; i < world.born; i++)
		if (world.processes[i].lives)
			kill_worker(&world.processes[i], SIGKILL);
}

bool creel__read_text(char *text, size_t size, const char *path)
{
	(void)size;
	(void)path;
	text[0] = 0;
	return false;
}

int creel__fd_raise(int fd)
{
	return fd;
}

/* Nobody takes descriptors away. */
struct creel__fd_mark creel__fd_mark(int fd)
{
	(void)fd;
	return (struct creel__fd_mark){0};
}

bool creel__fd_is(int fd, const struct creel__fd_mark *mark)
{
	(void)mark;
	return fd >= MODEL_BELL;
}

/* Nobody forks. */
int creel__unshare(struct creel__unshared *u, int fd)
{
	(void)u;
	(void)fd;
	return 0;
}

void creel__unshare_end(struct creel__unshared *u)
{
	(void)u;
}

/* Which functions the workers have: all. */
struct creel__code *creel__code_new(void)
{
	static struct creel__code code;
	return &code;
}

void creel__code_free(struct creel__code *code)
{
	(void)code;
}

bool creel__code_settled(const struct creel__code *code)
{
	(void)code;
	return true;
}

bool creel__code_equal(const struct creel__code *a, const struct creel__code *b)
{
	return a == b;
}

bool creel__code_same(const struct creel__code *then, const struct creel__code *now,
		      const void *address)
{
	(void)address;
	return then == now;
}

const char *creel__code_library(const struct creel__code *code, const void *address)
{
	(void)code;
	(void)address;
	return "";
}

void creel__server_undo(struct creel__served *served)
{
	(void)served;
}

bool creel__code_has(const struct creel__code *code, const void *address)
{
	(void)code;
	(void)address;
	return true;
}

/* The system. */

int model_waitid(int type, id_t id, siginfo_t *ret_info, int flags)
{
	(void)type;
	(void)id;
	(void)ret_info;
	(void)flags;
	return 0;
}

int model_eventfd(unsigned count, int flags)
{
	(void)count;
	(void)flags;
	return MODEL_BELL;
}

int model_epoll_create1(int flags)
{
	(void)flags;
	return MODEL_EPOLL;
}

int model_epoll_ctl(int epoll, int what, int fd, struct epoll_event *event)
{
	(void)what;
	(void)event;
	model_check(epoll == MODEL_EPOLL && fd >= MODEL_BELL);
	return 0;
}

int model_epoll_wait(int epoll, struct epoll_event *ret_events, int most, int timeout)
{
	const void *pc = __builtin_return_address(0);
	int n = 0;
	model_check(epoll == MODEL_EPOLL && most >= 2);
	model_point(&world, NULL, pc);
	if (!world.rung && world.first == world.last && timeout) {
		model_trace(&world, pc, "waits for events");
		model_park(&world,
			   timeout < 0 ? INT64_MAX : model_clock + timeout * INT64_C(1000000));
	}
	model_order_observe(&world);
	if (world.rung)
		ret_events[n++].data.fd = MODEL_BELL;
	if (world.first != world.last)
		ret_events[n++].data.fd = MODEL_SOCKET;
	return n;
}

/* The server lives until it is asked to go. */
int model_poll(struct pollfd *fds, nfds_t n, int timeout)
{
	(void)timeout;
	model_check(n == 1 && fds->fd == MODEL_SERVER);
	return world.quitting;
}

void *model_mmap(void *at, size_t size, int access, int flags, int fd, off_t offset)
{
	(void)at;
	(void)access;
	(void)flags;
	(void)fd;
	(void)offset;
	size = (size + 4095) / 4096 * 4096;
	if (size > SPACE - world.mapped)
		model_fail("harness", "%zu bytes are more than the space that there is", size);
	world.mapped += size;
	return space + world.mapped - size;
}

int model_munmap(void *at, size_t size)
{
	(void)at;
	(void)size;
	return 0;
}

int model_madvise(void *at, size_t size, int advice)
{
	(void)at;
	(void)size;
	(void)advice;
	return 0;
}

int model_open(const char *path, int flags, ...)
{
	(void)path;
	(void)flags;
	errno = ENOENT;
	return -1;
}

int model_close(int fd)
{
	model_check(fd >= MODEL_BELL);
	if (fd >= MODEL_WORKER)
		worker_of(fd)->open = false;
	return 0;
}

ssize_t model_read(int fd, void *data, size_t size)
{
	(void)data;
	model_check(fd == MODEL_BELL);
	model_point(&world, "reads the bell", __builtin_return_address(0));
	model_order_observe(&world);
	world.rung = false;
	return (ssize_t)size;
}

ssize_t model_write(int fd, const void *data, size_t size)
{
	(void)data;
	model_check(fd == MODEL_BELL);
	ring(__builtin_return_address(0));
	return (ssize_t)size;
}

long model_syscall(long number, ...)
{
	model_check(number == SYS_write);
	ring(__builtin_return_address(0));
	return sizeof(uint64_t);
}

static struct process *self(void)
{
	for (int i = 0; i < world.born; i++)
		if (world.processes[i].lives && world.processes[i].thread == model_current)
			return &world.processes[i];
	model_fail("assertion", "the parent ends itself");
}

void model_exit(int status)
{
	self()->status = status << 8;
	model_process_die();
}

void model_abort(void)
{
	self()->status = SIGABRT;
	model_process_die();
}

/* Until it is killed. */
int model_pause(void)
{
	model_block(&world.processes);
	return -1;
}
