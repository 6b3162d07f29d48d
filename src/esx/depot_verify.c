/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "esx/depot_verify.h"

#include "base/cancel.h"
#include "base/error.h"
#include "esx/vib_check.h"

#include <string.h>
#include <unistd.h>

/* So many VIBs are in memory, head and descriptor, until what was read of them is checked. */
#define BATCH 64

/* Behind what is wrong with the payloads: it follows from that. */
#define ORDER_FILE G_MAXUINT

struct reason {
    guint order;
    char *text;
};

struct verifier {
    const struct depot_context *context;
    struct workspace *verified;
    struct depot_verification *result;
    struct vib_check *check;
    GPtrArray *batch; /* of struct export_vib *: being checked */
    GPtrArray *good;  /* of char *: SHA-256 of files that were fully checked now */
    GMutex lock;
    GHashTable *reasons; /* const struct package * -> GArray of struct reason; by any thread */
};

static void
free_damage(gpointer data)
{
    struct depot_damage *damage = data;
    g_ptr_array_unref(damage->reasons);
    g_free(damage);
}

void
depot_verification_free(struct depot_verification *verification)
{
    if (verification == NULL)
        return;
    g_ptr_array_unref(verification->damaged);
    g_free(verification);
}

static void
clear_reason(gpointer data)
{
    g_free(((struct reason *)data)->text);
}

static GArray *
new_reasons(void)
{
    GArray *reasons = g_array_new(FALSE, FALSE, sizeof(struct reason));
    g_array_set_clear_func(reasons, clear_reason);
    return reasons;
}

/* Errors name the VIB in front, which who lists them does already. */
static void
add_reason(struct verifier *self, const struct package *package, guint order, const GError *error)
{
    const char *text = error->message;
    gsize length = strlen(package->vib->id);
    if (strncmp(text, package->vib->id, length) == 0 && g_str_has_prefix(text + length, ": "))
        text += length + 2;
    struct reason reason = {order, g_strdup(text)};
    g_mutex_lock(&self->lock);
    GArray *reasons = g_hash_table_lookup(self->reasons, package);
    if (reasons == NULL) {
        reasons = new_reasons();
        g_hash_table_insert(self->reasons, (gpointer)package, reasons);
    }
    g_array_append_val(reasons, reason);
    g_mutex_unlock(&self->lock);
}

static void
note_failure(const struct export_vib *vib, const struct payload *payload, const GError *error,
             gpointer user_data)
{
    guint order = ORDER_FILE;
    if (payload != NULL)
        g_ptr_array_find(vib->vib->payloads, payload, &order);
    add_reason(user_data, vib->package, order, error);
}

static gboolean
has_reasons(struct verifier *self, const struct package *package)
{
    g_mutex_lock(&self->lock);
    gboolean found = g_hash_table_contains(self->reasons, package);
    g_mutex_unlock(&self->lock);
    return found;
}

/* Wait for the checks of what was read, and see which were right. */
static void
end_batch(struct verifier *self)
{
    vib_check_drain(self->check);
    for (guint i = 0; i < self->batch->len; i++) {
        const struct export_vib *vib = self->batch->pdata[i];
        if (!has_reasons(self, vib->package))
            g_ptr_array_add(self->good, g_strdup(vib->sha256));
    }
    g_ptr_array_set_size(self->batch, 0);
}

static gboolean
read_vib(struct verifier *self, struct package *package, GError **error)
{
    struct export_vib *vib = export_vib_open(package, error);
    if (vib == NULL)
        return FALSE;
    g_ptr_array_add(self->batch, vib);
    gboolean known = self->verified != NULL && workspace_is_verified(self->verified, vib->sha256);
    if (!vib_check_begin(self->check, vib, known, error) || !vib_check_finish(self->check, error)) {
        vib_check_abandon(self->check);
        return FALSE;
    }
    self->result->remembered += known;
    return TRUE;
}

/* FALSE when all is to stop. */
static gboolean
verify_package(struct verifier *self, struct package *package, GError **error)
{
    if (!cancel_check(error))
        return FALSE;
    if (self->batch->len == BATCH)
        end_batch(self);
    self->result->packages++;
    if (has_reasons(self, package)) /* it could not be fetched */
        return TRUE;
    g_autoptr(GError) reason = NULL;
    if (read_vib(self, package, &reason))
        return TRUE;
    if (reason->code == SLIPWAY_ERROR_CANCELLED) {
        g_propagate_error(error, g_steal_pointer(&reason));
        return FALSE;
    }
    add_reason(self, package, 0, reason);
    return TRUE;
}

static guint64
total_size(const struct depot *depot)
{
    guint64 total = 0;
    for (guint i = 0; i < depot->packages->len; i++)
        total += ((struct package *)depot->packages->pdata[i])->vib->packed_size;
    return total;
}

static gboolean
verify_packages(struct verifier *self, struct depot *depot, GError **error)
{
    gboolean ok = TRUE;
    progress_begin(self->context->progress, total_size(depot), PROGRESS_BYTES, "verifying %u VIBs",
                   depot->packages->len);
    for (guint i = 0; i < depot->packages->len && ok; i++)
        ok = verify_package(self, depot->packages->pdata[i], error);
    end_batch(self);
    progress_end(self->context->progress, ok);
    return ok;
}

static gboolean
fetch(struct verifier *self, struct depot *depot, GError **error)
{
    g_autoptr(GHashTable) failed =
        g_hash_table_new_full(NULL, NULL, NULL, (GDestroyNotify)g_error_free);
    if (!packages_fetch_each(depot->packages, self->context, failed, error))
        return FALSE;
    GHashTableIter iter;
    gpointer package, reason;
    g_hash_table_iter_init(&iter, failed);
    while (g_hash_table_iter_next(&iter, &package, &reason))
        add_reason(self, package, 0, reason);
    return TRUE;
}

static gint
compare_reasons(gconstpointer a, gconstpointer b)
{
    const struct reason *left = a, *right = b;
    return left->order < right->order ? -1 : left->order > right->order;
}

static void
list_damaged(struct verifier *self, const struct depot *depot)
{
    for (guint i = 0; i < depot->packages->len; i++) {
        const struct package *package = depot->packages->pdata[i];
        GArray *reasons = g_hash_table_lookup(self->reasons, package);
        if (reasons == NULL)
            continue;
        g_array_sort(reasons, compare_reasons);
        if (package->depot->kind == DEPOT_ONLINE && unlink(package->local_path) == 0)
            self->result->dropped++;
        struct depot_damage *damage = g_new0(struct depot_damage, 1);
        damage->package = package;
        damage->reasons = g_ptr_array_new_with_free_func(g_free);
        for (guint j = 0; j < reasons->len; j++)
            g_ptr_array_add(damage->reasons,
                            g_strdup(g_array_index(reasons, struct reason, j).text));
        g_ptr_array_add(self->result->damaged, damage);
    }
}

static void
remember_good(struct verifier *self)
{
    /* Only a saving for the next time: not being able to write it down is no failure. */
    if (self->verified != NULL && self->good->len > 0)
        workspace_add_verified(self->verified, self->good, NULL);
}

struct depot_verification *
depot_verify(struct depot *depot, const struct depot_context *context, struct workspace *verified,
             GError **error)
{
    auto_ptr(depot_verification) result = g_new0(struct depot_verification, 1);
    result->damaged = g_ptr_array_new_with_free_func(free_damage);
    struct verifier self = {.context = context, .verified = verified, .result = result};
    self.check = vib_check_new(note_failure, &self, context->progress);
    self.batch = g_ptr_array_new_with_free_func((GDestroyNotify)export_vib_free);
    self.good = g_ptr_array_new_with_free_func(g_free);
    self.reasons = g_hash_table_new_full(NULL, NULL, NULL, (GDestroyNotify)g_array_unref);
    g_mutex_init(&self.lock);

    gboolean ok = fetch(&self, depot, error) && verify_packages(&self, depot, error);
    if (ok)
        list_damaged(&self, depot);
    remember_good(&self);

    vib_check_free(self.check);
    g_ptr_array_unref(self.batch);
    g_ptr_array_unref(self.good);
    g_hash_table_unref(self.reasons);
    g_mutex_clear(&self.lock);
    return ok ? g_steal_pointer(&result) : NULL;
}
