"""What a receiver of webhooks takes, and what it refuses."""

import hashlib
import hmac

import pytest

from dropscore.contracts.errors import SignatureError
from dropscore.contracts.signatures import TOLERANCE_S, sign, verify

SECRET, BODY, AT = "whsec_secret", b'{"id":"ev-1"}', 1_800_000_000
GOOD = sign(SECRET, BODY, AT)


def test_signature_is_the_one_that_is_documented() -> None:
    mac = hmac.new(SECRET.encode(), b"1800000000." + BODY, hashlib.sha256).hexdigest()
    assert f"t=1800000000,v1={mac}" == GOOD


@pytest.mark.parametrize("late_s", [-TOLERANCE_S, 0, 1, TOLERANCE_S])
def test_what_was_signed_within_five_minutes_is_taken(late_s: int) -> None:
    assert verify(SECRET, GOOD, BODY, AT + late_s) == AT


@pytest.mark.fault(68)
@pytest.mark.parametrize("late_s", [TOLERANCE_S + 1, 86_400, -TOLERANCE_S - 1])
def test_what_is_replayed_later_or_comes_from_the_future_is_refused(late_s: int) -> None:
    with pytest.raises(SignatureError, match="300 s are allowed"):
        verify(SECRET, GOOD, BODY, AT + late_s)


FORGED = {
    "another secret": sign("whsec_other", BODY, AT),
    "no secret": sign("", BODY, AT),
    "another body": sign(SECRET, BODY + b" ", AT),
    "a later time over an old signature": GOOD.replace(f"t={AT}", f"t={AT + 1}"),
    "the body without its time": f"t={AT},v1={hmac.new(SECRET.encode(), BODY, 'sha256').hexdigest()}",
    "an empty header": "",
    "no time": GOOD.partition(",")[2],
    "no signature": f"t={AT}",
    "an empty signature": f"t={AT},v1=",
    "a short signature": GOOD[:-1],
    "capital letters": f"t={AT},v1={GOOD.partition('v1=')[2].upper()}",
    "an unknown version": GOOD.replace("v1", "v0"),
    "two times": f"t={AT - 1},{GOOD}",
    "a negative time": GOOD.replace(f"t={AT}", f"t=-{AT}"),
    "a time in words": GOOD.replace(f"t={AT}", "t=now"),
    "other digits": GOOD.replace(f"t={AT}", "t=١٨٠٠٠٠٠٠٠٠"),
    "an endless header": GOOD + ",v1=" + "0" * 10_000,
}


@pytest.mark.fault(68)
@pytest.mark.parametrize("name", FORGED)
def test_forged_notification_is_refused(name: str) -> None:
    with pytest.raises(SignatureError):
        verify(SECRET, FORGED[name], BODY, AT)


@pytest.mark.fault(68)
@pytest.mark.parametrize("place", range(len(BODY)))
def test_body_changed_in_any_place_is_refused(place: int) -> None:
    changed = BODY[:place] + bytes([BODY[place] ^ 1]) + BODY[place + 1 :]
    with pytest.raises(SignatureError):
        verify(SECRET, GOOD, changed, AT)


def test_one_of_several_signatures_is_enough_while_secrets_change() -> None:
    old = sign("whsec_old", BODY, AT).partition(",")[2]
    assert verify(SECRET, f"{GOOD},{old},v2=later", BODY, AT) == AT
    assert verify("whsec_old", f"{GOOD}, {old}", BODY, AT) == AT
