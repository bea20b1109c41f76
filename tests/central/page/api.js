// SPDX-License-Identifier: AGPL-3.0-only
// The hub's API: room tokens, TURN credentials, names, branding, health. A request that hangs is a failed one after TIMEOUT_MS.

import { CallError } from './words.js';

const TIMEOUT_MS = 8000;

async function get(path, params = {}, method = 'GET') {
  const query = new URLSearchParams(Object.entries(params).filter(([, v]) => v !== null && v !== undefined && v !== ''));
  const stop = new AbortController();
  const timer = setTimeout(() => stop.abort(), TIMEOUT_MS);
  try {
    const reply = await fetch(`${path}?${query}`, { method, cache: 'no-store', credentials: 'same-origin', signal: stop.signal });
    const body = await reply.json().catch(() => ({}));
    return { status: reply.status, ok: reply.ok, body };
  } catch {
    throw new CallError(navigator.onLine ? 'hub-down' : 'network');
  } finally {
    clearTimeout(timer);
  }
}

// { token, ws, sub } for a room. A sub of null lets the hub choose one.
export async function getGrant({ room, sub, name }) {
  const { status, ok, body } = await get('/api/demo/token', { room, sub, name });
  if (ok && body.token && body.ws)
    return { token: body.token, ws: body.ws, sub: body.sub ?? sub };
  if (status >= 400 && status < 500 && status !== 429)
    throw new CallError('token-refused', { detail: String(body.error ?? `status ${status}`), fatal: true });
  throw new CallError('hub-down');
}

// The reply as spec/control-plane.md 1.10 has it. Throws an Error: relay-unset when there is no TURN server.
export async function getTurnCredentials() {
  const { status, ok, body } = await get('/api/turn-credentials', {}, 'POST');
  if (ok && Array.isArray(body.ice_servers) && body.ttl > 0)
    return body;
  throw new Error(status === 503 ? 'relay-unset' : 'relay-failed');
}

// Display names by sub. Decoration: a failure is an empty answer.
export async function getNames(room, sub) {
  try {
    const { ok, body } = await get('/api/demo/names', { room, sub });
    return ok && body.names ? body.names : {};
  } catch {
    return {};
  }
}

export async function getBranding() {
  try {
    const { ok, body } = await get('/api/branding');
    return ok ? body : {};
  } catch {
    return {};
  }
}

// Why a WebSocket did not open. JavaScript is not told the status (401, 503) of a refused upgrade, so ask the web side:
// if that answers, it was the call server that refused.
export async function whyRefused() {
  try {
    const { ok } = await get('/api/health');
    return new CallError(ok ? 'busy' : 'hub-down');
  } catch (e) {
    return e;
  }
}
