# SPDX-License-Identifier: MIT
"""What the README prints is true: its programs compile, link as it says, and print what it shows.

usage: readme.py --self-test | SOURCE BUILD MESON...

A complete program is a ```c block (in doc/ also ```cpp) with a main(). The ```text (or ```output) block after it, before
the next program, is what it prints, and must be there. It is built with plain cc against the shared
and the static library and with what pkg-config says, and so it is by every line of a ```sh block
that starts with "cc " and names a .c file (with the prefix of the installed tree).
"""

import os
import re
import subprocess
import sys
import tempfile

import lint
from installed import Installed, installed, run

BLOCK = re.compile(r'^```(\w*)[^\n]*\n(.*?)^```', re.M | re.S)


def programs(text, languages=('c',)):
    """(line, language, source, output or None) of each complete program."""
    found = []
    for match in BLOCK.finditer(text):
        language, body = match.group(1), match.group(2)
        if language in languages and re.search(r'\bmain\s*\(', body):
            found.append([lint.line_of(text, match.start()), language, body, None])
        elif language in ('text', 'output') and found and found[-1][3] is None:
            found[-1][3] = body
    return [tuple(f) for f in found]


def commands(text):
    """(line, command) of what the README tells to compile with."""
    found = []
    for match in BLOCK.finditer(text):
        if match.group(1) not in ('sh', 'bash', 'console'):
            continue
        body = re.sub(r'\\\n\s*', ' ', match.group(2))
        for line in body.split('\n'):
            command = re.sub(r'^\s*\$\s+', '', line.strip())
            if re.match(r'cc\b.*\.c\b', command):
                found.append((lint.line_of(text, match.start()), command))
    return found


def compile_commands(tree, readme):
    """(what, shell command that makes ./it out of it.c)."""
    cc = 'cc -std=c11 -Wall -Wextra -Werror it.c -o it '
    yield 'cc, shared', cc + '-I%s -L%s -lcreel' % (tree.include, tree.libdir)
    yield 'cc, static', cc + '-I%s %s -pthread' % (tree.include, tree.static)
    yield 'pkg-config', cc + ' '.join(tree.pkg_config('--cflags', '--libs'))
    for line, command in commands(readme):
        command = re.sub(r'[\w./-]+\.c\b', 'it.c', command)
        command = re.sub(r'\s-o\s+\S+', '', command) + ' -o it'
        command = re.sub(r'/usr/local/(lib/)?',
                         lambda m: (tree.libdir if m.group(1) else tree.prefix) + '/', command)
        yield 'README.md:%d' % line, command


def build_and_run(tree, what, command, source, name='it.c'):
    """The source in a file of that name. Returns (what it printed, None) or (None, the problem)."""
    with tempfile.TemporaryDirectory(prefix='creel-readme-') as work:
        with open(os.path.join(work, name), 'w', encoding='utf-8') as f:
            f.write(source)
        rc, said = run(['sh', '-ec', command], cwd=work, env=tree.env)
        if rc:
            return None, '%s does not build: %s\n%s' % (what, command, said)
        try:
            done = subprocess.run(['./it'], cwd=work, env=tree.env, stdin=subprocess.DEVNULL,
                                  stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                                  timeout=120)
        except subprocess.TimeoutExpired:
            return None, '%s: runs for ever' % what
        if done.returncode:
            return None, '%s: exit status %d\n%s' % (what, done.returncode, done.stderr)
        return done.stdout, None


def check_readme(root, tree):
    text = lint.read(os.path.join(root, 'README.md'))
    problems, found = [], programs(text)
    if not found:
        problems.append('README.md:1: no complete program')
    for line, _, source, output in found:
        where = 'README.md:%d' % line
        if output is None:
            problems.append('%s: no ```text block says what it prints' % where)
            continue
        for what, command in compile_commands(tree, text):
            printed, problem = build_and_run(tree, what, command, source)
            if problem:
                problems.append('%s: %s' % (where, problem))
            elif printed != output:
                problems.append('%s: %s: printed %r, not %r' % (where, what, printed, output))
    return problems


def check(root):
    """For the self-test: root holds a README.md and the source of a library of one function."""
    prefix = os.path.join(root, 'usr/local')
    lib = os.path.join(prefix, 'lib')
    os.makedirs(os.path.join(lib, 'pkgconfig'), exist_ok=True)
    source = os.path.join(root, 'creel.c')
    subprocess.run(['cc', '-fPIC', '-shared', source, '-o', lib + '/libcreel.so'], check=True)
    subprocess.run(['cc', '-c', source, '-o', root + '/creel.o'], check=True)
    subprocess.run(['ar', 'rc', lib + '/libcreel.a', root + '/creel.o'], check=True)
    with open(lib + '/pkgconfig/creel.pc', 'w', encoding='utf-8') as f:
        f.write('prefix=/usr/local\nName: creel\nDescription: d\nVersion: 1\n'
                'Libs: -L${prefix}/lib -lcreel\nCflags: -I${prefix}/include\n')
    return check_readme(root, Installed(root))


PROGRAM = '''
```c
#include <creel/creel.h>
#include <stdio.h>
int main(void)
{
	printf("%d\\n", creel_answer());
}
```
'''
GOOD = {
    'creel.c': 'int creel_answer(void);\nint creel_answer(void)\n{\n\treturn 42;\n}\n',
    'usr/local/include/creel/creel.h': 'int creel_answer(void);\n',
    'README.md': '# creel\n```c\nint a_part_of_a_program;\n```\n' + PROGRAM
                 + 'It prints\n```text\n42\n```\n'
                   '```sh\ncc first.c \\\n   $(pkg-config --cflags --libs creel) -o first\n'
                   'cc first.c -I/usr/local/include /usr/local/lib/libcreel.a\n```\n',
}
BAD = [
    ('no program', {'README.md': '# creel\n'}, r'no complete program'),
    ('no output', {'README.md': PROGRAM}, r'README.md:2: no ```text'),
    ('other output', {'README.md': PROGRAM + '```text\n41\n```\n'}, r"printed '42\\n', not '41"),
    ('a program that does not compile',
     {'README.md': PROGRAM.replace('creel_answer', 'creel_anser') + '```text\n42\n```\n'},
     r'does not build'),
    ('a program that fails',
     {'README.md': PROGRAM.replace('}\n', '\treturn 3;\n}\n') + '```text\n42\n```\n'},
     r'exit status 3'),
    ('a command that does not link',
     {'README.md': PROGRAM + '```text\n42\n```\n```sh\ncc a.c -I/usr/local/include\n```\n'},
     r'README.md:13 does not build'),
]


def main():
    if sys.argv[1:] == ['--self-test']:
        lint.main(check, GOOD, BAD)
    source, build, meson = sys.argv[1], sys.argv[2], sys.argv[3:]
    if not os.path.exists(os.path.join(source, 'README.md')):
        print('skipped: there is no README.md')
        sys.exit(lint.SKIPPED)
    with installed(meson, build) as tree:
        problems = check_readme(source, tree)
    print('\n'.join(problems))
    sys.exit(1 if problems else 0)


if __name__ == '__main__':
    main()
