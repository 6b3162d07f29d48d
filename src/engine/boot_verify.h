/* SPDX-License-Identifier: GPL-3.0-or-later */
/* boot_verify.h: does a backed-up machine start?  It is started, apart from everything else, and
 * watched until it gives a sign of life or its time is over.
 *
 * One thread, as boot_set.h says. */
#pragma once

#include "base/progress.h"
#include "engine/boot_set.h"
#include "engine/boot_sign.h"

#define BOOT_TIMEOUT_DEFAULT 300u /* seconds */
#define BOOT_SETTLE_DEFAULT 20u   /* seconds */

struct boot_verify_options {
    struct boot_set_options boot; /* without a display */
    const char *text;             /* as boot_sign_new() */
    guint settle;                 /* seconds; 0: a screen is no sign */
    guint timeout;                /* seconds */
    struct progress *progress;
};

struct boot_report {
    gboolean good;
    enum boot_sign_kind sign;
    char *words;     /* what the sign was, or what there was instead */
    gint64 duration; /* milliseconds until the sign, or the end */
    struct boot_hardware hardware;
    enum boot_accelerator accelerator;
    char *no_kvm;         /* as boot_machine_no_kvm() */
    GBytes *screen;       /* PNG; NULL: there is none */
    char *without_screen; /* why; NULL */
};
void boot_report_clear(struct boot_report *report);

/* TRUE also without a sign: the report says.  FALSE when it could not be tried: as
 * boot_set_start(), and SLIPWAY_ERROR_CANCELLED. */
gboolean boot_verify(struct store *store, const struct boot_verify_options *options,
                     struct boot_report *report, GError **error);

/* The same for a set of the store (`options->boot.export.set` is filled in), and note the result in
 * its flags, and the screen beside it; what else they say is kept. */
gboolean boot_verify_and_note(struct store *store, const struct set *set,
                              const struct boot_verify_options *options, struct boot_report *report,
                              GError **error);
