# SPDX-License-Identifier: MIT
"""The channels of tests/bench/run: creel beside a queue by hand and GLib's."""

import subprocess
import sys

from procs_table import number, ratio

ROWS = [
    ('alone', '8 bytes put and got, by one thread'),
    ('two', 'from one thread to another, an item'),
    ('trip', 'there and back'),
]
WORKLOADS = ['channels-' + row[0] for row in ROWS]
PEERS = {
    'creel': 'creel_channel_put_by(), creel_channel_get_by(); room for 256',
    'creel-futures': 'creel_channel_put(), creel_channel_get(), and their futures',
    'queue': 'ring under a mutex, two condition variables; room for 256',
    'glib': 'GAsyncQueue; pointers, no bound',
}


def figure(program, workload, peer):
    done = subprocess.run([program, workload, peer, '1'], stdout=subprocess.PIPE, text=True,
                          check=False)
    if done.returncode:
        sys.exit(f'{program} {workload} {peer}: exit status {done.returncode}')
    return float(done.stdout.split()[1])


def text(program, options):
    peers = subprocess.run([program, '--peers'], check=True, stdout=subprocess.PIPE,
                           text=True).stdout.split()
    others = [peer for peer in peers if not peer.startswith('creel')]
    lines = ['Channels: nanoseconds.', '']
    lines += [f'- {peer}: {PEERS[peer]}' for peer in peers]
    head = ['channels'] + peers + [f'creel / {peer}' for peer in others]
    lines += ['', '| ' + ' | '.join(head) + ' |', '|' + '---|' * len(head)]
    for workload, meaning in ROWS:
        if 'channels-' + workload not in options.workloads:
            continue
        runs = []
        for i in range(options.repetitions):
            shift = i % len(peers)
            runs.append({peer: figure(program, workload, peer)
                         for peer in peers[shift:] + peers[:shift]})
        cells = [meaning] + [number([run[peer] for run in runs]) for peer in peers]
        cells += [ratio(runs, peer, 'ns') for peer in others]
        lines.append('| ' + ' | '.join(cells) + ' |')
    return '\n'.join(lines) + '\n'
