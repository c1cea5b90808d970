# SPDX-License-Identifier: MIT
"""Wrong types and wrong units do not compile, and right ones compile without a warning.

Small programs against creel/typed.h: each must compile as it stands, and must not once the type in
it is wrong; in C and in C++, with each compiler that is installed. Deadlines need no option for that. In the
typed layer old C compilers only warn: there the options are given that the header names.
"""

import os
import re
import shutil
import subprocess

import lint

COMPILERS = [('gcc', 'c', 'c11'), ('clang', 'c', 'c11'),
             ('g++', 'c++', 'c++17'), ('clang++', 'c++', 'c++17')]

OLD_C = ['-Werror=int-conversion', '-Werror=incompatible-pointer-types']
C_WARNINGS = ['-Wstrict-prototypes', '-Wmissing-prototypes']
CXX_WARNINGS = ['-Wold-style-cast']
WARNINGS = ['-Wall', '-Wextra', '-pedantic', '-Wconversion', '-Wsign-conversion', '-Wshadow', '-Wcast-qual',
            '-Wredundant-decls', '-Wmissing-declarations', '-Wundef', '-Werror'] + C_WARNINGS + CXX_WARNINGS
STANDARDS = {'c': ['c99', 'c11', 'c17', 'c2x'], 'c++': ['c++11', 'c++17', 'c++20']}

# Everything that the layer defines, of every sort of type.
ALL = '''
#include <creel/typed.h>
struct point {
	int x, y;
};
static struct point mirror(struct point p) { struct point q = {p.y, p.x}; return q; }
static long words(char *s) { return s[0]; }
static const char *base(const char *s) { return s; }
static void *same(void *p) { return p; }
static void tick(long n) { (void)n; }
static long count(void) { return 3; }
static void nothing(void) {}
static int parse(creel_task *t, const struct point *a, double *r) { *r = a->x; return creel_task_cancelled(t); }
static int letters(creel_task *t, char *const *a, long *r) { *r = (*a)[0]; (void)t; return 0; }
static int notes(creel_task *t, long const *a) { (void)t; return *a != 0; }
static int makes(creel_task *t, long *r) { (void)t; *r = 1; return 0; }
static int only(creel_task *t) { (void)t; return 0; }
CREEL_TYPED(mirror, struct point, struct point);
CREEL_TYPED(words, long, char *);
CREEL_TYPED(base, const char *, const char *);
CREEL_TYPED(same, void *, void *);
CREEL_TYPED(tick, void, long);
CREEL_TYPED(count, long, void);
CREEL_TYPED(nothing, void, void);
CREEL_TYPED_TASK(parse, double, struct point);
CREEL_TYPED_TASK(letters, long, char *);
CREEL_TYPED_TASK(notes, void, long);
CREEL_TYPED_TASK(makes, long, void);
CREEL_TYPED_TASK(only, void, void);
static const creel_deadline never = CREEL_FOREVER_INIT, past = CREEL_NOW_INIT;
int main(int argc, char **argv)
{
	creel_submit_options o = creel_submit_options();
	creel_executor *ex = creel_inline_new();
	creel_queue *q = creel_queue_new(NULL);
	creel_deadline at = CREEL_NOW;
	long r = 0;
	int rc;
	o.limit_ns = CREEL_S(1) + CREEL_MS(argc) + CREEL_US(argc);
	creel_future *f = words_submit(ex, argv[0]);
	rc = words_result(f, never, &r);
	creel_future_unref(f);
	f = nothing_submit(ex);
	rc |= nothing_result(f, past);
	creel_future_unref(f);
	f = count_submit_with(ex, &o);
	at = creel_in_ms(argc);
	rc |= count_result(f, at, &r);
	creel_future_unref(f);
	rc |= words_queue_submit(q, ex, argv[0], &o, NULL);
	creel_mapping *m = words_map(ex, argv, static_cast_size(argc), NULL);
	while ((rc = words_map_next(m, CREEL_FOREVER, &r, NULL)) == 0)
		at = creel_in_ns(rc);
	creel_map_end(m);
	creel_queue_unref(q);
	creel_executor_close(ex);
	return rc == CREEL_EMPTY && at.ns < creel_now().ns ? 0 : 1;
}
'''
# What C and C++ write in different words.
WORDS = {
    'c': {'creel_submit_options()': '{0}', 'static_cast_size(argc)': '(size_t)argc'},
    'c++': {'static_cast_size(argc)': 'static_cast<size_t>(argc)'},
}

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
ARRAY = '''
typedef int vector[3];
static long sum(int *v)
{
	return v[0];
}
CREEL_TYPED(sum, long, vector);
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
# What a deadline is taken for. No option is needed: its type is a struct.
UNITS = [
    ('a number as a deadline', 'return creel_future_result(NULL, creel_in_ms(500), NULL, 0);',
     'return creel_future_result(NULL, 500, NULL, 0);'),
    ('zero as a deadline', 'return creel_executor_drain(ex, CREEL_NOW);',
     'return creel_executor_drain(ex, 0);'),
    ('a deadline as a limit', 'creel_submit_options o = {0}; o.limit_ns = CREEL_MS(100); (void)o;',
     'creel_submit_options o = {0}; o.limit_ns = creel_in_ms(100); (void)o;'),
    ('half a millisecond', 'return creel_executor_drain(ex, creel_in_ms(1));',
     'return creel_executor_drain(ex, creel_in_ms(0.5));'),
    ('a floating number of nanoseconds', 'return creel_executor_drain(ex, creel_in_ns(CREEL_US(7)));',
     'return creel_executor_drain(ex, creel_in_ns(1e9));'),
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
    """(what, the program, the same with a wrong type, options)."""
    for what, right, wrong in CALLS:
        yield what, program(MACROS, right), program(MACROS, wrong), OLD_C
    for what, right, wrong in FUNCTIONS:
        assert right in MACROS
        yield what, program(MACROS, ''), program(MACROS.replace(right, wrong), ''), OLD_C
    for what, right, wrong in UNITS:
        yield what, program(MACROS, right), program(MACROS, wrong), []
    yield 'an array', program(MACROS, ''), program(MACROS + ARRAY, ''), []


def compiles(root, compiler, language, standard, source, options=()):
    if language == 'c++':
        options = [o for o in options if o not in OLD_C + C_WARNINGS]
    else:
        options = [o for o in options if o not in CXX_WARNINGS]
    done = subprocess.run([compiler, '-x', language, '-std=' + standard, '-fsyntax-only', *options,
                           '-I', os.path.join(root, 'include'), '-'],
                          input=source, stderr=subprocess.PIPE, text=True)
    if re.search(r'unrecogni[sz]ed|fatal error: (?!too many)|unknown argument', done.stderr):
        raise RuntimeError(done.stderr)
    return done.returncode == 0, done.stderr


def check(root, compilers=COMPILERS):
    present = [c for c in compilers if shutil.which(c[0])]
    if not present:
        raise lint.Skip('no compiler')
    problems = []
    for compiler, language, standard in present:
        for what, right, wrong, options in programs():
            ok, said = compiles(root, compiler, language, standard, right, options)
            if not ok:
                problems.append('include/creel/typed.h:1: %s: does not compile when right (%s):\n%s'
                                % (what, compiler, said))
            ok, said = compiles(root, compiler, language, standard, wrong, options)
            if ok:
                problems.append('include/creel/typed.h:1: %s: compiles with a wrong type (%s)' %
                                (what, compiler))
        problems += check_warnings(root, compiler, language)
    return problems + list(check_pragmas(root))


def check_warnings(root, compiler, language):
    source = ALL
    for word, instead in WORDS[language].items():
        source = source.replace(word, instead)
    for standard in STANDARDS[language]:
        ok, said = compiles(root, compiler, language, standard, source, WARNINGS)
        if not ok:
            yield 'include/creel/typed.h:1: a warning with %s -std=%s:\n%s' % (compiler, standard, said)


def check_pragmas(root):
    """The warnings of a user's own code are the user's affair."""
    folder = os.path.join(root, 'include', 'creel')
    for name in sorted(os.listdir(folder)):
        with open(os.path.join(folder, name), encoding='utf-8') as f:
            for number, line in enumerate(f, 1):
                if re.search(r'#\s*pragma|_Pragma', line):
                    yield 'include/creel/%s:%d: a pragma changes what the user is warned of' % (name, number)


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
    ('a layer that warns', {'include/creel/typed.h': VARIADIC}, r'a warning with'),
    ('a pragma', {'include/creel/typed.h': OPAQUE, 'include/creel/x.h': '#pragma GCC diagnostic pop\n'},
     r'x.h:1: a pragma'),
]


def self_test_check(root):
    # A good layer is the project's own, which the lint itself checks: here only bad ones are, by one
    # compiler.
    return check(root, COMPILERS[:1]) if os.path.exists(os.path.join(root, 'include')) else []


if __name__ == '__main__':
    import sys
    lint.main(self_test_check if '--self-test' in sys.argv else check, GOOD, BAD)
