# SPDX-License-Identifier: MIT
"""Runs a sample and compares what it prints with a file: figures.py PROGRAM EXPECTED [ARGUMENT]...

A # in the file stands for any number.
"""
import re
import subprocess
import sys


def main():
    program, expected_file, *arguments = sys.argv[1:]
    with open(expected_file, encoding="utf-8") as file:
        expected = file.read()
    done = subprocess.run([program, *arguments], stdin=subprocess.DEVNULL, capture_output=True, text=True,
                          check=False)
    pattern = re.escape(expected).replace(re.escape("#"), r"\d+(?:\.\d+)?")
    if done.returncode != 0 or done.stderr or not re.fullmatch(pattern, done.stdout):
        print(f"{program}: exit status {done.returncode}\n--- standard output\n{done.stdout}"
              f"--- standard error\n{done.stderr}--- expected\n{expected}")
        sys.exit(1)
    print(done.stdout, end="")


if __name__ == "__main__":
    main()
