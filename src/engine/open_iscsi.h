/* SPDX-License-Identifier: GPL-3.0-or-later */
/* open_iscsi.h: attaching a target to this computer with open-iscsi (iscsiadm), and taking it away
 * again.
 *
 * iscsiadm is asked for all but the secrets: they would be seen in its arguments, so they are
 * written into the record that it has made, which only root can read.  One thread. */
#pragma once

#include "base/auto_ptr.h"

#include <glib.h>

#define OPEN_ISCSI_SECONDS 60 /* until the disks are there */

struct open_iscsi_target {
    const char *name;    /* of the target */
    const char *address; /* "127.0.0.1:3260" */
    /* CHAP; NULL: none. */
    const char *user, *secret;
    const char *own_user, *own_secret; /* of the target; NULL: it need not prove itself */
    guint n_luns;                      /* numbers 0 to n_luns - 1 */
};

/* Log in, and wait for the block devices: *ret_devices has "/dev/sdb" for each LUN; free it with
 * g_strfreev().  After a failure nothing is attached.  SLIPWAY_ERROR_UNSUPPORTED: open-iscsi is not
 * installed; SLIPWAY_ERROR_DENIED: not root; SLIPWAY_ERROR_EXISTS: this target is attached already;
 * SLIPWAY_ERROR_FAILED with iscsiadm's own words. */
gboolean open_iscsi_attach(const struct open_iscsi_target *target, char ***ret_devices,
                           GError **error);

/* Log out and forget the record.  SLIPWAY_ERROR_BUSY: a device of it, or a part of one, is mounted
 * or in use as swap (the message says where); nothing was done then. */
gboolean open_iscsi_detach(const struct open_iscsi_target *target, GError **error);
