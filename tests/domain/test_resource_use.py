from imageflow_domain.resource_use import ResourceUse, total


def test_processor_times_add_up_and_of_memories_the_greatest_counts() -> None:
    used = total(
        [
            ResourceUse(cpu_s=0.5, peak_memory_bytes=100),
            ResourceUse(),
            ResourceUse(cpu_s=0.25, peak_memory_bytes=70, gpu_memory_bytes=5),
        ]
    )
    assert used == ResourceUse(cpu_s=0.75, peak_memory_bytes=100, gpu_memory_bytes=5)


def test_what_is_not_known_stays_unknown() -> None:
    assert total([ResourceUse(), ResourceUse(peak_memory_bytes=3)]) == ResourceUse(peak_memory_bytes=3)
    assert ResourceUse(peak_memory_bytes=3).to_data() == {"peak_memory_bytes": 3}


def test_data_of_another_version_is_read() -> None:
    assert ResourceUse.of({"cpu_s": 1.5, "energy_j": 3}) == ResourceUse(cpu_s=1.5)
