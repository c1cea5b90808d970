# SPDX-License-Identifier: MIT
"""The process pools of tests/bench/run: creel beside Python's pools and one made by hand."""

import os
import statistics
import subprocess
import sys

FOLDER = os.path.dirname(os.path.abspath(__file__))
SCRIPT = os.path.join(FOLDER, 'procs_peers.py')

# What it is called, the program's workload, workers, pinned to one CPU;
# [(figure, its unit, meaning)].
ROWS = [
    ('rate', 'rate', 2, False,
     [('rate', 'tasks/s', 'empty tasks, all submitted, then each waited for')]),
    ('rate1', 'rate', 2, True, [('rate', 'tasks/s', 'the same, all on one CPU (taskset)')]),
    ('trip', 'trip', 2, False, [('trip', 'us', 'round trip of an empty task, p50')]),
    ('trip1', 'trip', 2, True, [('trip', 'us', 'the same, all on one CPU (taskset)')]),
    ('load', 'load', 2, False, [('load', 'tasks/s', '1 MiB in and 1 MiB out, 8 in flight')]),
    ('round', 'round', 2, False, [('round', 'us', 'round trip with 1 MiB in and 1 MiB out, p50')]),
    ('start', 'start', 2, False, [('start', 'ms', 'making a pool, to the first result')]),
    ('kill', 'kill', 1, False,
     [('kill-error', 'ms', 'SIGKILL of the only worker, to the error of its task'),
      ('kill-next', 'ms', 'the same, to the next result of the same pool')]),
]
WORKLOADS = [row[0] for row in ROWS]
PEERS = {
    'creel': 'creel_process_pool_new(max_workers); depth 2 to 16 as the library sees fit; arguments '
             'by value, large results in place; static library',
    'creel-in-place': 'the same, large arguments made in creel_shared_alloc(), passed CREEL_BY_REF',
    'fork': 'by hand in C: fork, a socketpair a worker, blocking, no thread, up to 16 small '
            'requests sent ahead to each worker',
    'multiprocessing': 'multiprocessing.Pool, apply_async() for each task (map() with chunks makes '
                       'one task of many calls)',
    'futures': 'concurrent.futures.ProcessPoolExecutor',
    'before': 'another version of creel',
    'pebble': 'pebble.ProcessPool',
    'loky': 'loky.ProcessPoolExecutor, joblib\'s copy unless it is installed by itself',
}
NATIVE = ['creel', 'creel-in-place', 'fork']
# So many that a process takes about a second.
COUNTS = {'rate': 20000, 'trip': 2000, 'load': 100, 'round': 50, 'start': 1, 'kill': 3}
SLOW = {'loky': {'rate': 3000}}


def installed(python):
    """The peers that there are, creel first."""
    found = subprocess.run([python, SCRIPT, '--peers'], check=True, stdout=subprocess.PIPE,
                           text=True)
    return NATIVE + found.stdout.split()


def version(python):
    return subprocess.run([python, '--version'], check=True, stdout=subprocess.PIPE,
                          text=True).stdout.strip()


def takes_part(peer, row):
    return peer != 'creel-in-place' or row in ('load', 'round')


def figures(command, cpu):
    """{figure: value} of one measurement, on one CPU unless that is None."""
    if cpu is not None:
        command = ['taskset', '-c', str(cpu)] + command
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False)
    if done.returncode:
        sys.exit(f'{" ".join(command)}: exit status {done.returncode}')
    return {line.split()[0]: float(line.split()[1]) for line in done.stdout.splitlines()}


def command_for(program, python, peer, workload, workers):
    if peer == 'before':
        program = os.path.join(os.path.dirname(program), '..', '..', 'before', 'procs')
        return [program, workload, 'creel', str(workers)]
    if peer in NATIVE:
        return [program, workload, peer, str(workers)]
    count = SLOW.get(peer, {}).get(workload, COUNTS[workload])
    return [python, SCRIPT, workload, peer, str(workers), str(count)]


def measure(program, options, peers):
    """{(row, figure): [{peer: value}, ...]}, a list entry a repetition."""
    table = {}
    cpus = sorted(os.sched_getaffinity(0))
    for i in range(options.repetitions):
        for row, workload, workers, pinned, names in ROWS:
            if row not in options.workloads:
                continue
            print(f'\r{i + 1}/{options.repetitions} processes {row} ', end='', file=sys.stderr,
                  flush=True)
            shift = i % len(peers)
            found = {}
            for peer in peers[shift:] + peers[:shift]:
                if takes_part(peer, row):
                    command = command_for(program, options.python, peer, workload, workers)
                    found[peer] = figures(command, cpus[i % len(cpus)] if pinned else None)
            for figure, _, _ in names:
                table.setdefault((row, figure), []).append(
                    {peer: values[figure] for peer, values in found.items()})
    print('\r' + ' ' * 40 + '\r', end='', file=sys.stderr)
    return table


def ratio(runs, peer, unit):
    """Median and quartiles of creel's time over the peer's in the same repetition."""
    never = float('inf')
    pairs = [run['creel'] / run[peer] for run in runs if run.get(peer, never) != never]
    if not pairs:
        return '-'
    if unit == 'tasks/s':
        pairs = [1 / pair for pair in pairs]
    if len(pairs) < 4:
        return f'{statistics.median(pairs):.2g}'
    low, middle, high = statistics.quantiles(pairs, n=4)
    return f'{middle:.2g} ({low:.2g}-{high:.2g})'


def number(values):
    if not values:
        return '-'
    value = statistics.median(values)
    if value == float('inf'):
        return 'never'
    return f'{value:.0f}' if value >= 100 else f'{value:.3g}'


def markdown(table, options, peers):
    others = [peer for peer in peers if peer != 'creel']
    lines = ['Process pools: 2 workers, the kills 1; a task and a future a call. Ratios are of '
             'times (of times a task, for rates); `never`: not within 2 s, or the pool is broken. '
             f'{version(options.python)}.', '']
    lines += [f'- {peer}: {PEERS[peer]}' for peer in peers]
    missing = [] if 'before' in peers else [p for p in PEERS if p not in peers + ['before']]
    lines += [f'- not installed: {", ".join(missing)}'] if missing else []
    head = ['process pools', 'unit'] + peers + [f'creel / {peer}' for peer in others]
    lines += ['', '| ' + ' | '.join(head) + ' |', '|' + '---|' * len(head)]
    for row, _, _, _, names in ROWS:
        for figure, unit, meaning in names:
            runs = table.get((row, figure))
            if runs:
                cells = [meaning, unit]
                cells += [number([run[peer] for run in runs if peer in run]) for peer in peers]
                cells += [ratio(runs, peer, unit) for peer in others]
                lines.append('| ' + ' | '.join(cells) + ' |')
    return '\n'.join(lines) + '\n'


def text(program, options):
    peers = ['creel', 'before'] if options.against else installed(options.python)
    return markdown(measure(program, options, peers), options, peers)
