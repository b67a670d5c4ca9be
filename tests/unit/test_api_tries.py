"""How often somebody may try what is secret."""

from api.tries import HOSTS_MAX, TRIES_MAX, WINDOW_SECONDS, Tries


def test_tries_end_when_there_were_too_many_within_the_window() -> None:
    """One host is stopped, another is not; once the first try is old enough, one more is taken."""
    tries = Tries()
    assert all(tries.begin("a", float(at)) for at in range(TRIES_MAX))
    assert not tries.begin("a", WINDOW_SECONDS - 1)
    assert tries.begin("b", WINDOW_SECONDS - 1)
    assert tries.begin("a", WINDOW_SECONDS)
    assert not tries.begin("a", WINDOW_SECONDS)


def test_tries_do_not_count_when_they_succeed() -> None:
    """A market with a hundred devices behind one address is installed in one go."""
    tries = Tries()
    for _ in range(10 * TRIES_MAX):
        assert tries.begin("a", 0.0)
        tries.succeeded("a")


def test_tries_are_bounded_when_hosts_are_many() -> None:
    """The hosts that tried longest ago are forgotten, never those that are at it."""
    tries = Tries()
    for _ in range(TRIES_MAX):
        tries.begin("a", 0.0)
    for host in range(HOSTS_MAX - 1):
        tries.begin(str(host), 0.0)
    assert not tries.begin("a", 1.0)
    for host in range(HOSTS_MAX):
        tries.begin(f"{host}'", 1.0)
    assert tries.begin("a", 2.0)
