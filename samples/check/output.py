# SPDX-License-Identifier: MIT
"""Runs a sample and compares what it prints with a file: output.py PROGRAM EXPECTED [ARGUMENT]...

Where the order of the lines is not promised, the file's first line is "any order:"; then each
line must be there once, and a line that starts with "last: " must be the last one.
"""
import subprocess
import sys


def problem_of(lines, expected):
    if expected[:1] != ["any order:"]:
        return None if lines == expected else "not the lines expected, in their order"
    expected = expected[1:]
    last = [line[len("last: "):] for line in expected if line.startswith("last: ")]
    if last and lines[-1:] != last:
        return f"the last line should be {last[0]!r}"
    expected = [line for line in expected if not line.startswith("last: ")] + last
    return None if sorted(lines) == sorted(expected) else "not the lines expected, in any order"


def main():
    program, expected_file, *arguments = sys.argv[1:]
    with open(expected_file, encoding="utf-8") as file:
        expected = file.read().splitlines()
    done = subprocess.run([program, *arguments], stdin=subprocess.DEVNULL, capture_output=True, text=True,
                          check=False)
    problem = problem_of(done.stdout.splitlines(), expected)
    if done.returncode != 0:
        problem = f"exit status {done.returncode}"
    elif done.stderr:
        problem = "something on standard error"
    if problem:
        print(f"{program}: {problem}\n--- standard output\n{done.stdout}"
              f"--- standard error\n{done.stderr}--- expected\n" + "\n".join(expected))
        sys.exit(1)
    print(done.stdout, end="")


if __name__ == "__main__":
    main()
