# SPDX-License-Identifier: MIT
"""The thread pool of tests/bench/run: creel beside the pools that are installed.

Those in C are in the program `bench`. With moodycamel's queue, which is in C++, that program is built
here once more, and Java's ForkJoinPool is one source file.
"""

import os
import platform
import shutil
import statistics
import subprocess
import sys

import programs

HERE = os.path.dirname(os.path.abspath(__file__))
WORKLOADS = ['w1', 'w1w', 'w3', 'w3n', 'w3n1', 'w4', 'w6', 'w7', 'w8', 'idle']
# Whatever --workers says: most of them sleep.
WORKERS = {'w6': [64]}
MEANING = {
    'w1': 'W1: 10^6 empty tasks submitted by one thread, then each waited for, in turn',
    'w1-again': 'W1 once more in the same process',
    'w1w': 'W1w: the same with 256 in flight',
    'w3-p50': 'W3: submit one, wait, the waiter may help (creel: CREEL_HELP_ANY); p50',
    'w3-p99.9': 'W3, p99.9',
    'w3n-p50': 'W3n: submit one, wait, the waiter may not help; p50',
    'w3n-p99.9': 'W3n, p99.9',
    'w3n1-p50': 'W3n with all threads on one CPU, p50: the pool alone, not where the kernel wakes it',
    'w3n1-p99.9': 'the same, p99.9',
    'w4-p50': 'W4: 64 tasks of 2 us every ms, first submission to last end; p50',
    'w4-p99': 'W4, p99',
    'w4-cpu': 'W4, CPU seconds a second',
    'w6': 'W6: 10,000 tasks that sleep 1 ms',
    'w6-raw': 'W6, over the same sleeps in threads without a pool, of the same process',
    'w7': 'W7: 10^6 empty tasks submitted by four threads, each of which then waits for its own',
    'w7-again': 'W7 once more in the same process',
    'w8': 'W8: resident bytes a pending task with its future (10^6 of them)',
    'idle': 'idle: CPU time of the whole process while nothing is to do',
    'idle-wakes': 'idle: how often the workers wake up, all together',
}
PEERS = {
    'creel': 'creel_thread_pool_new(max_workers), creel_future_result(); static library',
    'queue': 'list under a mutex, condition variable signalled only when a worker sleeps, '
             'hand-made futures',
    'glib': 'GThreadPool, exclusive, hand-made futures',
    'libuv': 'uv_queue_work(); the waiter runs the loop',
    'moodycamel': 'BlockingConcurrentQueue and threads, hand-made futures; looks before it sleeps',
    'java': 'ForkJoinPool.submit(), join(); the median of the later rounds of one process',
    'before': 'another version of creel',
}
# What the others do not have, or not so that it could be compared.
ONLY = {'java': ('w1', 'w1w', 'w3n', 'w6', 'w7'),
        'libuv': tuple(w for w in WORKLOADS if w != 'w7')}
HANDMADE = ('Hand-made future: one malloc() for task, argument pointer, result pointer and future, '
            'completed by one atomic exchange, a futex only for who must sleep, no reference count.')


def moodycamel(program):
    """The program with moodycamel's queue, or None."""
    folder = os.path.dirname(program)
    part = os.path.join(folder, 'moodycamel.o')
    if not shutil.which('c++') or subprocess.run(
            ['c++', '-std=c++17', '-O3', '-c', os.path.join(HERE, 'moodycamel.cpp'), '-o', part],
            stderr=subprocess.DEVNULL, check=False).returncode:
        return None
    programs.compile_program('bench', program + '_moodycamel', programs.TOP,
                             os.path.dirname(os.path.dirname(folder)),
                             ['-DBENCH_MOODYCAMEL', os.path.join(HERE, 'peer_moodycamel.c'), part,
                              '-lstdc++'])
    return program + '_moodycamel'


def commands(program):
    """{peer: the command in front of the workload}."""
    names = subprocess.run([program, '--peers'], check=True, stdout=subprocess.PIPE,
                           text=True).stdout.split()
    found = {name: [program] for name in names}
    other = moodycamel(program)
    if other:
        found['moodycamel'] = [other]
    # Its threads spin: with real-time priority they starve those that they spin for.
    if shutil.which('javac') and os.sched_getscheduler(0) == os.SCHED_OTHER:
        classes = os.path.join(os.path.dirname(program), 'classes')
        subprocess.run(['javac', '-d', classes, os.path.join(HERE, 'Pool.java')], check=True)
        found['java'] = ['java', '-cp', classes, 'Pool']
    return found


def start(command, workload, peer, workers):
    name = 'creel' if peer == 'before' else peer
    return subprocess.Popen(command + [workload, name, str(workers)], stdout=subprocess.PIPE,
                            text=True)


def figures(process):
    """{figure: (value, unit)} of one measurement."""
    out = process.communicate()[0]
    if process.returncode:
        sys.exit(f'{" ".join(process.args)}: exit status {process.returncode}')
    result = {}
    for line in out.splitlines():
        name, value, unit = line.split()
        result[name] = (float(value), unit)
    return result


def repetition(found, workload, workers, shift):
    """The figures of all peers, one after the other. Idle ones do not disturb each other: at once."""
    peers = [peer for peer in found if workload in ONLY.get(peer, WORKLOADS)]
    order = peers[shift % len(peers):] + peers[:shift % len(peers)]
    if workload == 'idle':
        running = {peer: start(found[peer], workload, peer, workers) for peer in order}
        return {peer: figures(p) for peer, p in running.items()}
    return {peer: figures(start(found[peer], workload, peer, workers)) for peer in order}


def measure(found, options):
    """{(figure, workers): (unit, [{peer: value}, ...])}, a list entry a repetition."""
    table = {}
    for i in range(options.repetitions):
        for workload in [w for w in options.workloads if w in WORKLOADS]:
            for workers in WORKERS.get(workload, options.workers):
                print(f'\r{i + 1}/{options.repetitions} {workload} {workers} ', end='',
                      file=sys.stderr, flush=True)
                values = repetition(found, workload, workers, i)
                for figure, (_, unit) in values['creel'].items():
                    rows = table.setdefault((figure, workers), (unit, []))[1]
                    rows.append({peer: own[figure][0] for peer, own in values.items()
                                 if figure in own})
    print('\r' + ' ' * 30 + '\r', end='', file=sys.stderr)
    return table


def ratio(rows, peer):
    """Median and quartiles of creel's figure over the peer's, of the same repetition."""
    pairs = [row['creel'] / row[peer] for row in rows if row.get(peer)]
    if not pairs:
        return '-'
    if len(pairs) < 4:
        return f'{statistics.median(pairs):.2f}'
    low, middle, high = statistics.quantiles(pairs, n=4)
    return f'{middle:.2f} ({low:.2f}-{high:.2f})'


def number(values):
    if not values:
        return '-'
    value = statistics.median(values)
    return f'{value:.0f}' if value >= 100 else f'{value:.3g}'


def markdown(table, peers, options):
    others = [peer for peer in peers if peer != 'creel']
    lines = [f'{platform.machine()}, {len(os.sched_getaffinity(0))} of {os.cpu_count()} CPUs, '
             f'{platform.system()} {platform.release()}, {" ".join(platform.libc_ver())}; medians of '
             f'{options.repetitions} processes a peer, interleaved; ratios are paired, with their '
             'quartiles; below 1: creel is ahead.', '']
    lines += [f'- {peer}: {PEERS[peer]}' for peer in peers] + ['', HANDMADE, '']
    missing = [] if options.against else [p for p in PEERS if p not in peers and p != 'before']
    lines += [f'Left out, or not installed: {", ".join(missing)}.', ''] if missing else []
    head = ['workload', 'workers', 'unit'] + peers + [f'creel / {peer}' for peer in others]
    lines += ['| ' + ' | '.join(head) + ' |', '|' + '---|' * len(head)]
    for (figure, workers), (unit, rows) in sorted(
            table.items(), key=lambda item: (list(MEANING).index(item[0][0]), item[0][1])):
        cells = [MEANING[figure], str(workers), unit]
        cells += [number([row[peer] for row in rows if peer in row]) for peer in peers]
        cells += [ratio(rows, peer) for peer in others]
        lines.append('| ' + ' | '.join(cells) + ' |')
    return '\n'.join(lines) + '\n'


def text(program, options):
    if options.against:
        before = os.path.join(options.build, 'before', 'bench')
        found = {'creel': [program], 'before': [before]}
    else:
        found = commands(program)
    return markdown(measure(found, options), list(found), options)
