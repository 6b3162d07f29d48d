#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Make the corpora of the fuzz targets: test/fuzz/corpus/TARGET/NAME.

    test/fuzz/make_corpus.py [TARGET...]

Files whose names begin with `found-` are inputs that once broke something; they are kept as they
are, everything else in a corpus directory is made anew.  Signatures are made with the keys of the
format fixture, which differ from machine to machine, and so do the files that hold some.
"""
import base64
import gzip
import hashlib
import io
import json
import pathlib
import struct
import sys
import tarfile
import zipfile
import zlib

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))

from fixture import archive, broken, der, generations, oracle  # noqa: E402
from fixture import iso as fixture_iso  # noqa: E402
from fixture import metadata as fixture_metadata  # noqa: E402
from fixture.authority import Authority  # noqa: E402
from fixture.bundle import Bundle, everything, zip_bytes  # noqa: E402
from fixture.payload import Payload, tgz, vgz  # noqa: E402
from fixture.vib import Vib, driver  # noqa: E402

HASH = hashlib.sha256(b'').hexdigest()
TREE = {'etc/test.map': b'regtype=native\n', 'usr/lib/vmware/vmkmod/test': b'\x7fELF module'}


# ---- what many of them need -----------------------------------------------------------------

def tiny(**fields):
    """A VIB of some hundred bytes."""
    fields.setdefault('acceptance', 'community')
    fields.setdefault('payloads', (vgz('test', TREE, alignment=512),))
    return Vib('net-test', '1.0-1', vendor='ACME', file_list=tuple(sorted(TREE)), **fields)


def rich(**fields):
    """One that has everything a descriptor can have."""
    payloads = (Payload('b', 'boot', archive.gzip_bytes(b'kernel'), boot_order=10),
                vgz('test', TREE, boot_order=100, alignment=512),
                Payload('readme', 'text', b'words', vfat_name='README.TXT'))
    return tiny(payloads=payloads, depends=['vmkapi_2_6_0_0', 'esx-base >= 6.7.0-0.0'],
                conflicts=['net-old << 2.0'], replaces=['net-older'],
                provides=['net-api = 1.0', 'jumpstart = 1', 'jumpstart = 2'],
                compatible_with=['esx-version = 6.7.0'], tags=('driver', 'PCIID 8086...'),
                urls=(('kb', 'http://kb.example.com/1?a=1&b=2'),), maintenance_mode=(True, False),
                hwplatforms=(('Dell',), ('HPE', 'ProLiant <1>')),
                software_platforms=(('8.0', '', 'embeddedEsx'), ('8.0', '', 'esxio')),
                description='Several <lines> & "quotes"', extra=('<unknown a="1">kept</unknown>',),
                **fields)


def document(root, *lines):
    """Small XML."""
    return f'<{root}>{"".join(lines)}</{root}>'.encode()


XML_DAMAGE = {
    'empty': b'',
    'html': broken.HTML,
    'entities': broken.BILLION,
    'deep': b'<a>' * 70 + b'</a>' * 70,
    'not-utf8': b'<?xml version="1.0"?><vib>\xff\xfe</vib>',
    'utf16': '<?xml version="1.0" encoding="UTF-16"?><vib version="5.0"/>'.encode('utf-16'),
    'declaration-only': b'<?xml version="1.0" encoding="UTF-8"?>',
    'unknown-encoding': b'<?xml version="1.0" encoding="EBCDIC-X"?><vib/>',
    'xhtml': b'<html><body/></html>',
    'cdata': b'<vib><![CDATA[<name>x</name>]]><!-- c --><?pi x?></vib>',
}


def changed(text, *pairs):
    """`text` with each (old, new) replaced, which must be there."""
    for old, new in pairs:
        if old not in text:
            raise ValueError(f'{old!r} is not there')
        text = text.replace(old, new, 1)
    return text


def parts(pairs):
    """The archive in lines that fuzz.h describes."""
    return b'\n'.join(b'--- ' + name.encode() + b'\n' + data for name, data in pairs)


# ---- one function a target ------------------------------------------------------------------

def vib_file(authority):
    plain = tiny()
    yield 'plain', plain.to_bytes()
    yield 'rich', rich().to_bytes()
    yield 'gnu-long-names', rich(ar_style='gnu', ar_mode='0o0').to_bytes()
    yield 'signed', tiny(acceptance='certified',
                         signer=authority.signer('certified')).to_bytes()
    yield 'meta', tiny(type='meta', payloads=()).to_bytes()
    yield 'tgz', tiny(payloads=(tgz('test', TREE),)).to_bytes()
    yield 'no-sha256-gunzip', tiny(checksums='old').to_bytes()
    for kind, damage in broken.VIBS.items():
        if kind.startswith('signature'):
            continue
        yield kind, damage(plain)
    data = plain.to_bytes()
    yield 'no-last-padding', data.rstrip(b'\n')
    yield 'long-name-missing', data[:8] + archive.ar_header('/12', 0) + data[8:]
    yield 'long-name-overflow', data[:8] + archive.ar_header('/99999999999999', 0) + data[8:]
    yield 'zip', zip_bytes([('index.xml', b'<a/>')])
    members = plain.members()
    two = archive.gzip_bytes(b'one') + archive.gzip_bytes(b'two') + bytes(100)
    yield 'several-gzip-members', plain.but(payloads=(Payload('test', 'vgz', two),)).to_bytes()
    apart = archive.gzip_bytes(b'one') + bytes(1500) + archive.gzip_bytes(b'two')
    yield 'gzip-members-apart', plain.but(payloads=(Payload('test', 'vgz', apart),)).to_bytes()
    long_name = Payload('a-name-too-long-for-ar', 'text', b'words')
    yield 'gnu-table', plain.but(payloads=(long_name,), ar_style='gnu').to_bytes()
    yield 'payload-cut', plain.but(payloads=(Payload('test', 'text', b'x' * 2000),)).to_bytes()[:-700]
    xz = archive.gzip_bytes(b'\xfd7zXZ\0' + bytes(600))
    yield 'sealed', plain.but(payloads=(Payload('s', 'vgz', xz),)).to_bytes()
    yield 'signature-too-large', archive.ar_bytes(members[:1]) + archive.ar_header(
        'sig.pkcs7', 2 << 20) + b'x'
    yield 'files-differ', plain.but(file_list=('etc/other', 'opt/x')).to_bytes()


def descriptor(_authority):
    yield 'plain', tiny().descriptor()
    yield 'pretty', rich(style='pretty').descriptor()
    yield 'rich', rich().descriptor()
    text = rich().descriptor().decode()
    yield from XML_DAMAGE.items()
    for name, *pairs in (
            ('no-type', ('<type>bootbank</type>', '')),
            ('type-unknown', ('bootbank', 'floppy')),
            ('type-locker', ('bootbank', 'locker')),
            ('no-name', ('<name>net-test</name>', '')),
            ('name-traversal', ('<name>net-test', '<name>../x')),
            ('vendor-blank', ('<vendor>ACME', '<vendor>ACME Inc.\tLtd')),
            ('version-two-dashes', ('1.0-1', '1-0-1')),
            ('version-long', ('1.0-1', '9' * 200)),
            ('relation-unknown', ('&gt;=', '=&gt;')),
            ('relation-no-version', (' version="6.7.0-0.0"', '')),
            ('relation-bad-version', ('6.7.0-0.0', 'six point seven')),
            ('relation-no-name', ('name="vmkapi_2_6_0_0"', 'name=""')),
            ('no-level', ('<acceptance-level>community</acceptance-level>', '')),
            ('level-unknown', ('>community<', '>royal<')),
            ('level-unsigned', ('>community<', '>unsigned<')),
            ('file-absolute', ('<file>etc', '<file>/etc')),
            ('file-traversal', ('<file>etc', '<file>a/../../etc')),
            ('payload-twice', ('name="readme"', 'name="b"')),
            ('payload-no-name', ('name="readme"', 'name=""')),
            ('payload-size-none', (' size="5"', '')),
            ('payload-size-huge', ('size="5"', 'size="18446744073709551616"')),
            ('boot-order-negative', ('boot-order="10"', 'boot-order="-1"')),
            ('checksum-no-type', ('checksum-type="sha-1" ', '')),
            ('checksum-type-unknown', ('"sha-1"', '"crc"')),
            ('checksum-not-hex', (hashlib.sha256(b'words').hexdigest(), 'x' * 64)),
            ('date-none', ('2018-04-03T22:07:05.116999+00:00', 'yesterday')),
            ('date-no-zone', ('+00:00', '')),
            ('carriage-return', ('Several', 'Several&#13;&#10;&#9;')),
            ('boolean-one', ('<overlay>false', '<overlay>1')),
            ('namespace', ('<vib ', '<x:vib xmlns:x="urn:x" '), ('</vib>', '</x:vib>')),
            ('default-namespace', ('<vib ', '<vib xmlns="urn:x" ')),
            ('other-root', ('<vib ', '<bulletin '), ('</vib>', '</bulletin>')),
            ('latin1', ('<vib ', '<?xml version="1.0" encoding="ISO-8859-1"?><vib '))):
        yield name, changed(text, *pairs).encode()
    latin1 = changed(text, ('<vib ', '<?xml version="1.0" encoding="ISO-8859-1"?><vib '),
                     ('Several', 'Gr\u00fc\u00dfe'))
    yield 'latin1-umlaut', latin1.encode('latin1')
    facts = fixture_metadata.vib_file_facts(tiny(), b'12345')
    yield 'depot-copy', fixture_metadata.vib_xml(tiny(), facts)
    yield 'depot-copy-bad-size', fixture_metadata.vib_xml(tiny(), facts | {'packed-size': 'x'})
    yield 'comment-in-text', changed(text, ('net-test<', 'net-<!-- c -->test<')).encode()
    yield 'empty-attributes', changed(text, ('verify-process="gunzip"', 'verify-process=""'), (
        'name="jumpstart" version="1"', 'name="jumpstart" version=""')).encode()
    yield 'seventeen-checksums', changed(text, (
        '</payload>', f'<checksum checksum-type="sha-256">{HASH}</checksum>' * 17 + '</payload>')
    ).encode()


def descriptor_splice(_authority):
    yield 'plain', tiny().descriptor()
    yield 'rich', rich().descriptor()
    yield 'pretty', rich(style='pretty').descriptor()
    text = tiny().descriptor().decode()
    facts = fixture_metadata.vib_file_facts(tiny(), b'12345')
    yield 'has-them', fixture_metadata.vib_xml(tiny(), facts)
    yield 'twice', changed(fixture_metadata.vib_xml(tiny(), facts).decode(), (
        '</vib>', '<packed-size>9</packed-size><checksum checksum-type="sha-256"/></vib>')).encode()
    tags = text[text.index('<software-tags'):text.index('<system-requires')]
    yield 'no-tags', changed(text, (tags, '')).encode()
    requires = text[text.index('<system-requires'):text.index('<file-list')]
    yield 'no-tags-no-requires', changed(text, (tags, ''), (requires, '')).encode()
    yield 'prefix', b'<x:vib xmlns:x="urn:x"><x:type>meta</x:type><x:name>a</x:name>' \
        b'<x:version>1-1</x:version><x:vendor>v</x:vendor>' \
        b'<x:acceptance-level>community</x:acceptance-level><x:software-tags/></x:vib>'
    yield 'comment', changed(text, ('<summary>', '<!-- <software-tags/> --><summary>')).encode()
    yield 'cdata', changed(text, ('<summary>', '<summary><![CDATA[<checksum>]]>')).encode()
    yield 'instruction', changed(text, ('<summary>', '<?x <checksum> ?><summary>')).encode()
    yield 'quoted-greater', changed(text, ('<vib ', '<vib a="1>2" b=\'"\' ')).encode()
    yield 'deeper-checksum', changed(text, ('<summary>', '<other><checksum/></other><summary>')
                                     ).encode()
    yield 'unclosed-comment', b'<vib><!-- '
    yield 'unclosed-tag', b'<vib><name'
    yield 'no-name', b'<vib>< ></vib>'
    yield 'two-roots', b'<vib/><vib/>'
    yield 'utf16', text.encode('utf-16')
    yield 'no-document', b'nothing'


def zip_archive(zip_name='index.xml', data=b'<vendorList/>', method=zipfile.ZIP_DEFLATED):
    out = io.BytesIO()
    with zipfile.ZipFile(out, 'w', method) as file:
        file.writestr(zipfile.ZipInfo(zip_name, (1980, 1, 1, 0, 0, 0)), data * 20, method)
        file.writestr(zipfile.ZipInfo('b/stored', (1980, 1, 1, 0, 0, 0)), b'stored')
    return out.getvalue()


def raw_zip(members, count=None, size=None, offset=None, comment=b'', tail=b''):
    """A zip of (name, flags, method, crc, packed, size, extra, data) with any lie."""
    local, central = b'', b''
    for name, flags, method, crc, packed, plain, extra, data in members:
        at = len(local)
        local += struct.pack('<IHHHHHIIIHH', 0x04034b50, 20, flags, method, 0, 33, crc, packed,
                             plain, len(name), 0) + name + data
        central += struct.pack('<IHHHHHHIIIHHHHHII', 0x02014b50, 20, 20, flags, method, 0, 33, crc,
                               packed, plain, len(name), len(extra), 0, 0, 0, 0, at) + name + extra
    count = len(members) if count is None else count
    return local + central + tail + struct.pack(
        '<IHHHHIIH', 0x06054b50, 0, 0, count, count, len(central) if size is None else size,
        len(local) if offset is None else offset, len(comment)) + comment


def zip(_authority):  # pylint: disable=redefined-builtin
    crc = zlib.crc32(b'data')
    good = (b'a', 0, 0, crc, 4, 4, b'', b'data')

    def one(**changes):
        names = ('name', 'flags', 'method', 'crc', 'packed', 'size', 'extra', 'data')
        values = dict(zip_names(names, good)) | changes
        return raw_zip([tuple(values[name] for name in names)])

    yield 'deflated', zip_archive()
    yield 'stored', zip_archive(method=zipfile.ZIP_STORED)
    yield 'empty-archive', raw_zip([])
    yield 'comment', raw_zip([good], comment=b'PK\5\6 words')
    yield 'directory', raw_zip([(b'd/', 0, 0, 0, 0, 0, b'', b''), good])
    yield 'empty-file', b''
    yield 'too-short', b'PK\5\6'
    yield 'no-end', zip_archive()[:-10]
    yield 'html', broken.HTML
    yield 'encrypted', one(flags=1)
    yield 'bzip2', one(method=12)
    yield 'two-sizes', one(packed=3)
    yield 'crc-wrong', one(crc=1)
    yield 'outside', one(packed=4000, size=4000)
    yield 'traversal', one(name=b'a/../../b')
    yield 'absolute', one(name=b'/etc/passwd')
    yield 'backslash', one(name=b'a\\b')
    yield 'nul', one(name=b'a\0b')
    yield 'not-utf8', one(name=b'\xff')
    yield 'no-name', one(name=b'')
    yield 'control-name', one(name=b'a\n\x1b[2Jb')
    yield 'double-slash', one(name=b'a//b')
    yield 'long-name', one(name=b'n' * 1025)
    yield 'same-name', raw_zip([good, good])
    yield 'count-too-high', raw_zip([good], count=9)
    yield 'directory-outside', raw_zip([good], offset=1 << 30)
    yield 'directory-huge', raw_zip([good], size=(64 << 20) + 1)
    yield 'larger-than-said', raw_zip([(b'a', 0, 8, crc, 6, 1, b'', b'\x4b\x49\x2c\x49\x04\x00')])
    yield 'smaller-than-said', raw_zip([(b'a', 0, 8, crc, 6, 9, b'', b'\x4b\x49\x2c\x49\x04\x00')])
    yield 'deflate-damaged', raw_zip([(b'a', 0, 8, crc, 4, 4, b'', b'\xff\xff\xff\xff')])
    bomb = zlib.compressobj(9, zlib.DEFLATED, -15)
    packed = bomb.compress(bytes(1 << 20)) + bomb.flush()
    yield 'bomb', raw_zip([(b'a', 0, 8, 0, len(packed), 1 << 20, b'', packed)])
    wide = struct.pack('<HHQQ', 1, 16, 4, 4)
    yield 'zip64-member', raw_zip([(b'a', 0, 0, crc, 0xffffffff, 0xffffffff, wide, b'data')])
    short = struct.pack('<HHQ', 1, 8, 4)
    yield 'zip64-short', raw_zip([(b'a', 0, 0, crc, 0xffffffff, 0xffffffff, short, b'data')])
    yield 'zip64-no-room', raw_zip([], count=0xffff)
    yield 'zip64-cut', raw_zip([(b'a', 0, 0, crc, 0xffffffff, 0xffffffff, wide[:12], b'data')])
    yield 'zip64-none', raw_zip([(b'a', 0, 0, crc, 0xffffffff, 0xffffffff, b'', b'data')])
    yield 'zip64-huge', raw_zip([(b'a', 0, 8, crc, 0xffffffff, 0xffffffff, struct.pack(
        '<HHQQ', 1, 16, 1 << 63, 4), b'data')])
    yield 'extra-cut', raw_zip([(b'a', 0, 0, crc, 4, 4, b'\x01\x00\x09', b'data')])
    plain = raw_zip([good])
    central_at, central_size = len(plain) - 22 - 47, 47
    end64 = struct.pack('<IQHHIIQQQQ', 0x06064b50, 44, 45, 45, 0, 0, 1, 1, central_size, central_at)
    locator = struct.pack('<IIQI', 0x07064b50, 0, central_at + central_size, 1)
    yield 'zip64-end', raw_zip([good], count=0xffff, offset=0xffffffff, tail=end64 + locator)
    yield 'zip64-end-no-locator', raw_zip([good], count=0xffff)
    yield 'zip64-end-outside', raw_zip([good], count=0xffff, tail=struct.pack(
        '<IIQI', 0x07064b50, 0, 1 << 62, 1))
    overlap = raw_zip([good, (b'b', 0, 0, crc, 4, 4, b'', b'data')])
    last = overlap.rindex(b'PK\1\2')
    yield 'overlap', overlap[:last + 42] + struct.pack('<I', 3) + overlap[last + 46:]


def zip_names(names, values):
    """zip() of Python, whose name is taken here."""
    return [(name, values[i]) for i, name in enumerate(names)]


def inflate(_authority):
    text = b'the quick brown fox ' * 30
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    raw = packer.compress(text) + packer.flush()
    fixed = zlib.compressobj(9, zlib.DEFLATED, -15, 8, zlib.Z_FIXED)
    bomb = archive.gzip_bytes(bytes(300_000))
    named = io.BytesIO()
    with gzip.GzipFile('name.txt', 'wb', mtime=1, fileobj=named) as file:
        file.write(text)
    packed = archive.gzip_bytes(text)
    yield 'deflate', b'\x00' + raw
    yield 'deflate-bytewise', b'\x04' + raw
    yield 'deflate-small-limit', b'\x02' + raw
    yield 'deflate-fixed', b'\x00' + fixed.compress(text) + fixed.flush()
    yield 'deflate-stored', b'\x00\x01\x04\x00\xfb\xffdata'
    yield 'deflate-stored-length-wrong', b'\x00\x01\x04\x00\xff\xffdata'
    yield 'deflate-block-type-3', b'\x00\x07'
    yield 'deflate-too-far-back', b'\x00\x4b\x04\x12\x00'
    yield 'deflate-garbage-behind', b'\x00' + raw + b'garbage'
    yield 'empty', b'\x01'
    yield 'gzip', b'\x01' + packed
    yield 'gzip-steps', b'\x0d' + packed
    yield 'gzip-small-limit', b'\x03' + packed
    yield 'gzip-name-and-time', b'\x01' + named.getvalue()
    yield 'gzip-two-members', b'\x01' + packed + archive.gzip_bytes(b'second')
    yield 'gzip-zeros-behind', b'\x01' + packed + bytes(1000)
    yield 'gzip-garbage-behind', b'\x01' + packed + b'garbage'
    yield 'gzip-crc-wrong', b'\x01' + packed[:-8] + b'\0\0\0\0' + packed[-4:]
    yield 'gzip-size-wrong', b'\x01' + packed[:-4] + b'\0\0\0\0'
    yield 'gzip-cut', b'\x01' + packed[:-9]
    yield 'gzip-header-only', b'\x01' + packed[:10]
    yield 'gzip-header-cut', b'\x01' + packed[:5]
    yield 'gzip-method-7', b'\x01' + packed[:2] + b'\x07' + packed[3:]
    extra = b'\x1f\x8b\x08\x1e' + bytes(5) + b'\xff\x03\x00abcname\0comment\0'
    extra += struct.pack('<H', zlib.crc32(extra) & 0xffff)
    yield 'gzip-all-fields', b'\x01' + extra + packed[10:]
    yield 'gzip-bomb', b'\x01' + bomb
    yield 'gzip-bomb-small-limit', b'\x07' + bomb
    yield 'html', b'\x01' + broken.HTML


def depot_index(_authority):
    bundle = Bundle((tiny(),), versions=('7.0.0', '8.*'))
    yield 'index', bundle.index()
    yield 'vendor-index', bundle.vendor_index()
    yield from XML_DAMAGE.items()
    yield 'index-no-file', document('vendorList', '<vendor><name>x</name></vendor>')
    yield 'index-path', document('vendorList', '<vendor><indexfile>i.xml</indexfile>'
                                 '<relativePath>a/b</relativePath></vendor>')
    yield 'index-many', document('vendorList', *['<vendor><indexfile>i</indexfile></vendor>'] * 150)
    yield 'vendor-no-url', document('metaList', '<metadata><productId>embeddedEsx</productId>'
                                    '</metadata>')
    yield 'vendor-foreign', document('metaList', '<metadata><productId>other</productId>'
                                     '</metadata>')
    yield 'vendor-vib-url', document('metaList', '<metadata><productId>embeddedEsx</productId>'
                                     '<url>m.zip</url><vibUrl>http://x/y</vibUrl>'
                                     '<channelName/></metadata>')
    yield 'no-entries', b'<vendorList>\n</vendorList>\n'


def bulletin(_authority):
    vib = tiny()
    plain = fixture_metadata.Bulletin('ACME-1', (vib,))
    component = fixture_metadata.component('net-test', 'Test <driver> & more', '1.0-1', (vib,))
    yield 'plain', plain.xml()
    yield 'component', component.xml()
    yield from XML_DAMAGE.items()
    yield 'no-id', document('bulletin')
    yield 'id-traversal', document('bulletin', '<id>../x</id>')
    yield 'id-dot', document('bulletin', '<id>.x</id>')
    yield 'id-control', document('bulletin', '<id>a&#9;b</id>')
    yield 'id-long', document('bulletin', f'<id>{"x" * 300}</id>')
    yield 'vmware-form', document('bulletin', '<id>a</id><vibList><vib><vibID>A_b</vibID></vib>'
                                  '<vibID>C_d</vibID><vibID/></vibList>')
    yield 'platforms', document('bulletin', '<id>a</id><platforms>'
                                '<softwarePlatform version="8.0" productLineID="embeddedEsx"/>'
                                '<softwarePlatform version="8.0" productLineID="esxio"/>'
                                '<softwarePlatform productLineID="embeddedEsx"/></platforms>')
    yield 'half-component', document('bulletin', '<id>a</id><componentNameSpec name="x"/>')
    yield 'line-ends', document('bulletin', '<id>a</id><description>one&#13;&#10;two&#13;three'
                                '</description><componentNameSpec name="a&#10;b" uiString="&#9;"/>'
                                '<componentVersionSpec version="1&#13;" uiString=""/>')


def profile(_authority):
    vibs = [tiny(), rich().but(name='net-rich')]
    plain = fixture_metadata.Profile('ESXi-test', vibs)
    release = generations.make('7.0').release
    yield 'plain', plain.xml()
    text = plain.xml(oracle.local_names(vibs, release)).decode()
    yield 'payload-map', text.encode()
    yield from XML_DAMAGE.items()
    minimal = '<name>a</name><creator>b</creator><viblist/>'
    yield 'minimal', document('imageprofile', minimal)
    yield 'unknown-elements', document(
        'imageprofile', minimal, '<more a="1&quot;"><x:y xmlns:x="urn:x">t&amp;</x:y></more>',
        '<swspec/>')
    vib = '<vib><vib-id>A_b_c_1</vib-id>{}</vib>'
    listed = '<name>a</name><creator>b</creator><viblist>{}</viblist>'
    for name, *lines in (
            ('no-name', '<creator>b</creator><viblist/>'),
            ('no-list', '<name>a</name><creator>b</creator>'),
            ('name-twice', '<name>x</name>', minimal),
            ('name-empty', '<name/><creator>b</creator><viblist/>'),
            ('name-long', f'<name>{"n" * 81}</name><creator>b</creator><viblist/>'),
            ('name-control', '<name>a&#10;b</name><creator>b</creator><viblist/>'),
            ('name-c1-control', '<name>a&#133;b</name><creator>b</creator><viblist/>'),
            ('creator-long', f'<name>a</name><creator>{"n" * 41}</creator><viblist/>'),
            ('description-long', minimal, f'<description>{"d" * 2049}</description>'),
            ('description-lines', minimal, '<description>a&#13;&#10;b&#9;&#13;c</description>'),
            ('serial-bad', minimal, '<serialno>-1</serialno>'),
            ('serial-high', minimal, '<serialno>2147483648</serialno>'),
            ('read-only-bad', minimal, '<readonly>perhaps</readonly>'),
            ('level-bad', minimal, '<acceptancelevel>royal</acceptancelevel>'),
            ('level-none', minimal, '<acceptancelevel/>'),
            ('times', minimal, '<creationtime>2020</creationtime><modifiedtime/>'),
            ('vib-twice', listed.format(vib.format('') * 2)),
            ('vib-no-id', listed.format('<vib/>')),
            ('vib-id-long', listed.format(f'<vib><vib-id>{"i" * 513}</vib-id></vib>')),
            ('vib-not-booted', listed.format(vib.format('<boot>false</boot>'))),
            ('vib-installed', listed.format(vib.format(
                '<installdate>2020&#13;&#10;</installdate><more/><other b="&#10;"/>'))),
            ('local-no-8.3', listed.format(vib.format(
                '<payloads><payload payload-name="k">not eight.three</payload></payloads>'))),
            ('local-no-payload', listed.format(vib.format(
                '<payloads><payload>k.b00</payload></payloads>'))),
            ('local-upper', listed.format(vib.format(
                '<payloads><payload payload-name="k">K.B00</payload></payloads>')))):
        yield name, document('imageprofile', *lines)
    yield 'latin1', '<?xml version="1.0" encoding="ISO-8859-1"?><imageprofile><name>\u00fc</name>' \
        '<creator>b</creator><viblist/><more a="\u00fc">\u00fc</more></imageprofile>'.encode(
            'latin1')


def boot_cfg(_authority):
    full = ('bootstate=0\ntitle=Loading ESXi installer\ntimeout=5\nprefix=\nkernel=/b.b00\n'
            'kernelopt=cdromBoot runweasel\nmodules=/jumpstrt.gz --- /k.b00 opt=1 --- /s.v00 --- '
            '/imgdb.tgz\nbuild=7.0.0-1.0.15843807\nupdated=0\n')
    yield 'full', full.encode()
    yield 'crlf', full.replace('\n', '\r\n').encode()
    yield 'no-last-newline', full.rstrip('\n').encode()
    yield 'mixed-ends', full.replace('\n', '\r\n', 3).encode()
    yield 'empty', b''
    yield 'no-kernel', b'title=x\n'
    yield 'kernel-empty', b'kernel= \t\n'
    yield 'kernel-only', b'kernel=b.b00'
    yield 'binary', b'kernel=\0\n'
    yield 'utf8', 'kernel=/b.b00\ntitle=Gr\u00fc\u00dfe\n'.encode()
    yield 'comments', b'# kernel=/x\n\n \t kernel = /b.b00 \nnonsense\n=\n'
    yield 'key-twice', b'kernel=/a\nkernel=/b\nmodules=/c\nmodules=/d --- /e\n'
    yield 'modules-odd', b'kernel=/k\nmodules=--- --- /a---b --- ---- --- -- --- /c ---\n'
    yield 'modules-twins', b'kernel=/k\nmodules=/a/x.v00 --- X.V00 --- / --- /a/ o\n'
    yield 'modules-tabs', b'kernel=/k\nmodules=/a\topt\t---\t/b\r --- c\rd\n'


def isolinux_cfg(_authority):
    text = ('DEFAULT menu.c32\nMENU TITLE {0} Boot Menu\nNOHALT 1\nPROMPT 0\nTIMEOUT 80\n'
            'LABEL install\n  KERNEL mboot.c32\n  APPEND -c boot.cfg\n  MENU LABEL {0} ^Installer\n'
            'LABEL hddboot\n  LOCALBOOT 0x80\n  MENU LABEL ^Boot from local disk\n')
    for name, old, new, body in (
            ('plain', 'ESXi-7', 'ESXi-8', text.format('ESXi-7')),
            ('crlf', 'ESXi-7', 'ESXi-8', text.format('ESXi-7').replace('\n', '\r\n')),
            ('absent', 'other', 'ESXi-8', text.format('ESXi-7')),
            ('empty-old', '', 'ESXi-8', text.format('ESXi-7')),
            ('empty-new', 'ESXi-7', '', text.format('ESXi-7')),
            ('empty-text', 'a', 'b', ''),
            ('control-new', 'ESXi-7', 'a\tb\x1bc', text.format('ESXi-7')),
            ('old-is-menu', 'menu', 'x', text.format('menu')),
            ('twice-in-line', 'a', 'bb', 'MENU LABEL a a a\n menu\ta\nmenua\nMENU'),
            ('no-last-newline', 'a', 'b', 'menu title a')):
        yield name, f'{old}\n{new}\n{body}'.encode()


def tar_of(members, kind=tarfile.PAX_FORMAT):
    """A tar of (name, type, data or link target) with any name."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode='w', format=kind) as tar:
        for name, what, data in members:
            info = tarfile.TarInfo(name)
            info.type = what
            if what in (tarfile.REGTYPE, tarfile.AREGTYPE):
                info.size = len(data)
                tar.addfile(info, io.BytesIO(data))
            else:
                info.linkname = data
                tar.addfile(info)
    return out.getvalue().rstrip(b'\0') + bytes(1024)


def summed(header):
    """A header block with its checksum right again."""
    header = bytearray(header)
    header[148:156] = b' ' * 8
    header[148:156] = b'%06o\0 ' % sum(header)
    return bytes(header)


def pax_record(text):
    """A pax header with exactly this text in it, and a file behind."""
    block = bytearray(tar_of([('pax', tarfile.REGTYPE, text)], tarfile.USTAR_FORMAT)[:1024])
    block[156:157] = b'x'
    return summed(block[:512]) + bytes(block[512:]) + tar_of([('f', tarfile.REGTYPE, b'x')])


def visor_tar(_authority):
    visor = archive.visor_tar(TREE, 512)
    file = tarfile.REGTYPE
    yield 'visor', visor
    yield 'visor-packed', archive.gzip_bytes(visor)
    yield 'ustar', archive.tar_bytes(TREE)[:5120]
    yield 'gnu', archive.tar_bytes(TREE, 'gnu', prefix='./')[:5120]
    yield 'ustar-packed', archive.tgz_bytes(TREE)
    yield 'empty', b''
    yield 'zeros', bytes(1024)
    yield 'text', b'this is no archive ' * 60
    yield 'xz', b'\xfd7zXZ\0' + bytes(600)
    yield 'cut-header', visor[:700]
    yield 'cut-data', visor[:-5]
    yield 'header-damaged', visor[:512] + b'x' + visor[513:]
    for name, members in (
            ('absolute', [('/etc/passwd', file, b'x')]),
            ('traversal', [('a/../../b', file, b'x')]),
            ('dots', [('./a//./b/', file, b'x'), ('.', tarfile.DIRTYPE, '')]),
            ('control', [('a\x1b[2J', file, b'x')]),
            ('no-name', [('', file, b'x')]),
            ('links', [('l', tarfile.SYMTYPE, '../../x'), ('h', tarfile.LNKTYPE, 'a/b'),
                       ('e', tarfile.SYMTYPE, '')]),
            ('hard-link-out', [('h', tarfile.LNKTYPE, '../../x')]),
            ('device', [('d', tarfile.CHRTYPE, '')]),
            ('pipe', [('d', tarfile.FIFOTYPE, '')]),
            ('type-unknown', [('d', b'Z', '')]),
            ('contiguous', [('d', tarfile.CONTTYPE, '')]),
            ('long-pax', [('n' * 300, file, b'x'), ('l', tarfile.SYMTYPE, 't' * 300)]),
            ('many', [(f'f{n}', file, b'') for n in range(10)])):
        yield name, tar_of(members)
    yield 'long-gnu', tar_of([('n' * 300, file, b'x'), ('l', tarfile.SYMTYPE, 't' * 300)],
                             tarfile.GNU_FORMAT)
    for name, text in (('pax-size', b'12 size=600\n'), ('pax-size-huge', b'30 size=' + b'9' * 21
                                                        + b'\n'),
                       ('pax-no-number', b'x path=a\n'), ('pax-too-long', b'99 path=a\n'),
                       ('pax-zero', b'0 path=a\n'), ('pax-no-equals', b'9 pathaa\n'),
                       ('pax-nul', b'11 path=a\0\n'), ('pax-traversal', b'14 path=../ab\n')):
        yield name, pax_record(text)
    first, rest = visor[:512], visor[512:]
    offset = struct.pack_into
    headers = [bytearray(visor[at:at + 512]) for at in range(0, 512 * 8, 512)]
    for name, change in (
            ('offset-inside-headers', lambda h: offset('<I', h, 496, 513)),
            ('offset-far', lambda h: offset('<I', h, 496, 0xfffffe00)),
            ('size-huge', lambda h: h.__setitem__(slice(124, 136), b'77777777777\0')),
            ('size-binary', lambda h: h.__setitem__(slice(124, 136), b'\x80' + b'\x7f' * 11)),
            ('size-negative', lambda h: h.__setitem__(slice(124, 136), b'\xff' * 12)),
            ('size-not-octal', lambda h: h.__setitem__(slice(124, 136), b'00000000009\0')),
            ('size-binary-small', lambda h: h.__setitem__(slice(124, 136), b'\x80' + bytes(10)
                                                          + h[135:136])),
            ('size-blanks', lambda h: h.__setitem__(slice(124, 136), b'          4 ')),
            ('no-offset', lambda h: offset('<I', h, 496, 0))):
        copies = [bytearray(header) for header in headers]
        for at, header in enumerate(copies):
            if header[156:157] in (b'0', b'7') and header[0]:
                change(header)
                copies[at] = bytearray(summed(header))
        yield f'visor-{name}', b''.join(map(bytes, copies)) + visor[512 * 8:]
    record = bytearray(first)
    record[156:157], record[124:136] = b'L', b'00000100000\0'
    yield 'gnu-name-too-long', summed(record) + bytes(40000) + rest
    record[156:157], record[124:136] = b'V', b'77777777777\0'
    yield 'volume-label-huge', summed(record) + rest


def imgdb(_authority):
    g = generations.make('7.0')
    vibs = [tiny()]
    wanted = fixture_metadata.Profile('ESXi-test', vibs)
    files = fixture_iso.imgdb(g, wanted, oracle.local_names(vibs, g.release))
    root = 'var/db/esximg/'
    files = {path: data for path, data in files.items() if 'omponents' not in path
             and not path.startswith(root + 'bulletins')}
    files[root + 'bulletins/a.xml'] = document('bulletin', '<id>a</id>')
    profile_path = next(path for path in files if '/profiles/' in path)
    xml = next(path for path in files if path.endswith('.xml') and 'net-test' in path)

    def tar(changed_files):
        return archive.tar_bytes(changed_files).rstrip(b'\0') + bytes(1024)

    yield 'plain', tar(files)
    yield 'packed', archive.gzip_bytes(tar(files))
    yield 'no-originals', tar({path: data for path, data in files.items()
                               if not path.endswith('.orig')})
    yield 'no-signatures', tar({path: data for path, data in files.items()
                                if not path.endswith('.sig')})
    yield 'only-originals', tar({path: data for path, data in files.items()
                                 if '/vibs/' not in path or path.endswith('.orig')})
    yield 'no-profile', tar({path: data for path, data in files.items() if path != profile_path})
    yield 'two-profiles', tar(files | {root + 'profiles/other': files[profile_path]})
    yield 'missing-vib', tar({path: data for path, data in files.items()
                              if not path.startswith(xml)})
    yield 'vib-twice', tar(files | {root + 'vibs/copy.xml': files[xml]})
    yield 'vib-bad', tar(files | {xml + '.orig': b'<vib/>'})
    yield 'extra', tar(files | {root + 'vibs/sub/x.xml': b'x', root + 'vibs/lonely.xml.sig': b's',
                                'elsewhere/file': b'y', root + 'vibs/.xml': b'z'})
    yield 'no-locals', tar(files | {profile_path: wanted.xml()})
    minimal = {root + 'profiles/a': document('imageprofile', '<name>a</name><creator>b</creator>'
                                             '<viblist/>')}
    yield 'minimal', tar(minimal)
    smallest = [(path, tarfile.REGTYPE, data) for path, data in minimal.items()]
    for name, *members in (
            ('traversal', ('../x', tarfile.REGTYPE, b'x')),
            ('absolute', ('/x', tarfile.REGTYPE, b'x')),
            ('link', ('l', tarfile.SYMTYPE, 'x')),
            ('hard-link', ('a', tarfile.REGTYPE, b'x'), ('l', tarfile.LNKTYPE, 'a')),
            ('twice', ('a', tarfile.REGTYPE, b'x'), ('./a', tarfile.REGTYPE, b'y')),
            ('directories', ('d/', tarfile.DIRTYPE, ''), ('d', tarfile.DIRTYPE, ''),
             ('./', tarfile.DIRTYPE, '')),
            ('long-name', ('d/' + 'n' * 200, tarfile.REGTYPE, b'x')),
            ('umlaut', ('gr\u00fc\u00df' * 30, tarfile.REGTYPE, b'x')),
            ('file-below-file', ('f', tarfile.REGTYPE, b'x'), ('f/g', tarfile.REGTYPE, b'y'))):
        yield name, tar_of([*smallest, *members])
    yield 'empty', b''
    yield 'text', b'this is no archive ' * 60
    yield 'bad-gzip', b'\x1f\x8b\x08\x00' + bytes(20)
    yield 'cut', tar(minimal)[:600]


def depot(_authority):
    good = (tiny(), rich().but(name='net-rich', conflicts=('net-test',)))
    plain = fixture_metadata.Bulletin('ACME-1', good)
    wanted = fixture_metadata.Profile('ESXi-test', good)
    bundle = Bundle(good[:1], (fixture_metadata.Bulletin('ACME-1', good[:1]),),
                    (wanted.but(vibs=good[:1]),), opaque={'addons/a.json': b'{}'})
    zipped = dict(bundle.entries())
    yield 'bundle', zip_bytes(zipped.items(), deflate=everything)
    for kind, damage in broken.DEPOTS.items():
        yield kind, zip_bytes(damage(dict(zipped)).items(), deflate=everything)
    outer = [('index.xml', bundle.index()), ('vendor-index.xml', bundle.vendor_index())]

    def inner(vib, **lies):
        facts = fixture_metadata.vib_file_facts(vib, vib.to_bytes()) | lies
        return (f'vibs/{vib.name}.xml', fixture_metadata.vib_xml(vib, facts))

    everything_else = [('bulletins/a.xml', plain.xml()), ('profiles/p', wanted.xml()),
                       ('notifications.xml', b'<a/>'), ('vmware.xml', b'<a/>')]
    yield 'parts', parts([*outer, *map(inner, good), *everything_else])
    yield 'parts-with-vib', parts([*outer, inner(good[0]),
                                   (good[0].depot_path, good[0].to_bytes())])
    yield 'parts-lies', parts([*outer, inner(good[0], **{'packed-size': '12', 'checksum': HASH})])
    yield 'parts-path-outside', parts([*outer, inner(good[0], **{'relative-path': '../../x'})])
    yield 'parts-path-up', parts([*outer, inner(good[0], **{'relative-path': 'a/../b/./c'})])
    yield 'parts-path-absolute', parts([*outer, inner(good[0], **{'relative-path': '/etc/passwd'})])
    yield 'parts-vib-twice', parts([*outer, inner(good[0]), ('vibs/again.xml',
                                                             inner(good[0])[1])])
    yield 'parts-nothing-good', parts([*outer, ('vibs/a.xml', b'<vib/>')])
    yield 'parts-profile-twice', parts([*outer, ('profiles/a', wanted.xml()),
                                        ('profiles/b', wanted.xml()), ('profiles/c', b'<x/>')])
    yield 'parts-no-index', parts([inner(good[0])])
    yield 'zip-in-zip', zip_bytes([('bundle.zip', b'')])
    yield 'index-in-folder', zip_bytes([('x/index.xml', b'')])
    yield 'vendor-index-outside', parts([('index.xml', document(
        'vendorList', '<vendor><indexfile>../../x</indexfile></vendor>'))])
    yield 'vib-url', parts([outer[0], ('vendor-index.xml', document(
        'metaList', '<metadata><productId>embeddedEsx</productId><url>metadata.zip</url>'
        '<vibUrl>sub/dir</vibUrl></metadata>')), inner(good[0])])
    yield 'foreign', parts([outer[0], ('vendor-index.xml', document(
        'metaList', '<metadata><productId>other</productId></metadata>'))])


def attached(pem, content):
    """A detached signature with `content` put inside."""
    (signed_oid, wrapped) = der.inside(base64.b64decode(b''.join(pem.split(b'\n')[1:-2])))
    parts_of = der.inside(der.inside(wrapped)[0])
    parts_of[2] = der.sequence(der.inside(parts_of[2])[0], der.tlv(0xa0, der.octets(content)))
    return der.sequence(signed_oid, der.tlv(0xa0, der.sequence(*parts_of)))


def signature(authority):
    text = document('vib', '<name>a</name>')
    trust = authority.trust_text().encode()

    def case(level, trusted, signed, pkcs7):
        return level + trusted + b'\0' + signed + b'\0' + pkcs7

    certified = authority.signer('certified').sign(text)
    partner = authority.signer('partner').sign(text)
    yield 'certified', case(b'C', trust, text, certified)
    yield 'partner', case(b'p', trust, text, partner)
    yield 'partner-claims-accepted', case(b'a', trust, text, partner)
    yield 'stranger', case(b'p', trust, text, authority.signer('stranger').sign(text))
    yield 'stranger-community', case(b'c', b'', text, authority.signer('stranger').sign(text))
    yield 'no-trust', case(b'C', b'', text, certified)
    yield 'altered', case(b'C', trust, text + b' ', certified)
    yield 'unsigned', case(b'C', trust, text, b'')
    yield 'unsigned-community', case(b'c', b'', text, b'')
    yield 'not-pem', case(b'C', b'', text, b'no PEM at all\n')
    yield 'bad-base64', case(b'C', b'', text,
                             b'-----BEGIN PKCS7-----\n!!!!\n-----END PKCS7-----\n')
    yield 'cut', case(b'C', b'', text, certified[:-400])
    limited = b'level: partner\n' + (pathlib.Path(authority.directory) / 'root.pem').read_bytes()
    yield 'limited', case(b'p', limited, text, partner)
    yield 'limited-claims-accepted', case(b'a', limited, text, partner)
    for name, content in (('attached', text), ('attached-other', b'<vib/>')):
        yield name, case(b'C', trust, text, attached(certified, content))
    yield 'no-der', case(b'C', b'', text, b'0\x82\x01\x00')
    binary = base64.b64decode(b''.join(certified.split(b'\n')[1:-2]))
    yield 'der', case(b'C', trust, text, binary)
    yield 'der-with-tail', case(b'C', trust, text, binary + b'x')
    sha256 = bytes.fromhex('0609608648016503040201')
    md5 = bytes.fromhex('0608 2a864886f70d0205'.replace(' ', ''))
    yield 'digest-unknown', case(b'C', trust, text, binary.replace(sha256, sha256[:-1] + b'\x7f'))
    yield 'digest-other-length', case(b'C', trust, text, binary.replace(sha256, md5 + b'\0'))
    yield 'encrypted-pem', case(b'C', b'', text, certified.replace(
        b'PKCS7-----\n', b'PKCS7-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: AES-128-CBC,' + b'0' * 32
        + b'\n\n', 1))


def trust_file(authority):
    text = authority.trust_text()
    pem = (pathlib.Path(authority.directory) / 'root.pem').read_text()
    yield 'fixture', text.encode()
    yield 'one', pem.encode()
    yield 'crlf', pem.replace('\n', '\r\n').encode()
    yield 'bom', b'\xef\xbb\xbf' + pem.encode()
    yield 'level', b'level: partner\n' + pem.encode()
    yield 'print-certs', b'subject=O = x\n\nissuer=O = y\n' + pem.encode()
    yield 'level-unknown', b'level: royal\n' + pem.encode()
    yield 'level-community', b'LEVEL: community\n' + pem.encode()
    yield 'level-misspelt', b'levl: partner\n' + pem.encode()
    yield 'no-end', pem.replace('-----END CERTIFICATE-----', '').encode()
    yield 'damaged', pem.replace('A', '!', 3).encode()
    yield 'nested-begin', b'-----BEGIN CERTIFICATE-----\n' + pem.encode()
    yield 'key', b'-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n'
    yield 'nul', b'a\0b'
    yield 'empty', b''
    yield 'comments-only', b'# nothing\n\n'
    yield 'encrypted', pem.replace('CERTIFICATE-----\n', 'CERTIFICATE-----\nProc-Type: 4,ENCRYPTED'
                                   '\nDEK-Info: AES-128-CBC,' + '0' * 32 + '\n\n', 1).encode()


def version(_authority):
    for name, *lines in (
            ('plain', '6.7.0-0.0.8169922', '6.7.0', '6.7.0-1', '>='),
            ('zeros', '1.01-1', '1.1-1', '1.001-1', '='),
            ('letters', '1.0a-1', '1.0b-1', '1.0-1vmw', '<<'),
            ('numbers-longer-than-integers', '1.99999999999999999999999-1',
             '1.100000000000000000000000-1', '1-1', 'certified'),
            ('empty', '', '', '', ''),
            ('dots', '...', '..', '.', '2024-03-01'),
            ('dashes', '-', '--', '1--1', '2024-03-01T12:00:00Z'),
            ('fields', '1.2.3', '1.2', '1.2.3.4', '>>'),
            ('words', 'a.b-c', 'a.b.c', 'A', 'PartnerSupported'),
            ('underscores', '3.0_5-3vmw.650.0.0.4564106', '3.0_4-3vmw', '3.0', '<='),
            ('release', '8.0.3-0.0.24022510', '7.0', '6.7', '8.0.3-0.0.24022510'),
            ('old', '5.0.0-1', '4.1.0', '5', '4.1.0-1')):
        yield name, '\n'.join(lines).encode()


RECIPE = """name: lab
vendor: ACME
description: for the lab
acceptance: partner
depots:
  - hpe.zip
  - https://user:password@depot.example.com/x/index.xml?token=abcdefghijklmnop1234
  - {known: vmware, token_file: token.txt}
  - {location: "https://dl.example.com/{token}/index.xml", token_file: /token}
base: {profile: ESXi-8.0-standard, iso: stock.iso}
add:
  - net-test
  - net-test=1.0-1
  - ./driver.vib
  - /abs/dir/../bundle.zip
remove: [tools-light]
kickstart: ks.cfg
kernel_options: [a=b, "c d"]
no_installer: false
lower_acceptance: true
force: false
trust: [a.pem]
signature_check: true
"""


def recipe(_authority):
    yield 'full', RECIPE.encode()
    yield 'crlf', RECIPE.replace('\n', '\r\n').encode()
    base = 'base: {iso: a.iso}\n'
    for name, text in (
            ('minimal', base),
            ('json', '{"base": {"iso": "a.iso"}, "add": ["x"]}'),
            ('empty', ''),
            ('comment', '# nothing\n'),
            ('list', '- a\n'),
            ('scalar', 'text'),
            ('no-base', 'name: x\n'),
            ('base-text', 'base: x\n'),
            ('base-empty', 'base: {}\n'),
            ('no-depots', 'base: {profile: x}\n'),
            ('unknown-key', base + 'nmae: x\n'),
            ('key-twice', base + base),
            ('key-list', base + '? [a]\n: b\n'),
            ('no-value', base + 'name:\n'),
            ('null-value', base + 'name: ~\nadd: null\n'),
            ('text-for-list', base + 'add: x\n'),
            ('map-for-text', base + 'name: {a: b}\n'),
            ('bad-boolean', base + 'force: perhaps\n'),
            ('bad-level', base + 'acceptance: royal\n'),
            ('depot-both', base + 'depots: [{known: a, location: b}]\n'),
            ('depot-neither', base + 'depots: [{}]\n'),
            ('depot-token-alone', base + 'depots: [{location: b, token_file: t}]\n'),
            ('two-documents', base + '---\n' + base),
            ('document-end', base + '...\n'),
            ('anchors', base + 'add: &a [x]\nremove: *a\n'),
            ('alias-unknown', base + 'add: *a\n'),
            ('alias-itself', '&a base: *a\n'),
            ('alias-loop', base + 'add: &a [*a]\n'),
            ('merge', base + '<<: {name: x}\n'),
            ('tag', base + 'name: !!binary AAAA\n'),
            ('block', base + 'description: |\n  several\n  lines\n'),
            ('nul', base + 'name: "a\\0b"\n'),
            ('tab', base + '\tname: x\n'),
            ('unclosed', 'base: {iso: a'),
            ('deep', '[' * 300),
            ('not-utf8', '\udcff'),
            ('path-odd', base + 'add: [/, ./, ../../../../../../../x]\nkickstart: /\n'),
            ('laughs', 'a: &a [x,x]\nb: &b [*a,*a]\nc: &c [*b,*b]\nadd: *c\n' + base)):
        yield name, text.encode('utf-8', 'surrogateescape')
    yield 'utf16', RECIPE.encode('utf-16')


def recipe_lock(_authority):
    item = {'id': 'A_b_c_1', 'sha256': HASH, 'size': 5, 'depot': 'hpe.zip'}
    good = {'format': 1,
            'profile': {'name': 'lab', 'vendor': 'ACME', 'acceptance': 'partner'},
            'vibs': [item, item | {'id': 'B', 'depot': None}],
            'files': [{'name': 'stock.iso', 'sha256': HASH, 'size': 1 << 40}],
            'output': {'kind': 'iso', 'sha256': HASH, 'size': 7}}
    yield 'good', json.dumps(good, indent=2, sort_keys=True).encode()
    for name, value in (
            ('newer', good | {'format': 2}),
            ('no-format', {}),
            ('list', []),
            ('no-lists', {'format': 1}),
            ('vibs-empty', {'format': 1, 'vibs': [], 'files': []}),
            ('vibs-object', good | {'vibs': {}}),
            ('same-twice', good | {'vibs': [item, item]}),
            ('same-differs', good | {'vibs': [item, item | {'size': 6}]}),
            ('no-name', good | {'vibs': [{'sha256': HASH, 'size': 1}]}),
            ('bad-hash', good | {'vibs': [item | {'sha256': 'xyz'}]}),
            ('upper-hash', good | {'vibs': [item | {'sha256': HASH.upper()}]}),
            ('negative-size', good | {'vibs': [item | {'size': -1}]}),
            ('real-size', good | {'vibs': [item | {'size': 1.5}]}),
            ('bad-level', good | {'profile': {'acceptance': 'royal'}}),
            ('negative-output', good | {'output': {'size': -1}}),
            ('null-everywhere', good | {'profile': None, 'output': None})):
        yield name, json.dumps(value).encode()
    yield 'empty', b''
    yield 'not-json', b'{'
    yield 'key-twice', b'{"format": 1, "format": 1}'
    yield 'nul', b'{"format": 1, "vibs": [{"id": "a\\u0000b"}], "files": []}'
    yield 'integer-huge', b'{"format": 99999999999999999999}'
    yield 'deep', b'[' * 3000


def url(_authority):
    base = 'https://user:secret@depot.example.com:8443/a/b/index.xml?token=abc'
    for name, first, second in (
            ('relative', base, 'vendor/x.xml'),
            ('absolute', '', 'http://example.com/a?b=c#d'),
            ('up', base, '../../../../x'),
            ('slash', base, '/x/./y/../z'),
            ('network', base, '//other.example.com/x'),
            ('query', base, '?q=1'),
            ('fragment', base, '#f'),
            ('empty', base, ''),
            ('no-base', '', 'x.xml'),
            ('file', '', 'file:///etc/passwd'),
            ('scheme-only', base, 'http:'),
            ('scheme-relative', base, 'http:x'),
            ('no-host', '', 'http:///x'),
            ('control', base, 'a\x01b'),
            ('stray', base, 'a b"<c>\\^`{|}\u00fc'),
            ('percent', base, 'a%2e%2e/b%2f%00%zz'),
            ('ipv6', '', 'http://[::1]:80/x'),
            ('ipv6-zone', '', 'http://[fe80::1%25eth0]/x'),
            ('port-odd', '', 'http://h:99999/x'),
            ('port-empty', '', 'http://h:/x'),
            ('userinfo-odd', '', 'http://a:b@c:d@h/x'),
            ('password-with-slash', '', 'http://a:b/c@h/x'),
            ('token-in-path', '', 'https://dl.broadcom.com/abcdefghij1234567890/PROD/x.xml'),
            ('token-user', '', 'https://abcdefghij1234567890@h/abcdefghij1234567890abc'),
            ('international-host', '', 'http://gr\u00fc\u00dfe.example/a'),
            ('upper', '', 'HTTP://EXAMPLE.COM/X'),
            ('dots-only', base, '.../..././..'),
            ('dot-basename', base, '.hidden'),
            ('long-basename', base, 'n' * 200 + '.vib'),
            ('long', base, 'n' * 8200),
            ('query-many', '', 'http://h/?a=b&c;d=;=e&&token=abcdefghijklmnopqrst')):
        yield name, f'{first}\n{second}'.encode()


def http_cache(_authority):
    sha256 = hashlib.sha256(b'a document\n').hexdigest()
    good = {'form': 1, 'etag': '"x"', 'last_modified': 'Mon, 01 Jan 2024 00:00:00 GMT',
            'content_type': 'text/xml', 'redirect': 'http://other.example.com/i.xml',
            'sha256': sha256, 'size': 11, 'checked': 1}
    yield 'good', json.dumps(good).encode()
    for name, value in (
            ('minimal', {'form': 1, 'sha256': sha256, 'size': 11}),
            ('other-form', good | {'form': 2}),
            ('no-hash', good | {'sha256': None}),
            ('wrong-hash', good | {'sha256': HASH}),
            ('wrong-size', good | {'size': 12}),
            ('negative-size', good | {'size': -1}),
            ('huge-size', good | {'size': 1 << 62}),
            ('numbers', good | {'etag': 5, 'redirect': []}),
            ('list', [])):
        yield name, json.dumps(value).encode()
    yield 'empty', b''
    yield 'not-json', b'{"form": 1'


def partial_file(_authority):
    good = ('[part]\nform=1\nsource=http://depot.example.com/bundle.zip\netag="x"\n'
            'last-modified=Mon, 01 Jan 2024 00:00:00 GMT\ntotal=100\nlength=8\n')
    yield 'good', good.encode()
    for name, old, new in (
            ('longer-than-file', 'length=8', 'length=17'),
            ('longer-than-limit', 'length=8', 'length=16'),
            ('negative', 'length=8', 'length=-1'),
            ('huge', 'length=8', 'length=18446744073709551615'),
            ('overflow', 'length=8', 'length=18446744073709551624'),
            ('other-source', 'bundle.zip', 'other.zip'),
            ('other-form', 'form=1', 'form=2'),
            ('no-group', '[part]', '[other]'),
            ('escapes', 'etag="x"', 'etag=\\s\\n\\t\\r\\\\\\q'),
            ('not-utf8', 'etag="x"', 'etag=\udcff'),
            ('group-unclosed', '[part]', '[part')):
        yield name, good.replace(old, new).encode('utf-8', 'surrogateescape')
    yield 'empty', b''


def upgrade_metadata(_authority):
    vib = tiny()
    facts = fixture_metadata.vib_file_facts(vib, vib.to_bytes())
    xml = fixture_metadata.vib_xml(vib, facts)
    members = [('vendor-index.xml', b'<metaList/>'), ('vmware.xml', b'<a/>'),
               ('vibs/a.xml', xml), ('bulletins/b.xml', document('bulletin', '<id>b</id>')),
               ('profiles/p', b'whatever'), ('addons/x.json', b'{}')]
    yield 'zip', zip_bytes(members, deflate=everything)
    yield 'parts', parts(members)
    yield 'vib-twice', parts([('vibs/a.xml', xml), ('vibs/b.xml', xml)])
    yield 'vib-bad', parts([('vibs/a.xml', b'<vib/>')])
    yield 'bulletin-bad', parts([('bulletins/a.xml', b'<bulletin/>')])
    yield 'empty-zip', zip_bytes([])
    yield 'cut', zip_bytes(members)[:-30]
    yield 'html', broken.HTML
    yield 'empty', b''


def known_depots(_authority):
    entry = {'name': 'acme', 'vendor': 'ACME', 'description': 'drivers',
             'url': 'https://dl.example.com/{token}/index.xml', 'needs_token': True,
             'token_help': 'ask', 'note': 'x'}
    yield 'good', json.dumps({'format': 1, 'depots': [entry, {'name': 'b', 'url': None}]}).encode()
    for name, value in (
            ('no-list', {}),
            ('list', []),
            ('entry-text', {'depots': ['x']}),
            ('no-name', {'depots': [{}]}),
            ('name-empty', {'depots': [{'name': ''}]}),
            ('name-number', {'depots': [{'name': 5}]}),
            ('same-name', {'depots': [entry, entry | {'name': 'ACME', 'url': 'http://b/'}]}),
            ('url-file', {'depots': [entry | {'url': 'file:///x'}]}),
            ('url-number', {'depots': [entry | {'url': 5}]}),
            ('token-twice', {'depots': [entry | {'url': 'http://{token}/{token}?t={token}'}]}),
            ('token-not-needed', {'depots': [entry | {'needs_token': False}]}),
            ('token-nowhere', {'depots': [entry | {'url': 'http://x/'}]}),
            ('token-in-token', {'depots': [entry | {'url': 'http://{to{token}ken}/'}]})):
        yield name, json.dumps(value).encode()
    yield 'empty', b''
    yield 'not-json', b'{"depots": ['
    yield 'key-twice', b'{"depots": [], "depots": []}'


def workspace(_authority):
    depots = json.dumps({'format': 1, 'depots': [
        {'name': 'depot1', 'location': '/x/hpe.zip', 'added': 5},
        {'name': 'b', 'location': 'https://u:password@h/t?token=abc', 'known': 'hpe'}]}).encode()
    verified = json.dumps({'format': 1, 'verified': [HASH, HASH[::-1]]}).encode()
    own = document('imageprofile', '<name>a</name><creator>b</creator><viblist>'
                   '<vib><vib-id>A_b_c_1</vib-id></vib></viblist>')
    yield 'full', parts([('depots.json', depots), ('verified.json', verified),
                         ('profiles/a.xml', own), ('profiles/b.xml', own.replace(b'>a<', b'>c<'))])
    yield 'same-profile-twice', parts([('profiles/a.xml', own), ('profiles/b.xml', own)])
    yield 'nothing', b''
    for name, text in (
            ('newer', b'{"format": 2}'), ('no-format', b'{}'), ('list', b'[]'), ('empty', b''),
            ('not-json', b'{'), ('no-depots', b'{"format": 1}'),
            ('entry-text', b'{"format": 1, "depots": ["x"]}'),
            ('no-location', b'{"format": 1, "depots": [{"name": "x"}]}'),
            ('depots-object', b'{"format": 1, "depots": {"a": 1}}'),
            ('number', b'{"format": 1, "depots": [{"name": 5, "location": "x"}]}')):
        yield f'depots-{name}', parts([('depots.json', text)])
        yield f'verified-{name}', parts([('verified.json', text.replace(b'depots', b'verified'))])
    yield 'profile-bad', parts([('profiles/a.xml', b'<x/>')])


# 600 bytes, and frames that the program made of them; the delta against those from 100 to 500.
CODEC_PLAIN = bytes(b'slipway keeps disks, '[(i * i // 7 + i) % 21] for i in range(600))
CODEC_ZSTD = base64.b64decode(
    'KLUv/QAAxQIAgkgSDsA1B/YSIcVvqn6Zf5kBjIjgViD0pjzeC22cOUaVKSO4U2LhtGbBJRHU0WvqxgVI7KC8OpRDeAe0'
    'm0hfjZRs+NAm+eOxcw2g7AMAFLaYejfBvViBGQ==')
CODEC_LZ4 = base64.b64decode(
    '81lzbGl3eWtwZGsgcCBwc3NhZXNsIGRzIGRsZWthZGlwc2UgZXNwbCB3c2tzIGEsc2EgZGtpcyBrd3NrIGUgd2lzLGtz'
    'aWRkZGRkaXNrLHNpdyBlIGtzd2sgc2lrZCBhcyxhIHNrc3cgbEoA/xVpZGFrZWxkIHNkIGxzZWFzc3AgcCBrZHBreXdp'
    'bHMgLCwsLCCTAP+uUGRrIHAg')
CODEC_DELTA = base64.b64decode('KLUv/QAAbQAAAANAAIcWUyFRQ8FLKg==')


def zstd_frame(*blocks, head=b'\x00\x00'):
    """Blocks of (type, size, bytes): 0 raw, 1 one byte repeated, 2 compressed."""
    out = b'\x28\xb5\x2f\xfd' + head
    for number, (kind, size, data) in enumerate(blocks, 1):
        out += ((number == len(blocks)) | kind << 1 | size << 3).to_bytes(3, 'little') + data
    return out


def codec(_authority):
    def case(kind, data, length=600, level=3, prefix=b''):
        return struct.pack('<BbHH', kind, level, length, len(prefix)) + prefix + data
    raw = zstd_frame((0, 5, b'bytes'))
    base = CODEC_PLAIN[100:500]
    yield 'none', case(0, b'bytes', 5)
    yield 'none-longer', case(0, b'bytes', 4)
    yield 'zstd', case(1, CODEC_ZSTD)
    yield 'zstd-shorter', case(1, CODEC_ZSTD, 601)
    yield 'zstd-longer', case(1, CODEC_ZSTD, 599)
    yield 'zstd-raw', case(1, raw, 5)
    yield 'zstd-repeated', case(1, zstd_frame((1, 40000, b'x')), 40000)
    yield 'zstd-two-blocks', case(1, zstd_frame((0, 5, b'bytes'), (1, 3, b'x')), 8)
    yield 'zstd-no-last-block', case(1, zstd_frame((0, 5, b'bytes'), (0, 9, b'')), 14)
    yield 'zstd-empty', case(1, zstd_frame((0, 0, b'')), 0)
    yield 'zstd-reserved-block', case(1, zstd_frame((3, 0, b'')), 0)
    yield 'zstd-huge-block', case(1, zstd_frame((1, 0x1fffff, b'x')), 65535)
    yield 'zstd-huge-window', case(1, zstd_frame((0, 5, b'bytes'), head=b'\x00\xff'), 5)
    yield 'zstd-size-lies', case(1, zstd_frame((0, 5, b'bytes'), head=b'\x20\x04'), 5)
    yield 'zstd-size-huge', case(1, zstd_frame((0, 5, b'bytes'), head=b'\xe0' + b'\xff' * 8), 5)
    yield 'zstd-dictionary-id', case(1, zstd_frame((0, 5, b'bytes'), head=b'\x01\x00\x07'), 5)
    yield 'zstd-checksum', case(1, zstd_frame((0, 5, b'bytes'), head=b'\x04\x00') + bytes(4), 5)
    yield 'zstd-two-frames', case(1, raw + raw, 10)
    yield 'zstd-skippable', case(1, raw + b'\x50\x2a\x4d\x18' + bytes(4), 5)
    yield 'zstd-only-skippable', case(1, b'\x50\x2a\x4d\x18' + bytes(4), 0)
    yield 'zstd-old', case(1, b'\x27\xb5\x2f\xfd' + bytes(20), 5)
    yield 'zstd-trailing', case(1, raw + b'\0', 5)
    yield 'lz4', case(2, CODEC_LZ4)
    yield 'lz4-shorter', case(2, CODEC_LZ4, 601)
    yield 'lz4-longer', case(2, CODEC_LZ4, 599)
    yield 'lz4-literals', case(2, b'\x50bytes', 5)
    yield 'lz4-before-start', case(2, b'\x10x\x09\x00\x50bytes', 10)
    yield 'lz4-offset-zero', case(2, b'\x10x\x00\x00\x50bytes', 10)
    yield 'lz4-long', case(2, b'\x1fx\x01\x00' + b'\xff' * 200 + b'\x00\x50bytes', 51025)
    yield 'lz4-length-endless', case(2, b'\xf0' + b'\xff' * 300, 600)
    yield 'delta', case(3, CODEC_DELTA, prefix=base)
    yield 'delta-short-base', case(3, CODEC_DELTA, prefix=base[:50])
    yield 'delta-other-base', case(3, CODEC_DELTA, prefix=base[::-1])
    yield 'delta-no-base', case(3, CODEC_DELTA)
    yield 'no-codec', case(4, b'bytes', 5)
    for kind, level in ((1, -7), (1, 1), (1, 9), (1, 19), (2, 0), (2, 3), (2, 12), (3, 5)):
        yield f'plain-{kind}-level-{level}', case(kind, CODEC_PLAIN, level=level, prefix=base)
        noise = hashlib.shake_128(b'noise').digest(1500)
        yield f'noise-{kind}-level-{level}', case(kind, noise + noise[:20], level=level)
    yield 'empty', b''


def map_leaf(*chunks, mark=b'L', version=1, count=None):
    """Chunks of (first block, blocks); all have the id of the node of that number."""
    entries = b''.join(struct.pack('<HH', block, blocks) + bytes([number % 256]) * 32
                       for number, (block, blocks) in enumerate(chunks))
    return struct.pack('<cBH', mark, version, len(chunks) if count is None else count) + entries


def map_inner(level, children, mark=b'N', version=1, reserved=0, present=None):
    """Children of place to the node's number in the input."""
    bits = sum(1 << place for place in children)
    return (struct.pack('<cBBBQ', mark, version, level, reserved,
                        bits if present is None else present) +
            b''.join(bytes([number]) * 32 for _, number in sorted(children.items())))


def map_node(_authority):
    def case(segments, *nodes, rest=0):
        return struct.pack('<Q', (segments << 22) + rest) + b''.join(
            struct.pack('<H', len(node)) + node for node in nodes)
    leaf = map_leaf((0, 4), (10, 64), (1000, 24))
    every = map_leaf(*((block, 1) for block in range(0, 1024, 4)))
    yield 'one-leaf', case(1, leaf)
    yield 'large-leaf', case(1, every)
    yield 'two-levels', case(130, map_inner(2, {0: 1, 2: 1}), map_inner(1, {0: 2, 1: 2}), leaf)
    yield 'all-children', case(64, map_inner(1, {place: 1 for place in range(64)}), leaf)
    yield 'six-levels', case(1 << 36, *(map_inner(6 - i, {0: i + 1, 63: i + 1}) for i in range(6)),
                             leaf)
    yield 'fans-out', case(1 << 36, *(map_inner(6 - i, {place: i + 1 for place in range(64)})
                                      for i in range(6)), leaf)
    yield 'child-beyond-end', case(66, map_inner(2, {0: 1, 1: 1}), map_inner(1, {0: 2, 5: 2}), leaf)
    yield 'chunk-beyond-end', case(0, leaf, rest=4096 * 1000)
    yield 'last-block-not-whole', case(0, map_leaf((0, 64), (64, 1)), rest=4096 * 64 + 1)
    yield 'itself', case(4096, map_inner(2, {0: 0, 1: 0}))
    yield 'leaf-too-high', case(4096, map_inner(2, {0: 1}), leaf)
    yield 'inner-too-low', case(64, map_inner(1, {0: 0}))
    yield 'no-bytes', case(0, leaf)
    yield 'too-large', case(1 << 36, leaf, rest=1)
    yield 'no-nodes', case(100)
    for name, node in (
            ('no-chunks', map_leaf()),
            ('count-more', map_leaf((0, 1), count=2)),
            ('count-huge', map_leaf((0, 1), count=65535)),
            ('count-1025', map_leaf(*((block % 1024, 1) for block in range(1025)))),
            ('chunk-empty', map_leaf((0, 0))),
            ('chunk-long', map_leaf((0, 65))),
            ('chunks-overlap', map_leaf((0, 5), (4, 1))),
            ('chunks-descend', map_leaf((5, 1), (4, 1))),
            ('chunk-over-segment', map_leaf((1000, 25))),
            ('chunk-far', map_leaf((65535, 64))),
            ('leaf-newer', map_leaf((0, 1), version=2)),
            ('leaf-version-0', map_leaf((0, 1), version=0)),
            ('leaf-other', map_leaf((0, 1), mark=b'X')),
            ('leaf-trailing', leaf + b'\0'),
            ('level-0', map_inner(0, {0: 0})),
            ('level-7', map_inner(7, {0: 0})),
            ('reserved', map_inner(1, {0: 0}, reserved=1)),
            ('no-children', map_inner(1, {})),
            ('children-more', map_inner(1, {0: 0}, present=3)),
            ('children-fewer', map_inner(1, {0: 0, 1: 0}, present=1)),
            ('inner-newer', map_inner(1, {0: 0}, version=2)),
            ('inner-trailing', map_inner(1, {0: 0}) + b'\0')):
        yield name, case(1, node)
    yield 'empty', b''


# ---- packs and indexes of a store, as doc/format/store.md has them ---------------------------

def pack_id(number):
    """The id of a chunk."""
    return hashlib.sha256(b'chunk %d' % number).digest()


def zstd_repeat(byte, count):
    """A zstd frame of one block that repeats a byte: up to 255 of them."""
    return b'\x28\xb5\x2f\xfd\x20' + bytes([count]) + (count << 3 | 3).to_bytes(3, 'little') + byte


def lz4_repeat(byte, count):
    """An LZ4 block: the byte, a match of it, and five literals at the end."""
    match = count - 6
    return (bytes([0x1f]) + byte + b'\1\0' + b'\xff' * ((match - 19) // 255) +
            bytes([(match - 19) % 255]) + b'\x50' + byte * 5)


def pack_bytes(frames, kind=1, version=1, encrypted=0, salt=bytes(16), counts=None):
    """A pack of (codec number, stored, chunk lengths) triples; the target mends its checksums."""
    header = b'SLIPPACK' + struct.pack('<HBBI', version, kind, encrypted, 0) + salt
    rows, chunks, bases, body = b'', b'', b'', b''
    number = 0
    for method, stored, lengths in frames:
        rows += struct.pack('<IIIB3xQ', len(stored), sum(lengths), number, method, 0)
        offset = 0
        for length in lengths:
            chunks += pack_id(number) + struct.pack('<II', offset, length)
            offset += length
            number += 1
        if method == 3:
            bases += pack_id(1000 + number)
        body += stored
    table = rows + chunks + bases
    counts = counts or (len(frames), number, len(bases) // 32)
    digest = hashlib.sha256(header + table).digest()
    return (header + body + table + b'SLIPPEND' +
            struct.pack('<QI3I', 32 + len(body), len(table), *counts) + digest)


def pack_table(_authority):
    plain = (0, b'plain bytes', (5, 6))
    zstd = (1, zstd_repeat(b'z', 200), (64, 100, 36))
    lz4 = (2, lz4_repeat(b'l', 1000), (1000,))
    delta = (3, zstd_repeat(b'd', 100), (100,))
    yield 'all', pack_bytes([plain, zstd, lz4, delta])
    yield 'nodes', pack_bytes([zstd], kind=2)
    yield 'deltas', pack_bytes([delta, plain, delta])
    yield 'many', pack_bytes([(0, b'x', (1,))] * 100)
    yield 'one-byte', pack_bytes([(0, b'x', (1,))])
    yield 'encrypted', pack_bytes([plain], encrypted=1, salt=b's' * 16)
    yield 'newer', pack_bytes([plain], version=2)
    yield 'version-0', pack_bytes([plain], version=0)
    yield 'kind', pack_bytes([plain], kind=3)
    yield 'salt', pack_bytes([plain], salt=b's' * 16)
    yield 'codec', pack_bytes([(4, b'x', (2,))])
    yield 'no-frames', pack_bytes([])
    yield 'empty-frame', pack_bytes([(0, b'', ())])
    yield 'empty-chunk', pack_bytes([(0, b'xy', (2, 0))])
    yield 'stored-longer', pack_bytes([(1, zstd_repeat(b'z', 4), (4,))])
    yield 'none-shorter', pack_bytes([(0, b'x', (2,))])
    yield 'long-chunk', pack_bytes([(1, zstd_repeat(b'z', 100), ((256 << 10) + 1,))])
    yield 'long-frame', pack_bytes([(1, zstd_repeat(b'z', 100), (256 << 10,) * 17)])
    yield 'wrong-length', pack_bytes([(1, zstd_repeat(b'z', 100), (101,))])
    yield 'not-zstd', pack_bytes([(1, b'not zstd', (1000,))])
    yield 'not-lz4', pack_bytes([(2, b'\xff\xff\xff\xff', (1000,))])
    yield 'delta-of-two', pack_bytes([(3, zstd_repeat(b'd', 100), (50, 50))])
    yield 'delta-of-itself', pack_bytes([delta]).replace(pack_id(1001), pack_id(0))
    yield 'counts-more', pack_bytes([plain], counts=(2, 2, 0))
    yield 'counts-trade', pack_bytes([plain] * 4, counts=(4, 4, 5))
    yield 'counts-huge', pack_bytes([plain], counts=(0xffffffff, 0xffffffff, 0xffffffff))
    good = pack_bytes([plain, zstd])
    yield 'gap', good[:32] + b'?' + good[32:]
    for name, at, value in (('offset-0', -56, 0), ('offset-end', -56, len(good)),
                            ('offset-huge', -56, (1 << 64) - 1)):
        yield name, good[:at] + struct.pack('<Q', value) + good[at + 8:]
    yield 'end-only', good[-64:]
    yield 'empty', b''


def index_bytes(packs, entries, replaced=(), version=1, counts=None, order=True):
    """An index object of pack names and (fingerprint, pack, slot) triples."""
    if order:
        packs, entries, replaced = sorted(packs), sorted(entries), sorted(replaced)
    counts = counts or (len(packs), len(replaced), len(entries))
    body = (b'SLIPINDX' + struct.pack('<H6xIIQ32x', version, *counts) + b''.join(packs) +
            b''.join(replaced) + b''.join(struct.pack('<QIHxx', *entry) for entry in entries))
    return body + hashlib.sha256(body).digest()


def index(_authority):
    packs = [hashlib.sha256(b'pack %d' % number).digest() for number in range(3)]
    usual = [(int.from_bytes(pack_id(number)[:8], 'little'), number % 3, number // 3)
             for number in range(200)]
    yield 'usual', index_bytes(packs, usual)
    yield 'replaces', index_bytes(packs, usual[:3], replaced=[pack_id(1), pack_id(2)])
    yield 'no-entries', index_bytes(packs, [])
    yield 'nothing', index_bytes([], [])
    yield 'one', index_bytes(packs[:1], usual[:1])
    yield 'same-fingerprint', index_bytes(packs, [(42, pack, slot) for pack in range(3)
                                                  for slot in range(30)])
    yield 'extremes', index_bytes(packs, [(0, 0, 0), (0, 0, 1), ((1 << 64) - 1, 2, 32767)])
    yield 'small', index_bytes(packs, [(number, 0, number) for number in range(100)])
    yield 'large', index_bytes(packs, [((1 << 64) - 100 + number, 0, number)
                                       for number in range(100)])
    yield 'powers', index_bytes(packs, [(1 << number, 0, number) for number in range(64)])
    yield 'disorder', index_bytes(packs, usual, order=False)
    yield 'falling', index_bytes(packs, sorted(usual, reverse=True), order=False)
    yield 'twice', index_bytes(packs, usual[:1] * 2)
    yield 'packs-twice', index_bytes(packs + packs, [])
    yield 'replaced-twice', index_bytes(packs, [], replaced=[pack_id(1)] * 2)
    yield 'no-such-pack', index_bytes(packs, [(1, 3, 0), (2, 0xffffffff, 0)])
    yield 'no-such-slot', index_bytes(packs, [(1, 0, 32768), (2, 0, 65535)])
    yield 'newer', index_bytes(packs, usual[:3], version=2)
    yield 'version-0', index_bytes(packs, usual[:3], version=0)
    for name, counts in (('more-packs', (4, 0, 3)), ('huge-packs', (0xffffffff, 0, 3)),
                         ('huge-replaced', (3, 0xffffffff, 3)),
                         ('huge-entries', (3, 0, (1 << 64) - 1)),
                         ('wrapping', (3, 0, (1 << 60) + 3)), ('traded', (2, 1, 3)),
                         ('packs-for-entries', (1, 0, 7))):
        yield name, index_bytes(packs, usual[:3], counts=counts)
    yield 'header-only', index_bytes([], [])[:64]
    yield 'empty', b''


# ---- small objects of a store, as doc/format/store.md has them --------------------------------

def sealed(kind, payload, version=1, encrypted=0, salt=bytes(16), length=None, rest=bytes(8)):
    """A sealed object around bytes or a document."""
    if not isinstance(payload, bytes):
        payload = json.dumps(payload, sort_keys=True, separators=(',', ':')).encode()
    size = len(payload) - (16 if encrypted else 0) if length is None else length
    body = (b'SLIPSEAL' + kind + struct.pack('<HBBQ', version, encrypted, 0, size) + rest + salt +
            payload)
    return body + hashlib.sha256(body).digest()


def boot_guest(_authority):
    yield 'screen', b'pP6\n3 2\n255\n' + bytes(range(18))
    yield 'screen-large', b'pP6\n8192 8192\n255\n'
    yield 'screen-depth', b'pP6\n1 1\n65535\n' + bytes(6)
    yield 'login', b's\x1b[2J[ OK ] Started\r\n\r\nDebian GNU/Linux 12 host ttyS0\r\n\r\nhost login: '
    yield 'console', b's\r\nSAC>'
    yield 'agent', b's\xff{"return": {}}\n{"error": {"desc": "x"}}\n'
    yield 'noise', b's' + bytes(range(256)) * 2
    greeting = b'q{"QMP": {"version": {}, "capabilities": ["oob"]}}\r\n'
    yield 'qmp', greeting + b'{"return": {}, "id": 1}\r\n'
    yield 'qmp-events', greeting + b'{"event": "RESET", "data": {"guest": true}}\r\n' * 3
    yield 'qmp-error', greeting + b'{"error": {"class": "GenericError", "desc": "no"}, "id": 1}\n'
    yield 'qmp-nonsense', greeting + b'{"id": [1]}\n[]\n'
    header = bytearray(b'EFI PART'.ljust(92, b'\0'))
    struct.pack_into('<QII', header, 72, 2, 4, 128)
    mbr = bytes(446) + b'\0\0\2\0\xee'.ljust(16, b'\0') + bytes(48) + b'\x55\xaa'
    esp = bytes.fromhex('28732ac11ff8d211ba4b00a0c93ec93b').ljust(128, b'\0')
    gpt = mbr + bytes(header).ljust(512, b'\0')
    yield 'disk-uefi', b'd' + gpt + bytes(128) + esp
    yield 'disk-bios', b'd' + gpt + b'Hah!IdontNeedEFI'.ljust(128, b'\0')
    yield 'disk-mbr', b'd' + b'\xeb\x63' + mbr[2:]
    yield 'vmx', b'cfirmware = "efi"\nscsi0.virtualDev = "pvscsi"\n'
    yield 'libvirt', b'''c<domain><os firmware='efi'/><target dev='vda' bus='virtio'/></domain>'''
    yield 'json', b'c{"firmware": "bios"}'
    store = bytes.fromhex('782cf3aa7b949a43a1802e144ec37792')
    variable = struct.pack('<HBBIQ16xIII', 0x55aa, 0x3f, 0, 7, 0, 0, 8, 2) + bytes(16) \
        + 'Few\0'.encode('utf-16-le') + b'xy\xff\xff'
    volume = bytes(40) + b'_FVH' + bytes(4) + struct.pack('<H', 72) + bytes(22)
    for name, variables in (('empty', b''), ('one', variable),
                            ('boot', variable.replace(b'F\0e\0w\0', b'B\0o\0o\0'))):
        yield f'variables-{name}', b'v' + volume + store + struct.pack('<IBB6x', 6000, 0x5a, 0xfe) \
            + variables.ljust(5972, b'\xff')


def seal(_authority):
    disk = {'change_id': '52 c0/17', 'chunks': 5, 'data': 4096, 'name': 'disk0', 'root': HASH,
            'size': 1 << 40, 'source': '[datastore] vm/vm.vmdk'}
    document = {'config': 'a = "b"\n', 'config_type': 'vmx', 'created': 1700000000,
                'disks': [disk, disk | {'name': 'disk1', 'root': None}], 'host': 'backup1',
                'id': '11' * 16, 'method': 'extents', 'name': 'B\u00fcro', 'parent': '22' * 16,
                'stats': {'size': 1, 'duration': 2}, 'tags': ['weekly'], 'version': 1}
    flags = {'archived': True, 'verified': 5, 'verified_good': False, 'verified_words': 'bad'}
    yield 'set', sealed(b'SET ', document)
    bare = {name: value for name, value in document.items() if name != 'config'}
    text = json.dumps(bare, sort_keys=True, separators=(',', ':')).encode()
    for name, config in (('', b'<domain type="kvm"><name>x</name></domain>\n'), ('-empty', b''),
                         ('-not-utf8', b'\xff'), ('-zero', b'a\0b'), ('-brackets', b'[' * 40)):
        yield f'set-with-config{name}', sealed(b'SET ', text + b'\0' + config)
    both = json.dumps(document, sort_keys=True, separators=(',', ':')).encode()
    yield 'set-with-config-twice', sealed(b'SET ', both + b'\0x')
    yield 'set-minimal', sealed(b'SET ', {
        'created': 0, 'disks': [], 'host': '', 'id': '11' * 16, 'method': 'full', 'name': 'x',
        'stats': {}, 'tags': [], 'version': 1})
    yield 'flags', sealed(b'FLAG', flags)
    boot = {'booted': 7, 'booted_good': True, 'booted_ms': 900, 'booted_sign': 'agent',
            'booted_words': 'the guest agent answers'}
    yield 'flags-boot', sealed(b'FLAG', flags | boot)
    for name, value in (('booted', -1), ('booted_good', 1), ('booted_sign', 'x' * 256)):
        yield f'flags-boot-{name}', sealed(b'FLAG', flags | boot | {name: value})
    picture = base64.b64encode(b'\x89PNG\r\n\x1a\n and more').decode()
    yield 'screen', sealed(b'SCRN', {'png': picture, 'version': 1})
    yield 'screen-other', sealed(b'SCRN', {'png': 'R0lGODlh', 'version': 1})
    yield 'screen-newer', sealed(b'SCRN', {'png': picture, 'version': 2})
    yield 'screen-text', sealed(b'SCRN', {'png': 'not \u00e4 base64!', 'version': 1})
    for kind in (b'CONF', b'KEY ', b'RULE', b'LEAS', b'DOOM', b'LOST'):
        yield kind.decode().strip().lower(), sealed(kind, {})
    for name in document:
        without = dict(document)
        del without[name]
        yield f'set-without-{name}', sealed(b'SET ', without)
    for name, value in (('version', 2), ('name', ''), ('name', 'x' * 256), ('created', -1),
                        ('method', 'guess'), ('disks', [disk, disk]), ('disks', [1]),
                        ('disks', [disk | {'size': -1}]), ('disks', [disk | {'root': 'x'}]),
                        ('disks', [disk | {'name': f'd{i}'} for i in range(257)]),
                        ('tags', ['t'] * 65), ('tags', [None]), ('stats', {'size': 1.5}),
                        ('id', '11' * 15), ('parent', None), ('host', 'x' * 256)):
        data = sealed(b'SET ', document | {name: value})
        yield f'set-{name}-{hashlib.sha256(data).hexdigest()[:6]}', data
    for name, value in (('archived', 1), ('verified', '5'), ('verified_words', 'x' * 4097),
                        ('verified_words', '\u0007' * 4096)):
        data = sealed(b'FLAG', flags | {name: value})
        yield f'flags-{name}-{hashlib.sha256(data).hexdigest()[:6]}', data
    yield 'encrypted', sealed(b'SET ', bytes(range(40)), encrypted=1, salt=bytes(range(16)))
    yield 'encrypted-config', sealed(b'CONF', bytes(range(40)), encrypted=1)
    yield 'encrypted-short', sealed(b'SET ', bytes(15), encrypted=1, length=0)
    yield 'encrypted-2', sealed(b'SET ', bytes(40), encrypted=2)
    yield 'newer', sealed(b'SET ', document, version=2)
    yield 'version-0', sealed(b'SET ', document, version=0)
    yield 'unknown-kind', sealed(b'XXXX', document)
    yield 'salt', sealed(b'SET ', document, salt=bytes(15) + b'x')
    yield 'rest', sealed(b'SET ', document, rest=bytes(7) + b'x')
    yield 'length-more', sealed(b'SET ', b'{}', length=3)
    yield 'length-huge', sealed(b'SET ', b'{}', length=(1 << 64) - 1)
    yield 'no-payload', sealed(b'SET ', b'')
    yield 'not-json', sealed(b'SET ', b'{"id":')
    yield 'key-twice', sealed(b'SET ', b'{"id":1,"id":2}')
    yield 'nul', sealed(b'SET ', b'{"name":"\\u0000"}')
    yield 'not-utf8', sealed(b'SET ', b'{"name":"\xff"}')
    yield 'deep', sealed(b'SET ', b'[' * 17 + b']' * 17)
    yield 'deep-text', sealed(b'SET ', b'["' + b'[' * 40 + b'\\"{{{"]')
    yield 'open-text', sealed(b'SET ', b'{"a\\')
    yield 'digest-wrong', sealed(b'SET ', document)[:-1] + b'x'
    yield 'other-magic', b'SLIPPACK' + sealed(b'SET ', document)[8:]
    yield 'empty', b''


def key_slot(_authority):
    def case(*_, **fields):
        slot = {'created': 1700000000, 'id': '0123456789abcdef', 'kdf': {'name': 'hkdf', 'salt':
                '00' * 16}, 'kind': 'key-file', 'label': 'of the office', 'wrapped': 'ab' * 48}
        slot |= fields
        return json.dumps({name: value for name, value in slot.items() if value != 'none'},
                          sort_keys=True, separators=(',', ':')).encode()

    def scrypt(n, r, p):
        return case(kind='passphrase',
                    kdf={'name': 'scrypt', 'n': n, 'r': r, 'p': p, 'salt': '01' * 16})
    yield 'key-file', case()
    yield 'recovery', case(kind='recovery', label='')
    yield 'passphrase', scrypt(65536, 8, 1)
    yield 'passphrase-cheap', scrypt(2, 1, 1)
    for n, r, p in ((0, 8, 1), (1, 8, 1), (3, 8, 1), (1 << 21, 1, 1), (1 << 20, 16, 1), (16, 17, 1),
                    (16, 8, 5), (16, 0, 1), (16, 1, 0), (-2, 1, 1), (1 << 40, 1, 1),
                    (16, (1 << 32) + 1, 1)):
        yield f'scrypt-{n}-{r}-{p}', scrypt(n, r, p)
    yield 'passphrase-hkdf', case(kind='passphrase')
    yield 'file-scrypt', case(kdf={'name': 'scrypt', 'n': 16, 'r': 1, 'p': 1, 'salt': '01' * 16})
    for name in ('created', 'id', 'kdf', 'kind', 'label', 'wrapped'):
        yield f'without-{name}', case(**{name: 'none'})
        yield f'{name}-number', case(**{name: 5 if name != 'created' else 'x'})
    yield 'created-negative', case(created=-1)
    yield 'other-id', case(id='0123456789abcdee')
    yield 'kind-unknown', case(kind='retina')
    yield 'label-long', case(label='x' * 1025)
    yield 'label-unicode', case(label='B\u00fcro \U0001f511')
    yield 'salt-short', case(kdf={'name': 'hkdf', 'salt': '00' * 15})
    yield 'salt-upper', case(kdf={'name': 'hkdf', 'salt': 'AA' * 16})
    yield 'wrapped-short', case(wrapped='ab' * 47)
    yield 'wrapped-long', case(wrapped='ab' * 49)
    yield 'wrapped-not-hex', case(wrapped='xy' * 48)
    yield 'unknown-member', case(future=[1, 2])
    secret = bytes(range(32))
    text = base64.b32encode(secret + hashlib.sha256(secret).digest()[:3])
    groups = b'-'.join(text[at:at + 7] for at in range(0, 56, 7))
    yield 'recovery-text', groups
    yield 'recovery-text-lower', groups.lower().replace(b'-', b' ').replace(b'o', b'0') + b'\n'
    yield 'recovery-text-wrong', groups[:-1] + (b'A' if groups[-1:] != b'A' else b'B')
    yield 'recovery-text-short', groups[:-1]
    yield 'recovery-text-long', groups + b'-AAAAAAA'
    yield 'recovery-text-other', groups.replace(b'-', b'_')
    yield 'empty', b''


def parity(_authority):
    def given(mode, data, *, rows=1, stripes=1, length=None, blocks=None, version=1, parts=None,
              magic=b'SLIPPRTY', tail=b''):
        length = len(data) if length is None else length
        blocks = (length + 4095) // 4096 if blocks is None else blocks
        body = magic + struct.pack('<HHIQQ', version, rows, stripes, length, blocks) + bytes(32)
        if rows * stripes < 20:
            body += bytes(8) * (min(blocks, 20) + rows * stripes)
        body += b'p' * (4096 * rows * stripes if parts is None else parts) + bytes(32) + tail
        return bytes([mode]) + struct.pack('<H', len(data)) + data + body

    def made(permille, size, *damages):
        return b'\x01' + struct.pack('<HH', permille - 1, size) + b''.join(
            struct.pack('<HB', at, bits) for at, bits in damages)
    data = b'slipway' * 700
    for mode in range(0, 16, 2):
        yield f'given-{mode}', given(mode, data)
    yield 'empty-object', given(14, b'', stripes=0, parts=0)
    yield 'surplus', given(14, data, length=4096)
    yield 'cut', given(14, data, length=8192)
    yield 'no-rows', given(14, data, rows=0, parts=0)
    yield 'many-rows', given(14, data, rows=33, parts=0)
    yield 'no-stripes', given(14, data, stripes=0, parts=0)
    yield 'many-stripes', given(14, data, rows=1, stripes=3)
    yield 'stripes-huge', given(14, data, stripes=(1 << 32) - 1, parts=0)
    yield 'length-huge', given(14, data, length=(1 << 64) - 1, blocks=1)
    yield 'blocks-huge', given(14, data, blocks=(1 << 64) - 1)
    yield 'blocks-more', given(14, data, blocks=3)
    yield 'newer', given(14, data, version=2)
    yield 'version-0', given(14, data, version=0)
    yield 'other', given(14, data, magic=b'SLIPPACK')
    yield 'tail', given(14, data, tail=b'more')
    yield 'parts-missing', given(6, data, rows=2, parts=4096)
    yield 'two-rows', given(14, data, rows=2)
    yield 'header-only', given(14, data)[:1 + 2 + len(data) + 64]
    yield 'nothing', b'\x0e' + struct.pack('<H', 5) + b'bytes'
    yield 'made', made(100, 60000)
    yield 'made-healed', made(100, 60000, (1, 1), (8192, 1))
    yield 'made-lost', made(100, 60000, (1, 1), (8192, 1), (16384, 1), (20480, 1))
    yield 'made-both', made(100, 60000, (1, 1), (8192, 0x81), (5000, 1))
    yield 'made-header', made(100, 60000, (10, 0x81), (1, 1))
    yield 'made-length', made(100, 60000, (16, 0x81), (1, 1))
    yield 'made-digest', made(100, 60000, (40, 0x81), (1, 1))
    yield 'made-sums', made(100, 60000, (64, 0x81), (72, 0x81), (9000, 1))
    yield 'made-part-sums', made(100, 60000, (64 + 120, 0x81), (9000, 1))
    yield 'made-part-and-sum', made(100, 60000, (64 + 120, 0x81), (400, 0x81), (9000, 1))
    yield 'made-end', made(100, 5000, (4096 + 64 + 16 + 8 + 20, 0x81), (1, 1))
    yield 'made-small', made(500, 1, (0, 1))
    yield 'made-empty', made(10, 0, (0, 0x81))
    yield 'made-most', made(500, 65535, *((4096 * i, 1) for i in range(8)))
    yield 'empty', b''


def overlay(_authority):
    part, mend, mend_sum, cut = 4096, 1, 2, 4
    slot = {(page, which): (2 + which * 2 + page) * part for page in range(2) for which in range(2)}

    def case(flags, *changes):
        return bytes([flags]) + b''.join(
            struct.pack('<IH', at, len(data)) + data for at, data in changes)

    def number(value, size=8):
        return value.to_bytes(size, 'little')
    every = mend | mend_sum
    yield 'good', case(0)
    yield 'good-mended', case(every)
    for first, second in ((1, 0), (0, 1), (1, 1)):
        gone = [(0, bytes(8))] * first + [(part, bytes(8))] * second
        yield f'headers-gone-{first}-{second}', case(0, *gone)
    for name, at, value in (
            ('version', 8, number(2, 2)), ('identity-long', 10, number(4001, 2)),
            ('identity-other', 64, b'fuss'), ('identity-nul', 64, b'f\0zz'),
            ('identity-not-text', 64, b'\xff\xfe\xfd\xfc'),
            ('generation-0', 16, number(0)), ('generation-most', 16, number((1 << 64) - 1)),
            ('generation-last', 16, number(1 << 62)), ('generation-above', 16, number((1 << 62) + 1)),
            ('generation-before', 16, number((1 << 62) - 1)), ('generation-older', 16, number(2)),
            ('size', 24, number(1)), ('size-most', 24, number((1 << 64) - 1)),
            ('pages', 32, number(3)), ('pages-most', 32, number((1 << 64) - 1))):
        yield f'header-{name}', case(mend, (at, value))
        yield f'header-{name}-mended', case(every, (at, value))
        yield f'header-{name}-both', case(every, (at, value), (part + at, value))
    for (page, which), at in slot.items():
        yield f'page-{page}-{which}-gone', case(0, (at, bytes(8)))
        yield f'page-{page}-{which}-gone-mended', case(every, (at, bytes(8)))
        yield f'page-{page}-{which}-number', case(every, (at + 8, number(1 - page)))
        yield f'page-{page}-{which}-future', case(every, (at + 16, number(1 << 40)))
        yield f'page-{page}-{which}-next', case(every, (at + 16, number(5)))
        yield f'page-{page}-{which}-state-3', case(every, (at + 32 + 100, b'\xc0'))
        yield f'page-{page}-{which}-data', case(every, (at + 32, b'\x55' * 2))
        yield f'page-{page}-{which}-all-zero', case(every, (at + 32, b'\xaa' * 4032))
    yield 'page-0-all-data', case(every, *((slot[0, i] + 32, b'\x55' * 4032) for i in range(2)))
    yield 'page-1-behind', case(every, *((slot[1, i] + 32 + 3, b'\x55') for i in range(2)))
    yield 'page-same-generation', case(every, *((slot[0, i] + 16, number(3)) for i in range(2)))
    for share in (0, 1, 4, 31):
        yield f'cut-{share}', case(cut | share << 3)
    yield 'headers-torn', case(0, (100, b'torn'), (part + 100, b'torn'))
    yield 'only-torn-header', case(0, (100, b'torn'), *(
        (at, bytes(part)) for at in range(part, 6 * part, part)))
    yield 'empty', b''


def scsi(_authority):
    def task(*cdb, out=b'', nexus=0, lun=0):
        cdb = bytes(cdb)
        return (bytes([nexus | lun << 1]) + cdb + bytes(16 - len(cdb)) +
                struct.pack('<H', len(out)) + out)

    def ten(opcode, lba, count, byte1=0, **more):
        return task(opcode, byte1, *lba.to_bytes(4, 'big'), 0, *count.to_bytes(2, 'big'), **more)

    def sixteen(opcode, lba, count, byte1=0, **more):
        return task(opcode, byte1, *lba.to_bytes(8, 'big'), *count.to_bytes(4, 'big'), **more)

    def persist(action, kind=0, key=0, action_key=0, flags=0, **more):
        return task(0x5f, action, kind, 0, 0, 0, 0, 0, 24, out=(
            struct.pack('>QQIB', key, action_key, 0, flags) + bytes(3)), **more)

    def unmap(*ranges):
        body = b''.join(struct.pack('>QII', lba, count, 0) for lba, count in ranges)
        body = struct.pack('>HHI', len(body) + 6, len(body), 0) + body
        return task(0x42, 0, 0, 0, 0, 0, 0, *len(body).to_bytes(2, 'big'), out=body)

    def identity(label):
        digest = hashlib.sha256(label).digest()[16:24]
        return bytes([0x30 | digest[0] & 15]) + digest[1:]

    def copy(targets, segments, **more):
        body = b''.join(bytes([0xe4, 0, 0, 0, 1, 3, 0, 8]) + identity(label) + bytes(16)
                        for label in targets)
        parts = b''.join(struct.pack('>BBHHH2xHQQ', 2, 0, 24, *row) for row in segments)
        body = struct.pack('>BBH4xII', 1, 0, len(body), len(parts), 0) + body + parts
        return task(0x83, *bytes(9), *len(body).to_bytes(4, 'big'), out=body, **more)

    block = bytes(range(256)) * 2
    control = bytes([0, 0, 0, 0, 0x0a, 0x0a, 6, 0x10, 8, 0, 0, 0, 0xff, 0xff, 0, 0])
    inquiry = [task(0x12, 1, page, 1, 0) for page in (0, 0x80, 0x83, 0x86, 0x8f, 0xb0, 0xb1, 0xb2)]
    yield 'empty', b''
    yield 'inquiry', b''.join(inquiry) + task(0x12, 0, 0, 0, 96) + task(0x12, 0, 0, 0, 36, lun=3)
    yield 'small', b''.join((
        task(0), task(3, 1, 0, 0, 255), task(0xa0, 0, 0, 0, 0, 0, 0, 0, 1, 0), task(0x25),
        task(0x9e, 0x10, *bytes(11), 32), task(0x1b, 0, 0, 0, 1), task(0x1d, 4),
        ten(0x4d, 0, 255, lun=1), task(0x4d, 0, 0x6f, 0, 0, 0, 0, 1, 0), ten(0x37, 0, 4),
        task(0xb7, 8, 0, 0, 0, 0, 0, 0, 0, 8)))
    yield 'opcodes', (task(0xa3, 0x0c, 0x80, 0, 0, 0, 0, 1, 0, 0) +
                      task(0xa3, 0x0d, 0x80, 0, 0, 0, 0, 0, 0, 16))
    yield 'opcode', b''.join(task(0xa3, 0x0c, how, code, 0, 0, 0, 0, 1, 0)
                             for how in (1, 2, 3, 0x83) for code in (0x12, 0x9e, 0x5e, 0xff))
    for name, read, write in (('10', 0x28, 0x2a), ('16', 0x88, 0x8a)):
        form = ten if name == '10' else sixteen
        yield f'read-write-{name}', b''.join((
            form(write, 8, 2, 0x18, out=block * 2), form(read, 7, 4), form(read, 0, 4, 8, lun=1),
            form(read, 0xfffffff0, 9, lun=2), form(write, 0, 1, out=block * 8, lun=1),
            form(write, 4, 4, out=block * 3), form(read, 1023, 2)))
    yield 'read-write-6', task(0x0a, 0, 0, 1, 2, out=block * 2) + task(0x08, 0, 0, 0, 0)
    yield 'read-write-12', (task(0xaa, 0, 0, 0, 0, 1, 0, 0, 0, 2, out=block * 2) +
                            task(0xa8, 0, 0, 0, 0, 1, 0, 0, 0, 2))
    yield 'verify', b''.join((
        ten(0x2a, 8, 1, out=block), ten(0x2f, 8, 1, 2, out=block), ten(0x2f, 8, 2, 6, out=block),
        ten(0x2f, 0, 1000), sixteen(0x8f, 8, 1, 2, out=bytes(512)), ten(0x2e, 8, 1, 2, out=block),
        sixteen(0x8e, 9, 1, 0, out=block), ten(0x34, 0, 0), sixteen(0x90, 5, 6), ten(0x35, 0, 0),
        sixteen(0x91, 0, 0)))
    yield 'one-step', b''.join((
        sixteen(0x8b, 8, 1, out=block), task(0x89, *bytes(12), 1, out=bytes(512) + block),
        task(0x89, *bytes(12), 1, out=bytes(512) + block),
        task(0x89, *bytes(12), 1, out=block * 2)))
    yield 'same', b''.join((
        ten(0x41, 8, 3, out=block), ten(0x41, 8, 3, 8, out=bytes(512)), sixteen(0x93, 8, 3, 1),
        sixteen(0x93, 8, 3, 9), sixteen(0x93, 8, 0, 0, out=block),
        ten(0x41, 8, 3, 0x10, out=block)))
    yield 'unmap', ten(0x2a, 8, 8, out=block * 8) + unmap((8, 4), (9, 0), (12, 1)) + ten(0x28, 8, 8)
    yield 'unmap-far', unmap((1, 1), (1 << 63, 1 << 31)) + unmap((1023, 2)) + unmap()
    yield 'lba-status', b''.join(
        task(0x9e, 0x12, *bytes(8), 0, 0, 0, 88, lun=lun) for lun in range(4))
    yield 'mode', b''.join((
        task(0x1a, 0, 0x3f, 0, 255), task(0x5a, 0x10, 0x3f, 0xff, 0, 0, 0, 1, 0),
        task(0x1a, 8, 0x48, 0, 255), task(0x1a, 8, 0x8a, 0, 255), task(0x1a, 8, 0xc8, 0, 255),
        task(0x15, 0x10, 0, 0, len(control), out=control), ten(0x2a, 0, 1, out=block),
        task(0, nexus=1), task(3, 0, 0, 0, 18, nexus=1),
        task(0x55, 0x10, 0, 0, 0, 0, 0, 0, len(control) + 4, out=bytes(4) + control)))
    yield 'mode-descriptor', b''.join((
        task(0x15, 0x10, 0, 0, 12, out=bytes([0, 0, 0, 8, 0, 0, 4, 0, 0, 0, 2, 0])),
        task(0x55, 0x10, 0, 0, 0, 0, 0, 0, 24, out=bytes([0, 0, 0, 0, 1, 0, 0, 16]) + struct.pack(
            '>QII', 1024, 0, 512))))
    yield 'reserve', b''.join((
        task(0x16), task(0x16, nexus=1), ten(0x28, 0, 1, nexus=1), task(0x17), task(0x56, nexus=1),
        task(0x57, nexus=1)))
    for kind in (1, 3, 5, 6, 7, 8):
        yield f'persist-{kind}', b''.join((
            persist(0, action_key=5), persist(6, action_key=6, nexus=1), persist(1, kind, 5),
            ten(0x2a, 0, 1, out=block, nexus=1), *(
                task(0x5e, action, 0, 0, 0, 0, 0, 1, 0) for action in range(4)),
            persist(4, 3, 6, 0 if kind > 6 else 5, nexus=1), persist(0, action_key=5),
            persist(0, 0, 5, 7), persist(5, 1, 7, 6), persist(2, 1, 7), persist(3, 0, 7)))
    yield 'persist-refused', persist(0, action_key=5, flags=13) + persist(1, 0x21, 5)
    yield 'copy', b''.join((
        ten(0x2a, 0, 8, out=block * 8), copy([b'written', b'kept', b'huge'], [
            (0, 0, 8, 0, 100), (2, 0, 64, 1 << 32, 0), (1, 0, 1, 3, 8)]),
        task(0x84, 0, 1, *bytes(10), 64), task(0x84, 3, *bytes(11), 64),
        copy([b'written', b'kept'], [(0, 1, 8, 0, 0)]), copy([b'nobody'], [(0, 0, 1, 0, 0)]),
        copy([b'written'], [(0, 1, 1, 0, 0)]), copy([b'written'], [(0, 0, 0xffff, 1, 2)])))
    yield 'copy-many', copy([b'written'] * 4, [(i % 4, 3 - i % 4, 1, i, i + 50) for i in range(16)])
    yield 'no-unit', b''.join(task(code, lun=3) for code in (0, 3, 0x12, 0x28, 0xa0, 0xff))
    yield 'unknown', b''.join(
        task(code, 0x1f) for code in (0xff, 0x9e, 0x5e, 0x5f, 0x83, 0x84, 0xa3))
    yield 'naca', task(0x12, 0, 0, 0, 96, 4) + ten(0x28, 0, 1) + task(0, 0, 0, 0, 0, 4)


# ---- connections to the NBD server ------------------------------------------------------------

def nbd_option(number, data=b'', magic=b'IHAVEOPT', length=None):
    length = len(data) if length is None else length
    return magic + struct.pack('>II', number, length) + data


def nbd_name(name, *queries):
    """A name, and queries for contexts."""
    text = struct.pack('>I', len(name)) + name
    for query in queries:
        text += struct.pack('>I', len(query)) + query
    return text


def nbd_go(name=b'', *kinds, number=7):
    return nbd_option(number, nbd_name(name) + struct.pack('>H', len(kinds)) +
                      b''.join(struct.pack('>H', kind) for kind in kinds))


def nbd_contexts(number, name, *queries):
    return nbd_option(number, nbd_name(name) + struct.pack('>I', len(queries)) +
                      nbd_name(b'', *queries)[4:])


def nbd_request(kind, offset=0, length=0, flags=0, data=b'', magic=0x25609513):
    return struct.pack('>IHHQQI', magic, flags, kind, 0x636f6f6b6965, offset, length) + data


def nbd_server(_authority):
    hello = struct.pack('>I', 3)
    structured = nbd_option(8)
    allocation = nbd_contexts(10, b'', b'base:allocation', b'slipway:changed')
    simple = hello + nbd_go(b'', 3)
    chunks = hello + structured + allocation + nbd_go(b'', 0, 1, 2, 3)
    read_only = hello + structured + nbd_go(b'ro')
    leave = nbd_request(2)
    yield 'empty', b''
    yield 'hello', hello
    yield 'unknown-flags', struct.pack('>I', 7)
    yield 'http', b'GET / HTTP/1.1\r\n\r\n'
    yield 'export-name', hello + nbd_option(1) + nbd_request(0, 5, 700) + leave
    yield 'export-name-old', bytes(4) + nbd_option(1, b'ro') + nbd_request(0, 0, 512)
    yield 'export-name-unknown', hello + nbd_option(1, b'other\n')
    yield 'list', hello + nbd_option(3) + nbd_option(3, b'x') + nbd_option(2)
    yield 'starttls', hello + nbd_option(5) + nbd_option(4) + nbd_option(99, b'abc')
    yield 'info', hello + nbd_go(b'', 0, 1, 2, 3, 99, number=6) + nbd_go(b'x', number=6)
    yield 'contexts', hello + structured + b''.join(
        nbd_contexts(number, name, *queries) for number in (9, 10) for name in (b'', b'ro', b'x')
        for queries in ((), (b'base:',), (b'slipway:', b'slipway:changed', b''), (b'base:x',) * 9))
    yield 'contexts-unstructured', hello + nbd_contexts(10, b'', b'base:allocation')
    yield 'contexts-short', hello + structured + nbd_option(10, nbd_name(b'') + b'\0\0\0\x05')
    yield 'contexts-elsewhere', (hello + structured + nbd_contexts(10, b'ro', b'base:allocation') +
                                 nbd_go() + nbd_request(7, 0, 4096))
    yield 'option-magic', hello + nbd_option(3, magic=b'IHAVENOT')
    yield 'option-long', hello + nbd_option(7, length=0xffffffff)
    yield 'option-longest', hello + nbd_option(7, bytes(16384)) + nbd_option(3)
    yield 'name-not-utf8', hello + nbd_go(b'\xff\xfe') + nbd_go(b'a\0b')
    yield 'kinds-short', hello + nbd_option(7, nbd_name(b'') + b'\0\x09\0\0')
    yield 'reads', simple + b''.join(nbd_request(0, at, length) for at, length in (
        (0, 1), (70000, 9), (0, 1 << 20), (1, 1 << 20), ((1 << 64) - 1, 2), (5, 0),
        (0, 1 << 31))) + leave
    yield 'chunks', chunks + b''.join(nbd_request(0, at, length, flags) for at, length, flags in (
        (0, 100, 0), (0, 1 << 20, 0), (0, 1 << 20, 4), (3, 300000, 1), (0, 1, 255))) + leave
    yield 'status', chunks + b''.join(nbd_request(7, at, length, flags) for at, length, flags in (
        (0, 1 << 20, 0), (0, 1 << 20, 8), (4095, 2, 0), (0, 0xffffffff, 0), (0, 0, 8))) + leave
    yield 'status-unasked', simple + nbd_request(7, 0, 512)
    yield 'writes', simple + nbd_request(1, 5, 7, 0, b'content') + nbd_request(
        1, 0, 3000, 1, bytes(3000)) + nbd_request(3) + nbd_request(1, 0, 0) + leave
    yield 'write-outside', (simple + nbd_request(1, 1 << 20, 100, 0, bytes(100)) +
                            nbd_request(0, 0, 9))
    yield 'write-cut', simple + nbd_request(1, 0, 1 << 20, 0, bytes(1000))
    yield 'write-huge', simple + nbd_request(1, 0, (32 << 20) + 1, 0, bytes(1000))
    yield 'write-largest', simple + nbd_request(1, 0, 32 << 20, 0, bytes(1000))
    yield 'write-flags', simple + nbd_request(1, 0, 4, 6, b'data') + nbd_request(0, 0, 4)
    yield 'zeros', simple + b''.join(
        nbd_request(6, 4096, 65536, flags) for flags in (0, 1, 2, 16, 18))
    yield 'trim', simple + nbd_request(4, 0, 1 << 20, 1) + nbd_request(4, 1, 1 << 20)
    yield 'cache', simple + nbd_request(5, 0, 1 << 20) + nbd_request(5, 1 << 20, 1)
    yield 'flush-range', simple + nbd_request(3, 1, 1)
    yield 'unknown-command', simple + nbd_request(8) + nbd_request(65535, 1, 2, 3)
    yield 'request-magic', simple + nbd_request(0, 0, 512, magic=0x67446698)
    yield 'after-leave', simple + leave + nbd_request(1, 0, 4, 0, b'data')
    yield 'many', simple + b''.join(nbd_request(0, at * 512, 512) for at in range(200)) + leave
    yield 'many-chunks', chunks + b''.join(nbd_request(0, 0, 65536) for at in range(100))
    for kind in (1, 4, 6):
        data = b'read-only' if kind == 1 else b''
        yield f'read-only-{kind}', read_only + nbd_request(kind, 70000, 9, 0, data) + leave
    yield 'read-only-flush', read_only + nbd_request(3) + nbd_request(0, 70000, 9)


# ---- iSCSI ----------------------------------------------------------------------------------

ISCSI_NAMES = ('InitiatorName=iqn.2026-01.org.example:fuzz', 'TargetName=iqn.2026-01.org.example:disk')


def iscsi_pdu(opcode, flags=0x80, data=b'', length=None, **fields):
    """A PDU; `fields` are "at": bytes, with the offset in the name (at16=...)."""
    bhs = bytearray(48)
    bhs[0], bhs[1] = opcode, flags
    bhs[5:8] = (len(data) if length is None else length).to_bytes(3, 'big')
    for name, value in fields.items():
        offset = int(name[2:])
        value = value.to_bytes(4, 'big') if isinstance(value, int) else value
        bhs[offset:offset + len(value)] = value
    return bytes(bhs) + data + bytes(-len(data) % 4)


def iscsi_keys(*pairs):
    return b''.join(f'{pair}\0'.encode('latin-1') for pair in pairs)


def iscsi_login_pdu(flags, *pairs, **fields):
    return iscsi_pdu(0x43, flags, iscsi_keys(*pairs), at16=1, **fields)


def iscsi_command(number, cdb, flags=0x80, expected=0, data=b'', tag=None, **fields):
    return iscsi_pdu(1, flags, data, at16=number if tag is None else tag, at20=expected,
                     at24=number, at32=cdb.ljust(16, b'\0'), **fields)


def iscsi_text(_authority):
    all_keys = ('MaxConnections=4', 'InitialR2T=No', 'ImmediateData=Yes', 'MaxBurstLength=262144',
                'FirstBurstLength=65536', 'MaxOutstandingR2T=8', 'DataPDUInOrder=No',
                'DataSequenceInOrder=Yes', 'DefaultTime2Wait=2', 'DefaultTime2Retain=20',
                'ErrorRecoveryLevel=2', 'TaskReporting=FastAbort,RFC3720', 'iSCSIProtocolLevel=2',
                'RDMAExtensions=Yes', 'MaxRecvDataSegmentLength=0x40000',
                'HeaderDigest=CRC32C,None', 'DataDigest=None', 'IFMarker=No', 'OFMarker=Yes',
                'IFMarkInt=1~2', 'OFMarkInt=2048', 'X-org.example.key=1')
    yield 'empty', b''
    yield 'all', iscsi_keys(*all_keys)
    yield 'chap', iscsi_keys('AuthMethod=CHAP,None', 'CHAP_A=5,7', 'CHAP_I=12', 'CHAP_N=alice',
                             'CHAP_C=0x00ff', 'CHAP_R=0bAP8Q')
    odd = ('0', '-1', '', 'yes', '16777216', '0x', '1 ', 'Yes', '3600', '99999999999', '1.5', ',',
           '0x1f', 'No', '511', ',CRC32C,', 'CRC32C,CRC32C', '', '~', '1', 'Irrelevant', 'Reject')
    yield 'odd-values', iscsi_keys(*(f'{key.split("=")[0]}={odd[i]}'
                                     for i, key in enumerate(all_keys)))
    yield 'binary', iscsi_keys('a=0x', 'b=0xabc', 'c=0bAA==', 'd=0b====', 'e=0b', 'f=0BAAAA',
                               'g=0X0g', 'h=0bA===', 'i=0x' + '1' * 2050)
    yield 'names', iscsi_keys('a=iqn.2026-01.org.example:disk', 'b=eui.02004567A425678D',
                              'c=naa.62004567BA64678D0123456789ABCDEF', 'd=iqn.2026-01.',
                              'e=iqn.2026-13.Org', 'f=' + 'x' * 300)
    yield 'padded', iscsi_keys('A=1') + bytes(5)
    yield 'no-end', b'A=1'
    yield 'no-sign', iscsi_keys('A')
    yield 'no-key', iscsi_keys('=1')
    yield 'bad-key', iscsi_keys('A b=1')
    yield 'long-key', iscsi_keys('A' * 64 + '=1')
    yield 'twice', iscsi_keys('A=1', 'A=1')
    yield 'many', iscsi_keys(*(f'K{i}=' for i in range(129)))
    yield 'large', iscsi_keys('A=' + 'x' * 16400)


def iscsi_login(_authority):
    names, chap = ISCSI_NAMES, ('AuthMethod=CHAP,None',)
    full = iscsi_login_pdu(0x87, *names, 'MaxBurstLength=65536', 'HeaderDigest=CRC32C,None')
    yield 'plain', b'\0' + full
    yield 'digests', b'\x08' + full
    yield 'no-digests', b'\x08' + iscsi_login_pdu(0x87, *names)
    yield 'stages', (b'\0' + iscsi_login_pdu(0x81, *names, *chap) + iscsi_login_pdu(0x04, 'X-a=1')
                     + iscsi_login_pdu(0x87, 'InitialR2T=No'))
    yield 'skips', b'\0' + iscsi_login_pdu(0x83, *names)
    yield 'discovery', b'\0' + iscsi_login_pdu(0x87, names[0], 'SessionType=Discovery',
                                              'MaxConnections=1')
    yield 'joins', b'\0' + iscsi_login_pdu(0x87, *names, at14=b'\0\1')
    yield 'joins-nothing', b'\0' + iscsi_login_pdu(0x87, *names, at14=b'\0\2')
    data = iscsi_keys(*names)
    yield 'continued', b'\0' + iscsi_pdu(0x43, 0x44, data[:50], at16=1) + iscsi_pdu(
        0x43, 0x87, data[50:], at16=1)
    for kind, word in ((1, 'one-way'), (3, 'mutual'), (7, 'mutual-only')):
        begin = bytes((kind,)) + iscsi_login_pdu(0, *names, *chap) + iscsi_login_pdu(0, 'CHAP_A=8,7,6,5')
        yield f'chap-{word}', begin + iscsi_login_pdu(
            0x81, 'CHAP_N=alice', 'CHAP_R=0x' + '00' * 32, 'CHAP_I=1', 'CHAP_C=0x' + '11' * 16)
        yield f'chap-{word}-alone', begin + iscsi_login_pdu(0x81, 'CHAP_N=bob', 'CHAP_R=0bAAAA')
    yield 'chap-none', b'\1' + iscsi_login_pdu(0x81, *names, 'AuthMethod=None')
    yield 'chap-around', b'\1' + full
    yield 'chap-discovery', b'\1' + iscsi_login_pdu(0x87, names[0], 'SessionType=Discovery')
    yield 'chap-discovery-begun', b'\1' + iscsi_login_pdu(
        0, names[0], 'SessionType=Discovery', *chap) + iscsi_login_pdu(0x83)
    yield 'chap-discovery-none', b'\1' + iscsi_login_pdu(
        0x83, names[0], 'SessionType=Discovery', 'AuthMethod=None,CHAP')
    yield 'chap-early', b'\1' + iscsi_login_pdu(0x81, *names, 'AuthMethod=CHAP', 'CHAP_A=5',
                                               'CHAP_N=alice', 'CHAP_R=0x00')
    yield 'chap-unknown', b'\1' + iscsi_login_pdu(0, *names, 'AuthMethod=CHAP', 'CHAP_A=4')
    yield 'no-name', b'\0' + iscsi_login_pdu(0x87, names[1])
    yield 'no-target', b'\0' + iscsi_login_pdu(0x87, names[0])
    yield 'other-target', b'\0' + iscsi_login_pdu(0x87, names[0], 'TargetName=x')
    yield 'other-type', b'\0' + iscsi_login_pdu(0x87, *names, 'SessionType=Other')
    yield 'bad-name', b'\0' + iscsi_login_pdu(0x87, 'InitiatorName=a\x01', names[1])
    yield 'version', b'\0' + iscsi_login_pdu(0x87, *names, at2=b'\1\1')
    yield 'not-a-login', b'\0' + iscsi_pdu(0x40)
    yield 'nop-within', b'\0' + iscsi_login_pdu(0x04, *names) + iscsi_pdu(0x40)
    yield 'two-logins', b'\0' + iscsi_login_pdu(0x04, *names) + iscsi_login_pdu(0x87, at8=b'\x80')
    yield 'stage-back', b'\0' + iscsi_login_pdu(0x04, *names) + iscsi_login_pdu(0x81)
    yield 'many-requests', b'\0' + iscsi_login_pdu(0x04, *names) + iscsi_login_pdu(0x04) * 33
    yield 'long-answer', b'\0' + iscsi_login_pdu(
        0x04, *names, *(f'X{"a" * 58}{i:03}=' for i in range(120)))
    yield 'empty', b''


def iscsi_connection(_authority):
    read, write = b'\x28' + bytes(7) + b'\x08', b'\x2a' + bytes(7) + b'\x08'
    ready = iscsi_command(0, b'\0')
    lines = {
        'ready': ready,
        'read': ready + iscsi_command(1, read, 0xc1, 4096),
        'read-little': ready + iscsi_command(1, read, 0xc1, 100),
        'inquiry': iscsi_command(0, b'\x12\0\0\0\xff', 0xc1, 255),
        'write-immediate': ready + iscsi_command(1, write, 0xa1, 4096, bytes(4096)),
        'write-unsolicited': ready + iscsi_command(1, write, 0x21, 4096, bytes(1000)) + iscsi_pdu(
            5, 0x80, bytes(3096), at16=1, at20=0xffffffff, at40=1000),
        'write-solicited': ready + iscsi_command(1, write, 0xa1, 4096) + iscsi_pdu(
            5, 0x80, bytes(4096), at16=1, at20=1),
        'write-in-two': ready + iscsi_command(1, write, 0xa1, 4096) + iscsi_pdu(
            5, 0, bytes(2048), at16=1, at20=1) + iscsi_pdu(
            5, 0x80, bytes(2048), at16=1, at20=1, at36=1, at40=2048),
        'write-bad-sn': ready + iscsi_command(1, write, 0xa1, 4096) + iscsi_pdu(
            5, 0x80, bytes(4096), at16=1, at20=1, at36=5),
        'write-too-much': ready + iscsi_command(1, write, 0xa1, 4096) + iscsi_pdu(
            5, 0x80, bytes(8192), at16=1, at20=1),
        'write-beyond': ready + iscsi_command(1, write, 0xa1, 4096) + iscsi_pdu(
            5, 0x80, bytes(512), at16=1, at20=1, at40=0xfffffff0),
        'write-aborted': ready + iscsi_command(1, write, 0xa1, 4096) + iscsi_pdu(
            0x42, 0x81, at16=9, at20=1, at24=2) + iscsi_pdu(5, 0x80, bytes(4096), at16=1, at20=1),
        'same-tag': ready + iscsi_command(1, write, 0xa1, 4096) + iscsi_command(
            2, write, 0xa1, 4096, tag=1),
        'both-ways': iscsi_command(0, write, 0xe1, 4096, bytes(512)),
        'out-of-order': iscsi_command(2, read, 0xc1, 4096) + iscsi_command(
            1, write, 0xa1, 4096, bytes(4096)) + ready + iscsi_command(500, read),
        'stray-data': iscsi_pdu(5, 0x80, bytes(100), at16=1, at20=2) + ready,
        'nop': iscsi_pdu(0x40, 0x80, b'ping', at16=1, at20=0xffffffff) + iscsi_pdu(
            0x40, 0x80, at16=0xffffffff),
        'resets': b''.join(iscsi_pdu(0x42, 0x80 | function, at16=function, at24=0)
                           for function in (1, 2, 3, 4, 5, 6, 8, 99)) + ready,
        'cold-reset': iscsi_pdu(0x42, 0x87, at16=1) + ready,
        'text': iscsi_pdu(4, 0x80, iscsi_keys('SendTargets=', 'X-a=1'), at16=1, at20=0xffffffff),
        'text-parts': iscsi_pdu(4, 0x40, b'SendTar', at16=1, at20=0xffffffff) + iscsi_pdu(
            4, 0x80, b'gets=\0', at16=1, at20=1, at24=1),
        'text-bad': iscsi_pdu(4, 0x80, b'x', at16=1, at20=0xffffffff),
        'text-segment': iscsi_pdu(4, 0x80, iscsi_keys('MaxRecvDataSegmentLength=512'), at16=1,
                                  at20=0xffffffff) + iscsi_command(1, read, 0xc1, 4096),
        'logout': iscsi_pdu(0x46, 0x80, at16=1) + ready,
        'logout-other': iscsi_pdu(0x46, 0x81, at16=1, at20=b'\0\5') + iscsi_pdu(
            0x46, 0x82, at16=1) + ready,
        'long-command': iscsi_pdu(1, 0x80, at4=b'\5') + bytes(20) + iscsi_command(1, b'\0'),
        'long-data': iscsi_pdu(1, 0xa1, length=0x40001),
        'strange': iscsi_pdu(0x10) + iscsi_pdu(0x1c, data=b'data') + iscsi_pdu(0x3f) + ready,
        'login-again': iscsi_login_pdu(0x87, *ISCSI_NAMES),
        'unit-9': iscsi_command(0, b'\0', at8=b'\0\x09'),
    }
    for name, pdus in lines.items():
        yield f'l-{name}', b'l' + pdus
    for name in ('read', 'write-unsolicited', 'write-solicited', 'text-parts', 'nop', 'strange'):
        yield f'd-{name}', b'd' + lines[name]
    login = iscsi_login_pdu(0x87, *ISCSI_NAMES)
    yield 'r-login', b'r' + login + ready
    yield 'r-discovery', b'r' + iscsi_login_pdu(
        0x87, ISCSI_NAMES[0], 'SessionType=Discovery') + iscsi_pdu(
        4, 0x80, iscsi_keys('SendTargets=All'), at16=1, at20=0xffffffff)
    yield 'r-discovery-reads', b'r' + iscsi_login_pdu(
        0x87, ISCSI_NAMES[0], 'SessionType=Discovery') + ready
    yield 'r-digest-damaged', b'r' + iscsi_login_pdu(
        0x87, *ISCSI_NAMES, 'HeaderDigest=CRC32C') + ready + bytes(4)
    yield 'r-http', b'rGET / HTTP/1.1\r\nHost: x\r\n\r\n'
    yield 'r-zeros', b'r' + bytes(100)
    yield 'r-nothing', b'r'


def machine(_authority):
    page = (HERE.parent.parent / 'doc/format/machine.md').read_text(encoding='utf-8')
    example = page.split('```json\n')[1].split('\n```')[0]
    yield 'example', example.encode()
    good = json.loads(example)
    disk, nic = good['disks'][0], good['nics'][0]
    least = {'format': 'slipway-machine', 'version': 1, 'driver': 'x', 'name': 'n', 'power': 'off',
             'firmware': 'bios'}
    yield 'least', json.dumps(least).encode()
    yield 'compact', json.dumps(good, separators=(',', ':')).encode()
    for name, changed in (
            ('newer', {'version': 2}), ('version-0', {'version': 0}), ('other-format', {'format': 'x'}),
            ('no-name', {'name': ''}),
            ('power-odd', {'power': 'paused'}), ('cpus-negative', {'cpus': -1}),
            ('cpus-huge', {'cpus': 2 ** 31}), ('memory-text', {'memory': '1 GiB'}),
            ('memory-real', {'memory': 1e300}), ('template-null', {'template': None}),
            ('text-long', {'folder': '/' * 4097}),
            ('annotation', {'annotation': 'x\ty\u0001\u2028' * 99}),
            ('tags', {'tags': ['a/b', 'a/b', '\u00fc']}), ('tags-many', {'tags': ['t'] * 257}),
            ('tags-object', {'tags': {}}),
            ('disks-object', {'disks': {}}), ('disks-null', {'disks': [None]}),
            ('disks-same-name', {'disks': [disk, disk]}),
            ('disks-many', {'disks': [{'name': str(i), 'bus': 'scsi', 'size': i} for i in range(257)]}),
            ('disks', {'disks': [disk | {'name': b, 'bus': b, 'skip': 'a reason'} for b in
                                 ('ide', 'sata', 'scsi', 'nvme', 'virtio', 'usb')]}),
            ('disk-bus-odd', {'disks': [disk | {'bus': 'fc'}]}),
            ('disk-size-negative', {'disks': [disk | {'size': -1}]}),
            ('nics-same-name', {'nics': [nic, nic]}), ('nic-kind-odd', {'nics': [nic | {'kind': 5}]}),
            ('nics', {'nics': [nic | {'name': k, 'kind': k} for k in
                               ('port-group', 'distributed-port-group', 'network', 'bridge', 'user',
                                'other')]}),
            ('nic-mac-upper', {'nics': [nic | {'mac': '00:50:56:AB:00:01'}]}),
            ('nic-mac-short', {'nics': [nic | {'mac': '00:50:56'}]}),
            ('firmware-none', {'firmware_data': ''}), ('firmware-odd', {'firmware_data': 'TlZS*QU0='}),
            ('firmware-unpadded', {'firmware_data': 'TlZSQU0'}), ('unknown', {'later': [{'x': 1}]})):
        yield name, json.dumps(good | changed).encode()
    for missing in ('format', 'version', 'driver', 'name', 'power', 'firmware'):
        yield f'without-{missing}', json.dumps({k: v for k, v in least.items() if k != missing}).encode()
    yield 'disk-without-size', json.dumps(least | {'disks': [{'name': 'a', 'bus': 'ide'}]}).encode()
    yield 'empty', b''
    yield 'list', b'[]'
    yield 'key-twice', json.dumps(least).encode()[:-1] + b', "name": "m"}'
    yield 'nul', json.dumps(least | {'id': 'a\0b'}).encode()
    yield 'not-utf8', json.dumps(least).encode().replace(b'"n"', b'"\xff"')


def hosts(_authority):
    host = {'name': 'vc1', 'uri': 'vsphere://vcenter.example', 'user': 'backup@vsphere.local',
            'ca_file': '/etc/ca.pem', 'thumbprint': 'AB:CD', 'insecure': False, 'own_password': True,
            'transport': 'auto', 'own_machine': 'appliance', 'id': '5f0c', 'product': 'vCenter'}
    esx = {'name': 'esx1', 'uri': 'esx://root@10.0.0.1:8443', 'password_file': '/etc/p',
           'transport': 'hotadd'}
    for name, value in (
            ('good', [host, esx]), ('none', []), ('least', [{'name': 'a', 'uri': 'vsphere://a'}]),
            ('same-name', [host, host]), ('entry-text', ['x']), ('no-name', [{'uri': 'vsphere://a'}]),
            ('name-path', [host | {'name': '../a'}]), ('name-dot', [host | {'name': '.a'}]),
            ('name-dash', [host | {'name': '-a'}]), ('name-long', [host | {'name': 'a' * 65}]),
            ('name-longest', [host | {'name': 'a' * 64}]), ('no-uri', [{'name': 'a'}]),
            ('uri-other', [host | {'uri': 'ftp://a'}]),
            ('uri-password', [host | {'uri': 'vsphere://a:b@c'}]),
            ('uri-long', [host | {'uri': 'vsphere://' + 'a' * 8192}]),
            ('user-number', [host | {'user': 1}]),
            ('both-passwords', [host | {'password_file': '/etc/p'}]),
            ('insecure-text', [host | {'insecure': 'no'}]),
            ('transport-odd', [host | {'transport': 'pigeon'}]),
            ('transport-number', [host | {'transport': 1}]),
            ('unknown', [host | {'later': {}}]), ('object', {}),
            ('many', [{'name': str(i), 'uri': 'vsphere://a'} for i in range(1001)])):
        yield name, json.dumps({'format': 1, 'hosts': value}).encode()
    yield 'newer', b'{"format": 2, "hosts": []}'
    yield 'no-format', b'{"hosts": []}'
    yield 'no-list', b'{"format": 1}'
    yield 'empty', b''
    yield 'not-json', b'{"format": 1, "hosts": ['
    yield 'key-twice', b'{"format": 1, "format": 1, "hosts": []}'


def hypervisor_uri(_authority):
    for name, uri, folder, machine_name in (
            ('path', 'vsphere://vc/DC0/vm/prod/app01', '/DC0/vm/prod', 'app01'),
            ('folder', 'vsphere://vc/DC0/vm/', '/DC0/vm/prod', 'app01'),
            ('folder-bare', 'vsphere://vc/DC0/vm', '/DC0/vm/prod', 'app01'),
            ('name', 'esx://root@10.0.0.1:8443/app01', '/ha-datacenter/vm', 'app01'),
            ('upper', 'VSPHERE://VC', '', 'a'), ('all', 'vsphere://vc/', '/x', 'app'),
            ('wildcards', 'vsphere://vc/*/v?/p*d/*0?', '/DC0/vm/prod', 'app01'),
            ('wildcard-folder', 'vsphere://vc/DC*/', '/DC0/vm', 'app01'),
            ('many-stars', 'vsphere://vc/' + 'a*' * 40 + 'b', '/a', 'a' * 80),
            ('bracket', 'vsphere://vc/front[1]', '', 'front[1]'),
            ('question', 'vsphere://vc/app?x=1', '', 'app'),
            ('question-wildcard', 'vsphere://vc/app?1', '', 'app01'),
            ('ipv6', 'vsphere://[2001:db8::1]:443/DC0', '/DC0', 'x'),
            ('libvirt', 'qemu:///system/app01', '', 'app01'),
            ('libvirt-options', 'qemu+unix:///system/app01?socket=/x/y', '', 'app01'),
            ('libvirt-ssh', 'qemu+ssh://root@kvm1/system/app%2A', '', 'app*'),
            ('libvirt-escaped', 'qemu:///sy%73tem/app01', '', 'app01'),
            ('libvirt-other', 'qemu:///other/app01', '', 'app01'),
            ('qmp', 'qmp:///run/app01.qmp', '', 'app01'), ('qmp-options', 'qmp:///run/a?b=c', '', 'a'),
            ('password', 'vsphere://u:p@vc/x', '', 'x'),
            ('at-in-path', 'vsphere://vc/u:p@x', '', 'u:p@x'),
            ('escapes', 'vsphere://vc/caf%C3%A9%20%23%2f', '/caf\u00e9', '#'),
            ('escape-odd', 'vsphere://vc/%zz', '', ''),
            ('escape-cut', 'vsphere://vc/a%2', '', 'a'), ('escape-nul', 'vsphere://vc/%00', '', ''),
            ('not-utf8', 'vsphere://vc/%ff', '', ''), ('control', 'vsphere://vc/a\x7fb', '', ''),
            ('none', 'app01', '', 'app01'),
            ('other', 'nbd://host/x', '', 'x'), ('scheme-only', 'vsphere://', '', ''),
            ('mark', 'slipway-0123456789ab-1.0123456789abc.01234567', '',
             'slipway-0123456789ab-1.0123456789abc.0123456'),
            ('excluded', 'vsphere://vc/DC0/', '/DC0/', 'app01'),
            ('long', 'vsphere://' + 'x' * 8200, '', '')):
        yield name, '\n'.join((uri, folder, machine_name)).encode()


def vim_answer(_authority):
    def body(inside):
        return ('<?xml version="1.0" encoding="UTF-8"?>\n<soapenv:Envelope '
                'xmlns:soapenv="http://schemas.xmlsoap.org/soap/envelope/" '
                'xmlns:xsd="http://www.w3.org/2001/XMLSchema" '
                'xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"><soapenv:Body>'
                f'{inside}</soapenv:Body></soapenv:Envelope>').encode()

    def fault(kind, members='', words='words'):
        return body(f'<soapenv:Fault><faultcode>ServerFaultCode</faultcode><faultstring>{words}</faultstring>'
                    f'<detail><{kind}Fault xmlns="urn:vim25" xsi:type="{kind}">{members}</{kind}Fault></detail>'
                    '</soapenv:Fault>')

    def answer(inside):
        return body(f'<XResponse xmlns="urn:vim25">{inside}</XResponse>')

    for kind, members in (
            ('NoPermission', '<object type="VirtualMachine">vm-1</object><privilegeId>A.B.C</privilegeId>'),
            ('FileLocked', '<file>[ds1] a/a.vmdk</file>'),
            ('NotAuthenticated', ''), ('Unheard', '<a><b/></a>'),
            ('InvalidArgument', '<invalidProperty>spec.x[0]</invalidProperty>'),
            ('GenericVmConfigFault', '<faultMessage><key>k</key><message>m</message></faultMessage><reason>r</reason>'),
            ('ApplicationQuiesceFault', '<faultCause><fault xsi:type="Timedout"/><localizedMessage>l'
                                        '</localizedMessage></faultCause>')):
        yield f'fault-{kind}', fault(kind, members)
    yield 'fault-long', fault('InvalidState', words='\u00e9' * 3000)
    yield 'fault-useless', fault('InvalidState', words='*types.InvalidState')
    yield 'fault-bare', body('<soapenv:Fault><faultstring>x\ny</faultstring></soapenv:Fault>')
    yield 'fault-untyped', body('<soapenv:Fault><detail><FileFaultFault xmlns="urn:vim25"/></detail></soapenv:Fault>')
    yield 'fault-many', fault('X', '<m>v</m>' * 40)
    yield 'empty', b''
    yield 'no-body', b'<Envelope/>'
    yield 'empty-body', b'<Envelope><Body/></Envelope>'
    yield 'html', b'<html><body>log in</body></html>'
    yield 'doctype', b'<!DOCTYPE a [<!ENTITY b "c">]><Envelope><Body><R>&b;</R></Body></Envelope>'
    yield 'deep', b'<Envelope><Body>' + b'<a>' * 80
    yield 'reference', answer('<returnval type="Task">task-1</returnval>')
    yield 'reference-any', answer('<returnval xsi:type="ManagedObjectReference" type="Datastore"> /tmp/a b@c </returnval>')
    yield 'reference-odd', answer('<returnval type="a:b">x:y</returnval>')
    yield 'reference-long', answer(f'<returnval type="T">{"x" * 1025}</returnval>')
    yield 'foreign', (b'<S:Envelope xmlns:S="http://schemas.xmlsoap.org/soap/envelope/" xmlns:v="urn:vim25" '
                      b'xmlns:_XMLSchema-instance="http://www.w3.org/2001/XMLSchema-instance"><S:Body><v:R>'
                      b'<v:returnval _XMLSchema-instance:type="v:VirtualDisk"><v:key>1</v:key></v:returnval></v:R>'
                      b'</S:Body></S:Envelope>')
    chain = '<parent xsi:type="VirtualDiskFlatVer2BackingInfo"><fileName>[ds1] a/a-000001.vmdk</fileName>' \
            '<parent><fileName>[ds1] a/a.vmdk</fileName></parent></parent>'

    def disk(key=2000, unit=0, backing='VirtualDiskFlatVer2BackingInfo', more='', size='<capacityInBytes>1048576'
             '</capacityInBytes>', controller=1000):
        return (f'<key>{key}</key><deviceInfo><label>Hard disk 1</label></deviceInfo><backing xsi:type="{backing}">'
                f'<fileName>[ds1] a/a-000002.vmdk</fileName><datastore type="Datastore">ds-1</datastore>'
                f'<diskMode>persistent</diskMode><thinProvisioned>true</thinProvisioned>'
                f'<uuid>6000C29a-1</uuid><changeId>52 de/1</changeId>{chain}{more}</backing>'
                f'<controllerKey>{controller}</controllerKey><unitNumber>{unit}</unitNumber>{size}')

    devices = [('ParaVirtualSCSIController', '<key>1000</key><busNumber>0</busNumber><sharedBus>noSharing</sharedBus>'),
               ('VirtualDisk', disk()),
               ('VirtualDisk', disk(2001, 1, size='<capacityInKB>1024</capacityInKB>')),
               ('VirtualDisk', disk(2002, 2, 'VirtualDiskRawDiskMappingVer1BackingInfo',
                                    '<compatibilityMode>physicalMode</compatibilityMode>')),
               ('VirtualDisk', disk(2003, 3, more='<sharing>sharingMultiWriter</sharing>')),
               ('VirtualDisk', disk(2003, 3)), ('VirtualDisk', disk(9, -5, controller=7)),
               ('VirtualVmxnet3', '<key>4000</key><backing xsi:type="VirtualEthernetCardNetworkBackingInfo"><deviceName>'
                                  'VM Network</deviceName></backing><connectable><connected>true</connected></connectable>'
                                  '<addressType>manual</addressType><macAddress>00:50:56:AB:00:01</macAddress>'),
               ('VirtualE1000', '<key>4001</key><backing xsi:type="VirtualEthernetCardDistributedVirtualPortBackingInfo">'
                                '<port><switchUuid>50 01</switchUuid><portgroupKey>dvportgroup-1</portgroupKey></port>'
                                '</backing><macAddress>odd</macAddress>'),
               ('OfTheFuture', '<key>-1</key><macAddress>00:50:56:ab:00:02</macAddress>')]
    listed = ''.join(f'<VirtualDevice xsi:type="{t}">{m}</VirtualDevice>' for t, m in devices)
    whole = ''.join(f'<device xsi:type="{t}">{m}</device>' for t, m in devices)
    yield 'devices', answer(f'<returnval>{listed}</returnval>')
    yield 'devices-many', answer('<returnval>' + '<VirtualDevice><key>1</key></VirtualDevice>' * 1025 + '</returnval>')
    yield 'device-keyless', answer('<returnval><VirtualDevice><unitNumber>1</unitNumber></VirtualDevice></returnval>')
    yield 'device-huge', answer('<returnval><VirtualDevice xsi:type="VirtualDisk"><key>9223372036854775807</key>'
                                '<capacityInKB>18446744073709551615</capacityInKB><unitNumber>-9223372036854775808'
                                '</unitNumber></VirtualDevice></returnval>')

    def prop(name, value, kind=''):
        return f'<propSet><name>{name}</name><val{kind}>{value}</val></propSet>'

    def objects(*props, token='', obj='<obj type="VirtualMachine">vm-1</obj>'):
        return answer(f'<returnval>{token}<objects>{obj}{"".join(props)}</objects></returnval>')

    named = prop('name', 'app01') + prop('runtime.powerState', 'suspended') \
        + prop('parent', 'vm-1', ' type="VirtualMachine"') + prop('resourcePool', 'r', ' type="ResourcePool"')
    config = ('<instanceUuid>50AB</instanceUuid><uuid>42AB</uuid><template>false</template><guestId>rhel7_64Guest</guestId>'
              '<annotation>notes</annotation><firmware>efi</firmware><files><vmPathName>[ds1] a/a.vmx</vmPathName></files>'
              '<bootOptions><bootOrder xsi:type="VirtualMachineBootOptionsBootableDiskDevice"><deviceKey>2000</deviceKey>'
              '</bootOrder><efiSecureBootEnabled>true</efiSecureBootEnabled></bootOptions><extraConfig><key>nvram</key>'
              f'<value>a.nvram</value></extraConfig><hardware><numCPU>2</numCPU><memoryMB>99999999999999</memoryMB>{whole}'
              '</hardware>')
    yield 'machine', objects(named, prop('config', config, ' xsi:type="VirtualMachineConfigInfo"'),
                             prop('layoutEx', '<file><name>[ds1] a/b.nvram</name><type>nvram</type></file>'))
    yield 'machine-parts', objects(named, prop('config.uuid', 'AB'), prop('config.hardware', whole),
                                   prop('config.hardware.device', listed))
    yield 'machine-nameless', objects(prop('config.uuid', 'AB'))
    yield 'machine-unknown', objects(prop('name', 'a'), prop('runtime.connectionState', 'orphaned'))
    yield 'machine-annotation', objects(named, prop('config.uuid', 'A'), prop('config.annotation', '\u20ac' * 30000))
    yield 'machine-disks', objects(named, prop('config.uuid', 'A'), prop('config.hardware', ''.join(
        f'<device xsi:type="VirtualDisk"><key>{i}</key><unitNumber>{i}</unitNumber></device>' for i in range(257))))
    yield 'objects-token', objects(token='<token>1</token>')
    yield 'objects-unreferenced', objects(obj='')
    yield 'objects-half', objects('<propSet><name>a</name></propSet><propSet><val>1</val></propSet>',
                                  '<missingSet><path>x</path></missingSet>')
    yield 'nothing', answer('')


def vmdk_descriptor(_authority):
    head = '# Disk DescriptorFile\nversion=1\nencoding="UTF-8"\nCID=12345678\nparentCID={}\n' \
           'isNativeSnapshot="no"\ncreateType="{}"\n\n# Extent description\n{}\n' \
           '# The Disk Data Base\n#DDB\n\nddb.adapterType = "lsilogic"\n'
    yield 'vmfs', head.format('ffffffff', 'vmfs', 'RW 33554432 VMFS "app01-flat.vmdk"\n').encode()
    yield 'crlf', head.format('ffffffff', 'monolithicFlat', 'RW 64 FLAT "a b-flat.vmdk" 0\n'
                              ).replace('\n', '\r\n').encode()
    yield 'delta', head.format('12345678', 'vmfsSparse',
                               'RW 64 VMFSSPARSE "app01-000001-delta.vmdk"\n').encode()
    yield 'sesparse', head.format('12345678', 'seSparse', 'RW 64 SESPARSE "a-sesparse.vmdk"\n').encode()
    yield 'several', head.format('ffffffff', 'twoGbMaxExtentFlat', 'RW 64 FLAT "a-f001.vmdk" 0\n'
                                 'RW 64 FLAT "a-f002.vmdk" 0\nRW 64 ZERO\n').encode()
    yield 'elsewhere', head.format('ffffffff', 'vmfs', 'RW 64 VMFS "vsan://52d5c0e8-0000"\n').encode()
    yield 'above', head.format('ffffffff', 'vmfs', 'RW 64 VMFS "../../x-flat.vmdk"\n').encode()
    yield 'no-extent', head.format('ffffffff', 'vmfs', '').encode()
    yield 'no-file', head.format('ffffffff', 'vmfs', 'RW 64 VMFS "\n').encode()
    yield 'too-large', head.format('ffffffff', 'vmfs', f'RW {1 << 63} VMFS "a"\n').encode()
    yield 'too-many', head.format('ffffffff', 'vmfs', 'RW 1 FLAT "a"\n' * 257).encode()
    yield 'binary', b'KDMV\x03\0\0\0\x01\0\x03\0'
    yield 'nul', b'# Disk DescriptorFile\nRW 1 VMFS "a\0b"\n'
    yield 'place', '[ds1 [x]] f\u00fcr/app01.vmdk'.encode()
    yield 'place-above', b'[ds1] a/../../b.vmdk'
    yield 'place-bare', b'[ds1]'


def domain_xml(_authority):
    """Machines of libvirt."""
    def domain(devices='', head='', attributes=" type='kvm'"):
        return (f'<domain{attributes}><name>a</name>'
                f'<uuid>82df077a-d9c2-4999-80c4-9ad738530dde</uuid>{head}'
                f'<devices>{devices}</devices></domain>').encode()

    disk = ("<disk type='file' device='disk'><driver name='qemu' type='qcow2'/>"
            "<source file='/a'/><target dev='{}' bus='{}'/>{}</disk>")
    yield 'plain', domain(disk.format('vda', 'virtio', ''),
                          "<memory unit='MiB'>64</memory><vcpu>2</vcpu><os><type arch='x86_64' "
                          "machine='pc'>hvm</type></os>")
    yield 'buses', domain(''.join(
        disk.format(f'{name}', bus, "<address type='drive' controller='1' unit='2'/>")
        for name, bus in (('sda', 'scsi'), ('hda', 'ide'), ('sdb', 'sata'), ('sdc', 'usb'),
                          ('fda', 'fdc'), ('xvda', 'xen')))
        + "<controller type='scsi' index='1' model='vmpvscsi'/>")
    yield 'chain', domain(disk.format(
        'vda', 'virtio', "<backingStore type='file'><source file='/b'/><backingStore type='file'>"
        "<source file='/c'/></backingStore></backingStore>"))
    yield 'kinds', domain(
        "<disk type='network'><source protocol='rbd' name='p/i'/><target dev='vda'/></disk>"
        "<disk type='volume'><source pool='p' volume='v'/><target dev='vdb'/><transient/></disk>"
        "<disk type='block' device='lun'><source dev='/dev/x'/><target dev='sda' bus='scsi'/></disk>"
        "<disk type='file' device='cdrom'><source file='b'/><target dev='sdb' bus='sata'/></disk>"
        "<disk type='dir' device='floppy'><source dir='/d'/><target dev='fda'/></disk>"
        "<disk type='nvme'><source/><target dev='vdc'/></disk>")
    yield 'nics', domain(
        "<interface type='network'><mac address='52:54:00:00:00:01'/><source network='n'/>"
        "<model type='virtio'/></interface><interface type='bridge'><source bridge='b'/>"
        "<link state='down'/></interface><interface type='user'/><interface type='direct'>"
        "<source dev='e'/></interface><interface type='hostdev'/>")
    yield 'firmware', domain(
        '', "<os firmware='efi'><type machine='q35'>hvm</type><firmware><feature enabled='yes' "
        "name='secure-boot'/></firmware><loader type='pflash' secure='yes'>/l</loader>"
        "<nvram template='/t' format='qcow2'>/n</nvram><kernel>k</kernel></os>")
    yield 'identity', domain(
        '', "<genid>82df077a-d9c2-4999-80c4-9ad738530dde</genid><title>t</title><description>d"
        "</description><sysinfo type='smbios'><system><entry name='uuid'>"
        "82df077a-d9c2-4999-80c4-9ad738530ddf</entry></system></sysinfo><metadata><libosinfo>"
        "<os id='http://microsoft.com/win/10'/></libosinfo></metadata><features><hyperv/></features>"
        "<seclabel type='static' model='dac'/><cpu mode='host-model'><topology cores='2' dies='3'/>"
        "</cpu>")
    yield 'devices', domain(
        "<emulator>q</emulator><serial type='unix'><source path='/s'/></serial><console type='pty'>"
        "<source path='/dev/pts/1'/></console><channel type='unix'><source path='/c'/><target "
        "name='org.qemu.guest_agent.0' state='connected'/></channel><channel type='unix'><source "
        "path='/d'/><target name='x'/></channel><filesystem><source dir='f'/></filesystem>"
        "<graphics type='vnc' port='5900' socket='/g'/><tpm><backend type='emulator'/></tpm><tpm>"
        "<backend type='passthrough'/></tpm><vsock><cid address='3'/></vsock><memory model='nvdimm'>"
        "<source><path>/m</path></source></memory><hostdev type='pci'/><shmem name='s'/>")
    yield 'no-name', b'<domain/>'
    yield 'other-root', b'<network><name>a</name></network>'
    yield 'bad-uuid', b'<domain><name>a</name><uuid>z</uuid></domain>'
    yield 'bad-memory', domain('', "<memory unit='TiB'>99999999999</memory>")
    yield 'same-target', domain(disk.format('vda', 'virtio', '') * 2)
    yield 'many-nics', domain("<interface type='user'/>" * 65)
    yield 'entities', b'<!DOCTYPE domain [<!ENTITY a "b">]><domain><name>&a;</name></domain>'
    yield 'not-xml', b'\x00<domain'


TARGETS = (boot_cfg, boot_guest, bulletin, codec, depot, depot_index, descriptor, descriptor_splice,
           domain_xml, hosts, http_cache, hypervisor_uri, imgdb, index, inflate, iscsi_connection, iscsi_login,
           iscsi_text, isolinux_cfg, key_slot, known_depots, machine, map_node, nbd_server, overlay,
           pack_table, parity, partial_file, profile, recipe, recipe_lock, scsi, seal, signature,
           trust_file, upgrade_metadata, url, version, vib_file, vim_answer, visor_tar,
           vmdk_descriptor, workspace, zip)


def main():
    """Make the corpora that were asked for, or all."""
    wanted = sys.argv[1:]
    unknown = set(wanted) - {target.__name__ for target in TARGETS}
    if unknown:
        sys.exit(f'no such target: {", ".join(sorted(unknown))}')
    authority = Authority.default()
    total = 0
    for target in TARGETS:
        if wanted and target.__name__ not in wanted:
            continue
        directory = HERE / 'corpus' / target.__name__
        directory.mkdir(parents=True, exist_ok=True)
        for old in directory.iterdir():
            if not old.name.startswith('found-'):
                old.unlink()
        for name, data in target(authority):
            if (directory / name).exists():
                raise ValueError(f'{target.__name__}/{name}: twice')
            (directory / name).write_bytes(data)
        size = sum(file.stat().st_size for file in directory.iterdir())
        total += size
        print(f'{target.__name__:20}{len(list(directory.iterdir())):5} files{size:9} bytes')
    print(f'{"all":20}{total:20} bytes')


if __name__ == '__main__':
    main()
