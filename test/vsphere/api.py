# SPDX-License-Identifier: GPL-3.0-or-later
"""The vSphere API through pyVmomi, a client that shares nothing with Slipway or the simulator."""
import base64
import contextlib
import http.client
import ssl
import urllib.parse

from pyVmomi import SoapStubAdapter, vim, vmodl

COOKIE = 'vmware_soap_session'


class Api:
    """A connection, logged in unless told otherwise."""

    def __init__(self, sim, login=True, password=None):
        self.sim = sim
        port = sim.port
        context = None
        if sim.tls:
            context = ssl._create_unverified_context()
        self.stub = SoapStubAdapter(host='127.0.0.1', port=port if sim.tls else -port,
                                    version='vim.version.version12', path='/sdk',
                                    sslContext=context)
        self.instance = vim.ServiceInstance('ServiceInstance', self.stub)
        self.content = self.instance.RetrieveContent()
        if login:
            try:
                self.content.sessionManager.Login(sim.user, password or sim.password)
            except BaseException:
                self.stub.DropConnections()
                raise

    def __enter__(self):
        return self

    def __exit__(self, *_):
        try:
            self.content.sessionManager.Logout()
        except (vmodl.fault.SecurityError, OSError):
            pass
        self.stub.DropConnections()

    @property
    def cookie(self):
        """What goes into a Cookie header, as the server gave it."""
        return self.stub.cookie.partition(';')[0]

    def view(self, kind, container=None):
        """All objects of a type."""
        view = self.content.viewManager.CreateContainerView(
            container or self.content.rootFolder, [kind], True)
        try:
            return list(view.view)
        finally:
            view.Destroy()

    def find(self, kind, name):
        """The object of that name."""
        return next(one for one in self.view(kind) if one.name == name)

    def vm(self, name):
        """A virtual machine."""
        return self.find(vim.VirtualMachine, name)

    def wait(self, task):
        """Its result; the task's fault is raised."""
        collector = self.content.propertyCollector
        spec = vmodl.query.PropertyCollector.FilterSpec(
            objectSet=[vmodl.query.PropertyCollector.ObjectSpec(obj=task)],
            propSet=[vmodl.query.PropertyCollector.PropertySpec(type=vim.Task, pathSet=['info'])])
        wanted = collector.CreateFilter(spec, False)
        self.seen = []
        try:
            version = ''
            while True:
                update = collector.WaitForUpdatesEx(version,
                                                    vmodl.query.PropertyCollector.WaitOptions(
                    maxWaitSeconds=60))
                version = update.version
                for change in update.filterSet[0].objectSet[0].changeSet:
                    info = change.val
                    self.seen.append((info.state, info.progress))
                    if info.state == 'success':
                        return info.result
                    if info.state == 'error':
                        raise info.error
        finally:
            wanted.Destroy()

    def folder(self, method, path, datastore='LocalDS_0', datacenter='DC0', body=None,
               auth='cookie',
               **headers):
        """A request of /folder: status, headers, body."""
        query = {'dsName': datastore}
        if datacenter is not None:
            query['dcPath'] = datacenter
        return self.request(method, '/folder/' + urllib.parse.quote(path) + '?' +
                            urllib.parse.urlencode(query), body, auth, **headers)

    def send(self, method, path, body=None, auth='cookie', **headers):
        """Sends any request over HTTP, and waits for nothing: the connection, to be closed."""
        headers = {name.replace('_', '-'): value for name, value in headers.items()}
        if auth == 'cookie':
            headers['Cookie'] = self.cookie
        elif auth:
            headers['Authorization'] = 'Basic ' + base64.b64encode(auth.encode()).decode()
        connection = http.client.HTTPConnection('127.0.0.1', self.sim.port, timeout=60)
        if self.sim.tls:
            connection = http.client.HTTPSConnection('127.0.0.1', self.sim.port, timeout=60,
                                                     context=ssl._create_unverified_context())
        connection.request(method, path, body, headers)
        return connection

    def request(self, method, path, body=None, auth='cookie', **headers):
        """Any request over HTTP: status, headers, body."""
        with contextlib.closing(self.send(method, path, body, auth, **headers)) as connection:
            answer = connection.getresponse()
            return answer.status, answer.headers, answer.read()


def disks_of(config):
    """The virtual disks of a machine's or snapshot's configuration."""
    return [one for one in config.hardware.device if isinstance(one, vim.vm.device.VirtualDisk)]


def cards_of(config):
    """The network cards of a machine's configuration."""
    return [one for one in config.hardware.device
            if isinstance(one, vim.vm.device.VirtualEthernetCard)]
