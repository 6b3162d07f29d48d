/* SPDX-License-Identifier: GPL-3.0-or-later */
/* rules_fixture.h: judging made-up images, for the tests of the rules. */
#pragma once

#include "esx/rules.h"
#include "vib_fixture.h"

/* An esx-base that makes an image whole. */
#define BASE_67                                                                                    \
    fixture_vib(.name = "esx-base", .version = "6.7.0-0.0.8169922", .vendor = "VMware",            \
                .payloads = "boot:b; boot:k",                                                      \
                .provides = "esx-version = 6.7.0-0.0.8169922; vmkapi_2_3_0_0; vmkapi_2_4_0_0; "    \
                            "vmkapi_2_5_0_0; com.vmware.driverAPI-9.2.3.0; unversioned")
#define BASE_70                                                                                    \
    fixture_vib(.name = "esx-base", .version = "7.0.3-0.0.18644231", .vendor = "VMware",           \
                .payloads = "boot:b; boot:k",                                                      \
                .provides = "esx-version = 7.0.3-0.0.18644231; vmkapi_2_6_0_0; vmkapi_2_7_0_0")
#define BASE_80                                                                                    \
    fixture_vib(.name = "esx-base", .version = "8.0.3-0.0.24022510", .vendor = "VMware",           \
                .payloads = "boot:b; boot:k", .platforms = "embeddedEsx 8.0",                      \
                .provides = "esx-version = 8.0.3-0.0.24022510; vmkapi_2_10_0_0")

#define ID_67 "VMware_bootbank_esx-base_6.7.0-0.0.8169922"
#define ID_70 "VMware_bootbank_esx-base_7.0.3-0.0.18644231"
#define ID_80 "VMware_bootbank_esx-base_8.0.3-0.0.24022510"

struct image {
    GPtrArray *vibs;
    struct depot_set *depots;
    enum acceptance acceptance;
    const char *const *missing;
};

static inline struct image *
image_new(struct vib *first)
{
    struct image *image = g_new0(struct image, 1);
    image->vibs = fixture_vibs();
    g_ptr_array_add(image->vibs, first);
    return image;
}

static inline void
image_free(struct image *image)
{
    g_ptr_array_unref(image->vibs);
    depot_set_free(image->depots);
    g_free(image);
}
AUTO_PTR_DEFINE(image, image_free)

static inline void
image_add(struct image *image, struct vib *vib)
{
    g_ptr_array_add(image->vibs, vib);
}

/* Connect a depot that offers `vibs` (taken over), up to a NULL. */
static inline void
image_connect(struct image *image, const char *title, struct vib *const *vibs)
{
    struct depot *depot = fixture_depot(title, DEPOT_BUNDLE);
    for (gsize i = 0; vibs[i] != NULL; i++)
        fixture_offer(depot, vibs[i]);
    if (image->depots == NULL)
        image->depots = depot_set_new();
    depot_set_add(image->depots, depot);
}
#define VIBS(...) ((struct vib *const[]){__VA_ARGS__, NULL})

static inline GPtrArray *
image_judge(const struct image *image)
{
    struct rules_input input = {
        .vibs = image->vibs,
        .missing = image->missing,
        .acceptance = image->acceptance,
        .depots = image->depots,
    };
    return rules_check(&input);
}

/* All of it as text, a line a problem:
 * "error depends VIB-ID [subject] message | remedy | candidate candidate". */
static inline char *
problems_text(const GPtrArray *problems)
{
    GString *text = g_string_new(NULL);
    for (guint i = 0; i < problems->len; i++) {
        const struct problem *problem = problems->pdata[i];
        g_string_append_printf(text, "%s %s %s [%s] %s", rule_severity_name(problem->severity),
                               rule_name(problem->rule), FIXTURE_OR(problem->vib_id, "-"),
                               FIXTURE_OR(problem->subject, "-"), problem->message);
        if (problem->remedy != NULL)
            g_string_append_printf(text, " | %s", problem->remedy);
        for (guint j = 0; j < problem->candidates->len; j++)
            g_string_append_printf(text, "%s%s", j == 0 ? " | " : " ",
                                   (char *)problem->candidates->pdata[j]);
        g_string_append_c(text, '\n');
    }
    return g_string_free(text, FALSE);
}

static inline void
image_expect(const struct image *image, const char *expected)
{
    g_autoptr(GPtrArray) problems = image_judge(image);
    g_autofree char *text = problems_text(problems);
    g_assert_cmpstr(text, ==, expected);
}
