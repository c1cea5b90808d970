# SPDX-License-Identifier: MIT
"""Loads the web server for 5 s: web_server.py PROGRAM [ARGUMENT]...

With wrk, 50 connections, if that is installed; else by the sample's own clients. No request may fail.
"""
import re
import shutil
import subprocess
import sys

SECONDS = 5


def fail(what, *outputs):
    print(what, *outputs, sep="\n")
    sys.exit(1)


def own_clients(command, seconds):
    done = subprocess.run([*command, str(seconds)], capture_output=True, text=True, check=False)
    if done.returncode or done.stderr or not re.search(r"^0 errors$", done.stdout, re.M):
        fail(f"own clients: exit status {done.returncode}", done.stdout, done.stderr)
    print(done.stdout, end="")


def by_wrk(command):
    server = subprocess.Popen([*command, "--serve"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    url = server.stdout.readline().strip()
    done = subprocess.run(["wrk", "-t1", "-c50", f"-d{SECONDS}", "--timeout", "60s", url],
                          capture_output=True, text=True, check=False)
    said, _ = server.communicate()
    if done.returncode or server.returncode:
        fail(f"wrk: {done.returncode}, server: {server.returncode}", done.stdout, done.stderr, said)
    if "Socket errors" in done.stdout or "Non-2xx" in done.stdout:
        fail("wrk saw errors", done.stdout)
    if not re.search(r"^ +[1-9]\d* requests in", done.stdout, re.M):
        fail("wrk had no answers", done.stdout)
    print(done.stdout, said, sep="", end="")


def main():
    if shutil.which("wrk"):
        by_wrk(sys.argv[1:])
        own_clients(sys.argv[1:], 0.3)
    else:
        own_clients(sys.argv[1:], SECONDS)


if __name__ == "__main__":
    main()
