# SPDX-License-Identifier: GPL-3.0-or-later
"""http_servers.py: servers on 127.0.0.1 for the tests of the HTTP client.

nginx and squid are the real ones; Script does what no decent server would;
Socks is a SOCKS5 proxy with a user name and password.  Each takes a free port,
works in the directory it is given and ends with close().
"""

import getpass
import os
import select
import socket
import socketserver
import struct
import subprocess
import threading
import time

STARTED_WITHIN_S = 20


def free_port():
    with socket.socket() as probe:
        probe.bind(('127.0.0.1', 0))
        return probe.getsockname()[1]


def wait_for_port(port, process):
    until = time.monotonic() + STARTED_WITHIN_S
    while time.monotonic() < until:
        if process.poll() is not None:
            break
        try:
            socket.create_connection(('127.0.0.1', port), 1).close()
            return
        except OSError:
            time.sleep(0.05)
    raise RuntimeError('%s does not listen on port %d' % (process.args[0], port))


def end(process):
    process.terminate()
    try:
        process.wait(5)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


class Request:
    """What a client asked: `number` counts the requests for this path from 1."""

    def __init__(self, method, path, headers, number):
        self.method, self.path, self.headers, self.number = method, path, headers, number

    def range_start(self):
        value = self.headers.get('range')
        return int(value[len('bytes='):-1]) if value else None


class Reply:
    """Writes an answer, piece by piece if need be."""

    def __init__(self, connection):
        self.connection = connection

    def head(self, status, **headers):
        lines = ['HTTP/1.1 %d Script' % status, 'Connection: close']
        lines += ['%s: %s' % (name.replace('_', '-'), value) for name, value in headers.items()]
        self.raw('\r\n'.join(lines + ['', '']).encode())

    def raw(self, data):
        self.connection.sendall(data)

    def full(self, status, body=b'', **headers):
        self.head(status, Content_Length=len(body), **headers)
        self.raw(body)

    def rest(self, body, start, **headers):
        """A proper 206 from byte `start` on."""
        span = 'bytes %d-%d/%d' % (start, len(body) - 1, len(body))
        self.head(206, Content_Length=len(body) - start, Content_Range=span, **headers)
        self.raw(body[start:])

    def endless(self):
        block = b'x' * 65536
        while True:
            self.raw(block)


class Script:
    """An HTTP server whose paths are functions of (request, reply)."""

    def __init__(self):
        self.routes, self.requests, self.lock = {}, [], threading.Lock()
        self.closing = threading.Event()
        script = self

        class Handler(socketserver.StreamRequestHandler):
            def handle(self):
                try:
                    script.serve(self.rfile, self.request)
                except OSError:
                    pass

        class Server(socketserver.ThreadingTCPServer):
            allow_reuse_address, daemon_threads = True, True
            block_on_close = False
            request_queue_size = 64

        self.server = Server(('127.0.0.1', 0), Handler)
        self.port = self.server.server_address[1]
        threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True).start()

    def serve(self, stream, connection):
        words = stream.readline(65536).decode('latin-1').split()
        headers = {}
        while line := stream.readline(65536).decode('latin-1').strip():
            name, _, value = line.partition(':')
            headers[name.lower()] = value.strip()
        if len(words) < 2:
            return
        path = words[1].partition('?')[0]
        with self.lock:
            number = 1 + len([r for r in self.requests if r.path == path])
            request = Request(words[0], path, headers, number)
            self.requests.append(request)
        route = self.routes.get(path)
        reply = Reply(connection)
        if route is None:
            reply.full(404)
        else:
            route(request, reply)

    def asked(self, path):
        with self.lock:
            return [request for request in self.requests if request.path == path]

    def stall(self, seconds=30):
        self.closing.wait(seconds)

    def url(self, path):
        return 'http://127.0.0.1:%d%s' % (self.port, path)

    def close(self):
        self.closing.set()
        self.server.shutdown()
        self.server.server_close()


def run_openssl(*words):
    subprocess.run(('openssl',) + words, check=True, stdin=subprocess.DEVNULL,
                   stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


class Authority:
    """A certificate authority of our own and a certificate for 127.0.0.1."""

    def __init__(self, directory):
        self.ca = os.path.join(directory, 'ca.pem')
        self.key = os.path.join(directory, 'server.key')
        self.certificate = os.path.join(directory, 'server.pem')
        ca_key, request = (os.path.join(directory, name) for name in ('ca.key', 'server.csr'))
        names = os.path.join(directory, 'names')
        with open(names, 'w') as file:
            file.write('subjectAltName=IP:127.0.0.1\n')
        curve = ('-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes')
        run_openssl('req', '-x509', *curve, '-keyout', ca_key, '-out', self.ca, '-days', '2',
                    '-subj', '/CN=Slipway test authority')
        run_openssl('req', *curve, '-keyout', self.key, '-out', request, '-subj', '/CN=test')
        run_openssl('x509', '-req', '-in', request, '-CA', self.ca, '-CAkey', ca_key,
                    '-CAcreateserial', '-days', '2', '-extfile', names, '-out', self.certificate)


def write_passwords(path, user, password):
    hashed = subprocess.run(('openssl', 'passwd', '-apr1', '-stdin'), input=password + '\n',
                            check=True, capture_output=True, text=True).stdout.strip()
    with open(path, 'w') as file:
        file.write('%s:%s\n' % (user, hashed))
    os.chmod(path, 0o644)


NGINX = """
%(user)s
daemon off;
master_process off;
pid %(home)s/nginx.pid;
error_log %(home)s/error.log;
events { worker_connections 256; }
http {
    log_format ranges '$status $http_range';
    access_log %(home)s/access.log ranges;
    client_body_temp_path %(home)s/t1;
    proxy_temp_path %(home)s/t2;
    fastcgi_temp_path %(home)s/t3;
    uwsgi_temp_path %(home)s/t4;
    scgi_temp_path %(home)s/t5;
    types { text/xml xml; }
    default_type application/octet-stream;
    gzip on;
    gzip_types text/xml;
    gzip_min_length 1;
    server {
        listen 127.0.0.1:%(port)d;
        listen 127.0.0.1:%(tls_port)d ssl http2;
        ssl_certificate %(home)s/server.pem;
        ssl_certificate_key %(home)s/server.key;
        root %(home)s/www;
        location /slow/ { alias %(home)s/www/; limit_rate 4m; }
        location /quick/ { alias %(home)s/www/; limit_rate 40m; }
        location /private/ {
            alias %(home)s/www/;
            auth_basic "test";
            auth_basic_user_file %(home)s/users;
        }
        location /protocol { return 200 $server_protocol; }
        location /count { return 200 $connection_requests; }
        location /to-http { return 302 http://127.0.0.1:%(port)d/small.xml; }
        location /to-https { return 301 https://127.0.0.1:%(tls_port)d/small.xml; }
    }
}
"""


class Nginx:
    """Serves DIRECTORY/www over http and https; /private/ wants a user."""

    def __init__(self, directory, user, password):
        self.home = directory
        self.www = os.path.join(directory, 'www')
        self.authority = Authority(directory)
        self.port, self.tls_port = free_port(), free_port()
        os.makedirs(self.www, exist_ok=True)
        write_passwords(os.path.join(directory, 'users'), user, password)
        path = os.path.join(directory, 'nginx.conf')
        with open(path, 'w') as file:
            file.write(NGINX % {'home': directory, 'port': self.port, 'tls_port': self.tls_port,
                                'user': 'user root;' if os.getuid() == 0 else ''})
        self.start()

    def start(self):
        program = next((p for p in ('/usr/sbin/nginx', '/usr/bin/nginx') if os.path.exists(p)),
                       'nginx')
        self.process = subprocess.Popen(
            (program, '-p', self.home, '-c', os.path.join(self.home, 'nginx.conf'),
             '-e', os.path.join(self.home, 'error.log')),
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        wait_for_port(self.tls_port, self.process)

    def put(self, name, data):
        path = os.path.join(self.www, name)
        with open(path + '.new', 'wb') as file:
            file.write(data)
        os.rename(path + '.new', path)

    def url(self, path):
        return 'http://127.0.0.1:%d%s' % (self.port, path)

    def tls_url(self, path):
        return 'https://127.0.0.1:%d%s' % (self.tls_port, path)

    def log(self):
        with open(os.path.join(self.home, 'access.log')) as file:
            return file.read().splitlines()

    def stop(self):
        end(self.process)

    close = stop


SQUID = """
http_port 127.0.0.1:%(port)d
https_port 127.0.0.1:%(tls_port)d tls-cert=%(home)s/both.pem
auth_param basic program %(helper)s %(home)s/proxy-users
auth_param basic children 1 startup=1 idle=1
acl known proxy_auth REQUIRED
acl banned dst 127.0.0.9
http_access deny banned
http_access allow known
http_access deny all
cache deny all
pid_filename none
access_log none
cache_log %(home)s/cache.log
cache_store_log none
coredump_dir %(home)s
visible_hostname test.invalid
shutdown_lifetime 0 seconds
%(user)s
"""

SQUID_HELPERS = ('/usr/lib/squid/basic_ncsa_auth', '/usr/lib64/squid/basic_ncsa_auth',
                 '/usr/libexec/squid/basic_ncsa_auth')


class Squid:
    """A forward proxy that wants a user name and password, over http and https."""

    def __init__(self, directory, authority, user, password):
        self.port, self.tls_port = free_port(), free_port()
        write_passwords(os.path.join(directory, 'proxy-users'), user, password)
        with open(os.path.join(directory, 'both.pem'), 'w') as both:
            for path in (authority.certificate, authority.key):
                with open(path) as file:
                    both.write(file.read())
        os.chmod(both.name, 0o644)
        account = 'nobody' if os.getuid() == 0 else getpass.getuser()
        if os.getuid() == 0:
            os.chmod(directory, 0o777)
        conf = os.path.join(directory, 'squid.conf')
        helper = next(path for path in SQUID_HELPERS if os.path.exists(path))
        with open(conf, 'w') as file:
            file.write(SQUID % {'home': directory, 'port': self.port, 'tls_port': self.tls_port,
                                'helper': helper, 'user': 'cache_effective_user ' + account})
        self.process = subprocess.Popen(
            ('/usr/sbin/squid', '-N', '-f', conf), cwd=directory, stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        wait_for_port(self.port, self.process)

    def url(self, user=''):
        return 'http://%s127.0.0.1:%d' % (user, self.port)

    def tls_url(self):
        return 'https://127.0.0.1:%d' % self.tls_port

    def close(self):
        end(self.process)


def read_exactly(connection, length):
    data = b''
    while len(data) < length:
        more = connection.recv(length - len(data))
        if not more:
            raise OSError('closed')
        data += more
    return data


class Socks:
    """SOCKS5 with user name and password (RFC 1928, 1929), connecting by address
    or, as socks5h asks, by name."""

    def __init__(self, user, password):
        self.login, self.names = (user.encode(), password.encode()), []
        socks = self

        class Handler(socketserver.BaseRequestHandler):
            def handle(self):
                try:
                    socks.serve(self.request)
                except OSError:
                    pass

        class Server(socketserver.ThreadingTCPServer):
            allow_reuse_address, daemon_threads, block_on_close = True, True, False

        self.server = Server(('127.0.0.1', 0), Handler)
        self.port = self.server.server_address[1]
        threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True).start()

    def log_in(self, client):
        _, count = read_exactly(client, 2)
        offered = read_exactly(client, count)
        if 2 not in offered:
            client.sendall(b'\x05\xff')
            return False
        client.sendall(b'\x05\x02')
        user = read_exactly(client, read_exactly(client, 2)[1])
        password = read_exactly(client, read_exactly(client, 1)[0])
        good = (user, password) == self.login
        client.sendall(b'\x01\x00' if good else b'\x01\x01')
        return good

    def serve(self, client):
        if not self.log_in(client):
            return
        kind = read_exactly(client, 4)[3]
        if kind == 1:
            host = socket.inet_ntoa(read_exactly(client, 4))
        else:
            host = read_exactly(client, read_exactly(client, 1)[0]).decode()
            self.names.append(host)
        port, = struct.unpack('!H', read_exactly(client, 2))
        with socket.create_connection(('127.0.0.1', port)) as server:
            client.sendall(b'\x05\x00\x00\x01' + bytes(6))
            self.relay(client, server)

    @staticmethod
    def relay(client, server):
        while True:
            for source in select.select((client, server), (), ())[0]:
                data = source.recv(65536)
                if not data:
                    return
                (server if source is client else client).sendall(data)

    def url(self, scheme):
        return '%s://127.0.0.1:%d' % (scheme, self.port)

    def close(self):
        self.server.shutdown()
        self.server.server_close()
