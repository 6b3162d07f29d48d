/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A machine that is off.  QEMU's programs hold its locks for qcow2 and the like; for raw disks we
 * hold them.  Checked after they are held, "off" stays true. */
#include "base/error.h"
#include "disk/disk_open.h"
#include "hyper/libvirt/change_id.h"
#include "hyper/libvirt/checkpoint.h"
#include "hyper/libvirt/domain_disk.h"
#include "hyper/libvirt/freeze.h"
#include "hyper/libvirt/image_file.h"

#include <unistd.h>

struct off {
    struct frozen base;
    struct daemon *daemon;
    virDomainPtr domain;
    GArray *locks;    /* of int */
    gboolean reading; /* until the first thaw */
};

static void
unlock(struct off *off)
{
    for (guint i = 0; i < off->locks->len; i++)
        close(g_array_index(off->locks, int, i));
    g_array_set_size(off->locks, 0);
}

/* Where the file system knows no locks nothing keeps the machine from being started.  One that is
 * just being started has written nothing yet, and ends when it does not get its locks. */
static void
look(struct off *off)
{
    int state = VIR_DOMAIN_NOSTATE, reason = 0;
    if (off->reading && daemon_renew(off->daemon, &off->domain, NULL) &&
        virDomainGetState(off->domain, &state, &reason, 0) == 0 && state != VIR_DOMAIN_SHUTOFF &&
        state != VIR_DOMAIN_CRASHED &&
        !(state == VIR_DOMAIN_PAUSED && reason == VIR_DOMAIN_PAUSED_STARTING_UP))
        off->base.torn = g_strdup_printf("%s was started while its disks were read, so what was "
                                         "read may be of several moments",
                                         virDomainGetName(off->domain));
    off->reading = FALSE;
}

static gboolean
thaw(struct frozen *self, GError **error G_GNUC_UNUSED)
{
    struct off *off = (struct off *)self;
    look(off);
    unlock(off);
    return TRUE;
}

static void
free_off(struct frozen *self)
{
    struct off *off = (struct off *)self;
    unlock(off);
    g_array_unref(off->locks);
    virDomainFree(off->domain);
    g_free(off);
}

static const struct frozen_class off_class = {.thaw = thaw, .free = free_off};

/* Nothing is written while a machine is off, so what changes since an earlier moment is no less
 * than what changes since this one: its change id stays good for the next run. */
static void
keep_change_id(struct off *off, struct frozen_disk *frozen, const struct domain_disk *disk,
               const struct freeze_disk *wanted, const char *chain)
{
    g_autofree char *checkpoint = NULL, *identity = NULL;
    if (wanted->change_id == NULL)
        return;
    frozen->why_full = g_strdup("the machine is off: all of its disks is read");
    if (chain == NULL || wanted->size != disk_size(frozen->disk) ||
        !change_id_parse(wanted->change_id, chain, &checkpoint, &identity) ||
        !domain_disk_has(disk, identity))
        return;
    g_autofree char *trouble = checkpoint_judge(off->domain, checkpoint, wanted->name);
    if (trouble == NULL)
        frozen->change_id = g_strdup(wanted->change_id);
}

static gboolean
open_disk(struct libvirt *host, struct off *off, const char *xml, const struct freeze_disk *wanted,
          const char *chain, GError **error)
{
    auto_ptr(domain_disk) disk = domain_disk_read(xml, wanted->name, error);
    if (disk == NULL)
        return FALSE;
    struct frozen_disk *frozen = frozen_add_disk(&off->base, wanted->name);
    int lock = -1;
    frozen->disk = image_file_open(host, disk, FALSE, &lock, error);
    if (lock >= 0)
        g_array_append_val(off->locks, lock);
    if (frozen->disk == NULL) {
        g_prefix_error(error, "disk %s: ", wanted->name);
        return FALSE;
    }
    keep_change_id(off, frozen, disk, wanted, chain);
    return TRUE;
}

static gboolean
open_all(struct libvirt *host, struct off *off, const struct freeze_options *options,
         GError **error)
{
    auto_text xml = libvirt_xml(off->domain, FALSE, error);
    if (xml == NULL)
        return FALSE;
    for (guint i = 0; i < options->n_disks; i++)
        if (!open_disk(host, off, xml, &options->disks[i], options->chain, error))
            return FALSE;
    if (virDomainIsActive(off->domain) == 0)
        return TRUE;
    return error_set(error, SLIPWAY_ERROR_BUSY, "it was started meanwhile; try again");
}

struct frozen *
freeze_off(struct libvirt *host, virDomainPtr domain, const struct freeze_options *options,
           GError **error)
{
    struct off *off = g_new0(struct off, 1);
    auto_ptr(frozen) frozen = &off->base;
    frozen_init(frozen, &off_class, options);
    off->daemon = host->daemon;
    off->domain = domain;
    off->locks = g_array_new(FALSE, FALSE, sizeof(int));
    frozen_begin(frozen);
    if (!open_all(host, off, options, error)) {
        g_prefix_error(error, "machine %s, which is off: ", virDomainGetName(domain));
        return NULL;
    }
    frozen->consistency = FROZEN_OFF;
    if (virDomainHasManagedSaveImage(domain, 0) == 1) {
        frozen->consistency = FROZEN_CRASH;
        frozen->words =
            g_strdup("its memory is saved on the host, and not in the backup: the disks "
                     "are as after a loss of power");
    }
    off->reading = TRUE;
    return g_steal_pointer(&frozen);
}
