"""The report as one self-contained HTML page: tables, charts inline, no script, nothing loaded from elsewhere."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import jinja2
from markupsafe import Markup

from detect.bench.tables.model import all_tables
from detect.bench.tables.plots import draw_plots

_TEMPLATE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{{ title }}</title>
<style>
:root { color-scheme: light; }
body { font: 15px/1.5 system-ui, sans-serif; color: #18181b; background: #fff; margin: 0 auto; max-width: 84rem;
  padding: 1.5rem; }
h1 { font-size: 1.6rem; margin: 0 0 .5rem; } h2 { font-size: 1.15rem; margin: 2rem 0 .5rem; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; font-size: .85rem; font-variant-numeric: tabular-nums; }
th, td { padding: .25rem .6rem; text-align: right; border-bottom: 1px solid #e4e4e7; white-space: nowrap; }
th:first-child, td:first-child { text-align: left; position: sticky; left: 0; background: #fff; }
thead th { border-bottom: 2px solid #52525b; vertical-align: bottom; }
.note { color: #52525b; font-size: .85rem; max-width: 60rem; }
.warning { border-left: 4px solid #b3410e; padding: .4rem .8rem; background: #fff7ed; max-width: 60rem; }
.plots { display: grid; grid-template-columns: repeat(auto-fill, minmax(24rem, 1fr)); gap: 1rem; }
.plots svg { width: 100%; height: auto; border: 1px solid #e4e4e7; }
code { font-size: .85em; }
@media print { .scroll { overflow: visible; } table { font-size: 7pt; } }
</style>
</head>
<body>
<main>
<h1>{{ title }}</h1>
{% if run %}<p>{% for label, files in run["items"].items() -%}
{{ files }} {{ label }}{{ ", " if not loop.last }}{% endfor %} files;
data hash <code>{{ run.data_hash[:16] }}</code>; seed {{ run.seed }};
intervals from {{ replicates }} draws of sources and generators.</p>
{% if absent %}<p class="warning">{{ absent }} listed files were not on the machine of this run and are in no figure.
</p>{% endif %}{% endif %}
{% if plots %}<h2>Charts</h2>
<div class="plots">{% for plot in plots %}<figure style="margin:0">{{ plot }}</figure>{% endfor %}</div>{% endif %}
{% for table in tables %}
<section>
<h2 id="t{{ loop.index }}">{{ table.caption }}</h2>
<div class="scroll" tabindex="0" role="region" aria-labelledby="t{{ loop.index }}"><table>
<thead><tr>{% for cell in table.head %}<th scope="col">{{ cell }}</th>{% endfor %}</tr></thead>
<tbody>{% for row in table.rows %}<tr>{% for cell in row %}{% if loop.first %}<th scope="row">{{ cell }}</th>
{%- else %}<td>{{ cell }}</td>{% endif %}{% endfor %}</tr>
{% endfor %}</tbody>
</table></div>
{% if table.note %}<p class="note">{{ table.note }}</p>{% endif %}
</section>
{% endfor %}
{% if run %}<section><h2 id="how">How to make it again</h2>
<p class="note">Perturbations: {{ run.perturbations | join(", ") }}. Detectors:</p>
<ul class="note">{% for name, print in run.detectors.items() %}<li>{{ name }}: <code>{{ print }}</code></li>{% endfor %}
</ul>
<p class="note">Environment: {% for key, value in run.environment.items() -%}
{{ key }} {{ value }}{{ ", " if not loop.last }}{% endfor %}.</p></section>{% endif %}
</main>
</body>
</html>
"""


def render_report(summary: Mapping[str, Any]) -> str:
    """Return the page."""
    environment = jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined)
    run = summary["run"]
    return environment.from_string(_TEMPLATE).render(
        run=run,
        title=f"Benchmark {run.get('data', '')}".strip(),
        replicates=summary["settings"]["replicates"],
        absent=sum(line["files"] for line in run["absent"]) if run else 0,
        plots=[Markup(svg) for svg in draw_plots(summary).values()],  # noqa: S704 - made here, every text escaped
        tables=all_tables(summary),
    )
