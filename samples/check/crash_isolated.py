# SPDX-License-Identifier: MIT
"""Runs crash_isolated on folders of its own: crash_isolated.py PROGRAM README SOURCE

Also: what the README shows of the program and of its output is what they are.
"""
import os
import re
import subprocess
import sys
import tempfile
import unittest

PROGRAM = README = SOURCE = None
TIMEOUT = 100

# What a file does, and what is said of it.
CASUALTIES = {
    "segfault": (b"stray\n", r"worker \d+ \(pid \d+\) was killed by signal 11 \(Segmentation fault\) "
                 r"while it ran the task"),
    "abort": (b"[]\n", r"worker \d+ \(pid \d+\) was killed by signal 6 \(Aborted\) "
              r"while it ran the task"),
    "exit": (b"[a]\nb\n[c\n", r"the task ended its worker \(pid \d+\) with exit status 3"),
    "hang": (b"[a]\ninclude %s\n", r"the task ran longer than its limit of 2\.000 s; "
             r"its worker \(pid \d+\) was killed"),
    "memory": (b"[a]\nb x 99999999999\n", r"no memory for more than \d+ entries"),
    "missing": (b"[a]\ninclude nowhere\n", r"cannot open nowhere: No such file or directory"),
}


def run(*arguments):
    done = subprocess.run([PROGRAM, *arguments], stdin=subprocess.DEVNULL, capture_output=True,
                          text=True, timeout=TIMEOUT, check=False)
    return done.returncode, done.stdout, done.stderr


def without_numbers(text):
    return re.sub(r"\bworker \d+", "worker N", re.sub(r"\bpid \d+", "pid N", text))


class CrashIsolated(unittest.TestCase):
    maxDiff = None

    def parse(self, files):
        with tempfile.TemporaryDirectory(prefix="crash_isolated.") as folder:
            for name, text in files.items():
                with open(os.path.join(folder, name), "wb") as file:
                    file.write(text)
            os.mkdir(os.path.join(folder, "a directory"))
            status, output, errors = run(folder)
        self.assertEqual((status, errors), (0, ""), output)
        return output.splitlines()

    def test_survivors_are_complete_and_casualties_named_in_file_order(self):
        files, expected = {}, {}
        for i in range(60):
            name = f"{i:02}_good"
            files[name] = b"[s]\n" * (i % 4) + b"[t]\ne x %d\n" % (i * 7)
            expected[name] = f"{i % 4 + 1} sections, {i * 7} entries"
        for i, (kind, (text, said)) in enumerate(CASUALTIES.items()):
            for place in (i * 3, 40 + i * 2):
                name = f"{place:02}_{kind}"
                files[name] = text.replace(b"%s", name.encode())
                expected[name] = re.compile(said)
        lines = self.parse(files)
        self.assertEqual(len(lines), len(expected) + 1, "\n".join(lines))
        for line, name in zip(lines, sorted(expected)):
            said = re.fullmatch(re.escape(name) + " +(.*)", line)
            self.assertTrue(said, line)
            if isinstance(expected[name], str):
                self.assertEqual(said[1], expected[name], line)
            else:
                self.assertRegex(said[1], "^%s$" % expected[name].pattern)
        self.assertEqual(lines[-1], "72 files: 60 parsed, 12 casualties")

    def test_nothing_but_casualties(self):
        lines = self.parse({f"{i:02}": b"stray\n" for i in range(20)})
        self.assertEqual(lines[-1], "20 files: 0 parsed, 20 casualties")

    def test_an_empty_folder(self):
        self.assertEqual(self.parse({}), ["0 files: 0 parsed, 0 casualties"])

    def test_a_folder_that_is_not_there(self):
        status, output, errors = run("/nowhere")
        self.assertEqual((status, output), (1, ""))
        self.assertEqual(errors, "/nowhere: No such file or directory\n")

    def test_the_readme_shows_what_it_is_and_what_it_prints(self):
        with open(README, encoding="utf-8") as file:
            blocks = re.findall(r"^```(\w+)\n(.*?)^```", file.read(), re.M | re.S)
        codes = [text for kind, text in blocks if kind == "c" and "parse_all(" in text]
        outputs = [text for kind, text in blocks if kind == "text" and "casualties" in text]
        self.assertEqual((len(codes), len(outputs)), (1, 1))
        with open(SOURCE, encoding="utf-8") as file:
            self.assertIn(codes[0], file.read())
        status, output, errors = run()
        self.assertEqual((status, errors), (0, ""))
        self.assertEqual(without_numbers(output), without_numbers(outputs[0]))


if __name__ == "__main__":
    PROGRAM, README, SOURCE = (os.path.abspath(path) for path in sys.argv[1:4])
    del sys.argv[1:4]
    unittest.main()
