// SPDX-License-Identifier: AGPL-3.0-only
// Waiting with a bound, running programs, the machine's load, and results in TAP.

import { spawn } from 'node:child_process';
import fs from 'node:fs';

export const pause = ms => new Promise(done => setTimeout(done, ms));

export const inside = (namespace, command) => ['ip', 'netns', 'exec', namespace, ...command];

// Processor time so far, in ticks: of the whole machine, and what of it was work of others than our descendants.
function ticks() {
  const [idle, all] = fs.readFileSync('/proc/stat', 'ascii').split('\n', 1)[0].split(/\s+/).slice(1, 9).map(Number)
    .reduce(([i, a], v, n) => [n === 3 || n === 4 ? i + v : i, a + v], [0, 0]);
  const processes = new Map();
  for (const pid of fs.readdirSync('/proc').filter(name => /^\d+$/.test(name)))
    try {
      const fields = fs.readFileSync(`/proc/${pid}/stat`, 'latin1').replace(/^.*\) /s, '').split(' ');
      processes.set(Number(pid), { parent: Number(fields[1]), used: Number(fields[11]) + Number(fields[12]) });
    } catch { /* it just ended */ }
  const isOurs = pid => pid === process.pid || (processes.has(pid) && isOurs(processes.get(pid).parent));
  const own = [...processes].reduce((sum, [pid, p]) => isOurs(pid) ? sum + p.used : sum, 0);
  return { all, others: all - idle - own };
}

// Call it, later call what it returned: the share of the machine's processors that others used in between.
export function othersShare() {
  const before = ticks();
  return () => {
    const now = ticks();
    return Math.max(0, (now.others - before.others) / (now.all - before.all));
  };
}

// Asks until the answer is truthy and returns it; the error of a time-out tells the last answer's detail().
export async function until(what, ms, ask, detail = () => '') {
  const end = performance.now() + ms;
  for (;;) {
    const answer = await ask();
    if (answer)
      return answer;
    if (performance.now() > end)
      throw new Error(`${what}: not within ${ms} ms ${await detail()}`.trim());
    await pause(50);
  }
}

export function run([program, ...args]) {
  return new Promise(done => {
    let text = '';
    const child = spawn(program, args, { stdio: ['ignore', 'pipe', 'pipe'] });
    child.stdout.on('data', d => { text += d; });
    child.stderr.on('data', d => { text += d; });
    child.on('error', e => done({ code: -1, text: e.message }));
    child.on('close', code => done({ code, text: text.trim() }));
  });
}

export class Tap {
  #number = 0;
  bad = 0;

  // figures: the numbers behind the verdict; they are part of the line.
  check(ok, name, figures = '') {
    this.#number++;
    this.bad += ok ? 0 : 1;
    console.log(`${ok ? 'ok' : 'not ok'} ${this.#number} - ${name}${figures ? `: ${figures}` : ''}`.replaceAll('#', 'no. '));
    return ok;
  }

  // A part of the story: what throws in it is one failed check, and the story goes on.
  async part(name, what) {
    try {
      await what();
    } catch (e) {
      this.check(false, name, e.message.split('\n')[0]);
      for (const line of String(e.stack).split('\n').slice(0, 6))
        this.note(line);
    }
  }

  note(text) {
    console.log(`# ${text}`);
  }

  end() {
    console.log(`1..${this.#number}`);
  }
}
