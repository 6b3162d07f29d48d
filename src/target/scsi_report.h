/* SPDX-License-Identifier: GPL-3.0-or-later */
/* scsi_report.h: what a device says of itself beside INQUIRY. */
#pragma once

#include "target/scsi_private.h"

gboolean scsi_test_unit_ready(struct scsi_call *call);
gboolean scsi_request_sense(struct scsi_call *call);
gboolean scsi_report_luns(struct scsi_call *call);
gboolean scsi_report_opcodes(struct scsi_call *call);
gboolean scsi_report_functions(struct scsi_call *call);
gboolean scsi_log_sense(struct scsi_call *call);
gboolean scsi_start_stop(struct scsi_call *call);
gboolean scsi_send_diagnostic(struct scsi_call *call);
