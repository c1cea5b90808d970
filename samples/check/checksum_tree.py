# SPDX-License-Identifier: MIT
"""Compares checksum_tree with sha256sum on trees that are hard to get right: checksum_tree.py PROGRAM"""
import hashlib
import os
import pty
import re
import resource
import shutil
import subprocess
import sys
import tempfile
import unittest

PROGRAM = None
TIMEOUT = 100
SKIPPED = 77

ODD_NAMES = [
    b"plain", b"with space", b" leading and trailing ", b"tab\there", b"new\nline", b"\n",
    b"back\\slash", b"\\", b"\\n", b"carriage\rreturn", b"all\\of\nthem\r", b"caf\xe9", b"\xff\xfe",
    b"caf\xc3\xa9", b"\x01\x1b[31m\x7f", b"-", b"--help", b"*", b"'quoted\"", b"$HOME", b"%s%n",
    b"~", b"#", b".hidden", b"..two", b"n" * 255,
]
# Where a directory's place in the order is not that of its bare name.
ORDER_TRAPS = [b"a/x", b"a/y/z", b"a.b", b"a-b/c", b"a0", b"a!", b"ab/c", b"a b", b"A", b"a\xff",
               b"a\n/q", b"a\\/q"]


def write(path, data=b""):
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "wb") as file:
        file.write(data)


def without_override(command):
    """Root may read everything; without these capabilities it may read what its files' modes say."""
    if os.geteuid() != 0:
        return command
    return ["setpriv", "--bounding-set=-dac_override,-dac_read_search"] + command


def sha256sums(root, wrap=lambda command: command, follow="-P"):
    script = ('find "$1" "$2" -type f -print0 2>/dev/null | LC_ALL=C sort -z'
              " | xargs -0 -r sha256sum 2>/dev/null; true")
    return subprocess.run(wrap(["sh", "-c", script, "sh", follow, root]), check=True,
                          stdout=subprocess.PIPE, timeout=TIMEOUT).stdout


def checksum_tree(*arguments, wrap=lambda command: command, **more):
    more = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **more}
    return subprocess.run(wrap([PROGRAM, *arguments]), check=False, stdin=subprocess.DEVNULL,
                          timeout=TIMEOUT, **more)


class TreeTest(unittest.TestCase):
    maxDiff = None

    def setUp(self):
        self.root = os.fsencode(tempfile.mkdtemp(prefix="checksum_tree."))
        self.addCleanup(subprocess.run, ["rm", "-rf", self.root], check=True)

    def path(self, *names):
        return os.path.join(self.root, *names)

    def assert_same(self, root, *arguments, expected=None, **more):
        expected = sha256sums(root) if expected is None else expected
        for workers in [], ["--processes"]:
            done = checksum_tree("--no-compare", *workers, *arguments, root, **more)
            self.assertEqual(done.stdout, expected)
            self.assertEqual(done.returncode, 0, done.stderr)
        return done


class Output(TreeTest):
    def test_odd_names_are_escaped_like_sha256sum(self):
        for i, name in enumerate(ODD_NAMES):
            write(self.path(b"files", name), b"%d" % i)
            write(self.path(b"in dirs", name, name), b"%d" % i)
        done = self.assert_same(self.root)
        self.assertEqual(done.stdout.count(b"\n"), 2 * len(ODD_NAMES))

    def test_order_is_that_of_the_bytes_of_whole_paths(self):
        for name in ORDER_TRAPS:
            write(self.path(name), name)
        for workers in "1", "2", "7":
            done = self.assert_same(self.root, "--workers", workers)
            self.assertEqual(done.stdout.count(b"\n"), len(ORDER_TRAPS))

    def test_sizes_around_the_buffer_and_large_files(self):
        for size in 0, 1, 63, 64, 128 * 1024 - 1, 128 * 1024, 128 * 1024 + 1, 5 * 1024 * 1024:
            write(self.path(b"%08d" % size), os.urandom(size))
        self.assert_same(self.root, "-w", "2")

    def test_links_and_what_is_no_file_are_skipped(self):
        write(self.path(b"dir", b"file"), b"data")
        os.symlink(b"dir/file", self.path(b"link to file"))
        os.symlink(b"dir", self.path(b"link to dir"))
        os.symlink(b"..", self.path(b"dir", b"link upwards"))
        os.symlink(b"nowhere", self.path(b"link to nowhere"))
        os.symlink(b"itself", self.path(b"itself"))
        os.mkfifo(self.path(b"fifo"))
        os.mkdir(self.path(b"empty dir"))
        done = self.assert_same(self.root)
        self.assertEqual(done.stdout.count(b"\n"), 1)

    def test_more_files_than_are_ever_in_flight(self):
        for i in range(3000):
            write(self.path(b"%d" % (i % 7), b"%d" % i), b"%d" % i)
        self.assert_same(self.root, "--workers", "4")

    def test_three_hundred_levels_with_few_descriptors(self):
        write(self.path(*[b"d"] * 300, b"bottom"), b"bottom")
        write(self.path(*[b"d"] * 150, b"middle"), b"middle")
        self.assert_same(self.root, "--workers", "2", preexec_fn=lambda: resource.setrlimit(
            resource.RLIMIT_NOFILE, (24, 24)))

    def test_paths_longer_than_the_system_takes(self):
        part = b"p" * 200
        fd = os.open(self.root, os.O_RDONLY)
        for level in range(45):
            file = os.open(b"file", os.O_WRONLY | os.O_CREAT, dir_fd=fd)
            os.write(file, b"%d" % level)
            os.close(file)
            os.mkdir(part, dir_fd=fd)
            below = os.open(part, os.O_RDONLY, dir_fd=fd)
            os.close(fd)
            fd = below
        os.close(fd)
        expected = b"".join(
            hashlib.sha256(b"%d" % level).hexdigest().encode() + b"  "
            + b"/".join([self.root] + [part] * level + [b"file"]) + b"\n" for level in range(45))
        self.assert_same(self.root, expected=expected)

    def test_the_root_is_printed_as_it_was_given(self):
        write(self.path(b"sub", b"file"), b"data")
        os.symlink(b"sub", self.path(b"link"))
        self.assert_same(self.path(b"sub/"))
        self.assert_same(self.path(b"sub//"))
        link = self.path(b"link")
        self.assert_same(link, expected=sha256sums(link, follow="-H"))
        done = checksum_tree("--no-compare", ".", cwd=self.root)
        self.assertTrue(done.stdout.endswith(b"  ./sub/file\n"), done.stdout)

    def test_an_empty_tree_prints_nothing(self):
        done = checksum_tree(self.root)
        self.assertEqual((done.returncode, done.stdout), (0, b""))


class Failures(TreeTest):
    def test_what_cannot_be_read_is_reported_and_the_rest_done(self):
        write(self.path(b"a"), b"a")
        write(self.path(b"locked"), b"secret")
        write(self.path(b"locked\ntoo"), b"secret")
        write(self.path(b"locked dir", b"file"), b"secret")
        write(self.path(b"z"), b"z")
        locked = [self.path(name) for name in (b"locked", b"locked\ntoo", b"locked dir")]
        for path in locked:
            os.chmod(path, 0)
        self.addCleanup(os.chmod, locked[2], 0o700)
        for kind in "--no-compare", "--processes":
            with self.subTest(kind):
                self.check_locked(kind)

    def check_locked(self, kind):
        done = checksum_tree("--workers", "2", kind, self.root, wrap=without_override)
        self.assertEqual(done.stdout, sha256sums(self.root, wrap=without_override))
        self.assertEqual(done.stdout.count(b"\n"), 2)
        self.assertEqual(done.returncode, 1)
        errors = done.stderr.decode()
        root = os.fsdecode(self.root)
        for name, what in (("locked", "opened"), ("locked\\012too", "opened"),
                           ("locked dir", "read")):
            message = f"checksum_tree: {root}/{name}: cannot be {what}: Permission denied\n"
            self.assertEqual(errors.count(message), 1, errors)
        self.assertIn("\n3 could not be read.\n", errors)

    def test_a_root_that_is_no_readable_directory(self):
        write(self.path(b"file"))
        for root, why in ((b"nowhere", b"No such file or directory"), (b"file", b"Not a directory")):
            done = checksum_tree(self.path(root))
            self.assertEqual((done.returncode, done.stdout), (1, b""))
            self.assertEqual(done.stderr, b"checksum_tree: %s: cannot be read: %s\n"
                             % (self.path(root), why))
        self.assertEqual(checksum_tree("").returncode, 1)

    def test_output_that_cannot_be_written(self):
        for i in range(2000):
            write(self.path(b"%d" % i))
        with open("/dev/full", "wb") as full:
            done = checksum_tree(self.root, stdout=full)
        self.assertEqual(done.returncode, 1)
        self.assertEqual(done.stderr, b"checksum_tree: standard output: No space left on device\n")

    def test_workers_that_cannot_start_are_one_clear_failure(self):
        for i in range(50):
            write(self.path(b"%d" % i))
        # A configuration of libcrypto that has no SHA-256: the pool's initializer fails.
        write(self.path(b"no.cnf"), b"openssl_conf = a\n[a]\nproviders = b\n[b]\nnull = c\n"
              b"[c]\nactivate = 1\n")
        for kind in "--no-compare", "--processes":
            done = checksum_tree(kind, self.root, env={**os.environ, "OPENSSL_CONF": os.fsdecode(
                self.path(b"no.cnf"))})
            self.assertEqual((done.returncode, done.stdout), (1, b""))
            self.assertRegex(done.stderr, rb"^checksum_tree: [^\n]*initializer[^\n]*\n$")

    def test_wrong_command_lines_are_refused_with_the_reason(self):
        for arguments, reason in (
                (["--processes=2"], "--processes"), (["-p", "-w", "257"], "'--processes'"),
                (["--frobnicate"], "--frobnicate"), (["-x"], "'x'"), (["--workers"], "--workers"),
                (["--workers", "0"], "'0'"), (["--workers=-1"], "'-1'"), (["-w", "many"], "'many'"),
                (["--workers", "2x"], "'2x'"), (["--workers", ""], "''"),
                (["--workers", "1025"], "'1025'"), (["-w", "99999999999999999999"], "9999'"),
                (["--no-compare=yes"], "--no-compare"), (["/tmp", "/usr"], "'/usr'")):
            done = checksum_tree(*arguments)
            self.assertEqual((done.returncode, done.stdout), (2, b""), arguments)
            self.assertIn(reason, done.stderr.decode(), arguments)
            self.assertIn("--help", done.stderr.decode(), arguments)

    def test_help(self):
        done = checksum_tree("--help")
        self.assertEqual((done.returncode, done.stderr), (0, b""))
        for option in b"--workers", b"--processes", b"--no-compare", b"--help":
            self.assertIn(option, done.stdout)


class Report(TreeTest):
    def setUp(self):
        super().setUp()
        for i in range(500):
            write(self.path(b"dir%d" % (i % 5), b"%d" % i), b"x" * 1000)

    def test_shares_add_up_and_the_speed_up_is_told(self):
        for kind in [], ["--processes"]:
            with self.subTest(kind):
                self.check_report(*kind)

    def check_report(self, *kind):
        done = checksum_tree("--workers", "2", *kind, self.root)
        text = done.stderr.decode()
        self.assertEqual(done.stdout, sha256sums(self.root))
        self.assertRegex(text, r"^500 files, 488\.3 KiB, in [0-9.]+ s \(.*/s\) with [12] workers?\.\n")
        shares = re.findall(r"^  worker \d: (\d+) files? \(([0-9.]+) %\), ", text, re.MULTILINE)
        self.assertEqual(sum(int(files) for files, _ in shares), 500, text)
        self.assertAlmostEqual(sum(float(part) for _, part in shares), 100, delta=0.2)
        if "with 2 workers" in text:
            self.assertRegex(text, r"Speed-up over one worker: \d+\.\d\d \([0-9.]+ s with 1, ")
        else:
            self.assertIn("No speed-up to measure", text)

    def test_shares_are_told_apart_by_worker(self):
        for kind in [], ["--processes"]:
            with self.subTest(kind):
                self.check_shares(*kind)

    def check_shares(self, *kind):
        # Which worker gets what is up to the scheduler: so ask until both have got something.
        for _ in range(200):
            done = checksum_tree("--workers", "2", "--no-compare", *kind, self.root)
            shares = re.findall(rb"^  worker (\d): ([1-9]\d*) files? ", done.stderr, re.MULTILINE)
            if len(shares) == 2:
                break
        self.assertEqual([number for number, _ in shares], [b"0", b"1"])
        self.assertEqual(sum(int(files) for _, files in shares), 500)

    def test_no_comparison_when_it_makes_no_sense_or_is_not_wanted(self):
        done = checksum_tree("--workers", "1", self.root)
        self.assertIn(b"No speed-up to measure: one worker did it all.\n", done.stderr)
        done = checksum_tree("--no-compare", self.root)
        self.assertNotIn(b"peed-up", done.stderr)

    def test_no_progress_bar_unless_on_a_terminal(self):
        done = checksum_tree(self.root)
        self.assertNotRegex(done.stderr, rb"[\r\x1b]")

    def on_terminal(self, *arguments, both):
        try:
            parent, child = pty.openpty()
        except OSError as error:
            self.skipTest(f"no pseudo-terminal to be had here: {error}")
        with open(self.path(b"output"), "w+b") as file:
            with subprocess.Popen([PROGRAM, *arguments], stdin=subprocess.DEVNULL, stderr=child,
                                  stdout=child if both else file) as process:
                os.close(child)
                shown = b""
                while True:
                    try:
                        piece = os.read(parent, 65536)
                    except OSError:  # EIO: the other side is closed
                        break
                    if not piece:
                        break
                    shown += piece
                os.close(parent)
                self.assertEqual(process.wait(), 0, shown)
            file.seek(0)
            return shown, file.read()

    def test_a_progress_bar_on_a_terminal(self):
        shutil.rmtree(self.path(b"dir0"))
        expected = sha256sums(self.path(b"dir1"))
        shown, output = self.on_terminal("--workers", "1", self.path(b"dir1"), both=False)
        self.assertEqual(output, expected)
        self.assertIn(b"\r\x1b[K", shown)
        self.assertRegex(shown, rb"\r\x1b\[K[^\n]*files, [^\n]*/s\r\x1b\[K")

    def test_the_bar_comes_to_its_end_and_leaves_no_trace(self):
        for kind in [], ["--processes"]:
            with self.subTest(kind):
                self.check_bar(*kind)

    def check_bar(self, *kind):
        expected = sha256sums(self.path(b"dir1")).decode().splitlines()
        shown, _ = self.on_terminal("--workers", "2", *kind, self.path(b"dir1"), both=True)
        lines = [line.rstrip("\r").split("\r\x1b[K")[-1] for line in shown.decode().split("\n")]
        self.assertEqual(lines[:len(expected)], expected)
        self.assertRegex(lines[len(expected)], r"^100 files, ")
        if b"with 2 workers" in shown:
            self.assertRegex(shown.decode(), r"one worker: \[=+\] 100 % 100/100 files, ")


if __name__ == "__main__":
    PROGRAM = os.path.abspath(sys.argv.pop(1))
    if not shutil.which("sha256sum"):
        print("needs sha256sum (GNU coreutils) to compare with")
        sys.exit(SKIPPED)
    unittest.main()
