/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "hyper/qemu/qemu_drive.h"

#include "base/error.h"

#include <string.h>

#define FILTERS_MAX 8u /* above one image */
#define NODES_MAX 4096u
#define DEPTH_MAX 16u /* of devices above a disk */

/* Nodes that change nothing of what is read: the image is what is below. */
static const char *const filters[] = {"throttle", "copy-on-read", "compress", "preallocate"};
/* ... and those of jobs, which somebody else runs. */
static const char *const job_filters[] = {"copy-before-write", "mirror_top", "commit_top",
                                          "backup-top", "replication"};

struct graph {
    json_t *nodes; /* query-named-block-nodes */
    json_t *graph; /* x-debug-query-block-graph; NULL: this QEMU has none */
};

static gboolean
is_one_of(const char *word, const char *const *words, gsize n)
{
    for (gsize i = 0; i < n; i++)
        if (g_strcmp0(word, words[i]) == 0)
            return TRUE;
    return FALSE;
}

static const char *
text_of(const json_t *object, const char *member)
{
    return json_string_value(json_object_get(object, member));
}

/* ---- The graph of nodes ---------------------------------------------------------------------- */

static const json_t *
find_node(const struct graph *graph, const char *name)
{
    for (gsize i = 0; i < json_array_size(graph->nodes); i++) {
        const json_t *node = json_array_get(graph->nodes, i);
        if (name != NULL && g_strcmp0(text_of(node, "node-name"), name) == 0)
            return node;
    }
    return NULL;
}

static json_int_t
find_number(const struct graph *graph, const char *name)
{
    const json_t *nodes = json_object_get(graph->graph, "nodes");
    for (gsize i = 0; i < json_array_size(nodes); i++) {
        const json_t *node = json_array_get(nodes, i);
        if (g_strcmp0(text_of(node, "type"), "block-driver") == 0 &&
            g_strcmp0(text_of(node, "name"), name) == 0)
            return json_integer_value(json_object_get(node, "id"));
    }
    return -1;
}

/* What a filter filters; NULL: it cannot be found out. */
static const json_t *
find_below(const struct graph *graph, const char *name)
{
    json_int_t parent = find_number(graph, name), child = -1;
    const json_t *edges = json_object_get(graph->graph, "edges");
    for (gsize i = 0; i < json_array_size(edges) && parent >= 0; i++) {
        const json_t *edge = json_array_get(edges, i);
        const char *role = text_of(edge, "name");
        if (json_integer_value(json_object_get(edge, "parent")) == parent &&
            (g_strcmp0(role, "file") == 0 || g_strcmp0(role, "backing") == 0))
            child = json_integer_value(json_object_get(edge, "child"));
    }
    const json_t *nodes = json_object_get(graph->graph, "nodes");
    for (gsize i = 0; i < json_array_size(nodes) && child >= 0; i++) {
        const json_t *node = json_array_get(nodes, i);
        if (json_integer_value(json_object_get(node, "id")) == child)
            return find_node(graph, text_of(node, "name"));
    }
    return NULL;
}

/* The node of the image.  A filter that cannot be seen through is taken for it: slower, but
 * right. */
static const json_t *
find_image(const struct graph *graph, const json_t *inserted, gboolean *ret_busy)
{
    *ret_busy = FALSE;
    const json_t *node = find_node(graph, text_of(inserted, "node-name"));
    for (guint i = 0; node != NULL && i < FILTERS_MAX; i++) {
        const char *driver = text_of(node, "drv");
        if (is_one_of(driver, job_filters, G_N_ELEMENTS(job_filters)))
            *ret_busy = TRUE;
        else if (!is_one_of(driver, filters, G_N_ELEMENTS(filters)))
            break;
        const json_t *below = find_below(graph, text_of(node, "node-name"));
        if (below == NULL)
            break;
        node = below;
    }
    return node;
}

/* ---- Bitmaps --------------------------------------------------------------------------------- */

static void
free_bitmap(gpointer pointer)
{
    struct qemu_bitmap *bitmap = pointer;
    g_free(bitmap->name);
    g_free(bitmap);
}

static GPtrArray *
read_bitmaps(const json_t *node)
{
    GPtrArray *bitmaps = g_ptr_array_new_with_free_func(free_bitmap);
    const json_t *list = json_object_get(node, "dirty-bitmaps");
    for (gsize i = 0; i < json_array_size(list) && i < QEMU_DRIVE_BITMAPS_MAX; i++) {
        const json_t *entry = json_array_get(list, i);
        if (text_of(entry, "name") == NULL)
            continue; /* of a job */
        struct qemu_bitmap *bitmap = g_new0(struct qemu_bitmap, 1);
        bitmap->name = g_strdup(text_of(entry, "name"));
        bitmap->recording = json_is_true(json_object_get(entry, "recording"));
        bitmap->busy = json_is_true(json_object_get(entry, "busy"));
        bitmap->inconsistent = json_is_true(json_object_get(entry, "inconsistent"));
        g_ptr_array_add(bitmaps, bitmap);
    }
    return bitmaps;
}

struct qemu_bitmap *
qemu_drive_find_bitmap(const struct qemu_drive *drive, const char *name)
{
    for (guint i = 0; i < drive->bitmaps->len; i++) {
        struct qemu_bitmap *bitmap = g_ptr_array_index(drive->bitmaps, i);
        if (strcmp(bitmap->name, name) == 0)
            return bitmap;
    }
    return NULL;
}

static json_t *
ask_nodes(struct qemu_session *session, GError **error)
{
    json_t *nodes = qemu_session_ask(session, "query-named-block-nodes",
                                     json_pack("{s:b}", "flat", TRUE), error);
    if (nodes == NULL || json_array_size(nodes) <= NODES_MAX)
        return nodes;
    error_set(error, SLIPWAY_ERROR_LIMIT, "QEMU has more than %u block nodes", NODES_MAX);
    json_decref(nodes);
    return NULL;
}

gboolean
qemu_drive_visit_bitmaps(struct qemu_session *session,
                         void (*visit)(const char *node, const struct qemu_bitmap *bitmap,
                                       gpointer data),
                         gpointer data, GError **error)
{
    json_t *nodes = ask_nodes(session, error);
    for (gsize i = 0; i < json_array_size(nodes); i++) {
        const json_t *node = json_array_get(nodes, i);
        g_autoptr(GPtrArray) bitmaps = read_bitmaps(node);
        for (guint j = 0; j < bitmaps->len && text_of(node, "node-name") != NULL; j++)
            visit(text_of(node, "node-name"), g_ptr_array_index(bitmaps, j), data);
    }
    json_decref(nodes);
    return nodes != NULL;
}

/* ---- Drives ---------------------------------------------------------------------------------- */

static void
free_drive(gpointer pointer)
{
    struct qemu_drive *drive = pointer;
    g_free(drive->name);
    g_free(drive->qdev);
    g_free(drive->type);
    g_free(drive->node);
    g_free(drive->format);
    g_free(drive->path);
    g_free(drive->skip);
    if (drive->bitmaps != NULL)
        g_ptr_array_unref(drive->bitmaps);
    g_free(drive);
}

/* "/machine/peripheral/ID/virtio-backend": the name that the administrator gave.  NULL: none. */
static char *
get_id(const char *qdev)
{
    static const char prefix[] = "/machine/peripheral/";
    if (qdev == NULL || *qdev == '\0')
        return NULL;
    if (qdev[0] != '/')
        return g_strdup(qdev);
    if (!g_str_has_prefix(qdev, prefix))
        return NULL;
    const char *id = qdev + strlen(prefix);
    return g_strndup(id, strcspn(id, "/"));
}

/* The device's name, or the drive's ("virtio0"), or a number. */
static void
name_drive(struct qemu_drive *drive, const json_t *entry, GPtrArray *others)
{
    g_autofree char *id = get_id(drive->qdev);
    const char *device = text_of(entry, "device");
    if (id != NULL && *id != '\0')
        drive->name = g_steal_pointer(&id);
    else if (device != NULL && *device != '\0')
        drive->name = g_strdup(device);
    else
        drive->name = g_strdup_printf("disk%u", others->len);
    if (strlen(drive->name) > MACHINE_TEXT_MAX || qemu_drive_find(others, drive->name) != NULL) {
        g_free(drive->name);
        drive->name = g_strdup_printf("disk-%u", others->len);
    }
}

static const char *
find_skip(const json_t *entry, const json_t *inserted, const struct qemu_drive *drive)
{
    const char *device = text_of(entry, "device");
    if (json_is_true(json_object_get(entry, "removable")))
        return "a removable medium (CD, floppy) is not backed up";
    if (drive->qdev == NULL && (device == NULL || !g_str_has_prefix(device, "pflash")))
        return "no device of the machine uses it";
    if (device != NULL && g_str_has_prefix(device, "pflash"))
        return "the flash memory of the firmware is not backed up";
    if (drive->qdev != NULL && strstr(drive->qdev, "/system.flash") != NULL)
        return "the flash memory of the firmware is not backed up";
    if (json_is_true(json_object_get(inserted, "ro")))
        return "the machine cannot write it";
    if (g_strcmp0(drive->type, "scsi-block") == 0 || g_strcmp0(drive->type, "scsi-generic") == 0)
        return "a SCSI device that is passed through cannot be frozen";
    if (g_strcmp0(drive->format, "vvfat") == 0)
        return "a directory that is shown as a disk is not backed up";
    return NULL;
}

static void
read_image(struct qemu_drive *drive, const json_t *node)
{
    const json_t *image = json_object_get(node, "image");
    const json_t *special = json_object_get(json_object_get(image, "format-specific"), "data");
    json_int_t size = json_integer_value(json_object_get(image, "virtual-size"));
    json_int_t allocated = json_integer_value(json_object_get(image, "actual-size"));
    const char *compat = text_of(special, "compat");
    drive->node = g_strdup(text_of(node, "node-name"));
    drive->format = g_strdup(text_of(node, "drv"));
    drive->path = g_strdup(text_of(image, "filename"));
    drive->size = size > 0 ? (guint64)size : 0;
    drive->allocated = allocated > 0 ? (guint64)allocated : 0;
    /* Version 2 of the format ("0.10") has no place for them. */
    drive->persistent =
        g_strcmp0(drive->format, "qcow2") == 0 && compat != NULL && strcmp(compat, "0.10") != 0;
    drive->bitmaps = read_bitmaps(node);
}

/* NULL: nothing is in the drive. */
static struct qemu_drive *
read_drive(struct qemu_session *session, const struct graph *graph, const json_t *entry,
           GPtrArray *others)
{
    const json_t *inserted = json_object_get(entry, "inserted");
    gboolean busy = FALSE;
    const json_t *node = inserted != NULL ? find_image(graph, inserted, &busy) : NULL;
    if (node == NULL || text_of(node, "node-name") == NULL)
        return NULL;
    struct qemu_drive *drive = g_new0(struct qemu_drive, 1);
    drive->qdev = g_strdup(text_of(entry, "qdev"));
    if (drive->qdev != NULL && drive->qdev[0] != '/') {
        char *path = g_strconcat("/machine/peripheral/", drive->qdev, NULL);
        g_free(drive->qdev);
        drive->qdev = path;
    }
    if (drive->qdev != NULL)
        drive->type = qemu_session_property(session, drive->qdev, "type");
    name_drive(drive, entry, others);
    read_image(drive, node);
    drive->busy = busy;
    drive->skip = g_strdup(find_skip(entry, inserted, drive));
    return drive;
}

GPtrArray *
qemu_drive_list(struct qemu_session *session, GError **error)
{
    json_t *blocks = qemu_session_ask(session, "query-block", NULL, error);
    if (blocks == NULL)
        return NULL;
    struct graph graph = {.nodes = ask_nodes(session, error)};
    if (graph.nodes != NULL)
        graph.graph = qemu_session_ask(session, "x-debug-query-block-graph", NULL, NULL);
    g_autoptr(GPtrArray) drives = g_ptr_array_new_with_free_func(free_drive);
    for (gsize i = 0; graph.nodes != NULL && i < json_array_size(blocks); i++) {
        struct qemu_drive *drive = read_drive(session, &graph, json_array_get(blocks, i), drives);
        if (drive != NULL && drives->len < MACHINE_DISKS_MAX)
            g_ptr_array_add(drives, drive);
        else if (drive != NULL)
            free_drive(drive);
    }
    gboolean ok = graph.nodes != NULL;
    json_decref(blocks);
    json_decref(graph.nodes);
    json_decref(graph.graph);
    return ok ? g_steal_pointer(&drives) : NULL;
}

static gboolean
has_thread(struct qemu_session *session, const char *path)
{
    g_autofree char *thread = qemu_session_property(session, path, "iothread");
    return thread != NULL && *thread != '\0';
}

gboolean
qemu_drive_has_thread(struct qemu_session *session, const struct qemu_drive *drive)
{
    if (drive->qdev == NULL || has_thread(session, drive->qdev))
        return drive->qdev != NULL;
    /* Of a SCSI disk its controller has it. */
    g_autofree char *path = qemu_session_property(session, drive->qdev, "parent_bus");
    char *slash;
    gboolean found = FALSE;
    for (guint i = 0; !found && i < DEPTH_MAX && path != NULL &&
                      (slash = strrchr(path, '/')) != NULL && slash != path;
         i++) {
        *slash = '\0';
        found = has_thread(session, path);
    }
    return found;
}

struct qemu_drive *
qemu_drive_find(GPtrArray *drives, const char *name)
{
    for (guint i = 0; i < drives->len; i++) {
        struct qemu_drive *drive = g_ptr_array_index(drives, i);
        if (g_strcmp0(drive->name, name) == 0)
            return drive;
    }
    return NULL;
}
