/* SPDX-License-Identifier: GPL-3.0-or-later */
/* scsi_inquiry.h: who a unit is and what it can. */
#pragma once

#include "target/scsi_private.h"

gboolean scsi_inquiry(struct scsi_call *call);
/* A page of vital product data (scsi_vpd.c). */
gboolean scsi_vpd(struct scsi_call *call, guint page);

/* Eight characters, as they stand in INQUIRY and in the T10 designator. */
#define SCSI_VENDOR "SLIPWAY "
