// SPDX-License-Identifier: AGPL-3.0-only
// Where n tiles go in a rectangle: pure arithmetic.

// A face fits in anything between a phone's portrait and a cinema; the stage decides which. Most cameras give more
// width than WHOLE, so a narrower tile cuts their sides off.
const ASPECT_MIN = 0.8;
const ASPECT_MAX = 1.9;
const WHOLE = 4 / 3;

const clamp = (v, lo, hi) => Math.min(hi, Math.max(lo, v));

// Boxes {x, y, w, h} of n equal tiles, as large as can be, the last row centred.
export function fit(n, width, height, gap, x0 = 0, y0 = 0) {
  let best = { area: -1 };
  for (let cols = 1; cols <= n; cols++) {
    const rows = Math.ceil(n / cols);
    const cellW = (width - gap * (cols - 1)) / cols;
    const cellH = (height - gap * (rows - 1)) / rows;
    const aspect = clamp(cellW / cellH, ASPECT_MIN, ASPECT_MAX);
    const w = Math.min(cellW, cellH * aspect);
    const h = w / aspect;
    // A large tile that shows half a picture is worth less than its area; the root keeps it from being worth nothing,
    // since on an upright phone there may be no better.
    const area = w * h * Math.sqrt(Math.min(1, aspect / WHOLE));
    if (cellW > 0 && cellH > 0 && area > best.area)
      best = { area, cols, rows, w, h };
  }
  const { cols, rows, w, h } = best;
  const top = y0 + (height - rows * h - gap * (rows - 1)) / 2;
  return Array.from({ length: n }, (_, i) => {
    const row = Math.floor(i / cols);
    const inRow = row === rows - 1 ? n - row * cols : cols;
    const left = x0 + (width - inRow * w - gap * (inRow - 1)) / 2;
    return { x: left + (i % cols) * (w + gap), y: top + row * (h + gap), w, h };
  });
}

// The first box is the large one; the others line up beside it, or below it on an upright screen.
export function spotlight(n, width, height, gap) {
  if (n === 1)
    return [{ x: 0, y: 0, w: width, h: height }];
  if (width > height * 1.1) {
    const strip = clamp(width * 0.2, 130, 280);
    return [{ x: 0, y: 0, w: width - strip - gap, h: height }, ...fit(n - 1, strip, height, gap, width - strip, 0)];
  }
  const strip = clamp(height * (n > 5 ? 0.36 : 0.24), 90, 300);
  return [{ x: 0, y: 0, w: width, h: height - strip - gap }, ...fit(n - 1, width, strip, gap, 0, height - strip)];
}
