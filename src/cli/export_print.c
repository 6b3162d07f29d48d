/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "base/secret.h"
#include "cli/export.h"
#include "cli/set_print.h"
#include "cli/text.h"

#include <ifaddrs.h>
#include <net/if.h>
#include <netdb.h>
#include <stdio.h>
#include <string.h>

/* ---- Addresses ------------------------------------------------------------------------------- */

gboolean
export_print_is_wildcard(const char *address)
{
    return g_str_has_prefix(address, "0.0.0.0:") || g_str_has_prefix(address, "[::]:") ||
           g_str_has_prefix(address, "*:");
}

/* "192.0.2.1" or "[2001:db8::1]"; NULL for what no other computer can use. */
static char *
address_text(const struct ifaddrs *at)
{
    char host[NI_MAXHOST];
    if (at->ifa_addr == NULL || (at->ifa_flags & IFF_UP) == 0 ||
        (at->ifa_flags & IFF_LOOPBACK) != 0)
        return NULL;
    int family = at->ifa_addr->sa_family;
    socklen_t length = family == AF_INET ? sizeof(struct sockaddr_in) : sizeof(struct sockaddr_in6);
    if ((family != AF_INET && family != AF_INET6) ||
        getnameinfo(at->ifa_addr, length, host, sizeof host, NULL, 0, NI_NUMERICHOST) != 0 ||
        strchr(host, '%') != NULL) /* link-local */
        return NULL;
    return family == AF_INET ? g_strdup(host) : g_strdup_printf("[%s]", host);
}

/* What a peer can connect to: for an address that means all of this computer's, those. */
static GPtrArray *
reachable(const char *const *addresses)
{
    GPtrArray *list = g_ptr_array_new_with_free_func(g_free);
    for (guint i = 0; addresses != NULL && addresses[i] != NULL; i++) {
        struct ifaddrs *all;
        if (!export_print_is_wildcard(addresses[i]) || getifaddrs(&all) != 0) {
            g_ptr_array_add(list, g_strdup(addresses[i]));
            continue;
        }
        gboolean four = addresses[i][0] == '0';
        for (const struct ifaddrs *at = all; at != NULL; at = at->ifa_next) {
            g_autofree char *host = address_text(at);
            if (host != NULL && (*host != '[' || !four))
                g_ptr_array_add(list, g_strconcat(host, strrchr(addresses[i], ':'), NULL));
        }
        freeifaddrs(all);
        if (list->len == 0)
            g_ptr_array_add(list, g_strconcat("127.0.0.1", strrchr(addresses[i], ':'), NULL));
    }
    return list;
}

static json_t *
addresses_json(const char *const *addresses)
{
    g_autoptr(GPtrArray) list = reachable(addresses);
    json_t *json = json_array();
    for (guint i = 0; i < list->len; i++)
        json_array_append_new(json, json_string(list->pdata[i]));
    return json;
}

/* ---- JSON ------------------------------------------------------------------------------------ */

static json_t *
disks_json(const struct export_view *view)
{
    json_t *list = json_array();
    for (guint i = 0; i < view->disks->len; i++) {
        const struct export_disk *disk = &g_array_index(view->disks, struct export_disk, i);
        json_array_append_new(list, json_pack("{s:s, s:i, s:I, s:I, s:I}", "name", disk->name,
                                              "lun", (int)disk->lun, "size", (json_int_t)disk->size,
                                              "written", (json_int_t)disk->written, "limit",
                                              (json_int_t)disk->limit));
    }
    return list;
}

static json_t *
session_json(const struct iscsi_session *session)
{
    return json_pack("{s:s, s:s, s:s?, s:b, s:s?, s:b, s:b, s:i, s:I}", "initiator",
                     session->initiator, "address", session->address, "user", session->user,
                     "mutual", session->mutual, "hash", session->hash, "header_digest",
                     session->header_digest, "data_digest", session->data_digest, "connections",
                     (int)session->connections, "since", (json_int_t)session->since);
}

static json_t *
iscsi_json(const struct export_view *view)
{
    json_t *sessions = json_array();
    for (guint i = 0; i < view->sessions->len; i++)
        json_array_append_new(sessions, session_json(view->sessions->pdata[i]));
    return json_pack("{s:s, s:o, s:o}", "name", view->iscsi_name, "addresses",
                     addresses_json(view->iscsi), "sessions", sessions);
}

json_t *
export_print_json(const char *id, const struct export_view *view)
{
    char set[SET_ID_TEXT];
    json_t *json = json_pack(
        "{s:s, s:s, s:s, s:I, s:b, s:I, s:o}", "id", id, "set", set_id_format(&view->set->id, set),
        "machine", view->set->name, "created", (json_int_t)view->set->created, "read_only",
        view->read_only, "since", (json_int_t)view->since, "disks", disks_json(view));
    if (view->iscsi_name != NULL)
        json_object_set_new(json, "iscsi", iscsi_json(view));
    if (view->nbd != NULL)
        json_object_set_new(json, "nbd",
                            json_pack("{s:o, s:i}", "addresses", addresses_json(view->nbd),
                                      "connections", (int)view->nbd_connections));
    if (view->mount != NULL)
        json_object_set_new(json, "mount", json_string(view->mount));
    json_object_set_new(json, "read_bytes", json_integer((json_int_t)view->read_bytes));
    json_object_set_new(json, "written_bytes", json_integer((json_int_t)view->written_bytes));
    json_object_set_new(json, "cache",
                        json_pack("{s:I, s:I, s:I, s:I}", "hits", (json_int_t)view->cache.hits,
                                  "misses", (json_int_t)view->cache.misses, "read_ahead",
                                  (json_int_t)view->cache.read_ahead, "bytes",
                                  (json_int_t)view->cache.bytes));
    return json;
}

/* ---- For people ------------------------------------------------------------------------------ */

static void
print_disks(struct ui *ui, const struct export_view *view)
{
    for (guint i = 0; i < view->disks->len; i++) {
        const struct export_disk *disk = &g_array_index(view->disks, struct export_disk, i);
        g_autofree char *size = text_bytes(disk->size);
        ui_print(ui, "  %-13s LUN %u, %s\n", disk->name, disk->lun, size);
    }
    g_autofree char *limit =
        text_bytes(view->disks->len > 0
                       ? g_array_index(view->disks, struct export_disk, 0).limit * view->disks->len
                       : 0);
    if (view->read_only)
        ui_print(ui, "  %-13s nothing: read-only\n", "writable");
    else
        ui_print(ui, "  %-13s up to %s; the set itself never changes\n", "writable", limit);
}

static void
print_secrets(struct ui *ui, const struct export_wishes *wishes)
{
    const struct export_secret *in = &wishes->incoming, *out = &wishes->outgoing;
    if (in->secret == NULL) {
        ui_print(ui, "  %-13s none: anybody who can connect can read and write\n", "CHAP");
        return;
    }
    ui_print(ui, "  %-13s user %s, secret %s\n", "CHAP", in->user,
             in->made ? in->secret : "as in the file");
    if (out->secret != NULL)
        ui_print(ui, "  %-13s target's user %s, secret %s\n", "mutual CHAP", out->user,
                 out->made ? out->secret : "as in the file");
    if (in->made || (out->secret != NULL && out->made))
        ui_print(ui, "  %-13s secrets are shown this once and kept nowhere\n", "");
}

static void
print_linux(struct ui *ui, const char *name, const char *address,
            const struct export_wishes *wishes)
{
    const char *node = "iscsiadm -m node -T";
    ui_print(ui, "\nOn Linux (open-iscsi):\n");
    ui_print(ui, "  iscsiadm -m discovery -t sendtargets -p %s\n", address);
    if (wishes->incoming.secret != NULL) {
        ui_print(ui, "  %s %s -o update -n node.session.auth.authmethod -v CHAP\n", node, name);
        ui_print(ui, "  %s %s -o update -n node.session.auth.username -v %s\n", node, name,
                 wishes->incoming.user);
        ui_print(ui, "  %s %s -o update -n node.session.auth.password -v SECRET\n", node, name);
    }
    if (wishes->outgoing.secret != NULL) {
        ui_print(ui, "  %s %s -o update -n node.session.auth.username_in -v %s\n", node, name,
                 wishes->outgoing.user);
        ui_print(ui, "  %s %s -o update -n node.session.auth.password_in -v SECRET\n", node, name);
    }
    ui_print(ui, "  %s %s -p %s --login      (--logout when done)\n", node, name, address);
}

static void
print_windows(struct ui *ui, const char *name, const char *address,
              const struct export_wishes *wishes)
{
    g_autofree char *host = g_strndup(address, (gsize)(strrchr(address, ':') - address));
    const char *port = strrchr(address, ':') + 1;
    const char *chap = wishes->incoming.secret == NULL   ? "NONE"
                       : wishes->outgoing.secret != NULL ? "MUTUALCHAP"
                                                         : "ONEWAYCHAP";
    ui_print(ui, "\nOn Windows (PowerShell):\n");
    if (wishes->outgoing.secret != NULL)
        ui_print(ui, "  Set-IscsiChapSecret -ChapSecret TARGET-SECRET\n");
    ui_print(ui,
             "  New-IscsiTargetPortal -TargetPortalAddress %s -TargetPortalPortNumber %s\n"
             "  Connect-IscsiTarget -NodeAddress %s `\n"
             "      -AuthenticationType %s",
             host, port, name, chap);
    if (wishes->incoming.secret != NULL)
        ui_print(ui, " -ChapUsername %s -ChapSecret SECRET", wishes->incoming.user);
    ui_print(ui, "\n  (a disk that stays offline: Set-Disk -Number N -IsOffline $false)\n");
}

static void
print_esxi(struct ui *ui, const char *name, const char *address, const struct export_wishes *wishes)
{
    ui_print(ui, "\nOn ESXi (vmhbaNN: `esxcli iscsi adapter list`):\n");
    ui_print(ui, "  esxcli iscsi adapter discovery sendtarget add -A vmhbaNN -a %s\n", address);
    if (wishes->incoming.secret != NULL)
        ui_print(ui,
                 "  esxcli iscsi adapter target portal auth chap set -A vmhbaNN -n %s -a %s \\\n"
                 "      --direction uni --level required -N %s -S SECRET\n",
                 name, address, wishes->incoming.user);
    ui_print(ui, "  esxcli storage core adapter rescan -A vmhbaNN\n");
}

static void
print_iscsi(struct ui *ui, const struct export_view *view, const struct export_wishes *wishes)
{
    g_autoptr(GPtrArray) addresses =
        reachable(wishes->iscsi.advertise != NULL ? wishes->iscsi.advertise : view->iscsi);
    ui_print(ui, "  %-13s %s\n", "iSCSI", view->iscsi_name);
    for (guint i = 0; i < addresses->len; i++)
        ui_print(ui, "  %-13s at %s\n", "", (const char *)addresses->pdata[i]);
    print_secrets(ui, wishes);
    const char *address = addresses->len > 0 ? addresses->pdata[0] : NULL;
    if (address == NULL || strrchr(address, ':') == NULL)
        return;
    print_linux(ui, view->iscsi_name, address, wishes);
    print_windows(ui, view->iscsi_name, address, wishes);
    print_esxi(ui, view->iscsi_name, address, wishes);
}

static void
print_nbd(struct ui *ui, const struct export_view *view, gboolean tls)
{
    g_autoptr(GPtrArray) addresses = reachable(view->nbd);
    for (guint i = 0; i < addresses->len; i++)
        for (guint d = 0; d < view->disks->len; d++) {
            const char *at = addresses->pdata[i];
            const char *name = g_array_index(view->disks, struct export_disk, d).name;
            if (g_str_has_prefix(at, "unix:"))
                ui_print(ui, "  %-13s nbd+unix:///%s?socket=%s\n", "NBD", name, at + 5);
            else
                ui_print(ui, "  %-13s %s://%s/%s\n", "NBD", tls ? "nbds" : "nbd", at, name);
        }
}

void
export_print_start(struct ui *ui, const char *id, const struct export_view *view,
                   const struct export_wishes *wishes)
{
    g_autofree char *set = set_print_id(&view->set->id), *time = set_print_time(view->set->created);
    ui_print(ui, "Export %s: set %s of %s, %s\n", id, set, view->set->name, time);
    print_disks(ui, view);
    if (view->mount != NULL)
        ui_print(ui, "  %-13s %s\n", "files in", view->mount);
    if (view->nbd != NULL)
        print_nbd(ui, view, wishes->nbd.tls_directory != NULL);
    if (view->iscsi_name != NULL)
        print_iscsi(ui, view, wishes);
}

char *
export_print_what(const json_t *document)
{
    const json_t *machine = json_object_get(document, "machine");
    g_autofree char *time =
        set_print_time(json_integer_value(json_object_get(document, "created")));
    return json_is_string(machine) ? g_strdup_printf("%s %s", json_string_value(machine), time)
                                   : g_strdup("-");
}

/* ---- Log ------------------------------------------------------------------------------------- */

/* On any thread: one call, one line. */
void
export_log(const char *line, G_GNUC_UNUSED gpointer data)
{
    g_autoptr(GDateTime) now = g_date_time_new_now_local();
    g_autofree char *time = g_date_time_format(now, "%F %T");
    g_autofree char *redacted = secret_redact(line), *clean = text_clean(redacted);
    fprintf(stderr, "%s %s\n", time, clean);
}
