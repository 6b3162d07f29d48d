/* SPDX-License-Identifier: GPL-3.0-or-later */
/* version.h: the version of the program, as the build says. */
#pragma once

#ifndef SLIPWAY_VERSION
#define SLIPWAY_VERSION "0.0.0"
#endif
