/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "base/error.h"
#include "base/secret.h"
#include "hyper/machine_secret.h"

#include <string.h>

/* The example of doc/format/machine.md. */
static struct machine *
new_example(void)
{
    struct machine *machine = machine_new();
    machine->driver = g_strdup("vsphere");
    machine->id = g_strdup("50210000-0000-4000-8000-00000000aa01");
    machine->ref = g_strdup("vm-17");
    machine->name = g_strdup("app01");
    machine->folder = g_strdup("/DC0/vm/prod");
    machine->datacenter = g_strdup("DC0");
    machine->cluster = g_strdup("C0");
    machine->host = g_strdup("esx1.example");
    machine->pool = g_strdup("Resources/prod");
    machine->power = MACHINE_ON;
    machine->tracked = TRUE;
    machine->cpus = 4;
    machine->cores_per_socket = 2;
    machine->memory = G_GUINT64_CONSTANT(8) << 30;
    machine->firmware = MACHINE_UEFI;
    machine->guest = g_strdup("ubuntu64Guest");
    machine->family = g_strdup("linux");
    machine->annotation = g_strdup("owner: shop team");
    machine->uuid = g_strdup("42210000-0000-4000-8000-00000000aa01");
    g_ptr_array_add(machine->tags, g_strdup("backup/daily"));
    struct machine_disk *disk = machine_add_disk(machine);
    disk->name = g_strdup("scsi0:0");
    disk->key = g_strdup("2000");
    disk->bus = MACHINE_SCSI;
    disk->model = g_strdup("pvscsi");
    disk->size = G_GUINT64_CONSTANT(16) << 30;
    disk->path = g_strdup("[ds1] app01/app01.vmdk");
    disk->datastore = g_strdup("ds1");
    disk->format = g_strdup("vmdk");
    disk->thin = TRUE;
    struct machine_nic *nic = machine_add_nic(machine);
    nic->name = g_strdup("ethernet0");
    nic->model = g_strdup("vmxnet3");
    nic->mac = g_strdup("00:50:56:00:00:01");
    nic->kind = MACHINE_DISTRIBUTED_PORT_GROUP;
    nic->network = g_strdup("servers");
    nic->connected = TRUE;
    machine->native_type = g_strdup("vim-xml");
    machine->native = g_strdup("<config>...</config>");
    machine->firmware_type = g_strdup("nvram");
    machine->firmware_data = g_bytes_new_static("NVRAM", 5);
    return machine;
}

/* What the page shows between its fences. */
static char *
read_page(void)
{
    g_autofree char *page = NULL;
    g_autoptr(GError) error = NULL;
    g_file_get_contents(g_getenv("SLIPWAY_MACHINE_PAGE"), &page, NULL, &error);
    g_assert_no_error(error);
    const char *begin = strstr(page, "```json\n"), *end = strstr(page, "\n```\n");
    g_assert_nonnull(begin);
    g_assert_nonnull(end);
    begin += strlen("```json\n");
    return g_strndup(begin, (gsize)(end - begin));
}

static void
test_example(void)
{
    g_autoptr(GError) error = NULL;
    auto_ptr(machine) machine = new_example();
    g_autofree char *text = machine_format(machine, &error), *page = read_page();
    g_assert_no_error(error);
    g_assert_cmpstr(text, ==, page);
    auto_ptr(machine) again = machine_parse(text, strlen(text), &error);
    g_assert_no_error(error);
    g_assert_null(again->ref);
    g_assert_cmpstr(again->folder, ==, "/DC0/vm/prod");
    g_assert_true(g_bytes_equal(again->firmware_data, machine->firmware_data));
    g_assert_true(machine_find_disk(again, "scsi0:0")->thin);
    g_assert_cmpint(machine_find_nic(again, "ethernet0")->kind, ==, MACHINE_DISTRIBUTED_PORT_GROUP);
    g_autofree char *second = machine_format(again, &error);
    g_assert_cmpstr(second, ==, text);
}

static void
test_copy(void)
{
    auto_ptr(machine) machine = new_example();
    auto_ptr(machine) copy = machine_copy(machine);
    g_autofree char *text = machine_format(machine, NULL), *same = machine_format(copy, NULL);
    g_assert_cmpstr(text, ==, same);
    g_assert_cmpstr(copy->ref, ==, "vm-17");
    g_assert_true(copy->name != machine->name);
    g_ptr_array_set_size(copy->disks, 0);
    g_assert_cmpuint(machine->disks->len, ==, 1);
    g_assert_null(machine_find_disk(copy, "scsi0:0"));
    g_assert_null(machine_find_nic(machine, "net9"));
}

/* The least that a document needs. */
#define LEAST                                                                                      \
    "\"format\":\"slipway-machine\",\"version\":1,\"driver\":\"x\",\"name\":\"n\","                \
    "\"power\":\"off\",\"firmware\":\"bios\""
#define NIC "\"name\":\"a\",\"kind\":\"other\""
#define DISK "\"name\":\"a\",\"bus\":\"ide\",\"size\":5"

static void
test_damage(void)
{
    static const struct {
        const char *text;
        int code;
        const char *message;
    } rows[] = {
        {"{" LEAST "}", -1, NULL},
        {"{" LEAST ",\"later\":[1],\"disks\":[{" DISK ",\"new\":null}]}", -1, NULL},
        {"[]", SLIPWAY_ERROR_CORRUPT, "\"format\" is not \"slipway-machine\""},
        {"{", SLIPWAY_ERROR_CORRUPT, "line 1: string or '}' expected near end of file"},
        {"{\"format\":\"slipway-machine\"}", SLIPWAY_ERROR_CORRUPT,
         "\"version\" is no number from 1 on"},
        {"{\"format\":\"slipway-machine\",\"version\":2}", SLIPWAY_ERROR_UNSUPPORTED,
         "the description of the machine has version 2, written by a newer slipway; use that one"},
        {"{\"format\":\"slipway-machine\",\"version\":1}", SLIPWAY_ERROR_CORRUPT,
         "\"driver\" is missing"},
        {"{" LEAST ",\"cpus\":-1}", SLIPWAY_ERROR_CORRUPT,
         "\"cpus\" is no number from 0 to 2147483647"},
        {"{" LEAST ",\"memory\":1.5}", SLIPWAY_ERROR_CORRUPT,
         "\"memory\" is no number from 0 to 9223372036854775807"},
        {"{" LEAST ",\"template\":0}", SLIPWAY_ERROR_CORRUPT,
         "\"template\" is neither true nor false"},
        {"{" LEAST ",\"folder\":5}", SLIPWAY_ERROR_CORRUPT, "\"folder\" is no text"},
        {"{" LEAST ",\"tags\":{}}", SLIPWAY_ERROR_CORRUPT, "\"tags\" is no list"},
        {"{" LEAST ",\"tags\":[\"\"]}", SLIPWAY_ERROR_CORRUPT, "\"tags\" is empty"},
        {"{" LEAST ",\"disks\":[5]}", SLIPWAY_ERROR_CORRUPT, "disk 1 \"name\" is missing"},
        {"{" LEAST ",\"disks\":[{" DISK "},{" DISK "}]}", SLIPWAY_ERROR_CORRUPT,
         "disk 2 \"name\" is another disk's too"},
        {"{" LEAST ",\"disks\":[{\"name\":\"a\",\"bus\":\"fc\",\"size\":5}]}",
         SLIPWAY_ERROR_CORRUPT, "disk 1 \"bus\" is no word that is known"},
        {"{" LEAST ",\"nics\":[{" NIC "},{" NIC "}]}", SLIPWAY_ERROR_CORRUPT,
         "NIC 2 \"name\" is another NIC's too"},
        {"{" LEAST ",\"nics\":[{" NIC ",\"mac\":\"00:50:56:AB:00:00\"}]}", SLIPWAY_ERROR_CORRUPT,
         "NIC 1 \"mac\" is no address in lower case, with colons"},
        {"{" LEAST ",\"firmware_data\":\"TlZS*QU0=\"}", SLIPWAY_ERROR_CORRUPT,
         "\"firmware_data\" is no base64"},
        {"{" LEAST ",\"name\":\"m\"}", SLIPWAY_ERROR_CORRUPT,
         "line 1: duplicate object key near '\"name\"'"},
    };
    for (guint i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_autoptr(GError) error = NULL;
        auto_ptr(machine) machine = machine_parse(rows[i].text, strlen(rows[i].text), &error);
        if (rows[i].code < 0) {
            g_assert_no_error(error);
            g_assert_nonnull(machine);
            continue;
        }
        g_assert_null(machine);
        g_assert_error(error, SLIPWAY_ERROR, rows[i].code);
        const char *start = "the description of the machine: ";
        const char *words = error->message;
        if (g_str_has_prefix(words, start))
            words += strlen(start);
        g_assert_cmpstr(words, ==, rows[i].message);
    }
}

/* What could not be read again is not written. */
static void
test_unwritable(void)
{
    g_autoptr(GError) error = NULL;
    auto_ptr(machine) machine = new_example();
    g_free(machine->annotation);
    machine->annotation = g_strdup("caf\xe9");
    g_assert_null(machine_format(machine, &error));
    g_assert_error(error, SLIPWAY_ERROR, SLIPWAY_ERROR_CORRUPT);
    g_assert_cmpstr(error->message, ==,
                    "the description of the machine: \"annotation\" is not UTF-8");
    g_clear_error(&error);

    g_free(machine->annotation);
    machine->annotation = g_strnfill(MACHINE_ANNOTATION_MAX, 'x');
    g_autofree char *text = machine_format(machine, &error);
    g_assert_no_error(error);
    g_free(machine->annotation);
    machine->annotation = g_strnfill(MACHINE_ANNOTATION_MAX + 1, 'x');
    g_assert_null(machine_format(machine, &error));
    g_assert_error(error, SLIPWAY_ERROR, SLIPWAY_ERROR_CORRUPT);
    g_clear_error(&error);
    g_clear_pointer(&machine->annotation, g_free);

    while (machine->disks->len < MACHINE_DISKS_MAX) {
        struct machine_disk *disk = machine_add_disk(machine);
        disk->name = g_strdup_printf("disk%u", machine->disks->len);
    }
    g_autofree char *most = machine_format(machine, &error);
    g_assert_no_error(error);
    for (guint i = 0; i < machine->disks->len; i++) {
        struct machine_disk *disk = g_ptr_array_index(machine->disks, i);
        g_free(disk->path);
        disk->path = g_strnfill(MACHINE_TEXT_MAX, 'p');
        g_free(disk->key);
        disk->key = g_strnfill(MACHINE_TEXT_MAX, 'k');
        g_free(disk->skip);
        disk->skip = g_strnfill(MACHINE_TEXT_MAX, 's');
        g_free(disk->datastore);
        disk->datastore = g_strnfill(MACHINE_TEXT_MAX, '"');
    }
    g_assert_null(machine_format(machine, &error));
    g_assert_error(error, SLIPWAY_ERROR, SLIPWAY_ERROR_LIMIT);
}

static void
test_firmware_limit(void)
{
    g_autoptr(GError) error = NULL;
    auto_ptr(machine) machine = new_example();
    g_bytes_unref(machine->firmware_data);
    machine->firmware_data =
        g_bytes_new_take(g_malloc0(MACHINE_FIRMWARE_MAX), MACHINE_FIRMWARE_MAX);
    g_autofree char *text = machine_format(machine, &error);
    g_assert_no_error(error);
    g_bytes_unref(machine->firmware_data);
    machine->firmware_data =
        g_bytes_new_take(g_malloc0(MACHINE_FIRMWARE_MAX + 1), MACHINE_FIRMWARE_MAX + 1);
    g_assert_null(machine_format(machine, &error));
    g_assert_error(error, SLIPWAY_ERROR, SLIPWAY_ERROR_CORRUPT);
}

static void
test_words(void)
{
    enum machine_bus bus = MACHINE_IDE;
    enum machine_network kind = MACHINE_PORT_GROUP;
    for (guint i = 0; i < MACHINE_BUS_N; i++) {
        g_assert_true(machine_bus_parse(machine_bus_name(i), &bus));
        g_assert_cmpuint(bus, ==, i);
    }
    for (guint i = 0; i < MACHINE_NETWORK_N; i++) {
        g_assert_true(machine_network_parse(machine_network_name(i), &kind));
        g_assert_cmpuint(kind, ==, i);
    }
    g_assert_false(machine_bus_parse("SCSI", &bus));
    g_assert_false(machine_network_parse(NULL, &kind));
    g_assert_cmpstr(machine_power_name(MACHINE_SUSPENDED), ==, "suspended");
    g_assert_cmpstr(machine_firmware_name(MACHINE_UEFI_SECURE), ==, "uefi-secure");
    g_assert_cmpstr(machine_firmware_name(MACHINE_FIRMWARE_N), ==, "?");
}

static void
test_mac(void)
{
    static const struct {
        const char *text, *normal;
    } rows[] = {
        {"00:50:56:ab:cd:ef", "00:50:56:ab:cd:ef"},
        {"00-50-56-AB-CD-EF", "00:50:56:ab:cd:ef"},
        {"005056ABCDEF", "00:50:56:ab:cd:ef"},
        {"00:50:56:ab:cd", NULL},
        {"00:50:56:ab:cd:eg", NULL},
        {"00:50:56:ab:cd:ef:", NULL},
        {"0:050:56:ab:cd:ef", NULL},
        {"005056abcde", NULL},
        {"", NULL},
        {NULL, NULL},
    };
    for (guint i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_autofree char *normal = machine_mac_normal(rows[i].text);
        g_assert_cmpstr(normal, ==, rows[i].normal);
    }
}

/* What would be printed of a description has no password of it. */
static void
test_secrets(void)
{
    auto_ptr(machine) machine = machine_new();
    machine->native =
        g_strdup("<graphics type='vnc' passwd='open-sesame'/><graphics passwd=\"q&quot;x\"/>"
                 "<extraConfig><key>a</key><value>shown</value></extraConfig>"
                 "<extraConfig><key>RemoteDisplay.vnc.password</key>"
                 "<value xsi:type=\"xsd:string\">hush-hush</value></extraConfig>"
                 "<extraConfig><key>b</key><value>shown</value></extraConfig> passwd='");
    machine_secret_register(machine);
    g_autofree char *printed = secret_redact(machine->native);
    g_assert_null(strstr(printed, "open-sesame"));
    g_assert_null(strstr(printed, "q&quot;x"));
    g_assert_null(strstr(printed, "hush-hush"));
    g_assert_nonnull(strstr(printed, "shown"));
    secret_forget_all();
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/machine/example", test_example);
    g_test_add_func("/machine/copy", test_copy);
    g_test_add_func("/machine/damage", test_damage);
    g_test_add_func("/machine/unwritable", test_unwritable);
    g_test_add_func("/machine/firmware-limit", test_firmware_limit);
    g_test_add_func("/machine/words", test_words);
    g_test_add_func("/machine/mac", test_mac);
    g_test_add_func("/machine/secrets", test_secrets);
    return g_test_run();
}
