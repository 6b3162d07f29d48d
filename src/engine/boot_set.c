/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "engine/boot_set.h"

#include "base/error.h"

#include <errno.h>
#include <glib/gstdio.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

struct boot_set {
    struct export *export;
    struct boot_machine *machine;
    struct boot_hardware hardware;
};

/* ---- What machine it was --------------------------------------------------------------------- */

static gboolean
look_at_disk(struct store *store, const struct set *set, const char *name, enum boot_firmware *ret,
             GError **error)
{
    auto_ptr(disk) disk = set_disk_open(store, NULL, set, name, error);
    return disk != NULL && boot_firmware_of_disk(disk, ret, error);
}

char **
boot_set_order(const struct set *set)
{
    g_autofree char *first = boot_disk_of_config(set->config);
    const struct set_disk *boot = first != NULL ? set_find_disk(set, first) : NULL;
    if (boot == NULL || boot == set->disks->pdata[0])
        return NULL;
    GPtrArray *names = g_ptr_array_new();
    g_ptr_array_add(names, g_strdup(boot->name));
    for (guint i = 0; i < set->disks->len; i++) {
        const struct set_disk *disk = set->disks->pdata[i];
        if (disk != boot)
            g_ptr_array_add(names, g_strdup(disk->name));
    }
    g_ptr_array_add(names, NULL);
    return (char **)g_ptr_array_free(names, FALSE);
}

/* The configuration knows; otherwise the disk that is booted from.  *ret_order (g_strfreev() it) is
 * what `export` takes for disks when the user named none. */
static gboolean
find_hardware(struct store *store, struct export_options *export, char ***ret_order,
              struct boot_hardware *hardware, GError **error)
{
    struct set_entry *entry = store_sets_find(store, export->set, error);
    if (entry == NULL)
        return FALSE;
    const struct set *set = entry->set;
    if (export->disks == NULL && (*ret_order = boot_set_order(set)) != NULL)
        export->disks = (const char *const *)*ret_order;
    const char *name = export->disks != NULL ? export->disks[0]
                       : set->disks->len > 0 ? ((struct set_disk *)set->disks->pdata[0])->name
                                             : NULL;
    if (hardware->firmware == BOOT_FIRMWARE_AUTO)
        hardware->firmware = boot_firmware_of_config(set->config);
    if (hardware->bus == BOOT_BUS_AUTO)
        hardware->bus = boot_bus_of_config(set->config);
    if (hardware->bus == BOOT_BUS_AUTO)
        hardware->bus = BOOT_BUS_SATA;
    gboolean ok = name != NULL || error_set(error, SLIPWAY_ERROR_USAGE, "the set has no disk");
    if (ok && hardware->firmware == BOOT_FIRMWARE_AUTO)
        ok = look_at_disk(store, set, name, &hardware->firmware, error);
    set_entry_free(entry);
    return ok;
}

/* ---- Running --------------------------------------------------------------------------------- */

static GPtrArray *
list_names(struct export *export)
{
    struct export_view view;
    GPtrArray *names = g_ptr_array_new();
    export_look(export, &view);
    for (guint i = 0; i < view.disks->len; i++)
        g_ptr_array_add(names, (gpointer)g_array_index(view.disks, struct export_disk, i).name);
    export_view_clear(&view);
    g_ptr_array_add(names, NULL);
    return names;
}

static void
close_socket(gpointer data)
{
    close(*(const int *)data);
}

static int
connect_to(const struct sockaddr_un *address)
{
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd >= 0 && connect(fd, (const struct sockaddr *)address, sizeof *address) == 0)
        return fd;
    int number = errno;
    if (fd >= 0)
        close(fd);
    errno = number;
    return -1;
}

/* A connection for each disk: of int. */
static GArray *
connect_all(const char *path, guint n, GError **error)
{
    g_autoptr(GArray) sockets = g_array_new(FALSE, FALSE, sizeof(int));
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    g_array_set_clear_func(sockets, close_socket);
    g_strlcpy(address.sun_path, path, sizeof address.sun_path);
    for (guint i = 0; i < n; i++) {
        int fd = connect_to(&address);
        if (fd < 0) {
            error_set_errno(error, errno, "cannot connect to the disks at %s", path);
            return NULL;
        }
        g_array_append_val(sockets, fd);
    }
    return g_steal_pointer(&sockets);
}

/* The disks, served at `socket`. */
static gboolean
serve(struct boot_set *boot, struct store *store, const struct export_options *export,
      const char *socket, GError **error)
{
    g_autofree char *address = g_strconcat("unix:", socket, NULL);
    const char *const listen[] = {address, NULL};
    const struct nbd_options nbd = {.listen = listen, .connections = BOOT_DISKS_MAX};
    struct export_options served = *export;
    served.iscsi = NULL;
    served.mount = NULL;
    served.since = NULL;
    served.nbd = &nbd;
    boot->export = export_open(store, &served, error);
    return boot->export != NULL;
}

static gboolean
check_number(const struct boot_set *boot, const GPtrArray *names, GError **error)
{
    return names->len - 1 <= BOOT_DISKS_MAX ||
           error_set(error, SLIPWAY_ERROR_USAGE,
                     "a machine with --bus %s cannot have %u disks; name the disks it needs",
                     boot_bus_name(boot->hardware.bus), names->len - 1);
}

/* Served, and connections to them made; nobody needs the name after that, so nothing is left
 * however we end. */
static GArray *
open_disks(struct boot_set *boot, struct store *store, const struct export_options *export,
           GPtrArray **ret_names, GError **error)
{
    g_autoptr(GError) failure = NULL;
    g_autofree char *directory = g_dir_make_tmp("slipway-boot-XXXXXX", &failure);
    if (directory == NULL)
        return error_null(error, SLIPWAY_ERROR_IO, "%s; set TMPDIR to a place that can be written",
                          failure->message);
    g_autofree char *socket = g_build_filename(directory, "nbd", NULL);
    GArray *sockets = NULL;
    if (serve(boot, store, export, socket, error)) {
        *ret_names = list_names(boot->export);
        if (check_number(boot, *ret_names, error))
            sockets = connect_all(socket, (*ret_names)->len - 1, error);
    }
    g_unlink(socket);
    g_rmdir(directory);
    return sockets;
}

struct boot_set *
boot_set_start(struct store *store, const struct boot_set_options *options, GError **error)
{
    auto_ptr(boot_set) boot = g_new0(struct boot_set, 1);
    g_autoptr(GPtrArray) names = NULL;
    g_auto(GStrv) order = NULL;
    struct export_options export = options->export;
    boot->hardware = options->hardware;
    if (!find_hardware(store, &export, &order, &boot->hardware, error))
        return NULL;
    g_autoptr(GArray) sockets = open_disks(boot, store, &export, &names, error);
    if (sockets == NULL)
        return NULL;
    boot->machine = boot_machine_start(&boot->hardware, (const char *const *)names->pdata,
                                       (const int *)(gpointer)sockets->data, error);
    return boot->machine != NULL ? g_steal_pointer(&boot) : NULL;
}

struct export *
boot_set_export(struct boot_set *boot)
{
    return boot->export;
}

struct boot_machine *
boot_set_machine(struct boot_set *boot)
{
    return boot->machine;
}

const struct boot_hardware *
boot_set_hardware(const struct boot_set *boot)
{
    return &boot->hardware;
}

void
boot_set_stop(struct boot_set *boot, guint milliseconds)
{
    boot_machine_stop(boot->machine, milliseconds);
    export_stop(boot->export);
}

void
boot_set_close(struct boot_set *boot)
{
    if (boot == NULL)
        return;
    boot_machine_free(boot->machine);
    export_close(boot->export);
    g_free(boot);
}
