"""Every fault that ``doctor`` tells apart, and what to do about each: the table behind its lines and the documents."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

FAULTS: Final[dict[str, tuple[str, str]]] = {
    # the machine
    "package_missing": ("a package is not installed, or cannot be loaded", "install what it names"),
    "runtime_missing": ("no runtime for models is installed", "pip install 'edge-vitals[litert]'"),
    "port_taken": ("another program listens at a port of the page or of metrics", "ss -ltnp; set another port"),
    "config_refused": ("`run` would refuse the configuration", "change what it names; edge-vitals check CONFIG"),
    "model_missing": ("a model is not there", "reinstall edge-vitals, or unset EDGE_VITALS_MODELS"),
    "model_altered": ("a model's file is not the one its card names", "reinstall edge-vitals; do not use this one"),
    "model_variant": ("a variant of a model does not work here", "edge-vitals models verify"),
    "face_models_missing": ("the face models are not there", "edge-vitals models pull"),
    "clock_unset": ("the wall clock is in the past", "connect to a network once, or add a clock battery (RTC)"),
    "clock_unsynchronised": (
        "the wall clock follows no time server",
        "install systemd-timesyncd or chrony; timedatectl set-ntp true",
    ),
    "clock_unknown": ("nothing says whether the clock is right", "look whether a time server keeps it"),
    "state_read_only": ("the state folder cannot be written", "set device.state_dir to a folder that can"),
    "state_hung": (
        "the state folder's disk gives no answer",
        "look into dmesg, replace the card; until then run watches and keeps its alarms in memory only",
    ),
    "state_full": ("the state folder's disk takes no more", "make room: alarms must survive a power cut"),
    "state_low": ("the state folder's disk is almost full", "make room: outbox, journal and recorder need it"),
    "state_damaged": (
        "the outbox is damaged",
        "start the program: it puts the file aside and goes on with what can be read and with the second copy",
    ),
    "under_voltage": ("the board has too little voltage", "a supply of 5.1 V 3 A (Pi 4) or 5 A (Pi 5), a short cable"),
    "was_under_voltage": ("the board had too little voltage since its start", "a stronger supply, a shorter cable"),
    "throttled": ("the board is slowed down", "a heat sink or fan; see its temperature"),
    "was_throttled": ("the board was slowed down since its start", "a heat sink or fan"),
    "hot": ("the board is hot", "a heat sink, a fan, or a place with air"),
    # a serial device
    "port_missing": ("there is no such port", "plug the device in; ls /dev/serial/by-id"),
    "port_permission": ("the port may not be opened", "sudo usermod -aG dialout USER, then log in again"),
    "port_busy": ("another program has the port", "stop the service first: systemctl stop edge-vitals; or lsof PORT"),
    "port_not_serial": ("this file is not a serial port", "name one of /dev/serial/by-id"),
    "port_silent": ("not one byte came", "is the device powered, TX on RX, and its firmware running?"),
    "port_noise": ("bytes come but no frame", "set baud to the firmware's; check ground and the cable"),
    "port_text": (
        "text comes instead of frames",
        "flash a sketch that sends frames (firmware_bridge/device); one that restarts again and again says why",
    ),
    "port_framing": (
        "many frames are damaged",
        "a shorter or shielded cable, common ground, the right baud, nothing else printed on that line",
    ),
    "port_unplugged": ("the device went away while listening", "check the plug and the supply of the USB hub"),
    "firmware_old": (
        "the device's firmware is too old or speaks another version",
        "flash the firmware of this release",
    ),
    "hello_missing": (
        "the device sends samples without saying what they are",
        "its firmware must send HELLO at the start and every 5 s, with these streams and as many channels",
    ),
    "device_resets": (
        "the device restarts again and again",
        "check its supply; its watchdog may bite; or the index or device_us of its frames goes back",
    ),
    "device_clock": (
        "the device's times are no clock's, and nothing can be read by them",
        "its firmware must say in device_us when the first sample was taken, in microseconds",
    ),
    "sensor_error": ("a sensor does not work", "check that sensor's wires and its supply"),
    "stream_missing": (
        "a stream that an analyzer needs is not sent",
        "enable it in the firmware, or drop the analyzer",
    ),
    "stream_twice": (
        "the device sends two streams of one kind, and only the first is read",
        "leave the other out of the firmware, or give it a device of its own",
    ),
    "rate_wrong": (
        "samples do not come at the rate declared",
        "declare it in the firmware's HELLO; up to four times off the program goes by the device's count and clock",
    ),
    "rate_low": (
        "samples come too seldom, or too often, for heart rate and rhythm",
        "set the sensor to 25 to 500 samples a second, 100 by preference",
    ),
    "samples_lost": ("samples are lost on the way", "a shorter cable, a higher baud, fewer programs on the machine"),
    "sensor_off": ("the sensor is not on the body", "put it on; clean it"),
    "saturated": ("the signal is at the end of its range", "less LED current or gain"),
    "signal_flat": ("the signal does not move at all", "check the sensor's wires and its supply"),
    # files and cameras
    "file_unreadable": ("the file cannot be read", "check path, permission and format"),
    "source_failed": ("the source does not work", "see its message"),
    "camera_missing": ("there is no such camera", "plug it in; v4l2-ctl --list-devices"),
    "camera_permission": ("the camera may not be opened", "sudo usermod -aG video USER, then log in again"),
    "camera_busy": ("the camera does not open", "stop the program that uses it; lsof /dev/video0"),
    "camera_unreachable": (
        "the camera's address does not open",
        "is the camera on; address, path and password; the firewall",
    ),
    "camera_silent": ("no picture comes", "check plug and cable; dmesg | tail"),
    "camera_frozen": ("the picture stands still", "restart the camera; unplug it and plug it in"),
    "camera_dark": ("the picture is too dark", "more light on the face, or a longer exposure"),
    "camera_bright": ("the picture is overexposed", "a shorter exposure: set exposure and gain"),
    "camera_grey": (
        "the pictures have no colour",
        "switch night vision off and a lamp on: infrared shows no pulse",
    ),
    "camera_flicker": (
        "the light flickers in the picture",
        "exposure of a multiple of 10 ms (50 Hz) or 8.33 ms (60 Hz)",
    ),
    "camera_slow": ("too few pictures a second", "more light (shorter exposure), fewer pixels, USB 3"),
    "camera_small": ("the pictures are too small", "set width and height, 640 x 480 at least"),
    # the broker
    "broker_name": ("the broker's name is not known", "check mqtt.host and DNS, or use its address"),
    "broker_unreachable": ("nothing answers there", "is the broker running; mqtt.port; the firewall"),
    "broker_failed": ("the broker could not be tried", "see its message; a DNS server that is away takes that long"),
    "broker_timeout": ("no answer in time", "check the network between here and there, and the firewall"),
    "broker_credentials": ("a file or variable of the credentials is missing", "see the key that it names"),
    "broker_not_authorised": ("the broker does not accept these credentials", "check username and password_file"),
    "broker_acl": ("the broker lets us in but does not take our topics", "allow this user to write the prefix"),
    "broker_deaf": (
        "the broker lets nobody command this monitor",
        "allow this user to read cmd/+ of its beds, or acknowledge at the page",
    ),
    "broker_topics": (
        "the broker changes topics that have a dot, as those of readings do",
        "RabbitMQ's plugin is so: another broker, or subscribe to reading/ppg/hr for reading/ppg.hr",
    ),
    "broker_limits": ("the broker does not take what alarms need", "let it keep retained messages and take QoS 1"),
    "broker_not_tls": ("that port does not speak TLS", "the port of the TLS listener, usually 8883"),
    "broker_needs_tls": ("that port wants TLS", "set tls = true and ca_file"),
    "tls_name": ("the broker's certificate is for another name", "use the name in the certificate as mqtt.host"),
    "tls_expired": ("the broker's certificate is out of date", "renew it; and check this machine's clock"),
    "tls_untrusted": ("nobody we trust signed the broker's certificate", "set mqtt.ca_file to its authority's"),
    "tls_client": (
        "the broker wants a certificate of ours, or another one",
        "set mqtt.cert_file and key_file to what its authority signed",
    ),
}
"""Fault to what it means and the remedy."""

WARNINGS: Final = frozenset(
    {"clock_unsynchronised", "clock_unknown", "state_low", "was_under_voltage", "was_throttled", "hot", "model_variant"}
    | {
        "device_resets",
        "stream_twice",
        "samples_lost",
        "rate_wrong",
        "sensor_off",
        "saturated",
        "camera_slow",
        "camera_flicker",
        "broker_deaf",
        "broker_topics",
    }
    | {"face_models_missing", "throttled", "port_framing"}
)
"""Faults with which the program still works, worse."""


@dataclass(frozen=True, slots=True)
class Finding:
    """What a step found: ``ok``, ``warn`` or ``fail``; fault: its word, "" when all is well."""

    step: str
    state: str
    text: str
    fault: str = ""
    remedy: str = ""

    def __str__(self) -> str:
        remedy = f"  -> {self.remedy}" if self.remedy else ""
        word = f"[{self.fault}] " if self.fault else ""
        return f"{self.state:<4} {self.step:<16} {word}{self.text}{remedy}"


def fine(step: str, text: str) -> Finding:
    """All is well."""
    return Finding(step, "ok", text)


def fault(step: str, word: str, detail: str = "", *, remedy: str = "", state: str = "") -> Finding:
    """A fault by its word; detail: what was seen."""
    meaning, known_remedy = FAULTS[word]
    text = f"{meaning}: {detail}" if detail else meaning
    return Finding(step, state or ("warn" if word in WARNINGS else "fail"), text, word, remedy or known_remedy)
