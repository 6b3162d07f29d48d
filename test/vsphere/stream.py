# SPDX-License-Identifier: GPL-3.0-or-later
"""A streamOptimized VMDK, right or wrong in one place: what the simulator's reader is held to."""
import struct
import zlib

SECTOR = 512
GRAIN = 128 * SECTOR
ENTRIES = 512


def grains_of(data):
    """The grains that are not zero, by number."""
    return {at // GRAIN: data[at:at + GRAIN] for at in range(0, len(data), GRAIN)
            if any(data[at:at + GRAIN])}


class Stream:
    """Write one: `damage` names what shall be wrong with it."""

    def __init__(self, data, damage=''):
        self.size, self.damage, self.out = len(data), damage, bytearray()
        self.write(grains_of(data))

    def sectors(self):
        """How long it is."""
        return len(self.out) // SECTOR

    def pad(self, data):
        """Append, up to a whole sector."""
        self.out += data + bytes(-len(data) % SECTOR)

    def header(self, directory):
        """Header, and footer."""
        capacity = self.size // SECTOR + (8 if self.damage == 'capacity' else 0)
        magic = 0x564d444c if self.damage == 'magic' else 0x564d444b
        version = 1 if self.damage == 'version' else 3
        return struct.pack('<IIIQQQQIQQQB4sH433x', magic, version, 0x30001, capacity, 128, 1, 20,
                           ENTRIES, 0, directory, 128, 0, b'\n \r\n', 1)

    def marker(self, count, kind):
        """What stands before tables and footer."""
        self.pad(struct.pack('<QII', count, 0, kind))

    def write(self, grains):
        """All of it."""
        text = ('# Disk DescriptorFile\nversion=1\nCID=12345678\nparentCID=ffffffff\n'
                f'createType="streamOptimized"\n\nRW {self.size // SECTOR} SPARSE "disk.vmdk"\n\n'
                '#DDB\nddb.adapterType = "lsilogic"\nddb.virtualHWVersion = "13"\n').encode()
        self.pad(self.header(0xffffffffffffffff))
        self.pad(text + bytes(20 * SECTOR - len(text)))
        self.out += bytes(128 * SECTOR - len(self.out))
        tables = {}
        order = sorted(grains)
        if self.damage == 'order':
            order.reverse()
        for number in order:
            tables.setdefault(number // ENTRIES, {})[number % ENTRIES] = self.sectors()
            packed = zlib.compress(grains[number], 1)
            if self.damage == 'deflate':
                packed = packed[:-5] + bytes(5)
            self.pad(struct.pack('<QI', number * 128, len(packed)) + packed)
        self.finish(tables)

    def finish(self, tables):
        """Tables, directory, footer, end."""
        directory = [0] * (-(-self.size // (GRAIN * ENTRIES)))
        for number in sorted(tables):
            self.marker(4, 1)
            directory[number] = self.sectors() + (1 if self.damage == 'directory' else 0)
            entries = [tables[number].get(at, 0) for at in range(ENTRIES)]
            if self.damage == 'table':
                entries[entries.index(next(filter(None, entries)))] += 1
            self.pad(struct.pack(f'<{ENTRIES}I', *entries))
        self.marker(-(-len(directory) * 4 // SECTOR), 2)
        at = self.sectors()
        self.pad(struct.pack(f'<{len(directory)}I', *directory))
        if self.damage != 'footer':
            self.marker(1, 3)
            self.pad(self.header(at))
        if self.damage != 'end':
            self.marker(0, 0)
        if self.damage == 'tail':
            self.out += b'x'
