# SPDX-License-Identifier: MIT
"""Every call to libc by which the library asks something of the kernel is a step of kill_sweep.

usage: steps.py --self-test | ARCHIVE SWEEP_INJECT_H
ARCHIVE is the library as the sweep links it. What it needs of libc is either defined in SWEEP_INJECT_H
as a step, or is known here to ask the kernel for nothing that matters: a new call is one or the other.
"""

import os
import re
import subprocess
import sys
import tempfile

import lint

# By name, or by how it begins: mem..., str....
QUIET = re.compile(r'''(creel_|sweep_|mem(chr|cmp|cpy|move|set)|str|sig(add|del|empty|fill)set|sigismember|sched_cpu
    |(start|stop)_sweep_places|stack_chk|tls_get_addr|sigsetjmp|setjmp|libc_current_sig
    |pthread_(attr|key|once|self|setspecific|getspecific|atfork|setcancelstate|register_cancel
             |unregister_cancel|unwind_next|equal|getattr|cleanup))
    |(malloc|calloc|realloc|aligned_alloc|posix_memalign|free|qsort|snprintf|vsnprintf|errno_location
     |fpending|fpurge|dirfd|sysconf|DYNAMIC|GLOBAL_OFFSET_TABLE|stdin|stdout|stderr|dl_iterate_phdr|on_exit|at_quick_exit)$''', re.X)


def plain(name):
    """As it stands in the source: without what libc's headers put around it."""
    name = name.split('@')[0].strip('_')
    return re.sub(r'(_time64|64|_chk)$', '', re.sub(r'^isoc\d\d_', '', name))


def needed(archive):
    out = subprocess.run(['nm', '--undefined-only', '--format=posix', archive],
                         stdout=subprocess.PIPE, check=True, text=True).stdout
    return {line.split()[0] for line in out.splitlines()
            if len(line.split()) > 1 and line.split()[1] in 'Uw'}


def check_archive(archive, inject):
    steps = {plain(name) for name in re.findall(r'^#define (\w+)\(', lint.read(inject), re.M)}
    names = {name: plain(name) for name in needed(archive)}
    problems = ['%s: %s() asks the kernel, and is no step' % (os.path.basename(inject), call)
                for name, call in sorted(names.items())
                if not QUIET.match(call) and call not in steps]
    return problems if names else ['%s: needs nothing' % archive]


def check(root):
    """For the self-test: builds the archive out of lib/a.c."""
    with tempfile.TemporaryDirectory(prefix='creel-lint-') as out:
        archive = os.path.join(out, 'a.a')
        subprocess.run(['cc', '-c', os.path.join(root, 'lib/a.c'), '-o', os.path.join(out, 'a.o')],
                       check=True)
        subprocess.run(['ar', 'rc', archive, os.path.join(out, 'a.o')], check=True)
        return check_archive(archive, os.path.join(root, 'tests/procs/sweep_inject.h'))


SOURCE = '#include <string.h>\n#include <unistd.h>\nunsigned creel_a(char *s, char *t, int n)\n' \
         '{\n\tmemcpy(s, t, (size_t)n);\n\tclose(n);\n\treturn 0;\n}\n'
GOOD = {
    'lib/a.c': SOURCE,
    'tests/procs/sweep_inject.h': '#define close(...) (SWEEP_STEP("close()"), close(__VA_ARGS__))\n',
}
BAD = [
    ('a call that is no step', {'lib/a.c': SOURCE.replace('close(n)', 'close(n), fsync(n)')},
     r'fsync\(\) asks the kernel'),
    ('a step that was lost', {'tests/procs/sweep_inject.h': '#define open(...) open(__VA_ARGS__)\n'},
     r'close\(\) asks the kernel'),
]


def main():
    if sys.argv[1:] == ['--self-test']:
        lint.main(check, GOOD, BAD)
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    problems = check_archive(sys.argv[1], sys.argv[2])
    print('\n'.join(problems))
    sys.exit(1 if problems else 0)


if __name__ == '__main__':
    main()
