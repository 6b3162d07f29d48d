/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Every single byte of a small store is damaged in turn: that is found, and exactly what cannot be
 * read any more is told. */
#include "damage_fixture.h"
#include "store/object_parity.h"

static struct store_key *
make_key(void)
{
    static const guint8 secret[STORE_KEY_SIZE] = "any secret of thirty-two bytes!";
    return store_key_new(secret);
}

static void
test_sound(void)
{
    auto_damage_scene scene;
    struct checker_report report;
    damage_scene_init(&scene, NULL, 20);
    damage_check(scene.store, &report);
    g_assert_cmpuint(report.damage->len, ==, 0);
    g_assert_cmpuint(report.notes->len, ==, 0);
    g_assert_cmpuint(report.sets, ==, 3);
    g_assert_cmpuint(report.packs, ==, fixture_count(store_repo(scene.store), "packs"));
    g_assert_cmpuint(report.packs_read, ==, report.packs);
    g_assert_cmpuint(report.chunks, >=, 8);
    g_assert_cmpuint(g_hash_table_size(report.chunks_damaged), ==, 0);
    checker_report_clear(&report);
}

/* All damage is of this object, or is that chunks of it are not found. */
static void
expect_named(const struct checker_report *report, const char *name)
{
    g_assert_cmpuint(report->damage->len, >, 0);
    for (guint i = 0; i < report->damage->len; i++) {
        const struct checker_damage *damage = report->damage->pdata[i];
        if (g_strcmp0(damage->object, name) != 0)
            g_test_message("%s is damaged, %s told: %s", name, damage->object, damage->words);
        g_assert_cmpstr(damage->object, ==, name);
        g_assert_nonnull(damage->words);
    }
}

static void
flip_and_check(struct damage_scene *scene, const char *name, gsize at)
{
    struct checker_report report;
    damage_flip(store_repo(scene->store), name, at);
    damage_check(scene->store, &report);
    expect_named(&report, name);
    struct damage_places told = damage_told(scene, report.damage), real = {0};
    /* What the index does not say is there all the same. */
    if (!g_str_has_prefix(name, "index/"))
        real = damage_read(scene, scene->store);
    damage_expect_places(&told, &real);
    if (g_str_has_prefix(name, "packs/"))
        g_assert_false(damage_is_none(&real));
    checker_report_clear(&report);
    damage_flip(store_repo(scene->store), name, at);
}

static void
flip_all(struct store_key *key, unsigned parity, gsize step)
{
    auto_damage_scene scene;
    damage_scene_init(&scene, key, parity);
    g_autoptr(GPtrArray) names = fixture_names(store_repo(scene.store));
    for (guint i = 0; i < names->len; i++) {
        g_autoptr(GBytes) object = fixture_get(store_repo(scene.store), names->pdata[i]);
        gboolean big = g_str_has_prefix(names->pdata[i], "parity/");
        gsize size = g_bytes_get_size(object);
        for (gsize at = i % step; at < size; at += big ? 61 * step : step)
            flip_and_check(&scene, names->pdata[i], at);
    }
    damage_expect_sound(scene.store);
}

static void
test_bytes(void)
{
    flip_all(NULL, 0, 1);
}

static void
test_bytes_encrypted(void)
{
    flip_all(make_key(), 0, 3);
}

static void
test_bytes_parity(void)
{
    flip_all(NULL, 20, 3);
}

/* ---- Whole objects --------------------------------------------------------------------------- */

static void
remove_one(struct damage_scene *scene, struct store *store, const char *name)
{
    struct checker_report report;
    repo_remove(store_repo(store), name, NULL);
    damage_check(store, &report);
    struct damage_places told = damage_told(scene, report.damage), real = {0};
    if (g_str_has_prefix(name, "packs/")) {
        real = damage_read(scene, store);
        g_assert_false(damage_is_none(&real));
        expect_named(&report, name);
    } else if (g_str_has_prefix(name, "parity/")) {
        g_assert_cmpuint(report.damage->len, ==, 0);
        g_assert_cmpuint(report.notes->len, ==, 1);
    }
    damage_expect_places(&told, &real);
    checker_report_clear(&report);
}

static void
test_missing(void)
{
    auto_damage_scene scene;
    damage_scene_init(&scene, NULL, 20);
    g_autoptr(GPtrArray) names = fixture_names(store_repo(scene.store));
    for (guint i = 0; i < names->len; i++) {
        auto_ptr(store) copy = fixture_fork(scene.store);
        if (!g_str_has_prefix(names->pdata[i], "sets/"))
            remove_one(&scene, copy, names->pdata[i]);
    }
}

static void
test_no_index(void)
{
    auto_damage_scene scene;
    struct checker_report report;
    damage_scene_init(&scene, NULL, 0);
    g_autoptr(GPtrArray) index = repo_list(store_repo(scene.store), "index", NULL);
    for (guint i = 0; i < index->len; i++)
        repo_remove(store_repo(scene.store), ((struct repo_entry *)index->pdata[i])->name, NULL);
    damage_check(scene.store, &report);
    g_assert_cmpuint(report.damage->len, ==, report.packs);
    for (guint i = 0; i < report.damage->len; i++) {
        const struct checker_damage *damage = report.damage->pdata[i];
        g_assert_cmpint(damage->kind, ==, CHECKER_INDEX);
        g_assert_cmpuint(damage->ranges->len, ==, 0);
    }
    checker_report_clear(&report);
}

/* Tables tell of what is missing, but not of wrong bytes. */
static void
test_quick(void)
{
    auto_damage_scene scene;
    g_autoptr(GError) error = NULL;
    struct checker_report report;
    struct checker_options options = {.threads = 2};
    damage_scene_init(&scene, NULL, 0);
    g_autoptr(GPtrArray) packs = repo_list(store_repo(scene.store), "packs", NULL);
    for (guint i = 0; i < packs->len; i++) {
        auto_ptr(pack_table) table = NULL;
        struct pack_name name;
        pack_name_parse(((struct repo_entry *)packs->pdata[i])->name, &name);
        table = pack_table_load(store_repo(scene.store), &name, NULL, NULL);
        if (table->kind == PACK_DATA)
            damage_flip(store_repo(scene.store), ((struct repo_entry *)packs->pdata[i])->name, 40);
    }
    checker_run(scene.store, &options, &report, &error);
    g_assert_no_error(error);
    g_assert_cmpuint(report.damage->len, ==, 0);
    g_assert_cmpuint(report.read_bytes, ==, 0);
    checker_report_clear(&report);
    /* A sample of all is all. */
    options.sample = 1000;
    checker_run(scene.store, &options, &report, &error);
    g_assert_no_error(error);
    struct damage_places told = damage_told(&scene, report.damage);
    struct damage_places real = damage_read(&scene, scene.store);
    damage_expect_places(&told, &real);
    g_assert_cmpuint(report.packs_read, ==, packs->len);
    checker_report_clear(&report);
    options.sample = 1;
    checker_run(scene.store, &options, &report, &error);
    g_assert_no_error(error);
    g_assert_cmpuint(report.packs_read, ==, 1);
    checker_report_clear(&report);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    damage_begin_tests();
    g_test_add_func("/checker/sound", test_sound);
    g_test_add_func("/checker/bytes", test_bytes);
    g_test_add_func("/checker/bytes-encrypted", test_bytes_encrypted);
    g_test_add_func("/checker/bytes-parity", test_bytes_parity);
    g_test_add_func("/checker/missing", test_missing);
    g_test_add_func("/checker/no-index", test_no_index);
    g_test_add_func("/checker/quick", test_quick);
    return g_test_run();
}
