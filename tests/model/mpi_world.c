/* SPDX-License-Identifier: MIT */
/*
 * The serving ranks, and the messages between them and rank 0: in the place of lib/mpi/port.c, of
 * identity.c, and of what of world.c rank 0's queue needs.
 *
 * RANKS    A rank is no thread. When rank 0 looks for messages, the explorer chooses what a rank
 *          has done by then: a task has ended, was returned, or ended as cancelled, a large one
 *          was fetched; or nothing yet. What rank 0 has sent since does not forbid what the rank
 *          may have sent before, so all orders of messages that cross are there.
 * CHECKED  A rank never gets a task that it has, and runs none twice; it has none when the job is
 *          over.
 */
#include "mpi_world.h"
#include "base/alloc.h"
#include "mpi/failure.h"
#include "mpi/root.h"
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { TASKS = 8, NUMBERS = 16, RECORDS = 16, FLIGHTS = 4, INBOX = 4096 };

struct held {
	uint64_t id;
	long number;
	bool wanting, fetching; /* a large argument has not come; it was asked for */
	bool cancelled;
};

static struct rank {
	struct held tasks[TASKS];
	int n;
	int64_t recall; /* so many at most; -1: nothing was asked for */
	uint64_t large; /* the task whose large result rank 0 knows of, or 0 */
	bool out;
} ranks[3];

/* What rank 0 has said, and not flushed. */
static struct said {
	int rank;
	struct creel__mpi_record r;
	long number;
} said[RECORDS];

/* Of rank 0: large payloads under way. */
static struct flight {
	int rank;
	void *into; /* NULL: rank 0 sends it */
	uint64_t id;
	bool goes; /* the other side is there, too */
	void (*landed)(void *arg);
	void *arg;
} flights[FLIGHTS];

static struct world_rules rules;
static int said_count, flight_count, delays_left, ran[NUMBERS];
static size_t inbox_used;
static _Alignas(8) unsigned char inbox[INBOX];

int world_ran(long number)
{
	return ran[number];
}

/* Identities. */

unsigned long long creel__mpi_unloads(void)
{
	return 0;
}

bool creel__mpi_identify(creel_fn fn, struct creel__mpi_identity *ret)
{
	memset(ret, 0, sizeof *ret);
	return fn;
}

_Noreturn void creel__mpi_abort(struct creel__mpi_world *w, const char *format, ...)
{
	char what[200];
	va_list args;
	(void)w;
	va_start(args, format);
	vsnprintf(what, sizeof what, format, args);
	va_end(args);
	model_fail("abort", "%s", what);
}

/* What a rank says. */

static void say(const struct creel__mpi_record *r, const void *data)
{
	memcpy(inbox + inbox_used, r, sizeof *r);
	if (r->size && r->size <= CREEL__MPI_INLINE)
		memcpy(inbox + inbox_used + sizeof *r, data, r->size);
	inbox_used += creel__mpi_record_size(r);
}

static struct held drop(struct rank *rank, int i)
{
	struct held was = rank->tasks[i];
	for (rank->n--; i < rank->n; i++)
		rank->tasks[i] = rank->tasks[i + 1];
	return was;
}

static void say_failure(uint64_t id, int kind, int code)
{
	_Alignas(8) unsigned char packed[512];
	creel_future *f = creel_future_failed(kind, code, "of a rank");
	const creel_error *e = creel_future_error(f);
	creel__mpi_failure_pack(e, NULL, packed);
	say(&(struct creel__mpi_record){.kind = CREEL__MPI_FAILURE,
					.id = id,
					.size = creel__mpi_failure_size(e, NULL)},
	    packed);
	creel_future_unref(f);
}

static void say_end(struct rank *rank, int i)
{
	struct held t = drop(rank, i);
	ran[t.number]++;
	if (rules.large)
		rank->large = t.id;
	say(&(struct creel__mpi_record){.kind = CREEL__MPI_RESULT,
					.id = t.id,
					.size = rules.large ? WORLD_LARGE : sizeof t.number},
	    &t.number);
}

static void say_cancelled(struct rank *rank, int i)
{
	say_failure(drop(rank, i).id, CREEL_KIND_CANCELLED, -ECANCELED);
}

/* All that have not started, or all but one that has. */
static void say_returned(struct rank *rank)
{
	int most = rank->n < rank->recall ? rank->n : (int)rank->recall;
	int n = most - (most && model_choose(2));
	for (int i = 0; i < n; i++)
		say(&(struct creel__mpi_record){.kind = CREEL__MPI_RETURNED,
						.id = drop(rank, rank->n - 1).id},
		    NULL);
	say(&(struct creel__mpi_record){.kind = CREEL__MPI_RECALLED, .number = n}, NULL);
	rank->recall = -1;
}

static void say_out(struct rank *rank)
{
	static const char why[] = "lost";
	rank->out = true;
	say(&(struct creel__mpi_record){.kind = CREEL__MPI_OUT, .size = sizeof why}, why);
}

static void say_fetch(struct held *t)
{
	t->fetching = true;
	say(&(struct creel__mpi_record){.kind = CREEL__MPI_FETCH, .id = t->id}, NULL);
}

static bool may_act(const struct rank *rank)
{
	return !rank->large && (rank->n || rank->recall >= 0);
}

/* One of what the rank may do now. False: there is nothing, or nothing yet. */
static bool act(struct rank *rank)
{
	int may[4], n = 0, i = 0;
	enum { WAITS, ENDS, RETURNS, GOES_OUT };
	if (!may_act(rank))
		return false;
	if (rank->n)
		i = (int)model_choose((unsigned)(rank->n < 2 ? rank->n : 2));
	struct held *t = &rank->tasks[i];
	if (rank->n && !(t->fetching && t->wanting) && (!rules.hangs || t->cancelled))
		may[n++] = ENDS;
	if (rank->recall >= 0)
		may[n++] = RETURNS;
	if (rules.loses && !rank->out && rank == &ranks[rules.ranks - 1])
		may[n++] = GOES_OUT;
	if (delays_left > 0)
		may[n++] = WAITS;
	switch (n ? may[model_choose((unsigned)n)] : WAITS) {
	case WAITS:
		delays_left--;
		return false;
	case RETURNS:
		say_returned(rank);
		return true;
	case GOES_OUT:
		say_out(rank);
		return true;
	default:
		break;
	}
	if (rank->out)
		say_failure(drop(rank, i).id, CREEL_KIND_BROKEN, CREEL_EFAILED);
	else if (t->cancelled && (rules.hangs || model_choose(2)))
		say_cancelled(rank, i);
	else if (t->wanting)
		say_fetch(t);
	else
		say_end(rank, i);
	return true;
}

/* What a rank hears. */

static struct held *find(struct rank *rank, uint64_t id)
{
	for (int i = 0; i < rank->n; i++)
		if (rank->tasks[i].id == id)
			return &rank->tasks[i];
	return NULL;
}

static void add_task(struct rank *rank, const struct said *s)
{
	model_check(!find(rank, s->r.id));
	model_check(rank->n < TASKS);
	model_check(ran[s->number] == 0);
	rank->tasks[rank->n++] = (struct held){
		.id = s->r.id, .number = s->number, .wanting = s->r.size > CREEL__MPI_INLINE};
}

static void hear(struct rank *rank, const struct said *s)
{
	struct held *t = find(rank, s->r.id);
	switch (s->r.kind) {
	case CREEL__MPI_TASK:
		add_task(rank, s);
		return;
	case CREEL__MPI_CANCEL:
	case CREEL__MPI_KILL:
		if (t)
			t->cancelled = true;
		return;
	case CREEL__MPI_RECALL:
		rank->recall = s->r.number > TASKS ? TASKS : s->r.number;
		return;
	case CREEL__MPI_FETCH:
		model_check(rank->large == s->r.id);
		for (int i = 0; i < flight_count; i++)
			flights[i].goes |= flights[i].id == s->r.id;
		rank->large = 0;
		return;
	case CREEL__MPI_DROP:
		model_check(rank->large == s->r.id);
		rank->large = 0;
		return;
	case CREEL__MPI_BYE:
		model_check(rank->n == 0 && !rank->large);
		return;
	default:
		return;
	}
}

/* The port. */

int creel__port_put(struct creel__port *port, int peer, const struct creel__mpi_record *record,
		    const void *data)
{
	(void)port;
	model_check(said_count < RECORDS);
	struct said *s = &said[said_count++];
	*s = (struct said){.rank = peer, .r = *record};
	if (record->kind == CREEL__MPI_TASK)
		memcpy(&s->number, data, sizeof s->number);
	return 0;
}

bool creel__port_flush(struct creel__port *port)
{
	bool any = said_count;
	(void)port;
	for (int i = 0; i < said_count; i++)
		hear(&ranks[said[i].rank - 1], &said[i]);
	said_count = 0;
	return any;
}

static int launch(struct flight flight)
{
	model_check(flight_count < FLIGHTS);
	flights[flight_count++] = flight;
	return 0;
}

/* The rank has asked for the argument: it has the task. */
int creel__port_send(struct creel__port *port, int peer, const void *data, uint64_t size,
		     void (*landed)(void *arg), void *arg)
{
	long number;
	(void)port;
	memcpy(&number, data, sizeof number);
	model_check(size == WORLD_LARGE);
	struct rank *rank = &ranks[peer - 1];
	for (int i = 0; i < rank->n; i++)
		if (rank->tasks[i].number == number)
			return launch((struct flight){.rank = peer - 1,
						      .id = rank->tasks[i].id,
						      .goes = true,
						      .landed = landed,
						      .arg = arg});
	model_fail("assertion", "the argument of %ld is sent to nobody", number);
}

int creel__port_receive(struct creel__port *port, int peer, void *data, uint64_t size,
			void (*landed)(void *arg), void *arg)
{
	(void)port;
	(void)size;
	return launch((struct flight){.rank = peer - 1,
				      .into = data,
				      .id = ranks[peer - 1].large,
				      .landed = landed,
				      .arg = arg});
}

static void land(struct flight f)
{
	struct held *t = find(&ranks[f.rank], f.id);
	if (f.into)
		memset(f.into, 1, WORLD_LARGE);
	else if (t)
		t->wanting = false;
	f.landed(f.arg);
}

bool creel__port_progress(struct creel__port *port)
{
	(void)port;
	for (int i = 0; i < flight_count; i++) {
		if (!flights[i].goes)
			continue;
		if (delays_left > 0 && model_choose(2)) {
			delays_left--;
			return false;
		}
		struct flight f = flights[i];
		flights[i] = flights[--flight_count];
		land(f);
		return true;
	}
	return false;
}

bool creel__port_next(struct creel__port *port, int *ret_peer, const unsigned char **ret_data,
		      size_t *ret_size)
{
	(void)port;
	inbox_used = 0;
	int first = rules.ranks > 1 && may_act(&ranks[0]) && may_act(&ranks[1])
			    ? (int)model_choose(2)
			    : 0;
	for (int n = 0; n < rules.ranks; n++) {
		int i = (first + n) % rules.ranks;
		if (!act(&ranks[i]))
			continue;
		*ret_peer = i + 1;
		*ret_data = inbox;
		*ret_size = inbox_used;
		return true;
	}
	return false;
}

bool creel__port_is_quiet(const struct creel__port *port)
{
	(void)port;
	return flight_count == 0 && said_count == 0;
}

/* The job. */

void world_begin(const struct world_rules *r)
{
	static struct creel__mpi_peer peers[4];
	struct creel__mpi_world *w = &creel__mpi_world;
	rules = *r;
	said_count = flight_count = 0;
	delays_left = rules.delays;
	memset(ran, 0, sizeof ran);
	memset(ranks, 0, sizeof ranks);
	memset(peers, 0, sizeof peers);
	memset(w, 0, sizeof *w);
	for (int i = 0; i < rules.ranks; i++) {
		ranks[i].recall = -1;
		peers[i + 1].workers = 1;
		peers[i + 1].interval = rules.interval_ns;
	}
	w->size = rules.ranks + 1;
	w->pid = getpid();
	w->initialized = true;
	w->options.nap_ns = CREEL_MS(1);
	w->options.budget = WORLD_LARGE;
	w->peers = peers;
	model_check(creel__mpi_root_start(w) == 0);
}

void world_stop(void)
{
	creel__mpi_root_stop(&creel__mpi_world);
}

void world_end(void)
{
	const struct creel__mpi_world *w = &creel__mpi_world;
	model_check(w->items == 0 && !w->queue.first && !w->asked);
	for (int i = 0; i < CREEL__MPI_KNOWN; i++)
		model_check(!w->known[i]);
	for (int i = 0; i < rules.ranks; i++)
		model_check(ranks[i].n == 0 && w->peers[i + 1].items == 0);
	model_check(flight_count == 0);
	creel__free(w->fns);
}
