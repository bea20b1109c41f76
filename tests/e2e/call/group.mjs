// SPDX-License-Identifier: AGPL-3.0-only
// People who should see each other: what the stories of ../test_call.sh and ../test_relay.sh share.

import { othersShare, pause } from './tools.mjs';

export const WINDOWS = 5;          // looked at, at most, while others starve the browsers
export const STARVED = 0.15;       // of the processors used by other programs
export const RATE_MIN = 0.8;       // of what the sender sends
export const FREEZE_MAX = 500;     // ms without a new picture

export const ms = v => v === null || !Number.isFinite(v) ? 'none' : `${Math.round(v)} ms`;
export const others = (person, all) => all.filter(p => p !== person);
export const pairs = all => all.flatMap(a => others(a, all).map(b => [a, b]));
export const label = p => `${p.name} (${p.engine})`;

// All pairs at once; the time of the slowest.
export const allSee = async (all, within) => Math.max(...await Promise.all(pairs(all).map(([a, b]) => a.sees(b, within))));

// Of one person's window: do pictures of all the others come at their rate and without a freeze?
export const steady = (viewer, all, saw, sentRate) => others(viewer, all).every(other => {
  const got = saw.peers[other.sub];
  return got && got.rate >= RATE_MIN * sentRate.get(other) && got.gap !== null && got.gap <= FREEZE_MAX;
});

// What everybody sees meanwhile, as { saw, sentRate }. Other work on this machine can starve the browsers: a window in
// which not all of these were steady while others used the processors is told of, and another one is looked at.
export async function observe(tap, everybody, all, windowMs) {
  for (let left = WINDOWS; ; left--) {
    const share = othersShare();
    await Promise.all(everybody.map(p => p.eval('probe.begin()')));
    await pause(windowMs);
    const saw = await Promise.all(everybody.map(p => p.eval('probe.end()')));
    const busy = share();
    const sentRate = new Map(everybody.map((p, i) => [p, saw[i].sentRate]));
    const mine = everybody.map((p, i) => [p, saw[i]]).filter(([p]) => all.includes(p));
    const gaps = mine.flatMap(([, window]) => Object.values(window.peers).map(peer => ms(peer.gap)));
    tap.note(`other programs used ${Math.round(busy * 100)} % of the processors; longest gaps ${gaps.join(', ')}`);
    if (left === 1 || busy <= STARVED || mine.every(([p, window]) => steady(p, all, window, sentRate)))
      return { saw, sentRate };
  }
}
