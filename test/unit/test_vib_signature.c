/* SPDX-License-Identifier: GPL-3.0-or-later */
/* test_vib_signature.c: signatures made by an authority of our own, good and bad. */
#include "base/durable_file.h"
#include "base/error.h"
#include "esx/certificate_chain.h"
#include "esx/trust_store.h"
#include "esx/vib_file.h"

#include <glib/gstdio.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/pkcs7.h>
#include <openssl/x509v3.h>
#include <string.h>

#define DESCRIPTOR "<vib version=\"5.0\"><type>bootbank</type><name>net-test</name></vib>"
#define YEAR (365L * 24 * 3600)

/* Somebody with a key and a certificate. */
struct party {
    EVP_PKEY *key;
    X509 *certificate;
};

/* Their names are fixed, the keys are new in each run. */
static struct {
    struct party certified;   /* self-signed, signs itself */
    struct party root;        /* self-signed authority */
    struct party middle;      /* below root */
    struct party plain;       /* below middle, says nothing of its level */
    struct party partner;     /* below middle, OU says Partner */
    struct party accepted;    /* below middle, CN says Acceptance */
    struct party no_ca;       /* below root, no authority */
    struct party below_no_ca; /* issued by no_ca all the same */
    struct party expired;     /* below root, long over */
    struct party md5;         /* below root, whose signature is MD5 */
    struct party impostor;    /* self-signed, called as certified is */
    struct party orphan;      /* below an authority called VMware Root CA that is nowhere */
} all;

static void
put_name(X509_NAME *name, const char *text)
{
    g_auto(GStrv) parts = g_strsplit(text, "/", -1);
    for (gsize i = 0; parts[i] != NULL; i++) {
        char *value = strchr(parts[i], '=');
        *value++ = '\0';
        g_assert_cmpint(X509_NAME_add_entry_by_txt(name, parts[i], MBSTRING_ASC,
                                                   (const unsigned char *)value, -1, -1, 0),
                        ==, 1);
    }
}

static void
put_extension(X509 *certificate, int nid, const char *value)
{
    X509V3_CTX context;
    X509V3_set_ctx(&context, certificate, certificate, NULL, NULL, 0);
    X509_EXTENSION *extension = X509V3_EXT_conf_nid(NULL, &context, nid, value);
    g_assert_nonnull(extension);
    X509_add_ext(certificate, extension, -1);
    X509_EXTENSION_free(extension);
}

struct wish {
    const char *subject;
    const struct party *issuer; /* NULL: itself */
    const char *issuer_name;    /* NULL: the issuer's */
    gboolean authority;
    const EVP_MD *digest; /* NULL: SHA-256 */
    long from, to;        /* seconds from now */
};

static struct party
new_party(const struct wish *wish)
{
    static long serial = 1000;
    struct party party = {EVP_RSA_gen(2048), X509_new()};
    const struct party *issuer = wish->issuer != NULL ? wish->issuer : &party;
    g_assert_nonnull(party.key);
    X509_set_version(party.certificate, X509_VERSION_3);
    ASN1_INTEGER_set(X509_get_serialNumber(party.certificate), serial++);
    X509_gmtime_adj(X509_getm_notBefore(party.certificate), wish->from);
    X509_gmtime_adj(X509_getm_notAfter(party.certificate), wish->to != 0 ? wish->to : YEAR);
    put_name(X509_get_subject_name(party.certificate), wish->subject);
    if (wish->issuer_name != NULL) {
        X509_NAME *name = X509_NAME_new();
        put_name(name, wish->issuer_name);
        X509_set_issuer_name(party.certificate, name);
        X509_NAME_free(name);
    } else {
        X509_set_issuer_name(party.certificate, X509_get_subject_name(issuer->certificate));
    }
    X509_set_pubkey(party.certificate, party.key);
    if (wish->authority)
        put_extension(party.certificate, NID_basic_constraints, "critical,CA:TRUE");
    g_assert_cmpint(X509_sign(party.certificate, issuer->key,
                              wish->digest != NULL ? wish->digest : EVP_sha256()),
                    >, 0);
    return party;
}

static void
make_everybody(void)
{
    all.certified = new_party(&(struct wish){.subject = "O=Test, Inc./CN=Certified Signing"});
    all.impostor = new_party(&(struct wish){.subject = "O=Test, Inc./CN=Certified Signing"});
    all.root = new_party(&(struct wish){.subject = "O=Test/CN=Test Root", .authority = TRUE});
    all.middle = new_party(
        &(struct wish){.subject = "O=Test/CN=Middle", .issuer = &all.root, .authority = TRUE});
    all.plain = new_party(&(struct wish){.subject = "O=Maker/CN=Drivers", .issuer = &all.middle});
    all.partner = new_party(
        &(struct wish){.subject = "OU=PARTNER Program/CN=Drivers", .issuer = &all.middle});
    all.accepted = new_party(
        &(struct wish){.subject = "O=Maker/CN=Acceptance signing", .issuer = &all.middle});
    all.no_ca = new_party(&(struct wish){.subject = "CN=No authority", .issuer = &all.root});
    all.below_no_ca = new_party(&(struct wish){.subject = "CN=Below it", .issuer = &all.no_ca});
    all.expired = new_party(&(struct wish){
        .subject = "CN=Expired", .issuer = &all.root, .from = -9 * YEAR, .to = -8 * YEAR});
    all.md5 =
        new_party(&(struct wish){.subject = "CN=Old", .issuer = &all.root, .digest = EVP_md5()});
    all.orphan = new_party(&(struct wish){.subject = "CN=Orphan",
                                          .issuer = &all.middle,
                                          .issuer_name = "O=VMware, Inc./CN=VMware Root CA"});
}

static void
free_everybody(void)
{
    struct party *parties = (struct party *)&all;
    for (gsize i = 0; i < sizeof all / sizeof *parties; i++) {
        EVP_PKEY_free(parties[i].key);
        X509_free(parties[i].certificate);
    }
}

static char *
sha256_of(X509 *certificate)
{
    unsigned char *der = NULL;
    int length = i2d_X509(certificate, &der);
    char *hex = digest_hex_of(DIGEST_SHA256, der, (gsize)length);
    OPENSSL_free(der);
    return hex;
}

/* A store as the vendor's: a pinned signer and a pinned root. */
static struct trust_store *
new_store(void)
{
    struct trust_store *store = trust_store_new();
    g_autofree char *certified = sha256_of(all.certified.certificate);
    g_autofree char *root = sha256_of(all.root.certificate);
    trust_store_pin(store, certified, ACCEPTANCE_CERTIFIED, FALSE);
    trust_store_pin(store, root, ACCEPTANCE_ACCEPTED, TRUE);
    return store;
}

/* Signing. */

static const struct party *const chain[] = {&all.root, &all.middle, NULL};

struct signing {
    const struct party *signers[10];
    const struct party *const *others; /* certificates beside those of the signers */
    const EVP_MD *digest;
    const char *text;
    int flags;
};

static PKCS7 *
sign(const struct signing *signing)
{
    const char *text = signing->text != NULL ? signing->text : DESCRIPTOR;
    int flags = PKCS7_BINARY | PKCS7_PARTIAL | PKCS7_NOSMIMECAP | PKCS7_DETACHED;
    flags ^= signing->flags;
    BIO *bio = BIO_new_mem_buf(text, -1);
    PKCS7 *pkcs7 = PKCS7_sign(NULL, NULL, NULL, bio, flags);
    for (gsize i = 0; signing->signers[i] != NULL; i++)
        g_assert_nonnull(
            PKCS7_sign_add_signer(pkcs7, signing->signers[i]->certificate, signing->signers[i]->key,
                                  signing->digest != NULL ? signing->digest : EVP_sha256(), flags));
    for (gsize i = 0; signing->others != NULL && signing->others[i] != NULL; i++)
        PKCS7_add_certificate(pkcs7, signing->others[i]->certificate);
    g_assert_cmpint(PKCS7_final(pkcs7, bio, flags), ==, 1);
    BIO_free(bio);
    return pkcs7;
}

static GBytes *
to_pem(PKCS7 *pkcs7)
{
    BIO *bio = BIO_new(BIO_s_mem());
    PEM_write_bio_PKCS7(bio, pkcs7);
    char *data;
    long length = BIO_get_mem_data(bio, &data);
    GBytes *bytes = g_bytes_new(data, (gsize)length);
    BIO_free(bio);
    PKCS7_free(pkcs7);
    return bytes;
}

static GBytes *
to_der(PKCS7 *pkcs7)
{
    unsigned char *der = NULL;
    int length = i2d_PKCS7(pkcs7, &der);
    GBytes *bytes = g_bytes_new(der, (gsize)length);
    OPENSSL_free(der);
    PKCS7_free(pkcs7);
    return bytes;
}

/* Judging. */

static void
assert_good_in(const struct trust_store *store, GBytes *signature, enum acceptance claimed,
               enum acceptance level)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(GBytes) descriptor = g_bytes_new_static(DESCRIPTOR, strlen(DESCRIPTOR));
    struct signature_result result;
    gboolean ok =
        vib_signature_check(store, descriptor, signature, claimed, "a.vib", &result, &error);
    g_assert_no_error(error);
    g_assert_true(ok);
    g_assert_cmpint(result.level, ==, level);
    signature_result_clear(&result);
}

static void
assert_good(GBytes *signature, enum acceptance claimed, enum acceptance level)
{
    auto_ptr(trust_store) store = new_store();
    assert_good_in(store, signature, claimed, level);
}

static void
assert_bad(const char *text, GBytes *signature, enum acceptance claimed, enum slipway_error code,
           const char *message)
{
    auto_ptr(trust_store) store = new_store();
    g_autoptr(GError) error = NULL;
    g_autoptr(GBytes) descriptor = g_bytes_new(text, strlen(text));
    g_assert_false(
        vib_signature_check(store, descriptor, signature, claimed, "a.vib", NULL, &error));
    g_assert_error(error, SLIPWAY_ERROR, (int)code);
    g_assert_cmpstr(error->message, ==, message);
}

static void
test_unsigned(void)
{
    g_autoptr(GBytes) empty = g_bytes_new(NULL, 0);
    assert_good(empty, ACCEPTANCE_COMMUNITY, ACCEPTANCE_NONE);
    assert_good(NULL, ACCEPTANCE_COMMUNITY, ACCEPTANCE_NONE);
    assert_bad(DESCRIPTOR, empty, ACCEPTANCE_PARTNER, SLIPWAY_ERROR_SIGNATURE,
               "a.vib: no trusted signer: it claims to be PartnerSupported but is not signed; get "
               "it again from its vendor");
}

/* As the vendor signs: one self-signed signer, who is the anchor. */
static void
test_certified(void)
{
    auto_ptr(trust_store) store = new_store();
    g_autoptr(GBytes) descriptor = g_bytes_new_static(DESCRIPTOR, strlen(DESCRIPTOR));
    g_autoptr(GBytes) signature = to_pem(sign(&(struct signing){.signers = {&all.certified}}));
    g_autoptr(GError) error = NULL;
    struct signature_result result;
    g_assert_true(vib_signature_check(store, descriptor, signature, ACCEPTANCE_CERTIFIED, "a.vib",
                                      &result, &error));
    g_assert_no_error(error);
    g_assert_true(result.is_signed);
    g_assert_cmpstr(result.signer, ==, "O=\"Test, Inc.\", CN=Certified Signing");
    g_assert_cmpstr(result.anchor, ==, "O=\"Test, Inc.\", CN=Certified Signing");
    g_assert_cmpint(result.level, ==, ACCEPTANCE_CERTIFIED);
    signature_result_clear(&result);

    g_autoptr(GBytes) der = to_der(sign(&(struct signing){.signers = {&all.certified}}));
    assert_good(der, ACCEPTANCE_CERTIFIED, ACCEPTANCE_CERTIFIED);
    assert_good(der, ACCEPTANCE_PARTNER, ACCEPTANCE_CERTIFIED);
}

static void
test_chains(void)
{
    g_autoptr(GBytes) plain =
        to_pem(sign(&(struct signing){.signers = {&all.plain}, .others = chain}));
    assert_good(plain, ACCEPTANCE_ACCEPTED, ACCEPTANCE_ACCEPTED);
    assert_good(plain, ACCEPTANCE_PARTNER, ACCEPTANCE_ACCEPTED);
    g_autoptr(GBytes) accepted =
        to_pem(sign(&(struct signing){.signers = {&all.accepted}, .others = chain}));
    assert_good(accepted, ACCEPTANCE_ACCEPTED, ACCEPTANCE_ACCEPTED);
    g_autoptr(GBytes) partner =
        to_pem(sign(&(struct signing){.signers = {&all.partner}, .others = chain}));
    assert_good(partner, ACCEPTANCE_PARTNER, ACCEPTANCE_PARTNER);
    g_autoptr(GBytes) expired =
        to_pem(sign(&(struct signing){.signers = {&all.expired}, .others = chain}));
    assert_good(expired, ACCEPTANCE_PARTNER, ACCEPTANCE_ACCEPTED);
}

static void
test_level_too_low(void)
{
    g_autoptr(GBytes) partner =
        to_pem(sign(&(struct signing){.signers = {&all.partner}, .others = chain}));
    assert_bad(DESCRIPTOR, partner, ACCEPTANCE_ACCEPTED, SLIPWAY_ERROR_SIGNATURE,
               "a.vib: no trusted signer for VMwareAccepted: OU=PARTNER Program, CN=Drivers is "
               "only good for PartnerSupported");
    g_autoptr(GBytes) plain =
        to_pem(sign(&(struct signing){.signers = {&all.plain}, .others = chain}));
    assert_bad(DESCRIPTOR, plain, ACCEPTANCE_CERTIFIED, SLIPWAY_ERROR_SIGNATURE,
               "a.vib: no trusted signer for VMwareCertified: O=Maker, CN=Drivers is only good for "
               "VMwareAccepted");
}

static void
test_altered(void)
{
    const char *altered = "<vib version=\"5.0\"><type>bootbank</type><name>net-tess</name></vib>";
    const char *message = "a.vib: the descriptor was changed after it was signed; get the package "
                          "again";
    g_autoptr(GBytes) signature = to_pem(sign(&(struct signing){.signers = {&all.certified}}));
    assert_bad(altered, signature, ACCEPTANCE_CERTIFIED, SLIPWAY_ERROR_SIGNATURE, message);
    assert_bad(altered, signature, ACCEPTANCE_COMMUNITY, SLIPWAY_ERROR_SIGNATURE, message);
    assert_bad(DESCRIPTOR "\n", signature, ACCEPTANCE_CERTIFIED, SLIPWAY_ERROR_SIGNATURE, message);
    g_autoptr(GBytes) bare =
        to_pem(sign(&(struct signing){.signers = {&all.certified}, .flags = PKCS7_NOATTR}));
    assert_good(bare, ACCEPTANCE_CERTIFIED, ACCEPTANCE_CERTIFIED);
    assert_bad(altered, bare, ACCEPTANCE_CERTIFIED, SLIPWAY_ERROR_SIGNATURE,
               "a.vib: the descriptor was changed after it was signed, or the signature is "
               "damaged; get the package again");
}

static void
test_untrusted(void)
{
    g_autoptr(GBytes) impostor = to_pem(sign(&(struct signing){.signers = {&all.impostor}}));
    assert_bad(DESCRIPTOR, impostor, ACCEPTANCE_PARTNER, SLIPWAY_ERROR_SIGNATURE,
               "a.vib: no trusted signer: signed by O=\"Test, Inc.\", CN=Certified Signing, which "
               "is not known; if you trust it, give the certificate O=\"Test, Inc.\", CN=Certified "
               "Signing with --trust FILE");
    /* The real anchor in the same signature must not help. */
    const struct party *const beside[] = {&all.certified, NULL};
    g_autoptr(GBytes) borrowed =
        to_pem(sign(&(struct signing){.signers = {&all.impostor}, .others = beside}));
    assert_bad(DESCRIPTOR, borrowed, ACCEPTANCE_PARTNER, SLIPWAY_ERROR_SIGNATURE,
               "a.vib: no trusted signer: signed by O=\"Test, Inc.\", CN=Certified Signing, which "
               "is not known; if you trust it, give the certificate O=\"Test, Inc.\", CN=Certified "
               "Signing with --trust FILE");
    assert_good(impostor, ACCEPTANCE_COMMUNITY, ACCEPTANCE_NONE);
}

static void
test_missing_authority(void)
{
    g_autoptr(GBytes) orphan = to_pem(sign(&(struct signing){.signers = {&all.orphan}}));
    assert_bad(
        DESCRIPTOR, orphan, ACCEPTANCE_PARTNER, SLIPWAY_ERROR_SIGNATURE,
        "a.vib: no trusted signer: signed by CN=Orphan, and the certificate of its authority "
        "O=\"VMware, Inc.\", CN=VMware Root CA is not in the signature, so it cannot be "
        "verified; give that certificate with --trust FILE");
    const struct party *const half[] = {&all.middle, NULL};
    g_autoptr(GBytes) headless =
        to_pem(sign(&(struct signing){.signers = {&all.plain}, .others = half}));
    assert_bad(
        DESCRIPTOR, headless, ACCEPTANCE_PARTNER, SLIPWAY_ERROR_SIGNATURE,
        "a.vib: no trusted signer: signed by O=Maker, CN=Drivers, whose authority O=Test, "
        "CN=Test Root is not known; if you trust it, give its certificate with --trust FILE");
}

static void
test_no_authority_in_the_middle(void)
{
    const struct party *const others[] = {&all.root, &all.no_ca, NULL};
    g_autoptr(GBytes) signature =
        to_pem(sign(&(struct signing){.signers = {&all.below_no_ca}, .others = others}));
    assert_bad(DESCRIPTOR, signature, ACCEPTANCE_PARTNER, SLIPWAY_ERROR_SIGNATURE,
               "a.vib: no trusted signer: signed by CN=Below it, whose chain of certificates is "
               "bad: invalid CA certificate");
}

static void
test_weak(void)
{
    g_autoptr(GBytes) sha1 =
        to_pem(sign(&(struct signing){.signers = {&all.certified}, .digest = EVP_sha1()}));
    assert_bad(DESCRIPTOR, sha1, ACCEPTANCE_CERTIFIED, SLIPWAY_ERROR_SIGNATURE,
               "a.vib: it is signed with the digest sha1, which is too weak to be trusted (sha-256 "
               "or better is needed); ask its vendor for a new signature");
    g_autoptr(GBytes) md5 =
        to_pem(sign(&(struct signing){.signers = {&all.certified}, .digest = EVP_md5()}));
    assert_bad(DESCRIPTOR, md5, ACCEPTANCE_CERTIFIED, SLIPWAY_ERROR_SIGNATURE,
               "a.vib: it is signed with the digest md5, which is too weak to be trusted (sha-256 "
               "or better is needed); ask its vendor for a new signature");
    g_autoptr(GBytes) certificate =
        to_pem(sign(&(struct signing){.signers = {&all.md5}, .others = chain}));
    assert_bad(DESCRIPTOR, certificate, ACCEPTANCE_PARTNER, SLIPWAY_ERROR_SIGNATURE,
               "a.vib: no trusted signer: the certificate CN=Old has a key or digest that is too "
               "weak to be trusted");
}

static void
test_several_signers(void)
{
    g_autoptr(GBytes) both =
        to_pem(sign(&(struct signing){.signers = {&all.impostor, &all.certified}}));
    assert_good(both, ACCEPTANCE_CERTIFIED, ACCEPTANCE_CERTIFIED);

    /* One of two signatures damaged: not even the good one counts. */
    PKCS7 *pkcs7 = sign(&(struct signing){.signers = {&all.impostor, &all.certified}});
    PKCS7_SIGNER_INFO *info = sk_PKCS7_SIGNER_INFO_value(PKCS7_get_signer_info(pkcs7), 0);
    info->enc_digest->data[17] ^= 1;
    g_autoptr(GBytes) damaged = to_der(pkcs7);
    assert_bad(DESCRIPTOR, damaged, ACCEPTANCE_CERTIFIED, SLIPWAY_ERROR_SIGNATURE,
               "a.vib: the descriptor was changed after it was signed, or the signature is "
               "damaged; get the package again");
}

static void
test_attached(void)
{
    g_autoptr(GBytes) same =
        to_pem(sign(&(struct signing){.signers = {&all.certified}, .flags = PKCS7_DETACHED}));
    assert_good(same, ACCEPTANCE_CERTIFIED, ACCEPTANCE_CERTIFIED);
    assert_bad("<vib/>", same, ACCEPTANCE_CERTIFIED, SLIPWAY_ERROR_SIGNATURE,
               "a.vib: the text inside its signature is not its descriptor; get the package again");
}

static void
test_malformed(void)
{
    const char *message = "a.vib: its sig.pkcs7 is no PKCS#7 signature; get the package again";
    const char *const garbage[] = {
        " ",
        "hello",
        "0",
        "-----BEGIN PKCS7-----\n-----END PKCS7-----\n",
        "-----BEGIN PKCS7-----\nMIIB\n-----END PKCS7-----\n",
        "-----BEGIN PKCS7-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: AES-256-CBC,00\n\nMIIB\n"
        "-----END PKCS7-----\n",
    };
    for (gsize i = 0; i < G_N_ELEMENTS(garbage); i++) {
        g_autoptr(GBytes) bytes = g_bytes_new_static(garbage[i], strlen(garbage[i]));
        assert_bad(DESCRIPTOR, bytes, ACCEPTANCE_COMMUNITY, SLIPWAY_ERROR_CORRUPT, message);
    }
    g_autoptr(GBytes) pem = to_pem(sign(&(struct signing){.signers = {&all.certified}}));
    g_autoptr(GBytes) der = to_der(sign(&(struct signing){.signers = {&all.certified}}));
    for (gsize cut = 1; cut < g_bytes_get_size(der); cut += 7) {
        g_autoptr(GBytes) part = g_bytes_new_from_bytes(der, 0, cut);
        assert_bad(DESCRIPTOR, part, ACCEPTANCE_CERTIFIED, SLIPWAY_ERROR_CORRUPT, message);
    }
    for (gsize cut = 1; cut < g_bytes_get_size(pem) - 30; cut += 61) {
        g_autoptr(GBytes) part = g_bytes_new_from_bytes(pem, 0, cut);
        assert_bad(DESCRIPTOR, part, ACCEPTANCE_CERTIFIED, SLIPWAY_ERROR_CORRUPT, message);
    }
    g_autoptr(GBytes) no_signer = to_pem(sign(&(struct signing){.others = chain}));
    assert_bad(DESCRIPTOR, no_signer, ACCEPTANCE_CERTIFIED, SLIPWAY_ERROR_CORRUPT, message);
}

/* No damaged byte of a signature may be fatal, and none may turn a bad descriptor into a good one.
 */
static void
test_every_byte(void)
{
    auto_ptr(trust_store) store = new_store();
    g_autoptr(GBytes) descriptor = g_bytes_new_static("<vib/>", 6);
    g_autoptr(GBytes) der =
        to_der(sign(&(struct signing){.signers = {&all.plain}, .others = chain}));
    gsize length;
    const guint8 *data = g_bytes_get_data(der, &length);
    for (gsize i = 0; i < length; i++) {
        guint8 *copy = g_memdup2(data, length);
        copy[i] ^= 0x11;
        g_autoptr(GBytes) damaged = g_bytes_new_take(copy, length);
        g_autoptr(GError) error = NULL;
        g_assert_false(vib_signature_check(store, descriptor, damaged, ACCEPTANCE_PARTNER, "a.vib",
                                           NULL, &error));
        g_assert_nonnull(error);
    }
}

static void
test_limits(void)
{
    g_autofree char *spaces = g_strnfill(VIB_SIGNATURE_MAX + 1, ' ');
    g_autoptr(GBytes) giant = g_bytes_new(spaces, VIB_SIGNATURE_MAX + 1);
    assert_bad(DESCRIPTOR, giant, ACCEPTANCE_CERTIFIED, SLIPWAY_ERROR_LIMIT,
               "a.vib: its signature is larger than 1048576 bytes");
    const struct party *one = &all.certified;
    g_autoptr(GBytes) crowd =
        to_pem(sign(&(struct signing){.signers = {one, one, one, one, one, one, one, one, one}}));
    assert_bad(DESCRIPTOR, crowd, ACCEPTANCE_CERTIFIED, SLIPWAY_ERROR_LIMIT,
               "a.vib: its signature has more than 8 signers, 8 digests or 32 certificates");
}

/* Trust files. */

static char *
pem_of(X509 *certificate)
{
    BIO *bio = BIO_new(BIO_s_mem());
    PEM_write_bio_X509(bio, certificate);
    char *data;
    long length = BIO_get_mem_data(bio, &data);
    char *pem = g_strndup(data, (gsize)length);
    BIO_free(bio);
    return pem;
}

static gboolean
add_text(struct trust_store *store, const char *text, char **ret_path, GError **error)
{
    g_autofree char *path =
        g_strdup_printf("%s/slipway-trust-%08x.pem", g_get_tmp_dir(), g_random_int());
    g_assert_true(g_file_set_contents(path, text, -1, NULL));
    gboolean ok = trust_store_add_file(store, path, error);
    g_remove(path);
    if (ret_path != NULL)
        *ret_path = g_steal_pointer(&path);
    return ok;
}

static void
test_trust_file(void)
{
    auto_ptr(trust_store) store = trust_store_new();
    g_autoptr(GError) error = NULL;
    g_autofree char *impostor = pem_of(all.impostor.certificate);
    g_autofree char *middle = pem_of(all.middle.certificate);
    g_autofree char *text = g_strdup_printf("# ours\r\n%s\nsubject=CN = x\nissuer=CN = y\n"
                                            "LEVEL: partner\n%s",
                                            impostor, middle);
    gboolean ok = add_text(store, text, NULL, &error);
    g_assert_no_error(error);
    g_assert_true(ok);

    g_autoptr(GBytes) own = to_pem(sign(&(struct signing){.signers = {&all.impostor}}));
    assert_good_in(store, own, ACCEPTANCE_CERTIFIED, ACCEPTANCE_CERTIFIED);
    /* An anchor in the middle of a chain, not embedded, and no word about levels in it. */
    g_autoptr(GBytes) below = to_pem(sign(&(struct signing){.signers = {&all.accepted}}));
    assert_good_in(store, below, ACCEPTANCE_PARTNER, ACCEPTANCE_PARTNER);
    /* A signer whose own certificate is only in the file. */
    g_autoptr(GBytes) bare =
        to_pem(sign(&(struct signing){.signers = {&all.impostor}, .flags = PKCS7_NOCERTS}));
    assert_good_in(store, bare, ACCEPTANCE_CERTIFIED, ACCEPTANCE_CERTIFIED);
    assert_bad(DESCRIPTOR, bare, ACCEPTANCE_CERTIFIED, SLIPWAY_ERROR_SIGNATURE,
               "a.vib: no trusted signer: the signer's certificate is not in the signature; get "
               "the package again");
}

/* Who hands in a root that is pinned completes a chain; the root does not become worth more. */
static void
test_trust_file_of_pinned(void)
{
    auto_ptr(trust_store) store = new_store();
    g_autoptr(GError) error = NULL;
    g_autofree char *root = pem_of(all.root.certificate);
    g_assert_true(add_text(store, root, NULL, &error));
    const struct party *const half[] = {&all.middle, NULL};
    g_autoptr(GBytes) headless =
        to_pem(sign(&(struct signing){.signers = {&all.plain}, .others = half}));
    assert_good_in(store, headless, ACCEPTANCE_ACCEPTED, ACCEPTANCE_ACCEPTED);
    g_autoptr(GBytes) partner =
        to_pem(sign(&(struct signing){.signers = {&all.partner}, .others = half}));
    assert_good_in(store, partner, ACCEPTANCE_PARTNER, ACCEPTANCE_PARTNER);
}

static void
test_bad_trust_files(void)
{
    g_autofree char *middle = pem_of(all.middle.certificate);
    g_autofree char *misspelt = g_strconcat("levle: partner\n", middle, NULL);
    g_autofree char *community = g_strconcat("level: community\n", middle, NULL);
    g_autofree char *cut = g_strndup(middle, strlen(middle) - 30);
    const struct {
        const char *text, *message;
    } cases[] = {
        {misspelt, "line 1 is no certificate, no `level:` line and no comment (#)"},
        {community, "line 1: the level must be certified, accepted or partner"},
        {cut, "the last certificate has no END line, the file is truncated"},
        {"# nothing\n", "holds no certificate; a PEM file (BEGIN CERTIFICATE) is needed"},
        {"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
         "the certificate that ends in line 3 cannot be read"},
    };
    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        auto_ptr(trust_store) store = trust_store_new();
        g_autoptr(GError) error = NULL;
        g_autofree char *path = NULL;
        g_assert_false(add_text(store, cases[i].text, &path, &error));
        g_assert_error(error, SLIPWAY_ERROR, SLIPWAY_ERROR_CORRUPT);
        g_autofree char *expected =
            g_strdup_printf(i == 0 || i == 1 ? "%s: %s" : "%s: %s", path, cases[i].message);
        g_assert_cmpstr(error->message, ==, expected);
    }
    auto_ptr(trust_store) store = trust_store_new();
    g_autoptr(GError) error = NULL;
    g_assert_false(trust_store_add_file(store, "/no/such/file.pem", &error));
    g_assert_error(error, SLIPWAY_ERROR, SLIPWAY_ERROR_NOT_FOUND);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    make_everybody();
    g_test_add_func("/vib-signature/unsigned", test_unsigned);
    g_test_add_func("/vib-signature/certified", test_certified);
    g_test_add_func("/vib-signature/chains", test_chains);
    g_test_add_func("/vib-signature/level-too-low", test_level_too_low);
    g_test_add_func("/vib-signature/altered", test_altered);
    g_test_add_func("/vib-signature/untrusted", test_untrusted);
    g_test_add_func("/vib-signature/missing-authority", test_missing_authority);
    g_test_add_func("/vib-signature/no-authority-in-the-middle", test_no_authority_in_the_middle);
    g_test_add_func("/vib-signature/weak", test_weak);
    g_test_add_func("/vib-signature/several-signers", test_several_signers);
    g_test_add_func("/vib-signature/attached", test_attached);
    g_test_add_func("/vib-signature/malformed", test_malformed);
    g_test_add_func("/vib-signature/every-byte", test_every_byte);
    g_test_add_func("/vib-signature/limits", test_limits);
    g_test_add_func("/trust-store/file", test_trust_file);
    g_test_add_func("/trust-store/file-of-pinned", test_trust_file_of_pinned);
    g_test_add_func("/trust-store/bad-files", test_bad_trust_files);
    int result = g_test_run();
    free_everybody();
    return result;
}
