"""Where a file says it comes from: C2PA, embedded metadata, watermarks, known files; each gives one Evidence."""
