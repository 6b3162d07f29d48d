/* SPDX-License-Identifier: GPL-3.0-or-later */
/* image_fixture.h: images made up in a few words: VIBs whose payloads have boot orders and
 * vfat-names, and a profile that names all of them. */
#pragma once

#include "esx/profile.h"
#include "esx/vib.h"

#include <string.h>

struct image_fixture {
    struct profile *profile;
    GPtrArray *vibs; /* of struct vib * */
};

static inline void
image_fixture_init(struct image_fixture *image)
{
    image->profile = profile_new("test-image", "ACME");
    image->vibs = g_ptr_array_new_with_free_func((GDestroyNotify)(void *)vib_unref);
}

static inline void
image_fixture_clear(struct image_fixture *image)
{
    profile_free(image->profile);
    g_ptr_array_unref(image->vibs);
}

/* "name:type", "name:type@order", "name:type@order=vfat.gz" */
static inline struct payload *
image_fixture_payload(const char *word)
{
    g_auto(GStrv) halves = g_strsplit(word, "=", 2);
    g_auto(GStrv) order = g_strsplit(halves[0], "@", 2);
    g_auto(GStrv) name = g_strsplit(order[0], ":", 2);
    struct payload *payload = payload_new();
    payload->name = g_strdup(name[0]);
    payload->type = g_strdup(name[1] != NULL ? name[1] : "vgz");
    if (order[1] != NULL)
        payload->boot_order = (int)g_ascii_strtoll(order[1], NULL, 10);
    payload->vfat_name = g_strdup(halves[1]);
    return payload;
}

/* Add a VIB `id` ("VMW_bootbank_net-enic_1.0-1") with `payloads`, separated by blanks; one without
 * a type is vgz. */
static inline struct vib *
image_fixture_add(struct image_fixture *image, const char *id, const char *payloads)
{
    struct vib *vib = vib_new();
    g_auto(GStrv) fields = g_strsplit(id, "_", 4);
    g_assert_cmpuint(g_strv_length(fields), ==, 4);
    vib->id = g_strdup(id);
    vib->vendor = g_strdup(fields[0]);
    vib->type = strcmp(fields[1], "locker") == 0 ? VIB_LOCKER : VIB_BOOTBANK;
    vib->name = g_strdup(fields[2]);
    vib->version = g_strdup(fields[3]);
    g_auto(GStrv) words = g_strsplit_set(payloads, " \n", -1);
    for (gsize i = 0; words[i] != NULL; i++)
        if (*words[i] != '\0')
            g_ptr_array_add(vib->payloads, image_fixture_payload(words[i]));
    g_ptr_array_add(image->vibs, vib);
    profile_add_vib(image->profile, id);
    return vib;
}

static inline void
image_fixture_provide(struct vib *vib, const char *name, const char *version)
{
    struct relation provide = {
        .name = g_strdup(name), .relation = VERSION_EQUAL, .version = g_strdup(version)};
    g_array_append_val(vib->provides, provide);
}

static inline void
image_fixture_platform(struct vib *vib, const char *product)
{
    struct software_platform platform = {
        .version = g_strdup("8.0"), .locale = g_strdup(""), .product = g_strdup(product)};
    g_array_append_val(vib->software_platforms, platform);
}

/* The name that `payload` of VIB `id` has in the profile; NULL when it has none. */
static inline const char *
image_fixture_local(const struct image_fixture *image, const char *id, const char *payload)
{
    const struct profile_vib *vib = profile_find_vib(image->profile, id);
    for (guint i = 0; vib != NULL && i < vib->locals->len; i++) {
        const struct profile_local_name *name =
            &g_array_index(vib->locals, struct profile_local_name, i);
        if (strcmp(name->payload, payload) == 0)
            return name->local;
    }
    return NULL;
}
