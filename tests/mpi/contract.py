# SPDX-License-Identifier: MIT
"""Runs the contract suite as jobs of three ranks, and counts.

usage: contract.py MPIRUN MPI HELLO PROGRAM --filter=GLOB --tap=FILE

A test that fails ends its job (tests/mpi/contract.c); another one goes on behind it, when all ranks of
the first one are gone: each has locked the arena.
"""

import fcntl
import os
import re
import signal
import sys
import time

import run

sys.path.insert(1, os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', 'contract'))
import table  # noqa: E402

RANKS = 3
MOST_FAILURES = 20
PATIENCE = 840  # seconds, for all jobs; below the limit in tests/mpi/meson.build


def results(tap):
    try:
        with open(tap, encoding='utf-8', errors='replace') as f:
            return f.readlines()
    except FileNotFoundError:
        return []


def is_free(arena, seconds):
    """Waits until no process of a job has the arena; False if that takes too long."""
    def give_up(number, frame):
        raise TimeoutError
    signal.signal(signal.SIGALRM, give_up)
    signal.setitimer(signal.ITIMER_REAL, max(seconds, 1))
    try:
        fcntl.flock(arena, fcntl.LOCK_EX)
    except TimeoutError:
        return False
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
    fcntl.flock(arena, fcntl.LOCK_UN)
    return True


def main():
    mpirun, mpi, hello, program = sys.argv[1:5]
    tap = next(a.partition('=')[2] for a in sys.argv if a.startswith('--tap='))
    # A file without a name, which goes with this process: the ranks are on this machine.
    arena = os.memfd_create('creel-arena')
    job = run.Job(mpirun, mpi)
    run.hello(job, hello)
    if os.path.exists(tap):
        os.unlink(tap)
    before, status, failed = -1, 1, []
    end = time.monotonic() + PATIENCE
    while status not in (0, None) and before < len(results(tap)) and len(failed) < MOST_FAILURES:
        before = len(results(tap))
        if not is_free(arena, end - time.monotonic()):
            print('FAILED: ranks of a job that has ended are still there')
            break
        os.ftruncate(arena, 0)
        status, text, seconds = job.run(
            (RANKS, program, '--arena=/proc/%d/fd/%d' % (os.getpid(), arena), *sys.argv[5:]),
            patience=max(end - time.monotonic(), 1))
        print('a job of %.1f s, status %s\n%s' % (seconds, status, text))
        now = re.findall(r'^not ok - (\S+)', ''.join(results(tap)), re.M)
        print(''.join('FAILED: %s\n' % name for name in now[len(failed):]))
        failed = now
    lines = results(tap)
    skipped = sum('# SKIP' in line for line in lines)
    counts = table.read(tap, 'mpi')
    for promise in sorted({*table.PROMISES, 'c26'}):
        print('%-8s %s' % (promise, table.cell(counts, promise)))
    # The job itself may fail.
    failures = max(len(failed), int(status != 0))
    print('%d passed, %d failed, %d skipped' % (len(lines) - len(failed) - skipped, failures, skipped))
    sys.exit(1 if failures else 0)


if __name__ == '__main__':
    main()
