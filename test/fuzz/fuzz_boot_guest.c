/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What comes from a guest that was started for a trial, and from its QEMU: the first byte says what
 * the rest is.  Nothing is kept beyond its limit, and words for people are words. */
#include "disk/disk_open.h"
#include "engine/boot_firmware.h"
#include "engine/boot_screen.h"
#include "engine/boot_sign.h"
#include "engine/boot_variables.h"
#include "fuzz.h"
#include "hyper/qmp.h"

#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define PIECE 100u
#define WORDS_MAX 1000u

static void
check_words(const char *words)
{
    g_assert_true(g_utf8_validate(words, -1, NULL));
    g_assert_cmpuint(strlen(words), <, WORDS_MAX);
    for (const char *c = words; *c != '\0'; c++)
        g_assert_false(g_ascii_iscntrl(*c));
}

static void
look_at_screen(const uint8_t *data, size_t size)
{
    struct boot_screen screen;
    g_autoptr(GError) error = NULL;
    g_autoptr(GBytes) dump = g_bytes_new(data, size);
    gboolean ok = boot_screen_parse(dump, &screen, &error);
    fuzz_check(ok, error);
    if (!ok)
        return;
    g_assert_cmpuint(boot_screen_colours(&screen, G_MAXUINT), >=, 1);
    g_assert_true(boot_screen_same(&screen, &screen));
}

/* In pieces; the same sign whatever they are is not asked for, as a search begins with each. */
static void
look_for_sign(const uint8_t *data, size_t size)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *words = NULL;
    auto_ptr(boot_sign) sign = boot_sign_new(NULL, 1, &error);
    g_assert_no_error(error);
    for (size_t at = 0; at < size; at += PIECE) {
        size_t n = MIN(PIECE, size - at);
        g_autoptr(GBytes) dump = g_bytes_new(data + at, n);
        boot_sign_take_serial(sign, data + at, n);
        boot_sign_take_agent(sign, data + at, n);
        boot_sign_take_screen(sign, dump, (gint64)at);
    }
    gboolean found = boot_sign_found(sign, &words) != BOOT_SIGN_NONE;
    g_assert_cmpint(found, ==, words != NULL);
    if (words != NULL)
        check_words(words);
    g_autofree char *lack = boot_sign_lack(sign);
    check_words(lack);
}

/* All of it is there before anything is asked, and then nothing more comes. */
static void
talk(const uint8_t *data, size_t size)
{
    int ends[2];
    g_autoptr(GError) error = NULL;
    g_assert_cmpint(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), ==, 0);
    if (send(ends[1], data, size, MSG_DONTWAIT | MSG_NOSIGNAL) < 0)
        g_assert_cmpuint(size, >, 65536);
    auto_ptr(qmp) qmp = qmp_open(ends[0], 0, &error);
    fuzz_check_pointer(qmp, error);
    g_assert_null(qmp);
    close(ends[1]);
}

static void
look_at_disk(const uint8_t *data, size_t size)
{
    g_autoptr(GError) error = NULL;
    auto_ptr(disk) disk = disk_memory_new(MAX(size, 1), "disk");
    enum boot_firmware firmware;
    g_assert_true(size == 0 || disk_write(disk, 0, data, size, NULL));
    g_assert_true(boot_firmware_of_disk(disk, &firmware, &error));
    g_assert_true(firmware == BOOT_FIRMWARE_BIOS || firmware == BOOT_FIRMWARE_UEFI);
}

static void
look_at_config(const uint8_t *data, size_t size)
{
    g_autofree char *config = g_strndup((const char *)data, size);
    g_autofree char *text = g_utf8_make_valid(config, -1);
    g_assert_nonnull(boot_firmware_name(boot_firmware_of_config(text)));
    g_assert_nonnull(boot_bus_name(boot_bus_of_config(text)));
}

/* Only what was free changes, and a second time there is nothing to add. */
static void
add_loaders(const uint8_t *data, size_t size)
{
    g_autofree guint8 *image = g_malloc(size + 1);
    memcpy(image, data, size);
    gboolean added = boot_variables_add_loaders(image, size);
    g_assert_cmpint(added, ==, memcmp(image, data, size) != 0);
    for (size_t i = 0; i < size; i++)
        g_assert_true(image[i] == data[i] || data[i] == 0xff);
    g_assert_false(added && boot_variables_add_loaders(image, size));
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0)
        return 0;
    switch (data[0]) {
    case 'p':
        look_at_screen(data + 1, size - 1);
        break;
    case 's':
        look_for_sign(data + 1, size - 1);
        break;
    case 'q':
        talk(data + 1, size - 1);
        break;
    case 'd':
        look_at_disk(data + 1, size - 1);
        break;
    case 'c':
        look_at_config(data + 1, size - 1);
        break;
    case 'v':
        add_loaders(data + 1, size - 1);
        break;
    default:
        break;
    }
    return 0;
}
