/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "base/error.h"
#include "cli/json_value.h"
#include "cli/machine_print.h"
#include "cli/nouns.h"
#include "cli/selection_options.h"
#include "cli/set_print.h"
#include "cli/text.h"
#include "engine/machine_restore.h"

#include <string.h>

/* "[FROM=]TO" of each; the array refers to `texts`, which are copies. */
struct mappings {
    GPtrArray *texts; /* of char * */
    GArray *all;      /* of struct restore_mapping */
};

static void
mappings_clear(struct mappings *mappings)
{
    g_clear_pointer(&mappings->texts, g_ptr_array_unref);
    g_clear_pointer(&mappings->all, g_array_unref);
}

static gboolean
read_mappings(struct session *session, enum option_id id, struct mappings *ret, GError **error)
{
    const char *const *values = session_list(session, id);
    ret->texts = g_ptr_array_new_with_free_func(g_free);
    ret->all = g_array_new(FALSE, FALSE, sizeof(struct restore_mapping));
    for (gsize i = 0; values != NULL && values[i] != NULL; i++) {
        char *text = g_strdup(values[i]), *equals = strchr(text, '=');
        g_ptr_array_add(ret->texts, text);
        struct restore_mapping mapping = {NULL, text};
        if (equals != NULL) {
            *equals = '\0';
            mapping = (struct restore_mapping){text, equals + 1};
        }
        if (*mapping.to == '\0' || (mapping.from != NULL && *mapping.from == '\0'))
            return error_set(error, SLIPWAY_ERROR_USAGE, "--%s %s: TO or FROM=TO is wanted",
                             option_row(id)->name, values[i]);
        g_array_append_val(ret->all, mapping);
    }
    return TRUE;
}

struct wishes {
    struct machine_restore_options options;
    struct mappings datastores, networks;
    enum machine_bus bus;
};

static gboolean
read_wishes(struct session *session, struct wishes *ret, GError **error)
{
    struct machine_restore_options *options = &ret->options;
    const char *bus = session_text(session, OPTION_DISK_BUS);
    gboolean keep = session_flag(session, OPTION_KEEP_MAC),
             new = session_flag(session, OPTION_NEW_MAC);
    if (keep && new)
        return error_set(error, SLIPWAY_ERROR_USAGE, "--keep-mac and --new-mac exclude each other");
    if (bus != NULL && !machine_bus_parse(bus, &ret->bus))
        return error_set(error, SLIPWAY_ERROR_USAGE,
                         "--bus %s: virtio, scsi, sata, ide or nvme is wanted", bus);
    if (!read_mappings(session, OPTION_DATASTORE, &ret->datastores, error) ||
        !read_mappings(session, OPTION_NETWORK, &ret->networks, error))
        return FALSE;
    options->name = session_text(session, OPTION_VM_NAME);
    options->suffix = session_text(session, OPTION_SUFFIX);
    options->folder = session_text(session, OPTION_FOLDER);
    options->host = session_text(session, OPTION_HOST);
    options->cluster = session_text(session, OPTION_CLUSTER);
    options->pool = session_text(session, OPTION_POOL);
    options->datastores = (const struct restore_mapping *)ret->datastores.all->data;
    options->n_datastores = ret->datastores.all->len;
    options->networks = (const struct restore_mapping *)ret->networks.all->data;
    options->n_networks = ret->networks.all->len;
    options->mac = keep ? RESTORE_MAC_KEEP : new ? RESTORE_MAC_NEW : RESTORE_MAC_AUTO;
    options->new_uuid = session_flag(session, OPTION_NEW_UUID);
    options->only = session_list(session, OPTION_ONLY_DISK);
    options->bus = bus != NULL ? &ret->bus : NULL;
    options->nic_model = session_text(session, OPTION_NIC_MODEL);
    options->power_on = session_flag(session, OPTION_POWER_ON);
    options->disconnect = session_flag(session, OPTION_DISCONNECT);
    options->threads = arguments_number(session_arguments(session), OPTION_WORKERS, 0);
    options->progress = session_progress(session);
    return TRUE;
}

static void
print_report(struct ui *ui, const struct machine_restore_report *report,
             const struct hypervisor *hypervisor)
{
    g_autofree char *path = machine_print_path(report->machine);
    g_autofree char *written = text_bytes(report->written), *skipped = text_bytes(report->skipped);
    ui_print(ui, "Restored %s on %s in %.1f s: %s written, %s not needed\n", path,
             hypervisor_label(hypervisor), (double)report->milliseconds / 1000, written, skipped);
    ui_print(ui, "  %-13s %s\n", "id", report->machine->id != NULL ? report->machine->id : "-");
    ui_print(ui, "  %-13s %s\n", "state", machine_print_state(report->machine));
    for (guint i = 0; i < report->machine->nics->len; i++) {
        const struct machine_nic *nic = report->machine->nics->pdata[i];
        ui_print(ui, "  %-13s %s on %s\n", nic->name, nic->mac != NULL ? nic->mac : "a new address",
                 nic->network != NULL ? nic->network : machine_network_name(nic->kind));
    }
    for (guint i = 0; i < report->words->len; i++)
        ui_print(ui, "  %-13s %s\n", i == 0 ? "not as it was" : "",
                 (const char *)report->words->pdata[i]);
    ui_set(ui, "machine", machine_print_json(report->machine));
    ui_set(ui, "words", json_value_texts(report->words));
    ui_set(ui, "written", json_integer((json_int_t)report->written));
    ui_set(ui, "skipped", json_integer((json_int_t)report->skipped));
    ui_set(ui, "seconds", json_real((double)report->milliseconds / 1000));
}

/* What is to be written over, by what hypervisor_describe() takes, and by what a person knows. */
struct target {
    char *ref; /* NULL: the set is of no machine here, and machine_restore_over() says so */
    char *path;
};

static void
target_clear(struct target *target)
{
    g_free(target->ref);
    g_free(target->path);
}

static void
take_target(struct target *target, const struct machine *machine)
{
    target->ref = g_strdup(machine->ref);
    target->path = machine_print_path(machine);
}

/* The machine that --vm names. */
static gboolean
find_named(const char *text, struct hypervisor *hypervisor, struct target *ret, GError **error)
{
    struct selection selection = {.path = text, .off = TRUE, .suspended = TRUE};
    g_autoptr(GPtrArray) machines = hypervisor_list(hypervisor, error);
    g_autoptr(GPtrArray) taken =
        machines != NULL ? selection_take(&selection, machines, NULL, error) : NULL;
    if (taken == NULL)
        return FALSE;
    if (taken->len != 1)
        return error_set(error, SLIPWAY_ERROR_USAGE, "--vm %s names %u machines", text, taken->len);
    take_target(ret, taken->pdata[0]);
    return TRUE;
}

/* The one that the set was made of: it may be called otherwise now. */
static gboolean
find_own(const struct set *set, struct hypervisor *hypervisor, struct target *ret, GError **error)
{
    g_autofree char *prefix = g_strconcat(hypervisor_driver(hypervisor), ":", NULL);
    ret->path = g_strdup(set->name);
    if (set->identity == NULL || !g_str_has_prefix(set->identity, prefix))
        return TRUE;
    auto_ptr(machine) machine =
        hypervisor_describe(hypervisor, set->identity + strlen(prefix), error);
    if (machine == NULL) {
        g_prefix_error(error, "the machine of this set (%s): ", set->name);
        return FALSE;
    }
    g_free(ret->path);
    take_target(ret, machine);
    return TRUE;
}

static gboolean
restore_over(struct session *session, struct store *store, const struct set *set,
             struct hypervisor *hypervisor, const struct wishes *wishes,
             struct machine_restore_report *report, GError **error)
{
    const char *named = session_text(session, OPTION_VM);
    g_autofree char *time = set_print_time(set->created), *question = NULL;
    struct target target = {NULL};
    gboolean ok = named != NULL ? find_named(named, hypervisor, &target, error)
                                : find_own(set, hypervisor, &target, error);
    if (ok)
        question = g_strdup_printf("Overwrite the disks of %s on %s with those of %s, %s?",
                                   target.path, hypervisor_label(hypervisor), set->name, time);
    ok = ok && ui_confirm(session_ui(session), question, error) &&
         machine_restore_over(store, set, hypervisor, target.ref, &wishes->options, report, error);
    target_clear(&target);
    return ok;
}

/* HOST is a host: whoever writes a machine or a folder behind it expects something of it. */
static gboolean
check_path(const char *path, GError **error)
{
    return path[strspn(path, "/")] == '\0' ||
           error_set(error, SLIPWAY_ERROR_USAGE,
                     "HOST has %s behind it; leave that out, and say --folder for where a new "
                     "machine is to lie, or --in-place --vm for the one to write over",
                     path);
}

static gboolean
restore(struct session *session, struct store *store, const struct set *set,
        const struct wishes *wishes, GError **error)
{
    g_autofree char *path = NULL;
    auto_ptr(hypervisor) hypervisor =
        session_hypervisor(session, session_operand(session, 1), &path, error);
    struct machine_restore_report report = {0};
    if (hypervisor == NULL || !check_path(path, error))
        return FALSE;
    gboolean ok =
        session_flag(session, OPTION_IN_PLACE)
            ? restore_over(session, store, set, hypervisor, wishes, &report, error)
            : machine_restore_new(store, set, hypervisor, &wishes->options, &report, error);
    if (ok)
        print_report(session_ui(session), &report, hypervisor);
    machine_restore_report_clear(&report);
    return ok;
}

/* Whoever gives a name wants a new machine, not the old one overwritten. */
static gboolean
check_in_place(struct session *session, GError **error)
{
    static const enum option_id others[] = {
        OPTION_VM_NAME,  OPTION_SUFFIX,   OPTION_FOLDER,    OPTION_HOST,       OPTION_CLUSTER,
        OPTION_POOL,     OPTION_NETWORK,  OPTION_NEW_MAC,   OPTION_KEEP_MAC,   OPTION_DATASTORE,
        OPTION_NEW_UUID, OPTION_DISK_BUS, OPTION_NIC_MODEL, OPTION_DISCONNECT,
    };
    gboolean in_place = session_flag(session, OPTION_IN_PLACE);
    if (session_text(session, OPTION_VM) != NULL && !in_place)
        return error_set(error, SLIPWAY_ERROR_USAGE, "--vm is for --in-place");
    for (gsize i = 0; in_place && i < G_N_ELEMENTS(others); i++)
        if (session_flag(session, others[i]))
            return error_set(error, SLIPWAY_ERROR_USAGE,
                             "--%s is for a new machine; with --in-place only disks of one that is "
                             "there are written",
                             option_row(others[i])->name);
    return TRUE;
}

static gboolean
run(struct session *session, GError **error)
{
    struct wishes wishes = {0};
    if (!check_in_place(session, error))
        return FALSE;
    gboolean ok = read_wishes(session, &wishes, error);
    struct store *store = ok ? session_store(session, error) : NULL;
    struct set_entry *entry =
        store != NULL ? store_sets_find(store, session_operand(session, 0), error) : NULL;
    ok = entry != NULL && restore(session, store, entry->set, &wishes, error);
    set_entry_free(entry);
    mappings_clear(&wishes.datastores);
    mappings_clear(&wishes.networks);
    return ok;
}

const struct verb verb_restore_vm = {
    .name = "vm",
    .summary = "restore a virtual machine on a hypervisor",
    .description =
        "Make a virtual machine on HOST from a set, with the disks and the configuration that it "
        "had. It gets the old name and --suffix, lies where the old one did if that place is "
        "there, "
        "and is not started unless --power-on says so. The old addresses of its NICs are kept, but "
        "refused while a machine has them: then say --new-mac, or --keep-mac if you know "
        "better.\n\n"
        "HOST may be another kind of hypervisor than the one that the set was made on: disks and "
        "NICs are then of kinds that the guest has drivers for, and what could not be carried over "
        "is told.\n\n"
        "With --in-place the machine that was backed up, or the one that --vm names, which must be "
        "off, gets its disks overwritten where they differ from the set. That asks, or wants "
        "--yes. A disk that was put in an old one's place is refused, unless --only-disk names "
        "it.\n\n"
        "After a failure the new machine is removed again.",
    .operands = {{"SET", FALSE, FALSE, COMPLETE_SETS, NULL},
                 {"HOST", FALSE, FALSE, COMPLETE_HOSTS, NULL}},
    .options = {OPTION_STORE,     OPTION_PASSPHRASE_FILE,
                OPTION_KEY_FILE,  OPTION_RECOVERY_FILE,
                OPTION_VM_NAME,   OPTION_SUFFIX,
                OPTION_FOLDER,    OPTION_HOST,
                OPTION_CLUSTER,   OPTION_POOL,
                OPTION_DATASTORE, OPTION_NETWORK,
                OPTION_NEW_MAC,   OPTION_KEEP_MAC,
                OPTION_NEW_UUID,  OPTION_ONLY_DISK,
                OPTION_DISK_BUS,  OPTION_NIC_MODEL,
                OPTION_POWER_ON,  OPTION_DISCONNECT,
                OPTION_IN_PLACE,  OPTION_VM,
                OPTION_WORKERS,   HYPERVISOR_OPTIONS},
    .examples = {{"slipway restore vm app01 vc1 --power-on", "beside the old one, which is off"},
                 {"slipway restore vm app01@2026-11-24 vc1 --name app01-test --new-mac "
                  "--network Production=Lab",
                  "a copy in another network"},
                 {"slipway restore vm app01 qemu:///system --datastore default "
                  "--network network:default",
                  "a machine of vSphere under KVM"},
                 {"slipway restore vm app01 vc1 --in-place --yes", "back to what it was"}},
    .run = run,
};
