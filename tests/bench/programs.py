# SPDX-License-Identifier: MIT
"""Builds the programs that tests/bench/run starts, in release mode."""

import os
import subprocess

HERE = os.path.dirname(os.path.abspath(__file__))
TOP = os.path.dirname(os.path.dirname(HERE))
# Of the programs that are built with another library as well.
SOURCES = {'bench': ['bench.c', 'measure.c', 'peer_creel.c', 'peer_queue.c'],
           'procs': ['measure.c', 'procs.c', 'procs_creel.c', 'procs_fork.c']}


def build(folder, programs):
    if not os.path.exists(os.path.join(folder, 'build.ninja')):
        subprocess.run(['meson', 'setup', folder, TOP, '--buildtype=release', '-Dsamples=disabled',
                        '-Dtests=enabled', '-Ddocs=disabled'],
                       check=True, stdout=subprocess.DEVNULL)
    targets = [f'tests/bench/{program}' for program in programs]
    subprocess.run(['ninja', '-C', folder, 'lib/libcreel.a'] + targets, check=True,
                   stdout=subprocess.DEVNULL)


def build_before(folder, tree):
    """The programs with the library of another tree, under this tree's benchmark."""
    before = os.path.join(os.path.abspath(folder), 'before')
    if not os.path.exists(os.path.join(before, 'build.ninja')):
        subprocess.run(['meson', 'setup', before, tree, '--buildtype=release', '-Dsamples=disabled',
                        '-Dtests=disabled', '-Ddocs=disabled', '-Ddefault_library=static'],
                       check=True, stdout=subprocess.DEVNULL)
    subprocess.run(['ninja', '-C', before, 'lib/libcreel.a'], check=True,
                   stdout=subprocess.DEVNULL)
    for program in SOURCES:
        compile_program(program, os.path.join(before, program), tree, before)


def compile_program(name, output, tree, folder, more=()):
    """SOURCES[name] and more, with the library and headers of the source tree built in the folder."""
    with open(os.path.join(tree, 'include', 'creel', 'pools.h'), encoding='utf-8') as file:
        flags = ['-DBENCH_HELP'] if 'CREEL_HELP_ANY' in file.read() else []
    headers = [os.path.join(tree, 'include'), os.path.join(folder, 'include')]
    subprocess.run(['cc', '-std=c11', '-O3', '-D_GNU_SOURCE'] + flags + ['-I' + h for h in headers] +
                   [os.path.join(HERE, file) for file in SOURCES[name]] + list(more) +
                   [os.path.join(folder, 'lib', 'libcreel.a'), '-pthread', '-o', output],
                   check=True)
