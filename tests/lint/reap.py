# SPDX-License-Identifier: MIT
"""Runs one test program so that nothing it does goes unnoticed.

usage: reap.py PROGRAM [ARGUMENT...]

The default test setup of the build puts this in front of every test. It fails the test when
- the program fails, or a Criterion test in it does not pass, whatever the exit status says;
- a sanitizer reported anything, in the program or in any process below it: Criterion hides such
  reports, and a forked child's reach nobody. They go to files, which must not exist afterwards,
  or, from gcc's UBSan beside ASan, which heeds no log_path, to standard error, which is searched;
- with CREEL_MEMCHECK in the environment, which a memcheck build sets: valgrind, under which compiled
  programs then run, said anything of the program or of any process below it, but for the deaths by
  signals that some tests are about;
- the program ends and leaves processes behind. This process is a subreaper: they become its
  children, get a moment to finish, and are then killed. They are killed as well when the test
  runner's time limit ends this process.

It counts tests: those of a Criterion program one by one, those of a script by its last line that
says "N passed, N failed" or by the summary of Python's unittest, anything else as one. The counts are
printed, after the names of the tests that failed and what else was wrong: whoever cuts logs keeps the
end. To the file that CREEL_TALLY names one line is added, "passed failed skipped name: what failed",
and for a failure the end of its output to the file of that name with ".failed" behind it.
"""

import ctypes
import fnmatch
import os
import re
import select
import signal
import sys
import tempfile

PR_SET_CHILD_SUBREAPER = 36
SKIPPED = 77
ENDING = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
# For what is on its way out, which may take its time on a busy machine; nobody waits for it when nothing
# was left behind. Of the bugs that were put there, one is.
GRACE_MS = int(os.environ.get('CREEL_REAP_GRACE_MS', '10000'))
KEPT_LINES = 60  # of a failed test, in CREEL_TALLY.failed
INTERPRETERS = re.compile(r'(python|perl|bash|dash|sh)[\d.]*$')

SANITIZERS = {
    'ASAN_OPTIONS': 'abort_on_error=1:detect_leaks=1:detect_stack_use_after_return=1',
    'LSAN_OPTIONS': 'print_suppressions=0:suppressions='
                    + os.path.join(os.path.dirname(os.path.abspath(__file__)), 'lsan.supp'),
    'TSAN_OPTIONS': 'halt_on_error=1:die_after_fork=0:second_deadlock_stack=1',
    'UBSAN_OPTIONS': 'halt_on_error=1:print_stacktrace=1',
}
REPORT = re.compile(r'^\S+:\d+:\d+: runtime error: .*|^(?:==\d+==\s*)?(?:ERROR|WARNING): '
                    r'\w+Sanitizer:.*', re.M)

# -q: an empty log is a good one. Threads take turns, as tests wait for each other in loops. What libc
# does on being asked to free everything flushes streams, as no exit() of a worker may. Leaks are looked
# for when a program asks for it: see tests/support/memcheck.c.
MEMCHECK = ['valgrind', '-q', '--tool=memcheck', '--vgdb=no', '--fair-sched=try',
            '--run-libc-freeres=no', '--run-cxx-freeres=no', '--num-callers=30',
            '--leak-check=no', '--show-leak-kinds=definite', '--errors-for-leak-kinds=definite',
            '--suppressions='
            + os.path.join(os.path.dirname(os.path.abspath(__file__)), 'memcheck.supp')]
# One file for all: with %p in its name each forked process would open another, among its descriptors.
MEMCHECK_LOG = 'memcheck'
DEATH = re.compile(r'Process terminating with default action of signal \d+')


class Ended(Exception):
    """The test runner's time limit."""


def on_signal(number, _frame):
    # What follows is clearing away: a second one must not end that.
    for each in ENDING:
        signal.signal(each, signal.SIG_IGN)
    raise Ended(signal.Signals(number).name)


def is_program(path):
    """Whether it is compiled: scripts may run Criterion programs of their own, and count them."""
    try:
        with open(path, 'rb') as f:
            return f.read(4) == b'\x7fELF' and not INTERPRETERS.match(os.path.basename(path))
    except OSError:
        return False


def environment(reports, tap, program):
    env = dict(os.environ)
    for name, options in SANITIZERS.items():
        log = 'log_path=' + os.path.join(reports, name.split('_', 1)[0].lower())
        env[name] = ':'.join(filter(None, [env.get(name), options, log]))
    if program:
        env['CRITERION_OUTPUTS'] = 'tap:' + tap
    else:
        env.pop('CRITERION_OUTPUTS', None)
    return env


def children():
    """Processes whose parent is this one and that have not ended."""
    found = []
    for name in os.listdir('/proc'):
        if not name.isdigit():
            continue
        try:
            with open('/proc/%s/stat' % name, encoding='utf-8', errors='replace') as f:
                state, parent = f.read().rpartition(')')[2].split()[:2]
        except OSError:
            continue
        if int(parent) == os.getpid() and state != 'Z':
            found.append(int(name))
    return found


def command_line(pid):
    try:
        with open('/proc/%d/cmdline' % pid, 'rb') as f:
            return f.read().replace(b'\0', b' ').decode(errors='replace').strip()
    except OSError:
        return '?'


def collect():
    """Takes the status of whatever has ended. False when there are no children at all."""
    try:
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
        return True
    except ChildProcessError:
        return False


def await_end(pid):
    """Waits for pid, and takes the status of orphans too: somebody may wait for them to vanish."""
    # Blocked and waited for: a handler would not run if its signal came right before waitpid().
    signals = {signal.SIGCHLD, *ENDING}
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, signals)
    try:
        while True:
            ended, status = os.waitpid(-1, os.WNOHANG)
            if ended == pid:
                return os.waitstatus_to_exitcode(status)
            number = 0 if ended else signal.sigwait(signals)
            if number in ENDING:
                on_signal(number, None)
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)


def clear_away(grace_ms):
    """Ends everything below this process. Returns the command lines of what had to be killed."""
    for pid in children():
        try:
            fd = os.pidfd_open(pid)
        except OSError:
            continue
        poll = select.poll()
        poll.register(fd, select.POLLIN)
        poll.poll(grace_ms)
        os.close(fd)
    killed = []
    while collect():
        left = children()
        for pid in left:
            killed.append('%d: %s' % (pid, command_line(pid)))
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
        if left:
            # Blocks until one has ended; what it leaves becomes a child of this process in turn.
            os.waitpid(-1, 0)
    return killed


def filter_of(command):
    """The pattern of Criterion's --filter, which matches suite/name; None without one."""
    for i, argument in enumerate(command):
        if argument.startswith('--filter='):
            return argument.partition('=')[2]
        if argument == '--filter' and i + 1 < len(command):
            return command[i + 1]
    return None


def is_filtered_out(result, pattern):
    """Criterion reports what the filter left out as skipped: nobody asked for it."""
    name = re.match(r'ok - (\S+?)::(\S+).*# SKIP', result)
    return bool(pattern and name and not fnmatch.fnmatchcase('/'.join(name.groups()), pattern))


def count_tap(text, pattern=None):
    lines = text.splitlines()
    results = [li for li in lines if re.match(r'(not )?ok\b', li)]
    plan = sum(int(m.group(1)) for m in (re.match(r'1\.\.(\d+)', li) for li in lines) if m)
    all_skipped = [r for r in results if '# SKIP' in r]
    skipped = sum(1 for r in all_skipped if not is_filtered_out(r, pattern))
    passed = sum(1 for r in results if r.startswith('ok')) - len(all_skipped)
    failed = sum(1 for r in results if r.startswith('not ok')) + max(0, plan - len(results))
    return passed, failed, skipped


def count_unittest(complaints):
    """What Python's unittest says of itself; None if it was not that."""
    ran = re.search(r'^Ran (\d+) tests? in .*\n\n(?:OK|FAILED)(.*)', complaints, re.M)
    if not ran:
        return None
    numbers = {k: int(n) for k, n in re.findall(r'(\w+)=(\d+)', ran.group(2))}
    failed = numbers.get('failures', 0) + numbers.get('errors', 0)
    skipped = numbers.get('skipped', 0)
    return int(ran.group(1)) - failed - skipped, failed, skipped


def count(status, tap, said, complaints):
    """(passed, failed, skipped) of a program that ended with status."""
    counted = re.findall(r'^(\d+) passed, (\d+) failed(?:, (\d+) skipped)?$', said, re.M)
    if status == SKIPPED:
        return 0, 0, 1
    if tap is not None:
        result = count_tap(tap, filter_of(sys.argv))
    elif counted:
        result = tuple(int(n or 0) for n in counted[-1])
    else:
        result = count_unittest(complaints) or (int(status == 0), int(status != 0), 0)
    passed, failed, skipped = result
    if status != 0 and failed == 0:
        failed = 1
    if passed + failed + skipped == 0:
        print('reap: no test ran')
        failed = 1
    return passed, failed, skipped


def names_of_failed(tap, said, complaints):
    """Those of Criterion, of the plain runner, and of Python's unittest."""
    if tap is not None:
        return re.findall(r'^not ok - (\S+)', tap, re.M)
    return (re.findall(r'^FAIL (\S+::\S+)', complaints, re.M)
            + re.findall(r'^(?:FAIL|ERROR): (\S.*)', complaints, re.M)
            + re.findall(r'^FAILED: (\S.*)', said, re.M))


def title_of(command):
    """The program and what it was told, which for most is a suite. Paths lose their folders."""
    words = [w.partition('=')[2] if w.startswith('--filter=') else w for w in command
             if not w.startswith('--tap=')]
    return ' '.join(os.path.basename(w) if os.path.isabs(w) else w for w in words[:4])


def in_short(problem):
    """One line of a report: what a sanitizer calls it in sum, else how it begins."""
    lines = [li.strip() for li in problem.splitlines() if li.strip('= \t')]
    summaries = [li for li in lines if li.startswith('SUMMARY: ')]
    return ' '.join(summaries[:1] or lines[:2])[:200]


def tell_tally(counts, what, output):
    """Adds to the files that CREEL_TALLY stands for. One write each: other tests add theirs."""
    tally = os.environ.get('CREEL_TALLY')
    if not tally:
        return
    line = '%d %d %d %s' % (*counts, what)
    with open(tally, 'a', encoding='utf-8') as f:
        f.write(line.replace('\n', ' ') + '\n')
    if counts[1]:
        with open(tally + '.failed', 'a', encoding='utf-8') as f:
            f.write('\n-- %s\n%s\n' % (what, '\n'.join(output.splitlines()[-KEPT_LINES:])))


def forget_results(command):
    """Removes what an earlier run left where this one is to write: nobody may take it for this one's."""
    for argument in command:
        if argument.startswith('--tap='):
            try:
                os.unlink(argument.partition('=')[2])
            except FileNotFoundError:
                pass


def memcheck(command, reports):
    """The same command under valgrind, which writes a log of it and of all that it forks."""
    return MEMCHECK + ['--log-file=' + os.path.join(reports, MEMCHECK_LOG), *command]


def memcheck_said(text):
    """The reports in a log, each once, however many processes made it. How a process died is none."""
    said = {}
    for line in text.splitlines():
        process, plain = re.match(r'[=*-]{2}(\d+)[=*-]{2} ?(.*)|', line).groups(default=line)
        said.setdefault(process, []).append(plain)
    reports = {}
    for lines in said.values():
        for report in re.split(r'\n\s*\n', '\n'.join(lines)):
            if report.strip() and not DEATH.match(report.strip()):
                reports.setdefault(re.sub(r'0x[0-9A-F]+', '', report), report.strip())
    return '\n\n'.join(reports.values())


def report_in(path):
    """What a file that a sanitizer or valgrind left says; None if it is no report."""
    text = read(path)
    if os.path.basename(path) == MEMCHECK_LOG:
        said = memcheck_said(text)
        return 'memcheck report:\n' + said if said else None
    return 'sanitizer report:\n' + (text or '(empty)')


def read(path):
    try:
        with open(path, encoding='utf-8', errors='replace') as f:
            return f.read()
    except FileNotFoundError:
        return None


def run(command, work):
    """Runs it. Returns its status and the problems that it would not have told."""
    reports, problems = os.path.join(work, 'reports'), []
    os.mkdir(reports)
    forget_results(command)
    program = is_program(command[0])
    env = environment(reports, os.path.join(work, 'tap'), program)
    if program and os.environ.get('CREEL_MEMCHECK'):
        command = memcheck(command, reports)
    # Files, not pipes: what is left behind might hold a pipe open for ever.
    flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND
    output, errors = (os.open(os.path.join(work, n), flags, 0o600) for n in ('output', 'errors'))
    try:
        pid = os.posix_spawnp(command[0], command, env,
                              file_actions=[(os.POSIX_SPAWN_DUP2, output, 1),
                                            (os.POSIX_SPAWN_DUP2, errors, 2)],
                              setsigdef=ENDING)
        os.close(output)
        os.close(errors)
        status = await_end(pid)
        left = clear_away(GRACE_MS)
        problems += ['left behind and killed: ' + process for process in left]
    except Ended as reason:
        status = 1
        clear_away(0)
        problems.append('ended by %s, the time limit' % reason)
    found = [report_in(os.path.join(reports, name)) for name in sorted(os.listdir(reports))]
    problems += filter(None, found)
    problems += ['reported: ' + r for r in REPORT.findall(read(os.path.join(work, 'errors')))]
    if status < 0:
        problems.append('killed by signal %d' % -status)
    return status, problems


def main():
    ctypes.CDLL(None, use_errno=True).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    for number in ENDING:
        signal.signal(number, on_signal)
    command = sys.argv[1:]
    with tempfile.TemporaryDirectory(prefix='creel-reap-', ignore_cleanup_errors=True) as work:
        status, problems = run(command, work)
        said, complaints, tap = (read(os.path.join(work, n)) for n in ('output', 'errors', 'tap'))
    said, complaints = said or '', complaints or ''
    passed, failed, skipped = count(status, tap, said, complaints)
    if problems and failed == 0:
        failed = 1
    what = title_of(command)
    told = ''.join('reap: %s\n' % p for p in problems)
    if failed:
        reasons = names_of_failed(tap, said, complaints) + [in_short(p) for p in problems]
        reasons = reasons[:20] or ['exit status %d' % status]
        what += ': ' + '; '.join(reasons)
        told += ''.join('reap: failed: %s\n' % r for r in reasons)
    told += 'reap: %d passed, %d failed, %d skipped\n' % (passed, failed, skipped)
    sys.stderr.write(complaints)
    sys.stderr.flush()
    sys.stdout.write(said + told)
    tell_tally((passed, failed, skipped), what, complaints + said + told)
    sys.exit(1 if failed else SKIPPED if not passed else 0)


if __name__ == '__main__':
    main()
