/* SPDX-License-Identifier: AGPL-3.0-only */
#include "sys/wakeup.h"

#include <errno.h>
#include <sys/eventfd.h>

int wakeup_open(void)
{
	int fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);

	return fd < 0 ? -errno : fd;
}

/* A counter that is full is readable all the same. */
void wakeup_ring(int fd)
{
	(void)eventfd_write(fd, 1);
}

void wakeup_clear(int fd)
{
	eventfd_t times;

	(void)eventfd_read(fd, &times);
}
