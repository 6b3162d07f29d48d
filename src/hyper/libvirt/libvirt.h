/* SPDX-License-Identifier: GPL-3.0-or-later */
/* libvirt.h: what the files of this driver share: the daemon, and how its objects are given back.
 *
 * A connection may be used from several threads at once (libvirt says so), as may this. */
#pragma once

#include "hyper/hypervisor_driver.h"
#include "hyper/libvirt/daemon.h"

#include <libvirt/libvirt.h>
#include <libvirt/virterror.h>
#include <sys/types.h>

struct libvirt {
    struct hypervisor base;
    struct daemon *daemon;
    gboolean local;    /* the daemon runs on this computer: its files can be read */
    gboolean session;  /* it is a user's own */
    char *scratch;     /* directory of what runs need; NULL: SCRATCH_DIRECTORY */
    gboolean own_user; /* its QEMUs run as ... */
    uid_t uid;         /* ... this user, when it is not known to be ours */
    gid_t gid;
};

/* The machine of that UUID or name.  SLIPWAY_ERROR_NOT_FOUND, or as daemon_connect().
 * virDomainFree() it. */
virDomainPtr libvirt_find(struct libvirt *host, const char *ref_or_id, GError **error);
/* Its complete description, with what is secret in it: as it will start next time, or as it runs.
 * free() it. */
char *libvirt_xml(virDomainPtr domain, gboolean running, GError **error);

#define LIBVIRT_AUTO_DEFINE(name, type, free_function)                                             \
    static inline void auto_free_##name(type *pointer)                                             \
    {                                                                                              \
        if (*pointer != NULL)                                                                      \
            free_function(*pointer);                                                               \
    }
LIBVIRT_AUTO_DEFINE(connection, virConnectPtr, virConnectClose)
LIBVIRT_AUTO_DEFINE(domain, virDomainPtr, virDomainFree)
LIBVIRT_AUTO_DEFINE(pool, virStoragePoolPtr, virStoragePoolFree)
LIBVIRT_AUTO_DEFINE(volume, virStorageVolPtr, virStorageVolFree)
LIBVIRT_AUTO_DEFINE(checkpoint, virDomainCheckpointPtr, virDomainCheckpointFree)
LIBVIRT_AUTO_DEFINE(text, char *, free)
#define auto_connection __attribute__((cleanup(auto_free_connection))) virConnectPtr
#define auto_domain __attribute__((cleanup(auto_free_domain))) virDomainPtr
#define auto_pool __attribute__((cleanup(auto_free_pool))) virStoragePoolPtr
#define auto_volume __attribute__((cleanup(auto_free_volume))) virStorageVolPtr
#define auto_checkpoint __attribute__((cleanup(auto_free_checkpoint))) virDomainCheckpointPtr
/* What libvirt allocated. */
#define auto_text __attribute__((cleanup(auto_free_text))) char *
