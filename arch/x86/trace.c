// SPDX-License-Identifier: GPL-2.0
/*
 * trace.c - the tracepoints' own code and data
 */
#define CREATE_TRACE_POINTS
#include "trace.h"
