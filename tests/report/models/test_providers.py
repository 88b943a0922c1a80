"""Which model writes: as it is named, or by the key that is there."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from piecework.report import MissingExtraError, ReportError, write_report
from piecework.report.models import (
    PROVIDERS,
    BadSettingError,
    MissingKeyError,
    MissingModelNameError,
    ModelError,
    ModelWriter,
    UnknownProviderError,
    choose_model,
    open_model,
    read_model_name,
)
from piecework.report.models.opening import ollama_url


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("anthropic:claude-x", "anthropic:claude-x"),
        (" OpenAI : gpt-x ", "openai:gpt-x"),
        ("ollama:qwen3:8b", "ollama:qwen3:8b"),
        ("anthropic", f"anthropic:{PROVIDERS['anthropic'].default}"),
        ("openai:", f"openai:{PROVIDERS['openai'].default}"),
    ],
)
def test_a_model_is_named_by_its_provider_and_its_name(text: str, shown: str) -> None:
    assert str(read_model_name(text)) == shown


@pytest.mark.parametrize("text", ["", ":x", "gpt-4o", "claude", "mistral:large", "openai:a\nb\x1b[31m"])
def test_an_unknown_provider_is_told_with_those_there_are(text: str) -> None:
    with pytest.raises(UnknownProviderError, match="anthropic:NAME, openai:NAME, ollama:NAME, or extractive") as caught:
        read_model_name(text)
    assert caught.value.name == text
    assert isinstance(caught.value, ReportError)


def test_a_near_miss_is_named() -> None:
    with pytest.raises(UnknownProviderError, match="Did you mean 'anthropic'"):
        read_model_name("antropic:claude-x")


def test_a_provider_without_a_default_needs_a_name() -> None:
    with pytest.raises(MissingModelNameError, match="ollama:NAME"):
        read_model_name("ollama")


@pytest.mark.parametrize(
    ("environment", "provider"),
    [
        ({}, None),
        ({"OPENAI_API_KEY": "k"}, "openai"),
        ({"ANTHROPIC_API_KEY": "k"}, "anthropic"),
        ({"OPENAI_API_KEY": "k", "ANTHROPIC_API_KEY": "k"}, "anthropic"),
        ({"OPENAI_API_KEY": "k", "ANTHROPIC_API_KEY": " "}, "openai"),
        ({"OLLAMA_HOST": "here"}, None),
    ],
)
def test_without_a_name_the_provider_whose_key_is_there_is_used(
    environment: dict[str, str], provider: str | None
) -> None:
    chosen = choose_model(environment)
    assert (chosen.provider.name if chosen else None) == provider


def test_a_missing_key_is_told_with_its_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    with pytest.raises(MissingKeyError, match="set OPENAI_API_KEY") as caught:
        open_model("openai:x")
    assert caught.value.variable == "OPENAI_API_KEY"


@pytest.mark.parametrize("key", ["abc\ndef", "abc def", "\u043a\u043b\u044e\u0447", "abc\x1b"])
def test_a_key_that_cannot_be_one_is_told_and_never_shown(monkeypatch: pytest.MonkeyPatch, key: str) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", key)
    with pytest.raises(BadSettingError, match="Set OPENAI_API_KEY anew") as caught:
        open_model("openai:x")
    assert key not in str(caught.value)


@pytest.mark.parametrize("model", ["openai:x", "anthropic:claude-haiku-5-5"])
def test_a_proxy_that_cannot_be_one_is_told(monkeypatch: pytest.MonkeyPatch, model: str) -> None:
    for name in ("OPENAI_API_KEY", "ANTHROPIC_API_KEY"):
        monkeypatch.setenv(name, "k")
    monkeypatch.setenv("OPENAI_BASE_URL", "http://127.0.0.1:1/v1")
    monkeypatch.setenv("ANTHROPIC_BASE_URL", "http://127.0.0.1:1")
    monkeypatch.setenv("HTTP_PROXY", "nonsense://x")
    with pytest.raises((BadSettingError, ModelError), match="proxy"):
        write_report("x", ModelWriter(open_model(model)))


@pytest.mark.parametrize(
    ("host", "url"),
    [
        ("", "http://127.0.0.1:11434/v1"),
        ("0.0.0.0", "http://127.0.0.1:11434/v1"),  # noqa: S104 - an address to listen on is what is tested
        ("0.0.0.0:8000", "http://127.0.0.1:8000/v1"),
        (":8000", "http://127.0.0.1:8000/v1"),
        ("gpu", "http://gpu:11434/v1"),
        ("gpu:8000", "http://gpu:8000/v1"),
        ("[::1]:8000", "http://[::1]:8000/v1"),
        ("[::]", "http://127.0.0.1:11434/v1"),
        ("http://gpu", "http://gpu:80/v1"),
        ("https://gpu/", "https://gpu:443/v1"),
        ("https://gpu/models/v1/", "https://gpu:443/models/v1"),
        ("http://gpu:8000/v1", "http://gpu:8000/v1"),
    ],
)
def test_ollama_is_found_where_its_own_variable_says(host: str, url: str) -> None:
    assert ollama_url(host) == url


def test_a_missing_package_is_told_with_its_extra(tmp_path: Path) -> None:
    (tmp_path / "langchain_anthropic.py").write_text("raise ModuleNotFoundError(name='langchain_anthropic')\n")
    program = (
        "from piecework.report import MissingExtraError\n"
        "from piecework.report.models import open_model\n"
        "try:\n    open_model('anthropic:x')\nexcept MissingExtraError as error:\n    print(error.extra, error)\n"
    )
    environment = os.environ | {
        "PYTHONPATH": os.pathsep.join([str(tmp_path), *sys.path]),
        "ANTHROPIC_API_KEY": "k",
    }
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=True, env=environment
    )
    assert done.stdout == f"models {MissingExtraError('anthropic as the model', 'models')}\n"
    assert "pip install 'piecework[models]'" in done.stdout


def test_choosing_a_model_loads_no_model_package() -> None:
    program = (
        "import sys\nfrom piecework.report import models\nmodels.choose_model({'OPENAI_API_KEY': 'k'})\n"
        "print([name for name in ('pydantic', 'langchain_core', 'openai', 'anthropic') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout == "[]\n"
