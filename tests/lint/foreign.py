# SPDX-License-Identifier: MIT
"""The fork rule has a test for every public call.

tests/contract/foreign.c makes each call in a forked child, with objects of the parent's: as
REFUSED(call, ...), GIVES(what, call, ...) or IGNORED(call, ...). Every function that the headers
declare is called there, or stands here with the reason why there is nothing to refuse.
"""

import os
import re

import lint
import symbols

TEST = 'tests/contract/foreign.c'
ROW = re.compile(r'\b(?:(?:REFUSED|IGNORED)\(|GIVES\([^,]*,)\s*(creel_\w+)')
NO_OBJECT = 'takes no object that a parent could have made'
EXEMPT = {
    **dict.fromkeys('''creel_blocking_begin creel_blocking_end creel_code_name creel_in_ms creel_in_ns creel_kind_name creel_now
        creel_version creel_channel_new creel_clock_new creel_driven_new creel_executor_failed creel_executor_new creel_future_failed creel_future_of creel_inline_new
        creel_histogram_bound creel_histogram_quantile
        creel_process_pool_new creel_promise_new creel_queue_new creel_task_current
        creel_thread_pool_new'''.split(), NO_OBJECT),
    **dict.fromkeys('creel_mpi_end creel_mpi_error creel_mpi_init creel_mpi_pool_new '
                    'creel_mpi_register'.split(), 'of a library of its own: tests/mpi'),
    'creel_report': 'tells of the child\'s own executors: tests/contract/report.c',
}


def check(root):
    text = lint.code_only(lint.read(os.path.join(root, TEST)))
    tested = set(ROW.findall(text))
    declared = symbols.declared(os.path.join(root, 'include'))
    problems = ['%s:1: %s() is not called in a forked child; add a row there, or to the exceptions '
                'of the lint' % (TEST, name) for name in sorted(declared - tested - set(EXEMPT))]
    problems += ['%s:1: %s() has a row and is an exception as well' % (TEST, name)
                 for name in sorted(tested & set(EXEMPT))]
    problems += ['%s:1: %s() has a row and is in no header' % (TEST, name)
                 for name in sorted(tested - declared)]
    return problems if declared else ['include/: declares nothing']


GOOD = {
    'include/creel/a.h': '#define CREEL_API\nCREEL_API int creel_a(int a);\n'
                         'CREEL_API void creel_b(void);\nCREEL_API int creel_now(void);\n'
                         'CREEL_API void *creel_c(int a);\n',
    TEST: 'REFUSED(creel_a, 1);\nIGNORED(creel_b, );\nGIVES(NULL, creel_c, 1);\n',
}
BAD = [
    ('a call without a row', {'include/creel/b.h': 'CREEL_API int creel_d(void);\n'},
     r'creel_d\(\) is not called'),
    ('a row in a comment', {TEST: '/* REFUSED(creel_a, 1); */ IGNORED(creel_b);\n'},
     r'creel_a\(\) is not called'),
    ('a row for nothing', {TEST: GOOD[TEST] + 'REFUSED(creel_x, 1);\n'}, r'creel_x\(\) .*no header'),
    ('a row for an exception', {TEST: GOOD[TEST] + 'REFUSED(creel_now);\n'},
     r'creel_now\(\) .*exception as well'),
]

if __name__ == '__main__':
    lint.main(check, GOOD, BAD)
