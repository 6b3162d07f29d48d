/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "hyper/vsphere/vim_private.h"

#include <stdlib.h>
#include <string.h>

/* Columns `harmless` and `task`. */
#define READ TRUE, FALSE
#define AGAIN TRUE, FALSE
#define ONCE FALSE, FALSE
#define TASK FALSE, TRUE
#define TASK_AGAIN TRUE, TRUE

/* The calls that are used; sorted by name.  Harmless is what only reads, and what leaves the same
 * whether it is done once or twice; a second refusal ("is gone already") is the caller's to
 * understand. */
static const struct vim_method methods[] = {
    {"CancelRetrievePropertiesEx", AGAIN, NULL, "ending a list"},
    {"CancelTask", AGAIN, "Global.CancelTask", "cancelling a task"},
    {"ConsolidateVMDisks_Task", TASK_AGAIN, "VirtualMachine.State.RemoveSnapshot",
     "consolidating disks"},
    {"ContinueRetrievePropertiesEx", READ, NULL, "reading the inventory"},
    {"CreateContainerView", AGAIN, NULL, "reading the inventory"},
    {"CreateFilter", AGAIN, NULL, "watching a task"},
    {"CreatePropertyCollector", AGAIN, NULL, "watching a task"},
    {"CreateSnapshotEx_Task", TASK, "VirtualMachine.State.CreateSnapshot", "taking a snapshot"},
    {"CreateSnapshot_Task", TASK, "VirtualMachine.State.CreateSnapshot", "taking a snapshot"},
    {"CreateVM_Task", TASK, "VirtualMachine.Inventory.Create", "making a virtual machine"},
    {"CreateVirtualDisk_Task", TASK, "Datastore.FileManagement", "making a disk"},
    {"CurrentTime", READ, NULL, "asking the time"},
    {"DeleteDatastoreFile_Task", TASK_AGAIN, "Datastore.FileManagement", "deleting a file"},
    {"DeleteVirtualDisk_Task", TASK_AGAIN, "Datastore.FileManagement", "deleting a disk"},
    {"DestroyPropertyCollector", AGAIN, NULL, "watching a task"},
    {"DestroyView", AGAIN, NULL, "reading the inventory"},
    {"Destroy_Task", TASK_AGAIN, "VirtualMachine.Inventory.Delete", "deleting"},
    {"FindAllByUuid", READ, NULL, "looking for a virtual machine"},
    {"FindByInventoryPath", READ, NULL, "looking for a path of the inventory"},
    {"FindByUuid", READ, NULL, "looking for a virtual machine"},
    {"FindChild", READ, NULL, "looking for an object"},
    {"HasPrivilegeOnEntities", READ, NULL, "reading privileges"},
    {"HttpNfcLeaseAbort", AGAIN, NULL, "abandoning a transfer"},
    {"HttpNfcLeaseComplete", ONCE, NULL, "ending a transfer"},
    {"HttpNfcLeaseGetManifest", READ, NULL, "reading what was transferred"},
    {"HttpNfcLeaseProgress", AGAIN, NULL, "keeping a transfer alive"},
    {"ImportVApp", ONCE, "VApp.Import", "importing a virtual machine"},
    {"Login", AGAIN, "System.View", "logging in"},
    {"Logout", AGAIN, NULL, "logging out"},
    {"MakeDirectory", ONCE, "Datastore.FileManagement", "making a folder on a datastore"},
    {"MoveIntoFolder_Task", TASK, "VirtualMachine.Inventory.Move", "moving into a folder"},
    {"PowerOffVM_Task", TASK, "VirtualMachine.Interact.PowerOff", "powering off"},
    {"PowerOnMultiVM_Task", TASK, "VirtualMachine.Interact.PowerOn", "powering on"},
    {"PowerOnVM_Task", TASK, "VirtualMachine.Interact.PowerOn", "powering on"},
    {"QueryChangedDiskAreas", READ, "VirtualMachine.Provisioning.DiskRandomRead",
     "asking what has changed"},
    {"QueryOptions", READ, "Global.Settings", "reading options"},
    {"QueryVirtualDiskUuid", READ, "Datastore.FileManagement", "reading a disk's identity"},
    {"ReconfigVM_Task", TASK, "VirtualMachine.Config.Settings", "changing the configuration"},
    {"RegisterVM_Task", TASK, "VirtualMachine.Inventory.Register", "registering a virtual machine"},
    {"RemoveSnapshot_Task", TASK_AGAIN, "VirtualMachine.State.RemoveSnapshot",
     "removing a snapshot"},
    {"Rename_Task", TASK, "VirtualMachine.Config.Rename", "renaming"},
    {"RetrievePropertiesEx", READ, "System.Read", "reading properties"},
    {"RetrieveServiceContent", READ, NULL, "asking what the server is"},
    {"SearchDatastore_Task", TASK_AGAIN, "Datastore.Browse", "looking through a datastore"},
    {"UnregisterVM", AGAIN, "VirtualMachine.Inventory.Unregister", "taking it off the inventory"},
    {"WaitForUpdatesEx", READ, NULL, "watching a task"},
};

static int
compare(const void *name, const void *row)
{
    return strcmp(name, ((const struct vim_method *)row)->name);
}

const struct vim_method *
vim_method_find(const char *name)
{
    return bsearch(name, methods, G_N_ELEMENTS(methods), sizeof(methods[0]), compare);
}

const struct vim_method *
vim_method_get(guint index)
{
    return index < G_N_ELEMENTS(methods) ? &methods[index] : NULL;
}
