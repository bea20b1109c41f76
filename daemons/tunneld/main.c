/* SPDX-License-Identifier: AGPL-3.0-only */
#include "sys/daemon_main.h"
#include "tunneld/tunneld.h"

static int load(void *d, const char *path)
{
	struct tunneld *t = d;

	t->conf_path = path;
	return tunneld_conf_load(path, &t->conf);
}

static int level(const void *d)
{
	return ((const struct tunneld *)d)->conf.level;
}

static void write_dump(struct wr *w, const void *d)
{
	conf_dump(w, tunneld_keys, &((const struct tunneld *)d)->conf);
}

static void write_man(struct wr *w, const void *none)
{
	(void)none;
	conf_man(w, tunneld_keys);
}

/* Every listening descriptor we will ever need, but those of channels that a reload adds. */
static int open_all(void *d)
{
	return tunneld_open(d);
}

static int serve(void *d)
{
	return tunneld_loop(d);
}

static void close_all(void *d)
{
	tunneld_close(d);
}

int main(int argc, char **argv)
{
	static const struct daemon_spec spec = { .name = "tunneld", .conf_path = TUNNELD_CONF_PATH, .load = load, .level = level,
						 .dump = write_dump, .man = write_man, .open = open_all, .serve = serve,
						 .close = close_all };
	struct tunneld d = { 0 };

	return daemon_main(&spec, &d, argc, argv);
}
