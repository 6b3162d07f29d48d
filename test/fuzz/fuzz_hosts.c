/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The list of hypervisors.  What is read can be written, and that is read as the same; names are
 * unique and safe as names of files; URIs are such, without a password. */
#include "base/error.h"
#include "fuzz.h"
#include "hyper/host_format.h"

#include <string.h>

static void
check_host(const GPtrArray *hosts, const struct host *host)
{
    g_autoptr(GError) error = NULL;
    g_assert_true(host_format_check(host, &error));
    g_assert_null(strchr(host->name, '/'));
    g_assert_true(*host->name != '.' && strlen(host->name) <= HOST_LABEL_MAX);
    g_assert_false(host->own_file && host->password_file != NULL);
    g_assert_cmpint(host->transport, <, HYPERVISOR_TRANSPORT_N);
    const struct host_list list = {(GPtrArray *)hosts};
    g_assert_true(host_list_find(&list, host->name) == host);
    g_assert_nonnull(host_list_find_uri(&list, host->uri));
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(GPtrArray) hosts = g_ptr_array_new_with_free_func((GDestroyNotify)host_free);
    g_autoptr(GPtrArray) again = g_ptr_array_new_with_free_func((GDestroyNotify)host_free);
    gboolean ok = host_format_parse((const char *)data, size, hosts, &error);
    fuzz_check(ok, error);
    if (!ok)
        return 0;
    for (guint i = 0; i < hosts->len; i++)
        check_host(hosts, g_ptr_array_index(hosts, i));
    g_autofree char *text = host_format_print(hosts, &error);
    fuzz_check_pointer(text, error);
    if (text == NULL)
        return 0;
    g_assert_true(host_format_parse(text, strlen(text), again, &error));
    g_autofree char *second = host_format_print(again, &error);
    g_assert_cmpstr(text, ==, second);
    return 0;
}
