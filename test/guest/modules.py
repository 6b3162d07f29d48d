# SPDX-License-Identifier: GPL-3.0-or-later
"""Which modules of a kernel are needed for some of them, in the order in which they load."""
import lzma
import pathlib


class ModuleError(Exception):
    """A kernel that lacks what is needed."""


def key(name):
    """'-' and '_' are the same in a module's name."""
    return name.replace('-', '_')


def read(path):
    """The bytes of a module; newer kernels of Debian have them compressed."""
    data = pathlib.Path(path).read_bytes()
    return lzma.decompress(data) if path.name.endswith('.xz') else data


def needs(data):
    """The names in a module's own table: what must be there before it, and what should."""
    names = []
    for entry in data.split(b'\0'):
        if entry.startswith(b'depends='):
            names += entry[8:].decode().split(',')
        elif entry.startswith(b'softdep=pre: '):
            names += entry[13:].decode().split(' post:')[0].split()
    return [key(name) for name in names if name]


class Modules:
    """The modules below lib/modules/VERSION."""

    def __init__(self, folder):
        self.folder = pathlib.Path(folder)
        self.paths = {key(path.name.split('.ko')[0]): path
                      for path in sorted(self.folder.rglob('*.ko*'))}
        listed = (self.folder / 'modules.builtin').read_text().split()
        self.builtin = {key(pathlib.Path(name).name.split('.ko')[0]) for name in listed}

    def has(self, name):
        """As a module or built in."""
        return key(name) in self.paths or key(name) in self.builtin

    def order(self, names):
        """[(name, bytes)]: these and all that they need, each behind what it needs itself."""
        done = {}
        for name in names:
            if not self.has(name):
                raise ModuleError(f'the kernel in {self.folder} has no module {name}')
            self.visit(key(name), done, set())
        return [(name, data) for name, data in done.items() if data is not None]

    def visit(self, name, done, under_way):
        """Depth first.  What is built in, and softdeps that are not there, are no concern."""
        if name in done or name in under_way:
            return
        if name in self.builtin or name not in self.paths:
            done[name] = None
            return
        data = read(self.paths[name])
        for needed in needs(data):
            self.visit(needed, done, under_way | {name})
        done[name] = data
