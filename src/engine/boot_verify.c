/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "engine/boot_verify.h"

#include "base/cancel.h"
#include "base/error.h"
#include "engine/boot_screen.h"
#include "store/set_screen.h"
#include "store/store_sets.h"

#define WATCH_MS 200
#define SCREEN_MS 1000 /* between two looks at the screen */
#define PING_MS 5000   /* and two calls to the agent */
#define PIECE 16384

struct watch {
    const struct boot_verify_options *options;
    struct boot_machine *machine;
    struct boot_sign *sign;
    gint64 begin; /* all of these in milliseconds */
    gint64 screen_due, ping_due;
    guint64 told; /* seconds that the progress knows of */
};

static gint64
now_ms(void)
{
    return g_get_monotonic_time() / 1000;
}

/* ---- Watching -------------------------------------------------------------------------------- */

static void
listen(struct watch *watch)
{
    char piece[PIECE];
    gsize n = boot_machine_read_serial(watch->machine, piece, sizeof piece);
    boot_sign_take_serial(watch->sign, piece, n);
    n = boot_machine_read_agent(watch->machine, piece, sizeof piece);
    boot_sign_take_agent(watch->sign, piece, n);
}

static void
look(struct watch *watch, gint64 now)
{
    if (now >= watch->ping_due) {
        boot_machine_ping_agent(watch->machine);
        watch->ping_due = now + PING_MS;
    }
    if (now < watch->screen_due)
        return;
    watch->screen_due = now + SCREEN_MS;
    g_autoptr(GBytes) screen =
        boot_machine_screen(watch->machine, FALSE, BOOT_SCREEN_BYTES_MAX, NULL);
    if (screen != NULL)
        boot_sign_take_screen(watch->sign, screen, now);
}

static void
tell(struct watch *watch, gint64 now)
{
    guint64 seconds = MIN((guint64)(now - watch->begin) / 1000, watch->options->timeout);
    progress_advance(watch->options->progress, seconds - watch->told);
    watch->told = seconds;
}

/* Until there is a sign, or nothing more can come. */
static gboolean
wait_for_sign(struct watch *watch, enum boot_state *ret_state, GError **error)
{
    gint64 end = watch->begin + (gint64)watch->options->timeout * 1000, now;
    do {
        *ret_state = boot_machine_watch(watch->machine, WATCH_MS);
        now = now_ms();
        listen(watch);
        if (*ret_state == BOOT_RUNS)
            look(watch, now);
        tell(watch, now);
        if (!cancel_check(error))
            return FALSE;
    } while (boot_sign_found(watch->sign, NULL) == BOOT_SIGN_NONE && *ret_state == BOOT_RUNS &&
             now < end);
    return TRUE;
}

/* ---- Report ---------------------------------------------------------------------------------- */

static char *
describe_state(struct watch *watch, enum boot_state state, gint64 duration)
{
    switch (state) {
    case BOOT_OFF:
        return g_strdup("the guest powered itself off");
    case BOOT_PANICKED:
        return g_strdup("the guest panicked");
    case BOOT_FAILED:
        return g_strdup("the guest's processor cannot go on");
    case BOOT_ENDED: {
        g_autofree char *end = boot_machine_end_words(watch->machine);
        return g_strdup_printf("QEMU ended with %s", end);
    }
    default:
        return g_strdup_printf("no sign of life within %" G_GINT64_FORMAT " s", duration / 1000);
    }
}

static char *
describe_lack(struct watch *watch, enum boot_state state, gint64 duration)
{
    g_autofree char *what = describe_state(watch, state, duration);
    g_autofree char *lack = boot_sign_lack(watch->sign);
    guint resets = boot_machine_resets(watch->machine);
    g_autofree char *restarts =
        resets > 0 ? g_strdup_printf("; it restarted %u times", resets) : g_strdup("");
    return g_strdup_printf("%s: %s%s", what, lack, restarts);
}

/* A machine that starts starts, though nobody sees it. */
static void
take_picture(struct watch *watch, struct boot_report *report)
{
    g_autoptr(GError) why = NULL;
    g_autoptr(GBytes) png = boot_machine_screen(watch->machine, TRUE, SET_SCREEN_MAX, &why);
    if (png != NULL && set_screen_check(png, &why))
        report->screen = g_steal_pointer(&png);
    else
        report->without_screen = g_strdup(why->message);
}

static void
fill_report(struct watch *watch, enum boot_state state, struct boot_report *report)
{
    report->duration = now_ms() - watch->begin;
    report->sign = boot_sign_found(watch->sign, &report->words);
    report->good = report->sign != BOOT_SIGN_NONE;
    if (!report->good)
        report->words = describe_lack(watch, state, report->duration);
    if (state != BOOT_ENDED)
        take_picture(watch, report);
}

static gboolean
watch_machine(const struct boot_verify_options *options, struct boot_set *boot,
              struct boot_sign *sign, struct boot_report *report, GError **error)
{
    struct watch watch = {
        .options = options, .machine = boot_set_machine(boot), .sign = sign, .begin = now_ms()};
    enum boot_state state;
    report->hardware = *boot_set_hardware(boot);
    report->accelerator = boot_machine_accelerator(watch.machine);
    report->no_kvm = g_strdup(boot_machine_no_kvm(watch.machine));
    if (!wait_for_sign(&watch, &state, error))
        return FALSE;
    fill_report(&watch, state, report);
    return TRUE;
}

gboolean
boot_verify(struct store *store, const struct boot_verify_options *options,
            struct boot_report *report, GError **error)
{
    struct boot_set_options how = options->boot;
    *report = (struct boot_report){0};
    how.hardware.hold = TRUE;
    how.hardware.display = BOOT_DISPLAY_NONE;
    auto_ptr(boot_sign) sign = boot_sign_new(options->text, options->settle * 1000, error);
    if (sign == NULL)
        return FALSE;
    progress_begin(options->progress, options->timeout, PROGRESS_ITEMS,
                   "waiting for a sign of life");
    auto_ptr(boot_set) boot = boot_set_start(store, &how, error);
    gboolean ok = boot != NULL && watch_machine(options, boot, sign, report, error);
    progress_end(options->progress, ok);
    if (boot != NULL)
        boot_set_stop(boot, 0);
    if (!ok)
        boot_report_clear(report);
    return ok;
}

void
boot_report_clear(struct boot_report *report)
{
    g_free(report->words);
    g_free(report->no_kvm);
    g_free(report->without_screen);
    g_clear_pointer(&report->screen, g_bytes_unref);
    *report = (struct boot_report){0};
}

/* ---- The record ------------------------------------------------------------------------------ */

/* The screen of an older boot says nothing of this one. */
static gboolean
note_screen(struct store *store, const struct set_id *id, GBytes *screen, GError **error)
{
    return screen != NULL ? set_screen_put(store, id, screen, error)
                          : set_screen_remove(store, id, error);
}

static gboolean
note(struct store *store, const struct set_id *id, const struct boot_report *report, GError **error)
{
    /* What the caller knows of the flags may be old; a set that was removed gets none. */
    struct set_entry *now = store_sets_read(store, id, error);
    if (now == NULL)
        return FALSE;
    struct set_flags *flags = &now->flags;
    g_free(flags->booted_sign);
    g_free(flags->booted_words);
    flags->booted = g_get_real_time() / G_USEC_PER_SEC;
    flags->booted_good = report->good;
    flags->booted_sign = g_strdup(boot_sign_name(report->sign));
    flags->booted_words = g_strdup(report->words);
    flags->booted_ms = report->duration;
    gboolean ok = note_screen(store, id, report->screen, error) &&
                  store_sets_put_flags(store, id, flags, error);
    set_entry_free(now);
    return ok;
}

gboolean
boot_verify_and_note(struct store *store, const struct set *set,
                     const struct boot_verify_options *options, struct boot_report *report,
                     GError **error)
{
    struct boot_verify_options how = *options;
    char id[SET_ID_TEXT];
    how.boot.export.set = set_id_format(&set->id, id);
    if (!boot_verify(store, &how, report, error))
        return FALSE;
    if (note(store, &set->id, report, error))
        return TRUE;
    boot_report_clear(report);
    return FALSE;
}
