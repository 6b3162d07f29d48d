/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Waiting for tasks. */
#include "base/cancel.h"
#include "base/error.h"
#include "hyper/vsphere/vim.h"
#include "vim_peer.h"

static const struct http_options network = {.retries = 1, .backoff_ms = 1, .proxy = ""};
static const struct moref machine = {(char *)"VirtualMachine", (char *)"vm-42"};
static const struct moref task = {(char *)"Task", (char *)"task-1"};

/* A progress that remembers. */
struct memory {
    struct progress base;
    guint64 amount;
    guint begun, ended_well, ended_badly;
};

static void
begin(struct progress *self, const char *what G_GNUC_UNUSED, guint64 total,
      enum progress_unit unit G_GNUC_UNUSED)
{
    g_assert_cmpuint(total, ==, 100);
    ((struct memory *)self)->begun++;
}

static void
advance(struct progress *self, guint64 amount)
{
    ((struct memory *)self)->amount += amount;
}

static void
end(struct progress *self, gboolean ok)
{
    struct memory *memory = (struct memory *)self;
    memory->ended_well += ok;
    memory->ended_badly += !ok;
}

static void
note(struct progress *self G_GNUC_UNUSED, enum progress_note kind G_GNUC_UNUSED,
     const char *text G_GNUC_UNUSED)
{
}

static const struct progress_class memory_class = {begin, advance, end, note};

struct fixture {
    struct vim_peer *peer;
    struct vim *vim;
    struct memory memory;
    struct vim_wait wait;
};

static void
set_up(struct fixture *fixture, gconstpointer unused G_GNUC_UNUSED)
{
    g_autoptr(GError) error = NULL;
    const struct vim_options options = {.user = "root", .password = "s3cret", .network = &network};
    fixture->peer = vim_peer_new();
    fixture->vim = vim_open(fixture->peer->url, &options, &error);
    g_assert_no_error(error);
    fixture->memory.base.class = &memory_class;
    fixture->wait =
        (struct vim_wait){.what = "taking a snapshot of app01", .progress = &fixture->memory.base};
}

static void
tear_down(struct fixture *fixture, gconstpointer unused G_GNUC_UNUSED)
{
    g_assert_cmpuint(fixture->memory.begun, ==, 1);
    g_assert_cmpuint(fixture->memory.ended_well + fixture->memory.ended_badly, ==, 1);
    vim_close(fixture->vim);
    g_assert_cmpuint(vim_peer_sessions(fixture->peer), ==, 0);
    vim_peer_free(fixture->peer);
}

static void
say_info(struct vim_peer *peer, const char *state, const char *more)
{
    g_autofree char *inside = g_strdup_printf(
        "<returnval><objects><obj type=\"Task\">task-1</obj><propSet><name>info</name>"
        "<val xsi:type=\"TaskInfo\"><key>task-1</key><state>%s</state>%s</val></propSet></objects>"
        "</returnval>",
        state, more);
    vim_peer_return(peer, "RetrievePropertiesEx", inside);
}

/* A property collector that tells of a change at once, `n` times. */
static void
say_updates(struct vim_peer *peer, guint n)
{
    vim_peer_return(peer, "CreatePropertyCollector",
                    "<returnval type=\"PropertyCollector\">own-pc</returnval>");
    vim_peer_return(peer, "CreateFilter",
                    "<returnval type=\"PropertyFilter\">filter-1</returnval>");
    for (guint i = 1; i <= n; i++) {
        g_autofree char *inside =
            g_strdup_printf("<returnval><version>%u</version></returnval>", i);
        vim_peer_return(peer, "WaitForUpdatesEx", inside);
    }
}

static gboolean
wait_for(struct fixture *fixture, xmlDoc **ret_result, struct vim_fault *ret_fault, GError **error)
{
    return vim_task_wait(fixture->vim, &task, &fixture->wait, ret_result, ret_fault, error);
}

static void
check_collector_is_gone(struct fixture *fixture)
{
    g_assert_cmpuint(vim_peer_count(fixture->peer, "DestroyPropertyCollector"), ==,
                     vim_peer_count(fixture->peer, "CreatePropertyCollector"));
}

static void
test_run(struct fixture *fixture, gconstpointer unused G_GNUC_UNUSED)
{
    g_autoptr(GError) error = NULL;
    auto_xml_doc result = NULL;
    vim_peer_return(fixture->peer, "CreateSnapshot_Task",
                    "<returnval type=\"Task\">task-1</returnval>");
    say_updates(fixture->peer, 3);
    say_info(fixture->peer, "queued", "");
    say_info(fixture->peer, "running", "<progress>10</progress>");
    say_info(fixture->peer, "running", "<progress>5</progress>"); /* they do go back */
    say_info(fixture->peer, "success",
             "<result xsi:type=\"ManagedObjectReference\" type=\"VirtualMachineSnapshot\">"
             "snapshot-7</result>");
    gboolean ok = vim_run(fixture->vim, "CreateSnapshot_Task", &machine, NULL, &fixture->wait,
                          &result, NULL, &error);
    g_assert_no_error(error);
    g_assert_true(ok);
    struct moref snapshot = {0};
    g_assert_true(vim_get_moref(xmlDocGetRootElement(result), &snapshot));
    g_assert_cmpstr(snapshot.type, ==, "VirtualMachineSnapshot");
    g_assert_cmpstr(snapshot.value, ==, "snapshot-7");
    moref_clear(&snapshot);
    g_assert_cmpuint(fixture->memory.amount, ==, 100);
    g_assert_cmpuint(fixture->memory.ended_well, ==, 1);
    g_assert_nonnull(strstr(vim_peer_last(fixture->peer, "WaitForUpdatesEx", FALSE),
                            "<version>2</version><options><maxWaitSeconds>"));
    g_assert_nonnull(strstr(vim_peer_last(fixture->peer, "CreateFilter", FALSE),
                            "<obj type=\"Task\">task-1</obj>"));
    check_collector_is_gone(fixture);
}

static void
test_ended_already(struct fixture *fixture, gconstpointer unused G_GNUC_UNUSED)
{
    g_autoptr(GError) error = NULL;
    xmlDoc *result = (xmlDoc *)fixture; /* anything */
    say_info(fixture->peer, "success", "");
    g_assert_true(wait_for(fixture, &result, NULL, &error));
    g_assert_null(result);
    g_assert_cmpuint(vim_peer_count(fixture->peer, "CreatePropertyCollector"), ==, 0);
}

static void
test_error(struct fixture *fixture, gconstpointer unused G_GNUC_UNUSED)
{
    g_autoptr(GError) error = NULL;
    struct vim_fault fault = {0};
    say_info(fixture->peer, "error",
             "<error><fault xsi:type=\"FileLocked\"><file>[ds1] a/a.vmdk</file></fault>"
             "<localizedMessage>Unable to access file since it is locked</localizedMessage>"
             "</error>");
    g_assert_false(wait_for(fixture, NULL, &fault, &error));
    g_assert_error(error, SLIPWAY_ERROR, SLIPWAY_ERROR_BUSY);
    g_assert_cmpstr(fault.type, ==, "FileLocked");
    g_assert_cmpstr(fault.detail, ==, "file [ds1] a/a.vmdk");
    g_assert_nonnull(strstr(error->message, "taking a snapshot of app01"));
    g_assert_nonnull(strstr(error->message, "since it is locked"));
    vim_fault_clear(&fault);
}

/* Simulators say *types.InvalidPowerState for words, or no more than that there was an error. */
static void
test_error_without_words(struct fixture *fixture, gconstpointer unused G_GNUC_UNUSED)
{
    g_autoptr(GError) error = NULL;
    struct vim_fault fault = {0};
    say_info(fixture->peer, "error", "");
    g_assert_false(wait_for(fixture, NULL, &fault, &error));
    g_assert_error(error, SLIPWAY_ERROR, SLIPWAY_ERROR_FAILED);
    g_assert_cmpstr(fault.type, ==, "MethodFault");
    vim_fault_clear(&fault);
}

static void
test_strange_state(struct fixture *fixture, gconstpointer unused G_GNUC_UNUSED)
{
    g_autoptr(GError) error = NULL;
    say_info(fixture->peer, "dancing", "");
    g_assert_false(wait_for(fixture, NULL, NULL, &error));
    g_assert_error(error, SLIPWAY_ERROR, SLIPWAY_ERROR_CORRUPT);
}

/* The task is no error of ours, but nothing ended it either. */
static void
test_never_ends(struct fixture *fixture, gconstpointer unused G_GNUC_UNUSED)
{
    g_autoptr(GError) error = NULL;
    say_updates(fixture->peer, 0);
    vim_peer_return(fixture->peer, "WaitForUpdatesEx",
                    "<returnval><version>1</version></returnval>")
        ->stays = TRUE;
    g_autofree char *running = g_strdup(
        "<returnval><objects><obj type=\"Task\">task-1</obj><propSet><name>info</name>"
        "<val xsi:type=\"TaskInfo\"><state>running</state><progress>20</progress></val></propSet>"
        "</objects></returnval>");
    vim_peer_return(fixture->peer, "RetrievePropertiesEx", running)->stays = TRUE;
    fixture->wait.limit_s = 1;
    g_assert_false(wait_for(fixture, NULL, NULL, &error));
    g_assert_error(error, SLIPWAY_ERROR, SLIPWAY_ERROR_FAILED);
    g_assert_nonnull(strstr(error->message, "has not moved"));
    check_collector_is_gone(fixture);
}

/* A server without a collector that waits: it is asked now and then. */
static void
test_poll(struct fixture *fixture, gconstpointer unused G_GNUC_UNUSED)
{
    g_autoptr(GError) error = NULL;
    vim_peer_fault(fixture->peer, "CreatePropertyCollector", "NotImplemented", "", "");
    say_info(fixture->peer, "running", "");
    say_info(fixture->peer, "success", "");
    g_assert_true(wait_for(fixture, NULL, NULL, &error));
    g_assert_no_error(error);
}

static void
test_wait_not_implemented(struct fixture *fixture, gconstpointer unused G_GNUC_UNUSED)
{
    g_autoptr(GError) error = NULL;
    say_updates(fixture->peer, 0);
    vim_peer_fault(fixture->peer, "WaitForUpdatesEx", "NotImplemented", "", "");
    say_info(fixture->peer, "running", "");
    say_info(fixture->peer, "running", "");
    say_info(fixture->peer, "success", "");
    g_assert_true(wait_for(fixture, NULL, NULL, &error));
    g_assert_cmpuint(vim_peer_count(fixture->peer, "WaitForUpdatesEx"), ==, 1);
    check_collector_is_gone(fixture);
}

/* The session with its collector is lost; the task is not. */
static void
test_session_lost(struct fixture *fixture, gconstpointer unused G_GNUC_UNUSED)
{
    g_autoptr(GError) error = NULL;
    say_updates(fixture->peer, 1);
    vim_peer_fault(fixture->peer, "WaitForUpdatesEx", "ManagedObjectNotFound", "own-pc", "")
        ->ends_sessions = TRUE;
    say_updates(fixture->peer, 1);
    say_info(fixture->peer, "running", "");
    say_info(fixture->peer, "running", "<progress>10</progress>");
    say_info(fixture->peer, "running", "<progress>20</progress>");
    say_info(fixture->peer, "success", "");
    g_assert_true(wait_for(fixture, NULL, NULL, &error));
    g_assert_no_error(error);
    g_assert_cmpuint(fixture->peer->logins, ==, 2);
    g_assert_cmpuint(vim_peer_count(fixture->peer, "CreatePropertyCollector"), ==, 2);
    check_collector_is_gone(fixture);
}

/* More often than a call is tried again. */
static void
test_server_away_for_a_while(struct fixture *fixture, gconstpointer unused G_GNUC_UNUSED)
{
    g_autoptr(GError) error = NULL;
    say_updates(fixture->peer, 1);
    say_info(fixture->peer, "running", "");
    for (guint i = 0; i < 5; i++)
        vim_peer_drop(fixture->peer, "RetrievePropertiesEx");
    say_info(fixture->peer, "success", "");
    g_assert_true(wait_for(fixture, NULL, NULL, &error));
    g_assert_no_error(error);
}

static void
test_server_away_for_good(struct fixture *fixture, gconstpointer unused G_GNUC_UNUSED)
{
    g_autoptr(GError) error = NULL;
    vim_peer_drop(fixture->peer, "RetrievePropertiesEx")->stays = TRUE;
    g_assert_false(wait_for(fixture, NULL, NULL, &error));
    g_assert_error(error, SLIPWAY_ERROR, SLIPWAY_ERROR_NETWORK);
    g_assert_cmpuint(fixture->memory.ended_badly, ==, 1);
}

static void
test_cancel(struct fixture *fixture, gconstpointer unused G_GNUC_UNUSED)
{
    g_autoptr(GError) error = NULL;
    fixture->wait.cancellable = TRUE;
    say_updates(fixture->peer, 1);
    say_info(fixture->peer, "running", "");
    say_info(fixture->peer, "error", "<error><fault xsi:type=\"RequestCanceled\"/></error>");
    vim_peer_return(fixture->peer, "CancelTask", "");
    cancel_request();
    g_assert_false(wait_for(fixture, NULL, NULL, &error));
    cancel_heard();
    g_assert_error(error, SLIPWAY_ERROR, SLIPWAY_ERROR_CANCELLED);
    g_assert_cmpuint(vim_peer_count(fixture->peer, "CancelTask"), ==, 1);
    check_collector_is_gone(fixture);
}

/* It was too late: there is a snapshot now, and somebody has to know. */
static void
test_cancel_too_late(struct fixture *fixture, gconstpointer unused G_GNUC_UNUSED)
{
    g_autoptr(GError) error = NULL;
    auto_xml_doc result = NULL;
    fixture->wait.cancellable = TRUE;
    say_updates(fixture->peer, 1);
    say_info(fixture->peer, "running", "");
    say_info(fixture->peer, "success", "<result type=\"VirtualMachineSnapshot\">s-7</result>");
    vim_peer_fault(fixture->peer, "CancelTask", "NotSupported", "", "");
    cancel_request();
    g_assert_true(wait_for(fixture, &result, NULL, &error));
    cancel_heard();
    g_assert_no_error(error);
    g_assert_nonnull(result);
}

static void
test_clean_up_is_not_cancelled(struct fixture *fixture, gconstpointer unused G_GNUC_UNUSED)
{
    g_autoptr(GError) error = NULL;
    say_updates(fixture->peer, 1);
    say_info(fixture->peer, "running", "");
    say_info(fixture->peer, "success", "");
    cancel_request();
    g_assert_true(wait_for(fixture, NULL, NULL, &error));
    cancel_heard();
    g_assert_cmpuint(vim_peer_count(fixture->peer, "CancelTask"), ==, 0);
}

#define ADD(name, function) g_test_add(name, struct fixture, NULL, set_up, function, tear_down)

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    ADD("/vim/task/run", test_run);
    ADD("/vim/task/ended_already", test_ended_already);
    ADD("/vim/task/error", test_error);
    ADD("/vim/task/error_without_words", test_error_without_words);
    ADD("/vim/task/strange_state", test_strange_state);
    ADD("/vim/task/never_ends", test_never_ends);
    ADD("/vim/task/poll", test_poll);
    ADD("/vim/task/wait_not_implemented", test_wait_not_implemented);
    ADD("/vim/task/session_lost", test_session_lost);
    ADD("/vim/task/server_away_for_a_while", test_server_away_for_a_while);
    ADD("/vim/task/server_away_for_good", test_server_away_for_good);
    ADD("/vim/task/cancel", test_cancel);
    ADD("/vim/task/cancel_too_late", test_cancel_too_late);
    ADD("/vim/task/clean_up_is_not_cancelled", test_clean_up_is_not_cancelled);
    return g_test_run();
}
