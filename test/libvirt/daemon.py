# SPDX-License-Identifier: GPL-3.0-or-later
"""A libvirtd of our own, that knows nothing of the host's and leaves nothing behind.

    with Daemon() as daemon:
        daemon.virsh('list', '--all')

As root it is the system's one, in a mount namespace in which its folders are ours; for anybody else
the user's (session) one.  It ends with whoever started it, and its QEMUs with it."""
import os
import pathlib
import re
import shutil
import signal
import subprocess
import tempfile
import time

PROGRAMS = {'libvirtd': 'libvirt-daemon-system', 'virsh': 'libvirt-clients',
            'qemu-system-x86_64': 'qemu-system-x86', 'qemu-img': 'qemu-utils',
            'unshare': 'util-linux', 'setpriv': 'util-linux'}
START_SECONDS = 60
VIRSH_SECONDS = 120
QEMU_CONF = '''user = "root"
group = "root"
security_driver = "none"
cgroup_controllers = [ ]
namespaces = [ ]
stdio_handler = "file"
remember_owner = 0
dynamic_ownership = 0
'''
SESSION_CONF = '''security_driver = "none"
stdio_handler = "file"
'''
BINDS = {'etc': '/etc/libvirt', 'run': '/run/libvirt', 'lib': '/var/lib/libvirt',
         'cache': '/var/cache/libvirt', 'log': '/var/log/libvirt'}


def missing():
    """Why none can run here; None: it can."""
    search = os.environ.get('PATH', '') + ':/usr/sbin:/sbin'
    for name, package in PROGRAMS.items():
        if shutil.which(name, path=search) is None:
            return f'{name} is missing: install the package {package}'
    if os.geteuid() == 0 and subprocess.run(['unshare', '--mount', '--pid', '--fork', 'true'],
                                            check=False, capture_output=True).returncode != 0:
        return 'no namespace of mounts and processes can be made here'
    return None


class DaemonError(AssertionError):
    """It did not do what it should; the text has the end of its log."""


class Daemon:
    """One that runs from the beginning to close()."""

    def __init__(self):
        self.system = os.geteuid() == 0
        self.scratch = tempfile.TemporaryDirectory(prefix='slw-', dir='/tmp')  # short: for sockets
        self.folder = pathlib.Path(self.scratch.name)
        self.log = self.folder / 'libvirtd.log'
        self.process = None
        try:
            self.prepare()
            self.start()
        except BaseException:
            self.close()
            raise

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def prepare(self):
        """Folders and settings."""
        for name in (*BINDS, 'images', 'scratch'):
            (self.folder / name).mkdir()
        os.chmod(self.folder, 0o755)
        if self.system:
            (self.folder / 'etc/qemu.conf').write_text(QEMU_CONF)
            (self.folder / 'etc/libvirtd.conf').write_text(
                'auth_unix_rw = "none"\nunix_sock_dir = "/run/libvirt"\n'
                # Whoever may talk to it is root.
                'unix_sock_rw_perms = "0700"\nunix_sock_ro_perms = "0700"\n')
            self.socket = self.folder / 'run/libvirt-sock'
        else:
            (self.folder / 'etc/libvirt').mkdir()
            (self.folder / 'etc/libvirt/qemu.conf').write_text(SESSION_CONF)
            self.socket = self.folder / 'run/libvirt/libvirt-sock'
        self.mode = 'system' if self.system else 'session'

    def command(self):
        """How it is started."""
        if not self.system:
            return ['setpriv', '--pdeathsig', 'TERM', 'libvirtd']
        script = ' && '.join(
            [f'mkdir -p {place} && mount --bind "$0/{name}" {place}'
             for name, place in BINDS.items()]
            + ['while :; do libvirtd --config /etc/libvirt/libvirtd.conf '
               '--pid-file /run/libvirt/libvirtd.pid; sleep 0.1; done'])
        # In a process namespace of its own, so that nothing outlives it; the shell, its first
        # process, takes note of the ends of orphans.
        return ['setpriv', '--pdeathsig', 'TERM', 'unshare', '--mount', '--pid', '--fork',
                '--kill-child', '--mount-proc', 'sh', '-c', script, str(self.folder)]

    def environment(self):
        """Where the user's own one has its folders."""
        more = {'PATH': os.environ.get('PATH', '') + ':/usr/sbin:/sbin'}
        if not self.system:
            more |= {'XDG_RUNTIME_DIR': str(self.folder / 'run'),
                     'XDG_CONFIG_HOME': str(self.folder / 'etc'),
                     'XDG_CACHE_HOME': str(self.folder / 'cache'),
                     'XDG_DATA_HOME': str(self.folder / 'lib')}
        return os.environ | more

    def start(self):
        """Until it answers."""
        with open(self.log, 'ab') as log:
            self.process = subprocess.Popen(self.command(), stdin=subprocess.DEVNULL, stdout=log,
                                            stderr=log, env=self.environment())
        end = time.monotonic() + START_SECONDS
        while not self.answers():
            if self.process.poll() is not None or time.monotonic() > end:
                raise DaemonError(f'libvirtd does not start\n{self.said()}')
            time.sleep(0.1)

    def answers(self):
        """Whether a client is welcome."""
        return self.socket.exists() and self.run('uri').returncode == 0

    def said(self):
        """The end of its log."""
        return self.log.read_text(errors='replace')[-4000:]

    def first(self):
        """The process id of the first process of the namespace."""
        path = pathlib.Path(f'/proc/{self.process.pid}/task/{self.process.pid}/children')
        return path.read_text().split()[0]

    def kill(self):
        """The daemon, whose next one comes by itself; its machines go on.  As root only."""
        first = self.first()
        # Machines are its children too, once the daemon that has started them is gone.
        (pid,) = [pid for pid in
                  pathlib.Path(f'/proc/{first}/task/{first}/children').read_text().split()
                  if pathlib.Path(f'/proc/{pid}/comm').read_text().strip() == 'libvirtd']
        os.kill(int(pid), signal.SIGKILL)
        while pathlib.Path(f'/proc/{pid}').exists():
            time.sleep(0.05)

    def restart(self):
        """The same, as an upgrade of its package does, until it answers again."""
        self.kill()
        end = time.monotonic() + START_SECONDS
        while not self.answers():
            if time.monotonic() > end:
                raise DaemonError(f'libvirtd does not start again\n{self.said()}')
            time.sleep(0.1)

    def enter(self):
        """In front of a command that is to see the folders of the daemon as it sees them."""
        if not self.system:
            return ['env', f'XDG_CONFIG_HOME={self.folder / "etc"}']
        return ['nsenter', '--target', self.first(), '--mount', '--pid']

    def stop(self):
        """The daemon."""
        if self.process is not None and self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(20)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()

    def close(self):
        """The end of it and of all its machines."""
        for pid in self.emulators():
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
        self.stop()
        self.scratch.cleanup()

    def emulators(self):
        """Process ids of QEMUs that have files of ours on their command line."""
        found = []
        for entry in pathlib.Path('/proc').iterdir():
            if not entry.name.isdigit():
                continue
            try:
                line = (entry / 'cmdline').read_bytes()
            except OSError:
                continue
            if b'qemu-system' in line.split(b'\0')[0] and str(self.folder).encode() in line:
                found.append(int(entry.name))
        return found

    def uri(self, machine=None):
        """What the program takes."""
        path = f'/{self.mode}' + (f'/{machine}' if machine else '')
        return f'qemu+unix://{path}?socket={self.socket}'

    def run(self, *arguments, text=None):
        """virsh, however it ends."""
        return subprocess.run(['virsh', '-q', '-c', self.uri(), *map(str, arguments)], check=False,
                              input=text, capture_output=True, text=True, timeout=VIRSH_SECONDS)

    def virsh(self, *arguments, text=None):
        """What virsh says."""
        done = self.run(*arguments, text=text)
        if done.returncode != 0:
            raise DaemonError(f'virsh {" ".join(map(str, arguments))}: {done.stderr}\n'
                              f'{self.said()}')
        return done.stdout

    def define(self, xml):
        """A machine by its description."""
        path = self.folder / 'define.xml'
        path.write_text(xml)
        self.virsh('define', path)

    def pool(self, name='default'):
        """A pool of files; its folder."""
        folder = self.folder / f'pool-{name}'
        folder.mkdir()
        path = self.folder / 'pool.xml'
        path.write_text(f"<pool type='dir'><name>{name}</name><target><path>{folder}</path>"
                        '</target></pool>')
        self.virsh('pool-define', path)
        self.virsh('pool-start', name)
        return folder

    def console(self, machine):
        """The path of a machine's first serial line."""
        said = self.virsh('dumpxml', machine)
        return re.search(r"<serial type='pty'>\s*<source path='([^']+)'", said)[1]

    def qemu(self, machine):
        """The process id of a machine that runs."""
        name = f'guest={machine},'.encode()
        for pid in self.emulators():
            if name in pathlib.Path(f'/proc/{pid}/cmdline').read_bytes():
                return pid
        raise DaemonError(f'{machine} has no QEMU')
