/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "base/error.h"
#include "cli/boot.h"

#include <unistd.h>

#define WRITE_LIMIT_DEFAULT (8ull * 1000 * 1000 * 1000)
#define MEMORY_MIN 16u
#define CPUS_MAX 64u

gboolean
boot_options_word(struct session *session, enum option_id id, gboolean known, GError **error)
{
    return known ||
           error_set(error, SLIPWAY_ERROR_USAGE, "--%s %s: one of these is wanted: %s",
                     option_row(id)->name, session_text(session, id), option_row(id)->words);
}

static gboolean
read_words(struct session *session, struct boot_hardware *ret, GError **error)
{
    const char *firmware = session_text(session, OPTION_FIRMWARE);
    const char *bus = session_text(session, OPTION_BUS);
    const char *accelerator = session_text(session, OPTION_ACCELERATOR);
    return boot_options_word(session, OPTION_FIRMWARE,
                             firmware == NULL || boot_firmware_parse(firmware, &ret->firmware),
                             error) &&
           boot_options_word(session, OPTION_BUS, bus == NULL || boot_bus_parse(bus, &ret->bus),
                             error) &&
           boot_options_word(session, OPTION_ACCELERATOR,
                             accelerator == NULL ||
                                 boot_accelerator_parse(accelerator, &ret->accelerator),
                             error);
}

static gboolean
read_hardware(struct session *session, struct boot_hardware *ret, GError **error)
{
    const struct arguments *arguments = session_arguments(session);
    ret->memory = arguments_number(arguments, OPTION_MEMORY, BOOT_MEMORY_DEFAULT);
    ret->cpus = arguments_number(arguments, OPTION_CPUS, BOOT_CPUS_DEFAULT);
    ret->no_network = session_flag(session, OPTION_NO_NETWORK);
    if (ret->memory < MEMORY_MIN)
        return error_set(error, SLIPWAY_ERROR_USAGE, "--memory %u: at least %u MiB are wanted",
                         ret->memory, MEMORY_MIN);
    if (ret->cpus < 1 || ret->cpus > CPUS_MAX)
        return error_set(error, SLIPWAY_ERROR_USAGE, "--cpus %u: 1 to %u are wanted", ret->cpus,
                         CPUS_MAX);
    return TRUE;
}

gboolean
boot_options_read(struct session *session, struct boot_set_options *ret, GError **error)
{
    struct export_options *export = &ret->export;
    export->directory = session_text(session, OPTION_SCRATCH);
    export->limit = WRITE_LIMIT_DEFAULT;
    export->cache.threads = arguments_number(session_arguments(session), OPTION_WORKERS, 0);
    /* Often in memory is what a directory for temporary files is; not this one. */
    if (export->directory == NULL && access("/var/tmp", W_OK) == 0)
        export->directory = "/var/tmp";
    return read_words(session, &ret->hardware, error) &&
           read_hardware(session, &ret->hardware, error) &&
           session_size(session, OPTION_WRITE_LIMIT, &export->limit, error) &&
           session_size(session, OPTION_CACHE, &export->cache.bytes, error);
}

char *
boot_options_words(const struct boot_hardware *hardware, enum boot_accelerator accelerator)
{
    return g_strdup_printf("%s, disks on %s, %s",
                           hardware->firmware == BOOT_FIRMWARE_UEFI ? "UEFI" : "BIOS",
                           boot_bus_name(hardware->bus), boot_accelerator_name(accelerator));
}
