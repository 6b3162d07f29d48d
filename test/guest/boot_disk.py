# SPDX-License-Identifier: GPL-3.0-or-later
"""Make the disk of boot_disk.S."""
import pathlib
import subprocess
import tempfile

SOURCE = pathlib.Path(__file__).with_name('boot_disk.S')
EXIT_DONE = 33  # of QEMU, when the disk has booted


def make(path, size):
    """A disk of so many bytes, zeros but for what boots."""
    with tempfile.TemporaryDirectory(prefix='slipway-boot-disk-') as folder:
        made = pathlib.Path(folder, 'disk')
        subprocess.run(['gcc', '-m32', '-nostdlib', '-static', '-fno-pic', '-no-pie',
                        '-Wl,-m,elf_i386', '-Wl,-Ttext=0x7c00', '-Wl,--build-id=none',
                        '-Wl,--oformat=binary', '-o', made, SOURCE], check=True)
        data = made.read_bytes()
    with open(path, 'wb') as file:
        file.write(data)
        file.truncate(size)
