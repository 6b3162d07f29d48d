/* SPDX-License-Identifier: GPL-3.0-or-later */
/* mark_fixture.h: marks of runs that are no more, and of other computers.  Free with g_free(). */
#pragma once

#include "hyper/mark.h"

#include <string.h>

/* Of a process that had our number, and began at another time. */
static inline char *
mark_fixture_left(void)
{
    char *mark = mark_new();
    char *tick = strrchr(mark, '.') - 1;
    *tick = *tick == '0' ? '1' : '0';
    g_assert_cmpint(mark_look(mark), ==, MARK_LEFT);
    return mark;
}

static inline char *
mark_fixture_elsewhere(void)
{
    char *mark = mark_new();
    char *owner = mark + strlen("slipway-");
    *owner = *owner == '0' ? '1' : '0';
    g_assert_cmpint(mark_look(mark), ==, MARK_ELSEWHERE);
    return mark;
}
