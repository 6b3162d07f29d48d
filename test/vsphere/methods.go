// SPDX-License-Identifier: GPL-3.0-or-later

package main

import (
	"reflect"
	"strings"

	"github.com/vmware/govmomi/vim25/types"
)

// What is not in one of these tables the library does.
var (
	methods map[string]method // done at once
	waiters map[string]method // take their time, and lock by themselves
	works   map[string]work   // of tasks
	checks  map[string]func(w *world, c *call) *failure
)

func init() {
	methods = map[string]method{
		"Login":                        login,
		"Logout":                       logout,
		"TerminateSession":             terminate,
		"SessionIsActive":              sessionIsActive,
		"CreateContainerView":          createView,
		"CreateListView":               createView,
		"DestroyView":                  destroyView,
		"RetrievePropertiesEx":         retrieveEx,
		"RetrieveProperties":           retrieve,
		"ContinueRetrievePropertiesEx": continueRetrieve,
		"CancelRetrievePropertiesEx":   cancelRetrieve,
		"CreatePropertyCollector":      createCollector,
		"DestroyPropertyCollector":     destroyCollector,
		"CreateFilter":                 createFilter,
		"DestroyPropertyFilter":        destroyFilter,
		"CancelWaitForUpdates":         cancelWait,
		"CancelTask":                   cancelTask,
		"QueryChangedDiskAreas":        queryChangedAreas,
		"ImportVApp":                   importVApp,
		"HttpNfcLeaseComplete":         leaseComplete,
		"HttpNfcLeaseAbort":            leaseAbort,
		"HttpNfcLeaseProgress":         leaseProgress,
		"HttpNfcLeaseGetManifest":      leaseManifest,
		"UnregisterVM":                 unregister,
		"MarkAsTemplate":               markAsTemplate,
	}
	waiters = map[string]method{
		"WaitForUpdatesEx": waitForUpdatesEx,
		"WaitForUpdates":   waitForUpdates,
		"CheckForUpdates":  checkForUpdates,
	}
	works = map[string]work{
		"CreateSnapshot_Task":      createSnapshot,
		"CreateSnapshotEx_Task":    createSnapshotEx,
		"RemoveSnapshot_Task":      removeSnapshot,
		"RemoveAllSnapshots_Task":  removeAllSnapshots,
		"RevertToSnapshot_Task":    revertToSnapshot,
		"ConsolidateVMDisks_Task":  consolidate,
		"ReconfigVM_Task":          reconfigure,
		"CreateVM_Task":            createMachine,
		"RegisterVM_Task":          registerMachine,
		"Destroy_Task":             destroy,
		"PowerOnVM_Task":           powerOn,
		"PowerOffVM_Task":          powerOff,
		"SuspendVM_Task":           suspend,
		"CreateVirtualDisk_Task":   createVirtualDisk,
		"DeleteVirtualDisk_Task":   deleteVirtualDisk,
		"Rename_Task":              rename,
		"SearchDatastore_Task":     libraryTask,
		"DeleteDatastoreFile_Task": deleteDatastoreFile,
	}
	checks = map[string]func(w *world, c *call) *failure{
		"RemoveSnapshot_Task": snapshotIsThere,
	}
	types.Add("CreateSnapshotEx_Task", reflect.TypeOf((*createSnapshotExRequest)(nil)).Elem())
	types.Add("VirtualMachineGuestQuiesceSpec", reflect.TypeOf((*guestQuiesceSpec)(nil)).Elem())
	types.Add("VirtualMachineWindowsQuiesceSpec", reflect.TypeOf((*windowsQuiesceSpec)(nil)).Elem())
	typeFunction := types.TypeFunc()
	typeOf = func(name string) (reflect.Type, bool) {
		if i := strings.IndexByte(name, ':'); i >= 0 {
			name = name[i+1:] // a prefix that the decoder did not resolve
		}
		return typeFunction(name)
	}
}

// typeOf finds a type of the API by its name.
var typeOf func(name string) (reflect.Type, bool)

// implements says whether the library has the method.
func (w *world) implements(c *call) (interface{}, *failure) {
	name := strings.Title(strings.TrimSuffix(c.name, "_Task")) + "Task"
	object := w.object(c)
	if object == nil {
		return nil, notFound(c.this)
	}
	if m := reflect.ValueOf(object).MethodByName(name); !m.IsValid() {
		return nil, fail(&types.MethodNotFound{Receiver: c.this, Method: c.name},
			"%s does not implement: %s", c.this, c.name)
	}
	return object, nil
}

// returned is the reference that an answer consists of.
func returned(answer interface{}) types.ManagedObjectReference {
	ref, _ := reflect.ValueOf(answer).Elem().FieldByName("Returnval").Interface().(types.ManagedObjectReference)
	return ref
}

// restricted refuses what a free licence does not allow, with the words that hosts use.
func (w *world) restricted(c *call) *failure {
	if !w.settings.Restricted || c.session == nil {
		return nil
	}
	writes := strings.HasSuffix(c.name, "_Task") && !strings.HasPrefix(c.name, "Search")
	switch c.name {
	case "ImportVApp", "UnregisterVM", "MarkAsTemplate", "MakeDirectory", "CreateFolder",
		"CreateResourcePool", "HttpNfcLeaseComplete":
		writes = true
	}
	if !writes {
		return nil
	}
	return fail(new(types.RestrictedVersion),
		"Current license or ESXi version prohibits execution of the requested operation.")
}
