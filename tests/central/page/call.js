// SPDX-License-Identifier: AGPL-3.0-only
// One person's call: the signalling socket, the peer connection, and the way back after either is lost
// (spec/sfu.md section 2).
//
//   idle -> connecting -> joined <-> reconnecting -> ended
//
// A "turn" is one try: token, offer, socket, answer. Everything asynchronous remembers its turn and does nothing once
// another has begun, so late replies of an old socket cannot touch the new one.
//
// Way back: the first try after a loss keeps the connection and restarts ICE, which costs the others nothing and keeps
// our tiles. When the server does not take that (4002, 4003, another certificate) or media still does not flow, the
// next try builds a new connection.

import { getGrant, whyRefused } from './api.js';
import { Remote } from './remote.js';
import { CallError } from './words.js';

const PROTOCOL = 'oxpulse-sfu-v1';
const CAMERA_BPS = 1_500_000;
const SCREEN_BPS = 2_500_000;

// The server learns our address from our first packet, so candidates in the offer are a courtesy: do not wait for slow
// ones, as those of a relay or of an address without a way out are.
const GATHER_MS = 150;
const OPEN_MS = 10_000;       // socket open
const ANSWER_MS = 10_000;     // answer to the offer
const CONNECT_MS = 12_000;    // ICE and DTLS after the answer
const RESTART_MS = 6000;      // ICE alone, after a restart; giving up costs only a rebuild
const FLAP_MS = 3500;         // ICE "disconnected" often heals by itself
const SILENCE_MS = 6000;      // no media after an ICE restart that looked fine
const SETTLED_MS = 5000;      // joined for this long: the next loss starts the back-off anew
const GRACE_MS = 4000;        // a rebuilt call waits this long for the others to be announced again
const BACKOFF_MS = [500, 1000, 2000, 4000, 8000];
const MAX_REFUSALS = 3;

// Close codes of spec/sfu.md 2.2. end: stop with this code. rebuild: the server has forgotten the peer.
// Otherwise the loss is retried under the given code; a refused restart offer is always answered by a rebuild.
const CLOSES = {
  1000: { code: 'dropped', rebuild: true },
  1001: { code: 'restarting', rebuild: true },
  4001: { end: 'room-mismatch' },
  4002: { end: 'bad-offer' },
  4003: { code: 'refused-offer', rebuild: true, refusal: true },
  4031: { end: 'replaced' },
};

const fingerprint = sdp => /^a=fingerprint:(.*)$/mi.exec(sdp ?? '')?.[1].trim().toLowerCase();

function gathered(pc) {
  if (pc.iceGatheringState === 'complete')
    return Promise.resolve();
  return new Promise(done => {
    const check = () => {
      if (pc.iceGatheringState === 'complete')
        finish();
    };
    const finish = () => {
      clearTimeout(timer);
      pc.removeEventListener('icegatheringstatechange', check);
      done();
    };
    const timer = setTimeout(finish, GATHER_MS);
    pc.addEventListener('icegatheringstatechange', check);
  });
}

// Events: "state" when state or problem changed, "peers" when remote.peers changed.
export class Call extends EventTarget {
  state = 'idle';
  problem = null;       // CallError: why we are not joined, or why we ended
  pc = null;
  remote = new Remote();

  #tracks = { audio: null, video: null, screen: null };
  #senders = {};
  #socket = null;
  #turn = 0;
  #tries = 0;
  #refusals = 0;
  #restarting = false;  // this turn keeps the connection
  #rebuild = false;     // the next turn must not
  #answered = false;
  #grace = false;
  #wentOffline = false;
  #timers = new Map();
  #work = Promise.resolve();
  #windowEvents = new AbortController();

  constructor({ room, sub = null, name = '', simulcast = false, relays }) {
    super();
    Object.assign(this, { room, sub, name, simulcast, relays });
  }

  join() {
    const { signal } = this.#windowEvents;
    window.addEventListener('offline', () => this.#offline(), { signal });
    window.addEventListener('online', () => this.#online(), { signal });
    this.#become('connecting');
    this.#begin();
  }

  leave() {
    this.#end(new CallError('left'));
  }

  // kind: audio, video, screen. null stops sending; the m-line stays, so no negotiation is needed either way.
  async setTrack(kind, track) {
    this.#tracks[kind] = track;
    const sender = this.#senders[kind];
    await sender?.replaceTrack(track).catch(() => {});
    // Firefox goes on with one black picture a second for a track that is gone; an encoding that rests sends nothing.
    if (sender && sender === this.#senders[kind]) {
      const parameters = sender.getParameters();
      for (const encoding of parameters.encodings ?? [])
        encoding.active = this.#tracks[kind] !== null;
      await sender.setParameters(parameters).catch(() => {});
    }
  }

  // ------------------------------------------------------------------ turns

  async #begin() {
    const turn = ++this.#turn;
    const stale = () => turn !== this.#turn;
    this.#hangUp();
    this.#clearTimers();
    this.#answered = false;
    this.#work = Promise.resolve();
    try {
      const [grant, ice] = await Promise.all([getGrant(this), this.relays.configuration()]);
      if (stale())
        return;
      this.sub = grant.sub;
      // A first offer that was never answered has nothing worth keeping.
      this.#restarting = !this.#rebuild && Boolean(this.pc?.currentRemoteDescription);
      if (this.#restarting)
        // Firefox before 119 cannot; its relay goes on with the credentials it has.
        this.pc.setConfiguration?.({ ...this.pc.getConfiguration(), ...ice });
      else
        this.#build(ice);
      this.#rebuild = false;
      const sdp = await this.#offer();
      if (!stale())
        this.#dial(turn, grant, sdp);
    } catch (e) {
      if (!stale())
        this.#lost(e instanceof CallError ? e : new CallError('refused-offer'), { rebuild: !(e instanceof CallError), refusal: !(e instanceof CallError) });
    }
  }

  #build(ice) {
    this.pc?.close();
    this.remote.forgetLines();
    this.#grace = this.remote.peers.size > 0;
    const pc = new RTCPeerConnection({ bundlePolicy: 'max-bundle', ...ice });
    this.pc = pc;
    const camera = this.simulcast
      ? [{ rid: 'q', scaleResolutionDownBy: 4, maxBitrate: 150_000 },
         { rid: 'h', scaleResolutionDownBy: 2, maxBitrate: 500_000 },
         { rid: 'f', scaleResolutionDownBy: 1, maxBitrate: CAMERA_BPS }]
      : [{ maxBitrate: CAMERA_BPS }];
    // This order is part of the protocol: the server knows the third line as the screen.
    const lines = [['audio', 'audio', [{}]], ['video', 'video', camera], ['screen', 'video', [{ maxBitrate: SCREEN_BPS }]]];
    for (const [slot, kind, sendEncodings] of lines) {
      const { sender } = pc.addTransceiver(kind, { direction: 'sendonly', sendEncodings });
      this.#senders[slot] = sender;
      sender.replaceTrack(this.#tracks[slot]).catch(() => {});
    }
    pc.ontrack = ev => {
      if (pc === this.pc)
        this.remote.heard(ev.transceiver.mid, ev.streams[0]?.id);
    };
    pc.onconnectionstatechange = () => {
      if (pc === this.pc)
        this.#mediaState(pc.connectionState);
    };
  }

  async #offer() {
    const { pc } = this;
    if (pc.signalingState === 'have-local-offer')
      await pc.setLocalDescription({ type: 'rollback' });
    else if (pc.signalingState === 'have-remote-offer')
      await pc.setRemoteDescription({ type: 'rollback' });
    await pc.setLocalDescription(await pc.createOffer({ iceRestart: this.#restarting }));
    await gathered(pc);
    return pc.localDescription.sdp;
  }

  #dial(turn, grant, sdp) {
    const url = new URL(grant.ws, location.href);
    url.protocol = url.protocol.replace('http', 'ws');
    const socket = new WebSocket(url, [PROTOCOL, `bearer.${grant.token}`]);
    let opened = false;
    this.#socket = socket;
    this.#after('open', OPEN_MS, () => this.#lost(new CallError('busy')));

    socket.onopen = () => {
      opened = true;
      this.#stopTimer('open');
      this.#after('answer', ANSWER_MS, () => this.#lost(new CallError('dropped'), { rebuild: true }));
      socket.send(JSON.stringify({ kind: 'offer', sdp }));
    };
    socket.onmessage = ev => {
      // In order and one at a time: an offer is answered before the next frame is looked at.
      if (typeof ev.data === 'string')
        this.#work = this.#work.then(() => turn === this.#turn && this.#frame(turn, ev.data))
          .catch(() => turn === this.#turn && this.#lost(new CallError('refused-offer'), { rebuild: true, refusal: true }));
    };
    socket.onclose = async ev => {
      if (turn !== this.#turn)
        return;
      if (opened)
        return this.#closed(ev.code);
      const why = await whyRefused();
      if (turn === this.#turn)
        this.#lost(why);
    };
  }

  #closed(close) {
    const rule = CLOSES[close] ?? { code: 'dropped' };
    const refusedRestart = this.#restarting && !this.#answered && (close === 4002 || close === 4003);
    if (rule.end && !refusedRestart)
      return this.#end(new CallError(rule.end));
    this.#lost(new CallError(rule.code ?? 'dropped'),
      { rebuild: rule.rebuild || refusedRestart, refusal: rule.refusal && !refusedRestart });
  }

  // The turn is over without a call. refusal: the server or the browser said no, which only so many tries may cure.
  #lost(error, { rebuild = false, refusal = false } = {}) {
    if (this.state === 'ended')
      return;
    this.#turn++;
    this.#hangUp();
    this.#clearTimers();
    this.#rebuild ||= rebuild;
    this.#refusals += refusal ? 1 : 0;
    if (error.fatal)
      return this.#end(error);
    if (this.#refusals >= MAX_REFUSALS)
      return this.#end(new CallError('failed'));
    const base = BACKOFF_MS[Math.min(this.#tries++, BACKOFF_MS.length - 1)];
    // Spread, so that the peers of a restarted server do not come back as one wave.
    this.#after('retry', base * (0.8 + 0.4 * Math.random()), () => this.#begin());
    this.#become(this.state === 'connecting' ? 'connecting' : 'reconnecting', error);
  }

  // ----------------------------------------------------------------- frames

  async #frame(turn, text) {
    let msg;
    try {
      msg = JSON.parse(text);
    } catch {
      return;
    }
    if (msg?.kind === 'answer')
      await this.#answer(turn, String(msg.sdp));
    else if (msg?.type === 'offer-renegotiate')
      await this.#renegotiate(turn, msg);
    else if (msg?.type === 'tracks_map_update') {
      this.remote.named(msg.tracks);
      this.#syncPeers();
    }
    // tracks_map lists who is there; their tracks follow one by one with offers of their own, which say all we use.
  }

  async #answer(turn, sdp) {
    const { pc } = this;
    this.#stopTimer('answer');
    // Another certificate means another peer at the far end: it has no keys for the media of this connection.
    if (this.#restarting && fingerprint(sdp) !== fingerprint(pc.currentRemoteDescription?.sdp))
      return this.#lost(new CallError('dropped'), { rebuild: true });
    await pc.setRemoteDescription({ type: 'answer', sdp });
    if (turn !== this.#turn)
      return;
    this.#answered = true;
    this.#syncPeers();
    if (pc.connectionState === 'connected')
      return this.#joined();
    this.#after('connect', this.#restarting ? RESTART_MS : CONNECT_MS, () => this.#mediaState('failed'));
  }

  async #renegotiate(turn, { sdp, mid }) {
    const { pc } = this;
    await pc.setRemoteDescription({ type: 'offer', sdp: String(sdp) });
    await pc.setLocalDescription();
    if (turn !== this.#turn)
      return;
    this.#socket.send(JSON.stringify({ type: 'answer-renegotiate', sdp: pc.localDescription.sdp, mid }));
    this.#syncPeers();
  }

  #syncPeers() {
    this.remote.sync(this.pc, this.#grace);
    this.dispatchEvent(new Event('peers'));
  }

  // ------------------------------------------------------------------ media

  #mediaState(state) {
    // Between turns there is nothing to decide: the next one is on its way.
    if (this.state === 'ended' || this.#timers.has('retry'))
      return;
    if (state === 'connected') {
      this.#stopTimer('flap');
      if (this.#answered)
        this.#joined();
    } else if (state === 'disconnected' && this.state === 'joined') {
      this.#after('flap', FLAP_MS, () => this.#mediaState('failed'));
    } else if (state === 'failed' && (this.#answered || this.state === 'joined')) {
      // What failed was already the second chance, or never worked: start from nothing.
      const again = this.#restarting || this.state !== 'joined';
      this.#lost(new CallError(this.state === 'connecting' ? 'media-blocked' : 'media-lost'), { rebuild: again });
    }
  }

  #joined() {
    this.#stopTimer('connect');
    if (this.state === 'joined')
      return;
    this.#after('settled', SETTLED_MS, () => {
      this.#tries = 0;
      this.#refusals = 0;
    });
    if (this.#grace)
      this.#after('grace', GRACE_MS, () => {
        this.#grace = false;
        this.#syncPeers();
      });
    if (this.#restarting)
      this.#watchSilence();
    this.#become('joined');
  }

  // The server may accept the restart for a peer that it has in fact made anew under the same certificate: ICE connects,
  // keys do not match, and nothing says so. Audio of others never pauses, so no bytes at all means that. Counted by stream:
  // those of somebody who leaves meanwhile vanish with their bytes, and a sum would shrink.
  async #watchSilence() {
    const { pc } = this;
    const received = async () => new Map([...(await pc.getStats()).values()]
      .filter(s => s.type === 'inbound-rtp').map(s => [s.id, s.bytesReceived]));
    const nobodySpeaks = () => ![...this.remote.peers.values()].some(p => p.audio);
    const before = await received();
    if (nobodySpeaks()) {
      this.#restarting = false;
      return;
    }
    this.#after('silence', SILENCE_MS, async () => {
      const now = await received();
      if (pc !== this.pc || this.state !== 'joined')
        return;
      const flows = [...now].some(([id, bytes]) => bytes !== (before.get(id) ?? 0));
      if (!flows && !nobodySpeaks())
        this.#lost(new CallError('media-lost'), { rebuild: true });
      else
        this.#restarting = false;
    });
  }

  // ---------------------------------------------------------------- network

  #offline() {
    this.#wentOffline = true;
    if (this.state === 'joined')
      this.#become('reconnecting', new CallError('network'));
  }

  // Another network, another address: the socket is dead even if nothing has said so, and ICE must start over. A sleeping
  // back-off is cut short.
  #online() {
    if (!this.#wentOffline && !this.#timers.has('retry'))
      return;
    this.#wentOffline = false;
    this.#become(this.state === 'connecting' ? 'connecting' : 'reconnecting', new CallError('dropped'));
    this.#begin();
  }

  // ------------------------------------------------------------------ plumbing

  #become(state, problem = null) {
    this.state = state;
    this.problem = problem;
    this.dispatchEvent(new Event('state'));
  }

  #hangUp() {
    const socket = this.#socket;
    this.#socket = null;
    if (!socket)
      return;
    socket.onopen = socket.onmessage = socket.onclose = null;
    socket.close(1000);
  }

  #end(problem) {
    if (this.state === 'ended')
      return;
    this.#turn++;
    this.#hangUp();
    this.#clearTimers();
    this.#windowEvents.abort();
    this.pc?.close();
    this.remote.peers = new Map();
    this.#become('ended', problem);
  }

  #after(name, ms, what) {
    this.#stopTimer(name);
    this.#timers.set(name, setTimeout(() => {
      this.#timers.delete(name);
      what();
    }, ms));
  }

  #stopTimer(name) {
    clearTimeout(this.#timers.get(name));
    this.#timers.delete(name);
  }

  #clearTimers() {
    for (const name of [...this.#timers.keys()])
      this.#stopTimer(name);
  }
}
