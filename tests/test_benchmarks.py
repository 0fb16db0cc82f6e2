"""Every benchmark of the runtime still runs, and prints the keys that docs/results.md explains."""

import json
import sys

import code_blocks
import pytest

KEYS = {
    "bus_round_trip": {"rounds", "per_block", "round_trip", "one_way", "local_bus"},
    "sensor_to_command": {
        *("period_ms", "message_bytes", "runs", "ratio"),
        *("launch_p50_ms", "launch_p99_ms", "floor_p50_ms", "floor_p99_ms"),
    },
    "launch_to_first_command": {
        *("runs", "modules", "first_command_s", "first_obeyed_s", "imports_s", "ratio", "ratios"),
    },
    "engines": {"rows"},
    "recorder_throughput": {"cameras", "hz", "image", "seconds", "recorder", "alone"},
    "policy_latency": {"limit_ms", "policies", "import_torch_s"},
    "layers": {"batch", "step", "inference"},
    "latent_plan": {"plans", "worlds", "on_a_gpu"},
    "image_estimates": {"estimates", "gpu"},
    "planner_rates": {"settings", "targets", "pointmass", "reacher2"},
    "arm_rates": {"joint_rates", "mujoco_kinematics_and_jacobian", "actuate_every_tick"},
    "planner_load": {"cores", "period_ms", "rows"},
    "mujoco_rollouts": {"mujoco", "cores", "bare"},
    "torch_rollouts": {"torch", "cpu", "cuda"},
    "pixel_worlds": {"rows"},
    "steerable_fit": {"rows"},
}
ROWS = {
    "bus_round_trip": {
        "round_trip": {"size", "variant", "p50_us", "p99_us", "messages", "lost"},
        "one_way": {"size", "variant", "sent", "received", "sent_per_s", "received_per_s"},
        "local_bus": {"size", "p50_us", "deque_p50_us", "ratio"},
    },
    "engines": {
        "rows": {"task", "engine", "steps_per_s", "us_per_tick", "bare_steps_per_s", "ratio"},
    },
    "policy_latency": {
        "policies": {
            *("policy", "group", "parameters", "onnx", "torch_eager", "start_to_action_s"),
        },
    },
    "layers": {
        "step": {"group", "width", "plain_us", "exact_us", "exact_ratio", "relaxed_ratio"},
        "inference": {"group", "width", "plain_us", "exact_us", "exact_ratio"},
    },
    "recorder_throughput": {
        "recorder": {
            *("compression", "sent", "recorded", "dropped", "mb_per_s", "cpu", "cpu_s_per_gb"),
        },
        "alone": {"way", "mb_per_s", "cpu_s_per_gb"},
    },
    "planner_load": {
        "rows": {
            *("way", "burners", "budget_ms", "plans", "told", "latency_ms", "late", "overruns"),
            *("iterations", "samples", "success_rate", "safe_s", "beyond_limits"),
        },
    },
    "mujoco_rollouts": {
        "bare": {"task", "samples", "horizon", "threads", "ours_ms", "raw_ms", "of_raw"},
    },
    "pixel_worlds": {
        "rows": {"world", "frame", "target", "frames_per_cpu_s", "transitions_per_cpu_s"},
    },
    "steerable_fit": {"rows": {"field", "samples", "one matrix", "any matrix", "SO3", "O3"}},
    "torch_rollouts": {
        "cpu": {"model", "device", "dtype", "rollouts_ms", "step_ms", "plan_ms", "plans_per_s"},
    },
}
"""Of a figure that is a table: what stands in each row."""

LONG = {
    *("planner_rates", "sensor_to_command", "launch_to_first_command", "policy_latency", "layers"),
    *("planner_load", "mujoco_rollouts", "torch_rollouts", "pixel_worlds"),
    *("steerable_fit", "latent_plan", "image_estimates"),
}


@pytest.mark.parametrize(
    "name", [pytest.param(k, marks=[pytest.mark.slow] if k in LONG else []) for k in KEYS]
)
def test_it_prints_its_figures(tmp_path, name):
    file = code_blocks.ROOT / "benchmarks" / f"{name}.py"
    apart = '"$0" -P "$1" --quick >figures.json'  # stderr is for who watches
    code_blocks.run(["bash", "-c", apart, sys.executable, str(file)], tmp_path, timeout=120)
    figures = json.loads((tmp_path / "figures.json").read_text())
    assert figures["benchmark"] == name
    assert KEYS[name] | {"load"} <= set(figures)
    for table, columns in ROWS.get(name, {}).items():
        assert figures[table]
        for row in figures[table]:
            assert columns <= set(row)
    if name == "bus_round_trip":
        assert {row["variant"] for row in figures["round_trip"]} >= {"bus", "raw", "node"}
    if name == "recorder_throughput":
        assert all(row["sent"] > 0 and row["recorded"] > 0 for row in figures["recorder"])
