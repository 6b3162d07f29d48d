/* SPDX-License-Identifier: GPL-3.0-or-later */
/* scsi_mode.h: mode parameters: what a unit does, and the little of it that can be changed. */
#pragma once

#include "target/scsi_private.h"

gboolean scsi_mode_sense(struct scsi_call *call);
gboolean scsi_mode_select(struct scsi_call *call);

/* ---- Pages (scsi_mode_page.c) ---------------------------------------------------------------- */

#define SCSI_MODE_PAGE_MAX 20u /* bytes of the longest one */

enum scsi_mode_values { SCSI_MODE_CURRENT, SCSI_MODE_CHANGEABLE, SCSI_MODE_DEFAULT };

/* Write the page to `to` and return its length with its head of two bytes; 0: there is none. */
guint scsi_mode_page_write(const struct scsi_unit *unit, guint page, enum scsi_mode_values which,
                           guint mode, guint8 *to);
/* The mode bits that a page as an initiator sends it asks for, in place of those in *mode.  FALSE:
 * *ret_byte is one that cannot be so. */
gboolean scsi_mode_page_read(const struct scsi_unit *unit, const guint8 *page, guint length,
                             guint *mode, guint *ret_byte);
/* The page number `i` in their order; 0 behind the last one. */
guint scsi_mode_page_at(guint i);
/* The bits of a unit that nobody changed. */
guint scsi_mode_default(const struct scsi_unit *unit);
