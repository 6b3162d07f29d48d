/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "loader.h"

#include "gzip.h"
#include "machine.h"

#include <string.h>

#define CONFIG_SIZE_MAX (64u << 10)

static struct config config;
static char config_text[CONFIG_SIZE_MAX + 1];

void
loader_announce(const char *name, const char *action, const char *path)
{
    machine_print("\nSLIPWAY-TEST-LOADER %s %s=%s\n", name, action, path);
}

void
loader_fail(const char *what, const char *words)
{
    machine_print("\nSLIPWAY-TEST-LOADER error: %s: %s\n", what, words);
    machine_exit(MACHINE_EXIT_FAILED);
}

static void
read_config(const struct loader_platform *platform, const char *path)
{
    uint8_t *data;
    size_t size;
    const char *wrong = platform->file_read(path, &data, &size);
    if (wrong != NULL)
        loader_fail(path, wrong);
    if (size > CONFIG_SIZE_MAX)
        loader_fail(path, "too large");
    memcpy(config_text, data, size);
    config_text[size] = '\0';
    platform->file_release(data, size);
    if (strlen(config_text) != size)
        loader_fail(path, "holds a NUL byte");

    unsigned line;
    wrong = config_parse(config_text, &config, &line);
    if (wrong != NULL && line > 0)
        machine_print("\nSLIPWAY-TEST-LOADER error: %s line %u: %s\n", path, line, wrong);
    else if (wrong != NULL)
        machine_print("\nSLIPWAY-TEST-LOADER error: %s: %s\n", path, wrong);
    if (wrong != NULL)
        machine_exit(MACHINE_EXIT_FAILED);
    machine_print("SLIPWAY-TEST-LOADER title=%s\n", config.title);
}

/* Everything before the last slash, without that slash. */
static void
directory_of(const char *path, char *directory, size_t directory_size)
{
    size_t length = strlen(path);
    while (length > 0 && path[length - 1] != '/')
        length--;
    if (length > 0)
        length--;
    if (length >= directory_size)
        loader_fail(path, "path too long");
    memcpy(directory, path, length);
    directory[length] = '\0';
}

/* Expand a gzip file into memory of its own, growing that until it is enough. */
static struct loader_block
expand(const struct loader_platform *platform, const char *path, const uint8_t *data, size_t size)
{
    size_t capacity = gzip_size_guess(data, size);
    for (;;) {
        struct loader_block block = {.data = platform->memory_allocate(capacity)};
        if (block.data == NULL)
            loader_fail(path, "not enough memory to expand it");
        enum expand_status status = gzip_expand(data, size, block.data, capacity, &block.size);
        if (status == EXPAND_OK)
            return block;
        if (status != EXPAND_FULL || capacity > SIZE_MAX / 2)
            loader_fail(path, expand_status_text(status));
        platform->memory_release(block.data, capacity);
        capacity *= 2;
    }
}

static struct loader_block
copy(const struct loader_platform *platform, const char *path, const uint8_t *data, size_t size)
{
    struct loader_block block = {.data = platform->memory_allocate(size > 0 ? size : 1),
                                 .size = size};
    if (block.data == NULL)
        loader_fail(path, "not enough memory to load it");
    memcpy(block.data, data, size);
    return block;
}

/* Load what one entry of boot.cfg names, expanded if it is a gzip file. */
static struct loader_block
load(const struct loader_platform *platform, const char *entry, const char *directory)
{
    char path[CONFIG_PATH_MAX];
    const char *wrong = config_resolve(&config, entry, directory, path, sizeof path);
    if (wrong != NULL)
        loader_fail(entry, wrong);

    uint8_t *data;
    size_t size;
    wrong = platform->file_read(path, &data, &size);
    if (wrong != NULL)
        loader_fail(path, wrong);
    struct loader_block block = gzip_detect(data, size) ? expand(platform, path, data, size)
                                                        : copy(platform, path, data, size);
    platform->file_release(data, size);
    return block;
}

static void
load_kernel(const struct loader_platform *platform, const char *directory, struct loader_boot *boot)
{
    struct loader_block file = load(platform, config.kernel, directory);
    const char *wrong = multiboot_image_parse(file.data, file.size, &boot->image);
    if (wrong == NULL)
        wrong = platform->kernel_reserve(&boot->image);
    if (wrong != NULL)
        loader_fail(config.kernel, wrong);

    boot->kernel.size = boot->image.size;
    boot->kernel.data = platform->memory_allocate(boot->image.size);
    if (boot->kernel.data == NULL)
        loader_fail(config.kernel, "not enough memory to load it");
    multiboot_image_write(file.data, &boot->image, boot->kernel.data);
    platform->memory_release(file.data, file.size);
}

static char *
put_text(char *to, const char *text)
{
    size_t length = strlen(text);
    memcpy(to, text, length);
    to[length] = '\0';
    return to + length;
}

static uint32_t
address_of(const void *data)
{
    return (uint32_t)(uintptr_t)data;
}

/* Lay out the information: the fixed part, the module list, then all strings. */
static void
write_info(struct loader_boot *boot, uint8_t *data)
{
    struct multiboot_info *info = (struct multiboot_info *)(void *)data;
    struct multiboot_module *list = (struct multiboot_module *)(void *)(info + 1);
    char *text = (char *)(list + boot->modules_count);

    info->flags = MULTIBOOT_INFO_CMDLINE | MULTIBOOT_INFO_MODULES;
    info->cmdline = address_of(text);
    info->modules_count = (uint32_t)boot->modules_count;
    info->modules = address_of(list);

    text = put_text(text, config.kernel);
    if (*config.kernelopt != '\0')
        text = put_text(put_text(text, " "), config.kernelopt);
    for (size_t i = 0; i < boot->modules_count; i++) {
        list[i].start = address_of(boot->modules[i].data);
        list[i].end = list[i].start + (uint32_t)boot->modules[i].size;
        list[i].string = address_of(++text);
        text = put_text(text, config.modules[i]);
    }
}

static void
make_info(const struct loader_platform *platform, struct loader_boot *boot)
{
    size_t size =
        sizeof(struct multiboot_info) + strlen(config.kernel) + 1 + strlen(config.kernelopt) + 1;
    for (size_t i = 0; i < config.modules_count; i++)
        size += sizeof(struct multiboot_module) + strlen(config.modules[i]) + 1;
    boot->info.size = size;
    boot->info.data = platform->memory_allocate(size);
    if (boot->info.data == NULL)
        loader_fail("kernel information", "not enough memory");
    memset(boot->info.data, 0, size);
    write_info(boot, boot->info.data);
}

void
loader_prepare(const struct loader_platform *platform, const char *config_path,
               struct loader_boot *ret_boot)
{
    char directory[CONFIG_PATH_MAX];
    loader_announce(platform->name, "config", config_path);
    read_config(platform, config_path);
    directory_of(config_path, directory, sizeof directory);

    memset(ret_boot, 0, sizeof *ret_boot);
    load_kernel(platform, directory, ret_boot);
    for (size_t i = 0; i < config.modules_count; i++)
        ret_boot->modules[ret_boot->modules_count++] = load(platform, config.modules[i], directory);
    make_info(platform, ret_boot);
}
