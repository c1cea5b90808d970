# SPDX-License-Identifier: MIT
"""Functions of the user's are called through creel__user_call() alone (lib/sync/fork.h).

Such a function may fork, and the child must not go on with what is its parent's. The lint knows no
types: it takes every call through a pointer for one of the user's, unless the pointer is one of the
library's own, which are few and stand here.
"""

import os
import re

import lint

# Functions of the library's own that it calls through pointers.
OWN = {
    'ask': 'future/token.h: registrations',
    'hold': 'future/token.h: registrations',
    'notify': 'future/hook.h: listeners',
    'begin': 'sync/block.c: a worker that blocks',
    'park': 'sync/block.c: of sync/park.c',
    'has_happened': 'sync/look.h: what a waiter looks for',
    'at_exit': 'sync/local.c: the end of a thread',
    'visit': 'base/cgroup.c: its walk',
    'alloc': 'future/result.c: where a worker process puts results',
    'reset': 'sync/fork.h: static state of the library, in a child',
    'run': 'sync/thread.c: the body of a thread; future/nest.c: what had to wait',
    'send': 'future/callback.c: to where the callback is called',
    'dispose': 'future/callback.c: its memory',
    'again': 'exec/due.c: the next run of a periodic task',
    'end': 'time/clock.c: what a timer is for',
    'cancel': 'exec/loop_token.c: a loop whose token was cancelled',
    'explain': 'future/cancel.c: an owner, which says what lies beneath a reason',
    'withdraw': 'future/cancel.c: an owner, off whose structure a future goes',
    'cancelled': 'future/cancel.c: an owner, which hears of it',
    'take_in': 'compose/retry_new.c: the class of any custom executor',
    'ended': 'future/link.c: what hangs on a future',
    'alone': 'exec/loop_pool.c: the invitation of helpers',
    'landed': 'mpi/port.c: of a large payload, all of which has been sent or received',
    'end_dying': 'future/nest.c: what ends a future that had to wait',
}
CLASS = re.compile(r'\bclass\s*$')
# It is looked at again after the call, and would then be that of the child.
ANEW = re.compile(r'\bcreel__user_call\s*\(\s*creel__fork_generation\b')
WRAPPER = re.compile(r'\bcreel__user_call\s*\(')
MEMBER = re.compile(r'(?:->|\.)\s*([a-z_]\w*)\s*\(')
# What makes a parameter or a variable one: "int (*fn)(", "creel_fn fn".
POINTER = re.compile(r'\(\s*\*\s*([a-z_]\w*)\s*\)\s*\(|\bcreel__?(?:\w+_)?fn\s+([a-z_]\w*)\s*[,;)=]')


def matching(text, at):
    """Where the bracket that opens at `at` closes."""
    depth = 0
    for i in range(at, len(text)):
        depth += {'(': 1, ')': -1}.get(text[i], 0)
        if depth == 0:
            return i
    return len(text)


def without_wrapped(text):
    out, at = [], 0
    for m in WRAPPER.finditer(text):
        if m.start() < at:
            continue
        end = matching(text, m.end() - 1)
        out += [text[at:m.start()], re.sub(r'[^\n]', ' ', text[m.start():end])]
        at = end
    return ''.join(out) + text[at:]


def calls(text):
    """(offset, name) of each call through a pointer."""
    for m in MEMBER.finditer(text):
        if not CLASS.search(text[:m.start()]):
            yield m.start(1), m.group(1)
    names = {a or b for a, b in POINTER.findall(text)}
    for name in names:
        # Called: not defined, and not declared.
        for m in re.finditer(r'(?<![\w.>*])%s\s*\(' % name, text):
            if not re.search(r'[\w*]\s+\**$', text[:m.start()]) or \
                    re.search(r'\b(?:return|else)\s+$', text[:m.start()]):
                yield m.start(), name


def check(root):
    problems, sources = [], lint.files(root, ['lib'], ('.c', '.h'))
    for path in sources:
        text = lint.code_only(lint.read(os.path.join(root, path)))
        problems += ['%s:%d: take the generation before the call: the function may fork'
                     % (path, lint.line_of(text, m.start())) for m in ANEW.finditer(text)]
        text = without_wrapped(text)
        problems += ['%s:%d: %s() is called through a pointer: use creel__user_call() if it is a '
                     'function of the user\'s' % (path, lint.line_of(text, at), name)
                     for at, name in sorted(calls(text)) if name not in OWN]
    return problems if sources else ['lib/: nothing to check']


GOOD = {'lib/future/a.c': '''
typedef int (*creel_fn)(int);
struct s { int (*fn)(int); void (*free)(void *); struct class *class; };
static int fn_of(struct s *s);
void a(struct s *s, creel_fn fn, void (*run)(void))
{
	int code = 0;
	s->class->submit(s);
	hook->notify(s);
	run();
	if (creel__user_call(s->generation, code = s->fn(1), code))
		(void)creel__user_call(1, fn ? fn(2) : 0, 0);
	creel__free(s);
	/* s->free(s) */
}
'''}
BAD = [
    ('a member called', {'lib/future/b.c': 'void b(struct s *s)\n{\n\ts->free(s->p);\n}\n'},
     r'b.c:3: free\(\)'),
    ('a member of a struct', {'lib/future/b.c': 'void b(void)\n{\n\tint rc = ops.submit(1);\n}\n'},
     r'b.c:3: submit\(\)'),
    ('a parameter called', {'lib/future/b.c': 'int b(creel_fn fn)\n{\n\treturn fn(1);\n}\n'},
     r'b.c:3: fn\(\)'),
    ('a variable called',
     {'lib/future/b.c': 'void b(void)\n{\n\tvoid (*f)(int) = g;\n\tx = f(1);\n}\n'},
     r'b.c:4: f\(\)'),
    ('behind one that is right',
     {'lib/future/b.c': 'void b(void)\n{\n\tx(creel__user_call(g, s->fn(), 0));\n\ts->free(1);\n}\n'},
     r'b.c:4: free\(\)'),
    ('a generation that changes',
     {'lib/future/b.c': 'void b(void)\n{\n\tx(creel__user_call(creel__fork_generation(), f(), 0));\n}\n'},
     r'b.c:3: take the generation before'),
]

if __name__ == '__main__':
    lint.main(check, GOOD, BAD)
