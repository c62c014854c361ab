/**
 * Line charts as SVG, written by hand: panels below each other over one common axis, each with a scale of its own, a
 * name, and a legend that tells its lines apart by colour and dash. Nothing but text comes out, so a picture of a run can be
 * compared with that of another by any viewer, and by `diff`.
 */

export interface Line {
  name: string;
  /** Pairs of x and y, by x. */
  points: readonly (readonly [number, number])[];
}

export interface Panel {
  /** What the vertical axis shows, with its unit. */
  label: string;
  lines: readonly Line[];
}

interface Chart {
  title: string;
  /** What the horizontal axis shows, with its unit. */
  xLabel: string;
  panels: readonly Panel[];
}

const WIDTH = 860;
const PANEL_HEIGHT = 170;
const PANEL_GAP = 34;
const TOP = 44;
const BOTTOM = 46;
const LEFT = 78;
const RIGHT = 150;
const TICKS = 5;
const COLOURS = ['#0b6e99', '#d9480f', '#2b8a3e', '#862e9c', '#5c5f66', '#c2255c'];
const DASHES = ['', '6 3', '2 3', '8 3 2 3', '', '6 3'];

const escapeText = (text: string) =>
  text.replace(/[&<>"]/g, (sign) => ({ '&': '&amp;', '<': '&lt;', '>': '&gt;' })[sign] ?? '&quot;');

/** Round numbers from 0 to the first one not below `most`, about as many as asked. */
export function ticksUpTo(most: number, count = TICKS): number[] {
  if (!(most > 0) || !Number.isFinite(most)) return [0, 1];
  const rough = most / count;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = power * ([1, 2, 5].find((factor) => factor * power >= rough) ?? 10);
  return Array.from({ length: Math.ceil(most / step - 1e-9) + 1 }, (_, i) =>
    Number((i * step).toPrecision(12)),
  );
}

const round = (value: number) => Number(value.toFixed(1));
const text = (x: number, y: number, content: string, more = '') =>
  `<text x="${round(x)}" y="${round(y)}"${more}>${escapeText(content)}</text>`;
const rule = (x1: number, y1: number, x2: number, y2: number, colour: string) =>
  `<path d="M${round(x1)} ${round(y1)}L${round(x2)} ${round(y2)}" stroke="${colour}"/>`;

const finite = ({ points }: Line) => points.filter(([x, y]) => Number.isFinite(x) && Number.isFinite(y));

function drawPanel({ label, lines }: Panel, top: number, xTicks: readonly number[]): string[] {
  const bottom = top + PANEL_HEIGHT;
  const right = WIDTH - RIGHT;
  const yTicks = ticksUpTo(Math.max(0, ...lines.flatMap((line) => finite(line).map(([, y]) => y))));
  const xOf = (x: number) => LEFT + ((right - LEFT) * x) / (xTicks.at(-1) ?? 1);
  const yOf = (y: number) => bottom - (PANEL_HEIGHT * y) / (yTicks.at(-1) ?? 1);
  const middle = (top + bottom) / 2;
  const parts = [
    text(16, middle, label, ` transform="rotate(-90 16 ${round(middle)})" text-anchor="middle"`),
    ...yTicks.flatMap((tick) => [
      rule(LEFT, yOf(tick), right, yOf(tick), tick === 0 ? '#495057' : '#dee2e6'),
      text(LEFT - 6, yOf(tick) + 4, tick.toLocaleString('en'), ' text-anchor="end"'),
    ]),
    ...xTicks.map((tick) => rule(xOf(tick), bottom, xOf(tick), bottom + 4, '#495057')),
  ];
  lines.forEach((line, i) => {
    const stroke = `stroke="${COLOURS[i % COLOURS.length]}" stroke-dasharray="${DASHES[i % DASHES.length]}"`;
    const way = finite(line).map(([x, y]) => `${round(xOf(x))} ${round(yOf(y))}`);
    const y = top + 10 + 18 * i;
    if (way.length > 0) parts.push(`<path d="M${way.join('L')}" fill="none" stroke-width="1.8" ${stroke}/>`);
    parts.push(`<path d="M${right + 12} ${y}H${right + 36}" stroke-width="1.8" ${stroke}/>`);
    parts.push(text(right + 42, y + 4, line.name));
  });
  return parts;
}

/** The picture as a document of its own. Values are 0 or more; what is not finite is left out. */
export function drawChart({ title, xLabel, panels }: Chart): string {
  const xMost = Math.max(
    0,
    ...panels.flatMap(({ lines }) => lines.flatMap((line) => finite(line).map(([x]) => x))),
  );
  const xTicks = ticksUpTo(xMost, 10);
  const height = TOP + panels.length * (PANEL_HEIGHT + PANEL_GAP) - PANEL_GAP + BOTTOM;
  const right = WIDTH - RIGHT;
  const bottom = height - BOTTOM;
  const xOf = (x: number) => LEFT + ((right - LEFT) * x) / (xTicks.at(-1) ?? 1);
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" width="${WIDTH}" height="${height}" viewBox="0 0 ${WIDTH} ${height}" font-family="sans-serif" font-size="12" fill="#212529">`,
    `<rect width="${WIDTH}" height="${height}" fill="#ffffff"/>`,
    text(LEFT, 24, title, ' font-size="15" font-weight="bold"'),
    ...panels.flatMap((panel, i) => drawPanel(panel, TOP + i * (PANEL_HEIGHT + PANEL_GAP), xTicks)),
    ...xTicks.map((tick) => text(xOf(tick), bottom + 18, tick.toLocaleString('en'), ' text-anchor="middle"')),
    text((LEFT + right) / 2, bottom + 38, xLabel, ' text-anchor="middle"'),
    '</svg>\n',
  ].join('\n');
}
