/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "store/lease.h"

#include "base/durable_file.h"
#include "base/error.h"
#include "store/seal.h"

#include <errno.h>
#include <jansson.h>
#include <signal.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define LEASE_MAX 65536u

static const char *const kinds[] = {[LEASE_WRITER] = "writer", [LEASE_PRUNE] = "prune"};

struct lease {
    struct store *store;
    enum lease_kind kind;
    char id[STORE_ID_TEXT];
    char *object;
    gint64 created;
    guint64 sequence;
    GThread *thread;
    GMutex lock; /* of what follows */
    GCond changed;
    gboolean ending;
};

/* ---- One's own ------------------------------------------------------------------------------- */

/* What tells this run of the machine from others: a process number means nothing after a reboot. */
static char *
boot_id(void)
{
    g_autofree char *text = NULL;
    if (!g_file_get_contents("/proc/sys/kernel/random/boot_id", &text, NULL, NULL))
        return g_strdup("");
    return g_strdup(g_strstrip(text));
}

static GBytes *
seal_lease(const struct lease *lease, GError **error)
{
    g_autofree char *boot = boot_id();
    json_t *json = json_pack("{s:s, s:s, s:s, s:I, s:I, s:I, s:I}", "kind", kinds[lease->kind],
                             "host", g_get_host_name(), "boot", boot, "pid", (json_int_t)getpid(),
                             "created", (json_int_t)lease->created, "refreshed",
                             (json_int_t)(g_get_real_time() / G_USEC_PER_SEC), "sequence",
                             (json_int_t)lease->sequence);
    char *text = json_dumps(json, JSON_SORT_KEYS | JSON_COMPACT);
    GBytes *object = seal_close(SEAL_LEASE, store_key_of(lease->store), text, strlen(text), error);
    free(text);
    json_decref(json);
    return object;
}

/* A refresh replaces only what is there: a lease that was removed stays removed. */
static void
refresh(struct lease *lease)
{
    lease->sequence++;
    g_autoptr(GBytes) object = seal_lease(lease, NULL);
    if (object != NULL && lease_check(lease, NULL))
        repo_replace(store_repo(lease->store), lease->object, g_bytes_get_data(object, NULL),
                     g_bytes_get_size(object), NULL);
}

static gpointer
keep_fresh(gpointer data)
{
    struct lease *lease = data;
    g_mutex_lock(&lease->lock);
    while (!lease->ending) {
        gint64 until = g_get_monotonic_time() + LEASE_REFRESH_SECONDS * G_TIME_SPAN_SECOND;
        if (g_cond_wait_until(&lease->changed, &lease->lock, until))
            continue;
        g_mutex_unlock(&lease->lock);
        refresh(lease);
        g_mutex_lock(&lease->lock);
    }
    g_mutex_unlock(&lease->lock);
    return NULL;
}

struct lease *
lease_take(struct store *store, enum lease_kind kind, GError **error)
{
    struct lease *lease = g_new0(struct lease, 1);
    lease->store = store;
    lease->kind = kind;
    lease->created = g_get_real_time() / G_USEC_PER_SEC;
    g_autoptr(GBytes) object = NULL;
    if (store_random_id(lease->id, error))
        object = seal_lease(lease, error);
    lease->object = g_strdup_printf("leases/%s", lease->id);
    if (object == NULL ||
        !repo_put(store_repo(store), lease->object, g_bytes_get_data(object, NULL),
                  g_bytes_get_size(object), error)) {
        g_free(lease->object);
        g_free(lease);
        return NULL;
    }
    g_mutex_init(&lease->lock);
    g_cond_init(&lease->changed);
    lease->thread = g_thread_new("lease", keep_fresh, lease);
    return lease;
}

const char *
lease_id(const struct lease *lease)
{
    return lease->id;
}

gboolean
lease_check(struct lease *lease, GError **error)
{
    guint64 size;
    g_autoptr(GError) local = NULL;
    if (repo_size(store_repo(lease->store), lease->object, &size, &local))
        return TRUE;
    if (g_error_matches(local, SLIPWAY_ERROR, SLIPWAY_ERROR_NOT_FOUND))
        return error_set(error, SLIPWAY_ERROR_BUSY,
                         "this process was taken for dead by another one that cleaned up in %s, as "
                         "it did not answer for long; run it again",
                         store_label(lease->store));
    g_propagate_error(error, g_steal_pointer(&local));
    return FALSE;
}

void
lease_release(struct lease *lease)
{
    if (lease == NULL)
        return;
    g_mutex_lock(&lease->lock);
    lease->ending = TRUE;
    g_cond_signal(&lease->changed);
    g_mutex_unlock(&lease->lock);
    g_thread_join(lease->thread);
    repo_remove(store_repo(lease->store), lease->object, NULL);
    g_mutex_clear(&lease->lock);
    g_cond_clear(&lease->changed);
    g_free(lease->object);
    g_free(lease);
}

/* ---- Those of others ------------------------------------------------------------------------- */

void
lease_info_free(struct lease_info *info)
{
    g_free(info->id);
    g_free(info->host);
    g_free(info);
}

/* What was seen of leases before: {"ID": {"mark": TEXT, "since": SECONDS}}.  Only this machine's
 * clock counts here. */
struct memory {
    char *path;
    json_t *before, *now;
};

static void
memory_load(struct memory *memory, struct store *store, const char *directory)
{
    g_autofree char *name = g_strdup_printf("leases-%s.json", store_config(store)->id);
    memory->path = directory != NULL
                       ? g_build_filename(directory, name, NULL)
                       : g_build_filename(g_get_user_cache_dir(), "slipway", name, NULL);
    memory->before = json_load_file(memory->path, JSON_REJECT_DUPLICATES, NULL);
    if (!json_is_object(memory->before)) {
        json_decref(memory->before);
        memory->before = json_object();
    }
    memory->now = json_object();
}

/* That nothing can be remembered is no error: then foreign leases are never taken for dead. */
static void
memory_save(struct memory *memory)
{
    if (!json_equal(memory->before, memory->now)) {
        g_autofree char *directory = g_path_get_dirname(memory->path);
        char *text = json_dumps(memory->now, JSON_SORT_KEYS);
        if (g_mkdir_with_parents(directory, 0700) == 0)
            durable_file_put(memory->path, text, strlen(text), 0600, NULL);
        free(text);
    }
    json_decref(memory->before);
    json_decref(memory->now);
    g_free(memory->path);
}

/* Seconds for which the lease looked like `mark`. */
static gint64
memory_age(struct memory *memory, const char *id, const char *mark)
{
    gint64 now = g_get_real_time() / G_USEC_PER_SEC, since = now;
    json_t *entry = json_object_get(memory->before, id);
    if (g_strcmp0(json_string_value(json_object_get(entry, "mark")), mark) == 0)
        since = MIN(json_integer_value(json_object_get(entry, "since")), now);
    json_object_set_new(memory->now, id,
                        json_pack("{s:s, s:I}", "mark", mark, "since", (json_int_t)since));
    return now - since;
}

static gboolean
is_gone(json_t *json)
{
    g_autofree char *boot = boot_id();
    const char *host = json_string_value(json_object_get(json, "host"));
    const char *theirs = json_string_value(json_object_get(json, "boot"));
    json_int_t pid = json_integer_value(json_object_get(json, "pid"));
    if (g_strcmp0(host, g_get_host_name()) != 0 || theirs == NULL || pid <= 0 || pid > G_MAXINT)
        return FALSE;
    return !g_str_equal(boot, theirs) || (kill((pid_t)pid, 0) != 0 && errno == ESRCH);
}

static struct lease_info *
read_lease(struct store *store, const char *object, struct memory *memory, GError **error)
{
    g_autoptr(GError) local = NULL;
    g_autofree char *label = g_strdup_printf("%s: %s", store_label(store), object);
    g_autoptr(GBytes) bytes = repo_read_all(store_repo(store), object, LEASE_MAX, error);
    if (bytes == NULL)
        return NULL;
    g_autoptr(GBytes) payload = seal_open(SEAL_LEASE, store_key_of(store), label, bytes, &local);
    json_t *json = payload != NULL ? json_loadb(g_bytes_get_data(payload, NULL),
                                                g_bytes_get_size(payload), 0, NULL)
                                   : NULL;
    struct lease_info *info = g_new0(struct lease_info, 1);
    info->id = g_path_get_basename(object);
    info->host = g_strdup(json_string_value(json_object_get(json, "host")));
    info->pid = json_integer_value(json_object_get(json, "pid"));
    info->created = json_integer_value(json_object_get(json, "created"));
    const char *kind = json_string_value(json_object_get(json, "kind"));
    info->kind = g_strcmp0(kind, kinds[LEASE_PRUNE]) == 0 ? LEASE_PRUNE : LEASE_WRITER;
    g_autofree char *mark = g_compute_checksum_for_bytes(G_CHECKSUM_SHA256, bytes);
    info->dead = memory_age(memory, info->id, mark) >= LEASE_TERM_SECONDS || is_gone(json);
    json_decref(json);
    return info;
}

GPtrArray *
lease_list(struct store *store, const char *cache_directory, GError **error)
{
    g_autoptr(GPtrArray) names = repo_list(store_repo(store), "leases", error);
    if (names == NULL)
        return NULL;
    g_autoptr(GPtrArray) list = g_ptr_array_new_with_free_func((GDestroyNotify)lease_info_free);
    struct memory memory;
    gboolean ok = TRUE;
    memory_load(&memory, store, cache_directory);
    for (guint i = 0; ok && i < names->len; i++) {
        const struct repo_entry *entry = names->pdata[i];
        g_autoptr(GError) local = NULL;
        struct lease_info *info = read_lease(store, entry->name, &memory, &local);
        if (info != NULL)
            g_ptr_array_add(list, info);
        else if (!g_error_matches(local, SLIPWAY_ERROR, SLIPWAY_ERROR_NOT_FOUND)) {
            g_propagate_error(error, g_steal_pointer(&local));
            ok = FALSE;
        }
    }
    memory_save(&memory);
    return ok ? g_steal_pointer(&list) : NULL;
}

static gboolean
is_listed(GPtrArray *leases, const char *owner)
{
    for (guint i = 0; i < leases->len; i++) {
        const struct lease_info *info = leases->pdata[i];
        if (g_str_equal(info->id, owner))
            return TRUE;
    }
    return FALSE;
}

/* Unfinished objects whose owner has no lease: it is put before anything is created, so an owner
 * that was listed first and has none after is gone. */
static gboolean
clean_unfinished(struct store *store, const char *cache_directory, GError **error)
{
    g_autoptr(GPtrArray) owners = repo_unfinished(store_repo(store), error);
    if (owners == NULL)
        return FALSE;
    if (owners->len == 0)
        return TRUE;
    g_autoptr(GPtrArray) leases = lease_list(store, cache_directory, error);
    if (leases == NULL)
        return FALSE;
    for (guint i = 0; i < owners->len; i++) {
        if (!is_listed(leases, owners->pdata[i]) &&
            !repo_unfinished_remove(store_repo(store), owners->pdata[i], error))
            return FALSE;
    }
    return TRUE;
}

gboolean
lease_clean(struct store *store, const char *cache_directory, gboolean all, const struct lease *own,
            guint *ret_n, GError **error)
{
    guint n = 0;
    g_autoptr(GPtrArray) leases = lease_list(store, cache_directory, error);
    if (leases == NULL)
        return FALSE;
    for (guint i = 0; i < leases->len; i++) {
        const struct lease_info *info = leases->pdata[i];
        if ((!info->dead && !all) || (own != NULL && g_str_equal(info->id, own->id)))
            continue;
        g_autofree char *object = g_strdup_printf("leases/%s", info->id);
        if (!repo_remove(store_repo(store), object, error))
            return FALSE;
        n++;
    }
    if (ret_n != NULL)
        *ret_n = n;
    return clean_unfinished(store, cache_directory, error);
}
