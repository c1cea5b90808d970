# SPDX-License-Identifier: MIT
"""Puts a bug into a copy of a source file of the library, for the model checker to find.

usage: bugs.py NAME LIB OUTPUT

LIB is the folder lib/. Each bug is one exact replacement; if the text is not found exactly once the
build fails, so that a bug which went out of date is noticed.
"""

import os
import sys

# name: (file, what stands there, what stands there instead)
BUGS = {
    # A task that closes a circle does not look whether it does.
    'follows in silence': (
        'exec/return.c',
        'bool circle = source && creel__follow_leads_to(source, f);',
        'bool circle = false;'),
    # A task that closes a circle looks whether anybody hangs on it before it hangs itself.
    'looks and then follows': (
        'exec/return.c',
        'bool asked = step(f) & CREEL__ASKED;\n'
        '\tbool hangs = creel__link_add(source, &follow->link);\n'
        '\tuint64_t s = creel__future_let_go(',
        'uint64_t s = step(f);\n'
        '\tbool asked = s & CREEL__ASKED, hangs = creel__link_add(source, &follow->link);\n'
        '\t(void)creel__future_let_go('),
    # What a task follows has ended, and somebody is just going on to that.
    'ends what is held': (
        'exec/return.c',
        'creel__task_claim_remote(f);\n\tfinish(f, source);',
        'finish(f, source);'),
    # Whoever goes on to what has ended meanwhile does not tell that.
    'forgets what it took off': (
        'future/follow.c',
        'if (off && !on) {',
        'if (off && !on && !source) {'),
    # The last user of an executor goes while a task of it follows.
    'leaves its executor': (
        'exec/return.c',
        'creel__executor_hold(f->executor);',
        ''),
    # The last worker that serves goes, and a forked job is nobody's.
    'retires on a job': (
        'threads/pool.c',
        'if (creel__pool_may_have_jobs(pool) && creel__pool_has_jobs_locked(pool))\n\t\treturn false;',
        ''),
    # A shutdown does not wait for what is to stay.
    'stays for nobody': (
        'threads/reap.c',
        'pool->starting + pool->leaving + pool->reserved == 0',
        'pool->starting + pool->leaving == 0'),
    # It is due, and the last worker has gone.
    'queues for nobody': (
        'threads/reserve.c',
        'int rc = creel__pool_start_first_locked(pool);',
        'int rc = 0;'),
    # What was to stay is cancelled, and who shuts down hears nothing of it.
    'ends and does not tell': (
        'threads/reserve.c',
        'creel__cond_broadcast_locked(&pool->changed);',
        ''),
    # The caller of a loop returns and does not see what its helper did.
    'helps in silence': (
        'exec/loop_pool.c',
        'creel__sub(&l->users, 1, acq_rel) == (WAITED | 1)',
        'creel__sub(&l->users, 1, relaxed) == (WAITED | 1)'),
    # The caller may return before the helper is through.
    'leaves too early': (
        'exec/loop_pool.c',
        'creel__thread_guard(work, helper_ended, &part);\n\tclose_down(l);\n\tleave(l);',
        'creel__thread_guard(work, helper_ended, &part);\n\tleave(l);\n\tclose_down(l);'),
    # The owner takes the last job without telling the thieves first: it runs twice (parlaylib 54).
    'steps back relaxed': (
        'exec/job.c',
        'creel__store(&d->bottom, bottom, seq_cst);',
        'creel__store(&d->bottom, bottom, release);'),
    # By then the owner may have put another job there (crossbeam 238).
    'reads the slot after the swap': (
        'exec/deque.c',
        'return creel__cas(&d->top, &top, top + 1, seq_cst, relaxed) ? job : NULL;',
        'if (!creel__cas(&d->top, &top, top + 1, seq_cst, relaxed))\n'
        '\t\treturn NULL;\n'
        '\tjob = creel__load(&d->ring[top % CREEL__RING], relaxed);\n'
        '\treturn job;'),
    # The joiner may be through, and the job gone.
    'looks at what it gave back': (
        'exec/job.c',
        'if (creel__xchg(&job->state, state, release) == CREEL__JOB_WAITED)',
        'if (creel__xchg(&job->state, state, release) == CREEL__JOB_WAITED ||\n'
        '\t    creel__load(&job->state, relaxed) == CREEL__JOB_WAITED)'),
    # A sleeper looks before it sees the job, and the forker looks before it sees the sleeper
    # (enkiTS 24).
    'forks in silence': (
        'exec/job.c',
        'creel__store(&d->bottom, bottom + 1, seq_cst);',
        'creel__store(&d->bottom, bottom + 1, release);'),
    # A waiter does not say that it waits.
    'waits in silence': (
        'future/future.c',
        'uint64_t s = creel__or(&f->state, CREEL__WAITED, relaxed) | CREEL__WAITED;\n'
        '\twhile ((s & CREEL__STATE) < CREEL__FINISHED) {',
        'uint64_t s = creel__load(&f->state, relaxed);\n'
        '\twhile ((s & CREEL__STATE) < CREEL__FINISHED) {'),
    # The end came between the look and the sleep.
    'sleeps through the end of a look': (
        'future/wait.c',
        '!creel__cas(&w->over, &looks, SLEEPS, relaxed, relaxed))\n\t\treturn 0;',
        'creel__xchg(&w->over, SLEEPS, relaxed) == SLEEPS)\n\t\treturn (int)looks;'),
    # What came between the look and the lock called nobody, and is not looked for.
    'looks and then sleeps': (
        'future/queue_take.c',
        'if (look_locked(q))\n\t\t\t\tcontinue;\n\t\t}',
        '(void)look_locked(q);\n\t\t\tround = creel__cond_round(&q->takeable);\n\t\t}'),
    # Whoever sees the end at a look does not see the result.
    'looks relaxed': (
        'future/future.c',
        'static bool has_ended(void *f)\n{\n\treturn creel__future_is_final(f);',
        'static bool has_ended(void *f)\n{\n'
        '\treturn creel__is_final(creel__load(&((creel_future *)f)->state, relaxed));'),
    # The worker that was woken last has left, and its memory is free.
    'relies on one that is gone': (
        'threads/worker.c',
        'if (pool->last_woken == w)',
        'if (pool->broken && pool->last_woken == w)'),
    # The final state publishes nothing.
    'completes relaxed': (
        'future/future.c',
        '} while (!creel__cas(&f->state, &old, new, acq_rel, relaxed));',
        '} while (!creel__cas(&f->state, &old, new, relaxed, relaxed));'),
    # A reader does not take over what was published.
    'drops relaxed': (
        'future/release.c',
        'if (creel__cas(&f->state, &s, s - CREEL__REF, acq_rel, acquire))',
        'if (creel__cas(&f->state, &s, s - CREEL__REF, relaxed, relaxed))'),
    # Whoever has waited for the end of a hold does not take over what was published meanwhile.
    'looks relaxed after a hold': (
        'future/cancel.c',
        'await_held(f);\n'
        '\t\t\t/* [FUT-1] acquire: as above */\n'
        '\t\t\ts = creel__load(&f->state, acquire);',
        'await_held(f);\n'
        '\t\t\ts = creel__load(&f->state, relaxed);'),
    # One that is added late does not see that earlier ones are being called.
    'overtakes': (
        'future/callback.c',
        'bool mine = creel__is_final(old) && !(old & CREEL__CALLING);',
        'bool mine = creel__is_final(old);'),
    # The bit is cleared when the lock has been given up.
    'clears the bit late': (
        'future/callback.c',
        '\tif (!marked && returned)\n'
        '\t\tcreel__and(&f->state, ~(uint64_t)CREEL__CALLING, relaxed);\n'
        '\tcreel__hooks_unlock(f);\n',
        '\tcreel__hooks_unlock(f);\n'
        '\tif (!marked && returned)\n'
        '\t\tcreel__and(&f->state, ~(uint64_t)CREEL__CALLING, relaxed);\n'),
    # A canceller keeps the task pinned while the argument's destructor runs.
    'pins while it calls out': (
        'future/cancel.c',
        'CREEL__DROPPING | (queued',
        'CREEL__PINNED | (queued'),
    # The executor lets go of a task that is being cancelled.
    'does not wait for the canceller': (
        'exec/claim.c',
        '} else if (now == CREEL__PINNED || now == CREEL__PENDING) {',
        '} else if (now == CREEL__PENDING) {'),
    # The executor drops its reference, although it has left that to the canceller.
    'leaves and drops': (
        'exec/claim.c',
        'return CREEL__LEFT_TO_CANCELLER;',
        'return CREEL__TAKEN;'),
    # One that was added while the executor got the last callback is never called.
    'looks once behind an executor': (
        'future/callback.c',
        'return next || !listed ? next : mark_next(f, NULL, true);',
        'return next;'),
    # A callback is registered on a final future, and nobody is there to call it.
    'listens too late': (
        'future/callback.c',
        'bool mine = creel__is_final(old) && !(old & CREEL__CALLING);',
        'bool mine = creel__is_final(old) && old & CREEL__CALLING;'),
    # A callback that is being called can be removed.
    'removes what runs': (
        'future/callback.c',
        'bool running = c && c->running;',
        'bool running = c && c->running && id == 0;'),
    # Whoever finds a broken executor does not take over what its error says.
    'polls relaxed': (
        'future/layers.c',
        'error = creel__load(&ex->error, acquire);',
        'error = creel__load(&ex->error, relaxed);'),
    # An error can be found that is not written yet.
    'breaks relaxed': (
        'exec/executor.c',
        'if (!creel__cas(&ex->error, &none, error, release, relaxed))',
        'if (!creel__cas(&ex->error, &none, error, relaxed, relaxed))'),
    # The wait returns while its hooks still hang on the futures.
    'leaves its hooks': (
        'future/wait.c',
        'creel__hooks_leave(futures[i], &hooks[i].hook);',
        'if (i)\n\t\t\tcreel__hooks_leave(futures[i], &hooks[i].hook);'),
    # Two that settle do not see each other.
    'settles twice': (
        'future/promise.c',
        'if (now >= to)',
        'if (now >= CREEL__FINISHED)'),
    # The words do not carry the version that their writing began with.
    'shows relaxed': (
        'future/sight.c',
        'creel__store(&sight->words[i], words[i], release);',
        'creel__store(&sight->words[i], words[i], relaxed);'),
    # A reader of a word does not take over the version.
    'looks at words relaxed': (
        'future/sight.c',
        'words[k] = creel__load(&sight->words[k], acquire);',
        'words[k] = creel__load(&sight->words[k], relaxed);'),
    # The last version can be seen before the words.
    'shows the end first': (
        'future/sight.c',
        'creel__store(&sight->version, version + 2, release);',
        'creel__store(&sight->version, version + 2, relaxed);'),
    # A mixture of two tasks is taken for one.
    'looks at no version again': (
        'future/sight.c',
        'if (version % 2 == 0 && creel__load(&sight->version, relaxed) == version) {',
        'if (version % 2 == 0) {'),
    # The wait is over, and what it was for still stands there.
    'takes nothing back': (
        'future/waits.c',
        'say(CREEL__WAITS_NOT, NULL);',
        '(void)0;'),
    # Whoever was woken forgets that there may be more who sleep.
    'wakes one of two': (
        'sync/lock.c',
        'while (creel__xchg(&lock->word, 2, acquire) != 0)\n'
        '\t\tcreel__park_briefly(&lock->word, 2, CREEL_FOREVER);',
        'for (uint32_t mark = 2; creel__xchg(&lock->word, mark, acquire) != 0; mark = 1)\n'
        '\t\tcreel__park_briefly(&lock->word, mark, CREEL_FOREVER);'),
    # The round is read when the lock has been given up.
    'reads the round late': (
        'sync/lock.c',
        'int rc = creel__park(&cond->round, round, deadline);',
        'int rc = creel__park(&cond->round, round + creel__load(&cond->round, relaxed) - round,\n'
        '\t\t\t\tdeadline);'),
    # Whoever read an old copy of the generation puts it back.
    'puts an old copy back': (
        'sync/fork.c',
        'while (!creel__cas(&creel__fork_inherited, &old, next, relaxed, relaxed))\n'
        '\t\tnext = next_generation(old);',
        'creel__store(&creel__fork_inherited, next, relaxed);'),
    # Who sees the generation may still have the old copy.
    'shows before it counts': (
        'sync/fork.c',
        'creel__cas(w, &shown, next, acq_rel, relaxed)',
        'creel__cas(w, &shown, next, relaxed, relaxed)'),
    # Who takes a task off the list of those that are not due does not keep its executor.
    'keeps no executor': (
        'future/undue.c',
        '\tif (!undue->stays)\n\t\tcreel__executor_keep(ex);\n',
        ''),
    # Who shuts an executor down does not wait for those who have won a task.
    'waits for no winner': (
        'exec/undue.c',
        '\t\tcreel__cond_wait_briefly(&ex->undue_changed, &ex->undue_lock);\n',
        '\t\tbreak;\n'),
    # What is not due goes off the list, and who waits for that hears nothing of it.
    'shuts down in silence': (
        'exec/undue.c',
        'creel__cond_broadcast_locked(&ex->undue_changed);',
        ''),
    # The executor beneath is asked for a task that it has not been given.
    'hands down what nobody has in hand': (
        'exec/forward.c',
        '\tcreel__layers_ref(h.layers);\n',
        '\th.layers = NULL;\n'),
    # A task that ends leaves its timers on their clock.
    'leaves its timers set': (
        'future/release.c',
        '\tif (options && options->times)\n\t\tcreel__times_stop(options->times);\n',
        ''),
    # A delay that is too large for a clock is over at once.
    'counts past the end of time': (
        'future/times.c',
        'times->due_at = creel__later(now, times->delay_ns);',
        'times->due_at = (int64_t)((uint64_t)now + (uint64_t)times->delay_ns);'),
    # A task that sleeps does not hear that it is asked to stop.
    'asks in silence': (
        'future/cancel.c',
        '\t\tcreel__unpark_all(creel__low_half(&f->state));\n\t}\n\treturn true;',
        '\t}\n\treturn true;'),
    # A sleeper that was asked to stop goes while its timer is being ended.
    'leaves its timer behind': (
        'exec/sleep.c',
        '\tif (!creel__timer_cancel(&sleeper->timer))\n\t\tawait_woken(f);',
        '\t(void)creel__timer_cancel(&sleeper->timer);\n\t(void)await_woken;\n'
        '\tsleeper->dropped = false; /* as what stands there next does */'),
    # A timer that is set for an earlier time wakes nobody.
    'sets in silence': (
        'time/clock.c',
        'if (due < clock->wake_at)\n\t\twake_locked(clock);',
        'if (due < clock->wake_at)\n\t\tclock->wake_at = due;'),
    # Between the last look at the timers and the thread's end, one is set.
    'ends behind its last look': (
        'time/clock.c',
        '\tserve_locked(clock);\n\tstruct creel__heap empty',
        '\tserve_locked(clock);\n\tcreel__lock_release(&clock->lock);\n'
        '\tcreel__lock_acquire(&clock->lock);\n\tstruct creel__heap empty'),
    # The clock's memory goes although somebody still cancels a timer of its.
    'holds nothing for a canceller': (
        'time/clock.c',
        'clock->holds -= ended;',
        'clock->holds -= ended || timer;'),
    # A clock that is dropped leaves its timers to nobody.
    'drops and fails nobody': (
        'time/clock.c',
        'if (is_manual(clock) && !fail_all_locked(clock))',
        'if (is_manual(clock) && clock->advancing && !fail_all_locked(clock))'),
    # A timer whose time has come ends although it is being cancelled.
    'ends what is cancelled': (
        'future/owned.c',
        'if ((s & CREEL__STATE) != CREEL__PENDING)',
        'if ((s & CREEL__STATE) >= CREEL__FINISHED)'),
    # A function that is about to be called is freed by who removes it.
    'calls what was removed': (
        'future/token_call.c',
        'if (call && !creel__list_is_empty(&call->reg.node)) {',
        'if (call) {'),
    # A task joins a token that nobody walks through any more.
    'joins too late': (
        'future/enlist.c',
        '\tif (creel__load(&token->reason, relaxed))\n\t\trc = -ECANCELED;\n\telse\n\t\tcreel__list',
        '\tcreel__list'),
    # Whoever cancels goes on with a child that has no user any more.
    'takes a child that goes': (
        'future/token.c',
        'return try_ref(child_of(reg));',
        'return creel_token_ref(child_of(reg)) != NULL;'),
    # A task ends and goes while it is being asked.
    'asks what has ended': (
        'future/enlist.c',
        '\t\tcreel_future_ref(e->f);\n\t\treturn true;',
        '\t\tcreel__add(&e->f->state, CREEL__REF, relaxed);\n'
        '\t\tcreel__sub(&e->f->state, CREEL__REF, relaxed);\n\t\treturn true;'),
    # Whoever finds it cancelled does not see why.
    'shows the reason early': (
        'future/token.c',
        'creel__store(&token->reason, creel__error_ref(reason), release);',
        'creel__store(&token->reason, creel__error_ref(reason), relaxed);'),
    # A task that was asked to stop does not see why.
    'reads the reason unordered': (
        'exec/failure.c',
        'creel__token_why(enlisted->reg.token)',
        'creel__token_reason(enlisted->reg.token)'),
    # Two inputs that end at once both conclude.
    'concludes twice': (
        'compose/combine.c',
        'if (!take(g))\n\t\treturn;',
        '(void)take(g);'),
    # Who decides does not see all links.
    'links relaxed': (
        'compose/combine.c',
        'creel__or(&g->phase, LINKED, acq_rel)',
        'creel__or(&g->phase, LINKED, relaxed)'),
    # The last input does not see the others.
    'counts relaxed': (
        'compose/combine.c',
        'refs - 1, acq_rel, acquire)',
        'refs - 1, relaxed, relaxed)'),
    # A canceller and the one who concludes both do the rest.
    'ends what a canceller has': (
        'compose/combine.c',
        '\t\tcreel_future_unref(f);\n\t\treturn;\n\t}\n\tnote_of(f)',
        '\t\tcreel_future_unref(f);\n\t\tdrop(g, 1);\n\t\treturn;\n\t}\n\tnote_of(f)'),
    # The canceller's look at the group comes after its end.
    'lets the group go beneath a canceller': (
        'compose/combine.c',
        '\tif (!creel__owned_claim(f)) {',
        '\tdrop(g, 1);\n\tif (!creel__owned_claim(f)) {'),
    # Who shuts the executor down takes the reference of a continuation whose link is being called.
    'shuts down what is being told': (
        'exec/undue.c',
        '\tif (undue->stage && !creel__stage_unlink(undue->stage, NULL))\n\t\tcreel_future_ref(f);\n',
        '\tif (undue->stage)\n\t\t(void)creel__stage_unlink(undue->stage, NULL);\n'),
    # The end of the input takes it that whoever asks a finally to stop has cancelled it.
    'gives up a finally': (
        'future/cancel.c',
        'return stage && stage->insists;\n}\n\nstatic bool win',
        'return false && stage;\n}\n\nstatic bool win'),
    # Who makes a continuation on an executor that was shut down leaves it to the end of its input.
    'leaves a refused one to its input': (
        'compose/then.c',
        '\tcreel_future_ref(f);\n\tcreel__future_let_go(f, CREEL__HELD, CREEL__SETTLING);\n'
        '\tcreel__task_fail_claimed((creel_task *)f, creel__refusal(s, -ESHUTDOWN));\n',
        '\tcreel__future_let_go(f, CREEL__HELD, 0);\n'),
    # Who asks a finally that waits does not wake who shuts its executor down.
    'asks behind a shutdown': (
        'future/cancel.c',
        '\t\tcreel__future_let_go_listed(f, mask, CREEL__PENDING | set);\n',
        '\t\tcreel__future_let_go(f, mask, CREEL__PENDING | set);\n'),
    # A custom executor is asked to withdraw a task that it has not got yet.
    'withdraws what is in hand': (
        'exec/stage.c',
        'creel__store(&options->stage->in_hand, true, relaxed);',
        'creel__store(&options->stage->in_hand, false, relaxed);'),
    # Who has won drops what a canceller still looks at.
    'lets a timeout go beneath a canceller': (
        'compose/timeout.c',
        '\t\trefs += stop_timer(t);\n',
        '\t\trefs += 1 + stop_timer(t);\n'),
    # Somebody takes a finally off its input that another one is about to put back.
    'asks twice': (
        'future/stage.c',
        'return creel__load(&stage->off, acquire) == CREEL__ON &&',
        'return'),
    # A timer that was taken off too late begins the next attempt all the same.
    'begins what was withdrawn': (
        'compose/retry.c',
        '\tbool mine = s->timer_set;\n\ts->timer_set = false;\n\ts->ending',
        '\tbool mine = true;\n\ts->timer_set = false;\n\ts->ending'),
    # An attempt that a canceller of the task has cancelled ends the task as well.
    'ends what its canceller has': (
        'compose/retry.c',
        's->left |= s->withdrawing && is_cancelled(f);',
        's->left |= s->withdrawing && is_cancelled(f) && s->left;'),
    # A permit that was cancelled when its turn came keeps a slot that nobody has.
    'keeps the room of a permit': (
        'compose/permit.c',
        'creel_future_unref(permit);\n\t\tpass->stayed = true;\n\t} else if',
        'creel_future_unref(permit);\n\t} else if'),
    'keeps the room of a task': (
        'compose/gate.c',
        '\tpass->stayed = true;\n\tif (rc != -ECANCELED)',
        '\tif (rc != -ECANCELED)'),
    # Two passes hand over at once, and the second is faster.
    'hands over out of turn': (
        'compose/gate.c',
        'gate->turn = gate->queues;',
        'gate->turn = false;'),
    # The line is taken apart where one is that has left it.
    'unlinks what left the line': (
        'compose/gate.c',
        'bool waits = !is_handed_locked(gate, f);',
        'bool waits = is_handed_locked(gate, f) || true;'),
    # Whoever removes a link finds the input gone.
    'leaves the remover nothing': (
        'future/link.c',
        '\tcreel_future_ref(f);\n\tcreel__link_tell(hook);\n',
        '\tif (creel__load(&((struct creel__link *)hook)->claim, relaxed) == LINKED)\n'
        '\t\tcreel_future_ref(f);\n'
        '\tcreel__link_tell(hook);\n'),
    # The same of the only one, which gets the teller's reference.
    'keeps the reference from the remover': (
        'future/callback.c',
        '\tcreel__hooks_unlock_with(f, NULL);\n\treturn true;',
        '\tcreel__hooks_unlock_with(f, NULL);\n'
        '\tif (!creel__self()->deferred)\n\t\tcreel_future_unref(f);\n\treturn true;'),
    # The reference that the only link gets is marked as the library's.
    'hands over what is not a user\'s': (
        'future/callback.c',
        '~(uint64_t)(CREEL__TELLING | CREEL__CALLING), relaxed);',
        '~(uint64_t)CREEL__CALLING, relaxed);'),
    # A link is called and removed.
    'removes what was told': (
        'future/link.c',
        'if (!creel__cas(&link->claim, &linked, REMOVING, relaxed, relaxed))\n\t\treturn false;',
        '(void)linked;'),
    # The clock keeps its reference to a timer that somebody else ended.
    'keeps what was cancelled': (
        'future/after.c',
        '\t\tcreel_future_unref(f);\n\t\treturn false;',
        '\t\treturn false;'),
    # What was read and what is taken are not one step.
    'takes without a swap': (
        'threads/queues.c',
        'if (creel__cas(&batch->ends, &ends, next, acquire, acquire))\n\t\t\treturn task;',
        'creel__store(&batch->ends, next, release);\n\t\treturn task;'),
    # The slots are filled, and nobody is told in order.
    'fills relaxed': (
        'threads/queues.c',
        'creel__store(&batch->ends, (uint64_t)last << 32 | first, release);',
        'creel__store(&batch->ends, (uint64_t)last << 32 | first, relaxed);'),
    # An entry that completed while it was added is never ready.
    'forgets what was final': (
        'future/queue_add.c',
        'if (!listening)\n\t\te->ready = true;',
        'if (!listening && q->closed)\n\t\te->ready = true;'),
    # An entry is freed while a completion may still come to it.
    'resets without leaving': (
        'future/queue.c',
        'creel__hooks_leave(e->future, &e->hook);',
        '(void)e;'),
    # A wake between the look and the sleep is missed.
    'looks before the round': (
        'future/queue_take.c',
        'creel__cond_wait_since(&q->takeable, &q->lock, round, deadline);',
        'round = creel__cond_round(&q->takeable);\n'
        '\t\tcreel__cond_wait_since(&q->takeable, &q->lock, round, deadline);'),
    # The drain eats the mark of a wake that nobody has taken.
    'drains without a look': (
        'future/queue_take.c',
        'q->shown = false;\n\t\treadable = is_woken_locked(q);',
        'q->shown = false;'),
    # Whoever was woken leaves the next item to a taker that sleeps.
    'calls nobody else': (
        'future/queue_take.c',
        'creel__waits_end();\n\t\tq->called = false;',
        'creel__waits_end();'),
    # Whoever got a place leaves the next one to a thread that sleeps.
    'hails nobody else': (
        'future/queue_add.c',
        'rc = -EAGAIN;\n\t\tq->hailed = false;',
        'rc = -EAGAIN;'),
    # One item more than was asked for.
    'one more in flight': (
        'compose/map.c',
        'map->in_flight < map->limit',
        'map->in_flight <= map->limit'),
    # The worker does not look again after it has said that it sleeps.
    'sleeps without a look': (
        'threads/worker.c',
        'bool look = verdict == SLEEP || verdict == LOOK;',
        'bool look = verdict == LOOK;'),
    # What it looks at before it sleeps may be old.
    'sleeps after a glance': (
        'threads/worker.c',
        'creel_task *task = look ? creel__pool_find(w, CREEL__SURE) : NULL;',
        'creel_task *task = look ? creel__pool_find(w, CREEL__GLANCE) : NULL;'),
    # What a look finds before the worker sleeps is off its queue, and nobody's.
    'drops what a look finds': (
        'threads/worker.c',
        'return search.found;',
        'return NULL;'),
    # A look in vain counts as the last one.
    'sleeps after a look': (
        'threads/worker.c',
        'task = look_for_task(w);\n\tif (!task)\n\t\treturn idle(w);',
        'task = look_for_task(w);\n\tif (!task && settle_down(w) == SLEEP && sleep_until_woken(w))'
        '\n\t\ttask = (creel__worker_arrive(w, true), find_and_pass_on(w));\n\tif (!task)\n\t\treturn idle(w);'),
    # It was in flight, found nothing at a glance, and leaves the rest where it is.
    'stays awake in silence': (
        'threads/worker.c',
        '(void)creel__worker_arrive(w, false);\n\tcreel__pool_pass_on(pool);',
        '(void)creel__worker_arrive(w, false);'),
    # The one that was woken leaves the rest where it is.
    'does not pass on': (
        'threads/worker.c',
        'stop_looking(w);\n\t\tcreel__pool_pass_on(w->pool);',
        'stop_looking(w);'),
    # A worker that was relied on takes a task and forgets the rest.
    'is relied on and passes nothing on': (
        'threads/worker.c',
        '== CREEL__RELIED &&\n\t    creel__worker_arrive(w, false))',
        '== CREEL__RELIED &&\n\t    !creel__worker_arrive(w, false))'),
    # A thread is started although a worker is about to look.
    'counts on nobody who looks': (
        'threads/wake.c',
        '!rely_on_one_locked(pool)',
        '!(false && rely_on_one_locked(pool))'),
    # A thread is started for a task that a worker has taken meanwhile.
    'starts one for nothing': (
        'threads/wake.c',
        'start = start && creel__pool_has_work_locked(pool);',
        'start = start && pool->alive;'),
    # A thread that did not come was relied on, and nobody is told.
    'relies on one that does not come': (
        'threads/wake.c',
        'creel__pool_update_need_locked(pool);\n\tcreel__lock_release(&pool->lock);\n'
        '\t/* Who queued a task meanwhile relied on the worker that does not come. */\n'
        '\tcreel__pool_pass_on(pool);',
        'creel__pool_update_need_locked(pool);\n\tcreel__lock_release(&pool->lock);'),
    # A worker that comes too late to be counted by a resize is one too many, and takes a task.
    'comes and asks nobody': (
        'threads/worker.c',
        ' && !is_surplus_locked(pool) &&\n\t\t   !must_leave_locked(pool);',
        ' && (true || is_surplus_locked(pool));'),
    # A place that comes back is free, and whoever waits for it sleeps on.
    'gives to nobody': (
        'sync/places.c',
        '\tp->taken -= n;\n\tgrant_locked(p);',
        '\tp->taken -= n;'),
    # Two places at once, and only one who waits is told.
    'lets in one of two': (
        'sync/places.c',
        'while (free_locked(p) && !creel__list_is_empty(&p->waiters)) {',
        'if (free_locked(p) && !creel__list_is_empty(&p->waiters)) {'),
    # The deadline has passed, and the place that came meanwhile is nobody's.
    'leaves with the place': (
        'sync/places.c',
        'got = creel__load(&w.granted, relaxed);',
        'got = creel__load(&w.granted, relaxed) && creel_now().ns < deadline.ns;'),
    # A cancelled task keeps its place until a worker comes across it.
    'cancels and keeps the place': (
        'future/future.c',
        '\tif (f->executor && creel__load(&f->state, relaxed) & (CREEL__SLOW | CREEL__OWNED))\n'
        '\t\tcreel__future_leave(f);\n',
        ''),
    # The place comes back behind the end: whoever saw that finds the pool full.
    'ends before it leaves': (
        'exec/task.c',
        '\tcreel__future_leave(f);\n\tlook_next(f);\n\tcreel__future_settle(f, final, 1);\n',
        '\tlook_next(f);\n\tcreel__future_settle(f, final, 1);\n\tif (ex->traits & CREEL__BOUNDED)\n'
        '\t\tcreel__places_give(&ex->places, 1);\n'),
    # An entry is dropped while its canceller still counts on the executor.
    'sweeps what a canceller has': (
        'threads/queues.c',
        'return s & CREEL__QUEUED && !(s & CREEL__LATE_ARG) && (s & CREEL__STATE) != CREEL__DROPPING;',
        'return s & CREEL__QUEUED && !(s & CREEL__LATE_ARG);'),
    # Who drains waits for tasks that a sweep has dropped.
    'sweeps and counts nothing': (
        'threads/sweep.c',
        '\tpool->cancelled += cancelled;\n',
        '\t(void)cancelled;\n'),
    # A shutdown forgets those who wait for room.
    'closes on those who wait': (
        'threads/pool.c',
        '\t\tcreel__bound_open_locked(&pool->base);\n\t\tcreel__pool_update_need_locked(pool);',
        '\t\tcreel__pool_update_need_locked(pool);'),
    # Nested waits use up the pool: rayon 446, BS::thread_pool 95.
    'tells nobody that it blocks': (
        'sync/block.c',
        'if (creel__self()->blocking) {',
        'if (false && creel__self()->blocking) {'),
    # A task waits, a spare sleeps, and nobody brings them together.
    'blocks and wakes nobody': (
        'threads/block.c',
        '\tcreel__pool_pass_on(pool);\n\treturn stays',
        '\treturn stays'),
    # The last one that serves leaves tasks behind in the queue.
    'blocks with the gates open': (
        'threads/block.c',
        'creel__pool_try_vacate_locked(pool) || creel',
        'pool->max_threads || creel'),
    # The last one that serves relies on a thread that is being made, and that the system refuses.
    'relies on whom the system refuses': (
        'threads/block.c',
        'while (pool->unsure && creel__pool_serving_locked(pool) == 0)',
        'while (false && pool->unsure)'),
    # A worker serves again, and whoever submits finds the gates shut.
    'comes back to shut gates': (
        'threads/block.c',
        'creel__pool_set_gates_locked(pool, CREEL__GATE_OPEN);',
        '(void)pool;'),
    # The other one, which is one too many by now, takes the next task.
    'comes back in silence': (
        'threads/block.c',
        '\tif (many)\n\t\tcreel__pool_call_in_locked(pool);\n',
        ''),
    # It was called in, and takes the next task all the same.
    'takes tasks as a spare': (
        'threads/worker.c',
        ' && !is_surplus_locked(pool) &&',
        ' && (true || !is_surplus_locked(pool)) &&'),
    # Whoever checks in while the pool is paused takes the next task.
    'follows in a pause': (
        'threads/worker.c',
        'bool may = !creel__load(&pool->base.paused, relaxed) && ',
        'bool may = !pool->broken && '),
    # What was submitted during a pause has woken nobody, and nobody makes up for that.
    'resumes in silence': (
        'threads/pause.c',
        '\tif (rc == 0 && !paused)\n\t\tcreel__pool_pass_on(pool);\n',
        ''),
    # A shutdown leaves the pause in force.
    'closes and stays paused': (
        'threads/pool.c',
        '\t\tpool->closed = true;\n\t\tcreel__store(&pool->base.paused, false, relaxed);\n',
        '\t\tpool->closed = true;\n'),
    # A worker calls a callback and still says that it looks.
    'looks in a callback': (
        'future/callback.c',
        'creel__worker_is_busy();',
        '(void)0;'),
    # One refused thread, and no other is tried.
    'is refused for ever': (
        'threads/wake.c',
        'if (looks % CREEL__REFUSED_LOOKS)',
        'if (looks)'),
    # A batch waits behind a long task.
    'reviews nothing': (
        'threads/share.c',
        'shard->handed - number >= creel__review_age(sharers);',
        'shard->handed - number >= 1000 * creel__review_age(sharers);'),
    # A waiter uses the pool of a task that may end.
    'holds nothing': (
        'future/future.c',
        'last one to hold it */\n'
        '\t} while (!creel__cas(&f->state, &s, s | CREEL__HELD, acquire, relaxed));\n'
        '\tcreel_executor *ex',
        'last one to hold it */\n'
        '\t} while (!creel__cas(&f->state, &s, s, acquire, relaxed));\n'
        '\tcreel_executor *ex'),
    # Nobody tells the sleeping workers that the pool is closed.
    'closes in silence': (
        'threads/pool.c',
        'creel__pool_kick_all_locked(pool);\n\tcreel__lock_release(&pool->lock);\n\tif (flags',
        'creel__lock_release(&pool->lock);\n\tif (flags'),
    # A pool that was closed still accepts.
    'leaves the gates open': (
        'threads/pool.c',
        'creel__pool_set_gates_locked(pool, CREEL__GATE_CLOSED);',
        'creel__pool_set_gates_locked(pool, CREEL__GATE_OPEN);'),
    # The last worker goes without closing the gates.
    'retires with the gates open': (
        'threads/worker.c',
        'go = !last || (pool->starting == 0 && creel__pool_try_vacate_locked(pool));',
        'go = !last || pool->starting == 0;'),
    # The last worker waits for one that is starting, and is not told that it came.
    'forgets who put it off': (
        'threads/life.c',
        'if (pool->put_off && !creel__list_is_empty(&pool->idle))',
        'if (pool->closed && !creel__list_is_empty(&pool->idle))'),
    # Two closers join the same worker.
    'joins what another joins': (
        'threads/reap.c',
        'if (!zombie_of(i)->joining)\n\t\t\treturn zombie_of(i);',
        'if (i)\n\t\t\treturn zombie_of(i);'),
    # The last reference leaves threads that nobody joins.
    'detaches nobody': (
        'threads/reap.c',
        'creel__thread_detach(zombie_of(node)->thread);',
        ''),
    # A worker that is being started does not count.
    'forgets who is starting': (
        'threads/reap.c',
        'return pool->alive + pool->starting + pool->leaving + pool->reserved == 0 &&',
        'return pool->alive + pool->leaving + pool->reserved == 0 &&'),
    # The queue drops the reference of a task that its waiter has run and settled with one.
    'helps and drops': (
        'exec/task.c',
        'if (creel__task_claim(f, CREEL__REF + (CREEL__RUNNING | CREEL__QUEUED |',
        'if (creel__task_claim(f, (CREEL__RUNNING | CREEL__QUEUED |'),
    # The queue drops the reference of a task that a thread outside has run and settled with one.
    'lends and drops': (
        'threads/lend.c',
        'creel__task_run_held(task, !out);',
        'creel__task_run_held(task, out && false);'),
    # A thread outside that has ended a task tells nobody who waits for that.
    'ends in silence': (
        'threads/lend.c',
        'while (!(old & CREEL__LENT_TELL))',
        'while (old + 1)'),
    # A thread outside counts the end, and then uses the pool that the end may free.
    'counts and then tells': (
        'threads/lend.c',
        'creel__lock_acquire(&pool->lock);\n'
        '\t/* [LENT-1] release: as above */\n'
        '\tcreel__add(&pool->lent_ended, 2, release);',
        'creel__add(&pool->lent_ended, 2, release);\n'
        '\tcreel__lock_acquire(&pool->lock);'),
    # A worker that watched parks, although it was woken without being unparked.
    'parks over a wake-up': (
        'threads/watch.c',
        'return !creel__cas(&w->woken, &watches, CREEL__SLEEPS, acquire, acquire);',
        'return creel__store(&w->woken, watches - CREEL__WATCHES, relaxed), false;'),
    # A worker that is about to sleep leaves out what looks empty.
    'glances at bands': (
        'threads/bands.c',
        'return best == CREEL__SHARDS_ALL && sure ? empty : best;',
        'return best == CREEL__SHARDS_ALL && sure && empty > CREEL__SHARDS_ALL ? empty : best;'),
    # The first use of bands leaves what workers have claimed where it is.
    'calls nobody in for bands': (
        'threads/bands.c',
        'creel__pool_call_in_locked(pool);',
        '(void)0;'),
    # Whoever wakes, retires or closes knows the shards alone.
    'forgets the lists of bands': (
        'threads/share.c',
        'for (unsigned i = 0; i < creel__load(&pool->lists, relaxed); i++)\n'
        '\t\tif (!creel__shard_is_empty',
        'for (unsigned i = 0; i < pool->shards; i++)\n'
        '\t\tif (!creel__shard_is_empty'),
    # A worker process says that it sleeps, and sleeps.
    'does not look again': (
        'procs/work.c',
        'if (!oldest_ready(&state) && !creel__load(&me.control->retire, seq_cst))',
        'if ((oldest_ready(&state), true) && !creel__load(&me.control->retire, seq_cst))'),
    # A worker process looks at its slots one after the other.
    'looks once': (
        'procs/work.c',
        'i < CREEL__DEPTH + in_front;',
        'i < CREEL__DEPTH + 0 * in_front;'),
    # A waiter goes, and the worker still believes that it wakes it instead of the manager.
    'leaves its mark': (
        'procs/fetch.c',
        'creel__store(&watch->slot->watch, 0, seq_cst);\n'
        '\t/* [SLOT-2] [BELL-1] seq_cst: acquires',
        '/* [SLOT-2] [BELL-1] seq_cst: acquires'),
    # The waiter that the worker woke leaves the outcome to the manager, who sleeps.
    'tells no manager': (
        'procs/fetch.c',
        'CREEL__HOOKED) {\n\t\tcreel__kick(watch->p);',
        'CREEL__HOOKED) {'),
    # A callback came at the last moment, and the outcome is left to the manager, who sleeps.
    'hands over in silence': (
        'procs/fetch.c',
        'p->handed = &task->future;\n\tcreel__kick(p);',
        'p->handed = &task->future;'),
    # The manager sleeps, and is not told that a task has a limit.
    'sets a limit in silence': (
        'procs/dispatch.c',
        'if (p->sleeping)\n\t\tcreel__kick(p);',
        ''),
    # A worker that says that it begins, and was stopped then, is a liar as soon as it is believed.
    'takes the stopped for a liar': (
        'procs/death.c',
        'if (place->began && creel__cas(&slot->state, &ready, kill, relaxed, relaxed))\n\t\treturn true;',
        '(void)ready;'),
    # The same of one that has died then.
    'takes the dead for a liar': (
        'procs/collect.c',
        '(!place->began || creel__says_begun(p, w, i))',
        '((void)creel__says_begun(p, w, i), !place->began)'),
    # A task is settled while somebody asks its executor about it.
    'settles what is asked about': (
        'exec/claim.c',
        'if ((s & CREEL__STATE) == CREEL__PINNED || s & CREEL__HELD) {',
        'if ((s & CREEL__STATE) == CREEL__PINNED) {'),
    # A look has found it started, just before it is settled, and it is taken for cancelled.
    'gives up what a look has started': (
        'exec/given.c',
        'if (creel__future_peek(f) != CREEL__RUNNING) {\n\t\t\tcreel__task_drop_counted(f);\n'
        '\t\t\treturn -ECANCELED;\n\t\t}',
        'creel__task_drop_counted(f);\n\t\treturn -ECANCELED;'),
    # What was cancelled before it was settled counts as in flight for ever.
    'forgets what was cancelled elsewhere': (
        'exec/given.c',
        'creel__task_drop_counted(f);\n\t\t\treturn -ECANCELED;',
        'creel__future_drop_queued(f);\n\t\t\treturn -ECANCELED;'),
    # A waiter looks at the options while the end of the task changes them.
    'looks at what is being ended': (
        'future/future.c',
        'uint64_t s = creel__load(&f->state, relaxed);\n\tdo {\n\t\tunsigned state',
        'uint64_t s = creel__load(&f->state, relaxed);\n\tif (ends_with_calls(f))\n'
        '\t\treturn false;\n\tdo {\n\t\tunsigned state'),
    # The task ends while its waiter does some of the executor's work, and that goes.
    'goes beneath a waiter': (
        'exec/custom_ops.c',
        'creel__custom_use(c);\n\tcreel__future_release(&task->future);\n'
        '\tif (creel__user_call(ex->generation, c->ops.await(c->self, task, deadline), 0))\n'
        '\t\tcreel__custom_unuse(c);',
        'creel__future_release(&task->future);\n'
        '\t(void)creel__user_call(ex->generation, c->ops.await(c->self, task, deadline), 0);'),
    # A dead worker is buried while a waiter has its outcome in hand.
    'buries the living': (
        'procs/death.c',
        'while (w->fetching)\n\t\tcreel__cond_wait(&p->changed, &p->lock, CREEL_FOREVER);',
        ''),
    # What a dead worker wrote behind its task decides what becomes of that.
    'believes the dead': (
        'procs/take.c',
        '(place->seq > first || (place->seq == first',
        '((place->seq >= first'),
    # What a dead worker had not begun cannot be cancelled, and fails.
    'says that it began': (
        'procs/take.c',
        'if (!is_dead(w))',
        'if (w->gone)\n\t\treturn false;\n\tif (!is_dead(w))'),
    # A task is DONE, and one that the same worker had to do before is not.
    'delivers out of turn': (
        'procs/collect.c',
        'uint64_t until = count && count < w->used ? creel__first_undone_locked(p, w) : UINT64_MAX;',
        'uint64_t until = UINT64_MAX;'),
    # One who watched for the task before it was taken back ends the watch of another.
    'ends the watch of another': (
        'procs/fetch.c',
        'if (place->task != watch->task || place->seq != watch->seq)',
        'if (place->task != watch->task)'),
    # A task is killed whose worker was dead already, and what it died of is being told.
    'kills the dead': (
        'procs/death.c',
        'if (w->gone || place->collecting || place->kill_kind ||',
        'if (place->kill_kind ||'),
    # The last user of an input goes between its end and the telling: its result goes as well.
    'tells of an empty one': (
        'future/link.c',
        'if (creel__hooks_link(f, &link->hook))',
        'if (creel__hooks_listen(f, &link->hook))'),
    # An item goes to a get that is being cancelled, or is taken from a put that is: lost, or doubled.
    'gives to a cancelled get': (
        'compose/channel_step.c',
        'if (!waiter->blocked && !creel__owned_claim(future_of(waiter)))',
        'if (!waiter->blocked && !creel__owned_claim(future_of(waiter)) && false)'),
    # A thread whose deadline has passed goes, although somebody has given it an item, or taken its own.
    'takes back what was taken': (
        'compose/channel_wait.c',
        'bool linked = waiter->channel;',
        'bool linked = true;'),
    # The thread that waited does not see what it was given.
    'hands over relaxed': (
        'compose/channel_step.c',
        'creel__store(&blocked->done, 1, release);',
        'creel__store(&blocked->done, 1, relaxed);'),
    # The thread that waits may go before it has its item.
    'wakes before it gives': (
        'compose/channel_step.c',
        '*blocked_of(to)->item = *item;\n\t\twake(blocked_of(to), 0);',
        'struct creel__item *there = blocked_of(to)->item;\n'
        '\t\twake(blocked_of(to), 0);\n\t\t*there = *item;'),
    # The last user goes while a get is being cancelled: its canceller uses the channel.
    'frees beneath a canceller': (
        'compose/channel_step.c',
        'bool gone = ch->dead && creel__list_is_empty(&ch->gets) && '
        'creel__list_is_empty(&ch->puts);',
        'bool gone = ch->dead;'),
    # The last user of a channel has gone, and its token uses it.
    'takes a channel that goes': (
        'compose/channel.c',
        '\twhile (refs > 0)\n\t\tif (creel__cas(&ch->refs',
        '\twhile (true)\n\t\tif (creel__cas(&ch->refs'),
    # What expires while a canceller asks it, and lets it go on, does not end.
    'expires behind a canceller': (
        'future/cancel.c',
        'return stage && stage->insists;\n}\n\nstatic bool win',
        'return false && stage;\n}\n\nstatic bool win'),
    # A join returns, and what comes later is taken.
    'joins and stays open': (
        'exec/custom_tasks.c',
        '\t\tc->shut |= CREEL__CUSTOM_CLOSED;\n',
        ''),
    # A join takes what is not due for nothing.
    'joins what is not due': (
        'exec/custom_tasks.c',
        ' && c->base.undue_count == 0 &&',
        ' &&'),
    # Its token uses a scope that is being destroyed.
    'uses a scope that goes': (
        'exec/custom_life.c',
        'bool lives = !creel__custom_is_dead_locked(c);',
        'bool lives = true;'),
    # Who ends an any reads the failures before, and does not see which futures those are.
    'fails relaxed': (
        'compose/combine.c',
        'creel__store(&g->inputs[i].failed, !success, release);',
        'creel__store(&g->inputs[i].failed, !success, relaxed);'),
    # What became due again while its giver was at it is nobody's.
    'forgets the next run': (
        'future/expire.c',
        'bool again = times->due_again;',
        'bool again = times->due_again && false;'),
    # Whoever submits takes it for awake.
    'sleeps in secret': (
        'compose/ready.c',
        'd->asleep = sleeps;',
        'd->asleep = false;'),
    # The runner that sleeps does not hear of a stop.
    'stops in silence': (
        'compose/driven_run.c',
        'd->stop = true;\n\tcreel__driven_show_locked(d);',
        'd->stop = true;'),
    # A stop that comes when the run has decided to return is for the next one.
    'forgets a stop': (
        'compose/driven_run.c',
        'd->until = NULL;',
        'd->until = NULL;\n\td->stop = false;'),
    # What the runner waits for has come, and it sleeps.
    'comes in silence': (
        'compose/driven_run.c',
        'r->come = true;\n\tcreel__driven_show_locked(r->d);',
        'r->come = true;'),
    # Who drains waits for a runner that has left.
    'leaves the drainers asleep': (
        'compose/driven_run.c',
        'creel__cond_broadcast_locked(&d->changed);',
        ''),
    # Who drains sleeps, since a canceller has the last task, and another comes.
    'submits beside a drainer': (
        'compose/driven.c',
        'if (!d->runner)\n\t\t\tcreel__cond_broadcast_locked(&d->changed);',
        ''),
    # A canceller of a descriptor's future still uses the executor.
    'goes beneath a canceller': (
        'compose/driven_state.c',
        'bool dead = d->held == 0 && d->released;',
        'bool dead = d->held <= 1 && d->released;'),
    # A submission comes while rank 0 looks, and it sleeps until the next one.
    'sleeps over news': (
        'mpi/root.c',
        'if (!world->news)\n\t\tsleep_locked(ns);',
        'sleep_locked(ns);'),
    # The job waits for a task that is gone.
    'counts what was withdrawn': (
        'mpi/pool.c',
        'creel__mpi_unask_locked(world, item);\n\t\tworld->items--;',
        'creel__mpi_unask_locked(world, item);'),
    # Rank 0 has sent it, and a canceller finds it in the queue.
    'sends what may be withdrawn': (
        'mpi/send.c',
        'item->place = CREEL__MPI_SENT;',
        ''),
    # A second kill finds the item of a task that has ended.
    'is found behind its end': (
        'mpi/ends.c',
        'creel__mpi_forget_locked(world, item);',
        ''),
    # Rank 0 has still to tell the rank of a task that has ended.
    'keeps what is to be told': (
        'mpi/ends.c',
        'creel__mpi_unask_locked(world, item);',
        ''),
    # A shutdown has found it in the queue, and a canceller does.
    'ends what may be withdrawn': (
        'mpi/sweep.c',
        'if (item)\n\t\tcreel__mpi_leave_locked(item);',
        ''),
    # No rank serves any more, and a canceller has what fails.
    'fails what may be withdrawn': (
        'mpi/ends.c',
        'if (item)\n\t\t\tcreel__mpi_leave_locked(item);',
        ''),
    # A rank seems to have what it has returned, and gets nothing for it.
    'counts what came back': (
        'mpi/receive.c',
        'p->items--;\n\titem->pool->sent--;\n\titem->place = CREEL__MPI_QUEUED;',
        'item->pool->sent--;\n\titem->place = CREEL__MPI_QUEUED;'),
    # A submission had begun before the shutdown that kills, and comes behind its sweep.
    'comes behind the sweep': (
        'mpi/pool.c',
        'item->pool->swept = false;\n\t\t\tworld->sweeps = true;',
        ''),
    # A huge time limit is over at once (xenon 416). tests/unit finds it.
    'multiplies without end': (
        'base/clock.c',
        'if (ms > INT64_MAX / NS_PER_MS)\n\t\treturn CREEL_FOREVER;',
        ''),
}


def main():
    if len(sys.argv) != 4 or sys.argv[1] not in BUGS:
        sys.exit(__doc__)
    name, lib, output = sys.argv[1:]
    path, old, new = BUGS[name]
    with open(os.path.join(lib, path), encoding='utf-8') as f:
        text = f.read()
    if text.count(old) != 1:
        sys.exit('bugs.py: %s: the text of the bug "%s" is there %d times, not once:\n%s' % (
            path, name, text.count(old), old))
    with open(output, 'w', encoding='utf-8') as f:
        f.write(text.replace(old, new))


if __name__ == '__main__':
    main()
