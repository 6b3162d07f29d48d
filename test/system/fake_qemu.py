#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""In the place of qemu-system-x86_64: keeps to its protocol as far as FAKE_QEMU says.

Descriptors: 3 QMP, 4 the serial port, 5 the guest agent, 6 what the screen is written to."""
import json
import os
import socket
import struct
import sys
import time
import zlib

MODE = os.environ['FAKE_QEMU']
PPM = b'P6\n1 1\n255\n\0\0\0'


def png():
    """One pixel."""
    def part(kind, data):
        return (struct.pack('>I', len(data)) + kind + data
                + struct.pack('>I', zlib.crc32(kind + data)))
    return (b'\x89PNG\r\n\x1a\n' + part(b'IHDR', struct.pack('>IIBBBBB', 1, 1, 8, 2, 0, 0, 0))
            + part(b'IDAT', zlib.compress(bytes(4))) + part(b'IEND', b''))


class Qemu:
    """One that runs."""

    def __init__(self):
        self.qmp = socket.socket(fileno=3)
        self.agent = socket.socket(fileno=5)
        self.screens = 0

    def send(self, **message):
        """To whoever started us."""
        self.qmp.sendall(json.dumps(message).encode() + b'\r\n')

    def dump(self, arguments):
        """The screen."""
        self.screens += 1
        data = png() if arguments.get('format') == 'png' else PPM
        if MODE == 'bad-screen':
            data = b'P6\n99999999 1\n255\n'
        os.write(6, data)
        return {}

    def happens(self):
        """What comes when the screen has been looked at once."""
        if MODE == 'ends':
            os._exit(5)
        if MODE == 'killed':
            os.kill(os.getpid(), 9)
        if MODE == 'panics':
            self.send(event='GUEST_PANICKED', data={'action': 'pause'})
        if MODE == 'stuck':
            self.send(event='STOP')
        if MODE == 'agent':
            self.agent.recv(65536)
            self.agent.sendall(b'{"return": {}}\n')

    def answer(self, line):
        """A command."""
        command = json.loads(line)
        name, result = command['execute'], {}
        if name == 'screendump':
            result = self.dump(command['arguments'])
        elif name == 'query-status':
            result = {'status': 'internal-error'}
        if MODE == 'refuses' and name == 'qmp_capabilities':
            self.send(error={'class': 'GenericError', 'desc': 'not today'}, id=command['id'])
        else:
            self.send(**{'return': result, 'id': command['id']})
        if name == 'screendump' and self.screens == 1:
            self.happens()
        if name == 'quit':
            os._exit(0)

    def run(self):
        """Until the other end is closed."""
        rest = b''
        self.send(QMP={'version': {}, 'capabilities': []})
        while True:
            more = self.qmp.recv(65536)
            if not more:
                return
            *lines, rest = (rest + more).split(b'\n')
            for line in lines:
                self.answer(line)


def main():
    """As FAKE_QEMU says."""
    if MODE == 'gone':
        sys.exit(3)
    if MODE == 'words':
        sys.exit('qemu-system-x86_64: these are its words')
    qemu = Qemu()
    if MODE == 'no-greeting':
        qemu.qmp.sendall(b'hello\n')
        time.sleep(30)
    if MODE == 'flood':
        qemu.qmp.sendall(b'x' * (4 << 20))
        time.sleep(30)
    qemu.run()


if __name__ == '__main__':
    main()
