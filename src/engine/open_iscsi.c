/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "engine/open_iscsi.h"

#include "base/cancel.h"
#include "base/durable_file.h"
#include "base/error.h"

#include <glob.h>
#include <string.h>
#include <unistd.h>

#define PROGRAM "iscsiadm"
#define PACKAGE "open-iscsi"
#define POLL_USEC (100 * 1000)
#define WORDS_MAX 500
/* The last line of a record. */
#define RECORD_END "# END RECORD"

/* ---- iscsiadm -------------------------------------------------------------------------------- */

static gboolean
check_installed(GError **error)
{
    g_autofree char *program = g_find_program_in_path(PROGRAM);
    if (program == NULL)
        return error_set(error, SLIPWAY_ERROR_UNSUPPORTED,
                         "attaching a disk here needs " PROGRAM "; install the package " PACKAGE);
    return geteuid() == 0 ||
           error_set(error, SLIPWAY_ERROR_DENIED, "only root can attach disks; use sudo");
}

/* "iscsiadm -m node -T NAME -p ADDRESS" and what follows, ended by NULL. */
static gboolean
run(const struct open_iscsi_target *target, GError **error, const char *first, ...)
{
    g_autoptr(GPtrArray) words = g_ptr_array_new();
    const char *const begin[] = {PROGRAM, "-m", "node", "-T", target->name, "-p", target->address};
    for (gsize i = 0; i < G_N_ELEMENTS(begin); i++)
        g_ptr_array_add(words, (gpointer)begin[i]);
    va_list arguments;
    va_start(arguments, first);
    for (const char *word = first; word != NULL; word = va_arg(arguments, const char *))
        g_ptr_array_add(words, (gpointer)word);
    va_end(arguments);
    g_ptr_array_add(words, NULL);
    int status = 0;
    g_autofree char *out = NULL, *said = NULL;
    g_autoptr(GError) local = NULL;
    if (!g_spawn_sync(NULL, (char **)words->pdata, NULL, G_SPAWN_SEARCH_PATH, NULL, NULL, &out,
                      &said, &status, &local))
        return error_set(error, SLIPWAY_ERROR_FAILED, "cannot run " PROGRAM ": %s", local->message);
    if (g_spawn_check_wait_status(status, &local))
        return TRUE;
    return error_set(error, SLIPWAY_ERROR_FAILED, PROGRAM " %s: %.*s", first, WORDS_MAX,
                     *g_strstrip(said) != '\0' ? said : local->message);
}

/* ---- The record ------------------------------------------------------------------------------ */

/* Where iscsiadm keeps the record that it has made: NODES/NAME/ADDRESS,PORT,GROUP, a file or a
 * folder with a file `default`.  Free with g_free(). */
static char *
find_record(const struct open_iscsi_target *target)
{
    static const char *const places[] = {"/etc/iscsi/nodes", "/var/lib/iscsi/nodes"};
    char *found = NULL;
    for (gsize i = 0; i < G_N_ELEMENTS(places) && found == NULL; i++) {
        g_autofree char *pattern = g_strdup_printf("%s/%s/*", places[i], target->name);
        glob_t paths = {0};
        if (glob(pattern, 0, NULL, &paths) == 0 && paths.gl_pathc == 1) {
            g_autofree char *inside = g_build_filename(paths.gl_pathv[0], "default", NULL);
            found =
                g_strdup(g_file_test(inside, G_FILE_TEST_IS_REGULAR) ? inside : paths.gl_pathv[0]);
        }
        globfree(&paths);
    }
    return found;
}

static void
add_setting(GString *text, const char *key, const char *value)
{
    if (value != NULL)
        g_string_append_printf(text, "%s = %s\n", key, value);
}

/* The record's lines but those that are ours, and then ours. */
static void
write_record(const struct open_iscsi_target *target, const char *old, GString *ret)
{
    g_auto(GStrv) lines = g_strsplit(old, "\n", -1);
    for (guint i = 0; lines[i] != NULL; i++) {
        if (g_str_has_prefix(lines[i], "node.session.auth.") ||
            g_str_has_prefix(lines[i], "node.startup ") || *lines[i] == '\0')
            continue;
        if (g_str_has_prefix(lines[i], RECORD_END)) {
            add_setting(ret, "node.startup", "manual");
            add_setting(ret, "node.session.auth.authmethod",
                        target->secret != NULL ? "CHAP" : "None");
            add_setting(ret, "node.session.auth.username", target->user);
            add_setting(ret, "node.session.auth.password", target->secret);
            add_setting(ret, "node.session.auth.username_in", target->own_user);
            add_setting(ret, "node.session.auth.password_in", target->own_secret);
        }
        g_string_append_printf(ret, "%s\n", lines[i]);
    }
}

static gboolean
set_secrets(const struct open_iscsi_target *target, GError **error)
{
    g_autofree char *path = find_record(target), *old = NULL;
    if (path == NULL || !g_file_get_contents(path, &old, NULL, NULL) ||
        strstr(old, RECORD_END) == NULL)
        return error_set(
            error, SLIPWAY_ERROR_UNSUPPORTED,
            "the record that " PROGRAM " has made is not where it is looked for; "
            "attach the disk by hand, as `slipway export start` tells without --attach");
    g_autoptr(GString) text = g_string_new(NULL);
    write_record(target, old, text);
    gboolean ok = durable_file_put(path, text->str, text->len, 0600, error);
    memset(text->str, 0, text->len);
    return ok;
}

/* ---- Devices --------------------------------------------------------------------------------- */

/* "/dev/sdb" of a LUN of the session with the target; NULL when it is not there (yet).  Free with
 * g_free(). */
static char *
find_device(const char *target, guint lun)
{
    char *device = NULL;
    glob_t sessions = {0};
    if (glob("/sys/class/iscsi_session/session*", 0, NULL, &sessions) != 0)
        return NULL;
    for (gsize i = 0; i < sessions.gl_pathc && device == NULL; i++) {
        g_autofree char *path = g_build_filename(sessions.gl_pathv[i], "targetname", NULL);
        g_autofree char *name = NULL;
        if (!g_file_get_contents(path, &name, NULL, NULL) || !g_str_equal(g_strstrip(name), target))
            continue;
        g_autofree char *pattern =
            g_strdup_printf("%s/device/target*/*:%u/block/*", sessions.gl_pathv[i], lun);
        glob_t blocks = {0};
        if (glob(pattern, 0, NULL, &blocks) == 0) {
            g_autofree char *block = g_path_get_basename(blocks.gl_pathv[0]);
            device = g_strconcat("/dev/", block, NULL);
        }
        globfree(&blocks);
    }
    globfree(&sessions);
    return device;
}

static gboolean
wait_for_devices(const struct open_iscsi_target *target, char **devices, GError **error)
{
    gint64 until = g_get_monotonic_time() + OPEN_ISCSI_SECONDS * G_USEC_PER_SEC;
    for (guint lun = 0; lun < target->n_luns;) {
        if (!cancel_check(error))
            return FALSE;
        devices[lun] = find_device(target->name, lun);
        if (devices[lun] != NULL) {
            lun++;
            continue;
        }
        if (g_get_monotonic_time() > until)
            return error_set(error, SLIPWAY_ERROR_FAILED,
                             "the target is attached, but the kernel shows no disk for LUN %u",
                             lun);
        g_usleep(POLL_USEC);
    }
    return TRUE;
}

/* "/dev/sdb1 /mnt ext4 ...": the device or a partition of it. */
static gboolean
stands_on(const char *line, const char *device)
{
    if (!g_str_has_prefix(line, device))
        return FALSE;
    const char *rest = line + strlen(device);
    rest += strspn(rest, "0123456789");
    return *rest == ' ' || *rest == '\t';
}

/* A volume group or an array that is made of the device or a partition of it. */
static gboolean
has_holders(const char *device)
{
    g_autofree char *name = g_path_get_basename(device);
    g_autofree char *pattern = g_strdup_printf("/sys/block/%s/holders/*", name);
    g_autofree char *parts = g_strdup_printf("/sys/block/%s/%s*/holders/*", name, name);
    glob_t found = {0};
    gboolean ret =
        glob(pattern, 0, NULL, &found) == 0 || glob(parts, GLOB_APPEND, NULL, &found) == 0;
    globfree(&found);
    return ret;
}

/* Who uses it, for a message; NULL: nobody. */
static char *
find_user(const char *device)
{
    static const char *const lists[] = {"/proc/mounts", "/proc/swaps"};
    for (gsize i = 0; i < G_N_ELEMENTS(lists); i++) {
        g_autofree char *text = NULL;
        if (!g_file_get_contents(lists[i], &text, NULL, NULL))
            continue;
        g_auto(GStrv) lines = g_strsplit(text, "\n", -1);
        for (guint n = 0; lines[n] != NULL; n++) {
            if (!stands_on(lines[n], device))
                continue;
            g_auto(GStrv) words = g_strsplit_set(lines[n], " \t", 3);
            return g_strdup_printf("%s (%s)", words[0], words[1]);
        }
    }
    return has_holders(device) ? g_strdup_printf("%s (by volumes on it)", device) : NULL;
}

/* ---- Attaching and taking away --------------------------------------------------------------- */

gboolean
open_iscsi_attach(const struct open_iscsi_target *target, char ***ret_devices, GError **error)
{
    if (!check_installed(error))
        return FALSE;
    g_autofree char *there = find_device(target->name, 0), *record = find_record(target);
    if (there != NULL || record != NULL)
        return error_set(error, SLIPWAY_ERROR_EXISTS,
                         "open-iscsi knows the target %s already; log out and delete its record "
                         "first, or choose another name with --iscsi-name",
                         target->name);
    if (!run(target, error, "-o", "new", NULL))
        return FALSE;
    g_auto(GStrv) devices = g_new0(char *, target->n_luns + 1);
    if (set_secrets(target, error) && run(target, error, "--login", NULL) &&
        wait_for_devices(target, devices, error)) {
        *ret_devices = g_steal_pointer(&devices);
        return TRUE;
    }
    run(target, NULL, "--logout", NULL);
    run(target, NULL, "-o", "delete", NULL);
    return FALSE;
}

gboolean
open_iscsi_detach(const struct open_iscsi_target *target, GError **error)
{
    for (guint lun = 0; lun < target->n_luns; lun++) {
        g_autofree char *device = find_device(target->name, lun);
        g_autofree char *user = device != NULL ? find_user(device) : NULL;
        if (user != NULL)
            return error_set(error, SLIPWAY_ERROR_BUSY, "%s is still in use; unmount it first",
                             user);
    }
    sync();
    gboolean ok = run(target, error, "--logout", NULL);
    return run(target, ok ? error : NULL, "-o", "delete", NULL) && ok;
}
