"""The HTTP service over `detect`: routes, jobs that are never lost, keys, webhooks and the page.

    witnessmark serve                            the page and the API on http://127.0.0.1:8000
    app = api.app.create_app(Settings())         the same as an ASGI application

Every answer comes from `detect.analyzer.Analyzer`; nothing here judges files.
"""
