#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Prints the table promise x executor from the results that the contract suite left.

    table.py RESULTS EXECUTOR...

RESULTS holds a file EXECUTOR.tap each. A cell says how many cases passed, or "2 FAILED of 5", or "-" where
no case of the promise applies. Fails if a result is missing, or a promise is shown nowhere, or a case
failed.
"""
import collections
import os
import re
import sys

PROMISES = [f"c{n:02}" for n in [*range(1, 12), *range(13, 23), 23, 24, 40, 42, 43, 44, 45, 47]] + ["bad", "rule"]
LINE = re.compile(r"^(not ok|ok)\s+(?:\d+\s+)?- contract_(\w+?)::(c\d\d|bad|rule)_(\S+)(.*)$")


def read(path, executor):
    """Counts (promise, "passed" | "failed" | "n/a") of one file; it also lists what it filtered out."""
    counts = collections.Counter()
    with open(path, encoding="utf-8", errors="replace") as lines:
        for line in lines:
            match = LINE.match(line.rstrip())
            if not match or match.group(2) != executor:
                continue
            verdict, _, promise, _, rest = match.groups()
            skipped = "# SKIP" in rest
            kind = "n/a" if skipped else "passed" if verdict == "ok" else "failed"
            counts[promise, kind] += 1
    return counts


def cell(counts, promise):
    passed, failed = counts[promise, "passed"], counts[promise, "failed"]
    if failed:
        return f"{failed} FAILED of {passed + failed}"
    return str(passed) if passed else "-"


def main():
    folder, executors = sys.argv[1], sys.argv[2:]
    results, missing = {}, []
    for name in executors:
        path = os.path.join(folder, name + ".tap")
        if os.path.exists(path):
            results[name] = read(path, name)
        else:
            missing.append(name)
    shown = sorted({p for c in results.values() for p, _ in c} | set(PROMISES))
    rows = [["promise", *results]]
    rows += [[p, *(cell(results[n], p) for n in results)] for p in shown]
    widths = [max(len(r[i]) for r in rows) for i in range(len(rows[0]))]
    for row in rows:
        print("  ".join(text.ljust(width) for text, width in zip(row, widths)).rstrip())
    totals = collections.Counter()
    for counts in results.values():
        for (_, kind), n in counts.items():
            totals[kind] += n
    unshown = [p for p in PROMISES if not any(c[p, "passed"] for c in results.values())]
    print(f"{totals['passed']} passed, {totals['failed']} failed ({totals['n/a']} not applicable)")
    if missing:
        print("no results of:", *missing)
    if unshown:
        print("shown by no case:", *unshown)
    return bool(missing or unshown or totals["failed"])


if __name__ == "__main__":
    sys.exit(main())
