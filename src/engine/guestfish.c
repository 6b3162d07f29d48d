/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "engine/guestfish.h"

#include "base/cancel.h"
#include "base/error.h"
#include "engine/boot_machine.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define PROGRAM "guestfish"
#define PACKAGE "libguestfs-tools"
#define POLL_MS 200
#define END_MS 10000
/* What precedes its messages: the number is that of the line it has read. */
#define ERROR_BEGIN "*stdin*:"
#define ERROR_MARK "libguestfs: error: "

struct guestfish {
    GPid child;
    int to, from;
    char *sentinel; /* a line that no guest can know */
    GString *read;  /* what came and was not taken yet */
};

/* ---- Its process ----------------------------------------------------------------------------- */

/* `emulate`: a /dev/kvm that does not work would be taken by libguestfs all the same. */
static gboolean
spawn(struct guestfish *fish, const char *socket, gboolean emulate, GError **error)
{
    g_autofree char *program = g_find_program_in_path(PROGRAM);
    if (program == NULL)
        return error_set(error, SLIPWAY_ERROR_UNSUPPORTED,
                         "looking into file systems needs guestfish; install the package " PACKAGE
                         ", or attach the disk with `slipway export start`");
    g_autofree char *escaped = g_uri_escape_string(socket, "/", FALSE);
    g_autofree char *uri = g_strdup_printf("nbd:///?socket=%s", escaped);
    /* Its answers come through a pipe, and must not wait in it. */
    const char *arguments[] = {"stdbuf",       "-oL", program, "--ro", "--no-progress-bars",
                               "--format=raw", "-a",  uri,     NULL};
    g_auto(GStrv) environment = g_get_environ();
    environment = g_environ_setenv(environment, "LIBGUESTFS_BACKEND", "direct", FALSE);
    environment = g_environ_setenv(environment, "LC_ALL", "C.UTF-8", TRUE);
    if (emulate)
        environment =
            g_environ_setenv(environment, "LIBGUESTFS_BACKEND_SETTINGS", "force_tcg", FALSE);
    int ends[2];
    g_autoptr(GError) local = NULL;
    if (pipe2(ends, O_CLOEXEC) != 0)
        return error_set_errno(error, errno, "cannot make a pipe");
    gboolean ok = g_spawn_async_with_pipes_and_fds(
        NULL, arguments, (const char *const *)environment,
        G_SPAWN_SEARCH_PATH | G_SPAWN_DO_NOT_REAP_CHILD, NULL, NULL, -1, ends[1], ends[1], NULL,
        NULL, 0, &fish->child, &fish->to, NULL, NULL, &local);
    close(ends[1]);
    fish->from = ends[0];
    return ok ||
           error_set(error, SLIPWAY_ERROR_FAILED, "cannot start guestfish: %s", local->message);
}

void
guestfish_end(struct guestfish *fish)
{
    if (fish == NULL)
        return;
    if (fish->to >= 0)
        close(fish->to);
    if (fish->from >= 0)
        close(fish->from);
    for (guint waited = 0; fish->child > 0; waited += POLL_MS) {
        int status;
        pid_t ended = waitpid(fish->child, &status, WNOHANG);
        if (ended == fish->child || (ended < 0 && errno != EINTR))
            break;
        if (waited == END_MS)
            kill(fish->child, SIGKILL);
        g_usleep(POLL_MS * 1000);
    }
    g_free(fish->sentinel);
    g_string_free(fish->read, TRUE);
    g_free(fish);
}

/* ---- Commands -------------------------------------------------------------------------------- */

/* In double quotes any byte can be written. */
static void
append_quoted(GString *line, const char *text)
{
    g_string_append(line, " \"");
    for (const char *c = text; *c != '\0'; c++) {
        if (*c == '"' || *c == '\\')
            g_string_append_printf(line, "\\%c", *c);
        else if ((guint8)*c < 0x20 || (guint8)*c == 0x7f)
            g_string_append_printf(line, "\\x%02x", (guint8)*c);
        else
            g_string_append_c(line, *c);
    }
    g_string_append_c(line, '"');
}

static gboolean
send_line(struct guestfish *fish, const GString *line, GError **error)
{
    gsize done = 0;
    while (done < line->len) {
        ssize_t n = write(fish->to, line->str + done, line->len - done);
        if (n < 0 && errno != EINTR)
            return error_set_errno(error, errno, "guestfish has ended");
        done += n > 0 ? (gsize)n : 0;
    }
    return TRUE;
}

/* More of its answer; FALSE when there is none any more. */
static gboolean
receive(struct guestfish *fish, GError **error)
{
    struct pollfd wait = {.fd = fish->from, .events = POLLIN};
    for (;;) {
        if (!cancel_check(error))
            return FALSE;
        if (poll(&wait, 1, POLL_MS) <= 0)
            continue;
        char buffer[16384];
        ssize_t n = read(fish->from, buffer, sizeof buffer);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return error_set(error, SLIPWAY_ERROR_FAILED, "guestfish has ended: %.*s",
                             (int)MIN(fish->read->len, 1000), fish->read->str);
        g_string_append_len(fish->read, buffer, n);
        if (fish->read->len > GUESTFISH_ANSWER_MAX)
            return error_set(error, SLIPWAY_ERROR_LIMIT, "guestfish says more than %u bytes",
                             GUESTFISH_ANSWER_MAX);
        return TRUE;
    }
}

/* Up to the line that tells the end. */
static char *
take_answer(struct guestfish *fish, GError **error)
{
    gsize length = strlen(fish->sentinel);
    gsize looked = 0;
    for (;;) {
        const char *end = strstr(fish->read->str + looked, fish->sentinel);
        if (end != NULL) {
            gsize at = (gsize)(end - fish->read->str);
            char *answer = g_strndup(fish->read->str, at);
            g_string_erase(fish->read, 0, (gssize)(at + length));
            return answer;
        }
        looked = fish->read->len - MIN(fish->read->len, length);
        if (!receive(fish, error))
            return NULL;
    }
}

static gboolean
check_answer(const char *answer, GError **error)
{
    const char *begin =
        g_str_has_prefix(answer, ERROR_BEGIN) ? answer : strstr(answer, "\n" ERROR_BEGIN);
    const char *words = begin != NULL ? strstr(begin, ERROR_MARK) : NULL;
    if (words == NULL)
        return TRUE;
    words += strlen(ERROR_MARK);
    int length = (int)strcspn(words, "\n");
    gboolean missing = strstr(words, "No such file or directory") != NULL;
    return error_set(error, missing ? SLIPWAY_ERROR_NOT_FOUND : SLIPWAY_ERROR_IO,
                     "libguestfs: %.*s", length, words);
}

static char *
do_line(struct guestfish *fish, GString *line, GError **error)
{
    g_string_append_printf(line, "\necho %.*s\n", (int)strlen(fish->sentinel) - 1, fish->sentinel);
    g_autofree char *answer = send_line(fish, line, error) ? take_answer(fish, error) : NULL;
    if (answer == NULL || !check_answer(answer, error))
        return NULL;
    return g_steal_pointer(&answer);
}

/* A command with a dash before it does not end the conversation when it fails. */
char *
guestfish_do(struct guestfish *fish, GError **error, const char *command, ...)
{
    g_autoptr(GString) line = g_string_new("-");
    va_list arguments;
    const char *argument;
    g_string_append(line, command);
    va_start(arguments, command);
    while ((argument = va_arg(arguments, const char *)) != NULL)
        append_quoted(line, argument);
    va_end(arguments);
    return do_line(fish, line, error);
}

static struct guestfish *
try_start(const char *socket, gboolean emulate, GError **error)
{
    struct guestfish *fish = g_new0(struct guestfish, 1);
    fish->to = fish->from = -1;
    fish->read = g_string_new(NULL);
    fish->sentinel =
        g_strdup_printf("end-%08x%08x%08x\n", g_random_int(), g_random_int(), g_random_int());
    g_autofree char *answer = NULL;
    if (spawn(fish, socket, emulate, error))
        answer = guestfish_do(fish, error, "run", NULL);
    if (answer != NULL)
        return fish;
    guestfish_end(fish);
    return NULL;
}

struct guestfish *
guestfish_start(const char *nbd_socket, GError **error)
{
    g_autoptr(GError) local = NULL;
    g_autofree char *qemu = g_find_program_in_path("qemu-system-x86_64"), *why = NULL;
    gboolean emulate = g_getenv("LIBGUESTFS_BACKEND_SETTINGS") == NULL && qemu != NULL &&
                       !boot_kvm_works(qemu, &why);
    struct guestfish *fish = try_start(nbd_socket, emulate, &local);
    if (fish != NULL)
        return fish;
    if (!g_error_matches(local, SLIPWAY_ERROR, SLIPWAY_ERROR_CANCELLED))
        local->code = SLIPWAY_ERROR_UNSUPPORTED;
    g_propagate_prefixed_error(error, g_steal_pointer(&local), "cannot look into file systems: ");
    return NULL;
}
