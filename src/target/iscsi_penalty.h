/* SPDX-License-Identifier: GPL-3.0-or-later */
/* iscsi_penalty.h: addresses from which wrong secrets came have to wait.
 *
 * After ISCSI_PENALTY_FREE failures an address waits 1 second, then 2, 4 and so on up to
 * ISCSI_PENALTY_MAX_S.  It is forgotten after some minutes without a failure, not by a login that
 * succeeds: who has one account could else try for others without end.  An IPv6 client counts with
 * its whole network of 64 bits.  Any thread. */
#pragma once

#include "base/auto_ptr.h"

#include <glib.h>

#define ISCSI_PENALTY_FREE 3u
#define ISCSI_PENALTY_MAX_S 30u
#define ISCSI_PENALTY_FORGET_S 600u
#define ISCSI_PENALTY_ADDRESSES 1024u /* known at once; the oldest failures are forgotten first */

struct iscsi_penalty;

struct iscsi_penalty *iscsi_penalty_new(void);
void iscsi_penalty_free(struct iscsi_penalty *penalty);
AUTO_PTR_DEFINE(iscsi_penalty, iscsi_penalty_free)

/* Times are of g_get_monotonic_time(). */
void iscsi_penalty_add(struct iscsi_penalty *penalty, const char *address, gint64 now);
/* Seconds that the address has to wait still, rounded up; 0: none. */
guint iscsi_penalty_wait(struct iscsi_penalty *penalty, const char *address, gint64 now);
