"""The executor on a cluster without the cluster: seats in threads of this process, so that Ray need not be there."""

from __future__ import annotations

import pickle
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import contextmanager
from dataclasses import replace

import cloudpickle

from nemo_curator.backends.ray_data import RayDataExecutor
from nemo_curator.backends.ray_data.news import Mark, News
from nemo_curator.backends.ray_data.orders import partition_row
from nemo_curator.backends.ray_data.seat import Seat
from nemo_curator.planning.seats import Host


class NewsHere(News):
    """News in this process, which are taken once."""

    mark = Mark()

    def take(self):
        """What was told since the last call."""
        self.mark, events = self.since(self.mark)
        return events


class Threads:
    """One host of two cores."""

    def hosts(self):
        """It."""
        return [Host(2.0)]

    @contextmanager
    def newsroom(self):
        """News in this process."""
        yield NewsHere()

    def rows(self, orders, seats, tasks, _runtime_env):
        """Every seat gets orders that went through a pickle, and as many calls at once as Ray would make."""
        news = orders.news
        chairs = [self.seat(orders, news) for _ in range(seats.count)]
        try:
            with ThreadPoolExecutor(seats.count * (seats.workers + 1)) as pool:
                calls = [
                    pool.submit(chairs[index % seats.count], partition_row(index, task))
                    for index, task in enumerate(tasks)
                ]
                for call in as_completed(calls):
                    yield call.result()
        finally:
            for chair in chairs:
                chair.close()

    def seat(self, orders, news):
        """A seat as on another host."""
        return Seat(replace(pickle.loads(cloudpickle.dumps(replace(orders, news=None))), news=news))  # noqa: S301 (our own)


class SeatsExecutor(RayDataExecutor):
    """Seats in threads."""

    @staticmethod
    def _installed():
        """Threads are always there."""
        return True

    def _cluster(self):
        """Threads instead of machines."""
        return Threads()
