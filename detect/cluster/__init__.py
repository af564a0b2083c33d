"""The same Analyzer on many machines, by Ray (extra `scale`): online behind the service, in bulk under a scan."""
