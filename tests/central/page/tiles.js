// SPDX-License-Identifier: AGPL-3.0-only
// The people on the stage: one tile for each camera and each shared screen. Owns their elements; knows nothing of calls.

import { fit, spotlight } from './layout.js';

const SVG = 'http://www.w3.org/2000/svg';

function icon(id) {
  const svg = document.createElementNS(SVG, 'svg');
  svg.setAttribute('aria-hidden', 'true');
  svg.append(document.createElementNS(SVG, 'use'));
  svg.firstChild.setAttribute('href', `#${id}`);
  return svg;
}

function initials(name) {
  const parts = name.split(/\s+/).filter(Boolean);
  const letters = parts.length > 1 ? [parts[0], parts.at(-1)] : parts;
  return letters.map(p => [...p][0]).join('').toUpperCase() || '?';
}

// The same person has the same colour everywhere and every time.
function hue(key) {
  let h = 7;
  for (const c of key)
    h = (h * 31 + c.codePointAt(0)) % 360;
  return h;
}

export class Tile {
  #caption = document.createElement('b');
  #avatar = document.createElement('span');
  #numbers = document.createElement('pre');
  #track = null;
  pin = document.createElement('button');
  video = document.createElement('video');
  root = document.createElement('figure');

  constructor(key, { screen = false, mirror = false } = {}) {
    this.key = key;
    this.screen = screen;
    this.root.className = 'tile idle';
    this.root.classList.toggle('screen', screen);
    this.root.classList.toggle('mirror', mirror);
    // Sound comes from <audio> elements, so that browsers let pictures start without a click.
    Object.assign(this.video, { autoplay: true, muted: true, playsInline: true });
    const avatar = document.createElement('div');
    avatar.className = 'avatar';
    avatar.setAttribute('aria-hidden', 'true');
    avatar.append(this.#avatar);
    const caption = document.createElement('figcaption');
    caption.append(icon('i-mic-off'), this.#caption);
    this.#numbers.className = 'numbers';
    this.#numbers.hidden = true;
    this.pin.type = 'button';
    this.pin.className = 'pin';
    this.pin.append(icon('i-pin'));
    this.pin.setAttribute('aria-pressed', 'false');
    this.root.append(this.video, avatar, caption, this.#numbers, this.pin);
  }

  // who: what of the name makes the avatar, when the shown name says more.
  setName(name, who = name) {
    const shown = this.screen ? `${name} · screen` : name;
    if (this.#caption.textContent === shown)
      return;
    this.#caption.textContent = shown;
    this.#avatar.textContent = initials(who);
    this.root.style.setProperty('--hue', hue(who));
    this.root.setAttribute('aria-label', shown);
    this.video.setAttribute('aria-label', shown);
    this.pin.setAttribute('aria-label', `Enlarge ${shown}`);
    this.pin.title = 'Enlarge';
  }

  setTrack(track) {
    if (this.#track === track)
      return;
    this.#track = track;
    this.video.srcObject = track ? new MediaStream([track]) : null;
    if (track)
      this.video.play().catch(() => {});
  }

  // No picture to show: the avatar stands in.
  setIdle(idle) {
    this.root.classList.toggle('idle', idle);
  }

  setSpeaking(speaking) {
    this.root.classList.toggle('speaking', speaking);
  }

  setMuted(muted) {
    this.root.classList.toggle('muted', muted);
  }

  setLost(lost) {
    this.root.classList.toggle('lost', lost);
  }

  setNumbers(text) {
    this.#numbers.hidden = !text;
    if (text)
      this.#numbers.textContent = text;
  }

  setPinned(pinned) {
    this.pin.setAttribute('aria-pressed', String(pinned));
  }
}

export class Tiles {
  #tiles = new Map();
  #pinned = null;

  constructor(stage) {
    this.stage = stage;
    new ResizeObserver(() => this.layout()).observe(stage);
  }

  get(key) {
    return this.#tiles.get(key);
  }

  values() {
    return this.#tiles.values();
  }

  // The tile of that key, made if there is none yet.
  need(key, options) {
    let tile = this.#tiles.get(key);
    if (!tile) {
      tile = new Tile(key, options);
      tile.pin.addEventListener('click', () => this.#togglePin(key));
      tile.root.addEventListener('dblclick', () => this.#togglePin(key));
      this.#tiles.set(key, tile);
      this.stage.append(tile.root);
      this.layout();
    }
    return tile;
  }

  remove(key) {
    const tile = this.#tiles.get(key);
    if (!tile)
      return;
    tile.setTrack(null);
    tile.root.remove();
    this.#tiles.delete(key);
    if (this.#pinned === key)
      this.#pinned = null;
    this.layout();
  }

  clear() {
    for (const key of [...this.#tiles.keys()])
      this.remove(key);
  }

  #togglePin(key) {
    this.#pinned = this.#pinned === key ? null : key;
    this.layout();
  }

  // A pinned tile is large; else somebody's shared screen; else all are equal. Their order never changes by itself:
  // faces that move about are hard to follow.
  layout() {
    const { clientWidth: width, clientHeight: height } = this.stage;
    const all = [...this.#tiles.values()];
    if (!all.length || !width || !height)
      return;
    const gap = parseFloat(getComputedStyle(this.stage).marginTop) || 8;
    const big = this.#tiles.get(this.#pinned) ?? all.find(t => t.screen && t.key !== 'self-screen');
    const order = big ? [big, ...all.filter(t => t !== big)] : all;
    const boxes = big ? spotlight(order.length, width, height, gap) : fit(order.length, width, height, gap);
    order.forEach((tile, i) => {
      const { x, y, w, h } = boxes[i];
      Object.assign(tile.root.style, { left: `${x}px`, top: `${y}px`, width: `${w}px`, height: `${h}px` });
      tile.setPinned(tile.key === this.#pinned);
    });
  }
}
