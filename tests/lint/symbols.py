# SPDX-License-Identifier: MIT
"""What the libraries define: the shared one exports creel_..., the static one creel_... or creel__...

usage: symbols.py --self-test | SHARED STATIC HEADERS
Also checks, against the headers, that every function that they declare is exported and that nothing
else is: an interface that nobody can read about is none.
"""

import os
import re
import subprocess
import sys
import tempfile

import lint


def defined(library, *options):
    out = subprocess.run(['nm', '--defined-only', '--format=posix', *options, library],
                         stdout=subprocess.PIPE, check=True, text=True).stdout
    return {line.split()[0].split('@')[0] for line in out.splitlines()
            if len(line.split()) > 2 and line.split()[1].isupper()}


def declared(include):
    names = set()
    for path in lint.files(include, ['.'], ('.h',)):
        code = re.sub(r'^[ \t]*#(?:[^\n]*\\\n)*[^\n]*', '',
                      lint.code_only(lint.read(os.path.join(include, path))), flags=re.M)
        for declaration in re.findall(r'\bCREEL_API\b([^;{]*)', code):
            name = re.search(r'\b(creel_\w+)\s*(?:\(|$)', declaration)
            if name:
                names.add(name.group(1))
    return names


def check_libraries(shared, static, include):
    problems = []
    exported = defined(shared, '--dynamic')
    for name in sorted(exported):
        if not re.match(r'creel_[^_]', name):
            problems.append('%s: exports %s' % (os.path.basename(shared), name))
    for name in sorted(defined(static, '--extern-only')):
        if not re.match(r'creel_', name):
            problems.append('%s: defines %s' % (os.path.basename(static), name))
    # Those of creel/mpi.h are in a library of their own.
    names = {name for name in declared(include) if not name.startswith('creel_mpi_')}
    for name in sorted(names - exported):
        problems.append('%s: %s is declared and not exported' % (os.path.basename(shared), name))
    for name in sorted(exported - names):
        problems.append('%s: %s is exported and in no header' % (os.path.basename(shared), name))
    return problems if exported else problems + ['%s: exports nothing' % shared]


def check(root):
    """For the self-test: builds the two libraries out of lib/a.c."""
    source = os.path.join(root, 'lib/a.c')
    with tempfile.TemporaryDirectory(prefix='creel-lint-') as out:
        shared, static = os.path.join(out, 'liba.so'), os.path.join(out, 'liba.a')
        subprocess.run(['cc', '-fPIC', '-shared', source, '-o', shared], check=True)
        subprocess.run(['cc', '-c', source, '-o', os.path.join(out, 'a.o')], check=True)
        subprocess.run(['ar', 'rc', static, os.path.join(out, 'a.o')], check=True)
        return check_libraries(shared, static, os.path.join(root, 'include'))


HIDDEN = '__attribute__((visibility("hidden"))) '
SOURCE = 'int creel_a(void) { return 0; }\nstatic int own;\n' \
         + HIDDEN + 'int *creel__b(void) { return &own; }\n'
GOOD = {
    'lib/a.c': SOURCE,
    'include/creel/a.h': '/* CREEL_API int creel_not(void); */\n#define CREEL_API\n'
                         'CREEL_API CREEL_MUST_USE int creel_a(void (*free)(void *));\n',
}
BAD = [
    ('an export without the prefix', {'lib/a.c': SOURCE + 'int helper(void) { return 0; }\n'},
     r'liba.so: exports helper'),
    ('an internal name exported', {'lib/a.c': SOURCE + 'int creel__c(void) { return 0; }\n'},
     r'liba.so: exports creel__c'),
    ('a variable exported', {'lib/a.c': SOURCE + 'int table[3] = {1};\n'}, r'liba.so: .* table'),
    ('a name without prefix in the static library',
     {'lib/a.c': SOURCE + HIDDEN + 'int helper(void) { return 0; }\n'}, r'liba.a: defines helper'),
    ('exported and not declared', {'lib/a.c': SOURCE + 'int creel_x(void) { return 0; }\n'},
     r'creel_x is exported and in no'),
    ('declared and not exported', {'include/creel/b.h': 'CREEL_API void creel_y(int a);\n'},
     r'creel_y is declared and not'),
]


def main():
    if sys.argv[1:] == ['--self-test']:
        lint.main(check, GOOD, BAD)
    problems = check_libraries(*sys.argv[1:])
    print('\n'.join(problems))
    sys.exit(1 if problems else 0)


if __name__ == '__main__':
    main()
