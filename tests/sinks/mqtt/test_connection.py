"""What the client's library does at its worst moments costs a connection at most, never the thread that sends alarms."""

from __future__ import annotations

import socket
import sys

from paho.mqtt.client import Client
from paho.mqtt.enums import CallbackAPIVersion

from edge.mqtt.broker import Options
from edge.mqtt.connection import Connection, SilentError, connect, hang_up
from edge.sinks._mqtt import publisher
from edge.sinks._mqtt.conversation import Conversation
from mqtt_device import WAIT_S, Device, alarm


class Ending(Client):
    """Its thread is there when ``loop_stop`` looks first and gone when it looks again, as its last moment may have it."""

    looks, running = 0, None

    @property
    def _thread(self):
        self.looks += sys._getframe(1).f_code.co_name == "loop_stop"
        return self.running if self.looks < 3 else None

    @_thread.setter
    def _thread(self, thread):
        self.running = (
            thread or self.running
        )  # which takes itself off whenever it ends: never before the third look here


def test_a_client_whose_thread_ends_while_it_is_waited_for_is_closed_all_the_same(mosquitto):
    client = Ending(CallbackAPIVersion.VERSION2)
    client.connect("127.0.0.1", mosquitto.port)
    client.loop_start()
    thread = client.running
    hang_up(client)
    assert client.looks == 3
    thread.join(WAIT_S)
    assert not thread.is_alive()


def test_a_broker_that_cuts_the_first_handshake_off_is_asked_once_more(mosquitto, monkeypatch):
    real, resets = Client.connect, iter([ConnectionResetError(104, "Connection reset by peer")])

    def reset_first(client, *args):
        for reset in resets:
            raise reset
        return real(client, *args)

    monkeypatch.setattr(Client, "connect", reset_first)
    made = connect(Options("127.0.0.1", mosquitto.port, "edge-vitals-test"))
    made.close()
    assert made.version == 5, "and not in another version"


def test_what_is_sent_waits_for_nothing_that_went_before(mosquitto):
    made = connect(Options("127.0.0.1", mosquitto.port, "edge-vitals-test"))
    try:
        assert made.client.socket().getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
    finally:
        made.close()


def test_a_broker_that_gives_no_answer_is_given_more_time_by_every_attempt(outbox, mosquitto, monkeypatch):
    monkeypatch.setattr("edge.sinks._mqtt.redial._BACKOFF_S", (0.001,))
    real, patience_s = publisher.connect, []

    def connect(*args, **settings):
        patience_s.append(settings["patience_s"])
        if len(patience_s) < 4:
            raise SilentError("no answer")
        return real(*args, **settings)

    monkeypatch.setattr(publisher, "connect", connect)
    one = Device(outbox, mosquitto.port).up()
    assert (patience_s, one.links) == ([5.0, 10.0, 20.0, 20.0], [(False, "no answer"), (True, "")])
    one.sink.close()


def test_a_failure_amid_a_connection_costs_that_one_and_no_alarm(outbox, mosquitto, subscriber, monkeypatch):
    real, failures, closed = Conversation.go_on, iter([ValueError("a bug")]), []

    def go_on(conversation):
        for failure in failures:
            raise failure
        return real(conversation)

    close = Connection.close
    monkeypatch.setattr(Connection, "close", lambda connection: closed.append(connection) or close(connection))
    monkeypatch.setattr(Conversation, "go_on", go_on)
    one = Device(outbox, mosquitto.port)
    one.raise_alarm(alarm(1))
    one.up()
    assert len(closed) == 1
    subscriber.wait("vitals/dev/bed1/event", lambda event: event["seq"] == 1)
    one.sink.close()


def test_a_failure_nobody_foresaw_costs_an_attempt_and_no_alarm(outbox, mosquitto, subscriber, monkeypatch, caplog):
    real, failures = publisher.connect, iter([AttributeError("join")])

    def connect(*args, **settings):
        for failure in failures:
            raise failure
        return real(*args, **settings)

    monkeypatch.setattr(publisher, "connect", connect)
    one = Device(outbox, mosquitto.port)
    one.raise_alarm(alarm(1))
    one.up()
    subscriber.wait("vitals/dev/bed1/event", lambda event: event["seq"] == 1)
    assert one.links[0] == (False, "no connection: AttributeError('join')")
    assert "no connection" in caplog.text
    one.sink.close()
