/* SPDX-License-Identifier: AGPL-3.0-only */
#include "sys/reuseport.h"

#include <errno.h>
#include <linux/filter.h>
#include <sys/socket.h>

#include "base/err.h"

#define NET ((uint32_t)SKF_NET_OFF) /* offsets count from the IP header */

int reuseport_spread(int fd, uint32_t n, bool by_port)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_B | BPF_ABS, NET),           /* IP version */
		BPF_STMT(BPF_ALU | BPF_RSH | BPF_K, 4),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 4, 0, 6),
		BPF_STMT(BPF_LDX | BPF_B | BPF_MSH, NET),          /* IPv4: length of the header */
		BPF_STMT(BPF_LD | BPF_H | BPF_IND, NET),           /* source port */
		BPF_STMT(BPF_ALU | BPF_MUL | BPF_K, by_port),
		BPF_STMT(BPF_MISC | BPF_TAX, 0),
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, NET + 12),      /* source address */
		BPF_STMT(BPF_JMP | BPF_JA, 4),
		BPF_STMT(BPF_LD | BPF_H | BPF_ABS, NET + 40),      /* IPv6: source port */
		BPF_STMT(BPF_ALU | BPF_MUL | BPF_K, by_port),
		BPF_STMT(BPF_MISC | BPF_TAX, 0),
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, NET + 20),      /* the end of its source address */
		BPF_STMT(BPF_ALU | BPF_XOR | BPF_X, 0),
		BPF_STMT(BPF_ALU | BPF_MUL | BPF_K, 0x9e3779b1u),  /* neighbours apart */
		BPF_STMT(BPF_ALU | BPF_RSH | BPF_K, 16),
		BPF_STMT(BPF_ALU | BPF_MOD | BPF_K, n),
		BPF_STMT(BPF_RET | BPF_A, 0),
	};
	const struct sock_fprog prog = { ARRAY_LEN(code), code };

	return setsockopt(fd, SOL_SOCKET, SO_ATTACH_REUSEPORT_CBPF, &prog, sizeof(prog)) < 0 ? -errno : 0;
}
