// SPDX-License-Identifier: AGPL-3.0-only
// Who sends what to us. The SFU gives every remote track one m-line; after a publisher leaves, the m-line goes inactive
// and is later used for somebody else. So the mid is the key, and what it means is learned from two sources that agree:
// the stream id in the offer (`peer-<sub>`, `peer-<sub>-screen`) and the tracks_map_update that follows the offer.

const STREAM = /^peer-(\d+)(-screen)?$/;
const RECEIVING = new Set(['recvonly', 'sendrecv']);

export function parseStreamId(id) {
  const m = STREAM.exec(id ?? '');
  return m && { sub: Number(m[1]), screen: Boolean(m[2]) };
}

export class Remote {
  #owners = new Map();   // mid -> { sub, screen }
  peers = new Map();     // sub -> { sub, audio, video, screen }; each null or { mid, track, receiver }

  // From ontrack: the offer's own word, in force until a tracks_map_update says otherwise.
  heard(mid, streamId) {
    const owner = parseStreamId(streamId);
    if (owner)
      this.#owners.set(mid, owner);
  }

  // From tracks_map_update.
  named(tracks) {
    for (const t of Array.isArray(tracks) ? tracks : []) {
      if (typeof t.mid !== 'string' || !Number.isSafeInteger(t.peer_id))
        continue;
      this.#owners.set(t.mid, { sub: t.peer_id, screen: parseStreamId(t.stream_id)?.screen ?? false });
    }
  }

  // Folds the connection's transceivers into peers. With keepMissing, peers that have no track in this connection stay:
  // after a rebuild they come back one by one, and tiles that blink out and in again are worse than ones that stand
  // still for a moment.
  sync(pc, keepMissing) {
    const seen = new Map();
    for (const t of pc.getTransceivers()) {
      if (t.mid === null)
        continue;
      if (!RECEIVING.has(t.currentDirection)) {
        // Also forgets the old owner before the m-line's next one is announced.
        this.#owners.delete(t.mid);
        continue;
      }
      const owner = this.#owners.get(t.mid);
      if (!owner)
        continue;
      const peer = seen.get(owner.sub) ?? { sub: owner.sub, audio: null, video: null, screen: null };
      const { track } = t.receiver;
      peer[track.kind === 'audio' ? 'audio' : owner.screen ? 'screen' : 'video'] = { mid: t.mid, track, receiver: t.receiver };
      seen.set(owner.sub, peer);
    }
    if (keepMissing)
      for (const [sub, peer] of this.peers)
        if (!seen.has(sub))
          seen.set(sub, peer);
    this.peers = seen;
  }

  // A new connection numbers its m-lines anew.
  forgetLines() {
    this.#owners.clear();
  }
}
