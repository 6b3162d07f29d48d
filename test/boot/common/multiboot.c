/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "multiboot.h"

#include <stdbool.h>
#include <string.h>

#define HEADER_SEARCH_SIZE 8192
#define IMAGE_SIZE_MAX (64u << 20)
#define SEGMENT_LOAD 1
#define MACHINE_386 3
#define TYPE_EXECUTABLE 2

struct elf_header {
    uint8_t ident[16];
    uint16_t type;
    uint16_t machine;
    uint32_t version;
    uint32_t entry;
    uint32_t segments_offset;
    uint32_t sections_offset;
    uint32_t flags;
    uint16_t header_size;
    uint16_t segment_size;
    uint16_t segments_count;
    uint16_t section_size;
    uint16_t sections_count;
    uint16_t section_names;
};

struct elf_segment {
    uint32_t type;
    uint32_t offset;
    uint32_t virtual_address;
    uint32_t physical_address;
    uint32_t file_size;
    uint32_t memory_size;
    uint32_t flags;
    uint32_t align;
};

static const char *
check_multiboot_header(const uint8_t *file, size_t file_size)
{
    size_t end = file_size < HEADER_SEARCH_SIZE ? file_size : HEADER_SEARCH_SIZE;
    for (size_t at = 0; at + 12 <= end; at += 4) {
        uint32_t header[3];
        memcpy(header, file + at, sizeof header);
        if (header[0] != MULTIBOOT_HEADER_MAGIC || header[0] + header[1] + header[2] != 0)
            continue;
        if ((header[1] & 0xffff & ~MULTIBOOT_HEADER_ALIGN_MODULES) != 0)
            return "kernel wants Multiboot features that this loader lacks";
        return NULL;
    }
    return "kernel has no Multiboot header";
}

static const char *
check_elf_header(const uint8_t *file, size_t file_size, struct elf_header *header)
{
    if (file_size < sizeof *header)
        return "kernel too short";
    memcpy(header, file, sizeof *header);
    if (memcmp(header->ident, "\177ELF\1\1", 6) != 0 || header->machine != MACHINE_386 ||
        header->type != TYPE_EXECUTABLE)
        return "kernel is not a 32-bit x86 ELF program";
    uint64_t end = (uint64_t)header->segments_count * sizeof(struct elf_segment);
    if (header->segment_size != sizeof(struct elf_segment) ||
        header->segments_offset + end > file_size)
        return "kernel's ELF program headers corrupt";
    return NULL;
}

static void
get_segment(const uint8_t *file, const struct elf_header *header, unsigned index,
            struct elf_segment *segment)
{
    memcpy(segment, file + header->segments_offset + index * sizeof *segment, sizeof *segment);
}

static const char *
check_segments(const uint8_t *file, size_t file_size, const struct elf_header *header,
               struct multiboot_image *image)
{
    uint64_t low = UINT64_MAX, high = 0;
    for (unsigned i = 0; i < header->segments_count; i++) {
        struct elf_segment segment;
        get_segment(file, header, i, &segment);
        if (segment.type != SEGMENT_LOAD || segment.memory_size == 0)
            continue;
        if ((uint64_t)segment.offset + segment.file_size > file_size ||
            segment.file_size > segment.memory_size)
            return "kernel's ELF segment corrupt";
        uint64_t end = (uint64_t)segment.physical_address + segment.memory_size;
        low = segment.physical_address < low ? segment.physical_address : low;
        high = end > high ? end : high;
    }
    if (high == 0 || high - low > IMAGE_SIZE_MAX || high > UINT32_MAX)
        return "kernel empty or too large";
    image->start = (uint32_t)low;
    image->size = (uint32_t)(high - low);
    image->entry = header->entry;
    if (image->entry < low || image->entry >= high)
        return "kernel's entry lies outside of it";
    return NULL;
}

const char *
multiboot_image_parse(const uint8_t *file, size_t file_size, struct multiboot_image *ret_image)
{
    struct elf_header header;
    const char *wrong = check_elf_header(file, file_size, &header);
    if (wrong == NULL)
        wrong = check_multiboot_header(file, file_size);
    if (wrong == NULL)
        wrong = check_segments(file, file_size, &header, ret_image);
    return wrong;
}

void
multiboot_image_write(const uint8_t *file, const struct multiboot_image *image, uint8_t *to)
{
    struct elf_header header;
    memcpy(&header, file, sizeof header);
    memset(to, 0, image->size);
    for (unsigned i = 0; i < header.segments_count; i++) {
        struct elf_segment segment;
        get_segment(file, &header, i, &segment);
        if (segment.type == SEGMENT_LOAD && segment.memory_size != 0)
            memcpy(to + (segment.physical_address - image->start), file + segment.offset,
                   segment.file_size);
    }
}
