/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "repo_suite.h"

static struct repo *
open_memory(const char *directory G_GNUC_UNUSED)
{
    return repo_memory_new();
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    const struct repo_suite suite = {.prefix = "/repo/memory", .open = open_memory};
    repo_suite_add(&suite);
    return g_test_run();
}
