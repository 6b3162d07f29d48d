/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "esx/boot_order.h"

#include "base/error.h"
#include "esx/image_vibs.h"

#include <string.h>

/* Payloads of a system VIB with this order or more load before all drivers, the last one first. */
#define ORDER_HEAD 100

static gboolean
is_one_of(const char *text, const char *const *list)
{
    for (; *list != NULL; list++)
        if (strcmp(text, *list) == 0)
            return TRUE;
    return FALSE;
}

gboolean
payload_is_installer(const struct payload *payload)
{
    static const char *const names[] = {"weaselin", "esxupdt", NULL};
    static const char *const types[] = {"installer_vgz", "insvgz", NULL};
    return is_one_of(payload->name, names) || is_one_of(payload->type, types);
}

static gboolean
is_archive(const struct payload *payload)
{
    static const char *const types[] = {"vgz", "tgz", "installer_vgz", "insvgz", NULL};
    return is_one_of(payload->type, types);
}

/* The lists that make up the order. */
struct groups {
    GArray *kernel;  /* type boot, by boot order */
    GArray *system;  /* archives that load before the drivers */
    GArray *regular; /* all other archives */
    GArray *overlay; /* archives of overlay VIBs: last, so that their files win */
};

static GArray *
new_list(void)
{
    return g_array_new(FALSE, FALSE, sizeof(struct boot_module));
}

static void
clear_groups(struct groups *groups)
{
    g_array_unref(groups->kernel);
    g_array_unref(groups->system);
    g_array_unref(groups->regular);
    g_array_unref(groups->overlay);
}

static void
place(struct groups *groups, const struct boot_module *module)
{
    if (!is_archive(module->payload))
        g_array_append_vals(groups->kernel, module, 1);
    else if (module->vib->overlay)
        g_array_append_vals(groups->overlay, module, 1);
    else if (module->payload->boot_order >= ORDER_HEAD)
        g_array_prepend_vals(groups->system, module, 1);
    else
        g_array_append_vals(groups->regular, module, 1);
}

static gboolean
sort_out(struct groups *groups, const struct image_vib *one, gboolean installer, GError **error)
{
    for (guint i = 0; i < one->vib->payloads->len; i++) {
        const struct payload *payload = one->vib->payloads->pdata[i];
        if (strcmp(payload->type, "boot") != 0 && !is_archive(payload))
            continue;
        if (!installer && payload_is_installer(payload))
            continue;
        struct boot_module module = {.vib = one->vib, .payload = payload};
        module.name = image_vib_local(one->entry, payload->name);
        if (module.name == NULL)
            return error_set(error, SLIPWAY_ERROR_CORRUPT,
                             "the profile gives payload %s of VIB %s no name on the medium",
                             payload->name, one->vib->id);
        place(groups, &module);
    }
    return TRUE;
}

/* A boot payload that states no order comes last: it must never become the kernel by accident. */
static int
boot_order(const struct boot_module *module)
{
    return module->payload->boot_order >= 0 ? module->payload->boot_order : G_MAXINT;
}

/* Insertion sort: stable, which g_array_sort() does not promise, and the list is short. */
static void
sort_kernel(GArray *list)
{
    struct boot_module *modules = (struct boot_module *)(void *)list->data;
    for (guint i = 1; i < list->len; i++) {
        struct boot_module module = modules[i];
        guint j = i;
        for (; j > 0 && boot_order(&modules[j - 1]) > boot_order(&module); j--)
            modules[j] = modules[j - 1];
        modules[j] = module;
    }
}

static GArray *
join_groups(const struct groups *groups)
{
    GArray *all = new_list();
    GArray *const order[] = {groups->kernel, groups->system, groups->regular, groups->overlay};
    for (gsize i = 0; i < G_N_ELEMENTS(order); i++)
        if (order[i]->len > 0)
            g_array_append_vals(all, order[i]->data, order[i]->len);
    return all;
}

static gboolean
fill_groups(struct groups *groups, const struct profile *profile, GPtrArray *vibs,
            gboolean installer, GError **error)
{
    g_autoptr(GArray) joined = image_vibs_join(profile, vibs);
    for (guint i = 0; i < joined->len; i++) {
        const struct image_vib *one = &g_array_index(joined, struct image_vib, i);
        if (!one->entry->boot || !vib_for_product(one->vib, IMAGE_PRODUCT))
            continue;
        if (!sort_out(groups, one, installer, error))
            return FALSE;
    }
    if (groups->kernel->len == 0)
        return error_set(error, SLIPWAY_ERROR_RULES,
                         "profile %s has no boot payload, nothing could be booted; add esx-base",
                         profile->name);
    sort_kernel(groups->kernel);
    return TRUE;
}

GArray *
boot_order_of(const struct profile *profile, GPtrArray *vibs, gboolean installer, GError **error)
{
    struct groups groups = {
        .kernel = new_list(),
        .system = new_list(),
        .regular = new_list(),
        .overlay = new_list(),
    };
    GArray *all = NULL;
    if (fill_groups(&groups, profile, vibs, installer, error))
        all = join_groups(&groups);
    clear_groups(&groups);
    return all;
}
