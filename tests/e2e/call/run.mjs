// SPDX-License-Identifier: AGPL-3.0-only
// The story of a group call: three people of two engines in one room, a fourth in another. Every check is one TAP line
// with its figures. Started by ../test_call.sh, which makes the network and clears it away.

import fs from 'node:fs';

import { allSee, FREEZE_MAX, label, ms, observe, others, RATE_MIN, STARVED, WINDOWS } from './group.mjs';
import { Node } from './node.mjs';
import { Person } from './person.mjs';
import { othersShare, pause, Tap, until } from './tools.mjs';
import { voice } from './voice.mjs';

const WINDOW_MS = 20_000;
const FIRST_MAX = 1500;     // ms from the join button to the first picture of each other person
const GONE_MAX = 2000;      // ms until a tile of somebody who left is gone
const CUT_MS = 5000;
const BACK_MAX = 20_000;    // ms after the cut: long enough for a second try of everything

const tap = new Tap();
const node = new Node();
const namespaces = process.env.PEOPLE_NS.split('\n');
const everybody = [
  { name: 'Ada', engine: 'chromium', sub: 101, room: 'garden' },
  { name: 'Bo', engine: 'firefox', sub: 102, room: 'garden' },
  { name: 'Cy', engine: 'chromium', sub: 103, room: 'garden' },
  { name: 'Dee', engine: 'firefox', sub: 104, room: 'cellar' },
].map((who, i) => new Person(i, namespaces[i], who));
const [ada, bo, cy, dee] = everybody;
const garden = [ada, bo, cy];

// What a page says that it sends, for the error texts.
const SENDING = `edgeCall.pc.getStats().then(r => JSON.stringify([document.getElementById('cam').innerText,
  ...[...r.values()].filter(s => s.type === 'outbound-rtp' && s.kind === 'video').map(s => [s.mid, s.framesSent, s.packetsSent])]))`;

// --- the parts of the story, in order ---

async function arrive() {
  const versions = await Promise.all(everybody.map(p => p.launch()));
  everybody.forEach((p, i) => tap.note(`${p.name}: ${versions[i]}, room ${p.room}`));
  await Promise.all(everybody.map(p => p.open(node.base)));
  await until('the preview of Ada', 15_000, () => ada.eval('!document.getElementById("preview").hidden'));
  await Promise.all([ada.shot('prejoin-chromium'), bo.shot('prejoin-firefox')]);
  await Promise.all([ada.join(), bo.join(), dee.join()]);
  const took = await allSee([ada, bo], 15_000);
  tap.check(true, 'two engines join by name and see each other', `after ${ms(took)}`);
}

// Presses the button and waits for everybody's first picture. Told again and tried again as in watch().
async function joinLate(late) {
  const wanted = others(late, garden).map(p => p.sub);
  for (let left = WINDOWS; left > 0; left--) {
    const share = othersShare();
    await late.join();
    await until(`${late.name} sees everybody`, 15_000,
      () => late.eval(`${JSON.stringify(wanted)}.every(sub => probe.first[sub] !== undefined)`));
    const busy = share();
    const first = await late.eval('probe.first');
    const figures = wanted.map(sub => `${sub} after ${ms(first[sub])}`).join(', ');
    const ok = wanted.every(sub => first[sub] <= FIRST_MAX);
    tap.note(`other programs used ${Math.round(busy * 100)} % of the processors; first pictures: ${figures}`);
    if (!ok && left > 1 && busy > STARVED) {
      await late.click('#leave');
      await Promise.all(others(late, garden).map(o => until('the tile goes', 15_000, () => o.hasTile(late).then(v => !v))));
      await late.click('#rejoin');
      continue;
    }
    tap.check(ok, `late joiner ${label(late)} sees video of everybody within ${FIRST_MAX} ms of the click`, figures);
    return;
  }
}

async function lateJoiner() {
  await joinLate(cy);
  await allSee(garden, 15_000);
}

function checkViewer(viewer, all, saw, sentRate) {
  const wanted = others(viewer, all).map(p => p.sub).join(' ');
  tap.check(saw.subs.join('|') === wanted && saw.tiles.join('|') === String(all.length),
    `${label(viewer)} sees exactly the others of room ${viewer.room} for ${WINDOW_MS / 1000} s`,
    `subs "${saw.subs.join('|')}", tiles ${saw.tiles.join('|')}`);
  for (const other of others(viewer, all)) {
    const got = saw.peers[other.sub] ?? { rate: 0, gap: null, freezes: 0, lost: 0, level: { min: 0, max: 0 }, size: '' };
    const share = got.rate / sentRate.get(other);
    const pair = `${label(viewer)} from ${label(other)}`;
    tap.check(share >= RATE_MIN && sentRate.get(other) >= 5, `${pair}: framesDecoded grows at 80 % of the sent rate or more`,
      `${got.rate.toFixed(1)} of ${sentRate.get(other).toFixed(1)} per second, ${Math.round(share * 100)} %, ${got.size}, ${got.lost} packets lost`);
    tap.check(got.gap !== null && got.gap <= FREEZE_MAX, `${pair}: no freeze longer than ${FREEZE_MAX} ms`,
      `longest gap between pictures ${ms(got.gap)}, freezeCount +${got.freezes}`);
    tap.check(got.level.max > got.level.min && got.level.max > 0.001, `${pair}: audio level moves`,
      `${got.level.min.toFixed(4)} to ${got.level.max.toFixed(4)}`);
    tap.check(saw.speaking.includes(other.name), `${pair}: the tile shows who is speaking`, `spoke: ${saw.speaking.join(', ')}`);
  }
}

async function watch() {
  const { saw, sentRate } = await observe(tap, everybody, garden, WINDOW_MS);
  garden.forEach((p, i) => checkViewer(p, garden, saw[i], sentRate));
  checkViewer(dee, [dee], saw[3], sentRate);
  await suites(saw);
}

async function suites(saw) {
  const members = (await node.rooms()).flatMap(r => r.members);
  everybody.forEach((p, i) => {
    const atNode = members.find(m => m.sub === p.sub)?.cipher ?? 'none';
    const atBrowser = saw[i].transport.srtpCipher;
    tap.check(/GCM/i.test(atNode) && (atBrowser === null || /GCM/i.test(atBrowser)), `${label(p)}: the SRTP suite is the GCM one`,
      `node says ${atNode}, browser says ${atBrowser ?? 'nothing'}`);
  });
}

async function isolation() {
  const rooms = await node.rooms();
  const text = rooms.map(r => `${r.name} ${r.members.map(m => m.sub).sort().join(' ')}`).sort().join(', ');
  tap.check(text === 'cellar 104, garden 101 102 103', 'the node keeps the rooms apart', text);
  const inbound = await dee.eval('edgeCall.pc.getStats().then(r => [...r.values()].filter(s => s.type === "inbound-rtp").length)');
  tap.check(inbound === 0, 'not a packet of the other room reaches the fourth', `${inbound} inbound streams`);
}

async function looks() {
  await Promise.all([ada.shot('grid-chromium'), bo.shot('grid-firefox')]);
  for (const p of [ada, bo]) {
    await p.click('#stats');
    await until(`numbers on the tiles of ${p.name}`, 5000,
      () => p.eval('[...document.querySelectorAll("#stage .numbers")].every(n => !n.hidden && /bit/.test(n.textContent))'));
    const panel = await p.words('#panel');
    tap.check(/bit\/s/.test(panel) && /ms/.test(panel), `${label(p)}: statistics overlay`, panel.replace(/\s+/g, ' '));
    await p.shot(`stats-${p.engine}`);
    await p.click('#stats');
  }
  for (const p of [ada, bo]) {
    await p.viewport(360, 740);
    const fits = `(() => { const inside = [...document.querySelectorAll('#stage .tile, .controls button')].filter(e => e.offsetWidth)
      .map(e => e.getBoundingClientRect()).filter(r => r.left < 0 || r.right > 360.5 || r.bottom > 740.5).length;
      return [innerWidth, document.documentElement.scrollWidth, inside]; })()`;
    let got;
    await until('the page at 360 px', 5000, async () => {
      got = await p.eval(fits);
      return got[0] === 360 && got[2] === 0;
    }, () => `(${got})`);
    tap.check(got[1] <= 360, `${label(p)}: everything fits at phone width`, `page ${got[1]} px wide, ${got[2]} parts cut off`);
    await p.shot(`phone-${p.engine}`);
    await p.viewport(1024, 640);
  }
}

async function mute() {
  for (const p of [ada, bo]) {
    const level = async o => (await o.about(p))?.audioLevel ?? 1;
    const loud = await Promise.all(others(p, garden).map(o => until(`${o.name} hears ${p.name}`, 8000, () => level(o).then(v => v > 0.005 && v))));
    await p.click('#mic');
    const start = performance.now();
    // Quiet for half a second: a pause between two beeps is not silence.
    const quiet = await Promise.all(others(p, garden).map(async o => {
      let since = null, v;
      await until(`${o.name} hears nothing of ${p.name}`, 8000, async () => {
        v = await level(o);
        since = v < 0.001 ? since ?? performance.now() : null;
        return since !== null && performance.now() - since > 1500;
      }, () => `(level ${v})`);
      return v;
    }));
    tap.check(true, `${label(p)} mutes: the others hear nothing`, `level ${loud.map(v => v.toFixed(3))} before, ${quiet} after ${ms(performance.now() - start)}`);
    await p.click('#mic');
    await Promise.all(others(p, garden).map(o => until(`${o.name} hears ${p.name} again`, 8000, () => level(o).then(v => v > 0.005))));
    tap.check(true, `${label(p)} unmutes: the others hear again`);
  }
}

async function cameraOff() {
  for (const p of [ada, bo]) {
    await p.click('#cam');
    await Promise.all(others(p, garden).map(o => until(`${o.name} sees the avatar of ${p.name}`, 8000, () => o.hasClass(p, 'idle'),
      async () => `(frames ${await o.framesOf(p)}, ${await p.eval(SENDING)})`)));
    const initials = await cy.eval(`${cy.tile(p)}.querySelector('.avatar').innerText.trim()`);
    tap.check(initials !== '', `${label(p)} turns the camera off: the others see the avatar`, `"${initials}"`);
    await cy.shot(`camera-off-${p.engine}`);
    await p.click('#cam');
    await Promise.all(others(p, garden).map(o => until(`${o.name} sees ${p.name} again`, 8000, () => o.hasClass(p, 'idle').then(v => v === false))));
    tap.check(true, `${label(p)} turns the camera on: the others see the picture`);
  }
}

async function screenShare() {
  await ada.click('#screen');
  await until('Ada shares', 8000, () => ada.eval('document.getElementById("screen").classList.contains("on")'),
    () => ada.eval('document.getElementById("toasts").innerText'));
  const took = await Promise.all([bo, cy].map(o => o.sees(ada, 10_000, true)));
  await Promise.all([bo, cy].map(o => until('the tile of the screen', 5000, () => o.hasTile(ada, true))));
  const size = await bo.eval(`edgeCall.stats().then(s => { const p = s.peers[101].screen; return p.width + 'x' + p.height; })`);
  tap.check(true, 'Ada (chromium) shares a screen: both engines see it', `${took.map(ms).join(', ')}, ${size}`);
  await Promise.all([bo.shot('screen-firefox'), cy.shot('screen-chromium')]);
  const camera = await Promise.all([bo, cy].map(o => o.sees(ada, 5000)));
  tap.check(true, 'the camera goes on beside the screen', camera.map(ms).join(', '));
  await ada.click('#screen');
  const start = performance.now();
  await Promise.all([bo, cy].map(o => until('the tile of the screen is gone', 10_000, () => o.hasTile(ada, true).then(v => !v))));
  tap.check(true, 'Ada stops sharing: the tile goes', `after ${ms(performance.now() - start)}`);
}

async function cutPath(p, how) {
  await p.cable[how](true);
  const cutAt = performance.now();
  // The cut is real: nothing new arrives at either side of it.
  await pause(1000);
  const frozen = async () => [await p.framesOf(others(p, garden)[0]), await others(p, garden)[0].framesOf(p)];
  const before = await frozen();
  await pause(CUT_MS - 1000 - 500);
  const after = await frozen();
  await p.shot(`path-${how}-${p.engine}`);
  await pause(Math.max(0, CUT_MS - (performance.now() - cutAt)));
  await p.cable[how](false);
  const start = performance.now();
  tap.check(String(before) === String(after), `${label(p)}: the path is dead (${how})`, `frames ${before} then ${after}`);
  const ways = others(p, garden).flatMap(o => [[p, o], [o, p]]);
  const seen = await Promise.allSettled(ways.map(([to, from]) => to.sees(from, BACK_MAX)));
  tap.check(seen.every(r => r.status === 'fulfilled'),
    `${label(p)}: pictures flow both ways again after ${CUT_MS / 1000} s without a path (${how})`,
    seen.map((r, i) => `${ways[i][0].name} from ${ways[i][1].name} ${r.status === 'fulfilled' ? `after ${ms(r.value)}` : r.reason.message}`).join(', '));
  await until(`${p.name} is in the call`, 20_000, async () => await p.state() === 'joined');
  tap.check(true, `${label(p)}: signalling is back (${how})`, `after ${ms(performance.now() - start)}`);
  const exact = await Promise.all(garden.map(o => o.peers()));
  tap.check(garden.every((o, i) => String(exact[i]) === String(others(o, garden).map(x => x.sub))), `everybody is in the room once (${how})`, exact.join(' | '));
}

async function frontDies() {
  await Promise.all(garden.map(p => p.eval('probe.begin()')));
  const killed = node.killFrontWorkers();
  await until('the pages notice', 5000, async () => (await Promise.all(garden.map(p => p.state()))).some(s => s === 'reconnecting'));
  await until('everybody is in the call again', 20_000, async () => (await Promise.all(garden.map(p => p.state()))).every(s => s === 'joined'));
  await pause(1000);
  const saw = await Promise.all(garden.map(p => p.eval('probe.end()')));
  const gaps = saw.flatMap(s => Object.values(s.peers).map(p => p.gap));
  tap.check(gaps.length === 6 && gaps.every(g => g !== null && g <= 1000), `the sockets of signalling die (${killed} front workers): media goes on`,
    `longest gaps ${gaps.map(ms).join(', ')}`);
  tap.check(saw.every((s, i) => s.subs.join('|') === others(garden[i], garden).map(p => p.sub).join(' ')), 'no tile blinks meanwhile',
    saw.map(s => s.subs.join('|')).join(', '));
}

async function reloadPage() {
  await bo.reload();
  await joinLate(bo);
  await allSee(garden, 15_000);
  const exact = await Promise.all(garden.map(p => p.peers()));
  tap.check(garden.every((p, i) => String(exact[i]) === String(others(p, garden).map(o => o.sub))), 'a reloaded page takes its old place', exact.join(' | '));
}

async function secondWindow() {
  await dee.open(node.base, { room: 'garden', sub: cy.sub });
  await dee.join();
  await until('the first window ends', 10_000, async () => await cy.state() === 'ended');
  const words = await cy.words('#ended');
  tap.check(/opened in another window/.test(words), 'the same person in another window: the first one says so', words.replace(/\s+/g, ' '));
  await cy.shot('error-replaced');
  await dee.sees(ada, 15_000);
  await ada.sees(cy, 15_000);
  const exact = await ada.peers();
  tap.check(String(exact) === '102,103', 'and the others see one of them', String(exact));
  await dee.click('#leave');
  await until('Ada sees the tile go', 10_000, () => ada.hasTile(cy).then(v => !v));
  await cy.click('#rejoin');
  await cy.join();
  await allSee(garden, 15_000);
  tap.check(true, '"Join again" brings the first one back');
}

async function leave() {
  for (const p of [cy, bo]) {
    const rest = garden.filter(o => o !== p && (p === cy || o !== cy));
    await p.click('#leave');
    const start = performance.now();
    const took = await Promise.all(rest.map(o => until(`the tile of ${p.name} goes at ${o.name}`, 15_000, () => o.hasTile(p).then(v => !v))
      .then(() => performance.now() - start)));
    tap.check(took.every(t => t <= GONE_MAX), `${label(p)} leaves: the tile is gone within ${GONE_MAX} ms`,
      rest.map((o, i) => `at ${o.name} after ${ms(took[i])}`).join(', '));
    const words = await p.words('#ended');
    tap.check(/You left the call/.test(words), `${label(p)}: the page says so`, words.replace(/\s+/g, ' '));
  }
  await cy.shot('left');
  await bo.click('#rejoin');
  await bo.join();
  await allSee([ada, bo], 15_000);
}

async function sfudRestarts() {
  const code = await node.stopPart('sfud');
  tap.check(code === 0, 'sfud ends in order on SIGTERM', `status ${code}`);
  await until('Ada tells', 10_000, async () => (await ada.words('#banner')) !== '');
  const banner = await ada.words('#banner');
  tap.check(/^The call server .*(Reconnecting|Trying again)/.test(banner), 'while it is away the page says what happens', banner);
  await ada.shot('error-restarting');
  const start = performance.now();
  await node.startPart('sfud');
  await until('both are in the call', 30_000, async () => (await Promise.all([ada, bo].map(p => p.state()))).every(s => s === 'joined'));
  await allSee([ada, bo], 20_000);
  tap.check(true, 'after a restart of sfud the call comes back by itself', `after ${ms(performance.now() - start)}`);
}

async function errorsInWords() {
  await cy.open(node.base, { name: 'x'.repeat(60), join: 1 });
  await until('the end', 15_000, async () => await cy.state() === 'ended');
  const refused = await cy.words('#ended-words');
  tap.check(/at most 40 characters/.test(refused), 'a refused token: the page says why', refused);
  await cy.shot('error-token');

  await cy.open(node.base, {}, `navigator.mediaDevices.getUserMedia = () => Promise.reject(new DOMException('', 'NotFoundError'));`);
  await until('words about devices', 10_000, async () => (await cy.words('#prejoin-words')) !== '');
  const missing = await cy.words('#prejoin-words');
  tap.check(/No camera or microphone was found/.test(missing), 'no devices: the page says so', missing);
  await cy.join();
  await cy.sees(ada, 15_000);
  tap.check(true, 'and lets one join and watch');
  await cy.shot('error-devices');
  await cy.click('#leave');
}

async function noFaults() {
  tap.note((await node.metrics()).split('\n').filter(l => /^sfu_(transport_ended|drops|client_ws_session_ended)/.test(l) && !/ 0$/.test(l)).join(' '));
  const faults = await Promise.all(everybody.map(p => p.eval('probe.faults')));
  tap.check(faults.every(f => f.length === 0), 'no uncaught error in any page', faults.flat().join('; '));
  const alive = node.alive();
  tap.check(alive.length === node.names().length, 'every part of the node still runs', alive.join(' '));
}

const story = [
  ['joining', arrive], ['late joiner', lateJoiner], ['20 seconds', watch], ['rooms', isolation], ['looks', looks],
  ['mute', mute], ['camera', cameraOff], ['screen', screenShare],
  ['quiet path, chromium', () => cutPath(cy, 'quiet')], ['pulled cable, firefox', () => cutPath(bo, 'pulled')],
  ['pulled cable, chromium', () => cutPath(ada, 'pulled')],
  ['front', frontDies], ['reload', reloadPage], ['second window', secondWindow], ['leaving', leave], ['sfud restart', sfudRestarts],
  ['errors in words', errorsInWords], ['faults', noFaults],
];

for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP'])
  process.on(signal, () => process.exit(1));

fs.writeFileSync(`${process.env.STATE}/voice.wav`, voice());
await node.start();
const chosen = process.argv.slice(2);
for (const [name, what] of story)
  if (!chosen.length || name === 'joining' || name === 'late joiner' || chosen.includes(name))
    await tap.part(name, what);
tap.end();
await Promise.race([Promise.all(everybody.map(p => p.quit())), pause(10_000)]);
process.exit(tap.bad ? 1 : 0);
