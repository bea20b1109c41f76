/* SPDX-License-Identifier: AGPL-3.0-only */
/* Why something that arrived went no further. One counter each (turn_drops_total{reason=…}); never a log line. */
#ifndef TURND_DROP_H
#define TURND_DROP_H

enum drop {
	DROP_NONE,
	DROP_UNKNOWN_KIND,     /* neither STUN nor ChannelData */
	DROP_STUN_MALFORMED,
	DROP_STUN_UNEXPECTED,  /* a response, or an indication that no client sends */
	DROP_STUN_FINGERPRINT,
	DROP_CHALLENGE_LIMIT,  /* its prefix has used up what it may make us send */
	DROP_CLIENT_UNKNOWN,   /* data of a client without an allocation */
	DROP_CHANNEL_UNKNOWN,
	DROP_SEND_MALFORMED,   /* a Send indication without a peer or data */
	DROP_PEER_FORBIDDEN,
	DROP_PEER_FAMILY,      /* no relayed address of that family, or a TCP allocation */
	DROP_PERMISSION,       /* client to peer without one */
	DROP_RELAY_PERMISSION, /* peer to client without one */
	DROP_RELAY_GONE,       /* for an allocation that just ended */
	DROP_BANDWIDTH,        /* the allocation's */
	DROP_TOTAL_BANDWIDTH,
	DROP_TOO_LARGE,
	DROP_BLOCKED,          /* the client's stream takes no more */
	DROP_OTHER_WORKER,     /* not a loss: turn.other says whose it is */
	DROP_MAX_
};

const char *drop_str(enum drop d); /* the metric label */

#endif
