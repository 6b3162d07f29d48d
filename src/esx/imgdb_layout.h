/* SPDX-License-Identifier: GPL-3.0-or-later */
/* imgdb_layout.h: where things lie in an image database; for its reader and writer only. */
#pragma once

#define IMGDB_ROOT "var/db/esximg/"
#define IMGDB_PROFILES IMGDB_ROOT "profiles/"
#define IMGDB_VIBS IMGDB_ROOT "vibs/"

#define IMGDB_XML ".xml"
#define IMGDB_ORIGINAL ".xml.orig"
#define IMGDB_SIGNATURE ".xml.sig"
