// SPDX-License-Identifier: AGPL-3.0-only
// A person with a browser: a driver process in their own network namespace, and what such a person does.

import { spawn } from 'node:child_process';
import fs from 'node:fs';
import readline from 'node:readline';

import { Cable } from './node.mjs';
import { inside, until } from './tools.mjs';

const { LOGS, STATE, MODULES } = process.env;
// Small pictures: the checks are about the node, and four browsers that encode in software share this machine.
const CAMERA = { width: 320, height: 180, fps: 15 };

export class Person {
  #driver;
  #waiting = new Map();
  #last = 0;

  constructor(index, namespace, { name, engine, sub, room }) {
    Object.assign(this, { name, engine, sub, room, cable: new Cable(index, namespace) });
    const home = `${STATE}/${name}`;
    fs.mkdirSync(home);
    const [program, ...args] = inside(namespace, ['node', new URL('driver.mjs', import.meta.url).pathname, engine, MODULES, home]);
    const log = fs.openSync(`${LOGS}/${name}.log`, 'w');
    this.#driver = spawn(program, args, { stdio: ['pipe', 'pipe', log], cwd: home });
    fs.closeSync(log);
    this.#driver.stdin.on('error', () => {});
    readline.createInterface({ input: this.#driver.stdout }).on('line', line => {
      const { id, result, error } = JSON.parse(line);
      const { done, fail } = this.#waiting.get(id);
      this.#waiting.delete(id);
      error ? fail(new Error(`${name}: ${error}`)) : done(result);
    });
    this.#driver.on('exit', code => {
      for (const { fail } of this.#waiting.values())
        fail(new Error(`${name}: the driver ended with status ${code}, see ${LOGS}/${name}.log`));
      this.#waiting.clear();
    });
  }

  #do(action, ...args) {
    const id = ++this.#last;
    return new Promise((done, fail) => {
      this.#waiting.set(id, { done, fail });
      this.#driver.stdin.write(`${JSON.stringify({ id, do: action, args })}\n`);
    });
  }

  launch = () => this.#do('launch');
  eval = expression => this.#do('eval', expression);
  click = selector => this.#do('click', selector);
  viewport = (width, height) => this.#do('viewport', width, height);

  // Of a page at rest: tiles glide to their places.
  async shot(what) {
    await until('the page is at rest', 3000,
      () => this.eval('document.getAnimations().every(a => !(a instanceof CSSTransition) || a.playState !== "running")')).catch(() => {});
    await this.#do('shot', `${LOGS}/${what}.png`);
  }

  quit = () => this.#do('close').catch(() => {}).finally(() => this.#driver.stdin.end());

  address(base, more = {}) {
    return `${base}?${new URLSearchParams({ room: this.room, sub: this.sub, ...CAMERA, ...more })}`;
  }

  open = (base, more, before = '') => this.#do('open', this.address(base, more), before);
  reload = () => this.#do('reload');

  // Types the name and presses the button, as people do, once the devices are on or the page said that there are none.
  async join() {
    await until(`${this.name} sees the own camera`, 15_000,
      () => this.eval('!document.getElementById("preview").hidden || document.getElementById("prejoin-words").innerText !== ""'));
    await this.#do('type', '#name', this.name);
    await this.click('#join');
    await until(`${this.name} is in the call`, 15_000, async () => await this.state() === 'joined',
      () => this.eval('JSON.stringify([edgeCall.state, edgeCall.problem])'));
  }

  state = () => this.eval('edgeCall.state');
  peers = () => this.eval('Object.keys(edgeCall.peers).map(Number).sort()');
  tile = (other, screen = false) => `document.querySelector('#stage .tile[aria-label="${other.name}${screen ? ' · screen' : ''}"]')`;
  hasTile = (other, screen) => this.eval(`${this.tile(other, screen)} !== null`);
  hasClass = (other, name) => this.eval(`${this.tile(other)}?.classList.contains('${name}') ?? null`);

  // The counters of one other person, or null.
  about = other => this.eval(`edgeCall.stats().then(s => s.peers[${other.sub}] ?? null)`);

  framesOf = async (other, screen) => {
    const about = await this.about(other);
    return (screen ? about?.screen?.framesDecoded : about?.framesDecoded) ?? 0;
  };

  // Resolves once pictures of the other move (by more than one, which could be a late one).
  async sees(other, ms, screen = false) {
    const before = await this.framesOf(other, screen);
    const start = performance.now();
    await until(`${this.name} sees pictures of ${other.name}${screen ? "'s screen" : ''}`, ms,
      async () => {
        const now = await this.framesOf(other, screen);
        return now > before + 2 || (now < before && now > 2);
      }, async () => `(frames ${before} and ${await this.framesOf(other, screen)}, ${await this.eval('[edgeCall.state, edgeCall.problem]')})`);
    return performance.now() - start;
  }

  words = selector => this.eval(`document.querySelector('${selector}').hidden ? '' : document.querySelector('${selector}').innerText.trim()`);
}
