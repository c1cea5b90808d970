# SPDX-License-Identifier: MIT
"""The documentation names what is there, and only that.

- doc/reference/README.md has one table row for each public function, under its header. A function
  counts when include/creel/ declares it and lib/ defines it: what is only declared is not there yet.
- doc/explanation/memory-model.md has one table row for each pairing label of lib/, such as [FUT-1].
- Every relative link of README.md and doc/ leads to a file, and to a heading where it has a #.
"""

import os
import re

import lint

REFERENCE = 'doc/reference/README.md'
MEMORY_MODEL = 'doc/explanation/memory-model.md'
LABEL = re.compile(r'\[([A-Z][A-Z0-9]*-[0-9]+)\]')
ROW = re.compile(r'^\| `(\w+)` \|', re.M)
LINK = re.compile(r'\]\(([^)\s]+)\)')


def text_of(root, path):
    where = os.path.join(root, path)
    return lint.read(where) if os.path.exists(where) else ''


def defined(root):
    """The names of the functions that lib/ defines."""
    names = set()
    for path in lint.files(root, ['lib'], '.c'):
        code = lint.code_only(text_of(root, path))
        names.update(re.findall(r'^\w[\w *]*?\b(creel_\w+)\s*\([^;{]*\)\s*\{', code, re.M))
    return names


def declared(root):
    """{header: names of its functions}; those of the typed layer by their suffix."""
    found = {}
    for path in lint.files(root, ['include'], '.h'):
        code = lint.code_only(text_of(root, path))
        names = re.findall(r'CREEL_API\b[^;(]*?\b(creel_\w+)\s*\(', code)
        names += ['name_' + n for n in re.findall(r'\bstatic \w+ \*?name##_(\w+)\(', code)
                  if n not in ('creel_fn', 'creel_then_fn')]
        found[os.path.relpath(path, 'include')] = set(names)
    return found


def sections(text):
    """{header: names in its table} of the reference."""
    parts = re.split(r'^## (creel/\w+\.h)\b', text, flags=re.M)
    return {header: ROW.findall(re.split(r'^## ', body, flags=re.M)[0])
            for header, body in zip(parts[1::2], parts[2::2])}


def check_reference(root):
    problems, there = [], defined(root)
    listed, headers = sections(text_of(root, REFERENCE)), declared(root)
    for header, names in sorted(headers.items()):
        names = {n for n in names if n in there or n.startswith('name_')}
        rows = listed.get(header, [])
        problems += ['%s: %s of %s is missing' % (REFERENCE, n, header)
                     for n in sorted(names - set(rows))]
        problems += ['%s: %s is not a function of %s' % (REFERENCE, n, header)
                     for n in rows if n not in names]
        problems += ['%s: %s is listed twice' % (REFERENCE, n)
                     for n in sorted(set(rows)) if rows.count(n) > 1]
    problems += ['%s: there is no %s' % (REFERENCE, h) for h in listed if h not in headers]
    return problems


def check_labels(root):
    used = set()
    for path in lint.files(root, ['lib'], ('.c', '.h')):
        used.update(LABEL.findall(lint.comments_only(text_of(root, path))))
    rows = re.findall(r'^\| ([A-Z][A-Z0-9]*-[0-9]+) \|', text_of(root, MEMORY_MODEL), re.M)
    return (['%s: label %s of lib/ has no row' % (MEMORY_MODEL, n) for n in sorted(used - set(rows))]
            + ['%s: label %s is not in lib/' % (MEMORY_MODEL, n) for n in rows if n not in used])


def anchors(text):
    """What GitHub and others make of headings."""
    headings = re.findall(r'^#+ +(.*)$', re.sub(r'^```.*?^```', '', text, flags=re.M | re.S), re.M)
    return {re.sub(r'[^\w\- ]', '', h.lower()).replace(' ', '-') for h in headings}


def check_links(root):
    problems = []
    for path in ['README.md'] + lint.files(root, ['doc'], '.md'):
        text = re.sub(r'^```.*?^```', lambda m: re.sub(r'[^\n]', ' ', m.group()),
                      text_of(root, path), flags=re.M | re.S)
        for match in LINK.finditer(text):
            if re.match(r'\w+:', match.group(1)):
                continue
            name, _, anchor = match.group(1).partition('#')
            target = os.path.normpath(os.path.join(os.path.dirname(path), name)) if name else path
            where = '%s:%d' % (path, lint.line_of(text, match.start()))
            if not os.path.exists(os.path.join(root, target)):
                problems.append('%s: there is no %s' % (where, target))
            elif anchor and anchor not in anchors(text_of(root, target)):
                problems.append('%s: %s has no heading for #%s' % (where, target, anchor))
    return problems


def check(root):
    return check_reference(root) + check_labels(root) + check_links(root)


HEADER = ('CREEL_API int creel_one(void);\nCREEL_API CREEL_MUST_USE creel_future *creel_two(int a,\n'
          '\tint b);\nCREEL_API int creel_later(void);\n')
SOURCE = ('int creel_one(void)\n{\n\t/* [ONE-1] acquire */\n}\n\ncreel_future *creel_two(int a,\n'
          '\tint b)\n{\n}\n')
LIST = '# Reference\n\n## creel/a.h: one\n\n| call | what |\n|---|---|\n%s\n## Rules\n'
ROWS = '| `creel_one` | one |\n| `creel_two` | two |\n'
MODEL = '## Labels here\n\n| label | what |\n|---|---|\n| ONE-1 | one |\n'
GOOD = {
    'include/creel/a.h': HEADER,
    'lib/a.c': SOURCE,
    REFERENCE: LIST % ROWS,
    MEMORY_MODEL: MODEL,
    'README.md': '[a](doc/reference/README.md) [b](https://example.org/) '
                 '[c](doc/explanation/memory-model.md#labels-here)\n```c\na[0](x);\n```\n',
}
BAD = [
    ('a function that is not listed', {REFERENCE: LIST % '| `creel_one` | one |\n'},
     r'creel_two of creel/a.h is missing'),
    ('a function that does not exist', {REFERENCE: LIST % (ROWS + '| `creel_three` | 3 |\n')},
     r'creel_three is not a function'),
    ('a function that is only declared', {REFERENCE: LIST % (ROWS + '| `creel_later` | 4 |\n')},
     r'creel_later is not a function'),
    ('a function listed twice', {REFERENCE: LIST % (ROWS + ROWS)}, r'creel_one is listed twice'),
    ('a header that does not exist', {REFERENCE: LIST % ROWS + '## creel/b.h: two\n'},
     r'there is no creel/b.h'),
    ('a label without a row', {'lib/b.c': '/* [TWO-1] release */\n'}, r'TWO-1 of lib/ has no row'),
    ('a row without a label', {MEMORY_MODEL: MODEL + '| TWO-1 | two |\n'}, r'TWO-1 is not in lib/'),
    ('a dead link', {'README.md': '[a](doc/none.md)\n'}, r'README.md:1: there is no doc/none.md'),
    ('a link to no heading', {'doc/a.md': '\n[a](explanation/memory-model.md#none)\n'},
     r'doc/a.md:2: .*no heading for #none'),
]

if __name__ == '__main__':
    lint.main(check, GOOD, BAD)
