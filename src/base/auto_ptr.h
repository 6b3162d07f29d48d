/* SPDX-License-Identifier: GPL-3.0-or-later */
/* auto_ptr.h: g_autoptr() for our structs, which have no typedef.
 *
 *     AUTO_PTR_DEFINE(thing, thing_free)           in thing.h
 *     auto_ptr(thing) thing = thing_new(...);      freed when it leaves its block
 *     return g_steal_pointer(&thing);              or handed on */
#pragma once

#include <glib.h>

#define AUTO_PTR_DEFINE(name, free_function)                                                       \
    static inline void auto_ptr_free_##name(struct name **pointer)                                 \
    {                                                                                              \
        if (*pointer != NULL)                                                                      \
            free_function(*pointer);                                                               \
    }

#define auto_ptr(name) __attribute__((cleanup(auto_ptr_free_##name))) struct name *
