# SPDX-License-Identifier: MIT
"""Runs a sample as MPI jobs: cluster.py MPIRUN MPI NAME PROGRAM

checksum_tree's lines are those of sha256sum, and pi is the same however many ranks throw darts. Skips,
with the reason, if two ranks cannot say hello.
"""
import os
import re
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '../../tests/mpi'))
from run import SKIPPED, Job  # noqa: E402


def output(job, ranks, *command):
    """What it writes to stdout: MPI may have something to say on stderr."""
    with tempfile.TemporaryFile('w+', errors='replace') as errors:
        status, text, _ = job.run((ranks, *command), stderr=errors)
        errors.seek(0)
        if status != 0:
            sys.exit('%s on %d ranks: status %s\n%s%s' % (command[0], ranks, status, text, errors.read()))
    return text


def check_monte_carlo(job, program):
    two, three = (output(job, ranks, program, 5, 100) for ranks in (2, 3))
    if two != three:
        sys.exit('on two ranks: %son three: %s' % (two, three))
    found = re.fullmatch(r'pi = (\S+) \+- (\S+) \(10000000 darts, seed 5\)\n', two)
    if not found or abs(float(found[1]) - 3.14159265) > 5 * float(found[2]):
        sys.exit('not pi: ' + two)
    if output(job, 3, program, 6, 100) == three:
        sys.exit('another seed gives the same darts')


def check_checksum(job, program):
    with tempfile.TemporaryDirectory() as root:
        for i in range(300):
            folder = os.path.join(root, 'folder %d' % (i % 7))
            os.makedirs(folder, exist_ok=True)
            with open(os.path.join(folder, 'file\n%d' % i if i % 50 == 0 else 'file %d' % i), 'wb') as f:
                f.write(b'%d' % i * (i * 37 if i != 123 else 200000))
        script = 'find "$1" -type f -print0 | LC_ALL=C sort -z | xargs -0 -r sha256sum'
        expected = subprocess.run(['sh', '-c', script, 'sh', root], check=True, text=True,
                                  stdout=subprocess.PIPE).stdout
        got = output(job, 3, program, root)
    if got != expected:
        sys.exit('not what sha256sum prints:\n' + got[:2000])


def main():
    mpirun, mpi, name, program = sys.argv[1:]
    job = Job(mpirun, mpi)
    status, text, _ = job.run((2, 'true'))
    if status != 0:
        print('skipped: two ranks cannot be started here: %s' % ' '.join(text.split())[-300:])
        sys.exit(SKIPPED)
    check_monte_carlo(job, program) if 'monte_carlo' in name else check_checksum(job, program)


if __name__ == '__main__':
    main()
