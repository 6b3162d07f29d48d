/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "hyper/vsphere/vddk.h"

#include "base/cancel.h"
#include "base/error.h"
#include "disk/disk_open.h"
#include "hyper/vsphere/vim_patience.h"

#include <errno.h>
#include <fcntl.h>
#include <glib/gstdio.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#define START_S 60u /* to load the library */
#define POLL_MS 50u
#define END_MS 10000u
#define WORDS_MAX 2000u

#define REMEDY                                                                                     \
    "see whether the vCenter, its hosts and their storage answer, allow more time with "           \
    "--stall-timeout, or choose transport https or hotadd"

struct vddk {
    char *directory; /* ours alone: socket, password, words */
    char *socket, *password_file, *log;
    struct disk *disk;
    guint silence_s; /* after which it is given up */
    GPid pid;        /* 0: none runs */
};

static gboolean
write_private(const char *path, const char *text, GError **error)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    gsize length = strlen(text);
    gboolean ok = fd >= 0 && write(fd, text, length) == (ssize_t)length;
    if (!ok)
        error_set_errno(error, errno, "cannot write %s", path);
    if (fd >= 0)
        close(fd);
    return ok;
}

static gboolean
prepare(struct vddk *vddk, const struct vsphere *vsphere, GError **error)
{
    g_autoptr(GError) failure = NULL;
    if (vsphere->scratch != NULL) {
        vddk->directory = g_build_filename(vsphere->scratch, "vddk-XXXXXX", NULL);
        if (g_mkdtemp(vddk->directory) == NULL) {
            int number = errno;
            g_clear_pointer(&vddk->directory, g_free);
            return error_set_errno(error, number, "cannot make a directory in %s",
                                   vsphere->scratch);
        }
    } else {
        vddk->directory = g_dir_make_tmp("slipway-vddk-XXXXXX", &failure);
        if (vddk->directory == NULL)
            return error_set(error, SLIPWAY_ERROR_IO, "%s", failure->message);
    }
    vddk->socket = g_build_filename(vddk->directory, "socket", NULL);
    vddk->password_file = g_build_filename(vddk->directory, "password", NULL);
    vddk->log = g_build_filename(vddk->directory, "log", NULL);
    return write_private(vddk->password_file, vsphere->password, error);
}

/* nbdkit says by this whether it has the plugin, and the plugin whether it has the library. */
static gboolean
check_parts(const char *program, const char *library, GError **error)
{
    const char *argv[] = {program, "vddk", "--dump-plugin", library, NULL};
    g_autofree char *out = NULL;
    int status = 0;
    if (!g_spawn_sync(NULL, (char **)argv, NULL, G_SPAWN_STDERR_TO_DEV_NULL, NULL, NULL, &out, NULL,
                      &status, NULL) ||
        !g_spawn_check_wait_status(status, NULL))
        return error_set(
            error, SLIPWAY_ERROR_UNSUPPORTED,
            "transport vddk needs nbdkit's vddk plugin, which %s does not have (Debian's "
            "is built without it); choose transport https or hotadd",
            program);
    if (strstr(out, "vddk_library_version=") == NULL)
        return error_set(error, SLIPWAY_ERROR_UNSUPPORTED,
                         "transport vddk needs VMware's Virtual Disk Development Kit, which nbdkit "
                         "does not find; install it and name its directory in SLIPWAY_VDDK");
    return TRUE;
}

/* "AA:BB:..." */
static void
append_hex(GString *text, const guint8 *bytes, gsize length)
{
    for (gsize i = 0; i < length; i++)
        g_string_append_printf(text, "%s%02X", i > 0 ? ":" : "", bytes[i]);
}

/* One that the user gave, when it is a SHA-1; else nothing. */
static void
take_thumbprint(const char *given, GString *text)
{
    guint8 bytes[20];
    guint n = 0;
    for (const char *c = given; *c != '\0'; c++) {
        if (*c == ':' || *c == ' ')
            continue;
        if (!g_ascii_isxdigit(c[0]) || !g_ascii_isxdigit(c[1]) || n == sizeof bytes)
            return;
        bytes[n++] = (guint8)(g_ascii_xdigit_value(c[0]) * 16 + g_ascii_xdigit_value(c[1]));
        c++;
    }
    if (n == sizeof bytes)
        append_hex(text, bytes, n);
}

static void
read_certificate(CURL *curl, GString *text)
{
    struct curl_certinfo *chain = NULL;
    if (curl_easy_getinfo(curl, CURLINFO_CERTINFO, &chain) != CURLE_OK || chain == NULL ||
        chain->num_of_certs < 1)
        return;
    for (struct curl_slist *row = chain->certinfo[0]; row != NULL; row = row->next) {
        if (!g_str_has_prefix(row->data, "Cert:"))
            continue;
        BIO *bio = BIO_new_mem_buf(row->data + strlen("Cert:"), -1);
        X509 *certificate = PEM_read_bio_X509(bio, NULL, NULL, NULL);
        guint8 digest[EVP_MAX_MD_SIZE];
        guint length = 0;
        if (certificate != NULL && X509_digest(certificate, EVP_sha1(), digest, &length))
            append_hex(text, digest, length);
        X509_free(certificate);
        BIO_free(bio);
        return;
    }
}

/* SHA-1 of the server's certificate, as the library wants it.  Whether it may be trusted was
 * settled when the session began, by the same rules. */
static char *
find_thumbprint(struct vsphere *vsphere, GError **error)
{
    GString *text = g_string_new(NULL);
    if (vsphere->thumbprint != NULL)
        take_thumbprint(vsphere->thumbprint, text);
    if (text->len > 0)
        return g_string_free(text, FALSE);
    CURL *curl = vim_curl(vsphere->vim, NULL);
    curl_easy_setopt(curl, CURLOPT_URL, vim_url(vsphere->vim));
    curl_easy_setopt(curl, CURLOPT_NOBODY, 1L);
    curl_easy_setopt(curl, CURLOPT_CERTINFO, 1L);
    CURLcode code = curl_easy_perform(curl);
    if (code == CURLE_OK)
        read_certificate(curl, text);
    if (code != CURLE_OK)
        vim_curl_failure(curl, code, "the server's certificate", error);
    else if (text->len == 0)
        error_set(error, SLIPWAY_ERROR_UNSUPPORTED,
                  "transport vddk needs a server with a certificate (https)");
    curl_easy_cleanup(curl);
    return g_string_free(text, text->len == 0);
}

static GPtrArray *
make_arguments(const struct vddk *vddk, struct vsphere *vsphere, const struct vddk_wish *wish,
               const char *program, const char *library, const char *thumbprint)
{
    GPtrArray *argv = g_ptr_array_new_with_free_func(g_free);
    g_autoptr(GUri) uri = g_uri_parse(vim_url(vsphere->vim), G_URI_FLAGS_NONE, NULL);
    static const char *const fixed[] = {"--foreground", "--readonly", "--exit-with-parent",
                                        "--unix"};
    g_ptr_array_add(argv, g_strdup(program));
    for (gsize i = 0; i < G_N_ELEMENTS(fixed); i++)
        g_ptr_array_add(argv, g_strdup(fixed[i]));
    g_ptr_array_add(argv, g_strdup(vddk->socket));
    g_ptr_array_add(argv, g_strdup("vddk"));
    if (library != NULL)
        g_ptr_array_add(argv, g_strdup(library));
    g_ptr_array_add(argv, g_strdup_printf("server=%s", g_uri_get_host(uri)));
    if (g_uri_get_port(uri) > 0)
        g_ptr_array_add(argv, g_strdup_printf("port=%d", g_uri_get_port(uri)));
    g_ptr_array_add(argv, g_strdup_printf("user=%s", vsphere->user));
    g_ptr_array_add(argv, g_strdup_printf("password=+%s", vddk->password_file));
    g_ptr_array_add(argv, g_strdup_printf("thumbprint=%s", thumbprint));
    g_ptr_array_add(argv, g_strdup_printf("vm=moref=%s", wish->machine->value));
    if (wish->snapshot != NULL && wish->snapshot->value != NULL)
        g_ptr_array_add(argv, g_strdup_printf("snapshot=%s", wish->snapshot->value));
    g_ptr_array_add(argv, g_strdup_printf("file=%s", wish->file));
    g_ptr_array_add(argv, NULL);
    return argv;
}

/* What it said, in one line. */
static char *
read_words(const struct vddk *vddk)
{
    g_autofree char *text = NULL;
    if (!g_file_get_contents(vddk->log, &text, NULL, NULL) || *g_strstrip(text) == '\0')
        return g_strdup("it says nothing");
    gsize length = strlen(text);
    char *tail = g_utf8_make_valid(length > WORDS_MAX ? text + length - WORDS_MAX : text, -1);
    return g_strdelimit(tail, "\n\r", ' ');
}

static gboolean
has_ended(struct vddk *vddk)
{
    if (vddk->pid != 0 && waitpid(vddk->pid, NULL, WNOHANG) == vddk->pid)
        vddk->pid = 0;
    return vddk->pid == 0;
}

static void
end(struct vddk *vddk)
{
    if (has_ended(vddk))
        return;
    kill(vddk->pid, SIGTERM);
    for (guint waited = 0; waited < END_MS && !has_ended(vddk); waited += POLL_MS)
        g_usleep(POLL_MS * 1000);
    if (has_ended(vddk))
        return;
    kill(vddk->pid, SIGKILL);
    while (waitpid(vddk->pid, NULL, 0) < 0 && errno == EINTR)
        continue;
    vddk->pid = 0;
}

static gboolean
launch(struct vddk *vddk, char **argv, GError **error)
{
    int fd = open(vddk->log, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_APPEND, 0600);
    if (fd < 0)
        return error_set_errno(error, errno, "cannot write %s", vddk->log);
    g_autoptr(GError) failure = NULL;
    gboolean ok = g_spawn_async_with_fds(NULL, argv, NULL, G_SPAWN_DO_NOT_REAP_CHILD, NULL, NULL,
                                         &vddk->pid, -1, fd, fd, &failure);
    close(fd);
    if (!ok)
        return error_set(error, SLIPWAY_ERROR_FAILED, "cannot start nbdkit: %s", failure->message);
    return TRUE;
}

/* The socket's name is there a moment before anybody listens.  One that does not take the
 * connection is not waited for. */
static gboolean
listens(const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    if (g_strlcpy(address.sun_path, path, sizeof address.sun_path) >= sizeof address.sun_path)
        return FALSE;
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    gboolean ok = fd >= 0 && (connect(fd, (struct sockaddr *)&address, sizeof address) == 0 ||
                              errno == EAGAIN);
    if (fd >= 0)
        close(fd);
    return ok;
}

/* When it can be used, the password was read. */
static gboolean
wait_for_socket(struct vddk *vddk, GError **error)
{
    guint limit_s = MIN(START_S, vddk->silence_s);
    gboolean ended = FALSE;
    for (guint waited = 0; waited < limit_s * 1000 && !ended; waited += POLL_MS) {
        if (listens(vddk->socket)) {
            g_unlink(vddk->password_file);
            return TRUE;
        }
        ended = has_ended(vddk);
        if (!cancel_check(error))
            return FALSE;
        g_usleep(POLL_MS * 1000);
    }
    g_autofree char *words = read_words(vddk);
    if (ended)
        return error_set(error, SLIPWAY_ERROR_FAILED,
                         "nbdkit's vddk plugin does not serve the disk: %s", words);
    return error_set(
        error, SLIPWAY_ERROR_NETWORK,
        "nbdkit's vddk plugin has not begun to serve the disk within %u seconds: %s; " REMEDY,
        limit_s, words);
}

static gboolean
open_disk(struct vddk *vddk, const struct vddk_wish *wish, GError **error)
{
    g_autofree char *escaped = g_uri_escape_string(vddk->socket, "/", FALSE);
    g_autofree char *uri = g_strdup_printf("nbd+unix:///?socket=%s", escaped);
    g_autofree char *label = g_strdup_printf("%s by VDDK", wish->file);
    const struct disk_nbd_options options = {
        .silence_s = vddk->silence_s, .label = label, .remedy = REMEDY};
    g_autoptr(GError) failure = NULL;
    /* The plugin logs in to the server before it greets us. */
    vddk->disk = disk_nbd_open_with(uri, FALSE, &options, &failure);
    if (vddk->disk == NULL && !cancel_check(error))
        return FALSE;
    if (vddk->disk == NULL) {
        g_autofree char *words = read_words(vddk);
        return error_set(error, (enum slipway_error)failure->code, "%s (nbdkit: %s)",
                         failure->message, words);
    }
    if (disk_size(vddk->disk) != wish->size)
        return error_set(error, SLIPWAY_ERROR_CORRUPT,
                         "VMware's library gives %" G_GUINT64_FORMAT " bytes of a disk of "
                         "%" G_GUINT64_FORMAT,
                         disk_size(vddk->disk), wish->size);
    return TRUE;
}

struct vddk *
vddk_open(struct vsphere *vsphere, const struct vddk_wish *wish, GError **error)
{
    g_autofree char *program = g_find_program_in_path("nbdkit");
    const char *directory = g_getenv("SLIPWAY_VDDK");
    g_autofree char *library =
        directory != NULL && *directory != '\0' ? g_strdup_printf("libdir=%s", directory) : NULL;
    if (program == NULL)
        return error_null(error, SLIPWAY_ERROR_UNSUPPORTED,
                          "transport vddk needs nbdkit with its vddk plugin; install nbdkit, or "
                          "choose transport https or hotadd");
    if (vsphere->user == NULL || vsphere->password == NULL)
        return error_null(error, SLIPWAY_ERROR_USAGE,
                          "transport vddk needs the user's name and password");
    if (!check_parts(program, library, error))
        return NULL;
    g_autofree char *thumbprint = find_thumbprint(vsphere, error);
    if (thumbprint == NULL)
        return NULL;
    auto_ptr(vddk) vddk = g_new0(struct vddk, 1);
    vddk->silence_s = vsphere->stall_s != 0 ? vsphere->stall_s : vim_patience_stall_s(vsphere->vim);
    if (!prepare(vddk, vsphere, error))
        return NULL;
    g_autoptr(GPtrArray) argv = make_arguments(vddk, vsphere, wish, program, library, thumbprint);
    if (!launch(vddk, (char **)argv->pdata, error) || !wait_for_socket(vddk, error) ||
        !open_disk(vddk, wish, error))
        return NULL;
    return g_steal_pointer(&vddk);
}

struct disk *
vddk_disk(const struct vddk *vddk)
{
    return vddk->disk;
}

void
vddk_free(struct vddk *vddk)
{
    if (vddk == NULL)
        return;
    disk_close(vddk->disk);
    end(vddk);
    if (vddk->directory != NULL) {
        g_unlink(vddk->socket);
        g_unlink(vddk->password_file);
        g_unlink(vddk->log);
        g_rmdir(vddk->directory);
    }
    g_free(vddk->directory);
    g_free(vddk->socket);
    g_free(vddk->password_file);
    g_free(vddk->log);
    g_free(vddk);
}
