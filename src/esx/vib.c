/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "esx/vib.h"

#include "base/error.h"

#include <string.h>

const char *
vib_type_name(enum vib_type type)
{
    static const char *const names[] = {"bootbank", "locker", "meta"};
    return names[type];
}

static void
clear_relation(gpointer data)
{
    struct relation *relation = data;
    g_free(relation->name);
    g_free(relation->version);
}

static void
clear_checksum(gpointer data)
{
    struct checksum *checksum = data;
    g_free(checksum->verify_process);
    g_free(checksum->hex);
}

static void
clear_software_platform(gpointer data)
{
    struct software_platform *platform = data;
    g_free(platform->version);
    g_free(platform->locale);
    g_free(platform->product);
}

static void
clear_hardware_platform(gpointer data)
{
    struct hardware_platform *platform = data;
    g_free(platform->vendor);
    g_free(platform->model);
}

static void
free_payload(gpointer data)
{
    struct payload *payload = data;
    g_free(payload->name);
    g_free(payload->type);
    g_free(payload->vfat_name);
    g_array_unref(payload->checksums);
    g_free(payload);
}

static GArray *
new_array(gsize element_size, GDestroyNotify clear)
{
    GArray *array = g_array_new(FALSE, TRUE, (guint)element_size);
    g_array_set_clear_func(array, clear);
    return array;
}

struct vib *
vib_new(void)
{
    struct vib *vib = g_new0(struct vib, 1);
    vib->refs = 1;
    vib->depends = new_array(sizeof(struct relation), clear_relation);
    vib->conflicts = new_array(sizeof(struct relation), clear_relation);
    vib->replaces = new_array(sizeof(struct relation), clear_relation);
    vib->provides = new_array(sizeof(struct relation), clear_relation);
    vib->compatible_with = new_array(sizeof(struct relation), clear_relation);
    vib->tags = g_ptr_array_new_with_free_func(g_free);
    vib->software_platforms = new_array(sizeof(struct software_platform), clear_software_platform);
    vib->hardware_platforms = new_array(sizeof(struct hardware_platform), clear_hardware_platform);
    vib->files = g_ptr_array_new_with_free_func(g_free);
    vib->payloads = g_ptr_array_new_with_free_func(free_payload);
    vib->file_checksums = new_array(sizeof(struct checksum), clear_checksum);
    return vib;
}

struct payload *
payload_new(void)
{
    struct payload *payload = g_new0(struct payload, 1);
    payload->boot_order = -1;
    payload->checksums = new_array(sizeof(struct checksum), clear_checksum);
    return payload;
}

struct vib *
vib_ref(struct vib *vib)
{
    g_atomic_int_inc(&vib->refs);
    return vib;
}

void
vib_unref(struct vib *vib)
{
    if (vib == NULL || !g_atomic_int_dec_and_test(&vib->refs))
        return;
    GArray *arrays[] = {vib->depends,
                        vib->conflicts,
                        vib->replaces,
                        vib->provides,
                        vib->compatible_with,
                        vib->software_platforms,
                        vib->hardware_platforms,
                        vib->file_checksums};
    for (gsize i = 0; i < G_N_ELEMENTS(arrays); i++)
        g_array_unref(arrays[i]);
    g_ptr_array_unref(vib->tags);
    g_ptr_array_unref(vib->files);
    g_ptr_array_unref(vib->payloads);
    char *texts[] = {vib->id,      vib->name,        vib->version,      vib->vendor,
                     vib->summary, vib->description, vib->release_date, vib->relative_path};
    for (gsize i = 0; i < G_N_ELEMENTS(texts); i++)
        g_free(texts[i]);
    g_free(vib);
}

gboolean
vib_for_product(const struct vib *vib, const char *product)
{
    for (guint i = 0; i < vib->software_platforms->len; i++) {
        const struct software_platform *platform =
            &g_array_index(vib->software_platforms, struct software_platform, i);
        if (strcmp(platform->product, product) == 0)
            return TRUE;
    }
    return vib->software_platforms->len == 0;
}

const char *
vib_file_sha256(const struct vib *vib)
{
    for (guint i = 0; i < vib->file_checksums->len; i++) {
        const struct checksum *checksum = &g_array_index(vib->file_checksums, struct checksum, i);
        if (checksum->kind == DIGEST_SHA256 && checksum->verify_process == NULL)
            return checksum->hex;
    }
    return NULL;
}

const struct payload *
vib_payload(const struct vib *vib, const char *name)
{
    for (guint i = 0; i < vib->payloads->len; i++) {
        const struct payload *payload = vib->payloads->pdata[i];
        if (strcmp(payload->name, name) == 0)
            return payload;
    }
    return NULL;
}

gboolean
payload_is_gzip(const struct payload *payload)
{
    return g_strv_contains(
        (const char *const[]){"boot", "vgz", "tgz", "installer_vgz", "insvgz", NULL},
        payload->type);
}

const char *
payload_checksum(const struct payload *payload, enum digest_kind kind, const char *verify_process)
{
    for (guint i = 0; i < payload->checksums->len; i++) {
        const struct checksum *checksum = &g_array_index(payload->checksums, struct checksum, i);
        if (checksum->kind == kind && g_strcmp0(checksum->verify_process, verify_process) == 0)
            return checksum->hex;
    }
    return NULL;
}

static gboolean
provide_satisfies(const struct relation *wanted, const char *name, const char *version)
{
    if (strcmp(wanted->name, name) != 0)
        return FALSE;
    if (wanted->relation == VERSION_ANY)
        return TRUE;
    return version != NULL && version_satisfies(version, wanted->relation, wanted->version);
}

gboolean
vib_provides(const struct vib *vib, const struct relation *wanted)
{
    if (provide_satisfies(wanted, vib->name, vib->version))
        return TRUE;
    for (guint i = 0; i < vib->provides->len; i++) {
        const struct relation *provide = &g_array_index(vib->provides, struct relation, i);
        if (provide_satisfies(wanted, provide->name, provide->version))
            return TRUE;
    }
    return FALSE;
}

gboolean
relation_matches_vib(const struct relation *relation, const struct vib *vib)
{
    return provide_satisfies(relation, vib->name, vib->version);
}

char *
relation_text(const struct relation *relation)
{
    if (relation->version == NULL)
        return g_strdup(relation->name);
    const char *sign = version_relation_text(relation->relation);
    return g_strdup_printf("%s %s %s", relation->name, *sign != '\0' ? sign : "=",
                           relation->version);
}
