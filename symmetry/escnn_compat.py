"""Supplies the one function that escnn takes from lie_learn, so that escnn works on NumPy 2."""

import sys
from functools import lru_cache
from itertools import accumulate
from types import ModuleType

import numpy as np

_CONVENTION = ("quantum", "centered", "cs")


def wigner_D_matrix(  # noqa: N802 (the name that escnn imports)
    l: int,  # noqa: E741 (the degree's usual letter, and lie_learn's keyword)
    alpha: float,
    beta: float,
    gamma: float,
    field: str = "real",
    normalization: str = "quantum",
    order: str = "centered",
    condon_shortley: str = "cs",
) -> np.ndarray:
    """Represents the rotation R = Rz(alpha) Ry(beta) Rz(gamma) on the harmonics of degree l.

    D is fixed by Y(R x) = D Y(x), where Y(x) stacks the spherical harmonics of degree l in the
    order m = -l ... l. The real ones carry no Condon-Shortley sign: for l = 1 they are (y, z, x).
    The complex ones carry it. lie_learn's other conventions are not offered: escnn asks for none.

    Source: the angular-momentum matrices, e.g. Sakurai, Modern Quantum Mechanics, section 3.5.

    Args:
        l: degree, >= 0.
        alpha: third rotation, about z (rad).
        beta: second rotation, about y (rad).
        gamma: first rotation, about z (rad).
        field: "real" or "complex".
        normalization: "quantum".
        order: "centered".
        condon_shortley: "cs".

    Returns:
        D (2l+1, 2l+1), orthogonal if real and unitary if complex.

    Raises:
        ValueError: the degree is negative or the convention is not one of those above.
    """
    if l < 0:
        raise ValueError(f"degree l must be >= 0, not {l}")
    asked = (normalization, order, condon_shortley)
    if field not in ("real", "complex") or asked != _CONVENTION:
        raise ValueError(f"no harmonics in the convention {(field, *asked)}")
    to_complex, axis = _bases(l)
    m = np.arange(-l, l + 1)
    # Y(R x) = D Y(x) makes this the conjugate of the textbooks' exp(-i alpha m) d(beta) exp(...);
    # d(beta) = exp(-i beta J_y) is real.
    about_y = (axis * np.exp(1j * m * beta)) @ axis.conj().T
    d_complex = np.exp(1j * m * float(alpha))[:, None] * about_y * np.exp(1j * m * float(gamma))
    if field == "complex":
        return d_complex
    return np.real(to_complex.conj().T @ d_complex @ to_complex)


@lru_cache(maxsize=64)
def _bases(l: int) -> tuple[np.ndarray, np.ndarray]:  # noqa: E741
    """Real-to-complex basis (2l+1, 2l+1) and eigenvectors of -J_y, eigenvalues -l..l."""
    size = 2 * l + 1
    to_complex = np.zeros((size, size), dtype=complex)
    to_complex[l, l] = 1.0
    for m in range(1, l + 1):
        sign = (-1.0) ** m
        to_complex[l - m, [l - m, l + m]] = np.array([-1j, 1.0]) / np.sqrt(2.0)
        to_complex[l + m, [l - m, l + m]] = np.array([1j, 1.0]) * sign / np.sqrt(2.0)
    m = np.arange(-l, l)
    raising = np.diag(np.sqrt(l * (l + 1) - m * (m + 1)), -1)  # J+ |m> -> |m+1>
    j_y = (raising - raising.T) / 2j
    # The eigenvalues are the integers -l ... l, in the order that eigh gives: the caller uses them
    # exactly.
    axis = np.linalg.eigh(-j_y)[1]
    to_complex.flags.writeable = False
    axis.flags.writeable = False
    return to_complex, axis


def provide_lie_learn() -> None:
    """Places `wigner_D_matrix` where escnn looks for it; call it before the first escnn import.

    Does nothing where `lie_learn.representations.SO3.wigner_d` is loaded already. An installed
    lie_learn that was not imported yet is passed over: its binaries need NumPy 1.
    """
    name = "lie_learn.representations.SO3.wigner_d"
    if name in sys.modules:
        return
    parent = None
    for path in accumulate(name.split("."), "{}.{}".format):
        module = ModuleType(path, "Stands in for lie_learn; see covary/symmetry/escnn_compat.py.")
        module.__path__ = []
        sys.modules[path] = module
        if parent is not None:
            setattr(parent, path.rpartition(".")[2], module)
        parent = module
    setattr(sys.modules[name], "wigner_D_matrix", wigner_D_matrix)  # noqa: B010 (no such attribute yet)
