/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "base/error.h"
#include "base/secret.h"
#include "hyper/vsphere/vim_private.h"

#include <string.h>

#define DETAIL_MEMBERS_MAX 12u

/* What a fault, or one that extends it, is to us, and what a person can do about it.  The first row
 * that fits is taken: extending types stand before those that they extend. */
static const struct {
    const char *type;
    enum slipway_error code;
    const char *remedy; /* NULL: the words have to do */
} meanings[] = {
    {"NotAuthenticated", SLIPWAY_ERROR_DENIED, "the session is not known to the server any more"},
    {"InvalidLogin", SLIPWAY_ERROR_DENIED,
     "the user name or the password is wrong, or the account is locked for a while after too many "
     "tries"},
    {"PasswordExpired", SLIPWAY_ERROR_DENIED, "the account needs a new password first"},
    {"RestrictedVersion", SLIPWAY_ERROR_READ_ONLY,
     "the licence of this host has an interface that only reads (as the free ESXi): it can be "
     "looked at, not backed up; it needs a licence with the vStorage APIs"},
    {"NoPermission", SLIPWAY_ERROR_DENIED, NULL}, /* its privilege is named */
    {"RestrictedByAdministrator", SLIPWAY_ERROR_DENIED, NULL},
    {"LicenseExpired", SLIPWAY_ERROR_READ_ONLY, "a licence has expired; enter a new one"},
    {"ExpiredFeatureLicense", SLIPWAY_ERROR_READ_ONLY, "a licence has expired; enter a new one"},
    {"NotEnoughLicenses", SLIPWAY_ERROR_READ_ONLY, "the licence does not cover this"},
    {"ManagedObjectNotFound", SLIPWAY_ERROR_NOT_FOUND, "it is not there any more"},
    {"FileNotFound", SLIPWAY_ERROR_NOT_FOUND, NULL},
    {"NotFound", SLIPWAY_ERROR_NOT_FOUND, NULL},
    {"UserNotFound", SLIPWAY_ERROR_NOT_FOUND, NULL},
    {"DuplicateName", SLIPWAY_ERROR_EXISTS, NULL},
    {"FileAlreadyExists", SLIPWAY_ERROR_EXISTS, NULL},
    {"AlreadyExists", SLIPWAY_ERROR_EXISTS, NULL},
    {"TaskInProgress", SLIPWAY_ERROR_BUSY,
     "another task works on it; wait for that one, or look at the recent tasks"},
    {"ResourceInUse", SLIPWAY_ERROR_BUSY, NULL},
    {"FileLocked", SLIPWAY_ERROR_BUSY,
     "another virtual machine or a backup program has the file open"},
    {"SnapshotLocked", SLIPWAY_ERROR_BUSY, NULL},
    {"ConcurrentAccess", SLIPWAY_ERROR_BUSY, "it was changed meanwhile"},
    {"MethodDisabled", SLIPWAY_ERROR_BUSY,
     "another program (a backup, a migration) has locked this for the machine"},
    {"NotSupported", SLIPWAY_ERROR_UNSUPPORTED, NULL},
    {"NotImplemented", SLIPWAY_ERROR_UNSUPPORTED, NULL},
    {"MethodNotFound", SLIPWAY_ERROR_UNSUPPORTED, "this server does not know the call"},
    {"RequestCanceled", SLIPWAY_ERROR_CANCELLED, NULL},
    {"NoDiskSpace", SLIPWAY_ERROR_FAILED, "the datastore is full"},
    {"InsufficientStorageSpace", SLIPWAY_ERROR_FAILED, "the datastore is full"},
    {"InaccessibleDatastore", SLIPWAY_ERROR_FAILED, "the host cannot reach the datastore now"},
    {"HostNotConnected", SLIPWAY_ERROR_NETWORK, "vCenter cannot reach the host now"},
    {"HostCommunication", SLIPWAY_ERROR_NETWORK, "vCenter cannot reach the host now"},
    {"QuestionPending", SLIPWAY_ERROR_BUSY,
     "the machine waits for an answer to a question; answer it in the client"},
};

void
vim_fault_clear(struct vim_fault *fault)
{
    g_free(fault->type);
    g_free(fault->message);
    g_free(fault->detail);
    *fault = (struct vim_fault){0};
}

gboolean
vim_fault_is(const struct vim_fault *fault, const char *type)
{
    return fault->type != NULL && vim_type_extends(fault->type, type);
}

gboolean
vim_fault_is_session(const struct vim_fault *fault)
{
    return g_strcmp0(fault->type, "NotAuthenticated") == 0 ||
           g_strcmp0(fault->type, "InvalidSession") == 0;
}

/* ---- Reading --------------------------------------------------------------------------------- */

static void
add_detail(GString *detail, const char *name, char *text)
{
    char *words = vim_short_words(text);
    if (words != NULL && *words != '\0') {
        g_string_append(detail, detail->len > 0 ? ", " : "");
        if (name != NULL)
            g_string_append_printf(detail, "%.60s ", name);
        g_string_append(detail, words);
    }
    g_free(words);
}

/* Members with a plain value; the words of faultMessage, and of the fault that caused it. */
static char *
read_detail(const xmlNode *fault)
{
    GString *detail = g_string_new(NULL);
    guint members = 0;
    for (const xmlNode *node = xml_child(fault, NULL); node != NULL && members < DETAIL_MEMBERS_MAX;
         node = xml_next(node, NULL), members++) {
        if (xml_is(node, "faultMessage"))
            add_detail(detail, NULL, xml_child_text(node, "message"));
        else if (xml_is(node, "faultCause"))
            add_detail(detail, NULL, xml_child_text(node, "localizedMessage"));
        else if (xml_child(node, NULL) == NULL)
            add_detail(detail, (const char *)node->name, xml_text(node));
    }
    return vim_short_words(g_string_free(detail, detail->len == 0));
}

/* Without an xsi:type the element's name tells: "NotAuthenticatedFault". */
static char *
read_type(const xmlNode *node)
{
    char *type = node != NULL ? vim_type_of(node) : NULL;
    if (type != NULL || node == NULL)
        return type;
    type = g_strndup((const char *)node->name, VIM_MOREF_MAX);
    if (g_str_has_suffix(type, "Fault") && vim_type_base(type) == NULL)
        type[strlen(type) - strlen("Fault")] = '\0';
    if (*type == '\0' || strcmp(type, "fault") == 0)
        g_clear_pointer(&type, g_free);
    return type;
}

/* Servers give their own names of types, or blanks, for want of words. */
static gboolean
is_useless(const char *words, const char *type)
{
    return *words == '\0' || strstr(words, "types.") != NULL || strcmp(words, type) == 0 ||
           strcmp(words, "fault.RestrictedVersion.summary") == 0;
}

void
vim_fault_read(const xmlNode *node, const char *words, struct vim_fault *ret)
{
    *ret = (struct vim_fault){.type = vim_short_words(read_type(node))};
    if (ret->type == NULL)
        ret->type = g_strdup("MethodFault");
    ret->message = vim_short_words(g_strdup(words));
    if (ret->message != NULL && is_useless(ret->message, ret->type))
        g_clear_pointer(&ret->message, g_free);
    ret->detail = read_detail(node);
}

/* ---- Words ----------------------------------------------------------------------------------- */

static guint
find_meaning(const struct vim_fault *fault)
{
    guint i = 0;
    while (i < G_N_ELEMENTS(meanings) && !vim_fault_is(fault, meanings[i].type))
        i++;
    return i;
}

/* "; the account needs the privilege VirtualMachine.State.CreateSnapshot" */
static void
add_remedy(GString *words, const struct vim_fault *fault, const char *remedy,
           const struct vim_method *method)
{
    if (remedy != NULL)
        g_string_append_printf(words, "; %s", remedy);
    if (!vim_fault_is(fault, "NoPermission") || vim_fault_is_session(fault))
        return;
    const char *told = fault->detail != NULL ? strstr(fault->detail, "privilegeId ") : NULL;
    if (told != NULL) {
        told += strlen("privilegeId ");
        g_string_append_printf(words, "; give the account the privilege %.*s",
                               (int)strcspn(told, ", "), told);
    } else if (method != NULL && method->privilege != NULL)
        g_string_append_printf(words, "; give the account the privilege %s", method->privilege);
}

gboolean
vim_fault_fail(const struct vim_fault *fault, const char *label, const struct vim_method *method,
               const struct moref *self, GError **error)
{
    guint row = find_meaning(fault);
    gboolean known = row < G_N_ELEMENTS(meanings);
    GString *words = g_string_new(label);
    if (method != NULL)
        g_string_append_printf(words, ": %s (%s", method->words, method->name);
    if (method != NULL && self != NULL)
        g_string_append_printf(words, " of %s %s", self->type, self->value);
    g_string_append(words, method != NULL ? "): " : ": ");
    g_string_append(words, fault->type);
    if (fault->message != NULL)
        g_string_append_printf(words, ": %s", fault->message);
    if (fault->detail != NULL)
        g_string_append_printf(words, " (%s)", fault->detail);
    add_remedy(words, fault, known ? meanings[row].remedy : NULL, method);
    g_autofree char *shown = secret_redact(words->str);
    g_string_free(words, TRUE);
    return error_set(error, known ? meanings[row].code : SLIPWAY_ERROR_FAILED, "%s", shown);
}
