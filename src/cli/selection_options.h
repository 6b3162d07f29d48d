/* SPDX-License-Identifier: GPL-3.0-or-later */
/* selection_options.h: which machines the options of a command mean. */
#pragma once

#include "cli/session.h"
#include "hyper/selection.h"

/* Options of commands that take machines: for a verb's list. */
#define SELECTION_OPTIONS                                                                          \
    OPTION_VM_TAG, OPTION_IN_FOLDER, OPTION_ON_HOST, OPTION_IN_CLUSTER, OPTION_IN_POOL,            \
        OPTION_EXCLUDE, OPTION_INCLUDE
/* Of commands that connect to a hypervisor. */
#define HYPERVISOR_OPTIONS OPTION_THUMBPRINT, OPTION_TRANSPORT, OPTION_OWN_VM

/* `path`, borrowed, and what the options say.  SLIPWAY_ERROR_USAGE. */
gboolean selection_options_read(struct session *session, const char *path, struct selection *ret,
                                GError **error);
