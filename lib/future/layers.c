/* SPDX-License-Identifier: MIT */
/* The chain of executors of a task; see future/layers.h. */
#include "future/layers.h"
#include "base/alloc.h"
#include "sync/thread.h"

const creel_error *creel__executor_error(const creel_executor *ex)
{
	const creel_error *error = NULL;
	for (; ex && !error; ex = ex->beneath)
		/* [EX-1] acquire: the error is complete; pairs with the release in
		 * creel__executor_set_error() */
		error = creel__load(&ex->error, acquire);
	return error;
}

struct creel__layers *creel__layers_new(creel_future *f)
{
	creel_executor *ex = f->executor;
	struct creel__layers *layers = creel__malloc(sizeof *layers +
						     ex->depth * sizeof layers->layer[0]);
	if (!layers)
		return NULL;
	creel__store(&layers->refs, 1, relaxed);
	creel__store(&layers->at, ex, relaxed);
	layers->origin = ex;
	layers->lowest = ex->lowest;
	for (unsigned i = 0; i < ex->depth; i++) {
		layers->layer[i] = (struct creel__layer){.task = f};
		creel__list_init(&layers->layer[i].node);
	}
	return layers;
}

void creel__layers_unref(struct creel__layers *layers)
{
	/* [LAYERS-1] acquire: pairs with the release below; a sole holder needs no
	 * read-modify-write */
	if (layers && (creel__load(&layers->refs, acquire) == 1 ||
		       /* [LAYERS-1] acq_rel: whoever frees it comes after everybody's use, and who
			* sees it no longer in hand after the submission; pairs with itself and
			* with the loads above and in creel__task_in_hand() */
		       creel__sub(&layers->refs, 1, acq_rel) == 1))
		creel__free(layers);
}

creel_executor *creel__task_origin(creel_future *f)
{
	struct creel__layers *layers = creel__layers_of(f);
	return layers ? layers->origin : f->executor;
}

bool creel__task_is_at(creel_future *f, const creel_executor *ex)
{
	struct creel__layers *layers = creel__layers_of(f);
	return (layers ? creel__load(&layers->at, relaxed) : f->executor) == ex;
}

bool creel__task_is_of(creel_future *f, const creel_executor *ex)
{
	const creel_executor *i = creel__task_origin(f);
	while (i != ex && i != f->executor)
		i = i->beneath;
	return i == ex;
}

void creel__task_move(creel_future *f, struct creel__layers *layers, creel_executor *ex)
{
	f->executor = ex;
	creel__store(&layers->at, ex, relaxed);
}

void creel__layers_leave(creel_future *f, bool ends)
{
	struct creel__layers *layers = creel__layers_of(f);
	if (!layers)
		return;
	for (creel_executor *i = layers->origin; i->beneath; i = i->beneath) {
		i->class->leaves(i, creel__layer_of(layers, i), ends);
		/* Between two runs of a periodic task those beneath may list it, too. */
		if (!ends && i == f->executor)
			break;
	}
}

struct telling {
	unsigned left;
	creel_executor *passed[CREEL__LAYERS];
};

static void tell(void *arg)
{
	struct telling *t = arg;
	while (t->left) {
		creel_executor *ex = t->passed[--t->left];
		ex->class->passed(ex);
	}
}

/* Again, if one of them has run something that ended the thread. */
static void tell_all(void *arg)
{
	creel__thread_guard(tell, tell_all, arg);
}

void creel__layers_tell(creel_executor *origin, const creel_executor *at)
{
	struct telling t;
	if (origin == at)
		return;
	for (t.left = 0; origin != at; origin = origin->beneath)
		t.passed[t.left++] = origin;
	tell_all(&t);
}
