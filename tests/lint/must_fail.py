# SPDX-License-Identifier: MIT
"""Shows that what watches over the tests bites: runs a program with a bug that was put there.

usage: must_fail.py [--until-it-hangs] REAP PROGRAM COUNTS REGEX...

Runs PROGRAM as every test is run (reap.py). Succeeds if that fails with COUNTS ("1 passed, 1 failed,
0 skipped") and says something that matches each REGEX, and what reap.py says that failed is in the
tally. With COUNTS alone the program is a sound one, and must pass.

--until-it-hangs ends it as the test runner does when time is up, once the program has told the pid
of its child through a named pipe. That child must be gone afterwards.
"""

import os
import re
import subprocess
import sys
import tempfile
import textwrap


def run(command, env, hangs):
    """Returns (exit status, what it said, problems)."""
    if hangs:
        os.mkfifo(env['CREEL_SEEDED_PIPE'])
    child = subprocess.Popen(command, stdin=subprocess.DEVNULL, env=env, text=True,
                             stdout=subprocess.PIPE, stderr=subprocess.STDOUT, errors='replace')
    if not hangs:
        said = child.communicate()[0]
        return child.returncode, said, []
    with open(env['CREEL_SEEDED_PIPE'], encoding='utf-8') as pipe:
        pid = int(pipe.readline())
    # Twice: the second one comes while reap.py clears away.
    child.terminate()
    child.terminate()
    said = child.communicate()[0]
    alive = os.path.exists('/proc/%d' % pid)
    return child.returncode, said, ['%d is still there' % pid] if alive else []


def tally_problems(tally, counts, said):
    """What is not in the tally: the counts, what failed, and the output of what failed."""
    with open(tally, encoding='utf-8') as f:
        line = f.read()
    numbers = line.split()[:3]
    problems = []
    if numbers != re.findall(r'\d+', counts):
        problems.append('counted %s, not %s' % (numbers, counts))
    reasons = re.findall(r'^reap: failed: (.*)', said, re.M)
    problems += ['not in the tally: ' + r for r in reasons if r not in line]
    if bool(reasons) != (numbers[1] != '0'):
        problems.append('says that it failed: %s' % reasons)
    if reasons:
        with open(tally + '.failed', encoding='utf-8') as f:
            end = f.read()
        problems += ['not told at the end: ' + r for r in reasons if end.count(r) < 2]
    return problems


def main():
    arguments = sys.argv[1:]
    hangs = arguments[0] == '--until-it-hangs'
    reap, program, counts, *expected = arguments[hangs:]
    with tempfile.TemporaryDirectory(prefix='creel-seeded-') as work:
        tally = os.path.join(work, 'tally')
        env = dict(os.environ, CREEL_TALLY=tally, CREEL_SEEDED_PIPE=os.path.join(work, 'pipe'))
        status, said, problems = run([sys.executable, reap, program], env, hangs)
        problems += tally_problems(tally, counts, said)
    # Indented: what the program counted is not what this one did.
    print(textwrap.indent(said, '  '))
    problems += ['nothing said ' + e for e in expected if not re.search(e, said)]
    if (status != 0) != bool(expected):
        problems.append('exit status %d' % status)
    print('\n'.join(problems))
    sys.exit(1 if problems else 0)


if __name__ == '__main__':
    main()
