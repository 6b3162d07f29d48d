/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "hyper/qemu/qemu_frozen.h"

#include "base/error.h"
#include "hyper/mark.h"
#include "hyper/qemu/qemu_leftovers.h"

#include <string.h>
#include <unistd.h>

#define OURS "slipway_"

char *
qemu_frozen_prefix(const char *chain)
{
    return g_strdup_printf(OURS "%s_", chain);
}

static void
free_part(gpointer pointer)
{
    struct qemu_part *part = pointer;
    if (part->file >= 0)
        close(part->file);
    g_free(part->overlay);
    g_free(part->old);
    g_free(part->new);
    g_free(part);
}

/* ---- Thaw ------------------------------------------------------------------------------------ */

/* A guest that QEMU has stopped because there was no room for what it overwrote goes on: nothing
 * needs that room any more. */
static void
resume(struct qemu_frozen *frozen)
{
    json_t *status = qemu_session_ask(frozen->session, "query-status", NULL, NULL);
    const char *word = json_string_value(json_object_get(status, "status"));
    if (frozen->ran && g_strcmp0(word, "io-error") == 0 &&
        qemu_session_do(frozen->session, "cont", NULL, NULL))
        progress_warning(frozen->base.progress,
                         "QEMU at %s had stopped the machine at a failed write, perhaps because "
                         "scratch space had run out; it was made to go on",
                         qemu_session_path(frozen->session));
    json_decref(status);
}

/* QEMU may keep its descriptors a while (as long as the machine does not run): their room is given
 * back now. */
static gboolean
release(struct qemu_frozen *frozen)
{
    gboolean ok = TRUE;
    for (guint i = 0; i < frozen->parts->len; i++) {
        struct qemu_part *part = g_ptr_array_index(frozen->parts, i);
        if (part->file < 0)
            continue;
        ok = ftruncate(part->file, 0) == 0 && ok;
        close(part->file);
        part->file = -1;
    }
    return ok;
}

/* It is there, and not about to end. */
static gboolean
saves(const json_t *jobs, const char *id)
{
    gsize i;
    json_t *job;
    json_array_foreach((json_t *)jobs, i, job)
    {
        const char *status = json_string_value(json_object_get(job, "status"));
        if (g_strcmp0(json_string_value(json_object_get(job, "id")), id) == 0)
            return g_strcmp0(status, "running") == 0 || g_strcmp0(status, "paused") == 0;
    }
    return FALSE;
}

/* It is the QEMU that was read from: one that was started anew has not been told who we are. */
static gboolean
knows_us(struct qemu_frozen *frozen)
{
    g_autoptr(GPtrArray) notes = qemu_session_notes(frozen->session, NULL);
    return notes != NULL &&
           g_ptr_array_find_with_equal_func(notes, frozen->mark, g_str_equal, NULL);
}

/* Without its job (block-job-cancel) an export goes on without an error, and shows what the guest
 * has now.  A QEMU that ends closes its exports before it ends its jobs. */
static void
look(struct qemu_frozen *frozen)
{
    if (!frozen->reading)
        return;
    frozen->reading = FALSE;
    json_t *jobs = qemu_session_ask(frozen->session, "query-jobs", NULL, NULL);
    gboolean known = jobs != NULL && knows_us(frozen);
    for (guint i = 0; known && i < frozen->parts->len && frozen->base.torn == NULL; i++) {
        const struct qemu_part *part = g_ptr_array_index(frozen->parts, i);
        g_autofree char *id = qemu_leftovers_name(frozen->mark, QEMU_FROZEN_JOB, i);
        if (!saves(jobs, id))
            frozen->base.torn = g_strdup_printf(
                "the backup job of disk %s of QEMU at %s was ended by somebody else "
                "while it was read, so what was read may be of several moments",
                part->drive->name, qemu_session_path(frozen->session));
    }
    json_decref(jobs);
}

static gboolean
thaw(struct frozen *self, GError **error)
{
    struct qemu_frozen *frozen = (struct qemu_frozen *)self;
    look(frozen);
    if (!qemu_leftovers_remove(frozen->session, frozen->mark, frozen->agent, error))
        return FALSE;
    if (!qemu_session_is_gone(frozen->session))
        resume(frozen);
    release(frozen);
    return qemu_leftovers_remove_directory(frozen->directory, error);
}

/* ---- Settle ---------------------------------------------------------------------------------- */

struct settling {
    struct qemu_frozen *frozen;
    GPtrArray *nodes, *names; /* to be removed, of char * */
    char *prefix;
    gboolean kept;
    const char *node; /* whose bitmaps are gone through */
};

static void
collect_new(const char *node, const struct qemu_bitmap *bitmap, gpointer data)
{
    struct settling *settling = data;
    GPtrArray *parts = settling->frozen->parts;
    for (guint i = 0; i < parts->len; i++) {
        const struct qemu_part *part = g_ptr_array_index(parts, i);
        if (g_strcmp0(part->new, bitmap->name) == 0) {
            g_ptr_array_add(settling->nodes, g_strdup(node));
            g_ptr_array_add(settling->names, g_strdup(bitmap->name));
        }
    }
}

/* Every other one of the chain, on nodes that have the new one. */
static void
collect_others(const char *node, const struct qemu_bitmap *bitmap, gpointer data)
{
    struct settling *settling = data;
    if (strcmp(node, settling->node) == 0 && g_str_has_prefix(bitmap->name, settling->prefix)) {
        g_ptr_array_add(settling->nodes, g_strdup(node));
        g_ptr_array_add(settling->names, g_strdup(bitmap->name));
    }
}

static gboolean
has(GPtrArray *nodes, GPtrArray *names, guint n, const char *node, const char *name)
{
    for (guint i = 0; i < n; i++)
        if (strcmp(g_ptr_array_index(nodes, i), node) == 0 &&
            strcmp(g_ptr_array_index(names, i), name) == 0)
            return TRUE;
    return FALSE;
}

static gboolean
find_removals(struct settling *settling, guint *ret_first, GError **error)
{
    struct qemu_session *session = settling->frozen->session;
    if (!qemu_drive_visit_bitmaps(session, collect_new, settling, error))
        return FALSE;
    *ret_first = settling->kept ? settling->names->len : 0;
    for (guint i = 0; i < *ret_first; i++) {
        settling->node = g_ptr_array_index(settling->nodes, i);
        if (!qemu_drive_visit_bitmaps(session, collect_others, settling, error))
            return FALSE;
    }
    return TRUE;
}

/* Not kept: the new ones.  Kept: all others of this chain, where the new one is. */
static gboolean
remove_bitmaps(struct settling *settling, GError **error)
{
    guint first;
    if (!find_removals(settling, &first, error))
        return FALSE;
    gboolean ok = TRUE;
    for (guint i = first; i < settling->names->len; i++) {
        const char *node = g_ptr_array_index(settling->nodes, i);
        const char *name = g_ptr_array_index(settling->names, i);
        if (has(settling->nodes, settling->names, first, node, name))
            continue;
        ok = qemu_session_do(settling->frozen->session, "block-dirty-bitmap-remove",
                             json_pack("{s:s, s:s}", "node", node, "name", name),
                             ok ? error : NULL) &&
             ok;
    }
    return ok;
}

/* A QEMU that has ended has kept its bitmaps in the images, or has lost them: both is found out
 * next time. */
static gboolean
settle(struct frozen *self, gboolean kept, GError **error)
{
    struct qemu_frozen *frozen = (struct qemu_frozen *)self;
    if (qemu_session_is_gone(frozen->session))
        return TRUE;
    struct settling settling = {.frozen = frozen, .kept = kept};
    settling.nodes = g_ptr_array_new_with_free_func(g_free);
    settling.names = g_ptr_array_new_with_free_func(g_free);
    settling.prefix = qemu_frozen_prefix(frozen->chain);
    gboolean ok = remove_bitmaps(&settling, error);
    if (!ok)
        g_prefix_error(error, "QEMU at %s: cannot remove a bitmap that is not needed any more: ",
                       qemu_session_path(frozen->session));
    g_ptr_array_unref(settling.nodes);
    g_ptr_array_unref(settling.names);
    g_free(settling.prefix);
    return ok;
}

/* ---- The object ------------------------------------------------------------------------------ */

static void
free_frozen(struct frozen *self)
{
    struct qemu_frozen *frozen = (struct qemu_frozen *)self;
    g_ptr_array_unref(frozen->parts);
    if (frozen->drives != NULL)
        g_ptr_array_unref(frozen->drives);
    g_free(frozen->agent);
    g_free(frozen->mark);
    g_free(frozen->chain);
    g_free(frozen->directory);
    g_free(frozen);
}

static const struct frozen_class frozen_class = {
    .thaw = thaw,
    .settle = settle,
    .free = free_frozen,
};

struct qemu_frozen *
qemu_frozen_new(struct qemu_session *session, const char *agent, const char *scratch,
                const struct freeze_options *options)
{
    struct qemu_frozen *frozen = g_new0(struct qemu_frozen, 1);
    frozen_init(&frozen->base, &frozen_class, options);
    frozen->session = session;
    frozen->agent = g_strdup(agent);
    frozen->mark = mark_new();
    frozen->chain = g_strdup(options->chain);
    frozen->directory = qemu_leftovers_directory(scratch, frozen->mark);
    frozen->parts = g_ptr_array_new_with_free_func(free_part);
    return frozen;
}
