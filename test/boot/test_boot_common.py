#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Test on the host the code that the fixture's loaders share: gunzip, CRC32, boot.cfg,
ISO 9660 and the check of the kernel.

    test_boot_common.py DIRECTORY_OF_ARTEFACTS [unittest's arguments]

or with the directory in SLIPWAY_BOOT_DIR.
"""
import gzip
import os
import random
import subprocess
import sys
import tempfile
import unittest
import zlib

artefacts = os.environ.get('SLIPWAY_BOOT_DIR', '')


def samples():
    """Data that takes all of deflate's ways."""
    source = random.Random(7)
    words = [source.randbytes(source.randrange(1, 12)) for _ in range(300)]
    skewed = bytes(min(255, int(source.expovariate(0.05))) for _ in range(60000))
    return {
        'nothing': b'',
        'one byte': b'x',
        'zeros': bytes(300000),
        'random': source.randbytes(150000),
        'words': b''.join(source.choice(words) for _ in range(40000)),
        'skewed': skewed,  # some codes are longer than the fast table's
        'far': source.randbytes(32768) * 3,
    }


def compress(data, level, strategy):
    packer = zlib.compressobj(level, zlib.DEFLATED, 31, 9, strategy)
    return packer.compress(data) + packer.flush()


class CommonTest(unittest.TestCase):
    def setUp(self):
        scratch = tempfile.TemporaryDirectory(prefix='slipway-boot-common-')
        self.addCleanup(scratch.cleanup)
        self.scratch = scratch.name

    def run_tool(self, *arguments):
        return subprocess.run([os.path.join(artefacts, 'boot_common_tool'), *arguments],
                              capture_output=True, check=False)

    def run_on(self, command, data):
        path = os.path.join(self.scratch, 'input')
        with open(path, 'wb') as file:
            file.write(data)
        return self.run_tool(command, path)

    def check(self, command, data, expected):
        done = self.run_on(command, data)
        self.assertEqual((done.stderr, done.returncode), (b'', 0))
        self.assertEqual(done.stdout, expected)

    def refuse(self, command, data, words):
        done = self.run_on(command, data)
        self.assertEqual((done.stderr.decode().strip(), done.returncode), (words, 1))


class GzipTest(CommonTest):
    def test_levels_and_strategies(self):
        for name, data in samples().items():
            for level in (0, 1, 6, 9):
                for strategy in (zlib.Z_DEFAULT_STRATEGY, zlib.Z_HUFFMAN_ONLY, zlib.Z_RLE,
                                 zlib.Z_FIXED):
                    with self.subTest(name=name, level=level, strategy=strategy):
                        self.check('gunzip', compress(data, level, strategy), data)

    def test_members_and_what_follows(self):
        parts = list(samples().values())
        joined = b''.join(gzip.compress(part) for part in parts)
        self.check('gunzip', joined, b''.join(parts))
        self.check('gunzip', gzip.compress(b'data') + b'signature', b'data')
        self.check('gunzip', gzip.compress(parts[2]) + b'\x1f', parts[2])

    def test_header_fields(self):
        plain = gzip.compress(b'data', mtime=0)
        fields = b'\x03\x00abc' + b'name\x00' + b'comment\x00' + b'\x12\x34'
        full = plain[:3] + b'\x1e' + plain[4:10] + fields + plain[10:]
        self.check('gunzip', full, b'data')
        for length in range(2, 10 + len(fields)):
            self.refuse('gunzip', full[:length], 'gzip data ends too early')
        self.refuse('gunzip', plain[:2] + b'\x07' + plain[3:], 'gzip header not understood')
        self.refuse('gunzip', plain[:3] + b'\x80' + plain[4:], 'gzip header not understood')

    def test_trailer(self):
        plain = gzip.compress(b'data' * 100, mtime=0)
        self.refuse('gunzip', plain[:-8] + b'\0\0\0\0' + plain[-4:], 'gzip CRC mismatch')
        self.refuse('gunzip', plain[:-4] + b'\1\0\0\0', 'gzip size mismatch')
        self.refuse('gunzip', b'PK\3\4 no gzip at all', 'gzip header not understood')

    def test_truncated(self):
        data = samples()['words'][:3000]
        for packed in (compress(data, 9, zlib.Z_DEFAULT_STRATEGY), compress(data, 9, zlib.Z_FIXED),
                       compress(data, 0, zlib.Z_DEFAULT_STRATEGY)):
            for length in range(2, len(packed), 29):
                self.refuse('gunzip', packed[:length], 'gzip data ends too early')

    def test_damaged(self):
        """Any one bit changed is either noticed or, in the header, does not matter."""
        data = samples()['words'][:2000]
        packed = compress(data, 9, zlib.Z_DEFAULT_STRATEGY)
        source = random.Random(8)
        for _ in range(150):
            at = source.randrange(2, len(packed))
            damaged = bytearray(packed)
            damaged[at] ^= 1 << source.randrange(8)
            done = self.run_on('gunzip', bytes(damaged))
            if done.returncode == 0:
                self.assertLess(at, 10)
                self.assertEqual(done.stdout, data)
            else:
                self.assertEqual(done.returncode, 1, done.stderr)
                self.assertIn(b'gzip', done.stderr)

    def test_crc32(self):
        for data in samples().values():
            self.check('crc32', data, b'%08x\n' % zlib.crc32(data))


class ConfigTest(CommonTest):
    def parse(self, text):
        done = self.run_on('config', text.encode())
        self.assertEqual(done.returncode, 0, done.stderr)
        pairs = [line.split('=', 1) for line in done.stdout.decode().splitlines()]
        return dict(pairs), [value for key, value in pairs if key == 'module']

    def test_usual(self):
        values, modules = self.parse(
            'bootstate=0\ntitle=Loading ESXi installer\ntimeout=5\nprefix=\nkernel=/b.b00\n'
            'kernelopt=runweasel cdromBoot\nmodules=/jumpstrt.gz --- /k.b00 --- /imgpayld.tgz\n'
            'build=8.0.3-0.0.24022510\nupdated=0\n')
        self.assertEqual(values['title'], 'Loading ESXi installer')
        self.assertEqual(values['kernelopt'], 'runweasel cdromBoot')
        self.assertEqual(values['build'], '8.0.3-0.0.24022510')
        self.assertEqual(modules, ['/jumpstrt.gz', '/k.b00', '/imgpayld.tgz'])

    def test_blanks_comments_unknown(self):
        values, modules = self.parse(
            '\n  # a comment = not a key\n\tkernel =  b.b00 \r\nnewkey=1\nkernelopt=a=b\n'
            'modules=  /a.b00 x=1 --flag ---\t/b---c.gz  ---   /d \r\nkernelopt= last=1')
        self.assertEqual(values['kernel'], 'b.b00')
        self.assertEqual(values['kernelopt'], 'last=1')
        self.assertEqual(modules, ['/a.b00 x=1 --flag', '/b---c.gz', '/d'])

    def test_no_modules(self):
        self.assertEqual(self.parse('kernel=/b.b00\nmodules=\n')[1], [])

    def test_refused(self):
        for text, words in (
                ('modules=/a\n', 'line 0: no kernel given'),
                ('kernel=/b\nnonsense\n', "line 2: no '=' in the line"),
                ('kernel=/b\nmodules=/a --- --- /b\n', 'line 2: empty entry in modules'),
                ('kernel=/b\nmodules=/a ---\n', 'line 2: empty entry in modules'),
                ('kernel=/b\ntimeout=soon\n', 'line 2: value is not a number'),
                ('kernel=/b\nmodules=' + ' --- '.join(['/a'] * 513), 'line 2: too many modules')):
            self.refuse('config', text.encode(), words)

    def test_resolve(self):
        for prefix, directory, entry, expected in (
                ('', '/EFI/BOOT', '/k.b00 option', '/k.b00'),
                ('', '/EFI/BOOT', 'k.b00', '/EFI/BOOT/k.b00'),
                ('', '', 'k.b00', '/k.b00'),
                ('/', '/EFI/BOOT', 'k.b00', '/k.b00'),
                ('/vmw', '/EFI/BOOT', 'k.b00 option', '/vmw/k.b00'),
                ('/vmw/', '/EFI/BOOT', '/k.b00', '/k.b00')):
            done = self.run_tool('resolve', prefix, directory, entry)
            self.assertEqual(done.stdout.decode().strip(), expected)
        done = self.run_tool('resolve', '', '', 'x' * 255)
        self.assertEqual((done.returncode, done.stderr), (1, b'path too long\n'))


class IsoTest(CommonTest):
    def make(self, *options):
        """An ISO with a directory of several blocks; returns it and its files by path."""
        files = {f'/DIR/SUB/FILE{i:04}.V00': random.Random(i).randbytes(i * 37 % 5000)
                 for i in range(300)}
        files['/README'] = b'no dot in the name'
        root = os.path.join(self.scratch, 'root')
        for path, data in files.items():
            os.makedirs(os.path.dirname(root + path), exist_ok=True)
            with open(root + path, 'wb') as file:
                file.write(data)
        iso = os.path.join(self.scratch, 'out.iso')
        subprocess.run(['xorriso', '-as', 'mkisofs', '-quiet', *options, '-o', iso, root],
                       check=True, capture_output=True)
        return iso, files

    def test_read(self):
        for options in (('-iso-level', '1', '--norock'), ('-iso-level', '3', '-J', '-R')):
            iso, files = self.make(*options)
            for path in ['/README', *list(files)[::23]]:
                for spelled in (path, path.lower()):
                    done = self.run_tool('iso', iso, spelled)
                    self.assertEqual((done.stderr, done.stdout), (b'', files[path]), spelled)

    def test_refused(self):
        iso, _ = self.make('-iso-level', '1', '--norock')
        for path, words in (('/DIR/NONE', 'no such file on the disc'),
                            ('/NONE/FILE', 'no such file on the disc'),
                            ('/README/FILE', 'part of the path is not a directory')):
            done = self.run_tool('iso', iso, path)
            self.assertEqual((done.returncode, done.stderr.decode().strip()), (1, words))
        with open(iso, 'r+b') as file:
            file.seek(16 * 2048 + 1)
            file.write(b'XXXXX')
        done = self.run_tool('iso', iso, '/README')
        self.assertEqual(done.stderr, b'not an ISO 9660 volume\n')


class KernelTest(CommonTest):
    def setUp(self):
        super().setUp()
        with open(os.path.join(artefacts, 'b.elf'), 'rb') as file:
            self.kernel = file.read()

    def test_good(self):
        done = self.run_on('kernel', self.kernel)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertTrue(done.stdout.startswith(b'start=00100000 '), done.stdout)

    def test_refused(self):
        header = self.kernel.index(bytes.fromhex('02b0ad1b'))
        self.refuse('kernel', b'', 'kernel too short')
        self.refuse('kernel', b'x' * 100, 'kernel is not a 32-bit x86 ELF program')
        self.refuse('kernel', self.kernel[:header] + b'x' + self.kernel[header + 1:],
                    'kernel has no Multiboot header')
        self.refuse('kernel', self.kernel[:header + 12], "kernel's ELF segment corrupt")


def main():
    global artefacts
    if len(sys.argv) > 1 and os.path.isdir(sys.argv[1]):
        artefacts = sys.argv.pop(1)
    if not os.path.exists(os.path.join(artefacts, 'boot_common_tool')):
        sys.exit('usage: test_boot_common.py DIRECTORY_OF_ARTEFACTS')
    unittest.main()


if __name__ == '__main__':
    main()
