/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "esx/vib_verify.h"

#include "base/cancel.h"
#include "base/error.h"
#include "esx/payload_check.h"
#include "esx/vib_file.h"
#include "esx/vib_verify_files.h"
#include "esx/visor_tar.h"

#include <string.h>

#define COPY_BUFFER 65536

struct verification {
    struct vib_file *file;
    const struct vib *vib;
    const struct trust_store *trust;
    struct progress *progress;
    struct vib_verdict *verdict;
    struct packed_files *packed; /* what the payloads hold */
};

/* What the descriptor says of itself. */

static void
check_descriptor(const struct verification *verification)
{
    struct vib_verdict *verdict = verification->verdict;
    const struct vib *vib = verification->vib;
    vib_verdict_add(verdict, VIB_FINDING_OK, VIB_TOPIC_DESCRIPTOR, NULL,
                    "the descriptor is that of %s", vib->id);
    const struct {
        gboolean wrong;
        const char *text;
    } rules[] = {
        {strchr(vib->version, '-') == NULL,
         "the version has no release (VERSION-RELEASE), which some tools need"},
        {vib->overlay && vib->acceptance <= ACCEPTANCE_COMMUNITY,
         "a community VIB with overlay=true, which hosts refuse"},
        {vib->released == 0 && !g_str_has_prefix(vib->release_date, "1970-01-01"),
         "the release date is no date"},
        {vib->type != VIB_META && vib->payloads->len == 0,
         "there is no payload, so nothing to install"},
    };
    for (gsize i = 0; i < G_N_ELEMENTS(rules); i++)
        if (rules[i].wrong)
            vib_verdict_add(verdict, VIB_FINDING_WARNING, VIB_TOPIC_DESCRIPTOR, NULL, "%s",
                            rules[i].text);
}

static void
check_signature(const struct verification *verification)
{
    struct vib_verdict *verdict = verification->verdict;
    const struct vib *vib = verification->vib;
    g_autoptr(GError) reason = NULL;
    if (verification->trust == NULL) {
        vib_verdict_add(verdict, VIB_FINDING_WARNING, VIB_TOPIC_SIGNATURE, NULL,
                        "the signature was not checked");
        return;
    }
    gboolean good =
        vib_signature_check(verification->trust, vib_file_descriptor(verification->file),
                            vib_file_signature(verification->file), vib->acceptance, vib->id,
                            &verdict->signature, &reason);
    const struct signature_result *signature = &verdict->signature;
    if (!good)
        vib_verdict_add(verdict, VIB_FINDING_ERROR, VIB_TOPIC_SIGNATURE, NULL, "%s",
                        reason->message);
    else if (!signature->is_signed)
        vib_verdict_add(verdict, VIB_FINDING_OK, VIB_TOPIC_SIGNATURE, NULL,
                        "not signed, as is usual at the level %s",
                        acceptance_title(vib->acceptance));
    else if (signature->level == ACCEPTANCE_NONE)
        vib_verdict_add(verdict, VIB_FINDING_OK, VIB_TOPIC_SIGNATURE, NULL,
                        "signed by %s, whom nobody vouches for; the level %s needs nobody",
                        signature->signer, acceptance_title(vib->acceptance));
    else
        vib_verdict_add(verdict, VIB_FINDING_OK, VIB_TOPIC_SIGNATURE, NULL,
                        "signed by %s, good for %s", signature->signer,
                        acceptance_title(signature->level));
}

/* One payload: its bytes go through the checksums on their way into the lister. */

struct tee_stream {
    struct stream base;
    const struct verification *verification;
    struct payload_check *check;
};

static gssize
read_tee(struct stream *base, void *buffer, gsize length, GError **error)
{
    struct tee_stream *self = (struct tee_stream *)base;
    gssize got = vib_file_read(self->verification->file, buffer, length, error);
    if (got > 0) {
        payload_check_update(self->check, buffer, (gsize)got);
        progress_advance(self->verification->progress, (guint64)got);
    }
    return got;
}

static void
close_tee(struct stream *base)
{
    g_free(base);
}

static const struct stream_class tee_class = {read_tee, NULL, close_tee};

static struct stream *
new_tee(const struct verification *verification, const struct payload *payload,
        struct payload_check *check)
{
    struct tee_stream *self = g_new0(struct tee_stream, 1);
    stream_init(&self->base, &tee_class, payload->size, payload->name);
    self->verification = verification;
    self->check = check;
    return &self->base;
}

static gboolean
drain(struct stream *stream, GError **error)
{
    g_autofree char *buffer = g_malloc(COPY_BUFFER);
    gssize got;
    do
        got = stream_read(stream, buffer, COPY_BUFFER, error);
    while (got > 0 && cancel_check(error));
    return got == 0;
}

static void
note_checksums(const struct verification *verification, const struct payload *payload,
               struct payload_check *check)
{
    struct vib_verdict *verdict = verification->verdict;
    g_autoptr(GError) reason = NULL;
    if (!payload_check_finish(check, &reason)) {
        vib_verdict_add(verdict, VIB_FINDING_ERROR, VIB_TOPIC_PAYLOAD, payload->name, "%s",
                        reason->message);
        return;
    }
    vib_verdict_add(verdict, VIB_FINDING_OK, VIB_TOPIC_PAYLOAD, payload->name,
                    "payload %s agrees with its %u checksums", payload->name,
                    payload->checksums->len);
    if (payload_is_gzip(payload) && payload_checksum(payload, DIGEST_SHA256, "gunzip") == NULL)
        vib_verdict_add(verdict, VIB_FINDING_WARNING, VIB_TOPIC_PAYLOAD, payload->name,
                        "payload %s has no sha-256 gunzip checksum, without which ESXi 8.0 and "
                        "later refuse it",
                        payload->name);
}

/* The list of an archive; FALSE only when reading the VIB itself failed or was stopped. */
static gboolean
list_payload(const struct verification *verification, const struct payload *payload,
             struct payload_check *check, GError **error)
{
    g_autoptr(GError) reason = NULL;
    if (!payload_is_gzip(payload))
        return TRUE;
    if (visor_tar_each(new_tee(verification, payload, check), packed_files_add,
                       verification->packed, &reason))
        return TRUE;
    packed_files_set_unknown(verification->packed);
    if (reason->code == SLIPWAY_ERROR_CANCELLED || reason->code == SLIPWAY_ERROR_IO) {
        g_propagate_error(error, g_steal_pointer(&reason));
        return FALSE;
    }
    gboolean opaque = reason->code == SLIPWAY_ERROR_UNSUPPORTED;
    vib_verdict_add(verification->verdict, opaque ? VIB_FINDING_OK : VIB_FINDING_ERROR,
                    VIB_TOPIC_FILES, payload->name, "payload %s", reason->message);
    return TRUE;
}

static gboolean
check_payload(const struct verification *verification, const struct payload *payload,
              GError **error)
{
    auto_ptr(payload_check) check =
        payload_check_new(payload, PAYLOAD_CHECK_ALL, verification->vib->id);
    if (!list_payload(verification, payload, check, error))
        return FALSE;
    auto_ptr(stream) rest = new_tee(verification, payload, check);
    if (!drain(rest, error))
        return FALSE;
    note_checksums(verification, payload, check);
    return TRUE;
}

static gboolean
check_payloads(const struct verification *verification, GError **error)
{
    const struct payload *payload = NULL;
    do {
        if (!vib_file_next(verification->file, &payload, error))
            return FALSE;
        if (payload != NULL && !check_payload(verification, payload, error))
            return FALSE;
    } while (payload != NULL);
    return TRUE;
}

/* Damage of the file is a finding; being stopped or a failing disk is not. */
static gboolean
is_about_the_file(const GError *reason)
{
    return reason->code != SLIPWAY_ERROR_CANCELLED && reason->code != SLIPWAY_ERROR_IO;
}

static gboolean
examine(struct verification *verification, GError **error)
{
    struct vib_verdict *verdict = verification->verdict;
    verification->vib = vib_file_vib(verification->file);
    verdict->id = g_strdup(verification->vib->id);
    check_descriptor(verification);
    check_signature(verification);

    g_autoptr(GError) reason = NULL;
    verification->packed = packed_files_new();
    gboolean whole = check_payloads(verification, &reason);
    if (whole) {
        vib_verdict_add(verdict, VIB_FINDING_OK, VIB_TOPIC_ARCHIVE, NULL,
                        "the archive is complete");
        packed_files_compare(verification->packed, verification->vib, verdict);
    }
    packed_files_free(verification->packed);
    if (whole)
        return TRUE;
    if (is_about_the_file(reason)) {
        vib_verdict_add(verdict, VIB_FINDING_ERROR, VIB_TOPIC_ARCHIVE, NULL, "%s", reason->message);
        return TRUE;
    }
    g_propagate_error(error, g_steal_pointer(&reason));
    return FALSE;
}

struct vib_verdict *
vib_verify(struct stream *stream, const struct trust_store *trust, struct progress *progress,
           GError **error)
{
    guint64 total = stream_size(stream);
    auto_ptr(vib_verdict) verdict = vib_verdict_new();
    g_autoptr(GError) reason = NULL;
    auto_ptr(vib_file) file = vib_file_open(stream, &reason);
    if (file == NULL && !is_about_the_file(reason)) {
        g_propagate_error(error, g_steal_pointer(&reason));
        return NULL;
    }
    if (file == NULL) {
        verdict->code = (enum slipway_error)reason->code;
        vib_verdict_add(verdict, VIB_FINDING_ERROR, VIB_TOPIC_ARCHIVE, NULL, "%s", reason->message);
        return g_steal_pointer(&verdict);
    }
    struct verification verification = {
        .file = file, .trust = trust, .progress = progress, .verdict = verdict};
    progress_begin(progress, total == STREAM_SIZE_UNKNOWN ? 0 : total, PROGRESS_BYTES,
                   "verifying %s", vib_file_vib(file)->id);
    gboolean ok = examine(&verification, error);
    progress_end(progress, ok);
    return ok ? g_steal_pointer(&verdict) : NULL;
}
