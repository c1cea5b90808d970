# SPDX-License-Identifier: MIT
"""Locks, parking and atomics come from lib/sync, and from nowhere else.

A model checker stands in for lib/sync: what goes past it would not be explored. For the same reason,
and because polling is no waiting, nothing outside it sleeps or yields.
"""

import os
import re

import lint

HEADERS = ('pthread.h', 'stdatomic.h', 'threads.h', 'semaphore.h', 'linux/futex.h')
CALLS = [
    (r'\bpthread_(?:mutex|cond|rwlock|spin|barrier|key)_?\w*', 'a lock of pthreads'),
    (r'\bPTHREAD_(?:MUTEX|COND|RWLOCK)_\w+', 'a lock of pthreads'),
    (r'\b(?:mtx|cnd|tss)_\w+\s*\(|\bsem_(?:init|wait|post|timedwait|trywait|open)\s*\(', 'a lock'),
    (r'\b(?:SYS|__NR)_futex\w*|\bFUTEX_\w+', 'a futex'),
    (r'\batomic_(?!t\b)\w+\s*\(|\bmemory_order_\w+', 'a raw atomic operation'),
    (r'\b__(?:atomic|sync)_\w+', 'a raw atomic operation'),
    (r'\b(?:sched_yield|pthread_yield|thrd_yield|usleep|nanosleep|clock_nanosleep|sleep)\s*\(',
     'a sleep or yield'),
]

# A child that is forked while another thread is inside waits for ever, with musl.
ONCE = re.compile(r'\bpthread_once\w*|\bPTHREAD_ONCE_\w+|\bcall_once\b')

# lib/mpi is a library of its own, on the public headers: it has no lib/sync.
OWN = ('sync', 'mpi')

# A worker that waits gives up its slot, unless it waits in one of these (lib/sync/block.h).
BRIEF = {
    'compose/channel_wait.c': 'until an item that somebody has in hand is copied',
    'compose/retry.c': 'until cancellers that are on their way have come',
    'exec/claim.c': 'until a canceller is through with the executor',
    'exec/loop_token.c': 'until a canceller has told the loop',
    'exec/undue.c': 'until a task that somebody has won is off the list',
    'future/cancel.c': 'until the executor has been asked',
    'future/follow.c': 'somebody moves a link on, with a lock and not longer',
    'future/hook.c': 'for a lock',
    'threads/block.c': 'until it is known whether a thread is made',
    'threads/reserve.c': 'somebody makes a thread, and says at once whether there is one',
    'threads/worker.c': 'an idle worker has no slot',
}
BRIEFLY = re.compile(r'\bcreel__\w+_briefly\s*\(')


def brief(path, code):
    name = path.split(os.sep, 1)[1].replace(os.sep, '/')
    return [] if name in BRIEF else [
        '%s:%d: %s keeps a worker\'s slot: wait without _briefly, or say why in this lint' % (
            path, lint.line_of(code, m.start()), m.group().rstrip(' ('))
        for m in BRIEFLY.finditer(code)]


def check(root):
    problems = []
    sources = lint.files(root, ['lib'], ('.c', '.h'))
    for path in sources:
        text = lint.read(os.path.join(root, path))
        problems += ['%s:%d: %s: by creel__fork_renew() (lib/sync/fork.h, ONCE)' % (
            path, lint.line_of(text, m.start()), m.group())
            for m in ONCE.finditer(lint.code_only(text))]
        if path.startswith(tuple(os.path.join('lib', name) + os.sep for name in OWN)):
            continue
        for line, _, name in lint.includes(text):
            if name in HEADERS:
                problems.append('%s:%d: <%s> belongs to lib/sync' % (path, line, name))
        code = lint.code_only(text)
        problems += brief(path, code)
        for pattern, what in CALLS:
            for match in re.finditer(pattern, code):
                problems.append('%s:%d: %s, %s, belongs to lib/sync' % (
                    path, lint.line_of(code, match.start()), match.group().rstrip(' ('), what))
    return problems if sources else ['lib/: nothing to check']


GOOD = {
    'lib/sync/lock.c': '#include <pthread.h>\nvoid f(void)\n{\n\tpthread_mutex_lock(&m);\n}\n',
    'lib/future/a.c': '#include "sync/lock.h"\n/* atomic_load(p), pthread_mutex_t */\n'
                    'void f(void)\n{\n\tcreel__load(p, relaxed);\n\tputs("sleep(1)");\n}\n',
}


def _line(code):
    return {'lib/threads/a.c': 'void f(void)\n{\n\t%s;\n}\n' % code}


BAD = [
    ('pthread.h', {'lib/future/a.c': '#include <pthread.h>\n'}, r'a.c:1: <pthread.h>'),
    ('stdatomic.h', {'lib/threads/a.h': '# include <stdatomic.h>\n'}, r'a.h:1: <stdatomic.h>'),
    ('a mutex', _line('pthread_mutex_lock(&m)'), r'a.c:3: pthread_mutex_lock'),
    ('a condition', _line('pthread_cond_t c'), r'a.c:3: pthread_cond_t'),
    ('a futex', _line('syscall(SYS_futex, p)'), r'a.c:3: SYS_futex'),
    ('a raw atomic', _line('atomic_fetch_add(p, 1)'), r'a.c:3: atomic_fetch_add'),
    ('a builtin atomic', _line('__atomic_load_n(p, 5)'), r'a.c:3: __atomic_load_n'),
    ('a once', {'lib/sync/a.c': 'void f(void)\n{\n\tpthread_once(&o, make);\n}\n'},
     r'a.c:3: pthread_once'),
    ('a semaphore', _line('sem_wait(&s)'), r'a.c:3: sem_wait'),
    ('a sleep', _line('usleep(100)'), r'a.c:3: usleep'),
    ('a wait that keeps the slot', _line('creel__park_briefly(w, 0, d)'), r'a.c:3: creel__park_b'),
]

if __name__ == '__main__':
    lint.main(check, GOOD, BAD)
