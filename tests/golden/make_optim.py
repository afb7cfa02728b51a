"""Writes nn_optimizers.json and nn_lr_schedulers.json: runs of optimizers and schedulers to compare src/nn with.

SGD, Adam, AdamW, RMSprop, Adagrad and all schedulers are PyTorch's; Lion, LAMB and Adafactor are written here from their
papers, in float64. Run with a Python that has PyTorch: python3 tests/golden/make_optim.py.
"""
import numpy as np
import torch
from torch.optim import lr_scheduler as schedulers

from make_nn import dump, seeded, write

STEPS = 40
RECORDED = (0, 1, 2, 3, 4, 9, 19, 39)
SHAPES = ((2, 3), (2, 2, 3), (4,))


class Paper:
    """An optimizer with PyTorch's interface whose update is a function of numpy arrays."""

    def __init__(self, groups, **options):
        self.param_groups = [{**self.defaults, **options, **group} for group in groups]
        self.state = {}

    def zero_grad(self, set_to_none):
        for group in self.param_groups:
            for parameter in group["params"]:
                parameter.grad = None

    def step(self):
        for group in self.param_groups:
            for parameter in group["params"]:
                if parameter.grad is None:
                    continue
                state = self.state.setdefault(parameter, {"step": 0})
                state["step"] += 1
                value = self.update(parameter.detach().double().numpy(), parameter.grad.double().numpy(), state, **group)
                parameter.data = torch.tensor(value)


class Lion(Paper):
    """Chen et al. 2023, "Symbolic Discovery of Optimization Algorithms", algorithm 2."""

    defaults = {"lr": 1e-4, "betas": (0.9, 0.99), "weight_decay": 0}

    def update(self, w, g, state, lr, betas, weight_decay, **_):
        m = state.get("m", np.zeros_like(w))
        c = betas[0] * m + (1 - betas[0]) * g
        state["m"] = betas[1] * m + (1 - betas[1]) * g
        return w - lr * (np.sign(c) + weight_decay * w)


class LAMB(Paper):
    """You et al. 2020, "Large Batch Optimization for Deep Learning: Training BERT in 76 minutes", algorithm 2, phi(z) = z."""

    defaults = {"lr": 1e-3, "betas": (0.9, 0.999), "eps": 1e-6, "weight_decay": 0}

    def update(self, w, g, state, lr, betas, eps, weight_decay, step=None, **_):
        t = state["step"]
        state["m"] = betas[0] * state.get("m", 0) + (1 - betas[0]) * g
        state["v"] = betas[1] * state.get("v", 0) + (1 - betas[1]) * g**2
        m, v = state["m"] / (1 - betas[0] ** t), state["v"] / (1 - betas[1] ** t)
        r = m / (np.sqrt(v) + eps) + weight_decay * w
        norms = np.linalg.norm(w.reshape(-1)), np.linalg.norm(r.reshape(-1))
        ratio = norms[0] / norms[1] if min(norms) > 0 else 1
        return w - lr * ratio * r


class Adafactor(Paper):
    """Shazeer and Stern 2018, "Adafactor", algorithms 4 (matrices) and 5 (vectors) with section 8's relative step sizes."""

    defaults = {
        "lr": 1e-2, "eps": (1e-30, 1e-3), "clip_threshold": 1, "decay_rate": -0.8, "weight_decay": 0, "relative_step": True,
    }

    def update(self, w, g, state, lr, eps, clip_threshold, decay_rate, weight_decay, relative_step, **_):
        t = state["step"]
        beta2 = 1 - t**decay_rate
        rho = min(lr, 1 / np.sqrt(t)) if relative_step else lr
        alpha = max(eps[1], np.sqrt(np.mean(w**2))) * rho
        square = g**2 + eps[0]
        if w.ndim >= 2:
            state["r"] = beta2 * state.get("r", 0) + (1 - beta2) * square.sum(-1, keepdims=True)
            state["c"] = beta2 * state.get("c", 0) + (1 - beta2) * square.sum(-2, keepdims=True)
            v = state["r"] * state["c"] / state["r"].sum(-2, keepdims=True)
        else:
            v = state["v"] = beta2 * state.get("v", 0) + (1 - beta2) * square
        u = g / np.sqrt(v)
        u = u / max(1, np.sqrt(np.mean(u**2)) / clip_threshold)
        return w - rho * weight_decay * w - alpha * u


def snake(options):
    return {"".join("_" + c.lower() if c.isupper() else c for c in key): value for key, value in options.items()}


def optimizers():
    recipes = [
        (torch.optim.SGD, {"lr": 0.1}),
        (torch.optim.SGD, {"lr": 0.1, "momentum": 0.9}),
        (torch.optim.SGD, {"lr": 0.05, "momentum": 0.9, "nesterov": True, "weightDecay": 0.1}),
        (torch.optim.SGD, {"lr": 0.1, "momentum": 0.8, "dampening": 0.3, "weightDecay": 0.01}),
        (torch.optim.Adam, {"lr": 0.05}),
        (torch.optim.Adam, {"lr": 0.05, "betas": [0.8, 0.95], "eps": 1e-4, "weightDecay": 0.1}),
        (torch.optim.Adam, {"lr": 0.05, "betas": [0.8, 0.9], "amsgrad": True}),
        (torch.optim.AdamW, {"lr": 0.05}),
        (torch.optim.AdamW, {"lr": 0.02, "betas": [0.8, 0.95], "weightDecay": 0.3}),
        (torch.optim.AdamW, {"lr": 0.02, "betas": [0.8, 0.9], "weightDecay": 0.3, "amsgrad": True}),
        (torch.optim.RMSprop, {"lr": 0.02}),
        (torch.optim.RMSprop, {"lr": 0.01, "alpha": 0.9, "eps": 1e-2, "momentum": 0.8, "weightDecay": 0.1}),
        (torch.optim.RMSprop, {"lr": 0.01, "alpha": 0.9, "eps": 1e-2, "centered": True}),
        (torch.optim.Adagrad, {"lr": 0.1}),
        (torch.optim.Adagrad, {"lr": 0.2, "lrDecay": 0.1, "weightDecay": 0.1, "initialAccumulatorValue": 0.5, "eps": 1e-3}),
        (Lion, {"lr": 0.02}),
        (Lion, {"lr": 0.02, "betas": [0.95, 0.98], "weightDecay": 0.3}),
        (LAMB, {"lr": 0.05}),
        (LAMB, {"lr": 0.02, "betas": [0.8, 0.95], "eps": 1e-3, "weightDecay": 0.1}),
        (Adafactor, {"lr": 0.05}),
        (Adafactor, {"lr": 0.2}),
        (Adafactor, {"lr": 0.02, "relativeStep": False, "clipThreshold": 0.5, "decayRate": -0.6, "weightDecay": 0.2}),
    ]
    cases = []
    for kind, options in recipes:
        a, b, c = [seeded(*shape).requires_grad_() for shape in SHAPES]
        # The second group has options of its own; its gradient is missing in the second step.
        groups = [{"params": [a, b]}, {"params": [c], "lr": options["lr"] / 2, "weight_decay": 0.05}]
        optimizer = kind(groups, **snake(options))
        steps = {}
        for step in range(STEPS):
            optimizer.zero_grad(set_to_none=True)
            a.grad = torch.cos(a.detach() + step)
            b.grad = torch.sin(b.detach() * 2 + step)
            c.grad = None if step == 1 else torch.sin(3 * c.detach() - step)
            if step == 3:
                for group in optimizer.param_groups:
                    group["lr"] *= 0.5
            optimizer.step()
            if step in RECORDED:
                steps[step] = [dump(a), dump(b), dump(c)]
        start = [dump(seeded(*shape)) for shape in SHAPES]
        cases.append({"name": kind.__name__, "options": options, "start": start, "steps": steps})
    write("optimizers", cases)


def momentum_of(group):
    return group["betas"][0] if "betas" in group else group["momentum"]


def scheduler_run(make, adam=False, steps=14, metrics=None):
    """The learning rates (and momenta) of two groups before each step and after the last."""
    parameters = [torch.nn.Parameter(torch.zeros(1)) for _ in range(2)]
    groups = [{"params": [parameters[0]]}, {"params": [parameters[1]], "lr": 0.02}]
    optimizer = torch.optim.Adam(groups, lr=0.1) if adam else torch.optim.SGD(groups, lr=0.1, momentum=0.9)
    scheduler = make(optimizer)
    rates, momenta = [], []
    for step in range(steps):
        rates.append([group["lr"] for group in optimizer.param_groups])
        momenta.append([momentum_of(group) for group in optimizer.param_groups])
        optimizer.step()
        if metrics is None:
            scheduler.step()
        else:
            scheduler.step(metrics[step])
    return {"rates": rates, "momenta": momenta, "adam": adam}


def fresh(optimizer, *makers):
    """Schedulers over one optimizer, none of which has touched its learning rates yet but the first."""
    made = []
    for make in reversed(makers):
        for group in optimizer.param_groups:
            group["lr"] = group.get("initial_lr", group["lr"])
        made.append(make(optimizer))
    return made[::-1]


def lr_schedulers():
    def simple(name, options, **run):
        kind = getattr(schedulers, name)
        return {"name": name, "options": options, **scheduler_run(lambda o: kind(o, **torch_options(options)), **run)}

    def torch_options(options):
        renamed = {"tMax": "T_max", "t0": "T_0", "tMult": "T_mult"}
        return {renamed.get(key) or snake({key: 0}).popitem()[0]: value for key, value in options.items()}

    cases = [
        simple("StepLR", {"stepSize": 3}),
        simple("StepLR", {"stepSize": 4, "gamma": 0.5}),
        simple("MultiStepLR", {"milestones": [2, 5, 5, 9], "gamma": 0.3}),
        simple("ExponentialLR", {"gamma": 0.8}),
        simple("ConstantLR", {}),
        simple("ConstantLR", {"factor": 0.25, "totalIters": 3}),
        simple("LinearLR", {}),
        simple("LinearLR", {"startFactor": 0.1, "endFactor": 0.7, "totalIters": 7}),
        simple("PolynomialLR", {}),
        simple("PolynomialLR", {"totalIters": 9, "power": 2.5}),
        simple("CosineAnnealingLR", {"tMax": 9}),
        simple("CosineAnnealingLR", {"tMax": 5, "etaMin": 0.01}),
        simple("CosineAnnealingWarmRestarts", {"t0": 5}),
        simple("CosineAnnealingWarmRestarts", {"t0": 2, "tMult": 2, "etaMin": 0.001}),
        simple("OneCycleLR", {"maxLr": 1, "totalSteps": 14}),
        simple("OneCycleLR", {"maxLr": [1, 0.3], "epochs": 2, "stepsPerEpoch": 7, "annealStrategy": "linear"}, adam=True),
        simple("OneCycleLR", {"maxLr": 0.5, "totalSteps": 14, "threePhase": True, "pctStart": 0.4, "divFactor": 10}),
        simple(
            "OneCycleLR",
            {"maxLr": 0.5, "totalSteps": 20, "cycleMomentum": False, "finalDivFactor": 100, "pctStart": 0.25},
        ),
        simple("OneCycleLR", {"maxLr": 0.5, "totalSteps": 14, "baseMomentum": 0.6, "maxMomentum": 0.8}, adam=True),
    ]
    # Chains and sequences, as the test builds them too.
    cases.append(
        {
            "name": "ChainedScheduler",
            **scheduler_run(
                lambda o: schedulers.ChainedScheduler(
                    [schedulers.ConstantLR(o, factor=0.1, total_iters=4), schedulers.ExponentialLR(o, gamma=0.9)]
                )
            ),
        }
    )
    cases.append(
        {
            "name": "SequentialLR",
            **scheduler_run(
                lambda o: schedulers.SequentialLR(
                    o,
                    fresh(
                        o,
                        lambda o: schedulers.LinearLR(o, start_factor=0.2, total_iters=4),
                        lambda o: schedulers.CosineAnnealingLR(o, T_max=4, eta_min=0.001),
                        lambda o: schedulers.ExponentialLR(o, gamma=0.5),
                    ),
                    milestones=[4, 8],
                )
            ),
        }
    )
    factors = [lambda step: 0.9**step, lambda step: 1 / (1 + step)]
    cases.append({"name": "LambdaLR", **scheduler_run(lambda o: schedulers.LambdaLR(o, factors))})

    falling = [1, 0.9, 0.9, 0.91, 0.8999, 0.9, 0.5, 0.6, 0.6, 0.6, 0.6, 0.6, 0.6, 0.6, 0.2, 0.3, 0.3, 0.3, 0.3, 0.3]
    rising = [1 - value for value in falling]
    for options, metrics in (
        ({"patience": 2}, falling),
        ({"patience": 0, "cooldown": 2, "factor": 0.5, "minLr": [0.01, 0.005]}, falling),
        ({"patience": 1, "threshold": 0.05, "thresholdMode": "abs", "factor": 0.3}, falling),
        ({"mode": "max", "patience": 1, "threshold": 0.2, "eps": 1e-3}, rising),
        ({"mode": "max", "patience": 1, "threshold": 0.05, "thresholdMode": "abs"}, rising),
    ):
        name = "ReduceLROnPlateau"
        cases.append({**simple(name, options, steps=len(metrics), metrics=metrics), "metrics": metrics})
    write("lr_schedulers", cases)


if __name__ == "__main__":
    optimizers()
    lr_schedulers()
