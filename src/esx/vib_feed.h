/* SPDX-License-Identifier: GPL-3.0-or-later */
/* vib_feed.h: the payloads of many VIBs, each VIB read once from front to back, every checksum
 * held against what passes by.
 *
 * The reader hands out contents for iso_medium.h.  As long as they are read in the order in which
 * they were made, nothing is read twice and nothing is kept; digests run in the background
 * (lanes.h).  A damaged payload fails the write at the latest when vib_feed_finish() is called. */
#pragma once

#include "esx/export_prepare.h"
#include "esx/iso_medium.h"

struct vib_feed;

/* `files` (of struct export_vib *) is borrowed and must outlive the feed.  Of a VIB whose file
 * `verified` (may be NULL) remembers as fully checked, only the SHA-256 of the file is checked
 * again: it vouches for all the others. */
struct vib_feed *vib_feed_new(GPtrArray *files, struct workspace *verified);
void vib_feed_free(struct vib_feed *feed);
AUTO_PTR_DEFINE(vib_feed, vib_feed_free)

/* The bytes of a payload of files[index].  Contents must not outlive the feed. */
struct iso_content *vib_feed_content(struct vib_feed *feed, guint index,
                                     const struct payload *payload);

/* Read what was not asked for (every VIB is checked as a whole), wait for all checks, and report
 * the first that failed: SLIPWAY_ERROR_CORRUPT names the VIB and the payload. */
gboolean vib_feed_finish(struct vib_feed *feed, GError **error);
