/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A payload archive, packed or (anything that does not begin as gzip) plain, so that mutations need
 * no checksum of gzip.
 *
 * Names lead nowhere else; each member gives exactly its bytes; all together are no more than the
 * archive is long. */
#include "base/error.h"
#include "esx/visor_tar.h"
#include "fuzz.h"

#include <string.h>

struct listing {
    guint members;
    guint64 bytes;
};

static void
check_name(const char *name)
{
    g_assert_cmpstr(name, !=, "");
    g_assert_cmpuint(strlen(name), <=, VISOR_TAR_NAME_MAX);
    g_assert_true(*name != '/' && !g_str_has_suffix(name, "/"));
    g_auto(GStrv) parts = g_strsplit(name, "/", -1);
    g_assert_false(g_strv_contains((const char *const *)parts, ".."));
    for (const char *c = name; *c != '\0'; c++)
        g_assert_false(g_ascii_iscntrl(*c));
}

static gboolean
take(const struct visor_member *member, struct stream *data, void *user_data, GError **error)
{
    struct listing *listing = user_data;
    check_name(member->name);
    if (member->type == '1')
        check_name(member->target);
    g_assert_true((data != NULL) == visor_member_is_file(member));
    /* Every third is left for the walk to skip. */
    if (data == NULL || ++listing->members % 3 == 0)
        return TRUE;
    char buffer[777];
    guint64 total = 0;
    gssize got;
    while ((got = stream_read(data, buffer, sizeof buffer, error)) > 0)
        total += (guint64)got;
    g_assert_true(got < 0 || total == member->size);
    listing->bytes += total;
    return got == 0;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    g_autoptr(GBytes) bytes = g_bytes_new_static(data, size);
    g_autoptr(GError) error = NULL;
    struct listing listing = {0};
    gboolean packed = size >= 2 && data[0] == 0x1f && data[1] == 0x8b;
    struct stream *stream = stream_new_bytes(bytes, "input");
    gboolean ok = packed ? visor_tar_each(stream, take, &listing, &error)
                         : visor_tar_each_plain(stream, take, &listing, &error);
    fuzz_check(ok, error);
    if (!packed)
        g_assert_cmpuint(listing.bytes, <=, size);
    return 0;
}
