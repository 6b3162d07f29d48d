/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "esx/boot_cfg_edit.h"

#include <string.h>

/* Place of the module called `name` among the entries, or -1. */
static int
find_entry(GPtrArray *entries, const char *name)
{
    for (guint i = 0; i < entries->len; i++) {
        g_autofree char *entry = boot_cfg_entry_name(entries->pdata[i]);
        if (strcmp(entry, name) == 0)
            return (int)i;
    }
    return -1;
}

static void
drop_entries(GPtrArray *entries, GPtrArray *gone)
{
    for (guint i = 0; i < gone->len; i++) {
        int at;
        while ((at = find_entry(entries, gone->pdata[i])) >= 0)
            g_ptr_array_remove_index(entries, (guint)at);
    }
}

/* Entries are written as their neighbours are: with or without the slash of the root. */
static char *
new_entry(const struct boot_cfg *cfg, const char *name)
{
    const char *kernel = boot_cfg_get(cfg, "kernel");
    return g_strconcat(kernel != NULL && *kernel == '/' ? "/" : "", name, NULL);
}

void
boot_cfg_update_modules(struct boot_cfg *cfg, GPtrArray *modules, GPtrArray *gone)
{
    g_autoptr(GPtrArray) entries = boot_cfg_modules(cfg);
    drop_entries(entries, gone);

    const char *kernel = modules->pdata[0];
    g_autofree char *old_kernel = boot_cfg_entry_name(boot_cfg_get(cfg, "kernel"));
    if (strcmp(kernel, old_kernel) != 0) {
        g_autofree char *entry = new_entry(cfg, kernel);
        boot_cfg_set(cfg, "kernel", entry);
    }
    int before = -1;
    for (guint i = 1; i < modules->len; i++) {
        int at = find_entry(entries, modules->pdata[i]);
        if (at < 0) {
            at = before + 1;
            g_ptr_array_insert(entries, at, new_entry(cfg, modules->pdata[i]));
        }
        before = at;
    }
    boot_cfg_set_modules(cfg, entries);
}

void
boot_cfg_add_options(struct boot_cfg *cfg, const char *const *options)
{
    const char *old = boot_cfg_get(cfg, "kernelopt");
    g_autoptr(GString) text = g_string_new(old != NULL ? old : "");
    for (; options != NULL && *options != NULL; options++) {
        g_auto(GStrv) words = g_strsplit(text->str, " ", -1);
        if (!g_strv_contains((const char *const *)words, *options))
            g_string_append_printf(text, "%s%s", text->len > 0 ? " " : "", *options);
    }
    boot_cfg_set(cfg, "kernelopt", text->str);
}

void
boot_cfg_drop_installer(struct boot_cfg *cfg)
{
    static const char *const starters[] = {"runweasel", "cdromBoot", NULL};
    const char *old = boot_cfg_get(cfg, "kernelopt");
    if (old != NULL) {
        g_auto(GStrv) words = g_strsplit(old, " ", -1);
        g_autoptr(GString) text = g_string_new("");
        for (char **word = words; *word != NULL; word++)
            if (**word != '\0' && !g_strv_contains(starters, *word))
                g_string_append_printf(text, "%s%s", text->len > 0 ? " " : "", *word);
        boot_cfg_set(cfg, "kernelopt", text->str);
    }
    if (g_strcmp0(boot_cfg_get(cfg, "title"), BOOT_CFG_TITLE_INSTALLER) == 0)
        boot_cfg_set(cfg, "title", BOOT_CFG_TITLE);
}
