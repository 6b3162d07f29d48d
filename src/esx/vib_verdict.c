/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "esx/vib_verdict.h"

static const char *const kind_names[] = {
    [VIB_FINDING_OK] = "ok",
    [VIB_FINDING_WARNING] = "warning",
    [VIB_FINDING_ERROR] = "error",
};

static const char *const topic_names[] = {
    [VIB_TOPIC_ARCHIVE] = "archive",     [VIB_TOPIC_DESCRIPTOR] = "descriptor",
    [VIB_TOPIC_SIGNATURE] = "signature", [VIB_TOPIC_PAYLOAD] = "payload",
    [VIB_TOPIC_FILES] = "files",
};

const char *
vib_finding_kind_name(enum vib_finding_kind kind)
{
    return kind_names[kind];
}

const char *
vib_finding_topic_name(enum vib_finding_topic topic)
{
    return topic_names[topic];
}

static void
free_finding(gpointer data)
{
    struct vib_finding *finding = data;
    g_free(finding->subject);
    g_free(finding->text);
    g_free(finding);
}

struct vib_verdict *
vib_verdict_new(void)
{
    struct vib_verdict *verdict = g_new0(struct vib_verdict, 1);
    verdict->findings = g_ptr_array_new_with_free_func(free_finding);
    verdict->code = SLIPWAY_ERROR_CORRUPT;
    return verdict;
}

void
vib_verdict_free(struct vib_verdict *verdict)
{
    if (verdict == NULL)
        return;
    signature_result_clear(&verdict->signature);
    g_ptr_array_unref(verdict->findings);
    g_free(verdict->id);
    g_free(verdict);
}

void
vib_verdict_add(struct vib_verdict *verdict, enum vib_finding_kind kind,
                enum vib_finding_topic topic, const char *subject, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    struct vib_finding *finding = g_new0(struct vib_finding, 1);
    finding->kind = kind;
    finding->topic = topic;
    finding->subject = g_strdup(subject);
    finding->text = g_strdup_vprintf(format, args);
    va_end(args);
    g_ptr_array_add(verdict->findings, finding);
}

gboolean
vib_verdict_is_bad(const struct vib_verdict *verdict)
{
    for (guint i = 0; i < verdict->findings->len; i++)
        if (((struct vib_finding *)verdict->findings->pdata[i])->kind == VIB_FINDING_ERROR)
            return TRUE;
    return FALSE;
}

gboolean
vib_verdict_to_error(const struct vib_verdict *verdict, GError **error)
{
    enum slipway_error code = SLIPWAY_ERROR_SIGNATURE;
    g_autoptr(GString) all = g_string_new(NULL);
    for (guint i = 0; i < verdict->findings->len; i++) {
        const struct vib_finding *finding = verdict->findings->pdata[i];
        if (finding->kind != VIB_FINDING_ERROR)
            continue;
        if (finding->topic != VIB_TOPIC_SIGNATURE)
            code = verdict->code;
        g_string_append_printf(all, "%s%s", all->len > 0 ? "; " : "", finding->text);
    }
    return all->len == 0 || error_set(error, code, "%s", all->str);
}
