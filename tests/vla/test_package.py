import subprocess
import sys

import pytest

import vla


def test_importing_it_loads_nothing_heavy() -> None:
    code = (
        "import sys, vla, vla.errors, vla.files; print({'torch', 'transformers', 'numpy'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


@pytest.mark.parametrize("name", vla.__all__)
def test_every_public_name_exists(name: str) -> None:
    assert getattr(vla, name) is not None


def test_another_name_is_an_attribute_error_with_the_names_there_are() -> None:
    with pytest.raises(AttributeError, match=r"has no attribute 'VLAConfg'.*VLAConfig"):
        vla.VLAConfg  # noqa: B018
