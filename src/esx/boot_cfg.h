/* SPDX-License-Identifier: GPL-3.0-or-later */
/* boot_cfg.h: boot.cfg, what the loader reads.
 *
 * Parsing keeps what it does not know: every line that is not changed comes out as it went in,
 * its line end included.  Format: doc/format/iso.md. */
#pragma once

#include "base/auto_ptr.h"
#include "esx/generation.h"

#include <glib.h>

#define BOOT_CFG_MAX (1u << 20)
#define BOOT_CFG_TITLE "Loading ESXi"
#define BOOT_CFG_TITLE_INSTALLER "Loading ESXi installer"

struct boot_cfg;

struct boot_cfg *boot_cfg_new(void);
/* SLIPWAY_ERROR_CORRUPT (binary, no kernel=), SLIPWAY_ERROR_LIMIT. */
struct boot_cfg *boot_cfg_parse(const void *data, gsize length, const char *label, GError **error);
void boot_cfg_free(struct boot_cfg *cfg);
AUTO_PTR_DEFINE(boot_cfg, boot_cfg_free)

/* boot.cfg of an installation image in the exact form of its generation.  `version` is what
 * generation_of() gave; `kernel` and `modules` (of char *) are file names on the medium in the
 * order of loading, the archives at the end included.  Without `installer` the image boots as a
 * stateless system: kernelopt= is empty. */
struct boot_cfg *boot_cfg_for_image(const struct generation *generation, const char *version,
                                    const char *kernel, GPtrArray *modules, gboolean installer);

/* The value of `key`, trimmed; NULL when the key is not there.  The last line wins.  Borrowed
 * until that key is set. */
const char *boot_cfg_get(const struct boot_cfg *cfg, const char *key);
/* Replace the value of `key` in its line, or append a line.  Control characters in `value` become
 * blanks: a value never makes a second line. */
void boot_cfg_set(struct boot_cfg *cfg, const char *key, const char *value);

/* modules= taken apart at ` --- `; each may have options after its path.  Caller frees. */
GPtrArray *boot_cfg_modules(const struct boot_cfg *cfg); /* of char * */
void boot_cfg_set_modules(struct boot_cfg *cfg, GPtrArray *modules);

/* The text.  Lines that were parsed end as they did, new ones with \n, or \r\n where the first
 * line does. */
GBytes *boot_cfg_format(const struct boot_cfg *cfg);

/* Name of the file that a kernel= or modules= entry stands for: without options, without
 * directories, lower case.  Free with g_free(). */
char *boot_cfg_entry_name(const char *entry);
