from __future__ import annotations

import ctypes

import pytest

from nemo_curator.models.runtimes.cuda import CudaDevice, built_for, told_by_files, told_by_nvml, visible

BIG = CudaDevice("Big", (9, 0), "GPU-aaaa-1")
SMALL = CudaDevice("Small", (7, 5), "GPU-bbbb-2")


class Nvml:
    """The driver's library, as its header has it: every function gives a status and writes where it is told."""

    def __init__(self, *devices, broken=()):
        """A machine with these devices, where these questions fail."""
        self.devices = devices
        self.broken = broken
        self.opened = 0

    def nvmlInit_v2(self):  # noqa: N802  the library's own name
        """Open the library."""
        self.opened += 1
        return 9 if "init" in self.broken else 0

    def nvmlShutdown(self):  # noqa: N802  the library's own name
        """Close the library."""
        self.opened -= 1
        return 0

    def nvmlDeviceGetCount_v2(self, count):  # noqa: N802  the library's own name
        """Number of devices."""
        count._obj.value = len(self.devices)
        return 3 if "count" in self.broken else 0

    def nvmlDeviceGetHandleByIndex_v2(self, index, handle):  # noqa: N802  the library's own name
        """A handle, which is the device's place."""
        handle._obj.value = index.value + 1
        return 4 if "handle" in self.broken else 0

    def nvmlDeviceGetName(self, handle, room, length):  # noqa: N802  the library's own name
        """The name of a device."""
        room.value = self.devices[handle.value - 1].name.encode()[: length.value]
        return 0

    def nvmlDeviceGetUUID(self, handle, room, length):  # noqa: N802  the library's own name
        """The identity of a device."""
        room.value = self.devices[handle.value - 1].identity.encode()[: length.value]
        return 0

    def nvmlDeviceGetCudaComputeCapability(self, handle, major, minor):  # noqa: N802  the library's own name
        """The compute capability of a device."""
        if "capability" in self.broken:
            return 3
        major._obj.value, minor._obj.value = self.devices[handle.value - 1].capability
        return 0


def test_the_driver_tells_names_and_capabilities():
    """All devices in the driver's order, and the library is closed afterwards."""
    nvml = Nvml(BIG, SMALL)
    assert told_by_nvml(nvml) == (BIG, SMALL)
    assert nvml.opened == 0
    assert str(BIG) == "Big (9.0)"


@pytest.mark.parametrize(
    ("broken", "found"),
    [
        ("init", ()),
        ("count", ()),
        ("handle", (CudaDevice(),)),
        ("capability", (CudaDevice("Big", None, "GPU-aaaa-1"),)),
    ],
)
def test_what_the_driver_does_not_tell_stays_unknown(broken, found):
    """A library that answers with an error, as in a container without the device, costs what it would have told."""
    assert told_by_nvml(Nvml(BIG, broken=(broken,))) == found


def test_without_a_driver_there_is_no_device(tmp_path):
    """Neither library nor files."""
    assert told_by_nvml(None) == ()
    assert told_by_files(tmp_path) == ()


def test_files_tell_where_the_library_is_missing(tmp_path):
    """The devices' files count; the driver's say their names, but do not make a device that is not handed in."""
    about = tmp_path / "proc/driver/nvidia/gpus/0000:01:00.0"
    about.mkdir(parents=True)
    (about / "information").write_text("Model: \t\t NVIDIA Big \nIRQ:   \t\t 17\n")
    (tmp_path / "dev").mkdir()
    assert told_by_files(tmp_path) == ()
    for name in ("nvidia0", "nvidiactl", "nvidia-uvm", "null"):
        (tmp_path / "dev" / name).touch()
    assert told_by_files(tmp_path) == (CudaDevice("NVIDIA Big"),)
    (tmp_path / "dev" / "nvidia1").touch()
    assert told_by_files(tmp_path) == (CudaDevice(), CudaDevice())
    assert str(CudaDevice()) == "unknown"


@pytest.mark.parametrize(
    ("setting", "left"),
    [
        (None, (BIG, SMALL)),
        ("", ()),
        ("-1", ()),
        ("0", (BIG,)),
        ("1,0", (SMALL, BIG)),
        ("1, 2, 0", (SMALL,)),
        ("0,-1,1", (BIG,)),
        ("GPU-bbbb", (SMALL,)),
        ("GPU-cccc", ()),
        ("MIG-dddd", (BIG,)),
    ],
)
def test_the_variable_of_cuda_is_honoured(setting, left):
    """Numbers or identities in their order, up to the first that names no device."""
    assert visible((BIG, SMALL), setting) == left


@pytest.mark.parametrize(
    ("text", "version"),
    [
        ("cuda: Optional[str] = '13.0'\n", "13.0"),
        ("__version__ = '2.6.0'\ncuda = \"12.4\"\n", "12.4"),
        ("cuda: Optional[str] = None\n", ""),
        ("debug = False\n", ""),
    ],
)
def test_torch_says_what_it_was_built_for(tmp_path, text, version):
    """Its own note is read, and it is not imported."""
    (tmp_path / "version.py").write_text(text)
    assert built_for(tmp_path / "version.py") == version
    assert built_for(tmp_path / "gone.py") == ""


def test_text_of_the_driver_is_cut_and_never_trusted():
    """A name with bytes that are no text does not break a plan."""
    nvml = Nvml(CudaDevice("x" * 500, (8, 6), "GPU-1"))
    nvml.nvmlDeviceGetUUID = lambda handle, room, length: ctypes.memmove(room, b"\xff\xfe\0", 3) and 0
    (found,) = told_by_nvml(nvml)
    assert len(found.name) <= 96
    assert found.identity == "\ufffd\ufffd"
