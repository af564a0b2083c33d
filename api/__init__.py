"""The HTTP service over `detect`: routes, jobs, keys, webhooks and the page (built in its own issue)."""
