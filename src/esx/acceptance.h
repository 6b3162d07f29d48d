/* SPDX-License-Identifier: GPL-3.0-or-later */
/* acceptance.h: the four acceptance levels, lowest first, so that they compare. */
#pragma once

#include <glib.h>

enum acceptance {
    ACCEPTANCE_NONE, /* not stated */
    ACCEPTANCE_COMMUNITY,
    ACCEPTANCE_PARTNER,
    ACCEPTANCE_ACCEPTED,
    ACCEPTANCE_CERTIFIED,
};

/* "community", "CommunitySupported", "partner", "PartnerSupported", "accepted",
 * "VMwareAccepted", "certified", "VMwareCertified", any case; the ancient "unsigned"
 * and "signed" as community and partner.  FALSE for anything else. */
gboolean acceptance_parse(const char *text, enum acceptance *ret_level);

/* As in XML: "community"; "" for none. */
const char *acceptance_name(enum acceptance level);
/* As users know it: "CommunitySupported"; "" for none. */
const char *acceptance_title(enum acceptance level);
