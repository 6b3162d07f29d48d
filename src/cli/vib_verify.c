/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "esx/vib_verify.h"

#include "base/error.h"
#include "cli/json_value.h"
#include "cli/nouns.h"
#include "cli/session.h"

struct verification {
    struct session *session;
    const struct trust_store *trust;
    json_t *list;
    guint files, bad;
    GError *first; /* what is wrong with the first bad file */
};

static void
print_finding(struct verification *run, const struct vib_finding *finding, json_t *list)
{
    if (finding->kind != VIB_FINDING_OK || session_flag(run->session, OPTION_VERBOSE))
        ui_print(session_ui(run->session), "  %s: %s\n", vib_finding_kind_name(finding->kind),
                 finding->text);
    json_t *object = json_object();
    json_object_set_new(object, "kind", json_value_text(vib_finding_kind_name(finding->kind)));
    json_object_set_new(object, "topic", json_value_text(vib_finding_topic_name(finding->topic)));
    json_object_set_new(object, "subject", json_value_text(finding->subject));
    json_object_set_new(object, "text", json_value_text(finding->text));
    json_array_append_new(list, object);
}

static void
report(struct verification *run, const char *path, const struct vib_verdict *verdict)
{
    gboolean bad = vib_verdict_is_bad(verdict);
    ui_print(session_ui(run->session), "%s: %s%s%s\n", path, bad ? "bad" : "good",
             verdict->id != NULL ? ", " : "", verdict->id != NULL ? verdict->id : "");
    json_t *findings = json_array();
    for (guint i = 0; i < verdict->findings->len; i++)
        print_finding(run, verdict->findings->pdata[i], findings);
    json_t *object = json_object();
    json_object_set_new(object, "file", json_value_text(path));
    json_object_set_new(object, "id", json_value_text(verdict->id));
    json_object_set_new(object, "good", json_boolean(!bad));
    json_object_set_new(object, "signer", json_value_text(verdict->signature.signer));
    json_object_set_new(object, "findings", findings);
    json_array_append_new(run->list, object);
}

static gboolean
verify_file(struct verification *run, const char *path, GError **error)
{
    struct stream *stream = stream_new_file(path, error);
    auto_ptr(vib_verdict) verdict =
        stream != NULL ? vib_verify(stream, run->trust, session_progress(run->session), error)
                       : NULL;
    if (verdict == NULL)
        return FALSE;
    report(run, path, verdict);
    run->files++;
    if (!vib_verdict_is_bad(verdict))
        return TRUE;
    run->bad++;
    if (run->first == NULL) {
        vib_verdict_to_error(verdict, &run->first);
        /* What is wrong with the archive names the file already. */
        if (!g_str_has_prefix(run->first->message, path))
            g_prefix_error(&run->first, "%s: ", path);
    }
    return TRUE;
}

static gboolean
conclude(struct verification *run, GError **error)
{
    if (run->bad == 0)
        return TRUE;
    if (run->bad > 1)
        return error_set(error, (enum slipway_error)run->first->code,
                         "%u of %u files are bad; the first: %s", run->bad, run->files,
                         run->first->message);
    g_propagate_error(error, g_steal_pointer(&run->first));
    return FALSE;
}

static gboolean
run(struct session *session, GError **error)
{
    struct verification run = {.session = session};
    if (!session_trust(session, &run.trust, error))
        return FALSE;
    run.list = json_array();
    const char *const *paths = session_operands(session, 0);
    gboolean ok = TRUE;
    for (gsize i = 0; ok && paths[i] != NULL; i++)
        ok = verify_file(&run, paths[i], error);
    ui_set(session_ui(session), "vibs", run.list);
    ok = ok && conclude(&run, error);
    g_clear_error(&run.first);
    return ok;
}

const struct verb verb_vib_verify = {
    .name = "verify",
    .summary = "check .vib files: archive, signature, checksums, paths",
    .description =
        "Read .vib files from front to back and check the archive, the descriptor, the signature, "
        "every checksum of every payload and the list of files. Errors and warnings are printed, "
        "with --verbose also what was found right.",
    .operands = {{"FILE", FALSE, TRUE, COMPLETE_FILE, NULL}},
    .examples = {{"slipway vib verify *.vib", "several files"},
                 {"slipway vib verify --trust company.pem tool.vib",
                  "a VIB that was signed by one's own authority"}},
    .run = run,
};
