// SPDX-License-Identifier: AGPL-3.0-only
// Numbers of a connection. A Sampler turns getStats()'s ever-growing counters into rates between two samples;
// the rest turns rates into words.

const byType = report => {
  const types = {};
  report.forEach(s => (types[s.type] ??= []).push(s));
  return types;
};

function selectedPair(report, types) {
  const transport = types.transport?.[0];
  return report.get(transport?.selectedCandidatePairId)
    // Firefox has no transport entry before 124 and marks the pair instead.
    ?? types['candidate-pair']?.find(p => p.selected || (p.nominated && p.state === 'succeeded'));
}

const codecName = (report, id) => report.get(id)?.mimeType?.split('/')[1] ?? '';

export class Sampler {
  #before = new Map();   // report id -> the counters of the sample before
  #pc = null;

  // { total, lines: Map(mid -> numbers) }, or null while there is nothing to read.
  async sample(pc) {
    if (this.#pc !== pc) {
      this.#pc = pc;
      this.#before.clear();
    }
    const report = await pc.getStats();
    const types = byType(report);
    const lines = new Map();
    const total = { inBps: 0, outBps: 0, loss: 0, ...transportOf(report, types) };
    const before = this.#before;
    this.#before = new Map();
    let lost = 0, expected = 0;

    const midOf = new Map(pc.getTransceivers().map(t => [t.receiver.track.id, t.mid]));
    for (const s of types['inbound-rtp'] ?? []) {
      const d = this.#delta(before, s, ['bytesReceived', 'packetsReceived', 'packetsLost', 'framesDecoded']);
      const bps = d.perSecond(d.bytesReceived * 8);
      const all = d.packetsReceived + Math.max(0, d.packetsLost);
      total.inBps += bps;
      lost += Math.max(0, d.packetsLost);
      expected += all;
      const mid = s.mid ?? midOf.get(s.trackIdentifier);
      const old = lines.get(mid);
      // A reused m-line has had several senders; the one that sends now is the one of interest.
      if (mid !== undefined && (!old || bps >= old.bps))
        lines.set(mid, { bps, loss: all ? Math.max(0, d.packetsLost) / all : 0, width: s.frameWidth, height: s.frameHeight,
          fps: s.framesPerSecond ?? d.perSecond(d.framesDecoded), codec: codecName(report, s.codecId),
          framesDecoded: s.framesDecoded ?? 0, audioLevel: s.audioLevel ?? 0, jitterMs: (s.jitter ?? 0) * 1000 });
    }
    for (const s of types['outbound-rtp'] ?? []) {
      const d = this.#delta(before, s, ['bytesSent', 'framesEncoded']);
      const bps = d.perSecond(d.bytesSent * 8);
      total.outBps += bps;
      const remote = report.get(s.remoteId);
      const old = lines.get(s.mid);
      // With simulcast the line's rate is that of all layers, its size that of the largest.
      const largest = old && (old.height ?? 0) > (s.frameHeight ?? 0) ? old : null;
      lines.set(s.mid, { bps: bps + (old?.bps ?? 0), loss: remote?.fractionLost ?? 0, width: largest?.width ?? s.frameWidth,
        height: largest?.height ?? s.frameHeight, fps: largest?.fps ?? s.framesPerSecond, codec: codecName(report, s.codecId),
        limit: s.qualityLimitationReason });
    }
    total.loss = expected ? lost / expected : 0;
    total.micLevel = types['media-source']?.find(s => s.kind === 'audio')?.audioLevel ?? 0;
    return { total, lines };
  }

  #delta(before, s, names) {
    const old = before.get(s.id);
    const now = { at: s.timestamp };
    const d = { perSecond: v => old && s.timestamp > old.at ? v * 1000 / (s.timestamp - old.at) : 0 };
    for (const name of names) {
      now[name] = s[name] ?? 0;
      d[name] = old ? now[name] - old[name] : 0;
    }
    this.#before.set(s.id, now);
    return d;
  }
}

// In words, how packets leave this machine.
function pathOf({ candidateType, relayProtocol }) {
  if (candidateType !== 'relay')
    return 'direct';
  return relayProtocol ? `relayed over ${relayProtocol.toUpperCase()}` : 'relayed';
}

function transportOf(report, types) {
  const pair = selectedPair(report, types);
  const transport = types.transport?.[0];
  const local = report.get(pair?.localCandidateId);
  return {
    // Firefox does not time the pair; the far end's receiver reports tell the same.
    rtt: pair?.currentRoundTripTime ?? types['remote-inbound-rtp']?.find(s => s.roundTripTime > 0)?.roundTripTime ?? null,
    room: pair?.availableOutgoingBitrate ?? null,
    srtpCipher: transport?.srtpCipher ?? null,
    dtls: transport?.dtlsCipher ?? null,
    path: local ? pathOf(local) : null,
  };
}

// What a test asks: raw counters per peer, as getStats names them. rtt is in seconds.
export async function counters(pc, peers) {
  const report = await pc.getStats();
  const types = byType(report);
  const { srtpCipher, rtt, path } = transportOf(report, types);
  const inbound = slot => slot && types['inbound-rtp']?.filter(s => (s.mid ?? null) === slot.mid || s.trackIdentifier === slot.track.id)
    .reduce((a, b) => !a || b.timestamp > a.timestamp || b.bytesReceived > a.bytesReceived ? b : a, null);
  const picture = s => ({ framesDecoded: s?.framesDecoded ?? 0, freezeCount: s?.freezeCount ?? 0,
    totalFreezesDuration: s?.totalFreezesDuration ?? 0, width: s?.frameWidth ?? 0, height: s?.frameHeight ?? 0,
    packetsLost: s?.packetsLost ?? 0, bytesReceived: s?.bytesReceived ?? 0 });
  const result = { peers: {}, transport: { srtpCipher, rtt, path } };
  for (const [sub, peer] of peers) {
    const audio = inbound(peer.audio), video = picture(inbound(peer.video));
    result.peers[sub] = { ...video, audioLevel: audio?.audioLevel ?? 0, packetsLost: video.packetsLost + (audio?.packetsLost ?? 0),
      audioBytesReceived: audio?.bytesReceived ?? 0, screen: peer.screen ? picture(inbound(peer.screen)) : null };
  }
  return result;
}

export const bits = bps => bps >= 1e6 ? `${(bps / 1e6).toFixed(1)} Mbit/s` : `${Math.round(bps / 1e3)} kbit/s`;
export const percent = v => `${(v * 100).toFixed(v > 0 && v < 0.1 ? 1 : 0)} %`;
export const millis = s => s === null || s === undefined ? '–' : `${Math.round(s * 1000)} ms`;

// One tile's overlay.
export function tileText(video, audio) {
  const rows = [];
  if (video)
    rows.push([video.width ? `${video.width}×${video.height}` : '', video.fps ? `${Math.round(video.fps)} fps` : '', video.codec],
      [bits(video.bps), `loss ${percent(video.loss)}`]);
  if (audio)
    rows.push([audio.codec, bits(audio.bps), `loss ${percent(audio.loss)}`]);
  return rows.map(r => r.filter(Boolean).join(' · ')).join('\n');
}

// The whole connection in one word.
export function quality({ loss, rtt }) {
  if (loss > 0.08 || (rtt ?? 0) > 0.5)
    return 'poor';
  return loss > 0.02 || (rtt ?? 0) > 0.25 ? 'fair' : 'good';
}
