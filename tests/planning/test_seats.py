"""How workers are seated on the hosts of a cluster."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from nemo_curator.planning.seats import Host, Seats, demand, plan_seats
from nemo_curator.stages.resources import Resources

ONE = Resources()


@given(
    st.lists(st.builds(Host, st.integers(0, 64).map(float), st.integers(0, 8).map(float)), max_size=6),
    st.integers(1, 300),
    st.builds(Resources, st.sampled_from([0.5, 1.0, 2.0, 7.0]), gpus=st.sampled_from([0.0, 0.25, 1.0, 3.0])),
    st.none() | st.integers(1, 200),
    st.booleans(),
)
def test_all_seats_have_room_at_once(hosts, partitions, worker, workers, shared):
    """However large hosts are and whatever a worker wants, no seat waits for another, and each worker has work."""
    seats = plan_seats(hosts, partitions, worker, workers=workers, shared=shared)
    if not any(host.cpus >= 1 for host in hosts):
        assert seats is None
        return
    room = sum(int(min(host.cpus // seats.cpus, host.gpus / seats.gpus if seats.gpus else host.cpus)) for host in hosts)
    assert 1 <= seats.count <= room
    assert 1 <= seats.workers <= seats.cpus
    assert 0 < seats.share <= 1
    most = min(partitions, workers or partitions)
    assert (seats.count - 1) * seats.workers < most
    assert seats.count * seats.workers < most + seats.count


def test_a_seat_is_a_host():
    """On hosts alike there is one seat each, so that large models are there once a host."""
    assert plan_seats([Host(8), Host(8), Host(8)], 1000, ONE) == Seats(3, 8, 8, 0.0, 1.0)


def test_seats_fit_the_smallest_host():
    """Where hosts differ, the larger ones have several."""
    assert plan_seats([Host(2), Host(6), Host(0)], 1000, ONE) == Seats(4, 2, 2, 0.0, 1.0)


def test_workers_are_spread_over_hosts():
    """Few partitions, or few workers, take a part of every host."""
    assert plan_seats([Host(8), Host(8)], 6, ONE) == Seats(2, 3, 3, 0.0, 3 / 8)
    assert plan_seats([Host(8), Host(8)], 100, ONE, workers=1) == Seats(1, 1, 1, 0.0, 1 / 8)


def test_seven_stages_need_no_more_than_one():
    """Fused stages take turns: two cores are enough for seven stages of one core each."""
    assert plan_seats([Host(2)], 100, demand([ONE] * 7)) == Seats(1, 2, 2, 0.0, 1.0)


def test_what_no_host_has_is_not_waited_for():
    """A worker that wants more cores than there are gets what there is; where no GPU is, none is asked for."""
    assert plan_seats([Host(2)], 100, Resources(cpus=16)) == Seats(1, 1, 2, 0.0, 1.0)
    assert plan_seats([Host(2)], 100, Resources(gpus=1)) == Seats(1, 2, 2, 0.0, 1.0)


def test_gpus_are_shared_out():
    """Workers with a model of their own take a share each; an inference process takes one for its seat."""
    hosts = [Host(8, 2), Host(8, 2), Host(64)]
    assert plan_seats(hosts, 1000, demand([Resources(gpus=0.5), ONE])) == Seats(2, 4, 4, 2.0, 0.5)
    assert plan_seats(hosts, 1000, demand([Resources(gpu_memory_gb=10)]), shared=True) == Seats(2, 8, 8, 1.0, 1.0)
