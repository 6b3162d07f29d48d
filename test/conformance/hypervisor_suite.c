/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What a hypervisor says of itself and its machines, and what it cleans up. */
#include "hypervisor_case.h"

#include "../unit/mark_fixture.h"

static void
test_about(gconstpointer suite)
{
    auto_hypervisor_case one;
    g_autoptr(GError) error = NULL;
    if (!hypervisor_case_begin(&one, suite))
        return;
    struct hypervisor_about about;
    gboolean ok = hypervisor_about(one.hypervisor, &about, &error);
    g_assert_no_error(error);
    g_assert_true(ok);
    g_assert_nonnull(about.product);
    g_assert_nonnull(about.version);
    g_assert_false(about.read_only);
    hypervisor_about_clear(&about);
    g_assert_nonnull(hypervisor_label(one.hypervisor));
    g_assert_nonnull(hypervisor_driver(one.hypervisor));
}

static void
test_list(gconstpointer suite)
{
    auto_hypervisor_case one;
    g_autoptr(GError) error = NULL;
    if (!hypervisor_case_begin(&one, suite))
        return;
    g_autoptr(GPtrArray) list = hypervisor_list(one.hypervisor, &error);
    g_assert_no_error(error);
    guint found = 0;
    for (guint i = 0; i < list->len; i++) {
        const struct machine *machine = g_ptr_array_index(list, i);
        g_assert_nonnull(machine->ref);
        g_assert_nonnull(machine->name);
        g_assert_cmpstr(machine->driver, ==, hypervisor_driver(one.hypervisor));
        g_assert_null(machine->native);
        g_assert_null(machine->firmware_data);
        if (g_strcmp0(machine->name, one.suite->machine) != 0)
            continue;
        found++;
        g_assert_cmpint(machine->power, ==, MACHINE_ON);
        g_assert_nonnull(machine->id);
        for (guint j = 0; j < one.n; j++)
            g_assert_nonnull(machine_find_disk(machine, one.suite->disks[j]));
    }
    g_assert_cmpuint(found, ==, 1);
}

/* Whatever it is called by, it is the same one. */
static void
test_describe(gconstpointer suite)
{
    auto_hypervisor_case one;
    g_autoptr(GError) error = NULL;
    if (!hypervisor_case_begin(&one, suite))
        return;
    auto_ptr(machine) by_id = hypervisor_describe(one.hypervisor, one.machine->id, &error);
    g_assert_no_error(error);
    g_assert_cmpstr(by_id->ref, ==, one.machine->ref);
    g_assert_cmpstr(by_id->name, ==, one.suite->machine);
    g_assert_cmpstr(by_id->driver, ==, hypervisor_driver(one.hypervisor));
    g_assert_cmpuint(by_id->memory, >, 0);
    g_assert_cmpuint(by_id->cpus, >, 0);

    auto_ptr(machine) none =
        hypervisor_describe(one.hypervisor, "ffffffff-ffff-4fff-bfff-fffffffffff0", &error);
    g_assert_null(none);
    g_assert_error(error, SLIPWAY_ERROR, SLIPWAY_ERROR_NOT_FOUND);
}

/* What is kept with a set says all that describe() said, but for `ref`. */
static void
test_document(gconstpointer suite)
{
    auto_hypervisor_case one;
    g_autoptr(GError) error = NULL;
    if (!hypervisor_case_begin(&one, suite))
        return;
    g_autofree char *text = machine_format(one.machine, &error);
    g_assert_no_error(error);
    auto_ptr(machine) again = machine_parse(text, strlen(text), &error);
    g_assert_no_error(error);
    g_assert_null(again->ref);
    g_assert_cmpstr(again->name, ==, one.machine->name);
    g_assert_cmpstr(again->native, ==, one.machine->native);
    g_assert_cmpuint(again->disks->len, ==, one.machine->disks->len);
    g_autofree char *second = machine_format(again, &error);
    g_assert_no_error(error);
    g_assert_cmpstr(text, ==, second);
}

static void
test_places(gconstpointer suite)
{
    auto_hypervisor_case one;
    g_autoptr(GError) error = NULL;
    if (!hypervisor_case_begin(&one, suite) || !hypervisor_case_can(&one, HYPERVISOR_CAN_CREATE))
        return;
    g_autoptr(GPtrArray) places = hypervisor_places(one.hypervisor, &error);
    g_assert_no_error(error);
    guint datastores = 0;
    for (guint i = 0; i < places->len; i++) {
        const struct place *place = g_ptr_array_index(places, i);
        g_assert_nonnull(place->name);
        g_assert_cmpint(place->kind, <, PLACE_KIND_N);
        if (place->kind == PLACE_DATASTORE)
            datastores++;
        if (i > 0)
            g_assert_cmpint(place->kind, >=,
                            ((const struct place *)g_ptr_array_index(places, i - 1))->kind);
    }
    g_assert_cmpuint(datastores, >, 0);
}

/* Leave something of that name, clean up twice, and see whether it is there. */
static void
clean(gconstpointer suite, char *mark, gboolean goes, gboolean told)
{
    g_autofree char *own = mark;
    auto_hypervisor_case one;
    g_autoptr(GError) error = NULL;
    if (!hypervisor_case_begin(&one, suite))
        return;
    if (one.suite->leave == NULL) {
        g_test_skip("nothing can be left here");
        return;
    }
    one.suite->leave(one.peer, own);
    g_assert_true(one.suite->has(one.peer, own));
    g_autoptr(GPtrArray) words = NULL, second = NULL;
    gboolean ok = hypervisor_clean(one.hypervisor, one.machine->ref, &words, &error);
    g_assert_no_error(error);
    g_assert_true(ok);
    g_assert_cmpint(words->len > 0, ==, told);
    g_assert_cmpint(one.suite->has(one.peer, own), ==, !goes);
    /* Of all machines, and once more. */
    ok = hypervisor_clean(one.hypervisor, NULL, &second, &error);
    g_assert_no_error(error);
    g_assert_true(ok);
    g_assert_cmpint(one.suite->has(one.peer, own), ==, !goes);
    if (goes)
        g_assert_cmpuint(second->len, ==, 0);
    else
        one.suite->drop(one.peer, own);
    g_assert_false(one.suite->has(one.peer, own));

    /* The machine is as good as before. */
    hypervisor_case_write(&one, 0, MIB, KIB64, 0x5a);
    struct frozen *frozen = hypervisor_case_freeze(&one, NULL);
    hypervisor_case_expect(frozen, one.models);
    frozen_free(frozen);
}

static void
test_clean_left(gconstpointer suite)
{
    clean(suite, mark_fixture_left(), TRUE, TRUE);
}

static void
test_clean_elsewhere(gconstpointer suite)
{
    clean(suite, mark_fixture_elsewhere(), FALSE, TRUE);
}

static void
test_clean_alive(gconstpointer suite)
{
    clean(suite, mark_new(), FALSE, FALSE);
}

static void
test_clean_foreign(gconstpointer suite)
{
    clean(suite, g_strdup("before-upgrade"), FALSE, FALSE);
}

void
hypervisor_suite_add(const struct hypervisor_suite *suite)
{
    hypervisor_suite_add_test(suite, "about", test_about);
    hypervisor_suite_add_test(suite, "list", test_list);
    hypervisor_suite_add_test(suite, "describe", test_describe);
    hypervisor_suite_add_test(suite, "document", test_document);
    hypervisor_suite_add_test(suite, "places", test_places);
    hypervisor_suite_add_test(suite, "clean/left", test_clean_left);
    hypervisor_suite_add_test(suite, "clean/elsewhere", test_clean_elsewhere);
    hypervisor_suite_add_test(suite, "clean/alive", test_clean_alive);
    hypervisor_suite_add_test(suite, "clean/foreign", test_clean_foreign);
    hypervisor_suite_add_freeze(suite);
    hypervisor_suite_add_changes(suite);
    hypervisor_suite_add_create(suite);
}
