/* SPDX-License-Identifier: GPL-3.0-or-later */
/* common_tool.c: runs the loaders' shared code on the host, for its tests.
 *
 *   boot_common_tool gunzip FILE         expand FILE to standard output
 *   boot_common_tool crc32 FILE          print the CRC32 as 8 hexadecimal digits
 *   boot_common_tool config FILE         print what a boot.cfg says
 *   boot_common_tool resolve PREFIX DIRECTORY ENTRY
 *   boot_common_tool iso FILE PATH       read one file of an ISO image to standard output
 *   boot_common_tool kernel FILE         check a Multiboot kernel and say where it goes
 *
 * Exits with 1 and one line on standard error when the shared code refuses something. */
#include "config.h"
#include "crc32.h"
#include "gzip.h"
#include "iso9660.h"
#include "multiboot.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define EXPANDED_MAX (64u << 20)

static void __attribute__((noreturn)) fail(const char *words)
{
    fprintf(stderr, "%s\n", words);
    exit(1);
}

static void *
allocate(size_t size)
{
    void *memory = malloc(size > 0 ? size : 1);
    if (memory == NULL)
        fail("out of memory");
    return memory;
}

/* Exactly as long as the file, so that a sanitizer sees every byte read beyond it. */
static uint8_t *
read_file(const char *path, size_t *ret_size)
{
    FILE *file = fopen(path, "rb");
    if (file == NULL || fseek(file, 0, SEEK_END) != 0)
        fail("cannot read the input");
    long size = ftell(file);
    rewind(file);
    uint8_t *data = allocate((size_t)size);
    if (size < 0 || fread(data, 1, (size_t)size, file) != (size_t)size)
        fail("cannot read the input");
    fclose(file);
    *ret_size = (size_t)size;
    return data;
}

static void
run_gunzip(const char *path)
{
    size_t size, expanded_size;
    uint8_t *data = read_file(path, &size);
    size_t capacity = gzip_size_guess(data, size);
    enum expand_status status = EXPAND_FULL;
    uint8_t *expanded = NULL;
    while (status == EXPAND_FULL && capacity <= EXPANDED_MAX) {
        free(expanded);
        expanded = allocate(capacity);
        status = gzip_expand(data, size, expanded, capacity, &expanded_size);
        capacity *= 2;
    }
    if (status != EXPAND_OK)
        fail(expand_status_text(status));
    fwrite(expanded, 1, expanded_size, stdout);
    free(expanded);
    free(data);
}

static void
run_crc32(const char *path)
{
    size_t size;
    uint8_t *data = read_file(path, &size);
    size_t half = size / 2; /* in two steps, as its callers may */
    printf("%08x\n", crc32_update(crc32_update(0, data, half), data + half, size - half));
    free(data);
}

static void
run_config(const char *path)
{
    static struct config config;
    size_t size;
    unsigned line;
    uint8_t *data = read_file(path, &size);
    char *text = allocate(size + 1);
    memcpy(text, data, size);
    text[size] = '\0';
    const char *wrong = config_parse(text, &config, &line);
    if (wrong != NULL) {
        fprintf(stderr, "line %u: %s\n", line, wrong);
        exit(1);
    }
    printf("bootstate=%s\ntitle=%s\ntimeout=%s\nprefix=%s\n", config.bootstate, config.title,
           config.timeout, config.prefix);
    printf("kernel=%s\nkernelopt=%s\nbuild=%s\nupdated=%s\n", config.kernel, config.kernelopt,
           config.build, config.updated);
    for (size_t i = 0; i < config.modules_count; i++)
        printf("module=%s\n", config.modules[i]);
    free(text);
    free(data);
}

static void
run_resolve(const char *prefix, const char *directory, const char *entry)
{
    struct config config = {.prefix = prefix};
    char path[CONFIG_PATH_MAX];
    const char *wrong = config_resolve(&config, entry, directory, path, sizeof path);
    if (wrong != NULL)
        fail(wrong);
    printf("%s\n", path);
}

static bool
read_blocks(void *opaque, uint32_t block, uint32_t count, void *data)
{
    FILE *file = opaque;
    return fseek(file, (long)block * ISO9660_BLOCK_SIZE, SEEK_SET) == 0 &&
           fread(data, ISO9660_BLOCK_SIZE, count, file) == count;
}

static void
run_iso(const char *image, const char *path)
{
    static struct iso9660 volume;
    struct iso9660_file found;
    FILE *file = fopen(image, "rb");
    if (file == NULL)
        fail("cannot read the input");
    const char *wrong = iso9660_open(&volume, read_blocks, file);
    if (wrong == NULL)
        wrong = iso9660_find(&volume, path, &found);
    if (wrong != NULL)
        fail(wrong);
    uint8_t *data = allocate((size_t)found.size + ISO9660_BLOCK_SIZE);
    wrong = iso9660_read(&volume, &found, data);
    if (wrong != NULL)
        fail(wrong);
    fwrite(data, 1, found.size, stdout);
    free(data);
    fclose(file);
}

static void
run_kernel(const char *path)
{
    struct multiboot_image image;
    size_t size;
    uint8_t *data = read_file(path, &size);
    const char *wrong = multiboot_image_parse(data, size, &image);
    if (wrong != NULL)
        fail(wrong);
    uint8_t *memory = allocate(image.size);
    multiboot_image_write(data, &image, memory);
    printf("start=%08x size=%u entry=%08x\n", image.start, image.size, image.entry);
    free(memory);
    free(data);
}

int
main(int argc, char **argv)
{
    if (argc == 3 && strcmp(argv[1], "gunzip") == 0)
        run_gunzip(argv[2]);
    else if (argc == 3 && strcmp(argv[1], "crc32") == 0)
        run_crc32(argv[2]);
    else if (argc == 3 && strcmp(argv[1], "config") == 0)
        run_config(argv[2]);
    else if (argc == 5 && strcmp(argv[1], "resolve") == 0)
        run_resolve(argv[2], argv[3], argv[4]);
    else if (argc == 4 && strcmp(argv[1], "iso") == 0)
        run_iso(argv[2], argv[3]);
    else if (argc == 3 && strcmp(argv[1], "kernel") == 0)
        run_kernel(argv[2]);
    else
        fail("usage: boot_common_tool gunzip|crc32|config|resolve|iso|kernel ...");
    return 0;
}
