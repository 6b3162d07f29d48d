/* SPDX-License-Identifier: GPL-3.0-or-later */
/* URIs of hypervisors, and what a selection makes of their path.  The input: a URI, a newline, a
 * machine's folder, a newline, its name.
 *
 * The host that a URI is split into is split into itself; no password comes through; a selection of
 * the path gives a verdict, the same when it is asked as one of a list. */
#include "base/error.h"
#include "fuzz.h"
#include "hyper/hypervisor.h"
#include "hyper/mark.h"
#include "hyper/selection.h"

#include <string.h>

static void
check_host(const char *host)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *again = NULL, *rest = NULL;
    gboolean ok = hypervisor_uri_split(host, &again, &rest, &error);
    g_assert_no_error(error);
    g_assert_true(ok);
    g_assert_cmpstr(again, ==, host);
    g_assert_cmpstr(rest, ==, "");
    const char *authority = strstr(host, "://") + 3;
    g_autofree char *part = g_strndup(authority, strcspn(authority, "/?"));
    const char *at = strchr(part, '@');
    g_assert_true(at == NULL || memchr(part, ':', (gsize)(at - part)) == NULL);
}

static void
check_selection(const char *path, char *folder, char *name)
{
    struct machine *machine = machine_new();
    machine->folder = g_strdup(*folder != '\0' ? folder : NULL);
    machine->name = g_strdup(name);
    machine->power = strlen(name) % MACHINE_POWER_N;
    g_autoptr(GPtrArray) list = g_ptr_array_new_with_free_func((GDestroyNotify)machine_free);
    g_ptr_array_add(list, machine);
    const char *const exclude[] = {folder, NULL};
    const struct selection selections[] = {
        {.path = path}, {.path = path, .exclude = exclude}, {.names = exclude, .folders = exclude}};
    for (guint i = 0; i < G_N_ELEMENTS(selections); i++) {
        g_autoptr(GError) error = NULL;
        enum selection_verdict verdict = selection_judge(&selections[i], machine);
        g_autoptr(GPtrArray) taken = selection_take(&selections[i], list, NULL, &error);
        fuzz_check_pointer(taken, error);
        g_assert_cmpint(taken == NULL, ==, verdict == SELECTION_OTHER);
        g_assert_cmpint(taken != NULL && taken->len == 1, ==, verdict == SELECTION_TAKEN);
    }
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    g_autofree char *uri = fuzz_take_text(&data, &size, '\n');
    g_autofree char *folder = fuzz_take_text(&data, &size, '\n');
    g_autofree char *name = fuzz_take_text(&data, &size, '\n');
    g_autofree char *host = NULL, *path = NULL;
    g_autoptr(GError) error = NULL;
    mark_look(uri);
    mark_look(name);
    gboolean ok = hypervisor_uri_split(uri, &host, &path, &error);
    fuzz_check(ok, error);
    if (!ok)
        return 0;
    g_assert_true(hypervisor_is_uri(uri));
    g_assert_true(g_utf8_validate(path, -1, NULL));
    check_host(host);
    /* Names of machines are UTF-8, as drivers make sure of. */
    if (g_utf8_validate(folder, -1, NULL) && g_utf8_validate(name, -1, NULL))
        check_selection(path, folder, name);
    return 0;
}
