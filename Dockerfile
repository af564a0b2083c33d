# The service with everything it needs, as a user without rights; data live in /data.
FROM python:3.11-slim AS build
WORKDIR /src
COPY pyproject.toml README.md LICENSE ./
COPY detect detect
COPY api api
COPY models models
RUN python -m venv /opt/witnessmark \
 && /opt/witnessmark/bin/pip install --no-cache-dir ".[serve,faces,postgres,report,otel]" \
 && WITNESSMARK_CACHE=/opt/witnessmark/graphs /opt/witnessmark/bin/witnessmark models prepare

FROM python:3.11-slim
# tini hands signals on, so that stopping drains; pango and a font are what WeasyPrint draws PDF with. Versions are the
# base image's: pinning them would keep security updates out.
# hadolint ignore=DL3008
RUN apt-get update \
 && apt-get install --yes --no-install-recommends tini libpango-1.0-0 libpangoft2-1.0-0 fonts-dejavu-core \
 && rm -rf /var/lib/apt/lists/* \
 && useradd --system --uid 10001 --home-dir /data --create-home witnessmark
COPY --from=build /opt/witnessmark /opt/witnessmark
ENV PATH=/opt/witnessmark/bin:$PATH \
    WITNESSMARK_DATA_DIR=/data \
    WITNESSMARK_HOST=0.0.0.0 \
    WITNESSMARK_CACHE=/opt/witnessmark/graphs \
    PYTHONUNBUFFERED=1
USER 10001
VOLUME /data
EXPOSE 8000
HEALTHCHECK --interval=30s --timeout=5s --start-period=60s \
  CMD ["python", "-c", "import os, urllib.request; urllib.request.urlopen('http://127.0.0.1:' + os.environ.get('WITNESSMARK_PORT', '8000') + '/healthz', timeout=4)"]
ENTRYPOINT ["tini", "--", "witnessmark"]
CMD ["serve"]
