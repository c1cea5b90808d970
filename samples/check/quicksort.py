# SPDX-License-Identifier: MIT
"""Runs the quicksort, which checks its own results: quicksort.py PROGRAM"""
import re
import subprocess
import sys

LINE = re.compile(r"(\d+) numbers sorted: [\d.]+ ms on one thread, [\d.]+ ms by fork and join, speed-up \S+\n")


def run(*arguments):
    done = subprocess.run([sys.argv[1], *arguments], stdin=subprocess.DEVNULL, check=False,
                          capture_output=True, text=True, timeout=100)
    return done.returncode, done.stdout, done.stderr


for workers in "1", "2", "5":
    for count in "0", "1", "2", "25", "1999", "300000":
        status, out, err = run("--workers", workers, count)
        match = LINE.fullmatch(out)
        if status or err or not match or match[1] != count:
            sys.exit(f"{workers} workers, {count} numbers: status {status}\n{out}{err}")
for wrong in (["--workers", "0"], ["--workers", "x"], ["many"], ["1", "2"], ["--what"]):
    status, out, err = run(*wrong)
    if status != 2 or out or "Usage: " not in err:
        sys.exit(f"{wrong}: status {status}\n{out}{err}")
