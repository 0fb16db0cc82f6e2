"""pytorch_mppi on the reference problems, asked line by line in JSON; it knows nothing of covary.

A question is {"ask": "rate" | "episodes" | "versions", "problem", "kind", "precision", "settings"},
with "plans" or "seeds". Settings: sigma (a standard deviation), lambda, and of KMPPI width, points.
"""

import importlib.metadata
import json
import statistics
import sys
import time

import torch
from pytorch_mppi import KMPPI, MPPI
from pytorch_mppi.mppi import RBFKernel

torch.set_num_threads(1)
HORIZON, SAMPLES = 32, 256


def pointmass(dtype):
    """Dynamics, cost, start, largest action, steps, distance."""
    goal = torch.tensor([1.0, 1.0], dtype=dtype)

    def step(x, u):
        v = x[:, 2:4] + 0.05 * (u - 0.1 * x[:, 2:4])
        return torch.cat([x[:, :2] + 0.05 * v, v], 1)

    def cost(x, u):
        near = ((x[:, :2] - goal) ** 2).sum(1)
        return near + 0.1 * (x[:, 2:4] ** 2).sum(1) + 0.01 * (u**2).sum(1)

    def distance(x):
        return (x[:, :2] - goal).norm(dim=1)

    return step, cost, torch.zeros(4, dtype=dtype), 2.0, 100, distance


def reacher2(dtype):
    """The same of the arm."""
    goal = torch.tensor([0.3, 0.6], dtype=dtype)
    outer, coupling = 1.0 / 12.0, 0.125

    def step(x, u):
        cos, sin, w1, w2 = x[:, 1].cos(), x[:, 1].sin(), x[:, 2], x[:, 3]
        m12 = outer + coupling * cos
        m11 = 2.0 * outer + 0.25 + 2.0 * coupling * cos
        r1 = u[:, 0] + coupling * sin * (2.0 * w1 + w2) * w2 - 0.5 * w1
        r2 = u[:, 1] - coupling * sin * w1 * w1 - 0.5 * w2
        per = 0.02 / (m11 * outer - m12 * m12)
        w = torch.stack([w1 + per * (outer * r1 - m12 * r2), w2 + per * (m11 * r2 - m12 * r1)], 1)
        return torch.cat([x[:, :2] + 0.02 * w, w], 1)

    def end(x):
        inner, whole = x[:, 0], x[:, 0] + x[:, 1]
        return 0.5 * torch.stack([inner.cos() + whole.cos(), inner.sin() + whole.sin()], 1)

    def cost(x, u):
        near = ((end(x) - goal) ** 2).sum(1)
        return 10.0 * near + 0.01 * (x[:, 2:4] ** 2).sum(1) + 0.001 * (u**2).sum(1)

    def distance(x):
        return (end(x) - goal).norm(dim=1)

    return step, cost, torch.tensor([0.1, 0.1, 0.0, 0.0], dtype=dtype), 5.0, 150, distance


def controller(question, step, cost, largest):
    """The peer's planner. A cost is on the state after a step, as the problems have it."""
    dtype, settings = getattr(torch, question["precision"]), question["settings"]
    bound = torch.full((2,), largest, dtype=dtype)

    given = {
        "num_samples": SAMPLES,
        "horizon": HORIZON,
        "lambda_": settings["lambda"],
        "u_min": -bound,
        "u_max": bound,
    }
    sigma = settings["sigma"] ** 2 * torch.eye(2, dtype=dtype)
    if question["kind"] == "kmppi":
        kernel = RBFKernel(sigma=settings["width"])
        given |= {"kernel": kernel, "num_support_pts": settings["points"]}
        return KMPPI(step, cost, 4, sigma, **given)
    return MPPI(step, cost, 4, sigma, **given)


def answer(question):
    """What is asked for."""
    if question["ask"] == "versions":
        return {name: importlib.metadata.version(name) for name in ("pytorch_mppi", "torch")}
    dtype = getattr(torch, question["precision"])
    step, cost, start, largest, steps, distance = globals()[question["problem"]](dtype)
    if question["ask"] == "rate":
        key = json.dumps({k: v for k, v in question.items() if k != "plans"})
        one = KEPT.setdefault(key, controller(question, step, cost, largest))
        times = []
        for _ in range(question["plans"]):
            began = time.perf_counter()
            one.command(start)
            times.append(time.perf_counter() - began)
        return {"us": statistics.median(times) * 1e6}
    costs, distances = [], []
    for seed in question["seeds"]:
        torch.manual_seed(seed)
        one, x, total = controller(question, step, cost, largest), start[None], 0.0
        for _ in range(steps):
            u = one.command(x[0])[None]
            x = step(x, u)
            total += float(cost(x, u)[0])
        costs.append(total)
        distances.append(float(distance(x)[0]))
    return {"costs": costs, "distances": distances}


KEPT: dict = {}

if __name__ == "__main__":
    for line in sys.stdin:
        print(json.dumps(answer(json.loads(line))), flush=True)
