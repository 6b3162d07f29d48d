/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "damage_fixture.h"
#include "store/object_parity.h"
#include "store/repairer.h"
#include "store/set_screen.h"
#include "store/sweeper.h"

static const guint8 magic[] = {0x89, 'P', 'N', 'G', '\r', '\n', 0x1a, '\n'};

/* Begins as a PNG file does. */
static GBytes *
make_png(gsize size, guint seed)
{
    guint8 *data = g_malloc(size);
    g_autoptr(GRand) rand = g_rand_new_with_seed(seed);
    for (gsize i = 0; i < size; i++)
        data[i] = (guint8)g_rand_int(rand);
    memcpy(data, magic, MIN(size, sizeof magic));
    return g_bytes_new_take(data, size);
}

static void
put(struct store *store, const struct set_id *id, GBytes *png)
{
    g_autoptr(GError) error = NULL;
    set_screen_put(store, id, png, &error);
    g_assert_no_error(error);
}

static void
assert_has(struct store *store, const struct set_id *id, GBytes *expected)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(GBytes) png = set_screen_read(store, id, &error);
    g_assert_no_error(error);
    g_assert_true(g_bytes_equal(png, expected));
}

static void
assert_fails(struct store *store, const struct set_id *id, enum slipway_error code)
{
    g_autoptr(GError) error = NULL;
    g_assert_null(set_screen_read(store, id, &error));
    g_assert_error(error, SLIPWAY_ERROR, (gint)code);
}

static char *
object_name(const struct set_id *id)
{
    char text[SET_ID_TEXT];
    return g_strdup_printf("screens/%s", set_id_format(id, text));
}

/* As it was, of any size, in both kinds of stores; replaced, and gone with its set. */
static void
test_round_trip(void)
{
    static const gsize sizes[] = {8, 9, 10, 5000, SET_SCREEN_MAX};
    for (guint encrypted = 0; encrypted < 2; encrypted++) {
        struct store_key *key = encrypted ? store_key_generate(NULL) : NULL;
        auto_ptr(store) store = fixture_init(repo_memory_new(), key, 20);
        auto_disk disk = fixture_disk_new(50000, 1);
        struct set_id id = fixture_backup(store, &disk, NULL);
        assert_fails(store, &id, SLIPWAY_ERROR_NOT_FOUND);
        for (guint i = 0; i < G_N_ELEMENTS(sizes); i++) {
            g_autoptr(GBytes) png = make_png(sizes[i], i);
            put(store, &id, png);
            assert_has(store, &id, png);
        }
        g_autofree char *name = object_name(&id), *parity = object_parity_name(name);
        g_assert_true(repo_size(store_repo(store), parity, &(guint64){0}, NULL));
        fixture_delete(store, &id);
        assert_fails(store, &id, SLIPWAY_ERROR_NOT_FOUND);
        g_assert_cmpuint(fixture_count(store_repo(store), "screens"), ==, 0);
        g_assert_false(repo_size(store_repo(store), parity, &(guint64){0}, NULL));
    }
}

static void
test_limits(void)
{
    auto_ptr(store) store = fixture_init(repo_memory_new(), NULL, 0);
    struct set_id id = {{1}};
    const struct {
        gsize size;
        gboolean png;
        enum slipway_error code;
    } rows[] = {{SET_SCREEN_MAX + 1, TRUE, SLIPWAY_ERROR_LIMIT},
                {7, TRUE, SLIPWAY_ERROR_CORRUPT},
                {100, FALSE, SLIPWAY_ERROR_CORRUPT}};
    for (guint i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_autoptr(GError) error = NULL;
        g_autoptr(GBytes) bytes =
            rows[i].png ? make_png(rows[i].size, 1) : g_bytes_new_take(g_malloc0(100), 100);
        g_assert_false(set_screen_put(store, &id, bytes, &error));
        g_assert_error(error, SLIPWAY_ERROR, (gint)rows[i].code);
    }
    g_assert_cmpuint(fixture_count(store_repo(store), "screens"), ==, 0);
}

/* What somebody else put there. */
static void
test_strange(void)
{
    g_autofree char *much = g_strnfill((SET_SCREEN_MAX / 3 + 2) * 4, 'A');
    g_autofree char *long_text = g_strdup_printf("{\"png\":\"%s\",\"version\":1}", much);
    const struct {
        const char *payload;
        enum slipway_error code;
    } rows[] = {{"", SLIPWAY_ERROR_CORRUPT},
                {"[]", SLIPWAY_ERROR_CORRUPT},
                {"{\"png\":\"iVBORw0KGgo=\"}", SLIPWAY_ERROR_CORRUPT},
                {"{\"png\":5,\"version\":1}", SLIPWAY_ERROR_CORRUPT},
                {"{\"png\":\"\",\"version\":1}", SLIPWAY_ERROR_CORRUPT},
                {"{\"png\":\"R0lGODlhAAAAAA==\",\"version\":1}", SLIPWAY_ERROR_CORRUPT},
                {"{\"png\":\"iVBORw0KGgo=\",\"version\":2}", SLIPWAY_ERROR_UNSUPPORTED},
                {long_text, SLIPWAY_ERROR_CORRUPT}};
    auto_ptr(store) store = fixture_init(repo_memory_new(), NULL, 0);
    struct set_id id = {{2}};
    g_autofree char *name = object_name(&id);
    for (guint i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_autoptr(GError) error = NULL;
        g_autoptr(GBytes) object =
            seal_close(SEAL_SCREEN, NULL, rows[i].payload, strlen(rows[i].payload), &error);
        g_assert_no_error(error);
        fixture_put(store_repo(store), name, object);
        assert_fails(store, &id, rows[i].code);
    }
}

/* The check names a damaged one and a repair heals it; one whose set is gone goes with a prune. */
static void
test_care(void)
{
    auto_damage_scene scene;
    struct checker_report found;
    struct repairer_report repaired;
    struct sweeper_report swept;
    g_autoptr(GError) error = NULL;
    g_autoptr(GBytes) png = make_png(3000, 5);
    damage_scene_init(&scene, NULL, 20);
    put(scene.store, &scene.ids[0], png);
    put(scene.store, &scene.ids[1], png);
    g_autofree char *name = object_name(&scene.ids[0]);
    damage_flip(store_repo(scene.store), name, 100);
    damage_check(scene.store, &found);
    g_assert_cmpuint(found.damage->len, ==, 1);
    g_assert_cmpstr(((struct checker_damage *)found.damage->pdata[0])->object, ==, name);
    checker_report_clear(&found);
    assert_fails(scene.store, &scene.ids[0], SLIPWAY_ERROR_CORRUPT);
    repairer_run(scene.store, &(struct repairer_options){.threads = 1}, &repaired, &error);
    g_assert_no_error(error);
    repairer_report_clear(&repaired);
    assert_has(scene.store, &scene.ids[0], png);
    char id[SET_ID_TEXT];
    g_autofree char *set = g_strdup_printf("sets/%s", set_id_format(&scene.ids[0], id));
    g_assert_true(repo_remove(store_repo(scene.store), set, NULL));
    sweeper_run(scene.store, &(struct sweeper_options){.threshold = -1, .grace_seconds = 0}, &swept,
                &error);
    g_assert_no_error(error);
    sweeper_report_clear(&swept);
    assert_fails(scene.store, &scene.ids[0], SLIPWAY_ERROR_NOT_FOUND);
    assert_has(scene.store, &scene.ids[1], png);
}

/* A folder that has one is not the place for a new store. */
static void
test_not_empty(void)
{
    g_autoptr(GError) error = NULL;
    auto_ptr(repo) repo = repo_memory_new();
    g_assert_true(repo_put(repo, "screens/0123", "x", 1, NULL));
    g_assert_false(store_prepare(repo, &error));
    g_assert_error(error, SLIPWAY_ERROR, SLIPWAY_ERROR_USAGE);
    g_assert_nonnull(strstr(error->message, "screens"));
}

int
main(int argc, char **argv)
{
    fixture_without_cache();
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/set-screen/round-trip", test_round_trip);
    g_test_add_func("/set-screen/limits", test_limits);
    g_test_add_func("/set-screen/strange", test_strange);
    g_test_add_func("/set-screen/care", test_care);
    g_test_add_func("/set-screen/not-empty", test_not_empty);
    return g_test_run();
}
