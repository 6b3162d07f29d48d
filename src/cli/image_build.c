/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "base/error.h"
#include "cli/nouns.h"
#include "cli/profile_report.h"
#include "esx/known_depots.h"
#include "esx/recipe.h"

/* A user name and password are for the servers of the recipe's depots. */
static gboolean
entrust_depots(struct session *session, const struct recipe *recipe, GError **error)
{
    g_autoptr(GPtrArray) known = known_depots_load(error);
    if (known == NULL)
        return FALSE;
    for (guint i = 0; i < recipe->depots->len; i++) {
        const struct recipe_depot *depot = recipe->depots->pdata[i];
        const struct known_depot *found =
            depot->known != NULL ? known_depots_find(known, depot->known) : NULL;
        const char *location = found != NULL ? found->url : depot->location;
        if (location != NULL)
            session_entrust(session, location);
    }
    return TRUE;
}

static gboolean
run(struct session *session, GError **error)
{
    const char *path = session_operand(session, 0);
    const char *output = session_required(session, OPTION_OUTPUT, error);
    auto_ptr(recipe) recipe = output != NULL ? recipe_load(path, error) : NULL;
    struct recipe_build build = {.locked = session_flag(session, OPTION_LOCKED),
                                 .lock_path = session_text(session, OPTION_LOCK),
                                 .trust_files = session_list(session, OPTION_TRUST)};
    if (recipe == NULL || !entrust_depots(session, recipe, error) ||
        !session_export(session, output, NULL, &build.common, error))
        return FALSE;
    struct image_report report = {0};
    gboolean ok = recipe_build_write(&build, recipe, output, &report, error);
    profile_report_export(session, output, ok, &report);
    image_report_clear(&report);
    return ok;
}

const struct verb verb_image_build = {
    .name = "build",
    .summary = "build what a recipe describes",
    .description =
        "Build an installation ISO or an offline bundle from a recipe: one YAML file with depots, "
        "profile, packages and options. After a build the lock file holds what was taken, by VIB "
        "id and checksum; --locked takes exactly that again, or fails and says what differs.",
    .operands = {{"RECIPE", FALSE, FALSE, COMPLETE_FILE, NULL}},
    .options = {OPTION_OUTPUT, OPTION_LOCKED, OPTION_LOCK, OPTION_FORCE, OPTION_OVERWRITE},
    .examples = {{"slipway image build site.yaml -o site.iso", "build and write site.lock"},
                 {"slipway image build site.yaml -o site.iso --locked --overwrite",
                  "the same again, byte for byte"}},
    .run = run,
};
