/* SPDX-License-Identifier: GPL-3.0-or-later */
/* memory.c: the functions of <string.h> that freestanding code needs, the compiler's own
 * calls among them.  Long copies go by words: the emulator runs each step of a `rep`. */
#include <stdint.h>
#include <string.h>

#define WORD sizeof(uintptr_t)

void *
memcpy(void *restrict to, const void *restrict from, size_t size)
{
    void *at = to;
    size_t words = size / WORD;
    size_t rest = size % WORD;
#ifdef __x86_64__
    __asm__ volatile("rep movsq" : "+D"(at), "+S"(from), "+c"(words) : : "memory");
#else
    __asm__ volatile("rep movsl" : "+D"(at), "+S"(from), "+c"(words) : : "memory");
#endif
    __asm__ volatile("rep movsb" : "+D"(at), "+S"(from), "+c"(rest) : : "memory");
    return to;
}

void *
memmove(void *to, const void *from, size_t size)
{
    uint8_t *out = to;
    const uint8_t *in = from;
    if (out <= in || out >= in + size)
        return memcpy(to, from, size);
    while (size-- > 0)
        out[size] = in[size];
    return to;
}

void *
memset(void *to, int value, size_t size)
{
    void *at = to;
    __asm__ volatile("rep stosb" : "+D"(at), "+c"(size) : "a"(value) : "memory");
    return to;
}

int
memcmp(const void *left, const void *right, size_t size)
{
    const uint8_t *a = left, *b = right;
    for (; size > 0; size--, a++, b++)
        if (*a != *b)
            return *a < *b ? -1 : 1;
    return 0;
}

size_t
strlen(const char *text)
{
    size_t length = 0;
    while (text[length] != '\0')
        length++;
    return length;
}

int
strcmp(const char *left, const char *right)
{
    while (*left != '\0' && *left == *right)
        left++, right++;
    return (int)(uint8_t)*left - (int)(uint8_t)*right;
}

char *
strchr(const char *text, int c)
{
    for (; *text != (char)c; text++)
        if (*text == '\0')
            return NULL;
    return (char *)(uintptr_t)text;
}
