/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The description of a machine.  What is read can be written, and that is read as the same and
 * written as the same bytes; names are unique and not empty; a copy is the same. */
#include "base/error.h"
#include "fuzz.h"
#include "hyper/machine.h"

#include <string.h>

static void
check_names(const struct machine *machine)
{
    g_assert_cmpuint(machine->disks->len, <=, MACHINE_DISKS_MAX);
    g_assert_cmpuint(machine->nics->len, <=, MACHINE_NICS_MAX);
    g_assert_cmpuint(machine->tags->len, <=, MACHINE_TAGS_MAX);
    g_assert_true(machine->name != NULL && *machine->name != '\0');
    g_assert_null(machine->ref);
    for (guint i = 0; i < machine->disks->len; i++) {
        const struct machine_disk *disk = g_ptr_array_index(machine->disks, i);
        g_assert_true(machine_find_disk(machine, disk->name) == disk);
        g_assert_cmpint(disk->bus, <, MACHINE_BUS_N);
        g_assert_cmpuint(disk->size, <=, G_MAXINT64);
    }
    for (guint i = 0; i < machine->nics->len; i++) {
        const struct machine_nic *nic = g_ptr_array_index(machine->nics, i);
        g_autofree char *mac = machine_mac_normal(nic->mac);
        g_assert_cmpstr(mac, ==, nic->mac);
        g_assert_cmpint(nic->kind, <, MACHINE_NETWORK_N);
    }
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    g_autoptr(GError) error = NULL;
    auto_ptr(machine) machine = machine_parse((const char *)data, size, &error);
    fuzz_check_pointer(machine, error);
    if (machine == NULL)
        return 0;
    check_names(machine);
    g_autofree char *text = machine_format(machine, &error);
    fuzz_check_pointer(text, error);
    if (text == NULL) {
        /* With blanks between it is longer than what came. */
        g_assert_error(error, SLIPWAY_ERROR, SLIPWAY_ERROR_LIMIT);
        return 0;
    }
    auto_ptr(machine) again = machine_parse(text, strlen(text), &error);
    g_assert_no_error(error);
    auto_ptr(machine) copy = machine_copy(again);
    g_autofree char *second = machine_format(copy, &error);
    g_assert_no_error(error);
    g_assert_cmpstr(text, ==, second);
    return 0;
}
