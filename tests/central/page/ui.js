// SPDX-License-Identifier: AGPL-3.0-only
// The page around the tiles: views, buttons, banner, toasts, panel. Shows what it is told and reports what is pressed.

import { bits, millis, percent, quality } from './stats.js';

const $ = id => document.getElementById(id);
const TOAST_MS = 6000;

export function show(view) {
  document.body.dataset.view = view;
}

export function setText(attribute, text) {
  for (const el of document.querySelectorAll(`[${attribute}]`))
    el.textContent = text;
}

// on: the device is in use. Label and icon follow, because colour alone tells some people nothing.
export function toggle(id, { on, iconOn, iconOff, label, text }) {
  const button = $(id);
  button.querySelector('use').setAttribute('href', `#${on ? iconOn : iconOff}`);
  button.setAttribute('aria-label', label);
  const key = button.getAttribute('aria-keyshortcuts');
  button.title = key ? `${label} (${key})` : label;
  const words = button.querySelector('span');
  if (words && text)
    words.textContent = text;
}

export function mark(id, name, yes) {
  $(id).classList.toggle(name, yes);
}

export function banner(text) {
  const el = $('banner');
  // The live region must exist before its text changes, or screen readers stay silent.
  el.hidden = !text;
  el.firstElementChild.textContent = text ?? '';
}

export function toast(text) {
  const p = document.createElement('p');
  p.textContent = text;
  $('toasts').append(p);
  setTimeout(() => p.remove(), TOAST_MS);
}

// 0: not in the call yet.
export function count(n) {
  $('count').textContent = n === 0 ? 'connecting…' : n === 1 ? 'only you so far' : `${n} people`;
}

export function clock(seconds) {
  const pad = n => String(n).padStart(2, '0');
  const h = Math.floor(seconds / 3600), m = Math.floor(seconds / 60) % 60;
  $('clock').textContent = `${h ? `${h}:${pad(m)}` : m}:${pad(Math.floor(seconds) % 60)}`;
}

export function health(total) {
  const level = total ? quality(total) : 'none';
  const text = { good: 'good connection', fair: 'fair connection', poor: 'poor connection', none: '' }[level];
  $('health').dataset.level = level;
  $('health').title = text;
  $('health').lastElementChild.textContent = text;
}

// relay: why there is none, if so.
export function panel(total, relay) {
  const el = $('panel');
  if (!total)
    return;
  const rows = [
    ['In', bits(total.inBps)],
    ['Out', bits(total.outBps)],
    ['Could send', total.room ? bits(total.room) : '–'],
    ['Loss in', percent(total.loss)],
    ['Round trip', millis(total.rtt)],
    ['SRTP', total.srtpCipher ?? '–'],
    ['DTLS', total.dtls ?? '–'],
    ['Path', total.path ?? '–'],
    ...relay ? [['Relay', relay]] : [],
  ];
  const title = document.createElement('h2');
  title.textContent = 'This connection';
  const list = document.createElement('dl');
  for (const [name, value] of rows) {
    const dt = document.createElement('dt'), dd = document.createElement('dd');
    dt.textContent = name;
    dd.textContent = value;
    list.append(dt, dd);
  }
  el.replaceChildren(title, list);
}

// Single letters, as people know them from other calls. Never while typing, never with a modifier: those belong to the
// browser and to assistive tools.
export function shortcuts(keys) {
  document.addEventListener('keydown', ev => {
    if (ev.ctrlKey || ev.altKey || ev.metaKey || ev.repeat || ev.target.closest?.('input, textarea, select'))
      return;
    const action = keys[ev.key.toLowerCase()];
    if (action) {
      ev.preventDefault();
      action();
    }
  });
}
