/* SPDX-License-Identifier: GPL-3.0-or-later */
/* soap_peer.h: a server on a port of its own that answers calls of the API by a script, one
 * connection after the other.  Logging in and out is answered by itself. */
#pragma once

#include "hyper/vsphere/vim.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* The answer's elements inside <METHODResponse>, g_free(); NULL: the connection is dropped.  Text
 * that begins with "fault:" is a fault of that type.  In the peer's thread. */
typedef char *(*soap_answer)(const char *method, const char *body, gpointer data);

struct soap_peer {
    int listener;
    GThread *thread;
    soap_answer answer;
    gpointer data;
    char *url;
};

#define SOAP_HEAD                                                                                  \
    "<?xml version=\"1.0\"?><e:Envelope xmlns:e=\"http://schemas.xmlsoap.org/soap/envelope/\" "    \
    "xmlns:x=\"http://www.w3.org/2001/XMLSchema-instance\"><e:Body>"
#define SOAP_TAIL "</e:Body></e:Envelope>"
#define SOAP_CONTENT                                                                               \
    "<returnval><rootFolder type=\"Folder\">root</rootFolder>"                                     \
    "<propertyCollector type=\"PropertyCollector\">pc</propertyCollector>"                         \
    "<viewManager type=\"ViewManager\">vm</viewManager>"                                           \
    "<about><name>peer</name><fullName>peer</fullName><vendor>peer</vendor><version>7.0</version>" \
    "<build>1</build><osType>linux</osType><productLineId>vpx</productLineId>"                     \
    "<apiType>VirtualCenter</apiType><apiVersion>7.0</apiVersion>"                                 \
    "<instanceUuid>peer</instanceUuid></about>"                                                    \
    "<sessionManager type=\"SessionManager\">sm</sessionManager></returnval>"

static inline char *
soap_content(const char *method, const char *body, struct soap_peer *peer)
{
    if (strcmp(method, "RetrieveServiceContent") == 0)
        return g_strdup(SOAP_CONTENT);
    if (strcmp(method, "Login") == 0)
        return g_strdup("<returnval><key>k</key><userName>u</userName></returnval>");
    if (strcmp(method, "Logout") == 0)
        return g_strdup("");
    return peer->answer(method, body, peer->data);
}

/* The name of the element in the body. */
static inline char *
soap_method(const char *body)
{
    const char *at = strstr(body, "Body>");
    at = at != NULL ? strchr(at + 5, '<') : NULL;
    return at != NULL ? g_strndup(at + 1, strcspn(at + 1, " />")) : NULL;
}

/* The body of a request; NULL when there is none. */
static inline char *
soap_read(FILE *in)
{
    char line[8192];
    gsize length = 0;
    while (fgets(line, sizeof line, in) != NULL && *g_strchomp(line) != '\0')
        if (g_ascii_strncasecmp(line, "Content-Length:", 15) == 0)
            length = (gsize)g_ascii_strtoull(line + 15, NULL, 10);
    char *body = g_malloc0(length + 1);
    if (length > 0 && fread(body, 1, length, in) == length)
        return body;
    g_free(body);
    return NULL;
}

static inline void
soap_write(int fd, const char *method, const char *content)
{
    gboolean fault = g_str_has_prefix(content, "fault:");
    g_autofree char *document =
        fault
            ? g_strdup_printf(SOAP_HEAD "<e:Fault><faultcode>f</faultcode><faultstring>no"
                                        "</faultstring><detail><f x:type=\"%s\"/></detail>"
                                        "</e:Fault>" SOAP_TAIL,
                              content + 6)
            : g_strdup_printf(SOAP_HEAD "<%sResponse xmlns=\"urn:vim25\">%s</%sResponse>" SOAP_TAIL,
                              method, content, method);
    g_autofree char *reply =
        g_strdup_printf("HTTP/1.1 %s\r\nContent-Type: text/xml\r\n"
                        "Set-Cookie: vmware_soap_session=\"c\"; Path=/\r\n"
                        "Content-Length: %zu\r\nConnection: close\r\n\r\n%s",
                        fault ? "500 Internal Server Error" : "200 OK", strlen(document), document);
    gsize length = strlen(reply);
    for (gsize done = 0; done < length;) {
        ssize_t n = send(fd, reply + done, length - done, MSG_NOSIGNAL);
        if (n <= 0)
            break;
        done += (gsize)n;
    }
}

static inline gpointer
soap_run(gpointer data)
{
    struct soap_peer *peer = data;
    for (int fd; (fd = accept(peer->listener, NULL, NULL)) >= 0;) {
        FILE *in = fdopen(fd, "r");
        g_autofree char *body = soap_read(in);
        g_autofree char *method = body != NULL ? soap_method(body) : NULL;
        g_autofree char *content = method != NULL ? soap_content(method, body, peer) : NULL;
        if (content != NULL)
            soap_write(fd, method, content);
        fclose(in);
    }
    return NULL;
}

static inline struct soap_peer *
soap_peer_new(soap_answer answer, gpointer data)
{
    struct soap_peer *peer = g_new0(struct soap_peer, 1);
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    socklen_t length = sizeof address;
    peer->answer = answer;
    peer->data = data;
    peer->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    g_assert_cmpint(bind(peer->listener, (struct sockaddr *)&address, length), ==, 0);
    g_assert_cmpint(listen(peer->listener, 16), ==, 0);
    g_assert_cmpint(getsockname(peer->listener, (struct sockaddr *)&address, &length), ==, 0);
    peer->url = g_strdup_printf("http://127.0.0.1:%u", ntohs(address.sin_port));
    peer->thread = g_thread_new("peer", soap_run, peer);
    return peer;
}

static inline void
soap_peer_free(struct soap_peer *peer)
{
    shutdown(peer->listener, SHUT_RDWR);
    g_thread_join(peer->thread);
    close(peer->listener);
    g_free(peer->url);
    g_free(peer);
}

/* A session with it. */
static inline struct vim *
soap_peer_open(struct soap_peer *peer)
{
    g_autoptr(GError) error = NULL;
    struct http_options network = {.retries = 1, .backoff_ms = 1, .proxy = ""};
    struct vim_options options = {.user = "u", .password = "pass-word", .network = &network};
    struct vim *vim = vim_open(peer->url, &options, &error);
    g_assert_no_error(error);
    return vim;
}
