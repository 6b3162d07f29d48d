/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "hyper/libvirt/quiesce.h"

#include "base/error.h"
#include "base/progress.h"
#include "hyper/libvirt/domain_xml.h"
#include "hyper/libvirt/failure.h"

/* How long an agent may take that has no limit of its own.  libvirt without one waits for ever. */
#define AGENT_MINUTES 1
#define WAKE_SECONDS 60
#define WAKE_TRIES 3
/* ... or as many as fit: a daemon that was started anew finds the agent a moment later. */
#define WAKE_TRIES_SECONDS 10
#define WAKE_PAUSE_MS 250

/* NULL: it can be asked. */
static const char *
no_agent(const char *xml)
{
    gboolean connected = FALSE;
    if (!domain_xml_agent(xml, &connected))
        return "the machine has no channel for a guest agent (org.qemu.guest_agent.0), so its file "
               "systems could not be brought to rest";
    if (!connected)
        return "no guest agent answers (is qemu-guest-agent installed and running in it?), so its "
               "file systems could not be brought to rest";
    return NULL;
}

static gboolean
rest(struct quiesce *quiesce, const struct freeze_options *options, GError **error)
{
    virDomainPtr domain = *quiesce->domain;
    guint minutes = options->quiesce_minutes != 0 ? options->quiesce_minutes : AGENT_MINUTES;
    char uuid[VIR_UUID_STRING_BUFLEN] = "";
    if (virDomainGetUUIDString(domain, uuid) < 0 ||
        virDomainAgentSetResponseTimeout(domain, (int)MIN(minutes, 1440u) * 60, 0) < 0)
        return failure_set(error, "its guest agent cannot be asked");
    if (!scratch_note_rest(quiesce->scratch, uuid, error))
        return FALSE;
    quiesce->asked = TRUE;
    if (virDomainFSFreeze(domain, NULL, 0, 0) < 0) {
        quiesce->doubt = failure_is_silence();
        return failure_set(error, "its guest agent did not bring the file systems to rest");
    }
    quiesce->rest = TRUE;
    return TRUE;
}

gboolean
quiesce_begin(struct quiesce *quiesce, const char *xml, const struct freeze_options *options,
              GError **error)
{
    if (options->quiesce == FREEZE_NEVER)
        return TRUE;
    g_autoptr(GError) failure = NULL;
    const char *words = no_agent(xml);
    if (words == NULL && rest(quiesce, options, &failure))
        return TRUE;
    quiesce->words = g_strdup(words != NULL ? words : failure->message);
    if (options->quiesce == FREEZE_TRY)
        return TRUE;
    if (failure != NULL) {
        g_propagate_error(error, g_steal_pointer(&failure));
        return FALSE;
    }
    return error_set(error, SLIPWAY_ERROR_UNSUPPORTED, "%s", words);
}

gboolean
quiesce_wake(virDomainPtr domain, GError **error)
{
    const char *name = virDomainGetName(domain);
    virDomainAgentSetResponseTimeout(domain, WAKE_SECONDS, 0);
    gboolean ok = virDomainFSThaw(domain, NULL, 0, 0) >= 0;
    if (!ok)
        failure_set(error,
                    "machine %s: its file systems may still be at rest, which stops whatever "
                    "writes; 'virsh domfsthaw %s' wakes them",
                    name, name);
    virDomainAgentSetResponseTimeout(domain, VIR_DOMAIN_AGENT_RESPONSE_TIMEOUT_BLOCK, 0);
    return ok;
}

static gboolean
wake(struct quiesce *quiesce, GError **error)
{
    if (daemon_renew(quiesce->daemon, quiesce->domain, error))
        return quiesce_wake(*quiesce->domain, error);
    g_prefix_error(error,
                   "machine %s: its file systems may still be at rest, which stops whatever "
                   "writes: ",
                   virDomainGetName(*quiesce->domain));
    return FALSE;
}

void
quiesce_end(struct quiesce *quiesce)
{
    if (!quiesce->asked)
        return;
    quiesce->asked = FALSE;
    g_autoptr(GError) error = NULL;
    gboolean needed = quiesce->rest || quiesce->doubt;
    gboolean awake = wake(quiesce, &error);
    gint64 end = g_get_monotonic_time() + WAKE_TRIES_SECONDS * G_TIME_SPAN_SECOND;
    for (guint i = 1; !awake && needed && (i < WAKE_TRIES || g_get_monotonic_time() < end); i++) {
        g_usleep(WAKE_PAUSE_MS * 1000);
        g_clear_error(&error);
        awake = wake(quiesce, &error);
    }
    if (!awake) {
        /* One that never rested may say so. */
        if (needed)
            progress_warning(quiesce->progress, "%s", error->message);
        return;
    }
    if (!scratch_note_rest(quiesce->scratch, NULL, &error))
        progress_warning(quiesce->progress, "%s", error->message);
}
