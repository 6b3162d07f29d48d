/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Logging in, staying so, logging out. */
#include "base/cancel.h"
#include "base/error.h"
#include "base/secret.h"
#include "hyper/vsphere/vim.h"
#include "vim_peer.h"

static const struct http_options network = {.retries = 3, .backoff_ms = 1, .proxy = ""};

static struct vim *
open_peer(struct vim_peer *peer, GError **error)
{
    const struct vim_options options = {.user = "root", .password = "s3cret", .network = &network};
    return vim_open(peer->url, &options, error);
}

static struct vim *
open_well(struct vim_peer *peer)
{
    g_autoptr(GError) error = NULL;
    struct vim *vim = open_peer(peer, &error);
    g_assert_no_error(error);
    return vim;
}

/* Nobody is left behind, whatever went wrong before. */
static void
check_no_session(struct vim_peer *peer)
{
    g_assert_cmpuint(vim_peer_sessions(peer), ==, 0);
}

static gboolean
ask_time(struct vim *vim, GError **error)
{
    const struct moref instance = {(char *)"ServiceInstance", (char *)"ServiceInstance"};
    auto_xml_doc answer = vim_call(vim, "CurrentTime", &instance, NULL, NULL, error);
    return answer != NULL;
}

static void
test_log_in(void)
{
    struct vim_peer *peer = vim_peer_new();
    struct vim *vim = open_well(peer);
    const struct vim_service *service = vim_service(vim);
    g_assert_cmpstr(service->product, ==, "VMware vCenter Server");
    g_assert_cmpstr(service->version, ==, "8.0.3");
    g_assert_cmpstr(service->property_collector.value, ==, "pc");
    g_assert_null(service->event_manager.value);
    g_assert_true(service->manager);
    g_assert_cmpstr(vim_url(vim), ==, peer->url);
    g_assert_nonnull(strstr(vim_peer_last(peer, "RetrieveServiceContent", TRUE),
                            "SOAPAction: \"urn:vim25/5.0\""));
    g_assert_nonnull(
        strstr(vim_peer_last(peer, "Login", TRUE), "SOAPAction: \"urn:vim25/8.0.3.0\""));
    g_assert_nonnull(strstr(vim_peer_last(peer, "Login", FALSE),
                            "<userName>root</userName><password>s3cret</password>"));
    g_assert_cmpuint(vim_peer_sessions(peer), ==, 1);
    vim_close(vim);
    check_no_session(peer);
    g_assert_cmpuint(peer->logouts, ==, 1);
    vim_peer_free(peer);
}

/* Its quotes and the semicolon between them are part of a cookie's value, blanks behind it and
 * attributes are not. */
static void
test_cookie_as_it_came(void)
{
    struct vim_peer *peer = vim_peer_new();
    struct vim *vim = open_well(peer);
    char *cookie = vim_cookie(vim, NULL);
    g_assert_cmpstr(cookie, ==, "vmware_soap_session=\"52a0 ; 1\"");
    secret_free(cookie);
    g_autoptr(GError) error = NULL;
    g_assert_true(ask_time(vim, &error));
    g_assert_nonnull(strstr(vim_peer_last(peer, "CurrentTime", TRUE),
                            "Cookie: vmware_soap_session=\"52a0 ; 1\""));
    vim_close(vim);
    vim_peer_free(peer);
}

static void
test_newer_server(void)
{
    struct vim_peer *peer = vim_peer_new();
    peer->api_version = "9.1.0.0";
    struct vim *vim = open_well(peer);
    g_assert_nonnull(strstr(vim_peer_last(peer, "Login", TRUE), "urn:vim25/8.0.3.0\""));
    vim_close(vim);
    vim_peer_free(peer);
}

static void
test_strange_versions(void)
{
    static const struct {
        const char *version;
        enum slipway_error code;
    } rows[] = {{"4.1", SLIPWAY_ERROR_UNSUPPORTED},
                {"", SLIPWAY_ERROR_NETWORK},
                {"8.0\"&#13;&#10;X: y", SLIPWAY_ERROR_NETWORK},
                {"eight", SLIPWAY_ERROR_NETWORK}};
    for (gsize i = 0; i < G_N_ELEMENTS(rows); i++) {
        struct vim_peer *peer = vim_peer_new();
        g_autoptr(GError) error = NULL;
        peer->api_version = rows[i].version;
        g_assert_null(open_peer(peer, &error));
        g_assert_error(error, SLIPWAY_ERROR, (gint)rows[i].code);
        check_no_session(peer);
        vim_peer_free(peer);
    }
}

static void
test_wrong_password(void)
{
    struct vim_peer *peer = vim_peer_new();
    g_autoptr(GError) error = NULL;
    peer->refuse_login = "InvalidLogin";
    g_assert_null(open_peer(peer, &error));
    g_assert_error(error, SLIPWAY_ERROR, SLIPWAY_ERROR_DENIED);
    g_assert_nonnull(strstr(error->message, "cannot log in as root"));
    g_assert_nonnull(strstr(error->message, "password is wrong"));
    g_assert_null(strstr(error->message, "s3cret"));
    /* Once: servers lock accounts. */
    g_assert_cmpuint(vim_peer_count(peer, "Login"), ==, 1);
    g_assert_null(open_peer(peer, NULL)); /* nobody need ask why */
    vim_peer_free(peer);
}

static void
test_no_vsphere_there(void)
{
    static const struct {
        int status;
        const char *body;
    } rows[] = {{404, "<html><body>not here</body></html>"},
                {200, "<html><body>Welcome to the login page</body></html>"},
                {200, ""},
                {200, "<?xml version=\"1.0\"?><feed/>"},
                {301, ""}};
    for (gsize i = 0; i < G_N_ELEMENTS(rows); i++) {
        struct vim_peer *peer = vim_peer_new();
        g_autoptr(GError) error = NULL;
        vim_peer_say(peer, "RetrieveServiceContent", rows[i].status, rows[i].body)->raw = TRUE;
        g_assert_null(open_peer(peer, &error));
        g_assert_error(error, SLIPWAY_ERROR, SLIPWAY_ERROR_NETWORK);
        vim_peer_free(peer);
    }
}

static void
test_too_many_sessions(void)
{
    struct vim_peer *peer = vim_peer_new();
    g_autoptr(GError) error = NULL;
    vim_peer_say(peer, "RetrieveServiceContent", 503, "Out of HTTP sessions: Limited to 2000")
        ->stays = TRUE;
    g_assert_null(open_peer(peer, &error));
    g_assert_error(error, SLIPWAY_ERROR, SLIPWAY_ERROR_NETWORK);
    g_assert_nonnull(strstr(error->message, "too many sessions"));
    g_assert_cmpuint(vim_peer_count(peer, "RetrieveServiceContent"), ==, network.retries + 1);
    vim_peer_free(peer);
}

static void
test_login_is_tried_again(void)
{
    struct vim_peer *peer = vim_peer_new();
    vim_peer_say(peer, "RetrieveServiceContent", 503, "starting");
    vim_peer_drop(peer, "Login");
    struct vim *vim = open_well(peer);
    g_assert_cmpuint(vim_peer_count(peer, "Login"), ==, 2);
    vim_close(vim);
    check_no_session(peer);
    vim_peer_free(peer);
}

static void
test_no_user_is_no_crash(void)
{
    struct vim_peer *peer = vim_peer_new();
    g_autoptr(GError) error = NULL;
    struct vim *vim = vim_open(peer->url, &(struct vim_options){.network = &network}, &error);
    g_assert_no_error(error);
    vim_close(vim);
    g_assert_null(vim_open("ftp://x", &(struct vim_options){.network = &network}, NULL));
    g_assert_null(vim_open("ftp://x", &(struct vim_options){.network = &network}, &error));
    g_assert_error(error, SLIPWAY_ERROR, SLIPWAY_ERROR_USAGE);
    vim_peer_free(peer);
}

static void
test_lost_session(void)
{
    struct vim_peer *peer = vim_peer_new();
    struct vim *vim = open_well(peer);
    g_autoptr(GError) error = NULL;
    vim_peer_expire(peer);
    g_assert_true(ask_time(vim, &error));
    g_assert_no_error(error);
    g_assert_cmpuint(peer->logins, ==, 2);
    /* Asked with the old cookie, and once more with the new one. */
    g_assert_cmpuint(vim_peer_count(peer, "CurrentTime"), ==, 2);
    guint number = 0;
    secret_free(vim_cookie(vim, &number));
    g_assert_cmpuint(number, ==, 2);
    /* Somebody else's knowledge is older than ours. */
    g_assert_true(vim_renew(vim, 1, &error));
    g_assert_cmpuint(peer->logins, ==, 2);
    g_assert_true(vim_renew(vim, 2, &error));
    g_assert_cmpuint(peer->logins, ==, 3);
    g_assert_cmpuint(vim_peer_sessions(peer), ==, 1); /* the one before was ended */
    vim_close(vim);
    check_no_session(peer);
    vim_peer_free(peer);
}

/* A session that is lost at every call is a server's fault, not a reason to go on for ever. */
static void
test_session_is_lost_always(void)
{
    struct vim_peer *peer = vim_peer_new();
    struct vim *vim = open_well(peer);
    g_autoptr(GError) error = NULL;
    vim_peer_fault(peer, "CurrentTime", "NotAuthenticated", "again", NULL)->stays = TRUE;
    g_assert_false(ask_time(vim, &error));
    g_assert_error(error, SLIPWAY_ERROR, SLIPWAY_ERROR_DENIED);
    g_assert_cmpuint(peer->logins, ==, 3);
    vim_close(vim);
    check_no_session(peer);
    vim_peer_free(peer);
}

static void
test_password_changed_meanwhile(void)
{
    struct vim_peer *peer = vim_peer_new();
    struct vim *vim = open_well(peer);
    vim_peer_expire(peer);
    peer->refuse_login = "InvalidLogin";
    for (guint i = 0; i < 3; i++) {
        g_autoptr(GError) error = NULL;
        g_assert_false(ask_time(vim, &error));
        g_assert_error(error, SLIPWAY_ERROR, SLIPWAY_ERROR_DENIED);
    }
    /* The first of these, and no more. */
    g_assert_cmpuint(vim_peer_count(peer, "Login"), ==, 2);
    vim_close(vim);
    vim_peer_free(peer);
}

struct crowd {
    struct vim *vim;
    gint failures;
};

static gpointer
ask_in_thread(gpointer data)
{
    struct crowd *crowd = data;
    for (guint i = 0; i < 20; i++)
        if (!ask_time(crowd->vim, NULL))
            g_atomic_int_inc(&crowd->failures);
    return NULL;
}

/* All find the session lost at once; one logs in. */
static void
test_many_threads(void)
{
    struct vim_peer *peer = vim_peer_new();
    struct crowd crowd = {open_well(peer), 0};
    GThread *threads[6];
    vim_peer_expire(peer);
    for (gsize i = 0; i < G_N_ELEMENTS(threads); i++)
        threads[i] = g_thread_new("ask", ask_in_thread, &crowd);
    for (gsize i = 0; i < G_N_ELEMENTS(threads); i++)
        g_thread_join(threads[i]);
    g_assert_cmpint(crowd.failures, ==, 0);
    g_assert_cmpuint(peer->logins, ==, 2);
    vim_close(crowd.vim);
    check_no_session(peer);
    vim_peer_free(peer);
}

static void
test_signs_of_life(void)
{
    struct vim_peer *peer = vim_peer_new();
    g_autoptr(GError) error = NULL;
    const struct vim_options options = {
        .user = "root", .password = "s3cret", .network = &network, .keep_alive_s = 1};
    struct vim *vim = vim_open(peer->url, &options, &error);
    g_assert_no_error(error);
    vim_peer_expire(peer);
    /* It finds the session lost and makes a new one, with nobody asking. */
    gint64 deadline = g_get_monotonic_time() + 30 * G_TIME_SPAN_SECOND;
    while (vim_peer_sessions(peer) == 0 && g_get_monotonic_time() < deadline)
        g_usleep(10000);
    g_assert_cmpuint(vim_peer_sessions(peer), ==, 1);
    vim_close(vim);
    check_no_session(peer);
    vim_peer_free(peer);
}

static void
test_logs_out_after_a_cancel(void)
{
    struct vim_peer *peer = vim_peer_new();
    struct vim *vim = open_well(peer);
    g_autoptr(GError) error = NULL;
    cancel_request();
    g_assert_true(ask_time(vim, &error)); /* cleaning up may need calls */
    vim_close(vim);
    cancel_heard();
    check_no_session(peer);
    vim_peer_free(peer);
}

static void
test_logout_is_tried_again(void)
{
    struct vim_peer *peer = vim_peer_new();
    struct vim *vim = open_well(peer);
    vim_peer_drop(peer, "Logout");
    vim_close(vim);
    check_no_session(peer);
    vim_peer_free(peer);
}

static void
test_password_in_no_message(void)
{
    struct vim_peer *peer = vim_peer_new();
    g_autoptr(GError) error = NULL;
    vim_peer_fault(peer, "Login", "InvalidLogin", "wrong: s3cret", "<password>s3cret</password>");
    g_assert_null(open_peer(peer, &error));
    g_assert_null(strstr(error->message, "s3cret"));
    vim_peer_free(peer);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/vim/session/log_in", test_log_in);
    g_test_add_func("/vim/session/cookie_as_it_came", test_cookie_as_it_came);
    g_test_add_func("/vim/session/newer_server", test_newer_server);
    g_test_add_func("/vim/session/strange_versions", test_strange_versions);
    g_test_add_func("/vim/session/wrong_password", test_wrong_password);
    g_test_add_func("/vim/session/no_vsphere_there", test_no_vsphere_there);
    g_test_add_func("/vim/session/too_many_sessions", test_too_many_sessions);
    g_test_add_func("/vim/session/login_is_tried_again", test_login_is_tried_again);
    g_test_add_func("/vim/session/no_user_is_no_crash", test_no_user_is_no_crash);
    g_test_add_func("/vim/session/lost_session", test_lost_session);
    g_test_add_func("/vim/session/session_is_lost_always", test_session_is_lost_always);
    g_test_add_func("/vim/session/password_changed_meanwhile", test_password_changed_meanwhile);
    g_test_add_func("/vim/session/many_threads", test_many_threads);
    g_test_add_func("/vim/session/signs_of_life", test_signs_of_life);
    g_test_add_func("/vim/session/logs_out_after_a_cancel", test_logs_out_after_a_cancel);
    g_test_add_func("/vim/session/logout_is_tried_again", test_logout_is_tried_again);
    g_test_add_func("/vim/session/password_in_no_message", test_password_in_no_message);
    return g_test_run();
}
