/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "base/error.h"
#include "scratch_directory.h"
#include "target/listener.h"
#include "target/listener_address.h"

#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

/* ---- Words ----------------------------------------------------------------------------------- */

static void
test_addresses(void)
{
    static const struct {
        const char *text, *right;
    } rows[] = {
        {"192.0.2.1", "192.0.2.1:3260"},
        {"192.0.2.1:1", "192.0.2.1:1"},
        {"0.0.0.0:0", "0.0.0.0:0"},
        {"[2001:db8::1]", "[2001:db8::1]:3260"},
        {"[2001:DB8:0::1]:65535", "[2001:db8::1]:65535"},
        {"2001:db8::1", "[2001:db8::1]:3260"},
        {"[::]:3261", "[::]:3261"},
        {"*", "[::]:3260"},
        {"*:99", "[::]:99"},
    };
    static const char *const bad[] = {"",
                                      ":",
                                      "localhost",
                                      "192.0.2.1:",
                                      "192.0.2.1:x",
                                      "192.0.2.1:65536",
                                      "192.0.2.1:-1",
                                      "192.0.2.256",
                                      "[2001:db8::1",
                                      "[2001:db8::1]3260",
                                      "[192.0.2.1]",
                                      "[]",
                                      "2001:db8::1:x",
                                      "**",
                                      "unix:/tmp/x",
                                      "192.0.2.1 ",
                                      "*:"};
    for (gsize i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_autoptr(GError) error = NULL;
        struct listener_address address;
        listener_address_parse(rows[i].text, 3260, FALSE, &address, &error);
        g_assert_no_error(error);
        g_autofree char *text = listener_address_format(&address.socket, TRUE);
        g_assert_cmpstr(text, ==, rows[i].right);
        g_assert_cmpint(address.everything, ==, rows[i].text[0] == '*');
    }
    for (gsize i = 0; i < G_N_ELEMENTS(bad); i++) {
        g_autoptr(GError) error = NULL;
        g_assert_false(listener_check_address(bad[i], FALSE, &error));
        g_assert_error(error, SLIPWAY_ERROR, SLIPWAY_ERROR_USAGE);
    }
    g_autofree char *many = g_strnfill(200, 'a'), *path = g_strconcat("unix:/", many, NULL);
    g_assert_true(listener_check_address("unix:/tmp/x", TRUE, NULL));
    g_assert_false(listener_check_address("unix:", TRUE, NULL));
    g_assert_false(listener_check_address(path, TRUE, NULL));
}

static void
test_ranges(void)
{
    static const struct {
        const char *range, *address;
        gboolean inside;
    } rows[] = {
        {"192.0.2.7", "192.0.2.7", TRUE},
        {"192.0.2.7", "192.0.2.8", FALSE},
        {"192.0.2.0/24", "192.0.2.255", TRUE},
        {"192.0.2.0/24", "192.0.3.0", FALSE},
        {"192.0.2.128/25", "192.0.2.127", FALSE},
        {"192.0.2.128/25", "192.0.2.128", TRUE},
        {"192.0.2.4/30", "192.0.2.7", TRUE},
        {"192.0.2.4/30", "192.0.2.8", FALSE},
        {"192.0.2.4/32", "192.0.2.4", TRUE},
        {"0.0.0.0/0", "203.0.113.9", TRUE},
        {"0.0.0.0/0", "2001:db8::1", FALSE},
        {"::/0", "2001:db8::1", TRUE},
        {"::/0", "192.0.2.1", FALSE},
        {"2001:db8::/33", "2001:db8:7fff::1", TRUE},
        {"2001:db8::/33", "2001:db8:8000::1", FALSE},
        {"2001:db8::1/128", "2001:db8::1", TRUE},
        {"fe80::/10", "fe80::1%eth0", TRUE},
    };
    static const char *const bad[] = {"",
                                      "x",
                                      "192.0.2.0/33",
                                      "192.0.2.0/",
                                      "/24",
                                      "192.0.2.0/-1",
                                      "2001:db8::/129",
                                      "192.0.2",
                                      "192.0.2.0/24/24",
                                      "fe80::1%eth0",
                                      "localhost"};
    for (gsize i = 0; i < G_N_ELEMENTS(rows); i++) {
        const char *const ranges[] = {"198.51.100.1", rows[i].range, NULL};
        g_assert_true(listener_check_range(rows[i].range, NULL));
        g_assert_cmpint(listener_allows(ranges, rows[i].address), ==, rows[i].inside);
    }
    for (gsize i = 0; i < G_N_ELEMENTS(bad); i++) {
        g_autoptr(GError) error = NULL;
        g_assert_false(listener_check_range(bad[i], &error));
        g_assert_error(error, SLIPWAY_ERROR, SLIPWAY_ERROR_USAGE);
    }
    static const char *const nobody[] = {NULL};
    g_assert_true(listener_allows(NULL, "192.0.2.1"));
    g_assert_false(listener_allows(nobody, "192.0.2.1"));
}

/* ---- Clients --------------------------------------------------------------------------------- */

struct echo {
    GMutex lock;
    GString *refused;
    gboolean establishes;
    char *peer, *address, *local;
};

static void
serve(struct listener_connection *connection, gpointer data)
{
    struct echo *echo = data;
    g_mutex_lock(&echo->lock);
    g_free(echo->peer);
    g_free(echo->address);
    g_free(echo->local);
    echo->peer = g_strdup(connection->peer);
    echo->address = g_strdup(connection->address);
    echo->local = g_strdup(connection->local);
    g_mutex_unlock(&echo->lock);
    if (echo->establishes)
        listener_establish(connection);
    char byte = '\0';
    while (recv(connection->fd, &byte, 1, 0) == 1 &&
           send(connection->fd, &byte, 1, MSG_NOSIGNAL) == 1)
        continue;
}

static void
note_refused(const char *words, gpointer data)
{
    struct echo *echo = data;
    g_mutex_lock(&echo->lock);
    g_string_append_printf(echo->refused, "%s\n", words);
    g_mutex_unlock(&echo->lock);
}

static struct listener *
start(struct echo *echo, const char *const *listen, const char *const *addresses, guint connections)
{
    g_autoptr(GError) error = NULL;
    *echo = (struct echo){.refused = g_string_new(NULL)};
    g_mutex_init(&echo->lock);
    struct listener_options options = {.listen = listen,
                                       .port = 0,
                                       .local = TRUE,
                                       .addresses = addresses,
                                       .connections = connections,
                                       .serve = serve,
                                       .refuse = note_refused,
                                       .data = echo};
    struct listener *listener = listener_start(&options, &error);
    g_assert_no_error(error);
    return listener;
}

static void
stop(struct listener *listener, struct echo *echo)
{
    listener_stop(listener);
    g_string_free(echo->refused, TRUE);
    g_free(echo->peer);
    g_free(echo->address);
    g_free(echo->local);
    g_mutex_clear(&echo->lock);
}

static int
connect_to(const char *text)
{
    static const struct timeval limit = {.tv_sec = 20};
    struct listener_address address;
    g_assert_true(listener_address_parse(text, 0, TRUE, &address, NULL));
    int fd = socket(address.socket.any.sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    g_assert_cmpint(fd, >=, 0);
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    if (connect(fd, &address.socket.any, address.length) == 0)
        return fd;
    close(fd);
    return -1;
}

/* TRUE when the byte comes back, FALSE when the connection is closed. */
static gboolean
talks(int fd)
{
    char byte = 'x';
    return send(fd, &byte, 1, MSG_NOSIGNAL) == 1 && recv(fd, &byte, 1, 0) == 1;
}

static void
test_serves(void)
{
    auto_scratch scratch = scratch_new();
    g_autofree char *path = scratch_path(&scratch, "socket");
    g_autofree char *local = g_strconcat("unix:", path, NULL);
    const char *const listen[] = {"127.0.0.1", "127.0.0.2:0", local, NULL};
    struct echo echo;
    struct listener *listener = start(&echo, listen, NULL, 0);
    const char *const *addresses = listener_addresses(listener);
    g_assert_cmpuint(g_strv_length((char **)addresses), ==, 3);
    g_assert_cmpstr(addresses[2], ==, local);
    for (guint i = 0; i < 3; i++) {
        int fd = connect_to(addresses[i]);
        g_assert_true(talks(fd));
        g_mutex_lock(&echo.lock);
        g_assert_cmpstr(echo.local, ==, addresses[i]);
        g_assert_true(g_str_has_prefix(echo.peer, i < 2 ? "127.0.0.1:" : "unix:"));
        g_assert_cmpstr(echo.address, ==, i < 2 ? "127.0.0.1" : "unix");
        g_mutex_unlock(&echo.lock);
        g_assert_cmpuint(listener_count(listener, FALSE), >=, 1);
        g_assert_cmpuint(listener_count(listener, TRUE), ==, 0);
        close(fd);
    }
    struct stat status;
    g_assert_cmpint(stat(local + 5, &status), ==, 0);
    g_assert_cmpuint(status.st_mode & 0777, ==, 0600);
    /* Closed: nobody comes in any more, who is there stays. */
    int fd = connect_to(addresses[0]);
    g_assert_true(talks(fd));
    listener_close(listener);
    g_assert_cmpint(connect_to(addresses[0]), ==, -1);
    g_assert_cmpint(stat(local + 5, &status), ==, -1);
    g_assert_true(talks(fd));
    stop(listener, &echo);
    g_assert_false(talks(fd));
    close(fd);
}

/* Any address, both families where there are two. */
static void
test_everything(void)
{
    static const char *const listen[] = {"*", NULL};
    struct echo echo;
    struct listener *listener = start(&echo, listen, NULL, 0);
    const char *address = listener_addresses(listener)[0];
    g_assert_true(g_str_has_prefix(address, "*:"));
    g_autofree char *v4 = g_strconcat("127.0.0.1", address + 1, NULL);
    g_autofree char *v6 = g_strconcat("[::1]", address + 1, NULL);
    int fd = connect_to(v4);
    g_assert_true(talks(fd));
    g_mutex_lock(&echo.lock);
    g_assert_cmpstr(echo.address, ==, "127.0.0.1");
    g_assert_cmpstr(echo.local, ==, v4);
    g_mutex_unlock(&echo.lock);
    close(fd);
    fd = connect_to(v6);
    if (fd >= 0) {
        g_assert_true(talks(fd));
        g_mutex_lock(&echo.lock);
        g_assert_cmpstr(echo.address, ==, "::1");
        g_mutex_unlock(&echo.lock);
        close(fd);
    }
    stop(listener, &echo);
}

static void
test_refuses(void)
{
    static const char *const listen[] = {"127.0.0.1:0", NULL};
    static const char *const ranges[] = {"192.0.2.0/24", "2001:db8::/32", NULL};
    struct echo echo;
    struct listener *listener = start(&echo, listen, ranges, 0);
    int fd = connect_to(listener_addresses(listener)[0]);
    g_assert_false(talks(fd));
    close(fd);
    listener_close(listener);
    g_assert_nonnull(strstr(echo.refused->str, "its address may not connect"));
    stop(listener, &echo);
}

/* Who has established keeps the place; the others make room for newcomers. */
static void
test_places(void)
{
    static const char *const listen[] = {"127.0.0.1:0", NULL};
    struct echo echo;
    struct listener *listener = start(&echo, listen, NULL, 3);
    int fds[10];
    for (guint i = 0; i < G_N_ELEMENTS(fds); i++) {
        fds[i] = connect_to(listener_addresses(listener)[0]);
        g_assert_true(talks(fds[i]));
        g_assert_cmpuint(listener_count(listener, FALSE), <=, 3);
    }
    for (guint i = 0; i < G_N_ELEMENTS(fds); i++) {
        g_assert_cmpint(talks(fds[i]), ==, i >= 7);
        close(fds[i]);
    }
    while (listener_count(listener, FALSE) > 0)
        g_usleep(1000);
    echo.establishes = TRUE;
    for (guint i = 0; i < 4; i++) {
        fds[i] = connect_to(listener_addresses(listener)[0]);
        g_assert_cmpint(talks(fds[i]), ==, i < 3);
    }
    g_assert_cmpuint(listener_count(listener, TRUE), ==, 3);
    for (guint i = 0; i < 4; i++)
        close(fds[i]);
    stop(listener, &echo);
}

/* A socket that was left by one that was killed is replaced, one in use is not, nor is a file. */
static void
test_left_socket(void)
{
    auto_scratch scratch = scratch_new();
    g_autofree char *path = scratch_path(&scratch, "socket");
    g_autofree char *local = g_strconcat("unix:", path, NULL);
    const char *const listen[] = {local, NULL};
    struct listener_address address;
    struct echo echo, other;
    g_assert_true(listener_address_parse(local, 0, TRUE, &address, NULL));
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    g_assert_cmpint(bind(fd, &address.socket.any, address.length), ==, 0);
    close(fd);
    struct listener *listener = start(&echo, listen, NULL, 0);
    struct listener_options options = {
        .listen = listen, .local = TRUE, .serve = serve, .data = &other};
    g_autoptr(GError) error = NULL;
    g_assert_null(listener_start(&options, &error));
    g_assert_error(error, SLIPWAY_ERROR, SLIPWAY_ERROR_BUSY);
    g_clear_error(&error);
    stop(listener, &echo);
    g_assert_true(g_file_set_contents(path, "mine", 4, NULL));
    g_assert_null(listener_start(&options, &error));
    g_assert_error(error, SLIPWAY_ERROR, SLIPWAY_ERROR_BUSY);
    g_assert_true(g_file_test(path, G_FILE_TEST_IS_REGULAR));
    unlink(path);
}

static void
test_bad_options(void)
{
    static const char *const nothing[] = {NULL}, *const word[] = {"x", NULL};
    static const char *const one[] = {"127.0.0.1:0", NULL};
    static const struct {
        const char *const *listen, *const *addresses;
        guint connections;
    } rows[] = {{NULL, NULL, 0},
                {nothing, NULL, 0},
                {word, NULL, 0},
                {one, word, 0},
                {one, NULL, LISTENER_CONNECTIONS_MAX + 1}};
    for (gsize i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_autoptr(GError) error = NULL;
        struct listener_options options = {.listen = rows[i].listen,
                                           .addresses = rows[i].addresses,
                                           .connections = rows[i].connections,
                                           .serve = serve};
        g_assert_null(listener_start(&options, &error));
        g_assert_error(error, SLIPWAY_ERROR, SLIPWAY_ERROR_USAGE);
    }
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/listener/addresses", test_addresses);
    g_test_add_func("/listener/ranges", test_ranges);
    g_test_add_func("/listener/serves", test_serves);
    g_test_add_func("/listener/everything", test_everything);
    g_test_add_func("/listener/refuses", test_refuses);
    g_test_add_func("/listener/places", test_places);
    g_test_add_func("/listener/left-socket", test_left_socket);
    g_test_add_func("/listener/bad-options", test_bad_options);
    return g_test_run();
}
