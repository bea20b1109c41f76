// SPDX-License-Identifier: AGPL-3.0-only
// Relay servers (TURN) for the peer connection: asked of the hub before they are needed and kept while their credentials
// are good. Without them a call works wherever UDP does, so a failure is told in the statistics and stops nothing.

import { getTurnCredentials } from './api.js';
import { words } from './words.js';

const WAIT_MS = 1000;      // a connection that can do without does not wait longer for the hub
const RENEW_AFTER = 0.75;  // of their lifetime: the relay checks credentials as long as it is used

const WAYS = {
  udp: url => url.startsWith('turn:') && !url.endsWith('transport=tcp'),
  tcp: url => url.startsWith('turn:') && url.endsWith('transport=tcp'),
  tls: url => url.startsWith('turns:'),
};

const isStun = url => /^stuns?:/.test(url);
const isTurn = url => /^turns?:/.test(url);

export class Relays {
  problem = '';        // why there are none, in words; empty while all is well

  #only;
  #way;
  #ice = { iceServers: [], iceTransportPolicy: 'all' };
  #renewAt = 0;        // by the wall clock, which goes on while the machine sleeps
  #asking = null;

  // only: nothing but relayed media. way: udp, tcp or tls, to reach the relay in no other.
  constructor({ only = false, way = null } = {}) {
    this.#only = only;
    this.#way = WAYS[way] ?? isTurn;
    if (only)
      this.#ice.iceTransportPolicy = 'relay';
  }

  // Resolves, whatever came of it, once the credentials at hand are good or the hub said no.
  ask() {
    if (Date.now() < this.#renewAt)
      return Promise.resolve();
    this.#asking ??= this.#renew().finally(() => { this.#asking = null; });
    return this.#asking;
  }

  // For RTCPeerConnection.
  async configuration() {
    const asked = this.ask();
    await (this.#only ? asked : Promise.race([asked, new Promise(done => setTimeout(done, WAIT_MS))]));
    return this.#ice;
  }

  async #renew() {
    const began = Date.now();
    try {
      const got = await getTurnCredentials();
      const iceServers = (got.ice_servers ?? []).flatMap(server => this.#usable(server));
      const policy = this.#only || got.iceTransportPolicy === 'relay' ? 'relay' : 'all';
      this.#ice = { iceServers, iceTransportPolicy: policy };
      this.#renewAt = began + got.ttl * 1000 * RENEW_AFTER;
      this.problem = iceServers.some(s => s.urls.some(isTurn)) ? '' : words('relay-none');
    } catch (e) {
      // Old ones may have expired by now, and then the server refuses them: nothing is lost by trying.
      this.problem = words(e.message === 'relay-unset' ? e.message : 'relay-failed');
    }
  }

  // An entry that the browser would not take makes it refuse all of them.
  #usable({ urls, username, credential }) {
    const wanted = [urls].flat().filter(url => isStun(url) || (username && credential && isTurn(url) && this.#way(url)));
    return wanted.length ? [{ urls: wanted, ...username && { username, credential } }] : [];
  }
}
