# SPDX-License-Identifier: MIT
"""Measures creel-mpi beside mpi4py.futures, and prints a Markdown table.

usage: mpi_table.py PROGRAM [REPETITIONS]

PROGRAM is tests/bench/mpi_bench of a build with Open MPI, whose MPI Debian's python3-mpi4py has, too. In each
repetition all follow each other; the figures are medians, and the ratio to mpi4py.futures is that of
the same repetition, then the median.
"""
import os
import statistics
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '../mpi'))
from run import Job  # noqa: E402

HERE = os.path.dirname(os.path.abspath(__file__))
PEER = ['/usr/bin/python3', '-m', 'mpi4py.futures', os.path.join(HERE, 'mpi_peer.py')]
ROWS = {
    'rate': ('tasks a second, 20,000 in flight', '%.0f'),
    'trip': ('round trip of 8 bytes, p50, us', '%.1f'),
    'large': ('round trip of 1 MiB, p50, us', '%.0f'),
    'idle-root': ('CPU of idle rank 0, % of a core', '%.2f'),
    'idle-rank': ('CPU of an idle serving rank, % of a core', '%.2f'),
}
SCALE = {'trip': 1e6, 'large': 1e6, 'idle-root': 100, 'idle-rank': 100}


def figures(job, command):
    status, text, _ = job.run((2, *command))
    if status != 0:
        sys.exit('%s: status %s\n%s' % (' '.join(command), status, text))
    pairs = [line.split() for line in text.splitlines() if len(line.split()) == 2]
    return {name: float(value) for name, value in pairs if name in ROWS}


def main():
    program, repetitions = sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 else 3
    job = Job('mpirun.openmpi', 'ompi-c')
    peers = {'creel-mpi': [program], 'with threads': [program, 'threads'],
             'threads that spin': [program, 'threads', 'spin'], 'mpi4py.futures': PEER}
    runs = [{name: figures(job, command) for name, command in peers.items()} for _ in range(repetitions)]
    print('| | ' + ' | '.join(peers) + ' | creel-mpi over mpi4py |')
    print('|---' * (len(peers) + 2) + '|')
    for row, (title, form) in ROWS.items():
        cells = []
        for name in peers:
            values = [run[name][row] * SCALE.get(row, 1) for run in runs if row in run[name]]
            cells.append(form % statistics.median(values) if values else '-')
        ratios = [run['creel-mpi'][row] / run['mpi4py.futures'][row] for run in runs
                  if run['mpi4py.futures'].get(row) and row in run['creel-mpi']]
        cells.append('%.2f' % statistics.median(ratios) if ratios else '-')
        print('| %s | %s |' % (title, ' | '.join(cells)))


if __name__ == '__main__':
    main()
