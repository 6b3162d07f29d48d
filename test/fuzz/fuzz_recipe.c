/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A recipe.  An accepted one has a base, all its paths are absolute, and what it shows of its
 * depots has no password in it. */
#include "base/error.h"
#include "base/secret.h"
#include "esx/recipe.h"
#include "fuzz.h"

static void
check_path(const char *path)
{
    g_assert_true(path == NULL || *path == '/');
}

static void
check_recipe(const struct recipe *recipe)
{
    g_assert_true(recipe->base_profile != NULL || recipe->base_iso != NULL);
    check_path(recipe->base_iso);
    check_path(recipe->kickstart);
    for (guint i = 0; i < recipe->trust->len; i++)
        check_path(recipe->trust->pdata[i]);
    for (guint i = 0; i < recipe->add->len; i++) {
        const char *text = recipe->add->pdata[i];
        if (recipe_is_file(text))
            check_path(text);
        g_autofree char *title = recipe_path_title(recipe, text);
        g_assert_true(g_utf8_validate(title, -1, NULL));
    }
    for (guint i = 0; i < recipe->depots->len; i++) {
        const struct recipe_depot *depot = recipe->depots->pdata[i];
        g_assert_nonnull(depot->title);
        g_assert_true((depot->known == NULL) != (depot->location == NULL));
        check_path(depot->token_file);
    }
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    g_autofree char *path = fuzz_put_file("recipe.yaml", data, size);
    g_autoptr(GError) error = NULL;
    auto_ptr(recipe) recipe = recipe_load(path, &error);
    fuzz_check_pointer(recipe, error);
    if (recipe != NULL)
        check_recipe(recipe);
    secret_forget_all();
    return 0;
}
