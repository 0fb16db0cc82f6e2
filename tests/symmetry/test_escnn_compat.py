"""The function that stands in for lie_learn is the real thing, and escnn works with it."""

import subprocess
import sys

import numpy as np
import pytest

from covary.symmetry.escnn_compat import provide_lie_learn, wigner_D_matrix

# What lie_learn 0.0.2 itself gives on NumPy 1.26: wigner_D_matrix(l, 0.3, 0.5, 0.7).
LIE_LEARN = {
    1: [
        [0.56360806, 0.14167993, 0.81380142],
        [0.30885441, 0.87758256, -0.36668488],
        [-0.76612983, 0.45801271, 0.45085413],
    ],
    2: [
        [-0.36937252, 0.14959443, 0.11239487, 0.43660838, 0.79870267],
        [0.04467961, 0.53837108, 0.21535599, 0.66222605, -0.47248151],
        [-0.19615864, 0.46946414, 0.65522673, -0.55736746, 0.0338328],
        [0.42017651, -0.53088293, 0.69618737, 0.22771539, 0.07130119],
        [-0.80407783, -0.43074915, 0.16428713, 0.09119759, -0.36415209],
    ],
}


def rotation(alpha: float, beta: float, gamma: float) -> np.ndarray:
    def about_z(angle: float) -> np.ndarray:
        c, s = np.cos(angle), np.sin(angle)
        return np.array([[c, -s, 0], [s, c, 0], [0, 0, 1]])

    c, s = np.cos(beta), np.sin(beta)
    about_y = np.array([[c, 0, s], [0, 1, 0], [-s, 0, c]])
    return about_z(alpha) @ about_y @ about_z(gamma)


def harmonics(degree: int, x: np.ndarray) -> np.ndarray:
    """Complex spherical harmonics of a unit vector, m = -degree ... degree, from SciPy."""
    from scipy.special import sph_harm_y

    polar, azimuth = np.arccos(x[2]), np.arctan2(x[1], x[0])
    return np.array([sph_harm_y(degree, m, polar, azimuth) for m in range(-degree, degree + 1)])


@pytest.mark.parametrize("degree", sorted(LIE_LEARN))
def test_agrees_with_lie_learn(degree):
    assert np.allclose(wigner_D_matrix(degree, 0.3, 0.5, 0.7), LIE_LEARN[degree], atol=1e-8)


def test_degree_one_is_the_rotation_itself_on_y_z_x():
    angles = (0.4, 1.1, -2.3)
    order = [1, 2, 0]
    expected = rotation(*angles)[np.ix_(order, order)]
    assert np.allclose(wigner_D_matrix(1, *angles), expected, atol=1e-14)


def test_small_d_of_degree_two_is_the_textbook_table():
    beta = 0.8
    d = wigner_D_matrix(2, 0.0, beta, 0.0, field="complex")
    c, s = np.cos(beta), np.sin(beta)
    assert np.allclose(d.imag, 0.0, atol=1e-14)
    assert d[2, 2].real == pytest.approx((3 * c * c - 1) / 2, abs=1e-14)
    assert d[4, 4].real == pytest.approx((1 + c) ** 2 / 4, abs=1e-14)
    assert d[4, 3].real == pytest.approx(-s * (1 + c) / 2, abs=1e-14)
    assert d[4, 2].real == pytest.approx(np.sqrt(6) / 4 * s * s, abs=1e-14)
    assert d[3, 2].real == pytest.approx(-np.sqrt(1.5) * s * c, abs=1e-14)
    assert d[4, 0].real == pytest.approx((1 - c) ** 2 / 4, abs=1e-14)


@pytest.mark.parametrize("degree", range(7))
def test_moves_the_spherical_harmonics(degree):
    rng = np.random.default_rng(degree)
    for angles in rng.uniform(-3.0, 3.0, (5, 3)):
        x = rng.normal(size=3)
        x /= np.linalg.norm(x)
        moved = wigner_D_matrix(degree, *angles, field="complex") @ harmonics(degree, x)
        assert np.allclose(moved, harmonics(degree, rotation(*angles) @ x), atol=1e-12)


@pytest.mark.parametrize("degree", range(7))
def test_is_an_orthogonal_representation(degree):
    first, second = wigner_D_matrix(degree, 0.2, 0.9, -1.3), wigner_D_matrix(degree, -1, 2.0, 0.4)
    product = rotation(0.2, 0.9, -1.3) @ rotation(-1, 2.0, 0.4)
    beta = np.arccos(product[2, 2])
    alpha = np.arctan2(product[1, 2], product[0, 2])
    gamma = np.arctan2(product[2, 1], -product[2, 0])
    assert np.allclose(first @ second, wigner_D_matrix(degree, alpha, beta, gamma), atol=1e-12)
    assert np.allclose(first @ first.T, np.eye(2 * degree + 1), atol=1e-13)


def test_refuses_what_it_does_not_offer():
    with pytest.raises(ValueError, match="degree"):
        wigner_D_matrix(-1, 0.0, 0.0, 0.0)
    with pytest.raises(ValueError, match="nocs"):
        wigner_D_matrix(1, 0.0, 0.0, 0.0, condon_shortley="nocs")


def test_importing_the_module_touches_nothing():
    code = "import sys, covary.symmetry.escnn_compat; assert 'lie_learn' not in sys.modules"
    subprocess.run([sys.executable, "-P", "-c", code], check=True, timeout=60)


@pytest.mark.filterwarnings("ignore:.*py3nj.*")
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_escnn_imports_and_a_d4_convolution_is_equivariant():
    torch = pytest.importorskip("torch", reason="torch is not installed (extra: learn)")
    provide_lie_learn()
    # Not `import escnn`: that alone swallows a failed import of escnn.nn.
    nn = pytest.importorskip("escnn.nn", reason="escnn is not installed (make setup installs it)")
    from escnn import gspaces

    space = gspaces.flipRot2dOnR2(N=4)
    image = nn.FieldType(space, [space.trivial_repr])
    features = nn.FieldType(space, [space.regular_repr])
    torch.manual_seed(0)
    layer = nn.R2Conv(image, features, kernel_size=5, padding=2).eval()
    x = nn.GeometricTensor(torch.rand(1, 1, 17, 17), image)
    with torch.no_grad():
        y = layer(x)
        for g in space.testing_elements:
            error = (layer(x.transform(g)).tensor - y.transform(g).tensor).abs().max()
            assert error < 1e-5 * y.tensor.abs().max()


@pytest.mark.filterwarnings("ignore:.*py3nj.*")
def test_escnn_so3_representations_use_it():
    pytest.importorskip("torch", reason="torch is not installed (extra: learn)")
    provide_lie_learn()
    group = pytest.importorskip("escnn.group", reason="escnn is not installed")
    so3 = group.so3_group(2)
    standard = so3.standard_representation()
    for g in (so3.sample() for _ in range(5)):
        assert np.allclose(standard(g), g.to("MAT"), atol=1e-10)
