/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A list of known depots.  Names are unique and found in any case; a URL that is given is http(s),
 * and the token is in it where it belongs. */
#include "base/error.h"
#include "base/secret.h"
#include "base/url.h"
#include "esx/known_depots.h"
#include "fuzz.h"

#include <string.h>

#define TOKEN "Tok3n/with?odd&parts"

static void
check_depot(GPtrArray *depots, const struct known_depot *depot)
{
    g_autofree char *upper = g_ascii_strup(depot->name, -1);
    g_assert_true(known_depots_find(depots, upper) == depot);
    g_autoptr(GError) error = NULL;
    g_autofree char *url = known_depot_url(depot, depot->needs_token ? TOKEN : NULL, &error);
    fuzz_check_pointer(url, error);
    if (url == NULL)
        return;
    g_assert_true(url_is_http(url));
    g_assert_null(strstr(url, "{token}"));
    g_assert_true(strstr(depot->url, TOKEN) != NULL || strstr(url, TOKEN) == NULL);
    g_clear_error(&error);
    g_assert_null(known_depot_url(depot, depot->needs_token ? NULL : TOKEN, &error));
    fuzz_check(FALSE, error);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    g_free(fuzz_put_file("known-depots.json", data, size));
    g_setenv("SLIPWAY_DATA_DIR", fuzz_directory(), TRUE);
    g_setenv("XDG_CONFIG_HOME", "/nonexistent", TRUE);
    g_autoptr(GError) error = NULL;
    g_autoptr(GPtrArray) depots = known_depots_load(&error);
    fuzz_check_pointer(depots, error);
    for (guint i = 0; depots != NULL && i < depots->len; i++)
        check_depot(depots, depots->pdata[i]);
    secret_forget_all();
    return 0;
}
