# SPDX-License-Identifier: MIT
"""Who includes whom: base <- sync <- time <- future <- exec <- {compose, threads, procs}, and no circles.
mpi stands alone: it is a library of its own, which is built on the public headers.

A file of the library includes its own layer, lower layers and public headers, never upwards;
compose/, threads/ and procs/ never meet. Public headers include public headers only, and no <stdatomic.h>,
which C++ does not have.
"""

import os

import lint

RANK = {'base': 0, 'sync': 1, 'time': 2, 'future': 3, 'exec': 4, 'compose': 5, 'threads': 5,
        'procs': 5, 'mpi': 6}
ALONE = ('mpi',)


def resolve(root, path, name):
    """The file that #include "name" in path means, as the compiler looks: beside it, then lib/."""
    for base in (os.path.dirname(path), 'lib'):
        candidate = os.path.normpath(os.path.join(base, name))
        if os.path.exists(os.path.join(root, candidate)):
            return candidate
    return None


def layer(path):
    parts = path.split(os.sep)
    return parts[1] if len(parts) > 2 else None


def check_edge(where, path, target):
    mine, theirs = layer(path), layer(target)
    if mine not in RANK:
        return ['%s: %s is in no layer (%s)' % (where, path, ', '.join(RANK))]
    if theirs not in RANK:
        return ['%s: %s is in no layer (%s)' % (where, target, ', '.join(RANK))]
    if mine != theirs and (mine in ALONE or theirs in ALONE):
        return ['%s: %s is a library of its own: it knows the public headers alone, and nobody '
                'knows it' % (where, mine if mine in ALONE else theirs)]
    if mine != theirs and RANK[mine] == RANK[theirs]:
        return ['%s: %s and %s must not know each other' % (where, mine, theirs)]
    if RANK[mine] < RANK[theirs]:
        return ['%s: %s includes upwards, from %s: %s' % (where, mine, theirs, target)]
    return []


def private_edges(root, graph):
    problems = []
    for path in lint.files(root, ['lib'], ('.c', '.h')):
        graph[path] = []
        for line, quote, name in lint.includes(lint.read(os.path.join(root, path))):
            where = '%s:%d' % (path, line)
            if quote == '<':
                if name.startswith('creel/') and not os.path.exists(
                        os.path.join(root, 'include', name)):
                    problems.append('%s: <%s> is not a public header' % (where, name))
                continue
            target = resolve(root, path, name)
            if target is None:
                problems.append('%s: "%s" is no file of lib/ (public headers are included as '
                                '<creel/...>)' % (where, name))
                continue
            graph[path].append((line, target))
            problems += check_edge(where, path, target)
    return problems


def public_edges(root, graph):
    problems = []
    for path in lint.files(root, ['include'], ('.h',)):
        graph[path] = []
        for line, quote, name in lint.includes(lint.read(os.path.join(root, path))):
            where = '%s:%d' % (path, line)
            target = os.path.join('include', name)
            if quote == '"':
                problems.append('%s: "%s": include public headers as <creel/...>' % (where, name))
            elif name == 'stdatomic.h':
                problems.append('%s: <stdatomic.h> does not compile as C++' % where)
            elif name.startswith('creel/'):
                if not os.path.exists(os.path.join(root, target)):
                    problems.append('%s: <%s> is not a public header' % (where, name))
                graph[path].append((line, target))
            elif '/' in name or name.startswith('pthread'):
                problems.append('%s: <%s> in a public header: the C library alone may be needed'
                                % (where, name))
    return problems


def circles(graph):
    """Depth first: an edge to a file that is still open closes a circle."""
    problems, done = [], set()

    def visit(path, trail):
        for line, target in graph.get(path, []):
            if target in trail:
                circle = trail[trail.index(target):] + [target]
                problems.append('%s:%d: circle: %s' % (path, line, ' -> '.join(circle)))
            elif target not in done:
                visit(target, trail + [target])
        done.add(path)

    for path in graph:
        if path not in done:
            visit(path, [path])
    return problems


def check(root):
    graph = {}
    problems = private_edges(root, graph) + public_edges(root, graph)
    if not graph:
        problems.append('lib/: nothing to check')
    return problems + circles(graph)


GOOD = {
    'include/creel/base.h': '#include <stddef.h>\n',
    'include/creel/task.h': '#include <creel/base.h>\n',
    'lib/base/clock.h': '#include <creel/base.h>\n',
    'lib/sync/lock.h': '#include "base/clock.h"\n',
    'lib/time/timer.h': '#include "sync/lock.h"\n',
    'lib/future/future.h': '#include <creel/task.h>\n#include "sync/lock.h"\n',
    'lib/future/future.c': '/* #include "threads/pool.h" */\n#include "future.h"\n',
    'lib/exec/task.h': '#include "future/future.h"\n',
    'lib/threads/pool.h': '#include "exec/task.h"\n',
    'lib/procs/pool.h': '#include "future/future.h"\n',
    'lib/mpi/world.h': '#include "port.h"\n#include <creel/task.h>\n#include <mpi.h>\n',
    'lib/mpi/port.h': '#include <mpi.h>\n',
}
BAD = [
    ('upwards', {'lib/sync/lock.h': '#include "future/future.h"\n'}, r'lock.h:1: sync includes up'),
    ('a future that knows executors', {'lib/future/a.c': '#include "exec/task.h"\n'},
     r'a.c:1: future includes up'),
    ('upwards by a relative path', {'lib/base/clock.h': '#include "../sync/lock.h"\n'},
     r'clock.h:1: base includes up'),
    ('time above futures', {'lib/time/timer.h': '#include "future/future.h"\n'},
     r'timer.h:1: time includes up'),
    ('threads and procs', {'lib/threads/pool.h': '\n#include "procs/pool.h"\n'},
     r'pool.h:2: .* must not know'),
    ('procs and threads', {'lib/procs/pool.h': '#include "threads/pool.h"\n'}, r'must not know'),
    ('a library of its own that looks inside', {'lib/mpi/port.h': '#include "exec/task.h"\n'},
     r'port.h:1: mpi is a library of its own'),
    ('a library of its own, known', {'lib/exec/task.h': '#include "mpi/port.h"\n'},
     r'task.h:1: mpi is a library of its own'),
    ('a circle in a layer', {'lib/future/a.h': '#include "future/b.h"\n',
                             'lib/future/b.h': '#include "a.h"\n'}, r'circle: lib/future/a.h'),
    ('a circle of public headers', {'include/creel/base.h': '#include <creel/task.h>\n'},
     r'circle: include/creel'),
    ('a file that includes itself', {'lib/future/a.h': '#include "a.h"\n'}, r'circle: lib/future/a.h'),
    ('a file outside the layers', {'lib/odd/a.h': '#include "future/future.h"\n'}, r'in no layer'),
    ('a public header in quotes', {'lib/future/a.c': '#include "creel/base.h"\n'}, r'no file of lib'),
    ('stdatomic in a public header', {'include/creel/task.h': '#include <stdatomic.h>\n'},
     r'task.h:1: .*C\+\+'),
    ('a private header in a public one', {'include/creel/task.h': '#include "future/future.h"\n'},
     r'task.h:1'),
]

if __name__ == '__main__':
    lint.main(check, GOOD, BAD)
