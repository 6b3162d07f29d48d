/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "esx/image_customize.h"

#include "base/error.h"
#include "cli/nouns.h"
#include "cli/profile_report.h"

#include <string.h>

/* Names are looked up in the connected depots; files need none, and should not fail because a
 * server is away. */
static gboolean
needs_depots(const char *const *add)
{
    for (gsize i = 0; add != NULL && add[i] != NULL; i++) {
        if (!g_file_test(add[i], G_FILE_TEST_EXISTS))
            return TRUE;
    }
    return FALSE;
}

static gboolean
fill(struct session *session, const char *output, struct depot_set *none,
     struct image_customize *ret, GError **error)
{
    *ret = (struct image_customize){
        .add = session_list(session, OPTION_ADD),
        .remove = session_list(session, OPTION_REMOVE),
        .name = session_text(session, OPTION_NEW_NAME),
        .vendor = session_text(session, OPTION_VENDOR),
        .description = session_text(session, OPTION_DESCRIPTION),
        .acceptance = ACCEPTANCE_NONE,
        .lower_acceptance = session_flag(session, OPTION_LOWER_ACCEPTANCE),
    };
    if (!session_acceptance(session, OPTION_ACCEPTANCE, &ret->acceptance, error))
        return FALSE;
    struct depot_set *depots = needs_depots(ret->add) ? session_depots(session, error) : none;
    return depots != NULL && session_export(session, output, depots, &ret->common, error);
}

static gboolean
run(struct session *session, GError **error)
{
    const char *output = session_required(session, OPTION_OUTPUT, error);
    auto_ptr(depot_set) none = depot_set_new();
    struct image_customize customize;
    if (output == NULL || !fill(session, output, none, &customize, error))
        return FALSE;
    struct image_report report = {0};
    gboolean ok =
        image_customize_write(&customize, session_operand(session, 0), output, &report, error);
    profile_report_export(session, output, ok, &report);
    image_report_clear(&report);
    return ok;
}

const struct verb verb_image_customize = {
    .name = "customize",
    .summary = "change an installation ISO: ISO in, ISO out",
    .description =
        "Add VIBs to an installation ISO, remove some, or change its boot options, and write "
        "another ISO. What is not changed stays byte for byte, also files that no document "
        "explains; this is the safe way from release 7.0 on.",
    .operands = {{"ISO", FALSE, FALSE, COMPLETE_FILE, NULL}},
    .options = {OPTION_OUTPUT, OPTION_ADD, OPTION_REMOVE, OPTION_NEW_NAME, OPTION_VENDOR,
                OPTION_DESCRIPTION, OPTION_ACCEPTANCE, OPTION_LOWER_ACCEPTANCE, OPTION_NO_INSTALLER,
                OPTION_KERNEL_OPTION, OPTION_KICKSTART, OPTION_FORCE, OPTION_OVERWRITE},
    .examples = {{"slipway image customize stock.iso --add net-driver.vib --lower-acceptance -o "
                  "mine.iso",
                  "a driver more"},
                 {"slipway image customize stock.iso --kickstart ks.cfg -o auto.iso",
                  "an ISO that installs by itself"}},
    .run = run,
};
