"""What of a change is shown, and what never is."""

from fleet.audit.differences import Difference, differences, fields_of, referred_to

NAMES = {("sites", "1"): "410100001", ("sites", "2"): "410100002", ("devices", "7"): "D-7"}
OLD = {
    "device_id": 7,
    "site_id": 1,
    "model_id": None,
    "state": "in_stock",
    "imei_sealed": "\\x01",
    "imei_masked": "****1",
    "photo_sha256": None,
    "updated_at": "1",
}


def test_difference_names_fields_and_references_as_people_do() -> None:
    """Ids become numbers; what did not change, and what the database sets by itself, is left out."""
    new = OLD | {"site_id": 2, "state": "in_service", "updated_at": "2", "photo_sha256": "ab"}
    assert differences("devices", OLD, new, NAMES) == [
        Difference("site_no", "410100001", "410100002"),
        Difference("state", "in_stock", "in_service"),
        Difference("photo_sha256", None, "ab"),
    ]


def test_sealed_data_and_secrets_are_told_as_changed_only() -> None:
    """Not their bytes, before or after, of an update, an insert or a delete."""
    [hidden] = differences("devices", OLD, OLD | {"imei_sealed": "\\x02"}, NAMES)
    assert hidden == Difference("imei", None, None, hidden=True)
    secret = {"credential_id": 1, "device_id": 7, "secret_sha256": "\\x00"}
    for before, after in ((None, secret), (secret, None)):
        told = differences("credentials", before, after, NAMES)
        assert Difference("secret_sha256", None, None, hidden=True) in told
        assert "\\x00" not in str(told)


def test_row_that_came_or_went_differs_in_what_it_held() -> None:
    """From nothing, or to nothing; a reference to what is gone keeps its id, marked."""
    row = {"site_id": 5, "begins_on": "2026-02-10", "document": None}
    assert differences("site_closures", None, row, {}) == [
        Difference("site_no", None, "#5"),
        Difference("begins_on", None, "2026-02-10"),
    ]
    assert [one.after for one in differences("site_closures", row, None, {})] == [None, None]


def test_state_shows_what_anybody_may_see() -> None:
    """References by number, the mask, and no bytes."""
    assert fields_of("devices", OLD, NAMES) == {
        "site_no": "410100001",
        "model_no": None,
        "state": "in_stock",
        "imei_masked": "****1",
        "photo_sha256": None,
    }


def test_references_to_look_up_are_those_of_both_sides() -> None:
    """An entity's own id is none."""
    assert set(referred_to("devices", [OLD, OLD | {"site_id": 2, "gateway_id": 9}, None])) == {
        ("sites", "1"),
        ("sites", "2"),
        ("devices", "9"),
    }
