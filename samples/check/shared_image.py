# SPDX-License-Identifier: MIT
"""Decodes what shared_image wrote and compares it with what one process draws: shared_image.py PROGRAM"""
import hashlib
import os
import re
import struct
import subprocess
import sys
import tempfile
import unittest
import zlib

PROGRAM = None
TIMEOUT = 100


def chunks(data):
    if data[:8] != b"\x89PNG\r\n\x1a\n":
        raise ValueError("no PNG")
    at = 8
    while at < len(data):
        size, kind = struct.unpack(">I4s", data[at:at + 8])
        body = data[at + 8:at + 8 + size]
        if struct.unpack(">I", data[at + 8 + size:at + 12 + size])[0] != zlib.crc32(kind + body):
            raise ValueError(f"chunk {kind}: wrong checksum")
        yield kind, body
        at += 12 + size


def paeth(a, b, c):
    to_a, to_b, to_c = abs(b - c), abs(a - c), abs(a + b - 2 * c)
    if to_a <= to_b and to_a <= to_c:
        return a
    return b if to_b <= to_c else c


def unfilter(kind, row, above):
    for i, byte in enumerate(row):
        a = row[i - 3] if i >= 3 else 0
        b, c = above[i], above[i - 3] if i >= 3 else 0
        row[i] = (byte + (0, a, b, (a + b) // 2, paeth(a, b, c))[kind]) & 255
    return row


def decode(path):
    """(width, height, bytes of the pixels) of a PNG of 8 bits RGB."""
    with open(path, "rb") as file:
        parts = list(chunks(file.read()))
    width, height, *form = struct.unpack(">IIBBBBB", dict(parts)[b"IHDR"])
    if form != [8, 2, 0, 0, 0]:
        raise ValueError(f"not 8 bits RGB: {form}")
    data = zlib.decompress(b"".join(body for kind, body in parts if kind == b"IDAT"))
    stride, above, pixels = 3 * width, bytes(3 * width), bytearray()
    if len(data) != height * (stride + 1):
        raise ValueError("rows are missing")
    for y in range(height):
        start = y * (stride + 1)
        above = unfilter(data[start], bytearray(data[start + 1:start + 1 + stride]), above)
        pixels += above
    return width, height, bytes(pixels)


class SharedImage(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory(prefix="shared_image.")
        self.addCleanup(folder.cleanup)
        self.folder = folder.name

    def draw(self, *arguments):
        path = os.path.join(self.folder, "it.png")
        done = subprocess.run([PROGRAM, *arguments, path], stdin=subprocess.DEVNULL, check=False,
                              capture_output=True, text=True, timeout=TIMEOUT)
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        size = re.fullmatch(re.escape(path) + r": (\d+) x (\d+) pixels by (\d+) process(?:es)?\n",
                            done.stdout)
        self.assertTrue(size, done.stdout)
        width, height, pixels = decode(path)
        self.assertEqual((width, height), (int(size[1]), int(size[2])))
        return hashlib.sha256(pixels).hexdigest(), pixels, int(size[3])

    def test_several_processes_draw_what_one_draws(self):
        for size in "320x200", "257x131", "1x1", "3x70", "70x3":
            alone, pixels, processes = self.draw("--inline", "--size", size)
            self.assertEqual(processes, 1)
            for workers in 1, 2, 5:
                together, _, processes = self.draw("--workers", str(workers), "--size", size)
                self.assertEqual(together, alone, (size, workers))
                self.assertIn(processes, range(1, workers + 1))
        self.assertEqual(len(pixels), 3 * 70 * 3)

    def test_there_is_a_picture(self):
        _, pixels, _ = self.draw("--size", "320x200")
        colours = {pixels[i:i + 3] for i in range(0, len(pixels), 3)}
        self.assertGreater(len(colours), 1000)

    def test_several_processes_take_part(self):
        # Who gets what is up to the scheduler: so ask until two have got something.
        for _ in range(200):
            if self.draw("--workers", "2", "--size", "640x40")[2] == 2:
                return
        self.fail("one worker did it all, each time")

    def refuse(self, *arguments):
        done = subprocess.run([PROGRAM, *arguments], stdin=subprocess.DEVNULL, check=False,
                              capture_output=True, text=True, timeout=TIMEOUT)
        self.assertEqual(done.stdout, "", arguments)
        return done.returncode, done.stderr

    def test_wrong_command_lines_are_refused(self):
        for arguments in (["--size", "0x5"], ["--size", "5"], ["--size", "5x5x5"],
                          ["--size", "-5x5"], ["--workers", "0"], ["--workers", "many"],
                          ["--what"], ["one", "two"]):
            status, said = self.refuse(*arguments)
            self.assertEqual(status, 2, arguments)
            self.assertIn("Usage: ", said, arguments)

    def test_a_file_that_cannot_be_written(self):
        status, said = self.refuse("--size", "8x8", "/nowhere/it.png")
        self.assertEqual(status, 1)
        self.assertRegex(said, r"^shared_image: /nowhere/it\.png: .+\n$")

    def test_more_workers_than_a_pool_may_have(self):
        status, said = self.refuse("--size", "8x8", "--workers", "257")
        self.assertEqual(status, 1)
        self.assertIn("max_workers is 257", said)


if __name__ == "__main__":
    PROGRAM = os.path.abspath(sys.argv.pop(1))
    unittest.main()
