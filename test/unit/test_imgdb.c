/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "base/error.h"
#include "esx/gzip_writer.h"
#include "esx/imgdb.h"

#include <archive.h>
#include <archive_entry.h>
#include <glib/gstdio.h>
#include <string.h>

#define NET "ACME_bootbank_net_1.0-1"
#define BASE "VMware_bootbank_esx-base_8.0.3-1"

static GBytes *
bytes_of(const char *text)
{
    return g_bytes_new(text, strlen(text));
}

static char *
descriptor_text(const char *vendor, const char *name, const char *version, const char *payload)
{
    return g_strdup_printf(
        "<vib version=\"5.0\"><type>bootbank</type><name>%s</name><version>%s</version>"
        "<vendor>%s</vendor><summary>s</summary><description>d</description>"
        "<release-date>2020-01-08T12:04:19.619611+00:00</release-date><urls/><relationships>"
        "<depends/><conflicts/><replaces/><provides/><compatibleWith/></relationships>"
        "<software-tags/><system-requires><maintenance-mode>true</maintenance-mode>"
        "</system-requires><file-list/><acceptance-level>community</acceptance-level>"
        "<live-install-allowed>false</live-install-allowed>"
        "<live-remove-allowed>false</live-remove-allowed><cimom-restart>false</cimom-restart>"
        "<stateless-ready>true</stateless-ready><overlay>false</overlay><payloads>"
        "<payload name=\"%s\" type=\"vgz\" size=\"10\"><checksum checksum-type=\"sha-256\">"
        "4b074453034074b074453034074b074453034074b074453034074b0744530340</checksum></payload>"
        "</payloads></vib>",
        name, version, vendor, payload);
}

static struct imgdb_vib *
add_vib(struct imgdb *db, const char *vendor, const char *name, const char *version,
        const char *signature)
{
    g_autofree char *text = descriptor_text(vendor, name, version, "p");
    GError *error = NULL;
    auto_ptr(vib) vib = vib_parse(text, strlen(text), name, &error);
    g_assert_no_error(error);
    g_autoptr(GBytes) descriptor = bytes_of(text);
    g_autoptr(GBytes) signed_bytes = bytes_of(signature);
    return imgdb_add(db, vib, descriptor, signed_bytes);
}

static void
add_to_profile(struct imgdb *db, const char *id, const char *local)
{
    struct profile_local_name name = {g_strdup("p"), g_strdup(local)};
    g_array_append_val(profile_add_vib(db->profile, id)->locals, name);
}

static void
add_extra(struct imgdb *db, const char *path, const char *data)
{
    g_ptr_array_add(db->extra_names, g_strdup(path));
    g_ptr_array_add(db->extra_data, bytes_of(data));
}

/* Two VIBs of the profile, one more, and members that only newer releases have. */
static struct imgdb *
sample(void)
{
    struct imgdb *db = imgdb_new(profile_new("ESXi-8.0U3 custom/1", "ACME"));
    add_vib(db, "VMware", "esx-base", "8.0.3-1", "-----BEGIN PKCS7-----\n");
    add_vib(db, "ACME", "net", "1.0-1", "");
    add_vib(db, "ACME", "reserved", "1.0-1", "");
    add_to_profile(db, NET, "net.v00");
    add_to_profile(db, BASE, "b.v00");
    add_extra(db, "var/db/esximg/reservedComponents/z.xml", "<z/>");
    add_extra(db, "var/db/esximg/bulletins/a.xml", "<a/>");
    add_extra(db, "var/db/esximg/addons/", "");
    return db;
}

static GBytes *
format(const struct imgdb *db)
{
    GError *error = NULL;
    GBytes *bytes = imgdb_format(db, &error);
    g_assert_no_error(error);
    return bytes;
}

static struct imgdb *
parse(GBytes *tgz)
{
    GError *error = NULL;
    struct imgdb *db = imgdb_parse(tgz, "IMGDB.TGZ", &error);
    g_assert_no_error(error);
    return db;
}

static void
assert_bytes(GBytes *bytes, const char *text)
{
    gsize length = 0;
    const char *data = g_bytes_get_data(bytes, &length);
    g_assert_cmpmem(data, length, text, strlen(text));
}

/* sha256sum of the VIB id, first eight bytes without the top bit, in decimal. */
static const char listing[] =
    "d 755 0 0 0 0 var/\n"
    "d 755 0 0 0 0 var/db/\n"
    "d 755 0 0 0 0 var/db/esximg/\n"
    "d 755 0 0 0 0 var/db/esximg/addons/\n"
    "d 755 0 0 0 0 var/db/esximg/bulletins/\n"
    "f 644 0 0 0 4 var/db/esximg/bulletins/a.xml\n"
    "d 755 0 0 0 0 var/db/esximg/profiles/\n"
    "f 644 0 0 0 415 var/db/esximg/profiles/ESXi-8.0U3_custom_16350728093496163371\n"
    "d 755 0 0 0 0 var/db/esximg/reservedComponents/\n"
    "f 644 0 0 0 4 var/db/esximg/reservedComponents/z.xml\n"
    "d 755 0 0 0 0 var/db/esximg/vibs/\n"
    "f 644 0 0 0 850 var/db/esximg/vibs/esx-base-448311063168537531.xml\n"
    "f 644 0 0 0 850 var/db/esximg/vibs/esx-base-448311063168537531.xml.orig\n"
    "f 644 0 0 0 22 var/db/esximg/vibs/esx-base-448311063168537531.xml.sig\n"
    "f 644 0 0 0 841 var/db/esximg/vibs/net-1431967156446596245.xml\n"
    "f 644 0 0 0 841 var/db/esximg/vibs/net-1431967156446596245.xml.orig\n"
    "f 644 0 0 0 0 var/db/esximg/vibs/net-1431967156446596245.xml.sig\n"
    "f 644 0 0 0 846 var/db/esximg/vibs/reserved-7551626064616274556.xml\n"
    "f 644 0 0 0 846 var/db/esximg/vibs/reserved-7551626064616274556.xml.orig\n"
    "f 644 0 0 0 0 var/db/esximg/vibs/reserved-7551626064616274556.xml.sig\n";

static char *
list(GBytes *tgz)
{
    gsize length = 0;
    const void *data = g_bytes_get_data(tgz, &length);
    struct archive *archive = archive_read_new();
    archive_read_support_filter_gzip(archive);
    archive_read_support_format_tar(archive);
    g_assert_cmpint(archive_read_open_memory(archive, data, length), ==, ARCHIVE_OK);
    GString *text = g_string_new(NULL);
    struct archive_entry *entry = NULL;
    while (archive_read_next_header(archive, &entry) == ARCHIVE_OK)
        g_string_append_printf(text, "%c %o %d %d %d %d %s\n",
                               archive_entry_filetype(entry) == AE_IFDIR ? 'd' : 'f',
                               (unsigned)archive_entry_perm(entry), (int)archive_entry_uid(entry),
                               (int)archive_entry_gid(entry), (int)archive_entry_mtime(entry),
                               (int)archive_entry_size(entry), archive_entry_pathname(entry));
    g_assert_cmpint(archive_format(archive), ==, ARCHIVE_FORMAT_TAR_USTAR);
    archive_read_free(archive);
    return g_string_free(text, FALSE);
}

static void
test_layout(void)
{
    auto_ptr(imgdb) db = sample();
    g_autoptr(GBytes) tgz = format(db);
    static const guint8 header[] = {0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 2, 0xff};
    g_assert_cmpmem(g_bytes_get_data(tgz, NULL), sizeof header, header, sizeof header);
    g_autofree char *text = list(tgz);
    g_assert_cmpstr(text, ==, listing);
}

static void
test_round_trip(void)
{
    auto_ptr(imgdb) db = sample();
    g_autoptr(GBytes) tgz = format(db);
    auto_ptr(imgdb) again = parse(tgz);
    g_assert_cmpstr(again->profile->name, ==, "ESXi-8.0U3 custom/1");
    g_assert_cmpuint(again->profile->vibs->len, ==, 2);
    g_assert_cmpuint(again->vibs->len, ==, 3);
    const struct imgdb_vib *base = imgdb_find(again, BASE);
    g_autofree char *text = descriptor_text("VMware", "esx-base", "8.0.3-1", "p");
    assert_bytes(base->descriptor, text);
    assert_bytes(base->signature, "-----BEGIN PKCS7-----\n");
    g_assert_nonnull(imgdb_find(again, "ACME_bootbank_reserved_1.0-1"));
    g_assert_null(imgdb_find(again, "ACME_bootbank_nothing_1.0-1"));
    static const char *const extra[] = {
        "var/db/esximg/addons/", "var/db/esximg/bulletins/", "var/db/esximg/bulletins/a.xml",
        "var/db/esximg/reservedComponents/", "var/db/esximg/reservedComponents/z.xml"};
    g_assert_cmpuint(again->extra_names->len, ==, G_N_ELEMENTS(extra));
    for (gsize i = 0; i < G_N_ELEMENTS(extra); i++)
        g_assert_cmpstr(again->extra_names->pdata[i], ==, extra[i]);
    assert_bytes(again->extra_data->pdata[2], "<a/>");

    g_autoptr(GBytes) second = format(again);
    g_assert_true(g_bytes_equal(tgz, second));
}

/* The order in which things were put in does not show. */
static void
test_same_bytes(void)
{
    auto_ptr(imgdb) one = sample();
    auto_ptr(imgdb) two = sample();
    gpointer first = two->vibs->pdata[0];
    two->vibs->pdata[0] = two->vibs->pdata[2];
    two->vibs->pdata[2] = first;
    g_autoptr(GBytes) a = format(one);
    g_autoptr(GBytes) b = format(two);
    g_assert_true(g_bytes_equal(a, b));
}

static void
test_edit(void)
{
    auto_ptr(imgdb) db = sample();
    g_assert_false(imgdb_remove(db, "nothing"));
    g_assert_true(imgdb_remove(db, "ACME_bootbank_reserved_1.0-1"));
    g_assert_null(imgdb_find(db, "ACME_bootbank_reserved_1.0-1"));
    g_autoptr(GPtrArray) vibs = imgdb_vib_list(db);
    g_assert_cmpuint(vibs->len, ==, 2);
    g_assert_cmpstr(((struct vib *)vibs->pdata[1])->id, ==, NET);
}

/* No path that we make is longer than 99 bytes; the number is never cut. */
static void
test_long_name(void)
{
    auto_ptr(imgdb) db = imgdb_new(profile_new("p", "ACME"));
    g_autofree char *name = g_strnfill(120, 'n');
    add_vib(db, "ACME", name, "1.0-1", "");
    g_autoptr(GBytes) tgz = format(db);
    g_autofree char *text = list(tgz);
    g_auto(GStrv) lines = g_strsplit(text, "\n", -1);
    gsize longest = 0;
    for (gsize i = 0; lines[i] != NULL; i++)
        if (*lines[i] != '\0')
            longest = MAX(longest, strlen(strstr(lines[i], "var/")));
    g_assert_cmpuint(longest, ==, IMGDB_NAME_MAX);
    auto_ptr(imgdb) again = parse(tgz);
    g_assert_cmpstr(((struct imgdb_vib *)again->vibs->pdata[0])->vib->name, ==, name);
}

static void
test_format_errors(void)
{
    g_autoptr(GError) error = NULL;
    auto_ptr(imgdb) missing = sample();
    profile_add_vib(missing->profile, "ACME_bootbank_gone_1-1");
    g_assert_null(imgdb_format(missing, &error));
    g_assert_error(error, SLIPWAY_ERROR, SLIPWAY_ERROR_NOT_FOUND);
    g_assert_cmpstr(error->message, ==,
                    "the image database has no descriptor of VIB ACME_bootbank_gone_1-1");
    g_clear_error(&error);

    auto_ptr(imgdb) unnamed = sample();
    profile_add_vib(unnamed->profile, "ACME_bootbank_reserved_1.0-1");
    g_assert_null(imgdb_format(unnamed, &error));
    g_assert_error(error, SLIPWAY_ERROR, SLIPWAY_ERROR_CORRUPT);
    g_assert_cmpstr(error->message, ==,
                    "the profile gives payload p of VIB ACME_bootbank_reserved_1.0-1 no name on "
                    "the medium");
    g_clear_error(&error);

    auto_ptr(imgdb) longer = sample();
    g_autofree char *name = g_strnfill(300, 'x');
    add_extra(longer, name, "");
    g_assert_null(imgdb_format(longer, &error));
    g_assert_error(error, SLIPWAY_ERROR, SLIPWAY_ERROR_LIMIT);
    g_autofree char *expected =
        g_strdup_printf("image database: cannot put %s into a .tgz: Pathname too long", name);
    g_assert_cmpstr(error->message, ==, expected);
}

/* ---- archives of others ----------------------------------------------------------------- */

struct member {
    const char *path;
    unsigned type; /* 0: AE_IFREG */
    const char *data;
    gint64 size; /* 0: that of the data; else a hole before one byte */
};

static gboolean
keep(void *user_data, const void *data, gsize length, GError **error G_GNUC_UNUSED)
{
    g_byte_array_append(user_data, data, (guint)length);
    return TRUE;
}

static la_ssize_t
keep_archive(struct archive *archive G_GNUC_UNUSED, void *user_data, const void *data,
             size_t length)
{
    keep(user_data, data, length, NULL);
    return (la_ssize_t)length;
}

static GByteArray *
tar_of(int tar_format, const struct member *members, gsize n)
{
    GByteArray *tar = g_byte_array_new();
    struct archive *archive = archive_write_new();
    archive_write_set_format(archive, tar_format);
    archive_write_open(archive, tar, NULL, keep_archive, NULL);
    for (gsize i = 0; i < n; i++) {
        const char *data = members[i].data != NULL ? members[i].data : "";
        struct archive_entry *entry = archive_entry_new();
        archive_entry_set_pathname(entry, members[i].path);
        archive_entry_set_filetype(entry, members[i].type != 0 ? members[i].type : AE_IFREG);
        archive_entry_set_perm(entry, 0644);
        archive_entry_set_size(entry, members[i].size > 0 ? members[i].size : (gint64)strlen(data));
        if (members[i].size > 0)
            archive_entry_sparse_add_entry(entry, members[i].size - 1, 1);
        if (members[i].type == AE_IFLNK)
            archive_entry_set_symlink(entry, "/etc/passwd");
        if (members[i].type == AE_IFIFO + 1) { /* no such type: a hard link */
            archive_entry_set_filetype(entry, AE_IFREG);
            archive_entry_set_hardlink(entry, "var/x");
        }
        g_assert_cmpint(archive_write_header(archive, entry), ==, ARCHIVE_OK);
        g_autofree char *zeros = g_malloc0((gsize)members[i].size + 1);
        if (members[i].size > 0)
            archive_write_data(archive, zeros, (gsize)members[i].size);
        else
            archive_write_data(archive, data, strlen(data));
        archive_entry_free(entry);
    }
    archive_write_close(archive);
    archive_write_free(archive);
    return tar;
}

/* `parts` gzip members one behind the other. */
static GBytes *
gzip(const GByteArray *plain, guint parts)
{
    GByteArray *packed = g_byte_array_new();
    guint done = 0;
    for (guint i = 0; i < parts; i++) {
        guint end = i + 1 == parts ? plain->len : done + plain->len / parts;
        auto_ptr(gzip_writer) writer = gzip_writer_new(keep, packed);
        g_assert_true(gzip_writer_write(writer, plain->data + done, end - done, NULL));
        g_assert_true(gzip_writer_finish(writer, NULL));
        done = end;
    }
    return g_byte_array_free_to_bytes(packed);
}

static GBytes *
pack(int tar_format, const struct member *members, gsize n)
{
    g_autoptr(GByteArray) tar = tar_of(tar_format, members, n);
    return gzip(tar, 1);
}

static void
refuse(GBytes *tgz, enum slipway_error code, const char *message)
{
    g_autoptr(GError) error = NULL;
    g_assert_null(imgdb_parse(tgz, "I", &error));
    g_assert_error(error, SLIPWAY_ERROR, (int)code);
    g_assert_cmpstr(error->message, ==, message);
}

#define PROFILE_OF(vibs)                                                                           \
    "<imageprofile><name>n</name><creator>c</creator><readonly>true</readonly><viblist>" vibs      \
    "</viblist></imageprofile>"
#define ONE_PROFILE                                                                                \
    {                                                                                              \
        "var/db/esximg/profiles/p", 0, PROFILE_OF(""), 0                                           \
    }

/* GNU tar, several gzip members, `./` in front, no directories, a long name: all that occurs. */
static void
test_foreign(void)
{
    g_autofree char *text = descriptor_text("ACME", "net", "1.0-1", "p");
    g_autofree char *plain = g_strconcat(text, "\n", NULL);
    g_autofree char *tail = g_strnfill(90, 'l');
    g_autofree char *path = g_strconcat("var/db/esximg/bulletins/", tail, "/a.xml", NULL);
    const struct member members[] = {
        {"./var/db/esximg/vibs/net--5.xml.orig", 0, text, 0},
        {"./var/db/esximg/vibs/net--5.xml", 0, plain, 0},
        {"./var/db/esximg/profiles/x%20y", 0,
         PROFILE_OF("<vib><vib-id>" NET "</vib-id><payloads><payload payload-name=\"p\">net.v00"
                    "</payload></payloads></vib>"),
         0},
        {path, 0, "data", 0},
        {"var/db/esximg/vibs/stray.xml.sig", 0, "s", 0},
        {"var/db/esximg/vibs/README", 0, "r", 0},
        {"var/db/esximg/profiles/deep/p", 0, "q", 0},
    };
    static const int formats[] = {ARCHIVE_FORMAT_TAR_GNUTAR, ARCHIVE_FORMAT_TAR_PAX_RESTRICTED};
    for (gsize i = 0; i < G_N_ELEMENTS(formats); i++) {
        g_autoptr(GByteArray) tar = tar_of(formats[i], members, G_N_ELEMENTS(members));
        g_autoptr(GBytes) tgz = gzip(tar, 3);
        auto_ptr(imgdb) db = parse(tgz);
        g_assert_cmpuint(db->vibs->len, ==, 1);
        const struct imgdb_vib *vib = db->vibs->pdata[0];
        g_assert_cmpstr(vib->stem, ==, "net--5");
        assert_bytes(vib->descriptor, text);
        assert_bytes(vib->xml, plain);
        g_assert_null(vib->signature);
        g_assert_cmpuint(db->extra_names->len, ==, 4);
        g_assert_cmpstr(db->extra_names->pdata[0], ==, path);
        g_assert_cmpstr(db->extra_names->pdata[3], ==, "var/db/esximg/vibs/stray.xml.sig");

        /* Written again, the VIB's members are what they were, and no signature appears. */
        g_autoptr(GBytes) written = format(db);
        g_autofree char *text_list = list(written);
        g_assert_nonnull(strstr(text_list, "vibs/net--5.xml.orig\n"));
        g_assert_null(strstr(text_list, "net--5.xml.sig"));
        auto_ptr(imgdb) again = parse(written);
        assert_bytes(((struct imgdb_vib *)again->vibs->pdata[0])->xml, plain);
    }
}

/* A database of old, without .orig: none is made up, for it would have to match the signature. */
static void
test_no_original(void)
{
    g_autofree char *text = descriptor_text("ACME", "net", "1.0-1", "p");
    const struct member members[] = {ONE_PROFILE, {"var/db/esximg/vibs/net-1.xml", 0, text, 0}};
    g_autoptr(GBytes) tgz = pack(ARCHIVE_FORMAT_TAR_USTAR, members, G_N_ELEMENTS(members));
    auto_ptr(imgdb) db = parse(tgz);
    assert_bytes(((struct imgdb_vib *)db->vibs->pdata[0])->descriptor, text);
    g_autoptr(GBytes) written = format(db);
    g_autofree char *text_list = list(written);
    g_assert_nonnull(strstr(text_list, "vibs/net-1.xml\n"));
    g_assert_null(strstr(text_list, ".orig"));
}

static void
test_hostile(void)
{
    static const struct {
        struct member members[3];
        const char *message;
    } rows[] = {
        {{{"README", 0, "r", 0}},
         "I: holds no image profile; is it the imgdb.tgz of an ESXi image?"},
        {{ONE_PROFILE, {"var/db/esximg/profiles/q", 0, PROFILE_OF(""), 0}},
         "I: holds two image profiles, var/db/esximg/profiles/p and var/db/esximg/profiles/q; an "
         "image has exactly one"},
        {{ONE_PROFILE, {"var/db/esximg/profiles/p", 0, "x", 0}},
         "I: var/db/esximg/profiles/p is in it twice"},
        {{{"var/db/esximg/profiles/p", 0, "<a/>", 0}},
         "I: var/db/esximg/profiles/p: the root element is <a>, not <imageprofile>"},
        {{ONE_PROFILE, {"var/db/esximg/l", AE_IFLNK, NULL, 0}},
         "I: var/db/esximg/l is neither a file nor a directory"},
        {{ONE_PROFILE, {"var/db/esximg/h", AE_IFIFO + 1, NULL, 0}},
         "I: var/db/esximg/h is neither a file nor a directory"},
        {{ONE_PROFILE, {"var/db/esximg/f", AE_IFIFO, NULL, 0}},
         "I: var/db/esximg/f is neither a file nor a directory"},
        {{{"var/db/esximg/profiles/p", 0,
           PROFILE_OF("<vib><vib-id>ACME_bootbank_gone_1-1</vib-id></vib>"), 0}},
         "I: the image profile names VIB ACME_bootbank_gone_1-1, but there is no descriptor of it"},
        {{ONE_PROFILE, {"var/db/esximg/vibs/a.xml.orig", 0, "<x/>", 0}},
         "I: var/db/esximg/vibs/a.xml.orig: the root element is <x>, not <vib>"},
    };
    for (gsize i = 0; i < G_N_ELEMENTS(rows); i++) {
        gsize n = 0;
        while (n < 3 && rows[i].members[n].path != NULL)
            n++;
        g_autoptr(GBytes) tgz = pack(ARCHIVE_FORMAT_TAR_USTAR, rows[i].members, n);
        refuse(tgz, SLIPWAY_ERROR_CORRUPT, rows[i].message);
    }
}

/* The words are those of tar_name_clean(); here it matters that they are asked for. */
static void
test_hostile_names(void)
{
    static const char *const paths[] = {"../etc/passwd", "var/db/../../../x", "/etc/passwd",
                                        "var/db/esximg/vibs/..", "var/a\nb"};
    for (gsize i = 0; i < G_N_ELEMENTS(paths); i++) {
        const struct member members[] = {ONE_PROFILE, {paths[i], 0, "x", 0}};
        g_autoptr(GBytes) tgz = pack(ARCHIVE_FORMAT_TAR_USTAR, members, G_N_ELEMENTS(members));
        g_autoptr(GError) error = NULL;
        g_assert_null(imgdb_parse(tgz, "I", &error));
        g_assert_error(error, SLIPWAY_ERROR, SLIPWAY_ERROR_CORRUPT);
        g_test_message("%s", error->message);
    }
}

static void
test_twice_the_vib(void)
{
    g_autofree char *text = descriptor_text("ACME", "net", "1.0-1", "p");
    const struct member members[] = {ONE_PROFILE,
                                     {"var/db/esximg/vibs/a.xml", 0, text, 0},
                                     {"var/db/esximg/vibs/b.xml", 0, text, 0}};
    g_autoptr(GBytes) tgz = pack(ARCHIVE_FORMAT_TAR_USTAR, members, G_N_ELEMENTS(members));
    refuse(tgz, SLIPWAY_ERROR_CORRUPT, "I: VIB " NET " is in it twice");
}

static void
test_no_archive(void)
{
    static const char gzip_words[] = "I: is no gzip file; is it the imgdb.tgz of an ESXi image?";
    static const char *const texts[] = {"", "x", "PK\003\004", "<html>"};
    for (gsize i = 0; i < G_N_ELEMENTS(texts); i++) {
        g_autoptr(GBytes) bytes = bytes_of(texts[i]);
        refuse(bytes, SLIPWAY_ERROR_CORRUPT, gzip_words);
    }
    g_autoptr(GByteArray) noise = g_byte_array_new();
    for (guint i = 0; i < 2000; i++)
        g_byte_array_append(noise, (const guint8 *)"noise!!", 7);
    g_autoptr(GBytes) no_tar = gzip(noise, 1);
    refuse(no_tar, SLIPWAY_ERROR_CORRUPT,
           "I: is no readable tar archive: Unrecognized archive format");
    g_byte_array_set_size(noise, 0);
    g_autoptr(GBytes) nothing = gzip(noise, 1);
    refuse(nothing, SLIPWAY_ERROR_CORRUPT,
           "I: is no readable tar archive: Unrecognized archive format");
}

/* Cut anywhere it is refused; with a bit turned too, or it is still the same database. */
static void
test_damaged(void)
{
    auto_ptr(imgdb) db = sample();
    g_autoptr(GBytes) tgz = format(db);
    gsize length = 0;
    const guint8 *data = g_bytes_get_data(tgz, &length);
    for (gsize cut = 0; cut < length; cut += 7) {
        g_autoptr(GBytes) part = g_bytes_new(data, cut);
        g_autoptr(GError) error = NULL;
        g_assert_null(imgdb_parse(part, "I", &error));
        g_assert_error(error, SLIPWAY_ERROR, SLIPWAY_ERROR_CORRUPT);
    }
    g_autofree guint8 *wrong = g_memdup2(data, length);
    wrong[length - 8] ^= 1; /* the CRC-32, behind all members */
    g_autoptr(GBytes) checksum = g_bytes_new(wrong, length);
    refuse(checksum, SLIPWAY_ERROR_CORRUPT, "I: its gzip checksum is wrong, the data is damaged");
    for (gsize at = 10; at < length; at++) {
        g_autofree guint8 *copy = g_memdup2(data, length);
        copy[at] ^= 0x10;
        g_autoptr(GBytes) turned = g_bytes_new(copy, length);
        g_autoptr(GError) error = NULL;
        auto_ptr(imgdb) read = imgdb_parse(turned, "I", &error);
        if (read == NULL) {
            g_assert_nonnull(error);
            continue;
        }
        /* The same bytes can be compressed in several ways. */
        g_autoptr(GBytes) same = format(read);
        g_assert_true(g_bytes_equal(tgz, same));
    }
}

static GBytes *
zeros(gsize length)
{
    static const guint8 some[1 << 20];
    GByteArray *packed = g_byte_array_new();
    auto_ptr(gzip_writer) writer = gzip_writer_new(keep, packed);
    for (gsize step; length > 0; length -= step) {
        step = MIN(length, sizeof some);
        g_assert_true(gzip_writer_write(writer, some, step, NULL));
    }
    g_assert_true(gzip_writer_finish(writer, NULL));
    return g_byte_array_free_to_bytes(packed);
}

static void
test_limits(void)
{
    g_autoptr(GBytes) bomb = zeros(IMGDB_MAX + 1024);
    refuse(bomb, SLIPWAY_ERROR_LIMIT, "I: decompresses to more than 268435456 bytes");

    static const struct member large[] = {
        ONE_PROFILE, {"var/db/esximg/x", 0, NULL, (gint64)IMGDB_MEMBER_MAX + 1}};
    g_autoptr(GBytes) one = pack(ARCHIVE_FORMAT_TAR_PAX_INTERCHANGE, large, G_N_ELEMENTS(large));
    refuse(one, SLIPWAY_ERROR_LIMIT,
           "I: var/db/esximg/x is 67108865 bytes long, the limit is 67108864");

    /* Holes cost nothing in the archive and everything in memory. */
    static const struct member holes[] = {{"var/1", 0, NULL, IMGDB_MEMBER_MAX},
                                          {"var/2", 0, NULL, IMGDB_MEMBER_MAX},
                                          {"var/3", 0, NULL, IMGDB_MEMBER_MAX},
                                          {"var/4", 0, NULL, IMGDB_MEMBER_MAX},
                                          {"var/5", 0, NULL, IMGDB_MEMBER_MAX}};
    g_autoptr(GByteArray) sparse =
        tar_of(ARCHIVE_FORMAT_TAR_PAX_INTERCHANGE, holes, G_N_ELEMENTS(holes));
    g_assert_cmpuint(sparse->len, <, 100000);
    g_autoptr(GBytes) together = gzip(sparse, 1);
    refuse(together, SLIPWAY_ERROR_LIMIT, "I: its members have more than 268435456 bytes together");
}

static void
test_many_members(void)
{
    g_autofree struct member *members = g_new0(struct member, IMGDB_MEMBERS_MAX + 1);
    g_autoptr(GPtrArray) names = g_ptr_array_new_with_free_func(g_free);
    for (guint i = 0; i <= IMGDB_MEMBERS_MAX; i++) {
        g_ptr_array_add(names, g_strdup_printf("d%u", i));
        members[i].path = names->pdata[i];
    }
    g_autoptr(GBytes) tgz = pack(ARCHIVE_FORMAT_TAR_USTAR, members, IMGDB_MEMBERS_MAX + 1);
    refuse(tgz, SLIPWAY_ERROR_LIMIT, "I: holds more than 100000 members");
}

/* ---- programs of others ----------------------------------------------------------------- */

static char *
run(const char *const *argv)
{
    g_autofree char *path = g_find_program_in_path(argv[0]);
    if (path == NULL)
        return NULL;
    char *out = NULL;
    g_autofree char *words = NULL;
    int status = 0;
    GError *error = NULL;
    g_assert_true(g_spawn_sync(NULL, (char **)argv, NULL, G_SPAWN_SEARCH_PATH, NULL, NULL, &out,
                               &words, &status, &error));
    g_assert_no_error(error);
    g_assert_cmpstr(words, ==, "");
    g_assert_true(g_spawn_check_wait_status(status, NULL));
    return out;
}

static const char python_lister[] =
    "import sys, tarfile\n"
    "for m in tarfile.open(sys.argv[1], 'r:gz'):\n"
    "    print('d' if m.isdir() else 'f', '%o' % m.mode, m.uid, m.gid, m.mtime, m.size,\n"
    "          m.name + ('/' if m.isdir() else ''))\n";

static void
test_others_read_it(void)
{
    auto_ptr(imgdb) db = sample();
    g_autoptr(GBytes) tgz = format(db);
    g_autofree char *path = NULL;
    int fd = g_file_open_tmp("imgdb-XXXXXX.tgz", &path, NULL);
    g_assert_cmpint(fd, >=, 0);
    g_close(fd, NULL);
    gsize length = 0;
    const char *data = g_bytes_get_data(tgz, &length);
    g_assert_true(g_file_set_contents(path, data, (gssize)length, NULL));

    const char *const bsdtar[] = {"bsdtar", "-tvf", path, NULL};
    g_autofree char *long_list = run(bsdtar);
    const char *const python[] = {"python3", "-c", python_lister, path, NULL};
    g_autofree char *python_list = run(python);
    g_unlink(path);
    if (long_list != NULL) {
        g_assert_nonnull(
            strstr(long_list, "drwxr-xr-x  0 0      0           0 Jan  1  1970 var/\n"));
        g_assert_nonnull(strstr(long_list, "-rw-r--r--  0 0      0           4 Jan  1  1970 "
                                           "var/db/esximg/bulletins/a.xml\n"));
    }
    if (python_list != NULL)
        g_assert_cmpstr(python_list, ==, listing);
    if (long_list == NULL || python_list == NULL)
        g_test_skip("bsdtar or python3 is not there");
}

int
main(int argc, char **argv)
{
    g_setenv("TZ", "UTC", TRUE);
    g_setenv("LC_ALL", "C", TRUE);
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/imgdb/layout", test_layout);
    g_test_add_func("/imgdb/round-trip", test_round_trip);
    g_test_add_func("/imgdb/same-bytes", test_same_bytes);
    g_test_add_func("/imgdb/edit", test_edit);
    g_test_add_func("/imgdb/long-name", test_long_name);
    g_test_add_func("/imgdb/format-errors", test_format_errors);
    g_test_add_func("/imgdb/foreign", test_foreign);
    g_test_add_func("/imgdb/no-original", test_no_original);
    g_test_add_func("/imgdb/hostile", test_hostile);
    g_test_add_func("/imgdb/hostile-names", test_hostile_names);
    g_test_add_func("/imgdb/twice-the-vib", test_twice_the_vib);
    g_test_add_func("/imgdb/no-archive", test_no_archive);
    g_test_add_func("/imgdb/damaged", test_damaged);
    g_test_add_func("/imgdb/limits", test_limits);
    g_test_add_func("/imgdb/many-members", test_many_members);
    g_test_add_func("/imgdb/others-read-it", test_others_read_it);
    return g_test_run();
}
