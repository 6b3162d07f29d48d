/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "hyper/qemu/qemu_describe.h"

#include "base/digest.h"
#include "base/error.h"
#include "hyper/qemu/qemu_drive.h"

#include <stdlib.h>
#include <string.h>

#define CPUS_MAX 65536u
#define WORD_MAX 255u
#define DEPTH_MAX 16u /* of devices above a disk */

static char *
word_of(const json_t *object, const char *member)
{
    const char *text = json_string_value(json_object_get(object, member));
    return text != NULL && *text != '\0' && strlen(text) <= MACHINE_TEXT_MAX ? g_strdup(text)
                                                                             : NULL;
}

/* ---- Who it is ------------------------------------------------------------------------------- */

/* A QEMU without -uuid is known by its socket: as good as nobody else has that. */
static char *
id_of_path(const char *path)
{
    g_autofree char *real = realpath(path, NULL);
    g_autofree char *text = g_strconcat("qmp:", real != NULL ? real : path, NULL);
    g_autofree char *hex = digest_hex_of(DIGEST_SHA256, text, strlen(text));
    return g_strdup_printf("%.8s-%.4s-%.4s-%.4s-%.12s", hex, hex + 8, hex + 12, hex + 16, hex + 20);
}

static gboolean
name_machine(struct qemu_session *session, struct machine *machine, GError **error)
{
    json_t *uuid = qemu_session_ask(session, "query-uuid", NULL, error);
    json_t *name = uuid != NULL ? qemu_session_ask(session, "query-name", NULL, error) : NULL;
    const char *path = qemu_session_path(session);
    if (name != NULL) {
        machine->name = word_of(name, "name");
        machine->uuid = word_of(uuid, "UUID");
    }
    if (machine->name == NULL) {
        g_autofree char *base = g_path_get_basename(path);
        char *dot = strrchr(base, '.');
        machine->name =
            dot != NULL && dot != base ? g_strndup(base, (gsize)(dot - base)) : g_strdup(base);
    }
    if (machine->uuid != NULL && strspn(machine->uuid, "0-") == strlen(machine->uuid))
        g_clear_pointer(&machine->uuid, g_free);
    machine->id = machine->uuid != NULL ? g_ascii_strdown(machine->uuid, -1) : id_of_path(path);
    machine->ref = g_strdup(machine->name);
    json_decref(uuid);
    gboolean ok = name != NULL;
    json_decref(name);
    return ok;
}

static gboolean
read_power(struct qemu_session *session, struct machine *machine, GError **error)
{
    json_t *status = qemu_session_ask(session, "query-status", NULL, error);
    if (status == NULL)
        return FALSE;
    const char *word = json_string_value(json_object_get(status, "status"));
    /* One that waits for "cont" has disks like one that runs. */
    machine->power = g_strcmp0(word, "shutdown") == 0    ? MACHINE_OFF
                     : g_strcmp0(word, "suspended") == 0 ? MACHINE_SUSPENDED
                                                         : MACHINE_ON;
    json_decref(status);
    return TRUE;
}

/* ---- Hardware -------------------------------------------------------------------------------- */

static void
read_processors(struct qemu_session *session, struct machine *machine)
{
    json_t *list = qemu_session_ask(session, "query-cpus-fast", NULL, NULL);
    gsize n = MIN(json_array_size(list), CPUS_MAX), first_socket = 0;
    for (gsize i = 0; i < n; i++) {
        const json_t *place = json_object_get(json_array_get(list, i), "props");
        if (json_integer_value(json_object_get(place, "socket-id")) == 0 &&
            json_integer_value(json_object_get(place, "thread-id")) == 0)
            first_socket++;
    }
    machine->cpus = (guint)n;
    machine->cores_per_socket = n > 0 ? (guint)MAX(first_socket, 1) : 0;
    json_decref(list);
    json_t *memory = qemu_session_ask(session, "query-memory-size-summary", NULL, NULL);
    json_int_t base = json_integer_value(json_object_get(memory, "base-memory"));
    json_int_t plugged = json_integer_value(json_object_get(memory, "plugged-memory"));
    if (base > 0)
        machine->memory = (guint64)base + (plugged > 0 ? (guint64)plugged : 0);
    json_decref(memory);
}

struct controller {
    const char *type; /* of a device above the disk */
    enum machine_bus bus;
    const char *model;
};
static const struct controller controllers[] = {
    {"virtio-blk", MACHINE_VIRTIO, "virtio-blk"},
    {"virtio-scsi", MACHINE_SCSI, "virtio-scsi"},
    {"pvscsi", MACHINE_SCSI, "pvscsi"},
    {"lsi53c", MACHINE_SCSI, "lsilogic"},
    {"mptsas", MACHINE_SCSI, "lsisas1068"},
    {"megasas", MACHINE_SCSI, "megasas"},
    {"am53c974", MACHINE_SCSI, "am53c974"},
    {"nvme", MACHINE_NVME, "nvme"},
    {"ich9-ahci", MACHINE_SATA, "ahci"},
    {"ahci", MACHINE_SATA, "ahci"},
    {"piix", MACHINE_IDE, "ide"},
    {"ide", MACHINE_IDE, "ide"},
    {"usb", MACHINE_USB, "usb"},
};

static gboolean
take_controller(struct machine_disk *disk, const char *type)
{
    for (gsize i = 0; type != NULL && i < G_N_ELEMENTS(controllers); i++)
        if (g_str_has_prefix(type, controllers[i].type)) {
            disk->bus = controllers[i].bus;
            disk->model = g_strdup(controllers[i].model);
            return TRUE;
        }
    return FALSE;
}

/* The bus's name ends in ".N": which of the controller's. */
static void
take_place(struct qemu_session *session, const struct qemu_drive *drive, const char *bus,
           struct machine_disk *disk)
{
    static const char *const units[] = {"scsi-id", "unit"};
    const char *dot = strrchr(bus, '.');
    if (dot != NULL)
        disk->controller = (guint)MIN(g_ascii_strtoull(dot + 1, NULL, 10), 1000);
    for (gsize i = 0; i < G_N_ELEMENTS(units); i++) {
        json_t *unit = qemu_session_ask(
            session, "qom-get", json_pack("{s:s, s:s}", "path", drive->qdev, "property", units[i]),
            NULL);
        if (json_is_integer(unit))
            disk->unit = (guint)CLAMP(json_integer_value(unit), 0, 65535);
        gboolean found = json_is_integer(unit);
        json_decref(unit);
        if (found)
            break;
    }
}

/* What the disk hangs on: the type of the object that has its bus, or of one above. */
static void
read_bus(struct qemu_session *session, const struct qemu_drive *drive, struct machine_disk *disk)
{
    /* "ide-hd" is what a disk is called on SATA too. */
    gboolean plain = drive->type != NULL && !g_str_has_prefix(drive->type, "ide");
    disk->bus = MACHINE_IDE;
    if (drive->qdev == NULL || (plain && take_controller(disk, drive->type)))
        return;
    g_autofree char *path = qemu_session_property(session, drive->qdev, "parent_bus");
    if (path == NULL)
        return;
    take_place(session, drive, path, disk);
    char *slash;
    for (guint i = 0; i < DEPTH_MAX && (slash = strrchr(path, '/')) != NULL && slash != path; i++) {
        *slash = '\0';
        g_autofree char *type = qemu_session_property(session, path, "type");
        if (take_controller(disk, type))
            return;
    }
}

/* Who has taken over a QEMU may let it say anything. */
static char *
short_text(const char *text)
{
    return text != NULL && strlen(text) <= MACHINE_TEXT_MAX ? g_strdup(text) : NULL;
}

static void
add_disk(struct qemu_session *session, const struct qemu_drive *drive, struct machine *machine)
{
    struct machine_disk *disk = machine_add_disk(machine);
    disk->name = g_strdup(drive->name);
    disk->key = short_text(drive->qdev);
    read_bus(session, drive, disk);
    disk->size = drive->size;
    disk->path = short_text(drive->path);
    disk->format = short_text(drive->format);
    disk->thin = drive->allocated < drive->size;
    disk->skip = g_strdup(drive->skip);
    for (guint i = 0; i < drive->bitmaps->len; i++) {
        const struct qemu_bitmap *bitmap = g_ptr_array_index(drive->bitmaps, i);
        if (g_str_has_prefix(bitmap->name, "slipway_") && bitmap->recording)
            machine->tracked = TRUE;
    }
    if (drive->skip != NULL && g_str_has_prefix(drive->skip, "the flash memory"))
        machine->firmware = MACHINE_UEFI;
}

/* ---- Networks: only the monitor for people tells how they are connected ---------------------- */

/* "virtio-net-pci.0: index=0,type=nic,model=virtio-net-pci,macaddr=52:54:00:12:34:58" */
static char *
member_of(const char *line, const char *name)
{
    g_autofree char *key = g_strconcat(name, "=", NULL);
    for (const char *at = line; (at = strstr(at, key)) != NULL; at++)
        if (at == line || at[-1] == ',' || at[-1] == ' ') {
            gsize length = strcspn(at + strlen(key), ",\r\n");
            return length > 0 && length <= WORD_MAX ? g_strndup(at + strlen(key), length) : NULL;
        }
    return NULL;
}

static char *
model_of(const char *device)
{
    if (device != NULL && g_str_has_prefix(device, "virtio"))
        return g_strdup("virtio");
    return g_strdup(device);
}

static void
connect_nic(struct machine_nic *nic, const char *line, const char *type)
{
    g_autofree char *bridge = member_of(line, "br"), *interface = member_of(line, "ifname");
    nic->connected = TRUE;
    if (strcmp(type, "user") == 0) {
        nic->kind = MACHINE_USER_NETWORK;
    } else if (bridge != NULL) {
        nic->kind = MACHINE_BRIDGE;
        nic->network = g_steal_pointer(&bridge);
    } else {
        nic->network = interface != NULL ? g_steal_pointer(&interface) : g_strdup(type);
    }
}

static void
read_network_line(const char *line, struct machine *machine, struct machine_nic **nic)
{
    g_autofree char *type = member_of(line, "type"), *mac = member_of(line, "macaddr");
    if (type == NULL)
        return;
    if (strcmp(type, "nic") != 0) {
        if (*nic != NULL && strncmp(line, " \\ ", 3) == 0)
            connect_nic(*nic, line, type);
        return;
    }
    *nic = NULL;
    if (machine->nics->len >= MACHINE_NICS_MAX)
        return;
    g_autofree char *device = member_of(line, "model");
    g_autofree char *name = g_strndup(line, MIN(strcspn(line, ":"), WORD_MAX));
    if (*name == '\0' || machine_find_nic(machine, name) != NULL)
        return;
    *nic = machine_add_nic(machine);
    (*nic)->name = g_steal_pointer(&name);
    (*nic)->model = model_of(device);
    (*nic)->mac = mac != NULL ? machine_mac_normal(mac) : NULL;
    (*nic)->mac_fixed = TRUE;
    (*nic)->kind = MACHINE_OTHER_NETWORK;
}

static void
read_networks(struct qemu_session *session, struct machine *machine)
{
    json_t *answer = qemu_session_ask(session, "human-monitor-command",
                                      json_pack("{s:s}", "command-line", "info network"), NULL);
    const char *text = json_string_value(answer);
    g_auto(GStrv) lines = g_strsplit(text != NULL ? text : "", "\n", 4 * MACHINE_NICS_MAX);
    struct machine_nic *nic = NULL;
    for (guint i = 0; lines[i] != NULL; i++)
        read_network_line(lines[i], machine, &nic);
    json_decref(answer);
}

/* ---- What it said ---------------------------------------------------------------------------- */

/* Addresses of images may have a password in them: "https://user:password@host/". */
static char *
hide_passwords(const char *text)
{
    g_autoptr(GRegex) regex = g_regex_new("(://)[^/@\"\\s]*@", 0, 0, NULL);
    return regex != NULL ? g_regex_replace(regex, text, -1, 0, "\\1", 0, NULL) : NULL;
}

static void
add_native(struct qemu_session *session, struct machine *machine)
{
    static const char *const questions[] = {
        "query-version",
        "query-name",
        "query-uuid",
        "query-status",
        "query-cpus-fast",
        "query-memory-size-summary",
        "query-memory-devices",
        "query-hotpluggable-cpus",
        "query-pci",
        "query-block",
        "query-iothreads",
        "query-chardev",
    };
    json_t *all = json_object();
    for (gsize i = 0; i < G_N_ELEMENTS(questions); i++) {
        json_t *answer = qemu_session_ask(session, questions[i], NULL, NULL);
        if (answer != NULL)
            json_object_set_new(all, questions[i], answer);
    }
    char *text = json_dumps(all, JSON_INDENT(1));
    json_decref(all);
    g_autofree char *clean = text != NULL ? hide_passwords(text) : NULL;
    free(text);
    if (clean == NULL || strlen(clean) > MACHINE_NATIVE_MAX)
        return;
    machine->native_type = g_strdup("qmp-json");
    machine->native = g_steal_pointer(&clean);
}

static gint
compare_disks(gconstpointer a, gconstpointer b)
{
    const struct machine_disk *x = *(struct machine_disk *const *)a;
    const struct machine_disk *y = *(struct machine_disk *const *)b;
    if (x->bus != y->bus)
        return x->bus < y->bus ? -1 : 1;
    if (x->controller != y->controller)
        return x->controller < y->controller ? -1 : 1;
    if (x->unit != y->unit)
        return x->unit < y->unit ? -1 : 1;
    return strcmp(x->name, y->name);
}

struct machine *
qemu_describe(struct qemu_session *session, gboolean complete, GError **error)
{
    auto_ptr(machine) machine = machine_new();
    machine->driver = g_strdup("qemu");
    if (!name_machine(session, machine, error) || !read_power(session, machine, error))
        return NULL;
    g_autoptr(GPtrArray) drives = qemu_drive_list(session, error);
    if (drives == NULL)
        return NULL;
    read_processors(session, machine);
    for (guint i = 0; i < drives->len; i++)
        add_disk(session, g_ptr_array_index(drives, i), machine);
    g_ptr_array_sort(machine->disks, compare_disks);
    read_networks(session, machine);
    if (complete)
        add_native(session, machine);
    return g_steal_pointer(&machine);
}
