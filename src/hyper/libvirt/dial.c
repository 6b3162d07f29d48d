/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "hyper/libvirt/dial.h"

#include "base/cancel.h"
#include "base/error.h"
#include "base/secret.h"
#include "hyper/libvirt/event_loop.h"
#include "hyper/libvirt/failure.h"

#include <libvirt/virterror.h>
#include <string.h>

/* A host that does not answer for half a minute is gone. */
#define KEEPALIVE_SECONDS 5
#define KEEPALIVE_COUNT 6

#define POLL_MS 200 /* how often a cancel is noticed */

struct dial {
    int holders; /* atomic: who waits, and the thread */
    char *uri, *user, *password;
    GMutex lock; /* of what follows */
    GCond done;
    gboolean ended;
    virConnectPtr connection;
    GError *failure;
};

void
dial_free(struct dial *dial)
{
    if (dial == NULL || !g_atomic_int_dec_and_test(&dial->holders))
        return;
    if (dial->connection != NULL)
        virConnectClose(dial->connection);
    g_clear_error(&dial->failure);
    g_free(dial->uri);
    g_free(dial->user);
    secret_free(dial->password);
    g_mutex_clear(&dial->lock);
    g_cond_clear(&dial->done);
    g_free(dial);
}

/* ---- The thread ------------------------------------------------------------------------------ */

static const char *
answer(const virConnectCredential *question, const struct dial *dial)
{
    switch (question->type) {
    case VIR_CRED_AUTHNAME:
    case VIR_CRED_USERNAME:
    case VIR_CRED_ECHOPROMPT:
        return dial->user;
    case VIR_CRED_PASSPHRASE:
    case VIR_CRED_NOECHOPROMPT:
        return dial->password;
    }
    return NULL;
}

/* libvirt free()s the answers. */
static int
authenticate(virConnectCredentialPtr questions, unsigned n, void *data)
{
    for (unsigned i = 0; i < n; i++) {
        const char *text = answer(&questions[i], data);
        if (text == NULL)
            return -1;
        questions[i].result = strdup(text);
        questions[i].resultlen = (unsigned)strlen(text);
    }
    return 0;
}

static virConnectPtr
connect_now(struct dial *dial, GError **error)
{
    int types[] = {VIR_CRED_AUTHNAME, VIR_CRED_USERNAME, VIR_CRED_ECHOPROMPT, VIR_CRED_PASSPHRASE,
                   VIR_CRED_NOECHOPROMPT};
    virConnectAuth auth = {types, G_N_ELEMENTS(types), authenticate, dial};
    virConnectPtr connection = virConnectOpenAuth(dial->uri, &auth, 0);
    if (connection == NULL)
        return failure_null(error, "cannot connect to %s", dial->uri);
    /* Not all transports have it. */
    if (virConnectSetKeepAlive(connection, KEEPALIVE_SECONDS, KEEPALIVE_COUNT) < 0)
        virResetLastError();
    return connection;
}

static gpointer
run(gpointer data)
{
    struct dial *dial = data;
    GError *failure = NULL;
    /* Who has begun this may be gone before it ends. */
    gboolean held = event_loop_hold(&failure);
    virConnectPtr connection = held ? connect_now(dial, &failure) : NULL;
    g_mutex_lock(&dial->lock);
    dial->connection = connection;
    dial->failure = failure;
    dial->ended = TRUE;
    g_cond_signal(&dial->done);
    g_mutex_unlock(&dial->lock);
    dial_free(dial);
    if (held)
        event_loop_release();
    return NULL;
}

/* ---- Who waits ------------------------------------------------------------------------------- */

struct dial *
dial_new(const char *uri, const struct hypervisor_options *options)
{
    struct dial *dial = g_new0(struct dial, 1);
    dial->holders = 2;
    dial->uri = g_strdup(uri);
    dial->user = g_strdup(options->user);
    dial->password = g_strdup(options->password);
    g_mutex_init(&dial->lock);
    g_cond_init(&dial->done);
    g_thread_unref(g_thread_new("libvirt-dial", run, dial));
    return dial;
}

gboolean
dial_ended(struct dial *dial)
{
    g_autoptr(GMutexLocker) lock = g_mutex_locker_new(&dial->lock);
    return dial->ended;
}

virConnectPtr
dial_wait(struct dial *dial, gint64 end, gboolean cancellable, GError **error)
{
    g_autoptr(GMutexLocker) lock = g_mutex_locker_new(&dial->lock);
    while (!dial->ended) {
        gint64 now = g_get_monotonic_time();
        if (cancellable && !cancel_check(error))
            return NULL;
        if (end != 0 && now >= end)
            return error_null(error, SLIPWAY_ERROR_NETWORK,
                              "cannot connect to %s: it takes the connection and says nothing; "
                              "look at libvirtd there ('systemctl status libvirtd')",
                              dial->uri);
        gint64 until = now + POLL_MS * 1000;
        g_cond_wait_until(&dial->done, &dial->lock, end != 0 ? MIN(end, until) : until);
    }
    if (dial->failure != NULL)
        g_propagate_error(error, g_steal_pointer(&dial->failure));
    return g_steal_pointer(&dial->connection);
}
