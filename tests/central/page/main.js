// SPDX-License-Identifier: AGPL-3.0-only
// Joins the parts: what the address bar says, this machine's devices, the call, and the page that shows them.
//
//   ?room=R        which room (default demo)        ?name=N   display name      ?join=1   join without a click
//   ?sub=N         fixed peer id (tests)            ?simulcast=1   send three layers of the camera
//   ?width=W&height=H&fps=F   what the camera is asked for
//   ?relay=1       media through the relay only, for networks that let nothing else out
//   ?turn=udp|tcp|tls   how the relay may be reached (tests)

import { getBranding, getNames } from './api.js';
import { Call } from './call.js';
import { askCamera, LevelMeter, openDevices, openOne, openScreen } from './media.js';
import { heardLevel, SpeakerGate } from './speaker.js';
import { counters, Sampler, tileText } from './stats.js';
import { Tiles } from './tiles.js';
import { Relays } from './turn.js';
import * as ui from './ui.js';
import { words } from './words.js';

const NAME_KEY = 'edge-call.name';
const LEVEL_MS = 100;
const SAMPLE_MS = 1000;
const NAMES_MS = 60_000;     // also keeps our own name alive at the hub
const IDLE_MS = 3000;        // no frame for this long: the picture has stopped
const JOIN_WAIT_MS = 3000;   // ?join=1 does not wait longer for the devices; they join the call when they come

const $ = id => document.getElementById(id);
const query = new URLSearchParams(location.search);
const room = /^[A-Za-z0-9_-]{1,64}$/.test(query.get('room') ?? '') ? query.get('room') : 'demo';

function remembered() {
  try {
    return localStorage.getItem(NAME_KEY) ?? '';
  } catch {
    return '';  // storage can be forbidden as a whole
  }
}

function remember(name) {
  try {
    localStorage.setItem(NAME_KEY, name);
  } catch { /* the name is asked for again next time */ }
}

const local = { audio: null, video: null, screen: null };
const wanted = { audio: true, video: true };
const meter = new LevelMeter();
const sampler = new Sampler();
const tiles = new Tiles($('stage'));
const voices = new Map();    // sub -> { audio, track, gate }
const pictures = new Map();  // tile key -> { frames, since }: when a picture last moved
const selfGate = new SpeakerGate();
const relays = new Relays({ only: query.get('relay') === '1', way: query.get('turn') });

let call = null;
let names = {};
let asked = new Set();       // subs whose name was asked for
let latest = null;           // the last statistics sample
let joinedAt = 0;
let showStats = false;
let wakeLock = null;
let myName = query.get('name') ?? remembered();
let mySub = /^[1-9][0-9]{0,15}$/.test(query.get('sub') ?? '') ? Number(query.get('sub')) : null;

const nameOf = sub => names[sub] ?? `Guest ${String(sub).slice(-4)}`;

// ---------------------------------------------------------------- this machine

function showDevices() {
  const mic = { on: Boolean(local.audio) && wanted.audio, iconOn: 'i-mic', iconOff: 'i-mic-off' };
  const cam = { on: Boolean(local.video), iconOn: 'i-cam', iconOff: 'i-cam-off' };
  const sharing = Boolean(local.screen);
  for (const id of ['mic', 'pre-mic'])
    ui.toggle(id, { ...mic, label: mic.on ? 'Mute microphone' : 'Unmute microphone', text: mic.on ? 'Mute' : 'Unmute' });
  for (const id of ['cam', 'pre-cam'])
    ui.toggle(id, { ...cam, label: cam.on ? 'Turn camera off' : 'Turn camera on', text: cam.on ? 'Camera off' : 'Camera on' });
  ui.toggle('screen', { on: sharing, iconOn: 'i-screen', iconOff: 'i-screen', text: sharing ? 'Stop' : 'Share',
    label: sharing ? 'Stop sharing your screen' : 'Share your screen' });
  for (const id of ['mic', 'pre-mic'])
    ui.mark(id, 'off', !mic.on);
  for (const id of ['cam', 'pre-cam'])
    ui.mark(id, 'off', !cam.on);
  ui.mark('screen', 'on', sharing);

  $('preview').srcObject = local.video ? new MediaStream([local.video]) : null;
  $('preview').hidden = !local.video;
  $('pre-level').hidden = !local.audio;
  const self = tiles.get('self');
  if (self) {
    self.setTrack(local.video);
    self.setIdle(!local.video);
    self.setMuted(!mic.on);
  }
  if (call && local.screen) {
    const tile = tiles.need('self-screen', { screen: true });
    tile.setName('You');
    tile.setTrack(local.screen);
    tile.setIdle(false);
  } else {
    tiles.remove('self-screen');
  }
}

function useTrack(kind, track) {
  local[kind] = track;
  if (track) {
    if (kind === 'audio')
      track.enabled = wanted.audio;
    // Unplugged, or stopped from the browser's own bar.
    track.onended = () => {
      if (local[kind] === track)
        useTrack(kind, null);
    };
  }
  call?.setTrack(kind, track);
  if (kind === 'audio')
    meter.watch(track);
  showDevices();
}

function stopTrack(kind) {
  local[kind]?.stop();
  useTrack(kind, null);
}

async function openMedia() {
  const { audio, video, code } = await openDevices();
  useTrack('audio', audio);
  useTrack('video', video);
  $('preview-words').textContent = video ? 'The camera is off.' : 'No picture of you will be sent.';
  say(code ? words(code) : '');
}

// Before the call there is a place for words that stay; in the call they come and go.
function say(text) {
  if (call)
    text && ui.toast(text);
  else
    $('prejoin-words').textContent = text;
}

async function toggleMic() {
  if (!local.audio) {
    wanted.audio = true;
    await add('audio', () => openOne('audio'));
    return;
  }
  // The track goes on with silence, so that others never lose the stream and unmuting is instant.
  wanted.audio = !wanted.audio;
  local.audio.enabled = wanted.audio;
  showDevices();
}

// Off means off: the device is let go, and its light with it.
async function toggleCamera() {
  if (local.video) {
    stopTrack('video');
    $('preview-words').textContent = 'The camera is off.';
  } else {
    await add('video', () => openOne('video'));
  }
}

async function toggleScreen() {
  if (local.screen)
    stopTrack('screen');
  else
    await add('screen', openScreen);
}

// One question to the person at a time for each device; a second press while the browser asks is not a second wish.
const asking = new Set();
async function add(kind, open) {
  if (asking.has(kind))
    return;
  asking.add(kind);
  try {
    const track = await open();
    if (track)
      useTrack(kind, track);
  } catch (e) {
    say(words(e.message));
  } finally {
    asking.delete(kind);
  }
}

// ------------------------------------------------------------------ the others

// Sound of one peer. Separate from the picture, which may be hidden, stopped or absent.
function listen(peer) {
  let voice = voices.get(peer.sub);
  if (!voice) {
    voice = { audio: new Audio(), track: null, gate: new SpeakerGate() };
    voice.audio.autoplay = true;
    voices.set(peer.sub, voice);
  }
  const track = peer.audio?.track ?? null;
  if (voice.track === track)
    return;
  voice.track = track;
  voice.audio.srcObject = track ? new MediaStream([track]) : null;
  if (track)
    hear(voice.audio);
}

function hear(audio) {
  audio.play().catch(e => {
    // Browsers keep pages silent that nobody has touched yet.
    if (e.name === 'NotAllowedError')
      $('unmute').hidden = false;
  });
}

function showPeers() {
  const { peers } = call.remote;
  for (const sub of [...voices.keys()].filter(sub => !peers.has(sub))) {
    voices.get(sub).audio.srcObject = null;
    voices.delete(sub);
    for (const key of [`peer-${sub}`, `peer-${sub}-screen`]) {
      tiles.remove(key);
      pictures.delete(key);
    }
  }
  for (const peer of peers.values()) {
    listen(peer);
    const tile = tiles.need(`peer-${peer.sub}`);
    tile.setName(nameOf(peer.sub));
    tile.setTrack(peer.video?.track ?? null);
    if (!peer.screen)
      tiles.remove(`peer-${peer.sub}-screen`);
  }
  ui.count(call.state === 'connecting' ? 0 : peers.size + 1);
  if ([...peers.keys()].some(sub => !asked.has(sub)))
    askNames();
}

async function askNames() {
  for (const sub of call.remote.peers.keys())
    asked.add(sub);
  names = { ...names, ...await getNames(room, call.sub) };
  if (call.state === 'ended')
    return;
  for (const sub of call.remote.peers.keys()) {
    tiles.get(`peer-${sub}`)?.setName(nameOf(sub));
    tiles.get(`peer-${sub}-screen`)?.setName(nameOf(sub));
  }
}

// Whether a picture moved within IDLE_MS, by its frame counter. An m-line that was reused may count from zero again:
// any change is movement.
function moving(key, frames, now) {
  const p = pictures.get(key);
  if (!p || p.frames !== frames) {
    pictures.set(key, { frames, since: now });
    return frames > 0;
  }
  return frames > 0 && now - p.since < IDLE_MS;
}

function showPictures(lines, now) {
  for (const peer of call.remote.peers.values()) {
    const key = `peer-${peer.sub}`;
    const video = lines.get(peer.video?.mid), screen = lines.get(peer.screen?.mid);
    tiles.get(key)?.setIdle(!moving(key, video?.framesDecoded ?? 0, now));
    if (!peer.screen)
      continue;
    // A screen's line stays when sharing stops; only its packets end.
    const screenKey = `${key}-screen`;
    if (moving(screenKey, screen?.framesDecoded ?? 0, now)) {
      const tile = tiles.need(screenKey, { screen: true });
      tile.setName(nameOf(peer.sub));
      tile.setTrack(peer.screen.track);
      tile.setIdle(false);
    } else {
      tiles.remove(screenKey);
    }
  }
}

function showNumbers() {
  $('panel').hidden = !showStats;
  ui.mark('stats', 'on', showStats);
  if (!call || !latest)
    return;
  if (showStats)
    ui.panel(latest.total, relays.problem);
  const line = slot => latest.lines.get(slot?.mid);
  const mine = new Map(call.pc.getTransceivers().slice(0, 3).map((t, i) => [['audio', 'video', 'screen'][i], t]));
  const text = (video, audio) => showStats ? tileText(video, audio) : '';
  tiles.get('self')?.setNumbers(text(local.video && line(mine.get('video')), line(mine.get('audio'))));
  tiles.get('self-screen')?.setNumbers(text(line(mine.get('screen'))));
  for (const peer of call.remote.peers.values()) {
    tiles.get(`peer-${peer.sub}`)?.setNumbers(text(line(peer.video), line(peer.audio)));
    tiles.get(`peer-${peer.sub}-screen`)?.setNumbers(text(line(peer.screen)));
  }
}

// ---------------------------------------------------------------------- clocks

async function everySample() {
  const { state, pc } = call ?? {};
  if (!pc || state === 'ended')
    return;
  const now = performance.now();
  const sample = await sampler.sample(pc).catch(() => null);
  if (!sample || pc !== call?.pc)
    return;
  latest = sample;
  ui.health(state === 'joined' ? sample.total : null);
  if (state === 'joined')
    showPictures(sample.lines, now);
  showNumbers();
  if (joinedAt)
    ui.clock((now - joinedAt) / 1000);
}

function everyLevel() {
  if (!call) {
    $('pre-level').value = local.audio && wanted.audio ? meter.loudness() : 0;
    return;
  }
  const now = performance.now();
  for (const [sub, voice] of voices) {
    const peer = call.remote.peers.get(sub);
    const level = heardLevel(peer?.audio?.receiver, latest?.lines.get(peer?.audio?.mid)?.audioLevel);
    tiles.get(`peer-${sub}`)?.setSpeaking(voice.gate.level(level, now));
  }
  const mine = wanted.audio ? meter.amplitude() || latest?.total.micLevel || 0 : 0;
  tiles.get('self')?.setSpeaking(selfGate.level(mine, now));
}

// -------------------------------------------------------------------- the call

function join() {
  if (call && call.state !== 'ended')
    return;
  if (!window.RTCPeerConnection) {
    finish('no-webrtc');
    return;
  }
  myName = $('name').value.replace(/\s+/g, ' ').trim();
  remember(myName);
  names = {};
  asked = new Set();
  call = new Call({ room, sub: mySub, name: myName, simulcast: query.get('simulcast') === '1', relays });
  call.addEventListener('state', onState);
  call.addEventListener('peers', showPeers);
  tiles.need('self', { mirror: true }).setName(myName ? `${myName} (you)` : 'You', myName || 'You');
  for (const kind of ['audio', 'video', 'screen'])
    call.setTrack(kind, local[kind]);
  showDevices();
  ui.count(0);
  ui.show('call');
  call.join();
}

function onState() {
  const { state, problem } = call;
  mySub = call.sub ?? mySub;
  // The first connection is quick; saying so for a moment would only flicker.
  ui.banner(state === 'joined' ? '' : problem && state !== 'ended' ? problem.message : '');
  for (const tile of tiles.values())
    // Signalling may be gone while pictures still come: those stay as they are.
    tile.setLost(state === 'reconnecting' && call.pc?.connectionState !== 'connected' && !tile.key.startsWith('self'));
  if (state === 'joined')
    ui.count(call.remote.peers.size + 1);
  if (state === 'joined' && !joinedAt) {
    joinedAt = performance.now();
    askNames();
    stayAwake();
  }
  if (state === 'ended')
    finish(problem.code, problem.detail);
}

function finish(code, detail) {
  for (const kind of ['audio', 'video', 'screen'])
    stopTrack(kind);
  for (const voice of voices.values())
    voice.audio.srcObject = null;
  voices.clear();
  pictures.clear();
  tiles.clear();
  latest = null;
  joinedAt = 0;
  wakeLock?.release().catch(() => {});
  wakeLock = null;
  $('unmute').hidden = true;
  ui.banner('');
  $('clock').textContent = '';
  $('ended-title').textContent = code === 'left' ? 'You left the call' : code === 'replaced' ? 'The call moved' : 'The call has ended';
  $('ended-words').textContent = words(code, detail);
  $('rejoin').hidden = code === 'no-webrtc';
  ui.show('ended');
  $('rejoin').focus();
}

// The screen must not go dark while people talk. The lock is lost whenever the page is hidden.
async function stayAwake() {
  try {
    wakeLock = await navigator.wakeLock?.request('screen') ?? null;
  } catch { /* battery saver; not worth a word */ }
}

async function copyLink() {
  // Only the room: name, id and switches are this person's own.
  const link = new URL(location.pathname, location.href);
  link.searchParams.set('room', room);
  try {
    await navigator.clipboard.writeText(link.href);
    ui.toast('Link copied. Whoever opens it joins this room.');
  } catch {
    ui.toast(`The link to this room: ${link.href}`);
  }
}

async function prejoin() {
  call = null;
  wanted.audio = true;
  ui.show('prejoin');
  showDevices();
  // On a phone focus would bring up the keyboard, over the preview.
  if (matchMedia('(hover: hover)').matches)
    $('name').focus({ preventScroll: true });
  relays.ask();    // beside the question for the devices: there when the button is pressed
  await openMedia();
}

function toggleStats() {
  showStats = !showStats;
  showNumbers();
}

const inCall = action => () => {
  if (document.body.dataset.view === 'call')
    action();
};
const notEnded = action => () => {
  if (document.body.dataset.view !== 'ended')
    action();
};

function wire() {
  const clicks = { mic: toggleMic, 'pre-mic': toggleMic, cam: toggleCamera, 'pre-cam': toggleCamera, screen: toggleScreen,
    stats: toggleStats, link: copyLink, leave: () => call.leave(), rejoin: prejoin };
  for (const [id, action] of Object.entries(clicks))
    $(id).addEventListener('click', () => action());
  ui.shortcuts({ m: notEnded(toggleMic), v: notEnded(toggleCamera), s: inCall(toggleScreen), i: inCall(toggleStats) });
  for (const [id, label] of [['stats', 'Statistics (i)'], ['link', 'Copy the link to this room'], ['leave', 'Leave the call']]) {
    $(id).title = label;
    $(id).setAttribute('aria-label', label);
  }
  $('join-form').addEventListener('submit', ev => {
    ev.preventDefault();
    join();
  });
  $('unmute').addEventListener('click', () => {
    $('unmute').hidden = true;
    for (const voice of voices.values())
      hear(voice.audio);
  });
  // A closed tab says goodbye, or others would look at its last picture until ICE gives up.
  window.addEventListener('pagehide', () => call?.leave());
  document.addEventListener('visibilitychange', () => {
    if (!document.hidden && call?.state === 'joined')
      stayAwake();
  });
  setInterval(everySample, SAMPLE_MS);
  setInterval(everyLevel, LEVEL_MS);
  setInterval(() => call?.state === 'joined' && askNames(), NAMES_MS);
}

// What tests may look at.
window.edgeCall = {
  get state() { return call?.state ?? 'prejoin'; },
  get problem() { return call?.problem?.code ?? null; },
  get sub() { return call?.sub ?? mySub; },
  get room() { return room; },
  get pc() { return call?.pc ?? null; },
  get peers() {
    const result = {};
    for (const [sub, peer] of call?.remote.peers ?? [])
      result[sub] = { name: nameOf(sub), video: tiles.get(`peer-${sub}`)?.video ?? null, audio: voices.get(sub)?.audio ?? null,
        screen: tiles.get(`peer-${sub}-screen`)?.video ?? null,
        mids: { audio: peer.audio?.mid ?? null, video: peer.video?.mid ?? null, screen: peer.screen?.mid ?? null } };
    return result;
  },
  stats: () => call?.pc ? counters(call.pc, call.remote.peers) : Promise.resolve({ peers: {}, transport: { srtpCipher: null, rtt: null, path: null } }),
};

async function start() {
  askCamera(Object.fromEntries(['width', 'height', 'fps'].map(key => [key, Number(query.get(key))])));
  ui.setText('data-room', room);
  $('name').value = myName;
  wire();
  getBranding().then(b => {
    if (!b.name)
      return;
    ui.setText('data-brand', b.name);
    document.title = `${b.name} · ${room}`;
  });
  if (!window.RTCPeerConnection) {
    finish('no-webrtc');
    return;
  }
  const ready = prejoin();
  if (query.get('join') === '1') {
    await Promise.race([ready, new Promise(done => setTimeout(done, JOIN_WAIT_MS))]);
    join();
  }
}

start();
