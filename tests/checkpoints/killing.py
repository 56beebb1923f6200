"""kill -9 at random moments of trainings that write checkpoints, most of them in the middle of
writing: python -m tests.checkpoints.killing [KILLS] [SEED]

A training is forked, killed, and begun again from its checkpoint by the next fork, until it is
done. After each kill the checkpoint is the last one that was written, or the one being written, and
its state is that which a training that nobody has disturbed had at that batch. So is the end.
"""

from __future__ import annotations

import hashlib
import itertools
import json
import os
import random
import signal
import sys
import tempfile
import time
import traceback
from pathlib import Path
from typing import Any

import deltarule as dr
from deltarule import _files

from ..conftest import make_blobs

EPOCHS, BATCH = 8, 16
# a disk, where nearly all time goes to flushing, and memory, where the rest shows, too
DRIVES = (None, "/dev/shm") if os.path.isdir("/dev/shm") else (None,)
Place = tuple[int, int]  # epochs done, and batches of the one that is under way


def make_net() -> dr.Network:
    """With everything that has a state: averages, running statistics, random numbers, rates by
    steps, and a metric that looks at outputs."""
    return dr.Network(
        [dr.Dense(24, "relu"), dr.BatchNorm(), dr.Dropout(0.2), dr.Dense(3, "softmax")],
        "cross_entropy",
        dr.Adam(dr.schedules.CosineAnnealingLR(0.01, 200, every="step"), average=dr.EMA(0.9)),
        metrics=["accuracy", "f1_macro"],
    )


def train(net: dr.Network, path: Path, *more: dr.Callback) -> None:
    x, y = make_blobs(384)
    callbacks = [
        dr.ReduceLROnPlateau("val_loss", patience=1),
        dr.EarlyStopping("val_loss", patience=EPOCHS, restore_best_weights=True),
        dr.ModelCheckpoint(path, every=1, every_seconds=1e-5),
        *more,
    ]
    net.fit(
        x[:256], y[:256], epochs=EPOCHS - net.epochs_done, batch_size=BATCH,
        validation_data=(x[256:], y[256:]), callbacks=callbacks, verbose=False,
    )  # fmt: skip


def place(net: dr.Network) -> Place:
    return net.epochs_done, net._position.batch


def digest(net: dr.Network) -> str:
    """Of the whole state."""
    state = net.__getstate__()
    found = hashlib.sha256(json.dumps(state["description"], sort_keys=True).encode())
    for name, array in sorted(state["arrays"].items()):
        found.update(name.encode() + array.tobytes())
    return found.hexdigest()


class AfterEveryBatch(dr.Callback):
    """Has the network saved."""

    batches = True

    def on_batch_end(self, training: dr.Training) -> None:
        training.save("every")


def undisturbed() -> dict[Place, str]:
    """The state after each batch and each epoch."""
    states: dict[Place, str] = {}

    def note(net: dr.Network, path: Any, **_: Any) -> None:
        states[place(net)] = digest(net)

    real, dr.Network.save = dr.Network.save, note  # type: ignore[method-assign,assignment]
    try:
        train(make_net(), Path("no"), AfterEveryBatch())
    finally:
        dr.Network.save = real  # type: ignore[method-assign]
    assert len(states) == EPOCHS * (256 // BATCH + 1)
    return states


# ------------------------------------------------------------------------------- who is killed
def live(path: Path, pipe: int) -> None:
    """A process from its fork to its end: trains on, and says where it begins and ends to save."""
    real = dr.Network.save

    def save(net: dr.Network, *given: Any, **how: Any) -> None:
        here = "{}.{}".format(*place(net))
        os.write(pipe, f"begin {here}\n".encode())
        real(net, *given, **how)
        os.write(pipe, f"end {here}\n".encode())

    dr.Network.save = save  # type: ignore[method-assign,assignment]
    net = dr.load(path) if path.exists() else make_net()
    if net.epochs_done < EPOCHS:
        train(net, path)


class Victim:
    """Such a process."""

    def __init__(self, path: Path) -> None:
        read, write = os.pipe()
        self.pid = os.fork()
        if self.pid == 0:
            status = 1
            try:
                live(path, write)
                status = 0
            except BaseException:
                traceback.print_exc()
            finally:
                os._exit(status)
        os.close(write)
        self._said, self._pipe = b"", read

    def listen(self, begun: int) -> None:
        """Until it has begun to save so often, or is dead."""
        while self._said.count(b"begin") < begun:
            heard = os.read(self._pipe, 1 << 16)
            if not heard:
                return
            self._said += heard

    def kill(self) -> tuple[bool, list[str]]:
        """Whether it was alive, and all that it has said."""
        os.kill(self.pid, signal.SIGKILL)
        status = os.waitpid(self.pid, 0)[1]
        self.listen(sys.maxsize)
        os.close(self._pipe)
        if os.WIFEXITED(status):
            assert os.WEXITSTATUS(status) == 0, "a training has failed"
        return os.WIFSIGNALED(status), self._said.decode().splitlines()


# ---------------------------------------------------------------------------------- who kills
class Killer:
    """Kills one training again and again."""

    def __init__(self, states: dict[Place, str], chance: random.Random) -> None:
        self._states, self._chance = states, chance
        self.kills = self.in_saving = self.done = self.in_epochs = 0

    def training(self, folder: Path, kills: int) -> None:
        """From the first weights to the end, or until there were so many kills."""
        path, at = folder / "net", None
        lasts = self._seconds_of_saving(path)
        while self.kills < kills:
            victim = Victim(path)
            if self._chance.random() < 0.2:
                time.sleep(self._chance.uniform(0, 0.1))  # anywhere
            else:
                victim.listen(self._chance.randint(1, 5))
                time.sleep(self._chance.uniform(0, 1.5 * lasts))
            killed, said = victim.kill()
            self.kills += killed
            self.in_saving += killed and bool(said) and said[-1].startswith("begin")
            at = self._check(path, at, said)
            if not killed:
                assert at == (EPOCHS, 0)
                self.done += 1
                dr.load(path).save(path)  # removes what the dead have left
                assert {p.name for p in folder.iterdir()} == {"net", "net" + _files.PREVIOUS}
                return

    @staticmethod
    def _seconds_of_saving(path: Path) -> float:
        net = make_net()
        net.build(5)
        begin = time.perf_counter()
        for _ in range(4):
            net.save(path)
        path.unlink()
        return (time.perf_counter() - begin) / 4

    def _check(self, path: Path, at: Place | None, said: list[str]) -> Place | None:
        """Where the training is."""
        saved = [(word, *map(int, where.split("."))) for word, where in map(str.split, said)]
        ended = [(epoch, batch) for word, epoch, batch in saved if word == "end"]
        begun = [(epoch, batch) for word, epoch, batch in saved if word == "begin"]
        possible = {ended[-1] if ended else at, *begun[len(ended) :]}
        if not path.exists():
            assert None in possible, f"the checkpoint of {possible} is lost"
            return None
        net = dr.load(path)
        assert place(net) in possible, (place(net), possible)
        for file in (path, path.with_name("net" + _files.PREVIOUS)):
            if file.exists():
                net = dr.load(file)
                assert digest(net) == self._states[place(net)], f"{file.name} at {place(net)}"
        here = place(dr.load(path))
        self.in_epochs += here[1] > 0
        return here


def main(kills: int = 20, seed: int | None = None) -> None:
    """Prints what it has done, or fails."""
    seed = random.SystemRandom().randrange(1 << 32) if seed is None else seed
    print(f"seed {seed}", flush=True)
    dr.set_num_threads(1, exact=True)
    _files._SETTLED = -1.0  # nobody else writes here: sweep at once
    begin = time.perf_counter()
    killer = Killer(undisturbed(), random.Random(seed))
    for drive in itertools.cycle(DRIVES):
        if killer.kills >= kills:
            break
        with tempfile.TemporaryDirectory(dir=drive) as folder:
            killer.training(Path(folder), kills)
    print(
        f"{killer.kills} kills, {killer.in_saving} of them while saving; "
        f"{killer.in_epochs} checkpoints in the middle of an epoch; {killer.done} trainings ended "
        f"with the bits of one in one go; {time.perf_counter() - begin:.1f} s"
    )


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
