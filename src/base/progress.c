/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "base/progress.h"

#include <stdarg.h>

void
progress_begin(struct progress *progress, guint64 total, enum progress_unit unit,
               const char *format, ...)
{
    if (progress == NULL)
        return;
    va_list args;
    va_start(args, format);
    g_autofree char *what = g_strdup_vprintf(format, args);
    va_end(args);
    progress->class->begin(progress, what, total, unit);
}

void
progress_advance(struct progress *progress, guint64 amount)
{
    if (progress != NULL)
        progress->class->advance(progress, amount);
}

void
progress_end(struct progress *progress, gboolean ok)
{
    if (progress != NULL)
        progress->class->end(progress, ok);
}

static void
note_valist(struct progress *progress, enum progress_note kind, const char *format, va_list args)
{
    if (progress == NULL)
        return;
    g_autofree char *text = g_strdup_vprintf(format, args);
    progress->class->note(progress, kind, text);
}

void
progress_debug(struct progress *progress, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    note_valist(progress, PROGRESS_DEBUG, format, args);
    va_end(args);
}

void
progress_info(struct progress *progress, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    note_valist(progress, PROGRESS_INFO, format, args);
    va_end(args);
}

void
progress_warning(struct progress *progress, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    note_valist(progress, PROGRESS_WARNING, format, args);
    va_end(args);
}
