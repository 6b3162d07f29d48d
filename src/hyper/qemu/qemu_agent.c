/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "hyper/qemu/qemu_agent.h"

#include "base/error.h"
#include "hyper/qmp.h"

#define SYNC_MS 5000
#define FREEZE_MINUTES 2
#define FREEZE_MINUTES_MAX 240u
#define THAW_MS (30 * 1000)
#define THAW_TRIES 3

static gboolean
run(const char *path, const char *command, guint milliseconds, gboolean *ret_silent, GError **error)
{
    int fd = qmp_dial(path, error);
    auto_ptr(qmp) agent = fd >= 0 ? qmp_open_agent(fd, SYNC_MS, error) : NULL;
    json_t *answer = agent != NULL ? qmp_run(agent, command, NULL, milliseconds, error) : NULL;
    json_decref(answer);
    /* A refusal leaves the connection as it was; anything else is no answer. */
    *ret_silent = agent != NULL && answer == NULL && !qmp_look(agent, NULL);
    return answer != NULL;
}

gboolean
qemu_agent_thaw(const char *path, GError **error)
{
    g_autoptr(GError) failure = NULL;
    gboolean silent;
    for (guint i = 0; i < THAW_TRIES; i++) {
        g_clear_error(&failure);
        if (run(path, "guest-fsfreeze-thaw", THAW_MS, &silent, &failure))
            return TRUE;
    }
    return error_set(error, SLIPWAY_ERROR_FAILED,
                     "the guest's file systems may still be frozen (%s); thaw them: "
                     "guest-fsfreeze-thaw to its agent at %s",
                     failure->message, path);
}

gboolean
qemu_agent_freeze(const char *path, guint minutes, gboolean *ret_doubt, GError **error)
{
    g_autoptr(GError) failure = NULL, thawing = NULL;
    gboolean silent;
    minutes = MIN(minutes == 0 ? FREEZE_MINUTES : minutes, FREEZE_MINUTES_MAX);
    if (run(path, "guest-fsfreeze-freeze", minutes * 60 * 1000, ret_doubt, &failure))
        return TRUE;
    /* It may freeze after all, just when nobody waits for it any more. */
    if (*ret_doubt)
        *ret_doubt = !qemu_agent_thaw(path, &thawing);
    else
        run(path, "guest-fsfreeze-thaw", THAW_MS, &silent, NULL);
    return error_set(error, SLIPWAY_ERROR_FAILED, "the guest agent: %s%s%s", failure->message,
                     thawing != NULL ? "; " : "", thawing != NULL ? thawing->message : "");
}
