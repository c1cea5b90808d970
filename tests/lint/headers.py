# SPDX-License-Identifier: MIT
"""Each public header compiles alone, twice over, as C11 and as C++17, without a warning.

With gcc, g++, clang and clang++, as far as they are installed; at least one C and one C++ compiler
must be.
"""

import os
import shutil
import subprocess

import lint

COMPILERS = [('gcc', 'c', 'c11'), ('clang', 'c', 'c11'),
             ('g++', 'c++', 'c++17'), ('clang++', 'c++', 'c++17')]
WARNINGS = ['-Wall', '-Wextra', '-pedantic', '-Werror', '-Wshadow', '-Wundef', '-Wconversion']


def compile_alone(root, header, compiler, language, standard):
    # Twice: the second time it must be empty. Not -Wpedantic's empty unit: hence the typedef.
    program = '#include <%s>\n#include <%s>\ntypedef int nothing;\n' % (header, header)
    command = [compiler, '-x', language, '-std=' + standard, '-fsyntax-only', '-I',
               os.path.join(root, 'include')] + WARNINGS + ['-']
    return subprocess.run(command, input=program, stderr=subprocess.PIPE, text=True)


def check(root):
    present = [c for c in COMPILERS if shutil.which(c[0])]
    if len({language for _, language, _ in present}) < 2:
        raise lint.Skip('a C and a C++ compiler are needed: install g++')
    problems = []
    headers = lint.files(os.path.join(root, 'include'), ['.'], ('.h',))
    for header in (os.path.normpath(h) for h in headers):
        for compiler, language, standard in present:
            done = compile_alone(root, header, compiler, language, standard)
            if done.returncode or done.stderr:
                problems.append('include/%s:1: not as %s with %s:\n%s' %
                                (header, standard, compiler, done.stderr))
    return problems if headers else ['include/: nothing to check']


GOOD = {
    'include/creel/base.h': '#pragma once\n#include <stddef.h>\n',
    'include/creel/task.h': '#ifndef TASK_H\n#define TASK_H\n#include <creel/base.h>\n'
                            'struct task {\n\tsize_t n;\n};\n#endif\n',
}
BAD = [
    ('a header that needs another', {'include/creel/a.h': '#pragma once\nextern size_t a;\n'},
     r'creel/a.h:1: not as c11'),
    ('a header without a guard', {'include/creel/a.h': 'struct a {\n\tint b;\n};\n'}, r'creel/a.h'),
    ('C that is not C++', {'include/creel/a.h': '#pragma once\nint f(int class);\n'},
     r'creel/a.h:1: not as c\+\+17'),
    ('a warning', {'include/creel/a.h': '#pragma once\nstatic inline int f(int unused)\n'
                                        '{\n\treturn 0;\n}\n'}, r'creel/a.h:1: not as c11'),
]

if __name__ == '__main__':
    lint.main(check, GOOD, BAD)
