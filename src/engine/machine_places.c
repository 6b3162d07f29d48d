/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "engine/machine_places.h"

#include "base/error.h"

#include <string.h>

/* Places that a message lists. */
#define LISTED_MAX 24u

static gboolean
has_path(const struct place *place, const char *text)
{
    return g_strcmp0(place->path, text) == 0;
}

static gboolean
has_name(const struct place *place, const char *text)
{
    return g_strcmp0(place->name, text) == 0;
}

/* Pools are named by their path below the cluster or host, too: "prod/web". */
static gboolean
has_end(const struct place *place, const char *text)
{
    g_autofree char *end = g_strconcat("/", text, NULL);
    return place->kind == PLACE_POOL && place->path != NULL && g_str_has_suffix(place->path, end);
}

static const struct place *
find(const GPtrArray *places, enum place_kind kind, const char *text,
     gboolean (*matches)(const struct place *, const char *), guint *ret_n)
{
    const struct place *found = NULL;
    *ret_n = 0;
    for (guint i = 0; i < places->len; i++) {
        const struct place *place = places->pdata[i];
        if (place->kind != kind || !matches(place, text))
            continue;
        found = found != NULL ? found : place;
        ++*ret_n;
    }
    return found;
}

static const struct place *
find_any(const GPtrArray *places, enum place_kind kind, const char *text, guint *ret_n)
{
    const struct place *place = find(places, kind, text, has_path, ret_n);
    if (place == NULL)
        place = find(places, kind, text, has_name, ret_n);
    return place != NULL ? place : find(places, kind, text, has_end, ret_n);
}

const struct place *
machine_places_find(const GPtrArray *places, enum place_kind kind, const char *text)
{
    guint n;
    return find_any(places, kind, text, &n);
}

/* What there is of a kind; with `name` only those of that name, by their paths. */
static char *
list(const GPtrArray *places, enum place_kind kind, const char *name)
{
    GString *text = g_string_new(NULL);
    guint n = 0;
    for (guint i = 0; i < places->len; i++) {
        const struct place *place = places->pdata[i];
        if (place->kind != kind ||
            (name != NULL && !has_name(place, name) && !has_end(place, name)) || n++ >= LISTED_MAX)
            continue;
        gboolean path = place->path != NULL && (name != NULL || kind == PLACE_FOLDER);
        g_string_append_printf(text, "%s%s", text->len > 0 ? ", " : "",
                               path ? place->path : place->name);
    }
    if (n > LISTED_MAX)
        g_string_append_printf(text, " and %u more", n - LISTED_MAX);
    return g_string_free(text, FALSE);
}

const struct place *
machine_places_need(const GPtrArray *places, enum place_kind kind, const char *text, GError **error)
{
    guint n;
    const struct place *place = find_any(places, kind, text, &n);
    if (place == NULL) {
        g_autofree char *there = list(places, kind, NULL);
        return error_null(error, SLIPWAY_ERROR_NOT_FOUND, "there is no %s %s; there is: %s",
                          place_kind_name(kind), text, *there != '\0' ? there : "none at all");
    }
    if (n > 1) {
        g_autofree char *those = list(places, kind, text);
        return error_null(error, SLIPWAY_ERROR_USAGE,
                          "more than one %s is called %s; give its path: %s", place_kind_name(kind),
                          text, those);
    }
    if (place->words != NULL)
        return error_null(error, SLIPWAY_ERROR_UNSUPPORTED, "%s %s cannot be used: %s",
                          place_kind_name(kind), text, place->words);
    return place;
}

const char *
machine_places_map(const struct restore_mapping *mappings, guint n, const char *const *names)
{
    for (gsize k = 0; names[k] != NULL; k++)
        for (guint i = 0; i < n; i++)
            if (g_strcmp0(mappings[i].from, names[k]) == 0)
                return mappings[i].to;
    for (guint i = 0; i < n; i++)
        if (mappings[i].from == NULL)
            return mappings[i].to;
    return NULL;
}

/* ---- Folder, host, cluster, pool ------------------------------------------------------------- */

/* What a driver takes: the path of a folder, that of a pool below its cluster or host, of anything
 * else the name. */
static const char *
word_for(const struct place *place)
{
    static const char root[] = "/Resources/";
    if (place->kind == PLACE_FOLDER && place->path != NULL)
        return place->path;
    const char *below =
        place->kind == PLACE_POOL && place->path != NULL ? strstr(place->path, root) : NULL;
    return below != NULL ? below + strlen(root) : place->name;
}

/* One member of the machine. */
static gboolean
choose(char **member, enum place_kind kind, const char *given, gboolean same_driver,
       const GPtrArray *places, GPtrArray *words, GError **error)
{
    if (given != NULL) {
        const struct place *place = machine_places_need(places, kind, given, error);
        if (place == NULL)
            return FALSE;
        g_free(*member);
        *member = g_strdup(word_for(place));
        return TRUE;
    }
    const struct place *place =
        *member != NULL && same_driver ? machine_places_find(places, kind, *member) : NULL;
    if (place != NULL && place->words == NULL)
        return TRUE;
    if (*member != NULL && same_driver && kind != PLACE_HOST)
        g_ptr_array_add(words, g_strdup_printf("%s %s is not there%s%s; the hypervisor chooses",
                                               place_kind_name(kind), *member,
                                               place != NULL ? " for now: " : "",
                                               place != NULL ? place->words : ""));
    g_clear_pointer(member, g_free);
    return TRUE;
}

/* TRUE when the folder that was chosen is in another datacenter: nothing of the old one is there.
 */
static gboolean
leaves_datacenter(const struct machine *machine, const GPtrArray *places,
                  const struct machine_restore_options *options)
{
    if (options->folder == NULL || machine->datacenter == NULL)
        return FALSE;
    const struct place *folder = machine_places_find(places, PLACE_FOLDER, options->folder);
    g_autofree char *part = g_strconcat("/", machine->datacenter, "/", NULL);
    return folder != NULL && folder->path != NULL && strstr(folder->path, part) == NULL;
}

gboolean
machine_places_choose(struct machine *machine, gboolean same_driver, const GPtrArray *places,
                      const struct machine_restore_options *options, GPtrArray *words,
                      GError **error)
{
    /* Where it was says nothing of a place that was chosen anew: a pool is below a cluster or a
     * host, a host in a cluster. */
    if (options->host != NULL || options->cluster != NULL ||
        leaves_datacenter(machine, places, options)) {
        g_clear_pointer(&machine->pool, g_free);
        g_clear_pointer(&machine->host, g_free);
        g_clear_pointer(&machine->cluster, g_free);
    }
    if (options->folder != NULL || !same_driver)
        g_clear_pointer(&machine->datacenter, g_free);
    return choose(&machine->folder, PLACE_FOLDER, options->folder, same_driver, places, words,
                  error) &&
           choose(&machine->cluster, PLACE_CLUSTER, options->cluster, same_driver, places, words,
                  error) &&
           choose(&machine->host, PLACE_HOST, options->host, same_driver, places, words, error) &&
           choose(&machine->pool, PLACE_POOL, options->pool, same_driver, places, words, error);
}

/* ---- Datastores ------------------------------------------------------------------------------ */

static gboolean
check_mappings(const struct machine *machine, const struct machine_restore_options *options,
               GError **error)
{
    for (guint i = 0; i < options->n_datastores; i++) {
        const char *from = options->datastores[i].from;
        gboolean found = from == NULL;
        g_autoptr(GString) there = g_string_new(NULL);
        for (guint k = 0; k < machine->disks->len; k++) {
            const struct machine_disk *disk = machine->disks->pdata[k];
            found =
                found || g_strcmp0(disk->name, from) == 0 || g_strcmp0(disk->datastore, from) == 0;
            g_string_append_printf(there, "%s%s", k > 0 ? ", " : "", disk->name);
            if (disk->datastore != NULL)
                g_string_append_printf(there, " on %s", disk->datastore);
        }
        if (!found)
            return error_set(error, SLIPWAY_ERROR_NOT_FOUND,
                             "the machine had no disk and no datastore %s; it had: %s", from,
                             there->str);
    }
    return TRUE;
}

static gboolean
choose_datastore(struct machine_disk *disk, gboolean same_driver, const GPtrArray *places,
                 const struct machine_restore_options *options, GPtrArray *words, GError **error)
{
    const char *names[3] = {disk->name, disk->datastore, NULL};
    const char *given = machine_places_map(options->datastores, options->n_datastores, names);
    return choose(&disk->datastore, PLACE_DATASTORE, given, same_driver, places, words, error);
}

static guint64
need_of(const struct machine_disk *disk, const struct set *set)
{
    const struct set_disk *stored = set_find_disk(set, disk->name);
    return stored != NULL && disk->thin ? stored->data : disk->size;
}

static gboolean
no_room(const struct place *place, guint64 need, GError **error)
{
    g_autofree char *wanted = g_format_size_full(need, G_FORMAT_SIZE_IEC_UNITS);
    g_autofree char *there = g_format_size_full(place->free, G_FORMAT_SIZE_IEC_UNITS);
    return error_set(error, SLIPWAY_ERROR_LIMIT,
                     "datastore %s has %s free, and the disks need %s: make room, choose another "
                     "datastore, or restore fewer disks",
                     place->name, there, wanted);
}

/* The datastore of a disk for which none was chosen is not known: the largest must do. */
static gboolean
check_unplaced(const struct machine *machine, const GPtrArray *places, const struct set *set,
               GError **error)
{
    const struct place *largest = NULL;
    for (guint i = 0; i < places->len; i++) {
        const struct place *place = places->pdata[i];
        if (place->kind != PLACE_DATASTORE || place->words != NULL)
            continue;
        if (place->capacity == 0)
            return TRUE;
        if (largest == NULL || place->free > largest->free)
            largest = place;
    }
    for (guint i = 0; i < machine->disks->len && largest != NULL; i++) {
        const struct machine_disk *disk = machine->disks->pdata[i];
        if (disk->skip == NULL && disk->datastore == NULL && need_of(disk, set) > largest->free)
            return no_room(largest, need_of(disk, set), error);
    }
    return TRUE;
}

static gboolean
check_room(const struct machine *machine, const GPtrArray *places, const struct set *set,
           GError **error)
{
    for (guint i = 0; i < places->len; i++) {
        const struct place *place = places->pdata[i];
        guint64 need = 0;
        if (place->kind != PLACE_DATASTORE || place->capacity == 0)
            continue;
        for (guint k = 0; k < machine->disks->len; k++) {
            const struct machine_disk *disk = machine->disks->pdata[k];
            if (disk->skip != NULL || disk->datastore == NULL ||
                machine_places_find(places, PLACE_DATASTORE, disk->datastore) != place)
                continue;
            guint64 one = need_of(disk, set);
            need = need > G_MAXUINT64 - one ? G_MAXUINT64 : need + one;
        }
        if (need > place->free)
            return no_room(place, need, error);
    }
    return check_unplaced(machine, places, set, error);
}

gboolean
machine_places_choose_datastores(struct machine *machine, gboolean same_driver,
                                 const GPtrArray *places, const struct set *set,
                                 const struct machine_restore_options *options, GPtrArray *words,
                                 GError **error)
{
    if (!check_mappings(machine, options, error))
        return FALSE;
    for (guint i = 0; i < machine->disks->len; i++) {
        struct machine_disk *disk = machine->disks->pdata[i];
        if (disk->skip == NULL &&
            !choose_datastore(disk, same_driver, places, options, words, error)) {
            g_prefix_error(error, "disk %s: ", disk->name);
            return FALSE;
        }
    }
    return check_room(machine, places, set, error);
}
