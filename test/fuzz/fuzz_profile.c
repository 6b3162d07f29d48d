/* SPDX-License-Identifier: GPL-3.0-or-later */
/* An image profile.  Written and read again it is the same, payload maps and unknown elements
 * included; so is a copy. */
#include "base/error.h"
#include "esx/profile.h"
#include "fuzz.h"

static void
check_same(const struct profile *left, const struct profile *right)
{
    g_assert_cmpstr(left->name, ==, right->name);
    g_assert_cmpstr(left->vendor, ==, right->vendor);
    g_assert_cmpstr(left->profile_id, ==, right->profile_id);
    g_assert_cmpstr(left->created, ==, right->created);
    g_assert_cmpstr(left->modified, ==, right->modified);
    g_assert_cmpstr(left->description, ==, right->description);
    g_assert_cmpint(left->serial, ==, right->serial);
    g_assert_cmpint(left->read_only, ==, right->read_only);
    g_assert_cmpint(left->acceptance, ==, right->acceptance);
    g_assert_cmpuint(left->vibs->len, ==, right->vibs->len);
    for (guint i = 0; i < left->vibs->len; i++) {
        const struct profile_vib *mine = left->vibs->pdata[i], *other = right->vibs->pdata[i];
        g_assert_cmpstr(mine->id, ==, other->id);
        g_assert_cmpstr(mine->installdate, ==, other->installdate);
        g_assert_cmpint(mine->boot, ==, other->boot);
        g_assert_cmpuint(mine->locals->len, ==, other->locals->len);
    }
    g_autoptr(GBytes) mine = profile_format(left, TRUE);
    g_autoptr(GBytes) other = profile_format(right, TRUE);
    g_assert_cmpmem(g_bytes_get_data(mine, NULL), g_bytes_get_size(mine),
                    g_bytes_get_data(other, NULL), g_bytes_get_size(other));
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    g_autoptr(GError) error = NULL;
    auto_ptr(profile) profile = profile_parse(data, size, "input", &error);
    fuzz_check_pointer(profile, error);
    if (profile == NULL)
        return 0;
    g_assert_cmpuint(profile->vibs->len, <=, PROFILE_VIBS_MAX);
    auto_ptr(profile) copy = profile_copy(profile);
    check_same(profile, copy);

    g_autoptr(GBytes) written = profile_format(profile, TRUE);
    auto_ptr(profile) again =
        profile_parse(g_bytes_get_data(written, NULL), g_bytes_get_size(written), "again", &error);
    g_assert_no_error(error);
    check_same(profile, again);

    auto_ptr(profile) clone = profile_clone(profile, "clone", "fuzz");
    g_assert_cmpuint(clone->vibs->len, ==, profile->vibs->len);
    g_assert_false(clone->read_only);
    return 0;
}
