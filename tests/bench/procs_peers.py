#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The workloads of procs.c for the process pools of Python.

usage: procs_peers.py WORKLOAD PEER WORKERS COUNT | procs_peers.py --peers

Interpreter and modules are loaded before anything is measured. What a pool never delivers is `inf`:
a task that it has not ended after NEVER seconds counts as that.
"""

import collections
import concurrent.futures
import multiprocessing
import os
import signal
import statistics
import struct
import sys
import tempfile
import time

try:
    import pebble
except ImportError:
    pebble = None
try:
    import loky
except ImportError:
    try:
        from joblib.externals import loky
    except ImportError:
        loky = None

LOAD = 1 << 20
WINDOW = 8
WARM = 2000
NEVER = 2


def empty():
    return None


def echo(data):
    return data


def hang(fifo):
    with open(fifo, 'wb', buffering=0) as file:
        file.write(struct.pack('i', os.getpid()))
    while True:
        signal.pause()


class Multiprocessing:
    """apply_async(): a message and a result object a task, like everybody else."""

    def __init__(self, workers):
        self.pool = multiprocessing.Pool(workers)

    def submit(self, function, *args):
        return self.pool.apply_async(function, args)

    def result(self, future, timeout=None):
        return future.get(timeout)

    def close(self):
        self.pool.terminate()


class Futures:
    def __init__(self, workers):
        self.pool = concurrent.futures.ProcessPoolExecutor(workers)

    def submit(self, function, *args):
        return self.pool.submit(function, *args)

    def result(self, future, timeout=None):
        return future.result(timeout)

    def close(self):
        self.pool.shutdown()


class Loky(Futures):
    def __init__(self, workers):
        self.pool = loky.ProcessPoolExecutor(workers)


class Pebble(Futures):
    def __init__(self, workers):
        self.pool = pebble.ProcessPool(max_workers=workers)

    def submit(self, function, *args):
        return self.pool.schedule(function, args=args)

    def close(self):
        self.pool.stop()
        self.pool.join()


PEERS = {'multiprocessing': Multiprocessing, 'futures': Futures}
if pebble:
    PEERS['pebble'] = Pebble
if loky:
    PEERS['loky'] = Loky


def empty_tasks(pool, n):
    futures = [pool.submit(empty) for _ in range(n)]
    for future in futures:
        pool.result(future)


def open_warm(peer, workers, count):
    pool = peer(workers)
    empty_tasks(pool, min(count, WARM))
    return pool


def rate(peer, workers, count):
    pool = open_warm(peer, workers, count)
    start = time.monotonic()
    empty_tasks(pool, count)
    print(f'rate {count / (time.monotonic() - start):.2f} tasks/s')
    return pool


def trips(pool, count, function, *args):
    """The median of so many round trips, in microseconds."""
    took = []
    for _ in range(count):
        start = time.monotonic()
        pool.result(pool.submit(function, *args))
        took.append(time.monotonic() - start)
    return statistics.median(took) * 1e6


def trip(peer, workers, count):
    pool = open_warm(peer, workers, count)
    print(f'trip {trips(pool, count, empty):.3f} us')
    return pool


def echo_tasks(pool, data, count):
    flying = collections.deque()
    for _ in range(count):
        if len(flying) == WINDOW:
            assert len(pool.result(flying.popleft())) == LOAD
        flying.append(pool.submit(echo, data))
    for future in flying:
        assert len(pool.result(future)) == LOAD


def load(peer, workers, count):
    data = b'\1' * LOAD
    pool = open_warm(peer, workers, count)
    echo_tasks(pool, data, 2 * min(count, WINDOW))
    start = time.monotonic()
    echo_tasks(pool, data, count)
    print(f'load {count / (time.monotonic() - start):.2f} tasks/s')
    return pool


def round_trip(peer, workers, count):
    data = b'\1' * LOAD
    pool = open_warm(peer, workers, count)
    echo_tasks(pool, data, WINDOW)
    print(f'round {trips(pool, count, echo, data):.2f} us')
    return pool


def start(peer, workers, _count):
    began = time.monotonic()
    pool = peer(workers)
    pool.result(pool.submit(empty))
    print(f'start {(time.monotonic() - began) * 1e3:.3f} ms')
    return pool


def outcome(pool, submit, timeout):
    """'result', 'error', or 'nothing' after so long."""
    try:
        pool.result(submit(), timeout)
    except (TimeoutError, concurrent.futures.TimeoutError, multiprocessing.TimeoutError):
        return 'nothing'
    except Exception:  # pylint: disable=broad-except
        return 'error'
    return 'result'


def kill_one(pool, fifo, fd):
    """(ms to the error of the task that was running, ms to the next result)"""
    lost = pool.submit(hang, fifo)
    following = pool.submit(empty)
    pid, = struct.unpack('i', os.read(fd, 4))
    killed = time.monotonic()
    os.kill(pid, signal.SIGKILL)
    to_error = to_next = float('inf')
    # Who reports the loss is asked for it first; who does not, is not waited for.
    if not isinstance(pool, Multiprocessing):
        if outcome(pool, lambda: lost, NEVER) == 'error':
            to_error = time.monotonic() - killed
    if (outcome(pool, lambda: following, NEVER) == 'result' or
            outcome(pool, lambda: pool.submit(empty), NEVER) == 'result'):
        to_next = time.monotonic() - killed
    if isinstance(pool, Multiprocessing) and outcome(pool, lambda: lost, NEVER) == 'error':
        to_error = time.monotonic() - killed
    return to_error * 1e3, to_next * 1e3


def kill(peer, workers, count):
    with tempfile.TemporaryDirectory(prefix='creel-bench-') as folder:
        fifo = os.path.join(folder, 'fifo')
        os.mkfifo(fifo)
        fd = os.open(fifo, os.O_RDWR | os.O_CLOEXEC)
        pool = peer(workers)
        pool.result(pool.submit(empty))
        took = []
        while len(took) < count:
            took.append(kill_one(pool, fifo, fd))
            if float('inf') in took[-1]:
                break
        os.close(fd)
    print(f'kill-error {statistics.median(error for error, _ in took):.3f} ms')
    print(f'kill-next {statistics.median(following for _, following in took):.3f} ms')
    return pool


WORKLOADS = {'rate': rate, 'trip': trip, 'load': load, 'round': round_trip, 'start': start,
             'kill': kill}


def main():
    if sys.argv[1:] == ['--peers']:
        print(' '.join(PEERS))
        return
    if len(sys.argv) != 5 or sys.argv[1] not in WORKLOADS or sys.argv[2] not in PEERS:
        sys.exit(__doc__)
    peer, workers, count = PEERS[sys.argv[2]], int(sys.argv[3]), int(sys.argv[4])
    pool = WORKLOADS[sys.argv[1]](peer, workers, count)
    sys.stdout.flush()
    pool.close()


if __name__ == '__main__':
    main()
