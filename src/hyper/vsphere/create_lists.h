/* SPDX-License-Identifier: GPL-3.0-or-later */
/* create_lists.h: the datastores and networks of a datacenter, read once; for create_place.c. */
#pragma once

#include "hyper/vsphere/create_place.h"

struct create_lists {
    GPtrArray *stores;   /* of struct create_store * */
    GPtrArray *networks; /* of struct create_network * */
};

struct create_lists *create_lists_read(struct vim *vim, const struct moref *datacenter,
                                       GError **error);
void create_lists_free(struct create_lists *lists);
/* Those that `host` (with the properties datastore and network) reaches, into the lists of `place`,
 * which borrow them. */
void create_lists_reach(const struct create_lists *lists, const struct vim_object *host,
                        struct create_place *place);

/* struct vim_object * with the property name: by it, and "a, b, c" for messages. */
void create_lists_sort(GPtrArray *objects);
char *create_lists_names(GPtrArray *objects);
/* One more name of a list; of very many only the first. */
void create_lists_append(GString *names, guint index, const char *name);
