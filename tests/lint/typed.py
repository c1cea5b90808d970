# SPDX-License-Identifier: MIT
"""In the typed layer a wrong type does not compile.

Small programs against creel/typed.h: each must compile as it stands, and must not once the type in
it is wrong; in C and in C++, with each compiler that is installed, as it comes: no option turns warnings
into errors.
"""

import os
import re
import shutil
import subprocess

import lint

COMPILERS = [('gcc', 'c', 'c11'), ('clang', 'c', 'c11'),
             ('g++', 'c++', 'c++17'), ('clang++', 'c++', 'c++17')]

START = '''
#include <creel/typed.h>
struct point {
	int x, y;
};
static long square(long n)
{
	return n * n;
}
static struct point mirror(struct point p)
{
	struct point q = {p.y, p.x};
	return q;
}
static int parse(creel_task *task, const struct point *arg, double *ret_result)
{
	*ret_result = arg->x;
	return creel_task_cancelled(task) ? -1 : 0;
}
'''
MACROS = '''
CREEL_TYPED(square, long, long);
CREEL_TYPED(mirror, struct point, struct point);
CREEL_TYPED_TASK(parse, double, struct point);
'''
CALLS_START = '''
int calls(creel_executor *ex);
int calls(creel_executor *ex)
{
	long n = 3, r;
	struct point p = {1, 2}, q;
	long items[2] = {1, 2};
	double d;
	size_t i;
'''

# What is right, and what is wrong in its place. Each is tried alone.
CALLS = [
    ('argument', 'creel_future_unref(square_submit(ex, n));',
     'creel_future_unref(square_submit(ex, &n));'),
    ('argument: a string', 'creel_future_unref(square_submit(ex, n));',
     'creel_future_unref(square_submit(ex, "3"));'),
    ('argument: a struct for a number', 'creel_future_unref(square_submit(ex, n));',
     'creel_future_unref(square_submit(ex, p));'),
    ('argument: a number for a struct', 'creel_future_unref(mirror_submit(ex, p));',
     'creel_future_unref(mirror_submit(ex, n));'),
    ('result', 'return square_result(NULL, CREEL_NOW, &r);',
     'return square_result(NULL, CREEL_NOW, &p);'),
    ('result: another size', 'return square_result(NULL, CREEL_NOW, &r);',
     'return square_result(NULL, CREEL_NOW, &d);'),
    ('result: no pointer', 'return mirror_result(NULL, CREEL_NOW, &q);',
     'return mirror_result(NULL, CREEL_NOW, q);'),
    ('result of a task', 'return parse_result(NULL, CREEL_NOW, &d);',
     'return parse_result(NULL, CREEL_NOW, &r);'),
    ('items of a map', 'creel_map_end(square_map(ex, items, 2, NULL));',
     'creel_map_end(square_map(ex, &p, 2, NULL));'),
    ('options of a map', 'creel_map_end(square_map(ex, items, 2, NULL));',
     'creel_map_end(square_map(ex, items, 2, &p));'),
    ('result of a map', 'return square_map_next(NULL, CREEL_NOW, &r, &i);',
     'return square_map_next(NULL, CREEL_NOW, &q, &i);'),
    ('executor', 'creel_future_unref(square_submit(ex, n));',
     'creel_future_unref(square_submit(&p, n));'),
]
FUNCTIONS = [
    ('the macro says another argument: a struct', 'CREEL_TYPED(square, long, long);',
     'CREEL_TYPED(square, long, struct point);'),
    ('the macro says another result: a struct', 'CREEL_TYPED(square, long, long);',
     'CREEL_TYPED(square, struct point, long);'),
    ('the macro says another argument: a narrower number', 'CREEL_TYPED(square, long, long);',
     'CREEL_TYPED(square, long, int);'),
    ('the macro says another result: a narrower number', 'CREEL_TYPED(square, long, long);',
     'CREEL_TYPED(square, int, long);'),
    ('the macro says another result of a task',
     'CREEL_TYPED_TASK(parse, double, struct point);',
     'CREEL_TYPED_TASK(parse, float, struct point);'),
    ('the macro says another argument of a task',
     'CREEL_TYPED_TASK(parse, double, struct point);',
     'CREEL_TYPED_TASK(parse, double, long);'),
    ('the macro of plain functions for a task',
     'CREEL_TYPED_TASK(parse, double, struct point);',
     'CREEL_TYPED(parse, double, struct point);'),
]


def program(macros, call):
    unused = '\t(void)n, (void)r, (void)p, (void)q, (void)items, (void)d, (void)i;\n'
    return (START + macros + CALLS_START + '\tr = 0, q = p, d = 0, i = 0;\n' + unused
            + '\t' + call + '\n\treturn 0;\n}\n')


def programs():
    """(what, the program, the same with a wrong type)."""
    for what, right, wrong in CALLS:
        yield what, program(MACROS, right), program(MACROS, wrong)
    for what, right, wrong in FUNCTIONS:
        assert right in MACROS
        yield what, program(MACROS, ''), program(MACROS.replace(right, wrong), '')


def compiles(root, compiler, language, standard, source):
    done = subprocess.run([compiler, '-x', language, '-std=' + standard, '-fsyntax-only',
                           '-I', os.path.join(root, 'include'), '-'],
                          input=source, stderr=subprocess.PIPE, text=True)
    if re.search(r'unrecogni[sz]ed|fatal error|unknown argument', done.stderr):
        raise RuntimeError(done.stderr)
    return done.returncode == 0, done.stderr


def check(root):
    present = [c for c in COMPILERS if shutil.which(c[0])]
    if not present:
        raise lint.Skip('no compiler')
    problems = []
    for compiler, language, standard in present:
        for what, right, wrong in programs():
            ok, said = compiles(root, compiler, language, standard, right)
            if not ok:
                problems.append('include/creel/typed.h:1: %s: does not compile when right (%s):\n%s'
                                % (what, compiler, said))
            ok, said = compiles(root, compiler, language, standard, wrong)
            if ok:
                problems.append('include/creel/typed.h:1: %s: compiles with a wrong type (%s)' %
                                (what, compiler))
    return problems


# A layer of which every call takes and gives anything at all.
LOOSE = '''
#include <stddef.h>
struct creel_any {
	int x;
};
typedef struct creel_executor creel_executor;
typedef struct creel_task creel_task;
'''
OPAQUE = LOOSE + '#define CREEL_TYPED(name, R, A) struct name##_end\n' \
    '#define CREEL_TYPED_TASK(name, R, A) struct name##_end\n' \
    '#define CREEL_NOW 0\nint creel_task_cancelled(creel_task *task);\n'
VARIADIC = OPAQUE + ''.join(
    'int %s_%s();\n' % (f, call) for f in ('square', 'mirror', 'parse')
    for call in ('submit', 'result', 'map', 'map_next')) \
    + 'void creel_map_end();\nvoid creel_future_unref();\n'

GOOD = {}
BAD = [
    ('a layer that takes anything', {'include/creel/typed.h': VARIADIC},
     r'argument: a string: compiles with a wrong type'),
    ('a layer without calls', {'include/creel/typed.h': OPAQUE}, r'does not compile when right'),
]


def self_test_check(root):
    # A good layer is the project's own, which the lint itself checks: here only bad ones are.
    return check(root) if os.path.exists(os.path.join(root, 'include')) else []


if __name__ == '__main__':
    import sys
    lint.main(self_test_check if '--self-test' in sys.argv else check, GOOD, BAD)
