/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "base/error.h"
#include "base/secret.h"
#include "hyper/host_list.h"
#include "scratch_directory.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

/* A directory of its own, named in the environment. */
static struct scratch
begin(void)
{
    struct scratch scratch = scratch_new();
    g_autofree char *path = scratch_path(&scratch, "config/hosts.json");
    g_setenv("SLIPWAY_HOSTS", path, TRUE);
    return scratch;
}

static struct host *
new_host(const char *name, const char *uri)
{
    struct host *host = host_new();
    host->name = g_strdup(name);
    host->uri = g_strdup(uri);
    return host;
}

static void
add(struct host *host, const char *password, gboolean overwrite)
{
    g_autoptr(GError) error = NULL;
    gboolean ok = host_list_add(host, password, overwrite, &error);
    g_assert_no_error(error);
    g_assert_true(ok);
}

static struct host_list *
read_list(void)
{
    g_autoptr(GError) error = NULL;
    struct host_list *list = host_list_read(&error);
    g_assert_no_error(error);
    return list;
}

static void
expect_mode(const struct scratch *scratch, const char *name, mode_t mode)
{
    struct stat status;
    g_autofree char *path = scratch_path(scratch, name);
    g_assert_cmpint(lstat(path, &status), ==, 0);
    g_assert_cmpint(status.st_mode & 07777, ==, mode);
}

static void
test_add(void)
{
    auto_scratch scratch = begin();
    auto_ptr(host_list) empty = read_list();
    g_assert_cmpuint(empty->hosts->len, ==, 0);

    struct host *host = new_host("vc1", "vsphere://vcenter.example");
    host->user = g_strdup("backup@vsphere.local");
    host->ca_file = g_strdup("/etc/ca.pem");
    host->thumbprint = g_strdup("AB:CD");
    host->insecure = TRUE;
    host->transport = HYPERVISOR_TRANSPORT_HTTPS;
    host->own_machine = g_strdup("appliance");
    host->id = g_strdup("5f0c");
    host->product = g_strdup("VMware vCenter Server 8.0.3");
    add(host, "pass word", FALSE);
    struct host *other = new_host("kvm1", "qemu:///system");
    other->password_file = g_strdup("/etc/slipway/kvm1");
    add(other, NULL, FALSE);

    expect_mode(&scratch, "config", 0700);
    expect_mode(&scratch, "config/hosts", 0700);
    expect_mode(&scratch, "config/hosts.json", 0600);
    expect_mode(&scratch, "config/hosts/vc1.password", 0600);
    g_autoptr(GBytes) text = scratch_get(&scratch, "config/hosts.json");
    g_assert_null(
        g_strstr_len(g_bytes_get_data(text, NULL), (gssize)g_bytes_get_size(text), "pass word"));

    auto_ptr(host_list) list = read_list();
    g_assert_cmpuint(list->hosts->len, ==, 2);
    g_assert_true(list->hosts->pdata[0] == host_list_find(list, "kvm1"));
    const struct host *vc = host_list_find(list, "vc1");
    g_assert_cmpstr(vc->user, ==, "backup@vsphere.local");
    g_assert_cmpstr(vc->ca_file, ==, "/etc/ca.pem");
    g_assert_cmpstr(vc->thumbprint, ==, "AB:CD");
    g_assert_true(vc->insecure && vc->own_file);
    g_assert_cmpint(vc->transport, ==, HYPERVISOR_TRANSPORT_HTTPS);
    g_assert_cmpstr(vc->own_machine, ==, "appliance");
    g_assert_cmpstr(vc->id, ==, "5f0c");
    g_assert_cmpstr(vc->product, ==, "VMware vCenter Server 8.0.3");
    char *password = NULL;
    g_assert_true(host_password(vc, &password, NULL));
    g_assert_cmpstr(password, ==, "pass word");
    secret_free(password);
    const struct host *kvm = host_list_find(list, "kvm1");
    g_assert_false(kvm->own_file);
    g_assert_cmpstr(kvm->password_file, ==, "/etc/slipway/kvm1");
    g_assert_null(host_list_find(list, "VC1"));
    secret_forget_all();
}

static void
test_find_uri(void)
{
    auto_scratch scratch = begin();
    add(new_host("vc1", "vsphere://vcenter.example"), NULL, FALSE);
    add(new_host("esx1", "esx://root@10.0.0.1:8443"), NULL, FALSE);
    auto_ptr(host_list) list = read_list();
    static const struct {
        const char *uri, *name;
    } rows[] = {
        {"vsphere://vcenter.example", "vc1"},
        {"vsphere://VCENTER.example:443/DC0/vm/app01", "vc1"},
        {"esx://admin@vcenter.example/", "vc1"},
        {"vsphere://10.0.0.1:8443", "esx1"},
        {"vsphere://10.0.0.1", NULL},
        {"vsphere://vcenter", NULL},
        {"nbd://vcenter.example", NULL},
        {"vcenter.example", NULL},
    };
    for (guint i = 0; i < G_N_ELEMENTS(rows); i++) {
        const struct host *host = host_list_find_uri(list, rows[i].uri);
        g_assert_cmpstr(host != NULL ? host->name : NULL, ==, rows[i].name);
    }
}

/* With another password, then with none of ours: no file is forgotten. */
static void
test_overwrite(void)
{
    auto_scratch scratch = begin();
    g_autoptr(GError) error = NULL;
    add(new_host("vc1", "vsphere://a"), "first", FALSE);
    g_assert_false(host_list_add(new_host("vc1", "vsphere://b"), "second", FALSE, &error));
    g_assert_error(error, SLIPWAY_ERROR, SLIPWAY_ERROR_EXISTS);
    g_assert_cmpstr(error->message, ==,
                    "there is a host vc1 already (vsphere://a); choose another name, or "
                    "--overwrite it");
    auto_ptr(host_list) list = read_list();
    char *password = NULL;
    g_assert_true(host_password(host_list_find(list, "vc1"), &password, NULL));
    g_assert_cmpstr(password, ==, "first");
    secret_free(password);

    add(new_host("vc1", "vsphere://b"), "second", TRUE);
    auto_ptr(host_list) second = read_list();
    g_assert_cmpuint(second->hosts->len, ==, 1);
    g_assert_cmpstr(host_list_find(second, "vc1")->uri, ==, "vsphere://b");
    g_assert_true(host_password(host_list_find(second, "vc1"), &password, NULL));
    g_assert_cmpstr(password, ==, "second");
    secret_free(password);

    add(new_host("vc1", "vsphere://b"), NULL, TRUE);
    g_assert_false(scratch_has(&scratch, "config/hosts/vc1.password"));
    auto_ptr(host_list) third = read_list();
    g_assert_true(host_password(host_list_find(third, "vc1"), &password, NULL));
    g_assert_null(password);
    secret_forget_all();
}

static void
test_remove(void)
{
    auto_scratch scratch = begin();
    g_autoptr(GError) error = NULL;
    add(new_host("a", "vsphere://a"), "one", FALSE);
    add(new_host("b", "vsphere://b"), "two", FALSE);
    g_assert_false(host_list_remove("c", &error));
    g_assert_error(error, SLIPWAY_ERROR, SLIPWAY_ERROR_NOT_FOUND);
    g_clear_error(&error);
    g_assert_true(host_list_remove("a", &error));
    g_assert_no_error(error);
    g_assert_false(scratch_has(&scratch, "config/hosts/a.password"));
    g_assert_true(scratch_has(&scratch, "config/hosts/b.password"));
    auto_ptr(host_list) list = read_list();
    g_assert_cmpuint(list->hosts->len, ==, 1);
}

static void
refuse(struct host *host, const char *password, int code)
{
    g_autoptr(GError) error = NULL;
    g_assert_false(host_list_add(host, password, FALSE, &error));
    g_assert_error(error, SLIPWAY_ERROR, code);
}

static void
test_refused(void)
{
    auto_scratch scratch = begin();
    static const char *const names[] = {"", ".a", "-a", "a/b", "..", "a b", "é", "a:b"};
    for (guint i = 0; i < G_N_ELEMENTS(names); i++)
        refuse(new_host(names[i], "vsphere://a"), NULL, SLIPWAY_ERROR_USAGE);
    g_autofree char *longest = g_strnfill(HOST_LABEL_MAX, 'n');
    g_autofree char *longer = g_strnfill(HOST_LABEL_MAX + 1, 'n');
    refuse(new_host(longer, "vsphere://a"), NULL, SLIPWAY_ERROR_USAGE);
    refuse(new_host("a", "https://a"), NULL, SLIPWAY_ERROR_USAGE);
    refuse(new_host("a", "vsphere://u:secret@a"), NULL, SLIPWAY_ERROR_USAGE);
    refuse(new_host("a", "vsphere://a"), "", SLIPWAY_ERROR_USAGE);
    refuse(new_host("a", "vsphere://a"), "two\nlines", SLIPWAY_ERROR_USAGE);
    g_assert_false(scratch_has(&scratch, "config"));
    add(new_host(longest, "vsphere://a"), NULL, FALSE);
}

static void
expect_unreadable(const struct scratch *scratch, const char *text, int code, const char *words)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *path = scratch_path(scratch, "config/hosts.json");
    if (text != NULL)
        scratch_put(scratch, "config/hosts.json", text);
    g_assert_null(host_list_read(&error));
    g_assert_error(error, SLIPWAY_ERROR, code);
    g_assert_true(strstr(error->message, path) != NULL);
    if (strstr(error->message, words) == NULL)
        g_error("\"%s\" does not say \"%s\"", error->message, words);
}

#define HOST "{\"name\":\"a\",\"uri\":\"vsphere://a\""

static void
test_damage(void)
{
    auto_scratch scratch = begin();
    static const struct {
        const char *text;
        int code;
        const char *words;
    } rows[] = {
        {"", SLIPWAY_ERROR_CORRUPT, "line 1: "},
        {"{}", SLIPWAY_ERROR_CORRUPT, "no \"format\" in it"},
        {"{\"format\":2}", SLIPWAY_ERROR_UNSUPPORTED, "written by a newer slipway"},
        {"{\"format\":1}", SLIPWAY_ERROR_CORRUPT, "no list called \"hosts\""},
        {"{\"format\":1,\"hosts\":[5]}", SLIPWAY_ERROR_CORRUPT, "host 1: no object"},
        {"{\"format\":1,\"hosts\":[{}]}", SLIPWAY_ERROR_CORRUPT, "host 1: a host's name"},
        {"{\"format\":1,\"hosts\":[{\"name\":\"../x\",\"uri\":\"vsphere://a\"}]}",
         SLIPWAY_ERROR_CORRUPT, "host 1: a host's name"},
        {"{\"format\":1,\"hosts\":[" HOST "}," HOST "}]}", SLIPWAY_ERROR_CORRUPT,
         "host 2: the name a is another one's too"},
        {"{\"format\":1,\"hosts\":[" HOST ",\"user\":7}]}", SLIPWAY_ERROR_CORRUPT,
         "host 1: \"user\" is no text"},
        {"{\"format\":1,\"hosts\":[" HOST ",\"insecure\":\"no\"}]}", SLIPWAY_ERROR_CORRUPT,
         "host 1: \"insecure\" is neither"},
        {"{\"format\":1,\"hosts\":[" HOST ",\"transport\":\"pigeon\"}]}", SLIPWAY_ERROR_CORRUPT,
         "host 1: \"transport\" is none"},
        {"{\"format\":1,\"hosts\":[{\"name\":\"a\",\"uri\":\"ftp://a\"}]}", SLIPWAY_ERROR_CORRUPT,
         "host 1: host a: ftp://... is no URI"},
    };
    for (guint i = 0; i < G_N_ELEMENTS(rows); i++)
        expect_unreadable(&scratch, rows[i].text, rows[i].code, rows[i].words);
    /* Nothing is written over what could not be read. */
    refuse(new_host("b", "vsphere://b"), NULL, SLIPWAY_ERROR_CORRUPT);
    g_autoptr(GBytes) text = scratch_get(&scratch, "config/hosts.json");
    g_assert_cmpuint(g_bytes_get_size(text), ==, strlen(rows[G_N_ELEMENTS(rows) - 1].text));
    scratch_put(&scratch, "config/hosts.json", "{\"format\":1,\"hosts\":[" HOST ",\"later\":[]}]}");
    auto_ptr(host_list) list = read_list();
    g_assert_cmpuint(list->hosts->len, ==, 1);
}

/* Links and other people's files are not trusted. */
static void
test_hostile(void)
{
    auto_scratch scratch = begin();
    g_autoptr(GError) error = NULL;
    g_autofree char *list_path = scratch_path(&scratch, "config/hosts.json");
    g_autofree char *folder = scratch_path(&scratch, "config/hosts");
    g_autofree char *elsewhere = scratch_path(&scratch, "elsewhere");
    scratch_put(&scratch, "config/hosts.json", "{\"format\":1,\"hosts\":[]}");
    g_assert_cmpint(chmod(list_path, 0666), ==, 0);
    expect_unreadable(&scratch, NULL, SLIPWAY_ERROR_DENIED, "can be written by others");
    g_assert_cmpint(chmod(list_path, 0600), ==, 0);

    /* A link in the place of the passwords' directory. */
    g_assert_cmpint(mkdir(elsewhere, 0700), ==, 0);
    g_assert_cmpint(symlink(elsewhere, folder), ==, 0);
    refuse(new_host("a", "vsphere://a"), "secret1", SLIPWAY_ERROR_IO);
    g_assert_false(scratch_has(&scratch, "elsewhere/a.password"));
    auto_ptr(host_list) list = read_list();
    g_assert_cmpuint(list->hosts->len, ==, 0);

    /* One in the place of a password: replaced when it is written, not followed when it is read. */
    g_assert_cmpint(unlink(folder), ==, 0);
    g_assert_cmpint(mkdir(folder, 0700), ==, 0);
    g_autofree char *file = scratch_path(&scratch, "config/hosts/a.password");
    scratch_put(&scratch, "elsewhere/victim", "old\n");
    g_autofree char *victim = scratch_path(&scratch, "elsewhere/victim");
    g_assert_cmpint(symlink(victim, file), ==, 0);
    add(new_host("a", "vsphere://a"), "secret1", FALSE);
    g_autoptr(GBytes) untouched = scratch_get(&scratch, "elsewhere/victim");
    g_assert_cmpmem(g_bytes_get_data(untouched, NULL), g_bytes_get_size(untouched), "old\n", 4);
    g_assert_cmpint(unlink(file), ==, 0);
    g_assert_cmpint(symlink(victim, file), ==, 0);
    auto_ptr(host_list) again = read_list();
    char *password = NULL;
    g_assert_false(host_password(host_list_find(again, "a"), &password, &error));
    g_assert_error(error, SLIPWAY_ERROR, SLIPWAY_ERROR_DENIED);
    g_assert_null(password);
    g_clear_error(&error);

    g_assert_cmpint(unlink(file), ==, 0);
    g_assert_false(host_password(host_list_find(again, "a"), &password, &error));
    g_assert_error(error, SLIPWAY_ERROR, SLIPWAY_ERROR_NOT_FOUND);
    g_assert_true(g_str_has_prefix(error->message, "host a: "));
    secret_forget_all();
}

/* The lock is waited for, and what another one added meanwhile is not lost. */
static gpointer
add_many(gpointer data)
{
    for (guint i = 0; i < 5; i++) {
        g_autofree char *name = g_strdup_printf("%s%u", (const char *)data, i);
        add(new_host(name, "vsphere://a"), NULL, FALSE);
    }
    return NULL;
}

static void
test_threads(void)
{
    auto_scratch scratch = begin();
    static char names[][2] = {"a", "b", "c"};
    GThread *threads[G_N_ELEMENTS(names)];
    for (guint i = 0; i < G_N_ELEMENTS(threads); i++)
        threads[i] = g_thread_new("add", add_many, names[i]);
    for (guint i = 0; i < G_N_ELEMENTS(threads); i++)
        g_thread_join(threads[i]);
    auto_ptr(host_list) list = read_list();
    g_assert_cmpuint(list->hosts->len, ==, 15);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/host-list/add", test_add);
    g_test_add_func("/host-list/find-uri", test_find_uri);
    g_test_add_func("/host-list/overwrite", test_overwrite);
    g_test_add_func("/host-list/remove", test_remove);
    g_test_add_func("/host-list/refused", test_refused);
    g_test_add_func("/host-list/damage", test_damage);
    g_test_add_func("/host-list/hostile", test_hostile);
    g_test_add_func("/host-list/threads", test_threads);
    return g_test_run();
}
