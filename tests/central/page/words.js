// SPDX-License-Identifier: AGPL-3.0-only
// Every sentence that tells a person what went wrong: the cause, then what to do. Codes come from api.js, media.js
// and call.js; a code without words here is a bug, shown as its bare code.

const WORDS = {
  // Media devices.
  'no-webrtc': 'This browser cannot make calls (it has no WebRTC). A current Firefox, Chrome, Edge or Safari can.',
  'insecure': 'The browser gives camera and microphone to HTTPS pages only. Open this page with https. You can still join and watch.',
  'media-denied': 'Camera and microphone are blocked for this page. Allow them in the address bar, or join and watch.',
  'camera-denied': 'The camera is blocked for this page. Allow it in the address bar to be seen.',
  'mic-denied': 'The microphone is blocked for this page. Allow it in the address bar to be heard.',
  'media-missing': 'No camera or microphone was found. You can still join and watch.',
  'camera-missing': 'No camera was found. Others will hear you but not see you.',
  'mic-missing': 'No microphone was found. Others will see you but not hear you.',
  'media-busy': 'Camera or microphone is in use by another program. Close it and try again, or join and watch.',
  'screen-failed': 'The screen could not be shared. The system may not allow it for this browser.',
  'no-screen': 'This browser cannot share its screen. A desktop browser can.',

  // Why no relay helps the connection, in its statistics.
  'relay-unset': 'none: the service has no relay',
  'relay-none': 'none of the kind that was asked for',
  'relay-failed': 'none: the service gave no credentials',

  // Reasons to try again, shown in the banner while trying.
  'network': 'The network is gone. Waiting for it to come back…',
  'hub-down': 'The service does not answer. Trying again…',
  'busy': 'The call server did not take the connection: it is full, or just restarting. Trying again…',
  'dropped': 'The connection to the call server broke. Reconnecting…',
  'restarting': 'The call server is restarting. Reconnecting…',
  'media-lost': 'Audio and video stopped coming through. Reconnecting…',
  'media-blocked': 'The call server is reachable, but no audio or video gets through. This network may block UDP. Trying again…',
  'refused-offer': 'The call server could not set up the call. Trying again…',

  // Reasons to stop, shown on the last page.
  'left': '',
  'replaced': 'This call was opened in another window.',
  'token-refused': 'The service did not give out a pass for this room',
  'room-mismatch': 'The pass that this page holds is for another room. Open the room again from its link.',
  'bad-offer': 'The call server did not understand this browser. Please update the browser, then try again.',
  'failed': 'The call server could not set up the call after several tries.',
};

export function words(code, detail = '') {
  const text = WORDS[code] ?? `Something went wrong (${code}).`;
  return detail ? `${text.replace(/\.$/, '')}: ${detail}` : text;
}

export class CallError extends Error {
  // fatal: trying again cannot help.
  constructor(code, { detail = '', fatal = false } = {}) {
    super(words(code, detail));
    this.code = code;
    this.detail = detail;
    this.fatal = fatal;
  }
}
