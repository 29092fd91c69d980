/** The style sheet of the report. Colours of stores are those of M. Okabe and K. Ito ("Color Universal Design", 2008), which the colour-blind can tell apart; made lighter or darker for contrast. */
export const STYLE = `
:root { color-scheme: light dark; --back: #fff; --text: #1c1c1e; --dim: #5c5c66; --rule: #d8d8de; --raised: #f6f6f8;
  --s0: #0072b2; --s1: #b85000; --s2: #007a58; --s3: #a8477f; --s4: #8a6d00; --s5: #2b7fa8; --s6: #5b5bd6; --s7: #666; }
@media (prefers-color-scheme: dark) { :root { --back: #17171a; --text: #ececf0; --dim: #a2a2ad; --rule: #3a3a42; --raised: #202025;
  --s0: #56a8e0; --s1: #f0853a; --s2: #2fc495; --s3: #e08abb; --s4: #e6c229; --s5: #7fd0f5; --s6: #a3a3ff; --s7: #aaa; } }
* { box-sizing: border-box; }
body { margin: 0 auto; padding: 24px 16px 48px; max-width: 960px; background: var(--back); color: var(--text);
  font: 15px/1.5 system-ui, sans-serif; }
h1 { font-size: 26px; margin: 0 0 4px; } h2 { font-size: 19px; margin: 36px 0 8px; } h3 { font-size: 16px; margin: 28px 0 8px; }
p, .dim { color: var(--dim); } p { margin: 4px 0 12px; }
a { color: inherit; }
.wide { overflow-x: auto; }
table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; }
th, td { padding: 5px 10px 5px 0; border-bottom: 1px solid var(--rule); text-align: left; vertical-align: middle; }
th { font-weight: 600; } thead th { color: var(--dim); font-size: 13px; white-space: nowrap; }
td.n, th.n { text-align: right; white-space: nowrap; }
td.b { width: 30%; min-width: 110px; } td.best { font-weight: 700; }
td.t { overflow-wrap: anywhere; min-width: 160px; }
th.name { min-width: 106px; max-width: 260px; overflow-wrap: break-word; }
th.what { font-weight: 400; } th.what a { text-decoration-color: var(--rule); text-underline-offset: 3px; }
svg.bar { display: block; }
svg.mark { vertical-align: -1px; margin-right: 6px; }
figure { margin: 10px 0 0; } figcaption { color: var(--dim); font-size: 13px; font-weight: 600; margin-bottom: 4px; }
svg.plot { display: block; background: var(--raised); border-radius: 6px; overflow: visible; }
svg text { font: 12px system-ui, sans-serif; fill: var(--dim); }
.end { text-anchor: end; } .middle { text-anchor: middle; }
.grid { stroke: var(--rule); stroke-width: 1; }
.line line { stroke-width: 2; } .line circle { stroke: var(--back); stroke-width: 1; }
${Array.from({ length: 8 }, (_, i) => `.s${i} { fill: var(--s${i}); } .line.s${i} line { stroke: var(--s${i}); }`).join("\n")}
.trouble { color: var(--text); border-left: 3px solid var(--s1); padding-left: 10px; }
section { break-inside: avoid; scroll-margin-top: 8px; }
@media print { :root { --back: #fff; --text: #000; --dim: #333; --rule: #bbb; --raised: #fff; } body { max-width: none; padding: 0; }
  * { print-color-adjust: exact; -webkit-print-color-adjust: exact; } }
`;
