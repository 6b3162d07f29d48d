/* SPDX-License-Identifier: GPL-3.0-or-later */
/* run.h: the whole program but its entry point. */
#pragma once

/* Do what the command line says; the exit code. */
int run_command_line(int argc, char *const *argv);
