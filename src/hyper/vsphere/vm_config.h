/* SPDX-License-Identifier: GPL-3.0-or-later */
/* vm_config.h: a struct machine out of the properties of a VirtualMachine.
 *
 * Its native description ("vim-xml") is one document that is the same whatever server it came from:
 *
 *     <virtualMachine xmlns="urn:vim25" xmlns:xsi="..." xmlns:xsd="...">
 *       <config xsi:type="VirtualMachineConfigInfo">...</config>      always
 *       <layoutEx>, <customValue>, <availableField>, <guest>          where the server has them
 *     </virtualMachine> */
#pragma once

#include "hyper/machine.h"
#include "hyper/vsphere/inventory_tree.h"

/* Properties to ask for, of a list and of one machine completely; every server since 5.0 has them.
 */
extern const char *const vm_config_list_paths[];
extern const char *const vm_config_paths[];

/* All but tags, native description and firmware.  NULL with an error that names the machine when
 * what cannot be missing is: SLIPWAY_ERROR_FAILED (it is not accessible), SLIPWAY_ERROR_CORRUPT,
 * SLIPWAY_ERROR_LIMIT. */
struct machine *vm_config_read(const struct vim_object *object, struct inventory_tree *tree,
                               GError **error);
/* The native description, of an object read with vm_config_paths; g_free(). */
char *vm_config_native(const struct vim_object *object);
/* "[ds1] app01/app01.nvram" of a machine that has such a file; NULL.  g_free(). */
char *vm_config_nvram(const struct vim_object *object);
/* "linux", "windows", "bsd", "other" of the API's guest id; NULL: not known. */
const char *vm_config_family(const char *guest_id);
