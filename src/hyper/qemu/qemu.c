/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A QEMU with a QMP socket and nobody else to look after it, as a hypervisor of one machine. */
#include "base/error.h"
#include "hyper/hypervisor_driver.h"
#include "hyper/qemu/qemu_describe.h"
#include "hyper/qemu/qemu_frozen.h"
#include "hyper/qemu/qemu_leftovers.h"

#include <string.h>

#define SCHEME "qmp://"

struct qemu {
    struct hypervisor base;
    struct qemu_session *session;
    char *agent;   /* NULL */
    char *scratch; /* a directory */
};

/* ---- Opening --------------------------------------------------------------------------------- */

/* "agent=/run/app01.agent" */
static gboolean
read_options(const char *query, char **ret_agent, GError **error)
{
    GUriParamsIter iterator;
    g_uri_params_iter_init(&iterator, query, -1, "&", G_URI_PARAMS_NONE);
    char *name, *value;
    gboolean ok = TRUE;
    while (ok && g_uri_params_iter_next(&iterator, &name, &value, NULL)) {
        if (strcmp(name, "agent") == 0 && value[0] == '/') {
            g_free(*ret_agent);
            *ret_agent = g_steal_pointer(&value);
        } else {
            ok = error_set(error, SLIPWAY_ERROR_USAGE,
                           "the URI of a QEMU takes ?agent=/SOCKET and nothing else");
        }
        g_free(name);
        g_free(value);
    }
    return ok;
}

static char *
read_uri(const char *uri, char **ret_agent, GError **error)
{
    const char *path = uri + strlen(SCHEME);
    const char *query = strchr(path, '?');
    const char *end = query != NULL ? query : path + strlen(path);
    g_autofree char *plain = g_uri_unescape_segment(path, end, NULL);
    if (!g_str_has_prefix(uri, SCHEME) || plain == NULL || plain[0] != '/' || plain[1] == '\0')
        return error_null(error, SLIPWAY_ERROR_USAGE,
                          "the URI of a QEMU names its QMP socket: qmp:///run/app01.qmp");
    if (query != NULL && !read_options(query + 1, ret_agent, error))
        return NULL;
    return g_steal_pointer(&plain);
}

static struct hypervisor *
open_qemu(const char *uri, const struct hypervisor_options *options, GError **error)
{
    g_autofree char *agent = NULL;
    g_autofree char *path = read_uri(uri, &agent, error);
    auto_ptr(qemu_session) session = path != NULL ? qemu_session_open(path, error) : NULL;
    if (session == NULL)
        return NULL;
    struct qemu *qemu = g_new0(struct qemu, 1);
    g_autofree char *label = g_strconcat(SCHEME, path, NULL);
    unsigned capabilities = HYPERVISOR_CAN_TRACK | (agent != NULL ? HYPERVISOR_CAN_QUIESCE : 0);
    hypervisor_init(&qemu->base, &hypervisor_qemu, capabilities, label, options);
    qemu->session = g_steal_pointer(&session);
    qemu->agent = g_steal_pointer(&agent);
    qemu->scratch = g_strdup(options->scratch != NULL ? options->scratch : g_get_tmp_dir());
    return &qemu->base;
}

static void
close_qemu(struct hypervisor *self)
{
    struct qemu *qemu = (struct qemu *)self;
    qemu_session_close(qemu->session);
    g_free(qemu->agent);
    g_free(qemu->scratch);
    g_free(qemu);
}

/* All of it is the socket's. */
static gsize
measure_path(const char *scheme G_GNUC_UNUSED, const char *path)
{
    return strlen(path);
}

/* ---- What is there --------------------------------------------------------------------------- */

static gboolean
about_qemu(struct hypervisor *self, struct hypervisor_about *ret, GError **error G_GNUC_UNUSED)
{
    struct qemu *qemu = (struct qemu *)self;
    ret->product = g_strdup("QEMU");
    ret->version = g_strdup(qemu_session_version(qemu->session));
    ret->api = g_strdup("QMP");
    if (qemu->agent == NULL)
        ret->words = g_strdup("no guest agent is named, so backups are crash-consistent; add "
                              "?agent=/SOCKET to the URI");
    return TRUE;
}

static GPtrArray *
list_qemu(struct hypervisor *self, GError **error)
{
    struct qemu *qemu = (struct qemu *)self;
    struct machine *machine = qemu_describe(qemu->session, FALSE, error);
    if (machine == NULL)
        return NULL;
    GPtrArray *list = g_ptr_array_new_with_free_func((GDestroyNotify)machine_free);
    g_ptr_array_add(list, machine);
    return list;
}

static gboolean
check_machine(struct qemu *qemu, const struct machine *machine, const char *ref, GError **error)
{
    if (g_strcmp0(machine->ref, ref) == 0 || g_ascii_strcasecmp(machine->id, ref) == 0)
        return TRUE;
    return error_set(error, SLIPWAY_ERROR_NOT_FOUND, "%s is machine %s; there is no %s",
                     qemu->base.label, machine->name, ref);
}

static struct machine *
describe_qemu(struct hypervisor *self, const char *ref_or_id, GError **error)
{
    struct qemu *qemu = (struct qemu *)self;
    auto_ptr(machine) machine = qemu_describe(qemu->session, TRUE, error);
    if (machine == NULL || !check_machine(qemu, machine, ref_or_id, error))
        return NULL;
    return g_steal_pointer(&machine);
}

static GPtrArray *
places_qemu(struct hypervisor *self G_GNUC_UNUSED, GError **error G_GNUC_UNUSED)
{
    return g_ptr_array_new_with_free_func((GDestroyNotify)place_free);
}

/* ---- Backups --------------------------------------------------------------------------------- */

static struct frozen *
freeze_qemu(struct hypervisor *self, const struct machine *machine,
            const struct freeze_options *options, GError **error)
{
    struct qemu *qemu = (struct qemu *)self;
    auto_ptr(machine) now = qemu_describe(qemu->session, FALSE, error);
    if (now == NULL || !check_machine(qemu, now, machine->ref, error))
        return NULL;
    struct frozen *frozen = qemu_freeze(qemu->session, qemu->agent, qemu->scratch, options, error);
    if (frozen == NULL)
        g_prefix_error(error, "machine %s: ", now->name);
    return frozen;
}

static gboolean
clean_qemu(struct hypervisor *self, const char *ref, GPtrArray *words, GError **error)
{
    struct qemu *qemu = (struct qemu *)self;
    if (ref != NULL) {
        auto_ptr(machine) machine = qemu_describe(qemu->session, FALSE, error);
        if (machine == NULL || !check_machine(qemu, machine, ref, error))
            return FALSE;
    }
    return qemu_leftovers_clean(qemu->session, qemu->scratch, qemu->agent, words, error);
}

static const char *const schemes[] = {"qmp", NULL};

const struct hypervisor_class hypervisor_qemu = {
    .name = "qemu",
    .schemes = schemes,
    .open = open_qemu,
    .path_length = measure_path,
    .close = close_qemu,
    .about = about_qemu,
    .list = list_qemu,
    .describe = describe_qemu,
    .places = places_qemu,
    .freeze = freeze_qemu,
    .clean = clean_qemu,
};
