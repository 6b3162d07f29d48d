/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What changed since: exact enough to be worth it, and never less than the truth. */
#include "hypervisor_case.h"

/* Freeze, compare, and thaw; the ids of what was frozen, and whether a set was stored. */
static struct hypervisor_ids
full(struct hypervisor_case *one, gboolean kept)
{
    struct frozen *frozen = hypervisor_case_freeze(one, NULL);
    struct hypervisor_ids ids = hypervisor_case_ids(frozen);
    hypervisor_case_expect(frozen, one->models);
    hypervisor_case_thaw(frozen);
    hypervisor_case_settle(frozen, kept);
    frozen_free(frozen);
    return ids;
}

/* The same with what changed since `ids`, when disks were as in `before`. */
static struct hypervisor_ids
incremental(struct hypervisor_case *one, const struct hypervisor_ids *since,
            const GPtrArray *before, gboolean kept)
{
    struct frozen *frozen = hypervisor_case_freeze(one, since);
    struct hypervisor_ids ids = hypervisor_case_ids(frozen);
    hypervisor_case_expect(frozen, one->models);
    hypervisor_case_expect_changes(frozen, before);
    hypervisor_case_thaw(frozen);
    hypervisor_case_settle(frozen, kept);
    frozen_free(frozen);
    return ids;
}

static gboolean
begin(struct hypervisor_case *one, gconstpointer suite)
{
    if (!hypervisor_case_begin(one, suite) || !hypervisor_case_tracks(one))
        return FALSE;
    hypervisor_case_write(one, 0, 0, 2 * KIB64, 0x10);
    return TRUE;
}

/* Three in a row, each from the one before. */
static void
test_kept(gconstpointer suite)
{
    auto_hypervisor_case one;
    if (!begin(&one, suite))
        return;
    auto_ids first = full(&one, TRUE);
    g_autoptr(GPtrArray) at_first = hypervisor_case_moment(&one);
    hypervisor_case_write(&one, 0, MIB, KIB64, 0x20);
    hypervisor_case_write(&one, 0, KIB64, KIB64, 0x21);
    hypervisor_case_write(&one, 0, 2 * MIB, 5 * KIB64, 0x22);
    auto_ids second = incremental(&one, &first, at_first, TRUE);
    g_autoptr(GPtrArray) at_second = hypervisor_case_moment(&one);
    hypervisor_case_write(&one, one.n - 1, 3 * MIB, KIB64, 0x30);
    auto_ids third = incremental(&one, &second, at_second, TRUE);
    g_autoptr(GPtrArray) at_third = hypervisor_case_moment(&one);
    auto_ids fourth = incremental(&one, &third, at_third, TRUE);
    g_assert_nonnull(fourth.ids);
}

/* What the guest writes while it is frozen belongs to the next one. */
static void
test_meanwhile(gconstpointer suite)
{
    auto_hypervisor_case one;
    if (!begin(&one, suite))
        return;
    g_autoptr(GPtrArray) at_first = hypervisor_case_moment(&one);
    struct frozen *frozen = hypervisor_case_freeze(&one, NULL);
    auto_ids first = hypervisor_case_ids(frozen);
    hypervisor_case_write(&one, 0, 2 * MIB, KIB64, 0x40);
    hypervisor_case_expect(frozen, at_first);
    hypervisor_case_thaw(frozen);
    hypervisor_case_write(&one, 0, 3 * MIB, KIB64, 0x41);
    hypervisor_case_settle(frozen, TRUE);
    frozen_free(frozen);
    auto_ids second = incremental(&one, &first, at_first, TRUE);
    g_assert_nonnull(second.ids);
}

/* A run whose set was not stored never happened. */
static void
test_lost(gconstpointer suite)
{
    auto_hypervisor_case one;
    if (!begin(&one, suite))
        return;
    auto_ids first = full(&one, TRUE);
    g_autoptr(GPtrArray) at_first = hypervisor_case_moment(&one);
    hypervisor_case_write(&one, 0, MIB, KIB64, 0x50);
    auto_ids lost = incremental(&one, &first, at_first, FALSE);
    hypervisor_case_write(&one, 0, 2 * MIB, KIB64, 0x51);
    auto_ids again = incremental(&one, &first, at_first, TRUE);
    g_assert_nonnull(lost.ids);
    g_assert_nonnull(again.ids);
}

/* Nor did one that ended without a word. */
static void
test_freed(gconstpointer suite)
{
    auto_hypervisor_case one;
    if (!begin(&one, suite))
        return;
    auto_ids first = full(&one, TRUE);
    g_autoptr(GPtrArray) at_first = hypervisor_case_moment(&one);
    hypervisor_case_write(&one, 0, MIB, KIB64, 0x60);
    frozen_free(hypervisor_case_freeze(&one, &first));
    hypervisor_case_nothing_left(&one);
    hypervisor_case_write(&one, 0, 3 * MIB, KIB64, 0x61);
    auto_ids second = incremental(&one, &first, at_first, TRUE);
    g_assert_nonnull(second.ids);
}

/* Freeze with these ids: each disk must be read in full, and says why; the one after goes on from
 * there. */
static void
expect_full(struct hypervisor_case *one, const struct hypervisor_ids *ids)
{
    struct frozen *frozen = hypervisor_case_freeze(one, ids);
    auto_ids next = hypervisor_case_ids(frozen);
    hypervisor_case_expect_full(frozen);
    hypervisor_case_expect(frozen, one->models);
    hypervisor_case_thaw(frozen);
    hypervisor_case_settle(frozen, TRUE);
    frozen_free(frozen);
    g_autoptr(GPtrArray) before = hypervisor_case_moment(one);
    hypervisor_case_write(one, 0, 2 * MIB, KIB64, 0x6f);
    auto_ids last = incremental(one, &next, before, TRUE);
    g_assert_nonnull(last.ids);
}

static void
test_unknown(gconstpointer suite)
{
    auto_hypervisor_case one;
    if (!begin(&one, suite))
        return;
    auto_ids first = full(&one, TRUE);
    for (char **id = first.ids; *id != NULL; id++) {
        g_free(*id);
        *id = g_strdup("no change id at all, or another driver's");
    }
    expect_full(&one, &first);
}

/* One that looks like ours, and is not of this disk. */
static void
test_foreign(gconstpointer suite)
{
    auto_hypervisor_case one;
    if (!begin(&one, suite))
        return;
    auto_ids first = full(&one, TRUE);
    for (char **id = first.ids; *id != NULL; id++)
        for (char *c = *id; *c != '\0'; c++)
            if (g_ascii_isxdigit(*c)) {
                *c = *c == '0' ? '1' : '0';
                break;
            }
    expect_full(&one, &first);
}

/* The hypervisor lost count: nothing may be left out. */
static void
test_forgotten(gconstpointer suite)
{
    auto_hypervisor_case one;
    if (!begin(&one, suite))
        return;
    if (one.suite->forget_changes == NULL) {
        g_test_skip("tracking cannot be disturbed");
        return;
    }
    auto_ids first = full(&one, TRUE);
    hypervisor_case_write(&one, 0, MIB, KIB64, 0x70);
    one.suite->forget_changes(one.peer);
    expect_full(&one, &first);
}

/* A disk that was of another size is another one. */
static void
test_size(gconstpointer suite)
{
    auto_hypervisor_case one;
    g_autoptr(GError) error = NULL;
    if (!begin(&one, suite))
        return;
    auto_ids first = full(&one, TRUE);
    const struct freeze_disk disk = {
        .name = one.suite->disks[0], .change_id = first.ids[0], .size = MIB};
    const struct freeze_options options = {
        .quiesce = FREEZE_NEVER, .disks = &disk, .n_disks = 1, .chain = "suite1"};
    struct frozen *frozen = hypervisor_freeze(one.hypervisor, one.machine, &options, &error);
    g_assert_no_error(error);
    hypervisor_case_expect_full(frozen);
    frozen_free(frozen);
}

/* Another store has its own chain, and neither disturbs the other. */
static void
test_chains(gconstpointer suite)
{
    auto_hypervisor_case one;
    g_autoptr(GError) error = NULL;
    if (!begin(&one, suite))
        return;
    auto_ids first = full(&one, TRUE);
    g_autoptr(GPtrArray) at_first = hypervisor_case_moment(&one);
    hypervisor_case_write(&one, 0, MIB, KIB64, 0x79);

    const struct freeze_disk disk = {.name = one.suite->disks[0]};
    const struct freeze_options options = {
        .quiesce = FREEZE_NEVER, .disks = &disk, .n_disks = 1, .chain = "suite2"};
    struct frozen *other = hypervisor_freeze(one.hypervisor, one.machine, &options, &error);
    g_assert_no_error(error);
    hypervisor_case_same(frozen_get_disk(other, 0)->disk, g_ptr_array_index(one.models, 0));
    hypervisor_case_thaw(other);
    hypervisor_case_settle(other, TRUE);
    frozen_free(other);

    hypervisor_case_write(&one, 0, 2 * MIB, KIB64, 0x7a);
    auto_ids second = incremental(&one, &first, at_first, TRUE);
    g_assert_nonnull(second.ids);
}

void
hypervisor_suite_add_changes(const struct hypervisor_suite *suite)
{
    hypervisor_suite_add_test(suite, "changes/kept", test_kept);
    hypervisor_suite_add_test(suite, "changes/meanwhile", test_meanwhile);
    hypervisor_suite_add_test(suite, "changes/lost", test_lost);
    hypervisor_suite_add_test(suite, "changes/freed", test_freed);
    hypervisor_suite_add_test(suite, "changes/unknown", test_unknown);
    hypervisor_suite_add_test(suite, "changes/foreign", test_foreign);
    hypervisor_suite_add_test(suite, "changes/forgotten", test_forgotten);
    hypervisor_suite_add_test(suite, "changes/size", test_size);
    hypervisor_suite_add_test(suite, "changes/chains", test_chains);
}
