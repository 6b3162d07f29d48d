/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "iso9660.h"

#include <string.h>

#define DESCRIPTORS_START 16
#define DESCRIPTORS_MAX 32
#define DESCRIPTOR_PRIMARY 1
#define DESCRIPTOR_END 255
#define ROOT_RECORD_OFFSET 156
#define RECORD_SIZE_MIN 34
#define DIRECTORY_SIZE_MAX (16u << 20)
#define READ_BLOCKS_MAX 512u /* a megabyte at a time: firmware may refuse much more */

enum {
    RECORD_FLAG_DIRECTORY = 1 << 1,
    RECORD_FLAG_MORE_EXTENTS = 1 << 7,
};

static uint32_t
get_u32(const uint8_t *at)
{
    return at[0] | (uint32_t)at[1] << 8 | (uint32_t)at[2] << 16 | (uint32_t)at[3] << 24;
}

static void
read_record(const uint8_t *record, struct iso9660_file *file)
{
    file->block = get_u32(record + 2) + record[1]; /* behind the extended attributes */
    file->size = get_u32(record + 10);
    file->directory = (record[25] & RECORD_FLAG_DIRECTORY) != 0;
}

const char *
iso9660_open(struct iso9660 *volume, iso9660_read_blocks read_blocks, void *opaque)
{
    volume->read_blocks = read_blocks;
    volume->opaque = opaque;
    for (uint32_t i = 0; i < DESCRIPTORS_MAX; i++) {
        if (!read_blocks(opaque, DESCRIPTORS_START + i, 1, volume->block))
            return "cannot read the volume descriptors";
        if (memcmp(volume->block + 1, "CD001", 5) != 0)
            return "not an ISO 9660 volume";
        if (volume->block[0] == DESCRIPTOR_END)
            break;
        if (volume->block[0] == DESCRIPTOR_PRIMARY) {
            read_record(volume->block + ROOT_RECORD_OFFSET, &volume->root);
            return volume->root.directory ? NULL : "the volume's root is not a directory";
        }
    }
    return "no primary volume descriptor";
}

static char
lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c + ('a' - 'A')) : c;
}

/* Compare a record's name, less version and final dot, with one part of a path. */
static bool
name_equal(const uint8_t *name, size_t name_length, const char *part, size_t part_length)
{
    size_t length = 0;
    while (length < name_length && name[length] != ';')
        length++;
    if (length > 1 && name[length - 1] == '.')
        length--;
    if (length != part_length)
        return false;
    for (size_t i = 0; i < length; i++)
        if (lower((char)name[i]) != lower(part[i]))
            return false;
    return true;
}

/* Look for a name in the directory block now in memory.  Sets `found` to its record. */
static const char *
search_block(struct iso9660 *volume, const char *part, size_t length, const uint8_t **found)
{
    *found = NULL;
    for (size_t at = 0; at + RECORD_SIZE_MIN <= ISO9660_BLOCK_SIZE;) {
        const uint8_t *record = volume->block + at;
        size_t size = record[0];
        if (size == 0) /* records do not cross blocks: the rest is filling */
            return NULL;
        size_t name_length = record[32];
        if (size < RECORD_SIZE_MIN || size > ISO9660_BLOCK_SIZE - at || 33 + name_length > size)
            return "directory record corrupt";
        if (name_equal(record + 33, name_length, part, length)) {
            *found = record;
            return NULL;
        }
        at += size;
    }
    return NULL;
}

static const char *
search_directory(struct iso9660 *volume, const struct iso9660_file *directory, const char *part,
                 size_t length, struct iso9660_file *ret_file)
{
    if (directory->size > DIRECTORY_SIZE_MAX)
        return "directory too large";
    uint32_t blocks = (directory->size + ISO9660_BLOCK_SIZE - 1) / ISO9660_BLOCK_SIZE;
    for (uint32_t i = 0; i < blocks; i++) {
        if (!volume->read_blocks(volume->opaque, directory->block + i, 1, volume->block))
            return "cannot read a directory";
        const uint8_t *record;
        const char *wrong = search_block(volume, part, length, &record);
        if (wrong != NULL)
            return wrong;
        if (record == NULL)
            continue;
        if (record[25] & RECORD_FLAG_MORE_EXTENTS)
            return "file of several extents";
        read_record(record, ret_file);
        return NULL;
    }
    return "no such file on the disc";
}

const char *
iso9660_find(struct iso9660 *volume, const char *path, struct iso9660_file *ret_file)
{
    struct iso9660_file file = volume->root;
    while (*path == '/')
        path++;
    while (*path != '\0') {
        size_t length = 0;
        while (path[length] != '\0' && path[length] != '/')
            length++;
        if (!file.directory)
            return "part of the path is not a directory";
        struct iso9660_file directory = file;
        const char *wrong = search_directory(volume, &directory, path, length, &file);
        if (wrong != NULL)
            return wrong;
        path += length;
        while (*path == '/')
            path++;
    }
    *ret_file = file;
    return NULL;
}

const char *
iso9660_read(struct iso9660 *volume, const struct iso9660_file *file, void *data)
{
    uint8_t *to = data;
    uint32_t block = file->block;
    uint32_t left = file->size / ISO9660_BLOCK_SIZE + (file->size % ISO9660_BLOCK_SIZE != 0);
    while (left > 0) {
        uint32_t count = left < READ_BLOCKS_MAX ? left : READ_BLOCKS_MAX;
        if (!volume->read_blocks(volume->opaque, block, count, to))
            return "cannot read a file's blocks";
        to += (size_t)count * ISO9660_BLOCK_SIZE;
        block += count;
        left -= count;
    }
    return NULL;
}
