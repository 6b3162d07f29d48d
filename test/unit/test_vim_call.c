/* SPDX-License-Identifier: GPL-3.0-or-later */
/* One call: what is tried again and what never, refusals, and answers that cannot be. */
#include "base/error.h"
#include "hyper/vsphere/vim_private.h"
#include "vim_peer.h"

static const struct http_options network = {.retries = 2, .backoff_ms = 1, .proxy = ""};
static const struct moref machine = {(char *)"VirtualMachine", (char *)"vm-42"};
static const struct moref snapshot = {(char *)"VirtualMachineSnapshot", (char *)"snapshot-7"};

struct fixture {
    struct vim_peer *peer;
    struct vim *vim;
};

static void
set_up(struct fixture *fixture, gconstpointer unused G_GNUC_UNUSED)
{
    g_autoptr(GError) error = NULL;
    const struct vim_options options = {.user = "root", .password = "s3cret", .network = &network};
    fixture->peer = vim_peer_new();
    fixture->vim = vim_open(fixture->peer->url, &options, &error);
    g_assert_no_error(error);
}

static void
tear_down(struct fixture *fixture, gconstpointer unused G_GNUC_UNUSED)
{
    vim_close(fixture->vim);
    g_assert_cmpuint(vim_peer_sessions(fixture->peer), ==, 0);
    vim_peer_free(fixture->peer);
}

/* ---- The tables ------------------------------------------------------------------------------ */

static void
test_methods(void)
{
    static const char *const needed[] = {
        "CancelTask",
        "ConsolidateVMDisks_Task",
        "CreateSnapshotEx_Task",
        "CreateSnapshot_Task",
        "CreateVM_Task",
        "CreateVirtualDisk_Task",
        "DeleteDatastoreFile_Task",
        "DeleteVirtualDisk_Task",
        "Destroy_Task",
        "FindByInventoryPath",
        "FindByUuid",
        "FindChild",
        "HttpNfcLeaseAbort",
        "HttpNfcLeaseComplete",
        "HttpNfcLeaseGetManifest",
        "HttpNfcLeaseProgress",
        "ImportVApp",
        "MakeDirectory",
        "MoveIntoFolder_Task",
        "PowerOffVM_Task",
        "PowerOnMultiVM_Task",
        "PowerOnVM_Task",
        "QueryChangedDiskAreas",
        "QueryOptions",
        "QueryVirtualDiskUuid",
        "ReconfigVM_Task",
        "RegisterVM_Task",
        "RemoveSnapshot_Task",
        "Rename_Task",
        "SearchDatastore_Task",
        "UnregisterVM",
    };
    for (gsize i = 0; i < G_N_ELEMENTS(needed); i++)
        g_assert_nonnull(vim_method_find(needed[i]));
    for (guint i = 0; vim_method_get(i) != NULL; i++) {
        const struct vim_method *method = vim_method_get(i);
        if (i > 0)
            g_assert_cmpstr(vim_method_get(i - 1)->name, <, method->name);
        g_assert_true(vim_method_find(method->name) == method);
        g_assert_true(method->task == g_str_has_suffix(method->name, "_Task"));
        g_assert_cmpstr(method->words, !=, "");
    }
    /* What makes something is never to be done twice. */
    static const char *const makers[] = {"CreateSnapshot_Task", "CreateVM_Task",
                                         "ReconfigVM_Task",     "ImportVApp",
                                         "RegisterVM_Task",     "PowerOnVM_Task"};
    for (gsize i = 0; i < G_N_ELEMENTS(makers); i++)
        g_assert_false(vim_method_find(makers[i])->harmless);
}

static void
test_types(void)
{
    for (guint i = 0; i < vim_type_count(); i++) {
        guint depth = 0;
        if (i > 0)
            g_assert_cmpstr(vim_type_name(i - 1), <, vim_type_name(i));
        for (const char *type = vim_type_name(i); type != NULL; type = vim_type_base(type))
            g_assert_cmpuint(depth++, <, 12); /* no circle */
    }
    g_assert_true(vim_type_extends("FileLocked", "FileFault"));
    g_assert_true(vim_type_extends("FileLocked", "VimFault"));
    g_assert_true(vim_type_extends("DeviceHotPlugNotSupported", "InvalidVmConfig"));
    g_assert_true(vim_type_extends("VirtualVmxnet3", "VirtualEthernetCard"));
    g_assert_false(vim_type_extends("FileFault", "FileLocked"));
    g_assert_false(vim_type_extends("SomethingNew", "VimFault"));
    g_assert_true(vim_type_extends("SomethingNew", "SomethingNew"));
    g_assert_false(vim_is_of(NULL, "VimFault"));
}

/* ---- Trying again ---------------------------------------------------------------------------- */

static void
test_harmless_is_tried_again(struct fixture *fixture, gconstpointer unused G_GNUC_UNUSED)
{
    g_autoptr(GError) error = NULL;
    vim_peer_drop(fixture->peer, "FindByUuid");
    vim_peer_say(fixture->peer, "FindByUuid", 503, "later");
    vim_peer_return(fixture->peer, "FindByUuid",
                    "<returnval type=\"VirtualMachine\">vm-9</returnval>");
    auto_xml_doc answer = vim_call(fixture->vim, "FindByUuid", &machine, NULL, NULL, &error);
    g_assert_no_error(error);
    struct moref moref = {0};
    g_assert_true(vim_get_moref(vim_returned(answer), &moref));
    g_assert_cmpstr(moref.value, ==, "vm-9");
    moref_clear(&moref);
    g_assert_cmpuint(vim_peer_count(fixture->peer, "FindByUuid"), ==, 3);
}

static void
test_answer_cut_off(struct fixture *fixture, gconstpointer unused G_GNUC_UNUSED)
{
    g_autoptr(GError) error = NULL;
    vim_peer_return(fixture->peer, "FindByUuid", "<returnval>1</returnval>")->cut = TRUE;
    vim_peer_return(fixture->peer, "FindByUuid", "<returnval>2</returnval>");
    auto_xml_doc answer = vim_call(fixture->vim, "FindByUuid", &machine, NULL, NULL, &error);
    g_assert_no_error(error);
    g_autofree char *text = xml_text(vim_returned(answer));
    g_assert_cmpstr(text, ==, "2");
}

/* A snapshot too many is worse than an error. */
static void
check_once(struct fixture *fixture, const char *words)
{
    g_autoptr(GError) error = NULL;
    guint before = vim_peer_count(fixture->peer, "CreateSnapshot_Task");
    auto_xml_doc answer =
        vim_call(fixture->vim, "CreateSnapshot_Task", &machine, NULL, NULL, &error);
    g_assert_null(answer);
    g_assert_error(error, SLIPWAY_ERROR, SLIPWAY_ERROR_NETWORK);
    g_assert_nonnull(strstr(error->message, words));
    g_assert_cmpuint(vim_peer_count(fixture->peer, "CreateSnapshot_Task"), ==, before + 1);
}

static void
test_others_never(struct fixture *fixture, gconstpointer unused G_GNUC_UNUSED)
{
    vim_peer_drop(fixture->peer, "CreateSnapshot_Task");
    vim_peer_say(fixture->peer, "CreateSnapshot_Task", 502, "proxy");
    vim_peer_return(fixture->peer, "CreateSnapshot_Task", "<returnval/>")->cut = TRUE;
    check_once(fixture, "not known");
    check_once(fixture, "status 502");
    check_once(fixture, "not known");
}

/* It did nothing the first time. */
static void
test_lost_session_always(struct fixture *fixture, gconstpointer unused G_GNUC_UNUSED)
{
    g_autoptr(GError) error = NULL;
    vim_peer_return(fixture->peer, "CreateSnapshot_Task",
                    "<returnval type=\"Task\">task-1</returnval>")
        ->ends_sessions = TRUE;
    auto_xml_doc answer =
        vim_call(fixture->vim, "CreateSnapshot_Task", &machine, NULL, NULL, &error);
    g_assert_no_error(error);
    g_assert_nonnull(answer);
    g_assert_cmpuint(fixture->peer->logins, ==, 2);
}

static void
test_tries_end(struct fixture *fixture, gconstpointer unused G_GNUC_UNUSED)
{
    g_autoptr(GError) error = NULL;
    vim_peer_drop(fixture->peer, "FindByUuid")->stays = TRUE;
    auto_xml_doc answer = vim_call(fixture->vim, "FindByUuid", &machine, NULL, NULL, &error);
    g_assert_null(answer);
    g_assert_error(error, SLIPWAY_ERROR, SLIPWAY_ERROR_NETWORK);
    /* And once more by libcurl itself, as the connection was used before: what others_never is
     * about. */
    g_assert_cmpuint(vim_peer_count(fixture->peer, "FindByUuid"), >=, network.retries + 1);
    g_assert_cmpuint(vim_peer_count(fixture->peer, "FindByUuid"), <=, network.retries + 2);
}

static void
test_unknown_call(struct fixture *fixture, gconstpointer unused G_GNUC_UNUSED)
{
    g_autoptr(GError) error = NULL;
    g_assert_null(vim_call(fixture->vim, "DestroyEverything", &machine, NULL, NULL, &error));
    g_assert_error(error, SLIPWAY_ERROR, SLIPWAY_ERROR_USAGE);
    g_assert_cmpuint(vim_peer_count(fixture->peer, "DestroyEverything"), ==, 0);
}

/* ---- What is sent ---------------------------------------------------------------------------- */

static void
test_arguments(struct fixture *fixture, gconstpointer unused G_GNUC_UNUSED)
{
    g_autoptr(GError) error = NULL;
    const struct moref strange = {(char *)"Datastore", (char *)"/tmp/a b&c@<folder-5>"};
    g_autoptr(GString) xml = g_string_new(NULL);
    vim_put(xml, "name", "a<b>&\"c");
    vim_put(xml, "left_out", NULL);
    vim_put_bool(xml, "memory", FALSE);
    vim_put_int(xml, "key", -1);
    vim_put_moref(xml, "none", NULL);
    vim_put_moref(xml, "ds", &strange);
    vim_begin(xml, "device", "VirtualDisk");
    vim_put_typed(xml, "value", "xsd:string", "x&y");
    vim_end(xml, "device");
    vim_peer_return(fixture->peer, "FindChild", "");
    auto_xml_doc answer = vim_call(fixture->vim, "FindChild", &strange, xml->str, NULL, &error);
    g_assert_no_error(error);
    g_assert_null(vim_returned(answer));
    const char *body = vim_peer_last(fixture->peer, "FindChild", FALSE);
    auto_xml_doc sent = xml_parse(body, strlen(body), 1 << 20, "Envelope", "sent", &error);
    g_assert_no_error(error);
    const xmlNode *call = xml_child(xml_child(xmlDocGetRootElement(sent), "Body"), "FindChild");
    g_assert_cmpstr((const char *)call->ns->href, ==, "urn:vim25");
    struct moref moref = {0};
    g_assert_true(vim_child_moref(call, "_this", &moref));
    g_assert_true(moref_equal(&moref, &strange));
    moref_clear(&moref);
    g_assert_true(vim_child_moref(call, "ds", &moref));
    g_assert_true(moref_equal(&moref, &strange));
    moref_clear(&moref);
    g_autofree char *name = xml_child_text(call, "name");
    g_assert_cmpstr(name, ==, "a<b>&\"c");
    g_assert_null(xml_child(call, "left_out"));
    g_assert_null(xml_child(call, "none"));
    g_autofree char *type = vim_type_of(xml_child(call, "device"));
    g_assert_cmpstr(type, ==, "VirtualDisk");
}

static void
test_moref_text(void)
{
    struct moref moref = {0};
    g_assert_true(moref_parse("VirtualMachine:vm-42", &moref));
    g_autofree char *text = moref_format(&moref);
    g_assert_cmpstr(text, ==, "VirtualMachine:vm-42");
    moref_clear(&moref);
    g_assert_true(moref_parse("Lease:session[1]:2", &moref));
    g_assert_cmpstr(moref.value, ==, "session[1]:2");
    moref_clear(&moref);
    g_assert_false(moref_parse("vm-42", &moref));
    g_assert_false(moref_parse(":vm-42", &moref));
    g_assert_false(moref_parse("VirtualMachine:", &moref));
}

/* ---- Refusals -------------------------------------------------------------------------------- */

static void
test_fault_codes(struct fixture *fixture, gconstpointer unused G_GNUC_UNUSED)
{
    static const struct {
        const char *type;
        enum slipway_error code;
    } rows[] = {
        {"NoPermission", SLIPWAY_ERROR_DENIED},
        {"InvalidLogin", SLIPWAY_ERROR_DENIED},
        {"ManagedObjectNotFound", SLIPWAY_ERROR_NOT_FOUND},
        {"FileNotFound", SLIPWAY_ERROR_NOT_FOUND},
        {"DuplicateName", SLIPWAY_ERROR_EXISTS},
        {"FileAlreadyExists", SLIPWAY_ERROR_EXISTS},
        {"RestrictedVersion", SLIPWAY_ERROR_READ_ONLY},
        {"LicenseExpired", SLIPWAY_ERROR_READ_ONLY},
        {"VmLimitLicense", SLIPWAY_ERROR_READ_ONLY}, /* extends NotEnoughLicenses */
        {"TaskInProgress", SLIPWAY_ERROR_BUSY},
        {"ResourceInUse", SLIPWAY_ERROR_BUSY},
        {"FileLocked", SLIPWAY_ERROR_BUSY},
        {"ConcurrentAccess", SLIPWAY_ERROR_BUSY},
        {"NotSupported", SLIPWAY_ERROR_UNSUPPORTED},
        {"MethodNotFound", SLIPWAY_ERROR_UNSUPPORTED},
        {"RequestCanceled", SLIPWAY_ERROR_CANCELLED},
        {"InvalidPowerState", SLIPWAY_ERROR_FAILED},
        {"OfTheFuture", SLIPWAY_ERROR_FAILED},
    };
    for (gsize i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_autoptr(GError) error = NULL;
        struct vim_fault fault = {0};
        vim_peer_fault(fixture->peer, "ReconfigVM_Task", rows[i].type, "some words", NULL);
        g_assert_null(vim_call(fixture->vim, "ReconfigVM_Task", &machine, NULL, &fault, &error));
        g_assert_error(error, SLIPWAY_ERROR, (gint)rows[i].code);
        g_assert_cmpstr(fault.type, ==, rows[i].type);
        g_assert_cmpstr(fault.message, ==, "some words");
        g_assert_nonnull(strstr(error->message, "ReconfigVM_Task of VirtualMachine vm-42"));
        g_assert_nonnull(strstr(error->message, rows[i].type));
        vim_fault_clear(&fault);
    }
}

/* What a person needs of a refusal is in its members. */
static void
test_fault_details(struct fixture *fixture, gconstpointer unused G_GNUC_UNUSED)
{
    static const struct {
        const char *type, *words, *members, *expected, *not_in;
    } rows[] = {
        {"NoPermission", "Permission to perform this operation was denied.",
         "<object type=\"VirtualMachine\">vm-42</object>"
         "<privilegeId>VirtualMachine.State.CreateSnapshot</privilegeId>",
         "give the account the privilege VirtualMachine.State.CreateSnapshot", "Config.Settings"},
        {"NoPermission", "", NULL, "give the account the privilege VirtualMachine.Config.Settings",
         NULL},
        {"FileLocked", "locked", "<file>[ds1] a/a.vmdk</file>", "(file [ds1] a/a.vmdk)", NULL},
        {"InvalidArgument", "*types.InvalidArgument",
         "<invalidProperty>configSpec.deviceChange[0]</invalidProperty>",
         "(invalidProperty configSpec.deviceChange[0])", "*types"},
        {"InvalidPowerState", "no",
         "<requestedState>poweredOn</requestedState><existingState>suspended</existingState>",
         "existingState suspended", NULL},
        {"GenericVmConfigFault", "x",
         "<faultMessage><key>k</key><message>Disk is being used</message></faultMessage>"
         "<reason>why</reason>",
         "Disk is being used, reason why", NULL},
        {"ApplicationQuiesceFault", "x",
         "<faultCause><fault xsi:type=\"Timedout\"/><localizedMessage>it took too long"
         "</localizedMessage></faultCause>",
         "it took too long", NULL},
    };
    for (gsize i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_autoptr(GError) error = NULL;
        vim_peer_fault(fixture->peer, "ReconfigVM_Task", rows[i].type, rows[i].words,
                       rows[i].members);
        g_assert_null(vim_call(fixture->vim, "ReconfigVM_Task", &machine, NULL, NULL, &error));
        if (strstr(error->message, rows[i].expected) == NULL)
            g_error("\"%s\" is not in \"%s\"", rows[i].expected, error->message);
        if (rows[i].not_in != NULL)
            g_assert_null(strstr(error->message, rows[i].not_in));
    }
}

/* Older servers say the type in the element's name only; prefixes are whatever they like. */
static void
test_fault_forms(struct fixture *fixture, gconstpointer unused G_GNUC_UNUSED)
{
    static const char *const bodies[] = {
        "<soapenv:Fault><faultstring/><detail><FileLockedFault xmlns=\"urn:vim25\"/></detail>"
        "</soapenv:Fault>",
        "<soapenv:Fault><faultstring/><detail><x:FileLockedFault xmlns:x=\"urn:vim25\" "
        "xmlns:XMLSchema-instance=\"http://www.w3.org/2001/XMLSchema-instance\" "
        "XMLSchema-instance:type=\"x:FileLocked\"/></detail></soapenv:Fault>",
        "<soapenv:Fault><faultstring/><detail><Fault xmlns=\"urn:vim25\" "
        "xsi:type=\"FileLocked\"/></detail></soapenv:Fault>",
    };
    for (gsize i = 0; i < G_N_ELEMENTS(bodies); i++) {
        g_autoptr(GError) error = NULL;
        struct vim_fault fault = {0};
        vim_peer_say(fixture->peer, "FindChild", 500, bodies[i]);
        g_assert_null(vim_call(fixture->vim, "FindChild", &machine, NULL, &fault, &error));
        g_assert_cmpstr(fault.type, ==, "FileLocked");
        g_assert_true(vim_fault_is(&fault, "FileFault"));
        g_assert_error(error, SLIPWAY_ERROR, SLIPWAY_ERROR_BUSY);
        vim_fault_clear(&fault);
    }
}

static void
test_fault_without_a_type(struct fixture *fixture, gconstpointer unused G_GNUC_UNUSED)
{
    g_autoptr(GError) error = NULL;
    struct vim_fault fault = {0};
    vim_peer_say(fixture->peer, "FindChild", 500,
                 "<soapenv:Fault><faultstring>Internal\nerror</faultstring></soapenv:Fault>");
    g_assert_null(vim_call(fixture->vim, "FindChild", &machine, NULL, &fault, &error));
    g_assert_cmpstr(fault.type, ==, "MethodFault");
    g_assert_error(error, SLIPWAY_ERROR, SLIPWAY_ERROR_FAILED);
    g_assert_nonnull(strstr(error->message, "Internal error"));
    vim_fault_clear(&fault);
}

static void
test_long_words(struct fixture *fixture, gconstpointer unused G_GNUC_UNUSED)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(GString) words = g_string_new(NULL);
    for (guint i = 0; i < 20000; i++)
        g_string_append(words, "é");
    vim_peer_fault(fixture->peer, "FindChild", "InvalidState", words->str, NULL);
    g_assert_null(vim_call(fixture->vim, "FindChild", &machine, NULL, NULL, &error));
    g_assert_cmpuint(strlen(error->message), <, 1000);
    g_assert_true(g_utf8_validate(error->message, -1, NULL));
}

/* ---- Answers that cannot be ------------------------------------------------------------------ */

static void
test_hostile_answers(struct fixture *fixture, gconstpointer unused G_GNUC_UNUSED)
{
    g_autoptr(GString) deep = g_string_new("<Envelope><Body>");
    for (guint i = 0; i < 100000; i++)
        g_string_append(deep, "<a>");
    const struct {
        const char *body;
        enum slipway_error code;
    } rows[] = {
        {"", SLIPWAY_ERROR_CORRUPT},
        {"no XML at all", SLIPWAY_ERROR_CORRUPT},
        {"<html><body>log in here</body></html>", SLIPWAY_ERROR_CORRUPT},
        {"<!DOCTYPE x [<!ENTITY a \"aaaa\">]><Envelope><Body><R>&a;</R></Body></Envelope>",
         SLIPWAY_ERROR_CORRUPT},
        {"<!DOCTYPE x SYSTEM \"file:///etc/passwd\"><Envelope/>", SLIPWAY_ERROR_CORRUPT},
        {"<Envelope/>", SLIPWAY_ERROR_CORRUPT},
        {"<Envelope><Body/></Envelope>", SLIPWAY_ERROR_CORRUPT},
        {"<Envelope><Body><R></Body></Envelope>", SLIPWAY_ERROR_CORRUPT},
        {deep->str, SLIPWAY_ERROR_LIMIT},
    };
    for (gsize i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_autoptr(GError) error = NULL;
        vim_peer_say(fixture->peer, "FindChild", 200, rows[i].body)->raw = TRUE;
        g_assert_null(vim_call(fixture->vim, "FindChild", &machine, NULL, NULL, &error));
        g_assert_error(error, SLIPWAY_ERROR, (gint)rows[i].code);
        g_assert_cmpuint(strlen(error->message), <, 1000);
    }
}

static void
test_huge_answer(struct fixture *fixture, gconstpointer unused G_GNUC_UNUSED)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *body = g_malloc(VIM_REPLY_MAX + 2);
    memset(body, ' ', VIM_REPLY_MAX + 1);
    body[VIM_REPLY_MAX + 1] = '\0';
    vim_peer_say(fixture->peer, "FindChild", 200, body)->raw = TRUE;
    g_assert_null(vim_call(fixture->vim, "FindChild", &machine, NULL, NULL, &error));
    g_assert_error(error, SLIPWAY_ERROR, SLIPWAY_ERROR_LIMIT);
    g_assert_cmpuint(vim_peer_count(fixture->peer, "FindChild"), ==, 1);
}

/* Namespaces that are declared far above are still there in what is handed on. */
static void
test_foreign_prefixes(struct fixture *fixture, gconstpointer unused G_GNUC_UNUSED)
{
    g_autoptr(GError) error = NULL;
    vim_peer_say(fixture->peer, "FindChild", 200,
                 "<?xml version=\"1.0\"?><S:Envelope "
                 "xmlns:S=\"http://schemas.xmlsoap.org/soap/envelope/\" "
                 "xmlns:_XMLSchema-instance=\"http://www.w3.org/2001/XMLSchema-instance\" "
                 "xmlns:v=\"urn:vim25\"><S:Body><v:FindChildResponse><v:returnval "
                 "type=\"Datastore\" _XMLSchema-instance:type=\"v:ManagedObjectReference\">"
                 " /tmp/govcsim-DC0-LocalDS_0-38@folder-5 </v:returnval></v:FindChildResponse>"
                 "</S:Body></S:Envelope>")
        ->raw = TRUE;
    auto_xml_doc answer = vim_call(fixture->vim, "FindChild", &machine, NULL, NULL, &error);
    g_assert_no_error(error);
    struct moref moref = {0};
    g_assert_true(vim_get_moref(vim_returned(answer), &moref));
    g_assert_cmpstr(moref.type, ==, "Datastore");
    g_assert_cmpstr(moref.value, ==, "/tmp/govcsim-DC0-LocalDS_0-38@folder-5");
    moref_clear(&moref);
    g_autofree char *type = vim_type_of(vim_returned(answer));
    g_assert_cmpstr(type, ==, "ManagedObjectReference");
    /* An attribute of that name in another namespace is none. */
    const char text[] = "<a xmlns:o=\"urn:other\" o:type=\"VirtualDisk\"/>";
    auto_xml_doc other = xml_parse(text, strlen(text), 1000, NULL, "other", &error);
    g_assert_null(vim_type_of(xmlDocGetRootElement(other)));
}

/* What was read can be sent again, whatever prefixes it came with. */
static void
test_sent_again(void)
{
    static const char text[] =
        "<x:val xmlns:x=\"urn:vim25\" xmlns:i=\"http://www.w3.org/2001/XMLSchema-instance\" "
        "xmlns:d=\"http://www.w3.org/2001/XMLSchema\" i:type=\"x:VirtualDisk\"><x:key>1</x:key>"
        "<x:ds type=\"Datastore\" i:type=\"x:ManagedObjectReference\">d &amp; e</x:ds>"
        "<x:v i:type=\"d:string\"> a&#13;b </x:v><x:none i:nil=\"true\"/></x:val>";
    g_autoptr(GError) error = NULL;
    auto_xml_doc doc = xml_parse(text, strlen(text), 10000, NULL, "doc", &error);
    g_assert_no_error(error);
    g_autoptr(GString) xml = g_string_new(NULL);
    vim_put_node(xml, "device", xmlDocGetRootElement(doc));
    g_assert_cmpstr(xml->str, ==,
                    "<device xsi:type=\"VirtualDisk\"><key>1</key><ds type=\"Datastore\" "
                    "xsi:type=\"ManagedObjectReference\">d &amp; e</ds><v xsi:type=\"xsd:string\">"
                    " a&#13;b </v><none xsi:nil=\"true\"></none></device>");
}

/* A second refusal is what it is: the machine that calls is told. */
static void
test_removal_twice(struct fixture *fixture, gconstpointer unused G_GNUC_UNUSED)
{
    g_autoptr(GError) error = NULL;
    struct vim_fault fault = {0};
    vim_peer_drop(fixture->peer, "RemoveSnapshot_Task");
    vim_peer_fault(fixture->peer, "RemoveSnapshot_Task", "ManagedObjectNotFound", "gone", NULL);
    g_assert_null(vim_call(fixture->vim, "RemoveSnapshot_Task", &snapshot, NULL, &fault, &error));
    g_assert_error(error, SLIPWAY_ERROR, SLIPWAY_ERROR_NOT_FOUND);
    g_assert_true(vim_fault_is(&fault, "ManagedObjectNotFound"));
    vim_fault_clear(&fault);
}

#define ADD(name, function) g_test_add(name, struct fixture, NULL, set_up, function, tear_down)

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/vim/call/methods", test_methods);
    g_test_add_func("/vim/call/types", test_types);
    g_test_add_func("/vim/call/moref_text", test_moref_text);
    g_test_add_func("/vim/call/sent_again", test_sent_again);
    ADD("/vim/call/harmless_is_tried_again", test_harmless_is_tried_again);
    ADD("/vim/call/answer_cut_off", test_answer_cut_off);
    ADD("/vim/call/others_never", test_others_never);
    ADD("/vim/call/lost_session_always", test_lost_session_always);
    ADD("/vim/call/tries_end", test_tries_end);
    ADD("/vim/call/unknown_call", test_unknown_call);
    ADD("/vim/call/arguments", test_arguments);
    ADD("/vim/call/fault_codes", test_fault_codes);
    ADD("/vim/call/fault_details", test_fault_details);
    ADD("/vim/call/fault_forms", test_fault_forms);
    ADD("/vim/call/fault_without_a_type", test_fault_without_a_type);
    ADD("/vim/call/long_words", test_long_words);
    ADD("/vim/call/hostile_answers", test_hostile_answers);
    ADD("/vim/call/huge_answer", test_huge_answer);
    ADD("/vim/call/foreign_prefixes", test_foreign_prefixes);
    ADD("/vim/call/removal_twice", test_removal_twice);
    return g_test_run();
}
