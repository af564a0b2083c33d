"""Jobs in SQL: submitted once, leased by workers, finished exactly once, erased in time."""
