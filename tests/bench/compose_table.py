# SPDX-License-Identifier: MIT
"""What is composed, in tests/bench/run: creel beside asyncio and Java's CompletableFuture."""

import os
import shutil
import subprocess
import sys
import tempfile

from procs_table import number, ratio

HERE = os.path.dirname(os.path.abspath(__file__))
ROWS = {'link': 'a continuation, in a chain of 10^5', 'all': 'an input of one future for 10^5'}
# What each adds to an empty task of the inline executor. Nobody else has them.
ADAPTORS = {'serial': 'serial', 'semaphore': 'semaphore of 4', 'rate': 'rate limit, never reached',
            'retry': 'retry, first attempt succeeds'}
WORKLOADS = ['compose-' + row for row in list(ROWS) + list(ADAPTORS)]
COUNT = '100000'
PEERS = {
    'creel': 'creel_then() on the inline executor; creel_all()',
    'asyncio': 'a task a link; asyncio.gather()',
    'java': 'CompletableFuture.thenApply(); allOf(); the last of 20 rounds in one process',
}


def commands(program, python, classes):
    """{peer: the command in front of the workload}."""
    found = {'creel': [program], 'asyncio': [python, os.path.join(HERE, 'compose_peers.py')]}
    if shutil.which('javac'):
        subprocess.run(['javac', '-d', classes, os.path.join(HERE, 'Compose.java')], check=True)
        found['java'] = ['java', '-cp', classes, 'Compose']
    return found


def figure(peer, command, workload):
    own = [workload, 'creel', '1', COUNT] if peer == 'creel' else [workload, COUNT]
    done = subprocess.run(command + own, stdout=subprocess.PIPE, text=True, check=False)
    if done.returncode:
        sys.exit(f'{" ".join(command + own)}: exit status {done.returncode}')
    return float(done.stdout.split()[1])


def text(program, options):
    with tempfile.TemporaryDirectory() as classes:
        peers = commands(program, options.python, classes)
        others = [peer for peer in peers if peer != 'creel']
        head = ['composed', 'unit'] + list(peers) + [f'creel / {peer}' for peer in others]
        lines = ['Composition: nanoseconds for each, on one thread.', '']
        lines += [f'- {peer}: {PEERS[peer]}' for peer in peers]
        lines += ['', '| ' + ' | '.join(head) + ' |', '|' + '---|' * len(head)]
        for workload, meaning in ROWS.items():
            if 'compose-' + workload not in options.workloads:
                continue
            runs = [{peer: figure(peer, command, workload) for peer, command in peers.items()}
                    for _ in range(options.repetitions)]
            cells = [meaning, 'ns'] + [number([run[peer] for run in runs]) for peer in peers]
            cells += [ratio(runs, peer, 'ns') for peer in others]
            lines.append('| ' + ' | '.join(cells) + ' |')
    lines += ['', '| adaptor | adds, ns a task |', '|---|---|']
    for workload, meaning in ADAPTORS.items():
        if 'compose-' + workload in options.workloads:
            runs = [figure('creel', [program], workload) for _ in range(options.repetitions)]
            lines.append(f'| {meaning} | {number(runs)} |')
    return '\n'.join(lines) + '\n'
