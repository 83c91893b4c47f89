"""The style sheet of the report's page: light and dark, wide screens and phones."""

STYLE = """
:root { color-scheme: light dark; --ink: #1c2430; --soft: #5b6675; --line: #dfe4ea; --page: #f5f7f9;
  --card: #fff; --good: #17804a; --good-soft: #e2f4ea; --bad: #b3261e; --bad-soft: #fbe7e5;
  --kept: #4a5d78; --kept-soft: #e8edf3; --warn: #8a5a00; --warn-soft: #fdf0d5;
  --load: #8fb8de; --server: #b9a7d8; --prepare: #f0b86e; --generate: #3f7fbf; --join: #7bbf9a; }
@media (prefers-color-scheme: dark) { :root { --ink: #e6eaf0; --soft: #9aa6b5; --line: #333c48;
  --page: #14181d; --card: #1d232a; --good: #6fd39c; --good-soft: #17382a; --bad: #ff9c94;
  --bad-soft: #451c1a; --kept: #a9bad1; --kept-soft: #28323f; --warn: #f2c56b;
  --warn-soft: #3d2f12; } }
* { box-sizing: border-box; }
body { margin: 0 auto; padding: 24px 20px 48px; max-width: 1240px; background: var(--page);
  color: var(--ink); font: 15px/1.45 system-ui, -apple-system, "Segoe UI", Roboto, "Noto Sans",
  "DejaVu Sans", sans-serif; }
h1 { margin: 0 0 2px; font-size: 26px; letter-spacing: -.01em; }
h2 { margin: 28px 0 10px; font-size: 17px; }
p, .what, .attention li { overflow-wrap: anywhere; }
p { margin: 0; }
a { color: inherit; }
.soft { color: var(--soft); }
.small { font-size: 13px; }
.nowrap { white-space: nowrap; }
.name { font-weight: 600; text-decoration: none; }
a.name:hover { text-decoration: underline; }
.tiles { display: flex; flex-wrap: wrap; gap: 10px; margin: 18px 0; }
.tile { flex: 1 1 120px; padding: 10px 14px; background: var(--card); border: 1px solid var(--line);
  border-radius: 10px; }
.tile b { display: block; white-space: nowrap; font-size: 22px; line-height: 1.25;
  font-variant-numeric: tabular-nums; }
.tile.failed b, .tile.still b { color: var(--bad); }
.pill { display: inline-block; padding: 1px 9px; border-radius: 99px; font-size: 12.5px;
  font-weight: 600; white-space: nowrap; background: var(--kept-soft); color: var(--kept); }
.pill.done { background: var(--good-soft); color: var(--good); }
.pill.failed, .pill.still { background: var(--bad); color: var(--card); }
.pill.stopped { background: var(--warn-soft); color: var(--warn); }
.attention { padding: 12px 16px; border-radius: 10px; background: var(--bad-soft);
  border: 1px solid var(--bad); }
.attention h2 { margin: 0 0 6px; color: var(--bad); }
.attention ul { margin: 0; padding-left: 20px; }
details ul { margin: 4px 0 0; padding-left: 20px; }
tr { scroll-margin-top: 12px; }
table { width: 100%; border-collapse: separate; border-spacing: 0; background: var(--card);
  border: 1px solid var(--line); border-radius: 10px; }
th { padding: 9px 12px; text-align: left; font-size: 12.5px; font-weight: 600; color: var(--soft);
  border-bottom: 1px solid var(--line); }
td { padding: 10px 12px; vertical-align: top; border-bottom: 1px solid var(--line);
  font-variant-numeric: tabular-nums; }
tr:last-child td { border-bottom: 0; }
tr.failed td, tr.still td { background: var(--bad-soft); }
td.thumb { width: 112px; }
td.thumb img { display: block; width: 96px; border-radius: 6px; }
td.what { min-width: 190px; max-width: 330px; }
td.alone { max-width: none; }
td.time { min-width: 150px; }
.bar { display: flex; height: 9px; margin: 5px 0 4px; overflow: hidden; border-radius: 5px;
  background: var(--kept-soft); }
.bar i { display: block; height: 100%; }
.load { background: var(--load); } .server { background: var(--server); }
.prepare { background: var(--prepare); } .generate { background: var(--generate); }
.join { background: var(--join); } .moves { background: var(--good); }
.legend { display: flex; flex-wrap: wrap; gap: 4px 16px; margin: 6px 0 10px; }
.legend i { display: inline-block; width: 10px; height: 10px; margin-right: 6px;
  border-radius: 3px; }
ul.notes { margin: 6px 0 0; padding: 0; list-style: none; }
ul.notes li { margin-top: 3px; font-size: 13px; color: var(--warn); }
ul.notes li.bad { color: var(--bad); }
code { font: 12px ui-monospace, "DejaVu Sans Mono", monospace; }
@media (max-width: 860px) {
  body { padding: 16px 12px 40px; }
  h1 { font-size: 22px; }
  .tile { flex-basis: 96px; padding: 8px 11px; }
  .tile b { font-size: 19px; }
  table, tbody, tr, td { display: block; width: auto; border: 0; background: none; }
  thead { display: none; }
  tr { display: grid; grid-template-columns: 96px minmax(0, 1fr); gap: 4px 12px; margin: 0 0 10px;
    padding: 12px; background: var(--card); border: 1px solid var(--line); border-radius: 10px; }
  tr.failed, tr.still { border-color: var(--bad); }
  tr.failed td, tr.still td { background: none; }
  td, td.thumb, td.what, td.time { width: auto; min-width: 0; max-width: none; padding: 0;
    grid-column: 1 / -1; border: 0; }
  td.thumb { grid-column: 1; grid-row: 1; }
  td.what { grid-column: 2; grid-row: 1; }
  td.thumb:empty { display: none; }
  td.thumb:empty + td.what { grid-column: 1 / -1; }
  td[data-of]::before { content: attr(data-of) ": "; color: var(--soft); font-size: 13px; }
  td:empty { display: none; }
}
"""
