# SPDX-License-Identifier: MIT
"""What the lints share.

A lint is a module with
    check(root) -> list of problems, each "path:line: what is wrong"; [] when all is well
    GOOD  = {path: content}, a small tree in which it must find nothing
    BAD   = [(what is wrong, {path: content}, regular expression)], trees laid over GOOD in each of
            which it must find something that matches
and ends in lint.main(). A lint that cannot fail is worth nothing: --self-test runs it over GOOD and
BAD, and the test programme runs that beside the lint itself.
"""

import os
import re
import sys
import tempfile

SKIPPED = 77  # the exit status that meson reads as "skipped"


class Skip(Exception):
    """The lint cannot run here; the text says what is missing."""


def read(path):
    with open(path, encoding='utf-8', errors='replace') as f:
        return f.read()


def files(root, folders, endings):
    """Paths relative to root of the files under folders with one of the endings, sorted."""
    found = []
    for folder in folders:
        for here, below, names in os.walk(os.path.join(root, folder)):
            below[:] = [d for d in below if not d.startswith(('build', '.', '__'))]
            found += [os.path.relpath(os.path.join(here, n), root)
                      for n in names if n.endswith(endings)]
    return sorted(found)


TOKEN = re.compile(r'//[^\n]*|/\*.*?\*/|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\'', re.S)


def _blank(text):
    return re.sub(r'[^\n]', ' ', text)


def code_only(text):
    """text with comments and the contents of literals blanked out, every line where it was."""
    def blank(match):
        token = match.group()
        if token[0] == '/':
            return _blank(token)
        return token[0] + _blank(token[1:-1]) + token[-1]
    return TOKEN.sub(blank, text)


def comments_only(text):
    """text with everything but comments blanked out, every line where it was."""
    result, at = [], 0
    for match in TOKEN.finditer(text):
        result.append(_blank(text[at:match.start()]))
        token = match.group()
        result.append(token if token[0] == '/' else _blank(token))
        at = match.end()
    result.append(_blank(text[at:]))
    return ''.join(result)


def line_of(text, offset):
    return text.count('\n', 0, offset) + 1


def includes(text):
    """(line, quote, name) of each #include; quote is '<' or '"'."""
    blank_comments = TOKEN.sub(lambda m: _blank(m.group()) if m.group()[0] == '/' else m.group(),
                               text)
    return [(line_of(blank_comments, m.start(1)), m.group(1), m.group(2)) for m in
            re.finditer(r'^[ \t]*#[ \t]*include[ \t]*([<"])([^>"]+)[>"]', blank_comments, re.M)]


def grow(root, tree):
    for path, content in tree.items():
        where = os.path.join(root, path)
        os.makedirs(os.path.dirname(where), exist_ok=True)
        with open(where, 'w', encoding='utf-8') as f:
            f.write(content)


def self_test(check, good, bad):
    passed = failed = 0
    cases = [('a good tree', {}, None)] + list(bad)
    for what, tree, expected in cases:
        with tempfile.TemporaryDirectory(prefix='creel-lint-') as root:
            grow(root, {**good, **tree})
            problems = check(root)
        if expected is None:
            ok = not problems
        else:
            ok = any(re.search(expected, p) for p in problems)
        passed, failed = passed + ok, failed + (not ok)
        print(('ok: ' if ok else 'NOT OK: ') + what)
        if not ok:
            print('    wanted %s, got %s' % (expected or 'nothing', problems or 'nothing'))
    print('%d passed, %d failed' % (passed, failed))
    return failed


def main(check, good, bad):
    """Ends the program. Arguments: a source tree to check, or --self-test."""
    try:
        if sys.argv[1:] == ['--self-test']:
            sys.exit(1 if self_test(check, good, bad) else 0)
        problems = check(sys.argv[1])
    except Skip as reason:
        print('skipped: %s' % reason)
        sys.exit(SKIPPED)
    for p in problems:
        print(p)
    if problems:
        print('%d problems' % len(problems))
    sys.exit(1 if problems else 0)
