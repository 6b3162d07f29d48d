/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "base/error.h"
#include "base/secret.h"
#include "base/url.h"
#include "hyper/vsphere/vim_private.h"

#include <string.h>

#define KEEP_ALIVE_S 240u
#define KEEP_ALIVE_LIMIT_S 60u
#define LOGOUT_LIMIT_S 60u
#define LOGOUT_RETRIES_MAX 2u

/* What is sent before the server's version is known, and the newest that is known here. */
#define FIRST_ACTION "urn:vim25/5.0"
#define NEWEST_VERSION "8.0.3.0"
#define NEWEST_MAJOR 8u
#define OLDEST_MAJOR 5u

static const struct moref service_instance = {(char *)"ServiceInstance", (char *)"ServiceInstance"};

/* ---- What the server is ---------------------------------------------------------------------- */

static void
read_service(const xmlNode *content, struct vim_service *ret)
{
    const struct {
        const char *name;
        struct moref *moref;
    } managers[] = {{"rootFolder", &ret->root_folder},
                    {"propertyCollector", &ret->property_collector},
                    {"viewManager", &ret->view_manager},
                    {"searchIndex", &ret->search_index},
                    {"sessionManager", &ret->session_manager},
                    {"virtualDiskManager", &ret->virtual_disk_manager},
                    {"fileManager", &ret->file_manager},
                    {"taskManager", &ret->task_manager},
                    {"licenseManager", &ret->licence_manager},
                    {"eventManager", &ret->event_manager},
                    {"authorizationManager", &ret->authorization_manager}};
    for (gsize i = 0; i < G_N_ELEMENTS(managers); i++)
        vim_child_moref(content, managers[i].name, managers[i].moref);
    const xmlNode *about = xml_child(content, "about");
    ret->product = vim_short_words(xml_child_text(about, "name"));
    ret->version = vim_short_words(xml_child_text(about, "version"));
    ret->build = vim_short_words(xml_child_text(about, "build"));
    ret->api_version = vim_short_words(xml_child_text(about, "apiVersion"));
    ret->api_type = vim_short_words(xml_child_text(about, "apiType"));
    ret->instance_uuid = vim_short_words(xml_child_text(about, "instanceUuid"));
    ret->os_type = vim_short_words(xml_child_text(about, "osType"));
    ret->manager = g_strcmp0(ret->api_type, "VirtualCenter") == 0;
}

static void
clear_service(struct vim_service *service)
{
    struct moref *const morefs[] = {
        &service->root_folder,   &service->property_collector,    &service->view_manager,
        &service->search_index,  &service->session_manager,       &service->virtual_disk_manager,
        &service->file_manager,  &service->task_manager,          &service->licence_manager,
        &service->event_manager, &service->authorization_manager,
    };
    for (gsize i = 0; i < G_N_ELEMENTS(morefs); i++)
        moref_clear(morefs[i]);
    g_free(service->product);
    g_free(service->version);
    g_free(service->build);
    g_free(service->api_version);
    g_free(service->api_type);
    g_free(service->instance_uuid);
    g_free(service->os_type);
    *service = (struct vim_service){0};
}

/* Servers know all older versions of the interface; a newer one than ours is asked as that. */
static gboolean
choose_action(struct vim *vim, GError **error)
{
    const char *version = vim->service.api_version;
    gsize plain = version != NULL ? strspn(version, "0123456789.") : 0;
    guint64 major = plain > 0 ? g_ascii_strtoull(version, NULL, 10) : 0;
    if (vim->service.property_collector.value == NULL ||
        vim->service.session_manager.value == NULL || major == 0 || version[plain] != '\0')
        return error_set(error, SLIPWAY_ERROR_NETWORK,
                         "%s: this is no vSphere server that can be used: its description lacks %s",
                         vim->label, major == 0 ? "its version" : "what every server has");
    if (major < OLDEST_MAJOR)
        return error_set(error, SLIPWAY_ERROR_UNSUPPORTED,
                         "%s: its interface has version %s; 5.0 is the oldest that is supported",
                         vim->label, version);
    g_free(vim->action);
    vim->action = g_strconcat("urn:vim25/", major > NEWEST_MAJOR ? NEWEST_VERSION : version, NULL);
    return TRUE;
}

/* What answers at the address may be anything. */
static gboolean
explain_no_service(struct vim *vim, GError *failure, GError **error)
{
    if (g_error_matches(failure, SLIPWAY_ERROR, SLIPWAY_ERROR_CORRUPT) ||
        g_error_matches(failure, SLIPWAY_ERROR, SLIPWAY_ERROR_NOT_FOUND) ||
        g_error_matches(failure, SLIPWAY_ERROR, SLIPWAY_ERROR_UNSUPPORTED))
        error_set(error, SLIPWAY_ERROR_NETWORK,
                  "%s: there is no vSphere at this address; give that of a vCenter or an ESXi host "
                  "(%s)",
                  vim->label, failure->message);
    else
        g_propagate_error(error, g_error_copy(failure));
    g_error_free(failure);
    return FALSE;
}

/* Also the first thing that is said in a session: servers set the cookie here already. */
static gboolean
ask_service(struct vim *vim, char **ret_cookie, GError **error)
{
    struct vim_fault fault = {0};
    GError *failure = NULL;
    struct vim_exchange exchange = {.method = vim_method_find("RetrieveServiceContent"),
                                    .self = &service_instance,
                                    .retries = http_handle_retries(vim->http),
                                    .ret_cookie = ret_cookie};
    auto_xml_doc answer = vim_exchange(vim, &exchange, &fault, &failure);
    vim_fault_clear(&fault);
    if (answer == NULL)
        return explain_no_service(vim, failure, error);
    if (vim->described)
        return TRUE;
    clear_service(&vim->service);
    read_service(vim_returned(answer), &vim->service);
    return vim->described = choose_action(vim, error);
}

/* ---- Logging in and out ---------------------------------------------------------------------- */

static void
log_out(struct vim *vim, const char *cookie, guint retries, gboolean warn)
{
    g_autoptr(GError) failure = NULL;
    struct vim_fault fault = {0};
    struct vim_exchange exchange = {.method = vim_method_find("Logout"),
                                    .self = &vim->service.session_manager,
                                    .cookie = cookie,
                                    .retries = retries,
                                    .seconds = LOGOUT_LIMIT_S};
    auto_xml_doc answer = vim_exchange(vim, &exchange, &fault, &failure);
    /* A refusal is tried once more: a session that stays is one less for everybody else. */
    if (answer == NULL && fault.type != NULL && !vim_fault_is_session(&fault) && retries > 0) {
        vim_fault_clear(&fault);
        g_clear_error(&failure);
        answer = vim_exchange(vim, &exchange, &fault, &failure);
    }
    if (answer == NULL && warn && !vim_fault_is_session(&fault))
        progress_warning(vim->progress,
                         "could not log out; the server ends the session by itself when nothing "
                         "was done in it for some 30 minutes: %s",
                         failure->message);
    vim_fault_clear(&fault);
}

static void
set_key(struct vim *vim, char *key)
{
    g_mutex_lock(&vim->lock);
    g_free(vim->key);
    vim->key = key;
    g_mutex_unlock(&vim->lock);
}

char *
vim_session_key(struct vim *vim)
{
    g_mutex_lock(&vim->lock);
    char *key = g_strdup(vim->key);
    g_mutex_unlock(&vim->lock);
    return key;
}

/* `cookie` is the session's so far; NULL: none.  When the answer is lost, the server may have a
 * session that nobody knows. */
static gboolean
send_login(struct vim *vim, const char *cookie, char **ret_cookie, GError **error)
{
    g_autoptr(GString) arguments = g_string_new(NULL);
    struct vim_fault fault = {0};
    vim_put(arguments, "userName", vim->user);
    vim_put(arguments, "password", vim->password);
    struct vim_exchange exchange = {.method = vim_method_find("Login"),
                                    .self = &vim->service.session_manager,
                                    .arguments = arguments->str,
                                    .cookie = cookie,
                                    .ret_cookie = ret_cookie};
    auto_xml_doc answer = vim_exchange(vim, &exchange, &fault, error);
    explicit_bzero(arguments->str, arguments->len);
    if (answer == NULL && fault.type == NULL && cookie != NULL)
        log_out(vim, cookie, 0, FALSE);
    if (answer != NULL)
        set_key(vim, vim_short_words(xml_child_text(vim_returned(answer), "key")));
    vim_fault_clear(&fault);
    return answer != NULL;
}

static void
register_cookie(const char *cookie)
{
    const char *value = cookie + strlen(VIM_COOKIE "=");
    g_autofree char *bare = g_strdup(value);
    g_strdelimit(bare, "\"", ' ');
    secret_register(g_strstrip(bare));
}

static gboolean
log_in_once(struct vim *vim, char **ret_cookie, GError **error)
{
    char *first = NULL, *cookie = NULL;
    gboolean ok = ask_service(vim, &first, error);
    if (first != NULL)
        register_cookie(first);
    ok = ok && send_login(vim, first, &cookie, error);
    if (ok && cookie == NULL)
        cookie = g_steal_pointer(&first);
    if (ok && cookie == NULL)
        ok = error_set(error, SLIPWAY_ERROR_NETWORK,
                       "%s: the server has set no session cookie; is there a proxy in between?",
                       vim->label);
    secret_free(first);
    if (ok) {
        register_cookie(cookie);
        *ret_cookie = cookie;
    } else
        secret_free(cookie);
    return ok;
}

static gboolean
log_in(struct vim *vim, char **ret_cookie, GError **error)
{
    for (guint try = 1;; try++) {
        g_autoptr(GError) failure = NULL;
        if (log_in_once(vim, ret_cookie, &failure))
            return TRUE;
        /* Without a description of the server, asking for that was tried often enough. */
        if (g_error_matches(failure, SLIPWAY_ERROR, SLIPWAY_ERROR_NETWORK) && vim->described &&
            try <= http_handle_retries(vim->http)) {
            g_usleep(http_handle_pause_us(vim->http, try));
            continue;
        }
        if (g_error_matches(failure, SLIPWAY_ERROR, SLIPWAY_ERROR_DENIED))
            g_prefix_error(&failure, "cannot log in as %s: ", vim->user);
        g_propagate_error(error, g_steal_pointer(&failure));
        return FALSE;
    }
}

char *
vim_cookie(struct vim *vim, guint *ret_number)
{
    g_mutex_lock(&vim->lock);
    char *cookie = g_strdup(vim->cookie);
    if (ret_number != NULL)
        *ret_number = vim->number;
    g_mutex_unlock(&vim->lock);
    return cookie;
}

static void
set_cookie(struct vim *vim, char *cookie)
{
    g_mutex_lock(&vim->lock);
    char *old = vim->cookie;
    vim->cookie = cookie;
    vim->number++;
    g_mutex_unlock(&vim->lock);
    secret_free(old);
}

/* A password that was refused is not tried again: it would lock the account. */
static gboolean
renew_now(struct vim *vim, const char *old, GError **error)
{
    g_autoptr(GError) failure = NULL;
    char *cookie = NULL;
    if (vim->refusal != NULL)
        return error_set(error, SLIPWAY_ERROR_DENIED, "%s", vim->refusal->message);
    progress_debug(vim->progress, "%s: the session has ended; logging in again", vim->label);
    /* It may live after all, where only files were refused. */
    log_out(vim, old, 0, FALSE);
    if (log_in(vim, &cookie, &failure)) {
        set_cookie(vim, cookie);
        return TRUE;
    }
    if (g_error_matches(failure, SLIPWAY_ERROR, SLIPWAY_ERROR_DENIED))
        vim->refusal = g_error_copy(failure);
    g_propagate_error(error, g_steal_pointer(&failure));
    return FALSE;
}

gboolean
vim_renew(struct vim *vim, guint number, GError **error)
{
    guint now = 0;
    g_mutex_lock(&vim->renewing);
    char *cookie = vim_cookie(vim, &now);
    gboolean ok = now != number || renew_now(vim, cookie, error);
    g_mutex_unlock(&vim->renewing);
    secret_free(cookie);
    return ok;
}

/* ---- Staying logged in ----------------------------------------------------------------------- */

/* FALSE when there is no more use in it. */
static gboolean
give_sign_of_life(struct vim *vim)
{
    g_autoptr(GError) failure = NULL;
    struct vim_fault fault = {0};
    guint number = 0;
    char *cookie = vim_cookie(vim, &number);
    struct vim_exchange exchange = {.method = vim_method_find("CurrentTime"),
                                    .self = &service_instance,
                                    .cookie = cookie,
                                    .stop = &vim->stopping,
                                    .seconds = KEEP_ALIVE_LIMIT_S};
    auto_xml_doc answer = vim_exchange(vim, &exchange, &fault, &failure);
    gboolean lost = answer == NULL && vim_fault_is_session(&fault);
    vim_fault_clear(&fault);
    secret_free(cookie);
    if (!lost || g_atomic_int_get(&vim->stopping) != 0)
        return TRUE;
    g_clear_error(&failure);
    return vim_renew(vim, number, &failure) ||
           !g_error_matches(failure, SLIPWAY_ERROR, SLIPWAY_ERROR_DENIED);
}

static gpointer
keep_alive(gpointer user)
{
    struct vim *vim = user;
    gboolean useful = TRUE;
    while (useful) {
        gint64 until = g_get_monotonic_time() + vim->keep_alive_s * G_TIME_SPAN_SECOND;
        g_mutex_lock(&vim->lock);
        while (g_atomic_int_get(&vim->stopping) == 0 &&
               g_cond_wait_until(&vim->wake, &vim->lock, until))
            ;
        g_mutex_unlock(&vim->lock);
        useful = g_atomic_int_get(&vim->stopping) == 0 && give_sign_of_life(vim);
    }
    return NULL;
}

static void
stop_keeper(struct vim *vim)
{
    if (vim->keeper == NULL)
        return;
    g_mutex_lock(&vim->lock);
    g_atomic_int_set(&vim->stopping, 1);
    g_cond_broadcast(&vim->wake);
    g_mutex_unlock(&vim->lock);
    g_thread_join(vim->keeper);
}

/* ---- Opening --------------------------------------------------------------------------------- */

static gboolean
set_url(struct vim *vim, const char *url, GError **error)
{
    char *origin = url_is_http(url) ? url_origin(url) : NULL;
    if (origin == NULL)
        return error_set(error, SLIPWAY_ERROR_USAGE, "%s: no https address of a server", url);
    vim->https = g_str_has_prefix(origin, "https:");
    /* The usual port is not told: certificates, leases and people speak of names without. */
    if (vim->https && g_str_has_suffix(origin, ":443"))
        origin[strlen(origin) - strlen(":443")] = '\0';
    vim->url = origin;
    vim->label = g_strdup(strstr(origin, "://") + strlen("://"));
    return TRUE;
}

struct vim *
vim_open(const char *url, const struct vim_options *options, GError **error)
{
    auto_ptr(vim) vim = g_new0(struct vim, 1);
    g_mutex_init(&vim->lock);
    g_mutex_init(&vim->renewing);
    g_cond_init(&vim->wake);
    g_queue_init(&vim->idle);
    vim->action = g_strdup(FIRST_ACTION);
    vim->progress = options->progress;
    vim->user = g_strdup(options->user != NULL ? options->user : "");
    vim->password = g_strdup(options->password != NULL ? options->password : "");
    secret_register(vim->password);
    vim->keep_alive_s = options->keep_alive_s != 0 ? options->keep_alive_s : KEEP_ALIVE_S;
    char *cookie = NULL;
    if (!set_url(vim, url, error) || !vim_http_init(vim, options, error) ||
        !log_in(vim, &cookie, error))
        return NULL;
    set_cookie(vim, cookie);
    vim->keeper = g_thread_new("vim-keeper", keep_alive, vim);
    return g_steal_pointer(&vim);
}

void
vim_close(struct vim *vim)
{
    if (vim == NULL)
        return;
    stop_keeper(vim);
    if (vim->cookie != NULL)
        log_out(vim, vim->cookie, MIN(http_handle_retries(vim->http), LOGOUT_RETRIES_MAX), TRUE);
    vim_http_clear(vim);
    clear_service(&vim->service);
    g_clear_error(&vim->refusal);
    g_cond_clear(&vim->wake);
    g_mutex_clear(&vim->renewing);
    g_mutex_clear(&vim->lock);
    g_free(vim->key);
    secret_free(vim->cookie);
    secret_free(vim->password);
    g_free(vim->user);
    g_free(vim->action);
    g_free(vim->label);
    g_free(vim->url);
    g_free(vim);
}

const struct vim_service *
vim_service(const struct vim *vim)
{
    return &vim->service;
}

const char *
vim_url(const struct vim *vim)
{
    return vim->url;
}
