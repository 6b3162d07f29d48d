/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "esx/acceptance.h"

static const struct {
    const char *name;
    const char *title;
} levels[] = {
    [ACCEPTANCE_NONE] = {"", ""},
    [ACCEPTANCE_COMMUNITY] = {"community", "CommunitySupported"},
    [ACCEPTANCE_PARTNER] = {"partner", "PartnerSupported"},
    [ACCEPTANCE_ACCEPTED] = {"accepted", "VMwareAccepted"},
    [ACCEPTANCE_CERTIFIED] = {"certified", "VMwareCertified"},
};

/* Before there were four levels, a VIB was signed or not. */
static const struct {
    const char *name;
    enum acceptance level;
} ancient[] = {
    {"unsigned", ACCEPTANCE_COMMUNITY},
    {"signed", ACCEPTANCE_PARTNER},
};

gboolean
acceptance_parse(const char *text, enum acceptance *ret_level)
{
    for (guint i = ACCEPTANCE_COMMUNITY; i < G_N_ELEMENTS(levels); i++) {
        if (g_ascii_strcasecmp(text, levels[i].name) == 0 ||
            g_ascii_strcasecmp(text, levels[i].title) == 0) {
            *ret_level = (enum acceptance)i;
            return TRUE;
        }
    }
    for (gsize i = 0; i < G_N_ELEMENTS(ancient); i++) {
        if (g_ascii_strcasecmp(text, ancient[i].name) == 0) {
            *ret_level = ancient[i].level;
            return TRUE;
        }
    }
    return FALSE;
}

const char *
acceptance_name(enum acceptance level)
{
    return (guint)level < G_N_ELEMENTS(levels) ? levels[level].name : "";
}

const char *
acceptance_title(enum acceptance level)
{
    return (guint)level < G_N_ELEMENTS(levels) ? levels[level].title : "";
}
