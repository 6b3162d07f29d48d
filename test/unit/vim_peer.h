/* SPDX-License-Identifier: GPL-3.0-or-later */
/* vim_peer.h: an HTTP server in a thread that plays a vSphere server by a script.
 *
 * It knows sessions (a call without a known cookie is NotAuthenticated) and answers a few calls by
 * itself; all others come from vim_peer_say(), in the order in which they were said, the last of a
 * method again and again when it was said to be for ever. */
#pragma once

#include <arpa/inet.h>
#include <errno.h>
#include <glib.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/ssl.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

struct vim_peer_answer {
    int status;     /* 0: the line is dropped, before a byte of an answer */
    char *body;     /* of the whole envelope, or of what is in the Body when it begins with "<" */
    gboolean raw;   /* the body is sent as it is */
    gboolean cut;   /* and the line dropped in the middle of it */
    gboolean stays; /* for all further calls */
    gboolean ends_sessions; /* all that there are, before it is said */
};

struct vim_peer {
    SSL_CTX *tls; /* NULL: none */
    int listener;
    guint port;
    char *url;
    GThread *thread;
    GPtrArray *connections; /* of GThread * */
    GMutex lock;            /* of what follows */
    GHashTable *answers;    /* char * method -> GQueue * of struct vim_peer_answer * */
    GPtrArray *calls;       /* of char * method, in order */
    GPtrArray *bodies;      /* of char *, of each call */
    GPtrArray *heads;       /* of char *, of each call */
    GHashTable *sessions;   /* char * cookie value -> NULL */
    guint logins, logouts;
    const char *cookie_form; /* of "%u", as Set-Cookie has it */
    const char *api_version;
    const char *refuse_login; /* a fault; NULL */
    gboolean single_host;     /* an ESXi, without an instance UUID and with a licence of its own */
};

#define VIM_PEER_ENVELOPE                                                                          \
    "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"                                                 \
    "<soapenv:Envelope xmlns:soapenv=\"http://schemas.xmlsoap.org/soap/envelope/\" "               \
    "xmlns:xsd=\"http://www.w3.org/2001/XMLSchema\" "                                              \
    "xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\"><soapenv:Body>%s"                     \
    "</soapenv:Body></soapenv:Envelope>"

/* ---- What a script says ---------------------------------------------------------------------- */

static inline void
vim_peer_answer_free(gpointer data)
{
    struct vim_peer_answer *answer = data;
    g_free(answer->body);
    g_free(answer);
}

static inline void
vim_peer_queue_free(gpointer data)
{
    g_queue_free_full(data, vim_peer_answer_free);
}

static inline struct vim_peer_answer *
vim_peer_say(struct vim_peer *peer, const char *method, int status, const char *body)
{
    struct vim_peer_answer *answer = g_new0(struct vim_peer_answer, 1);
    answer->status = status;
    answer->body = g_strdup(body != NULL ? body : "");
    g_mutex_lock(&peer->lock);
    GQueue *queue = g_hash_table_lookup(peer->answers, method);
    if (queue == NULL) {
        queue = g_queue_new();
        g_hash_table_insert(peer->answers, g_strdup(method), queue);
    }
    g_queue_push_tail(queue, answer);
    g_mutex_unlock(&peer->lock);
    return answer;
}

/* <MethodResponse>inside</MethodResponse> */
static inline struct vim_peer_answer *
vim_peer_return(struct vim_peer *peer, const char *method, const char *inside)
{
    g_autofree char *body =
        g_strdup_printf("<%sResponse xmlns=\"urn:vim25\">%s</%sResponse>", method, inside, method);
    return vim_peer_say(peer, method, 200, body);
}

static inline char *
vim_peer_fault_body(const char *type, const char *words, const char *members)
{
    return g_strdup_printf("<soapenv:Fault><faultcode>ServerFaultCode</faultcode><faultstring>%s"
                           "</faultstring><detail><%sFault xmlns=\"urn:vim25\" xsi:type=\"%s\">%s"
                           "</%sFault></detail></soapenv:Fault>",
                           words, type, type, members != NULL ? members : "", type);
}

static inline struct vim_peer_answer *
vim_peer_fault(struct vim_peer *peer, const char *method, const char *type, const char *words,
               const char *members)
{
    g_autofree char *body = vim_peer_fault_body(type, words, members);
    return vim_peer_say(peer, method, 500, body);
}

static inline struct vim_peer_answer *
vim_peer_drop(struct vim_peer *peer, const char *method)
{
    return vim_peer_say(peer, method, 0, NULL);
}

/* All sessions end, as after half an hour of silence. */
static inline void
vim_peer_expire(struct vim_peer *peer)
{
    g_mutex_lock(&peer->lock);
    g_hash_table_remove_all(peer->sessions);
    g_mutex_unlock(&peer->lock);
}

static inline guint
vim_peer_count(struct vim_peer *peer, const char *method)
{
    guint n = 0;
    g_mutex_lock(&peer->lock);
    for (guint i = 0; i < peer->calls->len; i++)
        n += strcmp(peer->calls->pdata[i], method) == 0;
    g_mutex_unlock(&peer->lock);
    return n;
}

/* The last call of that name, as it was sent; NULL. */
static inline const char *
vim_peer_last(struct vim_peer *peer, const char *method, gboolean head)
{
    const char *text = NULL;
    g_mutex_lock(&peer->lock);
    for (guint i = 0; i < peer->calls->len; i++)
        if (strcmp(peer->calls->pdata[i], method) == 0)
            text = head ? peer->heads->pdata[i] : peer->bodies->pdata[i];
    g_mutex_unlock(&peer->lock);
    return text;
}

static inline guint
vim_peer_sessions(struct vim_peer *peer)
{
    g_mutex_lock(&peer->lock);
    guint n = g_hash_table_size(peer->sessions);
    g_mutex_unlock(&peer->lock);
    return n;
}

/* ---- What it does by itself ------------------------------------------------------------------ */

static inline char *
vim_peer_service(struct vim_peer *peer)
{
    return g_strdup_printf(
        "<RetrieveServiceContentResponse xmlns=\"urn:vim25\"><returnval>"
        "<rootFolder type=\"Folder\">group-d1</rootFolder>"
        "<propertyCollector type=\"PropertyCollector\">pc</propertyCollector>"
        "<viewManager type=\"ViewManager\">vm</viewManager>"
        "<about><name>VMware vCenter Server</name><fullName>x</fullName><version>8.0.3</version>"
        "<build>24022515</build><osType>linux-x64</osType><apiType>%s</apiType>"
        "<apiVersion>%s</apiVersion>%s</about>"
        "<sessionManager type=\"SessionManager\">sm</sessionManager>"
        "<searchIndex type=\"SearchIndex\">si</searchIndex>"
        "<licenseManager type=\"LicenseManager\">lm</licenseManager>"
        "<authorizationManager type=\"AuthorizationManager\">am</authorizationManager></returnval>"
        "</RetrieveServiceContentResponse>",
        peer->single_host ? "HostAgent" : "VirtualCenter", peer->api_version,
        peer->single_host ? ""
                          : "<instanceUuid>0123ABCD-1111-2222-3333-444455556666</instanceUuid>");
}

/* "vmware_soap_session=..." of a request; NULL. */
static inline char *
vim_peer_cookie(const char *head)
{
    const char *line = strstr(head, "vmware_soap_session=");
    return line != NULL ? g_strndup(line, strcspn(line, "\r\n")) : NULL;
}

static inline char *
vim_peer_new_cookie(struct vim_peer *peer)
{
    g_autofree char *number = g_strdup_printf("%u", ++peer->logins);
    g_auto(GStrv) parts = g_strsplit(peer->cookie_form, "%u", 2);
    char *cookie = g_strconcat("vmware_soap_session=", parts[0], number, parts[1], NULL);
    g_hash_table_add(peer->sessions, g_strdup(cookie));
    return cookie;
}

/* The body, and in *set_cookie what is to be set; under lock. */
static inline char *
vim_peer_own_answer(struct vim_peer *peer, const char *method, const char *cookie, int *status,
                    char **set_cookie)
{
    *status = 200;
    if (strcmp(method, "RetrieveServiceContent") == 0)
        return vim_peer_service(peer);
    if (strcmp(method, "Login") == 0 && peer->refuse_login == NULL) {
        *set_cookie = vim_peer_new_cookie(peer);
        return g_strdup("<LoginResponse xmlns=\"urn:vim25\"><returnval><key>k</key></returnval>"
                        "</LoginResponse>");
    }
    if (strcmp(method, "Logout") == 0) {
        peer->logouts++;
        g_hash_table_remove(peer->sessions, cookie);
    }
    if (strcmp(method, "Logout") == 0 || strcmp(method, "DestroyView") == 0 ||
        strcmp(method, "DestroyPropertyCollector") == 0)
        return g_strdup_printf("<%sResponse xmlns=\"urn:vim25\"/>", method);
    if (strcmp(method, "CurrentTime") == 0)
        return g_strdup("<CurrentTimeResponse xmlns=\"urn:vim25\"><returnval>"
                        "2026-01-01T00:00:00Z</returnval></CurrentTimeResponse>");
    if (strcmp(method, "CreateContainerView") == 0)
        return g_strdup("<CreateContainerViewResponse xmlns=\"urn:vim25\"><returnval "
                        "type=\"ContainerView\">session[1]view-1</returnval>"
                        "</CreateContainerViewResponse>");
    *status = 500;
    if (strcmp(method, "Login") == 0)
        return vim_peer_fault_body(peer->refuse_login, "no", NULL);
    return vim_peer_fault_body("MethodNotFound", method, NULL);
}

static inline gboolean
vim_peer_knows(struct vim_peer *peer, const char *method, const char *cookie)
{
    return strcmp(method, "RetrieveServiceContent") == 0 || strcmp(method, "Login") == 0 ||
           (cookie != NULL && g_hash_table_contains(peer->sessions, cookie));
}

/* ---- HTTP ------------------------------------------------------------------------------------ */

struct vim_peer_line {
    struct vim_peer *peer;
    int fd;
    SSL *ssl; /* NULL: plain */
};

static inline gboolean
vim_peer_send(struct vim_peer_line *line, const char *data, gsize length)
{
    while (length > 0) {
        ssize_t sent = line->ssl != NULL ? SSL_write(line->ssl, data, (int)MIN(length, 1u << 20))
                                         : send(line->fd, data, length, MSG_NOSIGNAL);
        if (sent <= 0)
            return FALSE;
        data += sent;
        length -= (gsize)sent;
    }
    return TRUE;
}

static inline ssize_t
vim_peer_receive(struct vim_peer_line *line, char *piece, gsize size)
{
    return line->ssl != NULL ? SSL_read(line->ssl, piece, (int)size)
                             : recv(line->fd, piece, size, 0);
}

/* Read one request; FALSE at the end of the line. */
static inline gboolean
vim_peer_read(struct vim_peer_line *line, GString *head, GString *body)
{
    char *end;
    g_string_truncate(head, 0);
    while ((end = strstr(head->str, "\r\n\r\n")) == NULL) {
        char piece[4096];
        ssize_t got = vim_peer_receive(line, piece, sizeof(piece));
        if (got <= 0)
            return FALSE;
        g_string_append_len(head, piece, got);
    }
    gsize length = 0;
    const char *told = strstr(head->str, "Content-Length: ");
    if (told != NULL)
        length = (gsize)g_ascii_strtoull(told + strlen("Content-Length: "), NULL, 10);
    g_string_assign(body, end + 4);
    g_string_truncate(head, (gsize)(end - head->str));
    while (body->len < length) {
        char piece[4096];
        ssize_t got = vim_peer_receive(line, piece, sizeof(piece));
        if (got <= 0)
            return FALSE;
        g_string_append_len(body, piece, got);
    }
    return TRUE;
}

/* "POST /sdk" -> the element in the Body; anything else: verb and path. */
static inline char *
vim_peer_method(const GString *head, const GString *body)
{
    const char *element = strstr(body->str, "Body><");
    if (!g_str_has_prefix(head->str, "POST /sdk ") || element == NULL) {
        const char *path = strchr(head->str, ' ') + 1;
        return g_strndup(head->str, (gsize)(path - head->str) + strcspn(path, " ?\r\n"));
    }
    element += strlen("Body><");
    return g_strndup(element, strcspn(element, " >"));
}

static inline struct vim_peer_answer
vim_peer_decide(struct vim_peer *peer, const GString *head, const GString *body, char **set_cookie)
{
    struct vim_peer_answer answer = {0};
    g_autofree char *method = vim_peer_method(head, body);
    g_autofree char *cookie = vim_peer_cookie(head->str);
    g_mutex_lock(&peer->lock);
    g_ptr_array_add(peer->calls, g_strdup(method));
    g_ptr_array_add(peer->heads, g_strdup(head->str));
    g_ptr_array_add(peer->bodies, g_strdup(body->str));
    GQueue *queue = g_hash_table_lookup(peer->answers, method);
    struct vim_peer_answer *next = queue != NULL ? g_queue_peek_head(queue) : NULL;
    gboolean rest = g_str_has_prefix(method, "HEAD /") || g_str_has_prefix(method, "POST /") ||
                    g_str_has_prefix(method, "GET /") || g_str_has_prefix(method, "DELETE /");
    if (next != NULL && next->ends_sessions) {
        g_hash_table_remove_all(peer->sessions);
        next->ends_sessions = FALSE;
    }
    if (!rest && !vim_peer_knows(peer, method, cookie)) {
        answer.status = 500;
        answer.body =
            vim_peer_fault_body("NotAuthenticated", "The session is not authenticated.", NULL);
    } else if (next != NULL) {
        answer = *next;
        answer.body = g_strdup(next->body);
        if (!next->stays)
            vim_peer_answer_free(g_queue_pop_head(queue));
    } else if (rest) {
        answer = (struct vim_peer_answer){.status = 404, .body = g_strdup("{}"), .raw = TRUE};
    } else
        answer.body = vim_peer_own_answer(peer, method, cookie, &answer.status, set_cookie);
    g_mutex_unlock(&peer->lock);
    return answer;
}

static inline gpointer
vim_peer_serve(gpointer data)
{
    struct vim_peer_line *line = data;
    g_autoptr(GString) head = g_string_new(NULL);
    g_autoptr(GString) body = g_string_new(NULL);
    if (line->peer->tls != NULL) {
        line->ssl = SSL_new(line->peer->tls);
        SSL_set_fd(line->ssl, line->fd);
    }
    gboolean shaken = line->ssl == NULL || SSL_accept(line->ssl) == 1;
    for (gboolean open = shaken; open && vim_peer_read(line, head, body);) {
        g_autofree char *set_cookie = NULL;
        struct vim_peer_answer answer = vim_peer_decide(line->peer, head, body, &set_cookie);
        g_autofree char *own = answer.body;
        if (answer.status == 0)
            break;
        g_autofree char *all = answer.raw ? g_strdup(own) : g_strdup_printf(VIM_PEER_ENVELOPE, own);
        gsize length = strlen(all);
        g_autofree char *first = g_strdup_printf(
            "HTTP/1.1 %d X\r\nContent-Type: text/xml; charset=utf-8\r\nContent-Length: %zu\r\n"
            "%s%s%s\r\n",
            answer.status, length, set_cookie != NULL ? "Set-Cookie: " : "",
            set_cookie != NULL ? set_cookie : "",
            set_cookie != NULL ? "; Path=/; HttpOnly; Secure\r\n" : "");
        /* In one piece: two would wait for each other (Nagle). */
        g_autoptr(GString) out = g_string_new(first);
        g_string_append_len(out, all, (gssize)(answer.cut ? length / 2 : length));
        open = vim_peer_send(line, out->str, out->len) && !answer.cut;
    }
    SSL_free(line->ssl);
    shutdown(line->fd, SHUT_RDWR);
    return NULL;
}

static inline gpointer
vim_peer_listen(gpointer data)
{
    struct vim_peer *peer = data;
    g_autoptr(GPtrArray) lines = g_ptr_array_new_with_free_func(g_free);
    for (;;) {
        int fd = accept(peer->listener, NULL, NULL);
        if (fd < 0 && errno == EINTR)
            continue;
        if (fd < 0)
            break;
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &(int){1}, sizeof(int));
        struct vim_peer_line *line = g_new0(struct vim_peer_line, 1);
        *line = (struct vim_peer_line){peer, fd, NULL};
        g_ptr_array_add(lines, line);
        g_ptr_array_add(peer->connections, g_thread_new("vim-peer", vim_peer_serve, line));
    }
    for (guint i = 0; i < lines->len; i++)
        shutdown(((struct vim_peer_line *)lines->pdata[i])->fd, SHUT_RDWR);
    for (guint i = 0; i < peer->connections->len; i++)
        g_thread_join(peer->connections->pdata[i]);
    for (guint i = 0; i < lines->len; i++)
        close(((struct vim_peer_line *)lines->pdata[i])->fd);
    return NULL;
}

/* With `tls` (taken over) it speaks HTTPS. */
static inline struct vim_peer *
vim_peer_new_tls(SSL_CTX *tls)
{
    struct vim_peer *peer = g_new0(struct vim_peer, 1);
    peer->tls = tls;
    struct sockaddr_in address = {.sin_family = AF_INET};
    socklen_t length = sizeof(address);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    peer->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    g_assert_cmpint(bind(peer->listener, (struct sockaddr *)&address, length), ==, 0);
    g_assert_cmpint(listen(peer->listener, 64), ==, 0);
    g_assert_cmpint(getsockname(peer->listener, (struct sockaddr *)&address, &length), ==, 0);
    peer->port = ntohs(address.sin_port);
    peer->url = g_strdup_printf("%s://127.0.0.1:%u", tls != NULL ? "https" : "http", peer->port);
    peer->answers = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, vim_peer_queue_free);
    peer->sessions = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    peer->calls = g_ptr_array_new_with_free_func(g_free);
    peer->heads = g_ptr_array_new_with_free_func(g_free);
    peer->bodies = g_ptr_array_new_with_free_func(g_free);
    peer->connections = g_ptr_array_new();
    peer->cookie_form = "\"52a0 ; %u\"";
    peer->api_version = "8.0.3.0";
    g_mutex_init(&peer->lock);
    peer->thread = g_thread_new("vim-peer", vim_peer_listen, peer);
    return peer;
}

static inline struct vim_peer *
vim_peer_new(void)
{
    return vim_peer_new_tls(NULL);
}

static inline void
vim_peer_free(struct vim_peer *peer)
{
    shutdown(peer->listener, SHUT_RDWR);
    g_thread_join(peer->thread);
    close(peer->listener);
    g_ptr_array_unref(peer->connections);
    g_ptr_array_unref(peer->bodies);
    g_ptr_array_unref(peer->heads);
    g_ptr_array_unref(peer->calls);
    g_hash_table_unref(peer->sessions);
    g_hash_table_unref(peer->answers);
    g_mutex_clear(&peer->lock);
    SSL_CTX_free(peer->tls);
    g_free(peer->url);
    g_free(peer);
}
