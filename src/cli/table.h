/* SPDX-License-Identifier: GPL-3.0-or-later */
/* table.h: aligned columns that fit the terminal. */
#pragma once

#include "base/auto_ptr.h"

#include <glib.h>

#define TABLE_COLUMNS_MAX 10

struct table;

/* Titles of the columns, ended by NULL; one that begins with `>` is set flush right. */
struct table *table_new(const char *title, ...) G_GNUC_NULL_TERMINATED;
void table_free(struct table *table);
AUTO_PTR_DEFINE(table, table_free)

/* One text a column, ended by NULL.  NULL cannot be a cell: use "-". */
void table_add(struct table *table, ...) G_GNUC_NULL_TERMINATED;

/* The whole of it with a line of titles; "" without a row.  `width` 0: as wide as it is (no
 * terminal).  Otherwise the widest columns are cut until a line fits. */
char *table_format(const struct table *table, gsize width);
