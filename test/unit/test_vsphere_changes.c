/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "base/cancel.h"
#include "base/error.h"
#include "hyper/vsphere/changes.h"
#include "soap_peer.h"

#define MIB (G_GUINT64_CONSTANT(1) << 20)

static void
test_ids(void)
{
    static const struct {
        const char *older, *newer;
        gboolean same;
    } rows[] = {
        {"52 de c0 d9-b9/3", "52 de c0 d9-b9/17", TRUE},
        {"52 DE/3", "52 de/4", TRUE},
        {"52 de/9", "52 de/10", TRUE},
        {"52 de/3", "52 de/3", TRUE},
        {"52 de/3", "52 de/2", FALSE},
        {"52 de/10", "52 de/9", FALSE},
        {"52 de/3", "52 df/4", FALSE},
        {"52 de/3", "52 de 11/4", FALSE},
        {NULL, "52 de/4", FALSE},
        {"", "52 de/4", FALSE},
        {"52 de/3", NULL, FALSE},
        {"52 de/3", "", FALSE},
        {"*", "52 de/4", FALSE},
        {"/3", "/4", FALSE},
        {"52 de/", "52 de/4", FALSE},
    };
    for (gsize i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_autofree char *why = changes_compare_ids(rows[i].older, rows[i].newer);
        g_assert_cmpint(why == NULL, ==, rows[i].same);
    }
}

/* ---- Pages, from a script -------------------------------------------------------------------- */

struct page {
    guint64 asked; /* the offset that must be asked for */
    const char *answer;
};

struct script {
    const struct page *pages;
    guint n, at;
    gboolean cancel; /* the user does after the first */
};

static char *
answer_page(const char *method, const char *body, gpointer data)
{
    struct script *script = data;
    if (strcmp(method, "QueryChangedDiskAreas") != 0)
        return g_strdup("fault:InvalidRequest");
    g_assert_cmpuint(script->at, <, script->n);
    const struct page *page = &script->pages[script->at++];
    g_autofree char *asked =
        g_strdup_printf("<startOffset>%" G_GUINT64_FORMAT "</startOffset>", page->asked);
    g_assert_nonnull(strstr(body, asked));
    g_assert_nonnull(strstr(body, "<deviceKey>2000</deviceKey>"));
    g_assert_nonnull(strstr(body, "<changeId>52 de/3</changeId>"));
    if (script->cancel)
        cancel_request();
    return g_strdup(page->answer);
}

/* The areas as text, or "?" and the words, or "!" for an error. */
static char *
query(struct script *script, GError **error)
{
    struct soap_peer *peer = soap_peer_new(answer_page, script);
    struct moref machine = {(char *)"VirtualMachine", (char *)"vm-1"};
    struct moref snapshot = {(char *)"VirtualMachineSnapshot", (char *)"snapshot-1"};
    struct changes_disk disk = {&machine, &snapshot, 2000, 4 * MIB};
    auto_ptr(extent_list) list = NULL;
    g_autofree char *words = NULL;
    struct vim *vim = soap_peer_open(peer);
    gboolean ok = changes_query(vim, &disk, "52 de/3", &list, &words, error);
    GString *text = g_string_new(ok ? "" : "!");
    if (ok && list == NULL)
        g_string_append_printf(text, "?%s", words);
    for (guint i = 0; list != NULL && i < list->extents->len; i++) {
        const struct extent *extent = &g_array_index(list->extents, struct extent, i);
        g_string_append_printf(text, "%" G_GUINT64_FORMAT "+%" G_GUINT64_FORMAT " ", extent->offset,
                               extent->length);
    }
    g_assert_true(list == NULL || words == NULL);
    vim_close(vim);
    soap_peer_free(peer);
    return g_string_free(text, FALSE);
}

#define PAGE(start, length, areas)                                                                 \
    "<returnval><startOffset>" start "</startOffset><length>" length "</length>" areas             \
    "</returnval>"
#define AREA(start, length)                                                                        \
    "<changedArea><start>" start "</start><length>" length "</length></changedArea>"

static void
check(const struct page *pages, guint n, const char *expected)
{
    struct script script = {pages, n, 0, FALSE};
    g_autoptr(GError) error = NULL;
    g_autofree char *text = query(&script, &error);
    g_assert_no_error(error);
    if (*expected == '?')
        g_assert_nonnull(strstr(text, expected + 1));
    else
        g_assert_cmpstr(text, ==, expected);
    g_assert_cmpuint(script.at, ==, n);
}

/* It goes on where an answer ends, joins what touches, and does not ask at the end. */
static void
test_pages(void)
{
    static const struct page pages[] = {
        {0, PAGE("0", "1048576", AREA("65536", "65536") AREA("131072", "65536"))},
        {MIB, PAGE("1048576", "65536", "")},
        {MIB + 65536, PAGE("1114112", "3080192", AREA("4128768", "65536"))},
    };
    check(pages, G_N_ELEMENTS(pages), "65536+131072 4128768+65536 ");
    static const struct page nothing[] = {{0, PAGE("0", "4194304", "")}};
    check(nothing, 1, "");
}

static void
test_absurd(void)
{
    static const struct page pages[] = {
        {0, PAGE("0", "4194304", AREA("4194304", "65536"))},
        {0, PAGE("0", "4194304", AREA("4128768", "131072"))},
        {0, PAGE("0", "4194304", AREA("-65536", "65536"))},
        {0, PAGE("0", "4194304", AREA("18446744073709486080", "131072"))},
        {0, PAGE("0", "0", "")},
        {0, PAGE("0", "-1", "")},
        {0, PAGE("0", "8388608", "")},
        {0, PAGE("65536", "65536", "")},
        {0, PAGE("many", "more", "")},
        {0, ""},
    };
    for (gsize i = 0; i < G_N_ELEMENTS(pages); i++)
        check(&pages[i], 1, "?the server ");
}

static void
test_faults(void)
{
    static const struct page gone[] = {{0, "fault:FileFault"}};
    check(gone, 1, "?not known to the server any more");
    static const struct page locked[] = {{0, "fault:FileLocked"}};
    check(locked, 1, "?not known to the server any more");
    static const struct page second[] = {{0, PAGE("0", "1048576", AREA("0", "65536"))},
                                         {MIB, "fault:InvalidArgument"}};
    check(second, 2, "?does not say what changed");
    static const struct page denied[] = {{0, "fault:NoPermission"}};
    check(denied, 1, "?does not say what changed");
}

/* A server that is not there any more is no reason to read everything from it. */
static void
test_lost(void)
{
    static const struct page pages[] = {{0, PAGE("0", "1048576", "")}, {MIB, NULL}, {MIB, NULL}};
    struct script script = {pages, 3, 0, FALSE};
    g_autoptr(GError) error = NULL;
    g_autofree char *text = query(&script, &error);
    g_assert_cmpstr(text, ==, "!");
    g_assert_error(error, SLIPWAY_ERROR, SLIPWAY_ERROR_NETWORK);
}

static void
test_cancel(void)
{
    static const struct page pages[] = {{0, PAGE("0", "1048576", "")}};
    struct script script = {pages, 1, 0, TRUE};
    g_autoptr(GError) error = NULL;
    g_autofree char *text = query(&script, &error);
    cancel_heard();
    g_assert_error(error, SLIPWAY_ERROR, SLIPWAY_ERROR_CANCELLED);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/vsphere/changes/ids", test_ids);
    g_test_add_func("/vsphere/changes/pages", test_pages);
    g_test_add_func("/vsphere/changes/absurd", test_absurd);
    g_test_add_func("/vsphere/changes/faults", test_faults);
    g_test_add_func("/vsphere/changes/lost", test_lost);
    g_test_add_func("/vsphere/changes/cancel", test_cancel);
    return g_test_run();
}
