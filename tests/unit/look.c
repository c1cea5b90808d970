/* SPDX-License-Identifier: MIT */
/* How often a thread looks before it sleeps. How many CPUs there are is made up. */
#include "sync/look.h"
#include "base/cpus.h"
#include "ct.h"

#include <pthread.h>

static int cpus, asked;

int __wrap_creel__thread_cpus(void);
int __wrap_creel__thread_cpus(void)
{
	asked++;
	return cpus;
}

static bool is_there;
static unsigned looked;

static bool there(void *arg)
{
	looked++;
	return *(const bool *)arg;
}

/* One wait: how often it looked. */
static unsigned wait_once(bool helps)
{
	is_there = helps;
	looked = 0;
	bool helped = creel__look(creel__looks(), there, &is_there);
	ct_int(helped, helps && looked);
	return looked;
}

/* How many waits there are without a look, before one that helps or not; that one is included. */
static unsigned rest(bool helps, unsigned *ret_looked)
{
	unsigned waits = 1;
	while ((*ret_looked = wait_once(helps)) == 0 && waits < 100000)
		waits++;
	return waits;
}

/* A thread of its own has looked at nothing yet. */
static void in_a_thread(void *(*fn)(void *))
{
	pthread_t thread;
	ct_int(pthread_create(&thread, NULL, fn, NULL), 0);
	ct_int(pthread_join(thread, NULL), 0);
}

static void *on_one_cpu(void *arg)
{
	cpus = 1;
	asked = 0;
	for (int i = 0; i < CREEL__REST_MOST; i++)
		ct_int(wait_once(true), 0);
	ct_int(asked, 1);
	return arg;
}

CT_TEST(look, is_not_taken_on_one_cpu, 0)
{
	in_a_thread(on_one_cpu);
}

static void *on_more_cpus_later(void *arg)
{
	unsigned looks;
	cpus = 1;
	ct_int(wait_once(true), 0);
	cpus = 2;
	ct_int(rest(false, &looks), CREEL__REST_MOST + 1);
	ct_int(looks, CREEL__LOOKS_SHORT);
	return arg;
}

CT_TEST(look, begins_when_there_are_more_cpus, 0)
{
	in_a_thread(on_more_cpus_later);
}

static void *with_success(void *arg)
{
	cpus = 2;
	asked = 0;
	for (int i = 0; i < 100; i++)
		ct_int(wait_once(true), 1);
	ct_int(asked, 1);
	/* Half as often after each one in vain, and as often as before after one that helped. */
	ct_int(wait_once(false), CREEL__LOOKS_SHORT);
	ct_int(wait_once(false), CREEL__LOOKS_SHORT / 2);
	ct_int(wait_once(true), 1);
	ct_int(wait_once(false), CREEL__LOOKS_SHORT);
	return arg;
}

CT_TEST(look, goes_on_while_it_helps, 0)
{
	in_a_thread(with_success);
}

static void *in_vain(void *arg)
{
	unsigned looks, n = CREEL__REST;
	cpus = 2;
	for (looks = CREEL__LOOKS_SHORT; looks >= CREEL__LOOKS_LEAST; looks /= 2)
		ct_int(wait_once(false), looks);
	for (; n < CREEL__REST_MOST; n *= 2) {
		ct_int(rest(false, &looks), n + 1);
		ct_int(looks, CREEL__LOOKS_LONG);
	}
	for (int i = 0; i < 3; i++)
		ct_int(rest(false, &looks), CREEL__REST_MOST + 1);
	/* One that helps ends all that. */
	ct_int(rest(true, &looks), CREEL__REST_MOST + 1);
	ct_int(looks, 1);
	ct_int(wait_once(false), CREEL__LOOKS_SHORT);
	return arg;
}

CT_TEST(look, rests_longer_and_longer_while_it_is_in_vain, 0)
{
	in_a_thread(in_vain);
}
