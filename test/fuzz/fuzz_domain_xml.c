/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The description of a machine of libvirt.  What can be read can be kept, and changed into that of
 * a new machine, which can be read too; and so can a new one from its neutral terms. */
#include "base/error.h"
#include "fuzz.h"
#include "hyper/libvirt/domain_disk.h"
#include "hyper/libvirt/domain_edit.h"
#include "hyper/libvirt/domain_write.h"
#include "hyper/libvirt/domain_xml.h"

#include <string.h>

static gboolean
exists(const char *path)
{
    return path[0] == '/';
}

/* As create() has them: a volume for each disk that is not left out. */
static GArray *
make_volumes(const struct machine *machine)
{
    GArray *volumes = g_array_new(FALSE, FALSE, sizeof(struct domain_volume));
    for (guint i = 0; i < machine->disks->len; i++) {
        const struct machine_disk *disk = g_ptr_array_index(machine->disks, i);
        struct domain_volume volume = {disk->name, "/pool/volume", "qcow2", FALSE};
        if (disk->skip == NULL)
            g_array_append_val(volumes, volume);
    }
    return volumes;
}

static void
check_readable(const char *xml, const struct machine *wanted)
{
    g_autoptr(GError) error = NULL;
    auto_ptr(machine) made = machine_new();
    domain_xml_read(xml, made, &error);
    g_assert_no_error(error);
    g_assert_cmpstr(made->name, ==, wanted->name);
}

static void
check_new(const char *xml, struct machine *machine)
{
    struct domain_host host = {.efi = TRUE, .exists = exists};
    g_autoptr(GPtrArray) words = g_ptr_array_new_with_free_func(g_free);
    g_autoptr(GArray) volumes = make_volumes(machine);
    const struct domain_volume *first = (const struct domain_volume *)volumes->data;
    g_autoptr(GError) error = NULL;
    g_free(machine->name);
    machine->name = g_strdup("new");
    g_autofree char *native =
        domain_edit_native(xml, machine, first, volumes->len, &host, words, &error);
    g_assert_no_error(error);
    if (strlen(native) < MACHINE_NATIVE_MAX)
        check_readable(native, machine);
    g_autofree char *neutral =
        domain_write_neutral(machine, first, volumes->len, &host, words, &error);
    g_assert_no_error(error);
    if (strlen(neutral) < MACHINE_NATIVE_MAX)
        check_readable(neutral, machine);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    g_autofree char *xml = g_strndup((const char *)data, size);
    g_autoptr(GError) error = NULL;
    auto_ptr(machine) machine = machine_new();
    gboolean ok = domain_xml_read(xml, machine, &error);
    fuzz_check(ok, error);
    if (!ok)
        return 0;
    for (guint i = 0; i < machine->disks->len; i++) {
        const struct machine_disk *named = g_ptr_array_index(machine->disks, i);
        auto_ptr(domain_disk) disk = domain_disk_read(xml, named->name, &error);
        g_assert_no_error(error);
        g_assert_true(disk->identity == NULL || domain_disk_has(disk, disk->identity));
    }
    gboolean connected = FALSE;
    g_autofree char *format = NULL;
    g_autofree char *nvram = domain_xml_nvram(xml, &format);
    g_assert_true(domain_xml_agent(xml, &connected) || !connected);
    if (machine->id != NULL) {
        g_autofree char *kept = machine_format(machine, &error);
        g_assert_no_error(error);
    }
    check_new(xml, machine);
    return 0;
}
