/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "base/secret.h"
#include "cli/progress_bar.h"
#include "cli/text.h"

#include <stdlib.h>
#include <string.h>

#define SECRET "t0ps3cr3t"

static void
expect(char *got, const char *wanted)
{
    g_autofree char *text = got;
    g_assert_cmpstr(text, ==, wanted);
}

static void
test_lines(void)
{
    struct progress_state state = {"fetching 3 VIBs", 60000000, 120000000, PROGRESS_BYTES, 5000};
    expect(progress_bar_line(&state, 60),
           "fetching 3 VIBs  [=========>        ]   50%  12.0 MB/s  0:05");
    expect(progress_bar_line(&state, 45), "fetching 3 VIBs   50%  12.0 MB/s  0:05");
    expect(progress_bar_line(&state, 12), "fetching 3 ~");
    expect(progress_text_line(&state), "fetching 3 VIBs: 50% of 120.0 MB, 12.0 MB/s");
}

static void
test_lines_at_the_edges(void)
{
    struct progress_state begun = {"reading", 0, 0, PROGRESS_ITEMS, 0};
    expect(progress_bar_line(&begun, 60), "reading");
    struct progress_state unknown = {"fetching", 1500, 0, PROGRESS_BYTES, 1000};
    expect(progress_bar_line(&unknown, 60), "fetching  1.5 kB  1.5 kB/s");
    expect(progress_text_line(&unknown), "fetching: 1.5 kB, 1.5 kB/s");
    /* More than was said: full, and no time to go. */
    struct progress_state over = {"x", 30, 20, PROGRESS_ITEMS, 3000};
    expect(progress_bar_line(&over, 40), "x  [=============================]  100%");
    struct progress_state items = {"x", 5, 20, PROGRESS_ITEMS, 3000};
    expect(progress_text_line(&items), "x: 25% of 20");
}

/* What a renderer of this kind writes for one step with notes of every kind. */
static char *
written_by(enum progress_style style, gboolean quiet, gboolean verbose)
{
    char *text = NULL;
    size_t length;
    FILE *out = open_memstream(&text, &length);
    struct progress_bar *bar = progress_bar_new(out, style, quiet, verbose);
    struct progress *progress = progress_bar_progress(bar);
    progress_begin(progress, 1000, PROGRESS_BYTES, "fetching %s", SECRET);
    for (int i = 0; i < 1000; i++)
        progress_advance(progress, 1);
    progress_info(progress, "remark on %s", SECRET);
    progress_debug(progress, "detail");
    progress_warning(progress, "careful\033[1m");
    progress_end(progress, TRUE);
    progress_bar_free(bar);
    fclose(out);
    return text;
}

static void
test_styles(void)
{
    g_autofree char *lines = written_by(PROGRESS_LINES, FALSE, FALSE);
    g_assert_cmpstr(lines, ==,
                    "fetching ***\nremark on ***\nslipway: warning: careful?[1m\n"
                    "fetching ***: done, 1.0 kB in 0:00\n");
    g_autofree char *verbose = written_by(PROGRESS_NOTHING, FALSE, TRUE);
    g_assert_cmpstr(verbose, ==, "remark on ***\ndetail\nslipway: warning: careful?[1m\n");
    g_autofree char *quiet = written_by(PROGRESS_NOTHING, TRUE, FALSE);
    g_assert_cmpstr(quiet, ==, "slipway: warning: careful?[1m\n");
}

/* Drawn a few times however often it advances, never the secret, and gone at the end. */
static void
test_bar(void)
{
    g_autofree char *text = written_by(PROGRESS_BAR, FALSE, FALSE);
    g_assert_nonnull(strstr(text, "\rfetching ***"));
    g_assert_null(strstr(text, SECRET));
    g_assert_true(g_str_has_suffix(text, "\r\033[K"));
    guint drawn = 0;
    for (const char *at = text; (at = strstr(at, "\rfetching")) != NULL; at++)
        drawn++;
    g_assert_cmpuint(drawn, >=, 1);
    g_assert_cmpuint(drawn, <, 20);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    secret_register(SECRET);
    g_test_add_func("/progress-bar/lines", test_lines);
    g_test_add_func("/progress-bar/edges", test_lines_at_the_edges);
    g_test_add_func("/progress-bar/styles", test_styles);
    g_test_add_func("/progress-bar/bar", test_bar);
    return g_test_run();
}
