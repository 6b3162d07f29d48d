/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The frontend: arguments and what a driver answers are checked here, once. */
#include "base/cancel.h"
#include "base/error.h"
#include "hyper/hypervisor_driver.h"
#include "hyper/machine_secret.h"

#include <string.h>

static const char *const transport_names[HYPERVISOR_TRANSPORT_N] = {
    [HYPERVISOR_TRANSPORT_AUTO] = "auto",
    [HYPERVISOR_TRANSPORT_HOTADD] = "hotadd",
    [HYPERVISOR_TRANSPORT_HTTPS] = "https",
    [HYPERVISOR_TRANSPORT_VDDK] = "vddk",
};

const char *
hypervisor_transport_name(enum hypervisor_transport transport)
{
    return transport < HYPERVISOR_TRANSPORT_N ? transport_names[transport] : "?";
}

gboolean
hypervisor_transport_parse(const char *name, enum hypervisor_transport *ret)
{
    for (guint i = 0; i < HYPERVISOR_TRANSPORT_N; i++)
        if (g_strcmp0(name, transport_names[i]) == 0) {
            *ret = i;
            return TRUE;
        }
    return FALSE;
}

void
hypervisor_init(struct hypervisor *hypervisor, const struct hypervisor_class *class,
                unsigned capabilities, const char *label, const struct hypervisor_options *options)
{
    hypervisor->class = class;
    hypervisor->label = g_strdup(label);
    hypervisor->capabilities = capabilities;
    hypervisor->progress = options != NULL ? options->progress : NULL;
}

void
hypervisor_close(struct hypervisor *hypervisor)
{
    if (hypervisor == NULL)
        return;
    /* The driver may still want to name itself while it logs out. */
    g_autofree char *label = hypervisor->label;
    hypervisor->class->close(hypervisor);
}

const char *
hypervisor_label(const struct hypervisor *hypervisor)
{
    return hypervisor->label;
}

const char *
hypervisor_driver(const struct hypervisor *hypervisor)
{
    return hypervisor->class->name;
}

unsigned
hypervisor_capabilities(const struct hypervisor *hypervisor)
{
    return hypervisor->capabilities;
}

gboolean
hypervisor_about(struct hypervisor *hypervisor, struct hypervisor_about *ret, GError **error)
{
    *ret = (struct hypervisor_about){NULL};
    if (hypervisor->class->about(hypervisor, ret, error))
        return TRUE;
    hypervisor_about_clear(ret);
    return FALSE;
}

void
hypervisor_about_clear(struct hypervisor_about *about)
{
    g_free(about->product);
    g_free(about->version);
    g_free(about->api);
    g_free(about->id);
    g_free(about->words);
    *about = (struct hypervisor_about){NULL};
}

static gint
compare_machines(gconstpointer a, gconstpointer b)
{
    const struct machine *x = *(struct machine *const *)a, *y = *(struct machine *const *)b;
    int order = g_strcmp0(x->folder, y->folder);
    if (order == 0)
        order = g_strcmp0(x->name, y->name);
    return order != 0 ? order : g_strcmp0(x->ref, y->ref);
}

GPtrArray *
hypervisor_list(struct hypervisor *hypervisor, GError **error)
{
    if (!cancel_check(error))
        return NULL;
    GPtrArray *machines = hypervisor->class->list(hypervisor, error);
    if (machines != NULL)
        g_ptr_array_sort(machines, compare_machines);
    return machines;
}

static gboolean
check_ref(const struct hypervisor *hypervisor, const char *ref, GError **error)
{
    if (ref != NULL && *ref != '\0' && g_utf8_validate(ref, -1, NULL))
        return TRUE;
    return error_set(error, SLIPWAY_ERROR_USAGE, "%s: no machine is named", hypervisor->label);
}

struct machine *
hypervisor_describe(struct hypervisor *hypervisor, const char *ref_or_id, GError **error)
{
    if (!check_ref(hypervisor, ref_or_id, error) || !cancel_check(error))
        return NULL;
    struct machine *machine = hypervisor->class->describe(hypervisor, ref_or_id, error);
    if (machine != NULL)
        machine_secret_register(machine);
    return machine;
}

void
place_free(struct place *place)
{
    if (place == NULL)
        return;
    g_free(place->name);
    g_free(place->path);
    g_free(place->words);
    g_free(place);
}

const char *
place_kind_name(enum place_kind kind)
{
    static const char *const names[PLACE_KIND_N] = {
        [PLACE_DATASTORE] = "datastore", [PLACE_NETWORK] = "network", [PLACE_FOLDER] = "folder",
        [PLACE_HOST] = "host",           [PLACE_CLUSTER] = "cluster", [PLACE_POOL] = "pool",
    };
    return kind < PLACE_KIND_N ? names[kind] : "?";
}

static gint
compare_places(gconstpointer a, gconstpointer b)
{
    const struct place *x = *(struct place *const *)a, *y = *(struct place *const *)b;
    if (x->kind != y->kind)
        return x->kind < y->kind ? -1 : 1;
    int order = g_strcmp0(x->name, y->name);
    return order != 0 ? order : g_strcmp0(x->path, y->path);
}

GPtrArray *
hypervisor_places(struct hypervisor *hypervisor, GError **error)
{
    if (!cancel_check(error))
        return NULL;
    GPtrArray *places = hypervisor->class->places(hypervisor, error);
    if (places != NULL)
        g_ptr_array_sort(places, compare_places);
    return places;
}

/* Nothing of this asks cancel_check(): what is left behind goes although the user has cancelled. */
gboolean
hypervisor_clean(struct hypervisor *hypervisor, const char *ref, GPtrArray **ret_words,
                 GError **error)
{
    g_autoptr(GPtrArray) words = g_ptr_array_new_with_free_func(g_free);
    gboolean ok = (ref == NULL || check_ref(hypervisor, ref, error)) &&
                  hypervisor->class->clean(hypervisor, ref, words, error);
    if (ret_words != NULL)
        *ret_words = g_steal_pointer(&words);
    return ok;
}

static gboolean
is_chain(const char *chain)
{
    static const char allowed[] = "abcdefghijklmnopqrstuvwxyz0123456789";
    gsize length = chain != NULL ? strlen(chain) : 0;
    return length >= 1 && length <= 16 && strspn(chain, allowed) == length;
}

static gboolean
check_freeze(const struct hypervisor *hypervisor, const struct machine *machine,
             const struct freeze_options *options, GError **error)
{
    if (!check_ref(hypervisor, machine->ref, error))
        return FALSE;
    if (options->n_disks == 0)
        return error_set(error, SLIPWAY_ERROR_USAGE, "%s: no disk of machine %s is named",
                         hypervisor->label, machine->ref);
    for (guint i = 0; i < options->n_disks; i++)
        for (guint j = 0; j < i; j++)
            if (g_strcmp0(options->disks[i].name, options->disks[j].name) == 0)
                return error_set(error, SLIPWAY_ERROR_USAGE,
                                 "%s: disk %s of machine %s is named twice", hypervisor->label,
                                 options->disks[i].name, machine->ref);
    if (!is_chain(options->chain))
        return error_set(error, SLIPWAY_ERROR_USAGE,
                         "%s: \"%s\" cannot name a chain of backups: it takes 1 to 16 of [a-z0-9]",
                         hypervisor->label, options->chain != NULL ? options->chain : "");
    if (options->quiesce == FREEZE_REQUIRE && !(hypervisor->capabilities & HYPERVISOR_CAN_QUIESCE))
        return error_set(error, SLIPWAY_ERROR_UNSUPPORTED,
                         "%s: guests cannot be brought to rest here; do without --quiesce require",
                         hypervisor->label);
    return TRUE;
}

struct frozen *
hypervisor_freeze(struct hypervisor *hypervisor, const struct machine *machine,
                  const struct freeze_options *options, GError **error)
{
    if (!check_freeze(hypervisor, machine, options, error) || !cancel_check(error))
        return NULL;
    gint64 begun = g_get_monotonic_time();
    struct frozen *frozen = hypervisor->class->freeze(hypervisor, machine, options, error);
    if (frozen == NULL)
        return NULL;
    if (frozen->begun == 0)
        frozen->begun = begun;
    if (frozen_check(frozen, options, error))
        return frozen;
    g_prefix_error(error, "%s: machine %s: ", hypervisor->label, machine->ref);
    frozen_free(frozen);
    return NULL;
}

struct placement *
hypervisor_create(struct hypervisor *hypervisor, const struct machine *wanted,
                  struct progress *progress, GError **error)
{
    if (hypervisor->class->create == NULL || !(hypervisor->capabilities & HYPERVISOR_CAN_CREATE))
        return error_null(error, SLIPWAY_ERROR_UNSUPPORTED,
                          "%s: machines cannot be made here; restore the disks to files, or to "
                          "another hypervisor",
                          hypervisor->label);
    if (wanted->name == NULL || *wanted->name == '\0')
        return error_null(error, SLIPWAY_ERROR_USAGE, "%s: the new machine has no name",
                          hypervisor->label);
    if (!cancel_check(error))
        return NULL;
    return hypervisor->class->create(hypervisor, wanted, progress, error);
}

struct placement *
hypervisor_overwrite(struct hypervisor *hypervisor, const char *ref, const char *const *names,
                     struct progress *progress, GError **error)
{
    if (hypervisor->class->overwrite == NULL ||
        !(hypervisor->capabilities & HYPERVISOR_CAN_IN_PLACE))
        return error_null(error, SLIPWAY_ERROR_UNSUPPORTED,
                          "%s: disks of a machine cannot be written in place here; restore it as "
                          "a new machine",
                          hypervisor->label);
    if (!check_ref(hypervisor, ref, error) || !cancel_check(error))
        return NULL;
    return hypervisor->class->overwrite(hypervisor, ref, names, progress, error);
}
