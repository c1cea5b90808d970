# SPDX-License-Identifier: MIT
"""Runs the sample: bounded_producer.py PROGRAM [ARGUMENT]...

Ten lines say how much is held; none of it is more than the bound, and the last line says so for all times.
"""
import re
import subprocess
import sys

BLOCK_KIB, BOUND, BLOCKS = 64, 2 + 6, 1000


def problem_of(lines):
    if len(lines) != 11:
        return "not eleven lines"
    for i, line in enumerate(lines[:10], 1):
        match = re.fullmatch(r" *(\d+) blocks submitted, (\d+) not ended: +(\d+) KiB", line)
        if not match:
            return f"not as expected: {line!r}"
        submitted, alive, kib = (int(group) for group in match.groups())
        if submitted != 100 * i or not 0 <= alive <= BOUND or kib != alive * BLOCK_KIB:
            return f"beyond the bound, or out of turn: {line!r}"
    last = re.fullmatch(r"at most (\d+) KiB at any time, of (\d+) KiB", lines[10])
    if not last or not BLOCK_KIB <= int(last.group(1)) <= BOUND * BLOCK_KIB or int(last.group(2)) != BLOCKS * BLOCK_KIB:
        return f"not as expected: {lines[10]!r}"
    return None


def main():
    done = subprocess.run(sys.argv[1:], stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    problem = problem_of(done.stdout.splitlines())
    if done.returncode != 0:
        problem = f"exit status {done.returncode}"
    elif done.stderr:
        problem = "something on standard error"
    print(done.stdout + done.stderr, end="")
    if problem:
        sys.exit(f"{sys.argv[1]}: {problem}")


if __name__ == "__main__":
    main()
