// SPDX-License-Identifier: AGPL-3.0-only
// The node: hub, sfud, front, turnd and tunneld (if they are built) in their network namespace, and what a test does to
// them.

import { spawn } from 'node:child_process';
import fs from 'node:fs';
import net from 'node:net';

import { inside, run, until } from './tools.mjs';

const { ROOT, LOGS, STATE, SFUD, TURND, TUNNELD, TURNS_NAME, RUN_AS, NODE_NS } = process.env;
const BASE = 'https://10.87.0.1/';

const COMMANDS = {
  hub: ['/usr/bin/python3', `${ROOT}/tests/central/hub.py`, '--listen', '127.0.0.1:8930', '--secret-file', `${STATE}/secret`,
    ...TURND ? ['--turn-secret-file', `${STATE}/turn-secret`, '--turn', '10.87.0.1:3478', '--turns', `${TURNS_NAME}:443`] : []],
  sfud: [SFUD, '-c', `${STATE}/sfud.conf`],
  ...TURND && { turnd: [TURND, '-c', `${STATE}/turnd.conf`] },
  ...TUNNELD && { tunneld: [TUNNELD, '-c', `${STATE}/tunneld.conf`] },
  // where nobody cannot run the parts, tunneld's sockets are root's, and so must nginx's workers be
  front: ['nginx', '-p', STATE, '-c', `${STATE}/nginx.conf`, '-e', 'stderr', '-g', `${RUN_AS ? '' : 'user root; '}daemon off;`],
};

const METRICS = { sfud: 'http://127.0.0.1:9317/metrics', turnd: 'http://127.0.0.1:9318/metrics',
  tunneld: 'http://127.0.0.1:9642/metrics' };

export class Node {
  base = BASE;
  #parts = {};

  async start() {
    for (const name of Object.keys(COMMANDS))
      await this.startPart(name);
    await until('the page behind the front', 20_000, () => this.#answers(`${BASE}api/health`));
  }

  async startPart(name) {
    const log = fs.openSync(`${LOGS}/${name}.log`, 'a');
    const [program, ...args] = inside(NODE_NS, [...RUN_AS.split(' ').filter(Boolean), ...COMMANDS[name]]);
    const child = spawn(program, args, { stdio: ['ignore', log, log], env: { ...process.env, PYTHONDONTWRITEBYTECODE: '1' } });
    fs.closeSync(log);
    this.#parts[name] = child;
    if (name in METRICS)
      await until(name, 20_000, () => {
        if (child.exitCode !== null)
          throw new Error(`${name} ended with status ${child.exitCode}, see ${LOGS}/${name}.log`);
        return this.#answers(METRICS[name]);
      });
  }

  // Its exit code, or the signal that ended it.
  async stopPart(name, signal = 'SIGTERM') {
    const child = this.#parts[name];
    if (child.exitCode !== null || child.signalCode !== null)
      return child.exitCode ?? child.signalCode;
    const gone = new Promise(done => child.once('exit', (code, by) => done(code ?? by)));
    child.kill(signal);
    return gone;
  }

  names = () => Object.keys(this.#parts);

  alive() {
    return Object.entries(this.#parts).filter(([, c]) => c.exitCode === null && c.signalCode === null).map(([name]) => name);
  }

  async #answers(url) {
    const { code } = await run(inside(NODE_NS, ['curl', '--fail', '--silent', '--noproxy', '*', '--insecure', '--max-time', '2',
      '--output', '/dev/null', url]));
    return code === 0;
  }

  async metrics(name = 'sfud') {
    return (await run(inside(NODE_NS, ['curl', '--silent', '--noproxy', '*', METRICS[name]]))).text;
  }

  // All front workers die at once: every WebSocket and no media passes through them.
  killFrontWorkers() {
    const { pid } = this.#parts.front;
    const workers = fs.readFileSync(`/proc/${pid}/task/${pid}/children`, 'ascii').trim().split(/\s+/).map(Number);
    for (const worker of workers)
      process.kill(worker, 'SIGKILL');
    return workers.length;
  }

  // sfud's own view: [{ name, members }].
  rooms() {
    return new Promise((done, fail) => {
      let text = '';
      const socket = net.connect(`${STATE}/run/sfud`, () => socket.write('{"method":"io.oxpulse.Sfu.ListRooms"}\0'));
      socket.setTimeout(5000, () => socket.destroy(new Error('the control socket does not answer')));
      socket.on('error', fail);
      socket.on('data', data => {
        text += data;
        if (!text.endsWith('\0'))
          return;
        socket.end();
        done(JSON.parse(text.slice(0, -1)).parameters.rooms);
      });
    });
  }
}

// A person's cable. quiet: frames are lost without a word; pulled: the person's own machine sees the link go down.
export class Cable {
  constructor(index, namespace) {
    Object.assign(this, { port: `person${index + 1}`, namespace });
  }

  async #set(command) {
    const { code, text } = await run(command);
    if (code !== 0)
      throw new Error(`${command.join(' ')}: ${text}`);
  }

  quiet(yes) {
    return this.#set(inside(NODE_NS, ['bridge', 'link', 'set', 'dev', this.port, 'state', yes ? '0' : '3']));
  }

  pulled(yes) {
    return this.#set(['ip', '-n', this.namespace, 'link', 'set', 'eth0', yes ? 'down' : 'up']);
  }
}
