/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "hyper/libvirt/daemon.h"

#include "base/cancel.h"
#include "base/error.h"
#include "base/secret.h"
#include "hyper/libvirt/dial.h"
#include "hyper/libvirt/event_loop.h"
#include "hyper/libvirt/failure.h"

#include <libvirt/virterror.h>

#define PATIENCE_S 30 /* an upgrade of its package takes some seconds */
#define ONCE_S 5      /* for one try when that is over */
#define PAUSE_MS 250

struct daemon {
    char *uri, *user, *password;
    struct progress *progress;
    GMutex lock; /* of what follows; held while it is waited for, as nobody can do without */
    virConnectPtr connection;
    struct dial *dial; /* that has not ended yet; NULL */
    gint64 lost;       /* when it was first seen not to answer; 0: it does */
};

/* ---- With the lock held ---------------------------------------------------------------------- */

/* A connection whose daemon has just gone looks alive until it is used. */
static gboolean
answers(virConnectPtr connection)
{
    unsigned long version = 0;
    gboolean ok = virConnectIsAlive(connection) == 1;
    if (ok && virConnectGetLibVersion(connection, &version) < 0)
        ok = virConnectIsAlive(connection) == 1;
    virResetLastError();
    return ok;
}

/* One that did not end goes on, and is waited for the next time. */
static virConnectPtr
attempt(struct daemon *daemon, gint64 end, gboolean cancellable, GError **error)
{
    const struct hypervisor_options options = {.user = daemon->user, .password = daemon->password};
    if (daemon->dial == NULL)
        daemon->dial = dial_new(daemon->uri, &options);
    virConnectPtr connection = dial_wait(daemon->dial, end, cancellable, error);
    if (dial_ended(daemon->dial))
        g_clear_pointer(&daemon->dial, dial_free);
    return connection;
}

/* FALSE: the user has cancelled. */
static gboolean
rest(gboolean cancellable)
{
    g_usleep(PAUSE_MS * 1000);
    return !cancellable || !cancel_requested();
}

static virConnectPtr
connect_anew(struct daemon *daemon, gboolean cancellable, GError **error)
{
    gboolean told = FALSE;
    if (daemon->lost == 0)
        daemon->lost = g_get_monotonic_time();
    gint64 end = daemon->lost + PATIENCE_S * G_USEC_PER_SEC;
    for (;;) {
        g_autoptr(GError) failure = NULL;
        gint64 now = g_get_monotonic_time();
        virConnectPtr connection =
            attempt(daemon, MAX(end, now + ONCE_S * G_USEC_PER_SEC), cancellable, &failure);
        if (connection != NULL) {
            progress_debug(daemon->progress, "connected to %s anew", daemon->uri);
            daemon->lost = 0;
            return connection;
        }
        if (!g_error_matches(failure, SLIPWAY_ERROR, SLIPWAY_ERROR_NETWORK) ||
            g_get_monotonic_time() >= end) {
            g_propagate_error(error, g_steal_pointer(&failure));
            return NULL;
        }
        if (!told)
            progress_warning(daemon->progress,
                             "the connection to libvirt is lost, and it is waited "
                             "for up to %d seconds: %s",
                             PATIENCE_S, failure->message);
        told = TRUE;
        if (!rest(cancellable) && !cancel_check(error))
            return NULL;
    }
}

/* ---- The connection -------------------------------------------------------------------------- */

static virConnectPtr
take(struct daemon *daemon, gboolean cancellable, GError **error)
{
    g_autoptr(GMutexLocker) lock = g_mutex_locker_new(&daemon->lock);
    if (cancellable && !cancel_check(error))
        return NULL;
    if (daemon->lost != 0 || !answers(daemon->connection)) {
        virConnectPtr connection = connect_anew(daemon, cancellable, error);
        if (connection == NULL)
            return NULL;
        virConnectClose(daemon->connection);
        daemon->connection = connection;
    }
    virConnectRef(daemon->connection);
    return daemon->connection;
}

virConnectPtr
daemon_connect(struct daemon *daemon, GError **error)
{
    return take(daemon, TRUE, error);
}

struct daemon *
daemon_open(const char *uri, const struct hypervisor_options *options, GError **error)
{
    if (!event_loop_hold(error))
        return NULL;
    struct daemon *daemon = g_new0(struct daemon, 1);
    g_mutex_init(&daemon->lock);
    daemon->uri = g_strdup(uri);
    daemon->user = g_strdup(options->user);
    daemon->password = g_strdup(options->password);
    daemon->progress = options->progress;
    daemon->connection = attempt(daemon, 0, TRUE, error);
    if (daemon->connection == NULL)
        g_clear_pointer(&daemon, daemon_close);
    return daemon;
}

void
daemon_close(struct daemon *daemon)
{
    if (daemon == NULL)
        return;
    if (daemon->connection != NULL)
        virConnectClose(daemon->connection);
    dial_free(daemon->dial);
    event_loop_release();
    g_mutex_clear(&daemon->lock);
    g_free(daemon->uri);
    g_free(daemon->user);
    secret_free(daemon->password);
    g_free(daemon);
}

/* ---- What was made from it ------------------------------------------------------------------- */

gboolean
daemon_renew(struct daemon *daemon, virDomainPtr *domain, GError **error)
{
    unsigned char uuid[VIR_UUID_BUFLEN];
    virConnectPtr connection = take(daemon, FALSE, error);
    if (connection == NULL)
        return FALSE;
    gboolean ok = TRUE;
    if (connection != virDomainGetConnect(*domain)) {
        virDomainPtr again =
            virDomainGetUUID(*domain, uuid) == 0 ? virDomainLookupByUUID(connection, uuid) : NULL;
        ok = again != NULL || failure_set(error, "a machine of %s", daemon->uri);
        if (ok) {
            virDomainFree(*domain);
            *domain = again;
        }
    }
    virConnectClose(connection); /* the domain has its own reference to it */
    return ok;
}

gboolean
daemon_renew_volume(struct daemon *daemon, virStorageVolPtr *volume, const char *path,
                    GError **error)
{
    virConnectPtr connection = take(daemon, FALSE, error);
    if (connection == NULL)
        return FALSE;
    gboolean ok = TRUE;
    if (connection != virStorageVolGetConnect(*volume)) {
        virStorageVolPtr again = virStorageVolLookupByPath(connection, path);
        ok = again != NULL || failure_set(error, "volume %s", path);
        if (ok) {
            virStorageVolFree(*volume);
            *volume = again;
        }
    }
    virConnectClose(connection);
    return ok;
}
