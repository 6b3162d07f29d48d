/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "store/recovery_key.h"

#include "base/error.h"

#include <openssl/crypto.h>
#include <openssl/sha.h>
#include <string.h>

#define CHECK_SIZE 3u
#define BYTES (RECOVERY_KEY_SIZE + CHECK_SIZE)
#define CHARACTERS (BYTES * 8 / 5)
#define GROUP 7u

static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";

static void
add_check(guint8 bytes[BYTES])
{
    guint8 digest[SHA256_DIGEST_LENGTH];
    SHA256(bytes, RECOVERY_KEY_SIZE, digest);
    memcpy(bytes + RECOVERY_KEY_SIZE, digest, CHECK_SIZE);
    OPENSSL_cleanse(digest, sizeof digest);
}

/* Five bits, the highest first. */
static guint
get_bits(const guint8 *bytes, guint number)
{
    guint value = 0;
    for (guint bit = number * 5; bit < number * 5 + 5; bit++)
        value = value << 1 | (bytes[bit / 8] >> (7 - bit % 8) & 1);
    return value;
}

static void
put_bits(guint8 *bytes, guint number, guint value)
{
    for (guint i = 0; i < 5; i++) {
        guint bit = number * 5 + i;
        bytes[bit / 8] |= (guint8)((value >> (4 - i) & 1) << (7 - bit % 8));
    }
}

char *
recovery_key_format(const guint8 bytes[RECOVERY_KEY_SIZE])
{
    guint8 all[BYTES];
    memcpy(all, bytes, RECOVERY_KEY_SIZE);
    add_check(all);
    char *text = g_malloc(CHARACTERS + CHARACTERS / GROUP), *next = text;
    for (guint i = 0; i < CHARACTERS; i++) {
        if (i > 0 && i % GROUP == 0)
            *next++ = '-';
        *next++ = alphabet[get_bits(all, i)];
    }
    *next = '\0';
    OPENSSL_cleanse(all, sizeof all);
    return text;
}

static int
character_value(char character)
{
    static const char read_as[][2] = {{'0', 'O'}, {'1', 'I'}, {'8', 'B'}};
    character = g_ascii_toupper(character);
    for (gsize i = 0; i < G_N_ELEMENTS(read_as); i++) {
        if (character == read_as[i][0])
            character = read_as[i][1];
    }
    const char *found = character != '\0' ? strchr(alphabet, character) : NULL;
    return found != NULL ? (int)(found - alphabet) : -1;
}

/* The number of characters, or 0 when one of them cannot be in a recovery key. */
static guint
collect(const char *text, gsize length, guint8 bytes[BYTES])
{
    guint n = 0;
    memset(bytes, 0, BYTES);
    for (gsize i = 0; i < length; i++) {
        if (text[i] == '-' || g_ascii_isspace(text[i]))
            continue;
        int value = character_value(text[i]);
        if (value < 0)
            return 0;
        if (n < CHARACTERS)
            put_bits(bytes, n, (guint)value);
        n++;
    }
    return n;
}

gboolean
recovery_key_parse(const char *text, gsize length, guint8 ret[RECOVERY_KEY_SIZE], GError **error)
{
    guint8 bytes[BYTES], checked[BYTES];
    guint n = collect(text, length, bytes);
    memcpy(checked, bytes, RECOVERY_KEY_SIZE);
    add_check(checked);
    gboolean fits = n == CHARACTERS && CRYPTO_memcmp(bytes, checked, BYTES) == 0;
    if (fits)
        memcpy(ret, bytes, RECOVERY_KEY_SIZE);
    OPENSSL_cleanse(bytes, sizeof bytes);
    OPENSSL_cleanse(checked, sizeof checked);
    if (n == CHARACTERS && !fits)
        return error_set(error, SLIPWAY_ERROR_USAGE,
                         "the recovery key has a typing error: its characters do not fit together; "
                         "compare it with the print");
    if (!fits)
        return error_set(
            error, SLIPWAY_ERROR_USAGE,
            "this is no recovery key: it has %u characters of A-Z and 2-7 in groups of "
            "%u",
            CHARACTERS, GROUP);
    return TRUE;
}
