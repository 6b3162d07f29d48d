/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A hypervisor, step by step: for tests that look at it from outside between any two.
 *
 *     hypervisor_steps URI [SCRATCH]
 *
 * Each line of standard input is a JSON array, a step and its arguments; each is answered by a
 * line:
 * {"ok": ...} or {"error": CODE, "message": ...}.  The functions below say what steps there are. */
#include "base/cancel.h"
#include "base/error.h"
#include "disk/disk_open.h"
#include "hyper/hypervisor.h"

#include <jansson.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define LINE_MAX_BYTES (4u << 20)
#define PIECE (1u << 20)

struct steps {
    struct hypervisor *hypervisor;
    struct machine *machine; /* that was frozen */
    struct frozen *frozen;
    struct placement *placement;
    GPtrArray *warnings;
};

struct recorder {
    struct progress base;
    GPtrArray *warnings;
};

static void
begin_step(struct progress *self, const char *what, guint64 total, enum progress_unit unit)
{
    (void)self, (void)what, (void)total, (void)unit;
}

static void
advance(struct progress *self, guint64 amount)
{
    (void)self, (void)amount;
}

static void
end_step(struct progress *self, gboolean ok)
{
    (void)self, (void)ok;
}

static void
note(struct progress *self, enum progress_note kind, const char *text)
{
    if (kind == PROGRESS_WARNING)
        g_ptr_array_add(((struct recorder *)self)->warnings, g_strdup(text));
}

static const struct progress_class recorder_class = {begin_step, advance, end_step, note};
static struct recorder recorder = {.base = {&recorder_class}};

static const char *
text_at(const json_t *line, gsize index)
{
    return json_string_value(json_array_get(line, index));
}

static json_t *
words_of(const GPtrArray *words)
{
    json_t *list = json_array();
    for (guint i = 0; words != NULL && i < words->len; i++)
        json_array_append_new(list, json_string(g_ptr_array_index(words, i)));
    return list;
}

/* ---- Looking --------------------------------------------------------------------------------- */

/* ["about"] */
static json_t *
about(struct steps *steps, const json_t *line, GError **error)
{
    (void)line;
    struct hypervisor_about about = {0};
    if (!hypervisor_about(steps->hypervisor, &about, error))
        return NULL;
    json_t *ret = json_pack("{s:s, s:s?, s:s?, s:s?, s:s?}", "product", about.product, "version",
                            about.version, "api", about.api, "id", about.id, "words", about.words);
    hypervisor_about_clear(&about);
    return ret;
}

/* ["list"]: names */
static json_t *
list(struct steps *steps, const json_t *line, GError **error)
{
    (void)line;
    g_autoptr(GPtrArray) machines = hypervisor_list(steps->hypervisor, error);
    if (machines == NULL)
        return NULL;
    json_t *ret = json_array();
    for (guint i = 0; i < machines->len; i++)
        json_array_append_new(ret, machine_to_json(g_ptr_array_index(machines, i)));
    return ret;
}

/* ["describe", REF] */
static json_t *
describe(struct steps *steps, const json_t *line, GError **error)
{
    auto_ptr(machine) machine = hypervisor_describe(steps->hypervisor, text_at(line, 1), error);
    return machine != NULL ? machine_to_json(machine) : NULL;
}

/* ["places"]: [kind, name] */
static json_t *
places(struct steps *steps, const json_t *line, GError **error)
{
    (void)line;
    g_autoptr(GPtrArray) list = hypervisor_places(steps->hypervisor, error);
    if (list == NULL)
        return NULL;
    json_t *ret = json_array();
    for (guint i = 0; i < list->len; i++) {
        const struct place *place = g_ptr_array_index(list, i);
        json_array_append_new(ret, json_pack("[s, s]", place_kind_name(place->kind), place->name));
    }
    return ret;
}

/* ["warnings"]: those that were not told yet */
static json_t *
warnings(struct steps *steps, const json_t *line, GError **error)
{
    (void)steps, (void)line, (void)error;
    json_t *ret = words_of(recorder.warnings);
    g_ptr_array_set_size(recorder.warnings, 0);
    return ret;
}

/* ["cancel"] */
static json_t *
cancel(struct steps *steps, const json_t *line, GError **error)
{
    (void)steps, (void)error;
    if (json_is_false(json_array_get(line, 1)))
        cancel_heard();
    else
        cancel_request();
    return json_true();
}

/* ---- Freezing -------------------------------------------------------------------------------- */

static json_t *
extents_of(const struct extent_list *list)
{
    if (list == NULL)
        return json_null();
    json_t *ret = json_array();
    for (guint i = 0; i < list->extents->len; i++) {
        const struct extent *extent = &g_array_index(list->extents, struct extent, i);
        json_array_append_new(
            ret, json_pack("[I, I]", (json_int_t)extent->offset, (json_int_t)extent->length));
    }
    return ret;
}

static json_t *
frozen_of(const struct frozen *frozen)
{
    json_t *disks = json_array();
    for (guint i = 0; i < frozen_n_disks(frozen); i++) {
        const struct frozen_disk *disk = frozen_get_disk(frozen, i);
        json_array_append_new(
            disks, json_pack("{s:s, s:I, s:s, s:s?, s:o, s:s?}", "name", disk->name, "size",
                             (json_int_t)disk_size(disk->disk), "label", disk_label(disk->disk),
                             "change_id", disk->change_id, "changed", extents_of(disk->changed),
                             "why_full", disk->why_full));
    }
    return json_pack("{s:s, s:s?, s:o}", "consistency",
                     frozen_consistency_name(frozen_consistency(frozen)), "words",
                     frozen_words(frozen), "disks", disks);
}

/* ["freeze", REF, {"chain":, "quiesce": 0-2, "disks": [[NAME, CHANGE_ID or null, SIZE]]}] */
static json_t *
freeze(struct steps *steps, const json_t *line, GError **error)
{
    const json_t *wanted = json_array_get(line, 2), *list = json_object_get(wanted, "disks");
    gsize n = json_array_size(list);
    g_autofree struct freeze_disk *disks = g_new0(struct freeze_disk, n);
    for (gsize i = 0; i < n; i++) {
        const json_t *row = json_array_get(list, i);
        disks[i].name = text_at(row, 0);
        disks[i].change_id = text_at(row, 1);
        disks[i].size = (guint64)json_integer_value(json_array_get(row, 2));
    }
    struct freeze_options options = {
        .quiesce = (enum freeze_quiesce)json_integer_value(json_object_get(wanted, "quiesce")),
        .disks = disks,
        .n_disks = (guint)n,
        .chain = json_string_value(json_object_get(wanted, "chain")),
        .progress = &recorder.base,
    };
    g_clear_pointer(&steps->machine, machine_free);
    steps->machine = hypervisor_describe(steps->hypervisor, text_at(line, 1), error);
    if (steps->machine == NULL)
        return NULL;
    steps->frozen = hypervisor_freeze(steps->hypervisor, steps->machine, &options, error);
    return steps->frozen != NULL ? frozen_of(steps->frozen) : NULL;
}

static gboolean
copy(struct disk *from, struct disk *to, guint64 offset, guint64 length, GError **error)
{
    g_autofree guint8 *buffer = g_malloc(PIECE);
    while (length > 0) {
        gsize step = (gsize)MIN(length, PIECE);
        if (!disk_read(from, offset, buffer, step, error) ||
            !disk_write(to, offset, buffer, step, error))
            return FALSE;
        offset += step;
        length -= step;
    }
    return TRUE;
}

static gboolean
copy_all(struct disk *from, struct disk *to, GError **error)
{
    struct disk_extent extent = {0};
    for (guint64 at = 0; at < disk_size(from); at += extent.length) {
        if (!disk_extent(from, at, disk_size(from) - at, &extent, error))
            return FALSE;
        if (extent.kind == DISK_DATA && !copy(from, to, at, extent.length, error))
            return FALSE;
        if (extent.kind == DISK_ZERO && !disk_zero(to, at, extent.length, error))
            return FALSE;
    }
    return TRUE;
}

/* ["read", NUMBER, FILE]: all of it, or only what changed when that is known, over the raw file */
static json_t *
read_disk(struct steps *steps, const json_t *line, GError **error)
{
    guint index = (guint)json_integer_value(json_array_get(line, 1));
    const struct frozen_disk *disk = frozen_get_disk(steps->frozen, index);
    if (access(text_at(line, 2), F_OK) != 0) {
        struct disk *made =
            disk_create(text_at(line, 2), DISK_FORMAT_RAW, disk_size(disk->disk), error);
        if (made == NULL)
            return NULL;
        disk_close(made);
    }
    auto_ptr(disk) to = disk_open_write(text_at(line, 2), DISK_FORMAT_RAW, error);
    if (to == NULL)
        return NULL;
    if (disk->changed == NULL)
        return copy_all(disk->disk, to, error) ? json_true() : NULL;
    for (guint i = 0; i < disk->changed->extents->len; i++) {
        const struct extent *extent = &g_array_index(disk->changed->extents, struct extent, i);
        if (!copy(disk->disk, to, extent->offset, extent->length, error))
            return NULL;
    }
    return json_true();
}

/* ["thaw"] */
static json_t *
thaw(struct steps *steps, const json_t *line, GError **error)
{
    (void)line;
    return frozen_thaw(steps->frozen, error) ? json_true() : NULL;
}

/* ["settle", KEPT]: and it is freed */
static json_t *
settle(struct steps *steps, const json_t *line, GError **error)
{
    gboolean ok = frozen_settle(steps->frozen, json_is_true(json_array_get(line, 1)), error);
    g_clear_pointer(&steps->frozen, frozen_free);
    return ok ? json_true() : NULL;
}

/* ["release"]: freed as it is */
static json_t *
release(struct steps *steps, const json_t *line, GError **error)
{
    (void)line, (void)error;
    g_clear_pointer(&steps->frozen, frozen_free);
    g_clear_pointer(&steps->placement, placement_free);
    return json_true();
}

/* ["clean", REF or null]: words */
static json_t *
clean(struct steps *steps, const json_t *line, GError **error)
{
    g_autoptr(GPtrArray) words = NULL;
    if (!hypervisor_clean(steps->hypervisor, text_at(line, 1), &words, error))
        return NULL;
    return words_of(words);
}

/* ---- Making ---------------------------------------------------------------------------------- */

static json_t *
placement_of(struct steps *steps)
{
    json_t *disks = json_array();
    for (guint i = 0; i < placement_n_disks(steps->placement); i++) {
        const struct placement_disk *disk = placement_get_disk(steps->placement, i);
        json_array_append_new(disks, json_pack("[s, I]", disk->name, (json_int_t)disk->size));
    }
    return json_pack("{s:o, s:o}", "words", words_of(placement_words(steps->placement)), "disks",
                     disks);
}

/* ["create", MACHINE] */
static json_t *
create(struct steps *steps, const json_t *line, GError **error)
{
    auto_ptr(machine) wanted = machine_from_json(json_array_get(line, 1), error);
    if (wanted == NULL)
        return NULL;
    steps->placement = hypervisor_create(steps->hypervisor, wanted, &recorder.base, error);
    return steps->placement != NULL ? placement_of(steps) : NULL;
}

/* ["overwrite", REF] */
static json_t *
overwrite(struct steps *steps, const json_t *line, GError **error)
{
    steps->placement =
        hypervisor_overwrite(steps->hypervisor, text_at(line, 1), NULL, &recorder.base, error);
    return steps->placement != NULL ? placement_of(steps) : NULL;
}

/* ["fill", NUMBER, RAW_FILE] */
static json_t *
fill(struct steps *steps, const json_t *line, GError **error)
{
    guint index = (guint)json_integer_value(json_array_get(line, 1));
    const struct placement_disk *disk = placement_get_disk(steps->placement, index);
    auto_ptr(disk) from = disk_open_read(text_at(line, 2), DISK_FORMAT_RAW, error);
    if (from == NULL || !copy_all(from, disk->target, error) || !disk_flush(disk->target, error))
        return NULL;
    return json_true();
}

/* ["finish", POWER_ON]: the machine */
static json_t *
finish(struct steps *steps, const json_t *line, GError **error)
{
    auto_ptr(machine) machine = NULL;
    if (!placement_finish(steps->placement, json_is_true(json_array_get(line, 1)), &machine, error))
        return NULL;
    g_clear_pointer(&steps->placement, placement_free);
    return machine_to_json(machine);
}

/* ["abandon"] */
static json_t *
abandon(struct steps *steps, const json_t *line, GError **error)
{
    (void)line;
    gboolean ok = placement_abandon(steps->placement, error);
    g_clear_pointer(&steps->placement, placement_free);
    return ok ? json_true() : NULL;
}

/* ---- The loop -------------------------------------------------------------------------------- */

static const struct {
    const char *name;
    json_t *(*run)(struct steps *steps, const json_t *line, GError **error);
} rows[] = {
    {"about", about},         {"list", list},     {"describe", describe}, {"places", places},
    {"warnings", warnings},   {"cancel", cancel}, {"freeze", freeze},     {"read", read_disk},
    {"thaw", thaw},           {"settle", settle}, {"release", release},   {"clean", clean},
    {"create", create},       {"fill", fill},     {"finish", finish},     {"abandon", abandon},
    {"overwrite", overwrite},
};

static json_t *
run(struct steps *steps, const json_t *line, GError **error)
{
    const char *name = text_at(line, 0);
    for (gsize i = 0; i < G_N_ELEMENTS(rows); i++)
        if (g_strcmp0(name, rows[i].name) == 0)
            return rows[i].run(steps, line, error);
    return error_null(error, SLIPWAY_ERROR_USAGE, "no step");
}

static void
answer(json_t *value, const GError *error)
{
    json_t *line = value != NULL ? json_pack("{s:o}", "ok", value)
                                 : json_pack("{s:s, s:s}", "error", error_code_name(error->code),
                                             "message", error->message);
    char *text = json_dumps(line, JSON_COMPACT);
    puts(text);
    fflush(stdout);
    free(text);
    json_decref(line);
}

int
main(int argc, char **argv)
{
    struct steps steps = {0};
    g_autoptr(GError) error = NULL;
    if (argc < 2)
        return 2;
    recorder.warnings = g_ptr_array_new_with_free_func(g_free);
    struct hypervisor_options options = {.scratch = argc > 2 ? argv[2] : NULL,
                                         .progress = &recorder.base};
    steps.hypervisor = hypervisor_open(argv[1], &options, &error);
    answer(steps.hypervisor != NULL ? json_true() : NULL, error);
    g_autofree char *line = g_malloc(LINE_MAX_BYTES);
    while (steps.hypervisor != NULL && fgets(line, LINE_MAX_BYTES, stdin) != NULL) {
        g_autoptr(GError) failure = NULL;
        json_t *request = json_loads(line, 0, NULL);
        json_t *value = run(&steps, request, &failure);
        answer(value, failure);
        json_decref(request);
    }
    frozen_free(steps.frozen);
    placement_free(steps.placement);
    g_clear_pointer(&steps.machine, machine_free);
    hypervisor_close(steps.hypervisor);
    g_ptr_array_unref(recorder.warnings);
    return 0;
}
