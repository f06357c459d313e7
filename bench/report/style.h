// The style sheet of the page. Colours are those of Okabe and Ito, which colour-blind people can
// tell apart; shapes of marks differ as well.
#ifndef QFORGE_BENCH_REPORT_STYLE_H_
#define QFORGE_BENCH_REPORT_STYLE_H_

namespace qforge::report {

inline constexpr char kStyle[] = R"css(
:root {
  color-scheme: light dark;
  --page: #ffffff; --card: #f6f7f9; --edge: #dfe3e8; --grid: #e6e9ed;
  --ink: #1a1f26; --soft: #5a6472;
  --qforge: #0072b2; --fbgemm: #d55e00; --onednn: #008f68; --limit: #6b7480; --other: #8a939f;
}
@media (prefers-color-scheme: dark) {
  :root {
    --page: #12151a; --card: #1a1f26; --edge: #2c333d; --grid: #29303a;
    --ink: #e8ebef; --soft: #9aa5b3;
    --qforge: #56b4e9; --fbgemm: #f0932b; --onednn: #2fc79b; --limit: #8b96a5; --other: #77818e;
  }
}
* { box-sizing: border-box; }
body {
  margin: 0 auto; padding: 2rem 1.25rem 4rem; max-width: 1240px;
  background: var(--page); color: var(--ink);
  font: 16px/1.55 system-ui, "Segoe UI", Roboto, "Helvetica Neue", Helvetica, Arial, sans-serif;
}
h1 { font-size: 2rem; line-height: 1.2; margin: 0 0 .25rem; letter-spacing: -.01em; }
h2 { font-size: 1.4rem; margin: 0 0 .35rem; }
h3 { font-size: 1.05rem; margin: 1.5rem 0 .5rem; }
p { max-width: 46rem; margin: 0 0 .9rem; }
.soft, section > p:not(.legend) { color: var(--soft); }
nav { margin: 1rem 0 0; display: flex; flex-wrap: wrap; gap: .25rem 1.1rem; font-size: .95rem; }
a { color: var(--qforge); text-decoration: none; }
a:hover, a:focus { text-decoration: underline; }
section { margin-top: 2.75rem; padding-top: 1.75rem; border-top: 1px solid var(--edge); }
.tiles { display: grid; gap: .75rem; margin-top: 1.5rem;
  grid-template-columns: repeat(auto-fit, minmax(min(100%, 15rem), 1fr)); }
.tile { background: var(--card); border: 1px solid var(--edge); border-radius: 10px;
  padding: .9rem 1.1rem; }
.tile strong { display: block; font-size: 1.9rem; line-height: 1.2; font-weight: 650; }
.tile span { color: var(--soft); font-size: .92rem; line-height: 1.4; display: block; }
.charts { display: grid; gap: 1rem; margin: .5rem 0 1rem; align-items: start;
  grid-template-columns: repeat(auto-fill, minmax(min(100%, 24rem), 1fr)); }
.charts.small { grid-template-columns: repeat(auto-fill, minmax(min(100%, 16rem), 1fr)); }
.charts.wide { grid-template-columns: repeat(auto-fill, minmax(min(100%, 34rem), 1fr)); }
.charts.wide figure { max-width: 46rem; }
figure { margin: 0; padding: .8rem .8rem .4rem; background: var(--card);
  border: 1px solid var(--edge); border-radius: 10px; }
figcaption { font-weight: 600; font-size: .95rem; margin: 0 0 .35rem .2rem; }
figure svg { display: block; width: 100%; height: auto; overflow: visible; }
svg text { font-size: 12px; fill: var(--soft); font-variant-numeric: tabular-nums; }
svg .axis text { fill: var(--ink); }
svg .label { fill: var(--ink); font-size: 11px; paint-order: stroke; stroke: var(--card);
  stroke-width: 3px; stroke-linejoin: round; }
.grid { fill: none; stroke: var(--grid); stroke-width: 1; }
.mark { fill: var(--c); fill-opacity: .85; stroke: var(--card); stroke-width: 1; }
.mark.ring { fill: var(--card); fill-opacity: 1; stroke: var(--c); stroke-width: 1.8; }
.pale { fill-opacity: .3; stroke-opacity: .45; }
.mark:hover { stroke: var(--ink); stroke-width: 2; }
.line { fill: none; stroke: var(--c); stroke-width: 1.8; stroke-linejoin: round; }
.line.limit { stroke-dasharray: 5 4; stroke-width: 1.5; }
.line.one { stroke: var(--ink); stroke-width: 1.2; }
.whisker { stroke: var(--c); stroke-width: 2; stroke-opacity: .45; stroke-linecap: round; }
.bar { fill: var(--c); }
.qforge { --c: var(--qforge); } .fbgemm { --c: var(--fbgemm); } .onednn { --c: var(--onednn); }
.limit { --c: var(--limit); } .other { --c: var(--other); }
.legend { display: flex; flex-wrap: wrap; gap: .2rem 1.2rem; font-size: .92rem; max-width: none; }
.legend span { display: inline-flex; align-items: center; gap: .35rem; }
details { margin: .35rem 0; font-size: .92rem; }
summary { cursor: pointer; color: var(--soft); padding: .15rem 0; }
.scroll { overflow-x: auto; margin: .5rem 0 1rem; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; }
th, td { text-align: left; padding: .3rem .9rem .3rem 0; border-bottom: 1px solid var(--edge);
  white-space: nowrap; vertical-align: top; }
th { color: var(--soft); font-weight: 600; }
table.first-1 :is(td, th):nth-child(n+2), table.first-2 :is(td, th):nth-child(n+3) {
  text-align: right; }
dl { display: grid; grid-template-columns: max-content 1fr; gap: .3rem 1.25rem; margin: 0 0 1rem; }
dt { color: var(--soft); }
dd { margin: 0; }
@media (max-width: 32rem) {
  body { padding: 1.25rem .9rem 3rem; }
  h1 { font-size: 1.6rem; }
  figure { padding: .6rem .5rem .3rem; }
  dl { grid-template-columns: 1fr; gap: 0; }
  dd { margin-bottom: .5rem; }
}
)css";

}  // namespace qforge::report

#endif  // QFORGE_BENCH_REPORT_STYLE_H_
