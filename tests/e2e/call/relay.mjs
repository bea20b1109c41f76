// SPDX-License-Identifier: AGPL-3.0-only
// The story of calls through the relay: three people of two engines whose media may go no other way, over UDP, TCP and
// TLS in turn; then the page without a relay, and the relay's name as a web site. Started by ../test_relay.sh.

import fs from 'node:fs';

import { allSee, FREEZE_MAX, label, ms, observe, others } from './group.mjs';
import { Node } from './node.mjs';
import { Person } from './person.mjs';
import { inside, run, Tap, until } from './tools.mjs';
import { voice } from './voice.mjs';

const { LOGS, STATE, TURNS_NAME } = process.env;
const WINDOW_MS = 10_000;
const GONE_MAX = 10_000;    // ms until the relay has let go of those who left

const tap = new Tap();
const node = new Node();
const namespaces = process.env.PEOPLE_NS.split('\n');
const garden = [
  { name: 'Ada', engine: 'chromium', sub: 101, room: 'garden' },
  { name: 'Bo', engine: 'firefox', sub: 102, room: 'garden' },
  { name: 'Cy', engine: 'chromium', sub: 103, room: 'garden' },
].map((who, i) => new Person(i, namespaces[i], who));
const [ada, bo] = garden;

// The local candidate of the pair in use: { candidateType, relayProtocol, bytes }, bytes of both ways.
const PAIR = `edgeCall.pc.getStats().then(report => {
  const all = [...report.values()];
  const pair = report.get(all.find(s => s.type === 'transport')?.selectedCandidatePairId)
    ?? all.find(s => s.type === 'candidate-pair' && (s.selected || (s.nominated && s.state === 'succeeded')));
  const { candidateType, relayProtocol } = report.get(pair?.localCandidateId) ?? {};
  return { candidateType, relayProtocol, bytes: (pair?.bytesSent ?? 0) + (pair?.bytesReceived ?? 0) };
})`;
const ASKED = `performance.getEntriesByType('resource').filter(e => e.name.includes('/api/turn-credentials')).length`;

// The sum of a metric of turnd over all its labels.
async function metric(name) {
  const lines = (await node.metrics('turnd')).split('\n').filter(l => l.startsWith(`${name} `) || l.startsWith(`${name}{`));
  if (!lines.length)
    throw new Error(`turnd has no metric ${name}`);
  return lines.reduce((sum, l) => sum + Number(l.slice(l.lastIndexOf(' ') + 1)), 0);
}

// What the statistics overlay says of the path and the relay, as one line.
async function panelOf(p) {
  await p.click('#stats');
  const panel = await until(`${p.name}'s statistics`, 5000, async () => {
    const text = (await p.words('#panel')).replace(/\s+/g, ' ');
    return /Path (direct|relayed)/.test(text) && text;
  }, () => p.words('#panel'));
  return /Path .*/.exec(panel)[0];
}

async function launch() {
  const versions = await Promise.all(garden.map(p => p.launch()));
  garden.forEach((p, i) => tap.note(`${p.name}: ${versions[i]}`));
}

// way: how the relay is reached, as the page's address and the browsers' statistics name it.
async function relayed(way) {
  const words = `over ${way.toUpperCase()}`;
  await Promise.all(garden.map(p => p.open(node.base, { relay: 1, turn: way })));
  await Promise.all(garden.map(p => p.join()));
  const took = await allSee(garden, 20_000);
  tap.check(true, `${words}: two engines join and see each other`, `after ${ms(took)}`);
  const before = await metric('turn_relayed_bytes_total');
  const { saw, sentRate } = await observe(tap, garden, garden, WINDOW_MS);
  const relayedBytes = await metric('turn_relayed_bytes_total') - before;
  for (const [i, p] of garden.entries()) {
    const pair = await p.eval(PAIR);
    tap.check(pair.candidateType === 'relay' && pair.relayProtocol === way, `${words}, ${label(p)}: the pair in use is relayed that way`,
      `${pair.candidateType} ${pair.relayProtocol}, ${pair.bytes} bytes`);
    for (const other of others(p, garden)) {
      const got = saw[i].peers[other.sub] ?? { rate: 0, gap: null, freezes: 0 };
      tap.check(got.rate > 0 && got.gap !== null && got.gap <= FREEZE_MAX,
        `${words}, ${label(p)} from ${label(other)}: pictures for ${WINDOW_MS / 1000} s without a freeze longer than ${FREEZE_MAX} ms`,
        `longest gap ${ms(got.gap)}, ${got.rate.toFixed(1)} of ${sentRate.get(other).toFixed(1)} per second, ${got.lost} packets lost`);
    }
    const panel = await panelOf(p);
    tap.check(panel.includes(`Path relayed ${words}`) && !panel.includes('Relay '), `${words}, ${label(p)}: the statistics tell it`, panel);
  }
  await Promise.all([ada, bo].map(p => p.shot(`relayed-${way}-${p.engine}`)));
  const open = await metric('turn_allocations');
  tap.check(open >= garden.length && relayedBytes > 100_000, `${words}: turnd counts allocations and bytes`,
    `${open} allocations, ${relayedBytes} bytes while watched`);
  await Promise.all(garden.map(p => p.click('#leave')));
  const start = performance.now();
  await until('turnd lets go', GONE_MAX, async () => await metric('turn_allocations') === 0, () => metric('turn_allocations'));
  tap.check(true, `${words}: after leaving no allocation is left`, `after ${ms(performance.now() - start)}`);
}

// Both may reach the node directly and over the relay: they go directly, and the relay is asked nothing for long.
async function direct() {
  await Promise.all([ada, bo].map(p => p.open(node.base)));
  await Promise.all([ada, bo].map(p => p.join()));
  await allSee([ada, bo], 15_000);
  for (const p of [ada, bo]) {
    const panel = await panelOf(p);
    tap.check(panel.includes('Path direct') && !panel.includes('Relay '), `${label(p)} with both ways open goes directly`, panel);
  }
  await rejoin(ada);
  const asked = await ada.eval(ASKED);
  tap.check(asked === 1, 'good credentials are used again', `asked ${asked} times`);
  await Promise.all([ada, bo].map(p => p.click('#leave')));
}

async function rejoin(p) {
  await p.click('#leave');
  await p.click('#rejoin');
  await p.join();
}

// What the page makes of the hub's answers, which a script before its own replaces.
const answering = (change) => `{
  const real = window.fetch;
  window.fetch = async (url, how) => {
    const reply = await real(url, how);
    return String(url).startsWith('/api/turn-credentials') ? (${change})(reply) : reply;
  };
}`;

async function withoutRelay() {
  const rows = [
    ['there is none', `() => new Response('{"error": "TURN not configured"}', { status: 503 })`, /Relay none: the service has no relay/],
    ['the hub fails', `() => Promise.reject(new TypeError('no network'))`, /Relay none: the service gave no credentials/],
    ['the hub talks nonsense', `() => new Response('{"ttl": 60, "ice_servers": [{"urls": ["nonsense"]}, {"urls": "turn:192.0.2.1"}]}')`, /Relay none/],
  ];
  for (const [why, change, words] of rows) {
    await ada.open(node.base, {}, answering(change));
    await ada.join();
    const panel = await panelOf(ada);
    tap.check(panel.includes('Path direct') && words.test(panel), `${why}: the call goes on without, and the statistics say so`, panel);
    await ada.click('#leave');
  }
  await ada.open(node.base, {}, answering('async r => new Response(JSON.stringify({ ...await r.json(), ttl: 0.1 }))'));
  await ada.join();
  await rejoin(ada);
  const asked = await ada.eval(ASKED);
  tap.check(asked > 1, 'credentials that are about to expire are renewed', `asked ${asked} times`);
  await ada.click('#leave');
}

// To somebody who is curious, the relay's name on port 443 is the site.
async function cover() {
  for (const version of ['--http1.1', '--http2']) {
    const ask = async name => (await run(inside(namespaces[0], ['curl', '--silent', '--show-error', '--include', '--noproxy', '*', version, '--max-time', '10',
      '--cacert', `${STATE}/tls/ca.pem`, '--header', 'Host: edge.test', `https://${name}/api/branding`]))).text.replace(/^date:.*$/im, '');
    const [site, turns] = [await ask('10.87.0.1'), await ask(TURNS_NAME)];
    tap.check(turns === site && /^HTTP\/[12.]+ 200/.test(site), `the relay's name answers a browser as the site does (${version})`,
      turns === site ? site.split('\r\n')[0] : `"${turns.split('\r\n')[0]}" and "${site.split('\r\n')[0]}"`);
  }
}

async function noFaults() {
  const faults = await Promise.all(garden.map(p => p.eval('probe.faults')));
  tap.check(faults.every(f => f.length === 0), 'no uncaught error in any page', faults.flat().join('; '));
  const alive = node.alive();
  tap.check(alive.length === node.names().length, 'every part of the node still runs', alive.join(' '));
  fs.writeFileSync(`${LOGS}/turnd.metrics`, await node.metrics('turnd'));
}

const story = [
  ['udp', () => relayed('udp')], ['tcp', () => relayed('tcp')], ['tls', () => relayed('tls')],
  ['direct', direct], ['without relay', withoutRelay], ['cover', cover], ['faults', noFaults],
];

for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP'])
  process.on(signal, () => process.exit(1));

fs.writeFileSync(`${STATE}/voice.wav`, voice());
await node.start();
await tap.part('launch', launch);
const chosen = process.argv.slice(2);
for (const [name, what] of story)
  if (!chosen.length || chosen.includes(name))
    await tap.part(name, what);
tap.end();
await Promise.race([Promise.all(garden.map(p => p.quit())), new Promise(done => setTimeout(done, 10_000))]);
process.exit(tap.bad ? 1 : 0);
