/* SPDX-License-Identifier: GPL-3.0-or-later */
/* With parity each byte comes back as it was; without it no more is lost than what the byte was a
 * part of, and a new backup of the same disks brings that back too. */
#include "damage_fixture.h"
#include "store/repairer.h"
#include "store/sweeper.h"

static struct store_key *
make_key(void)
{
    static const guint8 secret[STORE_KEY_SIZE] = "any secret of thirty-two bytes!";
    return store_key_new(secret);
}

/* Clear the report. */
static void
repair(struct store *store, struct repairer_report *ret)
{
    g_autoptr(GError) error = NULL;
    struct repairer_options options = {.read_data = TRUE, .threads = 1};
    repairer_run(store, &options, ret, &error);
    g_assert_no_error(error);
}

static void
expect_same(struct repo *repo, struct repo *other, GPtrArray *names)
{
    for (guint i = 0; i < names->len; i++) {
        if (g_str_has_prefix(names->pdata[i], "index/"))
            continue;
        g_autoptr(GBytes) left = fixture_get(repo, names->pdata[i]);
        g_autoptr(GBytes) right = fixture_get(other, names->pdata[i]);
        if (!g_bytes_equal(left, right))
            g_test_message("%s is not as it was", (char *)names->pdata[i]);
        g_assert_true(g_bytes_equal(left, right));
    }
}

static void
expect_nothing_left(struct store *store, const struct repairer_report *report)
{
    for (guint i = 0; i < report->left->len; i++) {
        const struct checker_damage *damage = report->left->pdata[i];
        g_test_message("%s: %s", damage->object, damage->words);
    }
    g_assert_cmpuint(report->left->len, ==, 0);
    damage_expect_sound(store);
    g_assert_cmpuint(fixture_count(store_repo(store), "leases"), ==, 0);
}

/* ---- Nothing to do --------------------------------------------------------------------------- */

static void
test_sound(void)
{
    auto_damage_scene scene;
    struct repairer_report report;
    damage_scene_init(&scene, NULL, 20);
    g_autoptr(GPtrArray) names = fixture_names(store_repo(scene.store));
    auto_ptr(store) copy = fixture_fork(scene.store);
    repair(copy, &report);
    g_assert_cmpuint(report.actions->len, ==, 0);
    g_assert_cmpuint(report.left->len, ==, 0);
    repairer_report_clear(&report);
    g_autoptr(GPtrArray) after = fixture_names(store_repo(copy));
    g_assert_cmpuint(after->len, ==, names->len);
    expect_same(store_repo(copy), store_repo(scene.store), names);
}

/* ---- Parity ---------------------------------------------------------------------------------- */

static void
flip_and_heal(struct damage_scene *scene, struct repo *good, GPtrArray *names, const char *name,
              gsize at)
{
    struct repairer_report report;
    damage_flip(store_repo(scene->store), name, at);
    repair(scene->store, &report);
    g_assert_cmpuint(report.actions->len, >, 0);
    expect_nothing_left(scene->store, &report);
    expect_same(store_repo(scene->store), good, names);
    g_assert_cmpuint(fixture_count(store_repo(scene->store), "lost"), ==, 0);
    if (!g_str_has_prefix(name, "index/"))
        g_assert_cmpuint(fixture_count(store_repo(scene->store), ""), ==, names->len);
    repairer_report_clear(&report);
}

static void
heal_all(struct store_key *key, gsize step)
{
    auto_damage_scene scene;
    damage_scene_init(&scene, key, 20);
    struct repo *good = fixture_copy(store_repo(scene.store));
    g_autoptr(GPtrArray) names = fixture_names(good);
    for (guint i = 0; i < names->len; i++) {
        const char *name = names->pdata[i];
        g_autoptr(GBytes) object = fixture_get(good, name);
        gsize size = g_bytes_get_size(object), by = step;
        if (g_str_has_prefix(name, "parity/"))
            by = 61 * step;
        for (gsize at = i % by; at < size; at += by) {
            /* Index objects get new names. */
            auto_ptr(store) copy = fixture_fork(scene.store);
            struct damage_scene here = {.store = copy};
            memcpy(here.ids, scene.ids, sizeof here.ids);
            flip_and_heal(&here, good, names, name, at);
        }
    }
    repo_close(good);
}

static void
test_bytes(void)
{
    heal_all(NULL, 5);
}

static void
test_bytes_encrypted(void)
{
    heal_all(make_key(), 7);
}

/* The store opens although its config, or the only key, has a wrong byte. */
static void
test_open(void)
{
    g_autoptr(GError) error = NULL;
    static const char passphrase[] = "correct horse battery";
    struct store_config config = {.codec = CODEC_ZSTD, .level = 1, .parity = 20};
    struct repo *repo = repo_memory_new();
    auto_ptr(store_key) key = make_key();
    keyring_add(repo, key, KEYRING_PASSPHRASE, passphrase, strlen(passphrase), NULL, NULL, &error);
    g_assert_no_error(error);
    auto_ptr(store) store = store_init(repo, &config, g_steal_pointer(&key), &error);
    g_assert_no_error(error);
    g_autoptr(GPtrArray) keys = repo_list(repo, "keys", NULL);
    g_assert_cmpuint(keys->len, ==, 1);
    damage_flip(repo, "config", 60);
    damage_flip(repo, ((struct repo_entry *)keys->pdata[0])->name, 99);
    struct repo *copy = fixture_copy(repo);
    key = keyring_open(copy, KEYRING_PASSPHRASE, passphrase, strlen(passphrase), &error);
    g_assert_no_error(error);
    auto_ptr(store) again = store_open(copy, g_steal_pointer(&key), &error);
    g_assert_no_error(error);
    struct repairer_report report;
    repair(again, &report);
    g_assert_cmpuint(report.healed, ==, 2);
    expect_nothing_left(again, &report);
    repairer_report_clear(&report);
}

static void
test_parity_made(void)
{
    auto_damage_scene scene;
    struct repairer_report report;
    damage_scene_init(&scene, NULL, 20);
    auto_ptr(store) copy = fixture_fork(scene.store);
    g_autoptr(GPtrArray) names = fixture_names(store_repo(copy));
    for (guint i = 0; i < names->len; i++) {
        if (g_str_has_prefix(names->pdata[i], "parity/"))
            repo_remove(store_repo(copy), names->pdata[i], NULL);
    }
    repair(copy, &report);
    expect_nothing_left(copy, &report);
    expect_same(store_repo(copy), store_repo(scene.store), names);
    repairer_report_clear(&report);
}

/* ---- Index ----------------------------------------------------------------------------------- */

static void
remove_index(struct store *store)
{
    g_autoptr(GPtrArray) index = repo_list(store_repo(store), "index", NULL);
    for (guint i = 0; i < index->len; i++)
        repo_remove(store_repo(store), ((struct repo_entry *)index->pdata[i])->name, NULL);
}

static void
test_no_index(void)
{
    auto_damage_scene scene;
    struct repairer_report report;
    damage_scene_init(&scene, NULL, 0);
    remove_index(scene.store);
    struct damage_places lost = damage_read(&scene, scene.store);
    g_assert_false(damage_is_none(&lost));
    repair(scene.store, &report);
    g_assert_cmpuint(report.packs_listed, ==, fixture_count(store_repo(scene.store), "packs"));
    expect_nothing_left(scene.store, &report);
    lost = damage_read(&scene, scene.store);
    g_assert_true(damage_is_none(&lost));
    repairer_report_clear(&report);
}

/* ---- Salvage --------------------------------------------------------------------------------- */

static guint
count_blocks(const struct damage_places *places)
{
    guint n = 0;
    for (guint s = 0; s < DAMAGE_SETS; s++)
        n += (guint)__builtin_popcount(places->blocks[s]);
    return n;
}

static void
back_up_again(struct damage_scene *scene, struct store *store)
{
    damage_backup(store, "again", scene->disks, 2, NULL);
    damage_backup(store, "again", scene->disks + 2, 2, NULL);
    damage_backup(store, "again", scene->disks + 4, 1, NULL);
}

/* Never more is lost than could not be read before; what is left is told exactly, the damaged pack
 * is gone, and new backups of the same disks bring everything back. */
static void
flip_and_salvage(struct damage_scene *scene, const char *name, gsize at)
{
    struct repairer_report report;
    auto_ptr(store) store = fixture_fork(scene->store);
    damage_flip(store_repo(store), name, at);
    struct damage_places before = damage_read(scene, store);
    repair(store, &report);
    struct damage_places after = damage_read(scene, store);
    struct damage_places told = damage_told(scene, report.left);
    damage_expect_places(&told, &after);
    for (guint s = 0; s < DAMAGE_SETS; s++)
        g_assert_cmphex(after.blocks[s] & ~before.blocks[s], ==, 0);
    g_assert_cmpuint(report.packs_salvaged, ==, 1);
    g_assert_cmpuint(report.chunks_lost > 0, ==, count_blocks(&after) > 0);
    g_assert_cmpuint(fixture_count(store_repo(store), "doomed"), ==, 0);
    g_assert_cmpuint(fixture_count(store_repo(store), "lost"), ==, report.chunks_lost > 0);
    repairer_report_clear(&report);
    back_up_again(scene, store);
    after = damage_read(scene, store);
    g_assert_true(damage_is_none(&after));
    repair(store, &report);
    expect_nothing_left(store, &report);
    g_assert_cmpuint(fixture_count(store_repo(store), "lost"), ==, 0);
    repairer_report_clear(&report);
}

static void
salvage_all(struct store_key *key, gsize step)
{
    auto_damage_scene scene;
    damage_scene_init(&scene, key, 0);
    g_autoptr(GPtrArray) packs = repo_list(store_repo(scene.store), "packs", NULL);
    for (guint i = 0; i < packs->len; i++) {
        const struct repo_entry *entry = packs->pdata[i];
        for (gsize at = i % step; at < entry->size; at += step)
            flip_and_salvage(&scene, entry->name, at);
    }
}

static void
test_salvage(void)
{
    salvage_all(NULL, 5);
}

static void
test_salvage_encrypted(void)
{
    salvage_all(make_key(), 11);
}

/* Most wrong bytes of a table cost nothing, as its rows can still be read. */
static void
test_table(void)
{
    auto_damage_scene scene;
    damage_scene_init(&scene, NULL, 0);
    g_autoptr(GPtrArray) packs = repo_list(store_repo(scene.store), "packs", NULL);
    guint saved = 0, all = 0;
    for (guint i = 0; i < packs->len; i++) {
        const struct repo_entry *entry = packs->pdata[i];
        struct pack_name name;
        g_assert_true(pack_name_parse(entry->name, &name));
        auto_ptr(pack_table) table = pack_table_load(store_repo(scene.store), &name, NULL, NULL);
        for (gsize at = table->table_offset; at < entry->size; at++, all++) {
            struct repairer_report report;
            auto_ptr(store) store = fixture_fork(scene.store);
            damage_flip(store_repo(store), entry->name, at);
            repair(store, &report);
            saved += report.left->len == 0;
            repairer_report_clear(&report);
        }
    }
    g_test_message("%u of %u", saved, all);
    g_assert_cmpuint(saved * 10, >, all * 6);
}

/* While somebody writes, the damaged pack waits. */
static void
test_writer(void)
{
    auto_damage_scene scene;
    g_autoptr(GError) error = NULL;
    struct repairer_report report;
    damage_scene_init(&scene, NULL, 0);
    struct repo *repo = store_repo(scene.store);
    g_autoptr(GPtrArray) packs = repo_list(repo, "packs", NULL);
    const struct repo_entry *entry = packs->pdata[0];
    guint64 size;
    struct lease *lease = lease_take(scene.store, LEASE_WRITER, &error);
    g_assert_no_error(error);
    damage_flip(repo, entry->name, 40);
    repair(scene.store, &report);
    repairer_report_clear(&report);
    g_assert_true(repo_size(repo, entry->name, &size, NULL));
    g_assert_cmpuint(fixture_count(repo, "doomed"), ==, 1);
    lease_release(lease);
    repair(scene.store, &report);
    repairer_report_clear(&report);
    g_assert_false(repo_size(repo, entry->name, &size, NULL));
}

static void
prune(struct store *store)
{
    g_autoptr(GError) error = NULL;
    struct sweeper_options options = SWEEPER_OPTIONS_DEFAULT;
    struct sweeper_report report;
    options.threads = 1;
    sweeper_run(store, &options, &report, &error);
    g_assert_no_error(error);
    sweeper_report_clear(&report);
}

/* Repair while somebody writes, then prune, a backup that has what was lost, and prune again: the
 * damaged copy, which was still there, must not win over the new one. */
static void
repair_and_prune(struct damage_scene *scene, const char *name)
{
    g_autoptr(GError) error = NULL;
    struct repairer_report report;
    auto_ptr(store) store = fixture_fork(scene->store);
    struct lease *lease = lease_take(store, LEASE_WRITER, &error);
    g_assert_no_error(error);
    damage_flip(store_repo(store), name, 40);
    repair(store, &report);
    g_assert_cmpuint(report.chunks_lost, >, 0);
    repairer_report_clear(&report);
    lease_release(lease);
    prune(store);
    guint64 size;
    g_assert_false(repo_size(store_repo(store), name, &size, NULL));
    back_up_again(scene, store);
    prune(store);
    prune(store);
    struct damage_places after = damage_read(scene, store);
    g_assert_true(damage_is_none(&after));
    repair(store, &report);
    expect_nothing_left(store, &report);
    repairer_report_clear(&report);
}

static void
test_prune(void)
{
    auto_damage_scene scene;
    damage_scene_init(&scene, NULL, 0);
    g_autoptr(GPtrArray) packs = repo_list(store_repo(scene.store), "packs", NULL);
    for (guint i = 0; i < packs->len; i++)
        repair_and_prune(&scene, ((struct repo_entry *)packs->pdata[i])->name);
}

static void
test_busy(void)
{
    auto_damage_scene scene;
    g_autoptr(GError) error = NULL;
    struct repairer_report report;
    struct repairer_options options = {.threads = 1};
    damage_scene_init(&scene, NULL, 0);
    struct lease *lease = lease_take(scene.store, LEASE_PRUNE, &error);
    g_assert_false(repairer_run(scene.store, &options, &report, &error));
    g_assert_error(error, SLIPWAY_ERROR, SLIPWAY_ERROR_BUSY);
    repairer_report_clear(&report);
    lease_release(lease);
    g_assert_cmpuint(fixture_count(store_repo(scene.store), "leases"), ==, 0);
}

static void
test_dry_run(void)
{
    auto_damage_scene scene;
    g_autoptr(GError) error = NULL;
    struct repairer_report report;
    struct repairer_options options = {.threads = 1, .read_data = TRUE, .dry_run = TRUE};
    damage_scene_init(&scene, NULL, 20);
    g_autoptr(GPtrArray) packs = repo_list(store_repo(scene.store), "packs", NULL);
    damage_flip(store_repo(scene.store), ((struct repo_entry *)packs->pdata[0])->name, 40);
    damage_flip(store_repo(scene.store), "config", 50);
    remove_index(scene.store);
    struct repo *before = fixture_copy(store_repo(scene.store));
    g_autoptr(GPtrArray) names = fixture_names(before);
    g_assert_true(repairer_run(scene.store, &options, &report, &error));
    g_assert_no_error(error);
    g_assert_cmpuint(report.healed, ==, 2);
    g_assert_cmpuint(report.left->len, ==, 0);
    repairer_report_clear(&report);
    g_autoptr(GPtrArray) after = fixture_names(store_repo(scene.store));
    g_assert_cmpuint(after->len, ==, names->len);
    expect_same(store_repo(scene.store), before, names);
    repo_close(before);
}

/* ---- Crashes --------------------------------------------------------------------------------- */

#define OPS_CHANGE                                                                                 \
    (1u << REPO_OP_PUT | 1u << REPO_OP_REPLACE | 1u << REPO_OP_APPEND | 1u << REPO_OP_COMMIT |     \
     1u << REPO_OP_REMOVE)

/* TRUE when the n-th operation was beyond the end. */
static gboolean
crash_at(struct damage_scene *scene, unsigned operations, guint n, const struct damage_places *end)
{
    g_autoptr(GError) error = NULL;
    struct repairer_report report;
    struct repairer_options options = {.threads = 1, .read_data = TRUE};
    struct repo *below = fixture_copy(store_repo(scene->store));
    struct repo_fault fault = {.operations = operations, .at = n};
    struct damage_places before = damage_read(scene, scene->store);
    struct repo *faulty = repo_fault_new(below, &fault);
    auto_ptr(store) dying = store_open(faulty, NULL, &error);
    gboolean done = FALSE;
    if (dying != NULL) {
        done = repairer_run(dying, &options, &report, &error) && repo_fault_count(faulty) < n;
        repairer_report_clear(&report);
    }
    /* Only what there is below lasts. */
    auto_ptr(store) store =
        fixture_open(fixture_copy(dying != NULL ? below : store_repo(scene->store)), NULL);
    fixture_kill_leases(store);
    struct damage_places after = damage_read(scene, store);
    for (guint s = 0; s < DAMAGE_SETS; s++)
        g_assert_cmphex(after.blocks[s] & ~before.blocks[s], ==, 0);
    repair(store, &report);
    after = damage_read(scene, store);
    damage_expect_places(&after, end);
    struct damage_places told = damage_told(scene, report.left);
    damage_expect_places(&told, end);
    repairer_report_clear(&report);
    g_assert_cmpuint(fixture_count(store_repo(store), "leases"), ==, 0);
    back_up_again(scene, store);
    repair(store, &report);
    expect_nothing_left(store, &report);
    repairer_report_clear(&report);
    return done;
}

static void
crash_everywhere(unsigned parity, unsigned operations, guint step)
{
    auto_damage_scene scene;
    struct repairer_report report;
    damage_scene_init(&scene, NULL, parity);
    g_autoptr(GPtrArray) packs = repo_list(store_repo(scene.store), "packs", NULL);
    for (guint i = 0; i < packs->len; i += 2)
        damage_flip(store_repo(scene.store), ((struct repo_entry *)packs->pdata[i])->name, 40 + i);
    g_autoptr(GPtrArray) index = repo_list(store_repo(scene.store), "index", NULL);
    damage_flip(store_repo(scene.store), ((struct repo_entry *)index->pdata[0])->name, 70);
    auto_ptr(store) store = fixture_fork(scene.store);
    repair(store, &report);
    repairer_report_clear(&report);
    struct damage_places end = damage_read(&scene, store);
    g_assert_cmpint(damage_is_none(&end), ==, parity > 0);
    guint n = 1;
    while (!crash_at(&scene, operations, n, &end))
        n += step;
    g_test_message("%u operations", n - 1);
    g_assert_cmpuint(n, >, 5);
}

static void
test_crashes(void)
{
    crash_everywhere(0, OPS_CHANGE, 1);
}

static void
test_crashes_parity(void)
{
    crash_everywhere(20, OPS_CHANGE, 1);
}

/* Reading fails from some point on: nothing is given up for that. */
static void
test_crashes_reading(void)
{
    crash_everywhere(0, (1u << REPO_OP_N) - 1, 3);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    damage_begin_tests();
    g_test_add_func("/repairer/sound", test_sound);
    g_test_add_func("/repairer/bytes", test_bytes);
    g_test_add_func("/repairer/bytes-encrypted", test_bytes_encrypted);
    g_test_add_func("/repairer/open", test_open);
    g_test_add_func("/repairer/parity-made", test_parity_made);
    g_test_add_func("/repairer/no-index", test_no_index);
    g_test_add_func("/repairer/salvage", test_salvage);
    g_test_add_func("/repairer/salvage-encrypted", test_salvage_encrypted);
    g_test_add_func("/repairer/table", test_table);
    g_test_add_func("/repairer/writer", test_writer);
    g_test_add_func("/repairer/prune", test_prune);
    g_test_add_func("/repairer/busy", test_busy);
    g_test_add_func("/repairer/dry-run", test_dry_run);
    g_test_add_func("/repairer/crashes", test_crashes);
    g_test_add_func("/repairer/crashes-parity", test_crashes_parity);
    g_test_add_func("/repairer/crashes-reading", test_crashes_reading);
    return g_test_run();
}
