/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "hyper/vsphere/create_finish.h"

#include "hyper/vsphere/folder.h"

#include <string.h>

static void
put_option(GString *xml, const char *key, const char *value)
{
    vim_begin(xml, "extraConfig", "OptionValue");
    vim_put(xml, "key", key);
    vim_put_typed(xml, "value", "xsd:string", value);
    vim_end(xml, "extraConfig");
}

/* ---- Addresses that the server chose otherwise ------------------------------------------------
 */

/* The whole device goes back, as servers want it, with the address as an administrator's: it is
 * kept then, and must not be refused for being of a range of VMware's own. */
static void
put_address(GString *changes, GString *options, const xmlNode *node, guint index, const char *mac)
{
    g_autofree char *type = vim_type_of(node);
    vim_begin(changes, "deviceChange", NULL);
    vim_put(changes, "operation", "edit");
    vim_begin(changes, "device", type);
    for (const xmlNode *at = xml_child(node, NULL); at != NULL; at = xml_next(at, NULL)) {
        const char *name = (const char *)at->name;
        if (strcmp(name, "addressType") == 0)
            vim_put(changes, name, "manual");
        else if (strcmp(name, "macAddress") == 0)
            vim_put(changes, name, mac);
        else
            vim_put_node(changes, name, at);
    }
    vim_end(changes, "device");
    vim_end(changes, "deviceChange");
    g_autofree char *key = g_strdup_printf("ethernet%u.checkMACAddress", index);
    put_option(options, key, "FALSE");
}

static gboolean
put_addresses(GString *changes, GString *options, struct vim *vim, const struct moref *self,
              const struct machine *wanted, GError **error)
{
    static const char *const paths[] = {"config.hardware.device", NULL};
    auto_ptr(vim_object) object = vim_get(vim, self, paths, error);
    const xmlNode *devices = object != NULL ? vim_property(object, paths[0]) : NULL;
    guint index = 0;
    for (const xmlNode *at = devices != NULL ? xml_child(devices, NULL) : NULL;
         at != NULL && index < wanted->nics->len; at = xml_next(at, NULL)) {
        if (!vim_is_type(at, "VirtualEthernetCard"))
            continue;
        const struct machine_nic *nic = g_ptr_array_index(wanted->nics, index);
        g_autofree char *mac = xml_child_text(at, "macAddress");
        if (nic->mac != NULL && mac != NULL && g_ascii_strcasecmp(mac, nic->mac) != 0)
            put_address(changes, options, at, index, nic->mac);
        index++;
    }
    return object != NULL;
}

/* ---- Boot order -------------------------------------------------------------------------------
 */

struct bootable {
    guint order;
    gint64 key;
    gboolean nic;
};

static int
compare_order(gconstpointer a, gconstpointer b)
{
    const struct bootable *one = a, *other = b;
    return (one->order > other->order) - (one->order < other->order);
}

static const struct device *
find_disk(const GPtrArray *list, const char *name)
{
    for (guint i = 0; i < list->len; i++) {
        const struct device *device = g_ptr_array_index(list, i);
        g_autofree char *place = device_is_disk(device) ? device_place(list, device) : NULL;
        if (g_strcmp0(place, name) == 0)
            return device;
    }
    return NULL;
}

static const struct device *
find_nic(const GPtrArray *list, guint index)
{
    for (guint i = 0; i < list->len; i++) {
        const struct device *device = g_ptr_array_index(list, i);
        if (device_is_nic(device) && index-- == 0)
            return device;
    }
    return NULL;
}

static void
add_bootable(GArray *all, const struct device *device, guint order, gboolean nic)
{
    struct bootable bootable = {order, device != NULL ? device->key : 0, nic};
    if (device != NULL && order > 0)
        g_array_append_val(all, bootable);
}

static GArray *
find_bootables(const struct machine *wanted, const struct create_device *devices,
               const GPtrArray *list)
{
    GArray *all = g_array_new(FALSE, FALSE, sizeof(struct bootable));
    for (guint i = 0, index = 0; i < wanted->disks->len; i++) {
        const struct machine_disk *disk = g_ptr_array_index(wanted->disks, i);
        if (disk->skip == NULL)
            add_bootable(all, find_disk(list, create_device_disk_name(devices, index++)),
                         disk->boot_order, FALSE);
    }
    for (guint i = 0; i < wanted->nics->len; i++) {
        const struct machine_nic *nic = g_ptr_array_index(wanted->nics, i);
        add_bootable(all, find_nic(list, i), nic->boot_order, TRUE);
    }
    g_array_sort(all, compare_order);
    return all;
}

static void
put_bootables(GString *xml, const GArray *all)
{
    for (guint i = 0; i < all->len; i++) {
        const struct bootable *bootable = &g_array_index(all, struct bootable, i);
        vim_begin(xml, "bootOrder",
                  bootable->nic ? "VirtualMachineBootOptionsBootableEthernetDevice"
                                : "VirtualMachineBootOptionsBootableDiskDevice");
        vim_put_int(xml, "deviceKey", bootable->key);
        vim_end(xml, "bootOrder");
    }
}

/* With the options that are set already, which a server may take as unset when they are missing. */
static gboolean
put_boot_order(GString *xml, struct vsphere *vsphere, const struct moref *self,
               const struct machine *wanted, const struct create_device *devices, GError **error)
{
    static const char *const paths[] = {"config.bootOptions", NULL};
    static const char *const names[] = {
        "bootDelay",      "enterBIOSSetup", "efiSecureBootEnabled", "bootRetryEnabled",
        "bootRetryDelay", "bootOrder",      "networkBootProtocol"};
    g_autoptr(GPtrArray) list = vsphere_devices(vsphere, self, error);
    auto_ptr(vim_object) object = list != NULL ? vim_get(vsphere->vim, self, paths, error) : NULL;
    if (object == NULL)
        return FALSE;
    g_autoptr(GArray) all = find_bootables(wanted, devices, list);
    const xmlNode *now = vim_property(object, paths[0]);
    if (all->len == 0)
        return TRUE;
    vim_begin(xml, "bootOptions", NULL);
    for (gsize i = 0; i < G_N_ELEMENTS(names); i++) {
        const xmlNode *node = now != NULL ? xml_child(now, names[i]) : NULL;
        if (strcmp(names[i], "bootOrder") == 0)
            put_bootables(xml, all);
        else if (node != NULL)
            vim_put_node(xml, names[i], node);
    }
    vim_end(xml, "bootOptions");
    return TRUE;
}

static gboolean
has_boot_order(const struct machine *wanted)
{
    gboolean any = FALSE;
    for (guint i = 0; i < wanted->disks->len; i++)
        any |= ((const struct machine_disk *)g_ptr_array_index(wanted->disks, i))->boot_order > 0;
    for (guint i = 0; i < wanted->nics->len; i++)
        any |= ((const struct machine_nic *)g_ptr_array_index(wanted->nics, i))->boot_order > 0;
    return any;
}

/* ---- The firmware's variables -----------------------------------------------------------------
 */

/* Beside the configuration: "[ds1] app01/app01.nvram". */
static char *
find_nvram(struct vim *vim, const struct moref *self, GError **error)
{
    static const char *const paths[] = {"config.files.vmPathName", NULL};
    auto_ptr(vim_object) object = vim_get(vim, self, paths, error);
    if (object == NULL)
        return NULL;
    g_autofree char *path = vim_property_text(object, "config.files.vmPathName");
    gsize length = path != NULL ? strlen(path) : 0;
    if (length <= 4 || strcmp(path + length - 4, ".vmx") != 0)
        return NULL;
    return g_strdup_printf("%.*s.nvram", (int)(length - 4), path);
}

/* The name of the file that was written, in *ret. */
static gboolean
put_nvram(struct vsphere *vsphere, const struct moref *self, GBytes *data, char **ret,
          GError **error)
{
    g_autofree char *path = find_nvram(vsphere->vim, self, error);
    g_autofree char *datacenter = NULL;
    struct folder_place place;
    if (path == NULL || !vsphere_datacenter(vsphere, self, &datacenter, error) ||
        !folder_place_parse(path, datacenter, &place, error))
        return FALSE;
    gboolean ok = folder_put(vsphere->vim, &place, data, error);
    if (ok)
        *ret = g_path_get_basename(place.path);
    folder_place_clear(&place);
    return ok;
}

/* ---- Both -------------------------------------------------------------------------------------
 */

static gboolean
reconfigure(struct vsphere *vsphere, const struct moref *self, const char *spec, GError **error)
{
    const struct vim_wait wait = {.what = "completing the machine"};
    g_autofree char *arguments = g_strconcat("<spec>", spec, "</spec>", NULL);
    return vim_run(vsphere->vim, "ReconfigVM_Task", self, arguments, &wait, NULL, NULL, error);
}

static const char *
words_of(const GError *error)
{
    return error != NULL ? error->message : "the server does not say why";
}

void
create_finish_apply(struct vsphere *vsphere, const struct moref *self, const struct machine *wanted,
                    const struct create_device *devices, struct placement *placement)
{
    /* In the order of the API: deviceChange, extraConfig, bootOptions. */
    GString *spec = g_string_new(NULL), *options = g_string_new(NULL);
    g_autofree char *nvram = NULL;
    g_autoptr(GError) looked = NULL, stored = NULL, ordered = NULL, set = NULL;
    if (!put_addresses(spec, options, vsphere->vim, self, wanted, &looked))
        placement_say(placement, "its network cards could not be looked at: %s", words_of(looked));
    if (wanted->firmware_data != NULL && g_strcmp0(wanted->firmware_type, "nvram") == 0 &&
        !put_nvram(vsphere, self, wanted->firmware_data, &nvram, &stored))
        placement_say(placement,
                      "the variables of its firmware could not be put back, boot entries are made "
                      "anew: %s",
                      words_of(stored));
    if (nvram != NULL)
        put_option(options, "nvram", nvram);
    g_string_append(spec, options->str);
    if (has_boot_order(wanted) && !put_boot_order(spec, vsphere, self, wanted, devices, &ordered))
        placement_say(placement, "the boot order could not be set: %s", words_of(ordered));
    if (spec->len > 0 && !reconfigure(vsphere, self, spec->str, &set))
        placement_say(placement,
                      "addresses of network cards, boot order and firmware variables could not be "
                      "set: %s",
                      words_of(set));
    g_string_free(spec, TRUE);
    g_string_free(options, TRUE);
    vsphere_attach_tags(vsphere, self, wanted->tags, placement);
}

void
create_finish_compare(const struct machine *wanted, const struct machine *now,
                      struct placement *placement)
{
    for (guint i = 0; i < MIN(wanted->nics->len, now->nics->len); i++) {
        const struct machine_nic *old = g_ptr_array_index(wanted->nics, i);
        const struct machine_nic *new = g_ptr_array_index(now->nics, i);
        if (old->mac != NULL && new->mac != NULL && g_ascii_strcasecmp(old->mac, new->mac) != 0)
            placement_say(placement,
                          "network card %s has the address %s: the server did not take %s",
                          new->name, new->mac, old->mac);
    }
    if (wanted->uuid != NULL && now->uuid != NULL && g_ascii_strcasecmp(wanted->uuid, now->uuid))
        placement_say(placement, "its firmware's UUID is %s: the server did not take %s", now->uuid,
                      wanted->uuid);
}
