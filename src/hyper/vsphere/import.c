/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "hyper/vsphere/import.h"

#include "base/cancel.h"
#include "base/error.h"
#include "base/progress.h"
#include "base/url.h"
#include "hyper/vsphere/import_post.h"
#include "hyper/vsphere/vim_private.h"

#include <string.h>

/* Between looks at a lease that is not ready yet. */
#define LOOK_FIRST_MS 50u
#define LOOK_MAX_MS 1000u
#define READY_LIMIT_S 900
/* Signs of life: a quarter of the lease's time, in these bounds. */
#define SIGN_MIN_MS 200
#define SIGN_MAX_MS 30000
/* How long a server may take to remove what was aborted. */
#define GONE_LIMIT_S 120

/* Where a disk is to be sent. */
struct slot {
    char *key, *import_key, *url, *thumbprint;
    gboolean disk;
};

struct import {
    struct vim *vim;
    struct moref lease, machine;
    GPtrArray *slots; /* of struct slot * */
    guint64 capacity;
    gboolean complete;

    GThread *keeper;
    GMutex lock; /* of what follows */
    GCond wake;
    gboolean ends;
    guint64 sent, sending; /* of disks that are done, and of the one that is not */
    gint64 sign_ms;
    GError *lost; /* the lease is gone */
};

static void
free_slot(gpointer data)
{
    struct slot *slot = data;
    g_free(slot->key);
    g_free(slot->import_key);
    g_free(slot->url);
    g_free(slot->thumbprint);
    g_free(slot);
}

/* ---- The lease ------------------------------------------------------------------------------- */

/* Why a lease has ended, in the server's words.  Returns FALSE. */
static gboolean
fail_lease(struct import *import, const xmlNode *why, GError **error)
{
    struct vim_fault fault = {0};
    const xmlNode *node = why != NULL ? xml_child(why, "fault") : NULL;
    if (node == NULL)
        return error_set(error, SLIPWAY_ERROR_FAILED,
                         "%s: the import was ended by the server, which does not say why",
                         vim_url(import->vim));
    g_autofree char *words = xml_child_text(why, "localizedMessage");
    vim_fault_read(node, words, &fault);
    vim_fault_fail(&fault, vim_url(import->vim), vim_method_find("ImportVApp"), &import->lease,
                   error);
    vim_fault_clear(&fault);
    return FALSE;
}

/* Percents, and that somebody is there.  What fails for another reason than the lease is tried
 * again with the next sign. */
static void
give_sign(struct import *import)
{
    guint64 done = import->sent + import->sending;
    guint64 percent = import->capacity != 0 ? done * 100 / import->capacity : 0;
    g_mutex_unlock(&import->lock);
    GString *arguments = g_string_new(NULL);
    struct vim_fault fault = {0};
    g_autoptr(GError) error = NULL;
    vim_put_int(arguments, "percent", (gint64)MIN(percent, 99));
    auto_xml_doc answer = vim_call(import->vim, "HttpNfcLeaseProgress", &import->lease,
                                   arguments->str, &fault, &error);
    g_string_free(arguments, TRUE);
    g_mutex_lock(&import->lock);
    if (answer == NULL && fault.type != NULL && import->lost == NULL) {
        import->lost = g_steal_pointer(&error);
        g_prefix_error(&import->lost, "the server has given up the import: ");
    }
    vim_fault_clear(&fault);
}

static gpointer
keep_alive(gpointer data)
{
    struct import *import = data;
    g_mutex_lock(&import->lock);
    while (!import->ends && import->lost == NULL) {
        gint64 until = g_get_monotonic_time() + import->sign_ms * 1000;
        while (!import->ends && g_cond_wait_until(&import->wake, &import->lock, until))
            continue;
        if (!import->ends)
            give_sign(import);
    }
    g_mutex_unlock(&import->lock);
    return NULL;
}

static void
end_keeper(struct import *import)
{
    g_mutex_lock(&import->lock);
    import->ends = TRUE;
    g_cond_broadcast(&import->wake);
    g_mutex_unlock(&import->lock);
    g_clear_pointer(&import->keeper, g_thread_join);
}

static gboolean
read_slots(struct import *import, const xmlNode *info, GError **error)
{
    for (const xmlNode *at = xml_child(info, "deviceUrl"); at; at = xml_next(at, "deviceUrl")) {
        struct slot *slot = g_new0(struct slot, 1);
        g_ptr_array_add(import->slots, slot);
        slot->key = xml_child_text(at, "key");
        slot->import_key = xml_child_text(at, "importKey");
        slot->url = xml_child_text(at, "url");
        slot->thumbprint = xml_child_text(at, "sslThumbprint");
        slot->disk = vim_child_boolean(at, "disk", TRUE);
        if (slot->url == NULL || import->slots->len > 2 * IMPORT_DISKS_MAX)
            return error_set(error, SLIPWAY_ERROR_CORRUPT,
                             "%s: the lease of an import has device URLs that make no sense",
                             vim_url(import->vim));
    }
    return TRUE;
}

static gboolean
read_info(struct import *import, const xmlNode *info, GError **error)
{
    if (info == NULL || !vim_child_moref(info, "entity", &import->machine))
        return error_set(error, SLIPWAY_ERROR_CORRUPT,
                         "%s: the lease of an import does not tell its machine",
                         vim_url(import->vim));
    guint64 seconds = vim_child_number(info, "leaseTimeout", 300);
    import->sign_ms = (gint64)CLAMP(MIN(seconds, 100000) * 250, SIGN_MIN_MS, SIGN_MAX_MS);
    return read_slots(import, info, error);
}

/* *ret_ready FALSE: look again. */
static gboolean
look(struct import *import, gboolean *ret_ready, GError **error)
{
    static const char *const paths[] = {"state", "info", "error", NULL};
    auto_ptr(vim_object) lease = vim_get(import->vim, &import->lease, paths, error);
    if (lease == NULL)
        return FALSE;
    g_autofree char *state = vim_property_text(lease, "state");
    *ret_ready = g_strcmp0(state, "ready") == 0;
    if (*ret_ready)
        return read_info(import, vim_property(lease, "info"), error);
    if (g_strcmp0(state, "error") == 0 || g_strcmp0(state, "done") == 0)
        return fail_lease(import, vim_property(lease, "error"), error);
    return TRUE;
}

static gboolean
wait_ready(struct import *import, GError **error)
{
    gint64 until = g_get_monotonic_time() + (gint64)READY_LIMIT_S * G_USEC_PER_SEC;
    guint pause = LOOK_FIRST_MS;
    for (;;) {
        gboolean ready = FALSE;
        if (!cancel_check(error) || !look(import, &ready, error))
            return FALSE;
        if (ready)
            return TRUE;
        if (g_get_monotonic_time() > until)
            return error_set(error, SLIPWAY_ERROR_FAILED,
                             "%s: the server does not get ready to take the disks; see its tasks",
                             vim_url(import->vim));
        g_usleep(pause * 1000ul);
        pause = MIN(pause * 2, LOOK_MAX_MS);
    }
}

/* A call that was lost may have been heard.  Whose machine it is then cannot be told; the server
 * takes care of it. */
static struct import *
fail_begin(const GError *cause, GError **error)
{
    gboolean lost = g_error_matches(cause, SLIPWAY_ERROR, SLIPWAY_ERROR_NETWORK);
    return error_null(error, (enum slipway_error)cause->code, "%s%s", cause->message,
                      lost ? "; should the server have begun all the same, it removes the machine "
                             "by itself some minutes later"
                           : "");
}

struct import *
import_begin(struct vim *vim, const struct moref *pool, const struct moref *folder,
             const struct moref *host, const char *config_spec, guint64 capacity, GError **error)
{
    GString *arguments = g_string_new(NULL);
    vim_begin(arguments, "spec", "VirtualMachineImportSpec");
    vim_begin(arguments, "configSpec", NULL);
    g_string_append(arguments, config_spec);
    vim_end(arguments, "configSpec");
    vim_end(arguments, "spec");
    vim_put_moref(arguments, "folder", folder);
    vim_put_moref(arguments, "host", host);
    g_autoptr(GError) cause = NULL;
    auto_xml_doc answer = vim_call(vim, "ImportVApp", pool, arguments->str, NULL, &cause);
    g_string_free(arguments, TRUE);
    if (answer == NULL)
        return fail_begin(cause, error);
    struct import *import = g_new0(struct import, 1);
    import->vim = vim;
    import->capacity = capacity;
    import->slots = g_ptr_array_new_with_free_func(free_slot);
    g_mutex_init(&import->lock);
    g_cond_init(&import->wake);
    const xmlNode *lease = vim_returned(answer);
    gboolean ok = lease != NULL && vim_get_moref(lease, &import->lease);
    if (!ok)
        error_set(error, SLIPWAY_ERROR_CORRUPT, "%s: ImportVApp returns no lease", vim_url(vim));
    if (ok && wait_ready(import, error)) {
        import->keeper = g_thread_new("lease", keep_alive, import);
        return import;
    }
    import_free(import);
    return NULL;
}

const struct moref *
import_machine(const struct import *import)
{
    return &import->machine;
}

/* ---- Disks ----------------------------------------------------------------------------------- */

/* "/VM/ParaVirtualSCSIController0:1" */
static gboolean
ends_with_place(const char *key, const char *place)
{
    gsize length = key != NULL ? strlen(key) : 0, wanted = strlen(place);
    return length > wanted && key[length - wanted - 1] == '/' &&
           strcmp(key + length - wanted, place) == 0;
}

static const struct slot *
find_slot(const struct import *import, const struct import_disk *disk)
{
    guint n = 0;
    const struct slot *same_index = NULL;
    for (guint i = 0; i < import->slots->len; i++) {
        const struct slot *slot = g_ptr_array_index(import->slots, i);
        if (ends_with_place(slot->import_key, disk->place) ||
            ends_with_place(slot->key, disk->place))
            return slot;
        if (slot->disk && n++ == disk->index)
            same_index = slot;
    }
    /* Only when nothing can be mixed up. */
    return n == disk->n ? same_index : NULL;
}

static gboolean
tell(gpointer user, guint64 position, GError **error)
{
    struct import *import = user;
    g_mutex_lock(&import->lock);
    import->sending = position;
    gboolean ok = import->lost == NULL;
    if (!ok)
        g_propagate_error(error, g_error_copy(import->lost));
    g_mutex_unlock(&import->lock);
    return ok;
}

gboolean
import_send(struct import *import, const struct import_disk *disk, struct disk *source,
            struct progress *progress, GError **error)
{
    const struct slot *slot = find_slot(import, disk);
    if (slot == NULL)
        return error_set(error, SLIPWAY_ERROR_CORRUPT,
                         "%s: the lease of the import has no URL for the disk at %s",
                         vim_url(import->vim), disk->place);
    gboolean own = FALSE;
    g_autofree char *url = import_post_url(import->vim, slot->url, &own, error);
    if (url == NULL)
        return FALSE;
    g_autofree char *origin = url_origin(url);
    g_autofree char *what = g_strdup_printf("sending %s to %s", disk_label(source), origin);
    gboolean pinned = slot->thumbprint != NULL && *slot->thumbprint != '\0' && !own;
    struct import_post post = {.vim = import->vim,
                               .url = url,
                               .thumbprint = pinned ? slot->thumbprint : NULL,
                               .cookie = own,
                               .what = what,
                               .source = source,
                               .progress = progress,
                               .tell = tell,
                               .user = import};
    gboolean ok = import_post_run(&post, error);
    g_mutex_lock(&import->lock);
    import->sending = 0;
    if (ok)
        import->sent += disk_size(source);
    g_mutex_unlock(&import->lock);
    return ok;
}

/* ---- The end --------------------------------------------------------------------------------- */

static gboolean
is_gone(struct import *import, gboolean *ret, GError **error)
{
    static const char *const paths[] = {"name", NULL};
    g_autoptr(GError) cause = NULL;
    auto_ptr(vim_object) object = vim_get(import->vim, &import->machine, paths, &cause);
    *ret = g_error_matches(cause, SLIPWAY_ERROR, SLIPWAY_ERROR_NOT_FOUND);
    if (object != NULL || *ret)
        return TRUE;
    g_propagate_error(error, g_steal_pointer(&cause));
    return FALSE;
}

/* The server was told that all is there, and its answer was lost: did it hear it? */
static gboolean
was_completed(struct import *import)
{
    static const char *const paths[] = {"state", NULL};
    g_autoptr(GError) error = NULL;
    auto_ptr(vim_object) lease = vim_get(import->vim, &import->lease, paths, &error);
    g_autofree char *state = lease != NULL ? vim_property_text(lease, "state") : NULL;
    gboolean gone = TRUE;
    if (lease != NULL)
        return g_strcmp0(state, "done") == 0;
    /* One that is over does not stay for long; one that was aborted has taken the machine along. */
    return g_error_matches(error, SLIPWAY_ERROR, SLIPWAY_ERROR_NOT_FOUND) &&
           is_gone(import, &gone, NULL) && !gone;
}

gboolean
import_complete(struct import *import, GError **error)
{
    g_autoptr(GError) cause = NULL;
    if (!tell(import, 0, error))
        return FALSE;
    end_keeper(import);
    auto_xml_doc answer =
        vim_call(import->vim, "HttpNfcLeaseComplete", &import->lease, NULL, NULL, &cause);
    import->complete =
        answer != NULL ||
        (g_error_matches(cause, SLIPWAY_ERROR, SLIPWAY_ERROR_NETWORK) && was_completed(import));
    if (!import->complete)
        g_propagate_error(error, g_steal_pointer(&cause));
    return import->complete;
}

static gboolean
destroy(struct import *import, GError **error)
{
    struct vim_wait wait = {.what = "removing the machine that was being imported",
                            .limit_s = GONE_LIMIT_S};
    g_autoptr(GError) cause = NULL;
    if (vim_run(import->vim, "Destroy_Task", &import->machine, NULL, &wait, NULL, NULL, &cause) ||
        g_error_matches(cause, SLIPWAY_ERROR, SLIPWAY_ERROR_NOT_FOUND))
        return TRUE;
    g_propagate_error(error, g_steal_pointer(&cause));
    return FALSE;
}

/* A server removes the machine when its lease is aborted, but not at once, and some do not. */
static gboolean
await_removal(struct import *import, GError **error)
{
    gint64 until = g_get_monotonic_time() + 5 * G_USEC_PER_SEC;
    for (guint pause = LOOK_FIRST_MS;; pause = MIN(pause * 2, LOOK_MAX_MS)) {
        gboolean gone = FALSE;
        if (!is_gone(import, &gone, error))
            return FALSE;
        if (gone)
            return TRUE;
        if (g_get_monotonic_time() > until)
            return destroy(import, error);
        g_usleep(pause * 1000ul);
    }
}

gboolean
import_abort(struct import *import, GError **error)
{
    if (import->complete || import->lease.value == NULL)
        return TRUE;
    end_keeper(import);
    g_autoptr(GError) cause = NULL;
    auto_xml_doc answer =
        vim_call(import->vim, "HttpNfcLeaseAbort", &import->lease, NULL, NULL, &cause);
    if (import->machine.value == NULL) {
        /* One that never got ready, or is gone by itself, has no machine. */
        import->complete = TRUE;
        return TRUE;
    }
    if (!await_removal(import, error)) {
        g_prefix_error(error, "the machine that was being imported could not be removed; remove it "
                              "by hand: ");
        return FALSE;
    }
    import->complete = TRUE;
    return TRUE;
}

void
import_free(struct import *import)
{
    if (import == NULL)
        return;
    import_abort(import, NULL);
    end_keeper(import);
    moref_clear(&import->lease);
    moref_clear(&import->machine);
    g_ptr_array_unref(import->slots);
    g_clear_error(&import->lost);
    g_mutex_clear(&import->lock);
    g_cond_clear(&import->wake);
    g_free(import);
}
