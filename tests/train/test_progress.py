"""The progress bar: on a terminal, and nowhere else."""

import os
import pty
import subprocess
import sys

CODE = (
    "from spikeloom.train.progress import TrainingProgress\n"
    "with TrainingProgress({wanted}, 2, 3) as bar:\n"
    "    for _ in range(3): bar.batch(0.5)\n"
    "    bar.epoch({{'stage': 'qat', 'loss': 0.5, 'test_accuracy': 0.25}})\n"
)


def output_of(wanted, terminal):
    reader, writer = pty.openpty() if terminal else os.pipe()
    environment = {k: v for k, v in os.environ.items() if k not in ("FORCE_COLOR", "NO_COLOR")}
    command = [sys.executable, "-c", CODE.format(wanted=wanted)]
    subprocess.run(
        command, check=True, stderr=writer, env={**environment, "TERM": "xterm"}, timeout=60
    )
    os.write(writer, b"|")
    os.close(writer)
    text = b""
    while not text.endswith(b"|"):
        text += os.read(reader, 65536)
    os.close(reader)
    return text[:-1].decode()


def test_bar_is_shown_on_a_terminal():
    text = output_of(wanted=True, terminal=True)
    assert "3/6" in text
    assert "test 25.00 %" in text


def test_nothing_is_written_elsewhere():
    assert output_of(wanted=True, terminal=False).strip() == ""
    assert output_of(wanted=False, terminal=True).strip() == ""
