/* SPDX-License-Identifier: GPL-3.0-or-later */
/* scsi_attention.h: unit attentions, of each nexus for each unit. */
#pragma once

#include "target/scsi_sense.h"

/* For one nexus. */
void scsi_attention_raise(struct scsi_nexus *nexus, const struct scsi_unit *unit,
                          enum scsi_attention attention);
/* For every nexus but one (NULL: for all). */
void scsi_attention_raise_others(struct scsi_unit *unit, const struct scsi_nexus *but,
                                 enum scsi_attention attention);
/* For every nexus of these ports. */
void scsi_attention_raise_port(struct scsi_unit *unit, const struct scsi_registration *of,
                               enum scsi_attention attention);

/* It is not to be told any more, of no unit. */
void scsi_attention_drop(struct scsi_nexus *nexus, enum scsi_attention attention);

/* Take the one that is to be told next; SCSI_SENSE_NONE: there is none. */
enum scsi_sense scsi_attention_take(struct scsi_nexus *nexus, const struct scsi_unit *unit);
