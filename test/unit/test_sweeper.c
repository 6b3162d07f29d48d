/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Prune: what is needed stays byte for byte, what is not goes, whatever writers do meanwhile and
 * wherever it is stopped. */
#include "base/cancel.h"
#include "store/sweeper.h"
#include "store_fixture.h"

#define SIZE (5u << 20)
#define SMALL (500u << 10)

static void
prune_with(struct store *store, struct sweeper_options options, struct sweeper_report *ret)
{
    g_autoptr(GError) error = NULL;
    struct sweeper_report report;
    sweeper_run(store, &options, &report, &error);
    g_assert_no_error(error);
    if (ret != NULL)
        *ret = report;
    sweeper_report_clear(&report);
    if (ret != NULL)
        ret->notes = NULL;
}

static void
prune(struct store *store, int threshold, struct sweeper_report *ret)
{
    prune_with(store, (struct sweeper_options){.threshold = threshold, .grace_seconds = -1}, ret);
}

static gboolean
try_prune(struct store *store, int threshold, GError **error)
{
    struct sweeper_options options = {.threshold = threshold, .grace_seconds = -1};
    struct sweeper_report report;
    gboolean ok = sweeper_run(store, &options, &report, error);
    sweeper_report_clear(&report);
    return ok;
}

/* Three sets: a disk, the same after a day (deltas), and another one that shares a part. */
struct scene {
    struct store *store;
    struct fixture_disk disks[3];
    struct set_id ids[3];
};

static void
scene_init_disks(struct scene *scene, struct store_key *key, unsigned parity,
                 struct fixture_disk first, struct fixture_disk other)
{
    gsize part = first.size / 5;
    scene->store = fixture_init(repo_memory_new(), key, parity);
    scene->disks[0] = first;
    scene->disks[1] = fixture_disk_copy(&scene->disks[0]);
    for (gsize at = part / 10; at < first.size; at += part / 2)
        fixture_scribble(&scene->disks[1], at, 3000, at + 1);
    memset(scene->disks[1].data + part, 0, part / 5);
    scene->disks[2] = other;
    memcpy(scene->disks[2].data, scene->disks[0].data, part);
    scene->ids[0] = fixture_backup(scene->store, &scene->disks[0], NULL);
    scene->ids[1] = fixture_backup(scene->store, &scene->disks[1], &scene->ids[0]);
    scene->ids[2] = fixture_backup(scene->store, &scene->disks[2], NULL);
}

static void
scene_clear(struct scene *scene)
{
    store_close(scene->store);
    for (guint i = 0; i < 3; i++)
        fixture_disk_clear(&scene->disks[i]);
}
#define auto_scene __attribute__((cleanup(scene_clear))) struct scene

static void
scene_init(struct scene *scene, struct store_key *key, unsigned parity)
{
    scene_init_disks(scene, key, parity, fixture_disk_new(SIZE, 1), fixture_disk_new(SIZE, 3));
}

/* Sets of bits `kept` are there and right. */
static void
expect(struct scene *scene, struct store *store, guint kept)
{
    for (guint i = 0; i < 3; i++) {
        if ((kept >> i & 1) != 0)
            fixture_expect(store, &scene->ids[i], &scene->disks[i]);
    }
}

static void
delete_but(struct scene *scene, struct store *store, guint kept)
{
    for (guint i = 0; i < 3; i++) {
        if ((kept >> i & 1) == 0)
            fixture_delete(store, &scene->ids[i]);
    }
}

static void
expect_names(struct repo *repo, GPtrArray *wanted)
{
    g_autoptr(GPtrArray) names = fixture_names(repo);
    g_assert_cmpuint(names->len, ==, wanted->len);
    for (guint i = 0; i < names->len; i++)
        g_assert_cmpstr(names->pdata[i], ==, wanted->pdata[i]);
}

/* ---- Alone ----------------------------------------------------------------------------------- */

static void
run_deletes(struct store_key *key, unsigned parity)
{
    auto_scene scene;
    scene_init(&scene, key, parity);
    guint64 full = fixture_bytes(store_repo(scene.store), "packs");
    for (guint kept = 0; kept < 8; kept++) {
        for (int threshold = 0; threshold <= 20; threshold += 20) {
            auto_ptr(store) store = fixture_fork(scene.store);
            struct repo *repo = store_repo(store);
            struct sweeper_report report;
            delete_but(&scene, store, kept);
            prune(store, threshold, &report);
            expect(&scene, store, kept);
            g_assert_cmpuint(fixture_count(repo, "doomed"), ==, 0);
            g_assert_cmpuint(fixture_count(repo, "leases"), ==, 0);
            g_assert_cmpuint(report.waiting_packs, ==, 0);
            if (kept == 0)
                g_assert_cmpuint(fixture_count(repo, "packs"), ==, 0);
            if (kept != 7 && kept != 3 && kept != 5 && kept != 6)
                g_assert_cmpuint(fixture_bytes(repo, "packs"), <, full);
            g_assert_cmpuint(fixture_pack_parity(repo), ==,
                             parity > 0 ? fixture_count(repo, "packs") : 0);
            g_autoptr(GPtrArray) names = fixture_names(repo);
            prune(store, threshold, &report);
            expect_names(repo, names);
            g_assert_cmpuint(report.dead_packs + report.moved_packs, ==, 0);
        }
    }
}

static void
test_deletes(void)
{
    run_deletes(NULL, 0);
}

static void
test_deletes_encrypted(void)
{
    run_deletes(store_key_generate(NULL), 30);
}

/* A delta stays one, and keeps its base alone of all that was there before. */
static void
test_base(void)
{
    auto_scene scene;
    struct sweeper_report report;
    scene_init(&scene, NULL, 0);
    delete_but(&scene, scene.store, 2);
    prune(scene.store, 0, &report);
    expect(&scene, scene.store, 2);
    g_assert_cmpuint(report.moved_packs, >, 0);
    auto_ptr(locator) locator = locator_new(scene.store, NULL);
    auto_ptr(chunk_reader) reader = chunk_reader_new(scene.store, locator);
    struct map map = fixture_map(scene.store, &scene.ids[1]);
    struct map_source source = chunk_reader_map_source(reader);
    auto_ptr(map_cursor) cursor = map_cursor_new(&map, &source);
    g_autofree struct map_leaf *leaf = g_new(struct map_leaf, 1);
    guint deltas = 0;
    g_assert_true(map_cursor_leaf(cursor, 0, leaf, NULL));
    for (guint i = 0; i < leaf->n; i++) {
        struct location location;
        g_assert_true(locator_find(locator, &leaf->entries[i].id, 0, &location, NULL));
        deltas += location_is_delta(&location, NULL);
        location_clear(&location);
    }
    g_assert_cmpuint(deltas, >, 0);
}

static void
run_optimize(struct store_key *key)
{
    auto_scene scene;
    scene_init(&scene, key, 20);
    struct repo *repo = store_repo(scene.store);
    struct sweeper_report report;
    struct sweeper_options options = {.optimize = TRUE, .threshold = -1, .grace_seconds = -1};
    guint64 before = fixture_bytes(repo, "packs");
    prune_with(scene.store, options, &report);
    expect(&scene, scene.store, 7);
    g_assert_cmpuint(fixture_bytes(repo, "packs"), <, before);
    g_assert_cmpuint(report.written_packs, ==, 2);
    g_assert_cmpuint(fixture_count(repo, "packs"), ==, 2);
    g_autoptr(GPtrArray) names = fixture_names(repo);
    prune_with(scene.store, options, &report);
    expect_names(repo, names);
    /* What is dead goes, without compressing all anew. */
    fixture_delete(scene.store, &scene.ids[2]);
    prune_with(scene.store, options, &report);
    expect(&scene, scene.store, 3);
    g_assert_cmpuint(report.moved_packs, >, 0);
}

static void
test_optimize(void)
{
    run_optimize(NULL);
    run_optimize(store_key_generate(NULL));
}

static void
test_dry_run(void)
{
    auto_scene scene;
    struct sweeper_report report;
    scene_init(&scene, NULL, 0);
    delete_but(&scene, scene.store, 4);
    g_autoptr(GPtrArray) names = fixture_names(store_repo(scene.store));
    struct sweeper_options options = {.dry_run = TRUE, .threshold = -1, .grace_seconds = -1};
    prune_with(scene.store, options, &report);
    expect_names(store_repo(scene.store), names);
    g_assert_cmpuint(report.dead_packs, >, 0);
    g_assert_cmpuint(report.moved_packs, >, 0);
    guint64 dead = report.dead_bytes;
    prune(scene.store, 20, &report);
    g_assert_cmpuint(report.dead_bytes, ==, dead);
}

/* ---- With writers ---------------------------------------------------------------------------- */

/* A writer that was there before may need what prune wants to remove. */
static void
test_writer_before(void)
{
    auto_scene scene;
    struct sweeper_report report;
    struct set_id id;
    g_autoptr(GError) error = NULL;
    scene_init(&scene, NULL, 0);
    auto_ptr(fixture_run) run = fixture_begin(scene.store, "late");
    delete_but(&scene, scene.store, 4);
    prune(scene.store, 0, &report);
    g_assert_cmpuint(report.waiting_packs, >, 0);
    g_assert_cmpuint(report.writers, ==, 1);
    g_assert_cmpuint(fixture_count(store_repo(scene.store), "doomed"), ==, 1);
    /* Nothing is stored: it is all there. */
    fixture_add_disk(run, &scene.disks[1], NULL, &error);
    g_assert_no_error(error);
    prune(scene.store, 0, &report);
    g_assert_cmpuint(report.removed_packs, ==, 0);
    fixture_commit(run, &id, &error);
    g_assert_no_error(error);
    prune(scene.store, 0, &report);
    g_assert_cmpuint(report.saved_packs, >, 0);
    g_assert_cmpuint(fixture_count(store_repo(scene.store), "doomed"), ==, 0);
    fixture_expect(scene.store, &id, &scene.disks[1]);
    expect(&scene, scene.store, 4);
    prune(scene.store, 0, NULL);
    fixture_expect(scene.store, &id, &scene.disks[1]);
}

/* One that comes after the list stores again what is doomed, and under another name though it is
 * the same: the older pack goes while it is still running. */
static void
test_writer_after(void)
{
    g_autoptr(GError) error = NULL;
    struct sweeper_report report;
    struct set_id id;
    auto_disk disk = fixture_disk_new(SIZE, 9);
    auto_ptr(store) store = fixture_init(repo_memory_new(), NULL, 0);
    struct set_id first = fixture_backup(store, &disk, NULL);
    auto_ptr(fixture_run) early = fixture_begin(store, "early");
    fixture_delete(store, &first);
    prune(store, 20, &report);
    g_assert_cmpuint(report.waiting_packs, ==, 2);
    auto_ptr(fixture_run) late = fixture_begin(store, "late");
    fixture_add_disk(late, &disk, NULL, &error);
    g_assert_no_error(error);
    g_clear_pointer(&early, fixture_run_free);
    prune(store, 20, &report);
    g_assert_cmpuint(report.removed_packs, ==, 2);
    g_assert_cmpuint(fixture_count(store_repo(store), "packs"), ==, 0);
    fixture_commit(late, &id, &error);
    g_assert_no_error(error);
    g_assert_cmpuint(fixture_count(store_repo(store), "packs"), ==, 2);
    prune(store, 20, NULL);
    fixture_expect(store, &id, &disk);
}

/* The packs come before the list goes; the set after it. */
static void
test_same_pack(void)
{
    g_autoptr(GError) error = NULL;
    struct set_id id;
    auto_disk disk = fixture_disk_new(SIZE, 9);
    auto_ptr(store) store = fixture_init(repo_memory_new(), NULL, 0);
    struct set_id first = fixture_backup(store, &disk, NULL);
    auto_ptr(fixture_run) early = fixture_begin(store, "early");
    fixture_delete(store, &first);
    prune(store, 20, NULL);
    auto_ptr(store) other = fixture_open(fixture_copy(store_repo(store)), NULL);
    id = fixture_backup(store, &disk, NULL);
    g_assert_cmpuint(fixture_count(store_repo(store), "packs"), ==, 4);
    fixture_expect(store, &id, &disk);
}

/* What a writer that died has finished is found and removed, listed or not. */
static void
test_dead_writer(void)
{
    auto_scene scene;
    g_autoptr(GError) error = NULL;
    struct sweeper_report report;
    scene_init(&scene, NULL, 20);
    struct repo *repo = store_repo(scene.store);
    auto_disk disk = fixture_disk_new(SIZE, 77);
    prune(scene.store, 0, NULL);
    guint packs = fixture_count(repo, "packs");
    g_autoptr(GPtrArray) names = fixture_names(repo);
    struct set_id extra = fixture_backup(scene.store, &disk, NULL);
    auto_ptr(store) copy = fixture_fork(scene.store);
    struct repo *there = store_repo(copy);
    fixture_delete(copy, &extra);
    /* As if no index object had been put. */
    g_autoptr(GPtrArray) index = repo_list(there, "index", NULL);
    for (guint i = 0; i < index->len; i++) {
        const char *name = ((struct repo_entry *)index->pdata[i])->name;
        if (!g_ptr_array_find_with_equal_func(names, name, g_str_equal, NULL))
            repo_remove(there, name, NULL);
    }
    struct lease *lease = lease_take(copy, LEASE_WRITER, &error);
    prune(copy, 0, &report);
    g_assert_cmpuint(fixture_count(there, "packs"), ==, packs + 2);
    fixture_kill_leases(copy);
    prune(copy, 0, &report);
    g_assert_cmpuint(fixture_count(there, "packs"), ==, packs);
    g_assert_cmpuint(fixture_pack_parity(there), ==, packs);
    expect(&scene, copy, 7);
    lease_release(lease);
}

static void
test_two_prunes(void)
{
    auto_scene scene;
    g_autoptr(GError) error = NULL;
    scene_init(&scene, NULL, 0);
    auto_ptr(lease) other = lease_take(scene.store, LEASE_PRUNE, &error);
    g_assert_no_error(error);
    fixture_delete(scene.store, &scene.ids[0]);
    g_assert_false(try_prune(scene.store, 0, &error));
    g_assert_error(error, SLIPWAY_ERROR, SLIPWAY_ERROR_BUSY);
    fixture_kill_leases(scene.store);
    prune(scene.store, 0, NULL);
    expect(&scene, scene.store, 6);
}

/* A set that is followed goes while the one that follows it relies on a doomed pack. */
static void
test_parent_deleted(void)
{
    g_autoptr(GError) error = NULL;
    auto_disk disk = fixture_disk_new(SIZE, 9);
    auto_ptr(store) store = fixture_init(repo_memory_new(), NULL, 0);
    struct set_id first = fixture_backup(store, &disk, NULL), second, third;
    auto_ptr(fixture_run) early = fixture_begin(store, "early");
    fixture_delete(store, &first);
    prune(store, 20, NULL);
    fixture_add_disk(early, &disk, NULL, &error);
    fixture_commit(early, &second, &error);
    g_assert_no_error(error);
    auto_ptr(fixture_run) late = fixture_begin(store, "late");
    struct set_disk *entry = g_new0(struct set_disk, 1);
    entry->name = g_strdup("disk0");
    entry->source = g_strdup("");
    entry->map = fixture_map(store, &second); /* taken over without a look */
    g_ptr_array_add(late->set->disks, entry);
    late->set->has_parent = TRUE;
    late->set->parent = second;
    fixture_delete(store, &second);
    g_assert_false(fixture_commit(late, &third, &error));
    g_assert_error(error, SLIPWAY_ERROR, SLIPWAY_ERROR_BUSY);
    g_assert_cmpuint(fixture_count(store_repo(store), "sets"), ==, 0);
}

static void
test_grace(void)
{
    auto_scene scene;
    scene_init(&scene, NULL, 0);
    delete_but(&scene, scene.store, 4);
    gint64 start = g_get_monotonic_time();
    struct sweeper_options options = {.threshold = 0, .grace_seconds = 1};
    prune_with(scene.store, options, NULL);
    g_assert_cmpint(g_get_monotonic_time() - start, >=, 2 * G_USEC_PER_SEC);
    expect(&scene, scene.store, 4);
    start = g_get_monotonic_time();
    prune_with(scene.store, options, NULL);
    g_assert_cmpint(g_get_monotonic_time() - start, <, G_USEC_PER_SEC);
}

/* ---- With damage ----------------------------------------------------------------------------- */

static gboolean
is_kind(struct store *store, const char *object, enum pack_kind kind)
{
    struct pack_name name;
    g_assert_true(pack_name_parse(object, &name));
    auto_ptr(pack_table) table =
        pack_table_load(store_repo(store), &name, store_key_of(store), NULL);
    return table != NULL && table->kind == kind;
}

static void
remove_packs(struct store *store, enum pack_kind kind)
{
    g_autoptr(GPtrArray) packs = repo_list(store_repo(store), "packs", NULL);
    for (guint i = 0; i < packs->len; i++) {
        const char *name = ((struct repo_entry *)packs->pdata[i])->name;
        if (is_kind(store, name, kind))
            repo_remove(store_repo(store), name, NULL);
    }
}

static void
test_missing_node(void)
{
    auto_scene scene;
    g_autoptr(GError) error = NULL;
    scene_init(&scene, NULL, 0);
    remove_packs(scene.store, PACK_NODES);
    fixture_delete(scene.store, &scene.ids[2]);
    guint packs = fixture_count(store_repo(scene.store), "packs");
    g_assert_false(try_prune(scene.store, 0, &error));
    g_assert_error(error, SLIPWAY_ERROR, SLIPWAY_ERROR_CORRUPT);
    g_assert_nonnull(strstr(error->message, "store repair"));
    g_assert_cmpuint(fixture_count(store_repo(scene.store), "packs"), ==, packs);
    g_autoptr(GHashTable) lost = g_hash_table_new(chunk_id_hash, chunk_id_equal_func);
    struct map maps[2];
    for (guint i = 0; i < 2; i++) {
        maps[i] = fixture_map(scene.store, &scene.ids[i]);
        g_hash_table_add(lost, &maps[i].root);
    }
    g_assert_true(lost_put(scene.store, lost, NULL));
    prune(scene.store, 0, NULL);
    g_assert_cmpuint(fixture_count(store_repo(scene.store), "packs"), ==, 0);
}

static void
test_missing_data(void)
{
    auto_scene scene;
    struct sweeper_report report;
    scene_init(&scene, NULL, 0);
    remove_packs(scene.store, PACK_DATA);
    prune(scene.store, 0, &report);
    g_assert_cmpuint(report.missing_chunks, >, 0);
    g_assert_cmpuint(fixture_count(store_repo(scene.store), "packs"), >, 0);
}

static void
flip(struct repo *repo, const char *name, gsize at)
{
    g_autoptr(GBytes) bytes = fixture_get(repo, name);
    gsize length = g_bytes_get_size(bytes);
    g_autofree guint8 *data = g_memdup2(g_bytes_get_data(bytes, NULL), length);
    data[at % length] ^= 1;
    g_autoptr(GBytes) changed = g_bytes_new(data, length);
    fixture_put(repo, name, changed);
}

/* A pack that cannot be read stays, dead or not. */
static void
test_unreadable(void)
{
    auto_scene scene;
    struct sweeper_report report;
    scene_init(&scene, NULL, 0);
    struct repo *repo = store_repo(scene.store);
    delete_but(&scene, scene.store, 0);
    g_autoptr(GPtrArray) packs = repo_list(repo, "packs", NULL);
    const char *name = ((struct repo_entry *)packs->pdata[0])->name;
    gsize size = ((struct repo_entry *)packs->pdata[0])->size;
    flip(repo, name, size - 70);
    prune(scene.store, 0, &report);
    g_autoptr(GPtrArray) left = repo_list(repo, "packs", NULL);
    g_assert_cmpuint(left->len, ==, 1);
    g_assert_cmpstr(((struct repo_entry *)left->pdata[0])->name, ==, name);
}

static void
test_damaged_frame(void)
{
    auto_scene scene;
    struct sweeper_report report;
    g_autoptr(GError) error = NULL;
    scene_init(&scene, NULL, 0);
    struct repo *repo = store_repo(scene.store);
    g_autoptr(GPtrArray) packs = repo_list(repo, "packs", NULL);
    for (guint i = 0; i < packs->len; i++) {
        const char *name = ((struct repo_entry *)packs->pdata[i])->name;
        if (is_kind(scene.store, name, PACK_DATA))
            flip(repo, name, 40);
    }
    fixture_delete(scene.store, &scene.ids[2]);
    prune(scene.store, 0, &report);
    prune(scene.store, 0, &report);
    g_assert_cmpuint(report.missing_chunks, ==, 0);
    g_assert_false(fixture_read(scene.store, &scene.ids[0], &scene.disks[0], &error));
    g_assert_error(error, SLIPWAY_ERROR, SLIPWAY_ERROR_CORRUPT);
}

/* ---- Stopped anywhere ------------------------------------------------------------------------ */

#define OPS_CHANGE                                                                                 \
    (1u << REPO_OP_PUT | 1u << REPO_OP_REPLACE | 1u << REPO_OP_APPEND | 1u << REPO_OP_COMMIT |     \
     1u << REPO_OP_REMOVE)

/* Folders have as many objects as in the other repo. */
static void
expect_alike(struct repo *repo, struct repo *other)
{
    static const char *const folders[] = {"packs", "parity", "index", "sets",
                                          "flags", "leases", "doomed"};
    for (guint i = 0; i < G_N_ELEMENTS(folders); i++)
        g_assert_cmpuint(fixture_count(repo, folders[i]), ==, fixture_count(other, folders[i]));
    g_autoptr(GPtrArray) owners = repo_unfinished(repo, NULL);
    g_assert_cmpuint(owners->len, ==, 0);
}

/* TRUE when the n-th operation was beyond the end. */
static gboolean
crash_at(struct scene *scene, guint kept, struct sweeper_options options, guint n,
         struct repo *undisturbed)
{
    g_autoptr(GError) error = NULL;
    struct sweeper_report report;
    struct repo *below = fixture_copy(store_repo(scene->store));
    struct repo_fault fault = {.operations = OPS_CHANGE, .at = n};
    auto_ptr(store) doomed_store =
        fixture_open(repo_fault_new(below, &fault), store_key_of(scene->store));
    gboolean ok = sweeper_run(doomed_store, &options, &report, &error);
    sweeper_report_clear(&report);
    auto_ptr(store) store = fixture_open(fixture_copy(below), store_key_of(scene->store));
    expect(scene, store, kept);
    fixture_kill_leases(store);
    prune_with(store, options, NULL);
    expect(scene, store, kept);
    expect_alike(store_repo(store), undisturbed);
    return ok && repo_fault_count(store_repo(doomed_store)) < n;
}

static void
run_crashes(struct store_key *key, guint kept, struct sweeper_options options)
{
    auto_scene scene;
    scene_init_disks(&scene, key, 20, fixture_disk_new(SMALL, 1), fixture_disk_new(SMALL, 3));
    delete_but(&scene, scene.store, kept);
    auto_ptr(store) undisturbed = fixture_fork(scene.store);
    prune_with(undisturbed, options, NULL);
    guint n = 1;
    while (!crash_at(&scene, kept, options, n, store_repo(undisturbed)))
        n++;
    g_test_message("%u operations", n - 1);
    g_assert_cmpuint(n, >, 8);
}

static void
test_crashes(void)
{
    run_crashes(NULL, 2, (struct sweeper_options){.threshold = 0, .grace_seconds = -1});
    run_crashes(NULL, 4, (struct sweeper_options){.threshold = 20, .grace_seconds = -1});
}

static void
test_crashes_optimize(void)
{
    struct sweeper_options options = {.optimize = TRUE, .threshold = -1, .grace_seconds = -1};
    run_crashes(NULL, 7, options);
    run_crashes(store_key_generate(NULL), 2, options);
}

int
main(int argc, char **argv)
{
    fixture_without_cache();
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/sweeper/deletes", test_deletes);
    g_test_add_func("/sweeper/deletes-encrypted", test_deletes_encrypted);
    g_test_add_func("/sweeper/base", test_base);
    g_test_add_func("/sweeper/optimize", test_optimize);
    g_test_add_func("/sweeper/dry-run", test_dry_run);
    g_test_add_func("/sweeper/writer-before", test_writer_before);
    g_test_add_func("/sweeper/writer-after", test_writer_after);
    g_test_add_func("/sweeper/same-pack", test_same_pack);
    g_test_add_func("/sweeper/dead-writer", test_dead_writer);
    g_test_add_func("/sweeper/two-prunes", test_two_prunes);
    g_test_add_func("/sweeper/parent-deleted", test_parent_deleted);
    g_test_add_func("/sweeper/grace", test_grace);
    g_test_add_func("/sweeper/missing-node", test_missing_node);
    g_test_add_func("/sweeper/missing-data", test_missing_data);
    g_test_add_func("/sweeper/unreadable", test_unreadable);
    g_test_add_func("/sweeper/damaged-frame", test_damaged_frame);
    g_test_add_func("/sweeper/crashes", test_crashes);
    g_test_add_func("/sweeper/crashes-optimize", test_crashes_optimize);
    return g_test_run();
}
