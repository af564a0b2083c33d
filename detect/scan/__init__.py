"""Judge millions of files into one table: sources in, Parquet out; stops and goes on where it was.

from detect.scan import ScanPlan, scan

summary = scan(ScanPlan(sources=("photos/",), out=Path("results.parquet")))
"""

from __future__ import annotations

from detect.scan.plan import ScanPlan
from detect.scan.run import ScanSummary, scan

__all__ = ["ScanPlan", "ScanSummary", "scan"]
