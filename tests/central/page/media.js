// SPDX-License-Identifier: AGPL-3.0-only
// Microphone, camera and screen of this machine. A device that is missing or denied never stops a call: the caller gets
// what there is, and a code for words.js that says what is not.

const AUDIO = { echoCancellation: true, noiseSuppression: true, autoGainControl: true };
// What the camera is asked for; the page's address may ask for less, on machines that are slow.
const camera = { width: 1280, height: 720, fps: 30 };

export function askCamera(wanted) {
  for (const [name, value] of Object.entries(wanted))
    if (value > 0 && value <= 4096)
      camera[name] = value;
}

const cameraWish = () => ({ width: { ideal: camera.width }, height: { ideal: camera.height },
  frameRate: { ideal: camera.fps }, facingMode: 'user' });

const denied = e => e.name === 'NotAllowedError' || e.name === 'SecurityError';
const missing = e => e.name === 'NotFoundError' || e.name === 'OverconstrainedError';

async function permission(name) {
  try {
    return (await navigator.permissions.query({ name })).state;
  } catch {
    return 'prompt';  // Firefox before 132 knows neither name
  }
}

async function tracks(wanted) {
  const stream = await navigator.mediaDevices.getUserMedia(wanted);
  return { audio: stream.getAudioTracks()[0] ?? null, video: stream.getVideoTracks()[0] ?? null };
}

// { audio, video, code }: tracks or null; code is null when both are there.
export async function openDevices() {
  if (!navigator.mediaDevices?.getUserMedia)
    return { audio: null, video: null, code: 'insecure' };
  let first;
  try {
    return { ...await tracks({ audio: AUDIO, video: cameraWish() }), code: null };
  } catch (e) {
    first = e;
  }
  // One of the two may still work. After a "no" only ask for the one that was not what the person refused: asking
  // again for both would be nagging.
  let audio = null, video = null;
  const [camera, mic] = denied(first) ? await Promise.all([permission('camera'), permission('microphone')]) : [];
  if (!denied(first) || (camera === 'denied' && mic !== 'denied'))
    audio = await tracks({ audio: AUDIO }).then(t => t.audio, () => null);
  if (!audio && (!denied(first) || (mic === 'denied' && camera !== 'denied')))
    video = await tracks({ video: cameraWish() }).then(t => t.video, () => null);

  const why = denied(first) ? 'denied' : missing(first) ? 'missing' : 'busy';
  if (why === 'busy')
    return { audio, video, code: 'media-busy' };
  return { audio, video, code: `${audio ? 'camera' : video ? 'mic' : 'media'}-${why}` };
}

// One device later on, for a button. Throws an Error whose message is a code.
export async function openOne(kind) {
  const device = kind === 'audio' ? 'mic' : 'camera';
  if (!navigator.mediaDevices?.getUserMedia)
    throw new Error('insecure');
  try {
    return (await tracks(kind === 'audio' ? { audio: AUDIO } : { video: cameraWish() }))[kind];
  } catch (e) {
    throw new Error(denied(e) ? `${device}-denied` : missing(e) ? `${device}-missing` : 'media-busy');
  }
}

// The screen's track, or null when the person closed the picker.
export async function openScreen() {
  if (!navigator.mediaDevices?.getDisplayMedia)
    throw new Error('no-screen');
  try {
    const stream = await navigator.mediaDevices.getDisplayMedia({ video: { frameRate: { max: 30 } }, audio: false });
    const track = stream.getVideoTracks()[0];
    track.contentHint = 'detail';  // text stays sharp when bits are short; frames go first
    return track;
  } catch (e) {
    if (e.name === 'NotAllowedError')
      return null;
    throw new Error('screen-failed');
  }
}

// Level of this machine's microphone. WebRTC's own statistics have it too, but only once a second and only in a call.
export class LevelMeter {
  #context = null;
  #analyser = null;
  #samples = null;

  watch(track) {
    this.stop();
    if (!track)
      return;
    this.#context = new AudioContext();
    this.#context.resume().catch(() => {});
    this.#analyser = this.#context.createAnalyser();
    this.#analyser.fftSize = 512;
    this.#samples = new Float32Array(512);
    this.#context.createMediaStreamSource(new MediaStream([track])).connect(this.#analyser);
  }

  // Linear amplitude, 0..1; 0 also while the browser keeps the audio engine asleep.
  amplitude() {
    if (!this.#analyser)
      return 0;
    this.#analyser.getFloatTimeDomainData(this.#samples);
    return Math.sqrt(this.#samples.reduce((sum, v) => sum + v * v, 0) / this.#samples.length);
  }

  // 0..1 as heard: -60..-12 dBFS is the range of speech, and linear amplitude would leave a bar at its foot.
  loudness() {
    return Math.min(1, Math.max(0, (20 * Math.log10(this.amplitude() + 1e-6) + 60) / 48));
  }

  stop() {
    this.#context?.close();
    this.#context = this.#analyser = null;
  }
}
