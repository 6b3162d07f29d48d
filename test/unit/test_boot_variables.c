/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "base/little_endian.h"
#include "engine/boot_variables.h"

#include <string.h>

#define BEGIN 100u /* of the variables */
#define STORE 8000u
#define SIZE 9000u

/* An image as EDK2 makes it, with nothing in it. */
static guint8 *
make_image(guint32 store)
{
    static const guint8 authenticated[] = {0x78, 0x2c, 0xf3, 0xaa, 0x7b, 0x94, 0x9a, 0x43,
                                           0xa1, 0x80, 0x2e, 0x14, 0x4e, 0xc3, 0x77, 0x92};
    guint8 *image = g_malloc0(SIZE);
    memcpy(image + 40, "_FVH", 4);
    little_endian_put16(image + 48, 72);
    memcpy(image + 72, authenticated, sizeof authenticated);
    little_endian_put32(image + 88, store);
    image[92] = 0x5a;
    image[93] = 0xfe;
    memset(image + BEGIN, 0xff, SIZE - BEGIN);
    return image;
}

/* A variable whose name is ASCII; where the next one belongs. */
static gsize
put_variable(guint8 *image, gsize at, const char *name, guint32 data)
{
    guint32 size = (guint32)(2 * strlen(name) + 2);
    memset(image + at, 0, 60 + size + data);
    little_endian_put16(image + at, 0x55aa);
    image[at + 2] = 0x3f;
    little_endian_put32(image + at + 36, size);
    little_endian_put32(image + at + 40, data);
    for (gsize i = 0; name[i] != '\0'; i++)
        image[at + 60 + 2 * i] = (guint8)name[i];
    return (at + 60 + size + data + 3) / 4 * 4;
}

/* Walk over the variables from `at` on; their names, one after the other. */
static char *
list_names(const guint8 *image, gsize at)
{
    GString *names = g_string_new(NULL);
    while (little_endian_get16(image + at) == 0x55aa) {
        guint32 name = little_endian_get32(image + at + 36);
        guint32 data = little_endian_get32(image + at + 40);
        for (guint32 i = 0; i + 2 < name; i += 2)
            g_string_append_c(names, (char)image[at + 60 + i]);
        g_string_append_c(names, ' ');
        at = (at + 60 + name + data + 3) / 4 * 4;
        g_assert_cmpuint(at, <, SIZE - 2);
    }
    return g_string_free(names, FALSE);
}

static void
test_empty(void)
{
    g_autofree guint8 *image = make_image(STORE);
    g_assert_true(boot_variables_add_loaders(image, SIZE));
    g_autofree char *names = list_names(image, BEGIN);
    g_assert_true(g_str_has_prefix(names, "Boot0000 Boot0001 Boot0002 "));
    g_assert_true(g_str_has_suffix(names, " BootOrder "));
    static const char path[] = "\\\0E\0F\0I\0\\\0d\0e\0b\0i\0a\0n\0\\\0g\0r\0u\0b\0";
    g_assert_nonnull(memmem(image, SIZE, path, sizeof path - 1));
    g_assert_false(boot_variables_add_loaders(image, SIZE)); /* they are there */
}

/* Behind what is there, which stays. */
static void
test_others(void)
{
    g_autofree guint8 *image = make_image(STORE);
    gsize at = put_variable(image, BEGIN, "PK", 5);
    at = put_variable(image, at, "Lang", 3);
    g_autofree guint8 *before = g_memdup2(image, SIZE);
    g_assert_true(boot_variables_add_loaders(image, SIZE));
    g_assert_cmpmem(image, at, before, at);
    g_autofree char *names = list_names(image, BEGIN);
    g_assert_true(g_str_has_prefix(names, "PK Lang Boot0000 "));
}

static void
expect_nothing(guint8 *image, gsize length)
{
    g_autofree guint8 *before = g_memdup2(image, SIZE);
    g_assert_false(boot_variables_add_loaders(image, length));
    g_assert_cmpmem(image, SIZE, before, SIZE);
}

static void
test_not_one(void)
{
    static const struct {
        gsize at;
        guint8 value;
    } rows[] = {{40, 'X'}, {48, 71}, {49, 0xff}, {72, 0}, {92, 0}, {93, 0}, {91, 0xff}, {300, 0}};
    for (guint i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_autofree guint8 *image = make_image(STORE);
        image[rows[i].at] = rows[i].value;
        expect_nothing(image, SIZE);
    }
    for (gsize length = 0; length < STORE; length += 97) {
        g_autofree guint8 *image = make_image(STORE);
        expect_nothing(image, length);
    }
    g_autofree guint8 *small = make_image(600), *none = make_image(0), *own = make_image(STORE);
    expect_nothing(small, SIZE);
    expect_nothing(none, SIZE);
    put_variable(own, put_variable(own, BEGIN, "Lang", 3), "BootOrder", 2);
    expect_nothing(own, SIZE);
}

/* Lengths that lead out of the store. */
static void
test_hostile(void)
{
    static const guint32 lengths[] = {0x7fffffff, 0xffffffff, 0xfffffffc, STORE, STORE - 130};
    for (guint i = 0; i < G_N_ELEMENTS(lengths); i++)
        for (guint field = 36; field <= 40; field += 4) {
            g_autofree guint8 *image = make_image(STORE);
            put_variable(image, BEGIN, "Lang", 3);
            little_endian_put32(image + BEGIN + field, lengths[i]);
            expect_nothing(image, SIZE);
        }
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/boot-variables/empty", test_empty);
    g_test_add_func("/boot-variables/others", test_others);
    g_test_add_func("/boot-variables/not-one", test_not_one);
    g_test_add_func("/boot-variables/hostile", test_hostile);
    return g_test_run();
}
