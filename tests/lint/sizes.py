# SPDX-License-Identifier: MIT
"""Sizes and tidiness: functions <= 80 lines, files of lib/ <= 500, an SPDX line a file, no notes.

Needs universal-ctags, which knows where a function ends. Prints the median and the ninetieth
percentile of the functions of lib/, which the house style sets at 15 and 40 lines.
"""

import json
import os
import re
import shutil
import subprocess

import lint

FOLDERS = ['lib', 'include', 'tests', 'samples', 'doc']
C_FILES = ('.c', '.h', '.cpp', '.hpp')
TEXT_FILES = C_FILES + ('.py', '.sh', '.md', '.build', 'run')
FUNCTION_MAX = 80
FILE_MAX = 500
NOTE = re.compile(r'\b(TO' r'DO|FIX' r'ME)\b')  # split: this file must not find itself


def functions(root, paths):
    """(path, line, name, lines) of each function definition."""
    if not paths:
        return []
    out = subprocess.run(['ctags', '--options=NONE', '--quiet', '-o-', '--output-format=json',
                          '--fields=+ne', '--languages=C,C++', '--kinds-C=f', '--kinds-C++=f', '-L-'], cwd=root,
                         input='\n'.join(paths), stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                         check=True, text=True)
    tags = [json.loads(line) for line in out.stdout.splitlines()]
    return [(t['path'], t['line'], t['name'], t['end'] - t['line'] + 1)
            for t in tags if t.get('_type') == 'tag' and 'end' in t]


def check(root):
    if not shutil.which('ctags'):
        raise lint.Skip('no ctags: install universal-ctags')
    problems, sources = [], lint.files(root, FOLDERS, C_FILES)
    found = functions(root, sources)
    for path, line, name, lines in found:
        if lines > FUNCTION_MAX:
            problems.append('%s:%d: %s() has %d lines, more than %d' %
                            (path, line, name, lines, FUNCTION_MAX))
    for path in sources:
        text = lint.read(os.path.join(root, path))
        if path.startswith('lib' + os.sep) and text.count('\n') > FILE_MAX:
            problems.append('%s:1: %d lines, more than %d' % (path, text.count('\n'), FILE_MAX))
        if 'SPDX-License-Identifier:' not in text.split('\n', 1)[0]:
            problems.append('%s:1: the first line is no SPDX-License-Identifier' % path)
    for path in lint.files(root, FOLDERS, TEXT_FILES):
        for number, line in enumerate(lint.read(os.path.join(root, path)).split('\n'), 1):
            if NOTE.search(line):
                problems.append('%s:%d: a note to oneself: do it, or file it' % (path, number))
    lengths = sorted(f[3] for f in found if f[0].startswith('lib' + os.sep))
    if lengths:
        print('lib/: %d functions, median %d lines, 90 %% at most %d, longest %d' % (
            len(lengths), lengths[len(lengths) // 2], lengths[len(lengths) * 9 // 10],
            lengths[-1]))
    return problems if sources else ['lib/: nothing to check']


SPDX = '/* SPDX-License-Identifier: MIT */\n'


def _function(lines):
    return SPDX + 'int f(void)\n{\n' + '\tg();\n' * (lines - 4) + '\treturn 0;\n}\n'


GOOD = {'lib/future/a.c': _function(80), 'tests/unit/b.c': _function(10)}
BAD = [
    ('a long function', {'lib/future/b.c': _function(81)}, r'b.c:2: f\(\) has 81 lines'),
    ('a long function of a test', {'tests/unit/b.c': _function(200)}, r'b.c:2: f\(\) has 200'),
    ('a long file', {'lib/future/b.h': SPDX + '\n' * 500}, r'b.h:1: 501 lines'),
    ('no SPDX line', {'include/creel/a.h': '/* A header. */\n'}, r'a.h:1: .*SPDX'),
    ('a note', {'lib/future/b.c': SPDX + '/* TO' 'DO */\n'}, r'b.c:2: a note'),
    ('a note in a document', {'doc/a.md': 'text\n\nFIX' 'ME later\n'}, r'a.md:3: a note'),
]

if __name__ == '__main__':
    lint.main(check, GOOD, BAD)
