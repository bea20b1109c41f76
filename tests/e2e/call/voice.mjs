// SPDX-License-Identifier: AGPL-3.0-only
// Something like speech for a fake microphone: syllables of a voiced sound for a while, then a pause. A plain tone would
// be taken for noise and suppressed.

const RATE = 48_000;
const SPEECH_S = 0.8;
const PAUSE_S = 0.6;

function loudness(t) {
  return t % (SPEECH_S + PAUSE_S) < SPEECH_S ? 0.55 + 0.45 * Math.sin(2 * Math.PI * 5 * t) : 0;
}

function voiced(t) {
  let v = 0;
  for (let harmonic = 1; harmonic <= 12; harmonic++)
    v += Math.sin(2 * Math.PI * harmonic * (140 * t + 0.6 * Math.sin(2 * Math.PI * 3 * t))) / harmonic;
  return v / 3;
}

// A WAV file of 14 s: mono, 16 bit.
export function voice() {
  const samples = RATE * 14;
  const wav = Buffer.alloc(44 + samples * 2);
  wav.write('RIFF', 0);
  wav.writeUInt32LE(36 + samples * 2, 4);
  wav.write('WAVEfmt ', 8);
  wav.writeUInt32LE(16, 16);
  wav.writeUInt16LE(1, 20);
  wav.writeUInt16LE(1, 22);
  wav.writeUInt32LE(RATE, 24);
  wav.writeUInt32LE(RATE * 2, 28);
  wav.writeUInt16LE(2, 32);
  wav.writeUInt16LE(16, 34);
  wav.write('data', 36);
  wav.writeUInt32LE(samples * 2, 40);
  for (let i = 0; i < samples; i++)
    wav.writeInt16LE(Math.round(24_000 * loudness(i / RATE) * voiced(i / RATE)), 44 + i * 2);
  return wav;
}
