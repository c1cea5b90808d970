# SPDX-License-Identifier: MIT
"""Fork and join, and loops, of tests/bench/run: creel beside the peers that are installed.

Those in C are in the program `forks`. oneTBB is in one that is built here if there is a compiler for C++
that has it, and Java's ForkJoinPool in one source file, which `java` runs.
"""

import os
import shutil
import statistics
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
# workload: (count, unit, meaning)
ROWS = {
    'fib': (30, 'ns', 'fib(30) by fork and join, a spawn'),
    'tiny': (10000000, 'us', 'a loop over 10^7 elements that cost almost nothing'),
    'skewed': (10000000, 'us', 'a loop over 10^7 elements, the last of which cost most'),
    'small': (1000, 'us', 'a loop over 1,000 elements that cost almost nothing'),
}
WORKLOADS = ['forks-' + row for row in ROWS]
PEERS = {
    'creel': 'creel_job_fork() and creel_job_join(); creel_parallel_for(), automatic grain',
    'gomp': 'libgomp: omp task, taskwait; omp parallel for, schedule(guided)',
    'pthreadpool': 'pthreadpool_parallelize_1d_tile_1d(), 64 tiles a worker; loops alone',
    'tbb': 'oneTBB: task_group; parallel_for(), automatic partitioner',
    'java': 'ForkJoinPool: RecursiveTask; IntStream.parallel() on such a pool',
    'serial': 'no pool: the loop as it is; loops alone',
}
LOOPS_ALONE = ('pthreadpool', 'serial')


def commands(program):
    """{peer: its command}"""
    names = subprocess.run([program, '--peers'], check=True, stdout=subprocess.PIPE,
                           text=True).stdout.split()
    found = {name: [program] for name in names}
    tbb = os.path.join(os.path.dirname(program), 'forks_tbb')
    built = shutil.which('c++') and subprocess.run(
        ['c++', '-std=c++17', '-O3', os.path.join(HERE, 'forks_tbb.cpp'), '-ltbb', '-o', tbb],
        stderr=subprocess.DEVNULL, check=False).returncode == 0
    if built:
        found['tbb'] = [tbb]
    if shutil.which('java'):
        found['java'] = ['java', os.path.join(HERE, 'Forks.java')]
    return found


def figure(command, workload, peer, workers):
    command = command + [workload, peer, str(workers), str(ROWS[workload][0])]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False)
    if done.returncode:
        sys.exit(f'{" ".join(command)}: exit status {done.returncode}')
    return float(done.stdout.split()[1])


def measure(found, options):
    """{(workload, workers): [{peer: value}, ...]}, a list entry a repetition."""
    table = {}
    for i in range(options.repetitions):
        for workload in [w for w in ROWS if 'forks-' + w in options.workloads]:
            peers = [peer for peer in found if workload != 'fib' or peer not in LOOPS_ALONE]
            shift = i % len(peers)
            for workers in options.workers:
                table.setdefault((workload, workers), []).append(
                    {peer: figure(found[peer], workload, peer, workers)
                     for peer in peers[shift:] + peers[:shift]})
    return table


def text(program, options):
    found = commands(program)
    table = measure(found, options)
    others = [peer for peer in found if peer != 'creel']
    lines = ['Fork and join, and loops: the best of some rounds in each process, medians of '
             f'{options.repetitions} processes; ratios are paired.', '']
    lines += [f'- {peer}: {PEERS[peer]}' for peer in found]
    head = ['workload', 'workers', 'unit'] + list(found) + [f'creel / {peer}' for peer in others]
    lines += ['', '| ' + ' | '.join(head) + ' |', '|' + '---|' * len(head)]
    for (workload, workers), runs in sorted(table.items()):
        cells = [ROWS[workload][2], str(workers), ROWS[workload][1]]
        for peer in found:
            values = [run[peer] for run in runs if peer in run]
            cells.append(f'{statistics.median(values):.4g}' if values else '-')
        for peer in others:
            pairs = [run['creel'] / run[peer] for run in runs if run.get(peer)]
            cells.append(f'{statistics.median(pairs):.2f}' if pairs else '-')
        lines.append('| ' + ' | '.join(cells) + ' |')
    return '\n'.join(lines) + '\n'
