/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "esx/vib_build.h"

#include "cli/json_value.h"
#include "cli/nouns.h"
#include "cli/session.h"

static gboolean
fill_build(struct session *session, struct vib_build *build, GError **error)
{
    *build = (struct vib_build){
        .name = session_required(session, OPTION_VIB_NAME, error),
        .summary = session_text(session, OPTION_SUMMARY),
        .description = session_text(session, OPTION_VIB_DESCRIPTION),
        .release_date = session_text(session, OPTION_RELEASE_DATE),
        .payload_name = session_text(session, OPTION_PAYLOAD_NAME),
        .depends = session_list(session, OPTION_DEPENDS),
        .conflicts = session_list(session, OPTION_CONFLICTS),
        .replaces = session_list(session, OPTION_REPLACES),
        .provides = session_list(session, OPTION_PROVIDES),
        .tags = session_list(session, OPTION_TAG),
        .maintenance_mode = session_flag(session, OPTION_MAINTENANCE_MODE),
        .live_install = session_flag(session, OPTION_LIVE_INSTALL),
        .stateless_ready = session_flag(session, OPTION_STATELESS_READY),
        .platforms = session_list(session, OPTION_PLATFORM),
        .acceptance = ACCEPTANCE_COMMUNITY,
    };
    if (build->name == NULL ||
        (build->version = session_required(session, OPTION_VIB_VERSION, error)) == NULL ||
        (build->vendor = session_required(session, OPTION_VIB_VENDOR, error)) == NULL ||
        !session_acceptance(session, OPTION_CLAIM_ACCEPTANCE, &build->acceptance, error))
        return FALSE;
    if (build->summary == NULL)
        build->summary = build->name;
    if (build->description == NULL)
        build->description = build->summary;
    return TRUE;
}

static gboolean
run(struct session *session, GError **error)
{
    struct vib_build build;
    const char *output = session_required(session, OPTION_OUTPUT, error);
    if (output == NULL || !fill_build(session, &build, error))
        return FALSE;
    gboolean overwrite;
    if (!session_overwrite(session, output, &overwrite, error) ||
        !vib_build_write(&build, session_operand(session, 0), output, overwrite,
                         session_progress(session), error))
        return FALSE;
    ui_print(session_ui(session), "Wrote %s\n", output);
    ui_set(session_ui(session), "output", json_value_text(output));
    return TRUE;
}

const struct verb verb_vib_build = {
    .name = "build",
    .summary = "make a VIB out of a directory or a driver .tgz",
    .description =
        "Pack the files below the directory INPUT, or take over the archive INPUT (.tgz, .tar.gz "
        "or "
        ".tar), and write an unsigned VIB. Paths are those on the host: opt/tool/bin/tool, "
        "usr/lib/vmware/vmkmod/driver. The same input and options give the same bytes.\n\n"
        "Paths that hosts do not accept from community VIBs are warned about.",
    .operands = {{"INPUT", FALSE, FALSE, COMPLETE_FILE, NULL}},
    .options = {OPTION_OUTPUT, OPTION_VIB_NAME, OPTION_VIB_VERSION, OPTION_VIB_VENDOR,
                OPTION_SUMMARY, OPTION_VIB_DESCRIPTION, OPTION_RELEASE_DATE, OPTION_PAYLOAD_NAME,
                OPTION_DEPENDS, OPTION_CONFLICTS, OPTION_REPLACES, OPTION_PROVIDES, OPTION_TAG,
                OPTION_PLATFORM, OPTION_MAINTENANCE_MODE, OPTION_LIVE_INSTALL,
                OPTION_STATELESS_READY, OPTION_CLAIM_ACCEPTANCE, OPTION_OVERWRITE},
    .examples = {{"slipway vib build driver.tgz --name net-mine --version 1.0-1 --vendor Mine "
                  "--tag driver --maintenance-mode -o net-mine.vib",
                  "a driver"}},
    .run = run,
};
