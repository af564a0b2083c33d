"""Models from and to a hub (extra `hub`); nothing here runs unless a person calls it.

    from detect.networks.hub import from_pretrained, push_to_hub

    folder = from_pretrained("someone/witnessmark-image", revision="3f1c...")   # downloads once, checks the hash
    push_to_hub("models/image", "someone/witnessmark-image")                    # the card travels as the hub's page

A model folder is the unit in both directions: `config.json`, weights, card, recipe, metrics. Only safetensors and text
are taken; a repository with pickles or code in it is not asked for them.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Protocol

from detect.errors import MissingExtraError, ModelError
from detect.networks.zoo import ModelFolder, find_model, open_folder

TAKEN = ("*.json", "*.safetensors", "*.md", "*.toml", "*.svg", "*.txt", "*.jsonl")
"""What is read from a hub: text and safetensors. A pickle can run code when it is opened."""


class HubApi(Protocol):
    """The two calls of `huggingface_hub.HfApi` that a push makes."""

    def create_repo(self, repo_id: str, *, private: bool, exist_ok: bool, repo_type: str) -> Any:
        """Make the repository, or leave the one there."""

    def upload_folder(
        self, *, repo_id: str, folder_path: str, commit_message: str, allow_patterns: list[str], repo_type: str
    ) -> Any:
        """Upload a folder as one commit."""


def from_pretrained(
    name_or_path: str | Path,
    *,
    revision: str | None = None,
    cache_dir: Path | None = None,
    local_files_only: bool = False,
) -> ModelFolder:
    """Return a model by the name of a shipped one, the path of a folder, or the id of a hub's repository, verified.

    Args:
        name_or_path: `image`; `my-models/image`; or `owner/name` on a hub.
        revision: Commit on the hub; name one, since a branch can be changed under you.
        cache_dir: Where downloads are kept; the hub client's own folder if left out.
        local_files_only: Never ask the network: only what was downloaded before.

    Raises:
        ModelError: Not found, not a model folder, or weights that differ from their config's hash.
        MissingExtraError: A hub id, and `huggingface_hub` is not installed.
    """
    if Path(name_or_path).is_dir() or str(name_or_path).count("/") != 1:
        model = find_model(name_or_path)
    else:
        model = open_folder(_download(str(name_or_path), revision, cache_dir, local_files_only))
    model.verify()
    return model


def _download(repo_id: str, revision: str | None, cache_dir: Path | None, local_files_only: bool) -> Path:
    hub = _import_hub()
    try:
        return Path(
            hub.snapshot_download(
                repo_id,
                revision=revision,
                cache_dir=cache_dir,
                local_files_only=local_files_only,
                allow_patterns=list(TAKEN),
            )
        )
    except Exception as error:  # the client raises a dozen kinds, of its own and of its transport
        raise ModelError(f"no model {repo_id!r} from the hub: {type(error).__name__}: {error}") from error


def push_to_hub(
    model: str | Path,
    repo_id: str,
    *,
    private: bool = True,
    message: str = "",
    api: HubApi | None = None,
) -> str:
    """Publish a model folder and return the id of its repository.

    Args:
        model: Name of a shipped model, or a folder.
        repo_id: `owner/name`.
        private: Make a new repository private; change it on the hub when you mean it.
        message: Of the commit.
        api: Client to use; `huggingface_hub.HfApi()` with the login of this machine if left out.

    Raises:
        ModelError: Weights differ from their config's hash, or the card has no front matter for the hub.
        MissingExtraError: `huggingface_hub` is not installed.
    """
    folder = find_model(model)
    folder.verify()
    card = folder.path / "README.md"
    if not card.is_file() or not card.read_text(encoding="utf-8").startswith("---\n"):
        raise ModelError(f"{card} does not begin with the front matter that a hub reads (licence, tags, library)")
    client: HubApi = api or _import_hub().HfApi()
    client.create_repo(repo_id, private=private, exist_ok=True, repo_type="model")
    client.upload_folder(
        repo_id=repo_id,
        folder_path=str(folder.path),
        commit_message=message or f"{folder.name} {folder.config['version']} ({folder.ref.sha256[:12]})",
        allow_patterns=list(TAKEN),
        repo_type="model",
    )
    return repo_id


def _import_hub() -> Any:
    try:
        import huggingface_hub
    except ImportError as error:
        raise MissingExtraError("models on a hub need: pip install 'witnessmark[hub]'") from error
    return huggingface_hub
