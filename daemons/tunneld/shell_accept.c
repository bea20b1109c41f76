/* SPDX-License-Identifier: AGPL-3.0-only */
/* The Unix sockets that streams come in by: web, ws, and one per channel. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "sys/log.h"
#include "sys/notify.h"
#include "sys/sock.h"
#include "tunneld/shell_flow.h"

#define ACCEPTS 16          /* of one door in a row */
#define BREAK DUR_MS(100)   /* of a door that cannot accept: it would tell us again and again */

static void on_accept(int fd, unsigned events, void *arg)
{
	struct door *o = arg;
	struct tunneld *d = o->d;

	(void)events;
	for (int i = 0; i < ACCEPTS; i++) {
		struct addr peer;
		int got = sock_accept(fd, &peer);

		if (got == -EAGAIN)
			return;
		if (got == -EINTR || got == -ECONNABORTED)
			continue;
		if (got < 0) {
			log_err(got, "accepting at %s (no descriptors: LimitNOFILE= of the service, or MaxStreams)", o->path);
			loop_unwatch(o->watch);
			o->watch = NULL;
			timer_set(d->door_timer, mono_add(loop_now(d->loop), BREAK));
			return;
		}
		flow_accept(d, got, o->use, o->use == ORDER_MAX_ ? (int)o->slot : -1);
	}
}

static int watch(struct door *o)
{
	o->watch = loop_watch(o->d->loop, o->fd, LOOP_READ, on_accept, o);
	return o->watch ? 0 : ERR_NOMEM;
}

static void retry(struct door *o)
{
	if (o->path[0] && o->fd >= 0 && !o->watch && watch(o) < 0)
		timer_set(o->d->door_timer, mono_add(loop_now(o->d->loop), BREAK));
}

void doors_retry(void *tunneld)
{
	struct tunneld *d = tunneld;

	for (int i = 0; i < ORDER_MAX_; i++)
		retry(&d->door[i]);
	for (int i = 0; i < POOL_SLOTS; i++)
		retry(&d->chan[i].door);
}

int door_open(struct door *o, int fd)
{
	o->fd = fd;
	if (fcntl(fd, F_SETFL, O_NONBLOCK) == 0 && watch(o) == 0) /* an inherited one may block */
		return 0;
	close(fd);
	if (o->own)
		(void)unlink(o->path);
	*o = (struct door){ .fd = -1 };
	return ERR_NOMEM;
}

void door_close(struct door *o)
{
	if (!o->path[0])
		return;
	loop_unwatch(o->watch);
	if (o->fd >= 0)
		close(o->fd);
	if (o->own && o->fd >= 0)
		(void)unlink(o->path);
	*o = (struct door){ .fd = -1 };
}

static int open_order(struct tunneld *d, unsigned use)
{
	static const char *const inherited[] = { [ORDER_WEB] = "tunneld-web", [ORDER_WS] = "tunneld-ws" };
	struct door *o = &d->door[use];
	int fd = notify_inherited(inherited[use]);

	*o = (struct door){ .d = d, .use = use, .fd = -1, .own = fd < 0 };
	snprintf(o->path, sizeof(o->path), "%s", d->conf.socket[use]);
	if (fd < 0)
		fd = sock_listen_unix(o->path, DOOR_MODE);
	if (fd < 0)
		return log_err(fd, "Pool.%s: %s (does its directory exist and belong to this user?)",
			       use == ORDER_WEB ? "Web" : "Ws", o->path);
	return door_open(o, fd) < 0 ? log_err(ERR_NOMEM, "Pool.%s", use == ORDER_WEB ? "Web" : "Ws") : 0;
}

int doors_open(struct tunneld *d)
{
	int r = 0;

	for (unsigned i = 0; r == 0 && i < ORDER_MAX_; i++)
		r = open_order(d, i);
	return r;
}

void doors_sweep(const char *dir)
{
	DIR *list = opendir(dir);
	struct dirent *e;

	while (list && (e = readdir(list))) {
		char path[CONF_TEXT_MAX + NAME_MAX + 2];
		struct stat st;
		int fd;

		snprintf(path, sizeof(path), "%s/%s", dir, e->d_name);
		if (lstat(path, &st) < 0 || !S_ISSOCK(st.st_mode))
			continue;
		fd = sock_connect_unix(path);
		if (fd >= 0)
			close(fd);
		else if (fd == -ECONNREFUSED)
			(void)unlink(path);
	}
	if (list)
		closedir(list);
}
