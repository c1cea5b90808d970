# SPDX-License-Identifier: MIT
"""The C files look as clang-format, with the tree's .clang-format, would have them.

Version 14 only: others lay a few lines out differently.
"""

import os
import re
import shutil
import subprocess

import lint

FOLDERS = ['lib', 'include', 'tests', 'samples']


def clang_format():
    for name in ('clang-format-14', 'clang-format'):
        if not shutil.which(name):
            continue
        version = subprocess.run([name, '--version'], stdout=subprocess.PIPE, text=True).stdout
        if re.search(r'version 14\.', version):
            return name
    raise lint.Skip('no clang-format of version 14: install clang-format-14')


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
    return problems


GOOD = {
    '.clang-format': 'BasedOnStyle: LLVM\nUseTab: Always\nIndentWidth: 8\nTabWidth: 8\n'
                     'BreakBeforeBraces: Linux\nAllowShortFunctionsOnASingleLine: None\n',
    'lib/core/a.c': 'int f(void)\n{\n\treturn 0;\n}\n',
}
BAD = [
    ('spaces', {'lib/core/a.c': 'int f(void)\n{\n    return 0;\n}\n'}, r'a.c:2: '),
    ('a brace in a header', {'include/creel/a.h': 'int f(void) {\n\treturn 0;\n}\n'}, r'a.h:1: '),
    ('a style that does not parse', {'.clang-format': 'UseTab: Perhaps\n'}, r'.'),
]

if __name__ == '__main__':
    lint.main(check, GOOD, BAD)
