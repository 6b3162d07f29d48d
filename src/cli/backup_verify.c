/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "base/durable_file.h"
#include "base/error.h"
#include "cli/boot.h"
#include "cli/json_value.h"
#include "cli/nouns.h"
#include "cli/session.h"
#include "cli/set_print.h"
#include "cli/text.h"
#include "engine/boot_verify.h"
#include "engine/verify.h"

static gboolean
verify_one(struct session *session, struct store *store, const struct set_entry *entry,
           json_t *results, guint *damaged, GError **error)
{
    struct ui *ui = session_ui(session);
    struct verify_options options = {
        .threads = arguments_number(session_arguments(session), OPTION_WORKERS, 0),
        .progress = session_progress(session),
    };
    struct verify_report report = {0};
    char id[SET_ID_TEXT];
    if (!verify_and_note(store, entry, &options, &report, error))
        return FALSE;
    g_autofree char *bytes = text_bytes(report.bytes), *time = set_print_time(entry->set->created);
    ui_print(ui, "%s %s (%.12s): %s, %s read back\n", entry->set->name, time,
             set_id_format(&entry->set->id, id), report.damage->len == 0 ? "good" : "DAMAGED",
             bytes);
    set_print_damage(ui, report.damage);
    json_array_append_new(
        results, json_pack("{s:s, s:b, s:I, s:I, s:o}", "id", id, "good", report.damage->len == 0,
                           "chunks", (json_int_t)report.chunks, "bytes", (json_int_t)report.bytes,
                           "damage", set_print_damage_json(report.damage)));
    *damaged += report.damage->len > 0;
    verify_report_clear(&report);
    return TRUE;
}

/* ---- Starting it ----------------------------------------------------------------------------- */

/* Where the screen goes is settled before anything is started. */
static gboolean
prepare_screenshot(struct session *session, const char *const *sets, const char **ret,
                   GError **error)
{
    gboolean overwrite;
    *ret = session_text(session, OPTION_SCREENSHOT);
    if (*ret == NULL)
        return TRUE;
    if (!session_flag(session, OPTION_BOOT))
        return error_set(error, SLIPWAY_ERROR_USAGE, "--screenshot is for --boot");
    if (sets[1] != NULL)
        return error_set(error, SLIPWAY_ERROR_USAGE,
                         "--screenshot is for one set; `slipway backup show SET --screenshot FILE` "
                         "has that of each");
    return session_overwrite(session, *ret, &overwrite, error);
}

static gboolean
write_screenshot(const char *file, const struct boot_report *report, GError **error)
{
    if (file == NULL || report->screen == NULL)
        return TRUE;
    gsize length;
    const void *data = g_bytes_get_data(report->screen, &length);
    return durable_file_put(file, data, length, 0600, error);
}

static void
tell_boot(struct session *session, const struct set_entry *entry, const struct boot_report *report,
          json_t *results)
{
    struct ui *ui = session_ui(session);
    char id[SET_ID_TEXT];
    g_autofree char *time = set_print_time(entry->set->created);
    g_autofree char *words = boot_options_words(&report->hardware, report->accelerator);
    if (report->no_kvm != NULL)
        ui_warning(ui, "the machine was emulated, which is slow: KVM does not work here (%s)",
                   report->no_kvm);
    if (report->without_screen != NULL)
        ui_warning(ui, "there is no picture of the screen: %s", report->without_screen);
    ui_print(ui, "%s %s (%.12s): %s after %.1f s: %s (%s)\n", entry->set->name, time,
             set_id_format(&entry->set->id, id), report->good ? "starts" : "DOES NOT START",
             (double)report->duration / 1000, report->words, words);
    json_array_append_new(results,
                          json_pack("{s:s, s:b, s:s?, s:o, s:I, s:s, s:s, s:s, s:s?, s:b}", "id",
                                    id, "good", report->good, "sign", boot_sign_name(report->sign),
                                    "words", json_value_text(report->words), "duration_ms",
                                    (json_int_t)report->duration, "firmware",
                                    boot_firmware_name(report->hardware.firmware), "bus",
                                    boot_bus_name(report->hardware.bus), "accelerator",
                                    boot_accelerator_name(report->accelerator), "no_kvm",
                                    report->no_kvm, "screenshot", report->screen != NULL));
}

static gboolean
boot_one(struct session *session, struct store *store, const struct set_entry *entry,
         json_t *results, guint *failed, GError **error)
{
    const struct arguments *arguments = session_arguments(session);
    struct boot_verify_options options = {
        .text = session_text(session, OPTION_BOOT_TEXT),
        .settle = arguments_number(arguments, OPTION_BOOT_SETTLE, BOOT_SETTLE_DEFAULT),
        .timeout = arguments_number(arguments, OPTION_BOOT_TIMEOUT, BOOT_TIMEOUT_DEFAULT),
        .progress = session_progress(session),
    };
    struct boot_report report;
    if (!boot_options_read(session, &options.boot, error) ||
        !boot_verify_and_note(store, entry->set, &options, &report, error))
        return FALSE;
    tell_boot(session, entry, &report, results);
    *failed += !report.good;
    gboolean ok = write_screenshot(session_text(session, OPTION_SCREENSHOT), &report, error);
    boot_report_clear(&report);
    return ok;
}

/* ---- Both ------------------------------------------------------------------------------------ */

static gboolean
judge(guint failed, gboolean boot, GError **error)
{
    if (failed == 0)
        return TRUE;
    if (boot)
        return error_set(error, SLIPWAY_ERROR_FAILED,
                         "there was no sign of life; `slipway backup show SET --screenshot FILE` "
                         "has the screen, `slipway export boot SET` starts it for a look");
    return error_set(error, SLIPWAY_ERROR_CORRUPT,
                     "damage was found; `slipway store repair` heals what it can, and the next "
                     "backup of the machine stores again what its disks still have");
}

static gboolean
run(struct session *session, GError **error)
{
    const char *const *sets = session_operands(session, 0);
    gboolean boot = session_flag(session, OPTION_BOOT);
    const char *screenshot;
    guint failed = 0;
    struct store *store = prepare_screenshot(session, sets, &screenshot, error)
                              ? session_store(session, error)
                              : NULL;
    if (store == NULL)
        return FALSE;
    json_t *results = json_array();
    gboolean ok = TRUE;
    for (gsize i = 0; ok && sets[i] != NULL; i++) {
        struct set_entry *entry = store_sets_find(store, sets[i], error);
        ok = entry != NULL &&
             (boot ? boot_one : verify_one)(session, store, entry, results, &failed, error);
        set_entry_free(entry);
    }
    ui_set(session_ui(session), "results", results);
    return ok && judge(failed, boot, error);
}

const struct verb verb_backup_verify = {
    .name = "verify",
    .summary = "read backup sets back and check every byte, or start them",
    .description =
        "Read everything that a set consists of and hold it against its digests. The "
        "result is noted with the set. `slipway store check --read-data` does it for all "
        "sets at once, reading what they share only once.\n\n"
        "With --boot the machine is started instead, in QEMU, on its disks as they are in the set, "
        "which does not change, and on a network that leads nowhere. It is good when it gives a "
        "sign of life in time: a text on its serial port, an answer of the QEMU guest agent in "
        "it, or a screen in more colours than text has that stays the same for a while. The "
        "result and a picture of the screen are kept with the set.",
    .operands = {{"SET", FALSE, TRUE, COMPLETE_SETS, NULL}},
    .options = {OPTION_STORE, OPTION_PASSPHRASE_FILE, OPTION_KEY_FILE, OPTION_RECOVERY_FILE,
                OPTION_BOOT, OPTION_BOOT_TIMEOUT, OPTION_BOOT_TEXT, OPTION_BOOT_SETTLE,
                OPTION_SCREENSHOT, OPTION_OVERWRITE, BOOT_OPTIONS},
    .examples = {{"slipway backup verify web1 db1", "the newest sets of two machines"},
                 {"slipway backup verify --boot web1 --boot-timeout 600",
                  "does it start? It has ten minutes"}},
    .run = run,
};
