# SPDX-License-Identifier: MIT
"""The timers of tests/bench/run: creel beside the kernel's and those of loops."""

import subprocess
import sys

from procs_table import number, ratio

# The program's workload; [(figure, unit, meaning)].
ROWS = [
    ('set', [('set', 'ns', '10^6 timers set, at random times'),
             ('cancel', 'ns', 'and cancelled, in random order')]),
    ('churn', [('churn', 'ns', 'one cancelled and one set, with 10^6 pending')]),
    ('late', [('late-p50', 'us', 'how late a timer is, p50'), ('late-p99', 'us', 'the same, p99')]),
]
WORKLOADS = ['timers-' + row[0] for row in ROWS]
PEERS = {
    'creel': 'creel_after(NULL, ...); thread-safe; a thread of its own ends the timers',
    'creel-submit': 'creel_submit_with(), delay_ns; a thread pool',
    'timerfd': 'a descriptor of the kernel a timer, and epoll; only 10,000 of them',
    'glib': 'g_timeout_source_new(), one main context',
    'libev': 'ev_timer; no thread but the loop\'s',
    'libuv': 'uv_timer_t; no thread but the loop\'s; counts in milliseconds',
}
FEWER = {'timerfd': {'set': 10000, 'churn': 10000}}


def figures(program, workload, peer):
    """{figure: value} of one measurement."""
    count = FEWER.get(peer, {}).get(workload)
    command = [program, workload, peer, '1'] + ([str(count)] if count else [])
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False)
    if done.returncode:
        sys.exit(f'{" ".join(command)}: exit status {done.returncode}')
    return {line.split()[0]: float(line.split()[1]) for line in done.stdout.splitlines()}


def measure(program, options, peers):
    """{figure: [{peer: value}, ...]}, a list entry a repetition."""
    table = {}
    for i in range(options.repetitions):
        for workload, names in ROWS:
            if 'timers-' + workload not in options.workloads:
                continue
            shift = i % len(peers)
            found = {peer: figures(program, workload, peer)
                     for peer in peers[shift:] + peers[:shift]
                     if workload != 'late' or peer != 'libuv'}
            for figure, _, _ in names:
                table.setdefault(figure, []).append(
                    {peer: values[figure] for peer, values in found.items()})
    return table


def text(program, options):
    peers = subprocess.run([program, '--peers'], check=True, stdout=subprocess.PIPE,
                           text=True).stdout.split()
    table = measure(program, options, peers)
    others = [peer for peer in peers if not peer.startswith('creel')]
    lines = ['Timers: nanoseconds an operation, on one thread.', '']
    lines += [f'- {peer}: {PEERS[peer]}' for peer in peers]
    head = ['timers', 'unit'] + peers + [f'creel / {peer}' for peer in others]
    lines += ['', '| ' + ' | '.join(head) + ' |', '|' + '---|' * len(head)]
    for figure, unit, meaning in [name for _, names in ROWS for name in names]:
        runs = table.get(figure)
        if runs:
            cells = [meaning, unit]
            cells += [number([run[peer] for run in runs if peer in run]) for peer in peers]
            cells += [ratio(runs, peer, unit) for peer in others]
            lines.append('| ' + ' | '.join(cells) + ' |')
    return '\n'.join(lines) + '\n'
