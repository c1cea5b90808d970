# SPDX-License-Identifier: MIT
"""Passes if the model checker finds the bug that was put into the program, and says what sort it is.

usage: must_catch.py PROGRAM SORT [SCENARIO]

SORT is how the report names it: "deadlock", "use after free", "data race", "assertion", ..., or several with
"|" between them, where one bug shows in more than one way. With SCENARIO only that one is explored: those in
front of it in the program find nothing, and may take long. The trace must name the sources, and the schedule
that it prints for --replay must fail again in the same way.
"""

import re
import shlex
import subprocess
import sys


def run(arguments):
    done = subprocess.run(arguments, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                          errors='replace')
    return done.returncode, done.stdout


def main():
    if len(sys.argv) not in (3, 4):
        sys.exit(__doc__)
    program, sorts = sys.argv[1], sys.argv[2].split('|')
    code, out = run([program] + (['--only', sys.argv[3]] if len(sys.argv) == 4 else []))
    found = re.search(r'^(.*): FAILED in schedule (\d+): ([^:]+): (.*)', out, re.M)
    if code != 1 or not found or found.group(3) not in sorts:
        print(out[-4000:])
        sys.exit('not caught: expected a %s, exit status was %d' % (sys.argv[2], code))
    replay = re.search(r'^replay: (.*)', out, re.M)
    if not replay or not re.search(r'^ +T\d .*\.[ch]:\d+', out, re.M):
        sys.exit('no trace, or no schedule to replay:\n' + out[-4000:])
    code, again = run([program] + shlex.split(replay.group(1)))
    if code != 1 or not re.search(r'^%s: ' % re.escape(found.group(3)), again, re.M):
        print(again[-4000:])
        sys.exit('the schedule does not fail again')
    print('caught in schedule %s of "%s": %s: %s' % found.group(2, 1, 3, 4))


if __name__ == '__main__':
    main()
