/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A bulletin.  It is kept as the bytes that it was; and what was understood of it, written as a new
 * document, is the same bulletin. */
#include "base/error.h"
#include "esx/bulletin.h"
#include "fuzz.h"

#include <string.h>

static void
check_lists(const GPtrArray *left, const GPtrArray *right)
{
    g_assert_cmpuint(left->len, ==, right->len);
    for (guint i = 0; i < left->len; i++)
        g_assert_cmpstr(left->pdata[i], ==, right->pdata[i]);
}

/* An empty element and none mean the same. */
static void
check_text(const char *left, const char *right)
{
    g_assert_cmpstr(left != NULL ? left : "", ==, right != NULL ? right : "");
}

static void
check_same(const struct bulletin *left, const struct bulletin *right)
{
    check_text(left->id, right->id);
    check_text(left->vendor, right->vendor);
    check_text(left->summary, right->summary);
    check_text(left->description, right->description);
    check_text(left->kb_url, right->kb_url);
    check_text(left->release_date, right->release_date);
    check_text(left->component_name, right->component_name);
    check_text(left->component_name_ui, right->component_name_ui);
    check_text(left->component_version, right->component_version);
    check_lists(left->platforms, right->platforms);
    check_lists(left->vib_ids, right->vib_ids);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    g_autoptr(GError) error = NULL;
    auto_ptr(bulletin) bulletin = bulletin_parse(data, size, "input", &error);
    fuzz_check_pointer(bulletin, error);
    if (bulletin == NULL)
        return 0;
    g_assert_null(strpbrk(bulletin->id, "/\\"));
    g_autoptr(GBytes) kept = bulletin_format(bulletin);
    g_assert_cmpmem(g_bytes_get_data(kept, NULL), g_bytes_get_size(kept), data, size);

    g_clear_pointer(&bulletin->xml, g_bytes_unref);
    g_autoptr(GBytes) made = bulletin_format(bulletin);
    auto_ptr(bulletin) again =
        bulletin_parse(g_bytes_get_data(made, NULL), g_bytes_get_size(made), "again", &error);
    g_assert_no_error(error);
    check_same(bulletin, again);
    return 0;
}
