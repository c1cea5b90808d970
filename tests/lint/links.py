# SPDX-License-Identifier: MIT
"""The documentation that is installed links to nothing that is not.

usage: links.py --self-test | BUILD MESON...

Installs the build directory somewhere, and follows every relative link of the README and of doc/
there. Skips if the build installs no documentation.
"""

import glob
import os
import sys

import lint
from installed import installed
from reference import check_links


def check(root):
    """root holds the installed tree."""
    readmes = glob.glob(os.path.join(root, '**', 'doc', 'creel', 'README.md'), recursive=True)
    if not readmes:
        raise lint.Skip('this build installs no documentation')
    return check_links(os.path.dirname(readmes[0]))


DOCS = 'usr/share/doc/creel/'
GOOD = {
    'usr/include/creel/creel.h': '\n',
    DOCS + 'README.md': '[a](doc/a.md) [b](samples/b.c)\n',
    DOCS + 'doc/a.md': '# a\n[the way back](../README.md) [here](#a)\n',
    DOCS + 'samples/b.c': '\n',
}
BAD = [
    ('a link to a header', {DOCS + 'README.md': '[a](include/creel/creel.h)\n'},
     r'README.md:1: there is no include/creel/creel.h'),
    ('a link out of the documentation', {DOCS + 'doc/a.md': '# a\n[b](../lib/b.c)\n'},
     r'doc/a.md:2: there is no lib/b.c'),
]


def main():
    if sys.argv[1:] == ['--self-test']:
        lint.main(check, GOOD, BAD)
    build, meson = sys.argv[1], sys.argv[2:]
    try:
        with installed(meson, build) as tree:
            problems = check(tree.destdir)
    except lint.Skip as reason:
        print('skipped: %s' % reason)
        sys.exit(lint.SKIPPED)
    print('\n'.join(problems))
    sys.exit(1 if problems else 0)


if __name__ == '__main__':
    main()
