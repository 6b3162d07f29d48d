/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "base/cancel.h"
#include "base/error.h"
#include "base/secret.h"
#include "cli/boot.h"
#include "cli/export.h"
#include "cli/nouns.h"
#include "cli/set_print.h"
#include "cli/text.h"

#include <stdio.h>

#define WATCH_MS 200
#define RECORD_USEC (2 * G_USEC_PER_SEC)
#define PASSWORD_LENGTH 8 /* what VNC looks at */
#define SHUTDOWN_SECONDS 60

struct boot_run {
    struct session *session;
    struct boot_set_options options;
    char *password; /* of VNC; NULL */
    guint shutdown; /* seconds */
    struct export_record *record;
    struct boot_set *boot;
};

/* ---- Options --------------------------------------------------------------------------------- */

static gboolean
read_display(struct boot_run *run, GError **error)
{
    struct boot_hardware *hardware = &run->options.hardware;
    const char *display = session_text(run->session, OPTION_DISPLAY);
    hardware->display = BOOT_DISPLAY_VNC;
    if (!boot_options_word(run->session, OPTION_DISPLAY,
                           display == NULL || boot_display_parse(display, &hardware->display),
                           error))
        return FALSE;
    if (hardware->display != BOOT_DISPLAY_VNC)
        return TRUE;
    run->password = iscsi_make_secret(PASSWORD_LENGTH);
    hardware->vnc = session_text(run->session, OPTION_VNC_LISTEN);
    hardware->vnc_password = run->password;
    return TRUE;
}

static gboolean
read_options(struct boot_run *run, GError **error)
{
    struct session *session = run->session;
    struct export_options *export = &run->options.export;
    const char *const *disks = session_operands(session, 1);
    export->set = session_operand(session, 0);
    export->disks = disks != NULL && disks[0] != NULL ? disks : NULL;
    export->keep = session_text(session, OPTION_KEEP_WRITES);
    export->log = export_log;
    export->commit = session_text(session, OPTION_COMMIT);
    /* Only what lasts is worth the time that a guest takes to power off. */
    run->shutdown =
        arguments_number(session_arguments(session), OPTION_SHUTDOWN_TIMEOUT,
                         export->keep != NULL || export->commit != NULL ? SHUTDOWN_SECONDS : 0);
    return read_display(run, error) && boot_options_read(session, &run->options, error);
}

/* ---- What is told ---------------------------------------------------------------------------- */

static json_t *
make_document(const struct boot_run *run)
{
    struct export_view view;
    struct boot_machine *machine = boot_set_machine(run->boot);
    const struct boot_hardware *hardware = boot_set_hardware(run->boot);
    export_look(boot_set_export(run->boot), &view);
    view.nbd = NULL; /* between the two of us */
    json_t *document = export_print_json(export_record_id(run->record), &view);
    export_view_clear(&view);
    json_object_set_new(
        document, "machine_runs",
        json_pack("{s:s, s:s, s:s, s:s?, s:i, s:i, s:b, s:I, s:s?}", "firmware",
                  boot_firmware_name(hardware->firmware), "bus", boot_bus_name(hardware->bus),
                  "accelerator", boot_accelerator_name(boot_machine_accelerator(machine)), "no_kvm",
                  boot_machine_no_kvm(machine), "memory", (int)hardware->memory, "cpus",
                  (int)hardware->cpus, "network", !hardware->no_network, "pid",
                  (json_int_t)boot_machine_pid(machine), "vnc", boot_machine_vnc(machine)));
    return document;
}

/* As an attribute of XML. */
static char *
first_disk(const struct export_view *view)
{
    return g_markup_escape_text(g_array_index(view->disks, struct export_disk, 0).name, -1);
}

/* The same elsewhere, where there is more room and a network. */
static void
print_hosts(struct ui *ui, const struct export_view *view)
{
    char id[SET_ID_TEXT];
    g_autofree char *disk = first_disk(view);
    set_id_format(&view->set->id, id);
    ui_print(ui,
             "\nOn a host with libvirt instead: `slipway export start %.12s --nbd --nbd-listen "
             "ADDRESS`, and in\nthe domain (`virsh edit NAME`), for each disk:\n"
             "  <disk type='network' device='disk'>\n"
             "    <driver name='qemu' type='raw' discard='unmap'/>\n"
             "    <source protocol='nbd' name='%s'><host name='ADDRESS' port='10809'/></source>\n"
             "    <target dev='sda' bus='sata'/>\n"
             "  </disk>\n",
             id, disk);
    ui_print(
        ui,
        "On ESXi instead: `slipway export start %.12s`, attach the target as that tells, then\n"
        "  vmkfstools -r /vmfs/devices/disks/naa.ID NAME.vmdk      for each LUN\n"
        "  and give NAME.vmdk to a new machine as an existing disk, without a network.\n"
        "  When a LUN is a datastore itself:\n"
        "  esxcli storage vmfs snapshot list; esxcli storage vmfs snapshot resignature -l "
        "LABEL\n",
        id);
}

static void
print_start(const struct boot_run *run)
{
    struct ui *ui = session_ui(run->session);
    struct boot_machine *machine = boot_set_machine(run->boot);
    const struct boot_hardware *hardware = boot_set_hardware(run->boot);
    struct export_view view;
    export_look(boot_set_export(run->boot), &view);
    g_autofree char *set = set_print_id(&view.set->id), *time = set_print_time(view.set->created);
    g_autofree char *words = boot_options_words(hardware, boot_machine_accelerator(machine));
    ui_print(ui, "Export %s: set %s of %s, %s, runs\n", export_record_id(run->record), set,
             view.set->name, time);
    ui_print(ui, "  %-10s %s, %u MiB, %u processors\n", "machine", words, hardware->memory,
             hardware->cpus);
    if (boot_machine_vnc(machine) != NULL)
        ui_print(ui, "  %-10s vnc://%s, password %s (shown this once)\n", "screen",
                 boot_machine_vnc(machine), run->password);
    ui_print(ui, "  %-10s %s\n", "network",
             hardware->no_network ? "none" : "one that leads nowhere");
    ui_print(ui, "  %-10s %s\n", "its writes",
             run->options.export.commit != NULL ? "become a new set at the end"
             : run->options.export.keep != NULL ? "are kept in the file"
                                                : "are thrown away at the end");
    ui_print(ui, "  %-10s when it powers off, with ^C, or `slipway export stop %s`\n", "ends",
             export_record_id(run->record));
    print_hosts(ui, &view);
    export_view_clear(&view);
}

static gboolean
say_start(struct boot_run *run, GError **error)
{
    struct ui *ui = session_ui(run->session);
    json_t *document = make_document(run);
    const char *why = boot_machine_no_kvm(boot_set_machine(run->boot));
    gboolean ok = export_record_put(run->record, document, error);
    if (why != NULL && run->options.hardware.accelerator == BOOT_ACCELERATOR_AUTO)
        ui_warning(ui, "the machine is emulated, which is slow: KVM does not work here (%s)", why);
    print_start(run);
    ui_set_all(ui, document);
    if (run->password != NULL)
        ui_set(ui, "vnc_password", json_string(run->password));
    ok = ok && ui_publish(ui, error);
    /* Said; from here on it is a secret like any other. */
    if (run->password != NULL)
        secret_register(run->password);
    return ok;
}

/* ---- Running --------------------------------------------------------------------------------- */

static void
update(const struct boot_run *run)
{
    json_t *document = make_document(run);
    export_record_put(run->record, document, NULL);
    json_decref(document);
}

/* Until it ends, or is to end. */
static enum boot_state
watch(struct boot_run *run)
{
    struct boot_machine *machine = boot_set_machine(run->boot);
    gint64 due = g_get_monotonic_time() + RECORD_USEC;
    enum boot_state state = BOOT_RUNS;
    while (!cancel_requested() && state != BOOT_ENDED && state != BOOT_FAILED) {
        char rest[4096];
        state = boot_machine_watch(machine, WATCH_MS);
        boot_machine_read_serial(machine, rest, sizeof rest);
        boot_machine_read_agent(machine, rest, sizeof rest);
        if (g_get_monotonic_time() < due)
            continue;
        update(run);
        due = g_get_monotonic_time() + RECORD_USEC;
    }
    cancel_heard();
    return state;
}

/* A QEMU that crashed is a failure, but what was written before it is not lost. */
static gboolean
finish(struct boot_run *run, enum boot_state state, GError **error)
{
    struct boot_machine *machine = boot_set_machine(run->boot);
    boot_set_stop(run->boot, state == BOOT_RUNS ? run->shutdown * 1000 : 0);
    if (!export_settle(run->session, boot_set_export(run->boot), run->options.export.commit, error))
        return FALSE;
    if (state == BOOT_FAILED)
        return error_set(error, SLIPWAY_ERROR_FAILED, "the guest's processor cannot go on");
    if (boot_machine_status(machine) == 0)
        return TRUE;
    g_autofree char *words = boot_machine_end_words(machine);
    return error_set(error, SLIPWAY_ERROR_FAILED, "QEMU ended with %s", words);
}

static gboolean
run(struct session *session, GError **error)
{
    struct boot_run run = {.session = session};
    struct store *store = session_store(session, error);
    gboolean ok = store != NULL && read_options(&run, error) &&
                  (run.record = export_record_new(error)) != NULL &&
                  (run.boot = boot_set_start(store, &run.options, error)) != NULL &&
                  say_start(&run, error);
    if (ok)
        ok = finish(&run, watch(&run), error);
    boot_set_close(run.boot);
    export_record_free(run.record, FALSE);
    secret_free(run.password);
    return ok;
}

const struct verb verb_export_boot = {
    .name = "boot",
    .summary = "start a backed-up machine on this computer",
    .description =
        "Start QEMU on the disks of a set, at once and without restoring anything: for a look at "
        "what is in it, for getting something out of a program that only runs there, or to be at "
        "work again before a restore is through. The machine can write, but the set never changes: "
        "what is written goes to a scratch file and is thrown away at the end, unless "
        "--keep-writes keeps it for the next time or --commit makes a new set of it.\n\n"
        "It has a network that leads nowhere, so that it cannot meet the machine it is a copy of. "
        "Firmware and the kind of its disks are those of the configuration kept with the set, or "
        "what the partition table is made for. Its screen is shown over VNC, on this computer "
        "alone, with a password that is printed once.\n\n"
        "A firmware for UEFI knows no boot entries of the machine: what boots is a loader where "
        "Windows and the usual distributions put theirs, or \\EFI\\BOOT\\BOOTX64.EFI. As root, "
        "QEMU is run as the user nobody.\n\n"
        "This command runs until the guest powers off, and ends it with ^C (SIGINT, SIGTERM) or "
        "`slipway export stop`.",
    .operands = {{"SET", FALSE, FALSE, COMPLETE_SETS, NULL},
                 {"DISK", TRUE, TRUE, COMPLETE_NONE, NULL}},
    .options = {OPTION_STORE, OPTION_PASSPHRASE_FILE, OPTION_KEY_FILE, OPTION_RECOVERY_FILE,
                BOOT_OPTIONS, OPTION_DISPLAY, OPTION_VNC_LISTEN, OPTION_SHUTDOWN_TIMEOUT,
                OPTION_KEEP_WRITES, OPTION_COMMIT},
    .examples = {{"slipway export boot web1", "the newest set of web1"},
                 {"slipway export boot db1@2026-11-24 disk0 --firmware uefi --memory 8192",
                  "one disk of an older set"},
                 {"slipway export boot web1 --commit web1-repaired",
                  "repair it, and keep the result as a new set"}},
    .run = run,
};
