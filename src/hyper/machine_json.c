/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The document of a machine, by the table of its members. */
#include "base/error.h"
#include "hyper/machine_members.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#define FORMAT "slipway-machine"
#define VERSION 1

static void
set(json_t *object, const char *name, json_t *value)
{
    json_object_set_new(object, name, value);
}

static void
set_member(json_t *object, const struct machine_member *row, const void *thing)
{
    guint count =
        row->kind == MACHINE_COUNT || row->kind == MACHINE_FLAG || row->kind == MACHINE_WORD
            ? *machine_member_count(row, thing)
            : 0;
    switch (row->kind) {
    case MACHINE_TEXT:
        if (*machine_member_text(row, thing) != NULL)
            set(object, row->name, json_string(*machine_member_text(row, thing)));
        break;
    case MACHINE_COUNT:
        set(object, row->name, json_integer((json_int_t)count));
        break;
    case MACHINE_BYTES:
        set(object, row->name, json_integer((json_int_t)*machine_member_bytes(row, thing)));
        break;
    case MACHINE_FLAG:
        set(object, row->name, json_boolean(count));
        break;
    case MACHINE_WORD:
        set(object, row->name, json_string(count < row->n_words ? row->words[count] : "?"));
        break;
    }
}

static json_t *
to_object(json_t *object, const struct machine_members *members, const void *thing)
{
    for (guint i = 0; i < members->n; i++)
        if (!members->rows[i].passing)
            set_member(object, &members->rows[i], thing);
    return object;
}

static json_t *
to_array(const GPtrArray *things, const struct machine_members *members)
{
    json_t *array = json_array();
    for (guint i = 0; i < things->len; i++)
        json_array_append_new(array,
                              to_object(json_object(), members, g_ptr_array_index(things, i)));
    return array;
}

json_t *
machine_to_json(const struct machine *machine)
{
    json_t *object = json_object();
    set(object, "format", json_string(FORMAT));
    set(object, "version", json_integer(VERSION));
    to_object(object, &machine_members, machine);
    json_t *tags = json_array();
    for (guint i = 0; i < machine->tags->len; i++)
        json_array_append_new(tags, json_string(g_ptr_array_index(machine->tags, i)));
    set(object, "tags", tags);
    set(object, "disks", to_array(machine->disks, &machine_disk_members));
    set(object, "nics", to_array(machine->nics, &machine_nic_members));
    if (machine->firmware_data != NULL) {
        gsize length;
        const guint8 *data = g_bytes_get_data(machine->firmware_data, &length);
        g_autofree char *base64 = g_base64_encode(data, length);
        set(object, "firmware_data", json_string(base64));
    }
    return object;
}

/* `where` is "disk 2 " or "". */
static gboolean refuse(GError **error, const char *where, const char *name, const char *format, ...)
    G_GNUC_PRINTF(4, 5);

static gboolean
refuse(GError **error, const char *where, const char *name, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    g_autofree char *words = g_strdup_vprintf(format, args);
    va_end(args);
    return error_set(error, SLIPWAY_ERROR_CORRUPT, "the description of the machine: %s\"%s\" %s",
                     where, name, words);
}

static gboolean
take_text(const json_t *value, gsize max, gboolean required, const char *where, const char *name,
          char **ret, GError **error)
{
    if (!json_is_string(value))
        return refuse(error, where, name, "is no text");
    gsize length = json_string_length(value);
    if (length > max)
        return refuse(error, where, name, "is longer than %" G_GSIZE_FORMAT " bytes", max);
    if ((length == 0 && required) || strlen(json_string_value(value)) != length)
        return refuse(error, where, name, length == 0 ? "is empty" : "has a zero byte in it");
    *ret = g_strdup(json_string_value(value));
    return TRUE;
}

static gboolean
take_number(const json_t *value, guint64 max, const char *where, const char *name, guint64 *ret,
            GError **error)
{
    if (!json_is_integer(value) || json_integer_value(value) < 0 ||
        (guint64)json_integer_value(value) > max)
        return refuse(error, where, name, "is no number from 0 to %" G_GUINT64_FORMAT, max);
    *ret = (guint64)json_integer_value(value);
    return TRUE;
}

static gboolean
take_word(const json_t *value, const struct machine_member *row, const char *where, guint *ret,
          GError **error)
{
    for (guint i = 0; i < row->n_words; i++)
        if (g_strcmp0(json_string_value(value), row->words[i]) == 0) {
            *ret = i;
            return TRUE;
        }
    return refuse(error, where, row->name, "is no word that is known");
}

static gboolean
take_member(const json_t *object, const struct machine_member *row, const char *where, void *thing,
            GError **error)
{
    const json_t *value = json_object_get(object, row->name);
    guint64 number = 0;
    if (value == NULL)
        return !row->required || refuse(error, where, row->name, "is missing");
    switch (row->kind) {
    case MACHINE_TEXT:
        return take_text(value, row->max, row->required, where, row->name,
                         machine_member_text(row, thing), error);
    case MACHINE_COUNT:
        if (!take_number(value, G_MAXINT32, where, row->name, &number, error))
            return FALSE;
        *machine_member_count(row, thing) = (guint)number;
        return TRUE;
    case MACHINE_BYTES:
        return take_number(value, G_MAXINT64, where, row->name, machine_member_bytes(row, thing),
                           error);
    case MACHINE_FLAG:
        if (!json_is_boolean(value))
            return refuse(error, where, row->name, "is neither true nor false");
        *machine_member_count(row, thing) = json_is_true(value);
        return TRUE;
    case MACHINE_WORD:
        return take_word(value, row, where, machine_member_count(row, thing), error);
    }
    return FALSE;
}

static gboolean
from_object(const json_t *object, const struct machine_members *members, const char *where,
            void *thing, GError **error)
{
    for (guint i = 0; i < members->n; i++)
        if (!members->rows[i].passing &&
            !take_member(object, &members->rows[i], where, thing, error))
            return FALSE;
    return TRUE;
}

/* A list that may be missing; NULL with `error` untouched then. */
static gboolean
get_array(const json_t *object, const char *name, gsize max, const json_t **ret, GError **error)
{
    *ret = json_object_get(object, name);
    if (*ret == NULL)
        return TRUE;
    if (!json_is_array(*ret))
        return refuse(error, "", name, "is no list");
    if (json_array_size(*ret) > max)
        return refuse(error, "", name, "has more than %" G_GSIZE_FORMAT " entries", max);
    return TRUE;
}

static gboolean
take_disks(const json_t *object, struct machine *machine, GError **error)
{
    const json_t *array;
    if (!get_array(object, "disks", MACHINE_DISKS_MAX, &array, error))
        return FALSE;
    for (gsize i = 0; i < json_array_size(array); i++) {
        g_autofree char *where = g_strdup_printf("disk %" G_GSIZE_FORMAT " ", i + 1);
        struct machine_disk *disk = machine_add_disk(machine);
        if (!from_object(json_array_get(array, i), &machine_disk_members, where, disk, error))
            return FALSE;
        if (machine_find_disk(machine, disk->name) != disk)
            return refuse(error, where, "name", "is another disk's too");
    }
    return TRUE;
}

static gboolean
take_nics(const json_t *object, struct machine *machine, GError **error)
{
    const json_t *array;
    if (!get_array(object, "nics", MACHINE_NICS_MAX, &array, error))
        return FALSE;
    for (gsize i = 0; i < json_array_size(array); i++) {
        g_autofree char *where = g_strdup_printf("NIC %" G_GSIZE_FORMAT " ", i + 1);
        struct machine_nic *nic = machine_add_nic(machine);
        if (!from_object(json_array_get(array, i), &machine_nic_members, where, nic, error))
            return FALSE;
        if (machine_find_nic(machine, nic->name) != nic)
            return refuse(error, where, "name", "is another NIC's too");
        g_autofree char *normal = machine_mac_normal(nic->mac);
        if (nic->mac != NULL && g_strcmp0(nic->mac, normal) != 0)
            return refuse(error, where, "mac", "is no address in lower case, with colons");
    }
    return TRUE;
}

static gboolean
take_tags(const json_t *object, struct machine *machine, GError **error)
{
    const json_t *array;
    if (!get_array(object, "tags", MACHINE_TAGS_MAX, &array, error))
        return FALSE;
    for (gsize i = 0; i < json_array_size(array); i++) {
        char *tag = NULL;
        if (!take_text(json_array_get(array, i), MACHINE_TEXT_MAX, TRUE, "", "tags", &tag, error))
            return FALSE;
        g_ptr_array_add(machine->tags, tag);
    }
    return TRUE;
}

/* The decoder of GLib skips what is no base64; what comes out must be what went in. */
static gboolean
take_firmware(const json_t *object, struct machine *machine, GError **error)
{
    const char *name = "firmware_data";
    const json_t *value = json_object_get(object, name);
    if (value == NULL)
        return TRUE;
    g_autofree char *text = NULL;
    if (!take_text(value, (MACHINE_FIRMWARE_MAX + 2) / 3 * 4, FALSE, "", name, &text, error))
        return FALSE;
    gsize length = 0;
    guchar *data = g_base64_decode(text, &length);
    machine->firmware_data = g_bytes_new_take(data, length);
    g_autofree char *again = g_base64_encode(data, length);
    if (strcmp(text, again) != 0)
        return refuse(error, "", name, "is no base64");
    if (length > MACHINE_FIRMWARE_MAX)
        return refuse(error, "", name, "has more than %u bytes", MACHINE_FIRMWARE_MAX);
    return TRUE;
}

static gboolean
check_version(const json_t *json, GError **error)
{
    const json_t *version = json_object_get(json, "version");
    if (g_strcmp0(json_string_value(json_object_get(json, "format")), FORMAT) != 0)
        return refuse(error, "", "format", "is not \"" FORMAT "\"");
    if (!json_is_integer(version) || json_integer_value(version) < 1)
        return refuse(error, "", "version", "is no number from 1 on");
    if (json_integer_value(version) > VERSION)
        return error_set(error, SLIPWAY_ERROR_UNSUPPORTED,
                         "the description of the machine has version %" JSON_INTEGER_FORMAT
                         ", written by a newer slipway; use that one",
                         json_integer_value(version));
    return TRUE;
}

struct machine *
machine_from_json(const json_t *json, GError **error)
{
    if (!check_version(json, error))
        return NULL;
    auto_ptr(machine) machine = machine_new();
    if (!from_object(json, &machine_members, "", machine, error) ||
        !take_tags(json, machine, error) || !take_disks(json, machine, error) ||
        !take_nics(json, machine, error) || !take_firmware(json, machine, error))
        return NULL;
    return g_steal_pointer(&machine);
}

static gboolean
check_utf8(const struct machine_members *members, const void *thing, const char *where,
           GError **error)
{
    for (guint i = 0; i < members->n; i++) {
        const struct machine_member *row = &members->rows[i];
        const char *text = row->kind == MACHINE_TEXT ? *machine_member_text(row, thing) : NULL;
        if (text != NULL && !row->passing && !g_utf8_validate(text, -1, NULL))
            return refuse(error, where, row->name, "is not UTF-8");
    }
    return TRUE;
}

/* Jansson leaves out what is not UTF-8 without a word. */
static gboolean
check_texts(const struct machine *machine, GError **error)
{
    gboolean ok = check_utf8(&machine_members, machine, "", error);
    for (guint i = 0; ok && i < machine->tags->len; i++)
        if (!g_utf8_validate(g_ptr_array_index(machine->tags, i), -1, NULL))
            ok = refuse(error, "", "tags", "are not UTF-8");
    for (guint i = 0; ok && i < machine->disks->len; i++)
        ok = check_utf8(&machine_disk_members, g_ptr_array_index(machine->disks, i), "a disk's ",
                        error);
    for (guint i = 0; ok && i < machine->nics->len; i++)
        ok = check_utf8(&machine_nic_members, g_ptr_array_index(machine->nics, i), "a NIC's ",
                        error);
    return ok;
}

char *
machine_format(const struct machine *machine, GError **error)
{
    if (!check_texts(machine, error))
        return NULL;
    json_t *json = machine_to_json(machine);
    auto_ptr(machine) again = machine_from_json(json, error);
    char *allocated = again != NULL ? json_dumps(json, JSON_INDENT(1)) : NULL;
    json_decref(json);
    g_autofree char *text = g_strdup(allocated);
    free(allocated);
    if (again == NULL)
        return NULL;
    if (text == NULL || strlen(text) > MACHINE_DOCUMENT_MAX)
        return error_null(error, SLIPWAY_ERROR_LIMIT,
                          "the description of the machine is longer than %u bytes",
                          MACHINE_DOCUMENT_MAX);
    return g_steal_pointer(&text);
}

struct machine *
machine_parse(const char *text, gsize length, GError **error)
{
    if (length > MACHINE_DOCUMENT_MAX)
        return error_null(error, SLIPWAY_ERROR_LIMIT,
                          "the description of the machine is longer than %u bytes",
                          MACHINE_DOCUMENT_MAX);
    json_error_t why;
    json_t *json = json_loadb(text != NULL ? text : "", length, JSON_REJECT_DUPLICATES, &why);
    if (json == NULL)
        return error_null(error, SLIPWAY_ERROR_CORRUPT,
                          "the description of the machine: line %d: %s", why.line, why.text);
    struct machine *machine = machine_from_json(json, error);
    json_decref(json);
    return machine;
}
