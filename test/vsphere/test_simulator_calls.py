# SPDX-License-Identifier: GPL-3.0-or-later
"""The simulator: tasks, calls that go wrong on demand, and files over HTTP."""
import contextlib
import http.client
import os
import pathlib
import time
import unittest

from simulator_case import Case, SIZE

from pyVmomi import vim, vmodl

import vsphere


class TaskTest(Case):
    """Tasks take their time, can be cancelled, and sometimes never end."""

    def started(self, on, method, *arguments):
        """A task that runs, and has come half way, until it is released."""
        self.control.settings(task_hang=[method])
        task = getattr(on, method)(*arguments)
        self.until(lambda: (task.info.progress or 0) >= 50)
        return task

    def release(self):
        """Tasks may end."""
        self.control.settings(task_hang=[])

    def test_progress(self):
        task = self.started(self.vm, 'CreateSnapshot_Task', 'n', '', False, False)
        self.assertEqual((task.info.state, task.info.entity), ('running', self.vm))
        self.assertLess(task.info.progress, 100)
        self.assertIsNone(self.vm.snapshot)
        self.release()
        self.assertEqual(self.api.wait(task), self.vm.snapshot.currentSnapshot)
        self.assertEqual((task.info.state, task.info.progress), ('success', 100))

    def test_times(self):
        self.control.settings(task_times={'CreateSnapshot_Task': 0.2})
        before = time.monotonic()
        self.snapshot()
        self.assertGreater(time.monotonic() - before, 0.15)

    def test_cancel(self):
        task = self.started(self.vm, 'CreateSnapshot_Task', 'never', '', False, False)
        task.CancelTask()
        with self.assertRaises(vmodl.fault.RequestCanceled):
            self.api.wait(task)
        self.assertTrue(task.info.cancelled)
        self.assertIsNone(self.vm.snapshot)
        with self.assertRaises(vim.fault.InvalidState):
            task.CancelTask()

    def test_what_cannot_be_cancelled(self):
        task = self.started(self.snapshot(), 'RemoveSnapshot_Task', False)
        self.assertFalse(task.info.cancelable)
        with self.assertRaises(vmodl.fault.NotSupported):
            task.CancelTask()
        self.release()
        self.api.wait(task)

    def test_one_at_a_time(self):
        first = self.started(self.snapshot(), 'RemoveSnapshot_Task', False)
        with self.assertRaises(vim.fault.TaskInProgress) as caught:
            self.vm.CreateSnapshot_Task('two', '', False, False)
        self.assertEqual(caught.exception.task, first)
        self.control.add('app02')
        self.snapshot(vm=self.api.vm('app02'))
        self.release()
        self.api.wait(first)
        self.snapshot()
        self.control.settings(parallel=True, task_time=0.2)
        both = [self.vm.ReconfigVM_Task(vim.vm.ConfigSpec(annotation=text)) for text in 'ab']
        for task in both:
            self.api.wait(task)

    def test_fault_of_a_task(self):
        self.control.rule('task CreateSnapshot_Task', fault='FileLocked',
                          members={'file': 'x.vmdk'},
                          message='no')
        with self.assertRaises(vim.fault.FileLocked) as caught:
            self.snapshot()
        self.assertEqual((caught.exception.file, caught.exception.msg), ('x.vmdk', 'no'))
        self.snapshot()

    def test_recent(self):
        self.snapshot()
        recent = self.api.content.taskManager.recentTask
        self.assertEqual([one.info.descriptionId for one in recent][-1:],
                         ['VirtualMachine.createSnapshot'])
        self.assertNotIn(None, [one.info.state for one in recent])

    def test_other_methods(self):
        self.api.wait(self.vm.PowerOffVM_Task())
        with self.assertRaises(vim.fault.InvalidPowerState):
            self.api.wait(self.vm.PowerOffVM_Task())
        self.api.wait(self.vm.PowerOnVM_Task())
        with self.assertRaises(vim.fault.InvalidPowerState):
            self.api.wait(self.vm.Destroy_Task())
        self.api.wait(self.vm.Rename_Task('renamed'))
        self.assertEqual(self.vm.name, 'renamed')
        self.api.wait(self.vm.PowerOffVM_Task())
        where = pathlib.Path(self.control.machine('renamed')['directory'])
        self.api.wait(self.vm.Destroy_Task())
        self.assertFalse(where.exists())
        with self.assertRaises(vmodl.fault.ManagedObjectNotFound):
            print(self.vm.name)


class RuleTest(Case):
    """Calls that go wrong on demand."""

    def test_fault_of_a_call(self):
        self.control.rule('CreateSnapshot_Task', fault='NoPermission',
                          members={'privilegeId': 'VirtualMachine.State.CreateSnapshot'})
        with self.assertRaises(vim.fault.NoPermission) as caught:
            self.snapshot()
        self.assertEqual(caught.exception.privilegeId, 'VirtualMachine.State.CreateSnapshot')
        self.assertEqual(caught.exception.object, self.vm)
        self.snapshot()

    def test_later_and_for_ever(self):
        self.control.rule('CurrentTime', fault='Timedout', skip=2, count=-1)
        self.api.instance.CurrentTime()
        self.api.instance.CurrentTime()
        for _ in range(3):
            with self.assertRaises(vim.fault.Timedout):
                self.api.instance.CurrentTime()
        self.assertEqual(self.control.state()['rules'][0]['used'], 3)
        self.control.clear()
        self.api.instance.CurrentTime()

    def test_status_and_any_call(self):
        self.control.rule('*', status=503)
        with self.assertRaises(Exception) as caught:
            self.api.instance.CurrentTime()
        self.assertIn('503', str(caught.exception))
        self.api.instance.CurrentTime()

    def snapshot_call(self):
        return ('<e:Envelope xmlns:e="http://schemas.xmlsoap.org/soap/envelope/"><e:Body>'
                '<CreateSnapshot_Task xmlns="urn:vim25">'
                f'<_this type="VirtualMachine">{self.vm._moId}</_this><name>n</name>'
                '<memory>false</memory><quiesce>false</quiesce></CreateSnapshot_Task></e:Body></e:Envelope>').encode()

    def test_dropped(self):
        for when, made in (('before', 0), ('after', 1)):
            self.control.rule('CreateSnapshot_Task', drop=when)
            with self.assertRaises(OSError):
                self.api.request('POST', '/sdk', self.snapshot_call())
            self.until(lambda: not made or self.control.state()['snapshots'])
            self.assertEqual(len(self.control.state()['snapshots']), made)

    def test_delay(self):
        self.control.rule('CurrentTime', delay=0.3)
        before = time.monotonic()
        self.api.instance.CurrentTime()
        self.assertGreater(time.monotonic() - before, 0.25)

    def test_caller_gone(self):
        """A call whose caller hangs up is under way until it is done; then it is counted no more."""
        self.control.rule('CreateSnapshot_Task', delay=60)
        with contextlib.closing(self.api.send('POST', '/sdk', self.snapshot_call())):
            self.until(lambda: self.control.state()['calls'] == 1)
            self.assertEqual(self.control.state()['snapshots'], [])
        self.until(lambda: self.control.state()['calls'] == 0)
        self.until(lambda: self.control.state()['snapshots'])

    def test_bad_rules(self):
        with self.assertRaises(vsphere.ControlError):
            self.control.rule('CurrentTime', fault='NoSuchFault')
        with self.assertRaises(vsphere.ControlError):
            self.control.rule('CurrentTime', nonsense=1)

    def test_counts(self):
        self.control.reset_counts()
        self.api.instance.CurrentTime()
        self.api.folder('GET', 'app01/app01.vmdk')
        state = self.control.state()
        self.assertEqual((state['counts']['CurrentTime'], state['counts']['GET /folder']), (1, 1))
        self.assertGreater(state['served'], 300)

    def test_panic_is_seen(self):
        collector = vmodl.query.PropertyCollector
        spec = collector.FilterSpec(
            objectSet=[collector.ObjectSpec(obj=self.vm)],
            propSet=[collector.PropertySpec(type=vim.VirtualMachine,
                                            pathSet=['config.hardware.device.key'])])
        with self.assertRaises(vmodl.fault.SystemError):
            self.api.content.propertyCollector.RetrievePropertiesEx([spec],
                                                                    collector.RetrieveOptions())
        self.assertEqual(len(self.control.state()['panics']), 1)
        self.api.instance.CurrentTime()

    def tearDown(self):
        self.assertEqual(len(self.control.state()['panics']),
                         1 if 'panic' in self._testMethodName else 0)


class FolderTest(Case):
    """Files of datastores over HTTP."""

    def test_who_may(self):
        path = 'app01/app01.vmx'
        self.assertEqual(self.api.folder('GET', path, auth=None)[0], 401)
        self.assertEqual(self.api.folder('GET', path, auth='root:wrong')[0], 401)
        self.assertEqual(self.api.folder('GET', path,
                                         auth=f'{self.sim.user}:{self.sim.password}')[0], 200)
        self.assertEqual(self.api.folder('GET', path)[0], 200)
        self.control.settings(basic_access=False)
        self.assertEqual(self.api.folder('GET', path,
                                         auth=f'{self.sim.user}:{self.sim.password}')[0], 401)

    def test_where(self):
        path = 'app01/app01.vmx'
        self.assertEqual(self.api.folder('GET', path, datacenter='DC1')[0], 404)
        self.assertEqual(self.api.folder('GET', path, datacenter=None)[0], 404)
        self.assertEqual(self.api.folder('GET', path, datastore='LocalDS_1')[0], 404)
        self.assertEqual(self.api.folder('GET', 'app01/none')[0], 404)
        self.assertEqual(self.api.folder('GET', '../../etc/passwd')[0], 404)

    def test_ranges(self):
        data = os.urandom(SIZE // 16)
        self.control.write('app01', 0, 0, data)
        self.snapshot()
        path = 'app01/app01-flat.vmdk'
        status, headers, body = self.api.folder('HEAD', path)
        self.assertEqual((status, headers['Content-Length'], body), (200, str(SIZE), b''))
        self.assertEqual(headers['Accept-Ranges'], 'bytes')
        status, headers, body = self.api.folder('GET', path, Range='bytes=100-299')
        self.assertEqual((status, body), (206, data[100:300]))
        self.assertEqual(headers['Content-Range'], f'bytes 100-299/{SIZE}')
        self.assertEqual(self.api.folder('GET', path, Range=f'bytes={SIZE}-')[0], 416)
        self.assertEqual(self.api.folder('GET', path)[2], self.read('backup'))

    def test_locks(self):
        path = 'app01/app01-flat.vmdk'
        self.assertEqual(self.api.folder('GET', path)[0], 500)
        self.assertEqual(self.api.folder('GET', 'app01/app01.vmdk')[0], 200)
        snapshot = self.snapshot()
        self.assertEqual(self.api.folder('GET', path, Range='bytes=0-9')[0], 206)
        self.assertEqual(self.api.folder('GET', 'app01/app01-000001-delta.vmdk')[0], 500)
        self.assertEqual(self.api.folder('PUT', path, body=b'x')[0], 500)
        self.assertEqual(self.api.folder('DELETE', path)[0], 500)
        self.remove(snapshot)
        self.assertEqual(self.api.folder('GET', path)[0], 500)
        self.api.wait(self.vm.PowerOffVM_Task())
        self.assertEqual(self.api.folder('GET', path)[2], bytes(SIZE))
        self.assertEqual(self.api.folder('PUT', path, body=b'y' * SIZE)[0], 200)
        self.assertEqual(self.read(), b'y' * SIZE)

    def test_put_and_delete(self):
        self.assertEqual(self.api.folder('PUT', 'app01/new.txt', body=b'hello')[0], 201)
        self.assertEqual(self.api.folder('GET', 'app01/new.txt')[2], b'hello')
        self.assertEqual(self.api.folder('PUT', 'app01/new.txt', body=b'bye')[0], 200)
        self.assertEqual(self.api.folder('GET', 'app01/new.txt')[2], b'bye')
        self.assertEqual(self.api.folder('PUT', 'nowhere/new.txt', body=b'x')[0], 404)
        self.assertEqual(self.api.folder('DELETE', 'app01/new.txt')[0], 204)
        self.assertEqual(self.api.folder('GET', 'app01/new.txt')[0], 404)
        self.assertEqual(self.api.folder('DELETE', 'app01/new.txt')[0], 404)

    def test_ranged_put(self):
        self.api.folder('PUT', 'app01/x', body=b'0123456789')
        self.assertEqual(self.api.folder('PUT', 'app01/x', body=b'ab',
                                         Content_Range='bytes 2-3/10')[0], 400)
        self.assertEqual(self.api.folder('GET', 'app01/x')[2], b'0123456789')
        self.control.settings(ranged_put=True)
        self.assertEqual(self.api.folder('PUT', 'app01/x', body=b'ab',
                                         Content_Range='bytes 2-3/10')[0], 200)
        self.assertEqual(self.api.folder('GET', 'app01/x')[2], b'01ab456789')

    def test_listing(self):
        status, headers, body = self.api.folder('GET', 'app01')
        self.assertEqual((status, headers.get_content_type()), (200, 'text/html'))
        self.assertIn(b'app01-flat.vmdk', body)
        status, _, body = self.api.request('GET', '/folder')
        self.assertEqual(status, 200)
        self.assertIn(b'dsName=LocalDS_1', body)

    def test_faults(self):
        self.snapshot()
        path = 'app01/app01-flat.vmdk'
        self.control.rule('GET /folder', status=503, skip=1)
        self.assertEqual(self.api.folder('GET', path, Range='bytes=0-9')[0], 206)
        self.assertEqual(self.api.folder('GET', path, Range='bytes=0-9')[0], 503)
        self.assertEqual(self.api.folder('GET', path, Range='bytes=0-9')[0], 206)
        self.control.rule('GET /folder', short=1000)
        with self.assertRaises((OSError, http.client.IncompleteRead)):
            self.api.folder('GET', path, Range='bytes=0-99999')
        self.control.rule('GET /folder', short=1000, cut=True)
        status, _, body = self.api.folder('GET', path, Range='bytes=0-99999')
        self.assertEqual((status, len(body)), (206, 1000))
        self.control.rule('GET /folder', short=1000, stall=True)
        connection = http.client.HTTPConnection('127.0.0.1', self.sim.port, timeout=1)
        self.addCleanup(connection.close)
        query = '/folder/' + path + '?dcPath=DC0&dsName=LocalDS_0'
        connection.request('GET', query, headers={'Cookie': self.api.cookie})
        answer = connection.getresponse()
        self.assertEqual(len(answer.read(1000)), 1000)
        with self.assertRaises(TimeoutError):
            answer.read(1)
        self.control.rule('GET /folder', drop='before')
        with self.assertRaises(OSError):
            self.api.folder('GET', path, Range='bytes=0-9')
        self.assertEqual(self.api.folder('GET', path, Range='bytes=0-9')[0], 206)

    def test_session_ends_in_the_middle(self):
        self.snapshot()
        cookie = self.api.cookie
        self.control.expire()
        self.assertEqual(self.api.folder('GET', 'app01/app01-flat.vmdk', Cookie=cookie)[0], 401)


if __name__ == '__main__':
    unittest.main()
