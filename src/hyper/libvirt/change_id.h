/* SPDX-License-Identifier: GPL-3.0-or-later */
/* change_id.h: what is kept with a set, so that the next one knows what changed since: a
 * checkpoint, and which image the disk was.  Pure. */
#pragma once

#include <glib.h>

/* "slipway-CHAIN-NUMBER": a checkpoint's name that was not used before. */
char *change_id_checkpoint(const char *chain);
/* Whether a checkpoint is of that chain. */
gboolean change_id_is_of(const char *checkpoint, const char *chain);

/* "CHECKPOINT@IDENTITY", the latter as struct domain_disk has it. */
char *change_id_format(const char *checkpoint, const char *identity);
/* FALSE when it is none of these, or of another chain. */
gboolean change_id_parse(const char *text, const char *chain, char **ret_checkpoint,
                         char **ret_identity);
