# SPDX-License-Identifier: MIT
"""Every piece of C in the README and doc/ that is no whole program compiles, or is in a sample or tests/support.

Whole programs are built and run by readme.py and tutorial.py. A piece that stands word for word in
a sample is compiled there. Any other has a frame below, by the page and the first line of the piece:
what the page says that you have, and the function that the piece stands in, if it is not a function.
"""

import os
import re
import subprocess

import lint

BLOCK = re.compile(r'^```c\n(.*?)^```', re.M | re.S)
HEAD = '#include <creel/creel.h>\n#include <stdbool.h>\n#include <errno.h>\n'
FLAGS = ['-std=c11', '-Wall', '-Wextra', '-Werror', '-Wno-unused', '-fsyntax-only', '-Iinclude',
         '-x', 'c', '-']
# (page, first line): (in front, behind)
FRAMES = {
    ('doc/howto/debug-a-standstill.md', 'creel_report(STDERR_FILENO);'):
        ('#include <unistd.h>\nvoid piece(void);\nvoid piece(void)\n{\n', '}\n'),
    ('doc/howto/debug-a-standstill.md',
     'int rc = creel_wait(futures, n, CREEL_ALL_COMPLETED, creel_in_ms(10000), NULL);'):
        ('#include <unistd.h>\nvoid piece(creel_future **futures, size_t n);\n'
         'void piece(creel_future **futures, size_t n)\n{\n', '}\n'),
    ('doc/howto/debug-a-standstill.md', 'creel_histogram waited;'):
        ('#include <stdio.h>\nvoid piece(creel_executor *pool);\n'
         'void piece(creel_executor *pool)\n{\n', '}\n'),
    ('doc/howto/event-loop.md', 'static void on_driven(creel_executor *driven)'): ('', ''),
    ('doc/howto/event-loop.md',
     'static int look_up(creel_executor *pool, creel_executor *driven, struct request *r)'):
        ('struct request { char host[64]; };\n'
         'int resolve(creel_task *task, const void *arg, size_t size);\n'
         'void answer(creel_future *f, void *request);\n', ''),
    ('doc/howto/limit-and-pace.md', 'creel_future *permit = creel_semaphore_acquire(few);'):
        ('void call_the_server(void);\nvoid piece(creel_executor *few);\n'
         'void piece(creel_executor *few)\n{\n', '}\n'),
    ('doc/howto/event-loop.md', 'enum { BOUND = 64 };'):
        ('void request_done(void *tag, creel_future *f);\n', ''),
    ('doc/howto/kill-what-hangs.md',
     'if (creel_future_cancel(f) == CREEL_CANCEL_REQUESTED &&'):
        ('void piece(creel_future *f);\nvoid piece(creel_future *f)\n{\n', '}\n'),
    ('doc/howto/nest-tasks.md', 'struct range {'): ('', ''),
    ('doc/howto/nest-tasks.md', 'creel_blocking_begin();'):
        ('#include <sys/wait.h>\nvoid piece(pid_t child, int status);\n'
         'void piece(pid_t child, int status)\n{\n', '}\n'),
    ('doc/howto/per-worker-state.md', 'creel_thread_pool_options options = {'):
        ('int open_handle(void *ctx, unsigned worker, void **ret_local);\n'
         'void close_handle(void *ctx, void *local);\nint settings;\n'
         'void piece(void);\nvoid piece(void)\n{\n', '}\n'),
    ('doc/howto/per-worker-state.md',
     'static int open_handle(void *ctx, unsigned worker, void **ret_local)'):
        ('struct settings { const char *path; };\nvoid *handle_open(const char *path);\n', ''),
    ('doc/howto/replace-your-pool.md', 'typedef creel_executor POOL_ctx;'): ('', ''),
    ('doc/howto/survive-crashes.md', 'creel_process_pool_options options = {'):
        ('void piece(void);\nvoid piece(void)\n{\n', '}\n'),
}


def compiles(root, code):
    done = subprocess.run(['cc'] + FLAGS, cwd=root, input=code, stderr=subprocess.PIPE, text=True)
    return done.returncode == 0, done.stderr


def check(root):
    problems, used = [], set()
    samples = [lint.read(os.path.join(root, p))
               for p in lint.files(root, ['samples', 'tests/support'], ('.c',))]
    pages = ['README.md'] + lint.files(root, ['doc'], ('.md',))
    for page in pages:
        text = lint.read(os.path.join(root, page))
        for m in BLOCK.finditer(text):
            piece, where = m.group(1), '%s:%d' % (page, lint.line_of(text, m.start(1)))
            if re.search(r'\bmain\(', piece) or any(piece in sample for sample in samples):
                continue
            key = page, piece.split('\n', 1)[0]
            if key not in FRAMES:
                problems.append('%s: this piece is in no sample; give it a frame in snippets.py'
                                % where)
                continue
            used.add(key)
            before, behind = FRAMES[key]
            good, said = compiles(root, HEAD + before + piece + behind)
            if not good:
                problems.append('%s: does not compile: %s' % (where, said.strip()))
    problems += ['%s:1: has no piece that begins with "%s" any more' % key for key in FRAMES
                 if key not in used and os.path.exists(os.path.join(root, key[0]))]
    return problems


PAGE = 'doc/howto/kill-what-hangs.md'
PIECE = ('```c\nif (creel_future_cancel(f) == CREEL_CANCEL_REQUESTED &&\n    1)\n'
         '\tcreel_future_kill(f, 0);\n```\n')
GOOD = {
    'include/creel/creel.h': 'typedef struct creel_future creel_future;\n'
                             'enum { CREEL_CANCEL_REQUESTED = 1 };\n'
                             'int creel_future_cancel(creel_future *f);\n'
                             'int creel_future_kill(creel_future *f, long grace);\n',
    'samples/a.c': 'int a(void);\nint a(void)\n{\n\treturn b;\n}\n',
    'README.md': '```c\nint a(void)\n{\n\treturn b;\n}\n```\n```c\nint main(void) { x }\n```\n',
    PAGE: PIECE,
}
BAD = [
    ('a piece without a frame', {'README.md': '```c\nint z(void);\n```\n'}, r'README.md:2: .*no sample'),
    ('a piece that differs from the sample', {'samples/a.c': 'int b;\n'}, r'README.md:2: .*no sample'),
    ('a call that is not there', {PAGE: PIECE.replace('kill(', 'end(')}, r'2: does not compile'),
    ('a frame for nothing', {PAGE: 'text\n'}, r'hangs.md:1: has no piece'),
]

if __name__ == '__main__':
    lint.main(check, GOOD, BAD)
