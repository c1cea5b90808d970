# SPDX-License-Identifier: MIT
"""The complete programs of doc/ compile as printed, and print what is shown.

usage: tutorial.py --self-test | SOURCE BUILD MESON...

What a complete program is, and its output, is as in readme.py. Each is built against the installed
tree with what pkg-config says, with warnings as errors: C as C11, C++ as C++17, that with every compiler
there is.
"""

import shutil
import sys

import lint
from installed import installed
from readme import build_and_run, programs


C = 'cc -std=c11 -Wall -Wextra -Wpedantic -Werror it.c -o it '
CXX = ' -std=c++17 -Wall -Wextra -Wpedantic -Werror it.cpp -o it '
CXX_COMPILERS = ('g++', 'clang++')


def commands(flags):
    """{language: what makes ./it of it}."""
    present = [c for c in CXX_COMPILERS if shutil.which(c)]
    return {'c': [C + flags], 'cpp': [c + CXX + flags for c in present]}


def check_doc(root, tree, flags):
    problems, ways = [], commands(flags)
    for path in lint.files(root, ['doc'], '.md'):
        for line, language, source, output in programs(lint.read('%s/%s' % (root, path)), ways):
            where = '%s:%d' % (path, line)
            if output is None:
                problems.append('%s: no ```text block says what it prints' % where)
                continue
            for command in ways[language]:
                printed, problem = build_and_run(tree, command.split()[0], command, source,
                                                 'it.' + language)
                if problem:
                    problems.append('%s: %s' % (where, problem))
                elif printed != output:
                    problems.append('%s: printed %r, not %r' % (where, printed, output))
    return problems


class Libc:
    """For the self-test: nothing but the compiler."""
    env = None


def check(root):
    return check_doc(root, Libc, '')


PROGRAM = '```c\n#include <stdio.h>\nint main(void)\n{\n\tputs("42");\n\treturn 0;\n}\n```\n'
CXX_PROGRAM = '```cpp\n#include <cstdio>\nint main()\n{\n\tstd::puts("42");\n}\n```\n'
GOOD = {'doc/c.md': CXX_PROGRAM + '```text\n42\n```\n',
        'doc/a.md': '# a\n```c\nint a_part_of_a_program;\n```\n' + PROGRAM + '```text\n42\n```\n'}
BAD = [
    ('no output', {'doc/a.md': '\n' + PROGRAM}, r'doc/a.md:2: no ```text'),
    ('other output', {'doc/a.md': PROGRAM + '```text\n41\n```\n'}, r"printed '42\\n', not '41"),
    ('a program that does not compile',
     {'doc/b/c.md': PROGRAM.replace('puts', 'put') + '```text\n42\n```\n'}, r'does not build'),
    ('a C++ program without output', {'doc/a.md': '\n' + CXX_PROGRAM}, r'doc/a.md:2: no ```text'),
    ('a C++ program that does not compile',
     {'doc/a.md': CXX_PROGRAM.replace('std::', 'sdt::') + '```text\n42\n```\n'}, r'does not build'),
    ('other output of a C++ program', {'doc/a.md': CXX_PROGRAM + '```text\n41\n```\n'},
     r"printed '42\\n', not '41"),
]


def main():
    if sys.argv[1:] == ['--self-test']:
        lint.main(check, GOOD, BAD)
    source, build, meson = sys.argv[1], sys.argv[2], sys.argv[3:]
    with installed(meson, build) as tree:
        problems = check_doc(source, tree, ' '.join(tree.pkg_config('--cflags', '--libs')))
    print('\n'.join(problems))
    sys.exit(1 if problems else 0)


if __name__ == '__main__':
    main()
