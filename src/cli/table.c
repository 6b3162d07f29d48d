/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "cli/table.h"

#include "cli/text.h"

#include <stdarg.h>

#define GAP 2
#define NARROWEST 6

struct column {
    gboolean right;
    gsize width;
};

struct table {
    guint columns;
    struct column column[TABLE_COLUMNS_MAX];
    GPtrArray *cells; /* of char *, row after row; the first row are the titles */
};

static void
add_cell(struct table *table, guint column, const char *text)
{
    char *cell = text_clean(text);
    g_strdelimit(cell, "\n\t", ' ');
    g_ptr_array_add(table->cells, cell);
    table->column[column].width = MAX(table->column[column].width, text_width(cell));
}

struct table *
table_new(const char *title, ...)
{
    struct table *table = g_new0(struct table, 1);
    table->cells = g_ptr_array_new_with_free_func(g_free);
    va_list titles;
    va_start(titles, title);
    for (; title != NULL; title = va_arg(titles, const char *)) {
        g_assert(table->columns < TABLE_COLUMNS_MAX);
        table->column[table->columns].right = *title == '>';
        add_cell(table, table->columns, *title == '>' ? title + 1 : title);
        table->columns++;
    }
    va_end(titles);
    return table;
}

void
table_free(struct table *table)
{
    if (table == NULL)
        return;
    g_ptr_array_unref(table->cells);
    g_free(table);
}

void
table_add(struct table *table, ...)
{
    va_list cells;
    va_start(cells, table);
    guint column = 0;
    const char *cell;
    while ((cell = va_arg(cells, const char *)) != NULL) {
        g_assert(column < table->columns);
        add_cell(table, column++, cell);
    }
    va_end(cells);
    g_assert(column == table->columns);
}

/* Take columns off the widest one until a line fits or all are narrow. */
static void
shrink(const struct table *table, gsize *widths, gsize limit)
{
    gsize total = (table->columns - 1) * GAP;
    for (guint i = 0; i < table->columns; i++)
        total += widths[i];
    while (total > limit) {
        guint widest = 0;
        for (guint i = 1; i < table->columns; i++) {
            if (widths[i] > widths[widest])
                widest = i;
        }
        if (widths[widest] <= NARROWEST)
            return;
        widths[widest]--;
        total--;
    }
}

static void
append_right(GString *out, const char *cell, gsize width)
{
    gsize own = text_width(cell);
    for (; own < width; width--)
        g_string_append_c(out, ' ');
    g_autofree char *fitted = text_fit(cell, width);
    g_string_append(out, fitted);
}

static void
append_row(GString *out, const struct table *table, guint row, const gsize *widths)
{
    GString *line = g_string_new(NULL);
    for (guint i = 0; i < table->columns; i++) {
        const char *cell = table->cells->pdata[row * table->columns + i];
        if (i > 0)
            g_string_append(line, "  ");
        if (table->column[i].right) {
            append_right(line, cell, widths[i]);
        } else {
            g_autofree char *fitted = text_fit(cell, widths[i]);
            g_string_append(line, fitted);
        }
    }
    g_strchomp(line->str);
    g_string_append_printf(out, "%s\n", line->str);
    g_string_free(line, TRUE);
}

char *
table_format(const struct table *table, gsize width)
{
    GString *out = g_string_new(NULL);
    guint rows = table->cells->len / table->columns;
    gsize widths[TABLE_COLUMNS_MAX];
    for (guint i = 0; i < table->columns; i++)
        widths[i] = table->column[i].width;
    if (width > 0)
        shrink(table, widths, width);
    for (guint row = 0; rows > 1 && row < rows; row++)
        append_row(out, table, row, widths);
    return g_string_free(out, FALSE);
}
