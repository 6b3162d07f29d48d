/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What a vSphere server has: machines, places, tags, licences. */
#include "base/error.h"
#include "hyper/vsphere/vsphere.h"
#include "vim_peer.h"

/* ---- With a server --------------------------------------------------------------------------- */

#define FLAT "VirtualDiskFlatVer2BackingInfo"

struct fixture {
    struct vim_peer *peer;
    struct hypervisor *host;
    struct progress progress;
};

static GString *all_notes;

static void
begin(struct progress *self G_GNUC_UNUSED, const char *what G_GNUC_UNUSED,
      guint64 total G_GNUC_UNUSED, enum progress_unit unit G_GNUC_UNUSED)
{
}

static void
advance(struct progress *self G_GNUC_UNUSED, guint64 amount G_GNUC_UNUSED)
{
}

static void
end(struct progress *self G_GNUC_UNUSED, gboolean ok G_GNUC_UNUSED)
{
}

static void
note(struct progress *self G_GNUC_UNUSED, enum progress_note kind, const char *text)
{
    if (kind != PROGRESS_DEBUG)
        g_string_append_printf(all_notes, "%s\n", text);
}

static const struct progress_class notes_class = {begin, advance, end, note};

static struct hypervisor *
open_host(struct fixture *fixture, const char *uri, const char *user, const char *password,
          GError **error)
{
    static const struct http_options network = {.retries = 1, .backoff_ms = 1, .proxy = ""};
    const struct hypervisor_options options = {
        .user = user, .password = password, .network = &network, .progress = &fixture->progress};
    return hypervisor_vsphere.open(uri, &options, error);
}

static char *
host_uri(struct fixture *fixture, const char *user)
{
    return g_strdup_printf("vsphere://%s127.0.0.1:%u", user, fixture->peer->port);
}

static void
set_up(struct fixture *fixture, gconstpointer unused G_GNUC_UNUSED)
{
    g_autoptr(GError) error = NULL;
    fixture->peer = vim_peer_new();
    fixture->progress.class = &notes_class;
    all_notes = g_string_new(NULL);
    g_autofree char *uri = host_uri(fixture, "");
    fixture->host = open_host(fixture, uri, "root", "s3cret", &error);
    g_assert_no_error(error);
}

static void
tear_down(struct fixture *fixture, gconstpointer unused G_GNUC_UNUSED)
{
    hypervisor_close(fixture->host);
    g_assert_cmpuint(vim_peer_sessions(fixture->peer), ==, 0);
    g_assert_cmpuint(vim_peer_count(fixture->peer, "DestroyView"), ==,
                     vim_peer_count(fixture->peer, "CreateContainerView"));
    g_assert_cmpuint(vim_peer_count(fixture->peer, "DELETE /api/session"), ==,
                     vim_peer_count(fixture->peer, "POST /api/cis/tagging/tag-association"));
    vim_peer_free(fixture->peer);
    g_string_free(all_notes, TRUE);
}

#define OBJECT(type, id, name, parent_type, parent)                                                \
    "<objects><obj type=\"" type "\">" id "</obj><propSet><name>name</name><val>" name             \
    "</val></propSet><propSet><name>parent</name><val type=\"" parent_type "\">" parent            \
    "</val></propSet></objects>"

#define TREE                                                                                       \
    "<returnval>" OBJECT("Datacenter", "dc-1", "DC0", "Folder",                                    \
                         "group-f") OBJECT("Folder", "group-f", "Branches", "Folder", "group-d1")  \
        OBJECT("Folder", "group-v", "vm", "Datacenter", "dc-1")                                    \
            OBJECT("Folder", "group-p", "prod", "Folder", "group-v")                               \
                OBJECT("Folder", "group-h", "host", "Datacenter", "dc-1")                          \
                    OBJECT("ClusterComputeResource", "c-1", "C0", "Folder", "group-h")             \
                        OBJECT("HostSystem", "host-1", "esx1", "ClusterComputeResource", "c-1")    \
                            OBJECT("ResourcePool", "rp-0", "Resources", "ClusterComputeResource",  \
                                   "c-1")                                                          \
                                OBJECT("ResourcePool", "rp-1", "web", "ResourcePool", "rp-0")      \
                                    OBJECT("VirtualMachine", "vm-1", "app01", "Folder",            \
                                           "group-p") "</returnval>"

#define PROP(name, value) "<propSet><name>" name "</name><val>" value "</val></propSet>"
#define REF(name, type, value)                                                                     \
    "<propSet><name>" name "</name><val type=\"" type "\">" value "</val></propSet>"

#define HARDWARE                                                                                   \
    "<numCPU>4</numCPU><memoryMB>2048</memoryMB><numCoresPerSocket>2</numCoresPerSocket>"          \
    "<device xsi:type=\"VirtualAHCIController\"><key>15000</key><busNumber>0</busNumber></device>" \
    "<device xsi:type=\"ParaVirtualSCSIController\"><key>1000</key><busNumber>0</busNumber>"       \
    "</device>"                                                                                    \
    "<device xsi:type=\"VirtualDisk\"><key>2001</key><backing xsi:type=\"" FLAT "\"><fileName>"    \
    "[ds2] app01/data.vmdk</fileName><diskMode>independent_persistent</diskMode><uuid>6000C29B"    \
    "</uuid></backing><controllerKey>1000</controllerKey><unitNumber>1</unitNumber>"               \
    "<capacityInBytes>2097152</capacityInBytes></device>"                                          \
    "<device xsi:type=\"VirtualDisk\"><key>2000</key><backing xsi:type=\"" FLAT "\"><fileName>"    \
    "[ds1] app01/app01.vmdk</fileName><diskMode>persistent</diskMode><uuid>6000C29A</uuid>"        \
    "<thinProvisioned>true</thinProvisioned></backing><controllerKey>1000</controllerKey>"         \
    "<unitNumber>0</unitNumber><capacityInBytes>1048576</capacityInBytes></device>"                \
    "<device xsi:type=\"VirtualDisk\"><key>16000</key><backing xsi:type=\"" FLAT "\"><fileName>"   \
    "[ds1] app01/s.vmdk</fileName></backing><controllerKey>15000</controllerKey><unitNumber>0"     \
    "</unitNumber></device>"                                                                       \
    "<device xsi:type=\"VirtualVmxnet3\"><key>4000</key><backing "                                 \
    "xsi:type=\"VirtualEthernetCardDistributedVirtualPortBackingInfo\"><port><switchUuid>5"        \
    "</switchUuid><portgroupKey>dvportgroup-3</portgroupKey></port></backing><connectable>"        \
    "<startConnected>true</startConnected></connectable><addressType>Manual</addressType>"         \
    "<macAddress>00:50:56:AB:00:01</macAddress></device>"                                          \
    "<device xsi:type=\"VirtualE1000\"><key>4001</key><backing "                                   \
    "xsi:type=\"VirtualEthernetCardNetworkBackingInfo\"><deviceName>VM Network</deviceName>"       \
    "</backing><addressType>assigned</addressType><macAddress>00:50:56:ab:00:02</macAddress>"      \
    "</device>"

#define PLACE                                                                                      \
    REF("parent", "Folder", "group-p")                                                             \
    REF("runtime.host", "HostSystem", "host-1")                                                    \
    REF("resourcePool", "ResourcePool", "rp-1")                                                    \
    PROP("name", "app01") PROP("runtime.powerState", "suspended")

#define MACHINE(id)                                                                                \
    "<objects><obj type=\"VirtualMachine\">" id                                                    \
    "</obj>" PLACE PROP("config.instanceUuid", "50AB-CD") PROP("config.uuid", "42AB")              \
        PROP("config.guestId", "rhel7_64Guest") PROP("config.firmware", "efi") PROP(               \
            "config.changeTrackingEnabled", "true") PROP("config.annotation", "line 1\nline 2")    \
            PROP("config.bootOptions",                                                             \
                 "<bootOrder xsi:type=\"VirtualMachineBootOptionsBootableDiskDevice\">"            \
                 "<deviceKey>2000</deviceKey></bootOrder><bootOrder "                              \
                 "xsi:type=\"VirtualMachineBootOptionsBootableEthernetDevice\"><deviceKey>"        \
                 "4001</deviceKey></bootOrder><efiSecureBootEnabled>true"                          \
                 "</efiSecureBootEnabled>") PROP("config.hardware", HARDWARE) "</objects>"

static void
say_port_groups(struct vim_peer *peer)
{
    vim_peer_return(peer, "RetrievePropertiesEx",
                    "<returnval><objects><obj type=\"DistributedVirtualPortgroup\">dvportgroup-3"
                    "</obj><propSet><name>key</name><val>dvportgroup-3</val></propSet><propSet>"
                    "<name>name</name><val>prod net</val></propSet></objects></returnval>");
}

static void
check_machine(const struct machine *machine)
{
    g_assert_cmpstr(machine->driver, ==, "vsphere");
    g_assert_cmpstr(machine->ref, ==, "VirtualMachine:vm-1");
    g_assert_cmpstr(machine->id, ==, "50ab-cd");
    g_assert_cmpstr(machine->uuid, ==, "42ab");
    g_assert_cmpstr(machine->folder, ==, "/Branches/DC0/vm/prod");
    g_assert_cmpstr(machine->datacenter, ==, "DC0");
    g_assert_cmpstr(machine->cluster, ==, "C0");
    g_assert_cmpstr(machine->host, ==, "esx1");
    g_assert_cmpstr(machine->pool, ==, "Resources/web");
    g_assert_cmpint(machine->power, ==, MACHINE_SUSPENDED);
    g_assert_cmpint(machine->firmware, ==, MACHINE_UEFI_SECURE);
    g_assert_true(machine->tracked);
    g_assert_cmpuint(machine->cpus, ==, 4);
    g_assert_cmpuint(machine->cores_per_socket, ==, 2);
    g_assert_cmpuint(machine->memory, ==, G_GUINT64_CONSTANT(2) << 30);
    g_assert_cmpstr(machine->family, ==, "linux");
    g_assert_cmpstr(machine->annotation, ==, "line 1\nline 2");
    g_assert_cmpuint(machine->disks->len, ==, 3);
    const struct machine_disk *first = machine->disks->pdata[0]; /* by bus: SATA before SCSI */
    g_assert_cmpstr(first->name, ==, "sata0:0");
    g_assert_nonnull(strstr(first->skip, "does not tell its size"));
    const struct machine_disk *boot = machine->disks->pdata[1];
    g_assert_cmpstr(boot->name, ==, "scsi0:0");
    g_assert_cmpstr(boot->key, ==, "6000c29a");
    g_assert_cmpstr(boot->datastore, ==, "ds1");
    g_assert_cmpstr(boot->model, ==, "pvscsi");
    g_assert_cmpuint(boot->boot_order, ==, 1);
    g_assert_true(boot->thin);
    g_assert_null(boot->skip);
    g_assert_nonnull(((struct machine_disk *)machine->disks->pdata[2])->skip);
    const struct machine_nic *nic = machine_find_nic(machine, "ethernet0");
    g_assert_cmpint(nic->kind, ==, MACHINE_DISTRIBUTED_PORT_GROUP);
    g_assert_cmpstr(nic->network, ==, "prod net");
    g_assert_cmpstr(nic->mac, ==, "00:50:56:ab:00:01");
    g_assert_true(nic->mac_fixed && nic->connected);
    nic = machine_find_nic(machine, "ethernet1");
    g_assert_cmpint(nic->kind, ==, MACHINE_PORT_GROUP);
    g_assert_cmpstr(nic->network, ==, "VM Network");
    g_assert_cmpstr(nic->model, ==, "e1000");
    g_assert_cmpuint(nic->boot_order, ==, 2);
    g_assert_false(nic->mac_fixed || nic->connected);
}

static void
say_json(struct vim_peer *peer, const char *request, int status, const char *json)
{
    vim_peer_say(peer, request, status, json)->raw = TRUE;
}

static void
test_list(struct fixture *fixture, gconstpointer unused G_GNUC_UNUSED)
{
    g_autoptr(GError) error = NULL;
    vim_peer_return(fixture->peer, "RetrievePropertiesEx", TREE);
    vim_peer_return(fixture->peer, "RetrievePropertiesEx",
                    "<returnval>" MACHINE("vm-1") "<objects><obj type=\"VirtualMachine\">vm-2</obj>"
                                                  "<propSet><name>name</name><val>lost</val>"
                                                  "</propSet><propSet><name>runtime.connectionState"
                                                  "</name><val>inaccessible</val></propSet>"
                                                  "</objects></returnval>");
    say_port_groups(fixture->peer);
    say_json(fixture->peer, "POST /api/session", 201, "\"t0ken-of-rest\"");
    say_json(
        fixture->peer, "POST /api/cis/tagging/tag-association", 200,
        "[{\"object_id\":{\"id\":\"vm-1\",\"type\":\"VirtualMachine\"},\"tag_ids\":[\"urn:t:2\","
        "\"urn:t:1\"]},{\"object_id\":{\"id\":\"vm-9\"},\"tag_ids\":[\"urn:t:3\"]}]");
    say_json(fixture->peer, "GET /api/cis/tagging/tag/urn%3At%3A2", 200,
             "{\"name\":\"gold\",\"category_id\":\"urn:c:1\"}");
    say_json(fixture->peer, "GET /api/cis/tagging/tag/urn%3At%3A1", 200,
             "{\"name\":\"daily\",\"category_id\":\"urn:c:1\"}");
    say_json(fixture->peer, "GET /api/cis/tagging/category/urn%3Ac%3A1", 200,
             "{\"name\":\"backup\"}");
    say_json(fixture->peer, "DELETE /api/session", 204, "");
    g_autoptr(GPtrArray) list = vsphere_list(fixture->host, &error);
    g_assert_no_error(error);
    g_assert_cmpuint(list->len, ==, 1);
    const struct machine *machine = list->pdata[0];
    check_machine(machine);
    g_assert_cmpuint(machine->tags->len, ==, 2);
    g_assert_cmpstr(machine->tags->pdata[0], ==, "backup/daily");
    g_assert_cmpstr(machine->tags->pdata[1], ==, "backup/gold");
    g_assert_nonnull(strstr(all_notes->str, "left out: lost"));
    g_assert_nonnull(strstr(all_notes->str, "inaccessible"));
    /* The password goes once, for the session; what is asked then has its token. */
    const char *head = vim_peer_last(fixture->peer, "POST /api/cis/tagging/tag-association", TRUE);
    g_assert_nonnull(strstr(head, "vmware-api-session-id: t0ken-of-rest"));
    g_assert_null(strstr(head, "Authorization"));
    g_assert_nonnull(
        strstr(vim_peer_last(fixture->peer, "POST /api/session", TRUE), "Authorization: Basic"));
    g_autofree char *text = machine_format(machine, &error);
    g_assert_no_error(error);
}

static void
say_no_tags(struct vim_peer *peer)
{
    say_json(peer, "POST /api/session", 404, "{}");
}

/* Copies of one machine: nobody may take one for the other. */
static void
test_copies(struct fixture *fixture, gconstpointer unused G_GNUC_UNUSED)
{
    g_autoptr(GError) error = NULL;
    vim_peer_return(fixture->peer, "RetrievePropertiesEx", TREE);
    vim_peer_return(fixture->peer, "RetrievePropertiesEx",
                    "<returnval>" MACHINE("vm-1") MACHINE("vm-2") "</returnval>");
    say_port_groups(fixture->peer);
    say_no_tags(fixture->peer);
    g_autoptr(GPtrArray) list = vsphere_list(fixture->host, &error);
    g_assert_no_error(error);
    g_assert_cmpuint(list->len, ==, 2);
    g_assert_nonnull(strstr(all_notes->str, "app01 and app01 have the same identity (50ab-cd)"));
    struct moref moref = {0};
    vim_peer_return(fixture->peer, "FindAllByUuid",
                    "<returnval type=\"VirtualMachine\">vm-1</returnval>"
                    "<returnval type=\"VirtualMachine\">vm-2</returnval>");
    g_assert_false(
        vsphere_find_machine((struct vsphere *)fixture->host, "50ab-cd", &moref, &error));
    g_assert_error(error, SLIPWAY_ERROR, SLIPWAY_ERROR_FAILED);
    g_assert_nonnull(strstr(error->message, "several virtual machines"));
    g_clear_error(&error);
    vim_peer_return(fixture->peer, "FindAllByUuid",
                    "<returnval type=\"VirtualMachine\">vm-1</returnval>");
    g_assert_true(vsphere_find_machine((struct vsphere *)fixture->host, "50ab-cd", &moref, &error));
    g_assert_cmpstr(moref.value, ==, "vm-1");
    moref_clear(&moref);
}

/* No tags are no reason to have no list; that nobody knows of them is one to say so. */
static void
test_tags_fail(struct fixture *fixture, gconstpointer unused G_GNUC_UNUSED)
{
    static const struct {
        int session, tags;
        const char *answer;
        gboolean told;
    } rows[] = {
        {404, 0, "", FALSE}, /* and no /rest either: an old server */
        {401, 0, "{}", TRUE},
        {201, 403, "{}", TRUE},
        {201, 200, "no json", TRUE},
        {201, 200, "[{\"object_id\":{\"id\":\"vm-1\"},\"tag_ids\":[\"urn:t:1\"]}]", FALSE},
        {201, 200, "{\"a\":[1,2]}", FALSE},
    };
    for (gsize i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_autoptr(GError) error = NULL;
        g_string_truncate(all_notes, 0);
        vim_peer_return(fixture->peer, "RetrievePropertiesEx", TREE);
        vim_peer_return(fixture->peer, "RetrievePropertiesEx",
                        "<returnval>" MACHINE("vm-1") "</returnval>");
        say_port_groups(fixture->peer);
        say_json(fixture->peer, "POST /api/session", rows[i].session, "\"t0ken-of-rest\"");
        if (rows[i].tags != 0) {
            say_json(fixture->peer, "POST /api/cis/tagging/tag-association", rows[i].tags,
                     rows[i].answer);
            say_json(fixture->peer, "DELETE /api/session", 204, "");
        }
        g_autoptr(GPtrArray) list = vsphere_list(fixture->host, &error);
        g_assert_no_error(error);
        g_assert_cmpuint(list->len, ==, 1);
        g_assert_cmpuint(((struct machine *)list->pdata[0])->tags->len, ==, 0);
        if (rows[i].told)
            g_assert_nonnull(strstr(all_notes->str, "tags could not be read"));
        else
            g_assert_null(strstr(all_notes->str, "tags could not be read"));
    }
}

static void
test_describe(struct fixture *fixture, gconstpointer unused G_GNUC_UNUSED)
{
    g_autoptr(GError) error = NULL;
    vim_peer_return(fixture->peer, "FindByUuid",
                    "<returnval type=\"VirtualMachine\">vm-1</returnval>");
    vim_peer_return(
        fixture->peer, "RetrievePropertiesEx",
        "<returnval><objects><obj type=\"VirtualMachine\">vm-1</obj>" PLACE
        "<propSet><name>config</name><val xsi:type=\"VirtualMachineConfigInfo\">"
        "<instanceUuid>50AB-CD</instanceUuid><uuid>42AB</uuid><template>false</template>"
        "<guestId>rhel7_64Guest</guestId><annotation>line 1\nline 2</annotation>"
        "<firmware>efi</firmware><changeTrackingEnabled>true</changeTrackingEnabled>"
        "<bootOptions><bootOrder><deviceKey>2000</deviceKey></bootOrder><bootOrder><deviceKey>4001"
        "</deviceKey></bootOrder><efiSecureBootEnabled>true</efiSecureBootEnabled></bootOptions>"
        "<files><vmPathName>[ds1] app01/app01.vmx</vmPathName></files>"
        "<extraConfig xsi:type=\"OptionValue\"><key>nvram</key><value xsi:type=\"xsd:string\">"
        "app01.nvram</value></extraConfig>"
        "<hardware>" HARDWARE "</hardware></val></propSet></objects></returnval>");
    static const char *const nodes[] = {
        OBJECT("Folder", "group-p", "prod", "Folder", "group-v"),
        OBJECT("Folder", "group-v", "vm", "Datacenter", "dc-1"),
        OBJECT("Datacenter", "dc-1", "DC0", "Folder", "group-f"),
        OBJECT("Folder", "group-f", "Branches", "Folder", "group-d1"),
    };
    for (gsize i = 0; i < G_N_ELEMENTS(nodes); i++) {
        g_autofree char *inside = g_strdup_printf("<returnval>%s</returnval>", nodes[i]);
        vim_peer_return(fixture->peer, "RetrievePropertiesEx", inside);
    }
    /* All else about places is looked up one by one and not there: no reason to fail. */
    vim_peer_return(fixture->peer, "RetrievePropertiesEx", "")->stays = TRUE;
    auto_ptr(machine) machine = vsphere_describe(fixture->host, "50ab-cd", &error);
    g_assert_no_error(error);
    g_assert_cmpstr(machine->folder, ==, "/Branches/DC0/vm/prod");
    g_assert_cmpint(machine->firmware, ==, MACHINE_UEFI_SECURE);
    g_assert_cmpuint(machine->disks->len, ==, 3);
    g_assert_cmpstr(machine->native_type, ==, "vim-xml");
    auto_xml_doc native = xml_parse(machine->native, strlen(machine->native), MACHINE_NATIVE_MAX,
                                    "virtualMachine", "native", &error);
    g_assert_no_error(error);
    const xmlNode *config = xml_child(xmlDocGetRootElement(native), "config");
    g_assert_true(vim_is_type(config, "VirtualMachineConfigInfo"));
    g_autoptr(GPtrArray) devices = devices_read(xml_child(config, "hardware"), &error);
    g_assert_no_error(error);
    g_assert_cmpuint(devices->len, ==, 7);
    /* The NVRAM could not be fetched: UEFI's variables are missed. */
    g_assert_nonnull(strstr(all_notes->str, "variables of its firmware were not read"));
    g_assert_null(machine->firmware_data);
}

static void
test_not_there(struct fixture *fixture, gconstpointer unused G_GNUC_UNUSED)
{
    g_autoptr(GError) error = NULL;
    struct moref moref = {0};
    vim_peer_return(fixture->peer, "FindByUuid", "")->stays = TRUE;
    g_assert_null(vsphere_describe(fixture->host, "50ab-cd", &error));
    g_assert_error(error, SLIPWAY_ERROR, SLIPWAY_ERROR_NOT_FOUND);
    g_clear_error(&error);
    vim_peer_return(fixture->peer, "FindByInventoryPath", "")->stays = TRUE;
    vim_peer_return(fixture->peer, "RetrievePropertiesEx", TREE)->stays = TRUE;
    g_assert_false(
        vsphere_find_path((struct vsphere *)fixture->host, "/DC0/vm/x", "Folder", &moref, &error));
    g_assert_error(error, SLIPWAY_ERROR, SLIPWAY_ERROR_NOT_FOUND);
}

/* The server's search does not know pools, or finds something else of that name. */
static void
test_paths(struct fixture *fixture, gconstpointer unused G_GNUC_UNUSED)
{
    static const struct {
        const char *path, *type, *id;
    } rows[] = {{"/Branches/DC0/host/C0/Resources/web", "ResourcePool", "rp-1"},
                {"/Branches/DC0/vm/prod/", "Folder", "group-p"},
                {"Branches/DC0/vm/prod/app01", "VirtualMachine", "vm-1"},
                {"/Branches/DC0/host/C0", "ComputeResource", "c-1"},
                {"/Branches", NULL, "group-f"}};
    vim_peer_return(fixture->peer, "FindByInventoryPath",
                    "<returnval type=\"Network\">network-1</returnval>");
    vim_peer_return(fixture->peer, "FindByInventoryPath", "")->stays = TRUE;
    vim_peer_return(fixture->peer, "RetrievePropertiesEx", TREE)->stays = TRUE;
    for (gsize i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_autoptr(GError) error = NULL;
        struct moref moref = {0};
        g_assert_true(vsphere_find_path((struct vsphere *)fixture->host, rows[i].path, rows[i].type,
                                        &moref, &error));
        g_assert_no_error(error);
        g_assert_cmpstr(moref.value, ==, rows[i].id);
        moref_clear(&moref);
    }
}

static void
test_datacenter(struct fixture *fixture, gconstpointer unused G_GNUC_UNUSED)
{
    g_autoptr(GError) error = NULL;
    const struct moref folder = {(char *)"Folder", (char *)"group-v"};
    static const char *const nodes[] = {
        OBJECT("Folder", "group-v", "vm", "Datacenter", "dc-1"),
        OBJECT("Datacenter", "dc-1", "DC0", "Folder", "group-f"),
        OBJECT("Folder", "group-f", "Branches", "Folder", "group-d1"),
        OBJECT("Folder", "group-d1", "Datacenters", "Folder", "none"),
    };
    for (gsize i = 0; i < G_N_ELEMENTS(nodes); i++) {
        g_autofree char *inside = g_strdup_printf("<returnval>%s</returnval>", nodes[i]);
        vim_peer_return(fixture->peer, "RetrievePropertiesEx", inside);
    }
    g_autofree char *datacenter = NULL;
    g_assert_true(
        vsphere_datacenter((struct vsphere *)fixture->host, &folder, &datacenter, &error));
    g_assert_no_error(error);
    g_assert_cmpstr(datacenter, ==, "Branches/DC0");
}

static void
test_about(struct fixture *fixture, gconstpointer unused G_GNUC_UNUSED)
{
    g_autoptr(GError) error = NULL;
    struct hypervisor_about about = {0};
    g_assert_true(hypervisor_vsphere.about(fixture->host, &about, &error));
    g_assert_cmpstr(about.product, ==, "VMware vCenter Server");
    g_assert_cmpstr(about.version, ==, "8.0.3 build-24022515");
    g_assert_cmpstr(about.id, ==, "0123abcd-1111-2222-3333-444455556666");
    g_assert_false(about.read_only);
    hypervisor_about_clear(&about);
}

#define GRANT(name, granted)                                                                       \
    "<privAvailability><privId>" name "</privId><isGranted>" granted                               \
    "</isGranted></privAvailability>"

/* What the account has on one machine at least, it has. */
static void
test_privileges(struct fixture *fixture, gconstpointer unused G_GNUC_UNUSED)
{
    static const char *const base =
        "<returnval><entity type=\"VirtualMachine\">vm-1</entity>" GRANT(
            "VirtualMachine.State.RemoveSnapshot", "true")
            GRANT("VirtualMachine.Provisioning.DiskRandomRead", "true") "</returnval>";
    static const struct {
        const char *more, *words;
        gboolean read_only;
    } rows[] = {
        {"<returnval>" GRANT("VirtualMachine.State.CreateSnapshot", "true")
             GRANT("VirtualMachine.Config.ChangeTracking", "true") "</returnval>",
         NULL, FALSE},
        {"<returnval>" GRANT("VirtualMachine.State.CreateSnapshot", "true")
             GRANT("VirtualMachine.Config.ChangeTracking", "false") "</returnval>",
         "incremental backups need: VirtualMachine.Config.ChangeTracking", FALSE},
        {"<returnval>" GRANT("VirtualMachine.State.CreateSnapshot", "false")
             GRANT("VirtualMachine.Config.ChangeTracking", "true") "</returnval>",
         "backups need: VirtualMachine.State.CreateSnapshot", TRUE},
    };
    for (gsize i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_autoptr(GError) error = NULL;
        struct hypervisor_about about = {0};
        g_autofree char *answer = g_strconcat(base, rows[i].more, NULL);
        vim_peer_return(fixture->peer, "RetrievePropertiesEx",
                        "<returnval>" MACHINE("vm-1") "</returnval>");
        vim_peer_return(fixture->peer, "HasPrivilegeOnEntities", answer);
        g_assert_true(hypervisor_vsphere.about(fixture->host, &about, &error));
        g_assert_true(about.read_only == rows[i].read_only);
        if (rows[i].words != NULL)
            g_assert_nonnull(strstr(about.words, rows[i].words));
        else
            g_assert_null(about.words);
        hypervisor_about_clear(&about);
    }
    g_assert_nonnull(strstr(vim_peer_last(fixture->peer, "HasPrivilegeOnEntities", FALSE),
                            "<entity type=\"VirtualMachine\">vm-1</entity><sessionId>k</sessionId>"
                            "<privId>VirtualMachine.State.CreateSnapshot</privId>"));
}

/* Of a single host: what its licence says. */
static void
test_licences(struct fixture *fixture, gconstpointer unused G_GNUC_UNUSED)
{
    static const struct {
        const char *members, *words;
    } rows[] = {
        {"<editionKey>esxBasic</editionKey><name>vSphere 7 Hypervisor</name>", "only reads"},
        {"<editionKey>eval</editionKey><properties><key>expirationHours</key><value>0</value>"
         "</properties><properties><key>expirationMinutes</key><value>0</value></properties>",
         "evaluation has ended"},
        {"<editionKey>eval</editionKey><properties><key>expirationHours</key><value>100</value>"
         "</properties>",
         NULL},
        {"<editionKey>esxEnterprisePlus.cpuPackage</editionKey>", NULL},
        {"", NULL},
    };
    g_autofree char *uri = host_uri(fixture, "");
    for (gsize i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_autoptr(GError) error = NULL;
        struct hypervisor_about about = {0};
        fixture->peer->single_host = TRUE;
        struct hypervisor *host = open_host(fixture, uri, "root", "s3cret", &error);
        g_assert_no_error(error);
        g_assert_cmpuint(hypervisor_capabilities(host) & HYPERVISOR_CAN_TAGS, ==, 0);
        vim_peer_return(fixture->peer, "RetrievePropertiesEx",
                        "<returnval><objects><obj type=\"HostSystem\">ha-host</obj><propSet><name>"
                        "hardware.systemInfo.uuid</name><val>4C4C-AA</val></propSet></objects>"
                        "</returnval>");
        g_autofree char *inside = g_strdup_printf(
            "<returnval><objects><obj type=\"LicenseManager\">lm</obj><propSet><name>licenses"
            "</name><val><LicenseManagerLicenseInfo>%s</LicenseManagerLicenseInfo></val></propSet>"
            "</objects></returnval>",
            rows[i].members);
        vim_peer_return(fixture->peer, "RetrievePropertiesEx", inside);
        g_assert_true(hypervisor_vsphere.about(host, &about, &error));
        g_assert_cmpstr(about.id, ==, "4c4c-aa");
        g_assert_true(about.read_only == (rows[i].words != NULL));
        if (rows[i].words != NULL)
            g_assert_nonnull(strstr(about.words, rows[i].words));
        hypervisor_about_clear(&about);
        hypervisor_close(host);
    }
}

static void
test_addresses(struct fixture *fixture, gconstpointer unused G_GNUC_UNUSED)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *named = host_uri(fixture, "admin%40x@");
    struct hypervisor *host = open_host(fixture, named, NULL, "s3cret", &error);
    g_assert_no_error(error);
    g_assert_nonnull(
        strstr(vim_peer_last(fixture->peer, "Login", FALSE), "<userName>admin@x</userName>"));
    hypervisor_close(host);
    g_autofree char *plain = host_uri(fixture, "");
    g_assert_null(open_host(fixture, plain, NULL, "s3cret", &error));
    g_assert_error(error, SLIPWAY_ERROR, SLIPWAY_ERROR_DENIED);
    g_clear_error(&error);
    g_autofree char *password = host_uri(fixture, "root:hidden@");
    g_assert_null(open_host(fixture, password, "root", "s3cret", &error));
    g_assert_error(error, SLIPWAY_ERROR, SLIPWAY_ERROR_USAGE);
    g_assert_null(strstr(error->message, "hidden"));
    g_clear_error(&error);
    g_assert_null(open_host(fixture, "vsphere:///vm", "root", "s3cret", &error));
    g_assert_error(error, SLIPWAY_ERROR, SLIPWAY_ERROR_USAGE);
}

static void
test_places(struct fixture *fixture, gconstpointer unused G_GNUC_UNUSED)
{
    g_autoptr(GError) error = NULL;
    static const char *const answers[] = {
        TREE,
        "<returnval><objects><obj type=\"Datastore\">ds-1</obj>" PROP("name", "ds1")
            PROP("summary.capacity", "1000") PROP("summary.freeSpace", "10")
                PROP("summary.accessible", "false") "</objects></returnval>",
        "<returnval><objects><obj type=\"Network\">n-1</obj>" PROP(
            "name", "VM Network") "</objects><objects><obj "
                                  "type=\"DistributedVirtualPortgroup\">dvportgroup-3</"
                                  "obj>" PROP("name",
                                              "prod net") "</objects><objects><obj "
                                                          "type="
                                                          "\"DistributedVirtualPortgroup\">"
                                                          "dvportgroup-4</obj>" PROP("name",
                                                                                     "uplinks")
                                                              PROP("tag", "<Tag><key>SYSTEM/"
                                                                          "DVS.UPLINKPG</key></"
                                                                          "Tag>") "</objects></"
                                                                                  "returnval>",
        "<returnval><objects><obj type=\"HostSystem\">host-1</obj>" PROP("name", "esx1")
            PROP("runtime.connectionState", "notResponding") "</objects></returnval>",
        "<returnval><objects><obj type=\"Folder\">group-p</obj>" PROP("name", "prod")
            PROP("childType", "<string>Folder</string><string>VirtualMachine</"
                              "string>") "</objects><objects><obj "
                                         "type=\"Folder\">group-h</obj>" PROP("name", "host")
                                             PROP("childType", "<string>Folder</"
                                                               "string>") "</"
                                                                          "objects><"
                                                                          "/returnva"
                                                                          "l>",
        "<returnval><objects><obj type=\"ClusterComputeResource\">c-1</obj>" PROP(
            "name", "C0") "</objects></returnval>",
        "<returnval><objects><obj type=\"ResourcePool\">rp-1</obj>" PROP(
            "name", "web") "</objects></returnval>",
    };
    static const struct {
        enum place_kind kind;
        const char *name, *path, *words;
    } rows[] = {
        {PLACE_DATASTORE, "ds1", NULL, "not accessible"},
        {PLACE_NETWORK, "VM Network", NULL, NULL},
        {PLACE_NETWORK, "prod net", NULL, NULL},
        {PLACE_HOST, "esx1", "/Branches/DC0/host/C0/esx1", "does not respond"},
        {PLACE_FOLDER, "prod", "/Branches/DC0/vm/prod", NULL},
        {PLACE_CLUSTER, "C0", "/Branches/DC0/host/C0", NULL},
        {PLACE_POOL, "web", "/Branches/DC0/host/C0/Resources/web", NULL},
    };
    for (gsize i = 0; i < G_N_ELEMENTS(answers); i++)
        vim_peer_return(fixture->peer, "RetrievePropertiesEx", answers[i]);
    g_autoptr(GPtrArray) places = vsphere_places(fixture->host, &error);
    g_assert_no_error(error);
    g_assert_cmpuint(places->len, ==, G_N_ELEMENTS(rows));
    for (gsize i = 0; i < G_N_ELEMENTS(rows); i++) {
        const struct place *place = places->pdata[i];
        g_assert_cmpint(place->kind, ==, rows[i].kind);
        g_assert_cmpstr(place->name, ==, rows[i].name);
        g_assert_cmpstr(place->path, ==, rows[i].path);
        g_assert_cmpstr(place->words, ==, rows[i].words);
    }
    const struct place *group = places->pdata[2];
    g_assert_cmpint(group->network, ==, MACHINE_DISTRIBUTED_PORT_GROUP);
}

#define ADD(name, function) g_test_add(name, struct fixture, NULL, set_up, function, tear_down)

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_setenv("SLIPWAY_VSPHERE_PLAIN", "1", TRUE);
    ADD("/vsphere/list", test_list);
    ADD("/vsphere/copies", test_copies);
    ADD("/vsphere/tags_fail", test_tags_fail);
    ADD("/vsphere/describe", test_describe);
    ADD("/vsphere/not_there", test_not_there);
    ADD("/vsphere/paths", test_paths);
    ADD("/vsphere/datacenter", test_datacenter);
    ADD("/vsphere/about", test_about);
    ADD("/vsphere/licences", test_licences);
    ADD("/vsphere/privileges", test_privileges);
    ADD("/vsphere/addresses", test_addresses);
    ADD("/vsphere/places", test_places);
    return g_test_run();
}
