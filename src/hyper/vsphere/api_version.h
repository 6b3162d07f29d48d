/* SPDX-License-Identifier: GPL-3.0-or-later */
/* api_version.h: how old a server's interface is; older ones refuse what they do not know. */
#pragma once

#include "hyper/vsphere/vim.h"

/* TRUE when it is that version ("6.5": 6, 5) or a newer one. */
gboolean api_version_is(const struct vim *vim, guint major, guint minor);
