"""Published detectors, run from their own checkouts with their own weights; neither is part of this project."""

from detect.bench.peers.base import PEERS, Peer, find_peers, load_peer

__all__ = ["PEERS", "Peer", "find_peers", "load_peer"]
