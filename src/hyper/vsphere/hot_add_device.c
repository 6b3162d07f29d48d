/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Finding the disk that was attached among those that the kernel has.
 *
 * VMware's disks say who they are in SCSI's page 0x83 as NAA number 6, which is the backing's UUID
 * without its dashes, and in page 0x80 as their serial number; both only when the machine has
 * disk.EnableUUID.  There is no guessing by place: reading the wrong disk would be worse than not
 * reading any. */
#include "base/cancel.h"
#include "base/error.h"
#include "disk/disk_open.h"
#include "hyper/vsphere/hot_add_private.h"

#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#define UUID_DIGITS 32u
#define PAGE_MAX 4096u
#define POLL_MS 100u
#define RESCAN_POLLS 20u /* looked that often before the kernel is asked again */

static char *
join(const char *variable, const char *root, const char *below)
{
    const char *other = g_getenv(variable);
    return g_build_filename(other != NULL && *other != '\0' ? other : root, below, NULL);
}

char *
hot_add_sys_path(const char *below)
{
    return join("SLIPWAY_SYSFS", "/sys", below);
}

static char *
find_dev_path(const char *below)
{
    return join("SLIPWAY_DEV", "/dev", below);
}

/* The kernel's files take one write; no permission is nothing to complain of here. */
static void
tell_kernel(const char *below, const char *text)
{
    g_autofree char *path = hot_add_sys_path(below);
    int fd = open(path, O_WRONLY | O_CLOEXEC | O_NOCTTY);
    if (fd < 0)
        return;
    ssize_t n = write(fd, text, strlen(text));
    (void)n;
    close(fd);
}

void
hot_add_rescan(void)
{
    g_autofree char *directory = hot_add_sys_path("class/scsi_host");
    g_autoptr(GDir) dir = g_dir_open(directory, 0, NULL);
    const char *name;
    while (dir != NULL && (name = g_dir_read_name(dir)) != NULL) {
        g_autofree char *scan = g_strdup_printf("class/scsi_host/%s/scan", name);
        tell_kernel(scan, "- - -\n");
    }
}

void
hot_add_forget_device(const char *name)
{
    g_autofree char *below = g_strdup_printf("class/block/%s/device/delete", name);
    tell_kernel(below, "1\n");
}

/* The digits of a UUID alone; FALSE when it is none. */
static gboolean
normalize(const char *uuid, char ret[UUID_DIGITS + 1])
{
    guint n = 0;
    for (const char *c = uuid; *c != '\0'; c++) {
        if (*c == '-' || *c == ' ')
            continue;
        if (!g_ascii_isxdigit(*c) || n == UUID_DIGITS)
            return FALSE;
        ret[n++] = g_ascii_tolower(*c);
    }
    ret[n] = '\0';
    return n == UUID_DIGITS;
}

/* The bytes of a page, as text where they are text, and in hex. */
static char *
read_page(const char *name, const char *page, gboolean hex)
{
    g_autofree char *below = g_strdup_printf("class/block/%s/%s", name, page);
    g_autofree char *path = hot_add_sys_path(below);
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (fd < 0)
        return NULL;
    guint8 bytes[PAGE_MAX];
    ssize_t n = read(fd, bytes, sizeof bytes);
    close(fd);
    if (n <= 0)
        return NULL;
    GString *text = g_string_new(NULL);
    for (ssize_t i = 0; i < n; i++) {
        if (hex)
            g_string_append_printf(text, "%02x", bytes[i]);
        else if (g_ascii_isxdigit(bytes[i]) || bytes[i] == '.')
            g_string_append_c(text, g_ascii_tolower((char)bytes[i]));
    }
    return g_string_free(text, FALSE);
}

/* Designators of page 0x83 are walked through: a number that happens to be inside another is no
 * identity. */
static gboolean
is_in_designators(const char *hex, const char *digits)
{
    gsize length = strlen(hex);
    for (gsize at = 8; at + 8 <= length;) {
        guint kind = (guint)g_ascii_xdigit_value(hex[at + 3]);
        guint size = (guint)g_ascii_xdigit_value(hex[at + 6]) * 16 +
                     (guint)g_ascii_xdigit_value(hex[at + 7]);
        if (at + 8 + (gsize)size * 2 > length)
            return FALSE;
        if (kind == 3 && size * 2 == UUID_DIGITS && strncmp(hex + at + 8, digits, UUID_DIGITS) == 0)
            return TRUE;
        at += 8 + (gsize)size * 2;
    }
    return FALSE;
}

static gboolean
has_identity(const char *name, const char *digits)
{
    static const char *const wwids[] = {"device/wwid", "wwid"};
    g_autofree char *page = read_page(name, "device/vpd_pg83", TRUE);
    if (page != NULL && is_in_designators(page, digits))
        return TRUE;
    for (gsize i = 0; i < G_N_ELEMENTS(wwids); i++) {
        g_autofree char *wwid = read_page(name, wwids[i], FALSE);
        /* "naa.6000c29..."; the n is no digit */
        const char *number = wwid != NULL ? strrchr(wwid, '.') : NULL;
        if (number != NULL && strcmp(number + 1, digits) == 0)
            return TRUE;
    }
    /* Four bytes of head, then the number as text. */
    g_autofree char *serial = read_page(name, "device/vpd_pg80", TRUE);
    if (serial == NULL || strlen(serial) < 8 + 2 * UUID_DIGITS)
        return FALSE;
    for (guint i = 0; i < UUID_DIGITS; i++) {
        int c =
            g_ascii_xdigit_value(serial[8 + 2 * i]) * 16 + g_ascii_xdigit_value(serial[9 + 2 * i]);
        if (g_ascii_tolower((char)c) != digits[i])
            return FALSE;
    }
    return TRUE;
}

/* udev's names, where the kernel's files are not. */
static char *
find_by_id(const char *digits, char **ret_path)
{
    static const char *const prefixes[] = {"wwn-0x", "scsi-3"};
    for (gsize i = 0; i < G_N_ELEMENTS(prefixes); i++) {
        g_autofree char *below = g_strconcat("disk/by-id/", prefixes[i], digits, NULL);
        g_autofree char *link = find_dev_path(below);
        g_autofree char *target = g_file_read_link(link, NULL);
        if (target == NULL)
            continue;
        if (ret_path != NULL)
            *ret_path = g_steal_pointer(&link);
        return g_path_get_basename(target);
    }
    return NULL;
}

char *
hot_add_find_device(const char *uuid, char **ret_path)
{
    char digits[UUID_DIGITS + 1];
    if (!normalize(uuid, digits))
        return NULL;
    g_autofree char *directory = hot_add_sys_path("class/block");
    g_autoptr(GDir) dir = g_dir_open(directory, 0, NULL);
    const char *name;
    while (dir != NULL && (name = g_dir_read_name(dir)) != NULL) {
        g_autofree char *part = g_strdup_printf("%s/%s/partition", directory, name);
        if (g_file_test(part, G_FILE_TEST_EXISTS) || !has_identity(name, digits))
            continue;
        if (ret_path != NULL)
            *ret_path = find_dev_path(name);
        return g_strdup(name);
    }
    return find_by_id(digits, ret_path);
}

static struct disk *
open_found(const char *path, guint64 size, gboolean writable, GError **error)
{
    auto_ptr(disk) disk = disk_file_open(path, writable, error);
    if (disk == NULL || disk_size(disk) == size)
        return g_steal_pointer(&disk);
    return error_null(error, SLIPWAY_ERROR_CORRUPT,
                      "%s has %" G_GUINT64_FORMAT " bytes, and not the %" G_GUINT64_FORMAT
                      " of the disk that was attached",
                      path, disk_size(disk), size);
}

struct disk *
hot_add_open_device(const char *uuid, guint64 size, gboolean writable, guint wait_ms,
                    char **ret_name, GError **error)
{
    g_autoptr(GError) failure = NULL;
    for (guint poll = 0; poll <= wait_ms / POLL_MS; poll++) {
        if (poll % RESCAN_POLLS == 0)
            hot_add_rescan();
        g_autofree char *path = NULL;
        g_autofree char *name = hot_add_find_device(uuid, &path);
        g_clear_error(&failure);
        struct disk *disk = name != NULL ? open_found(path, size, writable, &failure) : NULL;
        if (disk != NULL) {
            *ret_name = g_steal_pointer(&name);
            return disk;
        }
        if (!cancel_check(error))
            return NULL;
        g_usleep(POLL_MS * 1000);
    }
    if (failure != NULL) {
        g_propagate_error(error, g_steal_pointer(&failure));
        return NULL;
    }
    return error_null(
        error, SLIPWAY_ERROR_NOT_FOUND,
        "the disk was attached to this machine, and no block device with its identity "
        "%s appeared; shut this machine down and set disk.EnableUUID to TRUE in its "
        "configuration parameters, or choose another transport",
        uuid);
}
