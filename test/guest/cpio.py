# SPDX-License-Identifier: GPL-3.0-or-later
"""Write an archive as the kernel takes it for its first root: cpio, format "newc", not compressed.

Nothing in it depends on when or where it is made."""
import stat

MAGIC = b'070701'
TRAILER = 'TRAILER!!!'


def member(number, name, mode, data=b''):
    """One entry with its header."""
    path = name.encode() + b'\0'
    links = 2 if stat.S_ISDIR(mode) else 1
    fields = (number, mode, 0, 0, links, 0, len(data), 0, 0, 0, 0, len(path), 0)
    head = MAGIC + b''.join(b'%08x' % field for field in fields) + path
    return pad(head) + pad(data)


def pad(data):
    """Up to the next word."""
    return data + bytes(-len(data) % 4)


def folders_of(names):
    """All folders that the names need."""
    found = set()
    for name in names:
        parts = name.split('/')[:-1]
        found |= {'/'.join(parts[:count]) for count in range(1, len(parts) + 1)}
    return found


def archive(files, links=None, folders=()):
    """files: {name: (mode, bytes)}, links: {name: target}; names without a leading '/'."""
    links = links or {}
    entries = {name: (stat.S_IFREG | mode, data) for name, (mode, data) in files.items()}
    entries |= {name: (stat.S_IFLNK | 0o777, target.encode()) for name, target in links.items()}
    entries |= {name: (stat.S_IFDIR | 0o755, b'')
                for name in folders_of(entries) | folders_of(f'{name}/' for name in folders)}
    parts = [member(number, name, *entries[name])
             for number, name in enumerate(sorted(entries), 1)]
    return b''.join(parts) + member(0, TRAILER, 0)
