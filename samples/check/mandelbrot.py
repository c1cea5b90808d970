# SPDX-License-Identifier: MIT
"""Decodes what mandelbrot wrote; threads, processes and one thread draw the same: mandelbrot.py PROGRAM"""
import os
import subprocess
import sys
import tempfile

from shared_image import decode


def draw(path, *arguments):
    done = subprocess.run([sys.argv[1], *arguments, path], stdin=subprocess.DEVNULL, check=False,
                          capture_output=True, text=True, timeout=100)
    if done.returncode or not done.stderr.endswith("\n") or "100 %" not in done.stderr:
        sys.exit(f"{arguments}: status {done.returncode}\n{done.stdout}{done.stderr}")
    with open(path, "rb") as file:
        return file.read()


with tempfile.TemporaryDirectory(prefix="mandelbrot.") as folder:
    it = os.path.join(folder, "it.png")
    for size in "1x1", "97x61", "300x200":
        alone = draw(it, "--inline", "--size", size)
        width, height, pixels = decode(it)
        if f"{width}x{height}" != size:
            sys.exit(f"{size}: it is {width}x{height}")
        for how in [], ["--processes"]:
            for workers in "1", "3":
                if draw(it, "--workers", workers, "--size", size, *how) != alone:
                    sys.exit(f"{size}, {workers} workers, {how}: not what one thread draws")
    colours = {pixels[i:i + 3] for i in range(0, len(pixels), 3)}
    if len(colours) < 100 or b"\0\0\0" not in colours:
        sys.exit(f"{len(colours)} colours: that is no picture")
for wrong in (["--size", "0x5"], ["--workers", "0"], ["--inline", "--processes"], ["a", "b"]):
    done = subprocess.run([sys.argv[1], *wrong], stdin=subprocess.DEVNULL, check=False, timeout=100,
                          capture_output=True, text=True)
    if done.returncode != 2 or "Usage: " not in done.stderr:
        sys.exit(f"{wrong}: status {done.returncode}\n{done.stdout}{done.stderr}")
