/* SPDX-License-Identifier: GPL-3.0-or-later */
/* vim.h: a session with the Web Services API of vCenter or ESXi (vim25, SOAP 1.1 over HTTPS).
 *
 * Source: the vSphere Web Services API reference and vim.wsdl's rules for names, namespaces and
 * xsi:type; what servers and simulators do differently is noted at the code.
 *
 * A session is kept alive by a thread of its own, is made anew when the server has forgotten it,
 * and is always logged out (servers have few, and remember each for half an hour).  Every call may
 * be made from any thread; each uses a connection of its own out of a pool.  Nothing here looks at
 * cancel.h but vim_task_wait() when it is asked to, so that cleaning up works after a cancel. */
#pragma once

#include "base/auto_ptr.h"
#include "base/http.h"
#include "base/xml.h"

#include <curl/curl.h>
#include <glib.h>

#define VIM_REPLY_MAX (64u << 20) /* bytes of an answer */

/* A managed object reference.  Values are whatever a server likes: with blanks, slashes and
 * brackets; never a file name. */
struct moref {
    char *type, *value;
};
void moref_clear(struct moref *moref);
void moref_copy(struct moref *to, const struct moref *from);
/* "VirtualMachine:vm-42", and back; free with g_free().  FALSE without a colon. */
char *moref_format(const struct moref *moref);
gboolean moref_parse(const char *text, struct moref *ret);
gboolean moref_equal(const struct moref *a, const struct moref *b);

/* What a server refuses a call with, or a task has failed with. */
struct vim_fault {
    char *type;    /* "InvalidState", without a prefix */
    char *message; /* the server's words, which may be useless */
    char *detail;  /* from members of the fault: the object, the privilege, the file; NULL */
};
void vim_fault_clear(struct vim_fault *fault);
/* TRUE for `type` or (from the table of types) one that extends it: FileLocked is a FileFault. */
gboolean vim_fault_is(const struct vim_fault *fault, const char *type);

struct vim_options {
    const char *user, *password;
    const struct http_options *network; /* proxy, CA, insecure, time limits, retries; NULL */
    const char *thumbprint;             /* as struct hypervisor_options */
    guint keep_alive_s;                 /* between signs of life; 0: 240 */
    struct progress *progress;          /* gets notes; NULL */
};

struct vim;

/* Log in to `url` ("https://vcenter.example", "http://" only for simulators).
 * SLIPWAY_ERROR_DENIED: the password is wrong, or the account may not log in;
 * SLIPWAY_ERROR_NETWORK: not there, another certificate (its thumbprint is told), no vSphere there,
 * too many sessions (503). */
struct vim *vim_open(const char *url, const struct vim_options *options, GError **error);
/* Log out, also after a cancel.  NULL is fine. */
void vim_close(struct vim *vim);
AUTO_PTR_DEFINE(vim, vim_close)

/* Of the ServiceContent; borrowed.  NULL members are not there (single hosts lack some). */
struct vim_service {
    struct moref root_folder, property_collector, view_manager, search_index, session_manager,
        virtual_disk_manager, file_manager, task_manager, licence_manager, event_manager,
        authorization_manager;
    char *product, *version, *build, *api_version, *api_type, *instance_uuid, *os_type;
    gboolean manager; /* vCenter, not a single host */
};
const struct vim_service *vim_service(const struct vim *vim);
/* What the server calls the session; NULL when it did not say.  Free with g_free(). */
char *vim_session_key(struct vim *vim);
const char *vim_url(const struct vim *vim); /* without a path, for messages and other URLs */

/* ---- Arguments ------------------------------------------------------------------------------- */

/* A GString of XML elements in the order of the API's reference, which servers insist on. */
void vim_put(GString *xml, const char *name, const char *text); /* NULL: left out */
void vim_put_bool(GString *xml, const char *name, gboolean value);
void vim_put_int(GString *xml, const char *name, gint64 value);
void vim_put_moref(GString *xml, const char *name, const struct moref *moref); /* NULL: left out */
/* With xsi:type, for what has to be said to be of a type (devices, backings, anyType). */
void vim_put_typed(GString *xml, const char *name, const char *type, const char *text);
/* Open and close an element; `type` NULL: none said. */
void vim_begin(GString *xml, const char *name, const char *type);
void vim_end(GString *xml, const char *name);

/* ---- Answers --------------------------------------------------------------------------------- */

/* Attributes and elements are found by namespace, whatever prefix a server chose. */
char *vim_type_of(const xmlNode *node);                      /* xsi:type without prefix; NULL */
gboolean vim_is_type(const xmlNode *node, const char *type); /* that or one that extends it */
/* The same of a type's name, which may be NULL. */
gboolean vim_is_of(const char *type, const char *base);
gboolean vim_get_moref(const xmlNode *node, struct moref *ret); /* FALSE when it is none */
gboolean vim_child_moref(const xmlNode *parent, const char *name, struct moref *ret);
guint64 vim_child_number(const xmlNode *parent, const char *name, guint64 otherwise);
gboolean vim_child_boolean(const xmlNode *parent, const char *name, gboolean otherwise);

/* Append `node` with all that is in it as an argument called `name`, without prefixes of the
 * server's choice: what was read can be sent again, and is the same text from any server. */
void vim_put_node(GString *xml, const char *name, const xmlNode *node);

/* ---- Calls ----------------------------------------------------------------------------------- */

/* Call `method` of `self` (of the table in vim_method.c; any other is SLIPWAY_ERROR_USAGE) with
 * `arguments` (NULL: none).  Returns the answer; its values are the `returnval` children of
 * xmlDocGetRootElement(), which is the `MethodResponse` element.  Free with xmlFreeDoc().
 *
 * Lost connections, 502 to 504 and a session that is not known any more are tried again, where the
 * table says that doing it twice is harmless (of a lost session: always, it did nothing).  A fault
 * is an error whose words name the method, what it is about and the fault's type; `ret_fault` (may
 * be NULL; cleared by the caller) tells it apart.  NoPermission and NotAuthenticated are
 * SLIPWAY_ERROR_DENIED, ManagedObjectNotFound and FileNotFound SLIPWAY_ERROR_NOT_FOUND,
 * DuplicateName and FileAlreadyExists SLIPWAY_ERROR_EXISTS, RestrictedVersion
 * SLIPWAY_ERROR_READ_ONLY, TaskInProgress, ResourceInUse, FileLocked and ConcurrentAccess
 * SLIPWAY_ERROR_BUSY, NotSupported and MethodNotFound SLIPWAY_ERROR_UNSUPPORTED, RequestCanceled
 * SLIPWAY_ERROR_CANCELLED, others SLIPWAY_ERROR_FAILED. */
xmlDoc *vim_call(struct vim *vim, const char *method, const struct moref *self,
                 const char *arguments, struct vim_fault *ret_fault, GError **error);
/* The first `returnval`, or NULL. */
const xmlNode *vim_returned(const xmlDoc *answer);

/* ---- Properties ------------------------------------------------------------------------------ */

struct vim_object {
    struct moref self;
    GHashTable *properties; /* char * path -> xmlNode *, whose children or text are the value */
    xmlDoc *answer;         /* where the nodes are; shared */
};
/* NULL when the object does not have it. */
const xmlNode *vim_property(const struct vim_object *object, const char *path);
char *vim_property_text(const struct vim_object *object, const char *path); /* g_free(); NULL */
guint64 vim_property_number(const struct vim_object *object, const char *path, guint64 otherwise);
gboolean vim_property_moref(const struct vim_object *object, const char *path, struct moref *ret);
void vim_object_free(struct vim_object *object);
AUTO_PTR_DEFINE(vim_object, vim_object_free)

/* Properties `paths` (ended by NULL) of every object of `type` below `container` (NULL: the root
 * folder), by a container view, page by page.  List of struct vim_object *.  Properties of an
 * object that may not be read are missing; objects that go away meanwhile are left out. */
GPtrArray *vim_find_all(struct vim *vim, const char *type, const struct moref *container,
                        const char *const *paths, GError **error);
/* Of one object; SLIPWAY_ERROR_NOT_FOUND when it is gone. */
struct vim_object *vim_get(struct vim *vim, const struct moref *self, const char *const *paths,
                           GError **error);

/* ---- Tasks ----------------------------------------------------------------------------------- */

struct vim_wait {
    const char *what;          /* for progress and errors: "taking a snapshot of app01" */
    guint limit_s;             /* without any progress of the task; 0: an hour */
    gboolean cancellable;      /* end, and cancel the task, when cancel.h says so */
    struct progress *progress; /* a step of 100 parts, or NULL */
};
/* Wait for `task` to end.  *ret_result (may be NULL) is its result, a copy; NULL when there is
 * none; xmlFreeDoc().  A task that fails is an error as a fault of vim_call() is.  A connection
 * that is lost meanwhile is made again and the wait goes on. */
gboolean vim_task_wait(struct vim *vim, const struct moref *task, const struct vim_wait *wait,
                       xmlDoc **ret_result, struct vim_fault *ret_fault, GError **error);
/* vim_call() of a method that returns a task, and vim_task_wait(). */
gboolean vim_run(struct vim *vim, const char *method, const struct moref *self,
                 const char *arguments, const struct vim_wait *wait, xmlDoc **ret_result,
                 struct vim_fault *ret_fault, GError **error);

/* ---- Files and disks over HTTP with the same session ----------------------------------------- */

/* A new curl handle with the session's rules of TLS, proxy and time, without a URL or credentials;
 * for hosts other than the server too (`thumbprint`: of that host's certificate, SHA-1, as a lease
 * tells it; NULL: the session's rules).  Its CURLOPT_PRIVATE is taken, and it must be gone before
 * vim_close().  Free with curl_easy_cleanup(). */
CURL *vim_curl(struct vim *vim, const char *thumbprint);
/* The session's cookie as it goes into a request ("vmware_soap_session=..."); *ret_number counts
 * how often it was made anew.  Free with secret_free(). */
char *vim_cookie(struct vim *vim, guint *ret_number);
/* The server does not take cookie number `number`: log in again, unless somebody just did. */
gboolean vim_renew(struct vim *vim, guint number, GError **error);
/* Set `error` from what curl said of a transfer that failed, or that got a status of 400 or more:
 * as http.h does, with the remedy; `what` (NULL: nothing) comes first.  In the thread that ran the
 * transfer.  Returns FALSE. */
gboolean vim_curl_failure(CURL *curl, CURLcode code, const char *what, GError **error);
