# SPDX-License-Identifier: GPL-3.0-or-later
"""Files that tests put into a file system and look for later."""
import random


def file_tree(seed):
    """{name: bytes}, the same for the same seed."""
    source = random.Random(seed)
    return {
        'empty': b'',
        'text.txt': b'a line of text\n' * 5000,
        'folder/random.bin': source.randbytes(700_001),
        'folder/deep/down/here/small': source.randbytes(37),
        'folder/with blank and \u00fcml\u00e4ut': source.randbytes(4096),
        'large.bin': source.randbytes(3 << 20),
    }


def write_tree(folder, files):
    """Put them there; the folder."""
    for name, data in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    return folder
