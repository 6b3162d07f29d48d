/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Tags that a machine had are attached to the one that is made of it, where the server has them. */
#include "wanted.h"

#include <string.h>

/* A server of that version (NULL: the simulator's own) with a machine to hang tags on. */
static gboolean
begin(struct vsphere_bench *bench, const char *option, const char *value)
{
    const char *const arguments[] = {"-machines", "0", option, value, NULL};
    if (!vsphere_bench_begin(bench, arguments))
        return FALSE;
    vsphere_peer_tell(bench->peer, "settings", "{s:f}", "task_time", 0.01);
    bench->tidy = TRUE;
    vsphere_bench_add(bench, NULL, NULL);
    vsphere_bench_open(bench, HYPERVISOR_TRANSPORT_HTTPS);
    return TRUE;
}

static void
know_tag(struct vsphere_bench *bench, const char *category, const char *name)
{
    vsphere_peer_tell(bench->peer, "tag", "{s:s, s:s, s:s}", "vm", VSPHERE_PEER_MACHINE, "category",
                      category, "name", name);
}

/* A machine with the tags of `wanted`, which ends with NULL; what it has then, and the words. */
static char *
make(struct vsphere_bench *bench, const char *const *wanted, char **ret_words)
{
    auto_ptr(machine) machine = wanted_new("restored");
    for (; *wanted != NULL; wanted++)
        g_ptr_array_add(machine->tags, g_strdup(*wanted));
    auto_ptr(placement) placement = wanted_create(bench, machine);
    auto_ptr(machine) made = NULL;
    wanted_finish(placement, FALSE, &made);
    GString *tags = g_string_new(NULL), *words = g_string_new(NULL);
    for (guint i = 0; i < made->tags->len; i++)
        g_string_append_printf(tags, "%s\n", (const char *)g_ptr_array_index(made->tags, i));
    for (guint i = 0; i < placement_words(placement)->len; i++)
        g_string_append_printf(words, "%s\n",
                               (const char *)g_ptr_array_index(placement_words(placement), i));
    *ret_words = g_string_free(words, FALSE);
    return g_string_free(tags, FALSE);
}

/* Some are there, one is called like another, one is gone, and one has a category that is. */
static void
attach_at(const char *version)
{
    static const char *const wanted[] = {"backup/nightly", "owner/it/linux", "backup/weekly",
                                         "site/north", NULL};
    auto_vsphere_bench bench;
    if (!begin(&bench, version != NULL ? "-version" : NULL, version))
        return;
    know_tag(&bench, "backup", "nightly");
    know_tag(&bench, "backup", "monthly");
    know_tag(&bench, "other", "weekly");
    know_tag(&bench, "owner", "it/linux");
    g_autofree char *words = NULL, *tags = make(&bench, wanted, &words);
    g_assert_cmpstr(tags, ==, "backup/nightly\nowner/it/linux\n");
    g_assert_cmpstr(words, ==,
                    "tag backup/weekly was not attached: there is none of that name here, or the "
                    "account may not see it\n"
                    "tag site/north was not attached: there is none of that name here, or the "
                    "account may not see it\n");
}

static void
test_old(void)
{
    attach_at("6.7.0");
}

static void
test_new(void)
{
    attach_at("7.0.3");
}

/* "a/b/c" is tag b/c of a, or tag c of a/b. */
static void
test_ambiguous(void)
{
    static const char *const wanted[] = {"a/b/c", "a/b/d", NULL};
    auto_vsphere_bench bench;
    if (!begin(&bench, NULL, NULL))
        return;
    know_tag(&bench, "a", "b/c");
    know_tag(&bench, "a/b", "c");
    know_tag(&bench, "a/b", "d");
    g_autofree char *words = NULL, *tags = make(&bench, wanted, &words);
    g_assert_cmpstr(tags, ==, "a/b/d\n");
    g_assert_cmpstr(words, ==,
                    "tag a/b/c was not attached: there is more than one of that name here\n");
}

/* The machine is made whatever the server says of its tags; `expected` is said of each. */
static void
refuse(const char *rule, const char *attached, const char *expected, guint times)
{
    static const char *const wanted[] = {"backup/nightly", "backup/weekly", NULL};
    auto_vsphere_bench bench;
    if (!begin(&bench, NULL, NULL))
        return;
    know_tag(&bench, "backup", "nightly");
    know_tag(&bench, "backup", "weekly");
    vsphere_bench_rule(&bench, rule);
    g_autofree char *words = NULL, *tags = make(&bench, wanted, &words);
    g_assert_true(vsphere_bench_rule_met(&bench));
    g_assert_cmpstr(tags, ==, attached);
    guint said = 0;
    g_auto(GStrv) lines = g_strsplit(words, "\n", -1);
    for (guint i = 0; lines[i] != NULL; i++)
        said +=
            strstr(lines[i], "was not attached: ") != NULL && strstr(lines[i], expected) != NULL;
    if (said != times)
        g_error("\"%s\" is not said %u times: %s", expected, times, words);
    vsphere_peer_tell(bench.peer, "clear", NULL);
}

static void
test_denied(void)
{
    refuse("{\"method\": \"POST /rest attach\", \"status\": 403, \"count\": -1}", "",
           "InventoryService.Tagging.AttachTag", 2);
}

/* As when the machine has another one of a category that allows one. */
static void
test_one_refused(void)
{
    refuse("{\"method\": \"POST /rest attach\", \"status\": 400}", "backup/weekly\n",
           "the server refuses it (400)", 1);
}

/* What is not heard is not asked for once more for the next one. */
static void
test_lost(void)
{
    refuse("{\"method\": \"POST /rest attach\", \"drop\": \"before\", \"count\": 2}", "", "", 2);
}

static void
test_no_session(void)
{
    refuse("{\"method\": \"POST /rest\", \"status\": 503}", "", "503", 2);
}

static void
test_no_interface(void)
{
    refuse("{\"method\": \"POST /rest\", \"status\": 404}", "", "6.5 and later", 2);
}

static void
test_no_list(void)
{
    refuse("{\"method\": \"GET /rest\", \"status\": 500}", "", "500", 2);
}

/* A tag that is deleted while we look is passed by. */
static void
test_deleted_meanwhile(void)
{
    refuse("{\"method\": \"GET /rest\", \"status\": 404, \"skip\": 1}", "", "there is none", 2);
}

static void
test_single_host(void)
{
    static const char *const wanted[] = {"backup/nightly", NULL};
    auto_vsphere_bench bench;
    if (!begin(&bench, "-model", "esx"))
        return;
    g_autofree char *words = NULL, *tags = make(&bench, wanted, &words);
    g_assert_cmpstr(tags, ==, "");
    g_assert_cmpstr(words, ==,
                    "tag backup/nightly was not attached: a single host has no tags, a vCenter "
                    "has\n");
}

/* Nobody is asked for tags of a machine that had none. */
static void
test_none(void)
{
    auto_vsphere_bench bench;
    if (!begin(&bench, NULL, NULL))
        return;
    auto_ptr(machine) machine = wanted_new("restored");
    auto_ptr(placement) placement = wanted_create(&bench, machine);
    vsphere_peer_tell(bench.peer, "counts", NULL);
    wanted_finish(placement, FALSE, NULL);
    g_assert_cmpuint(vsphere_bench_count(&bench, "GET /rest"), ==, 0);
    g_assert_cmpuint(placement_words(placement)->len, ==, 0);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/vsphere/tags/old", test_old);
    g_test_add_func("/vsphere/tags/new", test_new);
    g_test_add_func("/vsphere/tags/ambiguous", test_ambiguous);
    g_test_add_func("/vsphere/tags/denied", test_denied);
    g_test_add_func("/vsphere/tags/one-refused", test_one_refused);
    g_test_add_func("/vsphere/tags/lost", test_lost);
    g_test_add_func("/vsphere/tags/no-session", test_no_session);
    g_test_add_func("/vsphere/tags/no-interface", test_no_interface);
    g_test_add_func("/vsphere/tags/no-list", test_no_list);
    g_test_add_func("/vsphere/tags/deleted-meanwhile", test_deleted_meanwhile);
    g_test_add_func("/vsphere/tags/single-host", test_single_host);
    g_test_add_func("/vsphere/tags/none", test_none);
    return g_test_run();
}
