"""Describes the package: the repository root is `covary`, and its rooms are the sub-packages."""

from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py

ROOMS = ("symmetry", "nodes", "sim", "perception", "planners", "control", "commands")
"""Folders that ship. Everything else beside them (tests, benchmarks, docs) stays at home."""

HERE = Path(__file__).resolve().parent


def packages() -> list[str]:
    """Names every package to ship: `covary` and each folder of a room with an `__init__.py`."""
    found = ["covary"]
    for room in ROOMS:
        folders = sorted(file.parent for file in (HERE / room).rglob("__init__.py"))
        found += [".".join(("covary", *folder.relative_to(HERE).parts)) for folder in folders]
    return found


class BuildWithoutSetup(build_py):
    """Leaves setup.py out of the wheel: it lies in the root, which is the package's own folder."""

    def find_package_modules(self, package, package_dir):
        """Lists a package's modules, setup.py excepted."""
        modules = super().find_package_modules(package, package_dir)
        return [module for module in modules if module[1] != "setup"]


setup(
    name="covary",
    version="0.7.0",
    description="Simulation, perception, planners and policies that share one declared symmetry",
    long_description=(HERE / "README.md").read_text(encoding="utf-8"),
    long_description_content_type="text/markdown",
    license="MIT",
    license_files=["LICENSE"],
    python_requires=">=3.11,<3.13",
    package_dir={"covary": "."},
    packages=packages(),
    package_data={
        "covary": ["py.typed", "launch/**/*.yaml"],
        "covary.nodes": ["msg/*.msg"],
        "covary.sim": ["models/**/*.xml"],
    },
    include_package_data=False,
    cmdclass={"build_py": BuildWithoutSetup},
    install_requires=[
        "numpy>=2",
        "scipy>=1.13",
        "llvmlite>=0.44",
        "numba>=0.61",
        "mujoco>=3.6,<3.12",
        "gymnasium>=1",
        "pyyaml>=6",
        "eclipse-zenoh>=1.10,<2",
        "rosbags>=0.11.9,<0.12",  # earlier ones believe every length in a message
        "mcap>=1.6",
        "lz4>=4",
        "zstandard>=0.22",
        "typer>=0.12",
        "rich>=13",
        "cma>=4",  # covary tune; needs NumPy alone
    ],
    extras_require={
        # Handwritten digits, and the fonts of printed ones, for benchmarks/mismatch; not beside
        # escnn, which fails where scikit-learn is installed.
        "digits": ["scikit-learn>=1.5", "matplotlib>=3.9"],
        # From a wheel only: where PyPI has none for the platform there is no PyBullet.
        "bullet": ["pybullet>=3.2.6"],
        # What other tools keep demonstrations in: `covary export`.
        "data": ["h5py>=3.10", "pyarrow>=16", "av>=13", "minari>=0.5.4", "pillow>=10"],
        # The live page of `covary view`, and other people's environments as the sim node.
        "view": ["viser>=1,<2"],
        "robotics": ["gymnasium-robotics>=1.3"],
        # escnn goes beside these with --no-deps: docs/decisions/0006-escnn-without-dependencies.md
        "learn": [
            "torch==2.13.0",
            "joblib>=1.3",
            "safetensors>=0.5",
            "onnx>=1.17",
            "onnxscript>=0.5",
            "onnxruntime>=1.20",
            "pillow>=10",  # curves and maps
        ],
        # What a robot needs to run a policy: no torch.
        "deploy": ["onnxruntime>=1.20"],
        "test": [
            "pytest>=8",
            "hypothesis>=6",
            "mcap-ros2-support>=0.5",
            "selenium>=4.20",  # the live page in a real browser, where there is one
            "ruff",
            "pyright",
            # Coverage-guided fuzzing, where there is a wheel: elsewhere it wants a compiler.
            "atheris>=3; sys_platform == 'linux' and platform_machine == 'x86_64'",
        ],
    },
    # No `gymnasium.envs` group: Gymnasium 1 reads none. Importing covary.sim.env registers ours.
    entry_points={"console_scripts": ["covary = covary.commands.main:main"]},
)
