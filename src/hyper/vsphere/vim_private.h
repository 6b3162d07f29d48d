/* SPDX-License-Identifier: GPL-3.0-or-later */
/* vim_private.h: what the files of the session share; for them and their tests alone.
 *
 * vim.c is the session (logging in, staying so, logging out), vim_http.c its connections,
 * vim_call.c one call with its tries, vim_method.c the table of calls, vim_fault.c what a refusal
 * means, vim_type.c what extends what, vim_xml.c arguments and answers, vim_property.c and
 * vim_task.c what is built from calls. */
#pragma once

#include "base/http_handle.h"
#include "hyper/vsphere/vim.h"

#define VIM_ENDPOINT "/sdk"
#define VIM_COOKIE "vmware_soap_session"
#define VIM_COOKIE_MAX 4096u /* bytes of a cookie with its name */
#define VIM_MOREF_MAX 1024u  /* bytes of a reference's type or value */
#define VIM_WORDS_MAX 500u   /* bytes of a server's words that are shown */
#define VIM_OBJECTS_MAX 200000u
#define VIM_PAGES_MAX 20000u

/* ---- vim_type.c ---- */
const char *vim_type_base(const char *type); /* what it extends; NULL: nothing that is known */
gboolean vim_type_extends(const char *type, const char *base);
guint vim_type_count(void);
const char *vim_type_name(guint index);

/* ---- vim_method.c ---- */
struct vim_method {
    const char *name;
    gboolean harmless;     /* to do twice */
    gboolean task;         /* returns one */
    const char *privilege; /* that it needs; NULL: none, or it depends */
    const char *words;     /* what it does: "taking a snapshot" */
};
const struct vim_method *vim_method_find(const char *name);
const struct vim_method *vim_method_get(guint index); /* NULL behind the last */

/* ---- vim_fault.c ---- */
/* From an element whose xsi:type is a fault's; `words` NULL: of its own. */
void vim_fault_read(const xmlNode *node, const char *words, struct vim_fault *ret);
/* Set `error` for a refusal of `method` (may be NULL) of `self` (may be NULL); `label` comes first.
 * Returns FALSE. */
gboolean vim_fault_fail(const struct vim_fault *fault, const char *label,
                        const struct vim_method *method, const struct moref *self, GError **error);
/* The server has forgotten the session. */
gboolean vim_fault_is_session(const struct vim_fault *fault);

/* ---- vim_xml.c ---- */
/* The envelope of a call. */
GString *vim_envelope(const char *method, const struct moref *self, const char *arguments);
/* What an HTTP body says: the answer, or NULL with a fault (ret_fault->type is set) or with an
 * error: SLIPWAY_ERROR_CORRUPT, SLIPWAY_ERROR_LIMIT. */
xmlDoc *vim_answer_parse(const void *data, gsize length, const char *label,
                         struct vim_fault *ret_fault, GError **error);
/* A document of its own from `node`, with the namespaces that it uses. */
xmlDoc *vim_copy_node(const xmlNode *node);
/* At most VIM_WORDS_MAX bytes, in one line, printable.  Takes `text` over (may be NULL). */
char *vim_short_words(char *text);

/* ---- vim_property.c ---- */
/* Append the objects of an answer to a list (of struct vim_object *), which own the answer from
 * then on; it is taken over also on failure.  *ret_token is replaced; NULL: there are no more. */
gboolean vim_objects_read(xmlDoc *answer, const char *label, GPtrArray *list, char **ret_token,
                          GError **error);

/* ---- vim_http.c ---- */
struct vim_post {
    const char *action;
    GString *body;
    const char *cookie; /* NULL: none */
    gboolean once;      /* must not be sent twice */
    const gint *stop;   /* atomic; not 0: break off; NULL */
    guint seconds;      /* at most, all in all; 0: no such limit */
};
struct vim_reply {
    CURLcode code;
    long status;
    char words[CURL_ERROR_SIZE];
    GByteArray *body;
    char *cookie;   /* that was set; secret_free() */
    gboolean large; /* more than VIM_REPLY_MAX */
    gboolean sent;  /* the request may have reached the server */
    gboolean transient;
    GError *failure; /* of curl or of HTTP, in words; NULL when there is a SOAP body to look at */
};
void vim_post(struct vim *vim, const struct vim_post *post, struct vim_reply *ret);
void vim_reply_clear(struct vim_reply *reply);
/* Lower-case hex without colons, interned; NULL with an error when it is no SHA-1 or SHA-256. */
const char *vim_thumbprint_normal(const char *text, GError **error);
void vim_http_clear(struct vim *vim);
gboolean vim_http_init(struct vim *vim, const struct vim_options *options, GError **error);

/* ---- vim_call.c ---- */
/* A call with this cookie (NULL: none) and no renewing; *ret_cookie (may be NULL) is one that was
 * set.  `retries` at most. */
struct vim_exchange {
    const struct vim_method *method;
    const struct moref *self;
    const char *arguments;
    const char *cookie;
    const gint *stop;
    guint retries, seconds;
    char **ret_cookie;
};
xmlDoc *vim_exchange(struct vim *vim, const struct vim_exchange *exchange,
                     struct vim_fault *ret_fault, GError **error);

struct vim {
    char *url, *label;
    gboolean https;
    char *user, *password;
    struct http_client *http; /* its settings */
    const char *thumbprint;   /* interned; NULL */
    guint stall_s;            /* of a call, which may think long before it answers */
    guint data_stall_s;       /* of files */
    struct progress *progress;
    char *action; /* "urn:vim25/8.0.3.0" */
    struct vim_service service;
    gboolean described; /* and it is one that can be used */

    GMutex lock; /* of what follows */
    GQueue idle; /* of CURL * */
    char *cookie;
    guint number; /* of the cookie */
    char *key;    /* the server's name of the session; NULL */

    GMutex renewing; /* held while somebody logs in again; of what follows */
    GError *refusal; /* of logging in again; NULL */

    GThread *keeper;
    GCond wake;
    gint stopping; /* atomic */
    guint keep_alive_s;
};
