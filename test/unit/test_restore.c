/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "engine/restore.h"
#include "engine/restore_state.h"
#include "engine_fixture.h"

#include "scratch_directory.h"

static gboolean
try_restore(struct store *store, const struct set *set, struct disk *target,
            const struct restore_options *options, struct restore_report *ret, GError **error)
{
    struct restore_report report;
    gboolean ok = restore_disk(store, NULL, set, "disk", target, options, &report, error);
    guint64 damaged = 0;
    for (guint i = 0; i < report.damage->len; i++)
        damaged += ((const struct verify_damage *)report.damage->pdata[i])->length;
    if (ok)
        g_assert_cmpuint(report.written + report.zeroed + report.skipped + damaged, ==,
                         engine_map(set)->size);
    if (ret != NULL)
        *ret = report;
    else
        restore_report_clear(&report);
    return ok;
}

static void
restore(struct store *store, const struct set *set, struct disk *target,
        const struct restore_options *options, struct restore_report *ret)
{
    g_autoptr(GError) error = NULL;
    try_restore(store, set, target, options, ret, &error);
    g_assert_no_error(error);
    if (ret != NULL)
        g_clear_pointer(&ret->damage, g_ptr_array_unref);
}

/* A target on which nothing is zero. */
static struct disk *
dirty_disk(guint64 size)
{
    struct disk *disk = disk_memory_new(size, "target");
    g_autofree guint8 *bytes = g_malloc(size);
    memset(bytes, 0xa5, size);
    g_assert_true(disk_write(disk, 0, bytes, size, NULL));
    return disk;
}

static void
test_equals_source(void)
{
    static const guint64 sizes[] = {1, 4097, 900000, CHUNK_SEGMENT, 21000001};
    for (gsize i = 0; i < G_N_ELEMENTS(sizes) * 3; i++) {
        guint64 size = sizes[i / 3];
        auto_ptr(store) store = engine_store_new(i % 2);
        auto_ptr(disk) source = engine_disk_new(size, (guint)i);
        auto_ptr(set) set = engine_backup(store, source, NULL, 2);
        struct restore_options options = {.threads = (guint)(i % 3) * 2, .target_is_zero = TRUE};
        struct restore_report report;

        auto_ptr(disk) fresh = disk_memory_new(size, "target");
        restore(store, set, fresh, &options, &report);
        engine_assert_same(source, fresh);
        g_assert_cmpuint(report.zeroed, ==, 0);
        g_assert_cmpuint(report.written, <=, report.read);

        auto_ptr(disk) dirty = dirty_disk(size);
        options.target_is_zero = FALSE;
        restore(store, set, dirty, &options, &report);
        engine_assert_same(source, dirty);
        g_assert_cmpuint(report.skipped, ==, 0);

        auto_ptr(disk) compared = dirty_disk(size);
        options.compare = TRUE;
        restore(store, set, compared, &options, &report);
        engine_assert_same(source, compared);
        restore(store, set, compared, &options, &report);
        g_assert_cmpuint(report.skipped, ==, size);
        g_assert_cmpuint(report.read, ==, 0);
    }
}

/* What a larger target has beyond the end stays. */
static void
test_larger_target(void)
{
    for (guint compare = 0; compare < 2; compare++) {
        auto_ptr(store) store = engine_store_new(FALSE);
        auto_ptr(disk) source = engine_disk_new(5000001, 1);
        auto_ptr(set) set = engine_backup(store, source, NULL, 2);
        auto_ptr(disk) target = dirty_disk(9000000);
        struct restore_options options = {.compare = compare != 0};
        restore(store, set, target, &options, NULL);
        engine_assert_same(source, target);
        g_autoptr(GBytes) bytes = engine_bytes(target);
        const guint8 *data = g_bytes_get_data(bytes, NULL);
        for (gsize i = 5000001; i < 9000000; i++)
            g_assert_cmpuint(data[i], ==, 0xa5);
    }
}

static void
test_small_target(void)
{
    g_autoptr(GError) error = NULL;
    auto_ptr(store) store = engine_store_new(FALSE);
    auto_ptr(disk) source = engine_disk_new(50001, 1);
    auto_ptr(set) set = engine_backup(store, source, NULL, 2);
    auto_ptr(disk) target = disk_memory_new(50000, "the target");
    struct restore_options options = {0};
    g_assert_false(try_restore(store, set, target, &options, NULL, &error));
    g_assert_error(error, SLIPWAY_ERROR, SLIPWAY_ERROR_USAGE);
    g_assert_cmpstr(error->message, ==,
                    "the target has 50000 bytes, too few for disk disk, which has 50001");
}

/* Two sets of one disk, of other sizes too. */
struct pair {
    struct store *store;
    struct disk *before, *after;
    struct set *first, *second;
    struct extent_list *changed;
};

static void
pair_init(struct pair *pair, guint seed)
{
    g_autoptr(GRand) rand = g_rand_new_with_seed(seed);
    guint64 old_size = 1 + g_rand_int(rand) % 9000000, size = old_size;
    if (seed % 3)
        size = 1 + g_rand_int(rand) % 9000000;
    pair->store = engine_store_new(FALSE);
    pair->before = engine_disk_new(old_size, seed);
    pair->first = engine_backup(pair->store, pair->before, NULL, 2);
    pair->after = engine_disk_copy(pair->before, size);
    pair->changed = extent_list_new();
    engine_edit(pair->after, size, 6, rand, pair->changed);
    pair->second = engine_backup(pair->store, pair->after, NULL, 2);
}

static void
pair_clear(struct pair *pair)
{
    extent_list_free(pair->changed);
    set_free(pair->first);
    set_free(pair->second);
    disk_close(pair->before);
    disk_close(pair->after);
    store_close(pair->store);
}

/* Onto what is known to be the older set, or turns out to be it, only differences are written. */
static void
test_incremental(void)
{
    for (guint seed = 0; seed < 40; seed++) {
        struct pair pair;
        pair_init(&pair, seed);
        guint64 size = disk_size(pair.after);
        for (guint compare = 0; compare < 2; compare++) {
            struct restore_options options = {.threads = 1 + seed % 3,
                                              .older = compare ? NULL : engine_map(pair.first),
                                              .compare = compare != 0};
            struct restore_report report;
            auto_ptr(disk) target = engine_disk_copy(pair.before, size);
            restore(pair.store, pair.second, target, &options, &report);
            engine_assert_same(pair.after, target);
            guint64 most = extent_list_total(pair.changed) +
                           pair.changed->extents->len * 3 * (guint64)CHUNK_MAX;
            if (seed % 3 == 0)
                g_assert_cmpuint(report.written + report.zeroed, <=, most);
        }
        pair_clear(&pair);
    }
}

/* The target is larger than the older map: nobody knows what is there. */
static void
test_older_is_smaller(void)
{
    auto_ptr(store) store = engine_store_new(FALSE);
    auto_ptr(disk) before = engine_disk_new(5000001, 1);
    auto_ptr(disk) after = engine_disk_copy(before, 14000000);
    auto_ptr(set) first = engine_backup(store, before, NULL, 2);
    auto_ptr(set) second = engine_backup(store, after, NULL, 2);
    auto_ptr(disk) target = dirty_disk(14000000);
    g_autoptr(GBytes) bytes = engine_bytes(before);
    g_assert_true(disk_write(target, 0, g_bytes_get_data(bytes, NULL), 5000001, NULL));
    struct restore_options options = {.older = engine_map(first)};
    restore(store, second, target, &options, NULL);
    engine_assert_same(after, target);
}

/* ---- Interruptions --------------------------------------------------------------------------- */

static void
check_interrupted(guint seed, guint threads, gboolean zero)
{
    auto_scratch scratch = scratch_new();
    g_autofree char *path = scratch_path(&scratch, "state");
    auto_ptr(store) store = engine_store_new(FALSE);
    auto_ptr(disk) source = engine_disk_new(15000001, seed);
    auto_ptr(set) set = engine_backup(store, source, NULL, 2);
    gboolean done = FALSE;
    guint resumed = 0;
    for (guint n = 1; !done; n++) {
        guint64 size = disk_size(source);
        struct disk *below = zero ? disk_memory_new(size, "target") : dirty_disk(size);
        struct restore_options options = {
            .threads = threads, .state_path = path, .target_is_zero = zero};
        struct restore_report report;
        g_autoptr(GError) error = NULL;
        struct disk_fault fault = {.writes = n, .once = TRUE};
        auto_ptr(disk) target = disk_fault_new(below, &fault, 1);
        done = try_restore(store, set, target, &options, NULL, &error);
        if (done)
            break;
        g_assert_error(error, SLIPWAY_ERROR, SLIPWAY_ERROR_IO);
        g_assert_nonnull(strstr(error->message, "at offset "));
        g_assert_true(restore_can_resume(store, set, "disk", target, path));
        /* Whoever goes on need not know that the target began as zeros. */
        options.target_is_zero = FALSE;
        restore(store, set, target, &options, &report);
        engine_assert_same(source, target);
        g_assert_false(restore_can_resume(store, set, "disk", target, path));
        g_assert_false(g_file_test(path, G_FILE_TEST_EXISTS));
        if (zero)
            g_assert_cmpuint(report.zeroed, ==, 0);
        resumed += report.resumed > 0;
    }
    /* How far several threads come before one fails depends on their timing. */
    g_assert_cmpuint(resumed, >, threads == 1 ? 3 : 0);
}

static void
test_interrupted(void)
{
    check_interrupted(1, 1, TRUE);
    check_interrupted(2, 1, FALSE);
    check_interrupted(3, 3, TRUE);
}

/* A state of something else, or of nothing, is not used. */
static void
test_stale_state(void)
{
    auto_scratch scratch = scratch_new();
    g_autofree char *path = scratch_path(&scratch, "state");
    auto_ptr(store) store = engine_store_new(FALSE);
    auto_ptr(disk) source = engine_disk_new(12000001, 1);
    auto_ptr(set) set = engine_backup(store, source, NULL, 2);
    auto_ptr(set) other = engine_backup(store, source, NULL, 2);
    struct restore_state state = {.store = (char *)store_config(store)->id,
                                  .disk = (char *)"disk",
                                  .target = (char *)"target",
                                  .size = 12000001,
                                  .target_is_zero = TRUE,
                                  .done = 2};
    char id[SET_ID_TEXT];
    state.set = set_id_format(&set->id, id);
    for (guint kind = 0; kind < 7; kind++) {
        struct restore_state wrong = state;
        char other_id[SET_ID_TEXT];
        guint64 resumed = 0;
        if (kind == 0)
            resumed = 2 * CHUNK_SEGMENT;
        if (kind == 1)
            wrong.set = set_id_format(&other->id, other_id);
        if (kind == 2)
            wrong.disk = (char *)"another";
        if (kind == 3)
            wrong.target = (char *)"another";
        if (kind == 4)
            wrong.size++;
        if (kind == 5)
            wrong.done = 4;
        g_assert_true(restore_state_write(path, &wrong, NULL));
        if (kind == 6)
            g_assert_true(g_file_set_contents(path, "{\"done\": 2}", -1, NULL));
        auto_ptr(disk) target = disk_memory_new(12000001, "target");
        struct restore_options options = {.state_path = path};
        struct restore_report report;
        restore(store, set, target, &options, &report);
        g_assert_cmpuint(report.resumed, ==, resumed);
        if (resumed == 0)
            engine_assert_same(source, target);
        g_assert_false(g_file_test(path, G_FILE_TEST_EXISTS));
    }
}

/* ---- Damage ---------------------------------------------------------------------------------- */

static void
test_damage(void)
{
    for (guint threads = 1; threads < 4; threads += 2) {
        g_autoptr(GError) error = NULL;
        auto_ptr(store) store = engine_store_new(FALSE);
        auto_ptr(disk) source = engine_disk_new(22000001, 4);
        auto_ptr(set) set = engine_backup(store, source, NULL, 2);
        g_autofree struct map_leaf *leaf = g_new(struct map_leaf, 1);
        g_autoptr(GArray) ids = g_array_new(FALSE, FALSE, sizeof(struct chunk_id));
        engine_leaf(store, engine_map(set), 2, leaf);
        engine_damage(store, &leaf->entries[leaf->n / 2].id, ids);
        auto_ptr(extent_list) places = engine_places(store, engine_map(set), ids);

        struct restore_options options = {.threads = threads};
        auto_ptr(disk) target = dirty_disk(22000001);
        g_assert_false(try_restore(store, set, target, &options, NULL, &error));
        g_assert_error(error, SLIPWAY_ERROR, SLIPWAY_ERROR_CORRUPT);
        g_assert_nonnull(strstr(error->message, " cannot be restored: "));
        g_assert_nonnull(strstr(error->message, ", disk disk: "));

        struct restore_report report;
        options.skip_damaged = TRUE;
        g_assert_true(try_restore(store, set, target, &options, &report, NULL));
        engine_assert_damage(report.damage, places);
        restore_report_clear(&report);

        /* All is right but there, where it is as it was. */
        auto_ptr(disk) expected = engine_disk_copy(source, 22000001);
        for (guint i = 0; i < places->extents->len; i++) {
            const struct extent *extent = &g_array_index(places->extents, struct extent, i);
            g_autofree guint8 *bytes = g_malloc(extent->length);
            memset(bytes, 0xa5, extent->length);
            g_assert_true(disk_write(expected, extent->offset, bytes, extent->length, NULL));
        }
        engine_assert_same(expected, target);
    }
}

/* Damage is tried again by the run that goes on. */
static void
test_damage_and_state(void)
{
    auto_scratch scratch = scratch_new();
    g_autofree char *path = scratch_path(&scratch, "state");
    auto_ptr(store) store = engine_store_new(FALSE);
    auto_ptr(disk) source = engine_disk_new(22000001, 4);
    auto_ptr(set) set = engine_backup(store, source, NULL, 2);
    g_autofree struct map_leaf *leaf = g_new(struct map_leaf, 1);
    engine_leaf(store, engine_map(set), 3, leaf);
    engine_damage(store, &leaf->entries[leaf->n - 1].id, NULL);
    struct restore_options options = {.skip_damaged = TRUE, .state_path = path};
    struct restore_report report;
    auto_ptr(disk) target = disk_memory_new(22000001, "target");
    g_assert_true(try_restore(store, set, target, &options, &report, NULL));
    g_assert_cmpuint(report.damage->len, >, 0);
    restore_report_clear(&report);
    g_assert_true(restore_can_resume(store, set, "disk", target, path));
    engine_damage(store, &leaf->entries[leaf->n - 1].id, NULL); /* the same bit back */
    restore(store, set, target, &options, &report);
    g_assert_cmpuint(report.resumed, >, 0);
    engine_assert_same(source, target);
    g_assert_false(g_file_test(path, G_FILE_TEST_EXISTS));
}

/* Of a damaged node all that is below it is named. */
static void
test_damaged_leaf(void)
{
    auto_ptr(store) store = engine_store_new(FALSE);
    auto_ptr(disk) source = engine_disk_new(22000001, 4);
    auto_ptr(set) set = engine_backup(store, source, NULL, 2);
    engine_damage(store, &engine_map(set)->root, NULL); /* and its frame, with all leaves */
    struct restore_options options = {.skip_damaged = TRUE, .threads = 2};
    struct restore_report report;
    auto_ptr(disk) target = disk_memory_new(22000001, "target");
    g_assert_true(try_restore(store, set, target, &options, &report, NULL));
    g_assert_cmpuint(report.damage->len, ==, 1);
    const struct verify_damage *damage = report.damage->pdata[0];
    g_assert_cmpuint(damage->offset, ==, 0);
    g_assert_cmpuint(damage->length, ==, 22000001);
    restore_report_clear(&report);
}

static void
test_flush_fails(void)
{
    g_autoptr(GError) error = NULL;
    auto_ptr(store) store = engine_store_new(FALSE);
    auto_ptr(disk) source = engine_disk_new(200001, 4);
    auto_ptr(set) set = engine_backup(store, source, NULL, 2);
    struct disk_fault fault = {.others = 1};
    auto_ptr(disk) target = disk_fault_new(disk_memory_new(200001, "target"), &fault, 1);
    struct restore_options options = {0};
    g_assert_false(try_restore(store, set, target, &options, NULL, &error));
    g_assert_error(error, SLIPWAY_ERROR, SLIPWAY_ERROR_IO);
    g_assert_nonnull(strstr(error->message, "durable"));
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/restore/equals-source", test_equals_source);
    g_test_add_func("/restore/larger-target", test_larger_target);
    g_test_add_func("/restore/small-target", test_small_target);
    g_test_add_func("/restore/incremental", test_incremental);
    g_test_add_func("/restore/older-is-smaller", test_older_is_smaller);
    g_test_add_func("/restore/interrupted", test_interrupted);
    g_test_add_func("/restore/stale-state", test_stale_state);
    g_test_add_func("/restore/damage", test_damage);
    g_test_add_func("/restore/damage-and-state", test_damage_and_state);
    g_test_add_func("/restore/damaged-leaf", test_damaged_leaf);
    g_test_add_func("/restore/flush-fails", test_flush_fails);
    return g_test_run();
}
