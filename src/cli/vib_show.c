/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "base/error.h"
#include "cli/json_value.h"
#include "cli/nouns.h"
#include "cli/session.h"
#include "cli/vib_print.h"
#include "esx/vib_file.h"

static void
show_signature(struct session *session, const struct trust_store *trust, struct vib_file *file,
               json_t *object)
{
    if (trust == NULL)
        return;
    struct ui *ui = session_ui(session);
    struct signature_result result = {0};
    g_autoptr(GError) problem = NULL;
    const struct vib *vib = vib_file_vib(file);
    gboolean good = vib_signature_check(trust, vib_file_descriptor(file), vib_file_signature(file),
                                        vib->acceptance, vib->id, &result, &problem);
    ui_field(ui, "Signature",
             !good              ? problem->message
             : result.is_signed ? "good"
                                : "none, and none needed");
    ui_field(ui, "Signer", result.signer);
    json_t *signature = json_object();
    json_object_set_new(signature, "good", json_boolean(good));
    json_object_set_new(signature, "signed", json_boolean(result.is_signed));
    json_object_set_new(signature, "signer", json_value_text(result.signer));
    json_object_set_new(signature, "problem", json_value_text(good ? NULL : problem->message));
    json_object_set_new(object, "signature", signature);
    signature_result_clear(&result);
}

static gboolean
show_file(struct session *session, const char *path, GError **error)
{
    const struct trust_store *trust;
    struct stream *stream = stream_new_file(path, error);
    auto_ptr(vib_file) file = stream != NULL ? vib_file_open(stream, error) : NULL;
    if (file == NULL || !session_trust(session, &trust, error))
        return FALSE;
    vib_print(session_ui(session), vib_file_vib(file));
    json_t *object = json_value_vib(vib_file_vib(file));
    show_signature(session, trust, file, object);
    ui_set(session_ui(session), "vib", object);
    return TRUE;
}

static gboolean
show_package(struct session *session, const char *text, GError **error)
{
    struct depot_set *depots = session_depots(session, error);
    g_autoptr(GPtrArray) packages = g_ptr_array_new();
    if (depots == NULL || !depot_set_resolve(depots, text, packages, error))
        return FALSE;
    const struct vib *vib = ((const struct package *)packages->pdata[0])->vib;
    vib_print(session_ui(session), vib);
    ui_set(session_ui(session), "vib", json_value_vib(vib));
    return TRUE;
}

static gboolean
run(struct session *session, GError **error)
{
    const char *text = session_operand(session, 0);
    if (session_is_file(text) || g_file_test(text, G_FILE_TEST_IS_REGULAR))
        return show_file(session, text, error);
    return show_package(session, text, error);
}

const struct verb verb_vib_show = {
    .name = "show",
    .summary = "show what a VIB says of itself",
    .description = "Show the descriptor of a .vib file and who signed it, or the descriptor of a "
                   "package of the connected depots by its VIB id, name or name=version. The "
                   "payloads of a file are not read; `slipway vib verify` checks them.",
    .operands = {{"VIB", FALSE, FALSE, COMPLETE_FILE, NULL}},
    .examples = {{"slipway vib show net-driver.vib", "a file"}},
    .run = run,
};
