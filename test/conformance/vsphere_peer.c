/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "vsphere_peer.h"

#include "hyper/hypervisor_driver.h"

#include <curl/curl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define PASSWORD "only-for-tests"

struct vsphere_peer {
    GPid pid;
    int in;
    FILE *out;
    char *uri, *control;
    CURL *curl;
};

/* ---- The process ----------------------------------------------------------------------------- */

static void
read_ready(struct vsphere_peer *peer)
{
    char line[4096];
    g_assert_nonnull(fgets(line, sizeof line, peer->out));
    json_t *ready = json_loads(line, 0, NULL);
    const char *url, *control;
    g_assert_nonnull(ready);
    g_assert_cmpint(json_unpack(ready, "{s:s, s:s}", "url", &url, "control", &control), ==, 0);
    peer->uri = g_strconcat("vsphere://", strstr(url, "://") + 3, NULL);
    peer->control = g_strdup(control);
    json_decref(ready);
}

struct vsphere_peer *
vsphere_peer_new(const char *const *arguments)
{
    const char *program = g_getenv("VSPHERE_SIMULATOR");
    if (program == NULL || !g_file_test(program, G_FILE_TEST_IS_EXECUTABLE)) {
        g_test_skip("the simulator was not built (it wants golang-go and "
                    "golang-github-vmware-govmomi-dev)");
        return NULL;
    }
    g_autoptr(GPtrArray) argv = g_ptr_array_new();
    g_ptr_array_add(argv, (char *)program);
    for (guint i = 0; arguments != NULL && arguments[i] != NULL; i++)
        g_ptr_array_add(argv, (char *)arguments[i]);
    g_ptr_array_add(argv, NULL);
    struct vsphere_peer *peer = g_new0(struct vsphere_peer, 1);
    int out;
    g_autoptr(GError) error = NULL;
    g_spawn_async_with_pipes(NULL, (char **)argv->pdata, NULL, G_SPAWN_DO_NOT_REAP_CHILD, NULL,
                             NULL, &peer->pid, &peer->in, &out, NULL, &error);
    g_assert_no_error(error);
    peer->out = fdopen(out, "r");
    read_ready(peer);
    peer->curl = curl_easy_init();
    g_setenv("SLIPWAY_VSPHERE_PLAIN", "1", TRUE);
    return peer;
}

void
vsphere_peer_free(struct vsphere_peer *peer)
{
    if (peer == NULL)
        return;
    curl_easy_cleanup(peer->curl);
    close(peer->in);
    kill(peer->pid, SIGTERM);
    waitpid(peer->pid, NULL, 0);
    fclose(peer->out);
    g_free(peer->uri);
    g_free(peer->control);
    g_free(peer);
}

const char *
vsphere_peer_uri(const struct vsphere_peer *peer)
{
    return peer->uri;
}

/* ---- Controls -------------------------------------------------------------------------------- */

static size_t
append(char *data, size_t size, size_t n, void *to)
{
    g_byte_array_append(to, (guint8 *)data, (guint)(size * n));
    return size * n;
}

/* `body` NULL: GET.  `put`: PUT. */
static GByteArray *
request(struct vsphere_peer *peer, const char *path, const void *body, gsize length, gboolean put)
{
    GByteArray *answer = g_byte_array_new();
    g_autofree char *url = g_strconcat(peer->control, path, NULL);
    long status = 0;
    curl_easy_reset(peer->curl);
    curl_easy_setopt(peer->curl, CURLOPT_URL, url);
    curl_easy_setopt(peer->curl, CURLOPT_PROXY, "");
    curl_easy_setopt(peer->curl, CURLOPT_WRITEFUNCTION, append);
    curl_easy_setopt(peer->curl, CURLOPT_WRITEDATA, answer);
    if (body != NULL) {
        curl_easy_setopt(peer->curl, CURLOPT_POSTFIELDS, body);
        curl_easy_setopt(peer->curl, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)length);
    }
    if (put)
        curl_easy_setopt(peer->curl, CURLOPT_CUSTOMREQUEST, "PUT");
    CURLcode code = curl_easy_perform(peer->curl);
    curl_easy_getinfo(peer->curl, CURLINFO_RESPONSE_CODE, &status);
    if (code != CURLE_OK || status != 200)
        g_error("the simulator's %s: %s, %ld: %.*s", path, curl_easy_strerror(code), status,
                (int)answer->len, (const char *)answer->data);
    return answer;
}

static json_t *
ask(struct vsphere_peer *peer, const char *control, json_t *arguments)
{
    g_assert_nonnull(arguments);
    char *text = json_dumps(arguments, 0);
    g_autofree char *path = g_strconcat("/", control, NULL);
    g_autoptr(GByteArray) bytes = request(peer, path, text, strlen(text), FALSE);
    json_t *answer = json_loadb((const char *)bytes->data, bytes->len, JSON_DECODE_ANY, NULL);
    g_assert_nonnull(answer);
    free(text);
    json_decref(arguments);
    return answer;
}

static json_t *
pack(const char *format, va_list values)
{
    return format != NULL ? json_vpack_ex(NULL, 0, format, values) : json_object();
}

json_t *
vsphere_peer_ask(struct vsphere_peer *peer, const char *control, const char *format, ...)
{
    va_list values;
    va_start(values, format);
    json_t *arguments = pack(format, values);
    va_end(values);
    return ask(peer, control, arguments);
}

void
vsphere_peer_tell(struct vsphere_peer *peer, const char *control, const char *format, ...)
{
    va_list values;
    va_start(values, format);
    json_t *arguments = pack(format, values);
    va_end(values);
    json_decref(ask(peer, control, arguments));
}

void
vsphere_peer_write(struct vsphere_peer *peer, const char *machine, guint disk, guint64 offset,
                   guint64 length, guint8 pattern)
{
    g_autofree char *path =
        g_strdup_printf("/data?vm=%s&disk=%u&offset=%" G_GUINT64_FORMAT, machine, disk, offset);
    g_autofree guint8 *data = g_malloc(length);
    memset(data, pattern, length);
    g_autoptr(GByteArray) answer = request(peer, path, data, length, TRUE);
}

guint8 *
vsphere_peer_read(struct vsphere_peer *peer, const char *machine, guint disk, guint64 offset,
                  guint64 length)
{
    g_autofree char *path = g_strdup_printf("/data?vm=%s&disk=%u&offset=%" G_GUINT64_FORMAT
                                            "&length=%" G_GUINT64_FORMAT,
                                            machine, disk, offset, length);
    GByteArray *answer = request(peer, path, NULL, 0, FALSE);
    g_assert_cmpuint(answer->len, ==, length);
    return g_byte_array_free(answer, FALSE);
}

json_t *
vsphere_peer_machine(struct vsphere_peer *peer, const char *machine)
{
    json_t *state = vsphere_peer_ask(peer, "state", NULL), *one, *found = NULL;
    gsize i;
    json_array_foreach(json_object_get(state, "machines"), i, one)
    {
        const char *name = json_string_value(json_object_get(one, "name"));
        if (g_strcmp0(name, machine) == 0)
            found = json_incref(one);
    }
    json_decref(state);
    g_assert_nonnull(found);
    return found;
}

/* ---- What is left ---------------------------------------------------------------------------- */

static void
look_at_session(json_t *session, gboolean closed, GString *words)
{
    static const char *const kinds[] = {"views", "collectors", "filters", "pages"};
    if (closed)
        g_string_append_printf(words, "session of %s; ",
                               json_string_value(json_object_get(session, "user")));
    for (gsize i = 0; i < G_N_ELEMENTS(kinds); i++) {
        json_int_t n = json_integer_value(json_object_get(session, kinds[i]));
        if (n > 0)
            g_string_append_printf(words, "%d %s; ", (int)n, kinds[i]);
    }
}

char *
vsphere_peer_left(struct vsphere_peer *peer, const char *except, gboolean closed)
{
    json_t *state = vsphere_peer_ask(peer, "state", NULL), *one;
    GString *words = g_string_new(NULL);
    gsize i;
    json_array_foreach(json_object_get(state, "snapshots"), i, one)
    {
        const char *name = json_string_value(json_object_get(one, "name"));
        if (g_strcmp0(name, except) != 0)
            g_string_append_printf(words, "snapshot %s; ", name);
    }
    json_array_foreach(json_object_get(state, "attached"), i, one)
    {
        g_string_append_printf(words, "attached to %s; ",
                               json_string_value(json_object_get(one, "vm")));
    }
    json_array_foreach(json_object_get(state, "machines"), i, one)
    {
        if (json_is_true(json_object_get(one, "consolidation_needed")))
            g_string_append_printf(words, "%s must be merged; ",
                                   json_string_value(json_object_get(one, "name")));
    }
    json_array_foreach(json_object_get(state, "leases"), i, one)
    {
        if (!json_is_true(json_object_get(one, "ended")))
            g_string_append(words, "a lease; ");
    }
    json_array_foreach(json_object_get(state, "panics"), i, one)
    {
        g_string_append_printf(words, "the simulator: %s; ", json_string_value(one));
    }
    json_array_foreach(json_object_get(state, "sessions"), i, one)
    {
        look_at_session(one, closed, words);
    }
    if (closed && json_integer_value(json_object_get(state, "rest_sessions")) > 0)
        g_string_append(words, "a session of the REST interface; ");
    json_decref(state);
    return g_string_free(words, words->len == 0);
}

struct hypervisor *
vsphere_peer_open(struct vsphere_peer *peer, enum hypervisor_transport transport,
                  const char *own_machine, GError **error)
{
    static const struct http_options network = {.retries = 3, .backoff_ms = 1, .proxy = ""};
    struct hypervisor_options options = {.user = "root",
                                         .password = PASSWORD,
                                         .network = &network,
                                         .transport = transport,
                                         .own_machine = own_machine};
    return hypervisor_vsphere.open(peer->uri, &options, error);
}
