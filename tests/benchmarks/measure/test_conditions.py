"""Conditions and energy from files as Linux has them: what is there is read, what is not is None, nothing is estimated."""

from pathlib import Path

import pytest

from unmask.benchmarks.measure.conditions import RAPL, EnergyMeter, read_conditions


def write(root: Path, files: dict[str, object]) -> Path:
    for name, value in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"{value}\n")
    return root


def test_what_the_system_tells_is_read(tmp_path: Path) -> None:
    cpu = "sys/devices/system/cpu/cpu0/cpufreq"
    files = {f"{cpu}/scaling_governor": "powersave", f"{cpu}/scaling_cur_freq": 2400000, "proc/meminfo": "MemAvailable: 2048 kB"}
    zones = {f"sys/class/thermal/thermal_zone{i}/temp": t for i, t in enumerate((41000, 55500))}
    found = read_conditions(write(tmp_path, {**files, **zones}))
    assert (found.governor, found.mhz, found.temperature_c, found.memory_free_mib) == ("powersave", 2400, 55.5, 2)


def test_what_it_does_not_tell_is_none(tmp_path: Path) -> None:
    found = read_conditions(tmp_path)
    assert (found.governor, found.mhz, found.power, found.temperature_c, found.memory_free_mib) == (None,) * 5
    assert EnergyMeter(tmp_path).read() is None


@pytest.mark.parametrize(
    ("online", "status", "power"), [(1, "Charging", "mains"), (0, "Discharging", "battery"), (0, "Full", None)]
)
def test_power_source(tmp_path: Path, online: int, status: str, power: str | None) -> None:
    supply = "sys/class/power_supply"
    files = {f"{supply}/AC/type": "Mains", f"{supply}/AC/online": online, f"{supply}/BAT0/type": "Battery"}
    assert read_conditions(write(tmp_path, {**files, f"{supply}/BAT0/status": status})).power == power


def test_energy_of_the_package_also_when_its_counter_wraps(tmp_path: Path) -> None:
    meter = EnergyMeter(write(tmp_path, {RAPL: 9_000_000, str(Path(RAPL).with_name("max_energy_range_uj")): 10_000_000}))
    write(tmp_path, {RAPL: 9_500_000})
    found = meter.read()
    assert found is not None
    assert (found.joules, found.source) == (pytest.approx(0.5), "rapl")
    write(tmp_path, {RAPL: 2_000_000})
    wrapped = meter.read()
    assert wrapped is not None
    assert wrapped.joules == pytest.approx(3)


def test_energy_from_a_battery_that_drains_and_none_while_it_charges(tmp_path: Path) -> None:
    left = "sys/class/power_supply/BAT0/energy_now"
    meter = EnergyMeter(write(tmp_path, {left: 2_000_000}))
    assert meter.read() is None  # not moved yet
    write(tmp_path, {left: 1_000_000})
    found = meter.read()
    assert found is not None
    assert (found.joules, found.source) == (pytest.approx(3600), "battery")  # one watt-hour
    write(tmp_path, {left: 3_000_000})
    assert meter.read() is None
