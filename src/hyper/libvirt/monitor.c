/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "hyper/libvirt/monitor.h"

#include "base/error.h"
#include "hyper/libvirt/failure.h"

#include <libvirt/libvirt-qemu.h>

#define PART_MAX 1000 /* of a version's three */

json_t *
monitor_ask(virDomainPtr domain, json_t *command, GError **error)
{
    const char *machine = virDomainGetName(domain);
    g_autofree char *name = g_strdup(json_string_value(json_object_get(command, "execute")));
    char *text = json_dumps(command, JSON_COMPACT);
    json_decref(command);
    auto_text answer = NULL;
    int result =
        virDomainQemuMonitorCommand(domain, text, &answer, VIR_DOMAIN_QEMU_MONITOR_COMMAND_DEFAULT);
    free(text);
    if (result < 0)
        return failure_null(error, "machine %s: QEMU's command %s", machine, name);
    json_t *json = json_loads(answer, 0, NULL);
    json_t *value = json_incref(json_object_get(json, "return"));
    if (value == NULL) {
        const char *words =
            json_string_value(json_object_get(json_object_get(json, "error"), "desc"));
        error_set(error, SLIPWAY_ERROR_FAILED, "machine %s: QEMU's command %s: %s", machine, name,
                  words != NULL ? words : "no answer");
    }
    json_decref(json);
    return value;
}

/* As libvirt counts them: 7002022 is 7.2.22; 0: it does not say. */
static unsigned long
ask_version(virDomainPtr domain)
{
    static const char *const parts[] = {"major", "minor", "micro"};
    json_t *answer = monitor_ask(domain, json_pack("{s:s}", "execute", "query-version"), NULL);
    const json_t *qemu = json_object_get(answer, "qemu");
    unsigned long version = 0;
    for (gsize i = 0; i < G_N_ELEMENTS(parts); i++) {
        json_int_t part = json_integer_value(json_object_get(qemu, parts[i]));
        version = version * PART_MAX + (unsigned long)CLAMP(part, 0, PART_MAX - 1);
    }
    json_decref(answer);
    return version;
}

gboolean
monitor_version(virDomainPtr domain, guint *ret_major, char **ret_text, GError **error)
{
    unsigned long version = ask_version(domain);
    if (version == 0 && virConnectGetVersion(virDomainGetConnect(domain), &version) < 0)
        return failure_set(error, "the version of its QEMU");
    *ret_major = (guint)(version / (PART_MAX * PART_MAX));
    *ret_text = g_strdup_printf("%lu.%lu.%lu", version / (PART_MAX * PART_MAX),
                                version / PART_MAX % PART_MAX, version % PART_MAX);
    return TRUE;
}
