/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "repo_suite.h"

static const struct repo_fault no_fault = {.operations = G_MAXUINT};

static struct repo *
open_over_memory(const char *directory G_GNUC_UNUSED)
{
    return repo_fault_new(repo_memory_new(), &no_fault);
}

static struct repo *
open_over_directory(const char *directory)
{
    return repo_fault_new(repo_directory_open(directory, FALSE, NULL), &no_fault);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    const struct repo_suite memory = {.prefix = "/repo/fault/memory", .open = open_over_memory};
    repo_suite_add(&memory);
    const struct repo_suite directory = {.prefix = "/repo/fault/directory",
                                         .open = open_over_directory};
    repo_suite_add(&directory);
    return g_test_run();
}
