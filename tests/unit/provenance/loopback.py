"""A server on 127.0.0.1 that counts who asks: a remote manifest, and an RFC 3161 time-stamp authority by openssl."""

from __future__ import annotations

import http.server
import subprocess
import threading
from pathlib import Path

from tests.unit.provenance.pki import Pki


class Loopback:
    """`hits` records every request; `manifest` is what `/m.c2pa` serves."""

    def __init__(self, pki: Pki, folder: Path) -> None:
        self.hits: list[str] = []
        self.manifest = b""
        self._pki, self._folder = pki, folder
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def log_message(self, *_: object) -> None:
                return

            def do_GET(self) -> None:
                outer.hits.append(self.path)
                self._send(outer.manifest, "application/c2pa")

            def do_POST(self) -> None:
                outer.hits.append(self.path)
                query = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                self._send(outer._stamp(query), "application/timestamp-reply")

            def _send(self, body: bytes, mime: str) -> None:
                self.send_response(200)
                self.send_header("Content-Type", mime)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.host = f"127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()

    def _stamp(self, query: bytes) -> bytes:
        stamper, issuer = self._pki.time_stamper, self._pki.intermediate
        texts = {"tsa.pem": stamper.pem, "tsa.key": stamper.key_pem, "ca.pem": issuer.pem, "serial": "01\n"}
        for name, text in texts.items():
            (self._folder / name).write_text(text)
        (self._folder / "query").write_bytes(query)
        (self._folder / "ts.cnf").write_text(
            "[tsa]\ndefault_tsa=t\n[t]\n"
            f"serial={self._folder}/serial\nsigner_cert={self._folder}/tsa.pem\ncerts={self._folder}/ca.pem\n"
            f"signer_key={self._folder}/tsa.key\nsigner_digest=sha256\ndefault_policy=1.2.3.4.1\n"
            "digests=sha256,sha384,sha512\naccuracy=secs:1\nordering=yes\ntsa_name=yes\n"
            "ess_cert_id_chain=no\ness_cert_id_alg=sha256\n"
        )
        command = ["openssl", "ts", "-reply", "-config", "ts.cnf", "-queryfile", "query", "-out", "reply"]
        subprocess.run(command, check=True, capture_output=True, cwd=self._folder)
        return (self._folder / "reply").read_bytes()
