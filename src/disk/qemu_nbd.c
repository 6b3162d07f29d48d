/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "disk/qemu_nbd.h"

#include "base/error.h"
#include "disk/connections.h"
#include "disk/qemu_img.h"

#include <errno.h>
#include <fcntl.h>
#include <glib/gstdio.h>
#include <signal.h>
#include <spawn.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#define WORDS_MAX 4096u
#define LISTEN_FD 3 /* where socket activation expects the first socket */

/* The server must be told its own process id, which only a shell that becomes it knows: between
 * fork and exec hardly anything is allowed to a process with threads. */
#define LAUNCH "export LISTEN_PID=$$ LISTEN_FDS=1; exec \"$@\""

struct qemu_nbd {
    pid_t pid;
    int stderr_fd; /* reads without waiting */
    char *preface; /* of its complaints about the image: says nothing our caller does not know */
};

/* A socket that listens under a name in a new directory only we can enter. */
static int
listen_at(struct sockaddr_un *address)
{
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -1;
    if (bind(fd, (struct sockaddr *)address, sizeof *address) == 0 &&
        listen(fd, CONNECTIONS_MAX) == 0)
        return fd;
    int number = errno;
    close(fd);
    errno = number;
    return -1;
}

static void
close_all(const int *fds, guint n)
{
    for (guint i = 0; i < n; i++)
        close(fds[i]);
}

/* Connections wait in the queue of the listening socket until the server takes them. */
static gboolean
connect_all(const struct sockaddr_un *address, int *ret_sockets, guint n)
{
    for (guint i = 0; i < n; i++) {
        ret_sockets[i] = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
        guint made = i + (ret_sockets[i] >= 0);
        if (made == i ||
            connect(ret_sockets[i], (const struct sockaddr *)address, sizeof *address) != 0) {
            int number = errno;
            close_all(ret_sockets, made);
            errno = number;
            return FALSE;
        }
    }
    return TRUE;
}

/* Returns the listening socket, with `n` connections to it made, and no name left of it. */
static int
prepare_sockets(int *ret_sockets, guint n, GError **error)
{
    g_autoptr(GError) failure = NULL;
    g_autofree char *directory = g_dir_make_tmp("slipway-nbd-XXXXXX", &failure);
    if (directory == NULL) {
        error_set(error, SLIPWAY_ERROR_IO, "%s; set TMPDIR to a place that can be written",
                  failure->message);
        return -1;
    }
    g_autofree char *path = g_build_filename(directory, "socket", NULL);
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd = -1;
    if (g_strlcpy(address.sun_path, path, sizeof address.sun_path) >= sizeof address.sun_path) {
        error_set(
            error, SLIPWAY_ERROR_IO,
            "the temporary directory %s is too long for a socket; set TMPDIR to a shorter one",
            directory);
    } else {
        fd = listen_at(&address);
        if (fd >= 0 && !connect_all(&address, ret_sockets, n)) {
            int number = errno;
            close(fd);
            errno = number;
            fd = -1;
        }
        if (fd < 0)
            error_set_errno(error, errno, "cannot make a socket in %s", directory);
        g_unlink(path);
    }
    g_rmdir(directory);
    return fd;
}

static int
spawn(char *const *argv, int listener, int stderr_fd, pid_t *ret_pid)
{
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
    sigset_t none, all;
    sigemptyset(&none);
    sigfillset(&all);
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
    posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, "/dev/null", O_WRONLY, 0);
    posix_spawn_file_actions_adddup2(&actions, stderr_fd, STDERR_FILENO);
    posix_spawn_file_actions_adddup2(&actions, listener, LISTEN_FD);
    posix_spawnattr_init(&attributes);
    /* A group of its own: ^C at the terminal is for us, who then end it in good order. */
    posix_spawnattr_setpgroup(&attributes, 0);
    posix_spawnattr_setsigmask(&attributes, &none);
    posix_spawnattr_setsigdefault(&attributes, &all);
    posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK |
                                              POSIX_SPAWN_SETSIGDEF);
    int status = posix_spawn(ret_pid, argv[0], &actions, &attributes, argv, environ);
    posix_spawnattr_destroy(&attributes);
    posix_spawn_file_actions_destroy(&actions);
    return status;
}

/* Its stderr is a pipe that waits for nobody: who says too much is cut off, not stopped. */
static struct qemu_nbd *
launch(const char *path, char *const *argv, int listener, GError **error)
{
    int fds[2];
    if (pipe2(fds, O_CLOEXEC | O_NONBLOCK) != 0) {
        error_set_errno(error, errno, "cannot start qemu-nbd for disk %s", path);
        return NULL;
    }
    pid_t pid;
    int number = spawn(argv, listener, fds[1], &pid);
    close(fds[1]);
    if (number != 0) {
        close(fds[0]);
        error_set_errno(error, number, "cannot start qemu-nbd for disk %s", path);
        return NULL;
    }
    struct qemu_nbd *server = g_new0(struct qemu_nbd, 1);
    server->pid = pid;
    server->stderr_fd = fds[0];
    return server;
}

struct qemu_nbd *
qemu_nbd_start(const char *path, enum disk_format format, gboolean writable, int *ret_sockets,
               guint n, GError **error)
{
    g_autofree char *program = qemu_img_find_program("qemu-nbd", error);
    if (program == NULL)
        return NULL;
    int listener = prepare_sockets(ret_sockets, n, error);
    if (listener < 0) {
        g_prefix_error(error, "cannot open disk %s: ", path);
        return NULL;
    }
    g_autofree char *options = qemu_img_options(path, format);
    g_autofree char *shared = g_strdup_printf("--shared=%u", n);
    const char *argv[] = {"/bin/sh",
                          "-c",
                          LAUNCH,
                          "sh",
                          program,
                          shared,
                          writable ? "--discard=unmap" : "--read-only",
                          "--image-opts",
                          "--",
                          options,
                          NULL};
    struct qemu_nbd *server = launch(path, (char *const *)argv, listener, error);
    /* Only the server listens now: when it ends, connections it has not taken end too. */
    close(listener);
    if (server == NULL)
        close_all(ret_sockets, n);
    else
        server->preface = g_strdup_printf("Failed to blk_new_open '%s': ", options);
    return server;
}

char *
qemu_nbd_words(struct qemu_nbd *server)
{
    char text[WORDS_MAX + 1];
    ssize_t n = read(server->stderr_fd, text, WORDS_MAX);
    if (n <= 0)
        return NULL;
    text[n] = '\0';
    char *preface = strstr(text, server->preface);
    if (preface != NULL)
        memmove(preface, preface + strlen(server->preface),
                strlen(preface + strlen(server->preface)) + 1);
    return qemu_img_words("qemu-nbd", text);
}

char *
qemu_nbd_end(struct qemu_nbd *server)
{
    if (server == NULL)
        return NULL;
    int status;
    while (waitpid(server->pid, &status, 0) < 0 && errno == EINTR)
        continue;
    char *words = qemu_nbd_words(server);
    close(server->stderr_fd);
    g_free(server->preface);
    g_free(server);
    return words;
}
