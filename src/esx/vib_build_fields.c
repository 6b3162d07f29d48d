/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "esx/vib_build_fields.h"

#include "base/error.h"

#include <string.h>

#define NAME_CHARACTERS "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz_-."
#define PAYLOAD_CHARACTERS "0123456789abcdefghijklmnopqrstuvwxyz_-"
#define PAYLOAD_NAME_MAX 8
#define LIST_MAX 1000
/* Times in a tar header are 33 bits of seconds; this is well inside. */
#define YEAR_FIRST 1970
#define YEAR_LAST 2199

static gboolean
check_name(const char *field, const char *value, GError **error)
{
    if (value == NULL || *value == '\0')
        return error_set(error, SLIPWAY_ERROR_USAGE, "the %s of the VIB is missing", field);
    if (strlen(value) <= VIB_NAME_MAX && strspn(value, NAME_CHARACTERS) == strlen(value) &&
        *value != '.')
        return TRUE;
    return error_set(error, SLIPWAY_ERROR_USAGE,
                     "the %s `%.*s` cannot be one: at most %d letters, digits, `-`, `_` and `.`, "
                     "no `.` first",
                     field, VIB_NAME_MAX, value, VIB_NAME_MAX);
}

/* Free text: whatever XML can hold. */
static gboolean
check_text(const char *field, const char *value, GError **error)
{
    gboolean clean = g_utf8_validate(value, -1, NULL);
    for (const char *at = value; clean && *at != '\0'; at++)
        clean = !g_ascii_iscntrl(*at) || *at == '\n' || *at == '\t';
    /* U+FFFE and U+FFFF are characters that XML forbids. */
    if (!clean || strstr(value, "\xef\xbf\xbe") != NULL || strstr(value, "\xef\xbf\xbf") != NULL)
        return error_set(error, SLIPWAY_ERROR_USAGE,
                         "the %s holds characters that XML cannot hold; it must be UTF-8 text",
                         field);
    if (strlen(value) > VIB_TEXT_MAX)
        return error_set(error, SLIPWAY_ERROR_USAGE, "the %s has more than %d bytes", field,
                         VIB_TEXT_MAX);
    return TRUE;
}

static gboolean
take_names(struct vib *vib, const struct vib_build *build, GError **error)
{
    if (!check_name("name", build->name, error) || !check_name("vendor", build->vendor, error))
        return FALSE;
    if (build->version == NULL || !version_valid(build->version))
        return error_set(error, SLIPWAY_ERROR_USAGE,
                         "the version `%.*s` cannot be one: VERSION or VERSION-RELEASE of letters, "
                         "digits, `.` and `_`, as in 1.0.2-1",
                         VIB_NAME_MAX, build->version != NULL ? build->version : "");
    vib->name = g_strdup(build->name);
    vib->version = g_strdup(build->version);
    vib->vendor = g_strdup(build->vendor);
    vib->id = g_strdup_printf("%s_%s_%s_%s", vib->vendor, vib_type_name(vib->type), vib->name,
                              vib->version);
    return TRUE;
}

static gboolean
take_texts(struct vib *vib, const struct vib_build *build, GError **error)
{
    const char *summary = build->summary != NULL ? build->summary : build->name;
    const char *description = build->description != NULL ? build->description : summary;
    if (!check_text("summary", summary, error) || !check_text("description", description, error))
        return FALSE;
    vib->summary = g_strdup(summary);
    vib->description = g_strdup(description);
    return TRUE;
}

/* SOURCE_DATE_EPOCH is how a whole build is given one date (reproducible-builds.org). */
static GDateTime *
default_date(GError **error)
{
    const char *text = g_getenv("SOURCE_DATE_EPOCH");
    guint64 seconds = 0;
    if (text != NULL && !g_ascii_string_to_unsigned(text, 10, 0, G_MAXINT32, &seconds, NULL))
        return error_null(error, SLIPWAY_ERROR_USAGE,
                          "SOURCE_DATE_EPOCH in the environment is `%.40s`, which is no time",
                          text);
    return g_date_time_new_from_unix_utc((gint64)seconds);
}

static GDateTime *
parse_date(const char *text, GError **error)
{
    g_autoptr(GTimeZone) utc = g_time_zone_new_utc();
    g_autofree char *whole =
        strlen(text) == strlen("2020-01-08") ? g_strconcat(text, "T00:00:00", NULL) : NULL;
    g_autoptr(GDateTime) date = g_date_time_new_from_iso8601(whole != NULL ? whole : text, utc);
    g_autoptr(GDateTime) in_utc = date != NULL ? g_date_time_to_utc(date) : NULL;
    if (in_utc != NULL && g_date_time_get_year(in_utc) >= YEAR_FIRST &&
        g_date_time_get_year(in_utc) <= YEAR_LAST)
        return g_steal_pointer(&in_utc);
    return error_null(error, SLIPWAY_ERROR_USAGE,
                      "the release date `%.80s` is no date from %d to %d as in 2020-01-08 or "
                      "2020-01-08T12:04:19+00:00",
                      text, YEAR_FIRST, YEAR_LAST);
}

static gboolean
take_date(struct vib *vib, const struct vib_build *build, GError **error)
{
    g_autoptr(GDateTime) date =
        build->release_date != NULL ? parse_date(build->release_date, error) : default_date(error);
    if (date == NULL)
        return FALSE;
    int microseconds = g_date_time_get_microsecond(date);
    g_autofree char *fraction =
        microseconds != 0 ? g_strdup_printf(".%06d", microseconds) : g_strdup("");
    g_autofree char *seconds = g_date_time_format(date, "%Y-%m-%dT%H:%M:%S");
    vib->release_date = g_strconcat(seconds, fraction, "+00:00", NULL);
    vib->released = g_date_time_to_unix(date);
    return TRUE;
}

/* "name", "name >= version", with or without blanks. */
static gboolean
parse_relation(const char *text, struct relation *ret_relation)
{
    g_autofree char *copy = g_strstrip(g_strdup(text));
    gsize name_length = strspn(copy, NAME_CHARACTERS);
    const char *sign = copy + name_length + strspn(copy + name_length, " ");
    gsize sign_length = strspn(sign, "<>=");
    const char *version = sign + sign_length + strspn(sign + sign_length, " ");
    g_autofree char *sign_text = g_strndup(sign, sign_length);
    struct relation relation = {.relation = VERSION_ANY};
    if (name_length == 0 || name_length > VIB_NAME_MAX)
        return FALSE;
    if (*sign != '\0' && (!version_relation_parse(sign_text, &relation.relation) ||
                          relation.relation == VERSION_ANY || !version_valid(version)))
        return FALSE;
    relation.name = g_strndup(copy, name_length);
    relation.version = *sign != '\0' ? g_strdup(version) : NULL;
    *ret_relation = relation;
    return TRUE;
}

static gboolean
take_relations(GArray *list, const char *field, const char *const *texts, GError **error)
{
    gboolean provides = strcmp(field, "provides") == 0;
    for (gsize i = 0; texts != NULL && texts[i] != NULL; i++) {
        struct relation relation;
        gboolean ok = i < LIST_MAX && parse_relation(texts[i], &relation);
        if (ok)
            g_array_append_val(list, relation);
        if (ok &&
            (!provides || relation.relation == VERSION_ANY || relation.relation == VERSION_EQUAL))
            continue;
        return error_set(error, SLIPWAY_ERROR_USAGE, "%s: `%.*s` must be NAME or NAME %s VERSION",
                         field, VIB_NAME_MAX, texts[i], provides ? "=" : "<<|<=|=|>=|>>");
    }
    return TRUE;
}

static gboolean
take_all_relations(struct vib *vib, const struct vib_build *build, GError **error)
{
    return take_relations(vib->depends, "depends", build->depends, error) &&
           take_relations(vib->conflicts, "conflicts", build->conflicts, error) &&
           take_relations(vib->replaces, "replaces", build->replaces, error) &&
           take_relations(vib->provides, "provides", build->provides, error);
}

static gboolean
take_tags(struct vib *vib, const struct vib_build *build, GError **error)
{
    for (gsize i = 0; build->tags != NULL && build->tags[i] != NULL; i++) {
        if (i >= LIST_MAX || *build->tags[i] == '\0')
            return error_set(error, SLIPWAY_ERROR_USAGE, "an empty tag, or more than %d tags",
                             LIST_MAX);
        if (!check_text("tag", build->tags[i], error))
            return FALSE;
        g_ptr_array_add(vib->tags, g_strdup(build->tags[i]));
    }
    return TRUE;
}

static gboolean
take_platforms(struct vib *vib, const struct vib_build *build, GError **error)
{
    for (gsize i = 0; build->platforms != NULL && build->platforms[i] != NULL; i++) {
        const char *version = build->platforms[i];
        gsize length = strlen(version);
        if (i >= LIST_MAX || length == 0 || length > VIB_NAME_MAX ||
            strspn(version, NAME_CHARACTERS "*") != length)
            return error_set(error, SLIPWAY_ERROR_USAGE,
                             "the platform `%.*s` is no version as in 8.0", VIB_NAME_MAX, version);
        struct software_platform platform = {g_strdup(version), g_strdup(""),
                                             g_strdup("embeddedEsx")};
        g_array_append_val(vib->software_platforms, platform);
    }
    return TRUE;
}

/* What a payload of this VIB is called: 8 characters make a file name of the boot bank. */
static char *
default_payload_name(const char *vib_name)
{
    g_autofree char *lower = g_ascii_strdown(vib_name, -1);
    g_strcanon(lower, PAYLOAD_CHARACTERS, '_');
    return g_strndup(lower, PAYLOAD_NAME_MAX);
}

static gboolean
take_payload(struct vib *vib, const struct vib_build *build, GError **error)
{
    g_autofree char *name = build->payload_name != NULL ? g_strdup(build->payload_name)
                                                        : default_payload_name(build->name);
    gsize length = strlen(name);
    if (length == 0 || length > PAYLOAD_NAME_MAX || strspn(name, PAYLOAD_CHARACTERS) != length)
        return error_set(error, SLIPWAY_ERROR_USAGE,
                         "the payload name `%.*s` cannot be one: 1 to %d of a-z, 0-9, `_` and `-`",
                         VIB_NAME_MAX, name, PAYLOAD_NAME_MAX);
    struct payload *payload = payload_new();
    payload->name = g_steal_pointer(&name);
    payload->type = g_strdup("tgz");
    payload->boot_order = -1;
    g_ptr_array_add(vib->payloads, payload);
    return TRUE;
}

struct vib *
vib_build_fields(const struct vib_build *build, GError **error)
{
    auto_ptr(vib) vib = vib_new();
    vib->type = VIB_BOOTBANK;
    vib->maintenance_mode = build->maintenance_mode;
    vib->live_install_allowed = build->live_install;
    vib->live_remove_allowed = build->live_install;
    vib->stateless_ready = build->stateless_ready;
    vib->acceptance =
        build->acceptance != ACCEPTANCE_NONE ? build->acceptance : ACCEPTANCE_COMMUNITY;
    if (!take_names(vib, build, error) || !take_texts(vib, build, error) ||
        !take_date(vib, build, error) || !take_all_relations(vib, build, error) ||
        !take_tags(vib, build, error) || !take_platforms(vib, build, error) ||
        !take_payload(vib, build, error))
        return NULL;
    return g_steal_pointer(&vib);
}
