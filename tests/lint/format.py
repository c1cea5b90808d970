# SPDX-License-Identifier: MIT
"""The C files look as clang-format, with the tree's .clang-format, would have them.

Version 14 only: others lay a few lines out differently. It leaves comments as they are
(ReflowComments: false), so the length of every line is looked at here.
"""

import os
import re
import shutil
import subprocess

import lint

FOLDERS = ['lib', 'include', 'tests', 'samples']
COLUMNS, TAB = 100, 8


def clang_format():
    for name in ('clang-format-14', 'clang-format'):
        if not shutil.which(name):
            continue
        version = subprocess.run([name, '--version'], stdout=subprocess.PIPE, text=True).stdout
        if re.search(r'version 14\.', version):
            return name
    raise lint.Skip('no clang-format of version 14: install clang-format-14')


def too_long(root, path):
    lines = lint.read(os.path.join(root, path)).split('\n')
    return ['%s:%d: %d columns, and %d is the limit (a tab has %d): break the line' % (
        path, n, len(line.expandtabs(TAB)), COLUMNS, TAB)
        for n, line in enumerate(lines, 1) if len(line.expandtabs(TAB)) > COLUMNS]


def check(root):
    tool, sources = clang_format(), lint.files(root, FOLDERS, ('.c', '.h'))
    if not sources:
        return ['lib/: nothing to check']
    style = os.path.join(root, '.clang-format')
    done = subprocess.run([tool, '--dry-run', '-Werror', '--style=file:' + style] + sources,
                          cwd=root, stderr=subprocess.PIPE, text=True)
    wrong = re.findall(r'^(\S+:\d+):\d+: (?:error|warning): (.*)', done.stderr, re.M)
    problems = ['%s: %s: run %s -i' % (where, what, tool) for where, what in
                sorted(set(wrong), key=wrong.index)]
    if done.returncode and not problems:
        problems.append('.clang-format:1: ' + done.stderr.strip())
    return problems + [p for path in sources for p in too_long(root, path)]


GOOD = {
    '.clang-format': 'BasedOnStyle: LLVM\nUseTab: Always\nIndentWidth: 8\nTabWidth: 8\n'
                     'BreakBeforeBraces: Linux\nColumnLimit: 100\nReflowComments: false\n'
                     'AllowShortFunctionsOnASingleLine: None\n',
    'lib/future/a.c': '/* %s */\nint f(void)\n{\n\treturn 0; /* %s */\n}\n' % (94 * 'x', 76 * 'x'),
}
BAD = [
    ('spaces', {'lib/future/a.c': 'int f(void)\n{\n    return 0;\n}\n'}, r'a.c:2: '),
    ('a brace in a header', {'include/creel/a.h': 'int f(void) {\n\treturn 0;\n}\n'}, r'a.h:1: '),
    ('a comment of 101 columns', {'lib/future/a.c': '/* %s */\n' % (95 * 'x')}, r'a.c:1: 101 '),
    ('a tab that counts', {'include/creel/a.h': 'struct a {\n\tint b; /* %s */\n};\n' % (80 * 'x')},
     r'a.h:2: 101 '),
    ('a style that does not parse', {'.clang-format': 'UseTab: Perhaps\n'}, r'.'),
]

if __name__ == '__main__':
    lint.main(check, GOOD, BAD)
