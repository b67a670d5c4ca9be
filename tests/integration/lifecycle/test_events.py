"""What watchers are told of devices that are moved."""

from fleet.lifecycle.making import TOLD_ONE_BY_ONE
from fleet.lifecycle.move import Move
from tests.integration.lifecycle.conftest import Book


def _told(book: Book) -> list[tuple[object, ...]]:
    return book.connection.execute("SELECT kind, subject, data FROM events ORDER BY event_id").fetchall()


def test_step_of_a_device_is_told(book: Book) -> None:
    """With the way it went; a change that is no step, and a move that is refused, are not."""
    book.device("D-1")
    book.move("transition", Move(device_no="D-1", reason="faulty", to="faulty"))
    book.move("board", Move(device_no="D-1", reason="new", factory_no="F"))
    book.move("transition", Move(device_no="D-1", reason="no", to="recovered"))
    assert _told(book) == [("device.faulty", "D-1", {"states": ["in_service", "faulty"], "site_no": "S1"})]


def test_many_devices_at_once_are_one_event(book: Book) -> None:
    """With their number by state."""
    numbers = [f"D-{number}" for number in range(TOLD_ONE_BY_ONE + 1)]
    for device_no in numbers:
        book.device(device_no)
    book.move("transition", *(Move(device_no=device_no, reason="closed", to="suspended") for device_no in numbers))
    many = len(numbers)
    assert _told(book) == [("device.many", f"{many} devices", {"devices": many, "by_state": {"suspended": many}})]
