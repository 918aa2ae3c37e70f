"""Sources that are no files."""

from __future__ import annotations

from dsconv.acoustic.network import Network
from dsconv.acoustic.source import Source
from dsconv.formats.graphdef.graph import Graph


class GraphSource(Source):
    """A graph that is only in memory."""

    def __init__(self, graph: Graph) -> None:
        super().__init__("graph.pb")
        vars(self)["graph"] = graph


class NetworkSource(Source):
    """A network that nobody has to recognise."""

    network: Network = None  # type: ignore[assignment]
    why_not_recognised = None

    def __init__(self, network: Network) -> None:
        super().__init__("network.pb")
        self.network = network
