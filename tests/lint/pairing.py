# SPDX-License-Identifier: MIT
"""Every ordered atomic operation says with what it pairs.

An operation of lib/ that is not relaxed carries, in a comment on its statement or directly above
it, a label such as [FUT-1] and the word acquire, release, acq_rel or seq_cst that it uses. Each
label stands on both sides: on at least two operations, one of which releases and one acquires. An
operation that does both may be its own other side, such as a reference count that goes down in
several threads: it says "pairs with itself".
atomic_thread_fence() is refused: ThreadSanitizer does not understand it.
The memory model's table has a row for each label, and what the page calls "`f()` of x/y.c" is there.
"""

import os
import re

import lint

ORDERS = ('relaxed', 'consume', 'acquire', 'release', 'acq_rel', 'seq_cst')
OPERATION = re.compile(r'\b(creel__(?:load|store|xchg|add|sub|or|and|xor|cas)|'
                       r'atomic_(?:load|store|exchange|fetch_\w+|compare_exchange_\w+)|'
                       r'atomic_flag_\w+)\s*\(')
FENCE = re.compile(r'\batomic_(?:thread|signal)_fence\s*\(')
LABEL = re.compile(r'\[([A-Z][A-Z0-9]*-[0-9]+)\]')
RELEASES = ('release', 'acq_rel', 'seq_cst')
PAGE = 'doc/explanation/memory-model.md'
ROW = re.compile(r'^\| ([A-Z][A-Z0-9]*-[0-9]+) \|', re.M)
# "`f()` of x/y.c", "`f()` and `g()` of x/y.c"
PLACE = re.compile(r'((?:`\w+\(\)`(?:, | and ))*`\w+\(\)`) of (\w+/\w+\.c)')
ACQUIRES = ('acquire', 'acq_rel', 'seq_cst')


def arguments(code, start):
    """The arguments of the call whose parenthesis opens at start, and where it closes."""
    depth, parts, last = 0, [], start + 1
    for i in range(start, len(code)):
        if code[i] in '([{':
            depth += 1
        elif code[i] in ')]}':
            depth -= 1
            if depth == 0:
                return parts + [code[last:i].strip()], i
        elif code[i] == ',' and depth == 1:
            parts.append(code[last:i].strip())
            last = i + 1
    return parts, len(code) - 1


def is_continuation(code_lines, i):
    """Whether line i goes on with the statement of the line above it."""
    above = code_lines[i - 1].strip() if i else ''
    return bool(above) and above[-1] not in ';{}:' and not above.startswith('#')


def statement_comments(code_lines, comment_lines, first, last):
    """The comments on the statement around lines first..last (from 0) and directly above it."""
    while is_continuation(code_lines, first):
        first -= 1
    while last + 1 < len(code_lines) and is_continuation(code_lines, last + 1):
        last += 1
    above = first
    while above > 0 and not code_lines[above - 1].strip() and comment_lines[above - 1].strip():
        above -= 1
    return '\n'.join(comment_lines[above:last + 1])


def blank_macros(code):
    """Definitions of macros blanked out: what they spell is checked where they are used."""
    return re.sub(r'^[ \t]*#[ \t]*define\b(?:[^\n]*\\\n)*[^\n]*',
                  lambda m: re.sub(r'[^\n]', ' ', m.group()), code, flags=re.M)


def operations(path, text):
    """(line, name, orders, comments) of each operation of the file."""
    code = blank_macros(lint.code_only(text))
    code_lines = code.split('\n')
    comment_lines = lint.comments_only(text).split('\n')
    for match in OPERATION.finditer(code):
        args, end = arguments(code, match.end() - 1)
        args = [a.replace('memory_order_', '') for a in args]
        first, last = lint.line_of(code, match.start()), lint.line_of(code, end)
        orders = [a for a in args if a in ORDERS]
        if not orders and match.group(1).startswith('atomic_'):
            orders = ['seq_cst']
        yield (first, match.group(1), orders,
               statement_comments(code_lines, comment_lines, first - 1, last - 1))


def pairs_with_itself(comments):
    return bool(re.search(r'\bpairs with itself\b', re.sub(r'[\s*]+', ' ', comments)))


def sides(name, orders):
    """What the operation does: (releases, acquires). A load cannot release, a store not acquire."""
    releases = any(o in RELEASES for o in orders) and not name.endswith('load')
    acquires = any(o in ACQUIRES for o in orders) and not name.endswith('store')
    return releases, acquires


def check_operation(where, name, orders, comments, labels):
    if not orders:
        return ['%s: %s names no memory order' % (where, name)]
    ordered = [o for o in orders if o != 'relaxed']
    if not ordered:
        return []
    found = LABEL.findall(comments)
    if not found:
        return ['%s: %s(%s) has no pairing label such as [FUT-1]' % (where, name, ordered[0])]
    for label in found:
        releases, acquires = sides(name, ordered)
        alone = releases and acquires and pairs_with_itself(comments)
        labels.setdefault(label, []).append((where, releases, acquires, alone))
    return ['%s: the comment of %s [%s] does not say "%s"' % (where, name, found[0], o)
            for o in ordered[:1] if not re.search(r'\b%s\b' % o, comments)]


def check(root):
    problems, labels, sources = [], {}, lint.files(root, ['lib'], ('.c', '.h'))
    for path in sources:
        text = lint.read(os.path.join(root, path))
        for fence in FENCE.finditer(blank_macros(lint.code_only(text))):
            problems.append('%s:%d: a fence: use ordered operations' %
                            (path, lint.line_of(text, fence.start())))
        for line, name, orders, comments in operations(path, text):
            problems += check_operation('%s:%d' % (path, line), name, orders, comments, labels)
    for label, uses in sorted(labels.items()):
        if len(uses) < 2 and not uses[0][3]:
            problems.append('%s: [%s] stands alone: label what it pairs with' % (uses[0][0], label))
        elif not any(u[1] for u in uses):
            problems.append('%s: [%s] has no release side' % (uses[0][0], label))
        elif not any(u[2] for u in uses):
            problems.append('%s: [%s] has no acquire side' % (uses[0][0], label))
    problems += check_page(root, labels)
    return problems if sources else ['lib/: nothing to check']


def check_page(root, labels):
    if not os.path.exists(os.path.join(root, PAGE)):
        return []
    text = lint.read(os.path.join(root, PAGE))
    rows = set(ROW.findall(text))
    problems = ['%s:1: has no row for [%s]' % (PAGE, label) for label in sorted(set(labels) - rows)]
    problems += ['%s:1: has a row for [%s], which is nowhere' % (PAGE, label)
                 for label in sorted(rows - set(labels))]
    for m in PLACE.finditer(text):
        path = os.path.join('lib', m.group(2))
        there = os.path.exists(os.path.join(root, path))
        code = lint.code_only(lint.read(os.path.join(root, path))) if there else ''
        problems += ['%s:%d: %s() is not in %s' % (PAGE, lint.line_of(text, m.start()), name, path)
                     for name in re.findall(r'`(\w+)\(\)`', m.group(1))
                     if not re.search(r'\b%s\(' % name, code)]
    return problems


PUBLISH = '''
void publish(struct box *b)
{
	/* [BOX-1] release: publishes the value; pairs with the acquire in look() */
	creel__store(&b->full, 1,
		     release);
	creel__add(&b->count, 1, relaxed);
}
'''
LOOK = '''
bool look(struct box *b)
{
	if (b->mine ||
	    creel__load(&b->full, acquire)) /* [BOX-1] acquire: pairs with publish() */
		return true;
	uint32_t no = 0;
	/* [BOX-1] acq_rel: takes the value, and hands on what it saw. A comment
	 * of two lines, and a string: */
	return puts("creel__load(p, seq_cst)") &&
	       creel__cas(&b->full, &no, 1, acq_rel, acquire);
}
'''
MACROS = '''
#define creel__load(p, mo) (POINT(p), \\
			    atomic_load_explicit(p, memory_order_##mo))
#define creel__bump(p) creel__store(p, creel__load(p, relaxed) + 1, relaxed)
'''
UNREF = '''
void unref(struct box *b)
{
	/* [BOX-2] acq_rel: the last one frees after everybody's use; pairs
	 * with itself */
	if (creel__sub(&b->refs, 1, acq_rel) == 1)
		free(b);
}
'''
GOOD = {'lib/sync/atomic.h': MACROS, 'lib/future/a.c': PUBLISH, 'lib/future/b.c': LOOK,
        'lib/future/u.c': UNREF}
BAD = [
    ('no label', {'lib/future/c.c': 'int f(void)\n{\n\treturn creel__load(p, acquire);\n}\n'},
     r'c.c:3: creel__load\(acquire\) has no pairing label'),
    ('a label on the statement before', {'lib/future/c.c':
     'void f(void)\n{\n\t/* [BOX-1] release: */\n\tcreel__store(p, 1, release);\n'
     '\tcreel__store(q, 1, release);\n}\n'}, r'c.c:5: .*no pairing label'),
    ('a label with a blank line between', {'lib/future/c.c':
     '/* [BOX-1] acquire: */\n\nint x = creel__load(p, acquire);\n'}, r'c.c:3: .*no pairing label'),
    ('a label in a string', {'lib/future/c.c':
     'int x = f("[BOX-1] acquire", creel__load(p, acquire));\n'}, r'c.c:1: .*no pairing label'),
    ('the wrong word', {'lib/future/a.c': PUBLISH.replace('] release', '] acquire', 1)},
     r'a.c:5: .*\[BOX-1\] does not say "release"'),
    ('a label on one side only', {'lib/future/b.c': '\n'}, r'\[BOX-1\] stands alone'),
    ('alone, and not with itself', {'lib/future/u.c': UNREF.replace('itself', 'others')},
     r'\[BOX-2\] stands alone'),
    ('with itself, and only a release', {'lib/future/u.c': UNREF.replace('acq_rel', 'release')},
     r'\[BOX-2\] stands alone'),
    ('two releases', {'lib/future/b.c': PUBLISH}, r'\[BOX-1\] has no acquire side'),
    ('two acquires', {'lib/future/a.c': '\n', 'lib/future/b.c':
                      LOOK.replace('acq_rel, acquire', 'acquire, acquire')
                      .replace('] acq_rel', '] acquire')}, r'\[BOX-1\] has no release side'),
    ('a default order', {'lib/sync/c.c': 'int x = atomic_load(p);\n'},
     r'c.c:1: atomic_load\(seq_cst\) has no'),
    ('an explicit operation', {'lib/sync/c.c':
     'int x = atomic_fetch_add_explicit(p, 1, memory_order_release);\n'}, r'\(release\) has no'),
    ('no order', {'lib/future/c.c': 'int x = creel__load(p);\n'}, r'names no memory order'),
    ('a fence', {'lib/sync/c.c': '\natomic_thread_fence(memory_order_seq_cst);\n'}, r'c.c:2: a fen'),
]
BAD += [
    ('a label without a row', {PAGE: '| BOX-2 | `unref()` of future/u.c |\n'}, r'no row for \[BOX-1\]'),
    ('a row without a label', {PAGE: '| BOX-1 |\n| BOX-2 |\n| BOX-3 |\n'}, r'BOX-3\], which is nowhere'),
    ('a function that has moved',
     {PAGE: '| BOX-1 | `publish()` and `look()` of future/a.c |\n| BOX-2 |\n'},
     r'md:1: look\(\) is not in lib/future/a.c'),
]

if __name__ == '__main__':
    lint.main(check, GOOD, BAD)
