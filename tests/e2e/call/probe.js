// SPDX-License-Identifier: AGPL-3.0-only
// Runs in the call page, before the page's own scripts: what a person there would see and hear, as numbers. It looks at
// window.edgeCall and at the elements of the page and changes nothing.

window.probe = (() => {
  const TAKE_MS = 250;
  const followed = new WeakSet();
  let clicked = null;          // when the join button was pressed
  let first = {};              // sub -> ms from then to the first picture
  let picture = {};            // sub -> { last, gap, count } of the pictures shown
  let seen = null;             // what this window saw
  const faults = [];

  window.addEventListener('error', e => faults.push(e.message));
  window.addEventListener('unhandledrejection', e => faults.push(String(e.reason)));
  window.addEventListener('submit', () => {
    clicked = performance.now();
    first = {};
    picture = {};
  }, true);

  function follow(sub, video) {
    followed.add(video);
    const shown = now => {
      first[sub] ??= now - clicked;
      const p = picture[sub] ??= { last: now, gap: 0, count: 0 };
      p.gap = Math.max(p.gap, now - p.last);
      p.last = now;
      p.count++;
      if (video.isConnected)
        video.requestVideoFrameCallback(shown);
      else
        followed.delete(video);
    };
    video.requestVideoFrameCallback(shown);
  }

  setInterval(() => {
    for (const [sub, peer] of Object.entries(window.edgeCall?.peers ?? {}))
      if (peer.video && !followed.has(peer.video))
        follow(sub, peer.video);
  }, 10);

  async function sent() {
    const all = { frames: 0, at: performance.now() };
    for (const s of (await window.edgeCall.pc?.getStats())?.values() ?? [])
      if (s.type === 'outbound-rtp' && s.kind === 'video')
        all.frames += s.framesSent ?? s.framesEncoded ?? 0;
    return all;
  }

  async function received() {
    const { peers, transport } = await window.edgeCall.stats();
    return { peers, transport, at: performance.now() };
  }

  const range = (r, v) => r ? { min: Math.min(r.min, v), max: Math.max(r.max, v) } : { min: v, max: v };

  async function take(own) {
    const { peers } = await received();
    if (seen !== own)
      return;
    seen.subs.add(Object.keys(peers).sort().join(' '));
    seen.tiles.add(document.querySelectorAll('#stage .tile').length);
    for (const [sub, p] of Object.entries(peers))
      seen.levels[sub] = range(seen.levels[sub], p.audioLevel);
    for (const tile of document.querySelectorAll('#stage .tile.speaking'))
      seen.speaking.add(tile.getAttribute('aria-label'));
  }

  return {
    faults,
    get first() { return first; },

    // A window of observation: begin(), and some seconds later end().
    async begin() {
      const now = performance.now();
      for (const p of Object.values(picture))
        Object.assign(p, { last: now, gap: 0, count: 0 });
      seen = { subs: new Set(), tiles: new Set(), levels: {}, speaking: new Set(), sent: await sent(), received: await received() };
      const own = seen;
      own.timer = setInterval(() => take(own).catch(() => {}), TAKE_MS);
    },

    async end() {
      const own = seen;
      clearInterval(own.timer);
      seen = null;
      const now = performance.now();
      const [out, back] = [await sent(), await received()];
      const rate = (frames, a, b) => frames * 1000 / (b.at - a.at);
      const result = { subs: [...own.subs], tiles: [...own.tiles], speaking: [...own.speaking],
        sentRate: rate(out.frames - own.sent.frames, own.sent, out), transport: back.transport, peers: {} };
      for (const [sub, p] of Object.entries(back.peers)) {
        const before = own.received.peers[sub] ?? { framesDecoded: 0, freezeCount: 0, packetsLost: 0 };
        const shown = picture[sub];
        result.peers[sub] = { rate: rate(p.framesDecoded - before.framesDecoded, own.received, back),
          freezes: p.freezeCount - before.freezeCount, lost: p.packetsLost - before.packetsLost,
          gap: shown ? Math.max(shown.gap, now - shown.last) : Infinity, level: own.levels[sub] ?? { min: 0, max: 0 },
          size: `${p.width}x${p.height}` };
      }
      return result;
    },
  };
})();
