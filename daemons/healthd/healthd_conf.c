/* SPDX-License-Identifier: AGPL-3.0-only */
#include "healthd/healthd_conf.h"

#include <errno.h>

#include "base/err.h"
#include "healthd/verdict/repair.h"
#include "sys/conf_file.h"
#include "sys/log.h"

#define F(field) offsetof(struct healthd_conf, field)
#define SECRETS_MAX 2048 /* bytes of a file with several */
#define HTTP_PORT 9640
#define INTERVAL_MIN DUR_SEC(5)
#define TIMEOUT_MIN DUR_MS(500)

const struct conf_key healthd_keys[] = {
	{ "Node.Id", &conf_text, F(id), "", NULL, "this node's name at central (node_id); empty: nothing is reported" },
	{ "Node.PartnerId", &conf_text, F(partner_id), "", NULL, "the partner's name, label partner_id of some series" },
	{ "Node.Domain", &conf_text, F(domain), "", NULL, "the partner's domain, which the front serves" },
	{ "Node.TurnsName", &conf_text, F(turns_name), "", NULL, "the name by which the front hands TURNS to turnd" },
	{ "Node.StateDirectory", &conf_text, F(state_directory), "/var/lib/oxpulse-partner-edge", NULL,
	  "where the roster and the generations are" },
	{ "Node.ConfigDirectory", &conf_text, F(config_directory), "/etc/oxpulse-partner-edge", NULL,
	  "where configuration and certificates are" },
	{ "Central.Url", &conf_text, F(url), "https://api.oxpulse.chat", NULL, "base URL of central; empty: nothing is reported" },
	{ "Central.CaFile", &conf_text, F(ca_file), "", NULL, "CA of central's certificate (PEM); empty: the system's" },
	{ "Central.TokenFile", &conf_text, F(token_file), "service-token", NULL, "file or credential: the service token" },
	{ "Central.CrossProbeTokenFile", &conf_text, F(cross_probe_token_file), "cross-probe-token", NULL,
	  "file or credential: the token for reports about peers" },
	{ "Probe.Interval", &conf_duration, F(interval), "60s", NULL, "how often everything is probed and reported, at least 5s" },
	{ "Probe.Timeout", &conf_duration, F(timeout), "5s", NULL, "how long one probe may take, at least 500ms" },
	{ "Probe.Channels", &conf_text, F(channels), "", NULL, "channels to central in their order, space separated: ch2 ch1" },
	{ "Probe.ChannelDirectory", &conf_text, F(channel_directory), "/run/oxpulse-tunneld", NULL,
	  "where tunneld has a Unix socket per channel" },
	{ "Probe.ChannelHost", &conf_text, F(channel_host), "oxpulse.chat", NULL, "Host header of /api/health through a channel" },
	{ "Probe.TurnAddress", &conf_addr, F(turn_address), "", NULL,
	  "public address of turnd, port 3478 when none is given; empty: turnd is not probed" },
	{ "Probe.TurnSecretFile", &conf_text, F(turn_secret_file), "turn-secret", NULL,
	  "file or credential with turnd's secret; without it the probe is a STUN Binding only" },
	{ "Probe.SfuSecretFile", &conf_text, F(sfu_secret_file), "sfu-secret", NULL,
	  "file or credential with the key of room tokens; without it sfud is not probed" },
	{ "Probe.SfuSignal", &conf_addr, F(sfu_signal), "127.0.0.1:8920", NULL, "sfud's signalling" },
	{ "Probe.SfuMedia", &conf_addr, F(sfu_media), "", NULL,
	  "sfud's media address, where its public one cannot be reached from here; empty: what sfud answers" },
	{ "Probe.Front", &conf_addr, F(front), "127.0.0.1:443", NULL, "the front's HTTPS" },
	{ "Probe.Canary", &conf_addr, F(canary), "127.0.0.1:9080", NULL, "the front's canary" },
	{ "Probe.FrontCaFile", &conf_text, F(front_ca_file), "", NULL, "CA of the front's certificate (PEM); empty: the system's" },
	{ "Probe.Peers", &conf_bool, F(peers), "yes", NULL, "probe peers of the roster and report them" },
	{ "Probe.PeersInternal", &conf_bool, F(peers_internal), "no", NULL,
	  "probe peers whose address is not global; for tests, never on a node" },
	{ "Http.Listen", &conf_addrs, F(listen), "127.0.0.1:9640", NULL,
	  "addresses of the status page and /metrics, space separated; port 9640 when none is given" },
	{ "Repair.Enabled", &conf_bool, F(repair), "yes", NULL, "restart what is failing for long" },
	{ "Repair.Budget", &conf_u32, F(repair_budget), "3", NULL, "restarts of one daemon within Window at most, 1 to 32" },
	{ "Repair.Window", &conf_duration, F(repair_window), "1h", NULL, "how long a restart counts" },
	{ "Repair.RequestDirectory", &conf_text, F(request_directory), "/run/oxpulse-partner-edge/requests", NULL,
	  "where restarts are asked for" },
	{ "Control.Directory", &conf_text, F(control_directory), "/run/oxpulse-partner-edge", NULL,
	  "where the other daemons' control sockets are" },
	{ "Control.Socket", &conf_text, F(control_socket), "/run/oxpulse-partner-edge/healthd", NULL,
	  "Varlink socket; none: no control" },
	{ "Control.RefreshUser", &conf_text, F(refresh_user), "oxpulse-refreshd", NULL, "user that may reload and drain" },
	{ "Log.Level", &conf_text, F(log_level), "info", NULL, "emerg, alert, crit, err, warning, notice, info or debug" },
	{ 0 },
};

static int refuse(const char *key, const char *why)
{
	log_at(LOG_ERR, NULL, "%s: %s", key, why);
	return ERR_MALFORMED;
}

static void port_of(struct addr *a, uint16_t port)
{
	if (!addr_is_unset(a) && a->port == 0)
		a->port = port;
}

/* --- secrets ------------------------------------------------------------------------------------------------------ */

int healthd_conf_secret(const char *name, struct secret *ret)
{
	char text[SECRETS_MAX + 1];
	size_t n = 0, line = 0;
	int r = conf_file_private(name, text, sizeof(text), &n);

	while (line < n && text[line] != '\n')
		line++;
	if (r == 0)
		r = line ? secret_set(ret, span_of(text, line)) : ERR_MISSING;
	wipe(text, sizeof(text));
	return r;
}

/* What is not there is none, as before the first registration; what is there and cannot be used is said. */
static int load_secret(const char *key, const char *name, struct secret *ret)
{
	int r = name[0] ? healthd_conf_secret(name, ret) : ERR_MISSING;

	if (r == 0 || r == ERR_MISSING || r == -ENOENT) {
		log_debug("%s %s: %s", key, name, r == 0 ? "there" : "not there; what needs it is left out");
		return 0;
	}
	log_err(r, "%s %s%s", key, name, r == -EPERM ? " (chmod o= it)" : "");
	return r == ERR_NOMEM ? r : ERR_MALFORMED;
}

static int load_secrets(struct healthd_conf *c)
{
	const struct {
		const char *key, *name;
		struct secret *to;
	} all[] = {
		{ "Probe.TurnSecretFile", c->turn_secret_file, &c->turn_secret },
		{ "Probe.SfuSecretFile", c->sfu_secret_file, &c->sfu_secret },
		{ "Central.TokenFile", c->token_file, &c->token },
		{ "Central.CrossProbeTokenFile", c->cross_probe_token_file, &c->cross_probe_token },
	};
	int r = 0;

	for (size_t i = 0; r == 0 && i < ARRAY_LEN(all); i++)
		r = load_secret(all[i].key, all[i].name, all[i].to);
	return r;
}

/* --- all of it ---------------------------------------------------------------------------------------------------- */

static bool is_url(const char *s)
{
	return strncmp(s, "https://", 8) == 0 || strncmp(s, "http://", 7) == 0;
}

static int derive_times(struct healthd_conf *c)
{
	if (c->timeout < TIMEOUT_MIN || c->timeout > DUR_SEC(60))
		return refuse("Probe.Timeout", "must be between 500ms and 60s");
	if (c->interval < INTERVAL_MIN || c->interval > DUR_SEC(86400))
		return refuse("Probe.Interval", "must be between 5s and 1d");
	if (c->interval < c->timeout)
		return refuse("Probe.Interval", "is shorter than Probe.Timeout: a run would not end before the next");
	if (c->repair && (c->repair_budget == 0 || c->repair_budget > REPAIR_BUDGET_MAX || c->repair_window < DUR_SEC(60)))
		return refuse("Repair.Budget", "1 to 32 restarts within at least 1m, or Repair.Enabled=no");
	return 0;
}

static int derive(struct healthd_conf *c)
{
	size_t n = strlen(c->url);
	int r;

	if (log_level_parse(c->log_level, &c->level) < 0) {
		log_warn("Log.Level: \"%s\" is not a level; using info", c->log_level);
		c->level = LOG_INFO;
	}
	while (n && c->url[n - 1] == '/')
		c->url[--n] = '\0';
	if (c->url[0] && !is_url(c->url))
		return refuse("Central.Url", "begins with https://, or with http:// in tests");
	port_of(&c->turn_address, 3478);
	port_of(&c->sfu_signal, 8920);
	port_of(&c->sfu_media, 7878);
	port_of(&c->front, 443);
	port_of(&c->canary, 9080);
	for (uint32_t i = 0; i < c->listen.n; i++)
		port_of(&c->listen.a[i], HTTP_PORT);
	if (!addr_is_unset(&c->turn_address) && addr_classify(&c->turn_address) == ADDR_LOOPBACK)
		log_warn("Probe.TurnAddress: a loopback address is no peer for turnd, the probe will fail; name the public one");
	if (c->peers_internal)
		log_warn("Probe.PeersInternal=yes: names of the roster may lead into this host and its network; for tests only");
	r = derive_times(c);
	return r < 0 ? r : load_secrets(c);
}

static int take_file(const char *path, struct span text, void *conf)
{
	struct conf_diag d = { 0 };
	int r = conf_apply(healthd_keys, path, text, conf, &d);

	if (r < 0)
		log_at(LOG_ERR, NULL, "%s:%u: %s", path, d.line, d.text);
	return r;
}

static int fill(const char *path, struct healthd_conf *c)
{
	const char *file = path ? path : HEALTHD_CONF_PATH;
	struct conf_diag d = { 0 };
	int r;

	if (conf_defaults(healthd_keys, c, &d) < 0)
		return refuse("built-in defaults", d.text);
	r = conf_file_each(file, !path, take_file, c);
	if (r != 0 && r != ERR_MALFORMED)
		log_err(r, "reading %s", file);
	return r < 0 ? r : derive(c);
}

int healthd_conf_load(const char *path, struct healthd_conf *ret)
{
	CLEANUP(healthd_conf_done) struct healthd_conf c = { 0 };
	int r = fill(path, &c);

	if (r < 0)
		return r;
	*ret = c;
	return 0;
}

void healthd_conf_done(struct healthd_conf *c)
{
	secret_done(&c->turn_secret);
	secret_done(&c->sfu_secret);
	secret_done(&c->token);
	secret_done(&c->cross_probe_token);
}

void healthd_conf_frozen(const struct healthd_conf *old, const struct healthd_conf *new, struct wr *w)
{
	static const char *const frozen[] = { "Http.Listen", "Control.Socket", "Control.RefreshUser", NULL };

	conf_changed(healthd_keys, frozen, old, new, w);
}
