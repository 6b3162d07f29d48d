/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Lists of objects, page by page. */
#include "base/error.h"
#include "hyper/vsphere/vim.h"
#include "vim_peer.h"

static const struct http_options network = {.retries = 2, .backoff_ms = 1, .proxy = ""};
static const char *const paths[] = {"name", "runtime.host", "config.hardware", NULL};

struct fixture {
    struct vim_peer *peer;
    struct vim *vim;
};

static void
set_up(struct fixture *fixture, gconstpointer unused G_GNUC_UNUSED)
{
    g_autoptr(GError) error = NULL;
    const struct vim_options options = {.user = "root", .password = "s3cret", .network = &network};
    fixture->peer = vim_peer_new();
    fixture->vim = vim_open(fixture->peer->url, &options, &error);
    g_assert_no_error(error);
}

/* Each view was destroyed, whatever happened. */
static void
tear_down(struct fixture *fixture, gconstpointer unused G_GNUC_UNUSED)
{
    g_assert_cmpuint(vim_peer_count(fixture->peer, "DestroyView"), >=,
                     vim_peer_count(fixture->peer, "CreateContainerView"));
    vim_close(fixture->vim);
    g_assert_cmpuint(vim_peer_sessions(fixture->peer), ==, 0);
    vim_peer_free(fixture->peer);
}

static char *
format_object(guint number)
{
    return g_strdup_printf(
        "<objects><obj type=\"VirtualMachine\">vm-%u</obj><propSet><name>name</name>"
        "<val xsi:type=\"xsd:string\">app%u</val></propSet></objects>",
        number, number);
}

static void
say_page(struct vim_peer *peer, const char *method, guint from, guint to, const char *token)
{
    g_autoptr(GString) page = g_string_new("<returnval>");
    if (token != NULL)
        g_string_append_printf(page, "<token>%s</token>", token);
    for (guint i = from; i < to; i++) {
        g_autofree char *object = format_object(i);
        g_string_append(page, object);
    }
    g_string_append(page, "</returnval>");
    vim_peer_return(peer, method, page->str);
}

static GPtrArray *
find(struct fixture *fixture, GError **error)
{
    return vim_find_all(fixture->vim, "VirtualMachine", NULL, paths, error);
}

static void
check_all(GPtrArray *list, guint n)
{
    g_assert_cmpuint(list->len, ==, n);
    for (guint i = 0; i < n; i++) {
        const struct vim_object *object = list->pdata[i];
        g_autofree char *name = vim_property_text(object, "name");
        g_autofree char *expected = g_strdup_printf("app%u", i);
        g_assert_cmpstr(name, ==, expected);
    }
}

static void
test_pages(struct fixture *fixture, gconstpointer unused G_GNUC_UNUSED)
{
    g_autoptr(GError) error = NULL;
    say_page(fixture->peer, "RetrievePropertiesEx", 0, 3, "t&lt;1&gt;");
    say_page(fixture->peer, "ContinueRetrievePropertiesEx", 3, 6, "t&lt;2&gt;");
    say_page(fixture->peer, "ContinueRetrievePropertiesEx", 6, 7, NULL);
    g_autoptr(GPtrArray) list = find(fixture, &error);
    g_assert_no_error(error);
    check_all(list, 7);
    g_assert_nonnull(strstr(vim_peer_last(fixture->peer, "ContinueRetrievePropertiesEx", FALSE),
                            "<token>t&lt;2&gt;</token>"));
    const char *asked = vim_peer_last(fixture->peer, "RetrievePropertiesEx", FALSE);
    g_assert_nonnull(strstr(asked, "<type>VirtualMachine</type><pathSet>name</pathSet>"
                                   "<pathSet>runtime.host</pathSet>"));
    g_assert_nonnull(strstr(asked, "<obj type=\"ContainerView\">session[1]view-1</obj>"));
    g_assert_nonnull(strstr(asked, "<maxObjects>"));
    g_assert_nonnull(strstr(vim_peer_last(fixture->peer, "DestroyView", FALSE),
                            "<_this type=\"ContainerView\">session[1]view-1</_this>"));
}

/* Servers that do not know pages send all at once. */
static void
test_all_at_once(struct fixture *fixture, gconstpointer unused G_GNUC_UNUSED)
{
    g_autoptr(GError) error = NULL;
    say_page(fixture->peer, "RetrievePropertiesEx", 0, 2000, NULL);
    g_autoptr(GPtrArray) list = find(fixture, &error);
    g_assert_no_error(error);
    check_all(list, 2000);
    g_assert_cmpuint(vim_peer_count(fixture->peer, "ContinueRetrievePropertiesEx"), ==, 0);
}

static void
test_nothing_there(struct fixture *fixture, gconstpointer unused G_GNUC_UNUSED)
{
    g_autoptr(GError) error = NULL;
    vim_peer_return(fixture->peer, "RetrievePropertiesEx", "");
    g_autoptr(GPtrArray) list = find(fixture, &error);
    g_assert_no_error(error);
    g_assert_cmpuint(list->len, ==, 0);
}

static void
test_values(struct fixture *fixture, gconstpointer unused G_GNUC_UNUSED)
{
    g_autoptr(GError) error = NULL;
    const struct moref self = {(char *)"VirtualMachine", (char *)"vm-1"};
    vim_peer_return(
        fixture->peer, "RetrievePropertiesEx",
        "<returnval><objects><obj type=\"VirtualMachine\">vm-1</obj>"
        "<propSet><name>runtime.host</name><val type=\"HostSystem\" "
        "xsi:type=\"ManagedObjectReference\">host-9</val></propSet>"
        "<propSet><name>config.hardware</name><val xsi:type=\"VirtualHardware\">"
        "<numCPU>4</numCPU><hot>true</hot></val></propSet>"
        "<propSet><name>n</name><val xsi:type=\"xsd:long\">18446744073709551615</val></propSet>"
        "<propSet><name>m</name><val xsi:type=\"xsd:long\">-1</val></propSet>"
        "<propSet><name>half</name></propSet><propSet><val>1</val></propSet>"
        "<missingSet><path>name</path><fault><fault xsi:type=\"NoPermission\"/></fault>"
        "</missingSet></objects></returnval>");
    auto_ptr(vim_object) object = vim_get(fixture->vim, &self, paths, &error);
    g_assert_no_error(error);
    struct moref host = {0};
    g_assert_true(vim_property_moref(object, "runtime.host", &host));
    g_assert_cmpstr(host.type, ==, "HostSystem");
    moref_clear(&host);
    g_assert_false(vim_property_moref(object, "config.hardware", &host));
    const xmlNode *hardware = vim_property(object, "config.hardware");
    g_assert_cmpuint(vim_child_number(hardware, "numCPU", 0), ==, 4);
    g_assert_cmpuint(vim_child_number(hardware, "none", 7), ==, 7);
    g_assert_true(vim_child_boolean(hardware, "hot", FALSE));
    g_assert_cmpuint(vim_property_number(object, "n", 0), ==, G_MAXUINT64);
    g_assert_cmpuint(vim_property_number(object, "m", 5), ==, 5);
    g_assert_null(vim_property(object, "half"));
    g_assert_null(vim_property_text(object, "name"));
}

static void
test_gone(struct fixture *fixture, gconstpointer unused G_GNUC_UNUSED)
{
    const struct moref self = {(char *)"VirtualMachine", (char *)"vm-1"};
    for (guint i = 0; i < 2; i++) {
        g_autoptr(GError) error = NULL;
        if (i == 0)
            vim_peer_fault(fixture->peer, "RetrievePropertiesEx", "ManagedObjectNotFound", "", "");
        else
            vim_peer_return(fixture->peer, "RetrievePropertiesEx", "<returnval/>");
        g_assert_null(vim_get(fixture->vim, &self, paths, &error));
        g_assert_error(error, SLIPWAY_ERROR, SLIPWAY_ERROR_NOT_FOUND);
        g_assert_nonnull(strstr(error->message, "VirtualMachine vm-1 is not there any more"));
    }
}

/* The view and the token were of the session that is lost: from the beginning. */
static void
test_session_lost_between_pages(struct fixture *fixture, gconstpointer unused G_GNUC_UNUSED)
{
    g_autoptr(GError) error = NULL;
    say_page(fixture->peer, "RetrievePropertiesEx", 0, 3, "1");
    vim_peer_fault(fixture->peer, "ContinueRetrievePropertiesEx", "InvalidProperty", "token", "")
        ->ends_sessions = TRUE;
    say_page(fixture->peer, "RetrievePropertiesEx", 0, 5, NULL);
    g_autoptr(GPtrArray) list = find(fixture, &error);
    g_assert_no_error(error);
    check_all(list, 5);
    g_assert_cmpuint(fixture->peer->logins, ==, 2);
}

/* The answer to a token was lost, and the server has forgotten the token meanwhile. */
static void
test_page_lost(struct fixture *fixture, gconstpointer unused G_GNUC_UNUSED)
{
    g_autoptr(GError) error = NULL;
    say_page(fixture->peer, "RetrievePropertiesEx", 0, 3, "1");
    vim_peer_drop(fixture->peer, "ContinueRetrievePropertiesEx");
    vim_peer_fault(fixture->peer, "ContinueRetrievePropertiesEx", "InvalidArgument", "token", "");
    say_page(fixture->peer, "RetrievePropertiesEx", 0, 4, NULL);
    g_autoptr(GPtrArray) list = find(fixture, &error);
    g_assert_no_error(error);
    check_all(list, 4);
}

static void
test_object_goes_meanwhile(struct fixture *fixture, gconstpointer unused G_GNUC_UNUSED)
{
    g_autoptr(GError) error = NULL;
    vim_peer_fault(fixture->peer, "RetrievePropertiesEx", "ManagedObjectNotFound", "gone", "");
    say_page(fixture->peer, "RetrievePropertiesEx", 0, 2, NULL);
    g_autoptr(GPtrArray) list = find(fixture, &error);
    g_assert_no_error(error);
    check_all(list, 2);
}

static void
test_endless(struct fixture *fixture, gconstpointer unused G_GNUC_UNUSED)
{
    g_autoptr(GError) error = NULL;
    say_page(fixture->peer, "RetrievePropertiesEx", 0, 1, "1");
    say_page(fixture->peer, "ContinueRetrievePropertiesEx", 0, 0, "1");
    vim_peer_return(fixture->peer, "CancelRetrievePropertiesEx", "");
    g_assert_null(find(fixture, &error));
    g_assert_error(error, SLIPWAY_ERROR, SLIPWAY_ERROR_CORRUPT);
    g_assert_cmpuint(vim_peer_count(fixture->peer, "CancelRetrievePropertiesEx"), ==, 1);
}

static void
test_refused(struct fixture *fixture, gconstpointer unused G_GNUC_UNUSED)
{
    g_autoptr(GError) error = NULL;
    vim_peer_fault(fixture->peer, "RetrievePropertiesEx", "NoPermission", "denied", "");
    g_assert_null(find(fixture, &error));
    g_assert_error(error, SLIPWAY_ERROR, SLIPWAY_ERROR_DENIED);
    g_assert_cmpuint(vim_peer_count(fixture->peer, "RetrievePropertiesEx"), ==, 1);
}

static void
test_object_without_reference(struct fixture *fixture, gconstpointer unused G_GNUC_UNUSED)
{
    static const char *const objects[] = {"<objects/>", "<objects><obj>vm-1</obj></objects>",
                                          "<objects><obj type=\"VirtualMachine\"/></objects>"};
    for (gsize i = 0; i < G_N_ELEMENTS(objects); i++) {
        g_autoptr(GError) error = NULL;
        g_autofree char *page = g_strconcat("<returnval>", objects[i], "</returnval>", NULL);
        vim_peer_return(fixture->peer, "RetrievePropertiesEx", page);
        g_assert_null(find(fixture, &error));
        g_assert_error(error, SLIPWAY_ERROR, SLIPWAY_ERROR_CORRUPT);
    }
}

/* Objects share the answer that they are in, and go in any order, in any thread. */
static void
test_sharing(struct fixture *fixture, gconstpointer unused G_GNUC_UNUSED)
{
    g_autoptr(GError) error = NULL;
    say_page(fixture->peer, "RetrievePropertiesEx", 0, 3, NULL);
    GPtrArray *list = find(fixture, &error);
    g_assert_no_error(error);
    struct vim_object *last = g_ptr_array_steal_index(list, 2);
    g_ptr_array_unref(list);
    g_autofree char *name = vim_property_text(last, "name");
    g_assert_cmpstr(name, ==, "app2");
    vim_object_free(last);
}

#define ADD(name, function) g_test_add(name, struct fixture, NULL, set_up, function, tear_down)

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    ADD("/vim/property/pages", test_pages);
    ADD("/vim/property/all_at_once", test_all_at_once);
    ADD("/vim/property/nothing_there", test_nothing_there);
    ADD("/vim/property/values", test_values);
    ADD("/vim/property/gone", test_gone);
    ADD("/vim/property/session_lost_between_pages", test_session_lost_between_pages);
    ADD("/vim/property/page_lost", test_page_lost);
    ADD("/vim/property/object_goes_meanwhile", test_object_goes_meanwhile);
    ADD("/vim/property/endless", test_endless);
    ADD("/vim/property/refused", test_refused);
    ADD("/vim/property/object_without_reference", test_object_without_reference);
    ADD("/vim/property/sharing", test_sharing);
    return g_test_run();
}
