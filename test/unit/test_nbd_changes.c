/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What changed, asked of servers that answer as the protocol lets them, and as it does not. */
#include "base/cancel.h"
#include "base/error.h"
#include "disk/nbd_changes.h"
#include "scratch_directory.h"
#include "target/nbd_protocol.h"

#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define CONTEXT "qemu:dirty-bitmap:b"
#define KIB 1024u
#define GIB (1024ull * 1024 * 1024)

struct entry {
    guint32 length, flags;
};

/* A server of one connection, which answers the n-th question with the n-th row, and questions
 * beyond them with the last row. */
struct script {
    guint64 size;
    guint32 minimum; /* block size; 0: not said */
    gboolean silent; /* hangs up instead of answering */
    const char *context;
    struct {
        struct entry entries[4]; /* until one with neither length nor flags */
        guint32 error;
    } rows[8];
    guint n_rows;
    guint cancel_at; /* that question; 0: never */
    /* What came. */
    guint questions;
    guint64 asked[64];
    guint32 asked_for[64];
};

struct scripted {
    struct script *script;
    char *path, *uri;
    int listener;
    GThread *thread;
};

static gboolean
hear_bytes(int fd, void *data, gsize length)
{
    return recv(fd, data, length, MSG_WAITALL) == (gssize)length;
}

static void
say(int fd, const void *data, gsize length)
{
    /* A client that has gone away is no error here. */
    if (send(fd, data, length, MSG_NOSIGNAL) < 0)
        g_test_message("the client went away");
}

static void
say_reply(int fd, guint32 option, guint32 type, const void *data, guint32 length)
{
    guint8 head[NBD_OPTION_REPLY_HEAD];
    big_endian_put64(head, NBD_OPTION_REPLY_MAGIC);
    big_endian_put32(head + 8, option);
    big_endian_put32(head + 12, type);
    big_endian_put32(head + 16, length);
    say(fd, head, sizeof head);
    if (length > 0)
        say(fd, data, length);
}

static void
say_context(int fd, const struct script *script)
{
    guint8 data[4 + 64];
    gsize length = strlen(script->context);
    big_endian_put32(data, 7);
    memcpy(data + 4, script->context, length);
    say_reply(fd, NBD_OPT_SET_META_CONTEXT, NBD_REP_META_CONTEXT, data, (guint32)(4 + length));
    say_reply(fd, NBD_OPT_SET_META_CONTEXT, NBD_REP_ACK, NULL, 0);
}

static void
say_export(int fd, const struct script *script)
{
    guint8 export[12], block[14];
    big_endian_put16(export, NBD_INFO_EXPORT);
    big_endian_put64(export + 2, script->size);
    big_endian_put16(export + 10, NBD_HAS_FLAGS | NBD_READ_ONLY);
    say_reply(fd, NBD_OPT_GO, NBD_REP_INFO, export, sizeof export);
    big_endian_put16(block, NBD_INFO_BLOCK_SIZE);
    big_endian_put32(block + 2, script->minimum);
    big_endian_put32(block + 6, MAX(script->minimum, 4096));
    big_endian_put32(block + 10, 32 * KIB * KIB);
    if (script->minimum != 0)
        say_reply(fd, NBD_OPT_GO, NBD_REP_INFO, block, sizeof block);
    say_reply(fd, NBD_OPT_GO, NBD_REP_ACK, NULL, 0);
}

static gboolean
serve_handshake(int fd, const struct script *script)
{
    guint8 greeting[18], flags[4], head[NBD_OPTION_HEAD], data[512];
    big_endian_put64(greeting, NBD_MAGIC);
    big_endian_put64(greeting + 8, NBD_OPTION_MAGIC);
    big_endian_put16(greeting + 16, NBD_FIXED_NEWSTYLE | NBD_NO_ZEROES);
    say(fd, greeting, sizeof greeting);
    if (!hear_bytes(fd, flags, sizeof flags))
        return FALSE;
    while (hear_bytes(fd, head, sizeof head)) {
        guint32 option = big_endian_get32(head + 8), length = big_endian_get32(head + 12);
        if (length > sizeof data || (length > 0 && !hear_bytes(fd, data, length)))
            return FALSE;
        if (option == NBD_OPT_STRUCTURED_REPLY)
            say_reply(fd, option, NBD_REP_ACK, NULL, 0);
        else if (option == NBD_OPT_SET_META_CONTEXT)
            say_context(fd, script);
        else if (option != NBD_OPT_GO)
            say_reply(fd, option, NBD_REP_ERR_UNSUP, NULL, 0);
        else {
            say_export(fd, script);
            return TRUE;
        }
    }
    return FALSE;
}

static void
say_chunk(int fd, guint16 type, guint64 cookie, const guint8 *data, guint32 length)
{
    guint8 head[NBD_CHUNK_HEAD];
    big_endian_put32(head, NBD_STRUCTURED_REPLY_MAGIC);
    big_endian_put16(head + 4, NBD_CHUNK_DONE);
    big_endian_put16(head + 6, type);
    big_endian_put64(head + 8, cookie);
    big_endian_put32(head + 16, length);
    say(fd, head, sizeof head);
    if (length > 0)
        say(fd, data, length);
}

static void
answer(int fd, struct script *script, guint64 cookie)
{
    guint row = MIN(script->questions, script->n_rows) - 1;
    guint8 data[4 + 8 * 4];
    guint32 length = 4, error = script->rows[row].error;
    if (error != 0) {
        big_endian_put32(data, error);
        big_endian_put16(data + 4, 0);
        say_chunk(fd, NBD_CHUNK_ERROR, cookie, data, 6);
        return;
    }
    big_endian_put32(data, 7);
    for (guint i = 0; i < 4; i++) {
        const struct entry *entry = &script->rows[row].entries[i];
        if (entry->length == 0 && entry->flags == 0)
            break;
        big_endian_put32(data + length, entry->length);
        big_endian_put32(data + length + 4, entry->flags);
        length += 8;
    }
    say_chunk(fd, NBD_CHUNK_STATUS, cookie, data, length);
}

static gpointer
serve(gpointer pointer)
{
    struct scripted *scripted = pointer;
    struct script *script = scripted->script;
    int fd = accept(scripted->listener, NULL, NULL);
    guint8 head[NBD_REQUEST_HEAD];
    gboolean on = fd >= 0 && serve_handshake(fd, script);
    while (on && hear_bytes(fd, head, sizeof head)) {
        if (big_endian_get16(head + 6) != NBD_CMD_BLOCK_STATUS || script->silent)
            break;
        if (script->questions < G_N_ELEMENTS(script->asked)) {
            script->asked[script->questions] = big_endian_get64(head + 16);
            script->asked_for[script->questions] = big_endian_get32(head + 24);
        }
        script->questions++;
        if (script->questions == script->cancel_at)
            cancel_request();
        answer(fd, script, big_endian_get64(head + 8));
    }
    if (fd >= 0)
        close(fd);
    return NULL;
}

static void
start(struct scripted *scripted, const struct scratch *scratch, struct script *script)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    scripted->script = script;
    scripted->path = scratch_path(scratch, "socket");
    scripted->uri = g_strdup_printf("nbd+unix:///?socket=%s", scripted->path);
    if (script->context == NULL)
        script->context = CONTEXT;
    g_strlcpy(address.sun_path, scripted->path, sizeof address.sun_path);
    scripted->listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    g_assert_cmpint(bind(scripted->listener, (struct sockaddr *)&address, sizeof address), ==, 0);
    g_assert_cmpint(listen(scripted->listener, 1), ==, 0);
    scripted->thread = g_thread_new("server", serve, scripted);
}

/* Ask, and wait until the server has ended. */
static struct extent_list *
ask(struct script *script, GError **error)
{
    auto_scratch scratch = scratch_new();
    struct scripted scripted;
    start(&scripted, &scratch, script);
    struct extent_list *list = nbd_changes_query(scripted.uri, CONTEXT, error);
    shutdown(scripted.listener, SHUT_RDWR);
    g_thread_join(scripted.thread);
    close(scripted.listener);
    g_free(scripted.path);
    g_free(scripted.uri);
    return list;
}

/* "OFFSET+LENGTH OFFSET+LENGTH" */
static char *
words_of(const struct extent_list *list)
{
    GString *text = g_string_new(NULL);
    for (guint i = 0; i < list->extents->len; i++) {
        const struct extent *extent = &g_array_index(list->extents, struct extent, i);
        g_string_append_printf(text, "%s%" G_GUINT64_FORMAT "+%" G_GUINT64_FORMAT, i > 0 ? " " : "",
                               extent->offset, extent->length);
    }
    return g_string_free(text, FALSE);
}

static void
expect(struct script *script, const char *expected)
{
    g_autoptr(GError) error = NULL;
    auto_ptr(extent_list) list = ask(script, &error);
    g_assert_no_error(error);
    g_autofree char *words = words_of(list);
    g_assert_cmpstr(words, ==, expected);
}

static void
expect_error(struct script *script, int code, const char *part)
{
    g_autoptr(GError) error = NULL;
    g_assert_null(ask(script, &error));
    g_test_message("%s", error->message);
    g_assert_error(error, SLIPWAY_ERROR, code);
    g_assert_nonnull(strstr(error->message, part));
}

/* For less than what was asked, for more, and in pieces that touch. */
static void
test_answers(void)
{
    struct script one = {.size = 1000, .n_rows = 1, .rows = {{{{400, 0}, {600, 1}}}}};
    expect(&one, "400+600");
    struct script less = {
        .size = 1000,
        .n_rows = 3,
        .rows = {{{{100, 1}}}, {{{200, 1}, {300, 0}}}, {{{400, 8}}}},
    };
    expect(&less, "0+300 600+400");
    g_assert_cmpuint(less.asked[1], ==, 100);
    g_assert_cmpuint(less.asked_for[2], ==, 400);
    struct script more = {.size = 1000, .n_rows = 1, .rows = {{{{999, 0}, {4000000000u, 1}}}}};
    expect(&more, "999+1");
    struct script clean = {.size = 1000, .n_rows = 1, .rows = {{{{1000, 0}}}}};
    expect(&clean, "");
    struct script empty = {.size = 0, .n_rows = 1};
    expect(&empty, "");
    g_assert_cmpuint(empty.questions, ==, 0);
}

/* Lengths are 32-bit numbers; the answer may go beyond the question, and then is taken. */
static void
test_large(void)
{
    struct script large = {
        .size = 10 * GIB + 7,
        .n_rows = 4,
        .rows = {{{{2 * GIB - 1, 0}, {1, 1}}},
                 {{{4 * GIB - 1, 1}}},
                 {{{1, 0}}},
                 {{{4 * GIB - 1, 0}}}},
    };
    expect(&large, "2147483647+4294967296");
    g_assert_cmpuint(large.questions, ==, 5);
    g_assert_cmpuint(large.asked[2], ==, 6 * GIB - 1);
    for (guint i = 0; i < large.questions; i++)
        g_assert_cmpuint(large.asked_for[i], <=, 2 * GIB);
}

/* What the server wants in blocks is asked in blocks, wherever its answers end. */
static void
test_alignment(void)
{
    struct script script = {
        .size = 10000,
        .minimum = 4096,
        .n_rows = 2,
        .rows = {{{{5000, 1}}}, {{{904, 0}, {100, 1}, {4900, 0}}}},
    };
    expect(&script, "0+5100");
    g_assert_cmpuint(script.asked[1], ==, 4096);
    g_assert_cmpuint(script.asked_for[1], ==, 10000 - 4096);
}

static void
test_hostile(void)
{
    struct script nothing = {.size = 1000, .n_rows = 1, .rows = {{{{0, 1}}}}};
    expect_error(&nothing, SLIPWAY_ERROR_CORRUPT, "says nothing of it, against the protocol");
    struct script again = {
        .size = 10000,
        .minimum = 4096,
        .n_rows = 2,
        .rows = {{{{5000, 1}}}, {{{904, 0}}}},
    };
    expect_error(&again, SLIPWAY_ERROR_CORRUPT, "offset 5000");
    struct script foreign = {.size = 1000, .n_rows = 1, .context = "base:allocation"};
    expect_error(&foreign, SLIPWAY_ERROR_NOT_FOUND, "has no \"" CONTEXT "\"");
    struct script broken = {.size = 1000, .n_rows = 1, .rows = {{.error = NBD_EIO}}};
    expect_error(&broken, SLIPWAY_ERROR_IO, "ask what changed at offset 0");
    struct script silent = {.size = 1000, .silent = TRUE};
    expect_error(&silent, SLIPWAY_ERROR_NETWORK, "ask what changed at offset 0");
}

static void
test_cancel(void)
{
    /* A byte an answer, for longer than anybody would wait. */
    struct script script = {.size = 8 * GIB, .n_rows = 1, .cancel_at = 100, .rows = {{{{1, 1}}}}};
    expect_error(&script, SLIPWAY_ERROR_CANCELLED, "");
    cancel_heard();
}

static void
test_cannot_open(void)
{
    static const struct {
        const char *uri;
        int code;
    } bad[] = {
        {"nbd+unix:///?socket=/nowhere/socket", SLIPWAY_ERROR_NETWORK},
        {"nbd://127.0.0.1:1/", SLIPWAY_ERROR_NETWORK},
        {"nbd+unix:///export", SLIPWAY_ERROR_USAGE},
        {"nbd://[::1/", SLIPWAY_ERROR_USAGE},
        {"/dev/null", SLIPWAY_ERROR_USAGE},
    };
    for (gsize i = 0; i < G_N_ELEMENTS(bad); i++) {
        g_autoptr(GError) error = NULL;
        g_assert_null(nbd_changes_query(bad[i].uri, CONTEXT, &error));
        g_test_message("%s", error->message);
        g_assert_error(error, SLIPWAY_ERROR, bad[i].code);
        g_assert_nonnull(strstr(error->message, bad[i].uri));
    }
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/nbd-changes/answers", test_answers);
    g_test_add_func("/nbd-changes/large", test_large);
    g_test_add_func("/nbd-changes/alignment", test_alignment);
    g_test_add_func("/nbd-changes/hostile", test_hostile);
    g_test_add_func("/nbd-changes/cancel", test_cancel);
    g_test_add_func("/nbd-changes/cannot-open", test_cannot_open);
    return g_test_run();
}
