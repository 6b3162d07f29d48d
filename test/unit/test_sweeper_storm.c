/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Writers, deletions and prunes in any order, some of them stopped or taken for dead: every set
 * that is listed can be read byte for byte all the time, and in the end nothing is left over. */
#include "store/sweeper.h"
#include "store_fixture.h"

#define RUNS 3u
#define SETS_MAX 6u
#define SIZE_MAX_BLOCKS 120u

struct kept {
    struct set_id id;
    struct fixture_disk disk;
};

struct active {
    struct fixture_run *run;
    struct fixture_disk disk;
    gboolean added;
};

struct storm {
    guint64 state; /* of chance */
    struct store *store;
    const struct store_key *key;
    GPtrArray *sets;  /* of struct kept * */
    GPtrArray *disks; /* of struct fixture_disk *: of sets that there were */
    struct active active[RUNS];
    guint commits, refusals, prunes, crashes, saved, removed;
};

static guint
chance(struct storm *storm, guint n)
{
    return (guint)(fixture_random(&storm->state) >> 33) % n;
}

/* ---- A repo that belongs to another store ---------------------------------------------------- */

struct borrowed {
    struct repo base;
    struct repo *below;
};

static struct repo *
below(struct repo *self)
{
    return ((struct borrowed *)self)->below;
}

static gboolean
put(struct repo *self, const char *name, const void *data, gsize length, gboolean replace,
    GError **error)
{
    return below(self)->class->put(below(self), name, data, length, replace, error);
}

static struct repo_writer *
create(struct repo *self, const char *owner, GError **error)
{
    return repo_create(below(self), owner, error);
}

static gboolean
read_range(struct repo *self, const char *name, guint64 offset, void *buffer, gsize length,
           GError **error)
{
    return repo_read(below(self), name, offset, buffer, length, error);
}

static GBytes *
read_all(struct repo *self, const char *name, gsize limit, GError **error)
{
    return repo_read_all(below(self), name, limit, error);
}

static gboolean
size_of(struct repo *self, const char *name, guint64 *ret_size, GError **error)
{
    return repo_size(below(self), name, ret_size, error);
}

static gboolean
list(struct repo *self, const char *folder, GPtrArray *entries, GError **error)
{
    return below(self)->class->list(below(self), folder, entries, error);
}

static gboolean
remove_object(struct repo *self, const char *name, GError **error)
{
    return repo_remove(below(self), name, error);
}

static gboolean
unfinished(struct repo *self, GPtrArray *owners, GError **error)
{
    return below(self)->class->unfinished(below(self), owners, error);
}

static gboolean
unfinished_remove(struct repo *self, const char *owner, GError **error)
{
    return repo_unfinished_remove(below(self), owner, error);
}

static void
close_borrowed(struct repo *self)
{
    g_free(self);
}

static const struct repo_class borrowed_class = {
    .name = "borrowed",
    .put = put,
    .create = create,
    .read = read_range,
    .read_all = read_all,
    .size = size_of,
    .list = list,
    .remove = remove_object,
    .unfinished = unfinished,
    .unfinished_remove = unfinished_remove,
    .close = close_borrowed,
};

static struct repo *
borrow(struct repo *repo)
{
    struct borrowed *borrowed = g_new0(struct borrowed, 1);
    repo_init(&borrowed->base, &borrowed_class, repo_capabilities(repo), "borrowed");
    borrowed->below = repo;
    return &borrowed->base;
}

/* ---- Steps ----------------------------------------------------------------------------------- */

static void
free_kept(gpointer data)
{
    struct kept *kept = data;
    fixture_disk_clear(&kept->disk);
    g_free(kept);
}

static void
free_disk(gpointer data)
{
    fixture_disk_clear(data);
    g_free(data);
}

/* New bytes, or those of a set that is or was there, with some changes. */
static struct fixture_disk
make_disk(struct storm *storm)
{
    guint size = (1 + chance(storm, SIZE_MAX_BLOCKS)) * CHUNK_BLOCK;
    if (storm->disks->len == 0 || chance(storm, 4) == 0)
        return fixture_disk_new(size, fixture_random(&storm->state));
    struct fixture_disk disk =
        fixture_disk_copy(storm->disks->pdata[chance(storm, storm->disks->len)]);
    for (guint n = chance(storm, 3); n > 0; n--) {
        gsize at = chance(storm, (guint)disk.size - 500);
        fixture_scribble(&disk, at, 500, fixture_random(&storm->state));
    }
    return disk;
}

static void
begin(struct storm *storm, struct active *active)
{
    active->run = fixture_begin(storm->store, "machine");
    active->added = FALSE;
}

/* A set that is there is taken over as it is, without a look: as a backup of a disk does of which
 * nothing changed. */
static void
follow(struct storm *storm, struct active *active)
{
    struct kept *kept = storm->sets->pdata[chance(storm, storm->sets->len)];
    struct set_disk *entry = g_new0(struct set_disk, 1);
    entry->name = g_strdup("disk0");
    entry->source = g_strdup("");
    entry->map = fixture_map(storm->store, &kept->id);
    g_ptr_array_add(active->run->set->disks, entry);
    active->run->set->has_parent = TRUE;
    active->run->set->parent = kept->id;
    active->disk = fixture_disk_copy(&kept->disk);
}

static void
add(struct storm *storm, struct active *active)
{
    g_autoptr(GError) error = NULL;
    struct map map;
    active->added = TRUE;
    if (storm->sets->len > 0 && chance(storm, 3) == 0) {
        follow(storm, active);
        return;
    }
    gboolean delta = storm->sets->len > 0 && chance(storm, 2) == 0;
    if (delta) {
        struct kept *kept = storm->sets->pdata[chance(storm, storm->sets->len)];
        map = fixture_map(storm->store, &kept->id);
    }
    active->disk = make_disk(storm);
    fixture_add_disk(active->run, &active->disk, delta ? &map : NULL, &error);
    g_assert_no_error(error);
}

static void
end(struct active *active)
{
    g_clear_pointer(&active->run, fixture_run_free);
    if (active->added)
        fixture_disk_clear(&active->disk);
    active->disk = (struct fixture_disk){0};
    active->added = FALSE;
}

static void
commit(struct storm *storm, struct active *active)
{
    g_autoptr(GError) error = NULL;
    struct kept *kept = g_new0(struct kept, 1);
    if (fixture_commit(active->run, &kept->id, &error)) {
        struct fixture_disk *copy = g_new(struct fixture_disk, 1);
        *copy = fixture_disk_copy(&active->disk);
        g_ptr_array_add(storm->disks, copy);
        kept->disk = fixture_disk_copy(&active->disk);
        g_ptr_array_add(storm->sets, kept);
        storm->commits++;
    } else {
        /* It was taken for dead: by what is missing now, or with a pack that was not finished. */
        g_assert_true(g_error_matches(error, SLIPWAY_ERROR, SLIPWAY_ERROR_BUSY) ||
                      g_error_matches(error, SLIPWAY_ERROR, SLIPWAY_ERROR_NOT_FOUND));
        storm->refusals++;
        g_free(kept);
    }
    end(active);
}

static void
delete_one(struct storm *storm)
{
    guint at = chance(storm, storm->sets->len);
    fixture_delete(storm->store, &((struct kept *)storm->sets->pdata[at])->id);
    g_ptr_array_remove_index(storm->sets, at);
}

static void
prune(struct storm *storm, guint at)
{
    g_autoptr(GError) error = NULL;
    struct repo_fault fault = {.operations = 1u << REPO_OP_PUT | 1u << REPO_OP_REPLACE |
                                             1u << REPO_OP_APPEND | 1u << REPO_OP_COMMIT |
                                             1u << REPO_OP_REMOVE,
                               .at = at};
    auto_ptr(store) store =
        fixture_open(repo_fault_new(borrow(store_repo(storm->store)), &fault), storm->key);
    struct sweeper_options options = {.threshold = chance(storm, 2) == 0 ? 0 : 20,
                                      .optimize = chance(storm, 4) == 0,
                                      .level = 3,
                                      .grace_seconds = -1,
                                      .threads = 1};
    struct sweeper_report report;
    if (!sweeper_run(store, &options, &report, &error)) {
        g_assert_cmpuint(at, >, 0);
        storm->crashes++;
    }
    storm->prunes++;
    storm->saved += (guint)report.saved_packs;
    storm->removed += (guint)report.removed_packs;
    g_assert_cmpuint(report.missing_chunks, ==, 0);
    sweeper_report_clear(&report);
}

/* A prune that was stopped stays dead; writers are taken for dead only now and then, and go on. */
static void
kill_prune(struct storm *storm, gboolean writers)
{
    struct repo *repo = store_repo(storm->store);
    g_autoptr(GPtrArray) leases = lease_list(storm->store, NULL, NULL);
    for (guint i = 0; i < leases->len; i++) {
        const struct lease_info *info = leases->pdata[i];
        g_autofree char *name = g_strdup_printf("leases/%s", info->id);
        if (info->kind == LEASE_PRUNE || writers)
            repo_remove(repo, name, NULL);
    }
}

static void
step_run(struct storm *storm, struct active *active)
{
    if (active->run == NULL)
        begin(storm, active);
    else if (!active->added)
        add(storm, active);
    else if (chance(storm, 5) == 0)
        end(active);
    else
        commit(storm, active);
}

static void
step(struct storm *storm)
{
    guint what = chance(storm, 10);
    if (what < 5) {
        step_run(storm, &storm->active[chance(storm, RUNS)]);
    } else if (what < 7 || storm->sets->len > SETS_MAX) {
        if (storm->sets->len > 0)
            delete_one(storm);
    } else {
        prune(storm, what == 9 ? 1 + chance(storm, 16) : 0);
        kill_prune(storm, chance(storm, 25) == 0);
    }
}

static void
expect_all(struct storm *storm)
{
    for (guint i = 0; i < storm->sets->len; i++) {
        struct kept *kept = storm->sets->pdata[i];
        fixture_expect(storm->store, &kept->id, &kept->disk);
    }
}

static void
finish(struct storm *storm)
{
    static const char *const folders[] = {"packs", "sets", "flags", "leases", "doomed"};
    for (guint i = 0; i < RUNS; i++)
        end(&storm->active[i]);
    while (storm->sets->len > 0)
        delete_one(storm);
    kill_prune(storm, TRUE);
    prune(storm, 0);
    prune(storm, 0);
    for (guint i = 0; i < G_N_ELEMENTS(folders); i++) {
        if (fixture_count(store_repo(storm->store), folders[i]) > 0)
            g_error("%s is not empty", folders[i]);
    }
    g_autoptr(GPtrArray) parity = repo_list(store_repo(storm->store), "parity", NULL);
    g_assert_cmpuint(parity->len, ==, 1); /* of `config` */
    g_autoptr(GPtrArray) owners = repo_unfinished(store_repo(storm->store), NULL);
    g_assert_cmpuint(owners->len, ==, 0);
}

static void
run_storm(guint64 seed, guint steps, struct store_key *key)
{
    struct storm storm = {
        .state = seed * G_GUINT64_CONSTANT(0x9e3779b97f4a7c15) + 1,
        .store = fixture_init(repo_memory_new(), key, 20),
        .key = key,
        .sets = g_ptr_array_new_with_free_func(free_kept),
        .disks = g_ptr_array_new_with_free_func(free_disk),
    };
    for (guint i = 0; i < steps; i++) {
        step(&storm);
        expect_all(&storm);
    }
    finish(&storm);
    g_test_message("seed %" G_GUINT64_FORMAT
                   ": %u sets, %u refused, %u prunes, %u of them stopped, "
                   "%u packs removed, %u saved",
                   seed, storm.commits, storm.refusals, storm.prunes, storm.crashes, storm.removed,
                   storm.saved);
    g_ptr_array_unref(storm.sets);
    g_ptr_array_unref(storm.disks);
    store_close(storm.store);
}

/* STORM=FROM-TO runs other seeds. */
static void
test_storm(void)
{
    guint from = 1, to = 6;
    const char *range = g_getenv("STORM");
    if (range != NULL && sscanf(range, "%u-%u", &from, &to) != 2)
        g_error("STORM must be FROM-TO");
    for (guint seed = from; seed <= to; seed++)
        run_storm(seed, 200, seed % 3 == 0 ? store_key_generate(NULL) : NULL);
}

int
main(int argc, char **argv)
{
    fixture_without_cache();
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/sweeper/storm", test_storm);
    return g_test_run();
}
