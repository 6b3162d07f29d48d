/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The device: its units, and who has joined. */
#include "base/digest.h"
#include "base/error.h"
#include "target/scsi_attention.h"
#include "target/scsi_mode.h"
#include "target/scsi_reservation.h"

#include <stdlib.h>
#include <string.h>

#define NAMES_MAX 255u

struct scsi_device *
scsi_device_new(void)
{
    struct scsi_device *device = g_new0(struct scsi_device, 1);
    g_mutex_init(&device->lock);
    device->nexuses = g_ptr_array_new();
    return device;
}

static void
free_unit(struct scsi_unit *unit)
{
    g_mutex_clear(&unit->log_lock);
    scsi_ranges_clear(&unit->ranges);
    scsi_reservation_clear(&unit->reservation);
    g_free(unit);
}

void
scsi_device_free(struct scsi_device *device)
{
    if (device == NULL)
        return;
    g_assert(device->nexuses->len == 0);
    for (guint i = 0; i < SCSI_LUNS_MAX; i++) {
        if (device->units[i] != NULL)
            free_unit(device->units[i]);
    }
    g_ptr_array_unref(device->nexuses);
    g_mutex_clear(&device->lock);
    g_free(device);
}

/* ---- Units ----------------------------------------------------------------------------------- */

/* Serial number and designator are what the identity hashes to: the same after a restart and on
 * another machine, and without a registry. */
static void
name_unit(struct scsi_unit *unit, const char *identity)
{
    g_autofree char *hex = digest_hex_of(DIGEST_SHA256, identity, strlen(identity));
    memcpy(unit->serial, hex, sizeof unit->serial - 1);
    for (gsize i = 0; i < sizeof unit->naa; i++)
        unit->naa[i] = (guint8)(g_ascii_xdigit_value(hex[32 + 2 * i]) << 4 |
                                g_ascii_xdigit_value(hex[33 + 2 * i]));
    /* NAA 3, locally assigned: the other kinds belong to whoever bought a number of the IEEE. */
    unit->naa[0] = (guint8)(0x30 | (unit->naa[0] & 0x0f));
}

static void
set_product(struct scsi_unit *unit, const char *product)
{
    for (gsize i = 0; i < sizeof unit->product - 1; i++) {
        char c = product != NULL && *product != '\0' ? *product++ : ' ';
        unit->product[i] = g_ascii_isprint(c) ? c : '?';
    }
}

static struct scsi_unit *
new_unit(struct scsi_device *device, const struct scsi_unit_options *options)
{
    struct scsi_unit *unit = g_new0(struct scsi_unit, 1);
    unsigned capabilities = disk_capabilities(options->disk);
    unit->device = device;
    unit->disk = options->disk;
    unit->number = options->number;
    unit->block_size = options->block_size;
    unit->blocks = disk_size(options->disk) / options->block_size;
    unit->read_only = options->read_only || !(capabilities & DISK_CAN_WRITE);
    unit->thin = (capabilities & DISK_CAN_EXTENTS) != 0;
    unit->mode = (int)scsi_mode_default(unit);
    set_product(unit, options->product != NULL ? options->product : "Disk");
    name_unit(unit, options->identity);
    g_mutex_init(&unit->log_lock);
    scsi_ranges_init(&unit->ranges);
    scsi_reservation_init(&unit->reservation);
    return unit;
}

static gboolean
check_options(const struct scsi_unit_options *options, GError **error)
{
    guint64 size = disk_size(options->disk);
    const char *label = disk_label(options->disk);
    if (options->number >= SCSI_LUNS_MAX)
        return error_set(error, SLIPWAY_ERROR_USAGE, "LUN %u: the highest is %u", options->number,
                         SCSI_LUNS_MAX - 1);
    if (options->block_size != 512 && options->block_size != 4096)
        return error_set(error, SLIPWAY_ERROR_USAGE,
                         "LUN %u: blocks of %u bytes are not possible; use 512 or 4096",
                         options->number, options->block_size);
    if (size == 0 || size % options->block_size != 0)
        return error_set(error, SLIPWAY_ERROR_USAGE,
                         "LUN %u: disk %s has %" G_GUINT64_FORMAT
                         " bytes, which is no whole number of blocks of %u bytes",
                         options->number, label, size, options->block_size);
    return TRUE;
}

gboolean
scsi_device_add(struct scsi_device *device, const struct scsi_unit_options *options, GError **error)
{
    if (!check_options(options, error))
        return FALSE;
    g_autoptr(GMutexLocker) lock = g_mutex_locker_new(&device->lock);
    (void)lock;
    if (device->units[options->number] != NULL)
        return error_set(error, SLIPWAY_ERROR_USAGE, "LUN %u is there already; choose another",
                         options->number);
    struct scsi_unit *unit = new_unit(device, options);
    for (guint i = 0; i < device->nexuses->len; i++) {
        struct scsi_nexus *nexus = device->nexuses->pdata[i];
        for (guint k = 0; k < SCSI_LUNS_MAX; k++) {
            if (device->units[k] != NULL)
                scsi_attention_raise(nexus, device->units[k], SCSI_ATTENTION_LUNS_CHANGED);
        }
    }
    g_atomic_pointer_set(&device->units[options->number], unit);
    return TRUE;
}

/* Single level LUNs: peripheral device addressing up to 255, or flat space. */
struct scsi_unit *
scsi_device_find(struct scsi_device *device, const guint8 lun[8])
{
    guint number = lun[1];
    switch (lun[0] >> 6) {
    case 0:
        if (lun[0] != 0)
            return NULL;
        break;
    case 1:
        number |= (lun[0] & 0x3fu) << 8;
        break;
    default:
        return NULL;
    }
    if (number >= SCSI_LUNS_MAX || big_endian_get16(lun + 2) != 0 || big_endian_get32(lun + 4) != 0)
        return NULL;
    return g_atomic_pointer_get(&device->units[number]);
}

gboolean
scsi_unit_has_mode(struct scsi_unit *unit, enum scsi_mode_bit bit)
{
    return ((guint)g_atomic_int_get(&unit->mode) & bit) != 0;
}

gboolean
scsi_unit_protected(struct scsi_unit *unit)
{
    return unit->read_only || scsi_unit_has_mode(unit, SCSI_MODE_WRITE_PROTECT);
}

/* ---- Nexuses --------------------------------------------------------------------------------- */

struct scsi_nexus *
scsi_nexus_join(struct scsi_device *device, const char *port, const char *target_port)
{
    struct scsi_nexus *nexus = g_new0(struct scsi_nexus, 1);
    nexus->device = device;
    nexus->port = g_strndup(port, NAMES_MAX);
    nexus->target_port = g_strndup(target_port, NAMES_MAX);
    /* Also for units that are still to come. */
    for (guint i = 0; i < SCSI_LUNS_MAX; i++)
        nexus->attentions[i] = SCSI_ATTENTION_POWER_ON;
    g_mutex_lock(&device->lock);
    g_ptr_array_add(device->nexuses, nexus);
    g_mutex_unlock(&device->lock);
    return nexus;
}

void
scsi_nexus_leave(struct scsi_nexus *nexus)
{
    struct scsi_device *device = nexus->device;
    for (guint i = 0; i < SCSI_LUNS_MAX; i++) {
        struct scsi_unit *unit = g_atomic_pointer_get(&device->units[i]);
        if (unit != NULL)
            scsi_reservation_leave(unit, nexus);
    }
    g_mutex_lock(&device->lock);
    g_ptr_array_remove(device->nexuses, nexus);
    g_mutex_unlock(&device->lock);
    g_free(nexus->port);
    g_free(nexus->target_port);
    g_free(nexus);
}

/* ---- Resets ---------------------------------------------------------------------------------- */

/* Whoever asked for it is told as well (SAM-5, 6.3.3). */
static void
reset(struct scsi_unit *unit)
{
    scsi_reservation_reset(unit);
    g_atomic_int_set(&unit->mode, (int)scsi_mode_default(unit));
    scsi_attention_raise_others(unit, NULL, SCSI_ATTENTION_RESET);
}

gboolean
scsi_unit_exists(struct scsi_nexus *nexus, const guint8 lun[8])
{
    return scsi_device_find(nexus->device, lun) != NULL;
}

gboolean
scsi_unit_reset(struct scsi_nexus *nexus, const guint8 lun[8])
{
    struct scsi_unit *unit = scsi_device_find(nexus->device, lun);
    if (unit == NULL)
        return FALSE;
    reset(unit);
    return TRUE;
}

void
scsi_device_reset(struct scsi_nexus *nexus)
{
    for (guint i = 0; i < SCSI_LUNS_MAX; i++) {
        struct scsi_unit *unit = g_atomic_pointer_get(&nexus->device->units[i]);
        if (unit != NULL)
            reset(unit);
    }
}

/* ---- What is told ---------------------------------------------------------------------------- */

GArray *
scsi_device_status(struct scsi_device *device)
{
    GArray *rows = g_array_new(FALSE, FALSE, sizeof(struct scsi_unit_status));
    for (guint i = 0; i < SCSI_LUNS_MAX; i++) {
        struct scsi_unit *unit = g_atomic_pointer_get(&device->units[i]);
        if (unit == NULL)
            continue;
        struct scsi_unit_status row = {
            .number = i,
            .read_bytes = __atomic_load_n(&unit->read_bytes, __ATOMIC_RELAXED),
            .written_bytes = __atomic_load_n(&unit->written_bytes, __ATOMIC_RELAXED),
            .failures = __atomic_load_n(&unit->failures, __ATOMIC_RELAXED),
        };
        g_array_append_val(rows, row);
    }
    return rows;
}

void
scsi_device_set_log(struct scsi_device *device, scsi_log_func log, gpointer data)
{
    device->log = log;
    device->log_data = data;
}

/* May there be one more line in this minute?  *ret_missed: lines of the last one that were not. */
static gboolean
count_line(struct scsi_unit *unit, guint *ret_missed)
{
    gint64 now = g_get_monotonic_time();
    *ret_missed = 0;
    g_mutex_lock(&unit->log_lock);
    if (unit->log_lines == 0 || now - unit->log_since >= 60 * G_TIME_SPAN_SECOND) {
        *ret_missed = unit->log_lines - MIN(unit->log_lines, SCSI_LOG_LINES);
        unit->log_since = now;
        unit->log_lines = 0;
    }
    gboolean ok = ++unit->log_lines <= SCSI_LOG_LINES;
    g_mutex_unlock(&unit->log_lock);
    return ok;
}

void
scsi_device_log(struct scsi_unit *unit, const char *words)
{
    struct scsi_device *device = unit->device;
    guint missed;
    if (device->log == NULL || !count_line(unit, &missed))
        return;
    g_autofree char *more = missed > 0 ? g_strdup_printf(" (%u more before)", missed) : NULL;
    g_autofree char *line =
        g_strdup_printf("LUN %u: %s%s", unit->number, words, more != NULL ? more : "");
    device->log(line, device->log_data);
}
