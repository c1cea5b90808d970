# SPDX-License-Identifier: MIT
"""Python's asyncio for tests/bench/run: compose_peers.py link|all|channel COUNT. Prints as compose.c does."""

import asyncio
import sys
import time


async def link(n):
    """A chain of n tasks, each of which waits for the one before."""
    async def after(future):
        return await future + 1
    loop = asyncio.get_running_loop()
    start = time.perf_counter_ns()
    root = last = loop.create_future()
    for _ in range(n):
        last = loop.create_task(after(last))
    root.set_result(0)
    assert await last == n
    return time.perf_counter_ns() - start


async def all_of(n):
    """gather() over n open futures, which then end."""
    loop = asyncio.get_running_loop()
    futures = [loop.create_future() for _ in range(n)]
    start = time.perf_counter_ns()
    gathered = asyncio.gather(*futures)
    for future in futures:
        future.set_result(None)
    await gathered
    return time.perf_counter_ns() - start


async def channel(n):
    """An item is put and taken, n times."""
    queue = asyncio.Queue(16)
    start = time.perf_counter_ns()
    for i in range(n):
        await queue.put(i)
        await queue.get()
    return time.perf_counter_ns() - start


def main():
    workload, count = sys.argv[1], int(sys.argv[2])
    measure = {'link': link, 'all': all_of, 'channel': channel}[workload]
    print(f'{workload} {asyncio.run(measure(count)) / count:.2f} ns')


if __name__ == '__main__':
    main()
