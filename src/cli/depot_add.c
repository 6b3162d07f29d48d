/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "base/error.h"
#include "base/url.h"
#include "cli/json_value.h"
#include "cli/nouns.h"
#include "cli/session.h"
#include "cli/text.h"
#include "esx/depot_verify.h"
#include "esx/known_depots.h"

#include <string.h>

#define TOKEN_PLACE "{token}"
#define DAMAGE_LISTED_MAX 20

struct addition {
    char *name; /* NULL: one is made */
    char *location;
    const char *known; /* NULL: not one of the known depots */
    const char *token; /* in the location; NULL: none */
};

static void
free_addition(gpointer data)
{
    struct addition *addition = data;
    g_free(addition->name);
    g_free(addition->location);
    g_free(addition);
}

static gboolean
take_known(struct session *session, const struct known_depot *known, struct addition *ret,
           GError **error)
{
    const char *token = NULL;
    if ((known->needs_token || session_flag(session, OPTION_TOKEN_FILE)) &&
        !session_secret(session, OPTION_TOKEN_FILE, "SLIPWAY_TOKEN", &token, error))
        return FALSE;
    ret->location = known_depot_url(known, token, error);
    ret->token = token;
    ret->known = known->name;
    return ret->location != NULL;
}

/* Values of a query are hidden whatever they are, and no reason to warn. */
static void
warn_exposed(struct session *session, const char *url)
{
    g_autofree char *plain = g_strndup(url, strcspn(url, "?#"));
    g_autofree char *shown = url_redact(plain);
    if (strcmp(plain, shown) != 0)
        ui_warning(session_ui(session),
                   "everybody on this machine can see the secret in the location while this runs; "
                   "use --user and --password-file, or {token} in its place and --token-file");
}

static gboolean
take_url(struct session *session, const char *text, struct addition *ret, GError **error)
{
    if (strstr(text, TOKEN_PLACE) == NULL) {
        ret->location = g_strdup(text);
        url_register_secrets(text);
        warn_exposed(session, text);
        return TRUE;
    }
    const char *token;
    if (!session_secret(session, OPTION_TOKEN_FILE, "SLIPWAY_TOKEN", &token, error))
        return FALSE;
    struct known_depot pattern = {.name = (char *)text, .url = (char *)text, .needs_token = TRUE};
    ret->location = known_depot_url(&pattern, token, error);
    ret->token = token;
    return ret->location != NULL;
}

/* What the user wrote: a URL, something on disk, or the name of a known depot. */
static gboolean
find_location(struct session *session, const char *text, GPtrArray *known, struct addition *ret,
              GError **error)
{
    if (url_is_http(text))
        return take_url(session, text, ret, error);
    const struct known_depot *found =
        strchr(text, '/') == NULL ? known_depots_find(known, text) : NULL;
    if (!g_file_test(text, G_FILE_TEST_EXISTS) && found != NULL)
        return take_known(session, found, ret, error);
    if (!g_file_test(text, G_FILE_TEST_EXISTS))
        return error_set(error, SLIPWAY_ERROR_NOT_FOUND,
                         "%s: no such file or directory, no URL and none of `slipway depot known`",
                         text);
    ret->location = g_canonicalize_filename(text, NULL);
    return TRUE;
}

/* The object of the depot for --json; it belongs to `list`. */
static json_t *
report(struct session *session, const struct workspace_depot *entry, const struct depot *depot,
       json_t *list)
{
    g_autofree char *packages = text_count(depot->packages->len, "package", "packages");
    g_autofree char *profiles = text_count(depot->profiles->len, "image profile", "image profiles");
    ui_print(session_ui(session), "Connected %s (%s): %s, %s\n", entry->name, entry->title,
             packages, profiles);
    if (depot->packages->len + depot->profiles->len == 0)
        ui_warning(session_ui(session), "%s has neither packages nor image profiles", entry->title);
    json_t *object = json_value_depot(entry, depot);
    json_object_set_new(object, "verified", json_null());
    json_array_append_new(list, object);
    return object;
}

static void
warn_damaged(struct ui *ui, const struct workspace_depot *entry,
             const struct depot_verification *found)
{
    guint damaged = found->damaged->len;
    for (guint i = 0; i < MIN(damaged, DAMAGE_LISTED_MAX); i++) {
        const struct depot_damage *damage = found->damaged->pdata[i];
        ui_warning(ui, "%s: %s", damage->package->vib->id, (char *)damage->reasons->pdata[0]);
    }
    g_autofree char *packages = text_count(found->packages, "VIB", "VIBs");
    g_autofree char *more =
        damaged > DAMAGE_LISTED_MAX
            ? g_strdup_printf(" (%u more than are listed)", damaged - DAMAGE_LISTED_MAX)
            : g_strdup("");
    ui_warning(ui,
               "%u of %s damaged or missing%s: no image with them can be exported; get %s again, "
               "and check it with `slipway depot verify %s`",
               damaged, packages, more, entry->title, entry->name);
}

/* What is damaged is connected all the same: the rest of it is of use. */
static gboolean
verify(struct session *session, const struct workspace_depot *entry, struct depot *depot,
       json_t *object, GError **error)
{
    struct ui *ui = session_ui(session);
    auto_ptr(depot_verification) found = depot_verify(depot, session_context(session, NULL),
                                                      session_workspace(session, NULL), error);
    if (found == NULL) {
        g_prefix_error(error, "depot %s is connected, but not verified: ", entry->name);
        return FALSE;
    }
    json_object_set_new(object, "verified", json_value_verification(found));
    if (found->damaged->len > 0)
        warn_damaged(ui, entry, found);
    else if (found->packages > 0)
        ui_info(ui, "every checksum of the VIBs of %s is right", entry->name);
    return TRUE;
}

/* Loaded before it is connected: what cannot be reached or read is not. */
static gboolean
connect_depot(struct session *session, const struct addition *addition, json_t *list,
              GError **error)
{
    struct workspace *workspace = session_workspace(session, error);
    const struct depot_context *usual = workspace != NULL ? session_context(session, error) : NULL;
    if (usual == NULL)
        return FALSE;
    struct depot_context context = *usual;
    context.revalidate = TRUE;
    auto_ptr(depot) depot = depot_load(addition->location, &context, error);
    if (depot == NULL)
        return FALSE;
    struct workspace_addition wanted = {
        .name = addition->name,
        .location = addition->location,
        .known = addition->known,
        .token = addition->token,
        .user = url_is_http(addition->location) ? session_text(session, OPTION_USER) : NULL,
    };
    /* A known depot may be connected twice, with two tokens: then the second gets a made name. */
    if (wanted.name == NULL && wanted.known != NULL &&
        workspace_find_depot(workspace, wanted.known) == NULL)
        wanted.name = wanted.known;
    if (!workspace_add_depot(workspace, &wanted, error))
        return FALSE;
    const struct workspace_depot *entry = workspace_find_depot(workspace, addition->location);
    json_t *object = report(session, entry, depot, list);
    if (depot->kind == DEPOT_ONLINE || session_flag(session, OPTION_NO_VERIFY))
        return TRUE;
    return verify(session, entry, depot, object, error);
}

/* All locations first: a user name and password are for their servers. */
static gboolean
find_all(struct session *session, GPtrArray *known, GPtrArray *additions, GError **error)
{
    const char *const *locations = session_operands(session, 0);
    for (gsize i = 0; locations[i] != NULL; i++) {
        struct addition *addition = g_new0(struct addition, 1);
        g_ptr_array_add(additions, addition);
        addition->name = g_strdup(session_text(session, OPTION_DEPOT_NAME));
        if (!find_location(session, locations[i], known, addition, error))
            return FALSE;
        session_entrust(session, addition->location);
    }
    return TRUE;
}

static gboolean
add_all(struct session *session, GPtrArray *known, json_t *list, GError **error)
{
    g_autoptr(GPtrArray) additions = g_ptr_array_new_with_free_func(free_addition);
    if (!find_all(session, known, additions, error))
        return FALSE;
    for (guint i = 0; i < additions->len; i++)
        if (!connect_depot(session, additions->pdata[i], list, error))
            return FALSE;
    return TRUE;
}

static gboolean
run(struct session *session, GError **error)
{
    if (session_flag(session, OPTION_DEPOT_NAME) && session_operand(session, 1) != NULL)
        return error_set(error, SLIPWAY_ERROR_USAGE, "--name is for one LOCATION at a time");
    g_autoptr(GPtrArray) known = known_depots_load(error);
    if (known == NULL)
        return FALSE;
    json_t *list = json_array();
    gboolean ok = add_all(session, known, list, error);
    ui_set(session_ui(session), "depots", list);
    return ok;
}

const struct verb verb_depot_add = {
    .name = "add",
    .summary = "connect depots to the workspace",
    .description =
        "Connect software depots to the workspace. LOCATION is the URL of an online depot (its "
        "index .xml or the directory of it), an offline bundle .zip or a .vib, local or as a URL, "
        "a directory with an unpacked bundle, or a name from `slipway depot known`.\n\n"
        "The depot is loaded at once: one that cannot be reached or read is not connected. A local "
        "file is used where it is and has to stay there.\n\n"
        "Every checksum of every VIB of a bundle, directory or .vib is checked as well, unless "
        "--no-verify is given; damaged ones are warned about, the depot is connected all the same. "
        "An export then need not check the same again beyond the SHA-256 of each file. The VIBs of "
        "an online depot are checked by the export that fetches them, or by `slipway depot verify` "
        "before.\n\n"
        "Where a depot needs a download token, give it with --token-file or SLIPWAY_TOKEN; a "
        "location may hold {token} in its place.",
    .operands = {{"LOCATION", FALSE, TRUE, COMPLETE_KNOWN, NULL}},
    .options = {OPTION_DEPOT_NAME, OPTION_TOKEN_FILE, OPTION_NO_VERIFY},
    .examples = {{"slipway depot add VMware-ESXi-8.0U3-24022510-depot.zip", "an offline bundle"},
                 {"slipway depot add vmware --token-file ~/.broadcom-token",
                  "the depot of the vendor, with a customer's token"},
                 {"slipway depot add --name drivers https://depot.example.net/index.xml",
                  "an online depot of one's own"}},
    .run = run,
};
