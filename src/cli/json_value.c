/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "cli/json_value.h"

json_t *
json_value_text(const char *text)
{
    if (text == NULL)
        return json_null();
    g_autofree char *valid = g_utf8_make_valid(text, -1);
    return json_string(valid);
}

json_t *
json_value_texts(const GPtrArray *texts)
{
    json_t *list = json_array();
    for (guint i = 0; texts != NULL && i < texts->len; i++)
        json_array_append_new(list, json_value_text(texts->pdata[i]));
    return list;
}

static json_t *
channel_names(const GPtrArray *channels)
{
    json_t *list = json_array();
    for (guint i = 0; channels != NULL && i < channels->len; i++) {
        const struct depot_channel *channel = channels->pdata[i];
        g_autofree char *name = *channel->vendor != '\0'
                                    ? g_strdup_printf("%s/%s", channel->vendor, channel->name)
                                    : g_strdup(channel->name);
        json_array_append_new(list, json_value_text(name));
    }
    return list;
}

static void
set(json_t *object, const char *name, json_t *value)
{
    json_object_set_new(object, name, value);
}

json_t *
json_value_depot(const struct workspace_depot *entry, const struct depot *depot)
{
    json_t *object = json_object();
    set(object, "name", json_value_text(entry->name));
    set(object, "location", json_value_text(entry->title));
    set(object, "kind", json_value_text(depot_kind_name(depot->kind)));
    set(object, "packages", json_integer((json_int_t)depot->packages->len));
    set(object, "profiles", json_integer((json_int_t)depot->profiles->len));
    set(object, "channels", channel_names(depot->channels));
    return object;
}

json_t *
json_value_verification(const struct depot_verification *verification)
{
    json_t *damaged = json_array();
    for (guint i = 0; i < verification->damaged->len; i++) {
        const struct depot_damage *damage = verification->damaged->pdata[i];
        json_t *object = json_object();
        set(object, "id", json_value_text(damage->package->vib->id));
        set(object, "problems", json_value_texts(damage->reasons));
        json_array_append_new(damaged, object);
    }
    json_t *object = json_object();
    set(object, "packages", json_integer((json_int_t)verification->packages));
    set(object, "good",
        json_integer((json_int_t)(verification->packages - verification->damaged->len)));
    set(object, "remembered", json_integer((json_int_t)verification->remembered));
    set(object, "damaged", damaged);
    return object;
}

static json_t *
vib_head(const struct vib *vib)
{
    json_t *object = json_object();
    set(object, "id", json_value_text(vib->id));
    set(object, "name", json_value_text(vib->name));
    set(object, "version", json_value_text(vib->version));
    set(object, "vendor", json_value_text(vib->vendor));
    set(object, "type", json_value_text(vib_type_name(vib->type)));
    set(object, "acceptance", json_value_text(acceptance_title(vib->acceptance)));
    set(object, "released", json_value_text(vib->release_date));
    set(object, "summary", json_value_text(vib->summary));
    return object;
}

json_t *
json_value_package(const struct package *package)
{
    json_t *object = vib_head(package->vib);
    set(object, "depot", json_value_text(package->depot->title));
    set(object, "channels", channel_names(package->channels));
    return object;
}

static json_t *
relations(const GArray *list)
{
    json_t *texts = json_array();
    for (guint i = 0; list != NULL && i < list->len; i++) {
        g_autofree char *text = relation_text(&g_array_index(list, struct relation, i));
        json_array_append_new(texts, json_value_text(text));
    }
    return texts;
}

static json_t *
checksums(const GArray *list)
{
    json_t *objects = json_array();
    for (guint i = 0; list != NULL && i < list->len; i++) {
        const struct checksum *checksum = &g_array_index(list, struct checksum, i);
        json_t *object = json_object();
        set(object, "kind", json_value_text(digest_kind_name(checksum->kind)));
        set(object, "verify_process", json_value_text(checksum->verify_process));
        set(object, "hex", json_value_text(checksum->hex));
        json_array_append_new(objects, object);
    }
    return objects;
}

static json_t *
payloads(const struct vib *vib)
{
    json_t *list = json_array();
    for (guint i = 0; i < vib->payloads->len; i++) {
        const struct payload *payload = vib->payloads->pdata[i];
        json_t *object = json_object();
        set(object, "name", json_value_text(payload->name));
        set(object, "type", json_value_text(payload->type));
        set(object, "size", json_integer((json_int_t)payload->size));
        set(object, "boot_order",
            payload->boot_order >= 0 ? json_integer(payload->boot_order) : json_null());
        set(object, "vfat_name", json_value_text(payload->vfat_name));
        set(object, "checksums", checksums(payload->checksums));
        json_array_append_new(list, object);
    }
    return list;
}

static json_t *
platforms(const struct vib *vib)
{
    json_t *list = json_array();
    for (guint i = 0; i < vib->software_platforms->len; i++) {
        const struct software_platform *platform =
            &g_array_index(vib->software_platforms, struct software_platform, i);
        json_t *object = json_object();
        set(object, "product", json_value_text(platform->product));
        set(object, "version", json_value_text(platform->version));
        json_array_append_new(list, object);
    }
    return list;
}

json_t *
json_value_vib(const struct vib *vib)
{
    json_t *object = vib_head(vib);
    set(object, "description", json_value_text(vib->description));
    set(object, "depends", relations(vib->depends));
    set(object, "conflicts", relations(vib->conflicts));
    set(object, "replaces", relations(vib->replaces));
    set(object, "provides", relations(vib->provides));
    set(object, "compatible_with", relations(vib->compatible_with));
    set(object, "tags", json_value_texts(vib->tags));
    set(object, "software_platforms", platforms(vib));
    set(object, "maintenance_mode", json_boolean(vib->maintenance_mode));
    set(object, "live_install_allowed", json_boolean(vib->live_install_allowed));
    set(object, "live_remove_allowed", json_boolean(vib->live_remove_allowed));
    set(object, "cimom_restart", json_boolean(vib->cimom_restart));
    set(object, "stateless_ready", json_boolean(vib->stateless_ready));
    set(object, "overlay", json_boolean(vib->overlay));
    set(object, "payloads", payloads(vib));
    set(object, "files", json_value_texts(vib->files));
    set(object, "packed_size",
        vib->packed_size > 0 ? json_integer((json_int_t)vib->packed_size) : json_null());
    set(object, "file_checksums", checksums(vib->file_checksums));
    return object;
}

json_t *
json_value_profile(const struct profile *profile, const char *source)
{
    json_t *object = json_object();
    set(object, "name", json_value_text(profile->name));
    set(object, "vendor", json_value_text(profile->vendor));
    set(object, "id", json_value_text(profile->profile_id));
    set(object, "created", json_value_text(profile->created));
    set(object, "modified", json_value_text(profile->modified));
    set(object, "acceptance", json_value_text(acceptance_title(profile->acceptance)));
    set(object, "read_only", json_boolean(profile->read_only));
    set(object, "vib_count", json_integer((json_int_t)profile->vibs->len));
    set(object, "source", json_value_text(source));
    return object;
}

json_t *
json_value_problems(const GPtrArray *problems)
{
    json_t *list = json_array();
    for (guint i = 0; problems != NULL && i < problems->len; i++) {
        const struct problem *problem = problems->pdata[i];
        json_t *object = json_object();
        set(object, "rule", json_value_text(rule_name(problem->rule)));
        set(object, "severity", json_string(rule_severity_name(problem->severity)));
        set(object, "vib", json_value_text(problem->vib_id));
        set(object, "subject", json_value_text(problem->subject));
        set(object, "message", json_value_text(problem->message));
        set(object, "remedy", json_value_text(problem->remedy));
        set(object, "candidates", json_value_texts(problem->candidates));
        json_array_append_new(list, object);
    }
    return list;
}

json_t *
json_value_changes(const GPtrArray *changes)
{
    json_t *list = json_array();
    for (guint i = 0; changes != NULL && i < changes->len; i++) {
        const struct profile_change *change = changes->pdata[i];
        json_t *object = json_object();
        set(object, "added", json_value_text(change->added));
        set(object, "replaced", json_value_text(change->replaced));
        set(object, "downgrade", json_boolean(change->downgrade));
        json_array_append_new(list, object);
    }
    return list;
}

json_t *
json_value_report(const struct image_report *report)
{
    json_t *object = json_object();
    set(object, "vibs", json_integer((json_int_t)report->vibs));
    set(object, "modules", json_integer((json_int_t)report->modules));
    set(object, "bytes", json_integer((json_int_t)report->bytes));
    set(object, "problems", json_value_problems(report->problems));
    return object;
}
