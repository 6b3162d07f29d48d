/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "cli/set_print.h"

#include "cli/json_value.h"
#include "cli/text.h"

char *
set_print_time(gint64 time)
{
    g_autoptr(GDateTime) local = time > 0 ? g_date_time_new_from_unix_local(time) : NULL;
    return local != NULL ? g_date_time_format(local, "%Y-%m-%d %H:%M") : g_strdup("-");
}

char *
set_print_id(const struct set_id *id)
{
    char text[SET_ID_TEXT];
    return g_strndup(set_id_format(id, text), SET_PRINT_DIGITS);
}

char *
set_print_ratio(guint64 whole, guint64 part)
{
    return part > 0 ? g_strdup_printf("%.2f", (double)whole / (double)part) : g_strdup("-");
}

static json_t *
id_to_json(const struct set_id *id)
{
    char text[SET_ID_TEXT];
    return json_string(set_id_format(id, text));
}

static json_t *
disk_to_json(const struct set_disk *disk)
{
    char root[CHUNK_ID_TEXT];
    json_t *json = json_object();
    json_object_set_new(json, "name", json_value_text(disk->name));
    json_object_set_new(json, "size", json_integer((json_int_t)disk->map.size));
    json_object_set_new(json, "source", json_value_text(disk->source));
    json_object_set_new(json, "change_id", json_value_text(disk->change_id));
    json_object_set_new(json, "root",
                        disk->map.empty ? json_null()
                                        : json_string(chunk_id_format(&disk->map.root, root)));
    return json;
}

static json_t *
stats_to_json(const struct set_stats *stats)
{
    return json_pack("{s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I}", "size",
                     (json_int_t)stats->size, "data", (json_int_t)stats->data, "read",
                     (json_int_t)stats->read, "changed", (json_int_t)stats->changed, "unique",
                     (json_int_t)stats->unique, "stored", (json_int_t)stats->stored, "chunks",
                     (json_int_t)stats->chunks, "new_chunks", (json_int_t)stats->new_chunks,
                     "delta_chunks", (json_int_t)stats->delta_chunks, "duration_ms",
                     (json_int_t)stats->duration);
}

static json_t *
boot_to_json(const struct set_flags *flags)
{
    if (flags->booted == 0)
        return json_null();
    return json_pack("{s:I, s:b, s:o, s:o, s:I}", "time", (json_int_t)flags->booted, "good",
                     flags->booted_good, "sign", json_value_text(flags->booted_sign), "words",
                     json_value_text(flags->booted_words), "duration_ms",
                     (json_int_t)flags->booted_ms);
}

json_t *
set_print_json(const struct set_entry *entry, gboolean with_config)
{
    const struct set *set = entry->set;
    json_t *json = json_object(), *disks = json_array();
    for (guint i = 0; i < set->disks->len; i++)
        json_array_append_new(disks, disk_to_json(set->disks->pdata[i]));
    json_object_set_new(json, "id", id_to_json(&set->id));
    json_object_set_new(json, "name", json_value_text(set->name));
    json_object_set_new(json, "created", json_integer(set->created));
    json_object_set_new(json, "host", json_value_text(set->host));
    json_object_set_new(json, "method", json_value_text(set->method));
    json_object_set_new(json, "parent", set->has_parent ? id_to_json(&set->parent) : json_null());
    json_object_set_new(json, "disks", disks);
    json_object_set_new(json, "tags", json_value_texts(set->tags));
    json_object_set_new(json, "identity", json_value_text(set->identity));
    json_object_set_new(json, "driver", json_value_text(set->driver));
    json_object_set_new(json, "hypervisor", json_value_text(set->hypervisor));
    json_object_set_new(json, "consistency", json_value_text(set->consistency));
    json_object_set_new(json, "stats", stats_to_json(&set->stats));
    json_object_set_new(json, "archived", json_boolean(entry->flags.archived));
    json_object_set_new(json, "verified",
                        entry->flags.verified != 0
                            ? json_pack("{s:I, s:b, s:o}", "time",
                                        (json_int_t)entry->flags.verified, "good",
                                        entry->flags.verified_good, "words",
                                        json_value_text(entry->flags.verified_words))
                            : json_null());
    json_object_set_new(json, "booted", boot_to_json(&entry->flags));
    if (with_config) {
        json_object_set_new(json, "config_type", json_value_text(set->config_type));
        json_object_set_new(json, "config", json_value_text(set->config));
    }
    return json;
}

json_t *
set_print_damage_json(const GPtrArray *damage)
{
    json_t *list = json_array();
    for (guint i = 0; i < damage->len; i++) {
        const struct verify_damage *one = damage->pdata[i];
        json_array_append_new(
            list, json_pack("{s:o, s:I, s:I, s:o}", "disk", json_value_text(one->disk), "offset",
                            (json_int_t)one->offset, "length", (json_int_t)one->length, "words",
                            json_value_text(one->words)));
    }
    return list;
}

void
set_print_damage(struct ui *ui, const GPtrArray *damage)
{
    for (guint i = 0; i < damage->len; i++) {
        const struct verify_damage *one = damage->pdata[i];
        ui_print(ui, "damaged: disk %s, %" G_GUINT64_FORMAT " bytes at %" G_GUINT64_FORMAT ": %s\n",
                 one->disk, one->length, one->offset, one->words);
    }
}
