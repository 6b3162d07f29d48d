/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "base/error.h"
#include "cli/json_value.h"
#include "cli/nouns.h"
#include "cli/profile_report.h"

static gboolean
ends_with(const char *path, const char *ending)
{
    g_autofree char *lower = g_ascii_strdown(path, -1);
    return g_str_has_suffix(lower, ending);
}

static gboolean
choose_form(struct session *session, const char *output, gboolean *ret_iso, GError **error)
{
    gboolean iso = session_flag(session, OPTION_ISO), bundle = session_flag(session, OPTION_BUNDLE);
    if (iso && bundle)
        return error_set(error, SLIPWAY_ERROR_USAGE, "--iso and --bundle exclude each other");
    if (!iso && !bundle) {
        iso = ends_with(output, ".iso");
        bundle = ends_with(output, ".zip");
    }
    if (!iso && !bundle)
        return error_set(error, SLIPWAY_ERROR_USAGE,
                         "%s ends neither in .iso nor in .zip; say --iso or --bundle", output);
    *ret_iso = iso;
    return TRUE;
}

static gboolean
check_iso_options(struct session *session, gboolean iso, GError **error)
{
    static const enum option_id of_isos[] = {OPTION_NO_INSTALLER, OPTION_KERNEL_OPTION,
                                             OPTION_KICKSTART, OPTION_BASE_ISO};
    for (gsize i = 0; !iso && i < G_N_ELEMENTS(of_isos); i++) {
        if (session_flag(session, of_isos[i]))
            return error_set(error, SLIPWAY_ERROR_USAGE, "--%s is for an ISO, not for a bundle",
                             option_row(of_isos[i])->name);
    }
    return TRUE;
}

static gboolean
run(struct session *session, GError **error)
{
    gboolean iso = TRUE;
    struct image_export export;
    const char *output = session_required(session, OPTION_OUTPUT, error);
    if (output == NULL || !choose_form(session, output, &iso, error) ||
        !check_iso_options(session, iso, error))
        return FALSE;
    const struct profile *profile =
        session_find_profile(session, session_operand(session, 0), error);
    struct depot_set *depots = profile != NULL ? session_depots(session, error) : NULL;
    if (depots == NULL || !session_export(session, output, depots, &export, error))
        return FALSE;
    struct image_report report = {0};
    gboolean ok = iso ? image_export_iso(&export, profile, output, &report, error)
                      : image_export_bundle(&export, profile, output, &report, error);
    ui_set(session_ui(session), "profile", json_value_text(profile->name));
    profile_report_export(session, output, ok, &report);
    image_report_clear(&report);
    return ok;
}

const struct verb verb_profile_export = {
    .name = "export",
    .summary = "write an installation ISO or an offline bundle",
    .description =
        "Export an image profile of the workspace or of a depot: as a bootable installation ISO "
        "when FILE ends in .iso, as an offline bundle when it ends in .zip. Packages that lie on "
        "servers are fetched; rules, signatures and checksums are checked; FILE appears when it is "
        "complete. The same profile gives the same bytes.\n\n"
        "Releases from 7.0 on have archives on their ISOs that no depot holds; --base-iso takes "
        "them from an ISO of the same release.",
    .operands = {{"PROFILE", FALSE, FALSE, COMPLETE_PROFILES, NULL}},
    .options = {OPTION_OUTPUT, OPTION_ISO, OPTION_BUNDLE, OPTION_NO_INSTALLER, OPTION_KERNEL_OPTION,
                OPTION_KICKSTART, OPTION_BASE_ISO, OPTION_FORCE, OPTION_OVERWRITE},
    .examples = {{"slipway profile export mine -o mine.iso", "a bootable ISO"},
                 {"slipway profile export mine -o mine.zip", "a bundle for other tools"},
                 {"slipway profile export mine -o mine.iso --kickstart ks.cfg",
                  "an ISO that installs by itself"}},
    .run = run,
};
