# SPDX-License-Identifier: MIT
"""The complete programs of doc/ compile as printed, and print what is shown.

usage: tutorial.py --self-test | SOURCE BUILD MESON...

What a complete program is, and its output, is as in readme.py. Each is built against the installed
tree with what pkg-config says, with warnings as errors.
"""

import sys

import lint
from installed import installed
from readme import build_and_run, programs


def check_doc(root, build_and_run_one):
    problems = []
    for path in lint.files(root, ['doc'], '.md'):
        for line, source, output in programs(lint.read('%s/%s' % (root, path))):
            where = '%s:%d' % (path, line)
            if output is None:
                problems.append('%s: no ```text block says what it prints' % where)
                continue
            printed, problem = build_and_run_one(source)
            if problem:
                problems.append('%s: %s' % (where, problem))
            elif printed != output:
                problems.append('%s: printed %r, not %r' % (where, printed, output))
    return problems


class Libc:
    """For the self-test: nothing but the compiler."""
    env = None


def check(root):
    return check_doc(root, lambda source: build_and_run(
        Libc, 'cc', 'cc -std=c11 -Wall -Wextra -Werror it.c -o it', source))


PROGRAM = '```c\n#include <stdio.h>\nint main(void)\n{\n\tputs("42");\n\treturn 0;\n}\n```\n'
GOOD = {'doc/a.md': '# a\n```c\nint a_part_of_a_program;\n```\n' + PROGRAM + '```text\n42\n```\n'}
BAD = [
    ('no output', {'doc/a.md': '\n' + PROGRAM}, r'doc/a.md:2: no ```text'),
    ('other output', {'doc/a.md': PROGRAM + '```text\n41\n```\n'}, r"printed '42\\n', not '41"),
    ('a program that does not compile',
     {'doc/b/c.md': PROGRAM.replace('puts', 'put') + '```text\n42\n```\n'}, r'does not build'),
]


def main():
    if sys.argv[1:] == ['--self-test']:
        lint.main(check, GOOD, BAD)
    source, build, meson = sys.argv[1], sys.argv[2], sys.argv[3:]
    with installed(meson, build) as tree:
        command = 'cc -std=c11 -Wall -Wextra -Wpedantic -Werror it.c -o it ' + ' '.join(
            tree.pkg_config('--cflags', '--libs'))
        problems = check_doc(source, lambda text: build_and_run(tree, 'cc', command, text))
    print('\n'.join(problems))
    sys.exit(1 if problems else 0)


if __name__ == '__main__':
    main()
