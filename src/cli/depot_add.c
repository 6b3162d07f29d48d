/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "base/error.h"
#include "base/url.h"
#include "cli/json_value.h"
#include "cli/nouns.h"
#include "cli/session.h"
#include "cli/text.h"
#include "esx/known_depots.h"

#include <string.h>

#define TOKEN_PLACE "{token}"

struct addition {
    char *name; /* NULL: one is made */
    char *location;
    const char *known; /* NULL: not one of the known depots */
};

static void
addition_clear(struct addition *addition)
{
    g_free(addition->name);
    g_free(addition->location);
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
    ret->known = known->name;
    return ret->location != NULL;
}

static gboolean
take_url(struct session *session, const char *text, struct addition *ret, GError **error)
{
    if (strstr(text, TOKEN_PLACE) == NULL) {
        ret->location = g_strdup(text);
        url_register_secrets(text);
        return TRUE;
    }
    const char *token;
    if (!session_secret(session, OPTION_TOKEN_FILE, "SLIPWAY_TOKEN", &token, error))
        return FALSE;
    struct known_depot pattern = {.name = (char *)text, .url = (char *)text, .needs_token = TRUE};
    ret->location = known_depot_url(&pattern, token, error);
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

static void
report(struct session *session, const struct workspace_depot *entry, const struct depot *depot,
       json_t *list)
{
    g_autofree char *packages = text_count(depot->packages->len, "package", "packages");
    g_autofree char *profiles = text_count(depot->profiles->len, "image profile", "image profiles");
    ui_print(session_ui(session), "Connected %s (%s): %s, %s\n", entry->name, entry->title,
             packages, profiles);
    json_t *object = json_object();
    json_object_set_new(object, "name", json_value_text(entry->name));
    json_object_set_new(object, "location", json_value_text(entry->title));
    json_object_set_new(object, "kind", json_value_text(depot_kind_name(depot->kind)));
    json_object_set_new(object, "packages", json_integer((json_int_t)depot->packages->len));
    json_object_set_new(object, "profiles", json_integer((json_int_t)depot->profiles->len));
    json_array_append_new(list, object);
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
    const char *name = addition->name;
    /* A known depot may be connected twice, with two tokens: then the second gets a made name. */
    if (name == NULL && addition->known != NULL &&
        workspace_find_depot(workspace, addition->known) == NULL)
        name = addition->known;
    if (!workspace_add_depot(workspace, name, addition->location, addition->known, error))
        return FALSE;
    const struct workspace_depot *entry = workspace_find_depot(workspace, addition->location);
    report(session, entry, depot, list);
    return TRUE;
}

static gboolean
add_all(struct session *session, GPtrArray *known, json_t *list, GError **error)
{
    const char *const *locations = session_operands(session, 0);
    for (gsize i = 0; locations[i] != NULL; i++) {
        struct addition addition = {g_strdup(session_text(session, OPTION_DEPOT_NAME)), NULL, NULL};
        gboolean ok = find_location(session, locations[i], known, &addition, error) &&
                      connect_depot(session, &addition, list, error);
        addition_clear(&addition);
        if (!ok)
            return FALSE;
    }
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
        "Where a depot needs a download token, give it with --token-file or SLIPWAY_TOKEN; a "
        "location may hold {token} in its place.",
    .operands = {{"LOCATION", FALSE, TRUE, COMPLETE_KNOWN, NULL}},
    .options = {OPTION_DEPOT_NAME, OPTION_TOKEN_FILE},
    .examples = {{"slipway depot add VMware-ESXi-8.0U3-24022510-depot.zip", "an offline bundle"},
                 {"slipway depot add vmware --token-file ~/.broadcom-token",
                  "the depot of the vendor, with a customer's token"},
                 {"slipway depot add --name drivers https://depot.example.net/index.xml",
                  "an online depot of one's own"}},
    .run = run,
};
