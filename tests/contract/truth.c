/* SPDX-License-Identifier: MIT */
/*
 * Promises 36, 37 and 55: the truth tables of all combinators, on every executor. The tables are
 * written by hand, from the headers. An input is a task that succeeds, fails, is cancelled before
 * it starts, is timed out, has succeeded before the combinator is made, or never ends.
 *
 * ORDER   An input starts when the test settles a promise. A callback that is added behind the
 *         combinators says that they have heard of its end; only then the next input may end.
 */
#include "contract.h"

#include <creel/typed.h>
#include <string.h>

enum state { SUCCEEDS, FAILS, IS_CANCELLED, TIMES_OUT, IS_DONE, NEVER, STATES };

/* What creel_future_result() says of them. */
static const int code_of[STATES] = {0, CREEL_EFAILED, -ECANCELED, CREEL_EFAILED, 0, -ETIMEDOUT};

struct input {
	enum state does;
	creel_future *start, *f;
	creel_clock *clock; /* of TIMES_OUT */
	struct ct_count *told;
	long value;
};

static void input_open(struct input *in, creel_executor *ex, enum state does, int i)
{
	*in = (struct input){.does = does, .start = creel_promise_new(), .value = 100 + i};
	int code = -10 - i;
	in->f = does == FAILS ? creel_then(in->start, ex, task_fail, &code, sizeof code)
			      : creel_then(in->start, ex, task_same, &in->value, sizeof in->value);
	if (does == TIMES_OUT) {
		creel_future *f = in->f;
		in->clock = creel_clock_new(CREEL_CLOCK_MANUAL);
		in->f = creel_timeout(f, in->clock, creel_clock_in(in->clock, 1),
				      CREEL_CANCEL_REST);
		creel_future_unref(f);
	}
	if (does == IS_DONE) {
		ct_int(creel_promise_set_result(in->start, NULL, 0), 0);
		ct_int(ct_outcome(in->f), 0);
	}
}

/* Once the combinators have been made. */
static void input_watch(struct input *in)
{
	in->told = ct_count_new();
	ct_int(creel_future_on_done(in->f, NULL, done_count, in->told, NULL, NULL), 0);
}

/* Returns when all who wait for it have heard of it. */
static void input_end(struct input *in)
{
	if (in->does == SUCCEEDS || in->does == FAILS)
		ct_int(creel_promise_set_result(in->start, NULL, 0), 0);
	else if (in->does == IS_CANCELLED)
		creel_future_cancel(in->f);
	else if (in->does == TIMES_OUT)
		ct_int(creel_clock_advance(in->clock, 1), 0);
	if (in->does != NEVER)
		ct_count_await(in->told, 1);
}

static void input_close(struct input *in)
{
	creel_future_cancel(in->f);
	creel_future_unref(in->f);
	creel_future_unref(in->start);
	creel_clock_unref(in->clock);
}

/* Whether f, which has ended or soon will, ends as the input did: with its value or its error. */
static bool ends_as(creel_future *f, const struct input *in)
{
	if (ct_outcome(f) != code_of[in->does])
		return false;
	if (code_of[in->does])
		return creel_future_error(f) == creel_future_error(in->f);
	return ct_long(f) == in->value;
}

/*
 * AGGREGATES   A row: the input that ends first. A column: the other one. A letter: it ends with
 *              the array (A), as the one that ends first (1) or second (2), as the first one of the
 *              array (0), with all errors (X), cancelled (C), or not (.). What has ended already
 *              counts as first.
 */
enum combinator { ALL, SETTLED, ANY, RACE, COMBINATORS };

static const struct {
	const char *name;
	creel_future *(*make)(creel_future *const *inputs, size_t n, unsigned flags);
	const char *ends[STATES];
} aggregates[COMBINATORS] = {
	/* The second one: succeeds, fails, is cancelled, times out, is done, never ends. */
	[ALL] = {"all",
		 creel_all,
		 {
			 [SUCCEEDS] = "A222A.",
			 [FAILS] = "111111",
			 [IS_CANCELLED] = "111111",
			 [TIMES_OUT] = "111111",
			 [IS_DONE] = "A222A.",
			 [NEVER] = ".222..",
		 }},
	[SETTLED] = {"all_settled",
		     creel_all_settled,
		     {
			     [SUCCEEDS] = "AAAAA.",
			     [FAILS] = "AAAAA.",
			     [IS_CANCELLED] = "AAAAA.",
			     [TIMES_OUT] = "AAAAA.",
			     [IS_DONE] = "AAAAA.",
			     [NEVER] = "......",
		     }},
	[ANY] = {"any",
		 creel_any,
		 {
			 [SUCCEEDS] = "111121",
			 [FAILS] = "2XXX2.",
			 [IS_CANCELLED] = "2XCX2.",
			 [TIMES_OUT] = "2XXX2.",
			 [IS_DONE] = "111101",
			 [NEVER] = "2...2.",
		 }},
	[RACE] = {"race",
		  creel_race,
		  {
			  [SUCCEEDS] = "111121",
			  [FAILS] = "111121",
			  [IS_CANCELLED] = "111121",
			  [TIMES_OUT] = "111121",
			  [IS_DONE] = "111101",
			  [NEVER] = "22222.",
		  }},
};

/* Two inputs, and which of them ends first. */
struct pair {
	struct input in[2];
	int first;
};

/* The input that a letter names; -1 if it names none. */
static int named(char letter, int first)
{
	return letter == '0' ? 0 : letter == '1' ? first : letter == '2' ? !first : -1;
}

static bool has_array(creel_future *f, const struct pair *p)
{
	const void *data;
	size_t size;
	if (creel_future_view(f, CREEL_NOW, &data, &size) || size != 2 * sizeof(creel_future *))
		return false;
	creel_future *const *inputs = data;
	return inputs[0] == p->in[0].f && inputs[1] == p->in[1].f;
}

static bool with_all_errors(creel_future *f, const struct pair *p)
{
	const creel_error *e = creel_future_error(f);
	return e && e->kind == CREEL_KIND_FAILED &&
	       creel_error_cause(e, 0) == creel_future_error(p->in[0].f) &&
	       creel_error_cause(e, 1) == creel_future_error(p->in[1].f) &&
	       !creel_error_cause(e, 2);
}

static bool aggregate_ends(creel_future *f, char letter, const struct pair *p)
{
	int i = named(letter, p->first);
	if (letter == '.')
		return creel_future_state(f) == CREEL_FUTURE_PENDING &&
		       creel_race_index(f) == -EAGAIN && creel_future_cancel(f) == CREEL_CANCEL_NOW;
	(void)ct_outcome(f);
	if (i >= 0)
		return creel_race_index(f) == i && ends_as(f, &p->in[i]);
	if (creel_race_index(f) != -ENOENT)
		return false;
	if (letter == 'A')
		return has_array(f, p);
	return letter == 'X' ? with_all_errors(f, p)
			     : creel_future_state(f) == CREEL_FUTURE_CANCELLED;
}

static long gathered(long n)
{
	return n;
}
CREEL_TYPED(gathered, long, long);

/* What is copied out, or not touched: the typed calls over an aggregate that is final or pends. */
static bool gathers(enum combinator c, creel_future *f, char letter, const struct pair *p)
{
	long all[2] = {-1, -1}, settled[2] = {-1, -1};
	int codes[2] = {1, 1}, i = named(letter, p->first);
	int end = letter == '.' ? -ETIMEDOUT : i >= 0 ? code_of[p->in[i].does] : 0;
	if (gathered_settled_results(f, CREEL_NOW, settled, codes, 2) != end)
		return false;
	for (i = 0; i < 2 && letter == 'A'; i++) {
		int code = code_of[p->in[i].does];
		if (codes[i] != code || settled[i] != (code ? -1 : p->in[i].value))
			return false;
		end = end ? end : code;
	}
	if (gathered_all_results(f, CREEL_NOW, all, 2) != end)
		return false;
	if (c == ALL && letter == 'A')
		return all[0] == p->in[0].value && all[1] == p->in[1].value;
	return c == SETTLED || (all[0] == -1 && codes[0] == 1);
}

/* Two inputs under all aggregates. */
static void pair_of(creel_executor *ex, enum state first, enum state second, int index_of_first)
{
	struct pair p = {.first = index_of_first};
	creel_future *f[COMBINATORS];
	for (int i = 0; i < 2; i++)
		input_open(&p.in[i], ex, i == p.first ? first : second, i);
	for (int c = 0; c < COMBINATORS; c++)
		f[c] = aggregates[c].make((creel_future *[]){p.in[0].f, p.in[1].f}, 2, 0);
	for (int i = 0; i < 2; i++)
		input_watch(&p.in[i]);
	input_end(&p.in[p.first]);
	input_end(&p.in[!p.first]);
	for (int c = 0; c < COMBINATORS; c++) {
		char letter = aggregates[c].ends[first][second];
		if ((c == ALL || c == SETTLED) && !gathers(c, f[c], letter, &p))
			ct_fail(__FILE__, __LINE__, "the results of %s(%d, %d), first %d: not %c",
				aggregates[c].name, first, second, p.first, letter);
		if (!aggregate_ends(f[c], letter, &p))
			ct_fail(__FILE__, __LINE__, "%s(%d, %d), first %d: not %c",
				aggregates[c].name, first, second, p.first, letter);
		creel_future_unref(f[c]);
	}
	input_close(&p.in[0]);
	input_close(&p.in[1]);
}

CASE(c36_aggregates_and_gathered_results_are_as_the_table_says, 0)
{
	creel_executor *ex = ct_executor();
	for (int i = 0; i < STATES * STATES * 2; i++)
		pair_of(ex, i / 2 / STATES, i / 2 % STATES, i % 2);
	ct_close(ex);
}

/*
 * CONTINUATIONS   A row: the input. A column: fn succeeds; fn fails; the continuation is cancelled
 *                 while it waits. A letter: it ends with the result (r) or the error (e) of fn; as
 *                 its input, without fn (i) or after fn (I); as cancelled, without fn (c) or after
 *                 fn (C); not (.); or there is no such time (-).
 */
typedef creel_future *continue_fn(creel_future *f, creel_executor *ex, creel_fn fn, const void *arg,
				  size_t size, const creel_submit_options *options);

static const struct {
	const char *name;
	continue_fn *make;
	unsigned flags;
	const char *ends[STATES];
} continuations[] = {
	/* succeeds, fails, is cancelled, times out, is done, never ends */
	{"then", creel_then_with, 0, {"rec", "iic", "iic", "iic", "re-", "..c"}},
	{"recover", creel_recover_with, 0, {"iic", "rec", "iic", "rec", "ii-", "..c"}},
	{"recover from cancels",
	 creel_recover_with,
	 CREEL_RECOVER_CANCELLED,
	 {"iic", "rec", "rec", "rec", "ii-", "..c"}},
	{"finally", creel_finally_with, 0, {"IeC", "IeC", "IeC", "IeC", "Ie-", "..C"}},
};

enum { FN_RETURNS = 7, FN_FAILS = -77 };

struct work {
	struct ct_count *ran;
	bool fails;
};

static int task_work(creel_task *task, const void *arg, size_t size)
{
	const struct work *work = arg;
	long value = FN_RETURNS;
	(void)size;
	ct_count_add(work->ran, 1);
	return work->fails ? creel_fail(task, FN_FAILS, "fn fails")
			   : creel_return(task, &value, sizeof value);
}

static bool continuation_ends(creel_future *g, char letter, const struct input *in)
{
	if (letter == '.')
		return creel_future_state(g) == CREEL_FUTURE_PENDING;
	int rc = ct_outcome(g);
	if (letter == 'i' || letter == 'I')
		return ends_as(g, in);
	if (letter == 'c' || letter == 'C')
		return rc == -ECANCELED;
	if (letter == 'e')
		return rc == CREEL_EFAILED && creel_future_error(g)->code == FN_FAILS;
	return rc == 0 && ct_long(g) == FN_RETURNS;
}

static void continuation(creel_executor *ex, size_t k, enum state does, int column)
{
	char letter = continuations[k].ends[does][column];
	uint32_t runs = letter && strchr("reIC", letter) != NULL;
	struct work work = {ct_count_new(), column == 1};
	struct input in;
	if (letter == '-')
		return;
	input_open(&in, ex, does, 0);
	creel_future *g = continuations[k].make(
		in.f, ex, task_work, &work, sizeof work,
		&(creel_submit_options){.flags = continuations[k].flags});
	input_watch(&in);
	if (column == 2)
		creel_future_cancel(g);
	input_end(&in);
	if (!continuation_ends(g, letter, &in) || ct_count_get(work.ran) != runs)
		ct_fail(__FILE__, __LINE__, "%s of %d, column %d: not %c, fn ran %u times",
			continuations[k].name, does, column, letter, ct_count_get(work.ran));
	creel_future_cancel(g);
	creel_future_unref(g);
	input_close(&in);
}

CASE(c37_continuations_are_as_the_table_says, 0)
{
	creel_executor *ex = ct_executor();
	for (size_t k = 0; k < sizeof continuations / sizeof continuations[0]; k++)
		for (int i = 0; i < STATES * 3; i++)
			continuation(ex, k, i / 3, i % 3);
	ct_close(ex);
}

/*
 * TIMEOUTS   A row: the input. A column: there is no deadline; it passes before the input ends; it
 *            had passed before the call. A letter: it ends as its input (i), timed out (T), or
 *            not (.).
 */
static const char *const timeouts[STATES] = {
	[SUCCEEDS] = "iTT",  [FAILS] = "iTT",   [IS_CANCELLED] = "iTT",
	[TIMES_OUT] = "iTT", [IS_DONE] = "iii", [NEVER] = ".TT",
};

static bool timeout_ends(creel_future *t, char letter, const struct input *in)
{
	if (letter == '.')
		return creel_future_state(t) == CREEL_FUTURE_PENDING;
	if (letter == 'i')
		return ends_as(t, in);
	return ct_outcome(t) == CREEL_EFAILED &&
	       creel_future_error(t)->kind == CREEL_KIND_TIMED_OUT &&
	       creel_future_error(t) != creel_future_error(in->f);
}

CASE(c37_timeouts_are_as_the_table_says, 0)
{
	creel_executor *ex = ct_executor();
	for (int i = 0; i < STATES * 3; i++) {
		struct input in;
		creel_clock *clock = creel_clock_new(CREEL_CLOCK_MANUAL);
		const creel_deadline deadlines[] = {CREEL_FOREVER, creel_clock_in(clock, 1),
						    CREEL_NOW};
		char letter = timeouts[i / 3][i % 3];
		input_open(&in, ex, i / 3, 0);
		creel_future *t = creel_timeout(in.f, clock, deadlines[i % 3], 0);
		input_watch(&in);
		ct_int(creel_clock_advance(clock, 1), 0);
		input_end(&in);
		if (!timeout_ends(t, letter, &in))
			ct_fail(__FILE__, __LINE__, "a timeout of %d, column %d: not %c", i / 3,
				i % 3, letter);
		creel_future_cancel(t);
		creel_future_unref(t);
		input_close(&in);
		creel_clock_unref(clock);
	}
	ct_close(ex);
}
