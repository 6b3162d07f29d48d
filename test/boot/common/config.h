/* SPDX-License-Identifier: GPL-3.0-or-later */
/* config.h: the boot.cfg of an ESXi-style boot loader.
 *
 * Lines of key=value; `#` starts a comment line; blanks around key and value go;
 * unknown keys are ignored; of a key given twice the last counts.  Known keys:
 * bootstate, title, timeout, prefix, kernel, kernelopt, modules, build, updated. */
#ifndef BOOT_CONFIG_H
#define BOOT_CONFIG_H

#include <stddef.h>

#define CONFIG_MODULES_MAX 512
#define CONFIG_PATH_MAX 256

struct config {
    const char *bootstate;
    const char *title;
    const char *timeout;
    const char *prefix;
    const char *kernel;
    const char *kernelopt;
    const char *build;
    const char *updated;
    const char *modules[CONFIG_MODULES_MAX]; /* each a path, then its options if any */
    size_t modules_count;
};

/* Parse the NUL-terminated `text`, which is changed: all strings of `ret_config` point
 * into it.  Returns NULL, or words that say what is wrong, with the line number at
 * `ret_line` (0 when it is not of one line).  We are stricter than the real loader, so
 * that a boot.cfg which only happens to work there is noticed here. */
const char *config_parse(char *text, struct config *ret_config, unsigned *ret_line);

/* Make the absolute path of `entry` (its options are cut off): the prefix, or if there
 * is none `directory`, is put before relative paths only.  Returns NULL or words. */
const char *config_resolve(const struct config *config, const char *entry, const char *directory,
                           char *path, size_t path_size);

#endif
