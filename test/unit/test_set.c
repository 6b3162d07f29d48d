/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "base/error.h"
#include "store/set.h"

#include <string.h>

static struct set_disk *
new_disk(const char *name, guint64 size, gboolean empty)
{
    struct set_disk *disk = g_new0(struct set_disk, 1);
    disk->name = g_strdup(name);
    disk->source = g_strdup("esx1: [datastore] vm/vm.vmdk");
    disk->map.size = size;
    disk->map.empty = empty;
    for (guint i = 0; !empty && i < CHUNK_ID_SIZE; i++)
        disk->map.root.bytes[i] = (guint8)(i * 7);
    return disk;
}

static struct set *
full_set(void)
{
    struct set *set = set_new();
    set->name = g_strdup("büro \"1\"");
    set->identity = g_strdup("vsphere:5012-1");
    set->driver = g_strdup("vsphere");
    set->hypervisor = g_strdup("vsphere://vc1");
    set->consistency = g_strdup("quiesced");
    set->created = 1700000000;
    set->host = g_strdup("backup1");
    set->has_parent = TRUE;
    memset(set->parent.bytes, 0xab, SET_ID_SIZE);
    set->config_type = g_strdup("vmx");
    set->config = g_strdup("a = \"b\"\n");
    set->method = g_strdup("extents");
    g_ptr_array_add(set->tags, g_strdup("weekly"));
    g_ptr_array_add(set->tags, g_strdup(""));
    g_ptr_array_add(set->disks, new_disk("disk0", 1ull << 45, FALSE));
    g_ptr_array_add(set->disks, new_disk("disk1", 0, TRUE));
    struct set_disk *disk = set->disks->pdata[0];
    disk->change_id = g_strdup("52 c0/17");
    disk->data = 1 << 20;
    disk->chunks = 9;
    set->stats = (struct set_stats){1, 2, 3, 4, 5, 6, 7, 8, 9, 10};
    return set;
}

static void
assert_same(const struct set *left, const struct set *right)
{
    json_t *a = set_to_json(left), *b = set_to_json(right);
    g_assert_true(json_equal(a, b));
    json_decref(a);
    json_decref(b);
    g_assert_cmpstr(left->name, ==, right->name);
    g_assert_cmpstr(left->config, ==, right->config);
    g_assert_cmpstr(left->identity, ==, right->identity);
    g_assert_cmpstr(left->driver, ==, right->driver);
    g_assert_cmpstr(left->hypervisor, ==, right->hypervisor);
    g_assert_cmpstr(left->consistency, ==, right->consistency);
    g_assert_cmpmem(&left->id, sizeof left->id, &right->id, sizeof right->id);
    g_assert_cmpint(left->has_parent, ==, right->has_parent);
    g_assert_cmpmem(&left->parent, sizeof left->parent, &right->parent, sizeof right->parent);
    g_assert_cmpmem(&left->stats, sizeof left->stats, &right->stats, sizeof right->stats);
    g_assert_cmpuint(left->disks->len, ==, right->disks->len);
    for (guint i = 0; i < left->disks->len; i++) {
        const struct set_disk *mine = left->disks->pdata[i], *other = right->disks->pdata[i];
        g_assert_cmpuint(mine->map.size, ==, other->map.size);
        g_assert_cmpuint(mine->data, ==, other->data);
        g_assert_cmpuint(mine->chunks, ==, other->chunks);
        g_assert_cmpint(mine->map.empty, ==, other->map.empty);
        g_assert_true(chunk_id_equal(&mine->map.root, &other->map.root));
    }
}

static void
test_id(void)
{
    char text[SET_ID_TEXT];
    struct set_id id = {{0, 1, 0xfe, 0xff}}, again;
    g_assert_cmpstr(set_id_format(&id, text), ==, "0001feff000000000000000000000000");
    g_assert_true(set_id_parse(text, &again));
    g_assert_cmpmem(&id, sizeof id, &again, sizeof again);
    g_assert_false(set_id_parse("", &again));
    g_assert_false(set_id_parse("0001feff00000000000000000000000", &again));
    g_assert_false(set_id_parse("0001feff0000000000000000000000000", &again));
    g_assert_false(set_id_parse("0001FEFF000000000000000000000000", &again));
    g_assert_false(set_id_parse("0001feff00000000000000000000000x", &again));
}

static void
test_round_trip(void)
{
    auto_ptr(store_key) key = store_key_generate(NULL);
    auto_ptr(set) set = full_set();
    auto_ptr(set) small = set_new();
    small->name = g_strdup("x");
    small->host = g_strdup("");
    small->method = g_strdup("full");
    struct set *const sets[] = {set, small};
    for (guint i = 0; i < 4; i++) {
        g_autoptr(GError) error = NULL;
        const struct store_key *with = i < 2 ? key : NULL;
        g_autoptr(GBytes) object = set_seal(sets[i % 2], with, &error);
        g_assert_no_error(error);
        auto_ptr(set) again = set_open(object, "sets/1", with, &error);
        g_assert_no_error(error);
        assert_same(sets[i % 2], again);
    }
    g_assert_nonnull(set_find_disk(set, "disk1"));
    g_assert_null(set_find_disk(set, "disk2"));
    auto_ptr(set) other = set_new();
    g_assert_true(memcmp(&other->id, &set->id, sizeof set->id) != 0);
}

/* The document to the letter. */
static void
test_document(void)
{
    auto_ptr(set) set = set_new();
    memset(&set->id, 0x11, sizeof set->id);
    set->name = g_strdup("vm");
    set->host = g_strdup("h");
    set->method = g_strdup("scan");
    set->created = 5;
    g_ptr_array_add(set->disks, new_disk("d", 4096, TRUE));
    json_t *json = set_to_json(set);
    char *text = json_dumps(json, JSON_SORT_KEYS | JSON_COMPACT);
    g_assert_cmpstr(text, ==,
                    "{\"created\":5,\"disks\":[{\"chunks\":0,\"data\":0,\"name\":\"d\",\"root\":"
                    "null,\"size\":4096,"
                    "\"source\":\"esx1: [datastore] vm/vm.vmdk\"}],\"host\":\"h\","
                    "\"id\":\"11111111111111111111111111111111\",\"method\":\"scan\","
                    "\"name\":\"vm\",\"stats\":{\"changed\":0,\"chunks\":0,\"data\":0,"
                    "\"delta_chunks\":0,\"duration\":0,\"new_chunks\":0,\"read\":0,\"size\":0,"
                    "\"stored\":0,\"unique\":0},\"tags\":[],\"version\":1}");
    free(text);
    json_decref(json);
}

/* ---- What is refused --------------------------------------------------------------------------
 */

static void
expect_wrong(const json_t *json, const char *member, int code)
{
    g_autoptr(GError) error = NULL;
    g_assert_null(set_from_json(json, &error));
    g_assert_error(error, SLIPWAY_ERROR, code);
    if (strstr(error->message, member) == NULL)
        g_error("%s is not in: %s", member, error->message);
}

/* Each member missing, then of another type, is named; but for those that may be missing. */
static void
test_members(void)
{
    static const char *const optional[] = {"config",     "config_type", "parent",   "change_id",
                                           "chunks",     "data",        "identity", "driver",
                                           "hypervisor", "consistency", NULL};
    auto_ptr(set) set = full_set();
    json_t *json = set_to_json(set);
    json_t *places[] = {json, json_array_get(json_object_get(json, "disks"), 0)};
    for (guint place = 0; place < 2; place++) {
        json_t *object = json_copy(places[place]);
        const char *name;
        json_t *value;
        json_object_foreach(object, name, value)
        {
            g_autofree char *quoted = g_strdup_printf("\"%s\"", name);
            json_object_del(places[place], name);
            if (g_strv_contains(optional, name)) {
                auto_ptr(set) without = set_from_json(json, NULL);
                g_assert_nonnull(without);
            } else
                expect_wrong(json, quoted, SLIPWAY_ERROR_CORRUPT);
            json_object_set_new(places[place], name, json_real(1.5));
            expect_wrong(json, quoted, SLIPWAY_ERROR_CORRUPT);
            json_object_set(places[place], name, value);
        }
        json_decref(object);
    }
    json_decref(json);
    expect_wrong(NULL, "version", SLIPWAY_ERROR_CORRUPT);
}

static void
test_limits(void)
{
    static const struct {
        const char *member, *value; /* in JSON */
        int code;
    } rows[] = {
        {"version", "2", SLIPWAY_ERROR_UNSUPPORTED},
        {"version", "0", SLIPWAY_ERROR_CORRUPT},
        {"name", "\"\"", SLIPWAY_ERROR_CORRUPT},
        {"created", "-1", SLIPWAY_ERROR_CORRUPT},
        {"id", "\"11\"", SLIPWAY_ERROR_CORRUPT},
        {"parent", "\"11\"", SLIPWAY_ERROR_CORRUPT},
        {"parent", "null", SLIPWAY_ERROR_CORRUPT},
        {"method", "\"guess\"", SLIPWAY_ERROR_CORRUPT},
        {"disks", "[1]", SLIPWAY_ERROR_CORRUPT},
        {"disks", "[{\"name\":\"\",\"source\":\"\",\"size\":1,\"root\":null}]",
         SLIPWAY_ERROR_CORRUPT},
        {"disks", "[{\"name\":\"a\",\"source\":\"\",\"size\":-1,\"root\":null}]",
         SLIPWAY_ERROR_CORRUPT},
        {"disks", "[{\"name\":\"a\",\"source\":\"\",\"size\":1,\"root\":\"00\"}]",
         SLIPWAY_ERROR_CORRUPT},
        {"disks",
         "[{\"name\":\"a\",\"source\":\"\",\"size\":1,\"root\":null},"
         "{\"name\":\"a\",\"source\":\"\",\"size\":1,\"root\":null}]",
         SLIPWAY_ERROR_CORRUPT},
        {"tags", "[null]", SLIPWAY_ERROR_CORRUPT},
        {"stats", "{\"size\":-1}", SLIPWAY_ERROR_CORRUPT},
    };
    auto_ptr(set) set = full_set();
    for (gsize i = 0; i < G_N_ELEMENTS(rows); i++) {
        json_t *json = set_to_json(set);
        json_object_set_new(json, rows[i].member, json_loads(rows[i].value, JSON_DECODE_ANY, NULL));
        expect_wrong(json, "", rows[i].code);
        json_decref(json);
    }
}

/* A set that could not be read back is not written. */
static void
expect_not_sealed(struct set *set, const char *member)
{
    g_autoptr(GError) error = NULL;
    g_assert_null(set_seal(set, NULL, &error));
    g_assert_error(error, SLIPWAY_ERROR, SLIPWAY_ERROR_CORRUPT);
    g_assert_nonnull(strstr(error->message, member));
    set_free(set);
}

static void
test_not_sealed(void)
{
    struct set *set = full_set();
    g_free(set->host);
    set->host = g_strdup("\xff\xfe");
    expect_not_sealed(set, "\"host\"");

    set = full_set();
    g_free(set->name);
    set->name = g_strnfill(SET_NAME_MAX + 1, 'x');
    expect_not_sealed(set, "\"name\"");

    set = full_set();
    g_free(set->config);
    set->config = g_strnfill(SET_CONFIG_MAX + 1, 'x');
    expect_not_sealed(set, "configuration");

    set = full_set();
    g_free(set->config);
    set->config = g_strdup("a\xff");
    expect_not_sealed(set, "configuration");

    set = full_set();
    for (guint i = 0; i < SET_TAGS_MAX; i++)
        g_ptr_array_add(set->tags, g_strdup("t"));
    expect_not_sealed(set, "\"tags\"");

    set = full_set();
    for (guint i = 0; i < SET_DISKS_MAX; i++)
        g_ptr_array_add(set->disks, new_disk("d", 1, TRUE));
    expect_not_sealed(set, "\"disks\"");

    set = full_set();
    g_ptr_array_add(set->disks, new_disk("disk0", 1, TRUE));
    expect_not_sealed(set, "disk0");
}

/* Behind the document: whatever it is, nobody takes it for JSON. */
static void
test_config(void)
{
    auto_ptr(store_key) key = store_key_generate(NULL);
    static const char *const texts[] = {"", "x", "[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[", "\"\\"};
    auto_ptr(set) set = full_set();
    for (gsize i = 0; i < G_N_ELEMENTS(texts) + 1; i++) {
        g_autoptr(GError) error = NULL;
        g_free(set->config);
        set->config =
            i < G_N_ELEMENTS(texts) ? g_strdup(texts[i]) : g_strnfill(SET_CONFIG_MAX, ',');
        g_autoptr(GBytes) object = set_seal(set, i % 2 ? key : NULL, &error);
        g_assert_no_error(error);
        auto_ptr(set) again = set_open(object, "sets/1", i % 2 ? key : NULL, &error);
        g_assert_no_error(error);
        assert_same(set, again);
        g_autoptr(GBytes) payload = seal_open(SEAL_SET, i % 2 ? key : NULL, "x", object, &error);
        gsize length = 0, tail = strlen(set->config) + 1;
        const char *bytes = g_bytes_get_data(payload, &length);
        g_assert_cmpuint(length, >, tail);
        g_assert_cmpint(bytes[0], ==, '{');
        g_assert_cmpint(bytes[length - tail], ==, '\0');
        g_assert_cmpmem(bytes + length - tail + 1, tail - 1, set->config, tail - 1);
    }
}

/* In the document, as it was written before. */
static void
test_older(void)
{
    g_autoptr(GError) error = NULL;
    auto_ptr(set) set = full_set();
    json_t *json = set_to_json(set);
    g_assert_null(json_object_get(json, "config"));
    json_object_set_new(json, "config", json_string(set->config));
    char *text = json_dumps(json, JSON_SORT_KEYS | JSON_COMPACT);
    json_decref(json);
    g_autoptr(GBytes) object = seal_close(SEAL_SET, NULL, text, strlen(text), &error);
    auto_ptr(set) again = set_open(object, "sets/1", NULL, &error);
    g_assert_no_error(error);
    assert_same(set, again);

    /* Nobody writes both. */
    gsize length = strlen(text) + 3;
    g_autofree char *both = g_malloc0(length);
    memcpy(both, text, strlen(text));
    memcpy(both + strlen(text) + 1, "ab", 2);
    free(text);
    g_autoptr(GBytes) twice = seal_close(SEAL_SET, NULL, both, length, &error);
    g_assert_null(set_open(twice, "sets/1", NULL, &error));
    g_assert_error(error, SLIPWAY_ERROR, SLIPWAY_ERROR_CORRUPT);
}

static void
test_newer(void)
{
    auto_ptr(set) set = full_set();
    json_t *json = set_to_json(set);
    json_object_set_new(json, "future", json_true());
    json_object_del(json_object_get(json, "stats"), "unique");
    auto_ptr(set) again = set_from_json(json, NULL);
    g_assert_nonnull(again);
    g_assert_cmpuint(again->stats.unique, ==, 0);
    g_assert_cmpuint(again->stats.stored, ==, set->stats.stored);
    json_decref(json);
}

static void
test_not_json(void)
{
    static const char *const texts[] = {"", "[", "nonsense", "{\"id\":1,\"id\":2}",
                                        "{\"a\":\"\\u0000\"}"};
    for (gsize i = 0; i < G_N_ELEMENTS(texts); i++) {
        g_autoptr(GError) error = NULL;
        g_autoptr(GBytes) object = seal_close(SEAL_SET, NULL, texts[i], strlen(texts[i]), NULL);
        g_assert_null(set_open(object, "sets/1", NULL, &error));
        g_assert_error(error, SLIPWAY_ERROR, SLIPWAY_ERROR_CORRUPT);
        g_assert_true(g_str_has_prefix(error->message, "sets/1"));
    }
}

/* ---- Flags ------------------------------------------------------------------------------------
 */

static void
test_flags(void)
{
    struct set_flags flags = {.archived = TRUE, .verified = 77, .verified_good = FALSE}, again;
    flags.verified_words = g_strdup("disk0 is damaged");
    json_t *json = set_flags_to_json(&flags);
    g_assert_true(set_flags_from_json(json, &again, NULL));
    g_assert_true(again.archived && again.verified == 77 && !again.verified_good);
    g_assert_cmpstr(again.verified_words, ==, "disk0 is damaged");
    set_flags_clear(&again);
    set_flags_clear(&flags);
    json_object_set_new(json, "verified", json_integer(-1));
    g_autoptr(GError) error = NULL;
    g_assert_false(set_flags_from_json(json, &again, &error));
    g_assert_error(error, SLIPWAY_ERROR, SLIPWAY_ERROR_CORRUPT);
    g_assert_null(again.verified_words);
    json_decref(json);
    g_assert_false(set_flags_from_json(NULL, &again, NULL));
}

/* Of a trial: all of it or nothing, and nothing in the flags of older versions. */
static void
test_flags_boot(void)
{
    struct set_flags flags = {.booted = 88, .booted_good = TRUE, .booted_ms = 12345}, again;
    flags.booted_sign = g_strdup("agent");
    flags.booted_words = g_strdup("the guest agent answers");
    json_t *json = set_flags_to_json(&flags);
    g_assert_true(set_flags_from_json(json, &again, NULL));
    g_assert_true(again.booted == 88 && again.booted_good && again.booted_ms == 12345);
    g_assert_cmpstr(again.booted_sign, ==, "agent");
    g_assert_cmpstr(again.booted_words, ==, "the guest agent answers");
    set_flags_clear(&again);
    set_flags_clear(&flags);
    g_assert_null(flags.booted_words);
    static const char *const wrong[] = {"booted", "booted_good", "booted_sign", "booted_words",
                                        "booted_ms"};
    for (gsize i = 0; i < G_N_ELEMENTS(wrong); i++) {
        g_autoptr(GError) error = NULL;
        json_t *bad = json_deep_copy(json);
        json_object_set_new(bad, wrong[i], json_array());
        g_assert_false(set_flags_from_json(bad, &again, &error));
        g_assert_error(error, SLIPWAY_ERROR, SLIPWAY_ERROR_CORRUPT);
        g_assert_nonnull(strstr(error->message, wrong[i]));
        json_decref(bad);
    }
    json_object_del(json, "booted_sign");
    json_object_del(json, "booted_ms");
    g_assert_true(set_flags_from_json(json, &again, NULL));
    g_assert_null(again.booted_sign);
    set_flags_clear(&again);
    json_object_del(json, "booted");
    g_assert_true(set_flags_from_json(json, &again, NULL));
    g_assert_cmpint(again.booted, ==, 0);
    json_decref(json);
    json = set_flags_to_json(&again);
    g_assert_null(json_object_get(json, "booted_good"));
    json_decref(json);
}

static void
test_flags_words(void)
{
    static const char *const words[] = {"\xff", "x\xc3\xa4", "\xc3\xa4"};
    for (gsize i = 0; i < G_N_ELEMENTS(words); i++) {
        g_autoptr(GString) text = g_string_new(NULL);
        while (text->len <= SET_TEXT_MAX)
            g_string_append(text, words[i]);
        struct set_flags flags = {.verified_words = text->str}, again;
        json_t *json = set_flags_to_json(&flags);
        g_assert_true(set_flags_from_json(json, &again, NULL));
        gsize length = strlen(again.verified_words);
        g_assert_cmpuint(length, <=, SET_TEXT_MAX);
        g_assert_cmpuint(length, >, SET_TEXT_MAX - 4);
        set_flags_clear(&again);
        json_decref(json);
    }
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/set/id", test_id);
    g_test_add_func("/set/round-trip", test_round_trip);
    g_test_add_func("/set/document", test_document);
    g_test_add_func("/set/members", test_members);
    g_test_add_func("/set/limits", test_limits);
    g_test_add_func("/set/not-sealed", test_not_sealed);
    g_test_add_func("/set/config", test_config);
    g_test_add_func("/set/older", test_older);
    g_test_add_func("/set/newer", test_newer);
    g_test_add_func("/set/not-json", test_not_json);
    g_test_add_func("/set/flags", test_flags);
    g_test_add_func("/set/flags-boot", test_flags_boot);
    g_test_add_func("/set/flags-words", test_flags_words);
    return g_test_run();
}
