"""Webhooks by Standard Webhooks: signed, retried over days, sent by the guarded client.

The message holds ids, status and verdict, not the report: who gets it asks for the rest with their key. So a wrong
address learns little, and an erased result is not kept alive in a queue.
"""

from __future__ import annotations

import json
import logging
import random
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from sqlalchemy import delete, select, update
from sqlalchemy.orm import defer
from standardwebhooks import Webhook

from api.database import Analysis, Database, Delivery
from api.metrics import Metrics
from api.remote import RemoteFetcher
from api.settings import Settings
from detect.errors import WitnessmarkError

log = logging.getLogger(__name__)

# Seconds before each try, as the specification proposes: about 76 hours in all.
SCHEDULE_S = (0, 5, 300, 1800, 7200, 18_000, 36_000, 50_400, 72_000, 86_400)
_JITTER = 0.1
_LEASE_S = 60.0  # a sender that dies leaves its message to others after this
_MAX_RETRY_AFTER_S = 86_400.0
GONE = 410


class Sender:
    """Sends what is due; any number of senders share one database."""

    def __init__(self, database: Database, settings: Settings, fetcher: RemoteFetcher, metrics: Metrics) -> None:
        self._database = database
        self._fetcher = fetcher
        self._metrics = metrics
        self._signers = [Webhook(item.get_secret_value()) for item in settings.webhook_secrets]

    def send_due(self) -> int:
        """Send one message that is due; returns how many were tried (0 or 1)."""
        message = self._claim()
        if message is None:
            return 0
        body = self._body(message)
        if body is None:  # erased meanwhile: nothing to tell
            self._settle(message, "given_up")
            return 1
        status, headers = self._post(message, body)
        if 200 <= status < 300:
            self._settle(message, "delivered")
        elif status == GONE or message.attempts >= len(SCHEDULE_S):
            self._settle(message, "given_up")
        else:
            self._settle(message, "pending", next_at=time.time() + _delay_s(message.attempts, headers))
        self._metrics.deliveries.labels("delivered" if 200 <= status < 300 else "failed").inc()
        return 1

    def _claim(self) -> Delivery | None:
        now = time.time()
        due = (
            select(Delivery.id)
            .where(Delivery.state == "pending", Delivery.next_at <= now)
            .order_by(Delivery.next_at)
            .limit(1)
        )
        with self._database.read() as session:
            if session.scalar(due) is None:
                return None
        with self._database.write() as session:
            return session.scalar(
                update(Delivery)
                .where(Delivery.id == due.with_for_update(skip_locked=True).scalar_subquery())
                .values(attempts=Delivery.attempts + 1, next_at=now + _LEASE_S)
                .returning(Delivery)
                .execution_options(synchronize_session=False)
            )

    def _body(self, message: Delivery) -> str | None:
        with self._database.read() as session:
            row = session.get(Analysis, message.analysis_id, options=[defer(Analysis.report)])
        if row is None:
            return None
        moment = datetime.fromtimestamp(row.finished_at or row.created_at, UTC)
        return json.dumps(
            {
                "type": f"analysis.{row.status}",
                "timestamp": moment.isoformat(),
                "data": {
                    "id": row.id,
                    "status": row.status,
                    "verdict": row.verdict,
                    "error_code": row.error_code,
                    "sha256": row.sha256,
                    "batch_id": row.batch_id,
                    "url": f"/v1/analyses/{row.id}",
                },
            },
            separators=(",", ":"),
        )

    def _post(self, message: Delivery, body: str) -> tuple[int, Mapping[str, str]]:
        """Post one message; 0 stands for no answer."""
        now = datetime.now(UTC)
        headers = {
            "Content-Type": "application/json",
            "webhook-id": message.id,
            "webhook-timestamp": str(int(now.timestamp())),
            "webhook-signature": " ".join(signer.sign(message.id, now, body) for signer in self._signers),
        }
        try:
            return self._fetcher.post(message.url, body.encode(), headers)
        except WitnessmarkError as error:
            log.info("webhook %s could not be sent: %s", message.id, error.code)
            return 0, {}

    def _settle(self, message: Delivery, state: str, *, next_at: float = 0.0) -> None:
        with self._database.write() as session:
            session.execute(
                update(Delivery)
                .where(Delivery.id == message.id, Delivery.attempts == message.attempts)
                .values(state=state, next_at=next_at)
                .execution_options(synchronize_session=False)
            )
            if state != "pending":  # the address is not kept longer than it is needed
                session.execute(delete(Delivery).where(Delivery.id == message.id, Delivery.state == state))


def _delay_s(attempts: int, headers: Mapping[str, str]) -> float:
    """Return the seconds until the next try: the schedule with jitter, or later when the receiver asks for it."""
    base = SCHEDULE_S[min(attempts, len(SCHEDULE_S) - 1)]
    spread = base * (1 + random.uniform(-_JITTER, _JITTER))  # noqa: S311 - not a secret
    return max(spread, _retry_after_s(headers.get("retry-after", "")))


def _retry_after_s(value: str) -> float:
    if value.isdigit():
        return min(float(value), _MAX_RETRY_AFTER_S)
    try:
        return min(max(0.0, parsedate_to_datetime(value).timestamp() - time.time()), _MAX_RETRY_AFTER_S)
    except ValueError:
        return 0.0
