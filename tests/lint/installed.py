# SPDX-License-Identifier: MIT
"""The library as its users meet it: installed somewhere, and found by cc, pkg-config or meson."""

import contextlib
import glob
import os
import shutil
import subprocess
import tempfile


def run(command, cwd=None, env=None, timeout=300):
    """Runs it and returns (exit status, everything it said)."""
    done = subprocess.run(command, cwd=cwd, env=env, stdout=subprocess.PIPE, timeout=timeout,
                          stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL, text=True)
    return done.returncode, done.stdout


class Installed:
    """A tree that was installed under destdir; prefix is where the programs will believe it is."""

    def __init__(self, destdir):
        self.destdir = destdir
        pc = glob.glob(os.path.join(destdir, '**', 'creel.pc'), recursive=True)
        static = glob.glob(os.path.join(destdir, '**', 'libcreel.a'), recursive=True)
        header = glob.glob(os.path.join(destdir, '**', 'creel', 'creel.h'), recursive=True)
        for what, found in (('creel.pc', pc), ('libcreel.a', static), ('creel/creel.h', header)):
            if len(found) != 1:
                raise RuntimeError('%d of %s installed, not one' % (len(found), what))
        self.static = static[0]
        self.libdir = os.path.dirname(static[0])
        self.include = os.path.dirname(os.path.dirname(header[0]))
        self.prefix = os.path.dirname(self.include)
        self.env = dict(os.environ, LD_LIBRARY_PATH=self.libdir, PKG_CONFIG_SYSROOT_DIR=destdir,
                        PKG_CONFIG_LIBDIR=os.path.dirname(pc[0]), PKG_CONFIG_PATH='')

    def pkg_config(self, *arguments):
        rc, said = run(['pkg-config', *arguments, 'creel'], env=self.env)
        if rc:
            raise RuntimeError('pkg-config: ' + said)
        return said.split()


@contextlib.contextmanager
def installed(meson, build):
    """Installs the build directory into a temporary place. Nothing is built: it is up to date."""
    destdir = tempfile.mkdtemp(prefix='creel-installed-')
    try:
        rc, said = run([*meson, 'install', '-C', build, '--no-rebuild', '--destdir', destdir])
        if rc:
            raise RuntimeError('meson install: ' + said)
        yield Installed(destdir)
    finally:
        shutil.rmtree(destdir, ignore_errors=True)


def uses_shared(program):
    """Whether the program needs libcreel.so."""
    return 'libcreel.so' in run(['readelf', '-d', program])[1]
