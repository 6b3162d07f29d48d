/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What the image as a whole must have. */
#include "esx/rules_private.h"
#include "esx/word_list.h"

#include <string.h>

#define PROVIDERS_SHOWN 10
#define BASE_LEAD "start from a stock image profile, or add"
#define BASE_OTHERWISE                                                                             \
    "start from a stock image profile, or connect a depot of ESXi and add esx-base"

static gboolean
has_boot_payload(const struct vib *vib)
{
    for (guint i = 0; i < vib->payloads->len; i++)
        if (strcmp(((struct payload *)vib->payloads->pdata[i])->type, "boot") == 0)
            return vib->type == VIB_BOOTBANK;
    return FALSE;
}

static void
check_boot(struct rules_state *state)
{
    for (guint i = 0; i < state->vibs->len; i++)
        if (has_boot_payload(state->vibs->pdata[i]))
            return;
    struct problem *problem =
        rules_report(state, RULE_BOOT, RULE_ERROR, NULL, NULL,
                     "no VIB of the profile has a payload that can be booted");
    rules_remedy_name(state, problem, "esx-base", BASE_LEAD, BASE_OTHERWISE);
}

static void
check_esx_version(struct rules_state *state)
{
    const GPtrArray *list = g_hash_table_lookup(state->providers, "esx-version");
    if (list == NULL) {
        struct problem *problem = rules_report(
            state, RULE_ESX_VERSION, RULE_ERROR, NULL, "esx-version",
            "no VIB of the profile provides esx-version: its release of ESXi is not known");
        rules_remedy_name(state, problem, "esx-base", BASE_LEAD, BASE_OTHERWISE);
        return;
    }
    if (list->len == 1)
        return;
    g_autoptr(GPtrArray) ids = g_ptr_array_new();
    for (guint i = 0; i < list->len; i++)
        g_ptr_array_add(ids, ((struct vib *)list->pdata[i])->id);
    g_autofree char *text = word_list_format(ids, PROVIDERS_SHOWN, "and");
    struct problem *problem = rules_report(state, RULE_ESX_VERSION, RULE_ERROR, NULL, "esx-version",
                                           "%u VIBs provide esx-version: %s", list->len, text);
    problem->remedy = g_strdup("remove all but one");
}

/* Packages of the same name as the VIB that is not there, told from its id. */
static const char *
guess_name(struct rules_state *state, const char *vib_id, GPtrArray *packages)
{
    for (guint i = 0; i < packages->len; i++) {
        const struct vib *vib = ((struct package *)packages->pdata[i])->vib;
        g_autofree char *prefix =
            g_strdup_printf("%s_%s_%s_", vib->vendor, vib_type_name(vib->type), vib->name);
        if (g_str_has_prefix(vib_id, prefix) && !g_hash_table_contains(state->providers, vib->name))
            return vib->name;
    }
    return NULL;
}

static void
report_missing(struct rules_state *state, const char *vib_id, GPtrArray *packages)
{
    struct problem *problem =
        rules_report(state, RULE_MISSING, RULE_ERROR, NULL, NULL,
                     "VIB %s is in the profile, but in no connected depot", vib_id);
    problem->vib_id = g_strdup(vib_id);
    const char *name = guess_name(state, vib_id, packages);
    const char *otherwise = "connect the depot that has it";
    if (name != NULL)
        rules_remedy_name(state, problem, name, "connect the depot that has it, or add", otherwise);
    else
        problem->remedy = g_strdup(otherwise);
}

static void
check_missing(struct rules_state *state)
{
    const char *const *missing = state->input->missing;
    if (missing == NULL)
        return;
    g_autoptr(GPtrArray) packages =
        state->input->depots != NULL ? depot_set_packages(state->input->depots) : g_ptr_array_new();
    for (gsize i = 0; missing[i] != NULL && !rules_full(state); i++)
        report_missing(state, missing[i], packages);
}

void
rules_image_check(struct rules_state *state)
{
    check_boot(state);
    check_esx_version(state);
    check_missing(state);
}
