/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What each VIB is judged by alone: its level, its platform, its checksums. */
#include "esx/rules_private.h"
#include "esx/word_list.h"

#include <string.h>

#define PAYLOADS_SHOWN 10
#define HIDDEN_SHOWN 3

static const char *
level_text(enum acceptance level)
{
    return level == ACCEPTANCE_NONE ? "of no acceptance level" : acceptance_title(level);
}

static void
check_acceptance(struct rules_state *state, const struct vib *vib)
{
    enum acceptance wanted = state->input->acceptance;
    if (vib->acceptance >= wanted)
        return;
    struct problem *problem =
        rules_report(state, RULE_ACCEPTANCE, RULE_ERROR, vib, acceptance_name(vib->acceptance),
                     "VIB %s is %s, but the profile wants %s or better", vib->id,
                     level_text(vib->acceptance), acceptance_title(wanted));
    if (vib->acceptance == ACCEPTANCE_NONE)
        problem->remedy = g_strdup("remove the VIB");
    else
        problem->remedy =
            g_strdup_printf("lower the acceptance level of the profile to %s, or remove the VIB",
                            acceptance_title(vib->acceptance));
}

static void
check_overlay(struct rules_state *state, const struct vib *vib)
{
    if (vib->overlay && vib->acceptance <= ACCEPTANCE_COMMUNITY)
        rules_report(state, RULE_OVERLAY, RULE_WARNING, vib, NULL,
                     "VIB %s is an overlay, which CommunitySupported VIBs are not to be", vib->id);
}

static void
check_checksums(struct rules_state *state, const struct vib *vib)
{
    if (state->generation == NULL || !state->generation->wants_gunzip_sha256)
        return;
    g_autoptr(GPtrArray) names = g_ptr_array_new();
    for (guint i = 0; i < vib->payloads->len; i++) {
        const struct payload *payload = vib->payloads->pdata[i];
        if (payload_is_gzip(payload) && payload_checksum(payload, DIGEST_SHA256, "gunzip") == NULL)
            g_ptr_array_add(names, payload->name);
    }
    if (names->len == 0)
        return;
    g_autofree char *list = word_list_format(names, PAYLOADS_SHOWN, "and");
    g_autofree char *release = rules_release_text(state);
    struct problem *problem = rules_report(
        state, RULE_CHECKSUMS, RULE_WARNING, vib, names->pdata[0],
        "VIB %s has no sha-256 checksum of the decompressed payload%s %s, and %s may refuse it",
        vib->id, names->len == 1 ? "" : "s", list, release);
    problem->remedy = g_strdup("take a build of it for this release, or have it rebuilt");
}

/* TRUE when a VIB for platform version `pattern` ("7.0.0", "5.*", "") can be in the image.
 * Drivers outlive update releases, so major and minor decide; and from 8.0 on they outlive
 * those too. */
static gboolean
fits_version(const struct rules_state *state, const char *pattern)
{
    if (pattern == NULL || *pattern == '\0' || *pattern == '*')
        return TRUE;
    if (strchr(pattern, '*') != NULL) {
        g_autofree char *folded = g_utf8_make_valid(pattern, -1);
        if (g_pattern_match_simple(folded, state->release))
            return TRUE;
    }
    int order = rules_compare_release(state, pattern);
    return order == 0 || (order < 0 && state->generation->per_platform);
}

static void
check_platform_version(struct rules_state *state, const struct vib *vib)
{
    const char *version = NULL;
    for (guint i = 0; i < vib->software_platforms->len; i++) {
        const struct software_platform *platform =
            &g_array_index(vib->software_platforms, struct software_platform, i);
        if (g_strcmp0(platform->product, RULES_PRODUCT) != 0)
            continue;
        if (fits_version(state, platform->version))
            return;
        version = platform->version;
    }
    if (version == NULL)
        return;
    g_autofree char *release = rules_release_text(state);
    struct problem *problem =
        rules_report(state, RULE_PLATFORM, RULE_WARNING, vib, version,
                     "VIB %s is for ESXi %s, and the image is %s", vib->id, version, release);
    rules_remedy_name(state, problem, vib->name, "take instead",
                      "take a build of it for this release");
}

static void
check_platform(struct rules_state *state, const struct vib *vib)
{
    if (!vib_for_product(vib, RULES_PRODUCT)) {
        const char *product =
            g_array_index(vib->software_platforms, struct software_platform, 0).product;
        struct problem *problem =
            rules_report(state, RULE_PLATFORM, RULE_WARNING, vib, product,
                         "VIB %s is for the platform %s, not for " RULES_PRODUCT, vib->id, product);
        problem->remedy = g_strdup_printf("remove %s", vib->id);
    } else if (state->generation != NULL) {
        check_platform_version(state, vib);
    }
}

/* One note for all: a stock 8.0 image has dozens of them. */
static void
note_hidden(struct rules_state *state)
{
    if (state->hidden->len == 0)
        return;
    g_autoptr(GPtrArray) ids = g_ptr_array_new();
    for (guint i = 0; i < state->hidden->len; i++)
        g_ptr_array_add(ids, ((struct vib *)state->hidden->pdata[i])->id);
    g_autofree char *list = word_list_format(ids, HIDDEN_SHOWN, "and");
    rules_report(state, RULE_PLATFORM, RULE_NOTE, NULL, NULL,
                 "left out of judgement, being for another platform than " RULES_PRODUCT ": %s",
                 list);
}

void
rules_vibs_check(struct rules_state *state)
{
    for (guint i = 0; i < state->vibs->len && !rules_full(state); i++) {
        const struct vib *vib = state->vibs->pdata[i];
        check_acceptance(state, vib);
        check_overlay(state, vib);
        check_checksums(state, vib);
        check_platform(state, vib);
    }
    note_hidden(state);
}
