/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A lock file.  Written and read again it gives the same text, and differs from itself nowhere. */
#include "base/error.h"
#include "esx/recipe_lock.h"
#include "fuzz.h"

#include <string.h>

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    g_autoptr(GError) error = NULL;
    auto_ptr(recipe_lock) lock = recipe_lock_parse(data, size, "input", &error);
    fuzz_check_pointer(lock, error);
    if (lock == NULL)
        return 0;
    g_autofree char *text = recipe_lock_format(lock);
    auto_ptr(recipe_lock) again = recipe_lock_parse(text, strlen(text), "again", &error);
    g_assert_no_error(error);
    g_autofree char *twice = recipe_lock_format(again);
    g_assert_cmpstr(text, ==, twice);
    g_autoptr(GPtrArray) differences = recipe_lock_compare(lock, again);
    g_assert_cmpuint(differences->len, ==, 0);
    return 0;
}
