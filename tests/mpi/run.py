# SPDX-License-Identifier: MIT
"""Runs programs of creel-mpi as jobs of some ranks, and looks at what they say and return.

usage: run.py MPIRUN MPI HELLO PROGRAM OTHER JOB
       run.py MPIRUN MPI --job RANKS PROGRAM [ARGUMENT...]

MPI is ompi-c or mpich. The first form makes the jobs of tests/mpi/starts.c, of which OTHER is
another build, and the one of tests/mpi/job.c. Skips, with the reason, if two ranks of HELLO, which is
without creel, cannot say hello.
"""

import os
import re
import subprocess
import sys
import time

SKIPPED = 77
PATIENCE = 240  # seconds; above what any job needs, but that of the contract suite
FAREWELL = 30  # seconds that mpirun has to end its ranks

ENVIRONMENT = {
    # In a container everybody is root.
    'OMPI_ALLOW_RUN_AS_ROOT': '1', 'OMPI_ALLOW_RUN_AS_ROOT_CONFIRM': '1',
    # Needs ptrace between the ranks.
    'OMPI_MCA_btl_vader_single_copy_mechanism': 'none',
    # Three ranks and their workers share two processors.
    'OMPI_MCA_mpi_yield_when_idle': '1',
    'OMPI_MCA_rmaps_base_oversubscribe': '1',
}


def end(job):
    """Has mpirun end its ranks. What they wrote."""
    job.terminate()
    try:
        return job.communicate(timeout=FAREWELL)[0]
    except subprocess.TimeoutExpired as e:
        job.kill()
        job.wait()
        return e.stdout or b''


class Job:
    def __init__(self, mpirun, mpi):
        self.mpirun = [mpirun] + (['--oversubscribe', '--bind-to', 'none'] if mpi == 'ompi-c' else [])

    def run(self, *parts, stderr=subprocess.STDOUT, patience=PATIENCE):
        """parts: (ranks, program, argument...) each. The status, what it wrote, and the seconds."""
        command = list(self.mpirun)
        for i, part in enumerate(parts):
            command += ([':'] if i else []) + ['-n', str(part[0])] + [str(p) for p in part[1:]]
        start = time.monotonic()
        job = subprocess.Popen(command, env={**os.environ, **ENVIRONMENT}, stdin=subprocess.DEVNULL,
                               stdout=subprocess.PIPE, stderr=stderr)
        try:
            text, status = job.communicate(timeout=patience)[0], job.returncode
        except subprocess.TimeoutExpired:
            text, status = end(job) + b'\nit never ended\n', None
        return status, text.decode(errors='replace'), time.monotonic() - start


# What mpirun says of a rank that was killed.
KILLED = {'ompi-c': r'process rank 1 .*exited on signal 9', 'mpich': r'EXIT CODE: 9\b'}


def starts(program, other, mpi):
    """name: (parts of the job, whether it succeeds, a pattern of what it says)"""
    both = [(1, program), (1, other)]
    return {
        'before': ([(1, program, 'before')], True, ''),
        'bad options': ([(1, program, 'bad-options')], True, ''),
        'no serving rank': ([(1, program, 'alone')], True, ''),
        'the job is over': ([(2, program, 'plain')], True, ''),
        'two programs': ([p + ('plain',) for p in both], False, 'runs another program than rank 0'),
        'names, and two programs': ([p + ('named',) for p in both], True, ''),
        'flags that differ': ([(2, program, 'other-flags')], False,
                              'its flags are 0x2, those of rank 0 are 0x0'),
        'a pool that cannot be made': ([(2, program, 'bad-pool')], False, 'idle_ns'),
        'MPI came first': ([(2, program, 'too-late')], False, 'EALREADY: creel_mpi_init: MPI has been'),
        'MPI came first, threads': ([(2, program, 'in-time')], True, ''),
        'too low a thread level': ([(2, program, 'level')], False, 'not MPI_THREAD_MULTIPLE'),
        'threads': ([(2, program, 'threads')], True, ''),
        'ranks that come late': ([(3, program, 'late')], True, ''),
        'a rank that dies': ([(3, program, 'dead-rank')], False, KILLED[mpi]),
        'MPI is finalized': ([(2, program, 'finalized')], True, ''),
        'a submission during a shutdown': ([(2, program, 'late-submission')], True, ''),
        'spinning': ([(2, program, 'spinning')], True, ''),
    }


def at_night(program):
    """What takes much memory."""
    with open('/proc/meminfo') as f:
        available = next(int(line.split()[1]) for line in f if line.startswith('MemAvailable'))
    if int(os.environ.get('CREEL_TEST_SCALE', '1')) <= 1 or available < 10 << 20:
        return {}
    return {'payloads beyond 2 GiB': ([(2, program, 'huge')], True, '')}


def hello(job, program):
    status, text, _ = job.run((2, program))
    if status != 0:
        print('skipped: two ranks cannot say hello here (status %s): %s' % (
            status, ' '.join(text.split())[-300:]))
        sys.exit(SKIPPED)


def main():
    mpirun, mpi = sys.argv[1:3]
    job = Job(mpirun, mpi)
    if sys.argv[3] == '--job':
        status, text, _ = job.run((sys.argv[4], *sys.argv[5:]))
        print(text)
        sys.exit(1 if status is None or status else 0)
    bare, program, other, whole = sys.argv[3:7]
    hello(job, bare)
    passed = failed = 0
    jobs = dict(starts(program, other, mpi), **{'the job': ([(3, whole)], True, ' passed, 0 failed')})
    jobs.update(at_night(program))
    for name, (parts, good, says) in jobs.items():
        status, text, seconds = job.run(*parts)
        if (status is not None and (status == 0) == good and re.search(says, text)
                and 'check failed: ' not in text):
            passed += 1
            print('ok: %s (%.1f s)' % (name, seconds))
        else:
            failed += 1
            print('FAILED: %s (status %s, %.1f s)\n%s' % (name, status, seconds, text))
        sys.stdout.flush()
    print('%d passed, %d failed, 0 skipped' % (passed, failed))
    sys.exit(1 if failed else 0)


if __name__ == '__main__':
    main()
