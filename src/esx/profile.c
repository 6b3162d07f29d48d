/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "esx/profile.h"

#include "base/digest.h"
#include "base/error.h"

#include <string.h>

#define ID_LENGTH 32

static void
clear_local(gpointer data)
{
    struct profile_local_name *name = data;
    g_free(name->payload);
    g_free(name->local);
}

static struct profile_vib *
new_vib(const char *id)
{
    struct profile_vib *vib = g_new0(struct profile_vib, 1);
    vib->id = g_strdup(id);
    vib->boot = TRUE;
    vib->locals = g_array_new(FALSE, TRUE, sizeof(struct profile_local_name));
    g_array_set_clear_func(vib->locals, clear_local);
    return vib;
}

static void
free_vib(gpointer data)
{
    struct profile_vib *vib = data;
    g_free(vib->id);
    g_free(vib->installdate);
    g_array_unref(vib->locals);
    g_free(vib->extra);
    g_free(vib);
}

static struct profile_vib *
copy_vib(const struct profile_vib *vib)
{
    struct profile_vib *copy = new_vib(vib->id);
    copy->boot = vib->boot;
    copy->installdate = g_strdup(vib->installdate);
    copy->extra = g_strdup(vib->extra);
    for (guint i = 0; i < vib->locals->len; i++) {
        const struct profile_local_name *name =
            &g_array_index(vib->locals, struct profile_local_name, i);
        struct profile_local_name twin = {g_strdup(name->payload), g_strdup(name->local)};
        g_array_append_val(copy->locals, twin);
    }
    return copy;
}

struct profile *
profile_new(const char *name, const char *vendor)
{
    struct profile *profile = g_new0(struct profile, 1);
    profile->name = g_strdup(name);
    profile->vendor = g_strdup(vendor);
    profile->description = g_strdup("");
    profile->vibs = g_ptr_array_new_with_free_func(free_vib);
    profile->extra = g_ptr_array_new_with_free_func(g_free);
    return profile;
}

struct profile *
profile_copy(const struct profile *profile)
{
    struct profile *copy = g_new0(struct profile, 1);
    *copy = *profile;
    copy->name = g_strdup(profile->name);
    copy->vendor = g_strdup(profile->vendor);
    copy->profile_id = g_strdup(profile->profile_id);
    copy->created = g_strdup(profile->created);
    copy->modified = g_strdup(profile->modified);
    copy->description = g_strdup(profile->description);
    copy->vibs = g_ptr_array_new_with_free_func(free_vib);
    for (guint i = 0; i < profile->vibs->len; i++)
        g_ptr_array_add(copy->vibs, copy_vib(profile->vibs->pdata[i]));
    copy->extra = g_ptr_array_new_with_free_func(g_free);
    for (guint i = 0; i < profile->extra->len; i++)
        g_ptr_array_add(copy->extra, g_strdup(profile->extra->pdata[i]));
    return copy;
}

void
profile_free(struct profile *profile)
{
    if (profile == NULL)
        return;
    g_free(profile->name);
    g_free(profile->vendor);
    g_free(profile->profile_id);
    g_free(profile->created);
    g_free(profile->modified);
    g_free(profile->description);
    g_ptr_array_unref(profile->vibs);
    g_ptr_array_unref(profile->extra);
    g_free(profile);
}

static gboolean
has_control(const char *text, const char *allowed)
{
    for (; *text != '\0'; text = g_utf8_next_char(text)) {
        gunichar c = g_utf8_get_char(text);
        if (g_unichar_iscntrl(c) && (c > 0x7f || strchr(allowed, (int)c) == NULL))
            return TRUE;
    }
    return FALSE;
}

/* One text that a person chose.  `allowed`: control characters that may be in it. */
static gboolean
check_text(const char *what, const char *text, glong limit, const char *allowed, GError **error)
{
    if (!g_utf8_validate(text, -1, NULL))
        return error_set(error, SLIPWAY_ERROR_USAGE, "the profile's %s is no valid UTF-8", what);
    if (has_control(text, allowed))
        return error_set(error, SLIPWAY_ERROR_USAGE,
                         "the profile's %s has a control character or line break in it", what);
    glong length = g_utf8_strlen(text, -1);
    if (length > limit)
        return error_set(error, SLIPWAY_ERROR_USAGE,
                         "the profile's %s is %ld characters long, at most %ld are allowed", what,
                         length, limit);
    return TRUE;
}

gboolean
profile_check_names(const struct profile *profile, GError **error)
{
    if (*profile->name == '\0')
        return error_set(error, SLIPWAY_ERROR_USAGE, "the profile's name is empty");
    if (*profile->vendor == '\0')
        return error_set(error, SLIPWAY_ERROR_USAGE, "the profile's vendor is empty");
    return check_text("name", profile->name, PROFILE_NAME_MAX, "", error) &&
           check_text("vendor", profile->vendor, PROFILE_VENDOR_MAX, "", error) &&
           check_text("description", profile->description, PROFILE_DESCRIPTION_MAX, "\t\r\n",
                      error);
}

struct profile_vib *
profile_find_vib(const struct profile *profile, const char *vib_id)
{
    for (guint i = 0; i < profile->vibs->len; i++) {
        struct profile_vib *vib = profile->vibs->pdata[i];
        if (strcmp(vib->id, vib_id) == 0)
            return vib;
    }
    return NULL;
}

struct profile_vib *
profile_append_vib(struct profile *profile, const char *vib_id)
{
    struct profile_vib *vib = new_vib(vib_id);
    g_ptr_array_add(profile->vibs, vib);
    return vib;
}

struct profile_vib *
profile_add_vib(struct profile *profile, const char *vib_id)
{
    struct profile_vib *vib = profile_find_vib(profile, vib_id);
    return vib != NULL ? vib : profile_append_vib(profile, vib_id);
}

gboolean
profile_remove_vib(struct profile *profile, const char *vib_id)
{
    struct profile_vib *vib = profile_find_vib(profile, vib_id);
    return vib != NULL && g_ptr_array_remove(profile->vibs, vib);
}

static int
compare_ids(gconstpointer a, gconstpointer b)
{
    const struct profile_vib *left = *(struct profile_vib *const *)a;
    const struct profile_vib *right = *(struct profile_vib *const *)b;
    return strcmp(left->id, right->id);
}

/* Each text with its NUL, so that no two lists run together into the same bytes. */
static char *
derive_id(const struct profile *profile)
{
    g_autoptr(GPtrArray) sorted = g_ptr_array_sized_new(profile->vibs->len);
    for (guint i = 0; i < profile->vibs->len; i++)
        g_ptr_array_add(sorted, profile->vibs->pdata[i]);
    g_ptr_array_sort(sorted, compare_ids);

    auto_ptr(digest) digest = digest_new(DIGEST_SHA256);
    digest_update(digest, profile->name, strlen(profile->name) + 1);
    digest_update(digest, profile->vendor, strlen(profile->vendor) + 1);
    for (guint i = 0; i < sorted->len; i++) {
        const struct profile_vib *vib = sorted->pdata[i];
        digest_update(digest, vib->id, strlen(vib->id) + 1);
    }
    char *hex = digest_hex(digest);
    hex[ID_LENGTH] = '\0';
    return hex;
}

static void
replace(char **field, char *value)
{
    g_free(*field);
    *field = value;
}

void
profile_renew_id(struct profile *profile)
{
    replace(&profile->profile_id, derive_id(profile));
}

struct profile *
profile_clone(const struct profile *profile, const char *name, const char *vendor)
{
    struct profile *clone = profile_copy(profile);
    replace(&clone->name, g_strdup(name));
    replace(&clone->vendor, g_strdup(vendor));
    profile_renew_id(clone);
    g_clear_pointer(&clone->created, g_free);
    g_clear_pointer(&clone->modified, g_free);
    clone->serial = 0;
    clone->read_only = FALSE;
    return clone;
}
