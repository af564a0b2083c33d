"""The only place that opens untrusted bytes: sniff, limits, guarded decode to numpy."""
