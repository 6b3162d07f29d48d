/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What a vSphere server answers: refusals, references, lists of objects, machines, devices. */
#include "base/error.h"
#include "fuzz.h"
#include "hyper/vsphere/device.h"
#include "hyper/vsphere/vim_private.h"
#include "hyper/vsphere/vm_config.h"

#include <string.h>

/* A refusal becomes an error in words, whatever is in it. */
static void
check_fault(struct vim_fault *fault)
{
    static const struct moref self = {(char *)"VirtualMachine", (char *)"vm-1"};
    g_autoptr(GError) error = NULL;
    g_assert_true(g_utf8_validate(fault->type, -1, NULL));
    g_assert_false(
        vim_fault_fail(fault, "input", vim_method_find("ReconfigVM_Task"), &self, &error));
    fuzz_check(FALSE, error);
    g_assert_true(g_utf8_validate(error->message, -1, NULL));
    vim_fault_clear(fault);
}

static void
check_reference(const xmlNode *node)
{
    struct moref moref = {0}, again = {0};
    if (!vim_get_moref(node, &moref))
        return;
    g_assert_cmpuint(strlen(moref.type), <=, VIM_MOREF_MAX);
    g_assert_cmpuint(strlen(moref.value), <=, VIM_MOREF_MAX);
    g_autofree char *text = moref_format(&moref);
    if (strchr(moref.type, ':') == NULL) {
        g_assert_true(moref_parse(text, &again));
        g_assert_true(moref_equal(&moref, &again));
        moref_clear(&again);
    }
    moref_clear(&moref);
}

/* What is sent again is what was read. */
static void
check_sending(const xmlNode *node)
{
    g_autoptr(GString) first = g_string_new(NULL);
    g_autoptr(GString) second = g_string_new(NULL);
    g_autoptr(GError) error = NULL;
    vim_put_node(first, "value", node);
    g_autoptr(GString) envelope = vim_envelope("Method", NULL, first->str);
    auto_xml_doc doc = xml_parse(envelope->str, envelope->len, G_MAXINT, NULL, "sent", &error);
    if (doc == NULL) { /* deeper than what may be read, by the envelope */
        g_assert_error(error, SLIPWAY_ERROR, SLIPWAY_ERROR_LIMIT);
        return;
    }
    const xmlNode *body = xml_child(xmlDocGetRootElement(doc), "Body");
    vim_put_node(second, "value", xml_child(xml_child(body, "Method"), "value"));
    g_assert_cmpstr(first->str, ==, second->str);
}

static void
check_devices(const xmlNode *parent)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(GPtrArray) devices = devices_read(parent, &error);
    fuzz_check_pointer(devices, error);
    for (guint i = 0; devices != NULL && i < devices->len; i++) {
        const struct device *device = devices->pdata[i];
        enum machine_bus bus = MACHINE_BUS_N;
        const char *model = NULL;
        g_autofree char *place = device_place(devices, device);
        device_bus(devices, device, &bus, &model);
        g_assert_cmpint(bus, <, MACHINE_BUS_N);
        g_assert_nonnull(device->type);
        g_assert_cmpuint(device->size, <=, G_MAXINT64);
        device_skip(device);
    }
}

/* A machine that is read can be kept with a set, unless it is beyond what those may hold. */
static void
check_machine(const struct vim_object *object)
{
    g_autoptr(GError) error = NULL;
    auto_ptr(inventory_tree) tree = inventory_tree_new(NULL);
    inventory_tree_add(tree, object);
    auto_ptr(machine) machine = vm_config_read(object, tree, &error);
    fuzz_check_pointer(machine, error);
    if (machine == NULL)
        return;
    for (guint i = 0; i < machine->disks->len; i++) {
        struct machine_disk *disk = machine->disks->pdata[i];
        g_assert_true(machine_find_disk(machine, disk->name) == disk);
    }
    g_autofree char *text = machine_format(machine, &error);
    fuzz_check_pointer(text, error);
    g_autofree char *native = vm_config_native(object);
    g_autofree char *nvram = vm_config_nvram(object);
}

static void
check_objects(xmlDoc *answer)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *token = NULL;
    g_autoptr(GPtrArray) list = g_ptr_array_new_with_free_func((GDestroyNotify)vim_object_free);
    gboolean ok = vim_objects_read(answer, "input", list, &token, &error);
    fuzz_check(ok, error);
    for (guint i = 0; i < list->len; i++) {
        const struct vim_object *object = list->pdata[i];
        const xmlNode *devices = vim_property(object, "config.hardware.device");
        if (devices != NULL)
            check_devices(devices);
        check_machine(object);
    }
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    g_autoptr(GError) error = NULL;
    struct vim_fault fault = {0};
    xmlDoc *answer = vim_answer_parse(data, size, "input", &fault, &error);
    if (fault.type != NULL) {
        g_assert_null(answer);
        g_assert_no_error(error);
        check_fault(&fault);
        return 0;
    }
    fuzz_check_pointer(answer, error);
    if (answer == NULL)
        return 0;
    const xmlNode *returned = vim_returned(answer);
    if (returned != NULL) {
        check_reference(returned);
        check_sending(returned);
        check_devices(returned);
    }
    check_objects(answer); /* takes it over */
    return 0;
}
