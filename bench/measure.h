/* SPDX-License-Identifier: GPL-3.0-or-later */
/* measure.h: what the measuring programs share: times, memory, a directory to work in.
 *
 * They print tables in Markdown and assert nothing; a thing that fails ends the program with its
 * message, since what follows would mean nothing. */
#pragma once

#include <glib.h>

/* End the program with a message; the second only when there is an error. */
void measure_fail(const char *format, ...) G_GNUC_PRINTF(1, 2) G_GNUC_NORETURN;
void measure_must(GError *error);

/* Nanoseconds from some moment on. */
guint64 measure_now(void);

/* "processors: 2, load before: 0.1", without the line's end. */
void measure_print_machine(void);

/* Of guint64, which are sorted by this: the one that `share` (0 to 1) of them do not exceed. */
guint64 measure_percentile(GArray *values, double share);

/* Bytes of this process, as the kernel counts them. */
struct measure_memory {
    guint64 resident;  /* all that is in memory, also pages of mapped files */
    guint64 anonymous; /* of it what belongs to no file */
};
void measure_memory(struct measure_memory *ret);

/* The options of main(): --help says `summary`; a word that is no option ends the program. */
void measure_options(int argc, char **argv, const GOptionEntry *entries, const char *summary);

/* A new directory in `work`, which is made when it is missing; free the name. */
char *measure_directory_new(const char *work);
/* Remove it with everything in it. */
void measure_directory_remove(const char *path);
