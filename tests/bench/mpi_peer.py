# SPDX-License-Identifier: MIT
"""What mpi.c measures, of mpi4py.futures. As an MPI job: mpirun -n 3 python3 -m mpi4py.futures mpi_peer.py"""
import resource
import time

from mpi4py.futures import MPIPoolExecutor

TASKS, TRIPS, LARGE_TRIPS, LARGE = 20000, 2000, 200, 1 << 20


def same(arg):
    return arg


def measure_rate(executor):
    start = time.perf_counter()
    futures = [executor.submit(same, i) for i in range(TASKS)]
    for future in futures:
        future.result()
    print('rate %.1f' % (TASKS / (time.perf_counter() - start)))


def measure_trips(executor, name, arg, n):
    taken = []
    for _ in range(n):
        start = time.perf_counter()
        executor.submit(same, arg).result()
        taken.append(time.perf_counter() - start)
    print('%s %.9f' % (name, sorted(taken)[n // 2]))


def main():
    with MPIPoolExecutor() as executor:
        measure_rate(executor)
        measure_rate(executor)
        measure_trips(executor, 'trip', 1, TRIPS)
        measure_trips(executor, 'large', bytes(LARGE), LARGE_TRIPS)
        before = resource.getrusage(resource.RUSAGE_SELF)
        time.sleep(2)
        after = resource.getrusage(resource.RUSAGE_SELF)
        print('idle-root %.6f' % ((after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime) / 2))


if __name__ == '__main__':
    main()
