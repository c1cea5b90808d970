# SPDX-License-Identifier: MIT
"""The library in the hands of other projects: plain cc, pkg-config and meson, shared and static.

usage: consumers.py [--self-test] SOURCE BUILD MESON...

Builds and runs the program of tests/lint/consumer against an installed tree in every way that the
README offers, and as a meson subproject. The self-test damages the tree, and sees that found out.
"""

import os
import shutil
import sys
import tempfile

from installed import Installed, installed, run, uses_shared

HERE = os.path.join(os.path.dirname(os.path.abspath(__file__)), 'consumer')
EXPECTED = '12 squared is 144\n'
MAIN = os.path.join(HERE, 'main.c')


class Failed(Exception):
    pass


def must(command, **kwargs):
    rc, said = run(command, **kwargs)
    if rc:
        raise Failed('%s\nexit status %d\n%s' % (' '.join(command), rc, said))
    return said


def try_program(tree, program, shared):
    said = must([program], env=tree.env)
    if said != EXPECTED:
        raise Failed('it printed %r' % said)
    if uses_shared(program) != shared:
        raise Failed('linked with the %s library' % ('static' if shared else 'shared'))


def plain_shared(tree, out, compiler):
    must([*compiler, MAIN, '-I' + tree.include, '-L' + tree.libdir, '-lcreel', '-o', out])
    try_program(tree, out, True)


def plain_static(tree, out, compiler):
    must([*compiler, MAIN, '-x', 'none', '-I' + tree.include, tree.static, '-pthread', '-o', out])
    try_program(tree, out, False)


def pkg_config_shared(tree, out, compiler):
    must([*compiler, MAIN, *tree.pkg_config('--cflags', '--libs'), '-o', out])
    try_program(tree, out, True)


def pkg_config_static(tree, out, compiler):
    must([*compiler, '-static', MAIN, *tree.pkg_config('--static', '--cflags', '--libs'),
          '-o', out])
    try_program(tree, out, False)


def meson_project(tree, out, meson, options, shared):
    """The consumer as a project of its own: dependency('creel') is all that it knows."""
    shutil.copytree(HERE, out)
    build = os.path.join(out, 'build')
    must([*meson, 'setup', build, out, *options], env=tree.env)
    must([*meson, 'compile', '-C', build], env=tree.env)
    try_program(tree, os.path.join(build, 'consumer'), shared)


def meson_subproject(tree, out, meson, source):
    """The consumer with the source tree of the library as a subproject, nothing installed."""
    shutil.copytree(HERE, out)
    below = os.path.join(out, 'subprojects', 'creel')
    shutil.copytree(source, below, ignore=shutil.ignore_patterns('build*', '.git', '__pycache__'))
    build = os.path.join(out, 'build')
    env = dict(tree.env, PKG_CONFIG_LIBDIR=out)
    must([*meson, 'setup', build, out, '--force-fallback-for=creel',
          '-Dstatic=true'], env=env)
    must([*meson, 'compile', '-C', build], env=env)
    try_program(tree, os.path.join(build, 'consumer'), False)


def quick_ways():
    c, cxx = ['cc', '-std=c11'], ['c++', '-std=c++17', '-x', 'c++']
    ways = [('cc, shared', plain_shared, c), ('cc, static', plain_static, c),
            ('pkg-config, shared', pkg_config_shared, c),
            ('pkg-config, static', pkg_config_static, c)]
    return ways + [('c++, static', plain_static, cxx)] if shutil.which('c++') else ways


def attempt(name, way, *arguments):
    """Runs one way in a folder of its own. Returns None, or what went wrong."""
    with tempfile.TemporaryDirectory(prefix='creel-consumer-') as work:
        try:
            way(arguments[0], os.path.join(work, 'it'), *arguments[1:])
        except (Failed, RuntimeError, OSError) as reason:
            return '%s: %s' % (name, reason)
    return None


def all_ways(tree, source, meson):
    results = [attempt(name, way, tree, extra) for name, way, extra in quick_ways()]
    results.append(attempt('meson, installed, shared', meson_project, tree, meson, [], True))
    results.append(attempt('meson, installed, static', meson_project, tree, meson,
                           ['-Dstatic=true'], False))
    results.append(attempt('meson, subproject', meson_subproject, tree, meson, source))
    return results


def damage(tree, path, text=None):
    if text is None:
        os.remove(path)
    else:
        with open(path, 'w', encoding='utf-8') as f:
            f.write(text)
    return [attempt(name, way, tree, extra) for name, way, extra in quick_ways()]


def self_test(meson, build):
    """A tree that lacks something must fail; how many ways fail is counted in the report."""
    def header(tree):
        return damage(tree, os.path.join(tree.include, 'creel', 'wait.h'))

    def archive(tree):
        return damage(tree, tree.static, '!<arch>\n')

    def pkg_config(tree):
        pc = os.path.join(tree.env['PKG_CONFIG_LIBDIR'], 'creel.pc')
        return damage(tree, pc, 'Name: creel\nDescription: d\nVersion: 1\nLibs: -lcrel\n')

    results = []
    for cause in (header, archive, pkg_config):
        with installed(meson, build) as tree:
            if all(r is None for r in cause(Installed(tree.destdir))):
                results.append('nobody noticed a damaged ' + cause.__name__)
            else:
                results.append(None)
    return results


def main():
    arguments = [a for a in sys.argv[1:] if a != '--self-test']
    source, build, meson = arguments[0], arguments[1], arguments[2:]
    if '--self-test' in sys.argv:
        results = self_test(meson, build)
    else:
        with installed(meson, build) as tree:
            results = all_ways(tree, source, meson)
    failures = [r for r in results if r]
    print('\n'.join(failures))
    print('%d passed, %d failed' % (len(results) - len(failures), len(failures)))
    sys.exit(1 if failures else 0)


if __name__ == '__main__':
    main()
