/* SPDX-License-Identifier: AGPL-3.0-only */
#include "refreshd/render/render_impl.h"

#define HEALTH_PORT 9640
#define CERTIFICATE RENDER_ETC "/front/tls/fullchain.pem"
#define PRIVATE_KEY RENDER_ETC "/front/tls/privkey.pem"
#define SIGNING_KEY RENDER_LIB "/current/sfu-signing-key.pem"

static void head(struct render *r, const char *file)
{
	wr_str(r->w, "# Written by refreshd for node ");
	if (!text_fits(TEXT_ID, span_str(r->in->node->node_id)))
		render_fail(r, ERR_MALFORMED, "node_id", " is not an id");
	wr_str(r->w, r->in->node->node_id);
	wr_str(r->w, ". Own settings belong into ");
	wr_str(r->w, file);
	wr_str(r->w, ".d/*.conf, which nobody overwrites.\n");
}

static bool behind_nat(const struct render *r)
{
	return !addr_is_unset(&r->private_ip);
}

void render_sfud(struct render *r)
{
	head(r, "sfud.conf");
	render_section(r, "Media");
	render_key_u64(r, "Port", r->in->local->sfu_udp_port);
	render_key_addr(r, "PublicAddress", &r->public_ip, 0);
	/* Clouds without hairpin: a turnd beside it reaches it there. */
	if (behind_nat(r) && addr_classify(&r->private_ip) == ADDR_PRIVATE)
		render_key_addr(r, "LocalAddress", &r->private_ip, 0);
	render_section(r, "Signal");
	render_key(r, "", "SecretFile", "sfu-secret");
	if (r->in->sfu_pem[0])
		render_key(r, "", "SigningKeyFile", SIGNING_KEY);
	render_section(r, "Metrics");
	render_key_u64(r, "Port", r->in->local->sfu_metrics_port);
	render_key(r, "awg.edge_id", "EdgeId", r->edge_id);
}

/* The SFU on this host is a peer like any other; turnd's own ports stay refused. */
static void allow_peer(struct render *r, const struct addr *a)
{
	enum addr_class c = addr_classify(a);

	if (!addr_is_unset(a) && c != ADDR_LOOPBACK && c != ADDR_UNSPECIFIED)
		render_key_addr(r, "AllowPeer", a, 0);
}

void render_turnd(struct render *r)
{
	head(r, "turnd.conf");
	render_section(r, "Server");
	render_key(r, "domain", "Realm", r->domain);
	render_key(r, "", "SecretFile", "turn-secret");
	render_key(r, "", "Certificate", CERTIFICATE);
	render_key(r, "", "PrivateKey", PRIVATE_KEY);
	render_key(r, "", "TurnsSocket", RENDER_RUN "/turns.sock");
	render_key(r, "", "CoverSocket", RENDER_FRONT_RUN "/cover.sock");
	render_key(r, "", "CoverH2Socket", RENDER_FRONT_RUN "/cover-h2.sock");
	if (behind_nat(r)) {
		render_key_addr(r, "RelayAddress", &r->private_ip, 0);
		render_key_addr(r, "ExternalAddress", &r->public_ip, 0);
	}
	render_section(r, "Policy");
	allow_peer(r, &r->private_ip);
	allow_peer(r, &r->public_ip);
	render_key_u64(r, "UserQuota", 16);
	render_key_u64(r, "TotalQuota", 250);
	render_key_u64(r, "MaxBps", 250000);
	render_key_u64(r, "TotalBps", 25000000);
}

/* The page is for this host, and for the mesh, which may come up later than healthd. */
static void health_listen(struct render *r)
{
	struct addr here = addr_v4(127, 0, 0, 1, HEALTH_PORT), mesh;
	char value[2 * ADDR_TEXT_MAX], one[ADDR_TEXT_MAX];
	struct wr w = wr_from(value, sizeof(value) - 1);

	wr_str(&w, addr_fmt(&here, one));
	if (addr_parse(text_without_length(span_str(r->in->node->awg.allocated_ip)), &mesh) == 0) {
		mesh.port = HEALTH_PORT;
		wr_str(&w, " ");
		wr_str(&w, addr_fmt(&mesh, one));
	}
	value[wr_len(&w)] = '\0';
	render_section(r, "Http");
	render_key(r, "awg.allocated_ip", "Listen", value);
}

void render_healthd(struct render *r)
{
	const struct local *l = r->in->local;
	const struct addr *at = behind_nat(r) ? &r->private_ip : &r->public_ip;
	char names[RENDER_VALUE_MAX + 1];
	struct wr w = wr_from(names, sizeof(names) - 1);

	head(r, "healthd.conf");
	render_section(r, "Node");
	render_key(r, "node_id", "Id", r->in->node->node_id);
	render_key(r, "partner_id", "PartnerId", r->partner_id);
	render_key(r, "domain", "Domain", r->domain);
	render_key(r, "turns_subdomain", "TurnsName", r->turns_name);
	render_key(r, "", "StateDirectory", RENDER_LIB);
	render_key(r, "", "ConfigDirectory", RENDER_ETC);
	render_section(r, "Central");
	render_key(r, "BACKEND_API", "Url", l->central_url);
	if (l->central_ca[0])
		render_key(r, "BACKEND_CA", "CaFile", l->central_ca);
	render_key(r, "", "TokenFile", "service-token");
	render_key(r, "", "CrossProbeTokenFile", "cross-probe-token");
	render_section(r, "Probe");
	render_order(r, false, &w);
	names[wr_len(&w)] = '\0';
	if (names[0])
		render_key(r, "channels", "Channels", names);
	render_key(r, "BACKEND_HOST", "ChannelHost", l->backend_host);
	render_key_addr(r, "TurnAddress", at, RENDER_TURN_PORT);
	render_key(r, "", "TurnSecretFile", "turn-secret");
	render_key(r, "", "SfuSecretFile", "sfu-secret");
	/* A NAT without hairpin would lose the check on its way to ourselves. */
	if (behind_nat(r))
		render_key_addr(r, "SfuMedia", &r->private_ip, l->sfu_udp_port);
	health_listen(r);
}
