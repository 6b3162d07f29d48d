/* SPDX-License-Identifier: GPL-3.0-or-later */
/* depot_operands.h: the connected depots that a command is to work on. */
#pragma once

#include "cli/session.h"

/* Append to `ret` (of struct workspace_depot *, borrowed from the workspace) those that the
 * operands name, or all when there is no operand.  A user name and password are for the servers of
 * those named.  Before the context is asked for.  SLIPWAY_ERROR_NOT_FOUND for one that is not
 * connected. */
gboolean depot_operands_find(struct session *session, GPtrArray *ret, GError **error);
