"""The files that make the program a service of systemd: unit, udev rules, user. Pure text; ``service`` puts them in place.

The sandbox gives the program its state folder, serial ports, cameras, sound and GPIO lines for the annunciator, and the
network; nothing else.
"""

from __future__ import annotations

import re

CONFIG = "/etc/edge-vitals/config.toml"
UNIT = "etc/systemd/system/edge-vitals.service"
UDEV = "etc/udev/rules.d/70-edge-vitals.rules"
SYSUSERS = "etc/sysusers.d/edge-vitals.conf"
DROP_INS = "etc/systemd/system/edge-vitals.service.d"
"""Where ``systemctl edit`` keeps an administrator's own settings."""

_UNIT = """\
# Made by `edge-vitals service install`; changes belong into `systemctl edit edge-vitals`.
[Unit]
Description=edge-vitals: cardiac monitoring at the bedside
# It waits for neither network nor time: a bed is watched without, and where neither comes nobody else would say so. The
# network lasts until it has said its last word.
After=network.target
# A monitor is started again for as long as it takes: what keeps it down now may be gone in an hour.
StartLimitIntervalSec=0

[Service]
Type=notify
NotifyAccess=main
ExecStart={program} run {config} --quiet --log json
WatchdogSec=60
TimeoutStartSec=180
TimeoutStopSec=20
Restart=always
RestartSec=5
User=edge-vitals
Group=edge-vitals
SupplementaryGroups=dialout video audio
StateDirectory=edge-vitals
StateDirectoryMode=0750
RuntimeDirectory=edge-vitals
RuntimeDirectoryMode=0700
RuntimeDirectoryPreserve=yes
UMask=0077
Environment=OPENBLAS_NUM_THREADS=1 OMP_NUM_THREADS=1 PYTHONDONTWRITEBYTECODE=1
Nice=-5
OOMScoreAdjust=-500

NoNewPrivileges=yes
CapabilityBoundingSet=
AmbientCapabilities=
ProtectSystem=strict
ProtectHome={protect_home}
PrivateTmp=yes
ProtectProc=invisible
ProtectHostname=yes
ProtectKernelLogs=yes
ProtectKernelModules=yes
ProtectKernelTunables=yes
ProtectControlGroups=yes
DevicePolicy=closed
DeviceAllow=char-ttyUSB rw
DeviceAllow=char-ttyACM rw
DeviceAllow=char-ttyAMA rw
DeviceAllow=char-ttyS rw
DeviceAllow=char-ttyTHS rw
DeviceAllow=char-video4linux rw
DeviceAllow=char-media rw
DeviceAllow=char-dma_heap rw
DeviceAllow=char-alsa rw
DeviceAllow=char-gpiochip rw
DeviceAllow=/dev/vcio rw
RestrictAddressFamilies=AF_UNIX AF_INET AF_INET6
RestrictNamespaces=yes
RestrictRealtime=yes
RestrictSUIDSGID=yes
RemoveIPC=yes
LockPersonality=yes
KeyringMode=private
SystemCallArchitectures=native
SystemCallFilter=@system-service
SystemCallFilter=~@privileged @resources
# Asked whether a time server keeps the clock; without a capability they cannot set it. ProtectClock= forbids to ask.
SystemCallFilter=adjtimex clock_adjtime clock_adjtime64
SystemCallErrorNumber=EPERM

[Install]
WantedBy=multi-user.target
"""

_UDEV = """\
# Made by `edge-vitals service install`: the service may open serial devices and cameras; no power saving for them, which
# would make a sensor vanish for a moment.
SUBSYSTEM=="tty", KERNEL=="ttyUSB[0-9]*|ttyACM[0-9]*", GROUP="dialout", MODE="0660"
SUBSYSTEM=="video4linux", GROUP="video", MODE="0660"
ACTION=="add", SUBSYSTEM=="usb", ATTR{bDeviceClass}=="02|0e|ef", TEST=="power/control", ATTR{power/control}="on"
"""

_SYSUSERS = """\
# Made by `edge-vitals service install`. Groups that are not there are made: a unit that names one does not start.
u edge-vitals - "edge-vitals" /var/lib/edge-vitals /usr/sbin/nologin
m edge-vitals dialout
m edge-vitals video
m edge-vitals audio
"""


_HOMES = ("/home/", "/root/", "/run/user/")  # what ProtectHome= hides: systemd.exec(5)


def files(program: str, config: str = CONFIG) -> dict[str, str]:
    """Path, below the root, to content. program: the command line that starts edge-vitals, such as
    ``/usr/bin/python3 -m edge``, each path in it as a ``word``."""
    at_home = program.lstrip('"').startswith(_HOMES) or config.startswith(_HOMES)
    unit = _UNIT.format(program=program, config=word(config), protect_home="read-only" if at_home else "yes")
    return {UNIT: unit, UDEV: _UDEV, SYSUSERS: _SYSUSERS}


def word(text: str) -> str:
    """One word of a command line as systemd reads it: systemd.service(5)."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%").replace("$", "$$")
    return escaped if re.fullmatch(r"[\w@%+=:,./-]*", text) else f'"{escaped}"'


def packaged(name: str) -> str:
    """Where a Debian package keeps the file that ``service install`` puts into /etc."""
    return name.replace("etc/", "usr/lib/", 1)
