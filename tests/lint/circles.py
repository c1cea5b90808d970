# SPDX-License-Identifier: MIT
"""Who calls whom: a file calls files of its own layer and of lower ones, and never in a circle.

An edge leads from a .c file of lib/ to the one that defines a creel_... function that it names. What
is called through a pointer, as the class of an executor, is no edge. A circle that is meant is
opened by a line in the head comment of the file that closes it,

 * CIRCLE  future/future.c: why that has to be

and the line is wrong if there is no such circle. The files of a pool are one object, whose parts
call each other: see threads/pool.h and procs/pool.h.
"""

import os
import re

import layers
import lint

ONE_OBJECT = {'threads', 'procs'}
DEFINITION = re.compile(r'^(?!static|typedef)[a-z_][^;{}()=]*?\b(creel_\w+)\([^;{}]*\)\s*\{', re.M)
NAME = re.compile(r'\bcreel_\w+\b')
MEANT = re.compile(r'^ \* CIRCLE +(\S+\.c): \S', re.M)


def read(root):
    """code: {path: code}; meant: {(path, path): line} as the head comments say."""
    code, meant = {}, {}
    for path in lint.files(root, ['lib'], ('.c',)):
        text = lint.read(os.path.join(root, path))
        code[path] = lint.code_only(text)
        for m in MEANT.finditer(text):
            meant[path, os.path.join('lib', m.group(1))] = lint.line_of(text, m.start(1))
    return code, meant


def edges(code):
    """{path: {path: (line, name)}}"""
    home = {name: path for path, text in code.items() for name in DEFINITION.findall(text)}
    graph = {}
    for path, text in code.items():
        graph[path] = {}
        for m in NAME.finditer(text):
            target = home.get(m.group(), path)
            if target != path:
                graph[path].setdefault(target, (lint.line_of(text, m.start()), m.group()))
    return graph


def way(graph, start, goal):
    """The shortest way from start to goal, or None."""
    ways, seen = [[start]], {start}
    for trail in ways:
        for target in sorted(graph[trail[-1]]):
            if target == goal:
                return trail + [goal]
            if target not in seen:
                seen.add(target)
                ways.append(trail + [target])
    return None


def upwards(graph):
    return ['%s:%d: %s calls up: %s() is in %s' % (path, line, layers.layer(path), name, target)
            for path in graph for target, (line, name) in sorted(graph[path].items())
            if layers.RANK.get(layers.layer(path), 0) < layers.RANK.get(layers.layer(target), 0)]


def circles(graph):
    """One problem a circle: the shortest one of each file that is in one, each once."""
    problems, told = [], set()
    for path in graph:
        circle = way(graph, path, path)
        if circle and not told & set(circle):
            told |= set(circle)
            steps = ['%s (%s)' % (b, graph[a][b][1]) for a, b in zip(circle, circle[1:])]
            problems.append('%s:%d: circle: %s -> %s' % (path, graph[path][circle[1]][0], path,
                                                         ' -> '.join(steps)))
    return problems


def check(root):
    code, meant = read(root)
    graph = edges(code)
    problems = [] if graph else ['lib/: nothing to check']
    problems += upwards(graph)
    graph = {path: {t: at for t, at in targets.items() if layers.layer(t) not in ONE_OBJECT}
             for path, targets in graph.items() if layers.layer(path) not in ONE_OBJECT}
    for (path, target), line in sorted(meant.items()):
        if target not in graph.get(path, {}) or not way(graph, target, path):
            problems.append('%s:%d: no circle goes from here to %s' % (path, line, target))
    for path, target in meant:
        graph.get(path, {}).pop(target, None)
    return problems + circles(graph)


GOOD = {
    'lib/base/a.c': 'int creel__a(void)\n{\n\treturn 1;\n}\n',
    'lib/future/b.c': '/*\n * CIRCLE  future/c.c: c ends what b begins\n */\n'
                      'struct x *creel__b(int n)\n{\n\treturn creel__c(creel__a());\n}\n',
    'lib/future/c.c': 'static int mine(void)\n{\n\treturn creel__b(1);\n}\n'
                      'int creel__c(int n,\n\t     int m)\n{\n\treturn mine();\n}\n',
    'lib/threads/d.c': 'int creel__d(void)\n{\n\treturn creel__e();\n}\n',
    'lib/threads/e.c': 'int creel__e(void)\n{\n\treturn creel__d() + creel__b(1);\n}\n',
}
BAD = [
    ('upwards', {'lib/base/a.c': 'int creel__a(void)\n{\n\treturn creel__c(1);\n}\n'},
     r'a.c:3: base calls up: creel__c\(\) is in lib/future/c.c'),
    ('a circle', {'lib/future/b.c': 'int creel__b(int n)\n{\n\treturn creel__c(n);\n}\n'},
     r'circle: lib/future/b.c -> lib/future/c.c \(creel__c\) -> lib/future/b.c'),
    ('a circle through a pointer to a function',
     {'lib/base/f.c': 'int creel__f(void)\n{\n\treturn creel__a();\n}\n',
      'lib/base/a.c': 'struct s s = {creel__f};\nint creel__a(void)\n{\n\treturn 1;\n}\n'},
     r'circle: lib/base/a.c'),
    ('a circle that is not there', {'lib/future/c.c': 'int creel__c(int n)\n{\n\treturn 1;\n}\n'},
     r'b.c:2: no circle goes from here to lib/future/c.c'),
    ('a circle without a reason',
     {'lib/future/b.c': GOOD['lib/future/b.c'].replace(' c ends what b begins', '')},
     r'circle: lib/future/b.c'),
]

if __name__ == '__main__':
    lint.main(check, GOOD, BAD)
