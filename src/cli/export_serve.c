/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "base/cancel.h"
#include "base/error.h"
#include "base/secret.h"
#include "cli/export.h"
#include "cli/nouns.h"
#include "cli/set_print.h"
#include "cli/text.h"
#include "engine/open_iscsi.h"
#include "engine/store_tree.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define POLL_USEC (100 * 1000)
/* How often what others see is brought up to date. */
#define RECORD_USEC (2 * G_USEC_PER_SEC)

/* ---- Into the background --------------------------------------------------------------------- */

/* From here on it lives without a terminal, and its voice is the log.  What it has said was said.
 */
static gboolean
detach(const char *log, GError **error)
{
    int out = open(log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0600);
    int in = open("/dev/null", O_RDONLY | O_CLOEXEC);
    if (out < 0 || in < 0)
        return error_set_errno(error, errno, "cannot write %s", log);
    fflush(stdout);
    dup2(in, STDIN_FILENO);
    dup2(out, STDOUT_FILENO);
    dup2(out, STDERR_FILENO);
    close(in);
    close(out);
    setsid();
    return TRUE;
}

/* Tell whoever started us; nothing when nobody did. */
static gboolean
report_ready(const char *log, GError **error)
{
    const char *text = g_getenv(EXPORT_READY_VARIABLE);
    if (text == NULL)
        return TRUE;
    int fd = atoi(text);
    if (!detach(log, error))
        return FALSE;
    gboolean ok = write(fd, "1", 1) == 1;
    close(fd);
    return ok || error_set(error, SLIPWAY_ERROR_FAILED, "whoever started the export is gone");
}

/* ---- Serving a set --------------------------------------------------------------------------- */

/* Made here, so whoever wants to use them has to be told: once. */
static void
set_chap_json(struct ui *ui, const struct export_wishes *wishes)
{
    const struct export_secret *in = &wishes->incoming, *out = &wishes->outgoing;
    if (in->secret == NULL)
        return;
    ui_set(ui, "chap",
           json_pack("{s:s, s:s?, s:s?, s:s?}", "user", in->user, "secret",
                     in->made ? in->secret : NULL, "target_user", out->user, "target_secret",
                     out->made ? out->secret : NULL));
}

/* What of this computer's is to be attached, when the user wants that; strings are the view's and
 * the wishes'. */
static void
describe_target(const struct export_view *view, const struct export_wishes *wishes,
                char **ret_address, struct open_iscsi_target *ret)
{
    const char *address = view->iscsi[0], *port = strrchr(address, ':');
    *ret_address = export_print_is_wildcard(address) ? g_strconcat("127.0.0.1", port, NULL)
                                                     : g_strdup(address);
    *ret = (struct open_iscsi_target){
        .name = view->iscsi_name,
        .address = *ret_address,
        .user = wishes->incoming.secret != NULL ? wishes->incoming.user : NULL,
        .secret = wishes->incoming.secret,
        .own_user = wishes->outgoing.secret != NULL ? wishes->outgoing.user : NULL,
        .own_secret = wishes->outgoing.secret,
        .n_luns = view->disks->len,
    };
}

/* Sets `devices`, for print_attached(). */
static gboolean
attach(const struct export_view *view, struct export_wishes *wishes, GError **error)
{
    struct open_iscsi_target target;
    g_autofree char *address = NULL;
    describe_target(view, wishes, &address, &target);
    return open_iscsi_attach(&target, &wishes->devices, error);
}

static void
print_attached(struct ui *ui, const struct export_view *view, const struct export_wishes *wishes)
{
    json_t *json = json_array();
    ui_print(ui, "\n");
    for (guint i = 0; wishes->devices[i] != NULL; i++) {
        const struct export_disk *disk = &g_array_index(view->disks, struct export_disk, i);
        const char *device = wishes->devices[i];
        ui_print(ui, "Attached here: %s is %s\n", disk->name, device);
        json_array_append_new(json, json_pack("{s:s, s:i, s:s}", "name", disk->name, "lun",
                                              (int)disk->lun, "device", device));
    }
    ui_set(ui, "attached", json);
}

/* While somebody has it mounted it is served on: what is on the disk would be damaged otherwise. */
static void
detach_when_free(struct export *export, const struct export_wishes *wishes)
{
    struct export_view view;
    struct open_iscsi_target target;
    g_autofree char *address = NULL;
    gboolean told = FALSE;
    export_look(export, &view);
    describe_target(&view, wishes, &address, &target);
    for (;;) {
        g_autoptr(GError) local = NULL;
        gboolean ok = open_iscsi_detach(&target, &local);
        if (!ok && !told)
            export_log(local->message, NULL);
        told = told || !ok;
        if (ok || !g_error_matches(local, SLIPWAY_ERROR, SLIPWAY_ERROR_BUSY))
            break;
        g_usleep(POLL_USEC);
    }
    export_view_clear(&view);
}

static gboolean
say_start(struct session *session, struct export *export, struct export_record *record,
          struct export_wishes *wishes, GError **error)
{
    struct ui *ui = session_ui(session);
    struct export_view view;
    export_look(export, &view);
    json_t *document = export_print_json(export_record_id(record), &view);
    gboolean ok = export_record_put(record, document, error);
    ui_set_all(ui, document);
    ok = ok && (!session_flag(session, OPTION_ATTACH) || attach(&view, wishes, error));
    if (ok)
        export_print_start(ui, export_record_id(record), &view, wishes);
    if (wishes->devices != NULL)
        print_attached(ui, &view, wishes);
    set_chap_json(ui, wishes);
    export_view_clear(&view);
    if (!ok || !ui_publish(ui, error))
        return FALSE;
    /* Said; from here on they are secrets like any other. */
    if (wishes->incoming.secret != NULL)
        secret_register(wishes->incoming.secret);
    if (wishes->outgoing.secret != NULL)
        secret_register(wishes->outgoing.secret);
    return report_ready(export_record_log(record), error);
}

/* A record that cannot be brought up to date is no reason to stop serving. */
static void
update(struct export *export, struct export_record *record, gboolean *unflushed)
{
    struct export_view view;
    g_autoptr(GError) local = NULL;
    export_look(export, &view);
    json_t *document = export_print_json(export_record_id(record), &view);
    export_view_clear(&view);
    export_record_put(record, document, NULL);
    json_decref(document);
    if (*unflushed || export_flush(export, &local))
        return;
    *unflushed = TRUE; /* for good, as disk.h says */
    export_log(local->message, NULL);
}

static void
wait_for_end(struct export *export, struct export_record *record)
{
    gint64 due = g_get_monotonic_time() + RECORD_USEC;
    gboolean unflushed = FALSE;
    while (!cancel_requested() && export_is_served(export)) {
        g_usleep(POLL_USEC);
        if (g_get_monotonic_time() < due)
            continue;
        update(export, record, &unflushed);
        due = g_get_monotonic_time() + RECORD_USEC;
    }
    cancel_heard();
}

gboolean
export_settle(struct session *session, struct export *export, const char *commit, GError **error)
{
    if (!export_flush(export, error))
        return FALSE;
    if (commit == NULL)
        return TRUE;
    struct backup_report report = {0};
    gboolean ok = export_commit(export, session_progress(session), &report, error);
    if (ok) {
        g_autofree char *id = set_print_id(&report.set->id);
        g_autofree char *line = g_strdup_printf("made set %s of %s", id, commit);
        export_log(line, NULL);
    }
    backup_report_clear(&report);
    return ok;
}

/* Without TLS anybody who can connect to NBD can read: a socket that only its owner can use, unless
 * the user says where. */
static void
choose_socket(struct export_wishes *wishes, const struct export_record *record)
{
    if (wishes->options.nbd == NULL || wishes->nbd.listen != NULL ||
        wishes->nbd.tls_directory != NULL)
        return;
    wishes->socket = g_strconcat("unix:", export_record_socket(record), NULL);
    wishes->local[0] = wishes->socket;
    wishes->nbd.listen = wishes->local;
}

static gboolean
open_export(struct store *store, struct export_wishes *wishes, struct export_record **ret_record,
            struct export **ret, GError **error)
{
    if ((*ret_record = export_record_new(error)) == NULL)
        return FALSE;
    choose_socket(wishes, *ret_record);
    *ret = export_open(store, &wishes->options, error);
    return *ret != NULL;
}

static gboolean
serve_set(struct session *session, struct store *store, GError **error)
{
    struct export_wishes wishes;
    struct export *export = NULL;
    struct export_record *record = NULL;
    gboolean ok = export_wishes_read(session, &wishes, error);
    wishes.options.log = export_log;
    ok = ok && open_export(store, &wishes, &record, &export, error) &&
         say_start(session, export, record, &wishes, error);
    if (ok)
        wait_for_end(export, record);
    if (wishes.devices != NULL)
        detach_when_free(export, &wishes);
    if (ok) {
        export_stop(export);
        ok = export_settle(session, export, wishes.options.commit, error);
        if (!ok)
            export_log((*error)->message, NULL);
    }
    export_close(export);
    export_record_free(record, !ok);
    export_wishes_clear(&wishes);
    return ok;
}

/* ---- The whole store as files ---------------------------------------------------------------- */

static json_t *
tree_json(struct session *session, const char *id)
{
    gboolean is_default;
    g_autofree char *location = session_store_location(session, &is_default);
    return json_pack("{s:s, s:s, s:s, s:b, s:I}", "id", id, "store", location, "mount",
                     session_text(session, OPTION_FUSE), "read_only", TRUE, "since",
                     (json_int_t)(g_get_real_time() / G_USEC_PER_SEC));
}

static gboolean
serve_tree(struct session *session, struct store *store, GError **error)
{
    struct ui *ui = session_ui(session);
    const char *folder = session_text(session, OPTION_FUSE);
    struct store_tree_options options = {
        .mount = {.mount_point = folder,
                  .allow_other = session_flag(session, OPTION_ALLOW_OTHER),
                  .log = export_log}};
    options.cache.threads = arguments_number(session_arguments(session), OPTION_WORKERS, 0);
    if (folder == NULL)
        return error_set(error, SLIPWAY_ERROR_USAGE,
                         "name a set, or --fuse DIR for all sets of the store as files");
    if (!session_size(session, OPTION_CACHE, &options.cache.bytes, error))
        return FALSE;
    struct export_record *record = export_record_new(error);
    struct store_tree *tree = record != NULL ? store_tree_mount(store, &options, error) : NULL;
    gboolean ok = tree != NULL;
    if (ok) {
        json_t *document = tree_json(session, export_record_id(record));
        ok = export_record_put(record, document, error);
        ui_print(ui, "Export %s: all sets of %s as files in %s\n", export_record_id(record),
                 store_label(store), folder);
        ui_set_all(ui, document);
        ok = ok && ui_publish(ui, error) && report_ready(export_record_log(record), error);
    }
    while (ok && !cancel_requested() && !store_tree_is_gone(tree))
        g_usleep(POLL_USEC);
    cancel_heard();
    store_tree_unmount(tree);
    export_record_free(record, !ok);
    return ok;
}

static gboolean
run(struct session *session, GError **error)
{
    struct store *store = session_store(session, error);
    if (store == NULL)
        return FALSE;
    return session_operand(session, 0) != NULL ? serve_set(session, store, error)
                                               : serve_tree(session, store, error);
}

const struct verb verb_export_serve = {
    .name = "serve",
    .summary = "serve disks of a backup set in the foreground",
    .description =
        "As `slipway export start`, but in the foreground, until it gets SIGINT or SIGTERM: for "
        "looking on (who logs in is told on standard error), or under a service manager.",
    .operands = {EXPORT_OPERANDS},
    .options = {EXPORT_OPTIONS},
    .examples = {{"slipway export serve web1", "the newest set of web1, over iSCSI"}},
    .run = run,
};
