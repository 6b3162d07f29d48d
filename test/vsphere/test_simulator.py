# SPDX-License-Identifier: GPL-3.0-or-later
"""The simulator behaves as the facts about real servers say: starting, sessions, properties,
requests, single hosts, tags and the inventory."""
import json
import pathlib
import shutil
import signal
import subprocess
import tempfile
import unittest

from simulator_case import Case, DS

from pyVmomi import vim, vmodl

import vsphere
from api import Api, cards_of


def lease_thumbprint(api):
    """What a lease tells of the certificate of where its disks go."""
    pool = api.view(vim.ResourcePool)[0]
    spec = vim.vm.ConfigSpec(name='new', files=vim.vm.FileInfo(vmPathName=DS))
    lease = pool.ImportVApp(vim.vm.VmImportSpec(configSpec=spec), None, None)
    info = lease.info
    lease.HttpNfcLeaseAbort(None)
    return info.deviceUrl[0].sslThumbprint


class StartTest(unittest.TestCase):
    """The program itself."""

    def test_models_and_end(self):
        for model, name in (('vpx', 'DC0_H0_VM0'), ('esx', 'ha-host_VM0')):
            with vsphere.Simulator(model=model, machines=1) as sim, Api(sim) as api:
                self.assertEqual(api.content.about.apiType,
                                 {'vpx': 'VirtualCenter', 'esx': 'HostAgent'}[model])
                self.assertEqual(api.vm(name).runtime.powerState, 'poweredOn')
                where = sim.directory
                self.assertTrue(where.exists())
            self.assertFalse(where.exists())

    def test_tls(self):
        with vsphere.Simulator(tls=True, machines=1) as sim, Api(sim) as api:
            self.assertTrue(sim.url.startswith('https://'))
            self.assertTrue(api.view(vim.VirtualMachine))
            self.assertRegex(sim.thumbprint(), r'^([0-9A-F]{2}:){31}[0-9A-F]{2}$')
            self.assertIn('Secure', api.stub.cookie)
            self.assertEqual(lease_thumbprint(api), sim.thumbprint('sha1'))

    def test_dies_with_its_parent(self):
        parent = tempfile.mkdtemp()
        self.addCleanup(shutil.rmtree, parent, True)
        where = pathlib.Path(parent) / 'stores'
        child = subprocess.Popen([vsphere.program(), '-directory', where], stdin=subprocess.PIPE,
                                 stdout=subprocess.PIPE, text=True)
        self.assertIn('"url"', child.stdout.readline())
        self.assertTrue(where.exists())
        child.stdin.close()
        self.assertEqual(child.wait(timeout=60), 0)
        child.stdout.close()
        self.assertFalse(where.exists())

    def test_signal(self):
        with vsphere.Simulator(machines=0) as sim:
            sim.child.send_signal(signal.SIGTERM)
            self.assertEqual(sim.child.wait(timeout=60), 0)
            self.assertFalse(sim.directory.exists())


class SessionTest(Case):
    """Logging in and out, and being forgotten."""

    def test_cookie_is_quoted(self):
        self.assertRegex(self.api.cookie, r'^vmware_soap_session="[0-9a-f]+"$')
        plain = self.api.cookie.replace('"', '')
        self.assertEqual(self.api.folder('GET', 'app01/app01.vmx', auth=None, Cookie=plain)[0], 401)
        self.assertEqual(self.api.folder('GET', 'app01/app01.vmx')[0], 200)

    def test_wrong_password(self):
        with self.assertRaises(vim.fault.InvalidLogin):
            Api(self.sim, password='wrong')
        self.assertEqual(len(self.control.state()['sessions']), 1)

    def test_login_twice(self):
        with self.assertRaises(vim.fault.InvalidLogin):
            self.api.content.sessionManager.Login(self.sim.user, self.sim.password)

    def test_everything_else_needs_a_login(self):
        other = Api(self.sim, login=False)
        self.addCleanup(other.stub.DropConnections)
        self.assertTrue(other.instance.CurrentTime())
        with self.assertRaises(vim.fault.NotAuthenticated):
            other.view(vim.VirtualMachine)
        with self.assertRaises(vim.fault.NotAuthenticated):
            print(vim.VirtualMachine(self.vm._moId, other.stub).name)
        with self.assertRaises(vim.fault.NotAuthenticated):
            vim.VirtualMachine(self.vm._moId, other.stub).CreateSnapshot_Task('x', '', False, False)

    def test_idle_session_is_forgotten(self):
        self.control.settings(session_idle=1800)
        cookie = self.api.cookie
        self.control.pass_time(1900)
        with self.assertRaises(vim.fault.NotAuthenticated):
            print(self.vm.name)
        self.assertEqual(self.api.folder('GET', 'app01/app01.vmx', Cookie=cookie)[0], 401)
        self.assertEqual(self.control.state()['sessions'], [])

    def test_use_keeps_it(self):
        self.control.settings(session_idle=1800)
        for _ in range(3):
            self.control.pass_time(1000)
            self.assertEqual(self.vm.name, 'app01')

    def test_expire(self):
        self.assertEqual(self.control.expire(), 1)
        with self.assertRaises(vim.fault.NotAuthenticated):
            print(self.vm.name)

    def test_too_many(self):
        self.control.settings(session_limit=2)
        with Api(self.sim):
            with self.assertRaises(Exception) as caught:
                Api(self.sim)
            self.assertIn('503', str(caught.exception))
        with Api(self.sim):
            pass

    def test_active(self):
        key = self.api.content.sessionManager.currentSession.key
        self.assertTrue(self.api.content.sessionManager.SessionIsActive(key, self.sim.user))
        self.assertFalse(self.api.content.sessionManager.SessionIsActive('x', self.sim.user))

    def test_what_a_session_leaves(self):
        self.api.content.viewManager.CreateContainerView(
            self.api.content.rootFolder, [vim.VirtualMachine], True)
        spec = vmodl.query.PropertyCollector.FilterSpec(
            objectSet=[vmodl.query.PropertyCollector.ObjectSpec(obj=self.vm)],
            propSet=[vmodl.query.PropertyCollector.PropertySpec(type=vim.VirtualMachine,
                                                                pathSet=['name'])])
        self.api.content.propertyCollector.CreateFilter(spec, False)
        session, = self.control.state()['sessions']
        self.assertEqual((session['views'], session['filters']), (1, 1))
        self.api.content.sessionManager.Logout()
        self.assertEqual(self.control.state()['sessions'], [])


class PropertyTest(Case):
    """The property collector: pages, updates, what is not there."""

    def query(self, paths=('name',), maximum=None):
        """Names of all machines, and how many answers it took."""
        view = self.api.content.viewManager.CreateContainerView(
            self.api.content.rootFolder, [vim.VirtualMachine], True)
        collector = vmodl.query.PropertyCollector
        spec = collector.FilterSpec(
            objectSet=[collector.ObjectSpec(obj=view, skip=True, selectSet=[
                collector.TraversalSpec(name='all', type=vim.view.ContainerView, path='view')])],
            propSet=[collector.PropertySpec(type=vim.VirtualMachine, pathSet=list(paths))])
        answer = self.api.content.propertyCollector.RetrievePropertiesEx(
            [spec], collector.RetrieveOptions(maxObjects=maximum))
        objects, answers = list(answer.objects), 1
        while answer.token:
            answer = self.api.content.propertyCollector.ContinueRetrievePropertiesEx(answer.token)
            objects += answer.objects
            answers += 1
        view.Destroy()
        return objects, answers

    def test_pages(self):
        for number in range(9):
            self.control.add(f'more{number}')
        everything, answers = self.query()
        self.assertEqual((len(everything), answers), (10, 1))
        some, answers = self.query(maximum=4)
        self.assertEqual((len(some), answers), (10, 3))
        self.control.settings(page_size=3)
        self.assertEqual(self.query()[1], 4)
        with self.assertRaises(vmodl.fault.InvalidArgument):
            self.api.content.propertyCollector.ContinueRetrievePropertiesEx('99')

    def test_unset_and_unknown(self):
        found, = self.query(('snapshot', 'name'))[0]
        self.assertEqual([one.name for one in found.propSet], ['name'])

    def test_gone(self):
        self.control.machine('app01', destroy=True)
        with self.assertRaises(vmodl.fault.ManagedObjectNotFound):
            print(self.vm.name)

    def test_updates(self):
        collector = vmodl.query.PropertyCollector
        spec = collector.FilterSpec(
            objectSet=[collector.ObjectSpec(obj=self.vm)],
            propSet=[collector.PropertySpec(type=vim.VirtualMachine, pathSet=['name', 'snapshot'])])
        own = self.api.content.propertyCollector.CreatePropertyCollector()
        own.CreateFilter(spec, False)
        first = own.WaitForUpdatesEx('')
        self.assertEqual(first.filterSet[0].objectSet[0].kind, 'enter')
        options = collector.WaitOptions(maxWaitSeconds=0)
        self.assertIsNone(own.WaitForUpdatesEx(first.version, options))
        self.control.machine('app01', rename='app02')
        second = own.WaitForUpdatesEx(first.version)
        change, = second.filterSet[0].objectSet[0].changeSet
        self.assertEqual((change.name, change.val), ('name', 'app02'))
        with self.assertRaises(vmodl.query.InvalidCollectorVersion):
            own.WaitForUpdatesEx('999', options)
        own.Destroy()
        self.assertEqual(self.control.state()['sessions'][0]['collectors'], 0)

    def test_references(self):
        self.assertRegex(self.vm._moId, r'^vm-\d+$')
        self.assertRegex(self.vm.datastore[0]._moId, r'^datastore-\d+$')
        self.control.datastore('odd', ref='/vmfs/volumes/a b@folder-5')
        self.assertIn('/vmfs/volumes/a b@folder-5',
                      [one._moId for one in self.api.view(vim.Datastore)])


class StrictTest(Case):
    """Requests are taken as the WSDL has them only."""

    def post(self, body):
        """The answer to a request that is written by hand."""
        text = ('<?xml version="1.0"?>'
                '<e:Envelope xmlns:e="http://schemas.xmlsoap.org/soap/envelope/" '
                'xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance">'
                f'<e:Body>{body}</e:Body></e:Envelope>')
        status, _, answer = self.api.request('POST', '/sdk', text.encode(),
                                             SOAPAction='urn:vim25/6.5')
        return status, answer.decode()

    def snapshot_call(self, members, this='type="VirtualMachine"'):
        """CreateSnapshot_Task with these members."""
        return self.post('<CreateSnapshot_Task xmlns="urn:vim25">'
                         f'<_this {this}>{self.vm._moId}</_this>{members}</CreateSnapshot_Task>')

    def test_order(self):
        rest = '<memory>false</memory><quiesce>false</quiesce>'
        good = '<name>n</name><description>d</description>' + rest
        status, text = self.snapshot_call(good)
        self.assertEqual(status, 200, text)
        self.assertIn('<returnval type="Task"', text)
        bad = '<description>d</description><name>n</name>' + rest
        status, text = self.snapshot_call(bad)
        self.assertEqual(status, 500)
        self.assertIn('<InvalidRequestFault xmlns="urn:vim25" xsi:type="InvalidRequest"', text)

    def test_missing_and_unknown(self):
        self.assertEqual(self.snapshot_call('<name>n</name><memory>false</memory>')[0], 500)
        good = '<name>n</name><memory>false</memory><quiesce>false</quiesce>'
        self.assertEqual(self.snapshot_call(good + '<wrong>1</wrong>')[0], 500)
        self.assertEqual(self.snapshot_call(good, this='')[0], 500)
        self.assertEqual(self.snapshot_call(good)[0], 200)

    def test_unknown_method(self):
        status, text = self.post(
            '<Nothing xmlns="urn:vim25">'
            '<_this type="ServiceInstance">ServiceInstance</_this></Nothing>')
        self.assertEqual(status, 500)
        self.assertIn('InvalidRequest', text)

    def test_prefix(self):
        text = self.post('<RetrieveServiceContent xmlns="urn:vim25"><_this type="ServiceInstance">'
                         'ServiceInstance</_this></RetrieveServiceContent>')[1]
        self.assertNotIn('XMLSchema-instance:type', text)


class HostTest(Case):
    """A single host."""
    model = 'esx'

    def test_folder_without_datacenter(self):
        for datacenter in (None, 'ha-datacenter'):
            self.assertEqual(self.api.folder('GET', 'app01/app01.vmx', datacenter=datacenter)[0],
                             200)
        self.assertEqual(self.api.folder('GET', 'app01/app01.vmx', datacenter='DC0')[0], 404)

    def test_backup(self):
        snapshot = self.snapshot()
        self.assertTrue(self.change_id(snapshot))
        self.remove(snapshot)

    def test_no_tags(self):
        self.assertEqual(self.api.request('POST', '/api/session', auth='root:x')[0], 404)
        self.assertEqual(self.api.request('POST', '/rest/com/vmware/cis/session', auth='root:x')[0],
                         404)
        with self.assertRaises(vmodl.fault.NotImplemented):
            self.api.content.sessionManager.SessionIsActive('x', 'y')

    def test_free_licence(self):
        licences = lambda: [one.editionKey for one in self.api.content.licenseManager.licenses]
        self.assertEqual(licences(), ['esx.enterprisePlus.cpuPackage'])
        self.control.settings(restricted=True)
        self.assertEqual(licences(), ['esxBasic.cpuPackage'])
        with self.assertRaises(vim.fault.RestrictedVersion) as caught:
            self.snapshot()
        self.assertIn('Current license or ESXi version prohibits', caught.exception.msg)
        for call in (lambda: self.vm.ReconfigVM_Task(vim.vm.ConfigSpec(name='x')),
                     self.vm.PowerOffVM_Task, self.vm.UnregisterVM):
            with self.assertRaises(vim.fault.RestrictedVersion):
                call()
        self.assertEqual(self.vm.name, 'app01')
        self.assertEqual(self.api.folder('PUT', 'app01/x', datacenter=None, body=b'x')[0], 403)


class TagTest(Case):
    """Tags over the REST interface."""

    def rest(self, method, path, session=None, body=None, auth=None):
        """Status and value."""
        headers = {'vmware_api_session_id': session} if session else {}
        status, _, text = self.api.request(method, '/rest/com/vmware/cis/' + path, body, auth,
                                           **headers)
        return status, json.loads(text)['value'] if status == 200 and text else None

    def test_tags(self):
        self.control.tag('app01', 'backup', 'daily')
        self.control.tag('app01', 'backup', 'gold')
        self.control.tag('app01', 'tier', 'web')
        self.assertEqual(self.rest('POST', 'session', auth='root:wrong')[0], 401)
        self.assertEqual(self.rest('GET', 'tagging/tag')[0], 401)
        session = self.rest('POST', 'session', auth=f'{self.sim.user}:{self.sim.password}')[1]
        self.assertEqual(self.control.state()['rest_sessions'], 1)
        names = {}
        for one in self.rest('GET', 'tagging/tag', session)[1]:
            tag = self.rest('GET', 'tagging/tag/id:' + one, session)[1]
            category = self.rest('GET', 'tagging/category/id:' + tag['category_id'], session)[1]
            names[one] = category['name'] + '/' + tag['name']
        self.assertEqual(sorted(names.values()), ['backup/daily', 'backup/gold', 'tier/web'])
        on = self.rest('POST', 'tagging/tag-association?~action=list-attached-tags', session,
                       json.dumps(
            {'object_id': {'type': 'VirtualMachine', 'id': self.vm._moId}}))[1]
        self.assertEqual(sorted(on), sorted(names))
        self.control.tag('app01', 'tier', 'web', detach=True)
        on = self.rest('POST', 'tagging/tag-association?~action=list-attached-tags', session,
                       json.dumps(
            {'object_id': {'type': 'VirtualMachine', 'id': self.vm._moId}}))[1]
        self.assertEqual(len(on), 2)
        self.rest('DELETE', 'session', session)
        self.assertEqual(self.control.state()['rest_sessions'], 0)


    def test_tags_attached_and_deleted(self):
        self.control.tag('app01', 'backup', 'daily')
        self.control.tag('app01', 'backup', 'daily', detach=True)
        session = self.rest('POST', 'session', auth=f'{self.sim.user}:{self.sim.password}')[1]
        one, = self.rest('GET', 'tagging/tag', session)[1]
        path = f'tagging/tag-association/id:{one}?~action='
        body = json.dumps({'object_id': {'type': 'VirtualMachine', 'id': self.vm._moId}})
        self.control.rule('POST /rest attach', status=403)
        self.assertEqual(self.rest('POST', path + 'list-attached-objects', session, body),
                         (200, None))
        self.assertEqual(self.rest('POST', path + 'attach', session, body)[0], 403)
        self.assertEqual(self.rest('POST', path + 'attach', session, body)[0], 200)
        self.assertEqual(len(self.rest('POST', path + 'list-attached-objects', session, body)[1]),
                         1)
        self.control.delete_tag('backup', 'daily')
        self.assertEqual(self.rest('GET', 'tagging/tag', session), (200, None))
        self.rest('DELETE', 'session', session)


class NewTagTest(Case):
    """Tags as servers have them since 7.0."""
    version = '7.0.3'

    def ask(self, method, path, session=None, body=None, auth=None):
        """Status and value."""
        headers = {'vmware_api_session_id': session} if session else {}
        status, _, text = self.api.request(method, '/api/' + path, body, auth, **headers)
        return status, json.loads(text) if status in (200, 201) and text else None

    def test_tags(self):
        self.assertEqual(self.api.content.about.version, '7.0.3')
        self.control.tag('app01', 'backup', 'daily')
        status, session = self.ask('POST', 'session', auth=f'{self.sim.user}:{self.sim.password}')
        self.assertEqual(status, 201)
        one, = self.ask('GET', 'cis/tagging/tag', session)[1]
        tag = self.ask('GET', 'cis/tagging/tag/' + one, session)[1]
        self.assertEqual(tag['name'], 'daily')
        self.assertEqual(self.ask('GET', 'cis/tagging/category/' + tag['category_id'],
                                  session)[1]['name'], 'backup')
        self.assertEqual(self.ask('POST', 'cis/tagging/tag?action=list-tags-for-category', session,
                                  json.dumps({'category_id': tag['category_id']}))[1], [one])
        path = 'cis/tagging/tag-association?action=list-attached-tags-on-objects'
        found = self.ask('POST', path, session, json.dumps(
            {'object_ids': [{'type': 'VirtualMachine', 'id': self.vm._moId}]}))[1]
        self.assertEqual([each['tag_ids'] for each in found], [[one]])
        self.assertEqual(self.ask('DELETE', 'session', session)[0], 204)
        self.assertEqual(self.ask('GET', 'cis/tagging/tag', session)[0], 401)


class InventoryTest(Case):
    """Where things are."""

    def test_folders_and_pools(self):
        self.control.pool('gold', 'DC0_C0')
        self.control.add('web1', folder='prod/web', pool='gold', annotation='hello', firmware='efi',
                         memory_mb=64, cpus=2, mac='00:50:56:01:02:03', card='e1000')
        vm = self.api.vm('web1')
        self.assertEqual((vm.parent.name, vm.parent.parent.name), ('web', 'prod'))
        self.assertEqual(vm.resourcePool.name, 'gold')
        self.assertEqual(vm.runtime.host.parent.name, 'DC0_C0')
        config = vm.config
        self.assertEqual((config.annotation, config.firmware, config.hardware.memoryMB,
                          config.hardware.numCPU),
                         ('hello', 'efi', 64, 2))
        card, = cards_of(config)
        self.assertIsInstance(card, vim.vm.device.VirtualE1000)
        self.assertEqual((card.macAddress, card.addressType), ('00:50:56:01:02:03', 'manual'))
        self.control.machine('web1', move_to='test')
        self.assertEqual(vm.parent.name, 'test')
        index = self.api.content.searchIndex
        self.assertEqual(index.FindByInventoryPath('/DC0/vm/test/web1'), vm)
        self.assertEqual(index.FindByUuid(None, config.uuid, True, False), vm)
        self.assertEqual(index.FindByUuid(None, config.instanceUuid, True, True), vm)

    def test_identities_differ(self):
        self.control.add('app02')
        other = self.api.vm('app02')
        self.assertNotEqual(self.vm.config.uuid, other.config.uuid)
        self.assertNotEqual(self.vm.config.instanceUuid, other.config.instanceUuid)

    def test_datacenters_in_folders(self):
        with vsphere.Simulator(machines=1, datacenters=2, folders=1) as sim, Api(sim) as api:
            self.assertEqual([one.name for one in api.view(vim.Datacenter)], ['DC0', 'DC1'])
            sim.control.add('there', datacenter='DC1', folder='a/b')
            where = 'there/there.vmx'
            for path, status in (('F0/DC1', 200), ('DC1', 404), ('DC0', 404)):
                self.assertEqual(api.folder('GET', where, datacenter=path)[0], status, path)
            found = api.content.searchIndex.FindByInventoryPath('/F0/DC1/vm/a/b/there')
            self.assertEqual(found.name, 'there')
            self.assertEqual(sim.control.state()['panics'], [])

    def test_states_of_hosts_and_datastores(self):
        self.control.host('DC0_H0', connection='disconnected', maintenance=True)
        runtime = self.api.find(vim.HostSystem, 'DC0_H0').runtime
        self.assertEqual((runtime.connectionState, runtime.inMaintenanceMode),
                         ('disconnected', True))
        self.control.datastore('LocalDS_1', free=1000, accessible=False)
        summary = self.api.find(vim.Datastore, 'LocalDS_1').summary
        self.assertEqual((summary.freeSpace, summary.accessible), (1000, False))
        self.control.machine('app01', connection='inaccessible')
        self.assertEqual(self.vm.runtime.connectionState, 'inaccessible')
        self.assertEqual(self.vm.summary.runtime.connectionState, 'inaccessible')

    def test_names_are_unique(self):
        with self.assertRaises(vsphere.ControlError):
            self.control.add('app01')
        self.control.add('app01', folder='other')


if __name__ == '__main__':
    unittest.main()
