// SPDX-License-Identifier: AGPL-3.0-only
// Who is speaking, from sound levels (0..1, linear amplitude as WebRTC gives them).

const ON = 0.02;       // about -34 dBFS: speech, above a room's noise after noise suppression
const OFF = 0.01;
const HOLD_MS = 700;   // the pauses within speech
const RISE = 2;        // samples in a row: a key press is one

export class SpeakerGate {
  #above = 0;
  #last = -Infinity;
  speaking = false;

  // One sample at time now (ms); returns whether this one is speaking.
  level(level, now) {
    this.#above = level >= ON ? this.#above + 1 : 0;
    if (level >= OFF && (this.speaking || this.#above >= RISE))
      this.#last = now;
    this.speaking = now - this.#last < HOLD_MS;
    return this.speaking;
  }
}

// Level of what a receiver plays right now; fallback is for browsers that leave it out (then statistics have it).
export function heardLevel(receiver, fallback = 0) {
  const [source] = receiver?.getSynchronizationSources?.() ?? [];
  return source?.audioLevel ?? fallback;
}
