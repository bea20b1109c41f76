// SPDX-License-Identifier: AGPL-3.0-only
// One browser, inside the network namespace that this process was started in. Told what to do by JSON lines on
// standard input, one answer line for each; ends with its standard input.
//
//   node driver.mjs chromium|firefox MODULES DIRECTORY      {"id": 1, "do": "click", "args": ["#join"]}

import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import readline from 'node:readline';
import { createRequire } from 'node:module';

const [engine, modules, directory] = process.argv.slice(2);
const puppeteer = createRequire(path.join(modules, 'x.cjs'))('puppeteer-core');
const probe = fs.readFileSync(new URL('probe.js', import.meta.url), 'utf8');

const CHROMIUM = {
  browser: 'chrome',
  executablePath: '/usr/bin/chromium',
  pipe: true,
  args: ['--no-sandbox', '--disable-gpu', '--disable-background-networking', '--disable-component-update', '--disable-sync',
    '--use-fake-device-for-media-stream=fps=15', '--use-fake-ui-for-media-stream', '--auto-accept-this-tab-capture',
    '--auto-select-desktop-capture-source=Entire screen', '--autoplay-policy=no-user-gesture-required',
    `--use-file-for-fake-audio-capture=${path.join(directory, '..', 'voice.wav')}`, '--disable-renderer-backgrounding', '--disable-backgrounding-occluded-windows', '--disable-background-timer-throttling'],
};
const FIREFOX = {
  browser: 'firefox',
  executablePath: '/usr/bin/firefox-esr',
  extraPrefsFirefox: {
    'media.navigator.streams.fake': true,
    'media.navigator.permission.disabled': true,
    'media.autoplay.default': 0,
    'media.autoplay.blocking_policy': 0,
    'network.captive-portal-service.enabled': false,
    'network.connectivity-service.enabled': false,
  },
};

// A browser asks a person about a page's certificate, but never about a TURN server's: that one it must trust. Firefox
// keeps its trust in the profile, Chromium in the home directory.
function trustTheAuthority() {
  const database = path.join(directory, engine === 'firefox' ? 'profile' : '.pki/nssdb');
  fs.mkdirSync(database, { recursive: true });
  try {
    execFileSync('certutil', ['-N', '-d', `sql:${database}`, '--empty-password']);
    execFileSync('certutil', ['-A', '-d', `sql:${database}`, '-n', 'edge test', '-t', 'C,,', '-i', path.join(directory, '..', 'tls', 'ca.pem')]);
  } catch (e) {
    console.error(`no trust in the authority: ${e.message}`);    // certutil is missing: only TURN over TLS needs it
  }
}

let browser;
let page;

const actions = {
  async launch() {
    trustTheAuthority();
    const about = engine === 'firefox' ? FIREFOX : CHROMIUM;
    browser = await puppeteer.launch({ ...about, headless: true, acceptInsecureCerts: true, timeout: 60_000,
      protocolTimeout: 60_000, userDataDir: path.join(directory, 'profile'), defaultViewport: { width: 1024, height: 640 },
      env: { ...process.env, HOME: directory, TMPDIR: directory, XDG_RUNTIME_DIR: directory },
      handleSIGINT: false, handleSIGTERM: false, handleSIGHUP: false });
    return browser.version();
  },

  // before: more script for the page, run before its own.
  async open(url, before = '') {
    const old = page;
    page = await browser.newPage();
    await page.evaluateOnNewDocument(probe);
    if (before)
      await page.evaluateOnNewDocument(before);
    await old?.close();
    await page.goto(url, { waitUntil: 'load', timeout: 30_000 });
  },

  reload: () => page.reload({ waitUntil: 'load', timeout: 30_000 }).then(() => null),
  eval: expression => page.evaluate(expression),
  click: selector => page.click(selector),
  type: async (selector, text) => {
    await page.click(selector, { count: 3 });
    await page.type(selector, text);
  },
  viewport: (width, height) => page.setViewport({ width, height }),
  shot: file => page.screenshot({ path: file }).then(() => null),
  close: () => browser?.close(),
};

readline.createInterface({ input: process.stdin }).on('line', async line => {
  const { id, do: name, args } = JSON.parse(line);
  let answer;
  try {
    answer = { id, result: await actions[name](...args) ?? null };
  } catch (e) {
    answer = { id, error: `${engine}: ${name} ${String(args[0] ?? '').slice(0, 120)}: ${e.message}` };
  }
  process.stdout.write(`${JSON.stringify(answer)}\n`);
}).on('close', async () => {
  await browser?.close().catch(() => {});
  process.exit(0);
});
