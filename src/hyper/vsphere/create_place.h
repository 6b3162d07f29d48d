/* SPDX-License-Identifier: GPL-3.0-or-later */
/* create_place.h: where in an inventory a new machine can go, found by the names of people. */
#pragma once

#include "hyper/vsphere/vsphere.h"

struct create_store {
    struct moref self;
    char *name;
    guint64 free; /* bytes */
    gboolean accessible;
};

struct create_network {
    struct moref self;
    char *name;
    enum machine_network kind; /* MACHINE_OTHER_NETWORK: of NSX, an opaque one */
    char *switch_uuid, *key;   /* of a distributed port group; of an opaque one type and id */
};

struct create_place {
    struct moref datacenter, folder, pool, host; /* host without a value: the server's choice */
    char *compute;                               /* name of the cluster or host, for messages */
    GPtrArray *stores;          /* of struct create_store *, that can be reached from there */
    GPtrArray *networks;        /* of struct create_network * */
    struct create_lists *lists; /* where these are */
};

/* Datacenter, folder, cluster or host, pool: as `wanted` names them, else what has its datastores
 * and networks.  SLIPWAY_ERROR_NOT_FOUND lists what there is; SLIPWAY_ERROR_BUSY: the host cannot
 * take machines now. */
gboolean create_place_find(struct vsphere *vsphere, const struct machine *wanted,
                           struct create_place *ret, GError **error);
void create_place_clear(struct create_place *place);

/* By name (NULL: the one with the most room); SLIPWAY_ERROR_NOT_FOUND. */
const struct create_store *create_place_store(const struct create_place *place, const char *name,
                                              GError **error);
/* Of that kind where several have the name; `name` NULL: a standard port group, or NULL without an
 * error when there is no network at all. */
const struct create_network *create_place_network(const struct create_place *place,
                                                  enum machine_network kind, const char *name,
                                                  GError **error);
