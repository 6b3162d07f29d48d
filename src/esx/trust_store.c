/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "esx/trust_store.h"

#include "base/digest.h"
#include "base/error.h"
#include "base/stream.h"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <string.h>

struct trust_store {
    GHashTable *anchors; /* lower-case hex of the SHA-256 -> struct trust_anchor * */
};

/* The vendor's public certificates.  How sure each is: doc/format/vib.md. */
static const struct {
    const char *sha256;
    enum acceptance level;
    gboolean level_by_chain;
} vendor_anchors[] = {
    /* Self-signed, signs certified packages itself; to 2019. */
    {"d484739ddd38e1b38117cec209b7ed125f61933052fe1f8a42fbb95d38017187", ACCEPTANCE_CERTIFIED,
     FALSE},
    /* CN=VMware Certified VIB Signing, self-signed, its successor. */
    {"321690a8e06810b184032f073c305a082112bdad5870ef2e8953e01be956d710", ACCEPTANCE_CERTIFIED,
     FALSE},
    /* CN=VMware Root CA: accepted and partner. */
    {"6e6efbc366032071bb4340d998a453f53e41429e141624cb78277efdf3b18b2e", ACCEPTANCE_ACCEPTED, TRUE},
};

static void
free_anchor(gpointer data)
{
    struct trust_anchor *anchor = data;
    X509_free(anchor->certificate);
    g_free(anchor);
}

void
trust_store_pin(struct trust_store *store, const char *sha256, enum acceptance level,
                gboolean level_by_chain)
{
    struct trust_anchor *anchor = g_new0(struct trust_anchor, 1);
    anchor->level = level;
    anchor->level_by_chain = level_by_chain;
    g_hash_table_replace(store->anchors, g_ascii_strdown(sha256, -1), anchor);
}

struct trust_store *
trust_store_new(void)
{
    struct trust_store *store = g_new0(struct trust_store, 1);
    store->anchors = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, free_anchor);
    for (gsize i = 0; i < G_N_ELEMENTS(vendor_anchors); i++)
        trust_store_pin(store, vendor_anchors[i].sha256, vendor_anchors[i].level,
                        vendor_anchors[i].level_by_chain);
    return store;
}

void
trust_store_free(struct trust_store *store)
{
    if (store == NULL)
        return;
    g_hash_table_unref(store->anchors);
    g_free(store);
}

static char *
fingerprint(X509 *certificate)
{
    unsigned char *der = NULL;
    int length = i2d_X509(certificate, &der);
    if (length < 0)
        return g_strdup("");
    char *hex = digest_hex_of(DIGEST_SHA256, der, (gsize)length);
    OPENSSL_free(der);
    return hex;
}

const struct trust_anchor *
trust_store_find(const struct trust_store *store, X509 *certificate)
{
    g_autofree char *sha256 = fingerprint(certificate);
    return g_hash_table_lookup(store->anchors, sha256);
}

static void
push(STACK_OF(X509) * stack, X509 *certificate)
{
    X509_up_ref(certificate);
    if (sk_X509_push(stack, certificate) == 0)
        g_error("out of memory");
}

STACK_OF(X509) *
    trust_store_certificates(const struct trust_store *store, STACK_OF(X509) * embedded)
{
    STACK_OF(X509) *stack = sk_X509_new_null();
    GHashTableIter iter;
    gpointer value;
    g_hash_table_iter_init(&iter, store->anchors);
    while (g_hash_table_iter_next(&iter, NULL, &value)) {
        const struct trust_anchor *anchor = value;
        if (anchor->certificate != NULL)
            push(stack, anchor->certificate);
    }
    for (int i = 0; embedded != NULL && i < sk_X509_num(embedded); i++) {
        X509 *certificate = sk_X509_value(embedded, i);
        const struct trust_anchor *anchor = trust_store_find(store, certificate);
        if (anchor != NULL && anchor->certificate == NULL)
            push(stack, certificate);
    }
    return stack;
}

/* A file of certificates, read line by line. */

struct reading {
    struct trust_store *store;
    const char *path;
    guint line;
    enum acceptance level; /* of the last `level:` line; ACCEPTANCE_NONE before the first */
    GString *block;        /* the PEM block that has begun, or NULL */
    guint certificates;
};

static int
no_password(char *buffer G_GNUC_UNUSED, int size G_GNUC_UNUSED, int writing G_GNUC_UNUSED,
            void *data G_GNUC_UNUSED)
{
    return -1; /* never ask at the terminal */
}

/* A pinned certificate keeps the level it is pinned for unless the file says otherwise: whoever
 * hands in the vendor's root to complete a chain does not mean to widen it. */
static void
add_certificate(struct reading *reading, X509 *certificate)
{
    const struct trust_anchor *known = trust_store_find(reading->store, certificate);
    struct trust_anchor *anchor = g_new0(struct trust_anchor, 1);
    if (reading->level != ACCEPTANCE_NONE) {
        anchor->level = reading->level;
    } else if (known != NULL) {
        anchor->level = known->level;
        anchor->level_by_chain = known->level_by_chain;
    } else {
        anchor->level = ACCEPTANCE_CERTIFIED;
    }
    anchor->certificate = certificate;
    g_hash_table_replace(reading->store->anchors, fingerprint(certificate), anchor);
}

static gboolean
end_block(struct reading *reading, GError **error)
{
    BIO *bio = BIO_new_mem_buf(reading->block->str, (int)reading->block->len);
    X509 *certificate = PEM_read_bio_X509(bio, NULL, no_password, NULL);
    BIO_free(bio);
    ERR_clear_error();
    g_string_free(g_steal_pointer(&reading->block), TRUE);
    if (certificate == NULL)
        return error_set(error, SLIPWAY_ERROR_CORRUPT,
                         "%s: the certificate that ends in line %u cannot be read", reading->path,
                         reading->line);
    add_certificate(reading, certificate);
    if (++reading->certificates > TRUST_CERTIFICATES_MAX)
        return error_set(error, SLIPWAY_ERROR_LIMIT, "%s: more than %d certificates", reading->path,
                         TRUST_CERTIFICATES_MAX);
    return TRUE;
}

static gboolean
read_level(struct reading *reading, const char *text, GError **error)
{
    g_autofree char *name = g_strstrip(g_strdup(text));
    if (acceptance_parse(name, &reading->level) && reading->level >= ACCEPTANCE_PARTNER)
        return TRUE;
    return error_set(error, SLIPWAY_ERROR_CORRUPT,
                     "%s: line %u: the level must be certified, accepted or partner", reading->path,
                     reading->line);
}

/* Anything unknown is refused: a misspelt `level:` must not widen the trust. */
static gboolean
read_outside(struct reading *reading, const char *line, GError **error)
{
    static const char *const harmless[] = {"#", "subject=", "issuer="};
    if (*line == '\0')
        return TRUE;
    for (gsize i = 0; i < G_N_ELEMENTS(harmless); i++)
        if (g_str_has_prefix(line, harmless[i]))
            return TRUE;
    if (g_ascii_strncasecmp(line, "level:", strlen("level:")) == 0)
        return read_level(reading, line + strlen("level:"), error);
    return error_set(error, SLIPWAY_ERROR_CORRUPT,
                     "%s: line %u is no certificate, no `level:` line and no comment (#)",
                     reading->path, reading->line);
}

static gboolean
read_line(struct reading *reading, const char *line, GError **error)
{
    if (reading->block == NULL && strcmp(line, "-----BEGIN CERTIFICATE-----") != 0)
        return read_outside(reading, line, error);
    if (reading->block == NULL)
        reading->block = g_string_new(NULL);
    g_string_append_printf(reading->block, "%s\n", line);
    if (strcmp(line, "-----END CERTIFICATE-----") == 0)
        return end_block(reading, error);
    return TRUE;
}

static gboolean
read_lines(struct reading *reading, char **lines, GError **error)
{
    for (gsize i = 0; lines[i] != NULL; i++) {
        reading->line = (guint)(i + 1);
        if (!read_line(reading, g_strstrip(lines[i]), error))
            return FALSE;
    }
    if (reading->block != NULL)
        return error_set(error, SLIPWAY_ERROR_CORRUPT,
                         "%s: the last certificate has no END line, the file is truncated",
                         reading->path);
    if (reading->certificates == 0)
        return error_set(error, SLIPWAY_ERROR_CORRUPT,
                         "%s: holds no certificate; a PEM file (BEGIN CERTIFICATE) is needed",
                         reading->path);
    return TRUE;
}

gboolean
trust_store_add_file(struct trust_store *store, const char *path, GError **error)
{
    auto_ptr(stream) file = stream_new_file(path, error);
    if (file == NULL)
        return FALSE;
    g_autoptr(GBytes) bytes = stream_read_all(file, TRUST_FILE_MAX, error);
    if (bytes == NULL)
        return FALSE;

    gsize length;
    const char *data = g_bytes_get_data(bytes, &length);
    if (length > 0 && memchr(data, '\0', length) != NULL)
        return error_set(error, SLIPWAY_ERROR_CORRUPT,
                         "%s: is no text; a PEM file (BEGIN CERTIFICATE) is needed", path);
    g_autofree char *text = g_strndup(length > 0 ? data : "", length);
    const char *start = g_str_has_prefix(text, "\xef\xbb\xbf") ? text + 3 : text;
    g_auto(GStrv) lines = g_strsplit(start, "\n", -1);
    struct reading reading = {.store = store, .path = path};
    gboolean ok = read_lines(&reading, lines, error);
    if (reading.block != NULL)
        g_string_free(reading.block, TRUE);
    return ok;
}
