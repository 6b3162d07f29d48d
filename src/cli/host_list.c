/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "hyper/host_list.h"
#include "cli/json_value.h"
#include "cli/nouns.h"
#include "cli/session.h"

static json_t *
to_json(const struct host *host)
{
    json_t *json = json_object();
    json_object_set_new(json, "name", json_value_text(host->name));
    json_object_set_new(json, "uri", json_value_text(host->uri));
    json_object_set_new(json, "user", json_value_text(host->user));
    json_object_set_new(json, "product", json_value_text(host->product));
    json_object_set_new(json, "id", json_value_text(host->id));
    json_object_set_new(json, "transport",
                        json_value_text(hypervisor_transport_name(host->transport)));
    json_object_set_new(json, "thumbprint", json_value_text(host->thumbprint));
    json_object_set_new(json, "insecure", json_boolean(host->insecure));
    return json;
}

static gboolean
run(struct session *session, GError **error)
{
    auto_ptr(host_list) list = host_list_read(error);
    if (list == NULL)
        return FALSE;
    auto_ptr(table) table = table_new("Name", "URI", "User", "Product", NULL);
    json_t *json = json_array();
    for (guint i = 0; i < list->hosts->len; i++) {
        const struct host *host = list->hosts->pdata[i];
        table_add(table, host->name, host->uri, host->user != NULL ? host->user : "-",
                  host->product != NULL ? host->product : "-", NULL);
        json_array_append_new(json, to_json(host));
    }
    ui_table(session_ui(session), table,
             "no host is remembered; `slipway host add NAME URI` remembers one");
    ui_set(session_ui(session), "hosts", json);
    return TRUE;
}

const struct verb verb_host_list = {
    .name = "list",
    .summary = "list the hypervisors that are remembered",
    .description = "List the hypervisors that are remembered. Nothing is connected to.",
    .run = run,
};
