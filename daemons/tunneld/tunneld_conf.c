/* SPDX-License-Identifier: AGPL-3.0-only */
#include "tunneld/tunneld_conf.h"

#include "sys/conf_file.h"
#include "sys/log.h"
#include "wire/ascii.h"

#define F(field) offsetof(struct tunneld_conf, field)
#define TIMEOUT_MAX DUR_SEC(10)

/* The same three keys for each channel. */
#define CHANNEL(n, name_, address_)                                                                                          \
	{ "Channel" #n ".Name", &conf_text, F(section[n - 1].name), name_, NULL,                                             \
	  "name of a channel: its socket, its metrics, orders; empty: there is no such channel" },                           \
	{ "Channel" #n ".Type", &conf_text, F(section[n - 1].type), "tcp", NULL, "how it reaches central: tcp" },            \
	{ "Channel" #n ".Address", &conf_text, F(section[n - 1].address), address_, NULL, "where: an address with a port" }

const struct conf_key tunneld_keys[] = {
	{ "Pool.Web", &conf_text, F(socket[ORDER_WEB]), "/run/oxpulse-partner-edge/web", NULL,
	  "Unix socket for the front: pages and API" },
	{ "Pool.Ws", &conf_text, F(socket[ORDER_WS]), "/run/oxpulse-partner-edge/ws", NULL,
	  "Unix socket for the front: WebSockets" },
	{ "Pool.WebOrder", &conf_text, F(order_text[ORDER_WEB]), "", NULL,
	  "names of channels in the order in which streams of Web try them, space separated; empty: all, as they are numbered" },
	{ "Pool.WsOrder", &conf_text, F(order_text[ORDER_WS]), "", NULL, "the same for Ws" },
	{ "Pool.ChannelDirectory", &conf_text, F(channel_directory), "/run/oxpulse-tunneld", NULL,
	  "directory for one Unix socket per channel, which leads through that channel only; none: no such sockets" },
	{ "Pool.HealthHost", &conf_text, F(health_host), "oxpulse.chat", NULL, "Host of the health request" },
	{ "Pool.HealthPath", &conf_text, F(health_path), "/api/health", NULL, "its path; any status of 200 to 299 is well" },
	{ "Pool.HealthInterval", &conf_duration, F(health_interval), "10s", NULL, "from one health request to the next" },
	{ "Pool.HealthTimeout", &conf_duration, F(health_timeout), "3s", NULL, "for a health request, connecting included" },
	{ "Pool.HealthPasses", &conf_u32, F(health_passes), "2", NULL, "as many in a row, and a channel is up" },
	{ "Pool.HealthFails", &conf_u32, F(health_fails), "3", NULL, "as many in a row, and it is down" },
	{ "Pool.ConnectTimeout", &conf_duration, F(connect_timeout), "1800ms", NULL,
	  "for a stream to connect, through whichever channel" },
	{ "Pool.MaxStreams", &conf_u32, F(max_streams), "4096", NULL, "streams at a time; more are closed at once" },
	{ "Pool.DrainLimit", &conf_duration, F(drain_limit), "1h", NULL, "a drain ends after this long at the latest" },
	CHANNEL(1, "", ""),
	CHANNEL(2, "", ""),
	CHANNEL(3, "", ""),
	CHANNEL(4, "", ""),
	CHANNEL(5, "", ""),
	CHANNEL(6, "", ""),
	{ "Metrics.Port", &conf_port, F(metrics_port), "9642", NULL, "TCP port of /metrics" },
	{ "Metrics.Bind", &conf_addr, F(metrics_bind), "127.0.0.1", NULL, "its address" },
	{ "Control.Socket", &conf_text, F(control_socket), "/run/oxpulse-partner-edge/tunneld", NULL,
	  "Varlink socket; none: no control" },
	{ "Control.HealthUser", &conf_text, F(health_user), "oxpulse-healthd", NULL,
	  "user that may read status, channels and metrics" },
	{ "Control.RefreshUser", &conf_text, F(refresh_user), "oxpulse-refreshd", NULL, "user that may reload and drain" },
	{ "Log.Level", &conf_text, F(log_level), "info", NULL,
	  "emerg, alert, crit, err, warning, notice, info or debug" },
	{ 0 },
};

const char *order_str(unsigned o)
{
	static const char *const text[] = { [ORDER_WEB] = "web", [ORDER_WS] = "ws", [ORDER_MAX_] = "channel" };

	return text[o];
}

static int refuse(const char *key, const char *why)
{
	log_at(LOG_ERR, NULL, "%s: %s", key, why);
	return ERR_MALFORMED;
}

/* A name is a file name, a word of an order and a label. */
static bool is_name(const char *s)
{
	size_t n = strlen(s);

	for (size_t i = 0; i < n; i++) {
		if (!(s[i] >= 'a' && s[i] <= 'z') && !(s[i] >= '0' && s[i] <= '9') && s[i] != '-' && s[i] != '_')
			return false;
	}
	return n > 0 && n < CHANNEL_NAME_MAX;
}

static int find_channel(const struct tunneld_conf *c, struct span name)
{
	for (uint32_t i = 0; i < c->n_channels; i++) {
		if (span_is(name, c->channel[i].name))
			return (int)i;
	}
	return -1;
}

static int complain(unsigned number, const char *key, const char *why)
{
	log_at(LOG_ERR, NULL, "Channel%u.%s: %s", number, key, why);
	return ERR_MALFORMED;
}

static int derive_channel(struct tunneld_conf *c, uint32_t i)
{
	struct channel_conf *to = &c->channel[c->n_channels];
	const char *name = c->section[i].name;
	char why[200];
	struct wr w = wr_from(why, sizeof(why) - 1);

	if (!name[0])
		return c->section[i].address[0] ? complain(i + 1, "Name", "missing: give the channel one, such as ch2") : 0;
	if (!is_name(name))
		return complain(i + 1, "Name", "1 to 31 of a-z, 0-9, - and _");
	if (find_channel(c, span_str(name)) >= 0)
		return complain(i + 1, "Name", "another channel has this name");
	to->type = channel_type(c->section[i].type);
	if (!to->type) {
		log_at(LOG_ERR, NULL, "Channel%u.Type: no such type; there are: %s", i + 1, channel_type_names());
		return ERR_MALFORMED;
	}
	strcpy(to->name, name);
	strcpy(to->address, c->section[i].address);
	if (to->type->check(to, &w) < 0) {
		why[wr_len(&w)] = '\0';
		return complain(i + 1, "Address", why);
	}
	c->n_channels++;
	return 0;
}

static bool listed(const struct pool_list *l, uint32_t at)
{
	for (uint32_t i = 0; i < l->n; i++) {
		if (l->slot[i] == at)
			return true;
	}
	return false;
}

static int order_add(const char *key, const struct tunneld_conf *c, struct pool_list *l, struct span word)
{
	int at = find_channel(c, word);

	if (at < 0) {
		log_at(LOG_ERR, NULL, "%s: there is no channel %.*s", key, (int)word.n, (const char *)word.p);
		return ERR_MALFORMED;
	}
	if (listed(l, (uint32_t)at))
		return refuse(key, "names a channel twice");
	l->slot[l->n++] = (uint8_t)at;
	return 0;
}

static int derive_order(struct tunneld_conf *c, enum order o)
{
	struct span rest = ascii_trim(span_str(c->order_text[o]));
	struct pool_list *l = &c->order[o];
	int r = 0;

	l->n = 0;
	if (rest.n == 0) {
		for (; l->n < c->n_channels; l->n++)
			l->slot[l->n] = (uint8_t)l->n;
	}
	while (r == 0 && rest.n) {
		size_t n = 0;

		while (n < rest.n && !ascii_is_blank(rest.p[n]) && rest.p[n] != ',')
			n++;
		if (n)
			r = order_add(o == ORDER_WEB ? "Pool.WebOrder" : "Pool.WsOrder", c, l, span_of(rest.p, n));
		rest = ascii_trim(n < rest.n ? span_of(rest.p + n + 1, rest.n - n - 1) : span_of(rest.p + n, 0));
	}
	return r;
}

static int derive_health(const struct tunneld_conf *c)
{
	uint8_t text[HEALTH_REQUEST_MAX];
	struct wr w = wr_from(text, sizeof(text));

	if (health_request(&w, span_str(c->health_host), span_str(c->health_path)) < 0)
		return refuse("Pool.HealthHost", "HealthHost and HealthPath are words without blanks, the path begins with /");
	if (c->health_passes == 0 || c->health_fails == 0)
		return refuse("Pool.HealthPasses", "HealthPasses and HealthFails are at least 1");
	if (c->health_interval < DUR_MS(100) || c->health_timeout < DUR_MS(10))
		return refuse("Pool.HealthInterval", "HealthInterval is at least 100ms, HealthTimeout at least 10ms");
	if (c->connect_timeout < DUR_MS(10) || c->connect_timeout > TIMEOUT_MAX)
		return refuse("Pool.ConnectTimeout", "between 10ms and 10s");
	if (c->max_streams == 0 || c->max_streams > 1000000)
		return refuse("Pool.MaxStreams", "between 1 and 1000000");
	return 0;
}

static int derive(struct tunneld_conf *c)
{
	int r = 0;

	if (log_level_parse(c->log_level, &c->level) < 0) {
		log_warn("Log.Level: \"%s\" is not a level; using info", c->log_level);
		c->level = LOG_INFO;
	}
	for (uint32_t i = 0; r == 0 && i < POOL_CHANNELS; i++)
		r = derive_channel(c, i);
	for (enum order o = 0; r == 0 && o < ORDER_MAX_; o++)
		r = derive_order(c, o);
	return r < 0 ? r : derive_health(c);
}

static int apply_file(const char *path, struct span text, void *arg)
{
	struct conf_diag diag = { 0 };
	int r = conf_apply(tunneld_keys, path, text, arg, &diag);

	if (r < 0)
		log_at(LOG_ERR, NULL, "%s:%u: %s", path, diag.line, diag.text);
	return r;
}

int tunneld_conf_load(const char *path, struct tunneld_conf *ret)
{
	struct tunneld_conf c = { 0 };
	struct conf_diag diag = { 0 };
	int r = conf_defaults(tunneld_keys, &c, &diag);

	if (r < 0)
		return refuse("built-in defaults", diag.text);
	r = conf_file_each(path ? path : TUNNELD_CONF_PATH, path == NULL, apply_file, &c);
	if (r < 0 && r != ERR_MALFORMED)
		log_err(r, "reading %s", path ? path : TUNNELD_CONF_PATH);
	if (r == 0)
		r = derive(&c);
	if (r < 0)
		return r;
	*ret = c;
	return 0;
}

static bool is_frozen(const char *key)
{
	static const char *const frozen[] = {
		"Pool.Web", "Pool.Ws", "Pool.ChannelDirectory", "Pool.MaxStreams", "Metrics.Port", "Metrics.Bind",
		"Control.Socket", "Control.HealthUser", "Control.RefreshUser",
	};

	for (size_t i = 0; i < ARRAY_LEN(frozen); i++) {
		if (strcmp(frozen[i], key) == 0)
			return true;
	}
	return false;
}

void tunneld_conf_frozen(const struct tunneld_conf *old, const struct tunneld_conf *new, struct wr *w)
{
	for (const struct conf_key *k = tunneld_keys; k->key; k++) {
		if (!is_frozen(k->key) || memcmp((const char *)old + k->at, (const char *)new + k->at, k->type->size) == 0)
			continue;
		wr_str(w, wr_len(w) ? " " : "");
		wr_str(w, k->key);
	}
}

void tunneld_conf_keep(const struct tunneld_conf *old, struct tunneld_conf *new)
{
	for (const struct conf_key *k = tunneld_keys; k->key; k++) {
		if (is_frozen(k->key))
			memcpy((char *)new + k->at, (const char *)old + k->at, k->type->size);
	}
}
