"""Which loops of the program must go round for systemd to be told that it is alive."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np

from edge.program.notify import progress
from edge.runtime.inbox import Inbox
from edge.runtime.reader import Reader
from edge.types import Block


def test_loops_that_have_ended_are_not_waited_for_and_a_worker_ends_with_its_last_block():
    lane = SimpleNamespace(primary="ppg")
    going = Reader("node", "bed1", None, [lane], inboxes=[Inbox()], beats=3)
    ended = Reader("file", "bed1", None, [lane], inboxes=[Inbox()], beats=7, ended=True)
    (last,) = ended.inboxes
    last.put(Block("file/ppg", 0, 0.0, 100.0, np.zeros((1, 1))))
    last.close()
    assert progress([going, ended]) == {"node": 3, "node/ppg": 0, "file/ppg": 0}
    last.get(0.0)
    assert progress([going, ended]) == {"node": 3, "node/ppg": 0}
