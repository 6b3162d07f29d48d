/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "hyper/vsphere/vim_patience.h"

#include "base/http_handle.h"
#include "hyper/vsphere/vim_private.h"

guint
vim_patience_retries(const struct vim *vim)
{
    return http_handle_retries(vim->http);
}

guint64
vim_patience_pause_ms(const struct vim *vim, guint n)
{
    return http_handle_pause_us(vim->http, n) / 1000;
}

guint
vim_patience_stall_s(const struct vim *vim)
{
    return vim->stall_s;
}
