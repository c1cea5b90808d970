# SPDX-License-Identifier: MIT
"""Passes if the model checker finds the bug that was put into the program, and says what sort it is.

usage: must_catch.py [--share N] PROGRAM SORT [SCENARIO]

SORT is how the report names it: "deadlock", "use after free", "data race", "assertion", ..., or several with
"|" between them, where one bug shows in more than one way. With SCENARIO only that one is explored: those in
front of it in the program find nothing, and may take long. The trace must name the sources, and the schedule
that it prints for --replay must fail again in the same way.

With --share one in N of the programs is run, other ones each day; the rest is skipped, but at night
(CREEL_TEST_SCALE above 1) none is.
"""

import os
import re
import shlex
import subprocess
import sys
import time
import zlib

SKIPPED = 77


def run(arguments):
    done = subprocess.run(arguments, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                          errors='replace')
    return done.returncode, done.stdout


def is_for_today(program, share):
    if int(os.environ.get('CREEL_TEST_SCALE', '1')) > 1:
        return True
    name = os.path.basename(program).encode()
    return (zlib.crc32(name) + int(time.time()) // 86400) % share == 0


def main():
    arguments = sys.argv[1:]
    share = 1
    if arguments[:1] == ['--share']:
        share, arguments = int(arguments[1]), arguments[2:]
    if len(arguments) not in (2, 3):
        sys.exit(__doc__)
    program, sorts = arguments[0], arguments[1].split('|')
    if not is_for_today(program, share):
        print('another day')
        sys.exit(SKIPPED)
    code, out = run([program] + (['--only', arguments[2]] if len(arguments) == 3 else []))
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
