/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "hyper/vsphere/folder.h"

#include "base/error.h"
#include "hyper/vsphere/folder_link.h"
#include "hyper/vsphere/vmdk_descriptor.h"

#include <string.h>

#define PLACE_MAX 4096u

/* ---- Places ---------------------------------------------------------------------------------- */

/* A path that a URL can carry, and that stays where it is. */
static gboolean
is_sound(const char *path)
{
    if (strlen(path) > PLACE_MAX || !g_utf8_validate(path, -1, NULL))
        return FALSE;
    for (const char *at = path; *at != '\0'; at++)
        if (g_ascii_iscntrl(*at))
            return FALSE;
    g_auto(GStrv) steps = g_strsplit(path, "/", -1);
    for (gsize i = 0; steps[i] != NULL; i++)
        if (strcmp(steps[i], ".") == 0 || strcmp(steps[i], "..") == 0)
            return FALSE;
    return TRUE;
}

gboolean
folder_place_parse(const char *text, const char *datacenter, struct folder_place *ret,
                   GError **error)
{
    *ret = (struct folder_place){0};
    /* Names of datastores may have brackets. */
    const char *end = text[0] == '[' ? strstr(text, "] ") : NULL;
    if (end == NULL && text[0] == '[')
        end = strchr(text, ']');
    const char *path = end != NULL ? end + 1 : "";
    while (*path == ' ' || *path == '/')
        path++;
    if (end == NULL || end == text + 1 || !is_sound(path) || !is_sound(text))
        return error_set(
            error, SLIPWAY_ERROR_CORRUPT,
            "\"%s\": not a file of a datastore as the API writes it ([DATASTORE] PATH)", text);
    ret->datastore = g_strndup(text + 1, (gsize)(end - text - 1));
    ret->path = g_strdup(path);
    ret->datacenter = g_strdup(datacenter);
    return TRUE;
}

void
folder_place_clear(struct folder_place *place)
{
    g_free(place->datacenter);
    g_free(place->datastore);
    g_free(place->path);
    *place = (struct folder_place){0};
}

static void
append_escaped(GString *url, const char *text)
{
    g_autofree char *escaped = g_uri_escape_string(text, "/", FALSE);
    g_string_append(url, escaped);
}

char *
folder_url(struct vim *vim, const struct folder_place *place)
{
    GString *url = g_string_new(vim_url(vim));
    g_string_append(url, "/folder/");
    append_escaped(url, place->path);
    g_string_append_c(url, '?');
    if (place->datacenter != NULL) {
        g_string_append(url, "dcPath=");
        append_escaped(url, place->datacenter);
        g_string_append_c(url, '&');
    }
    g_string_append(url, "dsName=");
    append_escaped(url, place->datastore);
    return g_string_free(url, FALSE);
}

/* ---- Files ----------------------------------------------------------------------------------- */

static struct folder_link *
new_link(struct vim *vim, const struct folder_place *place)
{
    g_autofree char *url = folder_url(vim, place);
    g_autofree char *what =
        g_strdup_printf("%s: file [%s] %s", vim_url(vim), place->datastore, place->path);
    return folder_link_new(vim, url, what, NULL);
}

GBytes *
folder_get(struct vim *vim, const struct folder_place *place, gsize limit, GError **error)
{
    auto_ptr(folder_link) link = new_link(vim, place);
    return folder_link_get(link, limit, error);
}

gboolean
folder_put(struct vim *vim, const struct folder_place *place, GBytes *bytes, GError **error)
{
    auto_ptr(folder_link) link = new_link(vim, place);
    return folder_link_put(link, bytes, error);
}

/* ---- Where the bytes of a disk are ------------------------------------------------------------
 */

/* `path` with another ending than ".vmdk". */
static char *
replace_ending(const char *path, gsize cut, const char *ending)
{
    return g_strdup_printf("%.*s%s", (int)(strlen(path) - cut), path, ending);
}

/* "-000001" before the ending: 7, else 0. */
static gsize
count_suffix(const char *path)
{
    gsize length = strlen(path);
    if (length < strlen("-000001.vmdk") || path[length - 12] != '-')
        return 0;
    for (gsize i = 0; i < 6; i++)
        if (!g_ascii_isdigit(path[length - 11 + i]))
            return 0;
    return 7;
}

static gboolean
is_there(struct vim *vim, const struct folder_place *place, const char *path, gboolean *ret,
         GError **error)
{
    struct folder_place other = *place;
    other.path = (char *)path;
    guint8 byte;
    g_autoptr(GError) cause = NULL;
    auto_ptr(folder_link) link = new_link(vim, &other);
    *ret = folder_link_read(link, 0, &byte, 1, NULL, &cause);
    if (*ret || g_error_matches(cause, SLIPWAY_ERROR, SLIPWAY_ERROR_NOT_FOUND))
        return TRUE;
    /* It is there; what is wrong with it will be told when it is read. */
    *ret = g_error_matches(cause, SLIPWAY_ERROR, SLIPWAY_ERROR_CORRUPT);
    if (*ret)
        return TRUE;
    g_propagate_error(error, g_steal_pointer(&cause));
    return FALSE;
}

/* Where no descriptor can be seen: names that the bytes are known to have.  A disk that was made
 * from a snapshot keeps the number in its name, but the file may have none; disks of some templates
 * have all their bytes in what is called a delta. */
static char *
guess_flat(struct vim *vim, const struct folder_place *place, GError **error)
{
    gsize ending = strlen(".vmdk"), suffix = count_suffix(place->path);
    const struct {
        gsize cut;
        const char *with;
        gboolean sense;
    } guesses[] = {
        {ending, "-flat.vmdk", TRUE},
        {ending + suffix, "-flat.vmdk", suffix > 0},
        {ending, "-delta.vmdk", suffix == 0},
    };
    for (gsize i = 0; i < G_N_ELEMENTS(guesses); i++) {
        gboolean there = FALSE;
        if (!guesses[i].sense)
            continue;
        g_autofree char *path = replace_ending(place->path, guesses[i].cut, guesses[i].with);
        if (!is_there(vim, place, path, &there, error))
            return NULL;
        if (there)
            return g_steal_pointer(&path);
    }
    return error_null(error, SLIPWAY_ERROR_NOT_FOUND,
                      "%s: disk [%s] %s: its file is not on the datastore under any name that such "
                      "files have; check the account's privileges for files of that datastore",
                      vim_url(vim), place->datastore, place->path);
}

static char *
judge_descriptor(const struct folder_place *place, const struct vmdk_descriptor *descriptor,
                 GError **error)
{
    static const char *const flat[] = {"VMFS", "FLAT", NULL};
    const char *remedy = "read it by hot-add instead (--transport hotadd)";
    if (descriptor->has_parent)
        return error_null(error, SLIPWAY_ERROR_UNSUPPORTED,
                          "is what changed since an older snapshot, so its bytes lie in several "
                          "files; remove the older snapshots, or %s",
                          remedy);
    if (descriptor->n_extents != 1 || !g_strv_contains(flat, descriptor->type) ||
        descriptor->file == NULL || strstr(descriptor->file, "://") != NULL)
        return error_null(error, SLIPWAY_ERROR_UNSUPPORTED,
                          "its bytes are in no plain file (%s, %u extents of type %s); %s",
                          descriptor->create_type != NULL ? descriptor->create_type : "no type",
                          descriptor->n_extents, descriptor->type, remedy);
    if (strchr(descriptor->file, '/') != NULL || !is_sound(descriptor->file))
        return error_null(error, SLIPWAY_ERROR_UNSUPPORTED,
                          "its bytes are in \"%s\", which is not beside it; %s", descriptor->file,
                          remedy);
    const char *name = strrchr(place->path, '/');
    gsize directory = name != NULL ? (gsize)(name + 1 - place->path) : 0;
    return g_strdup_printf("%.*s%s", (int)directory, place->path, descriptor->file);
}

static char *
read_flat(const struct folder_place *place, GBytes *bytes, GError **error)
{
    struct vmdk_descriptor descriptor;
    gsize length;
    const char *text = g_bytes_get_data(bytes, &length);
    char *path = NULL;
    if (vmdk_descriptor_parse(text, length, &descriptor, error)) {
        path = judge_descriptor(place, &descriptor, error);
        vmdk_descriptor_clear(&descriptor);
    }
    if (path == NULL)
        g_prefix_error(error, "disk [%s] %s: ", place->datastore, place->path);
    return path;
}

char *
folder_flat_path(struct vim *vim, const struct folder_place *place, GError **error)
{
    if (!g_str_has_suffix(place->path, ".vmdk"))
        return error_null(error, SLIPWAY_ERROR_CORRUPT, "disk [%s] %s: not the name of a disk",
                          place->datastore, place->path);
    g_autoptr(GError) cause = NULL;
    g_autoptr(GBytes) bytes = folder_get(vim, place, VMDK_DESCRIPTOR_MAX, &cause);
    if (bytes != NULL && g_bytes_get_size(bytes) > 0)
        return read_flat(place, bytes, error);
    /* A server that shows the bytes of the disk under this name would exceed the limit. */
    if (bytes != NULL || g_error_matches(cause, SLIPWAY_ERROR, SLIPWAY_ERROR_NOT_FOUND) ||
        g_error_matches(cause, SLIPWAY_ERROR, SLIPWAY_ERROR_DENIED) ||
        g_error_matches(cause, SLIPWAY_ERROR, SLIPWAY_ERROR_LIMIT))
        return guess_flat(vim, place, error);
    g_propagate_error(error, g_steal_pointer(&cause));
    return NULL;
}
