/* SPDX-License-Identifier: AGPL-3.0-only */
/* io.oxpulse.Edge, the control interface that every daemon has: its description, for varlink_conf.interfaces. */
#ifndef SYS_EDGE_CONTROL_H
#define SYS_EDGE_CONTROL_H

extern const char edge_control_interface[];

#endif
