"""Two beds for tests of the whole board, and which transition may follow which."""

from __future__ import annotations

BEDS = ("bed1", "bed2")
SOURCES = ("node", "cam")
SETTINGS = {
    "brady": {"on_delay_s": 3, "severe_on_delay_s": 1, "off_delay_s": 2, "realarm_s": 20},
    "tachy": {"on_delay_s": 0, "severe_on_delay_s": 0, "off_delay_s": 0, "severe_limit": None},
    "af": {"k": 2, "n": 3, "spacing_s": 2, "off_delay_s": 1},
    "sensor_off": {"on_delay_s": 2, "off_delay_s": 1, "priority": "high"},
    "low_quality": {"on_delay_s": 4, "off_delay_s": 1},
    "murmur": {"k": 1, "n": 1, "off_delay_s": 1},
    "silent_s": 6,
}
BY_A_PERSON = {"acknowledged", "reset", "standby", "shelved", "unshelved", "paused", "resumed", "received"}
BY_A_PERSON |= {"raised", "cleared"}  # a drill
BY_A_PERSON |= {"person"}
BY_THE_CLOCK = {
    "realarmed",
    "widened",
    "narrowed",
    "resumed",
    "unshelved",
    "raised",
    "cleared",
    "latched",
    "returned",
    "unconfirmed",
}
OF_DELIVERY = {"realarmed", "resumed", "unshelved", "unconfirmed"}
NEXT = {
    "raised": ({""}, {"on"}),
    "returned": ({"latched"}, {"on"}),
    "escalated": ({"on", "ack"}, {"on"}),
    "deescalated": ({"on", "ack"}, {"on", "ack"}),
    "realarmed": ({"on", "ack"}, {"on"}),
    "widened": ({"on", "ack"}, {"on"}),
    "narrowed": ({"on", "ack"}, {"on", "ack"}),
    "acknowledged": ({"on", "latched"}, {"ack", "off"}),
    "latched": ({"on"}, {"latched"}),
    "cleared": ({"on", "ack"}, {"off"}),
    "reset": ({"latched"}, {"off"}),
    "standby": ({"on", "ack", "latched"}, {"off"}),
    "person": ({"on", "ack", "latched"}, {"off"}),
    "paused": ({"on", "latched"}, {"on", "latched"}),
    "resumed": ({"on", "latched"}, {"on", "latched"}),
    "shelved": ({"on", "ack", "latched"}, {"on", "ack", "latched"}),
    "unshelved": ({"on", "ack", "latched"}, {"on", "ack", "latched"}),
    "unconfirmed": ({"on", "latched"}, {"on", "latched"}),
    "received": ({"on", "ack", "latched"}, {"on", "ack", "latched"}),
}
HELD = ("narrowed", "deescalated", "paused", "resumed", "shelved", "unshelved", "unconfirmed", "received")
