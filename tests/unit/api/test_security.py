"""Keys, scopes, owners, foreign pages and foreign host names."""

from __future__ import annotations

import time

import pytest
from sqlalchemy import select

from api.database import ApiKey
from detect.errors import ConfigError
from tests.unit.api.conftest import MakeRig, Rig, png


def bearer(secret: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {secret}"}


def test_loopback_needs_no_key_and_other_addresses_do(make_rig: MakeRig) -> None:
    assert make_rig().client.get("/v1/analyses").status_code == 200


@pytest.mark.parametrize("settings", [{"require_key": True}, {"host": "0.0.0.0"}, {"allowed_hosts": ["127.0.0.1"]}])
def test_key_is_asked_for(make_rig: MakeRig, settings: dict[str, object]) -> None:
    rig = make_rig(**settings)
    answer = rig.client.get("/v1/analyses")
    assert (answer.status_code, answer.headers["www-authenticate"]) == (401, "Bearer")
    _, secret = rig.service.keys.create("test", ["read"])
    assert rig.client.get("/v1/analyses", headers=bearer(secret)).status_code == 200
    assert rig.client.get("/v1/analyses", headers={"X-API-Key": secret}).status_code == 200
    assert rig.client.get("/v1/analyses", headers=bearer(secret + "x")).status_code == 401


def test_scope_is_asked_for(make_rig: MakeRig) -> None:
    rig = make_rig(require_key=True)
    _, reader = rig.service.keys.create("reader", ["read"])
    answer = rig.client.post("/v1/analyses", files={"file": ("a.png", png())}, headers=bearer(reader))
    assert (answer.status_code, answer.json()["code"]) == (403, "forbidden")
    assert rig.client.get("/v1/keys", headers=bearer(reader)).status_code == 403


def test_keys_see_only_their_own_analyses_and_admin_sees_all(make_rig: MakeRig) -> None:
    rig = make_rig(require_key=True)
    secrets = {name: rig.service.keys.create(name, scopes)[1] for name, scopes in SCOPES.items()}
    made = rig.submit(Authorization=f"Bearer {secrets['a']}").json()["id"]
    statuses = {
        name: rig.client.get(f"/v1/analyses/{made}", headers=bearer(secret)).status_code
        for name, secret in secrets.items()
    }
    assert statuses == {"a": 200, "b": 404, "admin": 200}
    assert rig.client.delete(f"/v1/analyses/{made}", headers=bearer(secrets["b"])).status_code == 404
    other = rig.submit(Authorization=f"Bearer {secrets['b']}").json()
    assert other["is_cached"] is False  # nobody learns what others have checked


SCOPES = {"a": ["analyze", "read"], "b": ["analyze", "read"], "admin": ["admin"]}


def test_only_the_hash_of_a_key_is_stored(rig: Rig) -> None:
    row, secret = rig.service.keys.create("test", ["read"])
    assert secret.startswith("wm_")
    with rig.service.database.read() as session:
        stored = session.scalars(select(ApiKey)).one()
    assert secret not in str(vars(stored))
    assert row.prefix == secret[:11]


def test_revoked_and_expired_keys_end_and_rotated_ones_overlap(rig: Rig) -> None:
    keys = rig.service.keys
    row, secret = keys.create("test", ["read"])
    fresh_row, fresh = keys.rotate(row.id, grace_s=60)
    assert keys.find(secret) is not None
    assert keys.find(fresh) is not None
    assert fresh_row.scopes == row.scopes
    keys.revoke(row.prefix)
    assert keys.find(secret) is None
    _, brief = keys.create("brief", ["read"], days=0.001 / 86_400)
    time.sleep(0.01)
    assert keys.find(brief) is None
    assert keys.revoke("key_none") is False


def test_rotated_key_sees_what_its_forerunners_made(make_rig: MakeRig) -> None:
    rig = make_rig(require_key=True)
    first, secret = rig.service.keys.create("desk", ["analyze", "read"])
    made = rig.submit(Authorization=f"Bearer {secret}").json()["id"]
    second, _ = rig.service.keys.rotate(first.id)
    third, newest = rig.service.keys.rotate(second.id)
    assert third.owner == first.id
    assert rig.client.get(f"/v1/analyses/{made}", headers=bearer(newest)).status_code == 200
    assert rig.submit(Authorization=f"Bearer {newest}").json()["is_cached"] is True


def test_unknown_scope_is_an_error(rig: Rig) -> None:
    with pytest.raises(ConfigError, match="scopes must be"):
        rig.service.keys.create("test", ["everything"])


def test_foreign_page_cannot_submit_with_the_visitors_access(rig: Rig) -> None:
    answer = rig.submit(Origin="https://evil.example")
    assert (answer.status_code, answer.json()["code"]) == (403, "foreign_origin")
    assert rig.submit(Origin="http://127.0.0.1:8000").status_code == 200
    assert rig.submit(Origin="null").status_code == 403


def test_allowed_origin_passes_with_cors_headers(make_rig: MakeRig) -> None:
    rig = make_rig(cors_origins=["https://tool.example"])
    answer = rig.submit(Origin="https://tool.example")
    assert answer.status_code == 200
    assert answer.headers["access-control-allow-origin"] == "https://tool.example"


@pytest.mark.parametrize("host", ["evil.example", "evil.example:8000", "127.0.0.1.evil.example", "[", ""])
def test_foreign_host_name_is_refused(rig: Rig, host: str) -> None:
    answer = rig.client.get("/v1/analyses", headers={"Host": host})
    assert (answer.status_code, answer.json()["code"]) == (421, "misdirected_request")


def test_sign_in_gives_a_cookie_that_scripts_and_other_sites_cannot_use(make_rig: MakeRig) -> None:
    rig = make_rig(require_key=True)
    _, secret = rig.service.keys.create("page", ["analyze", "read"])
    assert 'type="password"' in rig.client.get("/").text
    assert rig.client.post("/sign-in", data={"key": "wm_wrong"}).status_code == 401
    answer = rig.client.post("/sign-in", data={"key": secret}, follow_redirects=False)
    cookie = answer.headers["set-cookie"].lower()
    assert "httponly" in cookie
    assert "samesite=strict" in cookie
    assert 'type="file"' in rig.client.get("/").text


def test_signing_out_forgets_the_key(make_rig: MakeRig) -> None:
    rig = make_rig(require_key=True)
    _, secret = rig.service.keys.create("page", ["analyze", "read"])
    rig.client.post("/sign-in", data={"key": secret})
    assert "/sign-out" in rig.client.get("/").text
    rig.client.post("/sign-out")
    assert 'type="password"' in rig.client.get("/").text
