/* SPDX-License-Identifier: GPL-3.0-or-later */
/* boot.cfg.  Unchanged it comes out byte for byte; modules that are set are those that are read;
 * no value makes a second line. */
#include "base/error.h"
#include "esx/boot_cfg_edit.h"
#include "fuzz.h"

#include <string.h>

/* Setting a value makes blanks of control characters, of which a parsed one may hold a few. */
static GPtrArray *
plain_modules(const struct boot_cfg *cfg)
{
    GPtrArray *modules = boot_cfg_modules(cfg);
    for (guint i = 0; i < modules->len; i++)
        for (char *c = modules->pdata[i]; *c != '\0'; c++)
            if (g_ascii_iscntrl(*c))
                *c = ' ';
    return modules;
}

static void
check_modules(const struct boot_cfg *cfg, const GPtrArray *expected)
{
    g_autoptr(GPtrArray) modules = plain_modules(cfg);
    g_assert_cmpuint(modules->len, ==, expected->len);
    for (guint i = 0; i < modules->len; i++)
        g_assert_cmpstr(modules->pdata[i], ==, expected->pdata[i]);
}

static struct boot_cfg *
read_again(const struct boot_cfg *cfg)
{
    g_autoptr(GBytes) text = boot_cfg_format(cfg);
    g_autoptr(GError) error = NULL;
    struct boot_cfg *again =
        boot_cfg_parse(g_bytes_get_data(text, NULL), g_bytes_get_size(text), "again", &error);
    g_assert_no_error(error);
    return again;
}

static void
check_modules_round_trip(struct boot_cfg *cfg)
{
    g_autoptr(GPtrArray) modules = plain_modules(cfg);
    g_autofree char *kernel = g_strdup(boot_cfg_get(cfg, "kernel"));
    boot_cfg_set_modules(cfg, modules);
    check_modules(cfg, modules);
    auto_ptr(boot_cfg) again = read_again(cfg);
    check_modules(again, modules);
    g_assert_cmpstr(boot_cfg_get(again, "kernel"), ==, kernel);
}

/* All that are there wanted: nothing changes.  One gone: it is. */
static void
check_update(struct boot_cfg *cfg)
{
    g_autoptr(GPtrArray) before = plain_modules(cfg);
    g_autoptr(GPtrArray) names = g_ptr_array_new_with_free_func(g_free);
    g_autoptr(GPtrArray) gone = g_ptr_array_new();
    g_ptr_array_add(names, boot_cfg_entry_name(boot_cfg_get(cfg, "kernel")));
    for (guint i = 0; i < before->len; i++)
        g_ptr_array_add(names, boot_cfg_entry_name(before->pdata[i]));
    boot_cfg_update_modules(cfg, names, gone);
    check_modules(cfg, before);
    if (names->len < 2)
        return;
    g_ptr_array_add(gone, names->pdata[1]);
    g_autoptr(GPtrArray) wanted = g_ptr_array_new();
    g_ptr_array_add(wanted, (gpointer) "new.b00");
    g_ptr_array_add(wanted, (gpointer) "new.v00");
    boot_cfg_update_modules(cfg, wanted, gone);
    g_autofree char *kernel = boot_cfg_entry_name(boot_cfg_get(cfg, "kernel"));
    g_assert_cmpstr(kernel, ==, "new.b00");
    g_autoptr(GPtrArray) after = boot_cfg_modules(cfg);
    guint found = 0;
    for (guint i = 0; i < after->len; i++) {
        g_autofree char *name = boot_cfg_entry_name(after->pdata[i]);
        g_assert_true(strcmp(name, "new.v00") == 0 || strcmp(name, gone->pdata[0]) != 0);
        found += strcmp(name, "new.v00") == 0;
    }
    g_assert_cmpuint(found, >=, 1);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    g_autoptr(GError) error = NULL;
    auto_ptr(boot_cfg) cfg = boot_cfg_parse(data, size, "input", &error);
    fuzz_check_pointer(cfg, error);
    if (cfg == NULL)
        return 0;
    g_autoptr(GBytes) text = boot_cfg_format(cfg);
    g_assert_cmpmem(g_bytes_get_data(text, NULL), g_bytes_get_size(text), data, size);
    check_modules_round_trip(cfg);

    g_autofree char *kernel = g_strdup(boot_cfg_get(cfg, "kernel"));
    boot_cfg_set(cfg, "title", "one\nkernel=/two\r\nkernel=/three");
    auto_ptr(boot_cfg) again = read_again(cfg);
    g_assert_cmpstr(boot_cfg_get(again, "title"), ==, "one kernel=/two  kernel=/three");
    g_assert_cmpstr(boot_cfg_get(again, "kernel"), ==, kernel);
    boot_cfg_add_options(again, (const char *const[]){"ks=cdrom:/KS.CFG", NULL});
    g_assert_nonnull(strstr(boot_cfg_get(again, "kernelopt"), "ks=cdrom:/KS.CFG"));
    boot_cfg_drop_installer(again);
    g_auto(GStrv) words = g_strsplit(boot_cfg_get(again, "kernelopt"), " ", -1);
    g_assert_false(g_strv_contains((const char *const *)words, "runweasel"));
    check_update(again);
    return 0;
}
