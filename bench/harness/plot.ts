import type { Chart } from "./report.ts";
import { short } from "./stats.ts";

const [width, labelWidth, right, barHeight, gap] = [880, 270, 130, 18, 6];
const [ours, theirs] = ["#2f7d4f", "#8a94a6"];

/**
 * A chart as SVG: bars on a logarithmic scale with a whisker from the lowest round to the highest. Colours hold on a
 * light and on a dark page, as the background is drawn too.
 */
export function svg({ title, unit, groups }: Chart): string {
  const bars = groups.flatMap((group) => group.bars);
  const lowest = 10 ** Math.floor(Math.log10(Math.max(1, Math.min(...bars.map(({ value }) => value.min)))));
  const highest = 10 ** Math.ceil(Math.log10(Math.max(10, ...bars.map(({ value }) => value.max))));
  const plotWidth = width - labelWidth - right;
  const at = (value: number) =>
    labelWidth + (plotWidth * Math.log(Math.max(value, lowest) / lowest)) / Math.log(highest / lowest);
  const parts: string[] = [];
  let y = 44;
  for (const { label, bars: members } of groups) {
    parts.push(text(12, y + 13, label, 'font-weight="600"'));
    y += barHeight + gap;
    for (const { label: name, value, isOurs } of members) {
      const [from, to, middle] = [at(value.min), at(value.max), y + barHeight / 2];
      parts.push(
        text(labelWidth - 8, y + 13, name, 'text-anchor="end"'),
        `<rect x="${labelWidth}" y="${y}" width="${n(Math.max(1, at(value.median) - labelWidth))}" height="${barHeight}" rx="2" fill="${isOurs ? ours : theirs}"/>`,
        `<path d="M${n(from)} ${middle}H${n(to)}M${n(from)} ${middle - 4}v8M${n(to)} ${middle - 4}v8" stroke="#1d2330" fill="none"/>`,
        text(n(Math.max(to, at(value.median)) + 8), y + 13, short(value.median)),
      );
      y += barHeight + gap;
    }
    y += gap * 2;
  }
  const ticks: string[] = [];
  for (let tick = lowest; tick <= highest; tick *= 10) {
    ticks.push(
      `<path d="M${n(at(tick))} 40V${y}" stroke="#d5dae2"/>`,
      text(n(at(tick)), y + 16, tick.toLocaleString("en"), 'text-anchor="middle" fill="#5b6474"'),
    );
  }
  const height = y + 44;
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" font-family="system-ui, sans-serif" font-size="12" fill="#1d2330">
<rect width="${width}" height="${height}" fill="#ffffff"/>
${text(12, 24, title, 'font-size="15" font-weight="600"')}
${[...ticks, ...parts].join("\n")}
${text(labelWidth + plotWidth / 2, height - 8, `${unit}, logarithmic; bar: median, line: lowest to highest round`, 'text-anchor="middle" fill="#5b6474"')}
</svg>
`;
}

function text(x: number, y: number, value: string, attributes = ""): string {
  const safe = value.replaceAll("&", "&amp;").replaceAll("<", "&lt;");
  return `<text x="${x}" y="${y}" ${attributes}>${safe}</text>`;
}

function n(value: number): number {
  return Math.round(value * 10) / 10;
}
