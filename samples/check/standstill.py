# SPDX-License-Identifier: MIT
"""Runs standstill and looks at what its reports say: standstill.py PROGRAM

On a machine that is slow enough, nobody stands still yet after 300 ms. Then its watchdog is told to
have more patience.
"""
import re
import subprocess
import sys

TIME = r"\d+\.\d{3} s"
FUNCTION = r"\([^()]+\)"
POOL = r'thread pool 1 "kitchen": 2 of 2 workers, 0 idle; 0 tasks wait, 2 run, %d ended'
EXPECTED = [
    r"two tasks, two locks",
    POOL % 0,
    [r'  worker \d runs task 1 "left, right" %s for %s' % (FUNCTION, TIME),
     r'  worker \d runs task 2 "right, left" %s for %s' % (FUNCTION, TIME)],
    r"creel: 1 executors",
    r"resolved",
    r"",
    r"a promise that nobody settles",
    POOL % 2,
    [r'  worker \d runs task %d "wait for answer" %s for %s, '
     r"and waits for promise (0x)?[0-9a-f]+, which nobody has settled" % (n, FUNCTION, TIME)
     for n in (3, 4)],
    r"creel: 1 executors",
    r"resolved",
    r"",
]


def check(lines):
    for expected in EXPECTED:
        patterns = expected if isinstance(expected, list) else [expected]
        # Workers come in the order of their numbers, whichever has which task.
        found, lines = lines[:len(patterns)], lines[len(patterns):]
        for pattern in patterns:
            if not any(re.fullmatch(pattern, line) for line in found):
                return "%r is not in %r" % (pattern, found)
    return "%r is left" % lines if lines else None


def main():
    for patience in "300", "2000", "15000":
        done = subprocess.run([sys.argv[1], patience], stdin=subprocess.DEVNULL,
                              capture_output=True, text=True, timeout=100, check=False)
        problem = check(done.stdout.splitlines())
        if not problem:
            break
    if done.returncode or done.stderr or problem:
        sys.exit("%s\nstatus %d\n%s%s" % (problem, done.returncode, done.stdout, done.stderr))


if __name__ == "__main__":
    main()
