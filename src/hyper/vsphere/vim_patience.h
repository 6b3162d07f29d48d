/* SPDX-License-Identifier: GPL-3.0-or-later */
/* vim_patience.h: how often, and how fast, the user wants things to be tried again. */
#pragma once

#include "hyper/vsphere/vim.h"

/* Tries after the first that fail without any progress. */
guint vim_patience_retries(const struct vim *vim);
/* The pause before try `n` (from 1), longer each time. */
guint64 vim_patience_pause_ms(const struct vim *vim, guint n);
/* Seconds after which a call that brings nothing is given up. */
guint vim_patience_stall_s(const struct vim *vim);
